"""A simulated week under four ways of planning, the same days for each.

The product's way is to plan on from the plan in force when something happens, with a price on
change. It is held against the morning plan kept, a full new plan on each event, and vans that drive
to the nearest door. Every week has traffic by hour with incidents, people who are out, urgent
orders, cancellations and a van that breaks down. A seed draws a week of five days: its orders, what
happens, how the streets and doors go; ``ROUNDSMAN_SEEDS`` (5) weeks are lived. The variants of the
city are lived with the first two seeds, and there the product may do no worse than the morning plan
kept.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bench.figure import Figure
from bench.lived import LEARNED_NOTHING, City, Distances, KeptPlan, Nearest, day_script, lived
from bench.replanned import FullResolve, Replanned
from bench.side_by_side import seeds, side_by_side
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
_MORNING_S: Final = 1.0
"""Really, as everything that is searched before the vans leave."""
_RATES: Final = Rates(urgent=0.06, called_off=0.03, breakdown=0.0, stranded=1)
_KM_S: Final = Policy().km
"""What a kilometre costs in seconds of driving."""
_VARIED: Final = 2
_PLAIN: Final = TrafficTruth()
_VARIANTS: Final = {
    "no weekly pattern": TrafficTruth(strength=0.0),
    "twice the noise": TrafficTruth(noise=2.0),
    "pattern 2 h later": TrafficTruth(shifted_h=2.0),
}
_WAYS: Final[dict[str, type[KeptPlan]]] = {
    each.name: each for each in (Replanned, KeptPlan, FullResolve, Nearest)
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A week to be lived: where the roads answer, its seed and traffic, under which planning."""

    url: str
    seed: int
    truth: TrafficTruth
    way: str


class Week(NamedTuple):
    """What a week came to.

    Attributes:
        late: orders first tried after what was first promised or asked for, or never.
        never: those of them that no van came to. cost_h: driving in hours, kilometres priced.
        moved: orders that a revision gave another van or another place in its round.
        lateness_min: by how much those that were tried late were, together.
    """

    late: int
    never: int
    cost_h: float
    moved: int
    revisions: int
    lateness_min: float
    orders: int


def run() -> Iterator[Figure]:
    """Measure."""
    with roads_engine() as engine:
        asked = [Asked(engine.url, seed, _PLAIN, way) for seed in seeds() for way in _WAYS]
        asked += [
            Asked(engine.url, seed, truth, way.name)
            for truth in _VARIANTS.values()
            for seed in seeds()[:_VARIED]
            for way in (Replanned, KeptPlan)
        ]
        weeks = dict(zip(asked, side_by_side(lived_week, asked), strict=True))
    of_way = {
        way: [weeks[one] for one in asked if one.way == way and one.truth == _PLAIN]
        for way in _WAYS
    }
    yield from _promises(of_way)
    yield from _against_a_full_plan(of_way[Replanned.name], of_way[FullResolve.name])
    for named, truth in _VARIANTS.items():
        late = {
            way: sum(
                week.late for one, week in weeks.items() if (one.way, one.truth) == (way, truth)
            )
            for way in (Replanned.name, KeptPlan.name)
        }
        yield Figure(
            bench=NAME, figure=f"late promises, {named}", value=late[Replanned.name], unit="",
            goal=late[KeptPlan.name], peer=KeptPlan.name, peer_value=late[KeptPlan.name],
        )  # fmt: skip


def _promises(of_way: dict[str, list[Week]]) -> Iterator[Figure]:
    ours = of_way[Replanned.name]
    orders = statistics.median(week.orders for week in ours)
    for way in [way for way in _WAYS if way != Replanned.name]:
        theirs = _median(of_way[way], "late")
        yield Figure(
            bench=NAME, figure=f"late promises of {orders:g} in a week, median",
            value=_median(ours, "late"), unit="", goal=theirs - 1, peer=way, peer_value=theirs,
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure="orders never tried, median", value=_median(ours, "never"), unit="",
            peer=way, peer_value=_median(of_way[way], "never"),
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure="minutes late of those tried late, together",
            value=round(_median(ours, "lateness_min")), unit="min", peer=way,
            peer_value=round(_median(of_way[way], "lateness_min")),
        )  # fmt: skip
        dearer = [100 * (a.cost_h / b.cost_h - 1) for a, b in zip(ours, of_way[way], strict=True)]
        yield Figure(
            bench=NAME, figure=f"driving, priced, against {way}",
            value=round(statistics.median(dearer), 2), unit="%",
        )  # fmt: skip


def _against_a_full_plan(ours: Sequence[Week], resolved: Sequence[Week]) -> Iterator[Figure]:
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
    yield Figure(
        bench=NAME, figure="stops moved in a week", value=_median(ours, "moved"), unit="",
        peer=FullResolve.name, peer_value=_median(resolved, "moved"),
    )  # fmt: skip


@cache
def _city() -> City:
    return City.read()


def lived_week(asked: Asked) -> Week:
    """One week under one way of planning, each day by what the days before it have shown."""
    traffic = _city().traffic(asked.truth, seed=f"city {asked.seed}")
    known, shown, zone = LEARNED_NOTHING, [], ZoneInfo(ZONE)
    days = []
    for number in range(_DAYS):
        script = day_script(
            _city(), number=number, orders=_ORDERS, vans=_VANS, rates=_RATES, seed=asked.seed
        )
        planner = _WAYS[asked.way](
            script, Distances(asked.url, script), seconds=_MORNING_S, seed=asked.seed, learned=known
        )
        day = lived(script, _city(), traffic, planner)
        late_s = planner.lateness_s(day)
        days.append(
            Week(
                late=len(late_s),
                never=sum(each == float("inf") for each in late_s.values()),
                cost_h=(day.driven_s + day.driven_m / 1000 * _KM_S) / 3600,
                moved=planner.moved,
                revisions=planner.revision,
                lateness_min=sum(s / 60 for s in late_s.values() if s < float("inf")),
                orders=sum(order.state != "cancelled" for order in planner.orders.values()),
            )
        )
        shown += [visited(route, zone) for route in planner.plan.routes]
        known = known._replace(pace=learned(shown))
    return Week(*(sum(each) for each in zip(*days, strict=True)))


def _median(weeks: list[Week] | Sequence[Week], what: str) -> float:
    return float(statistics.median(getattr(week, what) for week in weeks))
