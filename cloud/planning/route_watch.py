"""Looks now and then whether the vans under way are on their routes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.looking import keep_looking
from cloud.planning.day_plan import Route
from cloud.planning.situation import At
from cloud.planning.straying import Straying, VanOffRoute, heading_for, looked
from cloud.tracking.progress import Line

LOOK_EVERY_S: Final = 5.0


class RouteWatch:
    """Tells of a van that is off its route, once until it has come back.

    What it knows of a leg is not kept: after a restart it looks anew.

    Args:
        routes: of a tenant's shifts that are on now. positions: of its vans.
        tenants: whose routes are looked at.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        events: outbox.Outbox,
        tenants: Callable[[], Iterable[str]],
        routes: Callable[[str], Iterable[Route]],
        positions: Callable[[str], Mapping[str, At]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._tenants = tenants
        self._routes = routes
        self._positions = positions
        self._known: dict[str, Straying] = {}
        self._lines: dict[str, tuple[int, Line]] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        await keep_looking("routes", self._look_and_wake, LOOK_EVERY_S)

    def _look_and_wake(self) -> None:
        if self.look():
            self._events.wake()

    def look(self) -> int:
        """Look once at every van under way; how many are newly off their routes."""
        seen: set[str] = set()
        news = 0
        for tenant in self._tenants():
            positions = self._positions(tenant)
            for route in self._routes(tenant):
                at = positions.get(route.vehicle_id)
                if at is not None and route.geometry:
                    seen.add(route.id)
                    news += self._look_at(tenant, route, at)
        for gone in self._lines.keys() - seen:
            del self._lines[gone]
            self._known.pop(gone, None)
        return news

    def _look_at(self, tenant: str, route: Route, at: At) -> bool:
        line, stop = self._line(route), heading_for(route)
        if stop is None:
            self._known.pop(route.id, None)
            return False
        known = self._known[route.id] = looked(
            self._known.get(route.id), stop, at, line, route.revision
        )
        if not known.is_news:
            return False
        told = VanOffRoute(
            vehicle_id=route.vehicle_id,
            route_id=route.id,
            stop_id=stop.id,
            off_m=round(line.place(at.lat, at.lon).off_m),
        )
        with self._database.writing() as connection:
            outbox.append(connection, tenant, self._clock.now_s(), told)
        self._known[route.id] = replace(known, is_told=True)
        return True

    def _line(self, route: Route) -> Line:
        kept = self._lines.get(route.id)
        if kept is None or kept[0] != route.revision:
            kept = route.revision, Line([(lat, lon) for lon, lat in route.geometry])
            self._lines[route.id] = kept
        return kept[1]
