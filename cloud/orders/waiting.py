"""Orders that may wait for a later day: what they must not be, and what becomes of them. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cloud.foundation.errors import Invalid
from cloud.orders.model import Order, Priority, Span

MOST_DAYS: Final = 60


def require_wait_until(wait_until: date | None, service_date: date, priority: Priority) -> None:
    """Who waits waits for a later day, not for ever, and is not urgent.

    Raises:
        Invalid: the date is before the service date or more than `MOST_DAYS` after it, or the
            order is urgent.
    """
    if wait_until is None:
        return
    if priority == "urgent":
        raise Invalid.field("wait_until", "is given for an urgent order", "leave one of them out")
    if wait_until < service_date:
        raise Invalid.field(
            "wait_until",
            f"{wait_until} is before the service date {service_date}",
            "give the last date on which it may be served",
        )
    if wait_until > service_date + timedelta(days=MOST_DAYS):
        raise Invalid.field(
            "wait_until",
            f"{wait_until} is more than {MOST_DAYS} days after the service date {service_date}",
            "give an earlier date, or a later service_date",
        )


def next_dates(service_date: date, today: date) -> tuple[date, date]:
    """The first and the last date that what waits on a service date may be carried to."""
    first = max(service_date + timedelta(days=1), today)
    return first, service_date + timedelta(days=MOST_DAYS)


def with_last_chance(order: Order, dates: Sequence[date]) -> Order:
    """The order, which waits no longer than to the last date on which somebody may drive.

    Args:
        order: as it was asked for.
        dates: those with a shift after its own, in their order; of what comes after the last of
            them nobody knows yet, and somebody may.
    """
    until = order.wait_until
    if until is None or not dates or until > dates[-1] or until in dates:
        return order
    return replace(order, wait_until=max((day for day in dates if day < until), default=None))


def carried(order: Order, day: date, zone: str) -> Order:
    """The order on another service date; its windows are at the same hours by the depot's clock."""
    days = (day - order.service_date).days
    pickup = order.pickup
    if pickup is not None:
        pickup = replace(pickup, window=_later(pickup.window, days, zone))
    window = _later(order.window, days, zone)
    return replace(order, service_date=day, window=window, pickup=pickup)


def _later(span: Span | None, days: int, zone: str) -> Span | None:
    if span is None:
        return None
    begin, end = (_same_hour(instant, days, zone) for instant in (span.begin, span.end))
    return Span(begin, max(begin, end))  # a clock change may take the hour between them away


def _same_hour(instant: float, days: int, zone: str) -> float:
    local = datetime.fromtimestamp(instant, ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    there = (local + timedelta(days=days)).replace(tzinfo=ZoneInfo(zone))
    return there.astimezone(UTC).timestamp()
