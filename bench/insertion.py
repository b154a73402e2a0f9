"""Deciding where an urgent order goes: every position of every van, with the road rows at hand."""

import statistics
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.figure import Figure
from cloud.planning.problem import Job, Location, Problem, Vehicle, Window
from cloud.planning.solvers.insertion.board import Ways
from cloud.planning.solvers.insertion.desk import InsertionDesk
from cloud.planning.solvers.port import Sequences, Step

_NOON: Final = 1_790_000_000
_STOPS: Final = 11
_ORDERS: Final = 400
_SIDE_M: Final = 30_000
_MPS: Final = 8
_DETOUR: Final = 1.3
_SERVICE_S: Final = 180
_EARLIER_S: Final = 1_800
_LATER_S: Final = 2_700
"""A window is open so long before and after the van comes as planned."""

type _Places = npt.NDArray[np.float64]
type _Legs = dict[tuple[int, int], tuple[int, int]]


def run() -> Iterator[Figure]:
    """Vans under way with eleven stops each; parcels of the order lie at the depot."""
    for vans, goal in ((50, 1.0), (1_000, 2.0)):
        problem, sequences, places = _fleet(vans)
        legs = _legs(problem, sequences, places)
        told = f"{vans:,} vans, {vans * (_STOPS + 1):,} positions"
        begun = time.perf_counter()
        desk = InsertionDesk(problem, sequences, partial(_leg, legs))
        made_s = time.perf_counter() - begun
        took, busy = _decisions(desk, places, vans, is_depot_new=True)
        yield Figure(
            bench="insertion",
            figure=f"{told}: decision, the depot new to the desk each time, p95",
            value=round(1e3 * float(np.quantile(took, 0.95)), 2),
            unit="ms",
            goal=goal,
            peer="its processor time, p95",
            peer_value=round(1e3 * float(np.quantile(busy, 0.95)), 2),
        )
        took, busy = _decisions(desk, places, vans, is_depot_new=False)
        yield Figure(
            bench="insertion",
            figure=f"{told}: decision, p95",
            value=round(1e3 * float(np.quantile(took, 0.95)), 2),
            unit="ms",
            goal=goal,
            peer="its processor time, p95",
            peer_value=round(1e3 * float(np.quantile(busy, 0.95)), 2),
        )
        yield Figure(
            bench="insertion",
            figure=f"{told}: decision, median",
            value=round(1e3 * statistics.median(took), 2),
            unit="ms",
            peer="its processor time, median",
            peer_value=round(1e3 * statistics.median(busy), 2),
        )
        yield Figure(
            bench="insertion",
            figure=f"{told}: making the desk, once a plan",
            value=round(1e3 * made_s, 1),
            unit="ms",
        )


def _fleet(vans: int) -> tuple[Problem, Sequences, _Places]:
    """Vans where they are at noon, each in a part of its own; half of their doors have windows."""
    dice = np.random.default_rng(1)
    stops = vans * _STOPS
    places = dice.uniform(0, _SIDE_M, (1 + stops + _ORDERS + vans, 2))
    places[0] = _SIDE_M / 2
    jobs: list[Job] = []
    sequences: list[tuple[Step, ...]] = []
    fleet: list[Vehicle] = []
    for van in range(vans):
        around = dice.uniform(0, _SIDE_M, 2)
        first, start = 1 + van * _STOPS, 1 + stops + _ORDERS + van
        own = [start, *range(first, first + _STOPS)]
        places[own] = around + dice.uniform(-1_500, 1_500, (len(own), 2))
        sequences.append(tuple(Step(at - 1, "delivery") for at in own[1:]))
        clock = _NOON
        for before, at in pairwise(own):
            clock += int(_DETOUR * np.hypot(*(places[before] - places[at]))) // _MPS
            window = Window(opens=clock - _EARLIER_S, closes=clock + _LATER_S)
            jobs.append(
                Job(
                    id=f"order-{at}",
                    size=1,
                    delivery=at,
                    pickup=None,
                    only_vehicle=f"van-{van}",
                    windows=(window,) if at % 2 else (),
                    service_s=_SERVICE_S,
                )
            )
            clock += _SERVICE_S
        fleet.append(
            Vehicle(
                id=f"van-{van}",
                start=start,
                end=0,
                available_from=_NOON,
                shift_end=_NOON + 10 * 3_600,
                capacity=100,
            )
        )
    nowhere = Location(lat=0, lon=0)
    locations = (nowhere,) * len(places)
    problem = Problem(locations=locations, vehicles=tuple(fleet), jobs=tuple(jobs))
    return problem, tuple(sequences), places


def _legs(problem: Problem, sequences: Sequences, places: _Places) -> _Legs:
    """The drives of the routes, as a plan has them."""
    legs: _Legs = {}
    for van, steps in zip(problem.vehicles, sequences, strict=True):
        stops = [van.start, *(problem.jobs[step.job].delivery for step in steps), van.end]
        for one, other in pairwise(stops):
            metres = int(_DETOUR * np.hypot(*(places[one] - places[other])))
            legs[one, other] = metres // _MPS, metres
    return legs


def _leg(legs: _Legs, one: int, other: int, _leaves: int) -> tuple[int, int]:
    return legs[one, other]


def _ways(places: _Places, place: int) -> Ways:
    metres = (_DETOUR * np.hypot(*(places - places[place]).T)).astype(np.int32)
    return Ways(metres // _MPS, metres, metres // _MPS, metres)


def _decisions(
    desk: InsertionDesk, places: _Places, vans: int, *, is_depot_new: bool
) -> tuple[list[float], list[float]]:
    """How long each order took, and of it the processor."""
    depot = _ways(places, 0)
    took, busy = [], []
    for number in range(_ORDERS):
        door = 1 + vans * _STOPS + number
        order = Job(
            id=f"urgent-{number}",
            size=1,
            delivery=door,
            pickup=0,
            windows=(Window(opens=_NOON, closes=_NOON + 3 * 3_600),),
            service_s=_SERVICE_S,
            pickup_service_s=60,
            priority="urgent",
            may_be_late=True,
        )
        ways = _ways(places, door)
        if is_depot_new:
            depot = _ways(places, 0)
        begun, worked = time.perf_counter(), time.thread_time()
        found = desk.decide(desk.admit(order), ways, depot)
        took.append(time.perf_counter() - begun)
        busy.append(time.thread_time() - worked)
        if found is None:
            raise RuntimeError("an order was placed nowhere")
    return took, busy
