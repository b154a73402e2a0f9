"""How shifts, and who or which box is with which van, look over HTTP."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cloud.fleet.bodies import Body, LocalSpan, Version
from cloud.fleet.model import MOST_BREAKS, MOST_HELPERS
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import Instant, Name, ServiceDate

type Helpers = Annotated[list[Name], Field(max_length=MOST_HELPERS)]
type LocalTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
type Breaks = Annotated[list[LocalSpan], Field(max_length=MOST_BREAKS)]


class NewShiftBody(Body):
    """A van on one service date; local HH:MM, the depot's hours by default.

    It takes a driver, or a crew that has one. ``breaks`` are local, ``12:00-12:30``.
    """

    vehicle_id: Name
    driver_id: Name | None = None
    service_date: ServiceDate
    start: LocalTime | None = None
    end: LocalTime | None = None
    breaks: Breaks = Field(default=[])
    crew_id: Name | None = None
    helper_ids: Helpers | None = None
    id: Name | None = None


class ShiftChangeBody(Body):
    """What becomes different of a shift; the shift keeps its id and its route.

    A new driver drives from the start, or from now on when it has begun.
    """

    version: Version
    driver_id: Name | None = None
    helper_ids: Helpers | None = None
    start: LocalTime | None = None
    end: LocalTime | None = None
    breaks: Breaks | None = None


class BreakBody(BaseModel):
    """A planned break, as instants."""

    model_config = ConfigDict(populate_by_name=True)
    begin: Annotated[str, Field(alias="from")]
    end: Annotated[str, Field(alias="to")]


class ShiftBody(BaseModel):
    """A shift, as instants; ``driver_id`` is who is planned to drive."""

    id: str
    vehicle_id: str
    driver_id: str
    depot_id: str
    service_date: date
    starts_at: str
    ends_at: str
    crew_id: str | None
    helper_ids: list[str]
    breaks: list[BreakBody]
    state: Literal["planned", "cancelled"]
    version: int


class ShiftWarningBody(BaseModel):
    """What speaks against a shift, or by it against a later one of its driver, and the remedy."""

    rule: str
    shift_id: str
    text: str


class EnteredShiftBody(ShiftBody):
    """A shift with what speaks against it; it holds all the same."""

    warnings: list[ShiftWarningBody]


class NewAssignment(Body):
    """From an instant on, now by default, until another.

    Without ``until`` it lasts as long as what it replaces.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    begin: Annotated[Instant | None, Field(alias="from")] = None
    until: Instant | None = None


class NewDriving(NewAssignment):
    """Who drives a van; null is nobody."""

    driver_id: Name | None


class NewFitting(NewAssignment):
    """Which box is in a van; null is none."""

    gateway_id: Name | None


class AssignmentBody(BaseModel):
    """Who, or which box, is with which van; ``until`` null is without end."""

    model_config = ConfigDict(populate_by_name=True)
    id: str
    vehicle_id: str
    begin: Annotated[str, Field(alias="from")]
    until: str | None


class DrivingBody(AssignmentBody):
    """Who drives which van from when until when, and in which shift."""

    driver_id: str
    shift_id: str | None


class FittingBody(AssignmentBody):
    """Which box is in which van from when until when."""

    gateway_id: str


def instants(spans: tuple[tuple[float, float], ...]) -> list[BreakBody]:
    """Spans as they look over HTTP."""
    return [BreakBody(begin=to_rfc3339(begin), end=to_rfc3339(end)) for begin, end in spans]
