"""A plan as a solver finds it: its routes, what is left out, what it costs, what it breaks. Pure.

Instants, spans and distances as in `cloud.planning.bounds`.
"""

from typing import Literal

import msgspec

from cloud.planning.bounds import Id, Index, Instant, Metres, Seconds
from cloud.planning.problem import VisitKind

type Constraint = Literal[
    "street", "capacity", "skill", "window", "shift", "range", "vehicle", "time", "wait"
]
"""What keeps an order from being served. ``time``: each alone would fit, not all together;
``wait``: it may wait for another day, and that is cheaper."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One thing done for one job at one place.

    Attributes:
        arrival: the van is there. start: the service begins (later when it waits for a window).
        departure: the service is done. leg_s, leg_m: the drive from the visit before, or from the
            van's start.
    """

    job: Id
    kind: VisitKind
    location: Index
    arrival: Instant
    start: Instant
    departure: Instant
    leg_s: Seconds
    leg_m: Metres


class PlannedBreak(msgspec.Struct, frozen=True, kw_only=True):
    """A break of the driver, on the way to the visit of index ``before``.

    It is taken where the van sets out from, or at the visit's door before the service;
    ``location`` tells. Behind the last visit comes the van's end.
    """

    before: Index
    location: Index
    begins: Instant
    ends: Instant


class PlannedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One van's visits in order. Each van of the problem has one, without visits when unused.

    What is loaded at the start comes first, as pickups at the van's start that all end when the
    loading is done. ``end_leg_s`` and ``end_leg_m`` are the drive to the van's end, reached at
    ``ends_at``; an unused van stays where it is (zero, zero, ``available_from``).
    """

    vehicle: Id
    visits: tuple[Visit, ...]
    end_leg_s: Seconds
    end_leg_m: Metres
    ends_at: Instant
    breaks: tuple[PlannedBreak, ...] = ()


class Unserved(msgspec.Struct, frozen=True, kw_only=True):
    """A job left out, what stands against it, and that in words for a dispatcher."""

    job: Id
    constraint: Constraint
    reason: str


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan costs: driving, and lateness summed over deliveries.

    ``preference``: of deliveries by other vans than would be preferred, in seconds of driving.
    """

    drive_s: int
    distance_m: int
    late_s: int
    preference: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All routes of a problem. ``solver`` names what made it, e.g. ``pyvrp``; ``because``: why."""

    routes: tuple[PlannedRoute, ...]
    unserved: tuple[Unserved, ...]
    cost: Cost
    solver: str
    because: str = ""


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan costs by the tenant's policy, in seconds of driving.

    Attributes:
        driving: time, kilometres and vans. lateness: after windows and promises.
        risk: lateness to be feared beside it, where less than `Job.margin_s` is left before the
            last window ends.
        change: orders that get another van or another place in their round.
        unserved: orders that are left out. preference: orders outside the zones of their vans, or
            at doors that other drivers know better.
    """

    driving: float
    lateness: float
    change: float
    unserved: float
    preference: float = 0.0
    risk: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        planned = self.driving + self.lateness + self.change + self.unserved
        return planned + self.preference + self.risk


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One rule a plan breaks, as the independent checker names it."""

    rule: str
    text: str
    job: str | None = None
    vehicle: str | None = None
