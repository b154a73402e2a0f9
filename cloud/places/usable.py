"""When a door can be served: window, hours of the place, access hours of areas. Pure.

Instants are seconds since 1970 UTC. A span holds both of its ends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cloud.fleet.calendar import Calendar, opening_spans

type Span = tuple[float, float]
type Spans = tuple[Span, ...]
type LimitKind = Literal["window", "hours", "area", "street"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that says when a service may begin.

    ``window`` is what the customer was told or asks for, ``hours`` are those of the place, ``area``
    those at which vans may be in an area, ``street`` those at which they may be in the street of
    the place. ``name`` is the area's or the street's.
    """

    kind: LimitKind
    spans: Spans
    name: str = ""


@dataclass(frozen=True, slots=True)
class Usable:
    """When the service may begin: spans in order and apart, at least one."""

    spans: Spans


@dataclass(frozen=True, slots=True)
class Excluded:
    """No service can begin: these limits have no instant in common, and any fewer of them have."""

    by: tuple[Limit, ...]


def usable(limits: Sequence[Limit]) -> Usable | Excluded:
    """What all limits leave, of which there is at least one; or which of them leave nothing."""
    left = common_to(limit.spans for limit in limits)
    if left:
        return Usable(left)
    to_blame = list(limits)
    for limit in limits:
        others = [one for one in to_blame if one is not limit]
        if others and not common_to(one.spans for one in others):
            to_blame = others
    return Excluded(tuple(to_blame))


def common_to(several: Iterable[Spans]) -> Spans:
    """The instants that lie in each of several sets of spans; none when there is no set."""
    left: Spans | None = None
    for spans in several:
        left = united(spans) if left is None else common(left, united(spans))
    return left or ()


def common(one: Spans, other: Spans) -> Spans:
    """The instants in both; each is in order and apart, and so is what they have in common."""
    found: list[Span] = []
    at, beside = 0, 0
    while at < len(one) and beside < len(other):
        begin, end = max(one[at][0], other[beside][0]), min(one[at][1], other[beside][1])
        if begin <= end:
            found.append((begin, end))
        if one[at][1] < other[beside][1]:
            at += 1
        else:
            beside += 1
    return united(found)


def united(spans: Iterable[Span]) -> Spans:
    """The same instants in order, in as few spans as can be."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return tuple(found)


def done_within(spans: Spans, service_s: float) -> Spans:
    """When a service may begin that must also end within the same span."""
    return tuple((begin, end - service_s) for begin, end in spans if end - service_s >= begin)


def hours_of_day(calendar: Calendar, day: date, zone: str, until: float) -> Spans:
    """When it is open from the midnight that begins ``day`` there, until an instant."""
    midnight = datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp()
    nearby = (day + timedelta(days=ahead) for ahead in (-1, 0, 1))
    open_then = united(span for one in nearby for span in opening_spans(calendar, one, zone))
    return common(open_then, ((midnight, max(until, midnight)),))


def why_excluded(excluded: Excluded, zone: str) -> str:
    """That in words for a dispatcher, in the depot's clock, with what to do."""
    told = [_told(limit, zone) for limit in excluded.by]
    if len(told) == 1:
        return f"{told[0]} leaves no time on that day; change it, or move it to another day"
    together = f"{', '.join(told[:-1])} and {told[-1]}"
    return f"{together} have no time in common; change one of them, or move it to another day"


def _told(limit: Limit, zone: str) -> str:
    hours = ", ".join(f"{_clock(begin, zone)}-{_clock(end, zone)}" for begin, end in limit.spans)
    match limit.kind:
        case "window":
            return f"its window ({hours or 'none'})"
        case "hours":
            return f"the place's opening hours ({hours or 'closed'})"
        case "area":
            return f"the access hours of area {limit.name!r} ({hours or 'closed'})"
        case "street":
            name = f"street {limit.name!r}" if limit.name else "its street"
            return f"the access hours of {name} ({hours or 'closed'})"


def _clock(instant: float, zone: str) -> str:
    return datetime.fromtimestamp(instant, ZoneInfo(zone)).strftime("%H:%M")
