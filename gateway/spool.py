"""The crash-safe store of fixes and events: SQLite, one connection, committed in groups.

What is added waits in memory until `Spool.commit`; only what is committed can be read back, so
nothing is ever published as history that a power cut could take away again. A row leaves only when
the cloud has told that it committed it, or when it was refused or the spool is full, and these two
are told as a ``gap`` event.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from gateway.errors import SpoolError
from gateway.rows import (
    BOOT_BIT,
    KIND_BIT,
    KINDS,
    SEQS,
    Kind,
    Row,
    Stream,
    Told,
    base_id,
    committed_ranges,
    spans,
    write_fix,
)
from gateway.schema import PAGE_BYTES, SCHEMA_VERSION
from gateway.stamp import Stamp
from wire import codec
from wire.events import EventBody, Gap, GatewayStarted
from wire.messages import Ack, Event, Fix

type GapReason = Literal["spool_full", "damaged", "refused"]

MAX_ADDED: Final = 20_000
"""Rows held in memory while the medium takes none; then the oldest of them are given up."""

_EVICT_TO: Final = 0.95
MAX_REFUSED: Final = 10_000


class Spool:
    """Fixes and events that wait for the cloud's acknowledgement.

    Args:
        path: a file made by ``gateway prepare``.
        max_bytes: bound of what the file holds; the oldest fixes go first.

    Raises:
        SpoolError: there is no spool, or it is of another version.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.connection = _open(path)
        self.boot = 0
        self.waiting: dict[Kind, int] = {"event": 0, "fix": 0}
        self._max_pages = max_bytes // PAGE_BYTES
        self._streams: dict[int, Stream] = {}
        self._stream_at: dict[int, Stream] = {}
        self._next: dict[Kind, int] = {"event": 0, "fix": 0}
        self._last: dict[Kind, int] = {"event": -1, "fix": -1}
        self._added: dict[Kind, list[tuple[int, bytes]]] = {"event": [], "fix": []}
        self._released: list[tuple[int, int]] = []

    def begin(self, *, fixes: int, events: int, version: str, stamp: Stamp) -> None:
        """Open this start's two streams, and commit them with the event that tells of it.

        Args:
            fixes: random 63-bit id of the stream of fixes.
            events: random 63-bit id of the stream of events.
            version: of the gateway.
            stamp: now.
        """
        with transaction(self.connection) as database:
            for (boot,) in database.execute("SELECT boot FROM stream").fetchall():
                self.boot = max(self.boot, boot)
                if not any(self._extent(base_id(kind, boot)) for kind in KINDS):
                    database.execute("DELETE FROM stream WHERE boot = ?", (boot,))
            self.boot += 1
            database.execute("INSERT INTO stream VALUES (?, ?, ?)", (self.boot, fixes, events))
        for boot, *ids in self.connection.execute("SELECT boot, events, fixes FROM stream"):
            for kind, stream in zip(KINDS, ids, strict=True):
                self._know(Stream(kind, boot, stream))
        started = GatewayStarted(boot=self.boot, fixes=str(fixes), version=version)
        self.add_event(started, stamp)
        self.commit(stamp)

    def _know(self, stream: Stream) -> None:
        base = base_id(stream.kind, stream.boot)
        self._streams[stream.id] = self._stream_at[base >> BOOT_BIT] = stream
        extent = self._extent(base)
        if extent is not None:
            self.waiting[stream.kind] += extent[1] - extent[0] + 1
            self._last[stream.kind] = max(self._last[stream.kind], extent[1])

    def _extent(self, base: int) -> tuple[int, int] | None:
        first, last = self.connection.execute(
            "SELECT min(id), max(id) FROM row WHERE id >= ? AND id < ?", (base, base + SEQS)
        ).fetchone()
        return None if first is None else (first, last)

    def add_fix(self, fix: Fix) -> int:
        """Take a fix into the next group; returns its seq in this start's stream."""
        return self._add("fix", write_fix(fix))

    def add_event(self, body: EventBody, stamp: Stamp) -> int:
        """Take an event into the next group, which the caller commits at once; returns its seq."""
        event = Event(
            stream=str(self._stream_at[base_id("event", self.boot) >> BOOT_BIT].id),
            seq=self._next["event"],
            recorded_at_ms=stamp.now_ms,
            body=body,
            quality=stamp.quality,
        )
        return self._add("event", codec.encode(event))

    def _add(self, kind: Kind, body: bytes) -> int:
        seq = self._next[kind]
        self._next[kind] = seq + 1
        self._added[kind].append((base_id(kind, self.boot) + seq, body))
        return seq

    def commit(self, stamp: Stamp) -> None:
        """Put what was added and released onto the medium, all or nothing, and keep the bound.

        Raises:
            sqlite3.Error: the medium takes nothing; all of it is kept for the next attempt.
        """
        self._bound_memory(stamp)
        events, next_event = len(self._added["event"]), self._next["event"]
        try:
            with transaction(self.connection) as database:
                deleted = {kind: self._delete_released(database, kind) for kind in KINDS}
                self._evict(database, deleted, stamp)
                for kind in KINDS:
                    database.executemany("INSERT INTO row VALUES (?, ?)", self._added[kind])
        except BaseException:
            # The rollback brings the evicted rows back, so their gaps may never be told.
            del self._added["event"][events:]
            self._next["event"] = next_event
            raise
        self._released.clear()
        for kind in KINDS:
            added = self._added[kind]
            self.waiting[kind] = max(0, self.waiting[kind] + len(added) - deleted[kind])
            if added:
                self._last[kind] = added[-1][0]
                added.clear()

    def has_work(self) -> bool:
        """Whether a commit would change anything."""
        return bool(self._released) or any(self._added.values())

    def _delete_released(self, database: sqlite3.Connection, kind: Kind) -> int:
        base = base_id(kind, 0)
        return sum(
            database.execute("DELETE FROM row WHERE id BETWEEN ? AND ?", span).rowcount
            for span in self._released
            if base <= span[0] < base + (1 << KIND_BIT)
        )

    def _bound_memory(self, stamp: Stamp) -> None:
        waiting = self._added["fix"]
        if len(waiting) > MAX_ADDED:
            lost = waiting[: MAX_ADDED // 10]
            del waiting[: MAX_ADDED // 10]
            self._tell_gap(lost[0][0], lost[-1][0], len(lost), "damaged", stamp)

    def _evict(self, database: sqlite3.Connection, deleted: dict[Kind, int], stamp: Stamp) -> None:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        (free,) = database.execute("PRAGMA freelist_count").fetchone()
        excess = (pages - free) / self._max_pages
        if excess <= 1:
            return
        base = base_id("fix", 0)
        count = max(1, round(self.waiting["fix"] * (1 - _EVICT_TO / excess)))
        row = database.execute(
            "SELECT id FROM row WHERE id >= ? ORDER BY id LIMIT 1 OFFSET ?", (base, count - 1)
        ).fetchone()
        end = (1 << 63) - 1 if row is None else row[0]
        for first, last, evicted in database.execute(
            "SELECT min(id), max(id), count(*) FROM row WHERE id BETWEEN ? AND ? GROUP BY id >> ?",
            (base, end, BOOT_BIT),
        ).fetchall():
            self._tell_gap(first, last, evicted, "spool_full", stamp)
        deleted["fix"] += database.execute(
            "DELETE FROM row WHERE id BETWEEN ? AND ?", (base, end)
        ).rowcount

    def _tell_gap(self, first: int, last: int, lost: int, reason: GapReason, stamp: Stamp) -> None:
        gap = Gap(
            stream=str(self.stream_of(first).id),
            first=first % SEQS,
            last=last % SEQS,
            kept=last - first + 1 - lost,
            reason=reason,
        )
        self.add_event(gap, stamp)

    def last(self, kind: Kind) -> int:
        """The id of the newest committed row, or -1."""
        return self._last[kind]

    def stream_of(self, row_id: int) -> Stream:
        """The stream that a row belongs to."""
        return self._stream_at[row_id >> BOOT_BIT]

    def rows_after(self, kind: Kind, row_id: int, limit: int) -> list[Row]:
        """The oldest committed rows newer than ``row_id``, of all starts."""
        base = base_id(kind, 0)
        return self._rows(max(row_id + 1, base), base + (1 << KIND_BIT) - 1, limit)

    def rows(self, first: int, last: int) -> list[Row]:
        """What is left of the rows from id ``first`` to ``last``."""
        return self._rows(first, last, last - first + 1)

    def _rows(self, first: int, last: int, limit: int) -> list[Row]:
        found = self.connection.execute(
            "SELECT id, body FROM row WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
            (first, last, limit),
        )
        return [Row(*row) for row in found]

    def streams_left(self) -> list[int]:
        """The streams that still have rows, oldest first: what the cloud is asked about."""
        left = [
            stream
            for stream in self._streams.values()
            if self._extent(base_id(stream.kind, stream.boot)) is not None
        ]
        return [stream.id for stream in sorted(left, key=lambda stream: stream.boot)]

    def release(self, ack: Ack) -> Told | None:
        """Let go of what the cloud has committed; the rows go with the next commit.

        Returns:
            What it says in row ids; None for a stream that is not ours.
        """
        stream = self._streams.get(int(ack.stream))
        if stream is None:
            return None
        base = base_id(stream.kind, stream.boot)
        end = base + SEQS - 1
        if stream.boot == self.boot:
            end = max(self._last[stream.kind], base - 1)
        committed = spans(committed_ranges(ack), base, end)
        self._released.extend(committed)
        return Told(stream.kind, committed, spans(ack.missing, base, end))

    def refuse(self, first: int, last: int, stamp: Stamp) -> None:
        """Set rows aside that the cloud has refused again and again, and tell the gap.

        Raises:
            sqlite3.Error: the medium takes nothing; the same call again tells no second gap.
        """
        if (first, last) in self._released:
            self.commit(stamp)
            return
        with transaction(self.connection) as database:
            database.execute(
                "INSERT OR IGNORE INTO refused SELECT id, body FROM row WHERE id BETWEEN ? AND ?",
                (first, last),
            )
            database.execute(
                "DELETE FROM refused WHERE id NOT IN"
                " (SELECT id FROM refused ORDER BY id DESC LIMIT ?)",
                (MAX_REFUSED,),
            )
        lost = len(self.rows(first, last))
        if lost == 0:
            return
        self._released.append((first, last))
        self._tell_gap(first, last, lost, "refused", stamp)
        self.commit(stamp)

    def close(self) -> None:
        """Let go of the file. What was not committed is lost."""
        self.connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; the write lock is taken at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _open(path: Path) -> sqlite3.Connection:
    connection = None
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, isolation_level=None
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -1024")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise SpoolError(f"{path}: {error}; run gateway prepare, or move the file aside") from error
    if version == SCHEMA_VERSION:
        return connection
    connection.close()
    raise SpoolError(
        f"{path}: a spool of version {version}, this program reads {SCHEMA_VERSION}; "
        "use the program that wrote it until it is empty, or move it aside"
    )
