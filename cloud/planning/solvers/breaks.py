"""Where a driver's breaks go in a round, so that it is served as early as it can be. Pure.

Breaks are taken while the van waits for a window when that serves, else as late as they may be:
one taken earlier delays the more. So at each visit there is little to choose, and all choices are
followed at once, without those that another is better than in every respect (label setting).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from cloud.planning.problem import Job, Policy, Vehicle
from cloud.planning.solution import PlannedRoute
from cloud.planning.solvers.port import Step
from cloud.planning.solvers.rates import price_of_lateness
from cloud.planning.solvers.service import (
    is_missed,
    lateness_s,
    loadings,
    place_of,
    service_s_of,
    start_of,
)
from cloud.planning.working import NO_RULES, Worked, WorkRules

_BROKEN: Final = 1e9
"""What a broken rule weighs: more than any lateness."""
_EARLY_S: Final = 600
"""A break in the waiting is over so long before the window opens, but for the drive there."""
_MOST_LABELS: Final = 64
"""So many choices are followed; those that end late are left out first."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A drive and what is done at its end.

    Attributes:
        drive_s: how long the drive takes that is set out on at an instant.
        begin: when the service begins for an arrival. penalty: what beginning then costs.
    """

    drive_s: Callable[[int], int]
    begin: Callable[[int], int]
    penalty: Callable[[int], float]
    service_s: int


@dataclass(frozen=True, slots=True)
class Rest:
    """A break on the way to the leg of that index, before it is driven or at its end."""

    leg: int
    is_at_end: bool
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Placed:
    """The breaks of a round; ``stuck_at`` is the leg that no choice of breaks allows, if any."""

    rests: tuple[Rest, ...]
    stuck_at: int | None = None


@dataclass(frozen=True, slots=True)
class _Label:
    """One choice of breaks up to a place: the clock and what has been worked until then."""

    clock: int
    penalty: float
    worked: Worked
    rests: tuple[Rest, ...]

    def is_better(self, other: "_Label") -> bool:
        mine, its = self.worked, other.worked
        return (
            self.clock <= other.clock
            and self.penalty <= other.penalty
            and mine.work_s <= its.work_s
            and mine.drive_s <= its.drive_s
            and mine.day_s <= its.day_s
            and mine.rest_s >= its.rest_s
        )


def is_limited(vehicle: Vehicle) -> bool:
    """Whether breaks have to be thought of for a van at all."""
    return vehicle.work_rules is not None or bool(vehicle.pauses)


def needs_breaks(vehicle: Vehicle, route: PlannedRoute) -> bool:
    """Whether a route that was driven straight through lacks breaks."""
    if not route.visits:
        return False
    driven_s = sum(visit.leg_s for visit in route.visits) + route.end_leg_s
    return lacks_breaks(vehicle, route.ends_at, driven_s)


def lacks_breaks(vehicle: Vehicle, ends_at: int, driven_s: int) -> bool:
    """The same of a route that ends then and drives so long."""
    available = vehicle.available_from
    if any(begins < ends_at and available < ends for begins, ends in vehicle.pauses):
        return True
    all_of_it = vehicle.worked.after(work_s=ends_at - available, drive_s=driven_s)
    return not all_of_it.is_allowed(vehicle.work_rules or NO_RULES)


def legs_of(
    jobs: Sequence[Job],
    policy: Policy,
    vehicle: Vehicle,
    steps: Sequence[Step],
    drive_s: Callable[[int, int, int], int],
) -> list[Leg]:
    """What a van drives after its loading, to its end; ``drive_s``: from, to, at an instant."""
    told: list[Leg] = []
    here = vehicle.start
    together = loadings(vehicle, jobs, steps)
    for at, step in enumerate(steps):
        job, loading = jobs[step.job], together.get(at)
        place = place_of(job, step)
        if loading is None:
            begin, service_s = partial(start_of, job, step), service_s_of(job, step)
        else:
            begin = partial(max, loading.ready)
            service_s = loading.service_s if at == loading.first else 0
        told.append(
            Leg(
                drive_s=partial(drive_s, here, place),
                begin=begin,
                penalty=partial(_penalty, policy, job, step),
                service_s=service_s,
            )
        )
        here = place
    over = vehicle.shift_end
    told.append(
        Leg(
            drive_s=partial(drive_s, here, vehicle.end),
            begin=lambda arrival: arrival,
            penalty=lambda arrival: _BROKEN if arrival > over else 0.0,
            service_s=0,
        )
    )
    return told


def _penalty(policy: Policy, job: Job, step: Step, start: int) -> float:
    if is_missed(job, step, start):
        return _BROKEN
    return (
        lateness_s(job, start) * price_of_lateness(policy, job) if step.kind == "delivery" else 0.0
    )


def placed(vehicle: Vehicle, leaves: int, legs: Sequence[Leg]) -> Placed:
    """The best breaks for a van that drives ``legs`` from ``leaves`` on.

    What it does before, such as loading, is work that counts from when it is available.
    """
    rules = vehicle.work_rules or NO_RULES
    begun_s = leaves - vehicle.available_from
    before = vehicle.worked.after(work_s=begun_s)
    labels = [_Label(leaves, 0.0, before, ())]
    for at, leg in enumerate(legs):
        further = [
            label for one in labels for label in _Step(rules, vehicle.pauses, at, leg).from_(one)
        ]
        if not further:
            return Placed(labels[0].rests, at)
        labels = _best(further)
    best = min(labels, key=lambda label: (label.penalty, label.clock))
    return Placed(best.rests)


def _best(labels: Iterable[_Label]) -> list[_Label]:
    """Those that no other is better than, the earliest first."""
    kept: list[_Label] = []
    for label in sorted(labels, key=lambda one: (one.penalty, one.clock, one.worked.work_s)):
        if not any(one.is_better(label) for one in kept):
            kept.append(label)
    return kept[:_MOST_LABELS]


@dataclass(frozen=True, slots=True)
class _Step:
    """All ways to drive one leg and do what is at its end."""

    rules: WorkRules
    pauses: tuple[tuple[int, int], ...]
    at: int
    leg: Leg

    def from_(self, label: _Label) -> Iterator[_Label]:
        label, drive_s = self._past_pauses(label)
        straight = list(self._driven(label, drive_s))
        yield from straight
        arrival = label.clock + drive_s
        waits_s = self.leg.begin(arrival) - arrival
        if straight and waits_s == 0:
            return
        for length in {max(one, waits_s - _EARLY_S) for one in self._lengths(label.worked)}:
            rested = self._rested(label, label.clock, label.clock + length, is_at_end=False)
            yield from self._driven(*self._past_pauses(rested))

    def _driven(self, label: _Label, drive_s: int) -> Iterator[_Label]:
        """Drive, and do what is at the end; nothing when that is not allowed."""
        worked = label.worked.after(work_s=drive_s, drive_s=drive_s)
        there = _Label(label.clock + drive_s, label.penalty, worked, label.rests)
        if there.worked.is_allowed(self.rules):
            yield from self._done(there, self.leg.begin(there.clock))

    def _past_pauses(self, label: _Label) -> tuple[_Label, int]:
        drive_s = self.leg.drive_s(label.clock)
        for begins, ends in self.pauses:
            if begins < label.clock + drive_s and label.clock < ends:
                label = self._rested(label, max(label.clock, begins), ends, is_at_end=False)
                drive_s = self.leg.drive_s(label.clock)
        return label, drive_s

    def _done(self, label: _Label, start: int) -> Iterator[_Label]:
        """Do the service, which no pause may lie in."""
        for begins, ends in self.pauses:
            if begins < start + self.leg.service_s and label.clock < ends:
                label = self._rested(label, max(label.clock, begins), ends, is_at_end=True)
                start = self.leg.begin(label.clock)
        ends_at = start + self.leg.service_s
        worked = label.worked.after(work_s=ends_at - label.clock)
        done = _Label(ends_at, label.penalty + self.leg.penalty(start), worked, label.rests)
        if done.worked.is_allowed(self.rules):
            yield done

    def _lengths(self, worked: Worked) -> list[int]:
        """How long breaks may be of use now."""
        rules = self.rules
        told = set()
        if rules.work_s is not None:
            told.add(rules.break_s)
        if rules.drive_s is not None:
            told.add(rules.drive_break_s)
        if rules.long_s is not None and worked.rest_s < rules.long_break_s:
            told.add(max(rules.least_s, rules.long_break_s - worked.rest_s))
        return sorted(told)

    def _rested(self, label: _Label, begins: int, ends: int, *, is_at_end: bool) -> _Label:
        worked = label.worked.after(work_s=begins - label.clock)
        rests = (*label.rests, Rest(self.at, is_at_end, begins, ends))
        return _Label(ends, label.penalty, worked.rested(self.rules, ends - begins), rests)
