"""Forecasts are put right by what they were worth, and a few wild days move that little."""

from datetime import date, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.planning.eta import Ahead, Underway, forecast, still_holds
from cloud.planning.pace import ASSUMED
from cloud.planning.worth import Eta, Judged, Worth, put_right, worth_noting, worth_of

FIRST = date(2026, 3, 2)
AHEAD_S = 2_250.0
FORECAST = (1_950.0, 2_250.0, 2_550.0)


def judged(
    rng: Random, *, days: int, later_s: float = 0.0, times: float = 1.0, wild: int = 0
) -> list[Judged]:
    """Forecasts 300 s wide to each side, of arrivals ``times`` as far off and ``later_s`` later."""
    made = []
    for day in range(days):
        strike_s = 9_000.0 if day < wild else 0.0
        for van in range(6):
            for _ in range(10):
                came = AHEAD_S + later_s + strike_s + times * rng.gauss(0, 300 / 1.2816)
                made.append(Judged(FIRST + timedelta(day), f"van-{van}", AHEAD_S, *FORECAST, came))
    return made


def inside(worth: Worth, of: list[Judged]) -> float:
    right = [worth.corrected(Eta("stop", one.p10, one.p50, one.p90), 0.0) for one in of]
    found = [eta.p10 <= one.came <= eta.p90 for eta, one in zip(right, of, strict=True)]
    return sum(found) / len(found)


@pytest.mark.parametrize(("later_s", "times"), [(0, 1), (0, 3), (0, 0.4), (400, 1), (-400, 2)])
def test_four_of_five_come_inside_however_wrong_the_forecasts_were(
    later_s: float, times: float
) -> None:
    worth = worth_of(judged(Random(1), days=40, later_s=later_s, times=times))
    unseen = judged(Random(2), days=40, later_s=later_s, times=times)
    assert inside(worth, unseen) == pytest.approx(0.8, abs=0.06)


def of_routes(rng: Random, routes: int, arrivals: int) -> list[Judged]:
    """Forecasts whose arrivals are late together, route by route."""
    made = []
    for at in range(routes):
        late_s = rng.gauss(0, 300 / 1.2816)
        for _ in range(arrivals):
            came = AHEAD_S + late_s + rng.gauss(0, 60)
            day = FIRST + timedelta(at // 7)
            made.append(Judged(day, f"van-{at % 7}", AHEAD_S, *FORECAST, came))
    return made


@pytest.mark.parametrize("routes", [7, 14, 35])
def test_four_of_five_come_inside_after_few_routes_already(routes: int) -> None:
    rng = Random(3)
    shares = [
        inside(worth_of(of_routes(rng, routes, 8)), of_routes(rng, 20, 1)) for _ in range(300)
    ]
    assert sum(shares) / len(shares) == pytest.approx(0.8, abs=0.015)


def test_without_anything_judged_a_forecast_is_what_it_says() -> None:
    eta = Eta("stop", *FORECAST)
    assert worth_of([]).corrected(eta, 0.0) == eta


def test_little_seen_moves_it_little() -> None:
    eta = Eta("stop", *FORECAST)
    few = worth_of(judged(Random(1), days=1, times=3)[:3]).corrected(eta, 0.0)
    many = worth_of(judged(Random(1), days=30, times=3)).corrected(eta, 0.0)
    assert eta.p90 < few.p90 < many.p90


def test_a_few_wild_days_are_let_go_and_many_are_how_things_are() -> None:
    eta = Eta("stop", *FORECAST)
    usual = worth_of(judged(Random(1), days=30)).corrected(eta, 0.0)
    after_strike = worth_of(judged(Random(1), days=30, wild=2)).corrected(eta, 0.0)
    assert after_strike.p90 == pytest.approx(usual.p90, abs=60)
    for_good = worth_of(judged(Random(1), days=30, wild=12)).corrected(eta, 0.0)
    assert for_good.p90 > usual.p90 + 500


scores = st.lists(st.floats(-1e5, 1e5), min_size=0, max_size=30)


@given(scores, st.lists(st.tuples(st.floats(0, 4e4), st.floats(0, 4e3)), max_size=12))
def test_what_is_put_right_stays_in_order(
    came: list[float], ways: list[tuple[float, float]]
) -> None:
    worth = worth_of(
        Judged(FIRST, f"route-{at % 4}", at * 1_000.0, 1_700, 2_000, 2_300, each)
        for at, each in enumerate(came)
    )
    way_s = sorted(ways)
    etas = [Eta(str(at), at, at + half, at + 2 * half) for at, half in way_s]
    right = put_right(etas, 0.0, worth)
    for eta in right:
        assert 0 <= eta.p10 <= eta.p50 <= eta.p90
    for one, later in pairwise(right):
        assert one.p50 <= later.p50


def test_of_a_route_one_stop_each_horizon_is_noted() -> None:
    etas = [Eta(f"stop-{at}", at * 600, at * 600, at * 600) for at in range(40)]
    noted = worth_noting(etas, 0.0)
    assert sorted(noted) == [0, 1, 2, 3]
    assert noted[1].p50 == pytest.approx(2_400, abs=600)


def van(left: float, passed_s: float = 0.0, arrived_at: float | None = None) -> Underway:
    ahead = (Ahead(stop_id="a", leg_s=600, service_s=180, left=left),)
    return Underway(now=1e9 + passed_s, leaves=1e9 + passed_s, arrived_at=arrived_at, ahead=ahead)


def test_a_forecast_holds_while_the_van_goes_as_it_says() -> None:
    made_of = van(0.8)
    etas = forecast(made_of, ASSUMED)
    drive_s = etas[0].p50 - made_of.now
    assert still_holds(made_of, etas, van(0.8 * (1 - 30 / drive_s), 30))
    assert not still_holds(made_of, etas, van(0.8, 45))
    assert not still_holds(made_of, etas, van(0.2, 30))
    assert not still_holds(made_of, etas, van(0.0, 30, arrived_at=1e9 + 20))
    assert not still_holds(made_of, etas, van(0.0, drive_s))
