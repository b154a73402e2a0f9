"""Pins, bans and locks: what they ask of the planner, when they cannot be kept, and who says so."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from cloud.foundation.migrations import downgrade, upgrade
from cloud.foundation.settings import Settings
from cloud.orders.model import Order
from cloud.planning.posing import problem_of, stranded
from cloud.planning.problem import Job, Problem, RouteStep
from cloud.planning.rules import store as rule_store
from cloud.planning.rules.model import Rule, against
from cloud.planning.rules.obstacles import obstacle
from cloud.planning.situation import Day
from tests.cloud.desk import TODAY, Desk, open_desk
from tests.planning.days import EIGHT, HOUR, aboard, day, order, route, rule, stop

NOON = EIGHT + 4 * HOUR


def job(problem: Problem, name: str) -> Job:
    return next(one for one in problem.jobs if one.id == name)


def locked(problem: Problem, van: str) -> list[tuple[str, str]] | None:
    steps = next(one.locked for one in problem.vehicles if one.id == van)
    return None if steps is None else [(step.job, step.kind) for step in steps]


def morning(*rules: Rule, vans: tuple[str, ...] = ("van-1", "van-2")) -> Day:
    one, two, three = (order(name, "planned") for name in ("a", "b", "c"))
    driven = [
        route("van-1", stop("s-0", one, two, kind="pickup"), stop("s-1", two), stop("s-2", one)),
        route("van-2", stop("s-3", three, kind="pickup"), stop("s-4", three)),
    ]
    return day(one, two, three, order("new"), routes=driven, rules=rules, vans=vans)


def under_way(*rules: Rule) -> Day:
    first, second, fetched = aboard("a", "van-1"), aboard("b", "van-1"), order("c", "planned")
    driven = route(
        "van-1",
        stop("s-0", first, second, kind="pickup", state="done"),
        stop("s-1", first),
        stop("s-2", fetched, kind="pickup"),
        stop("s-3", fetched),
        stop("s-4", second),
    )
    return day(first, second, fetched, order("new"), now=NOON, routes=[driven], rules=rules)


def test_a_pin_and_a_ban_reach_the_planner() -> None:
    here = morning(rule("pin", "van-2", "a"), rule("ban", "van-1", "new"))
    problem = problem_of(here, {})
    assert job(problem, "a").only_vehicle == "van-2"
    assert job(problem, "new").banned_vehicles == ("van-1",)
    assert job(problem, "b").only_vehicle is None
    assert [obstacle(here, one) for one in here.rules] == [None, None]


def test_a_lock_keeps_the_sequence_and_lets_the_rest_go() -> None:
    problem = problem_of(morning(rule("lock", "van-1")), {})
    assert locked(problem, "van-1") == [("b", "delivery"), ("a", "delivery")]
    assert locked(problem, "van-2") is None
    assert (job(problem, "a").only_vehicle, job(problem, "c").only_vehicle) == ("van-1", None)


def test_a_lock_of_a_van_under_way_starts_behind_the_stop_it_drives_to() -> None:
    problem = problem_of(under_way(rule("lock", "van-1")), {})
    assert locked(problem, "van-1") == [("c", "pickup"), ("c", "delivery"), ("b", "delivery")]
    assert RouteStep(job="a", kind="delivery") not in (problem.vehicles[0].locked or ())


def test_what_is_planned_reaches_the_planner_as_the_sequence_in_force() -> None:
    problem = problem_of(morning(), {})
    assert [(s.job, s.kind) for s in problem.vehicles[0].in_force] == [
        ("b", "delivery"),
        ("a", "delivery"),
    ]
    steps = problem_of(under_way(), {}).vehicles[0].in_force
    assert [(s.job, s.kind) for s in steps] == [
        ("c", "pickup"),
        ("c", "delivery"),
        ("b", "delivery"),
    ]


def test_what_is_cancelled_leaves_a_locked_route() -> None:
    here = morning(rule("lock", "van-1"))
    gone = dict(here.orders) | {"b": order("b", "cancelled")}
    problem = problem_of(replace(here, orders=gone), {})
    assert locked(problem, "van-1") == [("a", "delivery")]


def test_what_is_pinned_to_a_van_without_a_shift_is_left_and_named() -> None:
    here = morning(rule("pin", "van-2", "a"), vans=("van-1",))
    assert "a" not in {one.id for one in problem_of(here, {}).jobs}
    (left,) = stranded(here)
    assert (left.order_id, "lift the pin" in left.reason) == ("a", True)
    assert "no shift" in str(obstacle(here, here.rules[0]))


@pytest.mark.parametrize(
    ("given", "wanted", "word"),
    [
        (aboard("a", "van-2"), rule("pin", "van-1", "a"), "aboard van-2"),
        (aboard("a", "van-1"), rule("ban", "van-1", "a"), "aboard van-1 already"),
        (order("a", "delivered"), rule("pin", "van-1", "a"), "delivered"),
        (order("b"), rule("pin", "van-1", "a"), "not of this day"),
        (order("a"), rule("lock", "van-3"), "no shift"),
    ],
)
def test_a_rule_that_cannot_be_kept_says_why(given: Order, wanted: Rule, word: str) -> None:
    assert word in str(obstacle(day(given, rules=[wanted]), wanted))


def test_a_rule_of_a_broken_down_van_says_so() -> None:
    here = replace(morning(rule("lock", "van-1")), broken=frozenset({"van-1"}))
    assert "has broken down" in str(obstacle(here, here.rules[0]))


def test_a_pin_to_a_locked_route_says_so() -> None:
    here = morning(rule("lock", "van-2"), rule("pin", "van-2", "a"), rule("pin", "van-2", "c"))
    assert "locked without it" in str(obstacle(here, here.rules[1]))
    assert obstacle(here, here.rules[2]) is None


def test_rules_that_contradict_each_other_are_told() -> None:
    known = [rule("pin", "van-1", "a"), rule("lock", "van-2")]
    assert "already" in str(against(rule("pin", "van-2", "a"), known))
    assert "pinned" in str(against(rule("ban", "van-1", "a"), known))
    assert "already" in str(against(rule("lock", "van-2"), known))
    assert against(rule("ban", "van-2", "a"), known) is None
    assert against(rule("lock", "van-1"), known) is None


@pytest.fixture
def desk(tmp_path: Path, kept_in: Settings) -> Iterator[Desk]:
    opened = open_desk(tmp_path, kept_in)
    yield opened
    opened.close()


def test_an_office_lays_down_and_lifts_rules(desk: Desk) -> None:
    path = f"/depots/la-serena/plans/{TODAY}/rules"
    van = {"id": "van-9", "name": "Nine", "depot_id": "la-serena", "capacity_parcels": 10}
    assert desk.ask("POST", "/vehicles", json=van).status_code == 201
    order_id = desk.order().json()["id"]
    pin = {"kind": "pin", "vehicle_id": "van-9", "order_id": order_id, "note": "knows the dog"}
    made = desk.ask("POST", path, json=pin)
    assert made.status_code == 201
    assert made.headers["Location"].endswith(made.json()["id"])
    assert "no shift" in made.json()["obstacle"]
    assert desk.ask("GET", path).json()["items"] == [made.json()]
    again = desk.ask("POST", path, json={**pin, "kind": "ban"})
    assert (again.status_code, made.json()["id"] in again.text) == (409, True)
    lock = {"kind": "lock", "vehicle_id": "van-9"}
    assert desk.ask("POST", path, json=lock).status_code == 409
    for wrong, field in (
        ({**pin, "order_id": "none"}, "order_id"),
        ({**pin, "vehicle_id": "none"}, "vehicle_id"),
        ({**lock, "order_id": order_id}, "order_id"),
        ({**pin, "kind": "wish"}, "kind"),
    ):
        refused = desk.ask("POST", path, json=wrong)
        assert (refused.status_code, field in refused.text) == (422, True), wrong
    assert desk.ask("DELETE", f"{path}/{made.json()['id']}").status_code == 204
    assert desk.ask("DELETE", f"{path}/{made.json()['id']}").status_code == 404
    assert desk.ask("GET", path).json() == {"items": []}


def test_rules_of_before_are_of_who_laid_them_down(desk: Desk) -> None:
    """The note told it until rules did; on each store."""
    downgrade(desk.database, "business", "0035")
    made = rule("sequence", "van-1")
    with desk.database.writing() as connection:
        for name, note in (("by-rosa", "the driver's own order"), ("by-ana", "as it is")):
            columns = asdict(replace(made, id=name, note=note))
            columns["service_date"] = made.service_date.isoformat()
            del columns["maker"]
            connection.execute(insert(rule_store.plan_rule).values(**columns))
    upgrade(desk.database, "business")
    with desk.database.reading() as connection:
        known = rule_store.in_force(connection, "main", made.depot_id, made.service_date)
    assert {one.id: one.maker for one in known} == {"by-rosa": "driver", "by-ana": "office"}
