"""Streets that will be closed in two hours: plans that know of it against plans that do not.

Afternoons of 200 orders with windows of one or two hours (``bench.hours``), on fewer vans than
there, are planned at one. Then streets are closed from three to seven: one on each longer leg that
this very plan drives in those hours, which is the worst that could be drawn; none that leaves a
door without any way. The plan that does not know, and one made with the data set of the closed
hours, are driven at the truth, each leg around what is closed at its hour. Last, a whole cloud is
told of a closure on its vans' way in two hours, and asked when a plan that knows it is in force.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from bench.city_days import EIGHT, HOUR
from bench.figure import Figure
from bench.hours import evening
from bench.served_day import DATE, PLACE, ServedDay, served_day
from bench.side_by_side import seeds
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.planning import plan_store
from cloud.planning.leg_left import path_between
from cloud.planning.problem import Problem
from cloud.planning.questions import SolveRequest
from cloud.planning.solution import Plan
from cloud.planning.solvers.port import sequences_of
from cloud.planning.solvers.schedule import timed
from cloud.planning.solvers.service import lateness_s
from cloud.planning.solvers.solving import solve
from cloud.roads import store
from cloud.roads.hours import TimedMatrix
from cloud.roads.model import NO_WAY, Point
from cloud.roads.publisher import SpeedPublisher
from cloud.roads.speeds import RoadRule
from cloud.roads.timed import TimedRoads
from sim.geodesy import distance_m
from tests.parts.migrated import upgrade
from tests.parts.roads_engine import demo_city
from tests.roads.test_keeper import Roads, roads_process

_SECONDS: Final = 2.0
_VANS: Final = 8
_LONG_S: Final = 240
"""A leg so long leads through streets of the town, and not only around a corner."""
_PIECE: Final = 3
"""Points of a path that are closed, in the middle of a leg."""
_MOSTLY: Final = 0.5
_BESIDE_M: Final = 300.0
_FAR_M: Final = 1e9
_PLANNED: Final = EIGHT + 5 * HOUR
_CLOSED: Final = EIGHT + 7 * HOUR, EIGHT + 11 * HOUR
_DRAWN: Final = 3
"""Closures that are drawn on the served cloud, one after the other."""
_ON_FROM, _ON_UNTIL = EIGHT + 3 * HOUR // 2, EIGHT + 4 * HOUR
"""It is half past seven in that cloud."""
_DONE: Final = "SELECT 1 FROM planning_job WHERE state = 'done' AND reason LIKE ?"
_REVISIONS: Final = "SELECT count(*) FROM plan_revision WHERE service_date = ? AND reason LIKE ?"
_WITHIN_S: Final = 180.0
_LOOK_S: Final = 0.01


class Driven(NamedTuple):
    """A plan at the truth: deliveries after their windows, by how long, and the driving."""

    late: int
    late_s: int
    drive_s: int


class _Noon:
    """It is one o'clock, two hours before the streets close."""

    speed = 1.0

    def now_s(self) -> float:
        return float(_PLANNED)

    async def sleep_until(self, instant_s: float) -> None:
        raise AssertionError("nobody sleeps here")


def run() -> Iterator[Figure]:
    """Late deliveries and driving with and without foresight; how soon a closure is in plans."""
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-bench-") as name,
        roads_process(Path(name)) as roads,
    ):
        yield from asyncio.run(_planned(roads, Path(name)))
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-bench-") as name,
        served_day(Path(name), orders=200, vans=12) as day,
    ):
        yield from _drawn(day)


async def _planned(roads: Roads, folder: Path) -> list[Figure]:
    database = Database(folder / "business.db")
    upgrade(database, "business")
    publisher = SpeedPublisher(database=database, clock=_Noon(), city=demo_city(), desk=roads.desk)
    await publisher.publish(roads.desk)
    days = [await _day(seed, roads, publisher, database) for seed in seeds()]
    database.close()
    return list(_told(days))


class _Seen(NamedTuple):
    """One afternoon: how many streets were closed, how soon that was in a matrix, and the plans."""

    closed: int
    soon_s: float
    before: Driven
    blind: Driven
    knowing: Driven


async def _day(seed: int, roads: Roads, publisher: SpeedPublisher, database: Database) -> _Seen:
    problem = evening(seed)
    problem = replace(problem, vehicles=problem.vehicles[:_VANS])
    points = [Point(one.lat, one.lon) for one in problem.locations]
    van = problem.vehicles[0]
    span = van.available_from, van.shift_end, _PLANNED
    async with TimedRoads(roads.folder / "roads", roads.client().url) as timed_roads:
        _draw_only(database, [])
        await publisher.publish_ahead(roads.desk)
        free = await timed_roads.table(points, *span)
        blind = _plan(problem, free, seed)
        rules = await _closures(problem, blind, roads)
        while True:
            begun = time.perf_counter()
            _draw_only(database, rules)
            await publisher.publish_ahead(roads.desk)
            truth = await timed_roads.table(points, *span)
            soon_s = time.perf_counter() - begun
            open_ones = _without_cutting_off(problem, truth, rules)
            if open_ones == rules:
                break
            rules = open_ones
    knowing = _plan(problem, truth, seed)
    driven = [_driven(problem, *one) for one in ((blind, free), (blind, truth), (knowing, truth))]
    return _Seen(len(rules), soon_s, *driven)


def _draw_only(database: Database, rules: Sequence[RoadRule]) -> None:
    with database.writing() as connection:
        for known in store.rules(connection):
            store.remove(connection, "main", known.id)
        for one in rules:
            store.add(connection, "main", one)


async def _closures(problem: Problem, plan: Plan, roads: Roads) -> list[RoadRule]:
    """A street in the middle of each long leg that the plan drives in the closed hours."""
    rules: list[RoadRule] = []
    async with roads.client() as client:
        for origin, goal in _long_legs(problem, plan):
            ends = [problem.locations[one] for one in (origin, goal)]
            path = (await client.route([Point(one.lat, one.lon) for one in ends])).geometry
            middle = len(path) // 2
            piece = path[middle - 1 : middle - 1 + _PIECE]
            rules.append(
                RoadRule(
                    id=f"closed-{len(rules)}",
                    name="a street",
                    kind="closed",
                    points=tuple((lat, lon) for lon, lat in piece),
                    is_area=False,
                    from_s=_CLOSED[0],
                    until_s=_CLOSED[1],
                )
            )
    return rules


def _without_cutting_off(
    problem: Problem, truth: TimedMatrix, rules: list[RoadRule]
) -> list[RoadRule]:
    """The closures but for those beside doors that no way leads to, or from, meanwhile."""
    is_shut = truth.seconds.max(0) >= NO_WAY
    shut = np.flatnonzero((is_shut.mean(0) > _MOSTLY) | (is_shut.mean(1) > _MOSTLY))
    doors = [(problem.locations[at].lat, problem.locations[at].lon) for at in shut]
    apart = [
        (min((distance_m(door, rule.points[0]) for door in doors), default=_FAR_M), rule)
        for rule in rules
    ]
    nearest_m = min((far_m for far_m, _ in apart), default=_FAR_M)
    if not doors or not rules:
        return rules
    return [rule for far_m, rule in apart if far_m > max(_BESIDE_M, nearest_m)]


def _long_legs(problem: Problem, plan: Plan) -> list[tuple[int, int]]:
    found = []
    for van, route in zip(problem.vehicles, plan.routes, strict=True):
        at = van.start
        for visit in route.visits:
            leaves = visit.arrival - visit.leg_s
            if visit.leg_s > _LONG_S and _CLOSED[0] < leaves < _CLOSED[1]:
                found.append((at, visit.location))
            at = visit.location
    return found


def _plan(problem: Problem, known: TimedMatrix, seed: int) -> Plan:
    request = SolveRequest(problem=problem, seconds=_SECONDS, seed=seed, now=_PLANNED)
    return solve(request, known)


def _driven(problem: Problem, plan: Plan, truth: TimedMatrix) -> Driven:
    jobs = {job.id: job for job in problem.jobs}
    late, late_s, drive_s = len(plan.unserved), 0, 0
    for van, steps in zip(problem.vehicles, sequences_of(plan, problem), strict=True):
        route = timed(problem, truth, van, steps).route
        drive_s += route.end_leg_s + sum(visit.leg_s for visit in route.visits)
        after = [
            lateness_s(jobs[visit.job], visit.start)
            for visit in route.visits
            if visit.kind == "delivery"
        ]
        late += sum(one > 0 for one in after)
        late_s += sum(max(0, one) for one in after)
    return Driven(late, late_s, drive_s)


def _told(days: Sequence[_Seen]) -> Iterator[Figure]:
    streets = f"{median(one.closed for one in days):g} streets closed in two hours"
    for what, unit, of in (
        ("late or left out of 200", "", "late"),
        ("late by, all together", "s", "late_s"),
        ("driving", "s", "drive_s"),
    ):
        knowing, blind = (
            median(getattr(getattr(one, name), of) for one in days) for name in ("knowing", "blind")
        )
        yield Figure(
            bench="closures",
            figure=f"{what}, {streets}",
            value=knowing,
            unit=unit,
            goal=blind,
            peer="planned without knowing",
            peer_value=blind,
        )
    yield Figure(
        bench="closures",
        figure="driving of the plan that does not know, if nothing were closed",
        value=median(one.before.drive_s for one in days),
        unit="s",
    )
    yield Figure(
        bench="closures",
        figure="from the closures stored to a matrix of 201 places with them",
        value=round(median(one.soon_s for one in days), 2),
        unit="s",
    )


def _drawn(day: ServedDay) -> Iterator[Figure]:
    """From a closure drawn on the way of a van to the plan that was made for it."""
    data = DataFolder(day.cloud.root)
    database = Database(data.business)
    took = []
    with closing(sqlite3.connect(f"file:{data.business}?mode=ro", uri=True)) as seen:
        for number, piece in enumerate(_on_the_way(database)):
            name = f"closure {number}"
            begun = time.perf_counter()
            _draw(day, name, piece)
            _wait_for_plan(seen, name)
            took.append(time.perf_counter() - begun)
        known = seen.execute(_REVISIONS, (DATE, "%closure %")).fetchone()[0]
    database.close()
    yield Figure(
        bench="closures",
        figure=f"drawn on a van's way in two hours to the plan with it, median of {len(took)}",
        value=round(median(took), 2),
        unit="s",
    )
    yield Figure(
        bench="closures",
        figure=f"revisions that those {len(took)} made",
        value=known,
        unit="",
        better="more",
    )


def _on_the_way(database: Database) -> Iterator[list[tuple[float, float]]]:
    """The middle of what each of some vans drives from two hours after the begin on."""
    with database.reading() as connection:
        plan = plan_store.find_plan(connection, "main", PLACE, date.fromisoformat(DATE))
    paths = (path_between(route, _ON_FROM, _ON_UNTIL) for route in plan.routes)
    for path in islice((one for one in paths if len(one) > 2), _DRAWN):
        middle = len(path) // 2
        yield path[middle - 1 : middle + 2]


def _draw(day: ServedDay, name: str, points: Sequence[tuple[float, float]]) -> None:
    begins, ends = (datetime.fromtimestamp(one, UTC).isoformat() for one in (_ON_FROM, _ON_UNTIL))
    drawn = {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": [(lon, lat) for lat, lon in points]},
        "properties": {"kind": "closed", "name": name, "from": begins, "until": ends},
    }
    day.cloud.admin.post("/roads/rules", json=drawn).raise_for_status()


def _wait_for_plan(seen: sqlite3.Connection, name: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while seen.execute(_DONE, (f"%{name}%",)).fetchone() is None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"no plan was made for {name}")
        time.sleep(_LOOK_S)
