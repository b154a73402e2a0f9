"""Plans that somebody or something asks for, each followed until it is made. Pure values.

They are not the jobs of a problem (`cloud.planning.problem.Job`): those are orders to serve.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import msgspec

from cloud.planning.questions import QUICK_S, SolverName
from cloud.planning.revision import BY_HAND, Trigger

type JobState = Literal["queued", "running", "done", "failed"]
type DepotKey = tuple[str, str]
"""A company's depot: one job of it is worked on at a time."""
type DayKey = tuple[str, str, date]
"""A company's depot and service date: whose plan it is."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of news a plan is asked for: of which order, or of which van."""

    trigger: Trigger
    order_id: str | None = None
    vehicle_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A plan somebody or something asked for; followed until it is done.

    Attributes:
        about: the news it serves; none means it is wanted whatever has happened.
        due_at: it does not begin earlier, so that news of one moment are planned for together; in
            seconds since 1970, None is at once.
        base: the revision it must follow on; None is whatever is current.
        restores: an earlier revision whose sequences are driven again. proposal_id: a proposal
            whose sequences are.
    """

    tenant: str
    id: str
    depot_id: str
    service_date: date
    trigger: Trigger
    reason: str
    solver: SolverName
    seconds: float
    seed: int
    state: JobState = "queued"
    revision: int | None = None
    error: str | None = None
    about: tuple[About, ...] = ()
    due_at: float | None = None
    base: int | None = None
    restores: int | None = None
    proposal_id: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether its sequences are given and nothing is searched."""
        return self.restores is not None or self.proposal_id is not None

    @property
    def is_asked_for(self) -> bool:
        """Whether a person waits for it."""
        return self.trigger in BY_HAND

    @property
    def is_urgent(self) -> bool:
        """Whether an urgent order is to be put where it fits at once."""
        return self.trigger == "urgent_order" and self.is_quick

    @property
    def is_improvement(self) -> bool:
        """Whether it puts routes in order around an urgent order that is in them already."""
        return self.trigger == "urgent_order" and not self.is_quick

    @property
    def has_other_news(self) -> bool:
        """Whether it serves more than urgent orders; with too much news to keep, surely."""
        return not self.about or any(one.trigger != "urgent_order" for one in self.about)

    @property
    def is_quick(self) -> bool:
        """Whether it takes the planner no time to speak of."""
        return self.seconds <= QUICK_S

    @property
    def day_key(self) -> DayKey:
        """Which plan it makes."""
        return self.tenant, self.depot_id, self.service_date

    @property
    def depot_key(self) -> DepotKey:
        """Whose job it is."""
        return self.tenant, self.depot_id

    def is_of_same_day(self, other: "Job") -> bool:
        """Whether both plan the same depot and service date."""
        return self.day_key == other.day_key
