"""Whom other hours concern: of an access area, of a place, of a depot's waves. Pure.

Where only less time is left and the plan keeps to it as it is, nothing better has become possible,
and nothing has to be mended: such news asks for no plan.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple

from cloud.fleet.calendar import Calendar
from cloud.fleet.model import Depot
from cloud.foundation.outbox import DomainEvent
from cloud.orders.model import Order
from cloud.orders.waves import WavesChanged, with_wave
from cloud.places.areas import AccessArea
from cloud.places.events import AreaChanged, PlaceHoursChanged
from cloud.places.usable import Spans, common, hours_of_day
from cloud.planning.day_plan import DayPlan, Stop, StopKind
from cloud.planning.jobs import About
from cloud.planning.revision import Trigger
from cloud.planning.situation import is_to_serve, van_of
from cloud.planning.triggers import Cause

_SPARE_S: Final = 1_800.0
"""Who serves a door this long before it closes now is late there only when the day goes badly."""
_DAY_S: Final = 86_400.0


class PlannedDay(NamedTuple):
    """A day as far as hours matter to it: its orders without what their waves make of them."""

    depot: Depot
    plan: DayPlan
    orders: tuple[Order, ...]


class AreaNews(NamedTuple):
    """An area has other hours, another shape, or is there or no more."""

    told: AreaChanged

    @property
    def depot_id(self) -> str | None:
        """Whose vans alone it concerns; None when those of several depots."""
        sides = {one.depot_id for one in (self.told.before, self.told.after) if one is not None}
        return next(iter(sides)) if len(sides) == 1 else None

    def concerned(self, day: PlannedDay) -> Iterator[str]:
        """The orders of a day that it matters to."""
        before, after = (
            _Limits(day, one.hours if one is not None else None)
            for one in (self.told.before, self.told.after)
        )
        for order, door in _doors(day):
            was = before.there if _binds(self.told.before, day, door) else before.none
            now = after.there if _binds(self.told.after, day, door) else after.none
            if _matters(was, now, door.planned):
                yield order.id

    def reason(self, count: int) -> str:
        """The news in words."""
        before, after = self.told.before, self.told.after
        named = after or before
        name = named.name if named is not None else ""
        if before is None:
            what = "was drawn"
        elif after is None:
            what = "was taken away"
        else:
            what = "has other hours" if before.points == after.points else "was drawn anew"
        return f"access area {name} {what}, which concerns {_orders(count)}"


class PlaceNews(NamedTuple):
    """A place has other opening hours."""

    told: PlaceHoursChanged

    @property
    def depot_id(self) -> None:
        """A place is served from any depot."""
        return

    def concerned(self, day: PlannedDay) -> Iterator[str]:
        """The orders of a day that it matters to."""
        before, after = (_Limits(day, one) for one in (self.told.before, self.told.after))
        for order, door in _doors(day):
            is_there = door.place_id == self.told.place_id
            if is_there and _matters(before.there, after.there, door.planned):
                yield order.id

    def reason(self, count: int) -> str:
        """The news in words."""
        return f"{self.told.address} has other opening hours, which concerns {_orders(count)}"


class WaveNews(NamedTuple):
    """A depot has its parcels ready at other times."""

    told: WavesChanged

    @property
    def depot_id(self) -> str:
        """Whose waves they are."""
        return self.told.depot_id

    def concerned(self, day: PlannedDay) -> Iterator[str]:
        """The orders of a day that it matters to."""
        loaded = _loaded_at(day.plan)
        for order in day.orders:
            if not is_to_serve(order) or van_of(order) is not None:
                continue
            was, now = (
                with_wave(order, waves, day.depot.zone).ready_from or 0.0
                for waves in (self.told.before, self.told.after)
            )
            is_kept = now > was and loaded.get(order.id, now) >= now
            if was != now and not is_kept:
                yield order.id

    def reason(self, count: int) -> str:
        """The news in words."""
        return f"waves of {self.depot_id} have changed, which concerns {_orders(count)}"


type HoursNews = AreaNews | PlaceNews | WaveNews


def hours_of(event: DomainEvent) -> HoursNews | None:
    """What an event tells of hours; None when it tells of something else."""
    match event.kind:
        case "AreaChanged":
            return AreaNews(event.body(AreaChanged))
        case "PlaceHoursChanged":
            return PlaceNews(event.body(PlaceHoursChanged))
        case "WavesChanged":
            return WaveNews(event.body(WavesChanged))
        case _:
            return None


def cause_of_hours(news: HoursNews, day: PlannedDay) -> Cause | None:
    """Why a day is to be planned anew; None when the news matters to none of its orders."""
    found = list(dict.fromkeys(news.concerned(day)))
    if not found or day.plan.revision == 0:
        return None
    trigger: Trigger = "waves_changed" if isinstance(news, WaveNews) else "access_changed"
    about = About(trigger=trigger, order_id=found[0] if len(found) == 1 else None)
    return Cause(day.depot.id, day.plan.service_date, news.reason(len(found)), about)


class _Door(NamedTuple):
    """Where somebody has to be there for an order, and when a route is to be there."""

    place_id: str
    lat: float
    lon: float
    planned: tuple[float, float] | None


class _Limits:
    """What hours leave of a day, where they bind and where they do not."""

    def __init__(self, day: PlannedDay, hours: Calendar | None) -> None:
        ends = max((route.ends_at for route in day.plan.routes), default=0.0)
        until = max(ends, _noon(day.plan.service_date)) + _DAY_S
        self.none: Spans = ((0.0, until),)
        self.there: Spans = self.none
        if hours is not None:
            self.there = hours_of_day(hours, day.plan.service_date, day.depot.zone, until)


def _binds(area: AccessArea | None, day: PlannedDay, door: _Door) -> bool:
    return (
        area is not None
        and area.depot_id in {None, day.depot.id}
        and area.holds(door.lat, door.lon)
    )


def _matters(before: Spans, after: Spans, planned: tuple[float, float] | None) -> bool:
    if before == after:
        return False
    if common(before, after) != after:
        return True  # there is time that was not there before
    if planned is None:
        return False
    begins, ends = planned
    return not any(opens <= begins and ends + _SPARE_S <= closes for opens, closes in after)


def _doors(day: PlannedDay) -> Iterator[tuple[Order, _Door]]:
    """Of each order that is still to be served its door, and its shop while it lies there."""
    planned = {
        (order_id, stop.kind): (stop.planned_departure - stop.service_s, stop.planned_departure)
        for route in day.plan.routes
        for stop in route.open_stops
        for order_id in stop.order_ids
    }
    for order in filter(is_to_serve, day.orders):
        kind: StopKind = "pickup" if order.is_return else "delivery"
        if not (order.is_return and van_of(order) is not None):
            at = planned.get((order.id, kind))
            yield order, _Door(order.place_id, order.lat, order.lon, at)
        shop = order.pickup
        if shop is not None and van_of(order) is None:
            at = planned.get((order.id, "pickup"))
            yield order, _Door(shop.place_id, shop.lat, shop.lon, at)


def _loaded_at(plan: DayPlan) -> Mapping[str, float]:
    """When the van of each order leaves with it."""
    found: dict[str, float] = {}
    for route in plan.routes:
        stops = route.open_stops
        for stop in stops:
            leaves_at = _leaves_at(stop, stops[0])
            for order_id in stop.order_ids:
                found.setdefault(order_id, leaves_at)
    return found


def _leaves_at(stop: Stop, first: Stop) -> float:
    if stop.kind == "pickup":
        return stop.planned_departure
    return first.planned_arrival - first.leg_s


def _noon(day: date) -> float:
    return (day - date(1970, 1, 1)).days * _DAY_S + _DAY_S / 2


def _orders(count: int) -> str:
    return "1 order" if count == 1 else f"{count} orders"
