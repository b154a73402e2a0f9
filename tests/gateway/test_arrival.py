"""Arrival at and departure from stops: drive-pasts, red lights, neighbours, wander, restarts."""

from collections.abc import Iterable, Sequence
from itertools import chain
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.tracks import START_MS, Journey, degrees_at, fix_at
from wire.arrival import ArrivalRules, ArrivalState, advance
from wire.events import StopArrived, StopDeparted
from wire.messages import Fix, Route, RouteStop

RULES = ArrivalRules()
type Told = StopArrived | StopDeparted


def stop_at(name: str, east_m: float, north_m: float = 0.0) -> RouteStop:
    lat, lon = degrees_at(east_m, north_m)
    return RouteStop(
        stop=name,
        kind="delivery",
        lat_e7=round(lat * 1e7),
        lon_e7=round(lon * 1e7),
        planned_arrival_ms=START_MS,
    )


def route_of(*stops: RouteStop, revision: int = 1, route: str = "r1") -> Route:
    return Route(route=route, revision=revision, stops=stops)


def told_by(
    fixes: Iterable[Fix], route: Route | None, state: ArrivalState | None = None
) -> tuple[list[Told], ArrivalState]:
    told: list[Told] = []
    now = state or ArrivalState()
    for fix in fixes:
        now, events = advance(now, fix, route, RULES)
        told += events
    return told, now


def words(told: Sequence[Told]) -> list[tuple[str, str]]:
    return [
        ("arrived" if isinstance(event, StopArrived) else "departed", event.stop) for event in told
    ]


def seconds(event: Told) -> float:
    return (event.at_ms - START_MS) / 1000


def run_to(journey: Journey, east_m: float, mps: float = 10.0) -> Iterable[Fix]:
    """Drive on until just there, and come to a halt."""
    yield from journey.change(mps, 1.2)
    yield from journey.drive((east_m - journey.east_m - mps * mps / 3) / mps, mps)
    yield from journey.change(0.0, -1.5)


def test_a_visit_is_told_from_its_true_beginning_to_its_true_end() -> None:
    journey = Journey()
    fixes = list(run_to(journey, 1000))
    halted_s = journey.at_s
    fixes += journey.stand(180)
    left_s = journey.at_s
    fixes += run_to(journey, 2000)
    told, _ = told_by(fixes, route_of(stop_at("a", 1005), stop_at("b", 5000)))
    assert words(told) == [("arrived", "a"), ("departed", "a")]
    assert seconds(told[0]) == pytest.approx(halted_s, abs=2)
    assert seconds(told[1]) == pytest.approx(left_s, abs=2)
    assert isinstance(told[1], StopDeparted)
    assert told[1].dwell_s == pytest.approx(180, abs=3)


def test_driving_past_at_speed_is_no_arrival() -> None:
    journey = Journey()
    fixes = chain(journey.change(10, 1.2), journey.drive(300, 10))
    told, _ = told_by(fixes, route_of(*(stop_at(f"s{n}", 500.0 * n, 8) for n in range(6))))
    assert told == []


def test_a_red_light_at_a_stop_that_is_not_next_is_no_arrival() -> None:
    journey = Journey()
    fixes = chain(run_to(journey, 1000), journey.stand(50), run_to(journey, 3000))
    told, _ = told_by(fixes, route_of(stop_at("next", 9000), stop_at("later", 1010)))
    assert told == []


def test_a_red_light_within_reach_of_the_next_stop_is_no_arrival() -> None:
    journey = Journey()
    fixes = list(chain(run_to(journey, 950), journey.stand(40), run_to(journey, 1000, 6)))
    halted_s = journey.at_s
    fixes += journey.stand(120)
    told, _ = told_by(fixes, route_of(stop_at("a", 1000)))
    assert words(told) == [("arrived", "a")]
    assert seconds(told[0]) == pytest.approx(halted_s, abs=2)


def test_a_light_at_the_very_door_makes_one_visit_not_two() -> None:
    journey = Journey()
    fixes = chain(
        run_to(journey, 980), journey.stand(60), run_to(journey, 1000, 3), journey.stand(120)
    )
    told, _ = told_by(fixes, route_of(stop_at("a", 1000)))
    assert words(told) == [("arrived", "a")]


def test_of_neighbours_the_next_is_taken_first_and_moving_on_a_little_is_the_other() -> None:
    journey = Journey()
    fixes = chain(
        run_to(journey, 1000),
        journey.stand(120),
        run_to(journey, 1040, 4),
        journey.stand(120),
        run_to(journey, 2000),
    )
    told, _ = told_by(fixes, route_of(stop_at("a", 1000), stop_at("b", 1040)))
    assert words(told) == [("arrived", "a"), ("departed", "a"), ("arrived", "b"), ("departed", "b")]


def test_a_stop_out_of_order_is_found_after_a_longer_stand() -> None:
    journey = Journey()
    fixes = chain(run_to(journey, 1000), journey.stand(90))
    told, _ = told_by(fixes, route_of(stop_at("first", 5000), stop_at("second", 1005)))
    assert words(told) == [("arrived", "second")]


def test_a_stop_done_from_the_same_place_begins_when_the_one_before_is_off_the_route() -> None:
    journey = Journey()
    both = route_of(stop_at("a", 1000), stop_at("b", 1012))
    told, state = told_by(chain(run_to(journey, 1002), journey.stand(60)), both)
    assert words(told) == [("arrived", "a")]
    done_s = journey.at_s
    only_b = route_of(stop_at("b", 1012), revision=2)
    told, state = told_by(journey.stand(60), only_b, state)
    assert words(told) == [("departed", "a"), ("arrived", "b")]
    assert [seconds(event) for event in told] == [pytest.approx(done_s, abs=2)] * 2


def test_a_revision_in_the_middle_of_a_visit_changes_nothing_of_it() -> None:
    journey = Journey()
    told, state = told_by(
        chain(run_to(journey, 1000), journey.stand(60)), route_of(stop_at("a", 1000))
    )
    after = route_of(stop_at("new", 7000), stop_at("a", 1000), revision=2)
    more, _ = told_by(chain(journey.stand(60), run_to(journey, 2000)), after, state)
    assert words([*told, *more]) == [("arrived", "a"), ("departed", "a")]


def test_a_visit_to_a_stop_taken_off_the_route_still_ends() -> None:
    journey = Journey()
    _, state = told_by(
        chain(run_to(journey, 1000), journey.stand(60)), route_of(stop_at("a", 1000))
    )
    told, _ = told_by(run_to(journey, 2000), route_of(stop_at("b", 9000), revision=2), state)
    assert words(told) == [("departed", "a")]


def test_a_van_parked_overnight_where_its_route_begins_arrives_when_the_route_is_told() -> None:
    journey = Journey()
    _, state = told_by(journey.stand(3600), None)
    told, _ = told_by(journey.stand(60), route_of(stop_at("depot", 0)), state)
    assert words(told) == [("arrived", "depot")]
    assert seconds(told[0]) == pytest.approx(3600, abs=2)


def test_coming_back_later_is_another_visit() -> None:
    route = route_of(stop_at("a", 0), stop_at("b", 5000))
    there = [fix_at(s, 0, speed_mps=0) for s in range(60)]
    away = [fix_at(60 + s, 10.0 * min(s, 60), speed_mps=10 if s < 60 else 0) for s in range(90)]
    back = [fix_at(150 + s, 600 - 10.0 * min(s, 60), speed_mps=10 if s < 60 else 0)
            for s in range(200)]  # fmt: skip
    told, _ = told_by([*there, *away, *back], route)
    assert words(told) == [("arrived", "a"), ("departed", "a"), ("arrived", "a")]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.floats(3, 12))
def test_wander_at_a_stop_never_makes_a_second_visit(seed: int, size_m: float) -> None:
    """A stand of ten minutes whose fixes wander up to 30 m, as between houses."""
    rng, east_m, north_m = Random(seed), 0.0, 0.0
    fixes = []
    for s in range(600):
        east_m = east_m * 0.98 + rng.gauss(0, size_m * 0.2)
        north_m = north_m * 0.98 + rng.gauss(0, size_m * 0.2)
        east_m, north_m = (max(-21.0, min(21.0, one)) for one in (east_m, north_m))
        fixes.append(fix_at(s, east_m, north_m, speed_mps=abs(rng.gauss(0, 0.2))))
    told, _ = told_by(fixes, route_of(stop_at("a", 0, 10)))
    assert words(told) == [("arrived", "a")]


drives = st.lists(
    st.tuples(st.sampled_from(["stand", "run"]), st.integers(1, 200), st.floats(1, 20)),
    min_size=1,
    max_size=12,
)
rounds = st.lists(st.integers(0, 3000), max_size=6, unique=True)


def driven(story: list[tuple[str, int, float]]) -> list[Fix]:
    journey = Journey()
    fixes: list[Fix] = []
    for what, for_s, mps in story:
        fixes += journey.stand(for_s) if what == "stand" else journey.drive(for_s, mps)
    return fixes


@settings(max_examples=60, deadline=None)
@given(drives, rounds, st.integers(0, 2000))
def test_any_drive_gives_visits_one_after_the_other_and_the_same_over_a_restart(
    story: list[tuple[str, int, float]], places: list[int], cut: int
) -> None:
    route = route_of(*(stop_at(f"s{n}", place) for n, place in enumerate(places)))
    fixes = driven(story)
    told, whole = told_by(fixes, route)
    first, state = told_by(fixes[:cut], route)
    kept = msgspec.json.decode(msgspec.json.encode(state), type=ArrivalState)
    second, cut_up = told_by(fixes[cut:], route, kept)
    assert [*first, *second] == told
    assert cut_up == whole
    at_stop: str | None = None
    last_ms = 0
    for event in told:
        assert event.at_ms >= last_ms
        last_ms = event.at_ms
        if isinstance(event, StopArrived):
            assert at_stop is None
            at_stop = event.stop
        else:
            assert at_stop == event.stop
            at_stop = None


@settings(max_examples=30, deadline=None)
@given(drives, rounds)
def test_late_and_repeated_fixes_change_nothing_once_they_are_in_order(
    story: list[tuple[str, int, float]], places: list[int]
) -> None:
    route = route_of(*(stop_at(f"s{n}", place) for n, place in enumerate(places)))
    fixes = driven(story)
    twice = [fix for fix in fixes for _ in range(2)]
    assert told_by(twice, route) == told_by(fixes, route)


def test_at_ten_hertz_the_same_is_told() -> None:
    def drive(rate_hz: float) -> list[tuple[str, str]]:
        journey = Journey(rate_hz=rate_hz)
        fixes = chain(run_to(journey, 1000), journey.stand(60), run_to(journey, 2000))
        return words(told_by(fixes, route_of(stop_at("a", 1000)))[0])

    assert drive(10.0) == drive(1.0) == [("arrived", "a"), ("departed", "a")]


def test_a_silence_while_parked_ends_no_visit_and_one_elsewhere_does() -> None:
    route = route_of(stop_at("a", 0))
    there = [fix_at(s, 0, speed_mps=0) for s in range(60)]
    told, state = told_by(there, route)
    parked, same = told_by([fix_at(2000 + s, 5, speed_mps=0) for s in range(60)], route, state)
    assert parked == []
    gone, _ = told_by([fix_at(4000 + s, 5000, speed_mps=0) for s in range(60)], route, same)
    assert words([*told, *gone]) == [("arrived", "a"), ("departed", "a")]
    assert seconds(gone[0]) == pytest.approx(2059, abs=2)
