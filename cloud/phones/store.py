"""Phones, and their fixes that wait for ingest or are remembered so that none counts twice."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    UniqueConstraint,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.phones.model import Heard, Phone
from cloud.tracking.erasing import Erasure
from wire.messages import Fix

phone = Table(
    "phone",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("vehicle_id", String, nullable=False),
    Column("app", String, nullable=False),
    Column("label", String, nullable=False),
    Column("fingerprint", String, nullable=False, unique=True),
    Column("stream", BigInteger, nullable=False),
    Column("max_accuracy_m", Float, nullable=False),
    Column("is_only_on_shift", Boolean, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("made_by", String, nullable=False),
    Column("ended_at", Float),
    Column("next_seq", BigInteger, nullable=False),
    Column("committed_before", BigInteger, nullable=False),
    Column("heard_at", Float),
    Column("taken", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("problem", String),
    Column("problem_at", Float),
    Index("ix_phone_tenant_vehicle_id", "tenant", "vehicle_id"),
)
"""``fingerprint``: of its token. Seqs below ``committed_before`` are ingest's; no more wait than to
``next_seq``."""

phone_fix = Table(
    "phone_fix",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("phone_id", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("lat_e7", Integer, nullable=False),
    Column("lon_e7", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("taken_at_ms", BigInteger, nullable=False),
    UniqueConstraint("tenant", "phone_id", "at_ms", "lat_e7", "lon_e7"),
)

_PLAIN = tuple(Phone.__dataclass_fields__)


def add_phone(connection: Connection, made: Phone, fingerprint: str) -> None:
    """Store a new phone, of which nothing has come yet."""
    values = {name: getattr(made, name) for name in _PLAIN}
    counters = {"next_seq": 0, "committed_before": 0, "taken": 0, "refused": 0}
    connection.execute(insert(phone).values(fingerprint=fingerprint, **values, **counters))


def end_phone(
    connection: Connection, tenant: str, vehicle_id: str, phone_id: str, now_s: float
) -> bool:
    """End a phone's token; False when there is no such phone, or it has ended."""
    found = update(phone).where(
        phone.c.tenant == tenant,
        phone.c.vehicle_id == vehicle_id,
        phone.c.id == phone_id,
        phone.c.ended_at.is_(None),
    )
    return connection.execute(found.values(ended_at=now_s)).rowcount == 1


def phones_of(connection: Connection, tenant: str, vehicle_id: str) -> list[tuple[Phone, Heard]]:
    """The phones of a van that have not ended, the oldest first."""
    rows = connection.execute(
        select(phone)
        .where(
            phone.c.tenant == tenant,
            phone.c.vehicle_id == vehicle_id,
            phone.c.ended_at.is_(None),
        )
        .order_by(phone.c.made_at, phone.c.id)
    ).mappings()
    return [(_phone(row), _heard(row)) for row in rows]


def by_fingerprint(connection: Connection, fingerprint: str) -> tuple[Phone, int, int] | None:
    """Whose token it is, that phone's next seq, and how much of it waits; locked until the end."""
    return _held(connection, phone.c.fingerprint == fingerprint)


def by_id(connection: Connection, tenant: str, phone_id: str) -> tuple[Phone, int, int] | None:
    """The same, of a phone that the broker has let in."""
    return _held(connection, and_(phone.c.tenant == tenant, phone.c.id == phone_id))


def known_places(
    connection: Connection, of: Phone, moments_ms: Sequence[int]
) -> set[tuple[int, int, int]]:
    """(moment, latitude, longitude) of the phone's fixes at some moments."""
    columns = phone_fix.c
    rows = connection.execute(
        select(columns.at_ms, columns.lat_e7, columns.lon_e7).where(
            columns.tenant == of.tenant, columns.phone_id == of.id, columns.at_ms.in_(moments_ms)
        )
    )
    return {(row.at_ms, row.lat_e7, row.lon_e7) for row in rows}


def add_fixes(
    connection: Connection, of: Phone, first: int, fixes: Sequence[Fix], now_ms: int
) -> None:
    """Store new fixes of a phone from seq ``first`` on."""
    rows = [
        {
            "tenant": of.tenant,
            "phone_id": of.id,
            "seq": seq,
            "at_ms": fix.recorded_at_ms,
            "lat_e7": fix.lat_e7,
            "lon_e7": fix.lon_e7,
            "body": msgspec.json.encode(fix),
            "taken_at_ms": now_ms,
        }
        for seq, fix in enumerate(fixes, first)
    ]
    if rows:
        connection.execute(insert(phone_fix), rows)


def note_heard(
    connection: Connection, of: Phone, *, taken: int, problems: Sequence[str], now_s: float
) -> None:
    """Count what has come."""
    news: dict[str, Any] = {
        "heard_at": now_s,
        "next_seq": phone.c.next_seq + taken,
        "taken": phone.c.taken + taken,
        "refused": phone.c.refused + len(problems),
    }
    if problems:
        news |= {"problem": problems[-1], "problem_at": now_s}
    connection.execute(update(phone).where(_is(of.tenant, of.id)).values(**news))


def with_waiting(connection: Connection) -> list[tuple[Phone, int]]:
    """Each phone of which something waits for ingest, and the first seq of that."""
    rows = connection.execute(select(phone).where(phone.c.next_seq > phone.c.committed_before))
    return [(_phone(row), row["committed_before"]) for row in rows.mappings()]


def vans_with_phones(connection: Connection) -> set[tuple[str, str]]:
    """Tenant and id of each van that phones speak for, or of whose phones something waits."""
    is_speaking = or_(phone.c.ended_at.is_(None), phone.c.next_seq > phone.c.committed_before)
    rows = connection.execute(select(phone.c.tenant, phone.c.vehicle_id).where(is_speaking))
    return {(row.tenant, row.vehicle_id) for row in rows}


def waiting_fixes(connection: Connection, of: Phone, first: int, limit: int) -> list[Fix]:
    """What waits of a phone from seq ``first`` on, at most ``limit`` fixes."""
    bodies = connection.scalars(
        select(phone_fix.c.body)
        .where(
            phone_fix.c.tenant == of.tenant,
            phone_fix.c.phone_id == of.id,
            phone_fix.c.seq >= first,
        )
        .order_by(phone_fix.c.seq)
        .limit(limit)
    )
    return [msgspec.json.decode(body, type=Fix) for body in bodies]


def note_committed(connection: Connection, of: Phone, before: int) -> None:
    """Ingest has every seq below ``before``."""
    connection.execute(update(phone).where(_is(of.tenant, of.id)).values(committed_before=before))


def remembered(connection: Connection, before_ms: int) -> list[tuple[str, str]]:
    """Tenant and id of each phone, ended ones too, of which a fix was taken before an instant."""
    old = select(phone_fix.c.tenant, phone_fix.c.phone_id).where(
        phone_fix.c.taken_at_ms < before_ms
    )
    return [(row.tenant, row.phone_id) for row in connection.execute(old.distinct())]


def forget_fixes(connection: Connection, tenant: str, phone_id: str, before_ms: int) -> int:
    """Forget a phone's fixes that ingest has and that were taken before an instant; how many."""
    committed_before = (
        select(phone.c.committed_before).where(_is(tenant, phone_id)).scalar_subquery()
    )
    gone = delete(phone_fix).where(
        phone_fix.c.tenant == tenant,
        phone_fix.c.phone_id == phone_id,
        phone_fix.c.seq < committed_before,
        phone_fix.c.taken_at_ms < before_ms,
    )
    return connection.execute(gone).rowcount


def forget_places(connection: Connection, erasure: Erasure) -> None:
    """Forget of a van's phones, those that have ended too, what ingest has and is to be erased."""
    is_handed_on = (
        select(phone.c.id)
        .where(
            phone.c.tenant == erasure.tenant,
            phone.c.vehicle_id == erasure.van,
            phone.c.id == phone_fix.c.phone_id,
            phone.c.committed_before > phone_fix.c.seq,
        )
        .exists()
    )
    connection.execute(
        delete(phone_fix).where(
            phone_fix.c.tenant == erasure.tenant,
            phone_fix.c.at_ms >= erasure.from_ms,
            phone_fix.c.at_ms < erasure.to_ms,
            is_handed_on,
        )
    )


def _held(connection: Connection, which: Any) -> tuple[Phone, int, int] | None:
    row = (
        connection.execute(select(phone).where(which, phone.c.ended_at.is_(None)).with_for_update())
        .mappings()
        .first()
    )
    if row is None:
        return None
    return _phone(row), row["next_seq"], row["next_seq"] - row["committed_before"]


def _is(tenant: str, phone_id: str) -> Any:
    return and_(phone.c.tenant == tenant, phone.c.id == phone_id)


def _phone(row: RowMapping) -> Phone:
    return Phone(**{name: row[name] for name in _PLAIN})


def _heard(row: RowMapping) -> Heard:
    return Heard(
        at=row["heard_at"],
        taken=row["taken"],
        refused=row["refused"],
        waiting=row["next_seq"] - row["committed_before"],
        problem=row["problem"],
        problem_at=row["problem_at"],
    )
