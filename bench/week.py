"""A simulated week under four ways of planning, the same days for each.

The product's way is to plan on from the plan in force when something happens, with a price on
change. It is held against the morning plan kept, a full new plan on each event, and vans that drive
to the nearest door. Every week has traffic by hour with incidents, people who are out, urgent
orders, cancellations and a van that breaks down. A seed draws a week of five days: its orders, what
happens, how the streets and doors go; ``ROUNDSMAN_SEEDS`` (5) weeks are lived. The variants of the
city are lived with the first two seeds, and there the product may do no worse than the morning plan
kept.

All four ways begin each day with the plan that the first of them made for its morning: two searches
of one morning differ by luck, and which orders share a van decides more than what is done later
(docs/decisions/promises-in-danger.md). They know the same of the days before (`bench.days_before`)
and plan with the speeds of the hours that the product has learned from them. Left out for all: what
vans meet in the last minutes, and speeds learned anew in the week itself.
"""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from bench.days_before import Before, Shown
from bench.figure import Figure
from bench.lived import KeptPlan, lived
from bench.nearest import Nearest
from bench.replanned import FullResolve, Replanned
from bench.side_by_side import seeds, side_by_side
from bench.simulated_days import City, day_script
from bench.taught import TravelTimes
from cloud.planning.problem import Policy
from cloud.planning.revising import NewRoutes
from sim.happenings import Rates, Script
from sim.traffic import Traffic, TrafficTruth
from tests.parts.roads_engine import demo_city
from tests.roads.test_keeper import roads_process

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
    "no weekly pattern": (TrafficTruth(strength=0.0), TrafficTruth(strength=0.0)),
    "twice the noise": (TrafficTruth(noise=2.0), TrafficTruth(noise=2.0)),
    "pattern 2 h later than learned": (_PLAIN, TrafficTruth(shifted_h=2.0)),
}
_WAYS: Final[dict[str, type[KeptPlan]]] = {
    each.name: each for each in (Replanned, KeptPlan, FullResolve, Nearest)
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A week to be lived: its seed, which traffic has taught the product, which comes, how."""

    seed: int
    taught: TrafficTruth
    truth: TrafficTruth
    ways: tuple[str, ...]


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
    demo_city()
    plain = [Asked(seed, _PLAIN, _PLAIN, tuple(_WAYS)) for seed in seeds()]
    both = Replanned.name, KeptPlan.name
    varied = {
        named: [Asked(seed, *truths, both) for seed in seeds()[:_VARIED]]
        for named, truths in _VARIANTS.items()
    }
    asked = [*plain, *(one for some in varied.values() for one in some)]
    weeks = dict(zip(asked, side_by_side(lived_weeks, asked), strict=True))
    of_way = {way: [weeks[one][way] for one in plain] for way in _WAYS}
    yield from _promises(of_way)
    yield from _against_a_full_plan(of_way[Replanned.name], of_way[FullResolve.name])
    for named, some in varied.items():
        ours, kept = (sum(weeks[one][way].late for one in some) for way in both)
        yield Figure(
            bench=NAME, figure=f"late promises, {named}", value=ours, unit="", goal=kept,
            peer=KeptPlan.name, peer_value=kept,
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


def lived_weeks(asked: Asked) -> dict[str, Week]:
    """One week under each of some ways of planning, which know the same of the days before."""
    of_city = f"city {asked.seed}"
    with tempfile.TemporaryDirectory() as folder, roads_process(Path(folder)) as roads:
        taught = _city().traffic(asked.taught, seed=of_city)
        before = Before(roads, _city(), taught, orders=_ORDERS, vans=_VANS, seed=asked.seed)
        before.teach_streets()
        shown = before.show_pace()
        scripts = [
            day_script(
                _city(), number=number, orders=_ORDERS, vans=_VANS, rates=_RATES, seed=asked.seed
            )
            for number in range(_DAYS)
        ]
        days = [(script, TravelTimes(roads, script)) for script in scripts]
        traffic = _city().traffic(asked.truth, seed=of_city)
        mornings: list[NewRoutes] = []
        return {way: _week(way, days, traffic, shown, asked.seed, mornings) for way in asked.ways}


def _week(
    way: str,
    days: Sequence[tuple[Script, TravelTimes]],
    traffic: Traffic,
    shown: Shown,
    seed: int,
    mornings: list[NewRoutes],
) -> Week:
    """Each day by what the days before it have shown.

    ``mornings``: the plans with which the days begin; who finds none makes them for all.
    """
    weeks = []
    for number, (script, times) in enumerate(days):
        planner = _WAYS[way](
            script,
            times,
            seconds=_MORNING_S,
            seed=seed,
            learned=shown.learned,
            lag=shown.lag,
            morning=mornings[number] if number < len(mornings) else None,
        )
        if number == len(mornings):
            mornings.append(planner.morning)
        day = lived(script, _city(), traffic, planner)
        late_s = planner.lateness_s(day)
        weeks.append(
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
        shown = shown.with_day(planner)
    week = Week(*(sum(each) for each in zip(*weeks, strict=True)))
    print(f"  seed {seed}, {way}: {week.late} late of {week.orders}", flush=True)
    return week


def _median(weeks: list[Week] | Sequence[Week], what: str) -> float:
    return float(statistics.median(getattr(week, what) for week in weeks))
