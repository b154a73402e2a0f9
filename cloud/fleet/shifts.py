"""Shifts: sending vans out, changing and cancelling that; inside the caller's transaction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from cloud.fleet import shift_store, store, tables
from cloud.fleet.assigning import assign, replace_all
from cloud.fleet.assignments import Assignment
from cloud.fleet.calendar import Hours, require_open_on
from cloud.fleet.events import Change, ShiftChanged
from cloud.fleet.hours import breaks_of, local_instant, require_breaks_within, shift_span
from cloud.fleet.kinds import CREWS, DEPOTS, DRIVERS, VEHICLES
from cloud.fleet.model import MOST_BREAKS, Depot, Shift, require_crew, require_id, require_not_past
from cloud.fleet.register import require, require_in_use, require_version
from cloud.foundation import outbox
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.ids import NewId


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShift:
    """A shift that somebody asks for; times are local, HH:MM, the depot's usual ones by default.

    Attributes:
        id: None gives it one. driver_id, helper_ids: those of ``crew_id`` by default.
        breaks: ``12:00-12:30``.
    """

    vehicle_id: str
    service_date: date
    driver_id: str | None = None
    crew_id: str | None = None
    helper_ids: tuple[str, ...] | None = None
    start: str | None = None
    end: str | None = None
    breaks: tuple[str, ...] = ()
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftChange:
    """What becomes different of a shift; None stays as it is."""

    driver_id: str | None = None
    helper_ids: tuple[str, ...] | None = None
    start: str | None = None
    end: str | None = None
    breaks: tuple[str, ...] | None = None


def require_shift(connection: Connection, tenant: str, shift_id: str) -> Shift:
    """One shift.

    Raises:
        NotFound: there is none of that id.
    """
    found = shift_store.find_shift(connection, tenant, shift_id)
    if found is None:
        raise NotFound(f"shift {shift_id[:80]!r} is not known; GET /api/v1/shifts lists them")
    return found


def add_shift(
    connection: Connection,
    tenant: str,
    new: NewShift,
    now: float,
    new_id: NewId,
    reach: Reach = EVERYTHING,
) -> Shift:
    """Send a van out on a service date, and give it to its driver for that time.

    Raises:
        Invalid: something it names is unknown or out of use, a time is not HH:MM, or the date is
            past or the depot closed then. Conflict: van or people have a shift at that time.
    """
    vehicle = require_in_use(connection, VEHICLES, tenant, "vehicle_id", new.vehicle_id, reach)
    driver_id, helper_ids = _people(connection, tenant, new, reach)
    depot = require(connection, DEPOTS, tenant, vehicle.depot_id)
    require_not_past(new.service_date, depot, now)
    require_open_on(depot.calendar, new.service_date, depot.id)
    start, end = new.start or depot.shift_start, new.end or depot.shift_end
    starts_at, ends_at = shift_span(new.service_date, start, end, depot.zone)
    shift = Shift(
        tenant=tenant,
        id=new_id("shift") if new.id is None else require_id("id", new.id),
        vehicle_id=vehicle.id,
        driver_id=driver_id,
        depot_id=depot.id,
        service_date=new.service_date,
        starts_at=starts_at,
        ends_at=ends_at,
        crew_id=new.crew_id,
        helper_ids=helper_ids,
        breaks=_breaks(new.breaks, new.service_date, start, depot.zone),
    )
    _require_possible(connection, shift)
    try:
        with connection.begin_nested():
            store.add(connection, tables.shift, shift_store.shift_row(shift))
    except IntegrityError as error:
        raise Conflict(
            f"there is a shift {shift.id!r}, or one of {vehicle.id!r} on {new.service_date}, "
            "already; choose another, or change that one"
        ) from error
    assign(connection, tenant, "driver", _whole(shift, new_id), new_id)
    _tell(connection, shift, "added", now)
    return shift


def change_shift(
    connection: Connection,
    before: Shift,
    change: ShiftChange,
    now: float,
    new_id: NewId,
    reach: Reach = EVERYTHING,
) -> Shift:
    """Change times or people; a new driver drives from the start, or from now on.

    The shift keeps its id, and the route that is planned for it stays its route.

    Raises:
        Invalid: a value is not acceptable. Conflict: it is cancelled or over, or van or people
            have another shift at that time.
    """
    _require_not_over(before, now)
    depot = require(connection, DEPOTS, before.tenant, before.depot_id)
    after = _changed(before, change, depot, now)
    named = [("driver_id", after.driver_id), *(("helper_ids", one) for one in after.helper_ids)]
    for field, person in named:
        if person not in before.people:
            require_in_use(connection, DRIVERS, before.tenant, field, person, reach)
    _require_possible(connection, after)
    shift_store.put_shift(connection, after)
    if (after.starts_at, after.ends_at) != (before.starts_at, before.ends_at):
        _move_drivers(connection, before, after, new_id)
    if after.driver_id != before.driver_id:
        taken_over = replace(_whole(after, new_id), begin=max(now, after.starts_at))
        assign(connection, after.tenant, "driver", taken_over, new_id)
    _tell(connection, after, "changed", now)
    return after


def cancel_shift(connection: Connection, before: Shift, now: float, new_id: NewId) -> Shift:
    """The van does not go out, or does not go on; who drove until now stays known.

    Raises:
        Conflict: it is over.
    """
    if before.state == "cancelled":
        return before
    _require_not_over(before, now)
    after = replace(before, state="cancelled", version=before.version + 1)
    shift_store.put_shift(connection, after)
    driven = shift_store.assignments_of_shift(connection, before.tenant, before.id)
    replace_all(connection, before.tenant, "driver", driven, now, math.inf, new_id)
    _tell(connection, after, "cancelled", now)
    return after


def require_seen(shift: Shift, version: int) -> None:
    """A change is made to what its author has seen.

    Raises:
        Conflict: it has changed since.
    """
    require_version("shift", shift.id, shift.version, version)


def _people(
    connection: Connection, tenant: str, new: NewShift, reach: Reach
) -> tuple[str, tuple[str, ...]]:
    driver_id, helper_ids = new.driver_id, new.helper_ids
    if new.crew_id is not None:
        crew = require_in_use(connection, CREWS, tenant, "crew_id", new.crew_id, reach)
        driver_id = crew.driver_id if driver_id is None else driver_id
        helper_ids = crew.helper_ids if helper_ids is None else helper_ids
    if driver_id is None:
        raise Invalid.field("driver_id", "is missing", "give a driver, or a crew that has one")
    helper_ids = () if helper_ids is None else helper_ids
    require_in_use(connection, DRIVERS, tenant, "driver_id", driver_id, reach)
    for helper_id in helper_ids:
        require_in_use(connection, DRIVERS, tenant, "helper_ids", helper_id, reach)
    return driver_id, helper_ids


def _breaks(
    told: Sequence[str], service_date: date, start: str, zone: str
) -> tuple[tuple[float, float], ...]:
    if len(told) > MOST_BREAKS:
        raise Invalid.field("breaks", f"{len(told)} breaks", f"give {MOST_BREAKS} at most")
    spans = [Hours.read("breaks", one) for one in told]
    return breaks_of([(one.opens, one.closes) for one in spans], service_date, start, zone)


def _changed(before: Shift, change: ShiftChange, depot: Depot, now: float) -> Shift:
    start = change.start or local_time(before.starts_at, depot.zone)
    starts_at, ends_at = before.starts_at, before.ends_at
    if change.start is not None:
        starts_at = local_instant(before.service_date, change.start, depot.zone)
        if starts_at != before.starts_at and before.starts_at <= now:
            raise Conflict(f"shift {before.id!r} has begun; only its end may change")
    if change.end is not None:
        is_today = change.end > start
        last_day = before.service_date + timedelta(days=0 if is_today else 1)
        ends_at = local_instant(last_day, change.end, depot.zone)
    if ends_at <= max(starts_at, now):
        raise Invalid.field("end", "is not after the start, or is past", "give a later one")
    breaks = before.breaks
    if change.breaks is not None:
        breaks = _breaks(change.breaks, before.service_date, start, depot.zone)
    return replace(
        before,
        driver_id=change.driver_id or before.driver_id,
        helper_ids=before.helper_ids if change.helper_ids is None else change.helper_ids,
        starts_at=starts_at,
        ends_at=ends_at,
        breaks=breaks,
        version=before.version + 1,
    )


def is_different(connection: Connection, before: Shift, change: ShiftChange, now: float) -> bool:
    """Whether a change would change anything; raises as `change_shift`."""
    depot = require(connection, DEPOTS, before.tenant, before.depot_id)
    after = _changed(before, change, depot, now)
    return replace(after, version=before.version) != before


def other_shift(known: Shift) -> Conflict:
    """A shift does not become that of another van or date."""
    return Conflict(
        f"shift {known.id!r} is of {known.vehicle_id!r} on {known.service_date}; "
        "cancel it and add another"
    )


def local_time(instant_s: float, zone: str) -> str:
    """HH:MM in a zone at an instant."""
    return datetime.fromtimestamp(instant_s, ZoneInfo(zone)).strftime("%H:%M")


def _require_not_over(shift: Shift, now: float) -> None:
    if shift.state == "cancelled" or shift.ends_at <= now:
        raise Conflict(f"shift {shift.id!r} is cancelled or over, so it cannot change any more")


def _require_possible(connection: Connection, shift: Shift) -> None:
    require_crew(shift.driver_id, shift.helper_ids)
    require_breaks_within(shift.breaks, shift.starts_at, shift.ends_at)
    for other in shift_store.shifts_of_any(
        connection, shift.tenant, shift.starts_at, shift.ends_at, shift.vehicle_id, shift.people
    ):
        if other.id != shift.id:
            busy = (
                shift.vehicle_id
                if other.vehicle_id == shift.vehicle_id
                else ", ".join(one for one in other.people if one in shift.people)
            )
            raise Conflict(
                f"{busy!r} has the shift {other.id!r} of {other.service_date} at that time; "
                "choose another, or cancel or change that one"
            )


def _whole(shift: Shift, new_id: NewId) -> Assignment:
    return Assignment(
        id=new_id("as"),
        vehicle_id=shift.vehicle_id,
        holder_id=shift.driver_id,
        begin=shift.starts_at,
        end=shift.ends_at,
        shift_id=shift.id,
    )


def _move_drivers(connection: Connection, before: Shift, after: Shift, new_id: NewId) -> None:
    """Who was to drive from the start or until the end does so from the new one, or until it."""
    known = shift_store.assignments_of_shift(connection, before.tenant, before.id)
    shift_store.drop_assignments(connection, before.tenant, "driver", [one.id for one in known])
    for one in known:
        begin = after.starts_at if one.begin == before.starts_at else one.begin
        end = after.ends_at if one.end == before.ends_at else min(one.until, after.ends_at)
        begin = max(begin, after.starts_at)
        if begin < end:
            moved = replace(one, begin=begin, end=end)
            assign(connection, before.tenant, "driver", moved, new_id)


def news_of(shift: Shift, change: Change = "changed") -> ShiftChanged:
    """What is told when a shift, or what goes out on it, is different."""
    return ShiftChanged(
        shift_id=shift.id,
        vehicle_id=shift.vehicle_id,
        depot_id=shift.depot_id,
        service_date=shift.service_date.isoformat(),
        change=change,
    )


def _tell(connection: Connection, shift: Shift, change: Change, now: float) -> None:
    outbox.append(connection, shift.tenant, now, news_of(shift, change))
