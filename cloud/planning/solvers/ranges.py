"""Keeping vans within their range in a search that knows only what an arc costs. Pure.

PyVRP limits the sum of what it sums, and that is a price. What a van's route costs for each metre
tells what price its range comes to; the search is held to that, and the clock trims what is over.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from cloud.planning.solvers.formulation import NO_MOST, Formulation
from cloud.planning.solvers.port import Sequences, Step, Task
from cloud.planning.solvers.rates import rates
from cloud.planning.solvers.schedule import timed

_SAFE: Final = 0.98
"""Of the price that a range comes to: routes that differ cost a little more or less for a metre."""


def has_ranges(form: Formulation) -> bool:
    """Whether some van can drive only so far."""
    return any(van.range_m is not None for van in form.problem.vehicles)


def reined(form: Formulation, task: Task, sequences: Sequences) -> Formulation:
    """The formulation in which no van may drive for more than its range comes to."""
    if not has_ranges(form):
        return form
    told = [_driven(task, van, steps) for van, steps in enumerate(sequences)]
    usual = _ratio(sum(price for price, _ in told), sum(metres for _, metres in told), form)
    most = []
    for van, (price, metres) in zip(form.problem.vehicles, told, strict=True):
        if van.range_m is None:
            most.append(NO_MOST)
            continue
        ratio = price / metres if metres > van.range_m else usual
        most.append(int(van.range_m * ratio * _SAFE))
    return replace(form, most=tuple(most))


def _driven(task: Task, van: int, steps: tuple[Step, ...]) -> tuple[float, int]:
    """What a route's driving costs, and its metres."""
    vehicle = task.problem.vehicles[van]
    if not steps:
        return 0.0, 0
    route = timed(task.problem, task.matrix, vehicle, steps).route
    metres = sum(visit.leg_m for visit in route.visits) + route.end_leg_m
    seconds = sum(visit.leg_s for visit in route.visits) + route.end_leg_s
    return seconds + metres * rates(task.problem.policy, vehicle).metre, metres


def _ratio(price: float, metres: int, form: Formulation) -> float:
    if metres:
        return price / metres
    return float(np.mean([rate.metre for rate in form.rates]))
