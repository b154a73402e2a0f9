"""Which gateways may connect and for which van: their credentials, and what the broker is told."""

import logging
import threading

from sqlalchemy import Connection

from cloud.fleet import assigning, gateway_store, kinds, register, store
from cloud.fleet.assignments import Assignment
from cloud.fleet.enrolment import store as enrolment_store
from cloud.fleet.enrolment.model import (
    GatewayCertificate,
    GatewayLetIn,
    GatewayShutOut,
    session_of,
)
from cloud.foundation import outbox
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.broker_config import CertifiedGateway, GatewayCredential
from cloud.foundation.clock import Clock, RealClock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError, Conflict
from cloud.foundation.ids import NewId

log = logging.getLogger(__name__)


class GatewayAccess:
    """Lets the gateways of vans in use to the broker, and no others."""

    def __init__(
        self, database: Database, clock: Clock, broker: BrokerAccess, new_id: NewId
    ) -> None:
        self._database = database
        self._clock = clock
        self._broker = broker
        self._new_id = new_id
        self._telling = threading.Lock()

    def issue(
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
            if not register.require(connection, kinds.VEHICLES, tenant, vehicle_id).is_in_use:
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
        self.let_in()
        return credential

    def session(self, connection: Connection, tenant: str, vehicle_id: str) -> str | None:
        """Client id of the box that is the van's gateway now; None when it has none, or may not."""
        if store.is_out_of_use(connection, tenant, vehicle_id):
            return None
        return self.known_session(connection, tenant, vehicle_id)

    def session_now(self, tenant: str, vehicle_id: str) -> str | None:
        """The same, in a transaction of its own."""
        with self._database.reading() as connection:
            return self.session(connection, tenant, vehicle_id)

    def known_session(self, connection: Connection, tenant: str, vehicle_id: str) -> str | None:
        """Client id of the box that is, or would be, the van's gateway, in use or not."""
        if not self._broker.is_certified:
            return gateway_store.session_by_password(connection, tenant, vehicle_id)
        known = enrolment_store.certificates(connection, tenant, vehicle_id)
        return session_of(known, RealClock().now_s())

    def end_moved(
        self,
        connection: Connection,
        tenant: str,
        cut: list[Assignment],
        now: float,
    ) -> int:
        """Boxes that are with their vans no more do not speak for them; how many were ended.

        Only of boxes that were let in by password: certificates are ended where they are issued.
        """
        ended = 0
        for one in cut:
            session = gateway_store.session_by_password(connection, tenant, one.vehicle_id)
            is_now = assigning.holder_at(connection, tenant, "gateway", one.vehicle_id, now)
            if session is None or not one.holds_at(now) or _is_same_box(is_now, one):
                continue
            gateway_store.drop_gateway(connection, tenant, one.vehicle_id)
            told = GatewayShutOut(vehicle_id=one.vehicle_id, sessions=(session,))
            outbox.append(connection, tenant, now, told)
            ended += 1
        return ended

    def let_in(self) -> None:
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

    def let_in_or_later(self) -> None:
        """The change stands; whoever hears of it by the outbox tells the broker if this cannot."""
        try:
            self.let_in()
        except CloudError as error:
            log.warning("the broker is told of its users later", extra={"reason": error.detail})

    def _tell_broker(
        self, gateways: list[GatewayCredential], certified: list[CertifiedGateway]
    ) -> None:
        by_hand = self._broker.set_gateways(gateways, certified)
        if by_hand is not None:
            log.warning("the users of your own broker are to be changed", extra={"users": by_hand})

    def _put_box(
        self, connection: Connection, tenant: str, vehicle_id: str, gateway_id: str
    ) -> None:
        now = self._clock.now_s()
        _, cut = assigning.give(
            connection, tenant, "gateway", vehicle_id, gateway_id, now, None, self._new_id
        )
        elsewhere = [one for one in cut if one.vehicle_id != vehicle_id]
        assigning.tell(connection, tenant, "gateway", vehicle_id, gateway_id, now, now)
        self.end_moved(connection, tenant, elsewhere, now)


def _certified(shown: GatewayCertificate) -> CertifiedGateway:
    return CertifiedGateway(
        tenant=shown.tenant,
        van=shown.vehicle_id,
        identity=shown.identity,
        is_backlog=shown.state == "backlog",
    )


def _is_same_box(now: Assignment | None, before: Assignment) -> bool:
    return now is not None and now.holder_id == before.holder_id
