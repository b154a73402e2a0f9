"""Credentials of gateways over HTTP, for brokers that let them in by password."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from cloud.fleet.gateway_access import GatewayAccess
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.identity import Caller, Gate

type Id = Annotated[str | None, Query(max_length=64)]


class BrokerBody(BaseModel):
    """Where a gateway connects by MQTT."""

    host: str
    port: int
    tls: bool


class GatewayBody(BaseModel):
    """All that a gateway needs to connect; the secrets are shown this once."""

    tenant: str
    van: str
    broker: BrokerBody
    client_id: str
    username: str
    password: str


def routes(access: GatewayAccess, broker: BrokerAccess, gate: Gate) -> APIRouter:
    """Making credentials."""
    router = APIRouter(tags=["fleet"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]

    @router.post("/vehicles/{vehicle_id}/gateway", status_code=201)
    def issue_gateway(vehicle_id: str, caller: admin, gateway_id: Id = None) -> GatewayBody:
        """Make credentials for the van's gateway; earlier ones end at once.

        With ``gateway_id`` that registered box is in this van from now on.
        """
        made = access.issue(caller.tenant, vehicle_id, gateway_id)
        address = broker.address_for_gateways()
        return GatewayBody(
            tenant=made.tenant,
            van=made.van,
            broker=BrokerBody(host=address.host, port=address.port, tls=address.tls),
            client_id=made.client_id,
            username=made.username,
            password=made.password,
        )

    return router
