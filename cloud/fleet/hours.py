"""Local times of day and the instants they mean, over midnight and clock changes. Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cloud.foundation.errors import Invalid

_LOCAL_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")


def require_local_time(field: str, value: str) -> str:
    """``value`` when it is HH:MM.

    Raises:
        Invalid: it is not.
    """
    if _LOCAL_TIME.fullmatch(value) is None:
        raise Invalid.field(field, f"{value[:20]!r} is not HH:MM", "use 00:00 to 23:59")
    return value


def local_instant(service_date: date, local_time: str, zone: str) -> float:
    """When a local time comes on a date, in seconds since 1970.

    A time that a clock change skips means as long after midnight as the clocks before the change
    would say; a time that comes twice means the first (PEP 495, fold 0).

    Raises:
        Invalid: ``local_time`` is not HH:MM.
    """
    require_local_time("time", local_time)
    local = datetime.combine(service_date, time.fromisoformat(local_time), tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC).timestamp()


def shift_span(service_date: date, start: str, end: str, zone: str) -> tuple[float, float]:
    """Begin and end of a shift in seconds since 1970.

    An end that is not later than the start, by the wall clock, lies on the next day. A shift over
    a clock change is as much longer or shorter as the night is.

    Raises:
        Invalid: a time is not HH:MM.
    """
    starts_at = local_instant(service_date, start, zone)
    last_day = service_date if end > start else service_date + timedelta(days=1)
    return starts_at, local_instant(last_day, end, zone)


def breaks_of(
    spans: list[tuple[str, str]], service_date: date, start: str, zone: str
) -> tuple[tuple[float, float], ...]:
    """Planned breaks of a shift that starts at ``start``, as instants in order.

    A break earlier than the start by the wall clock lies on the next day.

    Raises:
        Invalid: a time is not HH:MM.
    """
    told = []
    for begin, end in spans:
        day = service_date if begin >= start else service_date + timedelta(days=1)
        last = day if end > begin else day + timedelta(days=1)
        told.append((local_instant(day, begin, zone), local_instant(last, end, zone)))
    return tuple(sorted(told))


def require_breaks_within(
    breaks: tuple[tuple[float, float], ...], starts_at: float, ends_at: float
) -> None:
    """Breaks lie in the shift and apart.

    Raises:
        Invalid: one does not.
    """
    free_at = starts_at
    for begin, end in breaks:
        if begin < free_at or end > ends_at or end <= begin:
            raise Invalid.field(
                "breaks",
                "a break lies outside the shift, has no length or overlaps another",
                "give local times HH:MM-HH:MM within the shift, apart from one another",
            )
        free_at = end
