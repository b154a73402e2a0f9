"""Trips: from where the van sets off to where it comes to rest, by motion or by its ignition."""

import msgspec

from wire.events import Idled, TripEnded, TripStarted, Where
from wire.motion import Mark, Step
from wire.track import distance_m

type TripEvent = TripStarted | TripEnded | Idled


class TripRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a trip begins and ends.

    Attributes:
        start_after_ms, start_m: moving for so long and having come so far begins one.
        end_after_ms: standing for so long ends it, at the moment when the standing began.
        rest_m: the van stands as long as it is no further from where it came to stand.
        silence_m, silence_mps: no fix for ``end_after_ms``, and the next one so near, or reached
            at less than this speed on average, ends it too, whatever the ignition: a garage, or
            a night without power. A long tunnel is driven through.
        idling_after_ms: standing so long with the engine known to be on is idling.
    """

    start_after_ms: int = 5_000
    start_m: float = 30.0
    end_after_ms: int = 180_000
    rest_m: float = 25.0
    silence_m: float = 200.0
    silence_mps: float = 2.0
    idling_after_ms: int = 120_000


class Moment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fix as trips remember it; ``where`` is None when it may not be told."""

    mark: Mark
    odometer_m: float
    where: Where | None = None


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """A trip that is going on.

    Attributes:
        began: where and when. moving_ms, idling_ms: so far, but for the present halt.
        top_cmps: the highest speed that two fixes in a row have told.
        rests: where and when the van came to stand; None while it moves.
        still_ms: when it was last seen to stand there.
        idles_from_ms: before, the engine was not known to be on.
    """

    began: Moment
    moving_ms: int = 0
    idling_ms: int = 0
    top_cmps: int = 0
    rests: Moment | None = None
    still_ms: int = 0
    idles_from_ms: int = 0


class TripState(msgspec.Struct, frozen=True, kw_only=True):
    """What must survive a restart.

    Attributes:
        sets_off: where the van began to move, while it is not yet known to be a trip.
        last: the last fix, and its speed.
        is_ignited: the ignition; None when it is not wired, or not read since the start.
    """

    trip: Trip | None = None
    sets_off: Moment | None = None
    last: Moment | None = None
    speed_cmps: int = 0
    is_ignited: bool | None = None


class Trips:
    """Follows the steps of the van."""

    def __init__(self, rules: TripRules, state: TripState | None = None) -> None:
        self._rules = rules
        # Where the box has its power from the ignition, what it knew at its end is wrong.
        self.state = msgspec.structs.replace(state or TripState(), is_ignited=None)

    def take(self, step: Step, where: Where | None) -> tuple[TripEvent, ...]:
        """What ``step`` begins or ends.

        Args:
            step: the newest one.
            where: its end, if it may be told.
        """
        here = Moment(
            mark=Mark(lat_e7=step.fix.lat_e7, lon_e7=step.fix.lon_e7, at_ms=step.at_ms),
            odometer_m=step.odometer_m,
            where=where,
        )
        if step.back_ms:
            self.state = _redated(self.state, -step.back_ms)
        trip = self.state.trip
        told = self._look_for_start(step, here) if trip is None else self._go_on(trip, step, here)
        self._change(last=here, speed_cmps=round(step.speed_mps * 100))
        return told

    def ignition(self, now_ms: int, *, is_on: bool) -> tuple[TripEvent, ...]:
        """The ignition was switched, or is wired and known for the first time since the start."""
        was_on, last = self.state.is_ignited, self.state.last
        told: tuple[TripEvent, ...] = ()
        if last is not None and was_on != is_on:
            at_ms = max(now_ms, last.mark.at_ms)
            here = msgspec.structs.replace(
                last, mark=msgspec.structs.replace(last.mark, at_ms=at_ms)
            )
            if was_on is None:
                told = self._known_at_last(last, here, is_on=is_on)
            told += self._switched(here, is_on=is_on)
        self._change(is_ignited=is_on)
        return told

    def _switched(self, here: Moment, *, is_on: bool) -> tuple[TripEvent, ...]:
        trip = self.state.trip
        if is_on:
            return self._start(here, by_ignition=True) if trip is None else ()
        if trip is None:
            return ()
        idled = () if trip.rests is None else self._idled(trip, trip.rests, here.mark.at_ms)
        return (*idled, *self._end(self._rested(trip, here.mark.at_ms), here))

    def _known_at_last(self, last: Moment, here: Moment, *, is_on: bool) -> tuple[TripEvent, ...]:
        """The first word of the ignition since the start: what it says of the trip before."""
        trip = self.state.trip
        if trip is None:
            return ()
        if here.mark.at_ms - last.mark.at_ms >= self._rules.end_after_ms:
            return self._end_in_silence(trip, last)
        if is_on:
            self._change(trip=msgspec.structs.replace(trip, idles_from_ms=last.mark.at_ms))
        return ()

    def _change(self, **what: object) -> None:
        self.state = msgspec.structs.replace(self.state, **what)

    def _look_for_start(self, step: Step, here: Moment) -> tuple[TripEvent, ...]:
        if self.state.is_ignited:
            return self._start(here, by_ignition=True)
        if not step.is_moving or not step.is_connected:
            self._change(sets_off=None)
            return ()
        began = self.state.sets_off or self.state.last or here
        self._change(sets_off=began)
        lasted_ms = step.at_ms - began.mark.at_ms
        is_far = distance_m(began.mark, here.mark) >= self._rules.start_m
        if lasted_ms < self._rules.start_after_ms or not is_far:
            return ()
        started = self._start(began, by_ignition=False)
        self._change(trip=Trip(began=began, moving_ms=lasted_ms))
        return started

    def _start(self, began: Moment, *, by_ignition: bool) -> tuple[TripEvent, ...]:
        halt = began if by_ignition else None
        self._change(trip=Trip(began=began, rests=halt, still_ms=began.mark.at_ms), sets_off=None)
        return (
            TripStarted(
                at_ms=began.mark.at_ms,
                where=began.where,
                odometer_m=round(began.odometer_m),
                by="ignition" if by_ignition else "motion",
            ),
        )

    def _go_on(self, trip: Trip, step: Step, here: Moment) -> tuple[TripEvent, ...]:
        last = self.state.last or trip.began
        if self._was_parked_in_silence(trip, last, here):
            return (*self._end_in_silence(trip, last), *self._look_for_start(step, here))
        if trip.rests is None:
            self._change(trip=self._driven(trip, step, here))
            return ()
        halt = trip.rests
        if not step.is_moving:
            self._change(trip=msgspec.structs.replace(trip, still_ms=step.at_ms))
        elif distance_m(halt.mark, here.mark) > self._rules.rest_m:
            going = self._driven(self._rested(trip, trip.still_ms), step, here)
            off_ms = max(0, last.mark.at_ms - trip.still_ms)
            self._change(trip=msgspec.structs.replace(going, moving_ms=going.moving_ms + off_ms))
            return self._idled(trip, halt, trip.still_ms)
        lasted_ms = step.at_ms - halt.mark.at_ms
        if self.state.is_ignited or lasted_ms < self._rules.end_after_ms:
            return ()
        return self._end(trip, halt)

    def _was_parked_in_silence(self, trip: Trip, last: Moment, here: Moment) -> bool:
        silent_ms = here.mark.at_ms - last.mark.at_ms
        # With the ignition a trip begins before the first fix of the day.
        has_just_begun = last.mark.at_ms < trip.began.mark.at_ms
        if has_just_begun or silent_ms < self._rules.end_after_ms:
            return False
        reach_m = max(self._rules.silence_m, self._rules.silence_mps * silent_ms / 1000)
        return distance_m(last.mark, here.mark) <= reach_m

    def _end_in_silence(self, trip: Trip, last: Moment) -> tuple[TripEvent, ...]:
        """The trip is over since the van was last seen, or since it stood where it was seen."""
        return self._end(self._rested(trip, trip.still_ms), trip.rests or last)

    def _driven(self, trip: Trip, step: Step, here: Moment) -> Trip:
        """``trip`` after a step on the move."""
        speed_cmps = min(round(step.speed_mps * 100), 65_535)
        return msgspec.structs.replace(
            trip,
            moving_ms=trip.moving_ms + (step.lasted_ms if step.is_connected else 0),
            top_cmps=max(trip.top_cmps, min(speed_cmps, self.state.speed_cmps)),
            rests=None if step.is_moving else here,
            still_ms=step.at_ms,
        )

    def _rested(self, trip: Trip, until_ms: int) -> Trip:
        """``trip`` with its present halt over."""
        if trip.rests is None:
            return trip
        idle_ms = self._idle_ms(trip, trip.rests, until_ms)
        return msgspec.structs.replace(trip, idling_ms=trip.idling_ms + idle_ms, rests=None)

    def _idle_ms(self, trip: Trip, halt: Moment, until_ms: int) -> int:
        """How long of ``halt`` the engine is known to have been on."""
        if not self.state.is_ignited:
            return 0
        return max(0, until_ms - max(halt.mark.at_ms, trip.idles_from_ms))

    def _idled(self, trip: Trip, halt: Moment, until_ms: int) -> tuple[TripEvent, ...]:
        idle_ms = self._idle_ms(trip, halt, until_ms)
        if idle_ms < self._rules.idling_after_ms:
            return ()
        began_ms = max(halt.mark.at_ms, trip.idles_from_ms)
        return (Idled(at_ms=began_ms, lasted_s=idle_ms // 1000, where=halt.where),)

    def _end(self, trip: Trip, at: Moment) -> tuple[TripEvent, ...]:
        self._change(trip=None, sets_off=None)
        return (
            TripEnded(
                started_at_ms=trip.began.mark.at_ms,
                at_ms=at.mark.at_ms,
                where=at.where,
                odometer_m=round(at.odometer_m),
                distance_m=max(0, round(at.odometer_m) - round(trip.began.odometer_m)),
                moving_s=max(0, trip.moving_ms) // 1000,
                idling_s=max(0, trip.idling_ms) // 1000,
                top_speed_cmps=trip.top_cmps,
            ),
        )


def _redated(state: TripState, by_ms: int) -> TripState:
    """``state`` by the corrected date: what has lasted so far has lasted as long as before."""
    trip = state.trip
    if trip is not None:
        trip = msgspec.structs.replace(
            trip,
            began=_moved(trip.began, by_ms),
            rests=trip.rests and _moved(trip.rests, by_ms),
            still_ms=trip.still_ms + by_ms,
            idles_from_ms=trip.idles_from_ms + by_ms,
        )
    return msgspec.structs.replace(
        state,
        trip=trip,
        sets_off=state.sets_off and _moved(state.sets_off, by_ms),
        last=state.last and _moved(state.last, by_ms),
    )


def _moved(moment: Moment, by_ms: int) -> Moment:
    mark = msgspec.structs.replace(moment.mark, at_ms=moment.mark.at_ms + by_ms)
    return msgspec.structs.replace(moment, mark=mark)
