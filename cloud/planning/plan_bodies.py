"""How plans, routes and revisions look over HTTP."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.clock import to_rfc3339
from cloud.orders.api import InstantSpan, span_body
from cloud.orders.model import Order
from cloud.planning.arrivals import Arrivals
from cloud.planning.day_plan import Route, Stop
from cloud.planning.diff import Diff
from cloud.planning.solution import Prices

_NOT_FETCHED: Final = frozenset({"cancelled", "failed_attempt"})

type OrdersOf = Mapping[str, Order]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OptimizeBody(_Body):
    """How to plan: by which solver, for how long, with which seed."""

    solver: Literal["auto", "pyvrp", "ortools", "insertion"] = "auto"
    seconds: Annotated[float, Field(ge=0.1, le=120, allow_inf_nan=False)] = 3.0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1


class JobAccepted(BaseModel):
    """Where to follow a plan that is being made."""

    job_id: str


class JobBody(BaseModel):
    """How far a job is; ``revision`` when it is done, ``error`` when it has failed.

    ``because`` tells why ``solver`` makes the plan.
    """

    id: str
    state: Literal["queued", "running", "done", "failed"]
    revision: int | None
    error: str | None
    solver: Literal["auto", "pyvrp", "ortools", "insertion"]
    because: str


class StopBody(BaseModel):
    """One halt of a route."""

    id: str
    kind: Literal["pickup", "delivery"]
    position: int
    state: Literal["open", "arrived", "done"]
    lat: float
    lon: float
    address: str
    order_ids: list[str]
    parcel_ids: list[str]
    service_s: int
    window: InstantSpan | None
    planned_arrival: str
    planned_departure: str
    arrived_at: str | None
    done_at: str | None


class ShiftSpan(BaseModel):
    """Begin and end of a shift."""

    starts_at: str
    ends_at: str


class LineString(BaseModel):
    """GeoJSON line: (longitude, latitude)."""

    type: Literal["LineString"] = "LineString"
    coordinates: list[tuple[float, float]]


class RouteBreakBody(BaseModel):
    """A break of the driver, and where the van stands; null: before the drive back."""

    model_config = ConfigDict(populate_by_name=True)
    begin: Annotated[str, Field(alias="from")]
    end: Annotated[str, Field(alias="to")]
    lat: float
    lon: float
    before_stop_id: str | None


class RouteBody(BaseModel):
    """One van's ordered stops in one shift; distance and drive are what is still open."""

    id: str
    vehicle_id: str
    driver_id: str
    depot_id: str
    service_date: date
    revision: int
    state: Literal["planned", "under_way", "finished"]
    shift: ShiftSpan
    distance_m: int
    drive_s: int
    geometry: LineString
    stops: list[StopBody]
    breaks: list[RouteBreakBody]


class ArrivalBody(BaseModel):
    """When a van arrives at a stop: one in ten arrivals is before ``p10``, nine before ``p90``.

    ``risk`` is of the earliest promise there: ``late`` when the promise's end comes before ``p50``,
    ``at_risk`` when it comes before ``p90``.
    """

    stop_id: str
    order_ids: list[str]
    p10: str
    p50: str
    p90: str
    risk: Literal["none", "at_risk", "late"]


class ArrivalsBody(BaseModel):
    """What is expected of a route; ``position_age_s`` is the age of the fix behind it."""

    route_id: str
    vehicle_id: str
    revision: int
    computed_at: str
    position_age_s: float | None
    items: list[ArrivalBody]


class DayArrivalsBody(BaseModel):
    """What is expected of every route of a day."""

    routes: list[ArrivalsBody]


class UnservedBody(BaseModel):
    """An order that no route serves, and why; ``waits_until``: the last date of what may wait."""

    order_id: str
    reason: str
    waits_until: date | None


class PlanBody(BaseModel):
    """A day's plan in its current revision."""

    depot_id: str
    service_date: date
    revision: int
    routes: list[RouteBody]
    unserved: list[UnservedBody]


class CostBody(BaseModel):
    """What is still to be driven, and the lateness accepted."""

    drive_s: int
    distance_m: int
    late_s: int


class MovedBody(BaseModel):
    """An order that changed its van, or its place in the sequence of the same van."""

    order_id: str
    from_vehicle: str | None
    to_vehicle: str | None


class SacrificeBody(BaseModel):
    """A promise that a revision does not keep: what was told, and when it is served now."""

    order_id: str
    promised_until: str
    served_at: str


class PricesBody(BaseModel):
    """What the plan costs by the tenant's policy, in seconds of driving."""

    driving: float
    lateness: float
    change: float
    unserved: float
    preference: float
    risk: float


class DiffBody(BaseModel):
    """What a revision changed against the one before it, by orders."""

    added: list[str]
    removed: list[str]
    moved: list[MovedBody]
    drive_s: int
    distance_m: int
    promises_moved: list[str]
    sacrificed: list[SacrificeBody]


class RevisionBody(BaseModel):
    """One published state of a day's plan: why it came and what it changed.

    ``because`` tells why ``solver`` made it; None of what was made before that was kept.
    """

    number: int
    trigger: str
    reason: str
    solver: str
    because: str | None
    created_at: str
    cost: CostBody
    diff: DiffBody
    prices: PricesBody | None


class Revisions(BaseModel):
    """Every revision of a day's plan, the first one first."""

    items: list[RevisionBody]


def stop_body(stop: Stop, orders: OrdersOf) -> StopBody:
    """A stop as it looks over HTTP."""
    names = (
        "id", "kind", "position", "state", "lat", "lon", "address", "service_s",
    )  # fmt: skip
    parcels = [
        parcel.id
        for order_id in stop.order_ids
        if order_id in orders and orders[order_id].state not in _NOT_FETCHED
        for parcel in orders[order_id].parcels
    ]
    return StopBody(
        **{name: getattr(stop, name) for name in names},
        order_ids=list(stop.order_ids),
        parcel_ids=parcels,
        window=span_body(stop.window),
        planned_arrival=to_rfc3339(stop.planned_arrival),
        planned_departure=to_rfc3339(stop.planned_departure),
        arrived_at=None if stop.arrived_at is None else to_rfc3339(stop.arrived_at),
        done_at=None if stop.done_at is None else to_rfc3339(stop.done_at),
    )


def route_body(route: Route, orders: OrdersOf) -> RouteBody:
    """A route as it looks over HTTP."""
    names = (
        "id", "vehicle_id", "driver_id", "depot_id", "service_date", "revision", "state",
        "distance_m", "drive_s",
    )  # fmt: skip
    return RouteBody(
        **{name: getattr(route, name) for name in names},
        shift=ShiftSpan(starts_at=to_rfc3339(route.starts_at), ends_at=to_rfc3339(route.ends_at)),
        geometry=LineString(coordinates=list(route.geometry)),
        stops=[stop_body(stop, orders) for stop in route.stops],
        breaks=[
            RouteBreakBody(
                begin=to_rfc3339(one.begins),
                end=to_rfc3339(one.ends),
                lat=one.lat,
                lon=one.lon,
                before_stop_id=one.before_stop_id,
            )
            for one in route.breaks
        ],
    )


def arrivals_body(expected: Arrivals) -> ArrivalsBody:
    """Expected arrivals as they look over HTTP."""
    age_s = expected.position_age_s
    return ArrivalsBody(
        route_id=expected.route.id,
        vehicle_id=expected.route.vehicle_id,
        revision=expected.route.revision,
        computed_at=to_rfc3339(expected.computed_at),
        position_age_s=None if age_s is None else round(age_s, 1),
        items=[
            ArrivalBody(
                stop_id=one.eta.stop_id,
                order_ids=list(one.order_ids),
                p10=to_rfc3339(one.eta.p10),
                p50=to_rfc3339(one.eta.p50),
                p90=to_rfc3339(one.eta.p90),
                risk=one.risk,
            )
            for one in expected.items
        ],
    )


def diff_body(diff: Diff) -> DiffBody:
    """A diff as it looks over HTTP."""
    return DiffBody(
        added=list(diff.added),
        removed=list(diff.removed),
        moved=[MovedBody.model_validate(one, from_attributes=True) for one in diff.moved],
        drive_s=diff.drive_s,
        distance_m=diff.distance_m,
        promises_moved=list(diff.promises_moved),
        sacrificed=[
            SacrificeBody(
                order_id=one.order_id,
                promised_until=to_rfc3339(one.promised_until),
                served_at=to_rfc3339(one.served_at),
            )
            for one in diff.sacrificed
        ],
    )


def prices_body(prices: Prices | None) -> PricesBody | None:
    """What a plan costs as it looks over HTTP; None of a plan made before that was kept."""
    return None if prices is None else PricesBody.model_validate(prices, from_attributes=True)
