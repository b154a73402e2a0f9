"""Who passed here: the vans that were within an area between two times, by van."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.tracking import passages_store
from cloud.tracking.blocks import WAY_MS
from cloud.tracking.passing import Passed, Piece, boxes_of, passed, spans
from cloud.tracking.places import Area
from cloud.tracking.service import lost_of, read_spans, require_span

MOST_PIECES: Final = 2_000
"""Of what is read for one page; a van is read to its end."""


class Passages(NamedTuple):
    """Vans that passed, by id, and the id to go on after when there may be more."""

    vans: list[tuple[str, Passed]]
    following: str | None


def passages(
    telemetry: Database,
    tenant: str,
    area: Area,
    span_s: tuple[float, float],
    vans: Sequence[str],
    limit: int,
) -> Passages:
    """Which of ``vans``, ascending, passed; ``limit`` of them at most, and fewer of a large answer.

    Raises:
        Invalid: the span is empty or longer than 31 days.
    """
    span_ms = require_span(*span_s)
    around = (span_ms[0] - WAY_MS, span_ms[1] + WAY_MS)
    with telemetry.reading() as connection:
        pieces: dict[str, list[Piece]] = defaultdict(list)
        for piece in passages_store.near(connection, tenant, boxes_of(area), around):
            pieces[piece.van].append(piece)
        found: list[tuple[str, Passed]] = []
        asked = [van for van in vans if van in pieces]
        read = 0
        for van in asked:
            read += len(pieces[van])
            one = _of_van(connection, tenant, van, pieces[van], area, span_ms)
            if one is not None:
                found.append((van, one))
            if len(found) == limit or read >= MOST_PIECES:
                return Passages(found, van if van != asked[-1] else None)
    return Passages(found, None)


def _of_van(
    connection: Connection,
    tenant: str,
    van: str,
    pieces: Sequence[Piece],
    area: Area,
    span_ms: tuple[int, int],
) -> Passed | None:
    wanted = spans(pieces, span_ms)
    if not wanted:
        return None
    track = read_spans(connection, tenant, van, wanted)
    lost = lost_of(connection, tenant, van, wanted[0][0])
    return passed(track, lost, area, span_ms)
