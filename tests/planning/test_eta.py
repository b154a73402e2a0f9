"""Arrivals are forecast by what was seen, widen with the way, and obey windows as drivers do."""

from dataclasses import replace
from itertools import pairwise
from math import exp, log
from random import Random
from statistics import NormalDist
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.planning.eta import Ahead, Underway, forecast, underway, visited
from cloud.planning.pace import ASSUMED, Door, Pace, Shown, Visited, learned
from tests.planning import days

ZONE = ZoneInfo("America/Santiago")
NOW = days.EIGHT + days.HOUR


def way(*legs_s: float, opens: float | None = None, service_s: float = 180.0) -> Underway:
    """A van that sets out now, with a window at its last stop."""
    last = len(legs_s) - 1
    ahead = tuple(
        Ahead(
            stop_id=f"stop-{at}",
            leg_s=leg_s,
            service_s=service_s,
            opens=opens if at == last else None,
        )
        for at, leg_s in enumerate(legs_s)
    )
    return Underway(now=NOW, leaves=NOW, arrived_at=None, ahead=ahead)


@settings(deadline=None)
@given(st.lists(st.floats(1, 3600), min_size=1, max_size=40), st.floats(0, 1800))
def test_quantiles_are_in_order_and_later_stops_are_later(
    legs_s: list[float], service_s: float
) -> None:
    etas = forecast(way(*legs_s, service_s=service_s), ASSUMED)
    assert len(etas) == len(legs_s)
    for eta in etas:
        assert NOW <= eta.p10 <= eta.p50 <= eta.p90
    for one, later in pairwise(etas):
        assert one.p10 <= later.p10
        assert one.p90 <= later.p90


def test_what_is_further_ahead_is_less_certain() -> None:
    etas = forecast(way(*[600.0] * 10), ASSUMED)
    widths = [eta.p90 - eta.p10 for eta in etas]
    assert widths == sorted(widths)
    assert widths[-1] > 2 * widths[0]


def test_the_same_question_has_the_same_answer() -> None:
    van = way(300.0, 400.0, opens=NOW + days.HOUR)
    assert forecast(van, ASSUMED) == forecast(van, ASSUMED)


def test_a_driver_waits_for_a_window_and_not_for_hours_before_it() -> None:
    opens = NOW + 3 * days.HOUR
    (eta,) = forecast(way(600.0, opens=opens), ASSUMED)
    assert opens - 3 * ASSUMED.early_s < eta.p10 < eta.p90 <= opens + 60


def test_a_break_on_the_way_delays_whatever_comes_behind_it() -> None:
    straight = way(600, 600, 600)
    ahead = (straight.ahead[0], replace(straight.ahead[1], rest_s=1800.0), straight.ahead[2])
    before, resting = forecast(straight, Pace()), forecast(replace(straight, ahead=ahead), Pace())
    assert resting[0] == before[0]
    for one, other in zip(before[1:], resting[1:], strict=True):
        assert other.p50 - one.p50 == pytest.approx(1800.0, abs=1.0)


def test_who_is_on_the_way_has_the_rest_of_it_ahead() -> None:
    whole = forecast(way(1200.0), ASSUMED)[0]
    van = way(1200.0)
    half = forecast(replace(van, ahead=(replace(van.ahead[0], left=0.5),)), ASSUMED)[0]
    assert half.p50 - NOW == pytest.approx((whole.p50 - NOW) / 2, rel=0.1)


def test_a_van_at_a_door_is_forecast_from_there_and_no_more_to_it() -> None:
    van = replace(way(300.0, 300.0), arrived_at=NOW - 60)
    etas = forecast(van, ASSUMED)
    assert [eta.stop_id for eta in etas] == ["stop-1"]
    assert etas[0].p10 > NOW


def test_a_service_that_has_lasted_long_is_not_taken_as_over() -> None:
    van = replace(way(300.0, 300.0), arrived_at=NOW - 3 * days.HOUR)
    (eta,) = forecast(van, ASSUMED)
    assert eta.p10 > NOW + 200


@given(st.integers(60, 1_800), st.floats(1, 20_000), st.floats(0.05, 1.5), st.floats(-0.5, 0.5))
def test_half_of_the_services_that_last_so_long_are_over_by_then(
    planned_s: int, so_far_s: float, spread: float, service: float
) -> None:
    pace = replace(ASSUMED, service=service, service_spread=spread)
    rest_s = pace.rest_of_service_s(planned_s, None, so_far_s)
    assert rest_s > 0.0
    took = NormalDist(log(planned_s) + service, spread)
    longer = 1.0 - took.cdf(log(so_far_s))
    if longer > 1e-4:
        still = 1.0 - took.cdf(log(so_far_s + rest_s))
        assert still == pytest.approx(longer / 2, rel=1e-3)


def test_a_slow_morning_makes_the_afternoon_later() -> None:
    van = way(600.0, 600.0)
    slow = replace(van, shown=tuple(Shown(600.0, 1200.0, 9.0) for _ in range(6)))
    fast = replace(van, shown=tuple(Shown(600.0, 500.0, 9.0) for _ in range(6)))
    assert forecast(fast, ASSUMED)[1].p50 < forecast(van, ASSUMED)[1].p50
    assert forecast(van, ASSUMED)[1].p50 < forecast(slow, ASSUMED)[1].p50


def made_days(pace: Pace, count: int, rng: Random) -> list[list[Visited]]:
    """Days of a fleet that really goes by ``pace``."""
    made = []
    for _ in range(count):
        today, at, stops = rng.gauss(0, pace.day_spread), days.EIGHT, []
        for _ in range(20):
            leg_s = rng.uniform(120, 1200)
            spread = (pace.leg_spread**2 + (pace.floor_s / leg_s) ** 2) ** 0.5
            hour = (at - days.EIGHT) / days.HOUR + 8
            luck = pace.drive + pace.by_hour[int(hour) % 24] + today + rng.gauss(0, spread)
            arrived = at + pace.start_s + leg_s * exp(luck)
            took_s = 240.0 * exp(pace.service + rng.gauss(0, pace.service_spread))
            stops.append(Visited(leg_s, at, hour, arrived, arrived + took_s, 240.0, None))
            at = arrived + took_s
        made.append(stops)
    return made


def test_a_pace_is_learned_from_days_that_were_made_by_it() -> None:
    by_hour = tuple(0.3 if hour in {8, 9} else 0.0 for hour in range(24))
    truth = Pace(
        drive=0.3, by_hour=by_hour, start_s=40.0, day_spread=0.15, leg_spread=0.12,
        service=0.2, service_spread=0.3,
    )  # fmt: skip
    found = learned(made_days(truth, 60, Random(1)))
    assert found.drive + sum(found.by_hour[10:14]) / 4 == pytest.approx(0.3, abs=0.06)
    assert found.by_hour[8] - found.by_hour[12] == pytest.approx(0.3, abs=0.08)
    assert found.day_spread == pytest.approx(0.15, abs=0.05)
    assert found.leg_spread == pytest.approx(0.12, abs=0.05)
    assert found.service == pytest.approx(0.2, abs=0.05)
    assert found.service_spread == pytest.approx(0.3, abs=0.05)


def test_nothing_seen_leaves_what_is_assumed_and_little_moves_it_little() -> None:
    assert learned([]) == ASSUMED
    few = learned(made_days(replace(ASSUMED, drive=1.0), 1, Random(2))[:1])
    assert ASSUMED.drive < few.drive < 1.0


def test_a_forgotten_tap_is_no_pace() -> None:
    seen = made_days(ASSUMED, 20, Random(3))
    broken = [list(day) for day in seen]
    for day in broken:
        day[3] = day[3]._replace(
            arrived_s=day[3].arrived_s + 4 * days.HOUR, done_s=day[3].done_s + 5 * days.HOUR
        )
    clean, found = learned(seen), learned(broken)
    assert abs(found.drive - clean.drive) < 0.06
    assert found.leg_spread < 2 * clean.leg_spread + 0.05


def visits_at_doors(rng: Random, slow: Door, others: int) -> list[list[Visited]]:
    """Days on which one door takes twice as long as the rest."""
    made = []
    for number in range(20):
        doors = [slow, *((float(number), float(at)) for at in range(others))]
        at, stops = days.EIGHT, []
        for door in doors:
            took_s = 200.0 * exp(rng.gauss(0, 0.2)) * (2.0 if door == slow else 1.0)
            stops.append(Visited(300.0, at, 9.0, at + 330, at + 330 + took_s, 200.0, None, door))
            at += 330 + took_s
        made.append(stops)
    return made


def test_a_door_that_takes_long_is_known_for_it_and_one_lunch_there_is_none() -> None:
    slow = (-29.9, -71.2)
    pace = learned(visits_at_doors(Random(5), slow, 6))
    assert pace.doors[slow] == pytest.approx(log(2), abs=0.25)
    assert pace.at_known_door < pace.service_spread
    van = way(300.0, 300.0)
    there = replace(van, ahead=(replace(van.ahead[0], door=slow), van.ahead[1]))
    assert forecast(there, pace)[1].p50 > forecast(van, pace)[1].p50 + 60
    lunch = visits_at_doors(Random(5), slow, 6)
    once = lunch[3][2]
    lunch[3][2] = once._replace(done_s=once.done_s + 2 * days.HOUR)
    assert once.door is not None
    assert abs(learned(lunch).doors[once.door]) < 0.6


def test_forecasts_by_a_learned_pace_are_worth_what_they_say() -> None:
    truth = Pace(drive=0.25, start_s=30.0, day_spread=0.12, leg_spread=0.2, service_spread=0.5)
    pace = learned(made_days(truth, 30, Random(4)))
    inside = []
    for day in made_days(truth, 30, Random(5)):
        ahead = tuple(
            Ahead(stop_id=f"{at}", leg_s=stop.leg_s or 0.0, service_s=stop.service_s)
            for at, stop in enumerate(day)
        )
        van = Underway(
            now=days.EIGHT, leaves=days.EIGHT, arrived_at=None, ahead=ahead, local_hour=8.0
        )
        etas = forecast(van, pace)
        inside += [
            eta.p10 <= stop.arrived_s <= eta.p90 for eta, stop in zip(etas, day, strict=True)
        ]
    assert 0.70 < sum(inside) / len(inside) < 0.90


def test_a_route_tells_what_is_done_and_what_is_ahead() -> None:
    begin = days.stop("load", days.order("a"), kind="pickup", state="done")
    first = days.stop("one", days.order("a"), state="done")
    second = days.stop("two", days.order("b"), state="arrived")
    third = days.stop("three", days.order("c"))
    at = days.EIGHT
    route = days.route(
        "van-1",
        replace(begin, arrived_at=at, done_at=at + 300),
        replace(first, arrived_at=at + 900, done_at=at + 1100, leg_s=500),
        replace(second, arrived_at=at + 1500, leg_s=300),
        replace(third, leg_s=200),
    )
    done = visited(route, ZONE)
    assert [one.leg_s for one in done] == [None, 500.0]
    assert done[1].left_s == at + 300
    assert log(8.01) < log(done[1].hour) < log(8.2)
    van = underway(route, ZONE, at + 1600)
    assert van.arrived_at == at + 1500
    assert [stop.stop_id for stop in van.ahead] == ["two", "three"]
    assert [one.took_s for one in van.shown] == [600.0]
