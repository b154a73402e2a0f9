"""How long what vans have said is kept, and its end: a van at a time, a bounded piece at a time.

Precise history of people's movements is no treasure: what nobody needs any more is deleted. What is
committed of a stream is kept for ever, so that nothing that was deleted comes back from a van.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, select, tuple_

from cloud.foundation.database import Database
from cloud.foundation.settings import RetentionSettings
from cloud.tracking.history import ARRIVED, BLOCK, drop_weeks
from cloud.tracking.store import EVENT, LIVE_STATE, RESULT, SET_ASIDE

_DAY_MS: Final = 86_400_000
_PASS_EVERY_MS: Final = 3_600_000
_ROWS: Final = 500
"""Of one kind in one transaction; deleting them takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Rows of one table that end with age, and how they are known and found.

    Attributes:
        key: columns of the primary key. at: when they end, and the column by which they are found.
        is_by_van: whether an index leads from the van to the time.
    """

    table: Table
    key: tuple[str, ...]
    at: tuple[str, ...]
    days: Callable[[RetentionSettings], float]
    is_by_van: bool = True


_KINDS: Final = (
    _Kind(BLOCK, ("id",), ("from_ms", "to_ms"), lambda kept: kept.positions_days),
    _Kind(ARRIVED, ("id",), ("received_at_ms",), lambda kept: kept.positions_days),
    _Kind(EVENT, ("tenant", "van", "stream", "seq"), ("at_ms",), lambda kept: kept.events_days),
    _Kind(
        RESULT, ("tenant", "van", "command"), ("received_at_ms",), lambda kept: kept.answers_days
    ),
    _Kind(
        SET_ASIDE,
        ("digest",),
        ("received_at_ms",),
        lambda kept: kept.set_aside_days,
        is_by_van=False,
    ),
)


class Retention:
    """Deletes what has had its time; used by ingest alone, between its groups."""

    def __init__(
        self, database: Database, kept: RetentionSettings, now_ms: Callable[[], int]
    ) -> None:
        self._database = database
        self._kept = kept
        self._now_ms = now_ms
        self._next_pass_ms = 0
        self._left: list[tuple[_Kind, tuple[str, str] | None]] = []

    def has_work(self) -> bool:
        """Whether a piece is due now."""
        return bool(self._left) or self._now_ms() >= self._next_pass_ms

    def work(self) -> int:
        """Do one piece; returns how many rows it deleted.

        Raises:
            DBAPIError: the database fails; the same piece is done at the next call.
        """
        if not self._left:
            self._begin_pass()
        if not self._left:
            return 0
        kind, van = self._left[-1]
        before_ms = self._now_ms() - round(kind.days(self._kept) * _DAY_MS)
        with self._database.writing() as connection:
            deleted = _delete_old(connection, kind, van, before_ms)
        if deleted < _ROWS:
            self._left.pop()
        return deleted

    def _begin_pass(self) -> None:
        """Where the store has weeks of history apart, whole ones go first, in one piece each."""
        before_ms = self._now_ms() - round(self._kept.positions_days * _DAY_MS)
        with self._database.writing() as connection:
            drop_weeks(connection, before_ms)
            vans = connection.execute(select(LIVE_STATE.c.tenant, LIVE_STATE.c.van)).all()
        self._next_pass_ms = self._now_ms() + _PASS_EVERY_MS
        for kind in _KINDS:
            if kind.is_by_van:
                self._left += [(kind, (tenant, van)) for tenant, van in vans]
            else:
                self._left.append((kind, None))


def _delete_old(
    connection: Connection, kind: _Kind, van: tuple[str, str] | None, before_ms: int
) -> int:
    """Delete rows all of whose moments lie before an instant, at most `_ROWS`."""
    columns = kind.table.c
    wanted: list[ColumnElement[bool]] = [columns[name] < before_ms for name in kind.at]
    if van is not None:
        wanted += [columns.tenant == van[0], columns.van == van[1]]
    key: Sequence[Column[Any]] = [columns[name] for name in kind.key]
    found = connection.execute(select(*key).where(*wanted).limit(_ROWS)).all()
    if found:
        named = tuple_(*key) if len(key) > 1 else key[0]
        values = [tuple(row) if len(key) > 1 else row[0] for row in found]
        connection.execute(delete(kind.table).where(named.in_(values)))
    return len(found)
