"""Use cases of the fleet, one transaction each."""

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection

from cloud.fleet import assigning, gateway_store, register, shift_store, shifts, store
from cloud.fleet.assignments import Assignment, AssignmentKind
from cloud.fleet.enrolment import store as enrolment_store
from cloud.fleet.enrolment.model import (
    GatewayCertificate,
    GatewayLetIn,
    GatewayShutOut,
    session_of,
)
from cloud.fleet.events import DriverAssigned, GatewayAssigned, VehicleDisabled, VehicleEnabled
from cloud.fleet.model import Depot, Driver, Registered, Shift, Vehicle
from cloud.fleet.register import Kind, require_in_use
from cloud.fleet.shifts import NewShift, ShiftChange
from cloud.foundation import outbox
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.broker_config import CertifiedGateway, GatewayCredential
from cloud.foundation.clock import Clock, RealClock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError, Conflict, Invalid
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

    def page[T: Registered](
        self,
        kind: Kind[T],
        tenant: str,
        *,
        equal: dict[str, object],
        after: str,
        limit: int,
        with_retired: bool,
        reach: Reach = EVERYTHING,
    ) -> tuple[list[T], str | None]:
        """Some things of a kind within reach by id, and the id to go on after."""
        with self._database.reading() as connection:
            return register.page(
                connection,
                kind,
                tenant,
                equal=equal,
                after=after,
                limit=limit,
                with_retired=with_retired,
                reach=reach,
            )

    def get[T: Registered](self, kind: Kind[T], tenant: str, thing_id: str) -> T:
        """One thing, retired or not.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            return register.require(connection, kind, tenant, thing_id)

    def add[T: Registered](self, kind: Kind[T], thing: T) -> T:
        """Take a thing on; a driver is taken on by `add_driver`.

        Raises:
            Invalid: a value is not acceptable. Conflict: the id is taken.
        """
        with self._database.writing() as connection:
            return register.add(connection, kind, thing)

    def change[T: Registered](
        self, kind: Kind[T], tenant: str, thing_id: str, version: int, values: dict[str, Any]
    ) -> T:
        """Change some values of a thing that its author has seen as ``version``.

        Raises:
            NotFound: there is none. Invalid: a value is not acceptable. Conflict: it has changed
                since, or is retired.
        """
        with self._database.writing() as connection:
            before = register.require(connection, kind, tenant, thing_id)
            register.require_version(kind.name, thing_id, before.version, version)
            after = register.change(connection, kind, before, values)
            is_other = self.tell_use(connection, before, after)
        if is_other:
            self.let_gateways_in_or_later()
        return after

    def retire[T: Registered](self, kind: Kind[T], tenant: str, thing_id: str) -> T:
        """Take a thing out of use; it stays known to history.

        Raises:
            NotFound: there is none. Conflict: something in use still needs it.
        """
        with self._database.writing() as connection:
            before = register.require(connection, kind, tenant, thing_id)
            after = register.retire(connection, kind, before, self._clock.now_s())
            is_other = self.tell_use(connection, before, after)
        if is_other:
            self.let_gateways_in_or_later()
        return after

    def tell_use(self, connection: Connection, before: Registered, after: Registered) -> bool:
        """Tell of a van that came into or went out of use; whether the broker must be told."""
        if not isinstance(before, Vehicle) or not isinstance(after, Vehicle):
            return False
        if before.is_in_use == after.is_in_use:
            return False
        told: list[msgspec.Struct] = []
        if after.is_in_use:
            told += [VehicleEnabled(vehicle_id=after.id), GatewayLetIn(vehicle_id=after.id)]
        else:
            session = self._known_session(connection, after.tenant, after.id)
            sessions = () if session is None else (session,)
            told += [
                VehicleDisabled(vehicle_id=after.id),
                GatewayShutOut(vehicle_id=after.id, sessions=sessions),
            ]
        now = self._clock.now_s()
        ahead = shift_store.shifts_between(connection, after.tenant, now, math.inf, after.id)
        outbox.append(connection, after.tenant, now, *told, *map(shifts.news_of, ahead))
        return True

    def let_gateways_in_or_later(self) -> None:
        """The change stands; whoever hears of it by the outbox tells the broker if this cannot."""
        try:
            self.let_gateways_in()
        except CloudError as error:
            log.warning("the broker is told of its users later", extra={"reason": error.detail})

    def add_depot(self, depot: Depot) -> Depot:
        """Open a depot; raises as `add`."""
        return self.add(register.DEPOTS, depot)

    def depots(self, tenant: str, reach: Reach = EVERYTHING) -> list[Depot]:
        """Every depot within reach that is not retired."""
        with self._database.reading() as connection:
            every = store.depots(connection, tenant, reach)
        return [one for one in every if one.retired_at is None]

    def depot(self, tenant: str, depot_id: str) -> Depot:
        """One depot; raises as `get`."""
        return self.get(register.DEPOTS, tenant, depot_id)

    def today(self, depot: Depot) -> date:
        """The date at a depot."""
        return depot.service_date(self._clock.now_s())

    def add_vehicle(self, vehicle: Vehicle) -> Vehicle:
        """Take a van into the fleet; raises as `add`."""
        return self.add(register.VEHICLES, vehicle)

    def vehicle(self, tenant: str, vehicle_id: str) -> Vehicle:
        """One van; raises as `get`."""
        return self.get(register.VEHICLES, tenant, vehicle_id)

    def vehicles(self, tenant: str, reach: Reach = EVERYTHING) -> list[Vehicle]:
        """Every van within reach that is not retired, gateway or none, disabled or not."""
        with self._database.reading() as connection:
            every = store.vehicles(connection, tenant, reach)
        return [one for one in every if one.retired_at is None]

    def every_vehicle(self) -> list[tuple[str, str, str]]:
        """(tenant, van, depot) of every van of every tenant, retired or not."""
        with self._database.reading() as connection:
            return store.every_vehicle(connection)

    def shifts_between(self, tenant: str, begin: float, end: float) -> list[Shift]:
        """The shifts that touch a span of time, in seconds since 1970, the earliest first."""
        with self._database.reading() as connection:
            return shift_store.shifts_between(connection, tenant, begin, end)

    def vans_on_shift(self, tenant: str) -> frozenset[str]:
        """The vans whose shift is on now."""
        now = self._clock.now_s()
        on = self.shifts_between(tenant, now, math.nextafter(now, math.inf))
        return frozenset(one.vehicle_id for one in on)

    def vans_out_of_use(self, tenant: str) -> frozenset[str]:
        """The vans that are disabled or retired, of which nothing is heard."""
        with self._database.reading() as connection:
            return frozenset(van for _, van in store.vans_out_of_use(connection, tenant))

    def shift(self, tenant: str, shift_id: str) -> Shift:
        """One shift.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            return shifts.require_shift(connection, tenant, shift_id)

    def page_of_shifts(
        self,
        tenant: str,
        *,
        equal: dict[str, str],
        cursor: str,
        limit: int,
        reach: Reach = EVERYTHING,
    ) -> tuple[list[Shift], str | None]:
        """Some shifts within reach by service date and id, and the cursor of the next page.

        Raises:
            Invalid: the cursor was not given by an earlier page.
        """
        after = _read_cursor(cursor) if cursor else None
        with self._database.reading() as connection:
            found = shift_store.page_of_shifts(
                connection, tenant, equal=equal, after=after, limit=limit + 1, reach=reach
            )
        if len(found) <= limit:
            return found, None
        last = found[limit - 1]
        return found[:limit], f"{last.service_date}.{last.id}"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, for use cases of many things."""
        with self._database.writing() as connection:
            yield connection

    def every[T: Registered](self, kind: Kind[T], tenant: str) -> list[T]:
        """Everything of one kind, retired or not."""
        with self._database.reading() as connection:
            return register.every(connection, kind, tenant)

    def shifts_ahead(self, tenant: str) -> list[Shift]:
        """Shifts that hold and are not over."""
        return self.shifts_between(tenant, self._clock.now_s(), math.inf)

    def add_shift_in(self, connection: Connection, tenant: str, new: NewShift) -> Shift:
        """As `add_shift`, inside the caller's transaction."""
        now = self._clock.now_s()
        return shifts.add_shift(connection, tenant, new, now, self._new_id)

    def change_shift_in(self, connection: Connection, before: Shift, change: ShiftChange) -> bool:
        """As `change_shift`, inside the caller's transaction; whether anything is different."""
        now = self._clock.now_s()
        if not shifts.is_different(connection, before, change, now):
            return False
        shifts.change_shift(connection, before, change, now, self._new_id)
        return True

    def add_shift(self, tenant: str, new: NewShift, reach: Reach = EVERYTHING) -> Shift:
        """Send a van out on a service date; raises as `shifts.add_shift`."""
        with self._database.writing() as connection:
            now = self._clock.now_s()
            return shifts.add_shift(connection, tenant, new, now, self._new_id, reach)

    def change_shift(
        self,
        tenant: str,
        shift_id: str,
        version: int,
        change: ShiftChange,
        reach: Reach = EVERYTHING,
    ) -> Shift:
        """Change times or people of a shift; raises as `shifts.change_shift`, and NotFound."""
        with self._database.writing() as connection:
            before = shifts.require_shift(connection, tenant, shift_id)
            shifts.require_seen(before, version)
            now = self._clock.now_s()
            return shifts.change_shift(connection, before, change, now, self._new_id, reach)

    def cancel_shift(self, tenant: str, shift_id: str) -> Shift:
        """The van does not go out, or not on; raises as `shifts.cancel_shift`, and NotFound."""
        with self._database.writing() as connection:
            before = shifts.require_shift(connection, tenant, shift_id)
            return shifts.cancel_shift(connection, before, self._clock.now_s(), self._new_id)

    def assignments(
        self,
        tenant: str,
        kind: AssignmentKind,
        begin: float,
        end: float,
        *,
        vehicle_id: str | None = None,
        holder_id: str | None = None,
        reach: Reach = EVERYTHING,
    ) -> list[Assignment]:
        """Who, or which box, was with which van within reach between two instants, in order."""
        with self._database.reading() as connection:
            return shift_store.assignments(
                connection,
                tenant,
                kind,
                begin,
                end,
                vehicle_id=vehicle_id,
                holder_id=holder_id,
                reach=reach,
            )

    def drivers_now(self, tenant: str) -> dict[str, str]:
        """Who drives each van now; a van that nobody drives is left out."""
        now = self._clock.now_s()
        known = self.assignments(tenant, "driver", now, math.nextafter(now, math.inf))
        return {one.vehicle_id: one.holder_id for one in known}

    def assign(
        self,
        tenant: str,
        kind: AssignmentKind,
        vehicle_id: str,
        holder_id: str | None,
        begin: float | None,
        end: float | None,
        reach: Reach = EVERYTHING,
    ) -> tuple[Assignment | None, list[Assignment]]:
        """Give a van to a driver or a box for a time, by default from now on; None frees it.

        Without an end it lasts as long as what it replaces. Nothing else changes: the shift keeps
        its id, and its route is driven by whoever drives the van now.

        Returns:
            The assignment, and what was cut for it, as it was before.

        Raises:
            NotFound: no such van. Invalid: the driver or box is unknown or out of use, or the
                end is not after the begin.
        """
        now = self._clock.now_s()
        begin = now if begin is None else begin
        with self._database.writing() as connection:
            require_vehicle(connection, tenant, vehicle_id)
            if holder_id is None:
                until = end
                if until is None:
                    until = assigning.usual_end(connection, tenant, kind, vehicle_id, begin)
                until = math.inf if until is None else until
                if until <= begin:
                    raise Invalid.field("until", "is not after from", "swap or mend them")
                cut = assigning.clear(
                    connection, tenant, kind, begin, until, self._new_id, vehicle_id=vehicle_id
                )
                made = None
            else:
                made, cut = self._assign(
                    connection, tenant, kind, vehicle_id, holder_id, begin, end, reach
                )
            self._tell_assigned(connection, tenant, kind, vehicle_id, holder_id, begin, now)
            ended = 0
            if kind == "gateway":
                ended = self._end_moved_gateways(connection, tenant, cut, begin, now)
        if ended:
            self.let_gateways_in_or_later()
        return made, cut

    def _assign(
        self,
        connection: Connection,
        tenant: str,
        kind: AssignmentKind,
        vehicle_id: str,
        holder_id: str,
        begin: float,
        end: float | None,
        reach: Reach = EVERYTHING,
    ) -> tuple[Assignment, list[Assignment]]:
        if kind == "driver":
            require_in_use(connection, register.DRIVERS, tenant, "driver_id", holder_id, reach)
        else:
            require_in_use(connection, register.BOXES, tenant, "gateway_id", holder_id, reach)
        shift_id = None
        if kind == "driver":
            on = shift_store.shifts_between(
                connection, tenant, begin, math.nextafter(begin, math.inf), vehicle_id
            )
            shift_id = on[0].id if on else None
        if end is None:
            end = assigning.usual_end(connection, tenant, kind, vehicle_id, begin)
        made = Assignment(
            id=self._new_id("as"),
            vehicle_id=vehicle_id,
            holder_id=holder_id,
            begin=begin,
            end=end,
            shift_id=shift_id,
        )
        return made, assigning.assign(connection, tenant, kind, made, self._new_id)

    def _tell_assigned(
        self,
        connection: Connection,
        tenant: str,
        kind: AssignmentKind,
        vehicle_id: str,
        holder_id: str | None,
        begin: float,
        now: float,
    ) -> None:
        told = (
            DriverAssigned(vehicle_id=vehicle_id, driver_id=holder_id, begin=begin)
            if kind == "driver"
            else GatewayAssigned(vehicle_id=vehicle_id, gateway_id=holder_id, begin=begin)
        )
        outbox.append(connection, tenant, now, told)

    def _end_moved_gateways(
        self,
        connection: Connection,
        tenant: str,
        cut: list[Assignment],
        begin: float,
        now: float,
    ) -> int:
        """A box that is with its van no more does not speak for it; returns how many were ended.

        Only of boxes that were let in by password: certificates are ended where they are issued.
        """
        ended = 0
        for one in cut if begin <= now else ():
            session = gateway_store.session_by_password(connection, tenant, one.vehicle_id)
            is_now = assigning.holder_at(connection, tenant, "gateway", one.vehicle_id, now)
            if session is None or not one.holds_at(now) or _is_same_box(is_now, one):
                continue
            gateway_store.drop_gateway(connection, tenant, one.vehicle_id)
            told = GatewayShutOut(vehicle_id=one.vehicle_id, sessions=(session,))
            outbox.append(connection, tenant, now, told)
            ended += 1
        return ended

    def issue_gateway(
        self, tenant: str, vehicle_id: str, gateway_id: str | None = None
    ) -> GatewayCredential:
        """Make new credentials for the gateway of a van; earlier ones end at once.

        Args:
            tenant: whose van it is.
            vehicle_id: the van.
            gateway_id: the box they are for: from now on it is in this van.

        Raises:
            NotFound: no such van. Invalid: no such box.
            Conflict: the broker takes certificates only, or the van is out of use.
        """
        if self._broker.is_certified:
            raise Conflict(
                "this broker takes certificates and no passwords; "
                f"make a claim at /vehicles/{vehicle_id[:80]}/gateway/claims and enrol the box"
            )
        with self._database.writing() as connection:
            if not require_vehicle(connection, tenant, vehicle_id).is_in_use:
                raise Conflict(f"vehicle {vehicle_id!r} is disabled or retired; enable it first")
            if gateway_id is not None:
                self._put_box(connection, tenant, vehicle_id, gateway_id)
            before = gateway_store.session_by_password(connection, tenant, vehicle_id)
            credential = self._broker.new_credential(tenant, vehicle_id)
            now_s = self._clock.now_s()
            gateway_store.put_gateway(connection, credential, now_s)
            if before is not None:
                ended = GatewayShutOut(vehicle_id=vehicle_id, sessions=(before,))
                outbox.append(connection, tenant, now_s, ended)
            outbox.append(connection, tenant, now_s, GatewayLetIn(vehicle_id=vehicle_id))
        self.let_gateways_in()
        return credential

    def _put_box(
        self, connection: Connection, tenant: str, vehicle_id: str, gateway_id: str
    ) -> None:
        now = self._clock.now_s()
        _, cut = self._assign(connection, tenant, "gateway", vehicle_id, gateway_id, now, None)
        elsewhere = [one for one in cut if one.vehicle_id != vehicle_id]
        self._tell_assigned(connection, tenant, "gateway", vehicle_id, gateway_id, now, now)
        self._end_moved_gateways(connection, tenant, elsewhere, now, now)

    def gateway_session(self, connection: Connection, tenant: str, vehicle_id: str) -> str | None:
        """Client id of the box that is the van's gateway now; None when it has none, or may not."""
        if store.is_out_of_use(connection, tenant, vehicle_id):
            return None
        return self._known_session(connection, tenant, vehicle_id)

    def _known_session(self, connection: Connection, tenant: str, vehicle_id: str) -> str | None:
        if not self._broker.is_certified:
            return gateway_store.session_by_password(connection, tenant, vehicle_id)
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
                out = store.vans_out_of_use(connection)
                every = [
                    one
                    for one in gateway_store.gateways(connection)
                    if (one.tenant, one.van) not in out
                ]
                # TLS lives in real time, whatever the domain's clock says.
                shown = [
                    one
                    for one in enrolment_store.in_force(connection, RealClock().now_s())
                    if (one.tenant, one.vehicle_id) not in out
                ]
            self._tell_broker(every, [_certified(one) for one in shown])

    def _tell_broker(
        self, gateways: list[GatewayCredential], certified: list[CertifiedGateway]
    ) -> None:
        by_hand = self._broker.set_gateways(gateways, certified)
        if by_hand is not None:
            log.warning("the users of your own broker are to be changed", extra={"users": by_hand})

    def add_driver(self, driver: Driver) -> tuple[Driver, str]:
        """Take on a driver; returns the token of the driver's app, told this once.

        Raises:
            Invalid: the id is not acceptable. Conflict: the id is taken.
        """
        with self._database.writing() as connection:
            return self.add_driver_in(connection, driver)

    def add_driver_in(self, connection: Connection, driver: Driver) -> tuple[Driver, str]:
        """The same, inside the caller's transaction."""
        made = register.add(connection, register.DRIVERS, driver)
        return made, self._identity.add_driver_login(connection, driver.tenant, driver.id)


def require_depot(
    connection: Connection, tenant: str, depot_id: str, reach: Reach = EVERYTHING
) -> Depot:
    """One depot within reach, inside a transaction; raises NotFound."""
    return register.require(connection, register.DEPOTS, tenant, depot_id, reach)


def require_vehicle(connection: Connection, tenant: str, vehicle_id: str) -> Vehicle:
    """One van, inside a transaction; raises NotFound."""
    return register.require(connection, register.VEHICLES, tenant, vehicle_id)


def _certified(shown: GatewayCertificate) -> CertifiedGateway:
    return CertifiedGateway(
        tenant=shown.tenant,
        van=shown.vehicle_id,
        identity=shown.identity,
        is_backlog=shown.state == "backlog",
    )


def _is_same_box(now: Assignment | None, before: Assignment) -> bool:
    return now is not None and now.holder_id == before.holder_id


def _read_cursor(cursor: str) -> tuple[str, str]:
    day, dot, shift_id = cursor.partition(".")
    if not dot:
        raise Invalid.field("cursor", "was not given by an earlier page", "leave it out to begin")
    return day, shift_id
