"""How a calendar of opening hours looks over HTTP."""

from datetime import date
from typing import Annotated

from pydantic import Field

from cloud.fleet.bodies import Body, LocalSpan
from cloud.fleet.calendar import (
    MOST_SPANS,
    MOST_SPECIAL_DAYS,
    Calendar,
    Hours,
    SpecialDay,
    Weekday,
    calendar_of,
)
from cloud.foundation.given import Line, ServiceDate

type Spans = Annotated[list[LocalSpan], Field(max_length=MOST_SPANS)]


class SpecialDayBody(Body):
    """A date whose hours are not those of its weekday; a holiday when it has none."""

    day: ServiceDate
    name: Line = ""
    hours: Spans = Field(default=[])


class CalendarBody(Body):
    """Opening hours in the depot's local time, ``08:00-18:00``; a weekday left out is closed."""

    week: dict[Weekday, Spans]
    special: Annotated[list[SpecialDayBody], Field(max_length=MOST_SPECIAL_DAYS)] = Field(
        default=[]
    )

    def calendar(self) -> Calendar:
        """The same as the business knows it; raises Invalid."""
        week = {
            name: [Hours.read(f"calendar.week.{name}", one) for one in spans]
            for name, spans in self.week.items()
        }
        special = [
            SpecialDay(
                one.day.isoformat(),
                one.name,
                tuple(Hours.read(f"calendar.special.{one.day}", span) for span in one.hours),
            )
            for one in self.special
        ]
        return calendar_of(week, special)


def calendar_body(calendar: Calendar) -> CalendarBody:
    """A calendar as it looks over HTTP."""
    names: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return CalendarBody(
        week={
            name: [str(one) for one in hours]
            for name, hours in zip(names, calendar.week, strict=True)
            if hours
        },
        special=[
            SpecialDayBody(
                day=date.fromisoformat(one.day),
                name=one.name,
                hours=[str(hours) for hours in one.hours],
            )
            for one in calendar.special
        ],
    )
