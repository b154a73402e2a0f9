"""The traffic of the simulated city: its hours, its places, its days, its incidents."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sim.opening import DEPOT, ZONE
from sim.traffic import Traffic, TrafficTruth

MONDAY = datetime(2026, 3, 2, tzinfo=ZoneInfo(ZONE))


def traffic(truth: TrafficTruth | None = None, seed: str = "a") -> Traffic:
    return Traffic(zone=ZONE, seed=seed, around=[DEPOT], truth=truth or TrafficTruth(noise=0.0))


def at(hour: float, day: int = 0) -> float:
    return (MONDAY + timedelta(days=day, hours=hour)).timestamp()


def test_the_evening_peak_is_worst_and_the_night_is_empty() -> None:
    city = traffic()
    slowness = {hour: city.slowness(at(hour), DEPOT, "primary") for hour in range(24)}
    assert max(slowness, key=lambda hour: slowness[hour]) in {18, 19}
    assert min(slowness, key=lambda hour: slowness[hour]) < 6
    assert all(each >= 1.0 for each in slowness.values())


def test_small_streets_and_weekends_are_slowed_less() -> None:
    city = traffic()
    peak = city.slowness(at(18.5), DEPOT, "primary")
    assert city.slowness(at(18.5), DEPOT, "residential") < peak
    assert city.slowness(at(18.5, day=5), DEPOT, "primary") < peak


def test_one_seed_is_one_city_and_another_is_another() -> None:
    truth = TrafficTruth()
    hours = [at(hour, day) for day in range(5) for hour in range(24)]
    one = [traffic(truth).slowness(hour, DEPOT, "primary") for hour in hours]
    assert one == [traffic(truth).slowness(hour, DEPOT, "primary") for hour in hours]
    assert one != [traffic(truth, "b").slowness(hour, DEPOT, "primary") for hour in hours]


def test_an_incident_slows_its_place_while_it_lasts() -> None:
    city = traffic(TrafficTruth(strength=0.0))
    found = [one for day in range(20) for one in city.incidents(at(12, day))]
    assert 20 < len(found) < 200
    one = found[0]
    inside, after = (one.from_s + one.to_s) / 2, max(each.to_s for each in found) + 86_400 * 30
    assert city.slowness(inside, one.point, "residential") > 1.5
    far = (one.point[0] + 0.1, one.point[1])
    assert city.slowness(inside, far, "primary") == 1.0
    assert city.incidents(after) != city.incidents(inside)


def test_a_city_without_pattern_and_noise_is_empty() -> None:
    city = traffic(TrafficTruth(strength=0.0, noise=0.0))
    assert {city.slowness(at(hour), DEPOT, "primary") for hour in range(24)} == {1.0}


def test_a_shifted_pattern_comes_later() -> None:
    shifted = traffic(TrafficTruth(shifted_h=2.0, noise=0.0))
    assert shifted.slowness(at(20.5), DEPOT, "primary") == traffic().slowness(
        at(18.5), DEPOT, "primary"
    )
