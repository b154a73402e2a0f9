"""Who may call which route. Mistake 2 of the peers: one route skipped the check its siblings made.

The table says it for every route there is. A route that is not listed fails, and so does a line
whose route is gone: add your route with the letters of the roles it is for, and, when it changes
something below an id, an acceptable body to `BODIES`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import BaseRoute

from tests.identity.company import DAY, LETTERS, MAIN, OTHER, Company, some_id

# A admin · D dispatcher · R driver · C carrier · V viewer · I integrator
# open: anybody · itself: knows its callers by tokens of another kind, or by what it is given
TABLE = """
open    GET    /api/v1/openapi.json
open    GET    /
open    GET    /people
open    GET    /login
open    GET    /static/{path:path}
open    GET    /health
open    GET    /health/live
open    GET    /health/ready
ADRCVI  GET    /clock
ADRCVI  GET    /city
ADRCVI  GET    /city/streets.geojson
A....I  GET    /metrics
itself  POST   /session
itself  DELETE /session
ADRCVI  GET    /me
AD.CVI  PUT    /me/password
A.....  GET    /users
A.....  POST   /users
A.....  GET    /users/{user_id}
A.....  PATCH  /users/{user_id}
A.....  DELETE /users/{user_id}
A.....  PUT    /users/{user_id}/password
AD.CVI  GET    /tokens
AD.CVI  POST   /tokens
AD.CVI  DELETE /tokens/{token_id}
A.....  GET    /audit
A.....  POST   /carriers
ADRCVI  GET    /carriers
A.....  POST   /depots
ADRCVI  GET    /depots
A.....  POST   /vehicles
AD.CVI  GET    /vehicles
A.....  POST   /drivers
AD....  POST   /shifts
AD.CVI  GET    /carriers/{carrier_id}
A.....  PATCH  /carriers/{carrier_id}
A.....  DELETE /carriers/{carrier_id}
AD.CVI  GET    /depots/{depot_id}
A.....  PATCH  /depots/{depot_id}
A.....  DELETE /depots/{depot_id}
ADRCVI  GET    /depots/{depot_id}/openings
AD.CVI  GET    /fleet/vehicles
A.....  POST   /fleet/files/{kind}
A.....  GET    /fleet/files/{kind}
AD.CVI  GET    /vehicles/{vehicle_id}
A.....  PATCH  /vehicles/{vehicle_id}
A.....  DELETE /vehicles/{vehicle_id}
AD.CVI  GET    /drivers
AD.CVI  GET    /drivers/{driver_id}
A.....  PATCH  /drivers/{driver_id}
A.....  DELETE /drivers/{driver_id}
A.....  POST   /gateways
AD.CVI  GET    /gateways
AD.CVI  GET    /gateways/{gateway_id}
A.....  PATCH  /gateways/{gateway_id}
A.....  DELETE /gateways/{gateway_id}
A.....  POST   /crews
AD.CVI  GET    /crews
AD.CVI  GET    /crews/{crew_id}
A.....  PATCH  /crews/{crew_id}
A.....  DELETE /crews/{crew_id}
AD.CVI  GET    /shifts
AD.CVI  GET    /shifts/{shift_id}
AD....  PATCH  /shifts/{shift_id}
AD....  POST   /shifts/{shift_id}/cancel
AD....  PUT    /vehicles/{vehicle_id}/driver
AD....  PUT    /vehicles/{vehicle_id}/box
AD.CVI  GET    /assignments/drivers
AD.CVI  GET    /assignments/gateways
A.....  POST   /vehicles/{vehicle_id}/gateway
A.....  DELETE /vehicles/{vehicle_id}/gateway
A.....  POST   /vehicles/{vehicle_id}/gateway/claims
A.....  GET    /vehicles/{vehicle_id}/gateway/claims
A.....  DELETE /vehicles/{vehicle_id}/gateway/claims/{claim_id}
A.....  GET    /vehicles/{vehicle_id}/gateway/certificates
A.....  DELETE /vehicles/{vehicle_id}/gateway/certificates/{serial}
itself  POST   /enrol
A.....  PUT    /vehicles/{vehicle_id}/settings
AD..V.  GET    /vehicles/{vehicle_id}/settings
AD....  POST   /vehicles/{vehicle_id}/commands
AD..V.  GET    /vehicles/{vehicle_id}/commands
AD..V.  GET    /vehicles/{vehicle_id}/commands/{command_id}
A.....  POST   /vehicles/{vehicle_id}/phones
AD..V.  GET    /vehicles/{vehicle_id}/phones
A.....  DELETE /vehicles/{vehicle_id}/phones/{phone_id}
itself  POST   /phones/owntracks
itself  GET    /phones/traccar
itself  POST   /phones/traccar
AD...I  POST   /orders
AD...I  POST   /orders/import
AD.CVI  GET    /orders
AD.CVI  GET    /orders/{order_id}
AD...I  PATCH  /orders/{order_id}
AD...I  POST   /orders/{order_id}/cancel
AD..VI  GET    /orders/{order_id}/place
AD...I  PATCH  /orders/{order_id}/place
AD..VI  GET    /depots/{depot_id}/waves
AD....  PUT    /depots/{depot_id}/waves
AD..VI  GET    /access-areas
AD....  POST   /access-areas
AD..VI  GET    /access-areas/{access_area_id}
AD....  PUT    /access-areas/{access_area_id}
AD....  DELETE /access-areas/{access_area_id}
AD....  POST   /depots/{depot_id}/plans/{service_date}/optimize
AD.CVI  GET    /depots/{depot_id}/plans/{service_date}
AD.CVI  GET    /depots/{depot_id}/plans/{service_date}/revisions
AD..VI  GET    /planning/policy
A.....  PUT    /planning/policy
AD..VI  GET    /planning/work-rules
AD..VI  GET    /depots/{depot_id}/plans/{service_date}/comparison
AD....  POST   /depots/{depot_id}/plans/{service_date}/undo
AD..VI  GET    /depots/{depot_id}/plans/{service_date}/proposals
AD..VI  GET    /depots/{depot_id}/plans/{service_date}/proposals/{proposal_id}/sequences
AD....  POST   /depots/{depot_id}/plans/{service_date}/proposals/{proposal_id}/accept
AD....  POST   /depots/{depot_id}/plans/{service_date}/proposals/{proposal_id}/reject
AD..VI  GET    /breakdowns
AD....  PUT    /vehicles/{vehicle_id}/breakdown
AD....  DELETE /vehicles/{vehicle_id}/breakdown
..R...  PUT    /drivers/me/breakdown
AD..VI  GET    /depots/{depot_id}/plans/{service_date}/rules
AD..VI  GET    /depots/{depot_id}/plans/{service_date}/working-time
AD....  POST   /depots/{depot_id}/plans/{service_date}/rules
AD....  DELETE /depots/{depot_id}/plans/{service_date}/rules/{rule_id}
AD.CVI  GET    /jobs/{job_id}
AD.CVI  GET    /routes/{route_id}
AD.CVI  GET    /routes/{route_id}/arrivals
AD.CVI  GET    /depots/{depot_id}/plans/{service_date}/arrivals
..R...  GET    /drivers/me/route
..R...  GET    /drivers/me/route/change
..R...  PUT    /drivers/me/route/order
..R...  DELETE /drivers/me/route/order
..R...  POST   /stops/{stop_id}/next
..R...  POST   /parcels/{parcel_id}/load
..R...  POST   /stops/{stop_id}/arrive
..R...  POST   /stops/{stop_id}/outcome
A.....  GET    /dead-letters
A.....  GET    /dead-letters/{letter_id}
A.....  POST   /dead-letters/replay
A.....  POST   /dead-letters/drop
A.....  POST   /vehicles/{vehicle_id}/erasures
AD.CVI  GET    /vehicles/{vehicle_id}/track
AD.CVI  GET    /vehicles/{vehicle_id}/track/matched
AD.CVI  GET    /vehicles/{vehicle_id}/trips
AD.CVI  GET    /depots/{depot_id}/replay
AD..VI  GET    /geofences
AD....  POST   /geofences
AD..VI  GET    /geofences/{geofence_id}
AD....  PUT    /geofences/{geofence_id}
AD....  DELETE /geofences/{geofence_id}
AD..VI  GET    /geofences/{geofence_id}/events
AD..VI  GET    /zones
AD..VI  GET    /roads/rules
AD....  POST   /roads/rules
AD..VI  GET    /roads/rules/{road_rule_id}
AD....  PUT    /roads/rules/{road_rule_id}
AD....  DELETE /roads/rules/{road_rule_id}
AD..VI  GET    /roads/files
A.....  PUT    /roads/files
A.....  DELETE /roads/files
AD..VI  GET    /roads/speeds
ADR.VI  GET    /roads/way
AD.CVI  GET    /vehicles/{vehicle_id}/events
AD.CVI  GET    /vehicles/{vehicle_id}/live
AD.CVI  GET    /nearest-vehicles
AD.CVI  GET    /passed-vehicles
AD.CVI  GET    /vehicle-days
AD.CVI  GET    /live
open    GET    /asyncapi.json
A....I  GET    /feed/options
A.....  PUT    /feed/options
A....I  GET    /feed/readers
A.....  POST   /feed/readers
A.....  DELETE /feed/readers/{reader_id}
A....I  GET    /webhooks
A....I  POST   /webhooks
A....I  GET    /webhooks/{webhook_id}
A....I  PATCH  /webhooks/{webhook_id}
A....I  DELETE /webhooks/{webhook_id}
A....I  POST   /webhooks/{webhook_id}/secret
A....I  POST   /webhooks/{webhook_id}/ping
A....I  GET    /webhooks/{webhook_id}/deliveries
A....I  POST   /webhooks/{webhook_id}/deliveries/{delivery_id}/resend
"""
BODIES: dict[str, Any] = {
    "PUT /roads/rules/{road_rule_id}": {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": [[-71.25, -29.9], [-71.24, -29.9]]},
        "properties": {"kind": "closed"},
    },
    "PATCH /orders/{order_id}/place": {"kind": "house"},
    "PUT /depots/{depot_id}/waves": {"waves": []},
    "PUT /access-areas/{access_area_id}": {
        "type": "Feature",
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[-71.25, -29.9], [-71.24, -29.9], [-71.25, -29.8], [-71.25, -29.9]]],
        },
        "properties": {"name": "x", "hours": {"week": {}}},
    },
    "PUT /geofences/{geofence_id}": {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [-71.25, -29.9]},
        "properties": {"name": "x", "radius_m": 50},
    },
    "PATCH /users/{user_id}": {"disabled": True},
    "PUT /users/{user_id}/password": {"password": "plum cactus orbit sled"},
    "PUT /vehicles/{vehicle_id}/settings": {"values": {}},
    "POST /vehicles/{vehicle_id}/commands": {"name": "ping"},
    "POST /vehicles/{vehicle_id}/gateway/claims": {},
    "POST /vehicles/{vehicle_id}/erasures": {"is_everything": True},
    "POST /vehicles/{vehicle_id}/phones": {"app": "traccar", "label": "x"},
    "PATCH /orders/{order_id}": {"note": "x"},
    "POST /orders/{order_id}/cancel": {"reason": "x"},
    "PATCH /webhooks/{webhook_id}": {"name": "x"},
    "POST /depots/{depot_id}/plans/{service_date}/rules": {"kind": "lock", "vehicle_id": "none"},
    "POST /depots/{depot_id}/plans/{service_date}/undo": {"revision": 1},
    "POST /stops/{stop_id}/outcome": {"outcome": "delivered"},
    "POST /stops/{stop_id}/next": {"revision": 1},
    "PUT /drivers/me/route/order": {"revision": 1, "stop_ids": ["none"]},
    "PUT /vehicles/{vehicle_id}/driver": {"driver_id": None},
    "PUT /vehicles/{vehicle_id}/box": {"gateway_id": None},
    **{
        f"PATCH /{things}/{{{thing}_id}}": {"version": 1}
        for things, thing in (
            ("carriers", "carrier"),
            ("depots", "depot"),
            ("vehicles", "vehicle"),
            ("drivers", "driver"),
            ("gateways", "gateway"),
            ("crews", "crew"),
            ("shifts", "shift"),
        )
    },
}
"""Acceptable, so that nothing but the id can be refused."""
WITHOUT_LOOKING = {"POST /vehicles/{vehicle_id}/gateway/claims"}
"""Refused on this broker whatever the van."""
WHOLE_DEPOT = {"GET /depots/{depot_id}/plans/{service_date}/revisions",
    "GET /depots/{depot_id}/plans/{service_date}/rules",
    "GET /depots/{depot_id}/plans/{service_date}/working-time",
    "GET /depots/{depot_id}/plans/{service_date}/proposals",
    "GET /depots/{depot_id}/plans/{service_date}/proposals/{proposal_id}/sequences",
    "GET /depots/{depot_id}/plans/{service_date}/comparison", "GET /jobs/{job_id}",
    "GET /geofences/{geofence_id}", "GET /geofences/{geofence_id}/events",
    "GET /roads/rules/{road_rule_id}", "GET /access-areas/{access_area_id}"}  # fmt: skip
"""What no carrier sees of any depot."""

ROWS = [tuple(line.split(maxsplit=2)) for line in TABLE.strip().splitlines()]
GUARDED = [(who, method, path) for who, method, path in ROWS if who not in {"open", "itself"}]
WITH_ID = [row for row in GUARDED if "_id}" in row[2] or "serial" in row[2]]
NOWHERE = {"service_date": DAY.isoformat(), "delivery_id": "dlv-1"}
PARAMETER = re.compile(r"\{(\w+)\}")


def routes_of(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route; those below /api/v1 without it."""
    for route in routes:
        inner: Any = route
        if hasattr(inner, "original_router"):
            context = inner.include_context
            yield from routes_of(inner.original_router.routes, prefix + context.prefix)
        else:
            for method in inner.methods - {"HEAD"}:
                yield method, f"{prefix}{inner.path}".removeprefix("/api/v1") or "/"


def at(path: str, ids: dict[str, str]) -> str:
    """The path with ids in it; of what is not among them there is none."""
    return PARAMETER.sub(lambda found: ids.get(found[1], some_id()), path)


def test_the_table_lists_every_route_and_no_other(company: Company) -> None:
    listed = {(method, path.removeprefix("/api/v1")) for _, method, path in ROWS}
    assert len(listed) == len(ROWS)
    there = set(routes_of(company.app.routes))
    assert there - listed == set(), "add these to TABLE"
    assert listed - there == set(), "these are gone"


def test_every_guarded_route_stands_under_one_tag_which_is_its_scope(company: Company) -> None:
    paths = company.app.openapi()["paths"]
    for _, method, path in GUARDED:
        told = paths[f"/api/v1{path}"][method.lower()]
        assert len(told["tags"]) == 1, (method, path)
        assert told["security"], (method, path)


@pytest.mark.parametrize("tenant", [MAIN, OTHER])
def test_every_role_may_what_the_table_says_and_nothing_else(company: Company, tenant: str) -> None:
    wrong = []
    for who, method, path in GUARDED:
        assert company.ask(method, f"/api/v1{at(path, NOWHERE)}").status == 401, (method, path)
        forged = company.ask(method, f"/api/v1{at(path, NOWHERE)}", "rmt-forged")
        assert forged.status == 401, (method, path)
        for letter, role in LETTERS.items():
            body = BODIES.get(f"{method} {path}")
            answer = company.as_((tenant, role), method, at(path, NOWHERE), body)
            is_let_in = answer.status not in {401, 403}
            assert answer.status < 500 or b"not answer" in answer.content, (method, path, answer)
            if is_let_in != (letter in who):
                wrong.append((method, path, role, answer.status))
    assert wrong == []


def test_what_knows_its_callers_itself_lets_no_role_in(company: Company) -> None:
    for who, method, path in ROWS:
        if who == "itself" and path != "/session":
            for role in LETTERS.values():
                answer = company.as_((MAIN, role), method, path)
                assert answer.status in {400, 401, 422}, (method, path, role)


@pytest.mark.parametrize("part", ["north", "south"])
def test_ids_of_another_tenant_are_as_if_there_were_none(company: Company, part: str) -> None:
    theirs, none = company.ids[part], NOWHERE
    for who, method, path in WITH_ID:
        if path == "/carriers/{carrier_id}":
            continue  # both have carriers of these ids, each its own
        body = BODIES.get(f"{method} {path}")
        role = LETTERS[who.strip(".")[0]]
        told = company.as_((OTHER, role), method, at(path, theirs), body)
        unknown = company.as_((OTHER, role), method, at(path, none), body)
        wanted = 409 if f"{method} {path}" in WITHOUT_LOOKING else 404
        assert (told.status, unknown.status) == (wanted, wanted), (method, path, told)
        assert without_ids(told.json) == without_ids(unknown.json), (method, path)


def without_ids(problem: dict[str, Any]) -> str:
    """A problem's text without what was asked for."""
    return re.sub(r"'[^']*'|\w+-[\w-]+", "…", json.dumps(problem))


@pytest.mark.parametrize(
    ("grant", "beyond"), [("north", "south"), ("swift", "north")], ids=["depots", "carrier"]
)
def test_ids_beyond_a_grant_are_as_if_there_were_none(
    company: Company, grant: str, beyond: str
) -> None:
    ids = company.ids[beyond]
    for who, method, path in WITH_ID:
        if {"token_id", "user_id"} & set(PARAMETER.findall(path)):
            continue
        for letter, role in (("D", "dispatcher"), ("V", "viewer"), ("I", "integrator")):
            body = BODIES.get(f"{method} {path}")
            told = company.as_((MAIN, f"{role} of {grant}"), method, at(path, ids), body)
            wanted = 404 if letter in who else 403
            assert told.status == wanted, (method, path, role, told)


@pytest.mark.parametrize(
    ("grant", "within"), [("north", "north"), ("swift", "south")], ids=["depots", "carrier"]
)
def test_ids_within_a_grant_are_shown(company: Company, grant: str, within: str) -> None:
    ids = company.ids[within]
    for who, method, path in WITH_ID:
        if method == "GET" and "V" in who and "command_id" not in path:
            told = company.as_((MAIN, f"viewer of {grant}"), method, at(path, ids))
            is_whole = f"{method} {path}" in WHOLE_DEPOT and grant == "swift"
            assert (told.status in {403, 404}) if is_whole else told.status == 200, (path, told)


LISTS = [path for _, method, path in GUARDED if method == "GET" and "{" not in path]


@pytest.mark.parametrize(
    ("who", "never"),
    [
        ((OTHER, "admin"), "north|south"),
        ((OTHER, "viewer"), "north|south"),
        ((OTHER, "integrator"), "north|south"),
        ((MAIN, "dispatcher of north"), "south|swift"),
        ((MAIN, "viewer of north"), "south|swift"),
        ((MAIN, "integrator of north"), "south|swift"),
        ((MAIN, "viewer of swift"), "north"),
        ((MAIN, "carrier"), "north"),
    ],
)
def test_no_list_or_stream_tells_of_what_is_beyond(
    company: Company, who: tuple[str, str], never: str
) -> None:
    for path in LISTS:
        if path not in {"/me", "/metrics"}:
            told = company.as_(who, "GET", path)
            assert re.search(never.encode(), told.content) is None, (path, told.content)
    if who[0] == MAIN:
        for path in ("/vehicles", "/orders", "/depots"):
            assert company.as_(who, "GET", path).json["items"], path
    for part in ("north", "south"):
        for query in ("depot_id", "vehicle_id"):
            path = f"/orders?{query}={company.ids[part][query]}&{query}=none"
            told = company.as_(who, "GET", path)
            assert re.search(rf"ref-({never})".encode(), told.content) is None


def test_a_limited_grant_writes_nothing_beyond_it(company: Company) -> None:
    order = {"depot_id": "depot-south", "address": "x", "lat": 1, "lon": 1}
    shift = {"vehicle_id": "van-south", "driver_id": "dora", "service_date": DAY.isoformat()}
    csv = f"/orders/import?depot_id=depot-south&service_date={DAY}"
    north = (MAIN, "dispatcher of north")
    assert company.as_(north, "POST", "/orders", order).status == 404
    assert company.as_(north, "POST", csv, {}).status == 404
    assert company.as_(north, "POST", "/shifts", shift).status == 422
    assert company.as_((MAIN, "dispatcher"), "POST", "/shifts", shift).status == 201
    assert company.as_((MAIN, "dispatcher of swift"), "POST", "/orders", order).status == 403
