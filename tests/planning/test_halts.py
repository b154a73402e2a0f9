"""Doors that one halt serves: laws of the grouping, and one stop with several orders."""

from dataclasses import replace as with_
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.foundation.settings import Settings
from cloud.orders.model import Span
from cloud.planning.halts import (
    MOST_DOORS,
    Door,
    Grouped,
    Walking,
    door_of,
    grouped,
    halt_faults,
)
from cloud.planning.lag import Lag
from cloud.planning.posing import problem_of
from cloud.planning.problem import Job, Problem, RouteStep, Window
from tests.cloud.desk import open_desk
from tests.planning import days
from tests.planning.office import Office
from tests.planning.streets import aboard, at, between, day, order, van

SIXTY = Walking(within_m=60.0, parking_s=90)
METRE = 1 / 111_195
WINDOWS: list[tuple[Window, ...]] = [
    (),
    (between(9, 12),),
    (between(11, 17),),
    (between(8, 9), between(15, 18)),
]
WIDE = 200


def doors(*metres: float, street: str = "Balmaceda") -> dict[str, Door]:
    """Doors along a street, so many metres from its beginning, all on the odd side."""
    return {f"o{n}": Door(0.0, one * METRE, street, 2 * n + 1) for n, one in enumerate(metres)}


def orders(count: int, *windows: Window, **given: Any) -> list[Job]:
    return [order(f"o{n}", n + 1, *windows, **given) for n in range(count)]


def of(jobs: list[Job], there: dict[str, Door], **given: Any) -> Grouped:
    problem = day([van(capacity=WIDE)], jobs)
    made = grouped(problem, there, with_(SIXTY, **given))
    assert halt_faults(problem, made, there, with_(SIXTY, **given)) == ()
    return made


def test_neighbours_are_one_halt_where_the_van_parks_once() -> None:
    made = of(orders(3), doors(0, 20, 40))
    assert made.halts == {"o0": ("o0", "o1", "o2")}
    (job,) = made.problem.jobs
    walked = 2 * round(20 * 1.3 / 1.2) + round(40 * 1.3 / 1.2)
    assert job.service_s == 120 + 2 * (120 - 90) + walked
    assert (job.size, job.pickup_service_s) == (3, 180)


def test_far_doors_other_streets_and_the_other_side_are_not() -> None:
    assert of(orders(2), doors(0, 61)).halts == {}
    near = doors(0, 10)
    other = {**near, "o1": with_(near["o1"], street="Other street")}
    across = {**near, "o1": with_(near["o1"], number=2)}
    unknown = {**near, "o1": with_(near["o1"], number=None, street="")}
    assert of(orders(2), other).halts == of(orders(2), across).halts == {}
    assert of(orders(2), unknown).halts == {"o0": ("o0", "o1")}


def test_a_walk_that_takes_longer_than_parking_is_not_worth_it() -> None:
    assert of(orders(2), doors(0, 55), parking_s=60).halts == {}
    assert of(orders(2), doors(0, 20), parking_s=60).halts == {"o0": ("o0", "o1")}


def test_neighbours_whose_windows_end_at_other_times_share_a_halt_in_a_posed_day() -> None:
    ends = {"oa": 4, "ob": 5}
    asked = [
        with_(
            days.order(name, window=Span(days.EIGHT + days.HOUR, days.EIGHT + end * days.HOUR)),
            lat=days.DEPOT.lat,
            lon=days.DEPOT.lon + 0.02,
        )
        for name, end in ends.items()
    ]
    posed = problem_of(with_(days.day(*asked), lag=Lag((60.0, 300.0, 600.0, 900.0))), {})
    margins = {job.id: job.margin_s for job in posed.jobs}
    assert margins["oa"] < margins["ob"]
    there = {one.id: door for one in asked if (door := door_of(one, None)) is not None}
    made = grouped(posed, there, SIXTY)
    assert made.halts == {"oa": ("oa", "ob")}
    assert [job.margin_s for job in made.problem.jobs] == [margins["ob"]]


def test_windows_without_enough_in_common_keep_doors_apart() -> None:
    apart = [order("o0", 1, between(9, 10)), order("o1", 2, between(11, 12))]
    assert of(apart, doors(0, 10)).halts == {}
    little = [order("o0", 1, between(9, 10)), order("o1", 2, between(9.75, 10.75))]
    assert of(little, doors(0, 10)).halts == {}
    most = [order("o0", 1, between(9, 11)), order("o1", 2, between(10, 13))]
    (job,) = of(most, doors(0, 10)).problem.jobs
    (window,) = job.windows
    assert at(10) - 300 < window.opens < at(10)
    assert window.closes == at(11)


def test_what_one_van_has_aboard_is_not_put_to_what_lies_at_the_depot() -> None:
    mixed = [order("o0", 1), aboard("o1", 2, "van-1"), order("o2", 3, needs=("fridge",))]
    assert of(mixed, doors(0, 5, 10)).halts == {}


def test_a_halt_never_fills_a_van() -> None:
    jobs = orders(4)
    problem = day([van(capacity=8)], jobs)
    made = grouped(problem, doors(0, 5, 10, 15), SIXTY)
    assert [len(ids) for ids in made.halts.values()] == [2, 2]


def test_routes_in_force_and_locked_ones_name_the_halt() -> None:
    steps = tuple(RouteStep(job=f"o{n}", kind="delivery") for n in range(3))
    jobs = orders(3, only_vehicle="van-1")
    there = doors(0, 5, 1000)
    made = grouped(day([van(capacity=WIDE, in_force=steps, locked=steps)], jobs), there, SIXTY)
    (one,) = made.problem.vehicles
    halts = (RouteStep(job="o0", kind="delivery"), RouteStep(job="o2", kind="delivery"))
    assert (one.in_force, one.locked) == (halts, halts)
    between_them = (steps[0], steps[2], steps[1])
    made = grouped(day([van(capacity=WIDE, locked=between_them)], jobs), there, SIXTY)
    assert made.halts == {}


def test_without_a_distance_nothing_changes() -> None:
    problem = day([van()], orders(2))
    assert grouped(problem, doors(0, 1), Walking(0, 60)) == Grouped(problem)


def test_the_checker_finds_halts_that_are_none() -> None:
    problem = day([van(capacity=WIDE)], orders(2, between(9, 12)))
    there = doors(0, 30)
    made = grouped(problem, there, SIXTY)
    (job,) = made.problem.jobs

    def told(job: Job, places: dict[str, Door] = there) -> str:
        wrong = replace(made.problem, jobs=(job,))
        return "; ".join(halt_faults(problem, Grouped(wrong, made.halts), places, SIXTY))

    assert told(job) == ""
    assert "shorter than" in told(replace(job, service_s=30))
    assert "size" in told(replace(job, size=1))
    assert "outside its windows" in told(replace(job, windows=(between(6, 12),)))
    assert "has not the windows" in told(replace(job, windows=()))
    (asked,) = job.windows
    as_told = Window(opens=asked.opens, closes=at(12))
    assert "o1 would be served outside its windows" in told(replace(job, windows=(as_told,)))
    for name, wrong in (
        ("needs", ("lift",)),
        ("only_vehicle", "van-1"),
        ("banned_vehicles", ("van-1",)),
        ("pickup", 3),
        ("pickup_windows", (between(8, 9),)),
        ("ready_from", at(9)),
        ("may_be_late", True),
    ):
        assert f"its {name} is not that of o0" in told(replace(job, **{name: wrong}))
    late = replace(job, may_be_late=True, late_until=at(13))
    assert "its late_until is not that of o1" in told(late)
    assert "not beside it" in told(job, doors(0, 90))
    assert "in no halt" in "".join(halt_faults(problem, Grouped(made.problem), there, SIXTY))


@given(
    st.lists(
        st.tuples(
            st.floats(0, 400),
            st.integers(0, 40),
            st.sampled_from(
                [(), (between(9, 12),), (between(11, 17),), (between(8, 9), between(15, 18))]
            ),
            st.integers(30, 600),
            st.sampled_from([None, "van-1", "van-2"]),
        ),
        max_size=25,
    ),
    st.floats(0, 120),
    st.integers(0, 300),
)
def test_every_grouping_passes_its_checker(
    asked: list[tuple[float, int, tuple[Window, ...], int, str | None]], within: float, parking: int
) -> None:
    there = {
        f"o{n}": Door(0.0, metres * METRE, "Balmaceda", number)
        for n, (metres, number, *_) in enumerate(asked)
    }
    jobs = [
        order(f"o{n}", 1, *windows, service_s=service, previous_vehicle=was)
        for n, (_, _, windows, service, was) in enumerate(asked)
    ]
    problem: Problem = day([van(capacity=WIDE), van("van-2", capacity=WIDE)], jobs)
    walking = Walking(within, parking)
    made = grouped(problem, there, walking)
    assert halt_faults(problem, made, there, walking) == ()
    assert all(1 < len(ids) <= MOST_DOORS for ids in made.halts.values())
    shorter = sum(job.service_s for job in made.problem.jobs)
    assert shorter <= sum(job.service_s for job in jobs)


def test_a_halt_is_one_stop_with_several_orders(tmp_path: Path, kept_in: Settings) -> None:
    desk = open_desk(tmp_path, kept_in)
    office = Office(desk)
    near = [
        office.order(address=f"Balmaceda {1 + 2 * n}", lat=-29.95, lon=-71.3 - n * 20 * METRE)
        for n in range(2)
    ]
    policy = office.ask("GET", "/planning/policy", 200)
    assert policy["halt_within_m"] == 0
    office.replan("optimize")
    stops = [ids for route in office.sequences.values() for ids in route]
    assert all([one] in stops for one in near)
    office.ask("PUT", "/planning/policy", 200, **{**policy, "halt_within_m": 60, "parking_s": 90})
    office.replan("optimize")
    plan = office.ask("GET", office.plan, 200)
    (stop,) = [s for r in plan["routes"] for s in r["stops"]
               if s["kind"] == "delivery" and set(s["order_ids"]) & set(near)]  # fmt: skip
    assert set(stop["order_ids"]) == set(near)
    assert stop["service_s"] < 2 * (180 + policy["slack_s"])
    for one in near:
        told = office.ask("GET", f"/orders/{one}", 200)
        assert (told["state"], told["stop_id"]) == ("planned", stop["id"])
    office.replan("optimize")
    again = office.ask("GET", office.plan, 200)
    assert stop["id"] in {s["id"] for r in again["routes"] for s in r["stops"]}
    desk.close()
