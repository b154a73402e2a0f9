"""What happened in a van: its events between two instants, a page at a time."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.tracking import store
from cloud.tracking.service import require_span
from cloud.tracking.store import EventPlace
from wire.events import EventBody
from wire.values import ClockQuality

KINDS: Final = tuple(sorted(one.__struct_config__.tag for one in get_args(EventBody.__value__)))
"""Every kind of event that a van can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event of a van, known everywhere by its stream and seq.

    Attributes:
        at_s: when it happened, as far as that can be true; seconds since 1970 UTC.
        kind: the tag of its body. body: as it stands on the wire.
        received_at_s: when the cloud got it. clock: of the gateway, when it recorded it.
    """

    stream: int
    seq: int
    at_s: float
    kind: str
    body: dict[str, Any]
    clock: ClockQuality
    received_at_s: float


class EventLog:
    """Reads what ingest has stored."""

    def __init__(self, telemetry: Database) -> None:
        self._telemetry = telemetry

    def page(
        self,
        tenant: str,
        van: str,
        span_s: tuple[float, float],
        *,
        kinds: Sequence[str] = (),
        cursor: str | None = None,
        limit: int,
    ) -> tuple[list[Happened], str | None]:
        """The van's events of ``kinds``, or of all, by time, and the cursor of the next page.

        Args:
            tenant: whose van it is.
            van: which.
            span_s: from when up to but without when, seconds since 1970.
            kinds: some of `KINDS`; all when empty.
            cursor: of the page before.
            limit: how many at most.

        Raises:
            Invalid: the span is empty or longer than 31 days, a kind is not known, or the cursor
                was not given by an earlier page.
        """
        from_ms, to_ms = require_span(*span_s)
        for kind in kinds:
            if kind not in KINDS:
                raise Invalid.field(
                    "kind", f"{kind[:80]!r} is not known", f"use some of {', '.join(KINDS)}"
                )
        after = None if cursor is None else _read_cursor(cursor)
        with self._telemetry.reading() as connection:
            rows = store.events_between(
                connection, tenant, van, from_ms, to_ms, kinds=kinds, after=after, limit=limit + 1
            )
        found = [_happened(row) for row in rows[:limit]]
        return found, _cursor(rows[limit - 1]) if len(rows) > limit else None


def _happened(row: store.EventRow) -> Happened:
    return Happened(
        stream=row.stream,
        seq=row.seq,
        at_s=row.at_ms / 1000,
        kind=row.kind,
        body=msgspec.json.decode(row.body),
        clock=row.quality,
        received_at_s=row.received_at_ms / 1000,
    )


def _cursor(row: store.EventRow) -> str:
    text = f"{row.at_ms} {row.stream} {row.seq}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> EventPlace:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at_ms, stream, seq = map(int, text.split(" "))
    except (ValueError, binascii.Error, UnicodeDecodeError) as error:
        raise _not_given() from error
    place = EventPlace(at_ms=at_ms, stream=stream, seq=seq)
    if any(not -(2**63) <= number < 2**63 for number in place):
        raise _not_given()
    return place


def _not_given() -> Invalid:
    return Invalid.field(
        "cursor", "was not given by an earlier page", "begin again without a cursor"
    )
