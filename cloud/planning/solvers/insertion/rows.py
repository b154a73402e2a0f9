"""One van's route with everything that tells whether one more visit fits between two of its. Pure.

Element 0 is the start (after what is loaded there), then come the visits, then the end. Position
``p`` is between elements ``p`` and ``p + 1``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from cloud.planning.problem import Job, Load, Policy, Vehicle, Window
from cloud.planning.solvers.allowed import is_loaded_at_start
from cloud.planning.solvers.breaks import Rest, is_limited, lacks_breaks, legs_of, placed
from cloud.planning.solvers.port import Step
from cloud.planning.solvers.rates import price_of_lateness, rates
from cloud.planning.solvers.service import Loading, loadings, place_of

NEVER: Final = 1 << 60
"""Later than any instant."""

type Legs = Callable[[int, int, int], tuple[int, int]]
"""Seconds and metres from one location to another for who leaves at an instant."""


@dataclass(frozen=True, slots=True)
class Row:
    """A route's timetable, a value for each position in each list.

    Attributes:
        steps: all visits, what is loaded at the start first. loaded: how many of them that are.
        before, after: locations of the elements on either side.
        leaves: when the van leaves the element before. arrives: when it is at the one after.
        latest: when it must be at the one after so that nobody who is served in time is late.
        latest_soft: the same where promises may be broken.
        price: of the drive between, in seconds of driving. on_duty: of the hours of the whole.
        waited: seconds waited for windows up to the element before.
        load: parcels, grams and millilitres aboard behind the element before.
        late: how many visits after the position are late already.
        lateness: what the lateness of all visits costs. is_feasible: no rule is broken.
    """

    steps: tuple[Step, ...]
    loaded: int
    before: list[int]
    after: list[int]
    leaves: list[int]
    arrives: list[int]
    latest: list[int]
    latest_soft: list[int]
    price: list[float]
    on_duty: float
    waited: list[int]
    load: list[Load]
    late: list[int]
    lateness: float
    is_feasible: bool

    @property
    def cost(self) -> float:
        """Of all driving and of the hours, in seconds."""
        return sum(self.price) + self.on_duty


class Span(NamedTuple):
    """Positions that lead to an order's visits: a row is as before up to the first of them."""

    first: int
    last: int


class Driven(NamedTuple):
    """A route by the clock: what it costs, lateness too, and how many of its visits are late.

    ``arrives_at``: at the last visit of the span asked for.
    """

    cost: float
    late: int
    arrives_at: int


class _Element(NamedTuple):
    """A visit as it is made: until when it may begin, and whether it is late."""

    place: int
    service_s: int
    closes: int
    closes_soft: int
    late_s: int


class Timetable:
    """Makes the rows of one van."""

    def __init__(
        self,
        vehicle: Vehicle,
        aboard: Load,
        jobs: Sequence[Job],
        policy: Policy,
        *,
        is_by_hour: bool,
    ) -> None:
        self._vehicle = vehicle
        self._aboard = aboard
        self._jobs = jobs
        self._policy = policy
        self._rates = rates(policy, vehicle)
        self._is_limited = is_limited(vehicle)
        self._is_plain = not self._is_limited and vehicle.loads_at is None
        self._is_plain = self._is_plain and vehicle.range_m is None
        self._room = vehicle.room
        self._costs_alike = not is_by_hour and not self._rates.second

    def row(self, steps: tuple[Step, ...], legs: Legs) -> Row:
        """The timetable of ``steps``, each as early as it can be, with the breaks it needs."""
        return self._with_breaks(self._row(steps, legs, ()), legs)

    def _with_breaks(self, straight: Row, legs: Legs) -> Row:
        """A row that was driven straight through, with the breaks it needs."""
        steps = straight.steps
        if not self._is_limited or not steps or not self._lacks_breaks(straight, legs):
            return straight
        driven = legs_of(
            self._jobs,
            self._policy,
            self._vehicle,
            steps[straight.loaded :],
            lambda one, other, leaves: legs(one, other, leaves)[0],
        )
        found = placed(self._vehicle, straight.leaves[0], driven)
        row = self._row(steps, legs, found.rests)
        return row if found.stuck_at is None else replace(row, is_feasible=False)

    def driven(self, before: Row, steps: tuple[Step, ...], on: Span, legs: Legs) -> Driven | None:
        """What one more order makes of a row; None where a rule is broken.

        Args:
            before: the row without it.
            steps: all visits, with it.
            on: which positions are new.
            legs: drives.
        """
        is_known = self._is_plain and before.is_feasible and not before.late[0]
        if is_known and self._loaded(steps) == before.loaded:
            return self._driven_on(before, steps[before.loaded :], on, legs)
        row = self._row(steps, legs, ())
        if row.is_feasible:  # what is late straight through is no earlier with breaks
            row = self._with_breaks(row, legs)
        if not row.is_feasible:
            return None
        return Driven(row.cost + row.lateness, row.late[0], row.arrives[on.last])

    def _driven_on(
        self, before: Row, steps: tuple[Step, ...], on: Span, legs: Legs
    ) -> Driven | None:
        """The same for a row in which nobody was late, driven from where it changes.

        Until what follows costs what it did before, and bears the delay.
        """
        same, added = on.first, len(steps) - (len(before.steps) - before.loaded)
        here, clock, load = before.before[same], before.leaves[same], before.load[same]
        cost, late, arrives_at = sum(before.price[:same]), 0, 0
        for at in range(same, len(steps)):
            step, job = steps[at], self._jobs[steps[at].job]
            place = place_of(job, step)
            seconds, metres = legs(here, place, clock)
            arrival = clock + seconds
            if at > on.last and self._costs_alike and arrival <= before.latest[at - added]:
                cost += seconds + metres * self._rates.metre + sum(before.price[at - added + 1 :])
                return Driven(cost, late, arrives_at)
            start, element = _served(job, step, arrival, at, None)
            load, is_over = self._taken(step, load)
            if is_over or start > element.closes:
                return None
            if at == on.last:
                arrives_at = arrival
            if element.late_s:
                late += 1
                cost += element.late_s * price_of_lateness(self._policy, job)
            cost += seconds + metres * self._rates.metre
            here, clock = place, start + element.service_s
        van = self._vehicle
        seconds, metres = legs(here, van.end, clock)
        clock += seconds
        if clock > van.shift_end:
            return None
        cost += seconds + metres * self._rates.metre
        return Driven(cost + (clock - van.available_from) * self._rates.second, late, arrives_at)

    def _lacks_breaks(self, row: Row, legs: Legs) -> bool:
        drives = zip(row.before, row.after, row.leaves, strict=True)
        driven_s = sum(legs(one, other, leaves)[0] for one, other, leaves in drives)
        return lacks_breaks(self._vehicle, row.arrives[-1], driven_s)

    def _row(self, steps: tuple[Step, ...], legs: Legs, rests: Sequence[Rest]) -> Row:
        van = self._vehicle
        loaded = self._loaded(steps)
        load, is_feasible = self._laden(steps[:loaded])
        leaves = [self._leaves(steps[:loaded])]
        before, waited, loads = [van.start], [0], [load]
        arrives: list[int] = []
        drives: list[tuple[int, int]] = []
        elements: list[_Element] = []
        together = loadings(van, self._jobs, steps[loaded:])
        for at, step in enumerate(steps[loaded:]):
            job = self._jobs[step.job]
            place = place_of(job, step)
            leaves[-1] = _rested(rests, at, leaves[-1], is_at_end=False) if rests else leaves[-1]
            seconds, metres = legs(before[-1], place, leaves[-1])
            arrival = leaves[-1] + seconds
            free_at = _rested(rests, at, arrival, is_at_end=True) if rests else arrival
            start, element = _served(job, step, free_at, at, together.get(at))
            load, is_over = self._taken(step, load)
            is_feasible = is_feasible and start <= element.closes and not is_over
            elements.append(element)
            arrives.append(arrival)
            drives.append((seconds, metres))
            before.append(place)
            leaves.append(start + element.service_s)
            waited.append(waited[-1] + start - arrival)
            loads.append(load)
        leaves[-1] = _rested(rests, len(elements), leaves[-1], is_at_end=False)
        seconds, metres = legs(before[-1], van.end, leaves[-1]) if steps else (0, 0)
        arrives.append(leaves[-1] + seconds)
        drives.append((seconds, metres))
        latest, latest_soft = self._latest(elements, leaves, arrives)
        return Row(
            steps=steps,
            loaded=loaded,
            before=before,
            after=[*before[1:], van.end],
            leaves=leaves,
            arrives=arrives,
            latest=latest,
            latest_soft=latest_soft,
            price=[seconds + metres * self._rates.metre for seconds, metres in drives],
            on_duty=(arrives[-1] - van.available_from) * self._rates.second if steps else 0.0,
            waited=waited,
            load=loads,
            late=_late_after(elements),
            lateness=self._lateness(steps[loaded:], elements),
            is_feasible=is_feasible and arrives[-1] <= van.shift_end and self._reaches(drives),
        )

    def _lateness(self, steps: Sequence[Step], elements: Sequence[_Element]) -> float:
        return sum(
            element.late_s * price_of_lateness(self._policy, self._jobs[step.job])
            for step, element in zip(steps, elements, strict=True)
            if element.late_s
        )

    def _laden(self, steps: Sequence[Step]) -> tuple[Load, bool]:
        """What is aboard after the loading, and whether it fits."""
        load, fits = self._aboard, True
        for step in steps:
            load, is_over = self._taken(step, load)
            fits = fits and not is_over
        return load, fits

    def _reaches(self, drives: Sequence[tuple[int, int]]) -> bool:
        limit = self._vehicle.range_m
        return limit is None or sum(metres for _, metres in drives) <= limit

    def _taken(self, step: Step, load: Load) -> tuple[Load, bool]:
        """The load after a visit, and whether it is too much of something that was fetched."""
        change = self._jobs[step.job].load
        if step.kind == "delivery":
            return (load[0] - change[0], load[1] - change[1], load[2] - change[2]), False
        after = load[0] + change[0], load[1] + change[1], load[2] + change[2]
        room = self._room
        return after, any(change[at] and after[at] > room[at] for at in range(3))

    def _loaded(self, steps: tuple[Step, ...]) -> int:
        """How many visits, from the first, are loaded in one go at the start."""
        if not self._vehicle.loads_at_start:
            return 0
        for at, step in enumerate(steps):
            if step.kind != "pickup" or not is_loaded_at_start(self._vehicle, self._jobs[step.job]):
                return at
        return len(steps)

    def _leaves(self, loaded: Sequence[Step]) -> int:
        if not loaded:
            return self._vehicle.available_from
        ready = [self._jobs[step.job].ready_from or 0 for step in loaded]
        return max(self._vehicle.available_from, *ready) + self._vehicle.loading_s

    def _latest(
        self, elements: Sequence[_Element], leaves: Sequence[int], arrives: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        hard, soft = [self._vehicle.shift_end], [self._vehicle.shift_end]
        for at in range(len(elements) - 1, -1, -1):
            element = elements[at]
            onward = arrives[at + 1] - leaves[at + 1] + element.service_s
            hard.append(min(hard[-1] - onward, element.closes))
            soft.append(min(soft[-1] - onward, element.closes_soft))
        return hard[::-1], soft[::-1]


def _rested(rests: Sequence[Rest], leg: int, clock: int, *, is_at_end: bool) -> int:
    """When the breaks before or behind a leg are over."""
    for rest in rests:
        if rest.leg == leg and rest.is_at_end == is_at_end:
            clock = max(clock, rest.ends)
    return clock


def window_at(windows: Sequence[Window], arrival: int) -> Window | None:
    """The first window that has not closed by ``arrival``."""
    return next((window for window in windows if arrival <= window.closes), None)


def _served(
    job: Job, step: Step, arrival: int, at: int, loading: Loading | None
) -> tuple[int, _Element]:
    """When a visit begins, and what that leaves of its window. It keeps the window it is in."""
    if loading is not None:
        service_s = loading.service_s if at == loading.first else 0
        place = place_of(job, step)
        return max(arrival, loading.ready), _Element(place, service_s, NEVER, NEVER, 0)
    if step.kind == "pickup":
        return _fetched(job, place_of(job, step), max(arrival, job.ready_from or 0))
    if not job.windows:
        return arrival, _Element(job.delivery, job.service_s, NEVER, NEVER, 0)
    window = window_at(job.windows, arrival)
    if window is not None:
        start = max(arrival, window.opens)
        soft = _latest(job) if job.may_be_late else window.closes
        return start, _Element(job.delivery, job.service_s, window.closes, soft, 0)
    last = job.windows[-1].closes
    closes = _latest(job) if job.may_be_late else last
    return arrival, _Element(job.delivery, job.service_s, closes, closes, arrival - last)


def _latest(job: Job) -> int:
    """When the service of what may be late begins at the latest."""
    return NEVER if job.late_until is None else job.late_until


def _fetched(job: Job, place: int, ready: int) -> tuple[int, _Element]:
    service_s = job.pickup_service_s
    if not job.pickup_windows:
        return ready, _Element(place, service_s, NEVER, NEVER, 0)
    window = window_at(job.pickup_windows, ready) or job.pickup_windows[-1]
    return max(ready, window.opens), _Element(place, service_s, window.closes, window.closes, 0)


def _late_after(elements: Sequence[_Element]) -> list[int]:
    counts = [0]
    for element in reversed(elements):
        counts.append(counts[-1] + bool(element.late_s))
    return counts[::-1]
