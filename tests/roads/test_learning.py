"""What is learned from drives whose truth is known."""

import functools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.roads.learning import (
    BUCKETS,
    Met,
    Passage,
    classes,
    gathered,
    learn,
    live,
    packed,
    passages,
    together,
    unpacked,
)
from cloud.roads.matching import Hop
from cloud.roads.segments import Segments

HOUR = 3_600


@functools.cache
def street(count: int = 400) -> Segments:
    """A long street, of which every second segment is slow by the profile, too."""
    lat = np.linspace(-29.9, -29.9 + 0.0005 * (count - 1), count)
    speed = np.where(np.arange(count) % 2, 50.0, 25.0) / 3.6
    metres = np.full(count, 55.6)
    return Segments(
        tail=np.arange(1, count + 1), head=np.arange(2, count + 2), lat=lat, to_lat=lat + 0.0005,
        lon=np.full(count, -71.0), to_lon=np.full(count, -71.0), metres=metres,
        seconds=metres / speed,
    )  # fmt: skip


def bucket(hour_s: int) -> int:
    return hour_s // HOUR % 24


def driven(truth: np.ndarray, hour: int, vans: int, rng: random.Random, first: int = 0) -> Met:
    """Vans over the whole street, with a minute at an unnoticed door now and then."""
    found = []
    for at in range(first, len(street())):
        for _ in range(vans):
            seconds = float(street().seconds[at] * truth[at, hour]) * rng.uniform(0.8, 1.2)
            seconds += rng.choice([0.0] * 99 + [60.0])
            found.append(Passage(tail=at + 1, head=at + 2, seconds=seconds, metres=55.6))
    return gathered(street(), found)


def week(rng: random.Random) -> np.ndarray:
    """A rush at eight, twice as bad on a part of the street."""
    truth = np.ones((len(street()), 24))
    truth[:, 8] = 1.6
    truth[100:200, 8] = 3.0
    truth[300:] *= 1.4
    return truth


def test_the_pattern_of_a_week_is_found_despite_doors_and_reds() -> None:
    rng = random.Random(1)
    truth = week(rng)
    hours = [(d * 86_400 + h * HOUR, driven(truth, h, 2, rng)) for d in range(10) for h in (8, 12)]
    pattern = learn(street(), hours, bucket, 10 * 86_400)
    for hour in (8, 12):
        error = np.abs(np.log(pattern.factor(hour) / truth[:, hour]))
        before = np.abs(np.log(1.0 / truth[:, hour]))
        assert error.mean() < 0.2
        assert hour == 12 or error.mean() < 0.4 * before.mean()


def test_a_street_that_nobody_drove_follows_its_kind_and_no_data_says_nothing() -> None:
    rng = random.Random(2)
    truth = np.full((len(street()), 24), 1.5)
    hours = [(d * 86_400 + 8 * HOUR, driven(truth, 8, 3, rng, first=200)) for d in range(5)]
    factor = learn(street(), hours, bucket, 5 * 86_400).factor(8)
    assert factor[:200] == pytest.approx(1.5, abs=0.25)
    assert learn(street(), [], bucket, 0.0).factor(3) == pytest.approx(1.0)


def test_one_odd_passage_says_little_and_many_say_much() -> None:
    slow = Passage(tail=8, head=9, seconds=60.0, metres=55.6)
    one = learn(street(), [(0, gathered(street(), [slow]))], bucket, 0.0).factor(0)[7]
    many = learn(street(), [(0, gathered(street(), [slow] * 60))], bucket, 0.0).factor(0)[7]
    honest = 60.0 / street().seconds[7]
    assert 1.0 < one < 1.0 + (honest - 1.0) * 0.4
    assert many > 0.8 * honest


@pytest.mark.parametrize("level", [1.0, 1.5])
def test_a_speed_out_of_a_file_holds_until_vans_have_shown_another_and_counts_once(
    level: float,
) -> None:
    """Twice as slow as the profile on a few streets; others of their kind at another level."""
    rng = random.Random(4)
    truth = np.full((len(street()), 24), level)
    truth[:20] = 2.0
    told = np.full(len(street()), np.nan)
    told[:40] = 2.0

    def slow(days: int, *, first: int) -> tuple[np.ndarray, np.ndarray]:
        """With the file and without, over the profile."""
        hours = [(d * 86_400 + 12 * HOUR, driven(truth, 12, 3, rng, first)) for d in range(days)]
        pattern = learn(street(), hours, bucket, days * 86_400)
        plain = pattern.factor(12)
        found = pattern.over(plain, told)
        assert found[40:] == pytest.approx(plain[40:])
        return found * np.where(np.isnan(told), 1.0, told), plain

    assert slow(0, first=0)[0][:40] == pytest.approx(2.0)
    assert slow(10, first=40)[0][:40] == pytest.approx(2.0, abs=0.15), "nobody drove there"
    shown, plain = slow(10, first=0)
    assert shown[:20].mean() == pytest.approx(2.0, abs=0.35), "as told"
    otherwise, alone = np.median(shown[20:40]), np.median(plain[20:40])
    assert alone < otherwise < (alone + 2.0) / 2, "nearer to what vans have shown"


def test_what_is_met_now_decays_to_what_is_usual() -> None:
    usual = np.full(len(street()), 1.2)
    jam = gathered(street(), [Passage(tail=5, head=6, seconds=40.0, metres=55.6)] * 3)
    told = [live(street(), [(age_s, jam)], usual)[4] for age_s in (0.0, 900.0, 3_600.0, 36_000.0)]
    assert told == sorted(told, reverse=True)
    assert told[0] > 1.8
    assert told[-1] == pytest.approx(1.0, abs=0.01)
    assert live(street(), [(0.0, jam)], usual)[9] == 1.0


def hop(first: int, metres: float, *, nodes: tuple[int, ...], turns_s: float = 0.0) -> Hop:
    cuts = tuple(metres / (len(nodes) - 1) for _ in nodes[1:])
    return Hop(
        first=first, last=first + 1, metres=metres, confidence=0.9, line=((0, 0), (1, 1)),
        nodes=nodes, cuts_m=cuts, turns_s=turns_s,
    )  # fmt: skip


def test_standing_at_a_door_is_left_out_and_a_red_light_is_not() -> None:
    hops = [hop(at, 20.0, nodes=(1, 2)) for at in range(3)]
    door = passages(hops, [0.0, 2.0, 182.0, 184.0])
    assert sum(one.seconds for one in door) == 4.0
    red = passages(hops, [0.0, 2.0, 42.0, 44.0])
    assert red == [Passage(tail=1, head=2, seconds=44.0, metres=60.0)]
    known = passages(hops, [0.0, 2.0, 42.0, 44.0], [(3.0, 40.0)])
    assert sum(one.seconds for one in known) == 4.0
    (turning,) = passages([hop(0, 20.0, nodes=(1, 2), turns_s=5.0)], [0.0, 8.0])
    assert turning.seconds == 3.0


@given(st.lists(st.tuples(st.integers(1, 399), st.floats(1, 500)), max_size=40))
def test_what_was_met_is_read_as_it_was_kept(some: list[tuple[int, float]]) -> None:
    met = gathered(street(), [Passage(tail=a, head=a + 1, seconds=s, metres=30.0) for a, s in some])
    again = unpacked(packed(met))
    assert again.tail.tolist() == met.tail.tolist()
    assert again.seconds == pytest.approx(met.seconds, rel=1e-6)


@given(st.lists(st.tuples(st.integers(1, 399), st.floats(1, 500)), max_size=40))
def test_what_some_vans_met_and_the_others_is_what_all_met(some: list[tuple[int, float]]) -> None:
    rows = [Passage(tail=a, head=a + 1, seconds=s, metres=30.0) for a, s in some]
    whole = gathered(street(), rows)
    parts = together([gathered(street(), rows[::2]), gathered(street(), rows[1::2])])
    assert parts.tail.tolist() == whole.tail.tolist()
    assert parts.seconds == pytest.approx(whole.seconds)
    assert parts.expected_s == pytest.approx(whole.expected_s)


def test_hours_alike_are_of_one_class() -> None:
    rng = random.Random(3)
    truth = week(rng)
    hours = [(d * 86_400 + h * HOUR, driven(truth, h, 1, rng)) for d in range(8) for h in range(24)]
    found = classes(learn(street(), hours, bucket, 8 * 86_400), 3)
    assert len(found) == BUCKETS
    assert len(set(found)) == 3
    assert [hour for hour in range(24) if found[hour] == found[8]] == [8]
