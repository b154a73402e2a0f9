"""What ingest has committed and still has to look into, and what waits to be folded into blocks.

Both are work for the time between the groups, a bounded piece at a time. Nothing of it is needed
for an acknowledgement, and all of it is found again after a kill.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cloud.foundation.database import Database
from cloud.tracking import history, store
from cloud.tracking.blocks import BLOCK_FIXES, Bounds, Seen, bounds
from cloud.tracking.folding import fold
from cloud.tracking.history import Unread
from cloud.tracking.intake import Complaint, Group, Intake
from cloud.tracking.model import StreamKey
from wire import codec
from wire.messages import Batch
from wire.packing import PackingError

FOLD_AFTER_MS: Final = 10 * 60_000
"""What has arrived of a stream becomes a block so long after its first at the latest."""
_READ_ROWS: Final = 100
_FOLD_ROWS: Final = 1_000
"""Of one stream in one transaction."""
_NOTE_EVERY_S: Final = 2.0
"""So long at most what was seen in a batch is held, to be kept with many others at once."""
_NOTE_ROWS: Final = 500
_ENDS: Final = 20_000
"""Streams of which the newest fix is remembered."""


@dataclass(slots=True)
class Waiting:
    """What waits of one stream to be folded: how many fixes, and since when.

    Attributes:
        end: the fix before the first of them, if it is remembered, by its seq.
    """

    fixes: int
    since_ms: int
    end: tuple[int, Seen] | None = None


class Backlog:
    """Reads what is stored, in the order in which it came, and folds what has been read."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        now_ms: Callable[[], int],
        complain: Callable[[Complaint], None],
    ) -> None:
        self._database = database
        self._intake = intake
        self._now_ms = now_ms
        self._complain = complain
        self._read_upto_id = 0
        self._is_all_read = False
        self._waiting: dict[StreamKey, Waiting] = {}
        self._due: dict[StreamKey, None] = {}
        self._look_again_ms = 0
        self._ends: dict[StreamKey, tuple[int, Seen]] = {}
        self._bounds: dict[int, Bounds] = {}
        self._note_at_s = 0.0

    def has_work(self) -> bool:
        """Whether there is something to do now."""
        self._find_aged()
        return not self._is_all_read or bool(self._due) or self._is_time_to_note()

    def forget_ends(self) -> None:
        """What is stored has changed otherwise: no fix before it is remembered."""
        self._ends, self._bounds = {}, {}
        for one in self._waiting.values():
            one.end = None

    def note_arrival(self) -> None:
        """Something was committed that has not been read."""
        self._is_all_read = False

    def work(self, at_most_s: float) -> int:
        """Read while there is something unread, else fold; about ``at_most_s`` and a row longer.

        Beside that it keeps with what was read when and where it was taken.

        Returns:
            How many messages were set aside.

        Raises:
            DBAPIError: the database fails; the same work is done at the next call.
        """
        until_s = time.monotonic() + at_most_s
        if self._is_time_to_note():
            self._keep_bounds()
        if not self._is_all_read:
            return self._read(until_s)
        while self._due and time.monotonic() < until_s:
            self._fold(next(iter(self._due)))
        return 0

    def _read(self, until_s: float) -> int:
        with self._database.reading() as connection:
            found = history.unread_after(connection, self._read_upto_id, _READ_ROWS)
        group, poisoned = Group(), list[int]()
        read: list[tuple[Unread, Batch | None]] = []
        for row in found:
            if time.monotonic() >= until_s:
                break
            batch = self._intake.look_into(row, group)
            read.append((row, batch))
            if batch is None:
                poisoned.append(row.id)
        if poisoned:
            with self._database.writing() as connection:
                store.write(connection, group.writes)
                history.forget_arrived(connection, poisoned)
            self._intake.settle(group)
        for row, batch in read:
            if batch is not None:
                self._note(row, batch)
        if read:
            self._read_upto_id = read[-1][0].id
        self._is_all_read = len(read) == len(found) < _READ_ROWS
        return len(poisoned)

    def _note(self, row: Unread, batch: Batch) -> None:
        end = self._ends.get(row.key)
        is_in_order = end is not None and end[0] < row.first
        told = [
            fix
            for seq, fix in zip(batch.seqs, batch.fixes, strict=True)
            if row.first <= seq <= row.last
        ]
        waiting = self._waiting.setdefault(
            row.key, Waiting(0, row.received_at_ms, end if is_in_order else None)
        )
        waiting.fixes += row.fixes
        if waiting.fixes >= BLOCK_FIXES:
            self._due[row.key] = None
        if not row.is_bounded:
            if not self._bounds:
                self._note_at_s = time.monotonic() + _NOTE_EVERY_S
            self._bounds[row.id] = bounds(told, [end[1]] if end and is_in_order else [])
        if end is None or is_in_order:
            self._remember(row.key, row.last, Seen.of(told[-1]))

    def _remember(self, key: StreamKey, seq: int, seen: Seen) -> None:
        self._ends.pop(key, None)
        self._ends[key] = (seq, seen)
        if len(self._ends) > _ENDS:
            del self._ends[next(iter(self._ends))]

    def _is_time_to_note(self) -> bool:
        return bool(self._bounds) and (
            len(self._bounds) >= _NOTE_ROWS or time.monotonic() >= self._note_at_s
        )

    def _keep_bounds(self) -> None:
        """A kill before it costs nothing: what is not known is looked into again."""
        with self._database.writing() as connection:
            history.note_bounds(connection, self._bounds)
        self._bounds = {}

    def _find_aged(self) -> None:
        now_ms = self._now_ms()
        if now_ms < self._look_again_ms:
            return
        self._look_again_ms = now_ms + FOLD_AFTER_MS // 20
        for key, waiting in self._waiting.items():
            if now_ms - waiting.since_ms >= FOLD_AFTER_MS:
                self._due[key] = None

    def _fold(self, key: StreamKey) -> None:
        """Fold what waits of a stream; what is damaged stays as it is, and is tried again later."""
        arrived: list[Unread] = []
        waiting = self._waiting.get(key)
        known = dict([waiting.end]) if waiting and waiting.end else {}
        try:
            with self._database.writing() as connection:
                arrived = history.arrived_of(connection, key, self._read_upto_id, _FOLD_ROWS)
                fold(connection, key, arrived, known)
        except (PackingError, codec.WireError) as error:
            self._complain(Complaint("cannot fold history", key.tenant, key.van, str(error)))
            self._waiting[key] = Waiting(0, self._now_ms())
        else:
            for row in arrived:
                self._bounds.pop(row.id, None)
            if len(arrived) == _FOLD_ROWS:
                return
            self._waiting.pop(key, None)
        del self._due[key]
