"""Who drives which van, and which box is in it: handing over, and looking it up."""

import math

from cloud.fleet import assigning, kinds, register, shift_store
from cloud.fleet.assignments import Assignment, AssignmentKind
from cloud.fleet.gateway_access import GatewayAccess
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.ids import NewId


class Handover:
    """Use cases of dated assignments, one transaction each."""

    def __init__(
        self, database: Database, clock: Clock, access: GatewayAccess, new_id: NewId
    ) -> None:
        self._database = database
        self._clock = clock
        self._access = access
        self._new_id = new_id

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
            register.require(connection, kinds.VEHICLES, tenant, vehicle_id)
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
                made, cut = assigning.give(
                    connection,
                    tenant,
                    kind,
                    vehicle_id,
                    holder_id,
                    begin,
                    end,
                    self._new_id,
                    reach=reach,
                )
            assigning.tell(connection, tenant, kind, vehicle_id, holder_id, begin, now)
            ended = 0
            if kind == "gateway" and begin <= now:
                ended = self._access.end_moved(connection, tenant, cut, now)
        if ended:
            self._access.let_in_or_later()
        return made, cut
