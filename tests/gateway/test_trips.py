"""Trips, odometer and idling, by motion and by ignition, over gaps and restarts."""

from collections.abc import Iterable
from itertools import chain
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fixes.epochs import Epoch
from gateway.fixes.logbook import Entries, Logbook, LogbookRules
from tests.gateway.tracks import (
    START_MS,
    Journey,
    epoch_of,
    events_of,
    fix_at,
    lived,
    stamp_at,
)
from wire.events import Idled, IgnitionSwitched, TripEnded, TripStarted
from wire.messages import Fix
from wire.trips import TripRules

RULES = LogbookRules()


def trips(entries: Iterable[Entries]) -> list[TripStarted | TripEnded]:
    return [event for event in events_of(entries) if isinstance(event, TripStarted | TripEnded)]


def delivery_leg(journey: Journey, *, mps: float = 12.0, for_s: float = 120.0) -> Iterable[Fix]:
    return chain(
        journey.stand(60),
        journey.change(mps, 1.2),
        journey.drive(for_s, mps),
        journey.change(0.0, -1.5),
        journey.stand(400),
    )


def test_a_drive_between_two_stands_is_one_trip_told_from_its_true_ends() -> None:
    journey = Journey()
    started, ended = trips(lived(Logbook(RULES), delivery_leg(journey)))
    assert isinstance(started, TripStarted)
    assert isinstance(ended, TripEnded)
    assert started.by == "motion"
    assert started.at_ms == pytest.approx(START_MS + 60_000, abs=3000)
    assert ended.started_at_ms == started.at_ms
    assert ended.at_ms == pytest.approx(START_MS + 198_000, abs=3000)
    assert ended.distance_m == pytest.approx(journey.east_m, abs=5)
    assert ended.moving_s == pytest.approx(138, abs=4)
    assert ended.idling_s == 0
    assert ended.top_speed_cmps == 1200
    assert started.where is not None
    assert ended.where is not None


def with_a_red_light(journey: Journey) -> Iterable[Fix]:
    return chain(
        journey.stand(10),
        journey.change(12, 1.2),
        journey.drive(60, 12),
        journey.change(0, -1.5),
        journey.stand(150),
        journey.change(12, 1.2),
        journey.drive(60, 12),
        journey.change(0, -1.5),
        journey.stand(300),
    )


def test_a_red_light_ends_no_trip_and_without_an_ignition_is_no_idling() -> None:
    journey = Journey()
    told = lived(Logbook(RULES), with_a_red_light(journey))
    _, ended = trips(told)
    assert isinstance(ended, TripEnded)
    assert ended.idling_s == 0
    assert ended.distance_m == pytest.approx(journey.east_m, abs=5)
    assert not [event for event in events_of(told) if isinstance(event, Idled)]


def test_with_the_ignition_on_a_red_light_is_idling() -> None:
    journey = Journey()
    logbook = Logbook(RULES)
    logbook.ignition(stamp_at(0), is_on=True)
    told = events_of(lived(logbook, with_a_red_light(journey)))
    told += logbook.ignition(stamp_at(journey.at_s), is_on=False).events
    assert [event.lasted_s for event in told if isinstance(event, Idled)] == [
        pytest.approx(150, abs=6),
        pytest.approx(300, abs=6),
    ]
    (ended,) = [event for event in told if isinstance(event, TripEnded)]
    assert ended.idling_s == pytest.approx(10 + 150 + 300, abs=12)


def test_an_ignition_known_in_the_middle_of_a_halt_idles_from_then() -> None:
    journey = Journey()
    logbook = Logbook(RULES)
    lived(logbook, chain(journey.drive(60, 12), journey.change(0, -1.5), journey.stand(100)))
    logbook.ignition(stamp_at(journey.at_s), is_on=True)
    lived(logbook, journey.stand(150))
    told = logbook.ignition(stamp_at(journey.at_s), is_on=False).events
    assert [event.lasted_s for event in told if isinstance(event, Idled)] == [
        pytest.approx(150, abs=2)
    ]


NIGHT_S = 14 * 3600.0


@pytest.mark.parametrize("is_clock_known", [True, False])
def test_a_night_without_power_ends_the_trip_where_the_van_was_parked(
    is_clock_known: bool,
) -> None:
    """The box has its power from the ignition: it never sees it off."""
    journey = Journey()
    evening = Logbook(RULES)
    lived(evening, journey.stand(2))
    evening.ignition(stamp_at(journey.at_s), is_on=True)
    fixes = chain(journey.drive(600, 10), journey.change(0, -1.5), journey.stand(60))
    assert trips(lived(evening, fixes)) == []
    parked_s = journey.at_s
    morning = Logbook.restored(RULES, evening.state())
    journey.at_s += NIGHT_S
    wakes_s = journey.at_s if is_clock_known else parked_s
    told: list[object] = [*morning.ignition(stamp_at(wakes_s), is_on=True).events]
    told += events_of(lived(morning, chain(journey.stand(60), journey.drive(600, 10))))
    ended, started = [event for event in told if isinstance(event, TripStarted | TripEnded)]
    assert isinstance(ended, TripEnded)
    assert ended.at_ms == pytest.approx(START_MS + (parked_s - 60) * 1000, abs=3000)
    assert ended.moving_s == pytest.approx(600, abs=10)
    assert isinstance(started, TripStarted)
    assert started.at_ms == pytest.approx(START_MS + (parked_s + NIGHT_S) * 1000, abs=3000)
    assert started.by == "ignition"
    assert not [event for event in told if isinstance(event, Idled)]
    (second,) = trips([morning.ignition(stamp_at(journey.at_s), is_on=False)])
    assert isinstance(second, TripEnded)
    assert second.idling_s == pytest.approx(60, abs=3)


def test_a_restart_with_the_ignition_on_goes_on_with_the_trip() -> None:
    journey = Journey()
    before = Logbook(RULES)
    lived(before, journey.stand(2))
    before.ignition(stamp_at(journey.at_s), is_on=True)
    lived(before, journey.drive(60, 10))
    after = Logbook.restored(RULES, before.state())
    journey.at_s += 20
    assert after.ignition(stamp_at(journey.at_s), is_on=True) == Entries()
    assert trips(lived(after, journey.drive(60, 10))) == []


def wandering(for_s: int, size_m: float, seed: int) -> list[Fix]:
    """A stand with a slow wander of so many metres, as between houses."""
    rng, east_m, north_m, fixes = Random(seed), 0.0, 0.0, []
    for s in range(for_s):
        east_m = east_m * 0.98 + rng.gauss(0, size_m * 0.2)
        north_m = north_m * 0.98 + rng.gauss(0, size_m * 0.2)
        fixes.append(fix_at(s, east_m, north_m, speed_mps=abs(rng.gauss(0, 0.15))))
    return fixes


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(1, 20))
def test_a_stand_with_any_wander_drives_nowhere(seed: int, size_m: float) -> None:
    logbook = Logbook(RULES)
    assert events_of(lived(logbook, wandering(600, size_m, seed))) == []
    assert logbook.odometer_m < 5


@pytest.mark.parametrize("rate_hz", [1.0, 5.0, 10.0])
def test_the_odometer_is_right_at_any_rate_with_noise(rate_hz: float) -> None:
    rng = Random(20261123)
    journey = Journey(rate_hz=rate_hz)
    logbook = Logbook(RULES)
    noisy = [
        fix_at(
            (fix.fix_time_ms or 0) / 1000 - START_MS / 1000,
            (fix.lon_e7 + 712_500_000) * 0.009644 + rng.gauss(0, 0.1),
            rng.gauss(0, 0.1),
            speed_mps=(fix.speed_cmps or 0) / 100,
            course_deg=90,
        )
        for fix in delivery_leg(journey)
    ]
    lived(logbook, noisy)
    assert logbook.odometer_m == pytest.approx(journey.east_m, rel=0.01)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 590))
def test_a_restart_at_any_moment_changes_no_trip(cut: int) -> None:
    fixes = list(delivery_leg(Journey()))
    whole = Logbook(RULES)
    expected = trips(lived(whole, fixes))
    first = Logbook(RULES)
    told = trips(lived(first, fixes[:cut]))
    second = Logbook.restored(RULES, first.state())
    told += trips(lived(second, fixes[cut:]))
    assert [type(event) for event in told] == [type(event) for event in expected]
    for one, other in zip(told, expected, strict=True):
        assert one.at_ms == pytest.approx(other.at_ms, abs=7000)
        assert one.odometer_m == pytest.approx(other.odometer_m, abs=10)
    assert second.odometer_m == pytest.approx(whole.odometer_m, abs=5)


@given(st.binary(max_size=60))
def test_a_state_that_cannot_be_read_begins_anew(body: bytes) -> None:
    logbook = Logbook.restored(RULES, body)
    assert logbook.odometer_m == 0


def test_parking_without_reception_ends_the_trip_where_it_was_last_seen() -> None:
    journey = Journey()
    fixes = list(chain(journey.change(12, 1.2), journey.drive(60, 12)))
    last_s = journey.at_s
    fixes += [fix_at(last_s + 900 + s, journey.east_m + 30, speed_mps=0) for s in range(5)]
    started, ended = trips(lived(Logbook(RULES), fixes))
    assert isinstance(ended, TripEnded)
    assert ended.at_ms == START_MS + round(last_s * 1000)
    assert ended.started_at_ms == started.at_ms


def test_a_tunnel_is_driven_through() -> None:
    journey = Journey()
    fixes = list(chain(journey.change(12, 1.2), journey.drive(60, 12)))
    through = list(journey.drive(200, 12))
    fixes += through[150:]
    logbook = Logbook(RULES)
    assert [type(event) for event in trips(lived(logbook, fixes))] == [TripStarted]
    assert logbook.odometer_m == pytest.approx(journey.east_m, abs=20)


def test_with_the_ignition_wired_it_says_when_a_trip_is() -> None:
    journey = Journey()
    logbook = Logbook(RULES)
    lived(logbook, journey.stand(5))
    on = logbook.ignition(stamp_at(journey.at_s), is_on=True).events
    assert [type(event) for event in on] == [IgnitionSwitched, TripStarted]
    driven = lived(
        logbook,
        chain(
            journey.stand(200),
            journey.change(12, 1.2),
            journey.drive(60, 12),
            journey.change(0, -1.5),
            journey.stand(400),
        ),
    )
    idles = [event for event in events_of(driven) if isinstance(event, Idled)]
    assert [idle.lasted_s for idle in idles] == [pytest.approx(200, abs=6)]
    off = logbook.ignition(stamp_at(journey.at_s), is_on=False).events
    assert [type(event) for event in off] == [IgnitionSwitched, Idled, TripEnded]
    ended = off[-1]
    assert isinstance(ended, TripEnded)
    assert ended.idling_s == pytest.approx(600, abs=12)
    assert events_of(lived(logbook, journey.stand(400))) == []


def test_an_ignition_before_the_first_fix_begins_the_trip_there() -> None:
    logbook = Logbook(RULES)
    assert [type(e) for e in logbook.ignition(stamp_at(0), is_on=True).events] == [IgnitionSwitched]
    (started,) = trips(lived(logbook, Journey().stand(5)))
    assert isinstance(started, TripStarted)
    assert started.by == "ignition"


def test_telling_the_same_ignition_again_is_no_news() -> None:
    logbook = Logbook(RULES)
    logbook.ignition(stamp_at(0), is_on=True)
    restored = Logbook.restored(RULES, logbook.state())
    assert restored.ignition(stamp_at(1), is_on=True) == Entries()


def test_moving_the_van_in_its_yard_is_no_trip() -> None:
    journey = Journey()
    fixes = chain(journey.stand(20), journey.drive(8, 2.0), journey.stand(300))
    assert trips(lived(Logbook(RULES), fixes)) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["fix", "gap", "none", "on", "off"]),
            st.floats(0.1, 400),
            st.floats(-900, 900),
            st.none() | st.floats(0, 65),
        ),
        max_size=60,
    )
)
def test_trips_always_alternate_and_the_odometer_never_goes_back(
    story: list[tuple[str, float, float, float | None]],
) -> None:
    logbook = Logbook(LogbookRules(trips=TripRules(start_after_ms=2000)))
    at_s = east_m = odometer_m = 0.0
    entries: list[Entries] = []
    for kind, lasts_s, by_m, speed_mps in story:
        at_s += lasts_s
        if kind in {"fix", "gap"}:
            east_m += by_m if kind == "fix" else by_m * 50
            entries += lived(logbook, [fix_at(at_s, east_m, speed_mps=speed_mps)])
        elif kind == "none":
            nothing = Epoch(utc_ms=None, position=None, mode=1)
            entries.append(logbook.take(nothing, stamp_at(at_s), "serial"))
        else:
            entries.append(logbook.ignition(stamp_at(at_s), is_on=kind == "on"))
        assert logbook.odometer_m >= odometer_m
        odometer_m = logbook.odometer_m
    told = trips(entries)
    assert [type(event) for event in told] == [TripStarted, TripEnded] * (len(told) // 2) + [
        TripStarted
    ] * (len(told) % 2)
    for event in told:
        if isinstance(event, TripEnded):
            assert event.started_at_ms <= event.at_ms


def test_no_speed_from_the_receiver_is_no_reason_to_lose_a_trip() -> None:
    fixes = [fix_at(s) for s in range(20)]
    fixes += [fix_at(20 + s, 10.0 * s) for s in range(60)]
    fixes += [fix_at(80 + s, 590.0) for s in range(300)]
    told = trips(lived(Logbook(RULES), fixes))
    assert [type(event) for event in told] == [TripStarted, TripEnded]
    assert told[1].odometer_m == pytest.approx(590, abs=15)


def test_epochs_of_the_builders_read_back() -> None:
    fix = fix_at(1, 5, 6, speed_mps=3, course_deg=45)
    logbook = Logbook(RULES)
    live = logbook.take(epoch_of(fix), stamp_at(1), "serial").live
    assert live is not None
    assert (live.lat_e7, live.lon_e7) == (fix.lat_e7, fix.lon_e7)
