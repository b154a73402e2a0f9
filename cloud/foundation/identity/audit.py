"""The audit log: who did what to what, when and from where. It is only ever added to.

A request that may change something is an `Act`. The gate writes into it who calls, and the database
asks for it at the end of the first transaction that the request writes, so that the change and its
record commit together, whatever route it is. What changed outside the business database is recorded
when the answer is given. Values of a body never enter the log, but for ids.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Index,
    String,
    Table,
    insert,
    select,
)

from cloud.foundation.database import BUSINESS, ROW_NUMBER
from cloud.foundation.identity.model import Caller
from cloud.foundation.identity.scopes import SAFE_METHODS

MAX_BODY_BYTES: Final = 64 * 1024
"""Of a body that is looked through for ids."""
_MAX_VALUE: Final = 100
_MAX_NAMED: Final = 12

audit_row = Table(
    "audit_log",
    BUSINESS,
    Column("number", ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("user_id", String),
    Column("user_name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("token_id", String),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("address", String, nullable=False),
    Index("ix_audit_log_tenant_number", "tenant", "number"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log; ``at`` in seconds since 1970, real time.

    Attributes:
        action: method and form of the path, such as ``POST /orders/{order_id}/cancel``, or what
            happened, such as ``sign-in refused``.
        subject: the path itself. detail: ids that came with the request, and what was changed.
        address: of who asked, or ``command line``.
    """

    number: int
    tenant: str
    at: float
    user_id: str | None
    user_name: str
    role: str
    token_id: str | None
    action: str
    subject: str
    detail: dict[str, Any]
    address: str


@dataclass(slots=True, kw_only=True)
class Act:
    """What somebody is doing: filled in step by step while a request is answered."""

    method: str
    path: str
    address: str
    action: str = ""
    caller: Caller | None = None
    body: bytearray = field(default_factory=bytearray)
    detail: dict[str, Any] = field(default_factory=dict)
    is_closed: bool = False
    """Whether it is recorded, or over."""

    @property
    def is_to_record(self) -> bool:
        """Whether somebody known may be changing something, and it is not recorded yet."""
        return not self.is_closed and self.caller is not None and self.method not in SAFE_METHODS


_ACT: Final[ContextVar[Act | None]] = ContextVar("act", default=None)


@contextmanager
def acting(act: Act) -> Iterator[Act]:
    """Everything in here, and in the threads it waits for, is done by ``act``."""
    before = _ACT.set(act)
    try:
        yield act
    finally:
        act.is_closed = True
        _ACT.reset(before)


def is_by(caller: Caller, action: str) -> None:
    """Tell who acts, and by which route."""
    act = _ACT.get()
    if act is not None and act.caller is None:
        act.caller, act.action = caller, action


def tells(**detail: Any) -> None:
    """Add to the record of what is being done; never a secret."""
    act = _ACT.get()
    if act is not None:
        act.detail.update(detail)


def record(connection: Connection, now_s: float) -> None:
    """Record what is being done, once; called at the end of each transaction of the business."""
    act = _ACT.get()
    if act is None or act.caller is None or not act.is_to_record:
        return
    add(
        connection,
        act.caller,
        at=now_s,
        action=act.action,
        subject=act.path,
        detail={**_ids(bytes(act.body)), **act.detail},
        address=act.address,
    )
    act.is_closed = True


def add(
    connection: Connection,
    caller: Caller,
    *,
    at: float,
    action: str,
    subject: str,
    detail: dict[str, Any],
    address: str,
) -> None:
    """Write one line."""
    connection.execute(
        insert(audit_row).values(
            tenant=caller.tenant,
            at=at,
            user_id=caller.user_id,
            user_name=caller.name,
            role=caller.role,
            token_id=caller.token_id,
            action=action,
            subject=subject[:500],
            detail=detail,
            address=address,
        )
    )


def page(connection: Connection, tenant: str, before: int | None, limit: int) -> list[Entry]:
    """Lines of a tenant, the newest first, below number ``before``."""
    wanted = [audit_row.c.tenant == tenant]
    if before is not None:
        wanted.append(audit_row.c.number < before)
    rows = connection.execute(
        select(audit_row).where(*wanted).order_by(audit_row.c.number.desc()).limit(limit)
    ).mappings()
    return [Entry(**row) for row in rows]


def _ids(body: bytes) -> dict[str, str]:
    """The ids that a body names: ``id`` and what ends with ``_id``."""
    try:
        told = msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, RecursionError, ValueError):
        return {}
    if not isinstance(told, dict):
        return {}
    named = {
        name: value
        for name, value in told.items()
        if (name == "id" or name.endswith("_id"))
        and len(name) <= _MAX_VALUE
        and isinstance(value, str)
        and len(value) <= _MAX_VALUE
    }
    return dict(list(named.items())[:_MAX_NAMED])
