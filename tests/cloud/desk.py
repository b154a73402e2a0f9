"""The interface over a real database in this process; streets and planning loop are stand-ins."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from cloud.drivers import api as drivers_api
from cloud.drivers.ordering import StopOrder
from cloud.drivers.service import DriverWork
from cloud.fleet import api as fleet_api
from cloud.fleet import files_api, gateway_access_api, register_api
from cloud.fleet.gateway_access import GatewayAccess
from cloud.fleet.handover import Handover
from cloud.fleet.roster import Roster
from cloud.fleet.service import Fleet
from cloud.foundation.body_limit import BodyLimit
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.http import PROBLEM_RESPONSES, answer_problems
from cloud.foundation.identity import Gate, Identity
from cloud.foundation.identity import api as identity_api
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import Outbox
from cloud.foundation.places import place_of
from cloud.foundation.settings import Settings
from cloud.gateways import api as gateways_api
from cloud.gateways.service import Gateways
from cloud.geofences import store as geofence_store
from cloud.orders import api as orders_api
from cloud.orders import place_api, wave_api
from cloud.orders.api import IMPORT_PATH, MAX_CSV_BYTES
from cloud.orders.service import Orders
from cloud.phones import api as phones_api
from cloud.phones.service import Phones
from cloud.places import api as places_api
from cloud.places.service import Areas
from cloud.planning import api as planning_api
from cloud.planning import revisions_api, working_time_api
from cloud.planning.arrivals import Forecasts
from cloud.planning.breakdowns import api as breakdowns_api
from cloud.planning.breakdowns.service import Breakdowns
from cloud.planning.deciding import Decisions
from cloud.planning.rules import api as rules_api
from cloud.planning.rules.service import DayRules
from cloud.planning.service import Planning
from cloud.planning.within import orders_of_carrier
from cloud.planning.working_time import WorkingTime
from cloud.roads.model import Snapped
from cloud.tracking.reports import Reports
from tests.parts.migrated import migrate

PLAIN = Settings()
NOW = datetime.fromisoformat("2026-11-23T07:50:00-03:00").timestamp()
TODAY = "2026-11-23"
DEPOT = {
    "id": "la-serena",
    "name": "La Serena",
    "zone": "America/Santiago",
    "lat": -29.9,
    "lon": -71.25,
}
ORDER = {"depot_id": "la-serena", "address": "Balmaceda 1", "lat": -29.91, "lon": -71.252}


class StillClock:
    """It is always ten to eight."""

    speed = 1.0

    def now_s(self) -> float:
        return NOW

    async def sleep_until(self, instant_s: float) -> None:
        raise AssertionError("nobody sleeps here")


class StreetEverywhere:
    """Every door has a street."""

    async def snap(self, lat: float, lon: float) -> Snapped:
        return Snapped(lat, lon, "Balmaceda", 5.0)


class NobodyPlans:
    """Nobody is there to be woken."""

    def wake(self) -> None:
        return


@dataclass(frozen=True)
class Desk:
    """An office's requests to the application, and the database below."""

    app: FastAPI
    database: Database
    telemetry: Database
    gateways: Gateways
    phones: Phones
    login: dict[str, str]
    broker: BrokerAccess

    def close(self) -> None:
        """Let go of its files."""
        self.database.close()
        self.telemetry.close()

    def client(self, *, is_known: bool = True) -> httpx.AsyncClient:
        """A client; a server's error is an answer to it."""
        token = {"Authorization": f"Bearer {self.login['api_token']}"} if is_known else {}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://desk/api/v1",
            headers=token,
        )

    def ask(self, method: str, path: str, *, is_known: bool = True, **asked: Any) -> httpx.Response:
        """One request, and its answer."""

        async def one() -> httpx.Response:
            async with self.client(is_known=is_known) as client:
                return await client.request(method, path, **asked)

        return run(one())

    def order(self, **wanted: Any) -> httpx.Response:
        """Ask for an order."""
        return self.ask("POST", "/orders", json={**ORDER, **wanted})

    def file(self, text: str, service_date: str = TODAY) -> httpx.Response:
        """Ask for the orders of a file."""
        query = {"depot_id": "la-serena", "service_date": service_date}
        csv = {"content-type": "text/csv"}
        return self.ask("POST", IMPORT_PATH, params=query, content=text.encode(), headers=csv)


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which must not take a minute."""

    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(bounded())


def in_pieces(piece: bytes, count: int, came: list[int]) -> AsyncIterator[bytes]:
    """A body without a length; ``came`` counts the pieces that were asked for."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(count):
            came.append(1)
            yield piece

    return pieces()


def open_desk(root: Path, settings: Settings = PLAIN) -> Desk:
    """A desk with one depot over a new database in ``root``, or where ``settings`` say."""
    data = DataFolder(root)
    migrate(data, "business", "telemetry", settings=settings)
    database, clock = Database(place_of("business", data, settings)), StillClock()
    telemetry = Database(place_of("telemetry", data, settings))
    events, real_time = Outbox(database), RealClock()
    identity = Identity(database, real_time, random_id)
    login = identity.first_login("admin")
    assert login is not None
    gate = Gate(identity)
    broker = BrokerAccess(data, settings)
    planning = Planning(database, clock, random_id)
    streets: Any = StreetEverywhere()
    orders = Orders(database, clock, streets, events, random_id, orders_of_carrier)
    access = GatewayAccess(database, clock, broker, random_id)
    fleet = Fleet(database, clock, identity, access, geofence_store.ids)
    roster = Roster(database, clock, random_id)
    handover = Handover(database, clock, access, random_id)
    areas = Areas(
        database, clock, events, random_id, lambda _: {one.id for one in fleet.depots("main")}
    )
    gateways = Gateways(
        database=database,
        clock=clock,
        fleet=fleet,
        access=access,
        roster=roster,
        reports=Reports(telemetry),
        events=events,
        new_id=random_id,
    )
    phones = Phones(database, clock, fleet, roster, random_id, lambda: secrets.randbits(63))
    forecasts = Forecasts(database, planning, lambda tenant: {}, clock)
    working_time = WorkingTime(database, clock)
    routes = APIRouter()
    for part in (
        identity_api.routes(identity, real_time),
        fleet_api.routes(roster, handover, gate, working_time.against),
        gateway_access_api.routes(access, broker, gate),
        register_api.routes(fleet, gate),
        files_api.routes(fleet, roster, gate),
        gateways_api.routes(gateways, gate),
        phones_api.routes(phones, gate),
        orders_api.routes(orders, planning.places_in_plan, gate),
        place_api.routes(orders, gate),
        wave_api.routes(wave_api.Waves(database, clock, events), gate),
        places_api.routes(areas, gate),
        planning_api.routes(planning, NobodyPlans(), forecasts, gate),  # type: ignore[arg-type]
        rules_api.routes(DayRules(database, clock, events, random_id), gate),
        revisions_api.routes(
            Decisions(database, clock, random_id),
            NobodyPlans(),  # type: ignore[arg-type]
            gate,
        ),
        working_time_api.routes(working_time, gate),
        breakdowns_api.routes(Breakdowns(database, clock, events, lambda tenant: {}), gate),
        drivers_api.routes(
            DriverWork(database, clock, events),
            StopOrder(database, clock, events, random_id),
            planning,
            gate,
        ),
    ):
        routes.include_router(part)
    app = FastAPI(openapi_url="/api/v1/openapi.json")
    app.add_middleware(BodyLimit, longer={f"/api/v1{IMPORT_PATH}": MAX_CSV_BYTES})
    answer_problems(app)
    app.include_router(routes, prefix="/api/v1", responses=PROBLEM_RESPONSES)
    desk = Desk(app, database, telemetry, gateways, phones, login, broker)
    assert desk.ask("POST", "/depots", json=DEPOT).status_code == 201
    return desk
