"""Builders of a day: a depot, vans, orders and routes in the words of the business."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from cloud.fleet.model import Depot, Shift, Vehicle
from cloud.orders.model import Order, Parcel, Promise, Span, Whereabouts
from cloud.orders.states import OrderState
from cloud.planning.day_plan import DayPlan, Route, Stop, StopKind, StopState
from cloud.planning.rules.model import Rule, RuleKind
from cloud.planning.situation import At, Day

DATE = date(2026, 11, 22)
EIGHT = 1_795_345_200.0  # 2026-11-22 08:00 in Santiago
HOUR = 3600.0
DEPOT = Depot(
    tenant="main",
    id="la-serena",
    name="La Serena",
    zone="America/Santiago",
    lat=-29.90,
    lon=-71.25,
    shift_start="08:00",
    shift_end="18:00",
)


def order(
    name: str,
    state: OrderState = "received",
    *,
    parcels: int = 1,
    where: Whereabouts | None = None,
    window: Span | None = None,
    promise: Promise | None = None,
) -> Order:
    return Order(
        tenant="main",
        id=name,
        reference=name,
        depot_id=DEPOT.id,
        service_date=DATE,
        state=state,
        priority="normal",
        address=f"{name} street",
        lat=-29.91 - len(name) / 1000,
        lon=-71.26 - sum(map(ord, name)) / 100_000,
        window=window,
        service_s=180,
        parcels=tuple(
            Parcel(
                id=f"{name}-{number}",
                order_id=name,
                label=f"{name}/{number}",
                whereabouts=where or Whereabouts("depot", DEPOT.id),
            )
            for number in range(parcels)
        ),
        promise=promise,
        created_at=EIGHT,
        version=1,
    )


def aboard(name: str, van: str, state: OrderState = "out_for_delivery", parcels: int = 1) -> Order:
    return order(name, state, where=Whereabouts("van", van), parcels=parcels)


def stop(
    name: str,
    *orders: Order,
    kind: StopKind = "delivery",
    state: StopState = "open",
    arrival: float = EIGHT + HOUR,
    window: Span | None = None,
) -> Stop:
    lat, lon = (orders[0].lat, orders[0].lon) if kind == "delivery" else (DEPOT.lat, DEPOT.lon)
    return Stop(
        id=name,
        route_id="route-1",
        kind=kind,
        position=0,
        state=state,
        lat=lat,
        lon=lon,
        address="",
        order_ids=tuple(one.id for one in orders),
        service_s=180,
        window=window,
        planned_arrival=arrival,
        planned_departure=arrival + 180,
        leg_s=300,
        leg_m=2000,
        arrived_at=None if state == "open" else arrival,
        done_at=arrival + 180 if state == "done" else None,
    )


def route(van: str, *stops: Stop) -> Route:
    name = f"route-{van}"
    return Route(
        tenant="main",
        id=name,
        depot_id=DEPOT.id,
        service_date=DATE,
        vehicle_id=van,
        driver_id=f"driver-of-{van}",
        starts_at=EIGHT,
        ends_at=EIGHT + 10 * HOUR,
        revision=1,
        end_leg_s=600,
        end_leg_m=5000,
        geometry=(),
        stops=tuple(replace(one, route_id=name, position=at) for at, one in enumerate(stops)),
    )


def rule(kind: RuleKind, van: str, order_id: str | None = None) -> Rule:
    return Rule(
        tenant="main",
        id=f"{kind}-{van}-{order_id}",
        depot_id=DEPOT.id,
        service_date=DATE,
        kind=kind,
        vehicle_id=van,
        order_id=order_id,
        note="",
        made_by="ana",
        made_at=EIGHT,
    )


def day(
    *orders: Order,
    now: float = EIGHT - HOUR,
    vans: Iterable[str] = ("van-1", "van-2"),
    routes: Iterable[Route] = (),
    positions: dict[str, At] | None = None,
    revision: int | None = None,
    rules: Iterable[Rule] = (),
) -> Day:
    names, driven = tuple(vans), tuple(routes)
    return Day(
        now=now,
        depot=DEPOT,
        plan=DayPlan(
            tenant="main",
            depot_id=DEPOT.id,
            service_date=DATE,
            revision=(1 if driven else 0) if revision is None else revision,
            routes=driven,
        ),
        shifts=tuple(
            Shift(
                tenant="main",
                id=f"shift-{van}",
                vehicle_id=van,
                driver_id=f"driver-of-{van}",
                depot_id=DEPOT.id,
                service_date=DATE,
                starts_at=EIGHT,
                ends_at=EIGHT + 10 * HOUR,
            )
            for van in names
        ),
        vehicles={
            van: Vehicle(tenant="main", id=van, name=van, depot_id=DEPOT.id, capacity_parcels=50)
            for van in names
        },
        orders={one.id: one for one in orders},
        positions=positions or {},
        rules=tuple(rules),
    )
