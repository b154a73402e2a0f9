"""A simulated week under four ways of planning, the same days for each.

The product's way is to plan anew on each event from the plan in force, with a price on change. It
is held against the morning plan kept, a full new plan on each event, and vans that drive to the
nearest door. Every day has urgent orders, cancellations, traffic, incidents and people who are out.
"""

import statistics
from collections.abc import Iterator
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bench.figure import Figure
from bench.lived import (
    LEARNED_NOTHING,
    City,
    Distances,
    FullResolve,
    KeptPlan,
    Nearest,
    Replanned,
    day_script,
    lived,
)
from cloud.planning.eta import visited
from cloud.planning.model import Policy
from cloud.planning.pace import learned
from sim.day import Rates
from sim.opening import ZONE
from sim.traffic import TrafficTruth
from tests.parts.roads_engine import roads_engine

NAME: Final = "week"
_DAYS: Final = 5
_ORDERS: Final = 110
_VANS: Final = 7
_SEEDS: Final = (1, 2, 3, 4, 5)
_PLAN_S: Final = 1.0
_RATES: Final = Rates(urgent=0.06, called_off=0.03, breakdown=0.0)
_KM_S: Final = 60.0
"""What a kilometre costs in seconds of driving, as `cloud.planning.model.Policy` has it."""

_POLICIES: Final = (Replanned, KeptPlan, FullResolve, Nearest)


class Week(NamedTuple):
    """What a week came to: promises broken, driving in hours' worth, stops that were moved."""

    late: int
    cost_h: float
    moved: int
    revisions: int


def run() -> Iterator[Figure]:
    """Measure."""
    city = City.read()
    with roads_engine() as engine:
        weeks = {
            policy: [_lived(city, engine.url, policy, seed) for seed in _SEEDS]
            for policy in _POLICIES
        }
    ours, resolved = weeks[Replanned], weeks[FullResolve]
    for policy in _POLICIES[1:]:
        yield Figure(
            bench=NAME, figure="late promises of a week, median of 5 seeds",
            value=_median(ours, "late"), unit="", goal=_median(weeks[policy], "late") - 1,
            peer=policy.name, peer_value=_median(weeks[policy], "late"),
        )  # fmt: skip
    pairs = list(zip(ours, resolved, strict=True))
    dearer = statistics.median(100 * (one.cost_h / other.cost_h - 1) for one, other in pairs)
    yield Figure(
        bench=NAME, figure="cost against a full new plan on each event",
        value=round(dearer, 2), unit="%", goal=1.0,
    )  # fmt: skip
    moved = statistics.median(100 * one.moved / max(1, other.moved) for one, other in pairs)
    yield Figure(
        bench=NAME, figure="stops moved, of those of a full new plan on each event",
        value=round(moved, 1), unit="%", goal=20.0,
    )  # fmt: skip


def _lived(city: City, url: str, policy: type[KeptPlan], seed: int) -> Week:
    traffic = city.traffic(TrafficTruth(), seed=f"city {seed}")
    known, shown, zone = LEARNED_NOTHING, [], ZoneInfo(ZONE)
    late = moved = revisions = 0
    cost_s = 0.0
    for number in range(_DAYS):
        script = day_script(
            city, number=number, orders=_ORDERS, vans=_VANS, rates=_RATES, seed=seed
        )
        planner = policy(script, Distances(url, script), seconds=_PLAN_S, seed=seed, learned=known)
        day = lived(script, city, traffic, planner)
        late += planner.broken_promises(day)
        cost_s += day.driven_s + day.driven_m / 1000 * _KM_S
        cost_s += planner.never_tried(day) * Policy().unserved
        moved += planner.moved
        revisions += planner.revision
        shown += [visited(route, zone) for route in planner.plan.routes]
        known = known._replace(pace=learned(shown))
    return Week(late, cost_s / 3600, moved, revisions)


def _median(weeks: list[Week], what: str) -> float:
    return float(statistics.median(getattr(week, what) for week in weeks))
