"""Rest between days, from shifts entered and routes driven to plans that keep to it; each store."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud.drivers import service
from cloud.fleet import shift_store
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.ids import random_id
from cloud.foundation.migrations import downgrade, upgrade
from cloud.foundation.outbox import Outbox, outbox
from cloud.foundation.settings import Settings
from cloud.planning import plan_store, rest_store, route_store
from cloud.planning.check import check
from cloud.planning.day_plan import DayPlan, Route
from cloud.planning.events import RouteFinished
from cloud.planning.job_queue import JobQueue
from cloud.planning.keeping import faults, unrested
from cloud.planning.meanwhile import outdated_by
from cloud.planning.posing import problem_of
from cloud.planning.questions import SolveRequest, SolverName
from cloud.planning.rest import Allowed
from cloud.planning.rest_store import progress_of
from cloud.planning.situation import Day
from cloud.planning.solvers.solving import solve
from cloud.planning.tables import route_work
from cloud.planning.working_time import WorkingTime
from tests.cloud.desk import TODAY, StillClock, open_desk
from tests.planning import test_store
from tests.planning.days import EIGHT, day, order, route, stop
from tests.planning.office import PLAN, Office
from tests.planning.streets import street

HOUR = 3600
YESTERDAY = "2026-11-22"
RULES = {"rest_s": 11 * HOUR, "week_rest_s": 35 * HOUR, "week_s": 48 * HOUR}
WORKING = f"{PLAN}/working-time"
SOUTH = {"id": "south", "name": "South", "zone": "America/Santiago", "lat": -30.2, "lon": -71.2}


def at(text: str) -> float:
    return datetime.fromisoformat(f"2026-11-{text}:00-03:00").timestamp()


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    made = Office(desk)
    made.ask("POST", "/depots", 201, **SOUTH)
    made.ask("POST", "/vehicles", 201, id="south-1", name="S", depot_id="south", capacity_parcels=9)
    yield made
    desk.close()


def late_shift(office: Office, **told: Any) -> Any:
    """The driver of van-1 drove another depot's van last night."""
    shift = {"vehicle_id": "south-1", "driver_id": "of-van-1", "service_date": YESTERDAY}
    times = {"start": "14:00", "end": "23:30"}
    return office.ask("POST", "/shifts", 201, **(shift | times | told))


def lasting(begin: str, until: str) -> dict[str, str]:
    return {"from": f"2026-11-{begin}:00-03:00", "until": f"2026-11-{until}:00-03:00"}


def limit(office: Office, rules: Any) -> None:
    office.ask("PUT", "/planning/policy", 200, work_rules=rules)


def set_out(office: Office, van: str) -> float:
    """When a van's first stop is reached, as planned."""
    plan = office.ask("GET", office.plan, 200)
    (mine,) = [one for one in plan["routes"] if one["vehicle_id"] == van]
    return datetime.fromisoformat(mine["stops"][0]["planned_arrival"]).timestamp()


def of_van(office: Office, van: str) -> Any:
    items = office.ask("GET", WORKING, 200)["items"]
    return next(one for one in items if one["vehicle_id"] == van)


def test_a_shift_that_leaves_no_rest_is_told_of_and_planned_after_the_rest(office: Office) -> None:
    limit(office, RULES)
    (told,) = late_shift(office)["warnings"]
    assert (told["rule"], told["shift_id"]) == ("daily_rest", office.shifts["van-1"])
    assert "works until Sun 22 Nov 23:30, 8 h 30 min before this shift" in told["text"]
    assert "planned from Mon 23 Nov 10:30" in told["text"]
    known = office.ask("GET", f"/shifts/{office.shifts['van-1']}", 200)
    assert [one["text"] for one in known["warnings"]] == [told["text"]]
    mine = of_van(office, "van-1")
    assert mine["begins_at"] == "2026-11-23T13:30:00.000Z"
    assert [one["needed_s"] for one in mine["warnings"]] == [11 * HOUR]
    assert of_van(office, "van-2")["warnings"] == []
    for number in range(12):
        office.order(lat=-29.9 - number / 400, lon=-71.25, parcels=1)
    office.ask("POST", f"{PLAN}/optimize", 202, seconds=0.3)
    office.work()
    assert set_out(office, "van-1") >= at("23T10:30")
    assert set_out(office, "van-2") < at("23T10:30")


def test_without_rules_a_late_evening_changes_nothing(office: Office) -> None:
    assert late_shift(office)["warnings"] == []
    office.ask("POST", f"{PLAN}/optimize", 202, seconds=0.3)
    office.work()
    assert all(set_out(office, van) < at("23T10:30") for van in office.sequences)


def test_whoever_is_given_the_van_at_the_shifts_start_is_bound_and_has_worked(
    office: Office,
) -> None:
    """Given before the shift, or for more than one: it is that driver's work, and rest."""
    limit(office, RULES)
    late_shift(office, driver_id="of-van-2")
    office.ask("PUT", "/vehicles/south-1/driver", 200, driver_id="of-van-1",
               **lasting("22T12:00", "23T02:00"))  # fmt: skip
    assert of_van(office, "van-2")["warnings"] == []
    (mine,) = of_van(office, "van-1")["warnings"]
    assert mine["rule"] == "daily_rest"
    office.ask("PUT", "/vehicles/van-1/driver", 200, driver_id="of-van-2",
               **lasting("23T07:50", "23T22:00"))  # fmt: skip
    assert of_van(office, "van-1")["warnings"] == []


def last_night(*done: str, ends: str = "22T23:00") -> Route:
    """The route of south-1: two stops planned until a time, and when each was done."""
    stops = [stop(f"s{at_}", order(f"o{at_}"), arrival=at(ends) - 900) for at_ in range(2)]
    seen = [at(one) for one in done]
    told = [
        replace(one, state="done", arrived_at=when - 60, done_at=when)
        for one, when in zip(stops, seen, strict=False)
    ]
    made = route("south-1", *told, *stops[len(told) :])
    return replace(
        made,
        depot_id="south",
        service_date=date.fromisoformat(YESTERDAY),
        driver_id="of-van-1",
        starts_at=at("22T14:00"),
        ends_at=at("22T23:30"),
    )


def drive(office: Office, one: Route) -> None:
    plan = DayPlan(tenant="main", depot_id="south", service_date=one.service_date)
    with office.desk.database.writing() as connection:
        plan_store.commit_revision(connection, plan, [one], (), test_store._revision(1))


def told_of(office: Office) -> list[str]:
    with office.desk.database.reading() as connection:
        return list(connection.execute(select(outbox.c.kind)).scalars())


def test_a_route_whose_last_stops_are_taken_away_is_finished(office: Office) -> None:
    one = last_night("22T22:40")
    drive(office, one)
    assert "RouteFinished" not in told_of(office)
    with office.desk.database.writing() as connection:
        plan = plan_store.find_plan(connection, "main", "south", one.service_date)
        left = [replace(route_, stops=route_.stops[:1]) for route_ in plan.routes]
        plan_store.commit_revision(connection, plan, left, (), test_store._revision(2))
    assert told_of(office).count("RouteFinished") == 1


def test_of_a_shift_elsewhere_no_more_is_told_than_the_rule(office: Office) -> None:
    limit(office, RULES)
    entered = late_shift(office)
    working = WorkingTime(office.desk.database, StillClock())
    with office.desk.database.reading() as connection:
        late = shift_store.find_shift(connection, "main", entered["id"])
    assert late is not None
    (whole,) = working.against(late, EVERYTHING)
    assert (whole.shift_id, whole.text) == (
        office.shifts["van-1"],
        entered["warnings"][0]["text"],
    )
    (told,) = working.against(late, Reach(depot_ids=frozenset({"south"})))
    assert (told.rule, told.shift_id) == ("daily_rest", late.id)
    assert "Ana" not in told.text
    assert "van-1" not in told.text


def test_who_came_back_late_rests_from_then_and_a_replan_takes_note(office: Office) -> None:
    limit(office, RULES)
    late_shift(office)
    mine = office.order(lat=-29.93, lon=-71.26)
    pin = {"kind": "pin", "vehicle_id": "van-1", "order_id": mine}
    office.ask("POST", f"{PLAN}/rules", 201, **pin)
    office.ask("POST", f"{PLAN}/optimize", 202, seconds=0.3)
    office.work()
    drive(office, last_night("22T22:40"))
    database = office.desk.database
    with office.desk.database.writing() as connection:
        route_store.mark_stop(
            connection,
            "main",
            "s1",
            state="done",
            arrived_at=at("23T00:40"),
            done_at=at("23T00:50"),
        )
    # ten minutes of driving back: at one, and eleven hours
    assert of_van(office, "van-1")["begins_at"] == "2026-11-23T15:00:00.000Z"
    queue = JobQueue(database, StillClock(), Outbox(database), random_id, lambda _: {})
    told = RouteFinished(
        depot_id="south",
        service_date=YESTERDAY,
        route_id="route-south-1",
        vehicle_id="south-1",
        driver_id="of-van-1",
        done_at=at("23T00:50"),
    )
    (job,) = queue.ask_of_rest("main", told)
    assert job.reason == "Ana was back late and may not set out with van-1 before 12:00"
    office.work()
    assert queue.ask_of_rest("main", told) == []
    assert set_out(office, "van-1") >= at("23T12:00")


def finished(office: Office, *done: str) -> RouteFinished:
    """South-1 was done with its two stops, told to the desk; what is told of its route."""
    with office.desk.database.writing() as connection:
        for stop_id, when in zip(("s0", "s1"), map(at, done), strict=True):
            seen = {"arrived_at": when - 60, "done_at": when}
            route_store.mark_stop(connection, "main", stop_id, state="done", **seen)
    return RouteFinished(
        depot_id="south",
        service_date=TODAY,
        route_id="route-south-1",
        vehicle_id="south-1",
        driver_id="of-van-1",
        done_at=at(done[-1]),
    )


def test_a_plan_with_more_work_than_a_long_night_leaves_of_the_week_is_made_anew(
    office: Office,
) -> None:
    """Two hours are planned of the night, and three left of five; it takes four and a half."""
    limit(office, {"week_s": 5 * HOUR})
    late_shift(office, service_date=TODAY, start="00:00", end="06:00")
    night = replace(last_night(ends="23T01:50"), service_date=date.fromisoformat(TODAY),
                    starts_at=at("23T00:00"), ends_at=at("23T06:00"))  # fmt: skip
    drive(office, night)
    window = {"from": "2026-11-23T09:30:00-03:00", "to": "2026-11-23T10:30:00-03:00"}
    far = office.order(lat=-29.93, lon=-71.26, window=window)
    pin = {"kind": "pin", "vehicle_id": "van-1", "order_id": far}
    office.ask("POST", f"{PLAN}/rules", 201, **pin)
    office.ask("POST", f"{PLAN}/optimize", 202, seconds=0.3)
    office.work()
    assert [far] in office.sequences["van-1"]
    database = office.desk.database
    queue = JobQueue(database, StillClock(), Outbox(database), random_id, lambda _: {})
    assert queue.ask_of_rest("main", finished(office, "23T01:00", "23T01:50")) == []
    told = finished(office, "23T01:00", "23T04:20")
    (job,) = queue.ask_of_rest("main", told)
    assert job.reason == (
        "Ana, shift of Mon 23 Nov 08:00 with van-1, would work 14 h 30 min in the week of this "
        "shift and may work 5 h: it is planned for 30 min of work. Shorten it, or give "
        "it to another driver."
    )
    office.work()
    assert [far] not in office.sequences.get("van-1", [])
    assert queue.ask_of_rest("main", told) == []


def test_a_week_that_is_used_up_leaves_no_more_work(office: Office) -> None:
    limit(office, RULES | {"week_s": 9 * HOUR, "rest_s": None, "week_rest_s": None})
    office.ask("POST", "/vehicles", 201, id="van-8", name="8", depot_id="la-serena",
               capacity_parcels=9)  # fmt: skip
    late = office.ask("POST", "/shifts", 201, vehicle_id="van-8", driver_id="of-van-1",
                      service_date="2026-11-24")  # fmt: skip
    (told,) = late["warnings"]
    assert told["rule"] == "week"
    assert "would work 20 h in the week of this shift and may work 9 h" in told["text"]
    assert "nothing of it is planned" in told["text"]
    mine = of_van(office, "van-1")
    assert (mine["work_s"], [one["rule"] for one in mine["warnings"]]) == (9 * HOUR, ["week"])
    for number in range(12):
        office.order(lat=-29.9 - number / 50, lon=-71.25)
    office.ask("POST", f"{PLAN}/optimize", 202, seconds=0.3)
    office.work()
    for one in office.ask("GET", office.plan, 200)["routes"]:
        last = datetime.fromisoformat(one["stops"][-1]["planned_departure"]).timestamp()
        assert last <= at("23T17:00")
    with pytest.raises(StopIteration):
        of_van(office, "van-8")


def test_the_rows_are_those_of_the_routes_and_made_anew_of_what_is_stored(office: Office) -> None:
    office.ask("POST", f"{PLAN}/optimize", 202, seconds=0.3)
    office.work()
    late_shift(office)
    drive(office, last_night("22T22:40"))
    database = office.desk.database

    def rows() -> list[Any]:
        with database.reading() as connection:
            found = connection.execute(select(route_work).order_by(route_work.c.route_id))
            return [tuple(one) for one in found]

    with database.reading() as connection:
        days = (("la-serena", TODAY), ("south", YESTERDAY))
        plans = [
            plan_store.find_plan(connection, "main", depot, date.fromisoformat(day))
            for depot, day in days
        ]
    known = rows()
    assert known
    routes = {one.id: one for plan in plans for one in plan.routes}
    assert {one[1] for one in known} == set(routes)
    for one in known:
        far = progress_of(routes[one[1]])
        assert far is not None
        assert tuple(one[5:10]) == tuple(far)[:-1]
        assert rest_store._spans(one[10]) == far.breaks
    downgrade(database, "business", "0036")
    upgrade(database, "business")
    assert [one[:10] for one in rows()] == [one[:10] for one in known]


@pytest.mark.parametrize(
    ("told", "taken"), [(None, 0), (-60, -60), (90, 0), (-9 * HOUR, -5 * HOUR)]
)
def test_a_telephone_whose_clock_is_wrong_makes_no_work(told: float | None, taken: float) -> None:
    now = EIGHT + HOUR
    at_door = None if told is None else now + told
    assert service._told_at(route("van-1"), at_door, now) == now + taken


ORDERS = [order(f"o{number}") for number in range(8)]


def tired(hours: float = 2) -> Day:
    """One van has so many hours from half past ten on, the other nothing."""
    here = day(*ORDERS)
    until = EIGHT + 10 * HOUR
    left = {
        "shift-van-1": Allowed(begins_at=EIGHT + 9_000, ends_at=until, work_s=int(hours * HOUR)),
        "shift-van-2": Allowed(begins_at=until + HOUR, ends_at=until + HOUR),
    }
    return replace(here, allowed=left)


@pytest.mark.parametrize("solver", ["insertion", "pyvrp", "ortools", "auto"])
def test_every_solver_keeps_to_what_is_left_and_the_checker_knows(solver: SolverName) -> None:
    problem = problem_of(tired(), {})
    roads = street([5 * number for number in range(len(problem.locations))])
    plan = solve(SolveRequest(problem=problem, solver=solver, seconds=0.3), roads)
    assert check(problem, roads, plan) == ()
    one, other = plan.routes
    assert one.visits
    assert not other.visits
    assert min(visit.start for visit in one.visits) >= EIGHT + 9_000
    assert one.ends_at <= EIGHT + 9_000 + 2 * HOUR
    rested = problem_of(day(*ORDERS), {})
    early = solve(SolveRequest(problem=rested, solver="insertion"), roads)
    assert {"time", "service", "shift"} & {one.rule for one in check(problem, roads, early)}


def test_nobody_sets_out_before_the_end_of_a_rest_whatever_a_planner_says() -> None:
    early = route("van-1", stop("p", order("a"), kind="pickup", arrival=EIGHT + 600))
    late = route("van-1", stop("p", order("a"), kind="pickup", arrival=EIGHT + 3 * HOUR))
    assert faults(tired(), [early]) == ["van-1: sets out before its driver has rested"]
    assert faults(tired(), [late]) == []
    assert any(unrested(tired(), [early]))  # and a plan in force that does is replaced
    assert not any(unrested(tired(), [late]))
    assert outdated_by(day(*ORDERS), tired(), []) == "less is left of a shift"
    assert outdated_by(tired(), tired(1), []) == "less is left of a shift"
    assert outdated_by(tired(1), tired(), []) is None
