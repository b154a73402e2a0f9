"""Who passed here: the vans that were within an area between two times, by van."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.tracking import passages_store
from cloud.tracking.blocks import WAY_MS
from cloud.tracking.passing import Passed, Piece, boxes_of, passed, spans
from cloud.tracking.places import Area
from cloud.tracking.service import lost_of_vans, read_spans, require_span

MOST_PIECES: Final = 2_000
"""Of what is read for one page; a van is read to its end."""
_VANS: Final = 32
_PIECES: Final = 200
"""Of several vans that are read in one go."""


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
        Invalid: the span is empty or longer than 31 days, or too much lies in the area.
    """
    span_ms = require_span(*span_s)
    around = (span_ms[0] - WAY_MS, span_ms[1] + WAY_MS)
    with telemetry.reading() as connection:
        pieces: dict[str, list[Piece]] = defaultdict(list)
        for piece in passages_store.near(connection, tenant, boxes_of(area), around):
            pieces[piece.van].append(piece)
        asked = [van for van in vans if van in pieces]
        found: list[tuple[str, Passed]] = []
        read = 0
        for some in _together(asked, pieces):
            read += sum(len(pieces[van]) for van in some)
            found += _passed(connection, tenant, {van: pieces[van] for van in some}, area, span_ms)
            if len(found) > limit:
                return Passages(found[:limit], found[limit - 1][0])
            if len(found) == limit or read >= MOST_PIECES:
                return Passages(found, some[-1] if some[-1] != asked[-1] else None)
    return Passages(found, None)


def _together(vans: Sequence[str], pieces: Mapping[str, Sequence[Piece]]) -> Iterator[list[str]]:
    """The vans in groups of which what is stored is read in one go."""
    some: list[str] = []
    for van in vans:
        some.append(van)
        if len(some) == _VANS or sum(len(pieces[one]) for one in some) >= _PIECES:
            yield some
            some = []
    if some:
        yield some


def _passed(
    connection: Connection,
    tenant: str,
    pieces: Mapping[str, Sequence[Piece]],
    area: Area,
    span_ms: tuple[int, int],
) -> list[tuple[str, Passed]]:
    of_vans = {van: spans(some, span_ms) for van, some in pieces.items()}
    wanted = {van: some for van, some in of_vans.items() if some}
    if not wanted:
        return []
    lost = lost_of_vans(
        connection, tenant, list(wanted), min(some[0][0] for some in wanted.values())
    )
    tracks = read_spans(connection, tenant, wanted)
    found = ((van, passed(one, lost.get(van, []), area, span_ms)) for van, one in tracks.items())
    return [(van, one) for van, one in found if one is not None]
