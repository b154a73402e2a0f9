"""A driver takes stops in another order than was planned: by saying so, and by doing it."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select

from cloud.drivers.service import DriverWork
from cloud.foundation.ids import random_id
from cloud.foundation.outbox import DomainEvent, Outbox, outbox
from cloud.foundation.settings import Settings
from cloud.orders.model import Order
from cloud.planning.answering import job_of
from cloud.planning.check import check
from cloud.planning.day_plan import Route
from cloud.planning.diff import Sacrifice, difference, of_van
from cloud.planning.jobs import About
from cloud.planning.posing import problem_of
from cloud.planning.proposals import sequences_of_routes
from cloud.planning.questions import SolveRequest, SolverName
from cloud.planning.reordering import (
    brought_forward,
    is_as_timed,
    misnamed,
    not_yet,
    obstacle,
    resorted,
    resorted_vans,
    with_news_of_drivers,
)
from cloud.planning.rules.model import RuleChanged
from cloud.planning.solvers.solving import solve
from cloud.planning.triggers import Cause, VanCause, cause_of
from tests.cloud.desk import NOW, TODAY, open_desk, run
from tests.planning.days import DATE, EIGHT, HOUR, aboard, day, order, route, rule, stop
from tests.planning.office import PLAN, Office
from tests.planning.streets import street
from tests.planning.test_ending import Later

NAMES = tuple("abcdef")


def of_route(*letters: str) -> tuple[Route, dict[str, Order]]:
    """A round that fetches all at the depot and delivers in this order."""
    orders = {name: order(name, "planned") for name in letters}
    fetched = stop("p", *orders.values(), kind="pickup")
    return route("van-1", fetched, *(stop(n, one) for n, one in orders.items())), orders


@given(st.permutations(["p", *NAMES]))
def test_any_order_that_fetches_first_can_be_driven_and_no_other(wanted: list[str]) -> None:
    round_, orders = of_route(*NAMES)
    changed = resorted(round_, wanted)
    assert [one.id for one in changed.stops] == wanted
    assert [one.position for one in changed.stops] == list(range(7))
    against = obstacle(changed.open_stops, orders, "van-1", 50)
    assert (against is None) == (wanted[0] == "p")
    assert against is None or "before it is fetched" in against


@given(st.integers(1, 7))
def test_a_stop_that_is_brought_forward_leaves_the_rest_in_order(at: int) -> None:
    round_, _ = of_route(*NAMES, "g")
    wanted = brought_forward(round_, round_.stops[at].id)
    assert wanted[0] == round_.stops[at].id
    assert wanted[1:] == [one.id for one in round_.stops if one.id != wanted[0]]


def test_what_does_not_name_each_open_stop_once_is_told() -> None:
    round_, _ = of_route("a", "b")
    assert "stands twice" in str(misnamed(round_, ["p", "a", "a"]))
    assert "stop b is missing" in str(misnamed(round_, ["p", "a"]))
    assert "no open stop" in str(misnamed(round_, ["p", "a", "x"]))
    assert misnamed(round_, ["b", "a", "p"]) is None


def test_a_van_that_would_be_too_full_or_stands_somewhere_is_told() -> None:
    one, two = order("a", "planned", parcels=3), order("b", "planned", parcels=3)
    stops = [stop("p1", one, kind="pickup"), stop("a", one), stop("p2", two, kind="pickup")]
    round_ = route("van-1", *stops, stop("b", two))
    orders = {"a": one, "b": two}
    assert obstacle(round_.stops, orders, "van-1", 3) is None
    both = resorted(round_, ["p1", "p2", "a", "b"])
    assert "holds 3 parcels" in str(obstacle(both.stops, orders, "van-1", 3))
    there = route("van-1", stop("a", aboard("a", "van-1"), state="arrived"), stop("b", two))
    away = resorted(there, ["b", "a"])
    orders = {"a": aboard("a", "van-1"), "b": aboard("b", "van-1")}
    assert "the van stands there" in str(obstacle(away.stops, orders, "van-1", 9))
    assert "report its outcome" in str(not_yet(there, "b", orders))


@pytest.mark.parametrize("solver", ["insertion", "pyvrp", "ortools"])
def test_what_is_new_comes_between_and_what_was_chosen_keeps_its_order(solver: SolverName) -> None:
    """On one street the chosen order is as bad as can be, and no solver mends it."""
    chosen = [aboard(name, "van-1") for name in ("a", "f", "b", "e", "c", "d")]
    done = aboard("x", "van-1", "delivered")
    new = [order(name) for name in ("g", "h")]
    stops = [stop("s0", done, state="done"), *(stop(one.id, one) for one in chosen)]
    here = day(done, *chosen, *new, now=EIGHT + HOUR, vans=("van-1",),
               routes=[route("van-1", *stops)], rules=[rule("sequence", "van-1")])  # fmt: skip
    problem = problem_of(here, {})
    assert problem.vehicles[0].keeps_order
    at = {job.delivery: ord(job.id) for job in problem.jobs}
    roads = street([at.get(place, ord("a")) for place in range(len(problem.locations))])
    request = SolveRequest(problem=problem, solver=solver, seconds=0.3)
    plan = solve(request, roads)
    assert (check(problem, roads, plan), plan.unserved) == ((), ())
    (driven,) = plan.routes
    delivered = [one.job for one in driven.visits if one.kind == "delivery"]
    assert set(delivered) == {"f", "b", "e", "c", "d", "g", "h"}
    assert [one for one in delivered if one in "fbecd"] == ["f", "b", "e", "c", "d"]


def test_the_checker_finds_an_order_that_was_not_kept() -> None:
    chosen = [aboard(name, "van-1") for name in ("a", "b", "c")]
    done = aboard("x", "van-1", "delivered")
    stops = [stop("s0", done, state="done"), *(stop(one.id, one) for one in chosen)]
    here = day(done, *chosen, now=EIGHT + HOUR, vans=("van-1",), routes=[route("van-1", *stops)])
    free = problem_of(here, {})
    roads = street(range(0, 3 * len(free.locations), 3))
    plan = solve(SolveRequest(problem=free, solver="insertion", seconds=0.1), roads)
    swapped = free.vehicles[0].in_force[::-1]
    van = replace(free.vehicles[0], in_force=swapped, keeps_order=True)
    held = replace(free, vehicles=(van,))
    assert [one.rule for one in check(held, roads, plan)] == ["sequence"]


class Driver:
    """A driver with a token of their own, and the work that their news asks for."""

    def __init__(self, office: Office, van: str) -> None:
        self.office = office
        self.van = van
        made = office.ask("POST", "/drivers", 201, id=f"who-{van}", name="Rosa")
        self._token = made["token"]
        shift = office.ask("GET", f"/shifts/{office.shifts[van]}", 200)
        office.ask("PATCH", f"/shifts/{shift['id']}", 200, driver_id=made["id"],
                   version=shift["version"])  # fmt: skip

    def ask(self, method: str, path: str, status: int, **body: Any) -> Any:
        async def one() -> Any:
            async with self.office.desk.client(is_known=False) as client:
                client.headers["Authorization"] = f"Bearer {self._token}"
                return await client.request(method, path, json=body or None)

        answer = run(one())
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    @property
    def route(self) -> Any:
        return self.ask("GET", "/drivers/me/route", 200)

    @property
    def ahead(self) -> list[str]:
        return [one["id"] for one in self.route["stops"] if one["state"] != "done"]

    def load(self) -> None:
        (pickup,) = [one for one in self.route["stops"] if one["kind"] == "pickup"]
        for parcel in pickup["parcel_ids"]:
            self.ask("POST", f"/parcels/{parcel}/load", 200)
        self.ask("POST", f"/stops/{pickup['id']}/outcome", 200, outcome="picked_up")

    def follow(self, van: str = "van-1") -> int:
        """The plan follows the newest of the van's news; the revision in force."""
        with self.office.desk.database.reading() as connection:
            kind = outbox.c.kind == "DriverReordered"
            rows = connection.execute(
                select(outbox).where(kind).order_by(outbox.c.position.desc())
            ).all()
        causes = [cause_of(DomainEvent(**row._mapping)) for row in rows]
        cause = next(one for one in causes if one is not None and one.about.vehicle_id == van)
        assert isinstance(cause, Cause)
        key = "main", self.office.depot, cause.service_date
        job = job_of(key, cause, random_id("job"), NOW)
        assert job.is_quick
        return asyncio.run(self.office.maker.make(job)).revision


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    desk = open_desk(tmp_path)
    yield Office(desk, vans=("van-1",))
    desk.close()


@pytest.fixture
def kept_office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    """The same over each store."""
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk, vans=("van-1",))
    desk.close()


@pytest.fixture
def driver(office: Office) -> Driver:
    known = Driver(office, "van-1")
    office.replan("optimize")
    known.load()
    return known


def revision(office: Office) -> Any:
    return office.ask("GET", f"{PLAN}/revisions", 200)["items"][-1]


def crosswise(driver: Driver) -> list[str]:
    """Choose to drive to and fro, from the far end of the round to its near one."""
    ahead = driver.ahead
    wanted = [one for pair in zip(ahead[::-1], ahead, strict=True) for one in pair][: len(ahead)]
    seen = driver.route["revision"]
    told = driver.ask("PUT", "/drivers/me/route/order", 202, revision=seen, stop_ids=wanted)
    assert [one["id"] for one in told["stops"] if one["state"] != "done"] == wanted
    return wanted


def test_the_order_a_driver_chooses_is_a_revision_and_does_not_flip_back(
    kept_office: Office,
) -> None:
    office, driver = kept_office, Driver(kept_office, "van-1")
    office.replan("optimize")
    driver.load()
    wanted = crosswise(driver)
    assert driver.ahead == wanted
    assert driver.follow() == 2
    told = revision(office)
    assert (told["trigger"], len(told["diff"]["moved"])) == ("driver_reordered", 3)
    assert told["diff"]["drive_s"] > 0
    mine = driver.ask("GET", "/drivers/me/route/change", 200)
    assert (mine["revision"], mine["diff"]) == (2, told["diff"])
    stops = [one for one in driver.route["stops"] if one["state"] != "done"]
    assert [one["id"] for one in stops] == wanted
    assert all(a["planned_departure"] < b["planned_arrival"] for a, b in pairwise(stops))
    (rule_,) = office.ask("GET", f"{PLAN}/rules", 200)["items"]
    assert (rule_["kind"], rule_["made_by"], rule_["obstacle"]) == ("sequence", "Rosa", None)
    between = office.order(priority="urgent", lat=-29.906, lon=-71.26)
    assert office.replan("urgent_order") == 3
    assert [one for one in driver.ahead if one in wanted] == wanted
    assert any(between in ids for ids in office.sequences["van-1"])
    office.replan("optimize")
    assert [one for one in driver.ahead if one in wanted] == wanted
    driver.ask("DELETE", "/drivers/me/route/order", 204)
    driver.ask("DELETE", "/drivers/me/route/order", 404)
    office.replan("optimize")
    assert [one for one in driver.ahead if one in wanted] != wanted


def test_a_driver_is_told_of_the_own_route_alone(tmp_path: Path) -> None:
    """Two vans, the other one run by another carrier."""
    desk = open_desk(tmp_path)
    office = Office(desk)
    drivers = [Driver(office, van) for van in office.shifts]
    office.ask("POST", "/carriers", 201, id="swift", name="Swift")
    van = office.ask("GET", "/vehicles/van-2", 200)
    office.ask("PATCH", "/vehicles/van-2", 200, carrier_id="swift", version=van["version"])
    for number in range(8):
        office.order(lat=-29.9 - number / 400, lon=-71.26)
    office.replan("optimize")
    told = [driver.ask("GET", "/drivers/me/route/change", 200)["diff"] for driver in drivers]
    whole = revision(office)["diff"]
    for driver, mine in zip(drivers, told, strict=True):
        route_ = driver.route
        on_it = {one for stop_ in route_["stops"] for one in stop_["order_ids"]}
        assert on_it
        assert mine["added"] == sorted(on_it)
        assert (mine["drive_s"], mine["distance_m"]) == (route_["drive_s"], route_["distance_m"])
    for name in ("drive_s", "distance_m"):
        assert sum(mine[name] for mine in told) == whole[name]
    assert sorted(told[0]["added"] + told[1]["added"]) == whole["added"]
    desk.close()


def test_what_two_drivers_change_at_once_is_told_of_both(tmp_path: Path) -> None:
    """The second one changes the order before the plan has followed the first."""
    desk = open_desk(tmp_path)
    office = Office(desk)
    drivers = [Driver(office, van) for van in office.shifts]
    for number in range(8):
        office.order(lat=-29.9 - number / 400, lon=-71.26)
    office.replan("optimize")
    paths = {}
    for driver in drivers:
        driver.load()
        paths[driver.van] = office.paths[driver.van]
        crosswise(driver)
    first, second = drivers
    chosen = {driver.van: driver.ahead for driver in drivers}
    assert first.follow(first.van) == 2
    told = revision(office)
    assert told["reason"] == (
        "Rosa put the stops of van-1 in another order; "
        "the driver of van-2 changed the order of its stops"
    )
    assert {one["from_vehicle"] for one in told["diff"]["moved"]} == {"van-1", "van-2"}
    for driver in drivers:
        mine = driver.ask("GET", "/drivers/me/route/change", 200)
        assert (mine["revision"], driver.van in mine["reason"]) == (2, True)
        assert {one["from_vehicle"] for one in mine["diff"]["moved"]} == {driver.van}
        assert driver.ahead == chosen[driver.van]
        assert office.paths[driver.van] != paths[driver.van]
    assert second.follow(second.van) == 2  # the revision has it already
    desk.close()


def test_other_news_that_comes_first_tells_what_a_driver_changed_beside_it(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    office = Office(desk)
    drivers = [Driver(office, van) for van in office.shifts]
    for number in range(8):
        office.order(lat=-29.9 - number / 400, lon=-71.26)
    office.replan("optimize")
    first = drivers[0]
    first.load()
    chosen = crosswise(first)
    new = office.order(lat=-29.93, lon=-71.26)
    assert office.replan("new_order") == 2
    told = revision(office)
    assert told["trigger"] == "new_order"
    assert told["reason"].endswith("; the driver of van-1 changed the order of its stops")
    assert told["diff"]["added"] == [new]
    assert "van-1" in {one["from_vehicle"] for one in told["diff"]["moved"]}
    assert [one for one in first.ahead if one in chosen] == chosen
    desk.close()


@given(st.permutations(NAMES), st.sets(st.sampled_from(["van-1", "van-2", "van-3"])))
def test_a_job_names_each_driver_who_changed_something_once(
    wanted: list[str], others: set[str]
) -> None:
    stops = [stop(name, order(name), arrival=EIGHT + 600 * at) for at, name in enumerate(NAMES)]
    round_ = route("van-1", *stops)
    changed = resorted(round_, wanted)
    vans = resorted_vans(day(routes=[changed]).plan, sequences_of_routes([round_]))
    assert vans == (frozenset() if tuple(wanted) == NAMES else {"van-1"})
    assert (is_as_timed(round_), is_as_timed(changed)) == (True, not vans)
    own = job_of(
        ("main", "north", DATE),
        VanCause("van-1", "van-1", About(trigger="driver_reordered", vehicle_id="van-1")),
        "job",
        NOW,
    )
    told = with_news_of_drivers(own, vans | others)
    assert with_news_of_drivers(told, vans | others) == told
    assert {one.vehicle_id for one in told.about} == {"van-1", *others}
    assert all(van in told.reason for van in others)


def test_what_changes_vans_came_to_the_one_route_and_went_from_the_other() -> None:
    orders = {name: order(name, "planned") for name in "abcde"}

    def round_(van: str, *names: str) -> Route:
        return route(van, *(stop(name, orders[name]) for name in names))

    before = day(routes=[round_("van-1", "a", "b", "c"), round_("van-2", "d")]).plan
    after = [round_("van-1", "b", "a"), round_("van-2", "c", "e")]
    lost = [Sacrifice(order_id=one, promised_until=EIGHT, served_at=EIGHT + HOUR) for one in "ac"]
    whole = difference(before, after, lost)
    one = of_van(whole, "van-1", set("abc"), set("ba"))
    assert (one.added, one.removed, one.promises_moved) == ((), ("c",), ("a",))
    assert [moved.from_vehicle for moved in one.moved] == ["van-1"]
    other = of_van(whole, "van-2", set("d"), set("ce"))
    assert (other.added, other.removed, other.moved) == (("c", "e"), ("d",), ())
    assert other.promises_moved == ("c",)
    assert (one.drive_s + other.drive_s, one.distance_m + other.distance_m) == (
        whole.drive_s,
        whole.distance_m,
    )
    assert one.drive_s == after[0].drive_s - before.routes[0].drive_s != 0


def test_lost_promises_are_told_and_not_refused(office: Office) -> None:
    driver = Driver(office, "van-1")
    early = {"from": f"{TODAY}T08:00:00-03:00", "to": f"{TODAY}T08:20:00-03:00"}
    promised = office.order(window=early, lat=-29.903, lon=-71.252)
    office.replan("optimize")
    driver.load()
    first = next(s["id"] for s in driver.route["stops"] if s["id"] in driver.ahead[:1])
    assert promised in next(s for s in driver.route["stops"] if s["id"] == first)["order_ids"]
    wanted = [*driver.ahead[1:], first]
    driver.ask("PUT", "/drivers/me/route/order", 202, revision=1, stop_ids=wanted)
    driver.follow()
    told = revision(office)
    assert told["trigger"] == "driver_reordered"
    (lost,) = told["diff"]["sacrificed"]
    assert (lost["order_id"], lost["promised_until"] < lost["served_at"]) == (promised, True)
    assert driver.ask("GET", "/drivers/me/route/change", 200)["diff"]["sacrificed"] == [lost]


def test_an_undo_of_a_drivers_order_lets_it_go(office: Office, driver: Driver) -> None:
    before = driver.ahead
    crosswise(driver)
    assert driver.follow() == 2
    (chosen,) = office.ask("GET", f"{PLAN}/rules", 200)["items"]
    office.ask("POST", f"{PLAN}/undo", 202, revision=2)
    assert office.work() == 3
    assert driver.ahead == [before[-1], *before[:-1]]  # it drives to the last one already
    assert office.ask("GET", f"{PLAN}/rules", 200)["items"] == []
    with office.desk.database.reading() as connection:
        changed = select(outbox).where(outbox.c.kind == "RuleChanged")
        (row,) = connection.execute(changed).all()
    event = DomainEvent(**row._mapping)
    told = event.body(RuleChanged)
    assert (told.with_revision, told.rule_id) == (3, chosen["id"])
    assert "the stops of van-1 keep their order" in told.text
    assert cause_of(event) is None  # what was taken back is driven already


def test_what_the_office_keeps_no_driver_lifts_and_no_undo(office: Office, driver: Driver) -> None:
    kept = office.ask("POST", f"{PLAN}/rules", 201, kind="sequence", vehicle_id="van-1", note="so")
    ahead = driver.ahead
    asked = {"revision": driver.route["revision"], "stop_ids": ahead[::-1]}
    for told in (
        driver.ask("DELETE", "/drivers/me/route/order", 409),
        driver.ask("PUT", "/drivers/me/route/order", 409, **asked),
        driver.ask("POST", f"/stops/{ahead[1]}/next", 409, revision=asked["revision"]),
    ):
        assert f"keep their order by {kept['made_by']}; ask the office" in told["detail"]
    office.order(lat=-29.906, lon=-71.26)
    assert office.replan("new_order") == 2
    office.ask("POST", f"{PLAN}/undo", 202, revision=2)
    assert office.work() == 3
    assert office.ask("GET", f"{PLAN}/rules", 200)["items"] == [kept]


def test_what_cannot_be_is_refused_with_the_rule_named(office: Office) -> None:
    driver = Driver(office, "van-1")
    office.replan("optimize")
    pickup, *doors = driver.ahead
    order_path = "/drivers/me/route/order"

    def put(status: int, says: str, stop_ids: list[str], seen: int = 1) -> None:
        told = driver.ask("PUT", order_path, status, revision=seen, stop_ids=stop_ids)
        assert says in str(told)

    put(409, "before it is fetched", [*doors, pickup])
    put(409, "look at it again", [pickup, *doors], seen=7)
    put(422, "is missing", [pickup, *doors[1:]])
    put(422, "stands twice", [pickup, *doors, doors[0]])
    put(422, "no open stop", ["none", *doors])
    told = driver.ask("POST", f"/stops/{doors[3]}/next", 409, revision=1)
    assert "before it is fetched" in told["detail"]
    driver.ask("POST", "/stops/none/next", 404, revision=1)
    assert driver.ahead == [pickup, *doors]
    lock = office.ask("POST", f"{PLAN}/rules", 201, kind="lock", vehicle_id="van-1")
    put(409, "the route of van-1 is locked by", [pickup, *doors[::-1]])
    office.ask("DELETE", f"{PLAN}/rules/{lock['id']}", 204)
    driver.load()
    driver.ask("POST", f"/stops/{doors[3]}/next", 202, revision=1)
    assert driver.follow() == 2
    assert driver.ahead == [doors[3], *doors[:3], *doors[4:]]


def test_who_stands_at_a_door_before_its_turn_is_followed(office: Office, driver: Driver) -> None:
    ahead = driver.ahead
    third = ahead[2]
    assert driver.ask("POST", f"/stops/{third}/arrive", 200)["state"] == "arrived"
    wanted = [third, *(one for one in ahead if one != third)]
    assert driver.ahead == wanted
    told = driver.ask("POST", f"/stops/{ahead[0]}/arrive", 409)
    assert "report its outcome" in told["detail"]
    assert driver.follow() == 2
    told = revision(office)
    (moved,) = told["diff"]["moved"]
    (stop_,) = [one for one in driver.route["stops"] if one["id"] == third]
    assert (told["trigger"], [moved["order_id"]]) == ("driver_reordered", stop_["order_ids"])
    assert moved["order_id"] in told["reason"]
    assert driver.ahead == wanted
    assert office.ask("GET", f"{PLAN}/rules", 200)["items"] == []
    driver.ask("POST", f"/stops/{third}/outcome", 200, outcome="delivered", reason="recipient")
    assert driver.ahead == wanted[1:]
    assert third in [one["id"] for one in driver.route["stops"][:2]]


@pytest.mark.parametrize(("days", "follows"), [(0.45, True), (1.0, False)])
def test_an_arrival_that_is_told_when_the_shift_is_over_asks_for_no_plan(
    office: Office, driver: Driver, days: float, follows: bool
) -> None:
    """Ten past six of the same day is overtime; the next morning nothing can be planned."""
    ahead = driver.ahead
    database = office.desk.database
    work = DriverWork(database, Later(days), Outbox(database))
    assert work.arrive("main", "who-van-1", ahead[2], NOW + HOUR).state == "arrived"
    assert driver.ahead == [ahead[2], *ahead[:2], *ahead[3:]]
    with database.reading() as connection:
        told = connection.execute(select(outbox).where(outbox.c.kind == "DriverReordered")).all()
    assert bool(told) == follows


def test_what_is_not_fetched_cannot_be_delivered_before_its_turn(office: Office) -> None:
    driver = Driver(office, "van-1")
    office.replan("optimize")
    pickup, first, *_ = driver.ahead
    told = driver.ask("POST", f"/stops/{first}/arrive", 409)
    assert f"stop {pickup} comes first" in told["detail"]
    assert "is fetched there" in told["detail"]


def test_a_change_that_is_heard_again_makes_no_further_revision(office: Office) -> None:
    driver = Driver(office, "van-1")
    office.replan("optimize")
    driver.load()
    crosswise(driver)
    assert driver.follow() == 2
    assert driver.follow() == 2
