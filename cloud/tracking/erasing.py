"""Where a van was is erased on request: of a span of time, or all of it.

Ingest alone writes its database, so it does this, between its groups and a bounded piece at a time.
Each piece is one transaction, and the errand stays in the data folder until the last: after a kill
it is done again from the start, and what is gone already costs nothing. What is committed stays
committed, so nothing that was erased comes back from the van.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, func, select, tuple_

from cloud.foundation.database import Database
from cloud.tracking import history, store
from cloud.tracking.blocks import WAY_MS, Extent
from cloud.tracking.folding import erase, fold
from cloud.tracking.history import ARRIVED, BLOCK, Unread
from cloud.tracking.intake import Intake
from cloud.tracking.model import StreamKey, moment_ms
from cloud.tracking.store import EVENT, SET_ASIDE, Writes
from wire import codec, topics
from wire.messages import Fix
from wire.packing import PackingError

_ROWS: Final = 1_000
_BLOCKS: Final = 10
"""In one transaction, of those that are unpacked: some 20 ms each."""
_WHOLE_BLOCKS: Final = 500
_EVENTS: Final = 500
_TELLING: Final = (
    *("trip_started", "trip_ended", "stop_arrived", "stop_departed"),
    *("geofence_entered", "geofence_left", "harsh_driving", "idled"),
    *("ignition_switched", "door_moved"),
)
"""Kinds of events that tell where a van was or how it drove."""


class Erasure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="erasure"):
    """Whose track, with ``from_ms`` ≤ moment < ``to_ms``, is to be erased."""

    tenant: str
    van: str
    from_ms: int
    to_ms: int

    def keeps(self, fix: Fix) -> bool:
        """Whether a fix stays."""
        return not self.from_ms <= moment_ms(fix) < self.to_ms


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """How much was erased: fixes, events, and messages that were set aside."""

    fixes: int = 0
    events: int = 0
    set_aside: int = 0


_NOTHING: Final = Erased()


@dataclass(slots=True)
class _Reached:
    """How far one erasure has come, as far as that is committed.

    Attributes:
        stream: the last whose arrivals are done. seq: from which on those of the next are left.
        block: the last one that was looked into. is_cut: whether one of this round lost fixes.
    """

    stream: int = -1
    seq: int = 0
    block: int = -1
    is_cut: bool = False
    outcome: Erased = _NOTHING


class Erasing:
    """How far one erasure has come."""

    def __init__(self, erasure: Erasure) -> None:
        self._erasure = erasure
        self._reached = _Reached()
        self._steps: list[Callable[[Connection, Intake], int]] = [
            self._live,
            self._set_aside,
            self._events,
            self._blocks,
            self._whole_blocks,
            self._arrived,
        ]

    @property
    def outcome(self) -> Erased:
        """What is gone so far."""
        return self._reached.outcome

    def step(self, database: Database, intake: Intake) -> bool:
        """Do a piece; False when nothing is left to do.

        Raises:
            DBAPIError: the database fails; the same piece is done at the next call.
        """
        before = replace(self._reached)
        try:
            with database.writing() as connection:
                left = self._steps[-1](connection, intake)
        except BaseException:
            self._reached = before
            raise
        if not left:
            self._steps.pop()
        intake.note_removed()
        return bool(self._steps)

    def _count(self, *, fixes: int = 0, events: int = 0, set_aside: int = 0) -> None:
        before = self.outcome
        self._reached.outcome = Erased(
            fixes=before.fixes + fixes,
            events=before.events + events,
            set_aside=before.set_aside + set_aside,
        )

    def _arrived(self, connection: Connection, _intake: Intake) -> int:
        """One stream at a time is folded, so that from then on there are only blocks."""
        told = self._erasure
        stream = connection.scalar(
            select(func.min(ARRIVED.c.stream)).where(
                ARRIVED.c.tenant == told.tenant,
                ARRIVED.c.van == told.van,
                ARRIVED.c.stream > self._reached.stream,
                history.may_lie_in(told.from_ms - WAY_MS, told.to_ms + WAY_MS),
            )
        )
        if stream is None:
            return 0
        key = StreamKey(told.tenant, told.van, stream)
        rows = history.arrived_of(connection, key, 2**62, _ROWS, self._reached.seq)
        unreadable = [row for row in rows if not _is_readable(row)]
        lost = [row.id for row in unreadable if row.received_at_ms >= told.from_ms]
        history.forget_arrived(connection, lost)
        readable = [row for row in rows if row not in unreadable]
        self._count(fixes=self._folded(connection, key, readable), set_aside=len(lost))
        if len(rows) < _ROWS:
            self._reached.stream, self._reached.seq = stream, 0
        else:  # where nothing can be folded the same rows are found again
            self._reached.seq = max(rows[-1].first, self._reached.seq + 1)
        return 1

    def _folded(self, connection: Connection, key: StreamKey, rows: list[Unread]) -> int:
        """Beside a damaged block nothing can be folded: there a batch goes as a whole."""
        told = self._erasure
        try:
            return fold(connection, key, rows, keep=told.keeps)
        except PackingError:
            gone = [
                row for row in rows if not all(told.keeps(one.fix) for one in history.rows_of(row))
            ]
            history.forget_arrived(connection, [row.id for row in gone])
            return sum(row.fixes for row in gone)

    def _whole_blocks(self, connection: Connection, _intake: Intake) -> int:
        """Blocks all of whose fixes go need not be unpacked."""
        told = self._erasure
        found = connection.execute(
            select(BLOCK.c.id, BLOCK.c.fixes)
            .where(
                BLOCK.c.tenant == told.tenant,
                BLOCK.c.van == told.van,
                BLOCK.c.from_ms >= told.from_ms,
                BLOCK.c.from_ms < told.to_ms,
                BLOCK.c.to_ms < told.to_ms,
            )
            .limit(_WHOLE_BLOCKS)
        ).all()
        if found:
            ids = [row.id for row in found]
            connection.execute(delete(BLOCK).where(BLOCK.c.id.in_(ids)))
        self._count(fixes=sum(row.fixes for row in found))
        return len(found)

    def _blocks(self, connection: Connection, _intake: Intake) -> int:
        """Those at the ends, and those whose boxes lead into what has gone.

        Beside it ingest folds what comes, and so gives what was not reached yet a new id, so they
        are gone through until nothing is found in them any more.
        """
        told = self._erasure
        found = connection.execute(
            select(BLOCK.c.id, BLOCK.c.stream, BLOCK.c.first, BLOCK.c.last, BLOCK.c.fixes)
            .where(
                BLOCK.c.tenant == told.tenant,
                BLOCK.c.van == told.van,
                *history.within(told.from_ms - WAY_MS, told.to_ms + WAY_MS),
                BLOCK.c.id > self._reached.block,
            )
            .order_by(BLOCK.c.id)
            .limit(_BLOCKS)
        ).all()
        for row in found:
            key = StreamKey(told.tenant, told.van, row.stream)
            block = Extent(
                first=row.first, last=row.last, id=row.id, is_block=True, fixes=row.fixes
            )
            cut = erase(connection, key, block, told.keeps)
            self._count(fixes=cut)
            self._reached.is_cut |= cut > 0
            self._reached.block = row.id
        if found or not self._reached.is_cut:
            return len(found)
        self._reached.block, self._reached.is_cut = -1, False
        return 1

    def _events(self, connection: Connection, _intake: Intake) -> int:
        told = self._erasure
        key = (EVENT.c.stream, EVENT.c.seq)
        whose = (EVENT.c.tenant == told.tenant, EVENT.c.van == told.van)
        found = connection.execute(
            select(*key)
            .where(
                *whose,
                EVENT.c.at_ms >= told.from_ms,
                EVENT.c.at_ms < told.to_ms,
                EVENT.c.kind.in_(_TELLING),
            )
            .limit(_EVENTS)
        ).all()
        if found:
            named = [tuple(row) for row in found]
            connection.execute(delete(EVENT).where(*whose, tuple_(*key).in_(named)))
        self._count(events=len(found))
        return len(found)

    def _set_aside(self, connection: Connection, _intake: Intake) -> int:
        """What cannot be read may tell of any time before it was received."""
        told = self._erasure
        prefix = topics.up_all(told.tenant, told.van).removesuffix("+")
        gone = connection.execute(
            delete(SET_ASIDE).where(
                SET_ASIDE.c.topic >= prefix,
                SET_ASIDE.c.topic < prefix + "\U0010ffff",
                SET_ASIDE.c.received_at_ms >= told.from_ms,
            )
        )
        self._count(set_aside=gone.rowcount)
        return 0

    def _live(self, connection: Connection, intake: Intake) -> int:
        """The newest position, when it is of that time; the van's next fix is the newest then."""
        told = self._erasure
        row = intake.forget_place(told.tenant, told.van, told.keeps)
        if row is not None:
            store.write(connection, Writes(live=[store.live_values(row)]))
        return 0


def _is_readable(row: Unread) -> bool:
    try:
        history.rows_of(row)
    except codec.WireError:
        return False
    return True
