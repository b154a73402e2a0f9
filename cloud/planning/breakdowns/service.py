"""Use cases of vans that cannot drive on, one transaction each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cloud.fleet import kinds, register
from cloud.fleet.service import require_vehicle
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid, NotFound
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.planning.breakdowns import store
from cloud.planning.breakdowns.model import Breakdown, VanBrokeDown, VanRepaired
from cloud.planning.service import require_route_of_driver
from cloud.planning.situation import POSITION_TOO_OLD_S, At


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What somebody says of a van; without a place it is where the van was seen last."""

    lat: float | None
    lon: float | None
    note: str
    by: str


class Breakdowns:
    """Vans that stand; the plan follows each report.

    Args:
        database: of the business.
        clock: domain time.
        events: woken when there is news.
        positions: where the vans of a tenant are.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        events: outbox.Outbox,
        positions: Callable[[str], Mapping[str, At]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._positions = positions

    def standing(self, tenant: str, reach: Reach = EVERYTHING) -> list[Breakdown]:
        """The vans within reach that stand now, the first one first."""
        with self._database.reading() as connection:
            return sorted(
                store.broken_vans(connection, tenant, reach).values(),
                key=lambda one: (one.reported_at, one.vehicle_id),
            )

    def report(self, tenant: str, vehicle_id: str, told: Report) -> Breakdown:
        """The van cannot drive on; what it has aboard is fetched from where it stands.

        Raises:
            NotFound: no such van. Invalid: nobody knows where it is.
        """
        seen = self._positions(tenant).get(vehicle_id)
        with self._database.writing() as connection:
            require_vehicle(connection, tenant, vehicle_id)
            if told.lat is not None and told.lon is not None:
                lat, lon = told.lat, told.lon
            elif seen is not None and self._clock.now_s() - seen.fix_time <= POSITION_TOO_OLD_S:
                lat, lon = seen.lat, seen.lon
            else:
                raise Invalid.field(
                    "lat", f"nobody knows where {vehicle_id} is now", "give lat and lon"
                )
            breakdown = Breakdown(
                tenant=tenant,
                vehicle_id=vehicle_id,
                lat=lat,
                lon=lon,
                note=told.note,
                reported_by=told.by,
                reported_at=self._clock.now_s(),
            )
            store.put(connection, breakdown)
            event = VanBrokeDown(
                vehicle_id=vehicle_id, lat=lat, lon=lon, note=told.note, reported_by=told.by
            )
            outbox.append(connection, tenant, breakdown.reported_at, event)
        self._events.wake()
        return breakdown

    def report_own(self, tenant: str, driver_id: str, told: Report) -> Breakdown:
        """The van that a driver drives now cannot drive on.

        Raises:
            NotFound: the driver has none, or nothing is planned for it. Invalid: as `report`.
        """
        with self._database.reading() as connection:
            now = self._clock.now_s()
            route = require_route_of_driver(connection, tenant, driver_id, now)
            driver = register.find(connection, kinds.DRIVERS, tenant, driver_id)
        name = told.by if driver is None else driver.name
        return self.report(tenant, route.vehicle_id, replace(told, by=name))

    def end(self, tenant: str, vehicle_id: str) -> None:
        """The van goes out again, with what nobody has fetched from it.

        Raises:
            NotFound: it does not stand.
        """
        with self._database.writing() as connection:
            if not store.end(connection, tenant, vehicle_id):
                raise NotFound(f"{vehicle_id[:80]!r} has not broken down; see GET /breakdowns")
            event = VanRepaired(vehicle_id=vehicle_id)
            outbox.append(connection, tenant, self._clock.now_s(), event)
        self._events.wake()
