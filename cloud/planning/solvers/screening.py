"""Finding before any search what cannot be served, and why, in words for a dispatcher. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from msgspec.structs import replace

from cloud.planning.problem import Job, Problem, Vehicle
from cloud.planning.solution import Constraint, Unserved
from cloud.planning.solvers.allowed import allows, holds, is_loaded_at_start, without_room_for
from cloud.roads.hours import Travel
from cloud.roads.model import NO_WAY


@dataclass(frozen=True, slots=True)
class Screened:
    """The part of a problem that a solver may try, and what is left out with reasons."""

    problem: Problem
    unserved: tuple[Unserved, ...]


def screened(problem: Problem, travel: Travel, far_m: dict[int, float]) -> Screened:
    """Leave out each job that no van can serve even when it does nothing else.

    Args:
        problem: the whole problem.
        travel: between its locations; anything for those without a street.
        far_m: locations without a street near, and how far away the nearest is.
    """
    vehicles = [van for van in problem.vehicles if _can_work(van, travel, far_m)]
    kept: list[Job] = []
    unserved: list[Unserved] = []
    for job in problem.jobs:
        against = _Screen(problem, travel, far_m, vehicles, job).verdict()
        if against is None:
            kept.append(job)
        else:
            unserved.append(Unserved(job=job.id, constraint=against[0], reason=against[1]))
    ids = {job.id for job in kept}
    left_aboard = [job for job in problem.jobs if job.pickup is None and job.id not in ids]
    vans = tuple(_with_locked(without_room_for(van, left_aboard), ids) for van in vehicles)
    known = {van.id for van in vans}
    jobs = tuple(
        job if job.previous_vehicle in known else replace(job, previous_vehicle=None)
        for job in kept
    )
    return Screened(replace(problem, vehicles=vans, jobs=jobs), tuple(unserved))


def earliest_delivery(travel: Travel, vehicle: Vehicle, job: Job) -> int:
    """The earliest instant at which ``vehicle`` can be at the job's door, doing nothing else."""
    leaves = vehicle.available_from
    if job.pickup is None:
        return leaves + travel.leg(vehicle.start, job.delivery, leaves)[0]
    is_loaded = is_loaded_at_start(vehicle, job)
    fetching_s = vehicle.loading_s if is_loaded else job.pickup_service_s
    fetched = earliest_pickup(travel, vehicle, job, job.pickup) + fetching_s
    return fetched + travel.leg(job.pickup, job.delivery, fetched)[0]


def earliest_pickup(travel: Travel, vehicle: Vehicle, job: Job, place: int) -> int:
    """The earliest instant at which ``vehicle`` can begin to fetch the job at ``place``.

    After the last of its windows when it cannot within any.
    """
    leaves = vehicle.available_from
    there = leaves + travel.leg(vehicle.start, place, leaves)[0]
    ready = max(there, job.ready_from or 0)
    opens = [max(ready, window.opens) for window in job.pickup_windows if ready <= window.closes]
    return min(opens, default=ready)


def _can_work(vehicle: Vehicle, travel: Travel, far_m: dict[int, float]) -> bool:
    if vehicle.start in far_m or vehicle.end in far_m:
        return False
    leaves = vehicle.available_from
    home = travel.leg(vehicle.start, vehicle.end, leaves)[0]
    loading_s = vehicle.loading_s if vehicle.loads_at_start else 0
    return leaves + max(home, loading_s) <= vehicle.shift_end


def _with_locked(vehicle: Vehicle, kept: set[str]) -> Vehicle:
    """The van with what is left of its locked route."""
    if vehicle.locked is None:
        return vehicle
    return replace(vehicle, locked=tuple(step for step in vehicle.locked if step.job in kept))


@dataclass(frozen=True, slots=True)
class _Screen:
    problem: Problem
    travel: Travel
    far_m: dict[int, float]
    working: list[Vehicle]
    job: Job

    def verdict(self) -> tuple[Constraint, str] | None:
        """What stands against the job, or None."""
        street = self._street()
        if street is None and any(self._can_serve(van) for van in self.working):
            return None
        return (
            street
            or self._vehicle()
            or self._size()
            or self._way()
            or self._range()
            or self._time()
        )

    def _can_serve(self, vehicle: Vehicle) -> bool:
        """Whether nothing that is looked at one by one in `verdict` speaks against this van."""
        return (
            allows(vehicle, self.job)
            and holds(vehicle, self.job)
            and self._back(vehicle) < NO_WAY
            and self._reaches(vehicle)
            and self._fits(vehicle)
        )

    def _street(self) -> tuple[Constraint, str] | None:
        for place, what in ((self.job.pickup, "the pickup"), (self.job.delivery, "the door")):
            if place in self.far_m:
                at = self.problem.locations[place]
                return "street", (
                    f"there is no street near {what} at {at.lat:.5f}, {at.lon:.5f}; "
                    "correct the place"
                )
        return None

    def _vehicle(self) -> tuple[Constraint, str] | None:
        if self._allowed():
            return None
        pinned = self.job.only_vehicle
        if not self.working:
            return "vehicle", "no van is on duty long enough; add or lengthen a shift"
        if pinned is not None and all(van.id != pinned for van in self.working):
            return "vehicle", (
                f"only {pinned} may serve it, and that van cannot be back before its "
                "shift ends, or is where no street is; lengthen the shift or free the order"
            )
        return (
            self._skill(pinned)
            or self._lock(pinned)
            or (
                "vehicle",
                f"it is pinned to {pinned} and banned from it; lift one of the two"
                if pinned is not None
                else "it is banned from every van on duty that could serve it; lift a ban",
            )
        )

    def _lock(self, pinned: str | None) -> tuple[Constraint, str] | None:
        """Whether locked routes are the reason that no van may serve it."""
        free = [replace(van, locked=None) for van in self.working]
        if not any(allows(van, self.job) for van in free):
            return None
        if pinned is not None:
            return "vehicle", f"the route of {pinned} is locked without it; lift the lock"
        return "vehicle", "every van that could serve it has a locked route; lift a lock"

    def _skill(self, pinned: str | None) -> tuple[Constraint, str] | None:
        """Whether what it needs is the reason that no van may serve it."""
        needs = set(self.job.needs)
        asked = [van for van in self.working if pinned in {None, van.id}]
        if any(needs <= set(van.skills) for van in asked):
            return None
        words = ", ".join(sorted(needs))
        if pinned is not None:
            return "skill", (
                f"it needs {words}, and {pinned}, to which it is pinned, has not all of that; "
                "lift the pin or send another van or crew"
            )
        return "skill", (
            f"it needs {words}, and no van on duty has all of that; "
            "put such a van or crew on a shift, or change what the order needs"
        )

    def _size(self) -> tuple[Constraint, str] | None:
        if any(holds(van, self.job) for van in self._allowed()):
            return None
        for what, taken, rooms in zip(
            ("has {} parcels", "weighs {:g} kg", "takes {:g} litres"),
            self.job.load,
            zip(*(van.room for van in self._allowed()), strict=True),
            strict=True,
        ):
            if taken > max(rooms):
                scale = 1 if what.endswith("parcels") else 1_000
                return "capacity", (
                    f"it {what.format(taken / scale if scale > 1 else taken)} and the largest van "
                    f"that may serve it holds {max(rooms) / scale:g}; "
                    "split the order or take a larger van"
                )
        return "capacity", (
            "no van that may serve it has room for its parcels, weight and volume together; "
            "split the order or take a larger van"
        )

    def _way(self) -> tuple[Constraint, str] | None:
        if any(self._back(van) < NO_WAY for van in self._able()):
            return None
        return "street", "no way along streets leads there and back; correct the place"

    def _range(self) -> tuple[Constraint, str] | None:
        vans = [van for van in self._able() if self._back(van) < NO_WAY]
        if any(self._reaches(van) for van in vans):
            return None
        needed = min(self._metres(van) for van in vans)
        longest = max(van.range_m for van in vans if van.range_m is not None)
        return "range", (
            f"it takes {needed / 1_000:.1f} km there and back and the van that reaches furthest "
            f"has {longest / 1_000:.1f} km left; send a van with more range, or charge one"
        )

    def _metres(self, vehicle: Vehicle) -> int:
        metres = self.travel.metres
        pickup = vehicle.start if self.job.pickup is None else self.job.pickup
        return (
            int(metres[vehicle.start, pickup])
            + int(metres[pickup, self.job.delivery])
            + int(metres[self.job.delivery, vehicle.end])
        )

    def _reaches(self, vehicle: Vehicle) -> bool:
        return vehicle.range_m is None or self._metres(vehicle) <= vehicle.range_m

    def _time(self) -> tuple[Constraint, str] | None:
        vans = [van for van in self._able() if self._back(van) < NO_WAY and self._reaches(van)]
        if any(self._fits(van) for van in vans):
            return None
        if closed := self._closed(vans):
            return closed
        earliest = min(earliest_delivery(self.travel, van, self.job) for van in vans)
        last = self.job.windows[-1] if self.job.windows else None
        closes = _closes(self.job)
        if closes is not None and closes < earliest:
            return "window", (
                f"its window closes at {_clock(closes)} and no van can be there before "
                f"{_clock(earliest)}; agree on a later window"
            )
        end = max(van.shift_end for van in vans)
        if last and self.job.windows[0].opens > end:
            return "window", (
                f"its window opens at {_clock(self.job.windows[0].opens)} and the last shift ends "
                f"at {_clock(end)}; agree on an earlier window or lengthen a shift"
            )
        return "shift", (
            f"no van can serve it and be back when its shift ends, at {_clock(end)} at the latest; "
            "lengthen a shift or agree on another window"
        )

    def _closed(self, vans: list[Vehicle]) -> tuple[Constraint, str] | None:
        """Whether nobody can fetch it while that is possible."""
        job, place = self.job, self.job.pickup
        if place is None or not job.pickup_windows:
            return None
        earliest = min(earliest_pickup(self.travel, van, job, place) for van in vans)
        closes = job.pickup_windows[-1].closes
        if earliest <= closes:
            return None
        return "window", (
            f"it can be fetched until {_clock(closes)} and no van can be there before "
            f"{_clock(earliest)}; agree on a later pickup"
        )

    def _allowed(self) -> list[Vehicle]:
        return [van for van in self.working if allows(van, self.job)]

    def _able(self) -> list[Vehicle]:
        return [van for van in self._allowed() if holds(van, self.job)]

    def _back(self, vehicle: Vehicle) -> int:
        """Seconds of driving for this job alone; `NO_WAY` or more when no way leads there."""
        pickup = vehicle.start if self.job.pickup is None else self.job.pickup
        clock = vehicle.available_from
        for origin, goal in pairwise((vehicle.start, pickup, self.job.delivery, vehicle.end)):
            clock += self.travel.leg(origin, goal, clock)[0]
        return clock - vehicle.available_from

    def _fits(self, vehicle: Vehicle) -> bool:
        windows, place = self.job.pickup_windows, self.job.pickup
        if windows and place is not None:
            fetched = earliest_pickup(self.travel, vehicle, self.job, place)
            if fetched > windows[-1].closes:
                return False
        arrival = earliest_delivery(self.travel, vehicle, self.job)
        starts = [max(arrival, each.opens) for each in self.job.windows if arrival <= each.closes]
        closes = _closes(self.job)
        if not starts and (closes is None or arrival <= closes):
            starts = [arrival]
        return any(self._home(vehicle, start) <= vehicle.shift_end for start in starts)

    def _home(self, vehicle: Vehicle, start: int) -> int:
        """When the van is back whose service at the door begins at ``start``."""
        done = start + self.job.service_s
        return done + self.travel.leg(self.job.delivery, vehicle.end, done)[0]


def _closes(job: Job) -> int | None:
    """When its service has to begin at the latest; None when it may at any time."""
    if job.may_be_late:
        return job.late_until
    return job.windows[-1].closes if job.windows else None


def _clock(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M UTC")
