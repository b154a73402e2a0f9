"""Use cases of the fleet, one transaction each."""

import logging
import threading
from datetime import date

from sqlalchemy import Connection, Table
from sqlalchemy.exc import IntegrityError

from cloud.fleet import store
from cloud.fleet.enrolment import store as enrolment_store
from cloud.fleet.enrolment.model import (
    GatewayCertificate,
    GatewayLetIn,
    GatewayShutOut,
    session_of,
)
from cloud.fleet.model import (
    Carrier,
    Depot,
    Driver,
    Shift,
    Vehicle,
    local_instant,
    require_id,
    require_not_past,
    require_zone,
    shift_span,
)
from cloud.foundation import outbox
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.broker_config import CertifiedGateway, GatewayCredential
from cloud.foundation.clock import Clock, RealClock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity import EVERYTHING, Identity, Reach
from cloud.foundation.ids import NewId

log = logging.getLogger(__name__)


class Fleet:
    """Depots, vehicles, gateways, drivers and shifts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        identity: Identity,
        broker: BrokerAccess,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._clock = clock
        self._identity = identity
        self._broker = broker
        self._new_id = new_id
        self._telling = threading.Lock()

    def add_carrier(self, carrier: Carrier) -> Carrier:
        """Take on a subcontractor.

        Raises:
            Invalid: the id is not acceptable. Conflict: the id is taken.
        """
        require_id("id", carrier.id)
        with self._database.writing() as connection:
            store.put_own_carrier(connection, carrier.tenant)
            _add(connection, store.carrier, carrier, f"a carrier {carrier.id!r}")
        return carrier

    def carriers(self, tenant: str, reach: Reach = EVERYTHING) -> list[Carrier]:
        """Every carrier within reach."""
        with self._database.reading() as connection:
            return store.carriers(connection, tenant, reach)

    def add_depot(self, depot: Depot) -> Depot:
        """Open a depot.

        Raises:
            Invalid: the id, zone or a shift time is not acceptable. Conflict: the id is taken.
        """
        require_id("id", depot.id)
        require_zone(depot.zone)
        for field in ("shift_start", "shift_end"):
            _require_local_time(field, getattr(depot, field), depot.zone)
        with self._database.writing() as connection:
            store.put_own_carrier(connection, depot.tenant)
            _add(connection, store.depot, depot, f"a depot {depot.id!r}")
        return depot

    def depots(self, tenant: str, reach: Reach = EVERYTHING) -> list[Depot]:
        """Every depot within reach."""
        with self._database.reading() as connection:
            return store.depots(connection, tenant, reach)

    def depot(self, tenant: str, depot_id: str) -> Depot:
        """One depot.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            return require_depot(connection, tenant, depot_id)

    def add_vehicle(self, vehicle: Vehicle) -> Vehicle:
        """Take a van into the fleet.

        Raises:
            Invalid: the id, the depot or the carrier is not acceptable. Conflict: the id is taken.
        """
        require_id("id", vehicle.id)
        with self._database.writing() as connection:
            if store.find_depot(connection, vehicle.tenant, vehicle.depot_id) is None:
                raise Invalid.field(
                    "depot_id", f"no depot {vehicle.depot_id!r}", "add the depot first"
                )
            if store.find_carrier(connection, vehicle.tenant, vehicle.carrier_id) is None:
                raise Invalid.field(
                    "carrier_id", f"no carrier {vehicle.carrier_id!r}", "add the carrier first"
                )
            _add(connection, store.vehicle, vehicle, f"a vehicle {vehicle.id!r}")
        return vehicle

    def vehicle(self, tenant: str, vehicle_id: str) -> Vehicle:
        """One van.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            found = store.find_vehicle(connection, tenant, vehicle_id)
        if found is None:
            raise NotFound(
                f"vehicle {vehicle_id[:80]!r} is not known; GET /api/v1/vehicles lists them"
            )
        return found

    def vehicles(self, tenant: str, reach: Reach = EVERYTHING) -> list[Vehicle]:
        """Every van within reach."""
        with self._database.reading() as connection:
            return store.vehicles(connection, tenant, reach)

    def shifts_now(self, tenant: str) -> list[Shift]:
        """The shifts that are on now."""
        now = self._clock.now_s()
        with self._database.reading() as connection:
            return store.shifts_between(connection, tenant, now, now + 1)

    def shifts_between(self, tenant: str, begin: float, end: float) -> list[Shift]:
        """The shifts that touch a span of time, in seconds since 1970, the earliest first."""
        with self._database.reading() as connection:
            return store.shifts_between(connection, tenant, begin, end)

    def issue_gateway(self, tenant: str, vehicle_id: str) -> GatewayCredential:
        """Make new credentials for the gateway of a van; earlier ones end at once.

        Raises:
            NotFound: no such van. Conflict: the broker takes certificates only.
        """
        if self._broker.is_certified:
            raise Conflict(
                "this broker takes certificates and no passwords; "
                f"make a claim at /vehicles/{vehicle_id[:80]}/gateway/claims and enrol the box"
            )
        with self._database.writing() as connection:
            if store.find_vehicle(connection, tenant, vehicle_id) is None:
                raise NotFound(f"vehicle {vehicle_id!r} is not known; add it first")
            before = store.session_by_password(connection, tenant, vehicle_id)
            credential = self._broker.new_credential(tenant, vehicle_id)
            now_s = self._clock.now_s()
            store.put_gateway(connection, credential, now_s)
            if before is not None:
                ended = GatewayShutOut(vehicle_id=vehicle_id, sessions=(before,))
                outbox.append(connection, tenant, now_s, ended)
            outbox.append(connection, tenant, now_s, GatewayLetIn(vehicle_id=vehicle_id))
        self.let_gateways_in()
        return credential

    def gateway_session(self, connection: Connection, tenant: str, vehicle_id: str) -> str | None:
        """Client id of the box that is the van's gateway now; None when the van has none."""
        if not self._broker.is_certified:
            return store.session_by_password(connection, tenant, vehicle_id)
        known = enrolment_store.certificates(connection, tenant, vehicle_id)
        return session_of(known, RealClock().now_s())

    def gateway_session_now(self, tenant: str, vehicle_id: str) -> str | None:
        """The same, in a transaction of its own."""
        with self._database.reading() as connection:
            return self.gateway_session(connection, tenant, vehicle_id)

    def let_gateways_in(self) -> None:
        """Tell the broker of every gateway, as at a start."""
        with self._telling:  # so that no older list is written after a newer one
            with self._database.reading() as connection:
                every = store.gateways(connection)
                # TLS lives in real time, whatever the domain's clock says.
                shown = enrolment_store.in_force(connection, RealClock().now_s())
            self._tell_broker(every, [_certified(one) for one in shown])

    def _tell_broker(
        self, gateways: list[GatewayCredential], certified: list[CertifiedGateway]
    ) -> None:
        by_hand = self._broker.set_gateways(gateways, certified)
        if by_hand is not None:
            log.warning("your own broker must be given users", extra={"users": by_hand})

    def add_driver(self, driver: Driver) -> tuple[Driver, str]:
        """Take on a driver; returns the token of the driver's app, told this once.

        Raises:
            Invalid: the id is not acceptable. Conflict: the id is taken.
        """
        require_id("id", driver.id)
        with self._database.writing() as connection:
            _add(connection, store.driver, driver, f"a driver {driver.id!r}")
            token = self._identity.add_driver_login(connection, driver.tenant, driver.id)
        return driver, token

    def add_shift(
        self,
        *,
        tenant: str,
        vehicle_id: str,
        driver_id: str,
        service_date: date,
        start: str | None,
        end: str | None,
        reach: Reach = EVERYTHING,
    ) -> Shift:
        """Send a driver with a van out on a service date; the depot's usual hours by default.

        Raises:
            Invalid: van, driver or a time is unknown, or the date is past.
            Conflict: one of them has a shift that day.
        """
        with self._database.writing() as connection:
            vehicle = store.find_vehicle(connection, tenant, vehicle_id, reach)
            if vehicle is None:
                raise Invalid.field("vehicle_id", f"no vehicle {vehicle_id!r}", "add it first")
            if store.find_driver(connection, tenant, driver_id) is None:
                raise Invalid.field("driver_id", f"no driver {driver_id!r}", "add the driver first")
            depot = require_depot(connection, tenant, vehicle.depot_id)
            require_not_past(service_date, depot, self._clock.now_s())
            starts_at, ends_at = shift_span(
                service_date, start or depot.shift_start, end or depot.shift_end, depot.zone
            )
            shift = Shift(
                tenant=tenant,
                id=self._new_id("shift"),
                vehicle_id=vehicle_id,
                driver_id=driver_id,
                depot_id=depot.id,
                service_date=service_date,
                starts_at=starts_at,
                ends_at=ends_at,
            )
            _add(
                connection,
                store.shift,
                shift,
                f"a shift of {vehicle_id!r} or {driver_id!r} on {service_date}",
            )
        return shift


def require_depot(
    connection: Connection, tenant: str, depot_id: str, reach: Reach = EVERYTHING
) -> Depot:
    """One depot, inside a transaction.

    Raises:
        NotFound: there is none of that id within reach.
    """
    depot = store.find_depot(connection, tenant, depot_id, reach)
    if depot is None:
        raise NotFound(f"depot {depot_id!r} is not known; GET /api/v1/depots lists them")
    return depot


def _certified(shown: GatewayCertificate) -> CertifiedGateway:
    return CertifiedGateway(
        tenant=shown.tenant,
        van=shown.vehicle_id,
        identity=shown.identity,
        is_backlog=shown.state == "backlog",
    )


def _require_local_time(field: str, value: str, zone: str) -> None:
    try:
        local_instant(date(2000, 1, 1), value, zone)
    except Invalid as error:
        raise Invalid.field(field, f"{value[:20]!r} is not HH:MM", "use 00:00 to 23:59") from error


def _add(
    connection: Connection,
    table: Table,
    thing: Carrier | Depot | Vehicle | Driver | Shift,
    what: str,
) -> None:
    row = {name: getattr(thing, name) for name in table.c.keys()}  # noqa: SIM118 - not a dict
    if isinstance(thing, Shift):
        row["service_date"] = thing.service_date.isoformat()
    try:
        store.add(connection, table, row)
    except IntegrityError as error:
        raise Conflict(f"there is {what} already; choose another, or use that one") from error
