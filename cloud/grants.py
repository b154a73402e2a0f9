"""How far a limited grant goes: which of the things that a path names are within its reach.

The gate asks for every limited caller and every route, so that no route can forget it. An id of
which it is not written here how to find out is within nobody's reach: a new kind of thing is closed
to limited callers until somebody has said whose it is. What lies beyond is answered as if it did
not exist.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from cloud.fleet import kinds, register, tables, within
from cloud.fleet import store as fleet_store
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid, NotFound
from cloud.foundation.identity import Caller, Reach
from cloud.geofences import store as geofence_store
from cloud.integrations.readers import store as reader_store
from cloud.integrations.webhooks import store as webhook_store
from cloud.orders import store as order_store
from cloud.places import area_store
from cloud.planning import job_store
from cloud.planning.tables import route_row
from cloud.planning.within import orders_of_carrier, routes_within
from cloud.roads import store as roads_store
from cloud.tracking.sight import FULL, Sight

type _Find = Callable[[str, str, Reach], Select[Any]]
"""Tenant, id and reach to a query that gives a row when the thing is within reach."""


def _depot(tenant: str, depot_id: str, reach: Reach) -> Select[Any]:
    depot = tables.depot
    wanted = (depot.c.tenant == tenant, depot.c.id == depot_id, within.depots_within(reach))
    return select(depot.c.id).where(*wanted)


def _vehicle(tenant: str, vehicle_id: str, reach: Reach) -> Select[Any]:
    van = tables.vehicle
    wanted = (van.c.tenant == tenant, van.c.id == vehicle_id, within.vehicles_within(reach))
    return select(van.c.id).where(*wanted)


def _carrier(tenant: str, carrier_id: str, reach: Reach) -> Select[Any]:
    carrier = tables.carrier
    held = within.carriers_within(reach)
    return select(carrier.c.id).where(carrier.c.tenant == tenant, carrier.c.id == carrier_id, held)


def _driver(tenant: str, driver_id: str, reach: Reach) -> Select[Any]:
    driver = tables.driver
    held = within.drivers_within(reach)
    return select(driver.c.id).where(driver.c.tenant == tenant, driver.c.id == driver_id, held)


def _crew(tenant: str, crew_id: str, reach: Reach) -> Select[Any]:
    crew = tables.crew
    held = within.crews_within(reach)
    return select(crew.c.id).where(crew.c.tenant == tenant, crew.c.id == crew_id, held)


def _gateway(tenant: str, gateway_id: str, reach: Reach) -> Select[Any]:
    box = tables.box
    held = within.boxes_within(reach)
    return select(box.c.id).where(box.c.tenant == tenant, box.c.id == gateway_id, held)


def _shift(tenant: str, shift_id: str, reach: Reach) -> Select[Any]:
    shift = tables.shift
    held = within.shifts_within(reach)
    return select(shift.c.id).where(shift.c.tenant == tenant, shift.c.id == shift_id, held)


def _order(tenant: str, order_id: str, reach: Reach) -> Select[Any]:
    order = order_store.order_row
    held = order_store.orders_within(reach, orders_of_carrier)
    return select(order.c.id).where(order.c.tenant == tenant, order.c.id == order_id, held)


def _route(tenant: str, route_id: str, reach: Reach) -> Select[Any]:
    route = route_row.c
    wanted = (route.tenant == tenant, route.id == route_id, routes_within(reach))
    return select(route.id).where(*wanted)


def _job(tenant: str, job_id: str, reach: Reach) -> Select[Any]:
    job = job_store.job_row
    wanted = (job.c.tenant == tenant, job.c.id == job_id, job_store.jobs_within(reach))
    return select(job.c.id).where(*wanted)


def _webhook(tenant: str, webhook_id: str, reach: Reach) -> Select[Any]:
    webhook = webhook_store.webhook
    held = webhook.c.carrier == reach.carrier_id
    return select(webhook.c.id).where(webhook.c.tenant == tenant, webhook.c.id == webhook_id, held)


def _reader(tenant: str, reader_id: str, reach: Reach) -> Select[Any]:
    reader = reader_store.feed_reader
    held = reader.c.carrier == reach.carrier_id
    return select(reader.c.id).where(reader.c.tenant == tenant, reader.c.id == reader_id, held)


def _geofence(tenant: str, fence_id: str, reach: Reach) -> Select[Any]:
    fence = geofence_store.geofence
    held = geofence_store.fences_within(reach)
    return select(fence.c.id).where(fence.c.tenant == tenant, fence.c.id == fence_id, held)


def _road_rule(tenant: str, rule_id: str, reach: Reach) -> Select[Any]:
    rule = roads_store.road_rule
    held = roads_store.rules_within(reach)
    return select(rule.c.id).where(rule.c.tenant == tenant, rule.c.id == rule_id, held)


def _access_area(tenant: str, area_id: str, reach: Reach) -> Select[Any]:
    area = area_store.access_area
    held = area_store.areas_within(reach)
    return select(area.c.id).where(area.c.tenant == tenant, area.c.id == area_id, held)


_FINDS: Final[Mapping[str, _Find]] = {
    "depot_id": _depot,
    "vehicle_id": _vehicle,
    "carrier_id": _carrier,
    "driver_id": _driver,
    "crew_id": _crew,
    "gateway_id": _gateway,
    "shift_id": _shift,
    "order_id": _order,
    "route_id": _route,
    "job_id": _job,
    "geofence_id": _geofence,
    "road_rule_id": _road_rule,
    "access_area_id": _access_area,
    "webhook_id": _webhook,
    "reader_id": _reader,
}
_ONE_S_OWN: Final = frozenset({"token_id", "service_date"})
"""What a path may name without anything that it is of."""


class Held:
    """Tells which things are within a caller's reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def require(
        self, caller: Caller, path: Mapping[str, str], query: Iterable[tuple[str, str]]
    ) -> None:
        """Go on when everything that path and query name is within reach.

        What a path names below something else, such as a command of a van, is as that is.

        Raises:
            NotFound: something is not, or does not exist.
        """
        of_path = [(name, value) for name, value in path.items() if name in _FINDS]
        if not of_path and not path.keys() <= _ONE_S_OWN:
            raise NotFound("there is no such thing within what your grant covers")
        asked = [*of_path, *((name, value) for name, value in query if name in _FINDS)]
        if not asked:
            return
        with self._database.reading() as connection:
            for name, value in asked:
                if not _is_held(connection, caller, name, value):
                    raise NotFound(
                        f"{name.removesuffix('_id')} {value[:80]!r} is not known, "
                        "or not within what your grant covers"
                    )

    def sight(self, caller: Caller) -> Sight:
        """What of its tenant a client of the live stream sees."""
        if caller.reach.is_everything:
            return FULL
        return Sight(
            vans=lambda: self._vans(caller),
            shown=lambda payload: self._shown(caller, payload),
        )

    def _vans(self, caller: Caller) -> frozenset[str]:
        with self._database.reading() as connection:
            found = fleet_store.vehicles(connection, caller.tenant, caller.reach)
        return frozenset(van.id for van in found)

    def _shown(self, caller: Caller, payload: Mapping[str, object]) -> Mapping[str, object] | None:
        """An event as a limited caller sees it; of a depot's plan a carrier sees its routes."""
        if caller.reach.depot_ids is not None and "depot_id" in payload:
            return payload if caller.reach.holds(depot_id=str(payload["depot_id"])) else None
        with self._database.reading() as connection:
            named = [name for name in ("order_id", "geofence_id", "vehicle_id") if name in payload]
            if named:
                is_held = all(
                    _is_held(connection, caller, name, str(payload[name])) for name in named
                )
                return payload if is_held else None
            routes = payload.get("route_ids")
            if not isinstance(routes, list | tuple):
                return None
            mine = [one for one in routes if _is_held(connection, caller, "route_id", str(one))]
        return {**payload, "route_ids": mine, "reason": payload["trigger"]} if mine else None


def _is_held(connection: Connection, caller: Caller, name: str, value: str) -> bool:
    query = _FINDS[name](caller.tenant, value, caller.reach)
    return connection.execute(query.limit(1)).first() is not None


def require_reach(connection: Connection, tenant: str, reach: Reach) -> None:
    """A reach whose depots and carrier there are.

    Raises:
        Invalid: one is unknown; names the field.
    """
    for depot_id in sorted(reach.depot_ids or ()):
        if register.find(connection, kinds.DEPOTS, tenant, depot_id) is None:
            raise Invalid.field(
                "reach.depot_ids", f"no depot {depot_id[:80]!r}", "GET /api/v1/depots lists them"
            )
    carrier_id = reach.carrier_id
    if (
        carrier_id is not None
        and register.find(connection, kinds.CARRIERS, tenant, carrier_id) is None
    ):
        raise Invalid.field(
            "reach.carrier_id", f"no carrier {carrier_id[:80]!r}", "GET /api/v1/carriers lists them"
        )
