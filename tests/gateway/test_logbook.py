"""The rules composed: what is kept and told on duty, and that nothing of it is off duty."""

import re
from itertools import chain

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fixes.epochs import Epoch
from gateway.fixes.logbook import Entries, Logbook, LogbookRules
from gateway.fixes.privacy import is_on_duty
from gateway.stamp import Stamp
from tests.gateway.test_arrival import route_of, run_to, stop_at
from tests.gateway.test_geofences import CIRCLE
from tests.gateway.tracks import (
    START_MS,
    Journey,
    epoch_of,
    events_of,
    fix_at,
    lived,
    moved,
    stamp_at,
)
from wire import codec
from wire.desired import Keeping, Shift
from wire.events import (
    DoorMoved,
    DutyChanged,
    GeofenceEntered,
    IgnitionSwitched,
    ReceptionChanged,
    StopArrived,
    TemperatureTold,
    TripEnded,
    TripStarted,
)
from wire.messages import Fix
from wire.values import ClockQuality

RULES = LogbookRules()


def shift(from_s: float, to_s: float) -> Shift:
    return Shift(from_ms=START_MS + round(from_s * 1000), to_ms=START_MS + round(to_s * 1000))


def told_bytes(entries: list[Entries]) -> bytes:
    return b"\n".join(msgspec.json.encode(entry) for entry in entries)


def day_with_everything(journey: Journey) -> list[Fix]:
    """A drive with a hard stop at a geofence and a visit, and what only a receiver knows."""
    return list(
        chain(
            journey.stand(20),
            journey.change(15, 1.2),
            journey.drive(60, 15),
            journey.change(0, -6),
            journey.stand(60),
            run_to(journey, journey.east_m + 500),
            journey.stand(400),
        )
    )


def everything(shifts: tuple[Shift, ...] | None) -> list[Entries]:
    journey = Journey()
    fixes = day_with_everything(journey)
    logbook = Logbook(RULES)
    logbook.keep_shifts(shifts)
    logbook.guard((CIRCLE,))
    logbook.follow(route_of(stop_at("a", journey.east_m)))
    entries = [logbook.door(stamp_at(0), "side", is_open=True)]
    entries += [logbook.ignition(stamp_at(0), is_on=True)]
    entries += lived(logbook, fixes[:300])
    entries += [logbook.door(stamp_at(300), "side", is_open=False)]
    entries += [logbook.temperature(stamp_at(300), "box", 45)]
    entries += [logbook.ignition(stamp_at(301), is_on=False)]
    entries += lived(logbook, fixes[300:])
    entries += [Entries(kept=logbook.settle()), Entries(kept=logbook.flush())]
    return entries


def test_on_duty_all_is_told_and_off_duty_no_coordinate_is() -> None:
    on_duty = everything(None)
    kinds = {type(event).__name__ for event in events_of(on_duty)}
    assert kinds == {
        "DoorMoved", "IgnitionSwitched", "TripStarted", "TripEnded", "StopArrived",
        "GeofenceEntered", "GeofenceLeft", "HarshDriving", "Idled", "TemperatureTold",
    }  # fmt: skip
    assert b'"lat_e7":-29' in told_bytes(on_duty)
    off_duty = everything(())
    kinds = {type(event).__name__ for event in events_of(off_duty)}
    assert kinds == {
        "DutyChanged", "DoorMoved", "IgnitionSwitched", "TripStarted", "TripEnded", "Idled",
        "TemperatureTold",
    }  # fmt: skip
    assert not re.search(rb"-?299\d{6}|-?712\d{6}|lat|lon", told_bytes(off_duty))
    assert [e.distance_m for e in events_of(off_duty) if isinstance(e, TripEnded)] == [
        e.distance_m for e in events_of(on_duty) if isinstance(e, TripEnded)
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(-50, 700), st.integers(-50, 700))
def test_whatever_the_shift_no_coordinate_of_another_time_is_told(one: int, other: int) -> None:
    begin, end = sorted((one, other))
    duty = shift(begin, end)
    for entry in everything((duty,)):
        for fix in (*entry.kept, *filter(None, [entry.live])):
            assert duty.from_ms <= (fix.fix_time_ms or 0) < duty.to_ms
        for event in entry.events:
            if getattr(event, "where", None) is not None:
                at = getattr(event, "at_ms", 0)
                assert duty.from_ms <= at < duty.to_ms or isinstance(event, StopArrived)


def test_the_edges_of_a_shift_are_told_by_the_time_of_fixes() -> None:
    logbook = Logbook(RULES)
    logbook.keep_shifts((shift(10, 20),))
    # The van's own clock is an hour off: the fixes say when it is.
    entries = [
        logbook.take(epoch_of(fix_at(s)), Stamp(START_MS + 3_600_000, "rtc"), "serial")
        for s in range(30)
    ]
    assert [event for event in events_of(entries) if isinstance(event, DutyChanged)] == [
        DutyChanged(is_on_duty=False, at_ms=START_MS),
        DutyChanged(is_on_duty=True, at_ms=START_MS + 10_000),
        DutyChanged(is_on_duty=False, at_ms=START_MS + 20_000),
    ]
    assert [entry.live is not None for entry in entries] == [False] * 10 + [True] * 10 + [
        False
    ] * 10


def test_a_time_that_is_not_known_is_off_duty() -> None:
    logbook = Logbook(RULES)
    logbook.keep_shifts((shift(-(10**8), 10**8),))
    timeless = epoch_of(moved(fix_at(0), fix_time_ms=None))
    entries = logbook.take(timeless, Stamp(START_MS, "none"), "serial")
    assert (entries.live, entries.kept, entries.events) == (None, (), ())
    assert not logbook.is_on_duty


AFTER_S = 5 * 3600


@pytest.mark.parametrize("quality", ["none", "rtc", "gnss"])
def test_an_input_after_the_shift_tells_no_place_though_no_epoch_has_come(
    quality: ClockQuality,
) -> None:
    logbook = Logbook(RULES)
    logbook.keep_shifts((shift(0, 3600),))
    lived(logbook, [fix_at(s) for s in range(10)])
    later = Stamp(stamp_at(AFTER_S).now_ms, quality)
    told = [
        *logbook.door(later, "rear", is_open=True).events,
        *logbook.ignition(later, is_on=True).events,
        *logbook.ignition(later, is_on=False).events,
    ]
    kinds = {type(event).__name__ for event in told} - {"DutyChanged"}
    assert kinds == {"DoorMoved", "IgnitionSwitched", "TripStarted", "TripEnded"}
    assert {getattr(event, "where", None) for event in told} == {None}
    assert not logbook.is_on_duty


def test_a_door_just_after_the_shift_tells_no_place_before_the_fixes_say_that_it_is_over() -> None:
    logbook = Logbook(RULES)
    logbook.keep_shifts((shift(0, 10),))
    lived(logbook, [fix_at(s) for s in range(10)])
    (event,) = logbook.door(stamp_at(11), "rear", is_open=True).events
    assert event == DoorMoved(door="rear", is_open=True, at_ms=stamp_at(11).now_ms)


def test_the_end_of_a_shift_is_told_though_no_epoch_comes_any_more() -> None:
    logbook = Logbook(RULES)
    logbook.keep_shifts((shift(0, 3600),))
    lived(logbook, [fix_at(s) for s in range(10)])
    assert logbook.pass_time(stamp_at(3000)) == Entries()
    assert logbook.pass_time(stamp_at(AFTER_S)).events == (
        DutyChanged(is_on_duty=False, at_ms=stamp_at(AFTER_S).now_ms),
    )
    assert logbook.pass_time(stamp_at(AFTER_S + 1)) == Entries()


def test_shifts_told_late_hold_for_what_was_held_back() -> None:
    logbook = Logbook(RULES)
    lived(logbook, [fix_at(s, 10.0 * s) for s in range(5)])
    logbook.keep_shifts(())
    assert logbook.flush() == ()


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=4), st.integers(0, 100)
)
def test_on_duty_is_inside_any_shift(spans: list[tuple[int, int]], now_ms: int) -> None:
    shifts = [Shift(from_ms=begin, to_ms=end) for begin, end in spans]
    assert is_on_duty(shifts, now_ms) is any(begin <= now_ms < end for begin, end in spans)
    assert is_on_duty(None, None)
    assert not is_on_duty(shifts, None)


def test_a_refused_fix_is_neither_live_nor_kept_and_is_counted() -> None:
    logbook = Logbook(RULES)
    lived(logbook, [fix_at(0)])
    (entry,) = lived(logbook, [fix_at(1, 90_000)])
    assert (entry.refused, entry.live, entry.kept) == ("jump", None, ())
    logbook.take(Epoch(utc_ms=None, position=None, mode=1), stamp_at(2), "serial")
    assert logbook.refused == {"jump": 1, "no_fix": 1}


def test_the_fix_of_an_arrival_is_kept_at_once() -> None:
    journey = Journey()
    logbook = Logbook(RULES)
    logbook.follow(route_of(stop_at("a", 1000)))
    fixes = list(chain(run_to(journey, 1000), journey.stand(60)))
    entries = lived(logbook, fixes)
    (index,) = [
        n
        for n, entry in enumerate(entries)
        if any(isinstance(e, StopArrived) for e in entry.events)
    ]
    assert entries[index].kept[-1].fix_time_ms == fixes[index].fix_time_ms


def test_reception_is_told_once_it_has_lasted() -> None:
    logbook = Logbook(RULES)

    def heard(at_s: float, **what: str) -> list[object]:
        epoch = msgspec.structs.replace(epoch_of(fix_at(at_s)), **what)
        return list(logbook.take(epoch, stamp_at(at_s), "serial", "roof").events)

    assert [heard(s, jamming="ok") for s in range(10)].count([]) == 9
    assert [heard(10 + s, jamming="critical" if s % 2 else "ok") for s in range(20)] == [[]] * 20
    told = [event for s in range(10) for event in heard(30 + s, jamming="critical", antenna="open")]
    assert told == [
        ReceptionChanged(
            receiver="roof", at_ms=stamp_at(30).now_ms, jamming="critical", antenna="open"
        )
    ]
    assert logbook.reception is not None
    assert logbook.reception.jamming == "critical"


def test_a_receiver_that_says_nothing_of_its_reception_tells_no_change() -> None:
    assert events_of(lived(Logbook(RULES), [fix_at(s) for s in range(60)])) == []


def test_every_event_can_be_sent() -> None:
    for event in events_of(everything(None)):
        codec.encode(event)  # type: ignore[arg-type]


def test_state_is_small_and_survives() -> None:
    logbook = Logbook(RULES)
    journey = Journey()
    logbook.follow(route_of(stop_at("a", 700)))
    logbook.guard((CIRCLE,))
    lived(logbook, day_with_everything(journey))
    body = logbook.state()
    assert len(body) < 4096
    restored = Logbook.restored(RULES, body)
    restored.guard((CIRCLE,))
    assert restored.state() == body


@pytest.mark.parametrize("is_all", [True, False])
def test_desired_keeping_holds(is_all: bool) -> None:
    logbook = Logbook(RULES)
    logbook.keep(Keeping(is_all=is_all))
    entries = lived(logbook, Journey().drive(60, 10))
    assert (sum(len(entry.kept) for entry in entries) == 60) is is_all


def test_inputs_are_told() -> None:
    logbook = Logbook(RULES)
    lived(logbook, [fix_at(0)])
    (moved_door,) = logbook.door(stamp_at(1), "rear", is_open=True).events
    assert isinstance(moved_door, DoorMoved)
    assert moved_door.where is not None
    (told,) = logbook.temperature(stamp_at(1), "box", -185).events
    assert told == TemperatureTold(sensor="box", at_ms=stamp_at(1).now_ms, celsius_d=-185)
    switched, started = logbook.ignition(stamp_at(2), is_on=True).events
    assert isinstance(switched, IgnitionSwitched)
    assert isinstance(started, TripStarted)


def test_a_geofence_entered_off_duty_is_told_at_the_beginning_of_the_shift() -> None:
    logbook = Logbook(RULES)
    logbook.guard((CIRCLE,))
    logbook.keep_shifts((shift(60, 1000),))
    entries = lived(logbook, [fix_at(s) for s in range(70)])
    (entered,) = [e for e in events_of(entries) if isinstance(e, GeofenceEntered)]
    assert entered.at_ms == START_MS + 60_000
