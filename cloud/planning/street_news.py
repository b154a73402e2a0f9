"""Which vans a street that was closed, slowed or opened again concerns. Pure.

Only what a van has still to drive counts, as far as its position tells.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple

from cloud.foundation.outbox import DomainEvent
from cloud.planning.day_plan import Route
from cloud.planning.jobs import About
from cloud.planning.leg_left import path_ahead, path_between
from cloud.planning.situation import At
from cloud.planning.triggers import Cause
from cloud.roads.news import StreetsChanged
from cloud.roads.speeds import RoadRule, goes_through, passes_by


class StreetNews(NamedTuple):
    """Closures and slow zones that began to hold, that hold no more, and that will hold soon."""

    begun: Sequence[RoadRule] = ()
    ended: Sequence[RoadRule] = ()
    announced: Sequence[RoadRule] = ()


def streets_of(event: DomainEvent) -> StreetNews | None:
    """What an event tells of the streets; None when it tells of something else."""
    if event.kind != "StreetsChanged":
        return None
    told = event.body(StreetsChanged)
    return StreetNews(told.begun, told.ended, told.announced)


def causes_of(
    news: StreetNews, routes: Iterable[Route], positions: Mapping[str, At]
) -> Iterator[Cause]:
    """Why days are to be planned anew: one for each route that leads, or now could lead, there.

    Args:
        news: what began and what ended.
        routes: of one company.
        positions: of its vans.
    """
    for route in routes:
        at = positions.get(route.vehicle_id)
        if route.open_stops and (reason := _reason(news, route, at)) is not None:
            about = About(trigger="road_changed", vehicle_id=route.vehicle_id)
            yield Cause(route.depot_id, route.service_date, reason, about)


def _reason(news: StreetNews, route: Route, at: At | None) -> str | None:
    path = path_ahead(route, at)
    for rule in news.begun:
        if goes_through(path, rule):
            what = "is closed" if rule.kind == "closed" else f"is slow, {rule.kmh:g} km/h"
            return f"{rule.name} {what}, and {route.vehicle_id} was to drive there"
    for rule in news.announced:
        then = path_between(route, rule.from_s or -inf, rule.until_s or inf)
        if goes_through(then, rule):
            what = "will be closed" if rule.kind == "closed" else f"will be slow, {rule.kmh:g} km/h"
            return f"{rule.name} {what} while {route.vehicle_id} is to drive there"
    for rule in news.ended:
        if passes_by(path, rule):
            what = "is open again" if rule.kind == "closed" else "is slow no more"
            return f"{rule.name} {what}, and {route.vehicle_id} drives near it"
    return None
