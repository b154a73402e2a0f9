"""What dwells tell of a door: laws of the learner, and its error against a fixed time."""

from math import exp
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.places.model import Place, PlaceKind
from cloud.places.service_times import DEFAULT_S, Dwell, ServiceTimes, learned

seconds = st.floats(20, 1_200)
KINDS: tuple[PlaceKind, ...] = ("house", "flats", "shop", "office")


def place(name: str, kind: PlaceKind | None = "house") -> Place:
    where = {"address": name, "lat": 0.0, "lon": 0.0, "street": "", "street_distance_m": 0.0}
    return Place(tenant="main", id=name, kind=kind, **where)  # type: ignore[arg-type]


def test_where_nothing_was_seen_the_usual_time_holds() -> None:
    for times in (ServiceTimes(), learned([])):
        assert times.at(None) == times.at(place("a")) == round(DEFAULT_S)


@given(st.lists(seconds, min_size=1, max_size=30))
def test_what_is_told_lies_between_the_usual_and_what_was_seen(seen: list[float]) -> None:
    told = learned(Dwell("a", "house", one) for one in seen).at(place("a"))
    assert min([DEFAULT_S, *seen]) - 1 <= told <= max([DEFAULT_S, *seen]) + 1


@given(seconds)
def test_a_door_that_was_seen_often_is_taken_at_its_word(dwell: float) -> None:
    times = learned([Dwell("a", "house", dwell)] * 400)
    assert times.at(place("a")) == pytest.approx(dwell, rel=0.05, abs=1)


@given(st.lists(st.floats(100, 140), min_size=6, max_size=20), st.floats(1_000, 1e9))
def test_one_long_lunch_moves_little(seen: list[float], lunch: float) -> None:
    plain = [Dwell("a", "house", one) for one in seen]
    before, after = learned(plain), learned([*plain, Dwell("a", "house", lunch)])
    assert after.at(place("a")) == pytest.approx(before.at(place("a")), rel=0.15)


def test_a_new_door_is_as_others_of_its_kind() -> None:
    times = learned(
        [Dwell(f"h{n}", "house", 60) for n in range(300)]
        + [Dwell(f"o{n}", "office", 600) for n in range(300)]
    )
    assert times.at(place("new", "house")) < 80
    assert times.at(place("new", "office")) > 450
    assert (
        times.at(place("new", "house"))
        < times.at(place("new", None))
        < times.at(place("new", "office"))
    )


def test_it_errs_less_than_a_fixed_time_and_than_plain_means() -> None:
    """Doors with a habit of their own, some lunches, three dwells seen at each and one to come."""
    luck = Random(7)
    usual = {"house": 90.0, "flats": 240.0, "shop": 150.0, "office": 300.0}
    dwells: list[Dwell] = []
    to_come: list[tuple[Place, float, float]] = []
    for number in range(600):
        kind = KINDS[number % 4]
        habit = usual[kind] * exp(luck.gauss(0, 0.35))
        seen = [
            2_700.0 if luck.random() < 0.03 else habit * exp(luck.gauss(0, 0.4)) for _ in range(3)
        ]
        dwells += [Dwell(f"p{number}", kind, one) for one in seen]
        to_come.append((place(f"p{number}", kind), habit * exp(luck.gauss(0, 0.4)), fmean(seen)))
    times = learned(dwells)
    ours = fmean(abs(times.at(door) - dwell) for door, dwell, _ in to_come)
    fixed = fmean(abs(DEFAULT_S - dwell) for _, dwell, _ in to_come)
    means = fmean(abs(mean - dwell) for _, dwell, mean in to_come)
    assert ours < 0.75 * fixed
    assert ours < 0.75 * means
