"""Use cases of planning that look at plans or ask for one."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from sqlalchemy import Connection

from cloud.fleet import shift_store
from cloud.fleet.assignments import Assignment, at_instant
from cloud.fleet.service import require_depot
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import NotFound, Unavailable
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.ids import NewId
from cloud.orders import store as order_store
from cloud.orders.model import Order
from cloud.planning import job_store, plan_store, revision_store, route_store
from cloud.planning.day_plan import DayPlan, Route
from cloud.planning.jobs import Job
from cloud.planning.revision import Revision

MAX_QUEUED: Final = 20
_OVERTIME_S: Final = 4 * 3600.0
_SOON_S: Final = 3600.0


class Planning:
    """The plans of every depot and service date, and asking for new ones."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def plan(
        self, tenant: str, depot_id: str, service_date: date, reach: Reach = EVERYTHING
    ) -> DayPlan:
        """The plan of a day as it stands, with the routes within reach.

        Raises:
            NotFound: no such depot, or nothing is planned for that date yet.
        """
        with self._database.reading() as connection:
            require_depot(connection, tenant, depot_id)
            found = plan_store.find_plan(connection, tenant, depot_id, service_date, reach)
            driven = with_drivers(connection, found.routes, self._clock.now_s())
        if found.revision == 0:
            raise NotFound(f"nothing is planned for {service_date} yet; POST …/optimize plans it")
        return replace(found, routes=tuple(driven))

    def revisions(self, tenant: str, depot_id: str, service_date: date) -> list[Revision]:
        """Every revision of a day's plan, the first one first.

        Raises:
            NotFound: no such depot.
        """
        with self._database.reading() as connection:
            require_depot(connection, tenant, depot_id)
            return revision_store.revisions(connection, tenant, depot_id, service_date)

    def route(self, tenant: str, route_id: str) -> Route:
        """One route.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            found = route_store.find_route(connection, tenant, route_id)
            if found is None:
                raise NotFound(f"route {route_id!r} is not known")
            return with_drivers(connection, [found], self._clock.now_s())[0]

    def route_of_vehicle(self, tenant: str, vehicle_id: str) -> Route | None:
        """What a van should drive now or next; None when nothing is planned for it."""
        now = self._clock.now_s()
        with self._database.reading() as connection:
            return route_store.route_of_vehicle(connection, tenant, vehicle_id, now)

    def routes_now(self, tenant: str) -> list[Route]:
        """The routes of the shifts that are on now."""
        now = self._clock.now_s()
        with self._database.reading() as connection:
            found = route_store.routes_between(connection, tenant, now, now + 1)
            return with_drivers(connection, found, now)

    def routes_at_work(self, tenant: str) -> list[Route]:
        """Routes with something left to do whose shift begins soon, is on, or ended lately."""
        now = self._clock.now_s()
        with self._database.reading() as connection:
            found = route_store.routes_between(connection, tenant, now - _OVERTIME_S, now + _SOON_S)
        return [route for route in found if route.open_stops]

    def orders_of_day(self, tenant: str, depot_id: str, service_date: date) -> dict[str, Order]:
        """Every order of a depot's service date, by id."""
        with self._database.reading() as connection:
            every = order_store.of_day(connection, tenant, depot_id, service_date)
        return {order.id: order for order in every}

    def places_in_plan(
        self, tenant: str, order_ids: list[str]
    ) -> dict[str, tuple[str | None, str | None]]:
        """Route and delivery stop of each of some orders that is planned."""
        with self._database.reading() as connection:
            return route_store.places_in_plan(connection, tenant, order_ids)

    def job(self, tenant: str, job_id: str) -> Job:
        """How far a job is.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            found = job_store.find_job(connection, tenant, job_id)
        if found is None:
            raise NotFound(f"job {job_id!r} is not known")
        return found

    def ask(self, job: Job) -> Job:
        """Queue a job.

        Raises:
            NotFound: no such depot. Unavailable: too many jobs wait already.
        """
        with self._database.writing() as connection:
            require_depot(connection, job.tenant, job.depot_id)
            queue(connection, job, self._clock.now_s())
        return job

    def new_job_id(self) -> str:
        """An id for a job."""
        return self._new_id("job")


def queue(connection: Connection, job: Job, now: float) -> None:
    """Let a job that somebody asked for wait for its turn.

    Raises:
        Unavailable: too many of the tenant wait already.
    """
    if job_store.count_queued(connection, job.tenant) >= MAX_QUEUED:
        raise Unavailable(f"{MAX_QUEUED} plans are waiting already; try again later")
    job_store.add_job(connection, job, now)


def require_route_of_driver(
    connection: Connection, tenant: str, driver_id: str, now: float
) -> Route:
    """The route of the van that a driver drives now; else one not finished yet; else the next one.

    Raises:
        NotFound: the driver has no shift now or later, or nothing is planned for it.
    """
    on = shift_store.shifts_of_driver(
        connection, tenant, driver_id, now, math.nextafter(now, math.inf)
    )
    if not on:
        late = _unfinished_route(connection, tenant, driver_id, now)
        if late is not None:
            return late
    ahead = on or shift_store.shifts_of_driver(connection, tenant, driver_id, now, now + 7 * 86_400)
    if not ahead:
        raise NotFound(f"driver {driver_id} has no shift now or in the next seven days")
    shift = ahead[0]
    route = route_store.route_of_shift(
        connection, tenant, shift.vehicle_id, shift.depot_id, shift.service_date
    )
    if route is None:
        raise NotFound(f"nothing is planned yet for the shift on {shift.service_date}")
    return replace(route, driver_id=driver_id)


def _unfinished_route(
    connection: Connection, tenant: str, driver_id: str, now: float
) -> Route | None:
    """The newest begun route whose van the driver was the last to drive in its shift."""
    driven = shift_store.assignments(
        connection, tenant, "driver", now - route_store.LATE_S, now, holder_id=driver_id
    )
    vans = {one.vehicle_id for one in driven}
    found = route_store.unfinished_routes(connection, tenant, vans, now) if vans else []
    told = with_drivers(connection, found, now)
    return next((route for route in told if route.driver_id == driver_id), None)


def with_drivers(connection: Connection, routes: Sequence[Route], now: float) -> list[Route]:
    """Routes of one tenant as they are driven now: by whoever has the van.

    Before its shift it is who will begin it, after it who ended it; where nobody is assigned, who
    was planned.
    """
    if not routes:
        return []
    known = shift_store.assignments(
        connection,
        routes[0].tenant,
        "driver",
        min(route.starts_at for route in routes),
        max(route.ends_at for route in routes),
    )
    of_van: dict[str, list[Assignment]] = {}
    for one in known:
        of_van.setdefault(one.vehicle_id, []).append(one)
    told = []
    for route in routes:
        last = math.nextafter(route.ends_at, -math.inf)
        who = at_instant(of_van.get(route.vehicle_id, ()), min(max(now, route.starts_at), last))
        told.append(route if who is None else replace(route, driver_id=who.holder_id))
    return told


def has_driven(connection: Connection, route: Route, driver_id: str) -> bool:
    """Whether a driver had the van at any time of a route's shift, or was planned to."""
    if route.driver_id == driver_id:
        return True
    known = shift_store.assignments(
        connection,
        route.tenant,
        "driver",
        route.starts_at,
        route.ends_at,
        vehicle_id=route.vehicle_id,
    )
    return any(one.holder_id == driver_id for one in known)
