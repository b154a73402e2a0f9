"""A van breaks down: its parcels lie where it stands, and others fetch and deliver them."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.drivers.service import DriverWork, Report
from cloud.foundation.errors import Conflict
from cloud.foundation.outbox import Outbox
from cloud.foundation.settings import Settings
from cloud.orders.model import Whereabouts
from cloud.planning.breakdowns.model import Breakdown, to_fetch
from cloud.planning.check import check
from cloud.planning.day_plan import StopState, served_orders
from cloud.planning.keeping import faults
from cloud.planning.posing import problem_of
from cloud.planning.questions import SolveRequest
from cloud.planning.revising import NewRoutes, routes_of
from cloud.planning.situation import Day
from cloud.planning.solvers.solving import solve
from tests.cloud.desk import StillClock, open_desk
from tests.planning.days import EIGHT, HOUR, aboard, day, order, route, stop
from tests.planning.office import PLAN, Office, until
from tests.planning.streets import street

DONE, NEXT, THEN = aboard("x", "van-1", "delivered"), aboard("a", "van-1"), aboard("b", "van-1")
HERE = Breakdown(
    tenant="main",
    vehicle_id="van-1",
    lat=-29.95,
    lon=-71.3,
    note="no battery",
    reported_by="ana",
    reported_at=EIGHT + HOUR,
)
PAST, S1, S2 = stop("s0", DONE, state="done"), stop("s1", NEXT), stop("s2", THEN)


def broken_day(s1_state: StopState = "open") -> Day:
    first = replace(S1, state=s1_state, arrived_at=None if s1_state == "open" else EIGHT)
    routes = [route("van-1", PAST, first, S2)]
    today = day(DONE, NEXT, THEN, now=EIGHT + HOUR, routes=routes)
    orders = to_fetch(today.orders.values(), {"van-1": HERE}, today.plan.routes)
    return replace(today, orders=orders, broken=frozenset({"van-1"}))


def test_what_is_aboard_a_broken_van_is_fetched_where_it_stands_and_delivered_by_another() -> None:
    today = broken_day()
    problem = problem_of(today, {})
    assert [van.id for van in problem.vehicles] == ["van-2"]
    for job in problem.jobs:
        assert job.pickup is not None
        assert job.only_vehicle is None
        place = problem.locations[job.pickup]
        assert (place.lat, place.lon) == (HERE.lat, HERE.lon)
    roads = street(range(0, 3 * len(problem.locations), 3))
    plan = solve(SolveRequest(problem=problem, solver="insertion", seconds=0.05), roads)
    assert (check(problem, roads, plan), plan.unserved) == ((), ())
    new = routes_of(today, plan, lambda kind: f"{kind}-new")
    assert faults(today, new.routes) == []
    by_van = {one.vehicle_id: one.stops for one in new.routes}
    assert [one.id for one in by_van["van-1"]] == ["s0"]
    fetched, *delivered = by_van["van-2"]
    assert (fetched.kind, fetched.lat, set(fetched.order_ids)) == ("pickup", HERE.lat, {"a", "b"})
    assert {one.id for one in delivered} == {"s1", "s2"}


def loading_day() -> Day:
    """The first of two parcels is scanned into the van, which stands at its depot."""
    scanned, left = aboard("a", "van-1", "planned"), order("b", "planned")
    loading = stop("p", scanned, left, kind="pickup", state="arrived")
    stops = [replace(loading, arrived_at=EIGHT), stop("s1", scanned), stop("s2", left)]
    return day(scanned, left, now=EIGHT + HOUR / 2, routes=[route("van-1", *stops)])


def planned_anew(today: Day) -> NewRoutes:
    problem = problem_of(today, {})
    roads = street(range(0, 3 * len(problem.locations), 3))
    plan = solve(SolveRequest(problem=problem, solver="insertion", seconds=0.05), roads)
    assert check(problem, roads, plan) == ()
    new = routes_of(today, plan, lambda kind: f"{kind}-new")
    assert faults(today, new.routes) == []
    return new


def test_a_van_that_breaks_down_while_it_is_loaded_loses_no_order() -> None:
    today = loading_day()
    orders = to_fetch(today.orders.values(), {"van-1": HERE}, today.plan.routes)
    new = planned_anew(replace(today, orders=orders, broken=frozenset({"van-1"})))
    assert new.unserved == ()
    assert served_orders(new.routes) == {"a": "van-2", "b": "van-2"}


def test_a_shift_that_is_called_off_while_the_van_is_loaded_loses_no_order() -> None:
    today = loading_day()
    off = tuple(
        replace(one, state="cancelled") if one.vehicle_id == "van-1" else one
        for one in today.shifts
    )
    new = planned_anew(replace(today, shifts=off))
    assert served_orders(new.routes) == {"b": "van-2"}
    assert [(one.order_id, "aboard van-1" in one.reason) for one in new.unserved] == [("a", True)]


def test_its_driver_finishes_where_the_van_stands() -> None:
    today = broken_day("arrived")
    problem = problem_of(today, {})
    assert [job.id for job in problem.jobs] == ["b"]
    frozen = today.frozen_stop("van-1")
    assert frozen is not None
    assert frozen.id == "s1"


def test_a_parcel_that_was_scanned_into_another_van_is_that_vans() -> None:
    moved = replace(NEXT, parcels=(replace(NEXT.parcels[0], whereabouts=Whereabouts("van", "v")),))
    assert to_fetch([moved], {"van-1": HERE}, [])["a"] == moved


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


def test_a_report_takes_the_van_out_of_the_plan_until_it_goes_out_again(office: Office) -> None:
    office.replan("optimize")
    busier = max(office.sequences, key=lambda van: len(office.sequences[van]))
    path = f"/vehicles/{busier}/breakdown"
    office.ask("PUT", path, 422)
    office.ask("PUT", path, 422, lat=-29.9)
    told = office.ask("PUT", path, 200, lat=-29.9, lon=-71.25, note="no battery")
    assert office.ask("GET", "/breakdowns", 200)["items"] == [told]
    assert office.replan("van_broken_down") == 2
    assert office.replan("van_broken_down") == 2, "it was heard again"
    assert not office.sequences[busier]
    assert office.ask("GET", PLAN, 200)["unserved"] == []
    office.ask("DELETE", path, 204)
    office.ask("DELETE", path, 404)
    assert office.replan("optimize") == 3
    office.ask("PUT", "/vehicles/none/breakdown", 404, lat=-29.9, lon=-71.25)


def test_a_van_that_breaks_down_before_its_shift_asks_for_a_plan(office: Office) -> None:
    office.replan("optimize")
    loop, van = office.loop(), next(iter(office.shifts))

    async def told() -> None:
        async with office.telling(loop) as kinds:
            path = f"/vehicles/{van}/breakdown"
            place = {"lat": -29.9, "lon": -71.25}
            answer = await asyncio.to_thread(office.desk.ask, "PUT", path, json=place)
            assert answer.status_code == 200
            await until(lambda: "VanBrokeDown" in kinds and bool(office.unfinished))

    asyncio.run(told())


def test_a_handover_is_finished_though_the_broken_van_goes_out_again(office: Office) -> None:
    """Of two orders one is half over when the breakdown ends: that one goes on, the other stays."""
    work = DriverWork(office.desk.database, StillClock(), Outbox(office.desk.database))
    driver = {van: f"of-{van}" for van in office.shifts}
    begun, other = (office.order(parcels=2 - n, lat=-29.93 - n / 900) for n in range(2))
    office.replan("optimize")
    plan = office.ask("GET", PLAN, 200)
    broken = next(r["vehicle_id"] for r in plan["routes"] if begun in str(r["stops"]))
    for order_id in (begun, other):
        pin = {"kind": "pin", "vehicle_id": broken, "order_id": order_id}
        office.ask("POST", f"{PLAN}/rules", 201, **pin)
    office.replan("rule")
    first = next(r for r in office.ask("GET", PLAN, 200)["routes"] if r["vehicle_id"] == broken)
    fetch = first["stops"][0]
    for parcel in fetch["parcel_ids"]:
        work.load("main", driver[broken], parcel)
    picked_up = Report(outcome="picked_up", reason=None, order_id=None)
    work.report("main", driver[broken], fetch["id"], picked_up, None)
    for rule in office.ask("GET", f"{PLAN}/rules", 200)["items"]:
        office.ask("DELETE", f"{PLAN}/rules/{rule['id']}", 204)
    path = f"/vehicles/{broken}/breakdown"
    office.ask("PUT", path, 200, lat=-29.901, lon=-71.251)
    office.replan("van_broken_down")
    (helper,) = set(office.shifts) - {broken}
    delivered = Report(outcome="delivered", reason="recipient", order_id=None)
    while begun not in (beside := work.route("main", driver[helper]).open_stops[0]).order_ids:
        for order_id in beside.order_ids if beside.kind == "pickup" else ():
            for parcel in office.ask("GET", f"/orders/{order_id}", 200)["parcels"]:
                work.load("main", driver[helper], parcel["id"])
        work.arrive("main", driver[helper], beside.id, None)
        done = picked_up if beside.kind == "pickup" else delivered
        work.report("main", driver[helper], beside.id, done, None)
    assert {begun, other} <= set(beside.order_ids)
    one, two = office.ask("GET", f"/orders/{begun}", 200)["parcels"]
    work.load("main", driver[helper], one["id"])
    office.ask("DELETE", path, 204)
    office.replan("changed_shift")
    work.load("main", driver[helper], two["id"])
    untouched = office.ask("GET", f"/orders/{other}", 200)["parcels"][0]
    with pytest.raises(Conflict, match=broken):
        work.load("main", driver[helper], untouched["id"])
    assert work.report("main", driver[helper], beside.id, picked_up, None).state == "done"
    office.replan("optimize")
    vans = {van: str(stops) for van, stops in office.sequences.items()}
    assert begun in vans[helper]
    assert other in vans[broken]
    assert office.ask("GET", f"/orders/{other}", 200)["state"] == "out_for_delivery"
