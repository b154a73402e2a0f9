"""The fleet over HTTP. Vehicles with their positions are read in the composition root's pages."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from cloud.fleet.model import OWN, Carrier, Depot, Driver, Vehicle
from cloud.fleet.service import Fleet
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import Name, ServiceDate
from cloud.foundation.identity import READERS, Caller, Gate

type Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
type Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CarrierBody(_Body):
    """Who runs vans: ``own`` is the fleet itself, every other a subcontractor."""

    id: Name
    name: Name


class Carriers(BaseModel):
    """Every carrier."""

    items: list[CarrierBody]


class DepotBody(_Body):
    """A depot: where parcels wait and rounds begin. Shift times are local, HH:MM."""

    id: Name
    name: Name
    zone: Name
    lat: Latitude
    lon: Longitude
    shift_start: str = "08:00"
    shift_end: str = "18:00"


class Depots(BaseModel):
    """Every depot."""

    items: list[DepotBody]


class VehicleBody(_Body):
    """A van and how many parcels it holds."""

    id: Name
    name: Name
    depot_id: Name
    capacity_parcels: Annotated[int, Field(ge=0, le=100_000)]
    carrier_id: Name = OWN


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


class NewDriver(_Body):
    """A person who drives."""

    id: Name
    name: Name


class DriverBody(NewDriver):
    """A driver, with the token of the driver's app, shown this once."""

    token: str


class NewShift(_Body):
    """A driver with a van on one service date; local HH:MM, the depot's hours by default."""

    vehicle_id: Name
    driver_id: Name
    service_date: ServiceDate
    start: str | None = None
    end: str | None = None


class ShiftBody(BaseModel):
    """A shift, as instants."""

    id: str
    vehicle_id: str
    driver_id: str
    depot_id: str
    service_date: date
    starts_at: str
    ends_at: str


def routes(fleet: Fleet, broker: BrokerAccess, gate: Gate) -> APIRouter:
    """Depots, vans, gateways, drivers, shifts."""
    router = APIRouter(tags=["fleet"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]
    reader = Annotated[Caller, Depends(gate.roles(*READERS, "driver"))]

    @router.post("/carriers", status_code=201)
    def add_carrier(body: CarrierBody, caller: admin) -> CarrierBody:
        """Take on a subcontractor."""
        fleet.add_carrier(Carrier(tenant=caller.tenant, **body.model_dump()))
        return body

    @router.get("/carriers")
    def carriers(caller: reader) -> Carriers:
        """Every carrier."""
        return Carriers(
            items=[
                CarrierBody(id=carrier.id, name=carrier.name)
                for carrier in fleet.carriers(caller.tenant, caller.reach)
            ]
        )

    @router.post("/depots", status_code=201)
    def add_depot(body: DepotBody, caller: admin) -> DepotBody:
        """Open a depot."""
        fleet.add_depot(Depot(tenant=caller.tenant, **body.model_dump()))
        return body

    @router.get("/depots")
    def depots(caller: reader) -> Depots:
        """Every depot."""
        return Depots(
            items=[
                DepotBody.model_validate(depot, from_attributes=True)
                for depot in fleet.depots(caller.tenant, caller.reach)
            ]
        )

    @router.post("/vehicles", status_code=201)
    def add_vehicle(body: VehicleBody, caller: admin) -> VehicleBody:
        """Take a van into the fleet."""
        fleet.add_vehicle(Vehicle(tenant=caller.tenant, **body.model_dump()))
        return body

    @router.post("/vehicles/{vehicle_id}/gateway", status_code=201)
    def issue_gateway(vehicle_id: str, caller: admin) -> GatewayBody:
        """Make credentials for the van's gateway; earlier ones end at once."""
        made = fleet.issue_gateway(caller.tenant, vehicle_id)
        address = broker.address_for_gateways()
        return GatewayBody(
            tenant=made.tenant,
            van=made.van,
            broker=BrokerBody(host=address.host, port=address.port, tls=address.tls),
            client_id=made.client_id,
            username=made.username,
            password=made.password,
        )

    @router.post("/drivers", status_code=201)
    def add_driver(body: NewDriver, caller: admin) -> DriverBody:
        """Take on a driver."""
        driver, token = fleet.add_driver(Driver(tenant=caller.tenant, **body.model_dump()))
        return DriverBody(id=driver.id, name=driver.name, token=token)

    @router.post("/shifts", status_code=201)
    def add_shift(body: NewShift, caller: dispatcher) -> ShiftBody:
        """Send a driver with a van out on a service date."""
        made = fleet.add_shift(tenant=caller.tenant, reach=caller.reach, **body.model_dump())
        return ShiftBody(
            id=made.id,
            vehicle_id=made.vehicle_id,
            driver_id=made.driver_id,
            depot_id=made.depot_id,
            service_date=made.service_date,
            starts_at=to_rfc3339(made.starts_at),
            ends_at=to_rfc3339(made.ends_at),
        )

    return router
