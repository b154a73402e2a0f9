"""Working days of the simulated city as benchmarks live them: its streets, traffic, orders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from sim.happenings import HOUR_S, Errand, Rates, Script, script_of
from sim.opening import DEPOT, ZONE
from sim.orders import orders_of_day
from sim.streets import RememberedStreets, Streets
from sim.traffic import Traffic, TrafficTruth, crossings

CITY_FILE: Final = Path(__file__).parents[1] / "sim" / "city" / "coquimbo.osm.pbf"
WEEK_DAYS: Final = 5
_URGENT_DOORS: Final = 40
_OFTEN: Final = 0.3
_REGULARS: Final = 100
"""Three orders of ten go to one of a hundred doors that order often: assumptions."""
_FIRST_DAY: Final = datetime(2026, 3, 2, 8, tzinfo=ZoneInfo(ZONE))


@dataclass(frozen=True, slots=True, eq=False)
class City:
    """The streets of the demo city, and where incidents may happen in it."""

    streets: Streets
    ways: RememberedStreets
    crossings: Sequence[tuple[float, float]]

    @classmethod
    def read(cls) -> "City":
        """Read its extract."""
        streets = Streets.read(CITY_FILE)
        return cls(streets, RememberedStreets(streets), crossings(streets))

    def traffic(self, truth: TrafficTruth, seed: str = "city") -> Traffic:
        """Its traffic."""
        return Traffic(zone=ZONE, seed=seed, around=self.crossings, truth=truth)


def day_script(
    city: City, *, number: int, orders: int, vans: int, rates: Rates, seed: int
) -> Script:
    """Working day ``number`` of the simulated city, from eight to six.

    The days before the first are -1, -2 and so on. ``rates.stranded`` vans break down on one day of
    each week.
    """
    begins = _FIRST_DAY + timedelta(days=number // WEEK_DAYS * 7 + number % WEEK_DAYS)
    breaks_on = Random(f"{seed} breakdown of week {number // WEEK_DAYS}").randrange(WEEK_DAYS)
    if number % WEEK_DAYS != breaks_on:
        rates = replace(rates, stranded=0)
    rng = Random(f"{seed} orders {number}")
    made = orders_of_day(
        streets=city.streets, depot=DEPOT, day=begins.date(),
        count=orders + _URGENT_DOORS, vans=vans, rng=rng,
    )  # fmt: skip
    regulars = _regulars(city, seed)
    doors = [
        rng.choice(regulars) if rng.random() < _OFTEN else one.door.point for one in made[:orders]
    ]
    ordered = [
        Errand(
            id=one.reference,
            door=door,
            window=_span(begins, one.window),
            service_s=one.service_min * 60.0,
            parcels=one.parcels,
            known_s=begins.timestamp() - 12 * HOUR_S,
        )
        for one, door in zip(made, doors, strict=False)
    ]
    return script_of(
        seed=f"{seed} {number}",
        begins_s=begins.timestamp(),
        ends_s=begins.timestamp() + 10 * HOUR_S,
        depot=DEPOT,
        vans=[f"van-{at + 1}" for at in range(vans)],
        ordered=ordered,
        urgent_doors=[one.door.point for one in made[orders:]],
        rates=rates,
    )


@cache
def _regulars(city: City, seed: int) -> tuple[tuple[float, float], ...]:
    """Doors that are ordered to again and again."""
    made = orders_of_day(
        streets=city.streets, depot=DEPOT, day=_FIRST_DAY.date(), count=_REGULARS, vans=1,
        rng=Random(f"{seed} regulars"),
    )  # fmt: skip
    return tuple(one.door.point for one in made)


def _span(begins: datetime, window: tuple[str, str]) -> tuple[float, float] | None:
    if not window[0]:
        return None
    from_s, to_s = (
        begins.replace(hour=int(at[:2]), minute=int(at[3:])).timestamp() for at in window
    )
    return from_s, to_s
