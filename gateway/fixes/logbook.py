"""The van's logbook: everything between an epoch and what is kept or told.

Pure: it is told the time, and gives back what to publish, keep and tell. Outside the shift no
coordinate comes out of it in any form; odometer and trips go on without.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.fixes.adaptive import Keeper
from gateway.fixes.driving import Driving, DrivingRules
from gateway.fixes.epochs import Epoch
from gateway.fixes.failures import Failure, Failures
from gateway.fixes.judging import Judge, Judged
from gateway.fixes.privacy import is_on_duty, known_ms, without_where
from gateway.fixes.trust import Reception, ReceptionWatch
from gateway.fixes.validation import ValidationRules
from gateway.stamp import Stamp
from wire.arrival import ArrivalRules, ArrivalState, advance
from wire.desired import Geofence, Keeping, Shift
from wire.events import (
    DoorMoved,
    DutyChanged,
    EventBody,
    IgnitionSwitched,
    PowerFailing,
    StopArrived,
    StopDeparted,
    TemperatureTold,
    TripEnded,
    TripStarted,
    Where,
)
from wire.geofences import GeofenceWatch, Inside
from wire.messages import Fix, Route
from wire.motion import Motion, MotionState, Step
from wire.trips import TripRules, Trips, TripState
from wire.values import FixSource, Name

_MARKS = (TripStarted, TripEnded, StopArrived, StopDeparted)
"""Events whose moment is kept as a fix too."""

_FIXES_TELL_MS: Final = 5_000
"""So long after a fix it is the fixes that say when a shift begins and ends."""


class LogbookRules(msgspec.Struct, frozen=True, kw_only=True):
    """By what is decided; what can be desired from afar is only where it begins."""

    validation: ValidationRules = ValidationRules()
    keeping: Keeping = Keeping()
    trips: TripRules = TripRules()
    driving: DrivingRules = DrivingRules()
    arrival: ArrivalRules = ArrivalRules()


class LogbookState(msgspec.Struct, frozen=True, kw_only=True):
    """What must survive a restart."""

    motion: MotionState = MotionState()
    trips: TripState = TripState()
    arrival: ArrivalState = ArrivalState()
    inside: tuple[Inside, ...] = ()
    told_duty: bool = True
    told_ignition: bool | None = None
    doors: dict[Name, bool] = {}


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from one epoch or input.

    Attributes:
        live: the newest fix, for the live lane. kept: for history, oldest first.
        events: in the order in which they happened.
        refused: why the epoch was no fix that is believed.
        failures: of rules; the fix and what the other rules say of it stand all the same.
    """

    live: Fix | None = None
    kept: tuple[Fix, ...] = ()
    events: tuple[EventBody, ...] = ()
    refused: str | None = None
    failures: tuple[Failure, ...] = ()


class Logbook:
    """Composes the rules over one van's fixes and inputs.

    Attributes:
        refused: how many epochs were refused since the start, by reason.
        is_on_duty: whether coordinates may leave the van now.
    """

    def __init__(self, rules: LogbookRules, state: LogbookState | None = None) -> None:
        kept = state or LogbookState()
        self.refused: Counter[str] = Counter()
        self.is_on_duty = kept.told_duty
        self._told_duty = kept.told_duty
        self._told_ignition = kept.told_ignition
        self._judge = Judge(rules.validation)
        self._keeper = Keeper(rules.keeping)
        self._motion = Motion(kept.motion)
        self._trips = Trips(rules.trips, kept.trips)
        self._driving = Driving(rules.driving)
        self._arrival_rules = rules.arrival
        self._arrival = kept.arrival
        self._route: Route | None = None
        self._geofences = GeofenceWatch(kept.inside)
        self._reception = ReceptionWatch()
        self._shifts: Sequence[Shift] | None = None
        self._here: Where | None = None
        self._fix_at_ms: int | None = None
        self._doors = dict(kept.doors)
        self._failures = Failures()

    @classmethod
    def restored(cls, rules: LogbookRules, body: bytes | None) -> "Logbook":
        """Go on from `state`; from nothing when there is none or it cannot be read."""
        try:
            state = None if body is None else msgspec.json.decode(body, type=LogbookState)
        except msgspec.DecodeError:
            state = None
        return cls(rules, state)

    def state(self) -> bytes:
        """What must survive a restart."""
        return msgspec.json.encode(
            LogbookState(
                motion=self._motion.state,
                trips=self._trips.state,
                arrival=self._arrival,
                inside=self._geofences.inside,
                told_duty=self._told_duty,
                told_ignition=self._told_ignition,
                doors=self._doors,
            )
        )

    @property
    def odometer_m(self) -> float:
        """All that was driven since the gateway was put into the van."""
        return self._motion.state.odometer_m

    @property
    def reception(self) -> Reception | None:
        """The newest certain word of the receiver on its reception."""
        return self._reception.latest

    def keep(self, keeping: Keeping) -> None:
        """Keep fixes by these rules from now on."""
        self._keeper.follow(keeping)

    def keep_shifts(self, shifts: Sequence[Shift] | None) -> None:
        """Let no coordinate out outside of ``shifts``; None is always on duty."""
        self._shifts = shifts

    def follow(self, route: Route | None) -> None:
        """Look for arrivals at the stops of ``route`` from now on."""
        self._route = route

    def guard(self, geofences: Sequence[Geofence]) -> None:
        """Watch these geofences from now on."""
        self._geofences.guard(geofences)

    def is_witness(self, fix: Fix, told_mps: float | None, receiver: Name) -> bool:
        """Whether the time of ``fix`` may speak for or against the clock, see `Validation`."""
        return self._judge.is_witness(fix, told_mps, receiver)

    def judge(
        self, epoch: Epoch, stamp: Stamp, source: FixSource, receiver: Name = "receiver"
    ) -> Judged:
        """What is held of ``epoch``, read at ``stamp`` from the receiver of this name."""
        return self._judge.judge(epoch, stamp, source, receiver)

    def take(
        self, epoch: Epoch, stamp: Stamp, source: FixSource, receiver: Name = "receiver"
    ) -> Entries:
        """`judge` and `enter`, for a van with one receiver."""
        return self.enter(self.judge(epoch, stamp, source, receiver))

    def enter(self, judged: Judged) -> Entries:
        """What follows from an epoch of the receiver in use."""
        fix, stamp, why = judged.fix, judged.stamp, judged.verdict.refused
        told = self._hear_reception(judged.epoch, stamp, judged.receiver)
        if fix is None or why is not None:
            duty, kept = self._look_by_time(stamp)
            return self._refuse(why or "no_fix", (*told, *duty), kept)
        is_break = self._judge.is_break(judged)
        self._fix_at_ms = stamp.now_ms
        duty, kept = self._look_at_shift(known_ms(fix))
        happened = self._live_through(fix, is_break=is_break)
        if not self.is_on_duty:
            happened = without_where(happened)
            return Entries(
                kept=kept, events=(*told, *duty, *happened), failures=self._failures.taken()
            )
        kept += self._kept_of(fix, happened, is_break=is_break)
        return Entries(
            live=fix,
            kept=self._allowed(kept),
            events=(*told, *duty, *happened),
            failures=self._failures.taken(),
        )

    def settle(self) -> tuple[Fix, ...]:
        """What a group commit must not leave out, see `Keeper.settle`."""
        return self._allowed(self._keeper.settle())

    def flush(self) -> tuple[Fix, ...]:
        """The fix that is held back: the gateway stops."""
        return self._allowed(self._keeper.flush())

    def ignition(self, stamp: Stamp, *, is_on: bool) -> Entries:
        """The ignition was switched, or is known for the first time since the start."""
        duty, kept = self._look_by_time(stamp)
        events: tuple[EventBody, ...] = self._trips.ignition(stamp.now_ms, is_on=is_on)
        if is_on != self._told_ignition:
            self._told_ignition = is_on
            events = (IgnitionSwitched(is_on=is_on, at_ms=stamp.now_ms), *events)
        if not self._may_tell(stamp):
            events = without_where(events)
        return Entries(events=(*duty, *events), kept=self._allowed(kept))

    def door(self, stamp: Stamp, name: Name, *, is_open: bool) -> Entries:
        """A door is open or closed now; one of which nothing was told is closed."""
        if self._doors.get(name, False) is is_open:
            return Entries()
        self._doors[name] = is_open
        duty, kept = self._look_by_time(stamp)
        where = self._here if self._may_tell(stamp) else None
        moved = DoorMoved(door=name, is_open=is_open, at_ms=stamp.now_ms, where=where)
        return Entries(events=(*duty, moved), kept=self._allowed(kept))

    def pass_time(self, stamp: Stamp) -> Entries:
        """Nothing has come, but a shift may have begun or ended meanwhile."""
        duty, kept = self._look_by_time(stamp)
        return Entries(events=duty, kept=self._allowed(kept))

    def power_failing(self, stamp: Stamp) -> Entries:
        """The supply is about to fail: nothing is held back any longer."""
        return Entries(kept=self.flush(), events=(PowerFailing(at_ms=stamp.now_ms),))

    def temperature(self, stamp: Stamp, sensor: Name, celsius_d: int) -> Entries:
        """A sensor has something new to tell."""
        told = TemperatureTold(sensor=sensor, at_ms=stamp.now_ms, celsius_d=celsius_d)
        return Entries(events=(told,))

    def _refuse(self, why: str, events: Iterable[EventBody], kept: tuple[Fix, ...]) -> Entries:
        self.refused[why] += 1
        return Entries(events=tuple(events), refused=why, kept=self._allowed(kept))

    def _hear_reception(self, epoch: Epoch, stamp: Stamp, receiver: Name) -> tuple[EventBody, ...]:
        heard = Reception(
            receiver=receiver,
            jamming=epoch.jamming,
            spoofing=epoch.spoofing,
            antenna=epoch.antenna,
        )
        changed = self._reception.take(heard, stamp.now_ms)
        return () if changed is None else (changed,)

    def _look_by_time(self, stamp: Stamp) -> tuple[tuple[EventBody, ...], tuple[Fix, ...]]:
        """`_look_at_shift` by the gateway's clock, when no fix has come for a while."""
        fix_at_ms = self._fix_at_ms
        if fix_at_ms is not None and abs(stamp.now_ms - fix_at_ms) < _FIXES_TELL_MS:
            return (), ()
        return self._look_at_shift(_told_ms(stamp))

    def _may_tell(self, stamp: Stamp) -> bool:
        """Whether a coordinate may leave the van now, by the fixes and by the clock."""
        return self.is_on_duty and is_on_duty(self._shifts, _told_ms(stamp))

    def _look_at_shift(self, known_ms: int | None) -> tuple[tuple[EventBody, ...], tuple[Fix, ...]]:
        """The change of duty at this moment, and what was held back while on duty."""
        is_on = is_on_duty(self._shifts, known_ms)
        kept: tuple[Fix, ...] = ()
        if is_on != self.is_on_duty:
            kept = self._keeper.flush()
            self._keeper.forget()
            self._driving.forget()
            self._here = None
            self.is_on_duty = is_on
        if known_ms is None or is_on == self._told_duty:
            return (), kept
        self._told_duty = is_on
        return (DutyChanged(is_on_duty=is_on, at_ms=known_ms),), kept

    def _live_through(self, fix: Fix, *, is_break: bool) -> tuple[EventBody, ...]:
        """What happens to the van at ``fix``, in or out of its shift."""
        where = Where(lat_e7=fix.lat_e7, lon_e7=fix.lon_e7) if self.is_on_duty else None
        self._here = where
        tried = self._failures.tried
        steps = tried("motion", lambda: (self._motion.take(fix, is_break=is_break),))
        return tuple(event for step in steps for event in self._follow(step, where))

    def _follow(self, step: Step, where: Where | None) -> tuple[EventBody, ...]:
        if step.back_ms:
            self._arrival = _redated(self._arrival, step.at_ms)
        trips = self._failures.tried("trips", lambda: self._trips.take(step, where))
        return (*trips, *self._on_duty(step, where))

    def _on_duty(self, step: Step, where: Where | None) -> tuple[EventBody, ...]:
        """What is told on duty alone, as it would tell where the van is."""
        if where is None:
            return ()
        tried = self._failures.tried
        return (
            *tried("arrival", lambda: self._look_for_stops(step)),
            *tried("geofences", lambda: self._geofences.take(step.fix)),
            *tried("driving", lambda: self._driving.take(step, where)),
        )

    def _look_for_stops(self, step: Step) -> tuple[EventBody, ...]:
        self._arrival, stops = advance(self._arrival, step.fix, self._route, self._arrival_rules)
        return stops

    def _kept_of(
        self, fix: Fix, happened: Iterable[EventBody], *, is_break: bool
    ) -> tuple[Fix, ...]:
        kept = self._failures.tried(
            "keeping", lambda: self._keeper.take(fix, is_break=is_break), (fix,)
        )
        if any(isinstance(event, _MARKS) for event in happened):
            kept += self._keeper.flush()
        return kept

    def _allowed(self, fixes: Iterable[Fix]) -> tuple[Fix, ...]:
        """Those taken on duty: the shifts may have been told since."""
        return tuple(fix for fix in fixes if is_on_duty(self._shifts, known_ms(fix)))


def _told_ms(stamp: Stamp) -> int | None:
    return None if stamp.quality == "none" else stamp.now_ms


def _redated(state: ArrivalState, now_ms: int) -> ArrivalState:
    """``state`` once the date was corrected to ``now_ms``: nothing of it is still to come."""
    visit = state.visit
    if visit is not None:
        visit = msgspec.structs.replace(
            visit,
            arrived_ms=min(visit.arrived_ms, now_ms),
            until_ms=min(visit.until_ms, now_ms),
            out_from_ms=None,
        )
    from_ms = min(state.from_ms, now_ms)
    return msgspec.structs.replace(state, from_ms=from_ms, last=None, stand=None, visit=visit)
