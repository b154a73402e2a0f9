"""Shifts: which van goes out when, and with whom."""

import math

from sqlalchemy import Connection

from cloud.fleet import shift_store, shifts
from cloud.fleet.model import Shift
from cloud.fleet.shifts import NewShift, ShiftChange
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.ids import NewId


class Roster:
    """Use cases of shifts, one transaction each."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def shifts_between(self, tenant: str, begin: float, end: float) -> list[Shift]:
        """The shifts that touch a span of time, in seconds since 1970, the earliest first."""
        with self._database.reading() as connection:
            return shift_store.shifts_between(connection, tenant, begin, end)

    def shifts_ahead(self, tenant: str) -> list[Shift]:
        """Shifts that hold and are not over."""
        return self.shifts_between(tenant, self._clock.now_s(), math.inf)

    def vans_on_shift(self, tenant: str) -> frozenset[str]:
        """The vans whose shift is on now."""
        now = self._clock.now_s()
        on = self.shifts_between(tenant, now, math.nextafter(now, math.inf))
        return frozenset(one.vehicle_id for one in on)

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


def _read_cursor(cursor: str) -> tuple[str, str]:
    day, dot, shift_id = cursor.partition(".")
    if not dot:
        raise Invalid.field("cursor", "was not given by an earlier page", "leave it out to begin")
    return day, shift_id
