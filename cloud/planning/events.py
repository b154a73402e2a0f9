"""What planning tells the rest of the business. Pure values."""

import msgspec

from cloud.planning.day_plan import Route
from cloud.planning.revision import Trigger


class RevisionCommitted(msgspec.Struct, frozen=True, kw_only=True):
    """A day's plan has a new revision; ``routes`` are those that changed."""

    depot_id: str
    service_date: str
    number: int
    trigger: Trigger
    reason: str
    routes: tuple[str, ...]


class PlanningFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan was asked for and could not be made; the one before stays in force."""

    depot_id: str
    service_date: str
    job_id: str
    error: str


class RouteFinished(msgspec.Struct, frozen=True, kw_only=True):
    """The last stop of a route is done, at ``done_at``, or what was left of it was taken away."""

    depot_id: str
    service_date: str
    route_id: str
    vehicle_id: str
    driver_id: str
    done_at: float


class PromiseAtRisk(msgspec.Struct, frozen=True, kw_only=True):
    """A van will probably come after the end of what was promised; told once for each promise.

    ``promised_until`` is that end, ``expected_at`` the arrival as likely before as after.
    """

    order_id: str
    depot_id: str
    service_date: str
    route_id: str
    vehicle_id: str
    promised_until: float
    expected_at: float


class MarginUsed(msgspec.Struct, frozen=True, kw_only=True):
    """A van may well come after the end of what was promised: reason to plan anew, not to warn.

    As `PromiseAtRisk`; told before it, when more than one of four would come too late.
    """

    order_id: str
    depot_id: str
    service_date: str
    route_id: str
    vehicle_id: str
    promised_until: float
    expected_at: float


def route_finished(route: Route) -> RouteFinished:
    """What is told of a route of which nothing is left to do, by what was seen on it."""
    seen = [at for one in route.stops for at in (one.arrived_at, one.done_at) if at is not None]
    return RouteFinished(
        depot_id=route.depot_id,
        service_date=route.service_date.isoformat(),
        route_id=route.id,
        vehicle_id=route.vehicle_id,
        driver_id=route.driver_id,
        done_at=max(seen, default=route.starts_at),
    )
