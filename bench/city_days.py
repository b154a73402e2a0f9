"""Days in the demo city for benchmarks: doors on its streets, drawn from a seed."""

import json
import math
import random
from pathlib import Path

from msgspec.structs import replace

from cloud.planning.problem import Job, Location, Problem, RouteStep, Vehicle, Window
from cloud.planning.solution import Plan, PlannedRoute
from cloud.roads.city import STREETS

DEPOT = Location(lat=-29.9082, lon=-71.2489)
EIGHT = 1_790_000_000 // 86_400 * 86_400 + 11 * 3_600
"""Eight o'clock in the city."""
HOUR = 3_600


def doors(city: Path, count: int, dice: random.Random) -> list[Location]:
    """Places on residential streets, each street with the same chance."""
    streets = [
        street["geometry"]["coordinates"][0]
        for street in json.loads((city / STREETS).read_text())["features"]
        if street["properties"]["class"] == "residential"
    ]
    return [Location(lat=lat, lon=lon) for lon, lat in dice.sample(streets, count)]


def morning(city: Path, *, orders: int, vans: int, seed: int) -> Problem:
    """All vans at the depot; three orders of five have a window of two or three hours."""
    dice = random.Random(seed)
    jobs = []
    for number in range(1, orders + 1):
        opens = EIGHT + dice.choice([0, 2, 4, 6]) * HOUR
        window = Window(opens=opens, closes=opens + dice.choice([2, 3]) * HOUR)
        jobs.append(
            Job(
                id=f"order-{number}",
                size=dice.randint(1, 3),
                delivery=number,
                pickup=0,
                windows=(window,) if dice.random() < 0.6 else (),
                service_s=dice.choice([120, 180, 240]),
                pickup_service_s=60,
            )
        )
    fleet = [
        Vehicle(
            id=f"van-{number}",
            start=0,
            end=0,
            available_from=EIGHT,
            shift_end=EIGHT + 10 * HOUR,
            capacity=50,
            loads_at_start=True,
            loading_s=600,
        )
        for number in range(1, vans + 1)
    ]
    return Problem(
        locations=(DEPOT, *doors(city, orders, dice)), vehicles=tuple(fleet), jobs=tuple(jobs)
    )


def noon(day: Problem, plan: Plan, city: Path, *, urgent: int, seed: int) -> Problem:
    """The day at noon: what is open is aboard, each van at the stop it drives to, new orders."""
    now = EIGHT + 4 * HOUR
    jobs = {job.id: job for job in day.jobs}
    vans: list[Vehicle] = []
    left: list[Job] = []
    for van, route in zip(day.vehicles, plan.routes, strict=True):
        moved, still_aboard = _under_way(van, route, now)
        vans.append(moved)
        left += [
            replace(jobs[job], pickup=None, only_vehicle=van.id, previous_vehicle=van.id)
            for job in still_aboard
        ]
    return _with_urgent(
        replace(day, vehicles=tuple(vans), jobs=tuple(left)), city, now, urgent=urgent, seed=seed
    )


def before_leaving(day: Problem, plan: Plan, city: Path, *, urgent: int, seed: int) -> Problem:
    """The day as planned, every van still at its depot, and new orders."""
    van_of = {visit.job: route.vehicle for route in plan.routes for visit in route.visits}
    vans = [
        replace(van, in_force=_in_force(route, set(van_of)))
        for van, route in zip(day.vehicles, plan.routes, strict=True)
    ]
    jobs = [replace(job, previous_vehicle=van_of.get(job.id)) for job in day.jobs]
    planned = replace(day, vehicles=tuple(vans), jobs=tuple(jobs))
    return _with_urgent(planned, city, EIGHT, urgent=urgent, seed=seed)


def two_waves(day: Problem) -> Problem:
    """The day with every second van on duty from noon on; each wave has room for about half."""
    noon_s = 4 * HOUR
    room = math.ceil(1.1 * sum(job.size for job in day.jobs) / len(day.vehicles))
    vans = [
        replace(van, capacity=room)
        if number % 2
        else replace(
            van,
            capacity=room,
            available_from=van.available_from + noon_s,
            shift_end=van.shift_end + noon_s,
        )
        for number, van in enumerate(day.vehicles, start=1)
    ]
    return replace(day, vehicles=tuple(vans))


def half_done(day: Problem, plan: Plan, city: Path, *, fresh: int, seed: int) -> Problem:
    """A day of two waves at noon: the first under way, the second at its depot; new orders.

    What the second wave was to take lies at the depot, and any van that still stands there may.
    """
    now = EIGHT + 4 * HOUR
    jobs = {job.id: job for job in day.jobs}
    vans: list[Vehicle] = []
    left: list[Job] = []
    for van, route in zip(day.vehicles, plan.routes, strict=True):
        is_away = van.available_from < now
        moved, still = _under_way(van, route, now) if is_away else _at_depot(van, route)
        vans.append(moved)
        aboard = {"pickup": None, "only_vehicle": van.id} if is_away else {}
        left += [replace(jobs[job], previous_vehicle=van.id, **aboard) for job in still]
    return _with_urgent(
        replace(day, vehicles=tuple(vans), jobs=tuple(left)), city, now, urgent=fresh, seed=seed
    )


def _at_depot(van: Vehicle, route: PlannedRoute) -> tuple[Vehicle, list[str]]:
    planned = [visit.job for visit in route.visits if visit.kind == "delivery"]
    return replace(van, in_force=_in_force(route, set(planned))), planned


def _with_urgent(day: Problem, city: Path, now: int, *, urgent: int, seed: int) -> Problem:
    fresh = [
        Job(
            id=f"urgent-{number}",
            size=1,
            delivery=len(day.locations) + number,
            pickup=0,
            windows=(Window(opens=now, closes=now + 3 * HOUR),),
            service_s=180,
            pickup_service_s=60,
            priority="urgent",
        )
        for number in range(urgent)
    ]
    places = (*day.locations, *doors(city, urgent, random.Random(seed)))
    return replace(day, locations=places, jobs=(*day.jobs, *fresh))


def _in_force(route: PlannedRoute, jobs: set[str]) -> tuple[RouteStep, ...]:
    return tuple(
        RouteStep(job=visit.job, kind="delivery")
        for visit in route.visits
        if visit.kind == "delivery" and visit.job in jobs
    )


def _under_way(van: Vehicle, route: PlannedRoute, now: int) -> tuple[Vehicle, list[str]]:
    """The van where it will next be done, and the orders it still has aboard then."""
    deliveries = [visit for visit in route.visits if visit.kind == "delivery"]
    begun = [visit for visit in deliveries if visit.arrival - visit.leg_s <= now]
    open_visits = deliveries[len(begun) :]
    here, free_at = van.start, van.available_from
    if begun:
        here, free_at = begun[-1].location, begun[-1].departure
    still_aboard = [visit.job for visit in open_visits]
    moved = replace(
        van,
        start=here,
        available_from=max(now, free_at),
        loads_at_start=False,
        loading_s=0,
        in_force=_in_force(route, set(still_aboard)),
    )
    return moved, still_aboard
