"""The whole interface in this process, with two companies on it and somebody of every role in each.

Company `MAIN` has a depot in the north, whose van it drives itself, and one in the south, whose
van is run by a carrier. What belongs to either has its name in every text, so that a test can tell
whose an answer is. Nothing is started: no broker, no roads, no planner.
"""

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import insert

from cloud import grants, roles
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.identity import Identity, People
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import Outbox
from cloud.foundation.settings import Settings
from cloud.orders.intake import NewOrder
from cloud.orders.service import Orders
from cloud.planning import proposal_store, tables
from cloud.planning.diff import Diff
from cloud.planning.proposals import Proposal
from cloud.planning.revision import RevisionCost
from cloud.planning.within import orders_of_carrier
from cloud.roads.model import Snapped
from tests.parts.migrated import migrate
from tests.parts.whole_app import whole_app

MAIN, OTHER = "main", "other"
LETTERS = {
    "A": "admin", "D": "dispatcher", "R": "driver", "C": "carrier", "V": "viewer",
    "I": "integrator",
}  # fmt: skip
DAY = date(2099, 12, 30)
GOOD_PASSWORD = "lantern orbit cactus sled"


@dataclass(frozen=True)
class Answer:
    """What a request got; of an event stream, what came first."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class Company:
    """The interface, and everybody's token by company and role; ``ids`` are MAIN's things."""

    app: FastAPI
    people: People
    identity: Identity
    database: Database
    runner: asyncio.Runner
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    ids: dict[str, dict[str, str]] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        **headers: str,
    ) -> Answer:
        """One request by a bearer token, or by no one."""
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        content = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            headers.setdefault("content-type", "application/json")
        return self.runner.run(_ask(self.app, method, path, headers, content))

    def as_(self, who: tuple[str, str], method: str, path: str, body: Any = None) -> Answer:
        """One request by somebody of a company and role."""
        return self.ask(method, f"/api/v1{path}", self.tokens[who], body)

    def made(self, path: str, body: dict[str, Any], tenant: str = MAIN) -> dict[str, Any]:
        """What an administrator makes by a POST."""
        answer = self.as_((tenant, "admin"), "POST", path, body)
        assert answer.status == 201, (path, answer)
        told: dict[str, Any] = answer.json
        return told


async def _ask(
    app: FastAPI, method: str, path: str, headers: dict[str, str], content: bytes
) -> Answer:
    bare, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": bare, "raw_path": bare.encode(), "query_string": query.encode(),
        "root_path": "", "client": ("192.0.2.7", 4711), "server": ("office", 80),
        "headers": [
            (b"host", b"office"), *((k.replace("_", "-").encode(), v.encode())
                                    for k, v in headers.items()),
        ],
    }  # fmt: skip
    told: list[dict[str, Any]] = [{"type": "http.request", "body": content, "more_body": False}]
    heard: dict[str, Any] = {"content": b""}
    is_enough = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if told:
            return told.pop()
        await is_enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            heard["status"] = message["status"]
            heard["headers"] = {k.decode(): v.decode() for k, v in message["headers"]}
            return
        heard["content"] += message.get("body", b"")
        if "event-stream" in heard["headers"].get("content-type", "") and heard["content"]:
            is_enough.set()

    async with asyncio.timeout(30):
        try:
            await app(scope, receive, send)
        except Exception:
            if heard.get("status") != 500:  # the framework raises again what it has answered
                raise
    return Answer(heard["status"], heard["headers"], heard["content"])


def open_company(root: Path) -> Iterator[Company]:
    """Two companies over new databases in ``root``."""
    data = DataFolder(root)
    migrate(data, "business", "telemetry")
    roles._choose_ports(data, Settings(), "all")
    database, real_time = Database(data.business), RealClock()
    identity = Identity(database, real_time, random_id)
    people = People(database, identity, real_time, random_id, grants.require_reach)
    with whole_app(data, Settings()) as app, asyncio.Runner() as runner:
        login = json.loads(data.first_login.read_bytes())
        company = Company(app, people, identity, database, runner)
        company.tokens[MAIN, "admin"] = login["api_token"]
        other = people.add_tenant(OTHER, "Other Ltd", "admin")
        company.tokens[OTHER, "admin"] = other["api_token"]
        for part, carrier in (("north", "own"), ("south", "swift")):
            company.ids[part] = _part(company, part, carrier)
        company.made("/depots", _depot("elsewhere"), OTHER)
        company.made("/carriers", {"id": "swift", "name": "Swift"}, OTHER)
        _hire(company)
        yield company
    database.close()


def _depot(name: str) -> dict[str, Any]:
    return {"id": f"depot-{name}", "name": f"Depot {name}", "zone": "UTC", "lat": 1.0, "lon": 1.0}


def _part(company: Company, part: str, carrier: str) -> dict[str, str]:
    """A depot with a van, a driver, an order and a route; their ids."""
    depot = company.made("/depots", _depot(part))["id"]
    if carrier != "own":
        company.made("/carriers", {"id": carrier, "name": f"Carrier {part}"})
    van = {"id": f"van-{part}", "name": f"Van {part}", "depot_id": depot, "capacity_parcels": 9}
    company.made("/vehicles", {**van, "carrier_id": carrier})
    person = {"depot_id": depot, "carrier_id": carrier}
    driver = company.made("/drivers", {"id": f"driver-{part}", "name": f"Driver {part}", **person})
    helper = company.made("/drivers", {"id": f"helper-{part}", "name": f"Helper {part}", **person})
    company.tokens[MAIN, f"driver-{part}"] = driver["token"]
    pair = {"driver_id": driver["id"], "helper_ids": [helper["id"]]}
    crew = company.made("/crews", {"id": f"crew-{part}", "name": f"Crew {part}", **pair})
    later = (DAY + timedelta(days=1)).isoformat()
    shift = {"vehicle_id": van["id"], "crew_id": crew["id"], "service_date": later}
    shift_id = company.made("/shifts", shift)["id"]
    box = company.made("/gateways", {"id": f"box-{part}", "name": f"Box {part}"})
    admin, fitted = (MAIN, "admin"), {"gateway_id": box["id"]}
    assert company.as_(admin, "PUT", f"/vehicles/van-{part}/box", fitted).status == 200
    streets: Any = None
    orders = Orders(
        company.database,
        RealClock(),
        streets,
        Outbox(company.database),
        random_id,
        orders_of_carrier,
    )
    new = NewOrder(
        reference=f"ref-{part}", depot_id=depot, service_date=DAY, address=f"{part} street 1",
        lat=1.0, lon=1.0, window=None, service_s=60, parcels=1, priority="normal",
        recipient_name=f"Eva {part}", recipient_phone="1", note=f"note {part}",
    )  # fmt: skip
    order = orders.add(MAIN, new, Snapped(1.0, 1.0, f"{part} street", 5.0))
    route, stop = _route(company.database, part, depot, order.id)
    phone = company.made(
        f"/vehicles/van-{part}/phones", {"app": "traccar", "label": f"phone {part}"}
    )
    third = {"name": f"third party {part}", "carrier_id": carrier}
    reader = company.made("/feed/readers", third)
    return {
        "depot_id": depot, "vehicle_id": van["id"], "driver_id": driver["id"],
        "crew_id": crew["id"], "shift_id": shift_id, "gateway_id": box["id"],
        "carrier_id": carrier, "order_id": order.id, "route_id": route, "stop_id": stop,
        "parcel_id": order.parcels[0].id, "phone_id": phone["id"],
        "service_date": DAY.isoformat(), "job_id": _job(company, depot),
        "webhook_id": _webhook(company, part, carrier), "delivery_id": "dlv-1",
        "reader_id": reader["id"],
        "geofence_id": _geofence(company, part, depot),
        "road_rule_id": _road_rule(company, part, depot),
        "access_area_id": _access_area(company, part, depot),
        "proposal_id": _proposal(company.database, part, depot),
    }  # fmt: skip


def _proposal(database: Database, part: str, depot: str) -> str:
    proposal = Proposal(
        tenant=MAIN, id=f"proposal-{part}", depot_id=depot, service_date=DAY, base=1,
        trigger="cancellation", reason="an order was cancelled", asks_because="many moved",
        state="open", created_at=0.0, decided_by=None,
        cost=RevisionCost(drive_s=0, distance_m=0, late_s=0),
        diff=Diff(added=(), removed=(), moved=(), drive_s=0, distance_m=0, promises_moved=()),
        sequences={},
    )  # fmt: skip
    with database.writing() as connection:
        proposal_store.add_proposal(connection, proposal)
    return proposal.id


def _job(company: Company, depot: str) -> str:
    asked = company.as_(
        (MAIN, "admin"), "POST", f"/depots/{depot}/plans/{DAY}/optimize", {"seconds": 1}
    )
    assert asked.status == 202, asked
    return str(asked.json["job_id"])


def _geofence(company: Company, part: str, depot: str) -> str:
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [1.0, 1.0]},
        "properties": {"name": f"fence {part}", "radius_m": 50, "depot_id": depot},
    }
    return str(company.made("/geofences", body)["id"])


def _access_area(company: Company, part: str, depot: str) -> str:
    ring = [[1.0, 1.0], [1.001, 1.0], [1.0, 1.001], [1.0, 1.0]]
    body = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "name": f"area {part}", "depot_id": depot, "hours": {"week": {"mon": ["06:00-10:00"]}},
        },
    }  # fmt: skip
    return str(company.made("/access-areas", body)["id"])


def _road_rule(company: Company, part: str, depot: str) -> str:
    body = {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": [[1.0, 1.0], [1.001, 1.0]]},
        "properties": {"kind": "closed", "name": f"rule {part}", "depot_id": depot},
    }
    return str(company.made("/roads/rules", body)["id"])


def _webhook(company: Company, part: str, carrier: str) -> str:
    wanted = {"name": f"hook {part}", "url": f"https://{part}.example/", "carrier_id": carrier}
    return str(company.made("/webhooks", {**wanted, "kinds": ["order.status"]})["id"])


def _route(database: Database, part: str, depot: str, order_id: str) -> tuple[str, str]:
    route, stop = f"route-{part}", f"stop-{part}"
    day = {"tenant": MAIN, "depot_id": depot, "service_date": DAY.isoformat()}
    with database.writing() as connection:
        connection.execute(insert(tables.plan).values(**day, revision=1, unserved=[]))
        connection.execute(
            insert(tables.route_row).values(
                **day,
                id=route,
                vehicle_id=f"van-{part}",
                driver_id=f"driver-{part}",
                starts_at=4e9,
                ends_at=4e9 + 9,
                revision=1,
                end_leg_s=1,
                end_leg_m=1,
                geometry=[],
            )
        )
        connection.execute(
            insert(tables.stop_row).values(
                tenant=MAIN,
                id=stop,
                route_id=route,
                kind="delivery",
                position=0,
                state="open",
                lat=1.0,
                lon=1.0,
                address=f"{part} street 1",
                service_s=60,
                planned_arrival=4e9,
                planned_departure=4e9 + 1,
                leg_s=1,
                leg_m=1,
            )
        )
        connection.execute(
            insert(tables.stop_order).values(tenant=MAIN, stop_id=stop, order_id=order_id)
        )
    return route, stop


def _hire(company: Company) -> None:
    """Somebody of every role in both companies, and in MAIN some with a part of it only."""
    for tenant in (MAIN, OTHER):
        driver = company.made("/drivers", {"id": "dora", "name": "Dora"}, tenant)
        company.tokens[tenant, "driver"] = driver["token"]
        for role in ("dispatcher", "carrier", "viewer", "integrator"):
            reach = {"carrier_id": "swift"} if role == "carrier" else None
            hire(company, tenant, role, role, reach)
    for role in ("dispatcher", "viewer", "integrator"):
        hire(company, MAIN, role, f"{role} of north", {"depot_ids": ["depot-north"]})
        hire(company, MAIN, role, f"{role} of swift", {"carrier_id": "swift"})


def hire(
    company: Company, tenant: str, role: str, name: str, reach: dict[str, Any] | None = None
) -> str:
    """Let somebody in, with a token; the user's id."""
    new = {"name": name, "role": role, "reach": reach, "password": GOOD_PASSWORD}
    if len([one for one in company.tokens if one[1] == "dispatcher"]) > 1:
        new.pop("password")  # hashing takes long, and one with a password is enough
    user = company.made("/users", new, tenant)
    token = company.made("/tokens", {"name": "test", "user_id": user["id"]}, tenant)
    company.tokens[tenant, name] = token["token"]
    return str(user["id"])


def some_id(kind: str = "none") -> str:
    """An id of nothing."""
    return f"{kind}-{secrets.token_hex(4)}"
