"""Where one more order goes: every position of every route at once, in arrays kept ready. Pure.

Made once for a plan and asked for each order. Positions are ranked by the arrays; the winners are
driven through by the clock before one is told, so that what the arrays simplify does no harm: a
visit with several windows keeps the one it is served in, and a delay of visits that are late
already counts in full.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, Self

import numpy as np

from cloud.planning.problem import Job, Problem
from cloud.planning.solution import Plan
from cloud.planning.solvers.allowed import NOTHING, allows
from cloud.planning.solvers.breaks import is_limited
from cloud.planning.solvers.insertion.board import Board, Floats, Ints, Ways
from cloud.planning.solvers.insertion.preferences import Preferences
from cloud.planning.solvers.insertion.rows import Legs, Row, Span, Timetable, window_at
from cloud.planning.solvers.insertion.search import Flags, Order, Passing, Place, Search
from cloud.planning.solvers.port import Sequences, Step, sequences_of
from cloud.planning.solvers.rates import price_of_leaving, rates
from cloud.planning.solvers.schedule import with_pickups
from cloud.planning.solvers.service import lateness_s
from cloud.roads.hours import TimedMatrix, Travel

_TRIED: Final = 8
_TRIED_SOFT: Final = 64
"""So many of the cheapest places are driven through; more where promises have to be broken, and the
cheapest alone at first where its price is the arrays' own."""
_MORE: Final = (8, 64, 512)
"""The same where vans have limits that only the clock knows: so many, and then more."""

PICKUPS_KEPT: Final = 8
"""Of so many pickups it is kept what passing by them costs."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """Where an order goes: the van's whole sequence with it, and what that costs more.

    Attributes:
        vehicle: index of the van. job: index of the order.
        price: in seconds of driving. arrives_at, starts_at: at the door.
        breaks_promises: others are late by it who were not; nothing else was possible.
    """

    vehicle: int
    job: int
    steps: tuple[Step, ...]
    price: float
    arrives_at: int
    starts_at: int
    breaks_promises: bool


class _Asked(NamedTuple):
    """An order by its index, its door passed by, and what each van costs beside the driving."""

    job: int
    order: Order
    door: Passing
    surcharge: Floats


class InsertionDesk:
    """Takes one order after another into the routes of a plan."""

    def __init__(
        self,
        problem: Problem,
        sequences: Sequences,
        legs: Legs,
        *,
        is_whole: bool = False,
        is_by_hour: bool = False,
    ) -> None:
        """A desk of these routes.

        Args:
            problem: with all vans, and the jobs in their routes.
            sequences: the routes.
            legs: drives, of the routes at least.
            is_whole: drives between all places are known.
            is_by_hour: they take as long as the hour has it.
        """
        vans = problem.vehicles
        self._problem = problem
        self._jobs = list(problem.jobs)
        self._legs = legs
        self._is_whole = is_whole
        self._learned: dict[tuple[int, int], tuple[int, int]] = {}
        self._numbers = {van.id: at for at, van in enumerate(vans)}
        self._capacity = np.array([van.room for van in vans], dtype=np.int64).reshape(-1, 3).T
        self._loads_at = _column(van.start if van.loads_at_start else -1 for van in vans)
        self._available = _column(van.available_from for van in vans)
        self._loading_s = _column(van.loading_s for van in vans)
        self._is_locked = np.array([van.locked is not None for van in vans], dtype=np.bool_)
        self._preferences = Preferences(problem)
        self._timetables = [
            Timetable(
                van,
                problem.aboard.get(van.id, NOTHING),
                self._jobs,
                problem.policy,
                is_by_hour=is_by_hour,
            )
            for van in vans
        ]
        self._rows = [
            timetable.row(with_pickups(problem, van, steps), self._leg)
            for timetable, van, steps in zip(self._timetables, vans, sequences, strict=True)
        ]
        rate_of = [rates(problem.policy, van) for van in vans]
        self._use = np.array([rate.use for rate in rate_of])
        self._metre = np.array([rate.metre for rate in rate_of])
        is_usual = bool((self._metre == problem.policy.km / 1_000).all())
        self._over_km = None if is_usual else self._metre - problem.policy.km / 1_000
        is_soft = any(job.late_s is not None for job in problem.jobs)
        self._is_ranked = not (is_soft or any(rate.second for rate in rate_of))
        self._is_limited = is_by_hour or any(
            van.range_m is not None or is_limited(van) for van in vans
        )
        self._is_idle = np.array([not row.steps for row in self._rows], dtype=np.bool_)
        self._board = Board(self._rows)
        self._fetched_at: dict[Ways, Passing] = {}

    @classmethod
    def of_plan(cls, problem: Problem, plan: Plan) -> Self:
        """On a plan's routes, by the drives that stand in it; no matrix is needed."""
        legs: dict[tuple[int, int], tuple[int, int]] = {}
        for van, route in zip(problem.vehicles, plan.routes, strict=True):
            here = van.start
            for visit in route.visits:
                legs[here, visit.location] = visit.leg_s, visit.leg_m
                here = visit.location
            legs[here, van.end] = route.end_leg_s, route.end_leg_m
        return cls(problem, sequences_of(plan, problem), lambda one, other, _: legs[one, other])

    @classmethod
    def of_travel(cls, problem: Problem, travel: Travel, sequences: Sequences) -> Self:
        """On routes between places whose drives are all known, by the hour or always alike.

        Then an order is driven to by the hour, too, whatever its ways say, which only rank places.
        """
        is_by_hour = isinstance(travel, TimedMatrix)
        return cls(problem, sequences, travel.leg, is_whole=True, is_by_hour=is_by_hour)

    @property
    def sequences(self) -> Sequences:
        """What each van does now."""
        return tuple(row.steps for row in self._rows)

    def admit(self, job: Job) -> int:
        """Let the desk know an order that is not in its problem; gives its index."""
        self._jobs.append(job)
        return len(self._jobs) - 1

    def decide(
        self, index: int, door: Ways, pickup: Ways | None = None, *, is_hurried: bool = False
    ) -> Insertion | None:
        """Where the order of that index costs least; None where nothing is feasible.

        Promises of others are broken only when the order can be served in no other way, and none
        is taken that costs more than leaving it out.

        Args:
            index: of a job that stands in no route.
            door: between the order's door and the desk's locations.
            pickup: the same of where its parcels lie; not needed when they are aboard their van.
            is_hurried: the clock is asked of a few places only, also where vans have limits.
        """
        order = Order(self._jobs[index], self._problem.policy, door, pickup)
        surcharge = self._surcharges(order.job)
        if not (surcharge < np.inf).any():
            return None
        asked = _Asked(index, order, self._passing(door), surcharge)
        for is_soft in (False, True):
            for count in self._counts(is_soft=is_soft, is_hurried=is_hurried):
                best = self._best(asked, count, is_soft=is_soft)
                if best is not None:
                    dear = price_of_leaving(self._problem.policy, order.job)
                    return best if best.price < dear else None
        return None

    def _counts(self, *, is_soft: bool, is_hurried: bool) -> tuple[int, ...]:
        if self._is_limited:
            return _MORE[:1] if is_hurried else _MORE
        if is_soft:
            return (_TRIED_SOFT,)
        return (1, _TRIED) if self._is_ranked else (_TRIED,)

    def _best(self, asked: _Asked, count: int, *, is_soft: bool) -> Insertion | None:
        """The cheapest that the clock passes, of so many places that the arrays show."""
        best: Insertion | None = None
        legs = self._legs if self._is_whole else _legs_with(asked.order, self._leg)
        for place in self._ranked(asked, count, is_soft=is_soft):
            if best is not None and self._is_ranked and not is_soft:
                break
            found = self._driven(asked.job, place, float(asked.surcharge[place.row]), legs)
            if found is None or (found.breaks_promises and not is_soft):
                continue
            if best is None or found.price < best.price:
                best = found
        return best

    def take(self, insertion: Insertion, door: Ways, pickup: Ways | None = None) -> None:
        """Make an insertion part of the routes."""
        timetable = self._timetables[insertion.vehicle]
        if self._is_whole:
            self._put(insertion.vehicle, timetable.row(insertion.steps, self._legs))
            return
        order = Order(self._jobs[insertion.job], self._problem.policy, door, pickup)
        legs = _legs_with(order, self._leg)
        row = timetable.row(insertion.steps, legs)
        for one, other, leaves in zip(row.before, row.after, row.leaves, strict=True):
            self._learned[one, other] = legs(one, other, leaves)
        self._put(insertion.vehicle, row)

    def drop(self, jobs: Iterable[int]) -> None:
        """Take orders out of the routes again, on a desk that knows all drives."""
        gone = set(jobs)
        for at, row in enumerate(self._rows):
            if any(step.job in gone for step in row.steps):
                steps = tuple(step for step in row.steps if step.job not in gone)
                self._put(at, self._timetables[at].row(steps, self._leg))

    def _put(self, vehicle: int, row: Row) -> None:
        self._rows[vehicle] = row
        self._is_idle[vehicle] = not row.steps
        if len(row.before) > self._board.width:
            self._board = Board(self._rows)
            self._fetched_at.clear()
            return
        self._board.write(vehicle, row)
        for passing in self._fetched_at.values():
            passing.renew(self._board, vehicle)

    def _leg(self, one: int, other: int, leaves: int) -> tuple[int, int]:
        return self._learned.get((one, other)) or self._legs(one, other, leaves)

    def _ranked(self, asked: _Asked, count: int, *, is_soft: bool) -> list[Place]:
        """The cheapest places by the arrays, cheapest first."""
        order, surcharge = asked.order, asked.surcharge
        search = partial(Search, self._board, order, asked.door, self._capacity, is_soft=is_soft)
        if order.pickup is None:
            return search(surcharge).alone(count, None)
        loads, places = self._loads(order.job), []
        if is_loaded := bool(loads.any()):
            there = np.where(loads, surcharge, np.inf)
            places += search(there).alone(count, self._delays(order.job))
        first = loads.astype(np.int64) if is_loaded else None
        places += search(surcharge).pairs(self._fetching(order.pickup), count, first)
        places.sort(key=lambda place: place.price)
        return places[:count]

    def _passing(self, ways: Ways) -> Passing:
        return Passing(self._board, ways, self._problem.policy.km / 1_000, self._over_km)

    def _fetching(self, pickup: Ways) -> Passing:
        """Of where parcels lie: the same place for many orders, so it is kept with the board."""
        kept = self._fetched_at
        if pickup not in kept:
            if len(kept) >= PICKUPS_KEPT:
                del kept[next(iter(kept))]
            kept[pickup] = self._passing(pickup)
        return kept[pickup]

    def _loads(self, job: Job) -> Flags:
        """Which vans load the order at their start, if they take it along from there."""
        if job.pickup_windows:
            return np.zeros(len(self._loads_at), dtype=np.bool_)
        loads: Flags = self._loads_at == job.pickup
        return loads

    def _surcharges(self, job: Job) -> Floats:
        """What each van costs beside the driving; infinite for those that may not serve it."""
        policy = self._problem.policy
        surcharge = np.where(self._is_idle, self._use, 0.0)
        if job.previous_vehicle is not None:
            surcharge += policy.changed_vehicle
            if (was := self._numbers.get(job.previous_vehicle)) is not None:
                surcharge[was] -= policy.changed_vehicle
        self._preferences.add_to(surcharge, job)
        if job.only_vehicle is not None:
            only = self._numbers[job.only_vehicle]
            here = surcharge[only] if allows(self._problem.vehicles[only], job) else np.inf
            surcharge[:] = np.inf
            surcharge[only] = here
        elif job.needs or job.banned_vehicles:
            may = [allows(vehicle, job) for vehicle in self._problem.vehicles]
            surcharge[~np.array(may, dtype=np.bool_)] = np.inf
        else:
            surcharge[self._is_locked] = np.inf
        return surcharge

    def _delays(self, job: Job) -> Ints:
        """How much later each van leaves when it loads the order too."""
        ready = np.maximum(self._available, job.ready_from or 0)
        late: Ints = ready + self._loading_s - self._board.all.leaves[:, 0]
        return np.maximum(late, 0)

    def _driven(self, index: int, place: Place, surcharge: float, legs: Legs) -> Insertion | None:
        """The insertion with its exact price, or None when the clock finds a rule broken."""
        job, before = self._jobs[index], self._rows[place.row]
        steps, at = _with_visits(before, place, index, is_aboard=job.pickup is None)
        on = Span(at if place.pickup_at is None else place.pickup_at, at)
        driven = self._timetables[place.row].driven(before, steps, on, legs)
        if driven is None:
            return None
        window = window_at(job.windows, driven.arrives_at)
        start = driven.arrives_at if window is None else max(driven.arrives_at, window.opens)
        was_late = before.late[0] + bool(lateness_s(job, start))
        return Insertion(
            vehicle=place.row,
            job=index,
            steps=steps,
            price=driven.cost - before.cost - before.lateness + surcharge,
            arrives_at=driven.arrives_at,
            starts_at=start,
            breaks_promises=driven.late > was_late,
        )


def _column(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


def _with_visits(
    row: Row, place: Place, job: int, *, is_aboard: bool
) -> tuple[tuple[Step, ...], int]:
    """The sequence with the order's visits, and the position that leads to its door."""
    pickup, delivery = Step(job, "pickup"), Step(job, "delivery")
    loading, driven = row.steps[: row.loaded], row.steps[row.loaded :]
    to = place.delivery_at
    if place.pickup_at is None:
        loading = loading if is_aboard else (*loading, pickup)
        return (*loading, *driven[:to], delivery, *driven[to:]), to
    fetch = place.pickup_at
    return (
        (*loading, *driven[:fetch], pickup, *driven[fetch:to], delivery, *driven[to:]),
        to + 1,
    )


def _legs_with(order: Order, legs: Legs) -> Legs:
    """Drives that may begin or end at the order's own places."""
    ways = {order.job.delivery: order.door}
    if order.pickup is not None and order.job.pickup is not None:
        ways.setdefault(order.job.pickup, order.pickup)

    def leg(one: int, other: int, leaves: int) -> tuple[int, int]:
        if (to := ways.get(other)) is not None and one < len(to.seconds_to):
            return int(to.seconds_to[one]), int(to.metres_to[one])
        if (of := ways.get(one)) is not None:
            return int(of.seconds_from[other]), int(of.metres_from[other])
        return legs(one, other, leaves)

    return leg
