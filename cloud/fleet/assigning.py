"""Making and ending dated assignments, inside the caller's transaction."""

import math
from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from cloud.fleet import kinds, shift_store
from cloud.fleet.assignments import Assignment, AssignmentKind, at_instant, end_by_default, free
from cloud.fleet.events import DriverAssigned, GatewayAssigned
from cloud.fleet.register import require_in_use
from cloud.foundation import outbox
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.ids import NewId


def give(
    connection: Connection,
    tenant: str,
    kind: AssignmentKind,
    vehicle_id: str,
    holder_id: str,
    begin: float,
    end: float | None,
    new_id: NewId,
    *,
    reach: Reach = EVERYTHING,
) -> tuple[Assignment, list[Assignment]]:
    """Give a van to a driver or a box; without an end as long as what it replaces lasts.

    Returns:
        The assignment, and what was cut for it, as it was before.

    Raises:
        Invalid: the driver or box is unknown or out of use.
    """
    if kind == "driver":
        require_in_use(connection, kinds.DRIVERS, tenant, "driver_id", holder_id, reach)
    else:
        require_in_use(connection, kinds.BOXES, tenant, "gateway_id", holder_id, reach)
    shift_id = None
    if kind == "driver":
        on = shift_store.shifts_between(
            connection, tenant, begin, math.nextafter(begin, math.inf), vehicle_id
        )
        shift_id = on[0].id if on else None
    if end is None:
        end = usual_end(connection, tenant, kind, vehicle_id, begin)
    made = Assignment(
        id=new_id("as"),
        vehicle_id=vehicle_id,
        holder_id=holder_id,
        begin=begin,
        end=end,
        shift_id=shift_id,
    )
    return made, assign(connection, tenant, kind, made, new_id)


def tell(
    connection: Connection,
    tenant: str,
    kind: AssignmentKind,
    vehicle_id: str,
    holder_id: str | None,
    begin: float,
    now: float,
) -> None:
    """Tell who, or which box, is with a van from an instant on; None is nobody."""
    told = (
        DriverAssigned(vehicle_id=vehicle_id, driver_id=holder_id, begin=begin)
        if kind == "driver"
        else GatewayAssigned(vehicle_id=vehicle_id, gateway_id=holder_id, begin=begin)
    )
    outbox.append(connection, tenant, now, told)


def assign(
    connection: Connection, tenant: str, kind: AssignmentKind, made: Assignment, new_id: NewId
) -> list[Assignment]:
    """Put an assignment in force; what it takes its time from, on either side, is cut.

    Returns:
        What was cut, as it was before.
    """
    cut = clear(
        connection,
        tenant,
        kind,
        made.begin,
        made.until,
        new_id,
        vehicle_id=made.vehicle_id,
        holder_id=made.holder_id,
    )
    shift_store.add_assignments(connection, tenant, kind, [made])
    return cut


def clear(
    connection: Connection,
    tenant: str,
    kind: AssignmentKind,
    begin: float,
    until: float,
    new_id: NewId,
    *,
    vehicle_id: str | None = None,
    holder_id: str | None = None,
) -> list[Assignment]:
    """Take a time from the assignments of a van or a holder; returns them as they were."""
    known = shift_store.assignments(
        connection, tenant, kind, begin, until, vehicle_id=vehicle_id, holder_id=holder_id
    )
    replace_all(connection, tenant, kind, known, begin, until, new_id)
    return known


def replace_all(
    connection: Connection,
    tenant: str,
    kind: AssignmentKind,
    known: Iterable[Assignment],
    begin: float,
    until: float,
    new_id: NewId,
) -> None:
    """Take a time from just these assignments."""
    cut = free(known, begin, until)
    shift_store.drop_assignments(connection, tenant, kind, cut.gone)
    kept = [one if one.id else replace(one, id=new_id("as")) for one in cut.kept]
    shift_store.add_assignments(connection, tenant, kind, kept)


def usual_end(
    connection: Connection, tenant: str, kind: AssignmentKind, vehicle_id: str, begin: float
) -> float | None:
    """Until when a change lasts when nobody says; see `end_by_default`."""
    known = shift_store.assignments(
        connection, tenant, kind, begin, math.inf, vehicle_id=vehicle_id
    )
    return end_by_default(known, vehicle_id, begin)


def holder_at(
    connection: Connection, tenant: str, kind: AssignmentKind, vehicle_id: str, instant_s: float
) -> Assignment | None:
    """Who, or what, is with a van at an instant."""
    known = shift_store.assignments(
        connection, tenant, kind, instant_s, math.nextafter(instant_s, math.inf),
        vehicle_id=vehicle_id,
    )  # fmt: skip
    return at_instant(known, instant_s)
