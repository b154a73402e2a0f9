"""Whatever drives, dates and inputs come: every event of the logbook survives the wire."""

from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fixes.logbook import Logbook, LogbookRules
from gateway.stamp import Stamp
from tests.gateway.test_arrival import route_of, stop_at
from tests.gateway.test_geofences import CIRCLE
from tests.gateway.tracks import START_MS, epoch_of, events_of, fix_at, moved
from wire import codec
from wire.events import EventBody, Idled, StopArrived, StopDeparted, TripEnded
from wire.messages import Event
from wire.values import ClockQuality

HOUR_S = 3600.0
JUMPS_S = (0.0, 0.0, -HOUR_S, -24 * HOUR_S, -168 * HOUR_S, HOUR_S, 24 * HOUR_S, -2.0, 30.0)


class Phase(NamedTuple):
    """A while of a drive: at one speed, after the receiver's date has jumped."""

    mps: float
    lasts_s: int
    jump_s: float = 0.0
    quality: ClockQuality = "rtc"
    is_ignited: bool | None = None


PHASES = st.builds(
    Phase,
    mps=st.sampled_from([0.0, 10.0, 3.0, 0.3, 30.0]),
    lasts_s=st.sampled_from([20, 60, 250, 5]),
    jump_s=st.sampled_from(JUMPS_S),
    quality=st.sampled_from(["rtc"] * 6 + ["none", "gnss"]),
    is_ignited=st.sampled_from([None] * 8 + [True, False]),
)


def lived_through(phases: Iterable[Phase], *, restarts_after: int | None = None) -> list[object]:
    """All events of a van that lives through ``phases``, second by second, at a stop now and then.

    Its own clock goes on by the second; the receiver's date jumps between the phases.
    """
    logbook = Logbook(LogbookRules())
    told_s = own_s = east_m = 0.0
    events: list[object] = []
    for index, phase in enumerate(phases):
        if index == restarts_after:
            logbook = Logbook.restored(LogbookRules(), logbook.state())
        logbook.guard((CIRCLE,))
        logbook.follow(route_of(stop_at("a", 600), stop_at("b", east_m + 10)))
        told_s += phase.jump_s
        now = Stamp(START_MS + round(own_s * 1000), phase.quality)
        if phase.is_ignited is not None:
            events += logbook.ignition(now, is_on=phase.is_ignited).events
        events += logbook.door(now, "rear", is_open=index % 2 == 0).events
        for _ in range(phase.lasts_s):
            told_s, own_s, east_m = told_s + 1, own_s + 1, east_m + phase.mps
            fix = fix_at(told_s, east_m, speed_mps=phase.mps, course_deg=90.0)
            now = Stamp(START_MS + round(own_s * 1000), phase.quality)
            events += events_of([logbook.take(epoch_of(fix), now, "serial")])
    return events


def assert_survives(body: EventBody) -> None:
    event = Event(stream="1", seq=0, recorded_at_ms=START_MS, body=body)
    assert codec.decode(codec.encode(event), Event) == event


@settings(max_examples=100, deadline=None)
@given(st.lists(PHASES, min_size=6, max_size=14), st.none() | st.integers(1, 13))
def test_every_event_of_any_drive_with_a_jumping_date_survives_the_wire(
    phases: list[Phase], restarts_after: int | None
) -> None:
    for event in lived_through(phases, restarts_after=restarts_after):
        assert_survives(event)  # type: ignore[arg-type]


@pytest.mark.parametrize("jump_s", [-2 * HOUR_S, -72 * HOUR_S])
def test_a_date_corrected_backwards_while_the_van_sets_off_makes_a_whole_trip(
    jump_s: float,
) -> None:
    creeping = Phase(1.5, 30, jump_s)
    told = lived_through([Phase(8, 60), Phase(0, 30), creeping, Phase(8, 120), Phase(0, 240)])
    (ended,) = [event for event in told if isinstance(event, TripEnded)]
    assert_survives(ended)
    assert ended.started_at_ms <= ended.at_ms
    assert ended.moving_s == pytest.approx(60 + 30 + 120, abs=15)


def test_a_date_corrected_backwards_in_a_stand_lets_it_end_in_its_time() -> None:
    told = lived_through([Phase(8, 120), Phase(0, 60), Phase(0, 300, -72 * HOUR_S)])
    (ended,) = [event for event in told if isinstance(event, TripEnded)]
    assert ended.moving_s == pytest.approx(120, abs=5)
    assert not [event for event in told if isinstance(event, Idled)]


def test_a_date_corrected_backwards_hides_no_arrival_for_days() -> None:
    logbook = Logbook(LogbookRules())
    logbook.follow(route_of(stop_at("a", 0), stop_at("b", 1000)))
    fixes = [fix_at(s, speed_mps=0) for s in range(60)]
    fixes += [fix_at(60 + s, 10.0 * s, speed_mps=10) for s in range(100)]
    early = moved(fixes[80], fix_time_ms=START_MS - 72 * 3_600_000)
    fixes[80:] = [
        moved(fix, fix_time_ms=(early.fix_time_ms or 0) + n * 1000)
        for n, fix in enumerate(fixes[80:])
    ]
    end_s = ((fixes[-1].fix_time_ms or 0) - START_MS) / 1000
    fixes += [fix_at(end_s + 1 + s, 1000, speed_mps=0) for s in range(60)]
    told = events_of(
        logbook.take(epoch_of(fix), Stamp(START_MS + 10**9, "rtc"), "serial") for fix in fixes
    )
    stops = [event for event in told if isinstance(event, StopArrived | StopDeparted)]
    assert [(type(one), one.stop) for one in stops] == [
        (StopArrived, "a"),
        (StopDeparted, "a"),
        (StopArrived, "b"),
    ]
    assert stops[2].at_ms < START_MS
