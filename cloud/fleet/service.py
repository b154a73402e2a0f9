"""Use cases of the register, one transaction each, and looking up depots and vans."""

import math
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection

from cloud.fleet import kinds, register, shift_store, shifts, store
from cloud.fleet.enrolment.model import GatewayLetIn, GatewayShutOut
from cloud.fleet.events import VehicleDisabled, VehicleEnabled
from cloud.fleet.gateway_access import GatewayAccess
from cloud.fleet.model import Depot, Driver, Registered, Vehicle
from cloud.fleet.register import Kind
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.foundation.identity import EVERYTHING, Identity, Reach

type Drawn = Callable[[Connection, str], Container[str]]
"""Ids of the geofences that a tenant has drawn, which may be zones of vans and drivers."""


class Fleet:
    """What the fleet has: carriers, depots, vans, drivers, boxes and crews."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        identity: Identity,
        access: GatewayAccess,
        drawn: Drawn,
    ) -> None:
        self._database = database
        self._clock = clock
        self._identity = identity
        self._access = access
        self._drawn = drawn

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

    def every[T: Registered](self, kind: Kind[T], tenant: str) -> list[T]:
        """Everything of one kind, retired or not."""
        with self._database.reading() as connection:
            return register.every(connection, kind, tenant)

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
            return self.add_in(connection, kind, thing)

    def add_in[T: Registered](self, connection: Connection, kind: Kind[T], thing: T) -> T:
        """The same, inside the caller's transaction."""
        self._require_drawn(connection, thing.tenant, getattr(thing, "zones", ()))
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
            after, is_other = self.change_in(connection, kind, before, values)
        if is_other:
            self.tell_broker()
        return after

    def change_in[T: Registered](
        self, connection: Connection, kind: Kind[T], before: T, values: dict[str, Any]
    ) -> tuple[T, bool]:
        """The same, inside the caller's transaction; whether `tell_broker` is to be called."""
        known = getattr(before, "zones", ())
        new = [zone for zone in values.get("zones", ()) if zone not in known]
        self._require_drawn(connection, before.tenant, new)
        after = register.change(connection, kind, before, values)
        return after, self._tell_use(connection, before, after)

    def retire[T: Registered](self, kind: Kind[T], tenant: str, thing_id: str) -> T:
        """Take a thing out of use; it stays known to history.

        Raises:
            NotFound: there is none. Conflict: something in use still needs it.
        """
        with self._database.writing() as connection:
            before = register.require(connection, kind, tenant, thing_id)
            after = register.retire(connection, kind, before, self._clock.now_s())
            is_other = self._tell_use(connection, before, after)
        if is_other:
            self.tell_broker()
        return after

    def add_driver(self, driver: Driver) -> tuple[Driver, str]:
        """Take on a driver; returns the token of the driver's app, told this once.

        Raises:
            Invalid: the id is not acceptable. Conflict: the id is taken.
        """
        with self._database.writing() as connection:
            return self.add_driver_in(connection, driver)

    def add_driver_in(self, connection: Connection, driver: Driver) -> tuple[Driver, str]:
        """The same, inside the caller's transaction."""
        made = self.add_in(connection, kinds.DRIVERS, driver)
        return made, self._identity.add_driver_login(connection, driver.tenant, driver.id)

    def _tell_use(self, connection: Connection, before: Registered, after: Registered) -> bool:
        """Tell of a van that came into or went out of use; whether the broker must be told."""
        if not isinstance(before, Vehicle) or not isinstance(after, Vehicle):
            return False
        if before.is_in_use == after.is_in_use:
            return False
        told: list[msgspec.Struct] = []
        if after.is_in_use:
            told += [VehicleEnabled(vehicle_id=after.id), GatewayLetIn(vehicle_id=after.id)]
        else:
            session = self._access.known_session(connection, after.tenant, after.id)
            sessions = () if session is None else (session,)
            told += [
                VehicleDisabled(vehicle_id=after.id),
                GatewayShutOut(vehicle_id=after.id, sessions=sessions),
            ]
        now = self._clock.now_s()
        ahead = shift_store.shifts_between(connection, after.tenant, now, math.inf, after.id)
        outbox.append(connection, after.tenant, now, *told, *map(shifts.news_of, ahead))
        return True

    def tell_broker(self) -> None:
        """Tell the broker of gateways that were let in or shut out by vans coming into use."""
        self._access.let_in_or_later()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, for use cases of many things."""
        with self._database.writing() as connection:
            yield connection

    def add_depot(self, depot: Depot) -> Depot:
        """Open a depot; raises as `add`."""
        return self.add(kinds.DEPOTS, depot)

    def depots(self, tenant: str, reach: Reach = EVERYTHING) -> list[Depot]:
        """Every depot within reach that is not retired."""
        with self._database.reading() as connection:
            every = store.depots(connection, tenant, reach)
        return [one for one in every if one.retired_at is None]

    def depot(self, tenant: str, depot_id: str) -> Depot:
        """One depot; raises as `get`."""
        return self.get(kinds.DEPOTS, tenant, depot_id)

    def today(self, depot: Depot) -> date:
        """The date at a depot."""
        return depot.service_date(self._clock.now_s())

    def add_vehicle(self, vehicle: Vehicle) -> Vehicle:
        """Take a van into the fleet; raises as `add`."""
        return self.add(kinds.VEHICLES, vehicle)

    def vehicle(self, tenant: str, vehicle_id: str) -> Vehicle:
        """One van; raises as `get`."""
        return self.get(kinds.VEHICLES, tenant, vehicle_id)

    def vehicles(self, tenant: str, reach: Reach = EVERYTHING) -> list[Vehicle]:
        """Every van within reach that is not retired, gateway or none, disabled or not."""
        with self._database.reading() as connection:
            every = store.vehicles(connection, tenant, reach)
        return [one for one in every if one.retired_at is None]

    def drivers(self, tenant: str, reach: Reach = EVERYTHING) -> list[Driver]:
        """Every driver within reach that is not retired."""
        with self._database.reading() as connection:
            every = store.drivers(connection, tenant, reach)
        return [one for one in every if one.retired_at is None]

    def every_vehicle(self) -> list[tuple[str, str, str]]:
        """(tenant, van, depot) of every van of every tenant, retired or not."""
        with self._database.reading() as connection:
            return store.every_vehicle(connection)

    def vans_out_of_use(self, tenant: str) -> frozenset[str]:
        """The vans that are disabled or retired, of which nothing is heard."""
        with self._database.reading() as connection:
            return frozenset(van for _, van in store.vans_out_of_use(connection, tenant))

    def _require_drawn(self, connection: Connection, tenant: str, zones: Sequence[str]) -> None:
        drawn = self._drawn(connection, tenant) if zones else ()
        for zone in zones:
            if zone not in drawn:
                raise Invalid.field(
                    "zones",
                    f"there is no geofence {zone[:80]!r}",
                    "name those that GET /api/v1/geofences lists, or draw it first",
                )


def require_depot(
    connection: Connection, tenant: str, depot_id: str, reach: Reach = EVERYTHING
) -> Depot:
    """One depot within reach, inside a transaction; raises NotFound."""
    return register.require(connection, kinds.DEPOTS, tenant, depot_id, reach)


def require_vehicle(connection: Connection, tenant: str, vehicle_id: str) -> Vehicle:
    """One van, inside a transaction; raises NotFound."""
    return register.require(connection, kinds.VEHICLES, tenant, vehicle_id)
