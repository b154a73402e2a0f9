"""Where and when an order is fetched and delivered, as the planner is asked. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Final, TypedDict

from cloud.orders.model import Order, served_within
from cloud.places.areas import AccessArea
from cloud.places.model import Place
from cloud.places.service_times import ServiceTimes
from cloud.places.usable import (
    Excluded,
    Limit,
    Spans,
    Usable,
    common,
    done_within,
    hours_of_day,
    usable,
)
from cloud.planning.problem import Window
from cloud.roads.access import AccessStreet

PICKUP_S: Final = 60
UNLOADING_S: Final = 30
OVERTIME_S: Final = 3600
"""A van under way may come back so much after its shift rather than leave aboard undelivered."""
_MOST_WINDOWS: Final = 8
_FIRST: Final = 0.0

type Index = Callable[[float, float], int]
"""The location of a place, by latitude and longitude."""


class Visits(TypedDict):
    """Both visits of an order, in the words of `cloud.planning.problem.Job`."""

    delivery: int
    windows: tuple[Window, ...]
    service_s: int
    pickup: int | None
    pickup_windows: tuple[Window, ...]
    pickup_service_s: int
    ready_from: int | None
    may_be_late: bool
    late_until: int | None


class Access:
    """When doors can be served on one day, beside what their customers want.

    Args:
        day, zone: the service date and the depot's clock, in which hours are told.
        last: when the last shift ends.
        places: by id. areas: that bind the depot's vans. streets: that have hours.
    """

    def __init__(
        self,
        *,
        day: date,
        zone: str,
        last: float,
        places: Mapping[str, Place],
        areas: Iterable[AccessArea],
        streets: Iterable[AccessStreet] = (),
    ) -> None:
        self.last = last
        self._places = places
        self._until = last + OVERTIME_S
        self._day, self._zone = day, zone
        self._areas = [(area, hours_of_day(area.hours, day, zone, self._until)) for area in areas]
        self._streets = [(one, hours_of_day(one.hours, day, zone, self._until)) for one in streets]

    def limits(self, place_id: str, lat: float, lon: float, service_s: float) -> list[Limit]:
        """What limits a service there: it has to begin and end within each of them."""
        found: list[Limit] = []
        place = self._places.get(place_id)
        if place is not None and place.hours is not None:
            hours = hours_of_day(place.hours, self._day, self._zone, self._until)
            found.append(Limit("hours", done_within(hours, service_s)))
        for area, spans in self._areas:
            if area.holds(lat, lon):
                found.append(Limit("area", done_within(spans, service_s), area.name))
        if place is not None:
            found += self._of_streets(place, service_s)
        return found

    def _of_streets(self, place: Place, service_s: float) -> Iterator[Limit]:
        for street, spans in self._streets:
            if street.leads_to(place.lat, place.lon, place.street, place.street_distance_m):
                yield Limit("street", done_within(spans, service_s), street.name)
                return


def with_service_time(order: Order, place: Place | None, times: ServiceTimes) -> Order:
    """The order with what was learned of its door, unless somebody has said how long it takes."""
    if order.is_service_given:
        return order
    service_s = times.at(place)
    return order if order.service_s == service_s else replace(order, service_s=service_s)


def visits_of(
    order: Order, index: Index, depot: int, access: Access, *, is_fetched: bool
) -> Visits | Excluded:
    """Where and when the order is fetched and delivered; or what leaves no time for it.

    ``is_fetched``: its parcels are aboard, or their van is about to fetch them. What is aboard is
    delivered all the same.
    """
    if order.is_return:
        return _return(order, index, depot, access, is_fetched=is_fetched)
    shop = order.pickup
    opening: tuple[Window, ...] | Excluded = ()
    if shop is not None and not is_fetched:
        asked = None if shop.window is None else ((shop.window.begin, shop.window.end),)
        at_shop = access.limits(shop.place_id, shop.lat, shop.lon, PICKUP_S)
        opening = _within(asked, at_shop, access.last)
    windows = _at_door(order, access, is_fetched=is_fetched)
    if isinstance(opening, Excluded):
        return opening
    if isinstance(windows, Excluded):
        return windows
    fetched_at = depot if shop is None else index(shop.lat, shop.lon)
    return Visits(
        delivery=index(order.lat, order.lon),
        windows=windows,
        service_s=order.service_s,
        pickup=None if is_fetched else fetched_at,
        pickup_windows=opening,
        pickup_service_s=PICKUP_S,
        ready_from=None if order.ready_from is None or is_fetched else int(order.ready_from),
        may_be_late=is_fetched
        or order.promise is not None
        or order.priority == "urgent"
        or order.is_soft,
        late_until=_open_until(order, access, windows) if order.is_soft else None,
    )


def _return(
    order: Order, index: Index, depot: int, access: Access, *, is_fetched: bool
) -> Visits | Excluded:
    windows = () if is_fetched else _at_door(order, access, is_fetched=False)
    if isinstance(windows, Excluded):
        return windows
    return Visits(
        delivery=depot,
        windows=(),
        service_s=UNLOADING_S,
        pickup=None if is_fetched else index(order.lat, order.lon),
        pickup_windows=windows,
        pickup_service_s=order.service_s,
        ready_from=None,
        may_be_late=is_fetched,
        late_until=None,
    )


def _at_door(order: Order, access: Access, *, is_fetched: bool) -> tuple[Window, ...] | Excluded:
    """What was promised and asked for, within what limits the door.

    Where a promise or a soft window leaves no time in it, the order is served later in the day.
    Only what is aboard may be served in overtime, and is served whatever the limits say.
    """
    asked = _asked(order, access.last, is_fetched=is_fetched)
    limits = access.limits(order.place_id, order.lat, order.lon, order.service_s)
    until = access.last + (OVERTIME_S if is_fetched else 0)
    if not limits and asked is None:
        return () if is_fetched else (_window(_FIRST, until),)
    windows = _within(asked, limits, until)
    is_later = order.promise is not None or order.is_soft
    if isinstance(windows, Excluded) and asked is not None and is_later:
        later = _within(((asked[0][0], until),), limits, until)
        windows = windows if isinstance(later, Excluded) else later
    if isinstance(windows, Excluded) and is_fetched:
        return _within(asked, [], until)
    return windows


def _open_until(order: Order, access: Access, windows: tuple[Window, ...]) -> int | None:
    """When service may start at the latest that comes after a soft window; None is whenever."""
    limits = access.limits(order.place_id, order.lat, order.lon, order.service_s)
    if not limits or not windows:
        return None
    closes = windows[-1].closes
    spans = usable(limits)
    ends = spans.spans if isinstance(spans, Usable) else ()
    return next((int(end) for begin, end in ends if begin <= closes <= end), closes)


def _asked(order: Order, last: float, *, is_fetched: bool) -> Spans | None:
    span = served_within(order)
    if span is None:
        return None
    if is_fetched:
        return ((span.begin, span.end),)
    return ((min(span.begin, last), min(span.end, last)),)


def _within(
    asked: Spans | None, limits: list[Limit], until: float
) -> tuple[Window, ...] | Excluded:
    """Windows of the time that is left until an instant; none when nothing limits it."""
    if not limits:
        return () if asked is None else tuple(_window(*span) for span in asked)
    day = ((_FIRST, until),)
    cut = [Limit(one.kind, common(one.spans, day), one.name) for one in limits]
    window = [] if asked is None else [Limit("window", asked)]
    match usable([*window, *cut]):
        case Usable(spans):
            return tuple(_window(*span) for span in spans[:_MOST_WINDOWS])
        case Excluded() as excluded:
            return excluded


def _window(begin: float, end: float) -> Window:
    return Window(opens=int(begin), closes=int(end))
