"""Which vans a street that was closed, slowed or opened again concerns. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cloud.planning.day import About, Route
from cloud.planning.triggers import Cause
from cloud.roads.speeds import RoadRule, goes_through, passes_by


class StreetNews(NamedTuple):
    """Closures and slow zones that began to hold, and those that hold no more."""

    begun: Sequence[RoadRule] = ()
    ended: Sequence[RoadRule] = ()


def causes_of(news: StreetNews, routes: Iterable[Route]) -> Iterator[Cause]:
    """Why days are to be planned anew: one for each route that leads, or now could lead, there."""
    for route in routes:
        if route.open_stops and (reason := _reason(news, route)) is not None:
            about = About(trigger="road_changed", vehicle_id=route.vehicle_id)
            yield Cause(route.depot_id, route.service_date, reason, about)


def _reason(news: StreetNews, route: Route) -> str | None:
    path = [(lat, lon) for lon, lat in route.geometry]
    for rule in news.begun:
        if goes_through(path, rule):
            what = "is closed" if rule.kind == "closed" else f"is slow, {rule.kmh:g} km/h"
            return f"{rule.name} {what}, and {route.vehicle_id} was to drive there"
    for rule in news.ended:
        if passes_by(path, rule):
            what = "is open again" if rule.kind == "closed" else "is slow no more"
            return f"{rule.name} {what}, and {route.vehicle_id} drives near it"
    return None
