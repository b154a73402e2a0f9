"""The register: what each kind of thing may be, and taking on, changing and retiring it.

Nothing is ever deleted: history names it. What is retired is kept, is not listed unless asked for,
and nothing new may name it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, select
from sqlalchemy.exc import IntegrityError

from cloud.fleet import register_store, store
from cloud.fleet.model import (
    Registered,
    require_id,
)
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity import EVERYTHING, Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind[T: Registered]:
    """One kind of thing in the register.

    Attributes:
        name: in sentences. listed_at: where all of them are listed.
        prepared: the same thing with its values in order; raises Invalid. Pure.
        check: raises Invalid when it names something that is not there or is retired.
        needed_by: what would be left without it if it were retired at an instant, or None.
        within: rows within a reach.
    """

    name: str
    listed_at: str
    table: Table
    type: type[T]
    prepared: Callable[[T], T]
    check: Callable[[Connection, T], None]
    needed_by: Callable[[Connection, T, float], str | None]
    within: Callable[[Reach], ColumnElement[bool]]


def find[T: Registered](
    connection: Connection, kind: Kind[T], tenant: str, thing_id: str, reach: Reach = EVERYTHING
) -> T | None:
    """One thing, retired or not, unless it is beyond reach."""
    row = register_store.find(connection, kind.table, tenant, thing_id, kind.within(reach))
    return None if row is None else kind.type(**row)


def require[T: Registered](
    connection: Connection, kind: Kind[T], tenant: str, thing_id: str, reach: Reach = EVERYTHING
) -> T:
    """One thing, retired or not.

    Raises:
        NotFound: there is none of that id within reach.
    """
    found = find(connection, kind, tenant, thing_id, reach)
    if found is None:
        raise NotFound(
            f"{kind.name} {thing_id[:80]!r} is not known; GET {kind.listed_at} lists them"
        )
    return found


def page[T: Registered](
    connection: Connection,
    kind: Kind[T],
    tenant: str,
    *,
    equal: dict[str, object],
    after: str,
    limit: int,
    with_retired: bool,
    reach: Reach,
) -> tuple[list[T], str | None]:
    """Some things within reach by id, and the id to go on after when there are more."""
    rows = register_store.page(
        connection,
        kind.table,
        tenant,
        equal=equal,
        after=after,
        limit=limit + 1,
        with_retired=with_retired,
        held=kind.within(reach),
    )
    found = [kind.type(**row) for row in rows[:limit]]
    return found, found[-1].id if len(rows) > limit else None


def every[T: Registered](connection: Connection, kind: Kind[T], tenant: str) -> list[T]:
    """Everything of one kind, retired or not."""
    rows = connection.execute(select(kind.table).where(kind.table.c.tenant == tenant)).mappings()
    return [kind.type(**row) for row in rows]


def add[T: Registered](connection: Connection, kind: Kind[T], thing: T) -> T:
    """Take a new thing on.

    Raises:
        Invalid: a value is not acceptable. Conflict: the id is taken.
    """
    require_id("id", thing.id)
    made = kind.prepared(thing)
    store.put_own_carrier(connection, thing.tenant)
    kind.check(connection, made)
    row: dict[str, Any] = {column.name: getattr(made, column.name) for column in kind.table.c}
    try:
        with connection.begin_nested():
            store.add(connection, kind.table, row)
    except IntegrityError as error:
        raise Conflict(
            f"there is a {kind.name} {thing.id!r} already; choose another id, or change that one"
        ) from error
    return made


def change[T: Registered](
    connection: Connection, kind: Kind[T], before: T, values: dict[str, Any]
) -> T:
    """Change some values of a thing.

    Raises:
        Invalid: a value is not acceptable. Conflict: somebody else has changed it meanwhile.
    """
    after = kind.prepared(replace(before, **values, version=before.version + 1))
    if before.retired_at is not None and after.retired_at is not None:
        raise Conflict(
            f"{kind.name} {before.id!r} is retired; send is_retired false to take it back first"
        )
    if after.retired_at is None:
        kind.check(connection, after)
    columns = {name: getattr(after, name) for name in values}
    if not register_store.change(connection, kind.table, before, columns):
        raise stale(kind.name, before.id)
    return after


def retire[T: Registered](connection: Connection, kind: Kind[T], before: T, now: float) -> T:
    """Take a thing out of use; doing it again changes nothing.

    Raises:
        Conflict: something that is in use still needs it.
    """
    if before.retired_at is not None:
        return before
    needed_by = kind.needed_by(connection, before, now)
    if needed_by is not None:
        raise Conflict(f"{kind.name} {before.id!r} cannot be retired: {needed_by}")
    return change(connection, kind, before, {"retired_at": now})


def require_version(name: str, thing_id: str, known: int, given: int) -> None:
    """A change is made to what its author has seen.

    Raises:
        Conflict: it has changed since.
    """
    if known != given:
        raise stale(name, thing_id, f"it has version {known}, not {given}")


def stale(name: str, thing_id: str, why: str = "it has changed meanwhile") -> Conflict:
    """Somebody else was faster."""
    return Conflict(f"{name} {thing_id!r}: {why}; read it again and send its version")


def require_in_use[T: Registered](
    connection: Connection,
    kind: Kind[T],
    tenant: str,
    field: str,
    thing_id: str,
    reach: Reach = EVERYTHING,
) -> T:
    """One thing that something new may name.

    Raises:
        Invalid: there is none, or it is retired or disabled.
    """
    found = find(connection, kind, tenant, thing_id, reach)
    if found is None:
        raise Invalid.field(
            field, f"no {kind.name} {thing_id[:80]!r}", f"add the {kind.name} first"
        )
    if found.retired_at is not None:
        raise Invalid.field(field, f"{kind.name} {thing_id!r} is retired", "choose another")
    if not getattr(found, "is_active", True):
        raise Invalid.field(
            field, f"{kind.name} {thing_id!r} is disabled", "choose another, or enable it"
        )
    return found
