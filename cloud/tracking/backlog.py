"""What ingest has committed and still has to look into, and what waits to be folded into blocks.

Both are work for the time between the groups, a bounded piece at a time. Nothing of it is needed
for an acknowledgement, and all of it is found again after a kill.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.tracking import history, store
from cloud.tracking.blocks import BLOCK_FIXES, Extent, clusters, cut, merged, pack
from cloud.tracking.history import Unread
from cloud.tracking.intake import Complaint, Group, Intake
from cloud.tracking.model import StreamKey
from wire import codec
from wire.packing import PackingError

FOLD_AFTER_MS: Final = 10 * 60_000
"""What has arrived of a stream becomes a block so long after its first at the latest."""
_READ_ROWS: Final = 100
_FOLD_ROWS: Final = 1_000
"""Of one stream in one transaction."""


@dataclass(slots=True)
class Waiting:
    """What waits of one stream to be folded: how many fixes, and since when."""

    fixes: int
    since_ms: int


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

    def has_work(self) -> bool:
        """Whether there is something to do now."""
        self._find_aged()
        return not self._is_all_read or bool(self._due)

    def note_arrival(self) -> None:
        """Something was committed that has not been read."""
        self._is_all_read = False

    def work(self, at_most_s: float) -> int:
        """Read while there is something unread, else fold; about ``at_most_s`` and a row longer.

        Returns:
            How many messages were set aside.

        Raises:
            DBAPIError: the database fails; the same work is done at the next call.
        """
        until_s = time.monotonic() + at_most_s
        if not self._is_all_read:
            return self._read(until_s)
        while self._due and time.monotonic() < until_s:
            self._fold(next(iter(self._due)))
        return 0

    def _read(self, until_s: float) -> int:
        with self._database.reading() as connection:
            found = history.unread_after(connection, self._read_upto_id, _READ_ROWS)
        group, poisoned, read = Group(), [], []
        for row in found:
            if time.monotonic() >= until_s:
                break
            read.append(row)
            if not self._intake.look_into(row, group):
                poisoned.append(row.id)
        if poisoned:
            with self._database.writing() as connection:
                store.write(connection, group.writes)
                history.forget_arrived(connection, poisoned)
            self._intake.settle(group)
        for row in read:
            if row.id not in poisoned:
                self._note(row)
        if read:
            self._read_upto_id = read[-1].id
        self._is_all_read = len(read) == len(found) < _READ_ROWS
        return len(poisoned)

    def _note(self, row: Unread) -> None:
        waiting = self._waiting.setdefault(row.key, Waiting(0, row.received_at_ms))
        waiting.fixes += row.fixes
        if waiting.fixes >= BLOCK_FIXES:
            self._due[row.key] = None

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
        try:
            with self._database.writing() as connection:
                arrived = history.arrived_of(connection, key, self._read_upto_id, _FOLD_ROWS)
                fold(connection, key, arrived)
        except (PackingError, codec.WireError) as error:
            self._complain(Complaint("cannot fold history", key.tenant, key.van, str(error)))
            self._waiting[key] = Waiting(0, self._now_ms())
        else:
            if len(arrived) == _FOLD_ROWS:
                return
            self._waiting.pop(key, None)
        del self._due[key]


def fold(connection: Connection, key: StreamKey, arrived: list[Unread]) -> None:
    """Put what has arrived of one stream into blocks, with the blocks it touches.

    One transaction with what it reads: a kill before its end changes nothing.

    Raises:
        WireError, PackingError: something stored cannot be unpacked.
    """
    if not arrived:
        return
    by_id = {row.id: row for row in arrived}
    first, last = min(row.first for row in arrived), max(row.last for row in arrived)
    extents = [
        Extent(first=row.first, last=row.last, id=row.id, is_block=False, fixes=row.fixes)
        for row in arrived
    ]
    extents += history.blocks_around(connection, key, first, last)
    for cluster in clusters(extents):
        blocks = [one.id for one in cluster if one.is_block]
        ids = sorted(one.id for one in cluster if not one.is_block)
        rows = merged(
            *history.block_rows(connection, blocks),
            *(history.rows_of(by_id[one]) for one in ids),
        )
        history.replace(
            connection, key, arrived=ids, blocks=blocks, by=[pack(part) for part in cut(rows)]
        )
