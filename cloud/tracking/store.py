"""What is kept of the vans in ``telemetry.db``; the only SQL over it. Ingest alone writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, get_args

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    func,
    select,
    tuple_,
)

from cloud.foundation.database import TELEMETRY, put_rows
from cloud.tracking import history
from cloud.tracking.history import ArrivedRow
from cloud.tracking.model import Committed, StreamKey, moment_ms
from wire import topics
from wire.events import EventBody
from wire.messages import Fix
from wire.values import ClockQuality, FixSource

_SOURCES: Final[tuple[str, ...]] = get_args(FixSource.__value__)
_QUALITIES: Final[tuple[ClockQuality, ...]] = get_args(ClockQuality.__value__)
_PLAIN: Final = [
    one for one in Fix.__struct_fields__ if one not in {"fix_time_ms", "source", "quality"}
]
"""Fields of a fix that stand in columns of the same name and value."""


def _fix_columns(*, nullable: bool) -> list[Column[Any]]:
    """A fix in the wire's whole numbers; ``at_ms`` is its GNSS time or else the gateway's."""
    return [
        Column("at_ms", BigInteger, nullable=nullable),
        Column("is_gnss_time", Boolean, nullable=nullable),
        Column("recorded_at_ms", BigInteger, nullable=nullable),
        Column("lat_e7", Integer, nullable=nullable),
        Column("lon_e7", Integer, nullable=nullable),
        Column("mode", Integer, nullable=nullable),
        Column("speed_cmps", Integer),
        Column("course_ddeg", Integer),
        Column("altitude_dm", Integer),
        Column("hdop_d", Integer),
        Column("satellites", Integer),
        Column("source", Integer, nullable=nullable),
        Column("quality", Integer, nullable=nullable),
        Column("received_at_ms", BigInteger, nullable=nullable),
    ]


EVENT: Final = Table(
    "event",
    TELEMETRY,
    Column("tenant", String, primary_key=True),
    Column("van", String, primary_key=True),
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("recorded_at_ms", BigInteger, nullable=False),
    Column("quality", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_event_tenant_van_at_ms", "tenant", "van", "at_ms"),
    Index("ix_event_kind_received_at_ms", "kind", "received_at_ms"),
    sqlite_with_rowid=False,
)
_SIGNS: Final = (
    *("trip_started", "trip_ended", "ignition_switched"),
    *("stop_arrived", "stop_departed"),
)
STREAM: Final = Table(
    "stream",
    TELEMETRY,
    Column("tenant", String, primary_key=True),
    Column("van", String, primary_key=True),
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("pieces", Text, nullable=False),
    sqlite_with_rowid=False,
)
SET_ASIDE: Final = Table(
    "set_aside",
    TELEMETRY,
    Column("digest", LargeBinary, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Index("ix_set_aside_topic", "topic"),
)
LIVE_STATE: Final = Table(
    "live_state",
    TELEMETRY,
    Column("tenant", String, primary_key=True),
    Column("van", String, primary_key=True),
    *_fix_columns(nullable=True),
    Column("is_online", Boolean),
    Column("presence_at_ms", BigInteger),
    Column("state", Text),
    Column("state_at_ms", BigInteger),
    Column("change", BigInteger, nullable=False),
    Index("ix_live_state_change", "change"),
    sqlite_with_rowid=False,
)

RESULT: Final = Table(
    "result",
    TELEMETRY,
    Column("tenant", String, primary_key=True),
    Column("van", String, primary_key=True),
    Column("command", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("data", Text),
    Column("received_at_ms", BigInteger, nullable=False),
)
MAX_RESULTS: Final = 1000
"""Answers of one van that are kept."""


class EventPlace(NamedTuple):
    """Where an event stands among a van's events by time."""

    at_ms: int
    stream: int
    seq: int


class EventRow(NamedTuple):
    """One stored event; ``at_ms`` is `cloud.tracking.model.happened_ms`.

    ``body`` is the event's JSON without its tag, which is ``kind``.
    """

    at_ms: int
    stream: int
    seq: int
    kind: str
    body: str
    quality: ClockQuality
    received_at_ms: int

    def told(self) -> EventBody:
        """What the van said.

        Raises:
            ValidationError: it is of another release.
        """
        fields: dict[str, Any] = msgspec.json.decode(self.body)
        body: EventBody = msgspec.convert({**fields, "type": self.kind}, EventBody)
        return body


@dataclass(slots=True)
class Writes:
    """Rows of one transaction."""

    arrived: list[ArrivedRow] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    set_aside: list[tuple[Any, ...]] = field(default_factory=list)
    streams: dict[StreamKey, Committed] = field(default_factory=dict)
    live: list[tuple[Any, ...]] = field(default_factory=list)
    results: list[tuple[Any, ...]] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not any(getattr(self, name) for name in self.__slots__)


class LiveRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one van now. Instants are milliseconds since 1970 UTC.

    Attributes:
        fix: its newest fix. received_at_ms: when that came.
        is_online: its gateway's last word; None when it never said one.
        state: the last ``up/state`` as it came.
        change: counts up with every change of any van.
    """

    tenant: str
    van: str
    fix: Fix | None = None
    received_at_ms: int | None = None
    is_online: bool | None = None
    presence_at_ms: int | None = None
    state: str | None = None
    state_at_ms: int | None = None
    change: int = 0


def fix_values(fix: Fix) -> tuple[Any, ...]:
    """A fix as the columns of its tables, without ``received_at_ms``."""
    return (
        moment_ms(fix),
        fix.fix_time_ms is not None,
        fix.recorded_at_ms,
        fix.lat_e7,
        fix.lon_e7,
        fix.mode,
        fix.speed_cmps,
        fix.course_ddeg,
        fix.altitude_dm,
        fix.hdop_d,
        fix.satellites,
        _SOURCES.index(fix.source),
        _QUALITIES.index(fix.quality),
    )


def quality_value(quality: ClockQuality) -> int:
    """A clock's quality as its column keeps it."""
    return _QUALITIES.index(quality)


def live_values(row: LiveRow) -> tuple[Any, ...]:
    """One row of `LIVE_STATE`."""
    fix = (None,) * 13 if row.fix is None else fix_values(row.fix)
    presence = (row.is_online, row.presence_at_ms)
    state = (row.state, row.state_at_ms)
    return (row.tenant, row.van, *fix, row.received_at_ms, *presence, *state, row.change)


def write(connection: Connection, writes: Writes) -> None:
    """Write all rows, those known already ignored.

    Raises:
        Exception: the driver's own: the database is locked, full or failing; nothing may be taken
            as written. `Database.writing` turns it into a DBAPIError.
    """
    streams = [
        (*key, msgspec.json.encode(one.pieces).decode()) for key, one in writes.streams.items()
    ]
    put_rows(connection, history.ARRIVED, writes.arrived, columns=ArrivedRow._fields, clash="fail")
    put_rows(connection, EVENT, writes.events, clash="ignore")
    put_rows(connection, SET_ASIDE, writes.set_aside, clash="ignore")
    put_rows(connection, STREAM, streams, clash="replace")
    put_rows(connection, LIVE_STATE, writes.live, clash="replace")
    put_rows(connection, RESULT, writes.results, clash="ignore")
    for tenant, van in {(row[0], row[1]) for row in writes.results}:
        _forget_results(connection, tenant, van)


def _forget_results(connection: Connection, tenant: str, van: str) -> None:
    """Keep the newest `MAX_RESULTS` answers of a van."""
    of_van = (RESULT.c.tenant == tenant, RESULT.c.van == van)
    kept = (
        select(RESULT.c.command)
        .where(*of_van)
        .order_by(RESULT.c.received_at_ms.desc(), RESULT.c.command)
        .limit(MAX_RESULTS)
    )
    connection.execute(delete(RESULT).where(*of_van, RESULT.c.command.not_in(kept)))


def committed_of(connection: Connection, key: StreamKey) -> Committed:
    """What is committed of one stream; empty when it is unknown."""
    text = connection.scalar(
        select(STREAM.c.pieces).where(
            STREAM.c.tenant == key.tenant, STREAM.c.van == key.van, STREAM.c.stream == key.stream
        )
    )
    if text is None:
        return Committed()
    return Committed(msgspec.json.decode(text, type=tuple[tuple[int, int, int], ...]))


def live_rows(
    connection: Connection,
    after_change: int = -1,
    is_known: Callable[[str, str, int], bool] = lambda _tenant, _van, _at_ms: False,
) -> list[LiveRow]:
    """What is known of every van that changed after ``after_change``, in the order of change.

    Args:
        connection: of a transaction.
        after_change: the number of a change.
        is_known: whether a van's fix of an instant need not be read; its row comes without one.
    """
    rows = connection.execute(
        select(LIVE_STATE).where(LIVE_STATE.c.change > after_change).order_by(LIVE_STATE.c.change)
    )
    return [
        LiveRow(
            tenant=row.tenant,
            van=row.van,
            fix=None if is_known(row.tenant, row.van, row.at_ms or 0) else _fix(row),
            received_at_ms=row.received_at_ms,
            is_online=row.is_online,
            presence_at_ms=row.presence_at_ms,
            state=row.state,
            state_at_ms=row.state_at_ms,
            change=row.change,
        )
        for row in rows
    ]


def events_between(
    connection: Connection,
    tenant: str,
    van: str,
    from_ms: int,
    to_ms: int,
    *,
    kinds: Sequence[str],
    after: EventPlace | None,
    limit: int,
) -> list[EventRow]:
    """Events by time, ``from_ms`` ≤ at < ``to_ms``, of some kinds or all, those ``after`` only."""
    order = (EVENT.c.at_ms, EVENT.c.stream, EVENT.c.seq)
    told = (*order, EVENT.c.kind, EVENT.c.body, EVENT.c.quality, EVENT.c.received_at_ms)
    wanted = select(*told).where(
        EVENT.c.tenant == tenant,
        EVENT.c.van == van,
        EVENT.c.at_ms >= from_ms,
        EVENT.c.at_ms < to_ms,
    )
    if kinds:
        wanted = wanted.where(EVENT.c.kind.in_(kinds))
    if after is not None:
        wanted = wanted.where(tuple_(*order) > tuple_(*after))
    return [
        EventRow(*row[:5], _QUALITIES[row.quality], row.received_at_ms)
        for row in connection.execute(wanted.order_by(*order).limit(limit))
    ]


def gaps_since(
    connection: Connection, tenant: str, vans: Sequence[str], from_ms: int, limit: int
) -> list[tuple[str, str]]:
    """What some vans have told is lost since ``from_ms``: van and body, the earliest first."""
    rows = connection.execute(
        select(EVENT.c.van, EVENT.c.body)
        .where(
            EVENT.c.tenant == tenant,
            EVENT.c.van.in_(vans),
            EVENT.c.at_ms >= from_ms,
            EVENT.c.kind == "gap",
        )
        .order_by(EVENT.c.at_ms, EVENT.c.stream, EVENT.c.seq)
        .limit(limit)
    )
    return [(row.van, row.body) for row in rows]


class ReceivedEvent(NamedTuple):
    """One stored event of any van, in the order of receiving; ``body`` is JSON."""

    received_at_ms: int
    tenant: str
    van: str
    stream: int
    seq: int
    kind: str
    at_ms: int
    body: str


def events_received(
    connection: Connection,
    *,
    kinds: Sequence[str],
    since_ms: int,
    after: ReceivedEvent | None,
    limit: int,
) -> list[ReceivedEvent]:
    """Events of some kinds, of all vans, as they were received from ``since_ms`` on."""
    order = (EVENT.c.received_at_ms, EVENT.c.tenant, EVENT.c.van, EVENT.c.stream, EVENT.c.seq)
    wanted = select(*order, EVENT.c.kind, EVENT.c.at_ms, EVENT.c.body).where(
        EVENT.c.kind.in_(kinds), EVENT.c.received_at_ms >= since_ms
    )
    if after is not None:
        wanted = wanted.where(tuple_(*order) > tuple_(*after[: len(order)]))
    return [ReceivedEvent(*row) for row in connection.execute(wanted.order_by(*order).limit(limit))]


def signs_since(
    connection: Connection, received_from_ms: int
) -> list[tuple[str, str, int, str, str]]:
    """Trips, ignitions, halts that came since: tenant, van, when, kind, body; by time."""
    told = (EVENT.c.tenant, EVENT.c.van, EVENT.c.at_ms, EVENT.c.kind, EVENT.c.body)
    rows = connection.execute(
        select(*told)
        .where(EVENT.c.received_at_ms >= received_from_ms, EVENT.c.kind.in_(_SIGNS))
        .order_by(EVENT.c.at_ms)
    )
    return [(row.tenant, row.van, row.at_ms, row.kind, row.body) for row in rows]


def state_of(connection: Connection, tenant: str, van: str) -> tuple[str, int] | None:
    """The last ``up/state`` of a van as it came, and when; None when there is none."""
    row = connection.execute(
        select(LIVE_STATE.c.state, LIVE_STATE.c.state_at_ms).where(
            LIVE_STATE.c.tenant == tenant, LIVE_STATE.c.van == van
        )
    ).first()
    return None if row is None or row.state is None else (row.state, row.state_at_ms)


def with_state(connection: Connection, tenant: str) -> list[str]:
    """The vans of a tenant of which there is an ``up/state``."""
    there = (LIVE_STATE.c.tenant == tenant, LIVE_STATE.c.state.is_not(None))
    return list(connection.scalars(select(LIVE_STATE.c.van).where(*there)))


def results_of(
    connection: Connection, tenant: str, van: str, commands: Sequence[str]
) -> Sequence[Any]:
    """The rows of `RESULT` of some commands."""
    return connection.execute(
        select(RESULT).where(
            RESULT.c.tenant == tenant, RESULT.c.van == van, RESULT.c.command.in_(commands)
        )
    ).all()


def set_aside_of(connection: Connection, tenant: str, van: str) -> tuple[int, int]:
    """How much is set aside of one van: rows, and bytes of content."""
    prefix = topics.up_all(tenant, van).removesuffix("+")
    rows, payload_bytes = connection.execute(
        select(func.count(), func.sum(func.length(SET_ASIDE.c.payload))).where(
            SET_ASIDE.c.topic >= prefix, SET_ASIDE.c.topic < prefix + "\U0010ffff"
        )
    ).one()
    return rows, payload_bytes or 0


def all_set_aside(connection: Connection) -> tuple[int, int]:
    """How much is set aside of all vans: rows, and bytes of content."""
    rows, payload_bytes = connection.execute(
        select(func.count(), func.sum(func.length(SET_ASIDE.c.payload)))
    ).one()
    return rows, payload_bytes or 0


def _fix(row: Any) -> Fix | None:
    """The fix of a live row; one that this release cannot read is as none, and spoils no other."""
    if row.at_ms is None:
        return None
    told = {name: getattr(row, name) for name in _PLAIN}
    told["fix_time_ms"] = row.at_ms if row.is_gnss_time else None
    try:
        told["source"], told["quality"] = _SOURCES[row.source], _QUALITIES[row.quality]
        return msgspec.convert(told, Fix)
    except (IndexError, TypeError, msgspec.ValidationError):
        return None
