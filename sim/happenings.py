"""What will happen of itself on a day in the simulated city, drawn before anybody plans.

Which orders there are and when they become known, who calls off, which van breaks down. So one day
can be lived again under another way of planning, and differences are of the planning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final, NamedTuple

from sim.geodesy import Point

HOUR_S: Final = 3600.0


class Errand(NamedTuple):
    """An order as the world has it; instants are seconds since 1970.

    Attributes:
        known_s: when it comes in. called_off_s: when it is cancelled; None when never.
        window: when it can be served.
    """

    id: str
    door: Point
    window: tuple[float, float] | None
    service_s: float
    parcels: int
    known_s: float
    called_off_s: float | None = None
    is_urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often what happens; shares are of the day's orders.

    Attributes:
        urgent: ordered in the course of the day, to be there within two hours.
        called_off: after the vans have left.
        breakdown: of each van and day.
        stranded: vans that break down on this day whatever ``breakdown`` says.

    All are assumptions; a day with none of them is `QUIET`.
    """

    urgent: float = 0.06
    called_off: float = 0.03
    breakdown: float = 0.01
    stranded: int = 0


QUIET: Final = Rates(urgent=0.0, called_off=0.0, breakdown=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All that will happen of itself on one day."""

    begins_s: float
    ends_s: float
    depot: Point
    vans: tuple[str, ...]
    errands: tuple[Errand, ...]
    breakdowns: dict[str, float]
    seed: str


def script_of(
    *, seed: str, begins_s: float, ends_s: float, depot: Point, vans: Sequence[str],
    ordered: Sequence[Errand], urgent_doors: Sequence[Point], rates: Rates,
) -> Script:  # fmt: skip
    """Draw what happens on a day whose planned orders are ``ordered``.

    ``urgent_doors`` are where urgent orders may go.
    """
    rng = Random(f"{seed} happenings")
    shift_s = ends_s - begins_s
    errands = [
        one._replace(called_off_s=begins_s + rng.uniform(0.05, 0.9) * shift_s)
        if rng.random() < rates.called_off
        else one
        for one in ordered
    ]
    for number in range(_poisson(rates.urgent * len(ordered), rng)):
        known_s = begins_s + rng.uniform(0.05, 0.7) * shift_s
        errands.append(
            Errand(
                id=f"urgent-{number + 1}",
                door=rng.choice(urgent_doors),
                window=(known_s, known_s + 2 * HOUR_S),
                service_s=180.0,
                parcels=1,
                known_s=known_s,
                is_urgent=True,
            )
        )
    breakdowns = {
        van: begins_s + rng.uniform(0.1, 0.8) * shift_s
        for van in vans
        if rng.random() < rates.breakdown
    }
    for van in Random(f"{seed} stranded").sample(list(vans), min(rates.stranded, len(vans))):
        breakdowns[van] = begins_s + rng.uniform(0.1, 0.8) * shift_s
    return Script(
        begins_s=begins_s, ends_s=ends_s, depot=depot, vans=tuple(vans), errands=tuple(errands),
        breakdowns=breakdowns, seed=seed,
    )  # fmt: skip


def _poisson(mean: float, rng: Random) -> int:
    product, number = rng.random(), 0
    while product > exp(-mean):
        product *= rng.random()
        number += 1
    return number
