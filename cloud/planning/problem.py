"""A day's problem as it is posed to a solver. Pure values.

A van under way starts at the stop it is being driven to, when that will be done: that stop is not
in the problem, so no solver can touch it.
"""

from functools import cached_property
from itertools import pairwise
from operator import add
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud.planning.bounds import (
    MAX_JOBS,
    MAX_LOCATIONS,
    NO_LIMIT,
    Count,
    Grams,
    Id,
    Index,
    Instant,
    Metres,
    Millilitres,
    Permille,
    Price,
    Seconds,
    Word,
)
from cloud.planning.working import Worked, WorkRules

type Load = tuple[int, int, int]
"""Parcels, grams, millilitres."""

type Priority = Literal["normal", "urgent"]
type VisitKind = Literal["pickup", "delivery"]
type Pause = tuple[Instant, Instant]
"""From and to."""


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place in degrees (WGS 84). The planner snaps it to the nearest street."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """When service may start: not before ``opens``, not after ``closes``, both inclusive."""

    opens: Instant
    closes: Instant

    def __post_init__(self) -> None:
        if self.opens > self.closes:
            raise ValueError(
                f"opens {self.opens} is after closes {self.closes}; swap them, or move closes on"
            )


class RouteStep(msgspec.Struct, frozen=True, kw_only=True):
    """One visit of a route that is locked or in force."""

    job: Id
    kind: VisitKind


class Vehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A van in its shift.

    Attributes:
        start: index of the location it sets out from. end: where it must be by ``shift_end``.
        available_from: when it can leave ``start`` (or begin to load there).
        capacity: parcels it can hold at once, those aboard included. capacity_g: grams it may
            carry. capacity_ml: millilitres it has room for; None is not limited.
        skills: words that a job may need: of the van, and of who goes with it today.
        loads_at_start: it stands at its depot and loads what it takes from there in one go before
            it leaves; no extra visit is made for that. ``loading_s``: how long the loading takes.
            Without it every parcel that is not aboard is fetched by a visit of its own.
        loads_at: its depot, where it loads again whatever it fetches there in one halt, in one go:
            as long as fetching each by itself takes, and no longer than ``loading_s``. None fetches
            one after another everywhere.
        locked: None leaves it to the planner. Else exactly these visits, in this order, and no
            others; what is loaded at the start needs no step. Each of its jobs names this van in
            ``only_vehicle``; one that does not fit any more is left out, and the rest keeps its
            order.
        in_force: its open visits in the plan in force, in their order; the search starts there
            when no other plan is given, and another order of deliveries costs
            `Policy.changed_sequence`. Jobs that are gone may still stand in it.
        keeps_order: its visits in force stay on it in their order, which a person chose; others may
            come between. One that does not fit there any more leaves the van.
        range_m: it can still drive so far until it is at ``end``; None is as far as it likes.
        km, hour, use: what a kilometre, an hour and sending it out cost instead of what
            `Policy` says.
        zones: where it would rather deliver, as jobs name them in ``zones``; none is anywhere.
        work_rules: what may be asked of its driver; None is anything. worked: what of the driver's
            day is over when the van is available.
        pauses: times at which it neither drives nor serves, in order and apart; breaks, too.
    """

    id: Id
    start: Index
    end: Index
    available_from: Instant
    shift_end: Instant
    capacity: Count
    capacity_g: Grams | None = None
    capacity_ml: Millilitres | None = None
    skills: Annotated[tuple[Word, ...], Meta(max_length=100)] = ()
    loads_at_start: bool = False
    loading_s: Seconds = 0
    loads_at: Index | None = None
    locked: Annotated[tuple[RouteStep, ...], Meta(max_length=10_000)] | None = None
    in_force: Annotated[tuple[RouteStep, ...], Meta(max_length=10_000)] = ()
    keeps_order: bool = False
    range_m: Metres | None = None
    km: Price | None = None
    hour: Price | None = None
    use: Price | None = None
    zones: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    work_rules: WorkRules | None = None
    worked: Worked = Worked()
    pauses: Annotated[tuple[Pause, ...], Meta(max_length=20)] = ()

    @property
    def room(self) -> Load:
        """What it can hold at once in each dimension; `NO_LIMIT` where nothing is said."""
        grams = NO_LIMIT if self.capacity_g is None else self.capacity_g
        litres = NO_LIMIT if self.capacity_ml is None else self.capacity_ml
        return self.capacity, grams, litres


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One order: its parcels are fetched, unless they are aboard, and delivered by one van.

    Attributes:
        size: parcels. weight_g, volume_ml: of all of them together. delivery: index of the door's
            location.
        needs: skills that its van must have. What is aboard a van already is delivered by it,
            whatever it needs.
        windows: when the service may start, in order and apart; none means at any time.
        service_s: time at the door. pickup_service_s: time for fetching it.
        pickup: index of the place where the parcels lie; None when they are aboard
            ``only_vehicle``.
        ready_from: the parcels cannot be fetched earlier.
        pickup_windows: when they may be fetched, in order and apart, as where a shop is open; none
            means at any time. What has some is fetched by a visit of its own, at the start too.
        only_vehicle: no other van may serve it: its parcels are aboard, or a dispatcher wants it.
        banned_vehicles: vans that may not fetch it; of no force once its parcels are aboard.
        may_be_late: when it cannot be served within its windows it is still served, after the last
            of them, and the lateness counts in the plan's cost. Meant for parcels aboard and for
            promises that are lost already.
        late_s: its last window is soft: a second after it costs this instead of `Policy.late_s`,
            and a plan that is late there and cheaper for it is taken. Only of what may be late.
        late_until: service may not start after it, late or not; None is whenever. Only of what may
            be late: a place that closes.
        margin_s: so long before its last window ends it is to be served if that can be: vans come
            later than planned as often as earlier.
        unserved: leaving it out costs this instead of what `Policy` says: little for what may wait
            for another day, and more each time it was put off.
        previous_vehicle: the van of the plan in force; another one costs `Policy.changed_vehicle`.
        zones: that its door lies in; a van with zones of its own and none of these costs
            `Policy.outside_zone`.
        known: vans whose drivers know the door, and how well; the best known is free, and one that
            is less known costs as much less of `Policy.unfamiliar`.
    """

    id: Id
    size: Count
    delivery: Index
    pickup: Index | None
    windows: Annotated[tuple[Window, ...], Meta(max_length=8)] = ()
    service_s: Seconds = 0
    pickup_service_s: Seconds = 0
    weight_g: Grams = 0
    volume_ml: Millilitres = 0
    needs: Annotated[tuple[Word, ...], Meta(max_length=20)] = ()
    ready_from: Instant | None = None
    pickup_windows: Annotated[tuple[Window, ...], Meta(max_length=8)] = ()
    only_vehicle: Id | None = None
    banned_vehicles: Annotated[tuple[Id, ...], Meta(max_length=2_000)] = ()
    may_be_late: bool = False
    priority: Priority = "normal"
    late_s: Price | None = None
    late_until: Instant | None = None
    unserved: Price | None = None
    margin_s: Seconds = 0
    previous_vehicle: Id | None = None
    zones: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    known: Annotated[tuple[tuple[Id, Permille], ...], Meta(max_length=2_000)] = ()

    @property
    def load(self) -> Load:
        """What it takes of a van's room in each dimension."""
        return self.size, self.weight_g, self.volume_ml


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What things cost a tenant, all in seconds of driving.

    Attributes:
        km: driving one kilometre, beside the time it takes.
        hour: an hour of a van that is sent out, from when it is available until it is back,
            waiting and service too, beside the driving.
        vehicle: sending out one more van.
        late_s: one second of lateness (of jobs that may be late).
        unserved, unserved_urgent: leaving an order out of the plan.
        changed_vehicle: giving an order to another van than in the plan in force.
        changed_sequence: serving an order on its van, but not in its place among those that stay
            on it; the fewest orders whose moving explains the new sequence are counted.
        outside_zone: delivering by a van that has zones outside all of them. unfamiliar: by one
            whose driver does not know a door that another one's knows well.
    """

    km: Price = 60.0
    hour: Price = 0.0
    vehicle: Price = 0.0
    late_s: Price = 5.0
    unserved: Price = 36_000.0
    unserved_urgent: Price = 360_000.0
    changed_vehicle: Price = 0.0
    changed_sequence: Price = 0.0
    outside_zone: Price = 0.0
    unfamiliar: Price = 0.0


class Problem(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything a solver knows but the travel times. Indices point into ``locations``.

    Raises:
        ValueError: an index or a van's id points nowhere, an id stands twice, or a job without
            pickup names no van; the text names the field.
    """

    locations: Annotated[tuple[Location, ...], Meta(max_length=MAX_LOCATIONS)]
    vehicles: Annotated[tuple[Vehicle, ...], Meta(max_length=2_000)]
    jobs: Annotated[tuple[Job, ...], Meta(max_length=MAX_JOBS)]
    policy: Policy = Policy()

    def __post_init__(self) -> None:
        _require_distinct("vehicles", [vehicle.id for vehicle in self.vehicles])
        _require_distinct("jobs", [job.id for job in self.jobs])
        for at, vehicle in enumerate(self.vehicles):
            self._require_location(f"vehicles[{at}].start", vehicle.start)
            self._require_location(f"vehicles[{at}].end", vehicle.end)
            self._require_location(f"vehicles[{at}].loads_at", vehicle.loads_at)
        known, places = {vehicle.id for vehicle in self.vehicles}, len(self.locations)
        for at, job in enumerate(self.jobs):
            if job.delivery >= places or (job.pickup or 0) >= places:
                self._require_location(f"jobs[{at}].delivery", job.delivery)
                self._require_location(f"jobs[{at}].pickup", job.pickup)
            _require_job(at, job, known)
        only = {job.id: job.only_vehicle for job in self.jobs}
        for at, vehicle in enumerate(self.vehicles):
            _require_locked(f"vehicles[{at}].locked", vehicle, only)
            _require_pauses(f"vehicles[{at}].pauses", vehicle.pauses)

    @cached_property
    def aboard(self) -> dict[str, Load]:
        """What is in vans before they fetch anything; those in which nothing is are left out."""
        found: dict[str, Load] = {}
        for job in self.jobs:
            if job.pickup is None and job.only_vehicle is not None:
                before = found.get(job.only_vehicle, (0, 0, 0))
                parcels, grams, millilitres = map(add, before, job.load)
                found[job.only_vehicle] = parcels, grams, millilitres
        return found

    def _require_location(self, field: str, index: int | None) -> None:
        if index is not None and index >= len(self.locations):
            raise ValueError(
                f"{field}: {index} is none of the {len(self.locations)} locations; "
                "give an index into locations"
            )


def _require_distinct(field: str, ids: list[str]) -> None:
    seen: set[str] = set()
    for at, name in enumerate(ids):
        if name in seen:
            raise ValueError(f"{field}[{at}].id: {name!r} stands twice; give each its own id")
        seen.add(name)


def _require_job(at: int, job: Job, known: set[str]) -> None:
    if job.only_vehicle is None:
        if job.pickup is None:
            raise ValueError(
                f"jobs[{at}].pickup: missing; say where the parcels lie, or name the van that has "
                "them aboard in only_vehicle"
            )
    elif job.only_vehicle not in known:
        raise ValueError(
            f"jobs[{at}].only_vehicle: {job.only_vehicle!r} is none of the vehicles; "
            "add the van or free the job"
        )
    if job.late_s is not None and not job.may_be_late:
        raise ValueError(f"jobs[{at}].late_s: it may not be late; set may_be_late, or leave it out")
    if job.late_until is not None:
        _require_late_until(f"jobs[{at}].late_until", job, job.late_until)
    if len(job.windows) > 1:
        _require_order(f"jobs[{at}].windows", job.windows)
    if len(job.pickup_windows) > 1:
        _require_order(f"jobs[{at}].pickup_windows", job.pickup_windows)


def _require_late_until(field: str, job: Job, until: int) -> None:
    if not job.may_be_late or not job.windows:
        raise ValueError(f"{field}: it has no window it may be late in; leave it out")
    if until < job.windows[-1].closes:
        raise ValueError(f"{field}: is before its last window closes; move it on")


def _require_locked(field: str, vehicle: Vehicle, only: dict[str, str | None]) -> None:
    steps = vehicle.locked or ()
    if len(set(steps)) < len(steps):
        raise ValueError(f"{field}: a visit stands twice; name each once")
    for step in steps:
        if only.get(step.job) != vehicle.id:
            raise ValueError(
                f"{field}: {step.job!r} is no job of this van alone; "
                "name the van in its only_vehicle, or leave it out of the locked route"
            )


def _require_pauses(field: str, pauses: tuple[Pause, ...]) -> None:
    if any(begins >= ends for begins, ends in pauses) or any(
        after[0] < before[1] for before, after in pairwise(pauses)
    ):
        raise ValueError(f"{field}: one has no length or overlaps another; put them in order")


def _require_order(field: str, windows: tuple[Window, ...]) -> None:
    for at, (earlier, later) in enumerate(pairwise(windows), start=1):
        if later.opens <= earlier.closes:
            raise ValueError(
                f"{field}[{at}]: opens before the one before it has closed; "
                "put them in order and apart"
            )
