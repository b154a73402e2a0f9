"""Geofences: what tracks and vans tell of them, whenever it came, and who watches them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from cloud.fleet import register_api
from cloud.fleet.gateway_access import GatewayAccess
from cloud.fleet.model import Depot, Vehicle
from cloud.fleet.roster import Roster
from cloud.fleet.service import Fleet
from cloud.foundation import outbox
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.errors import NotAllowed
from cloud.foundation.http import answer_problems
from cloud.foundation.identity import Gate, Identity, Reach
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import DomainEvent, Outbox
from cloud.foundation.settings import OwnBroker, Settings
from cloud.gateways.service import Gateways
from cloud.geofences import api
from cloud.geofences import store as fence_store
from cloud.geofences.model import Crossing, Fence, FenceCrossed, agreed, box_of, crossings
from cloud.geofences.presence import Presence, Watchers
from cloud.geofences.service import Geofences
from cloud.geofences.watching import FenceWatch
from cloud.integrations.office import live_event
from cloud.integrations.reading import Reading
from cloud.planning.service import Planning
from cloud.tracking import store, track
from cloud.tracking.blocks import Numbered
from cloud.tracking.model import moment_ms
from cloud.tracking.reports import Reports
from cloud.tracking.service import Tracks
from cloud.tracking.store import Writes
from tests.gateway.tracks import START_MS, Journey, degrees_at, fix_at
from tests.parts.migrated import upgrade
from tests.tracking.test_history import opened
from tests.tracking.vans import arrived_row, event_rows
from wire.desired import read_values
from wire.events import GeofenceEntered
from wire.geofences import GeofenceWatch
from wire.messages import Batch, Event, Fix

START_S = START_MS / 1000


def e7(east_m: float, north_m: float) -> tuple[int, int]:
    lat, lon = degrees_at(east_m, north_m)
    return round(lat * 1e7), round(lon * 1e7)


CIRCLE = Fence(id="fence-c", name="yard", points=(e7(1000, 0),), radius_m=100, dwell_after_s=60)
POLYGON = Fence(
    id="fence-p", name="block", points=(e7(500, -50), e7(700, -50), e7(700, 50), e7(500, 50))
)
CORRIDOR = Fence(id="fence-l", name="road", points=(e7(200, -500), e7(200, 500)), width_m=60)
FENCES = [CIRCLE, POLYGON, CORRIDOR]


def errand() -> list[Fix]:
    """1 km to the east, a stand of two minutes, and on for another kilometre."""
    van = Journey()
    return list(chain(van.stand(60), van.drive(100, 10.0), van.stand(120), van.drive(100, 10.0)))


ERRAND = errand()
IN_ORDER = [
    Batch(stream=7, first=at, fixes=tuple(ERRAND[at : at + 40])) for at in range(0, len(ERRAND), 40)
]


def track_of(fixes: list[Fix]) -> track.Track:
    return track.of_rows(7, [Numbered(at, one, 0) for at, one in enumerate(fixes)])


@pytest.mark.parametrize("fence", FENCES)
def test_a_track_tells_what_the_van_s_own_rule_tells_fix_by_fix(fence: Fence) -> None:
    watch = GeofenceWatch()
    watch.guard((fence.told(),))
    plain = [one.at_ms for fix in ERRAND for one in watch.take(fix)]
    found = crossings(track_of(ERRAND), fence)
    assert [one.at_ms for one in found if one.kind != "dwelled"] == plain
    assert [one.kind for one in found if one.kind != "dwelled"] == ["entered", "left"]


def test_a_long_stay_is_told_once() -> None:
    found = crossings(track_of(ERRAND), CIRCLE)
    assert [one.kind for one in found] == ["entered", "dwelled", "left"]
    assert found[1].at_ms == found[0].at_ms + 60_000
    assert found[2].dwell_s == pytest.approx(140, abs=5)
    inside = crossings(track_of(ERRAND[:250]), CIRCLE)
    assert [one.kind for one in inside] == ["entered", "dwelled"]


def test_a_receiver_that_wanders_on_the_line_neither_enters_nor_leaves_again() -> None:
    wander = [fix_at(at, 900 + (at % 3 - 1) * 15) for at in range(300)]
    assert [one.kind for one in crossings(track_of(wander), CIRCLE)][:2] != ["entered", "left"]


@given(
    st.lists(st.tuples(st.floats(-300, 2300), st.floats(-400, 400)), min_size=1, max_size=40),
    st.sampled_from(FENCES),
    st.integers(1, 90),
)
def test_fixes_far_from_a_fence_need_not_be_looked_at(
    places: list[tuple[float, float]], fence: Fence, every_s: int
) -> None:
    fixes = [fix_at(at * every_s, *place) for at, place in enumerate(places)]
    watch = GeofenceWatch()
    watch.guard((fence.told(),))
    plain = [one.at_ms for fix in fixes for one in watch.take(fix)]
    found = crossings(track_of(fixes), replace(fence, dwell_after_s=None))
    assert [one.at_ms for one in found] == plain
    assert all(one.kind != other.kind for one, other in pairwise(found))


def test_the_van_s_own_word_wins() -> None:
    told = [Crossing(1_000, "entered", None)]
    read = [Crossing(3_000, "entered", None), Crossing(90_000, "left", None, 87)]
    assert agreed(told, read) == [told[0], read[1]]


@dataclass
class Moved:
    van: str
    lat: float
    lon: float
    fix_time_s: float
    late_s: float = 0.2

    @property
    def received_at_s(self) -> float:
        return self.fix_time_s + self.late_s


MOVES = [Moved("van-1", f.lat_e7 / 1e7, f.lon_e7 / 1e7, moment_ms(f) / 1e3) for f in ERRAND]
NORTH = {"van-1": "north", "van-2": "north", "van-3": "south"}


def watchers(fences: list[Fence], known: Mapping[str, Presence] | None = None) -> Watchers:
    made = Watchers(known)
    made.guard(fences, NORTH)
    return made


def test_the_office_is_told_as_it_happens() -> None:
    told = watchers([CIRCLE]).move(MOVES)
    assert [(one.geofence_id, one.kind) for one in told] == [
        ("fence-c", kind) for kind in ("entered", "dwelled", "left")
    ]
    plain = crossings(track_of(ERRAND), CIRCLE)
    assert [(round(one.at_s * 1000), one.dwell_s) for one in told] == [
        (one.at_ms, one.dwell_s) for one in plain
    ]


@given(st.lists(st.integers(1, len(MOVES) - 1), max_size=6), st.sampled_from([CIRCLE, POLYGON]))
def test_over_restarts_everything_is_told_once_and_in_order(stops: list[int], fence: Fence) -> None:
    """Of whom stays; who crosses a corridor in nine seconds may be missed by who restarts then."""
    whole = [one.kind for one in watchers([fence]).move(MOVES)]
    known: dict[str, Presence] = {}
    told: list[str] = []
    for begin, end in pairwise([0, *sorted(stops), len(MOVES)]):
        part = watchers([fence], known)
        told += [one.kind for one in part.move(MOVES[begin:end])]
        known |= part.changed()
    assert told == whole


def test_what_changed_while_nobody_looked_is_told_when_it_is_seen() -> None:
    before = watchers([CIRCLE])
    before.move(MOVES[:250])  # it is in the yard
    away = watchers([CIRCLE], before.changed()).move(MOVES[-20:])
    assert [one.kind for one in away] == ["left"]
    outside = watchers([CIRCLE])
    outside.move(MOVES[:50])
    back = watchers([CIRCLE], outside.changed()).move(MOVES[200:250])
    assert [one.kind for one in back][:1] == ["entered"]


def test_a_van_in_the_last_fence_that_was_removed_over_a_restart_is_in_none() -> None:
    before = watchers([CIRCLE])
    before.move(MOVES[:250])  # it is in the yard
    after = watchers([], before.changed())
    assert after.move(MOVES[250:]) == []
    assert after.changed() == {"van-1": ()}


def test_a_van_that_is_seen_for_the_first_time_is_where_it_is() -> None:
    new = watchers([CIRCLE])
    assert new.move(MOVES[220:250]) == []
    assert [stay.geofence for stay in new.changed()["van-1"]] == ["fence-c"]
    assert new.changed() == {}
    new.guard([], NORTH)
    assert new.move(MOVES[250:]) == []
    assert new.changed() == {"van-1": ()}


def test_what_comes_late_raises_nothing_and_the_next_fix_tells_how_it_stands() -> None:
    late = watchers([CIRCLE])
    late.move(MOVES[:50])
    assert late.move([replace(one, late_s=600) for one in MOVES[50:250]]) == []
    assert [one.kind for one in late.move(MOVES[250:270])] == ["entered"]


def test_a_fence_of_a_depot_is_for_its_vans() -> None:
    fences = [replace(CIRCLE, depot_id="north")]
    assert len(watchers(fences).move(MOVES)) == 3
    assert watchers(fences).move([replace(one, van="van-3") for one in MOVES]) == []


@dataclass(frozen=True)
class Company:
    """A depot with two vans, its fences, and their routes."""

    geofences: Geofences
    gateways: Gateways
    business: Database
    telemetry: Database
    ask: Callable[..., httpx.Response]


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    data = DataFolder(tmp_path)
    business, telemetry = Database(data.business), Database(data.telemetry)
    upgrade(business, "business")
    upgrade(telemetry, "telemetry")
    clock = RealClock()
    identity = Identity(business, clock, random_id)
    login = identity.first_login("admin")
    assert login is not None
    nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")
    broker = BrokerAccess(data, Settings(broker=nobody))
    access = GatewayAccess(business, clock, broker, random_id)
    fleet = Fleet(business, clock, identity, access, fence_store.ids)
    fleet.add_depot(
        Depot(
            tenant="main",
            id="north",
            name="North",
            zone="America/Santiago",
            lat=-29.9,
            lon=-71.25,
            shift_start="08:00",
            shift_end="18:00",
        )
    )
    for van in ("van-1", "van-2"):
        fleet.add_vehicle(
            Vehicle(tenant="main", id=van, name=van, depot_id="north", capacity_parcels=9)
        )
    fleet_gateways = Gateways(
        database=business,
        clock=clock,
        fleet=fleet,
        access=access,
        roster=Roster(business, clock, random_id),
        reports=Reports(telemetry),
        events=Outbox(business),
        new_id=random_id,
    )
    geofences = Geofences(
        business=business,
        telemetry=telemetry,
        clock=clock,
        fleet=fleet,
        gateways=fleet_gateways,
        events=Outbox(business),
        new_id=random_id,
    )
    app = FastAPI()
    answer_problems(app)
    app.include_router(api.routes(geofences, clock, Gate(identity)))
    app.include_router(register_api.routes(fleet, Gate(identity)))
    session = identity.sign_in("admin", login["password"])

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            cookies = {"roundsman_session": session}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://office", cookies=cookies
            ) as client:
                return await client.request(method, path, **more)

        return asyncio.run(send())

    yield Company(geofences, fleet_gateways, business, telemetry, ask)
    business.close()
    telemetry.close()


def feature(geometry: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": {"name": "yard", **properties}}


def lonlat(east_m: float, north_m: float) -> list[float]:
    lat, lon = degrees_at(east_m, north_m)
    return [round(lon, 7), round(lat, 7)]


def a_circle(**properties: Any) -> dict[str, Any]:
    return feature({"type": "Point", "coordinates": lonlat(1000, 0)}, radius_m=100, **properties)


def test_a_fence_is_drawn_read_changed_and_taken_away(company: Company) -> None:
    line = {"type": "LineString", "coordinates": [lonlat(0, 0), lonlat(900, 0)]}
    ring = [lonlat(0, 0), lonlat(900, 0), lonlat(0, 900), lonlat(0, 0)]
    for body in (
        a_circle(dwell_after_s=60, depot_id="north"),
        feature(line, width_m=50),
        feature({"type": "Polygon", "coordinates": [ring]}, for_vans=False),
    ):
        made = company.ask("POST", "/geofences", json=body)
        assert made.status_code == 201, made.text
        read = company.ask("GET", made.headers["location"].removeprefix("/api/v1")).json()
        assert read["geometry"] == body["geometry"]
        assert body["properties"].items() <= read["properties"].items()
    listed = company.ask("GET", "/geofences").json()["features"]
    assert len(listed) == 3
    where = f"/geofences/{listed[0]['id']}"
    changed = company.ask("PUT", where, json=a_circle(depot_id="north"))
    assert changed.json()["properties"]["dwell_after_s"] is None
    assert company.ask("DELETE", where).status_code == 204
    assert company.ask("DELETE", where).status_code == 404
    assert company.ask("PUT", where, json=a_circle()).status_code == 404


def test_whose_zone_a_fence_is_stays_told_when_it_is_taken_away(company: Company) -> None:
    assert company.ask("GET", "/zones").json() == {"items": []}
    yard, port = (company.ask("POST", "/geofences", json=a_circle()).json()["id"] for _ in "ab")
    rosa = {"id": "rosa", "name": "Rosa", "zones": [yard]}
    assert company.ask("POST", "/drivers", json=rosa).status_code == 201
    named = {"version": 1, "zones": [yard, port]}
    assert company.ask("PATCH", "/vehicles/van-1", json=named).status_code == 200
    assert company.ask("DELETE", f"/geofences/{yard}").status_code == 204
    told = {one.pop("geofence_id"): one for one in company.ask("GET", "/zones").json()["items"]}
    van = {"id": "van-1", "name": "van-1"}
    assert told == {
        yard: {"is_drawn": False, "vehicles": [van], "drivers": [{"id": "rosa", "name": "Rosa"}]},
        port: {"is_drawn": True, "vehicles": [van], "drivers": []},
    }
    elsewhere = Reach(depot_ids=frozenset({"south"}))
    assert company.geofences.zones("main", elsewhere) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (feature({"type": "Point", "coordinates": [0, 0]}), "geometry.radius_m"),
        (feature({"type": "Point", "coordinates": [0, 91]}, radius_m=5), "geometry"),
        (feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}), "geometry.points"),
        (feature({"type": "Polygon", "coordinates": [[[0, 0]] * 300]}), "geometry"),
        (a_circle(width_m=9), "geometry.width_m"),
        (a_circle(depot_id="nosuch"), "properties.depot_id"),
        (a_circle(name=""), "properties.name"),
    ],
)
def test_what_is_no_fence_is_refused_by_its_field(
    company: Company, body: dict[str, Any], field: str
) -> None:
    answer = company.ask("POST", "/geofences", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_who_has_some_depots_draws_for_these_only(company: Company) -> None:
    north = Reach(depot_ids=frozenset({"north"}))
    held = company.geofences.add("main", replace(CIRCLE, depot_id="north"), north)
    for_all = company.geofences.add("main", CIRCLE)
    with pytest.raises(NotAllowed, match="depot_id"):
        company.geofences.add("main", CIRCLE, north)
    with pytest.raises(NotAllowed):
        company.geofences.change("main", replace(for_all, depot_id="north"), north)
    with pytest.raises(NotAllowed):
        company.geofences.remove("main", for_all.id, north)
    assert company.geofences.fences("main", north) == sorted(
        [held, for_all], key=lambda one: one.id
    )
    company.geofences.remove("main", held.id, north)


class Road:
    """What has moved, as the live state tells it."""

    def __init__(self) -> None:
        self.moves: list[Moved] = []

    def changed(self, tenant: str, after: int) -> tuple[int, list[Moved]]:
        return len(self.moves), self.moves[-1:] if len(self.moves) > after else []


def told_of(company: Company) -> list[tuple[str, DomainEvent]]:
    with company.business.reading() as connection:
        rows = connection.execute(
            select(outbox.outbox)
            .where(outbox.outbox.c.kind == "FenceCrossed")
            .order_by(outbox.outbox.c.position)
        )
        events = [DomainEvent(**row) for row in rows.mappings()]
    return [(one.body(FenceCrossed).kind, one) for one in events]


def test_events_leave_by_the_outbox_once_whatever_stops(company: Company) -> None:
    company.geofences.add("main", CIRCLE)
    road = Road()
    for end in (60, 100, 220, 230, 300, len(MOVES)):
        watch = FenceWatch(company.geofences, road.changed, RealClock())  # a new process
        seen = len(road.moves)
        watch.look()
        for place in range(seen, end):
            road.moves.append(MOVES[place])
            watch.look()
    assert [kind for kind, _ in told_of(company)] == ["entered", "dwelled", "left"]


def test_what_the_database_does_not_take_is_told_when_it_does(company: Company) -> None:
    company.geofences.add("main", CIRCLE)
    road = Road()
    watch = FenceWatch(company.geofences, road.changed, RealClock())
    for place, one in enumerate(MOVES):
        if place == 140:
            rename(company, "fence_presence", "gone")
        if place == 200:
            assert told_of(company) == []
            rename(company, "gone", "fence_presence")
        road.moves.append(one)
        with suppress(DBAPIError):
            watch.look()
    assert [kind for kind, _ in told_of(company)] == ["entered", "dwelled", "left"]


def rename(company: Company, table: str, name: str) -> None:
    with company.business.writing() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def test_the_public_event_names_the_fence_by_its_id_only(company: Company) -> None:
    fence = company.geofences.add("main", replace(CIRCLE, name="At Mrs Dent's"))
    crossed = FenceCrossed(
        vehicle_id="van-1", geofence_id=fence.id, name=fence.name, kind="left", at_s=1.0, dwell_s=9
    )
    event = DomainEvent(
        position=7, tenant="main", kind="FenceCrossed", payload=msgspec.json.encode(crossed), at=2.0
    )
    planning = Planning(company.business, RealClock(), random_id)
    [public] = Reading(planning, lambda _tenant, _van: "swift").public(event)
    assert public.topic == "feed/v1/main/swift/vehicle/van-1/geofence"
    assert b"Dent" not in public.encoded()
    shown = live_event(event)
    assert shown is not None
    assert (shown[0], shown[1]["name"], shown[1]["kind"]) == ("geofence", "At Mrs Dent's", "left")


def test_events_are_those_of_phones_and_of_vans_whose_word_wins(company: Company) -> None:
    made = company.ask("POST", "/geofences", json=a_circle(dwell_after_s=60)).json()
    batches = [arrived_row(one, van) for one in IN_ORDER for van in ("van-1", "van-2")]
    at_ms = START_MS + 155_000
    entered = GeofenceEntered(geofence=made["id"], at_ms=at_ms)
    told = Event(stream="50", seq=0, recorded_at_ms=at_ms, body=entered)
    with company.telemetry.writing() as connection:
        store.write(connection, Writes(arrived=batches, events=event_rows("van-2", told)))
    span = {"from": "2026-11-22T11:00:00Z", "to": "2026-11-22T12:00:00Z"}
    where = f"/geofences/{made['id']}/events"
    items = company.ask("GET", where, params=span).json()["items"]
    for van in ("van-1", "van-2"):
        kinds = [one["kind"] for one in items if one["vehicle_id"] == van]
        assert kinds == ["entered", "dwelled", "left"]
    by_van = [one for one in items if one["vehicle_id"] == "van-2" and one["kind"] == "entered"]
    assert [one["at"] for one in by_van] == ["2026-11-22T11:02:35.000Z"]
    one_van = company.ask("GET", where, params=span | {"vehicle_id": "van-1"}).json()["items"]
    assert {one["vehicle_id"] for one in one_van} == {"van-1"}
    long = {"from": "2026-11-01T11:00:00Z", "to": "2026-11-22T12:00:00Z"}
    assert company.ask("GET", where, params=long).status_code == 422
    assert company.ask("GET", "/geofences/nosuch/events").status_code == 404


def test_vans_are_told_of_the_fences_and_keep_those_desired_by_hand(company: Company) -> None:
    company.ask("POST", "/geofences", json=a_circle())
    company.ask("POST", "/geofences", json=a_circle(for_vans=False))
    assert company.geofences.tell_vans() == 0, "no van has a gateway that was ever heard of"
    by_hand = {"geofence": "home", "points": [list(e7(0, 0))], "radius_m": 50.0}
    company.gateways.desire(
        tenant="main",
        vehicle_id="van-1",
        values={"geofences": [by_hand], "is_metered": True},
        is_following_shifts=False,
        changed_by="user",
    )
    assert company.geofences.tell_vans() == 1
    assert company.geofences.tell_vans() == 0
    wanted, _ = company.gateways.wanted("main", "van-1")
    assert wanted is not None
    told = read_values(wanted.values)
    assert told.is_metered
    assert [one.geofence.split("-")[0] for one in told.geofences] == ["home", "fence"]
    for one in company.geofences.fences("main"):
        company.geofences.remove("main", one.id)
    assert company.geofences.tell_vans() == 1
    wanted, _ = company.gateways.wanted("main", "van-1")
    assert wanted is not None
    assert wanted.values["geofences"] == [by_hand]


@settings(max_examples=6, deadline=None)
@given(st.permutations(range(len(IN_ORDER))), st.lists(st.integers(0, 5), max_size=3))
def test_late_and_repeated_batches_tell_the_same_of_a_fence_as_ordered_ones(
    order: list[int], again: list[int]
) -> None:
    with TemporaryDirectory() as folder, opened(folder) as cloud:
        for number, place in enumerate([*order, *again]):
            cloud.hear(IN_ORDER[place])
            if number == len(order) // 2:
                cloud.fold()
        driven = Tracks(cloud.database).track("main", "van-1", (START_MS, START_MS + 10**7))
    for fence in FENCES:
        assert crossings(driven, fence) == crossings(track_of(ERRAND), fence)
        assert box_of(fence).holds(*fence.points[0])
