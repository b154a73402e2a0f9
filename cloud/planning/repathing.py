"""A route that is driven as before, along other streets. Pure.

The streets of a van are no plan: they change at once, while stops that would change wait for a
dispatcher. Nobody is told another time by it; who comes late by it is told by the forecasts.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from cloud.planning.day_plan import DayPlan, Route, Stop
from cloud.roads.model import Leg, Path

_ON_ITS_OWN: Final = 5
"""A path drawn anew begins where the van is: so many of its points may be its own."""

type _Path = tuple[tuple[float, float], ...]


def repathed(route: Route, path: Path, set_out_at: float | None) -> Route:
    """The route along a path drawn anew through its open stops and to where it ends.

    Args:
        route: in force.
        path: from where the van is or begins, or from its first stop when no way leads there.
        set_out_at: when a van under way was where the path begins, seconds since 1970; None when
            nobody knows where it is, or it has not set out.
    """
    ahead = route.open_stops
    to_first = path.legs[0] if len(path.legs) > len(ahead) else None
    between = path.legs[-len(ahead) :]
    stops = [_first(route, to_first, set_out_at)]
    for stop, leg in zip(ahead[1:], between[:-1], strict=True):
        before, was = stops[-1], ahead[len(stops) - 1]
        later_s = before.planned_departure - was.planned_departure + leg.seconds - stop.leg_s
        stops.append(_later(replace(stop, leg_s=leg.seconds, leg_m=leg.metres), later_s))
    by_id = {stop.id: stop for stop in stops}
    return replace(
        route,
        geometry=path.geometry,
        stops=tuple(by_id.get(stop.id, stop) for stop in route.stops),
        end_leg_s=between[-1].seconds,
        end_leg_m=between[-1].metres,
    )


def other_ways(plan: DayPlan, drawn: Iterable[Route]) -> dict[str, Route]:
    """Those of some routes drawn anew that lead along other streets than in ``plan``, by id."""
    known = {route.id: route for route in plan.routes}
    return {
        route.id: route
        for route in drawn
        if (was := known.get(route.id)) is not None
        and [stop.id for stop in was.stops] == [stop.id for stop in route.stops]
        and not _is_same_way(was.geometry, route.geometry)
    }


def late_s(routes: Iterable[Route]) -> int:
    """By how much the services that are still to come begin after their windows, together."""
    return round(
        sum(
            max(0.0, stop.planned_arrival - stop.window.end)
            for route in routes
            for stop in route.open_stops
            if stop.window is not None
        )
    )


def _first(route: Route, leg: Leg | None, set_out_at: float | None) -> Stop:
    """The next stop; of a leg that is begun only the rest is known, so it does not get shorter."""
    stop = route.open_stops[0]
    if leg is None or stop.state != "open":
        return stop
    if not route.has_begun:
        longer = replace(stop, leg_s=leg.seconds, leg_m=leg.metres)
        return _later(longer, leg.seconds - stop.leg_s)
    if set_out_at is None:
        return stop
    later_s = set_out_at + leg.seconds - stop.planned_arrival
    most_s, most_m = max(stop.leg_s, leg.seconds), max(stop.leg_m, leg.metres)
    return _later(replace(stop, leg_s=most_s, leg_m=most_m), max(0.0, later_s))


def _later(stop: Stop, later_s: float) -> Stop:
    """The stop reached later, or earlier; waiting there takes up what it can."""
    begins = stop.planned_departure - stop.service_s
    arrives = stop.planned_arrival + later_s
    waits_until = begins if begins > stop.planned_arrival else arrives
    if stop.window is not None:
        waits_until = max(waits_until, stop.window.begin)
    departs = max(arrives, waits_until) + stop.service_s
    return replace(stop, planned_arrival=arrives, planned_departure=departs)


def _is_same_way(known: _Path, drawn: _Path) -> bool:
    """Whether a path drawn anew leads along streets of the one that is known, and no others."""
    return len(set(drawn) - set(known)) <= _ON_ITS_OWN
