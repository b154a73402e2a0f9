"""The register as the office uses it: taking on, changing, retiring; who drives what when."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud import roles
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import outbox
from cloud.foundation.settings import Settings
from cloud.geofences import store as geofence_store
from cloud.geofences.model import Fence
from tests.cloud.desk import DEPOT, TODAY, Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    roles._choose_ports(DataFolder(tmp_path), Settings(), "all")
    made = open_desk(tmp_path)
    for van in ("van-1", "van-2"):
        add(made, "vehicles", id=van, name=van, depot_id="la-serena", capacity_parcels=9)
    for driver in ("ana", "bea", "cid"):
        add(made, "drivers", id=driver, name=driver.title())
    yield made
    made.close()


def add(desk: Desk, things: str, **body: Any) -> dict[str, Any]:
    answer = desk.ask("POST", f"/{things}", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def get(desk: Desk, path: str, **query: Any) -> Any:
    answer = desk.ask("GET", path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(desk: Desk, method: str, path: str, status: int, **body: Any) -> dict[str, Any]:
    answer = desk.ask(method, path, json=body)
    assert answer.status_code == status, answer.text
    problem: dict[str, Any] = answer.json()
    return problem


def told(desk: Desk) -> list[str]:
    with desk.database.reading() as connection:
        return list(connection.execute(select(outbox.c.kind).order_by(outbox.c.position)).scalars())


def draw(desk: Desk, *fences: str) -> None:
    with desk.database.writing() as connection:
        for name in fences:
            around = Fence(id=name, name=name, points=((-299_000_000, -712_500_000),), radius_m=900)
            geofence_store.add(connection, "main", around)


def shift(desk: Desk, van: str = "van-1", driver: str = "ana", **more: Any) -> dict[str, Any]:
    body = {"vehicle_id": van, "driver_id": driver, "service_date": TODAY, **more}
    return add(desk, "shifts", **body)


def driver_at(desk: Desk, van: str, at: str) -> str | None:
    items = get(desk, "/assignments/drivers", vehicle_id=van, at=at)["items"]
    assert len(items) <= 1
    return items[0]["driver_id"] if items else None


def test_the_fleet_itself_is_a_carrier_from_the_first_day(desk: Desk) -> None:
    assert get(desk, "/carriers")["items"] == [
        {"id": "own", "name": "Own fleet", "version": 1, "is_retired": False}
    ]
    assert get(desk, "/vehicles/van-1")["carrier_id"] == "own"
    assert "fleet itself" in refused(desk, "DELETE", "/carriers/own", 409)["detail"]


def test_a_van_keeps_all_that_is_told_of_it(desk: Desk) -> None:
    add(desk, "carriers", id="swift", name="Swift Ltd")
    draw(desk, "north", "port")
    van = {
        "id": "van-9",
        "name": "Nine",
        "depot_id": "la-serena",
        "capacity_parcels": 120,
        "carrier_id": "swift",
        "capacity_kg": 900.5,
        "capacity_litres": 6000.0,
        "skills": ["fridge", "tail_lift"],
        "zones": ["north", "port"],
        "height_m": 2.6,
        "weight_kg": 3500.0,
        "range_km": 160.0,
        "price_km": 45.0,
        "price_hour": 900.0,
        "price_use": 0.0,
        "start_lat": -29.95,
        "start_lon": -71.3,
        "end_lat": None,
        "end_lon": None,
        "is_active": True,
    }
    kept = {**van, "version": 1, "is_retired": False}
    assert add(desk, "vehicles", **van) == kept
    assert get(desk, "/vehicles/van-9") == kept
    assert get(desk, "/fleet/vehicles", carrier_id="swift")["items"] == [kept]
    assert "van-9" in refused(desk, "DELETE", "/carriers/swift", 409)["detail"]


def test_a_zone_that_nobody_drew_is_refused_by_its_name(desk: Desk) -> None:
    draw(desk, "north")
    zones = ["north", "nowhere"]
    fresh = {"id": "x", "name": "X"}
    van = {**fresh, "depot_id": "la-serena", "capacity_parcels": 9}
    for method, path, body in (
        ("POST", "/vehicles", van),
        ("POST", "/drivers", fresh),
        ("PATCH", "/vehicles/van-1", {"version": 1}),
        ("PATCH", "/drivers/ana", {"version": 1}),
    ):
        (problem,) = refused(desk, method, path, 422, **body, zones=zones)["errors"]
        assert (problem["field"], "'nowhere'" in problem["problem"]) == ("zones", True)
        assert "GET /api/v1/geofences" in problem["remedy"]


def test_a_zone_that_was_taken_away_hinders_no_other_change(desk: Desk) -> None:
    draw(desk, "north")
    changed = {"version": 1, "zones": ["north"]}
    assert desk.ask("PATCH", "/drivers/ana", json=changed).json()["zones"] == ["north"]
    with desk.database.writing() as connection:
        geofence_store.remove(connection, "main", "north")
    renamed = desk.ask("PATCH", "/drivers/ana", json={"version": 2, "name": "Ana Paz"}).json()
    assert (renamed["name"], renamed["zones"]) == ("Ana Paz", ["north"])
    same = desk.ask("PATCH", "/drivers/ana", json={"version": 3, "zones": ["north"]}).json()
    assert same["zones"] == ["north"]
    freed = desk.ask("PATCH", "/drivers/ana", json={"version": 4, "zones": []})
    assert freed.json()["zones"] == []


def test_a_place_of_a_van_has_both_coordinates(desk: Desk) -> None:
    problem = refused(desk, "PATCH", "/vehicles/van-1", 422, version=1, end_lat=-29.9)
    assert problem["errors"][0]["field"] == "end_lon"


def test_a_list_comes_in_pages(desk: Desk) -> None:
    first = get(desk, "/drivers", limit=2)
    assert [one["id"] for one in first["items"]] == ["ana", "bea"]
    rest = get(desk, "/drivers", limit=2, cursor=first["next_cursor"])
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == (["cid"], None)


def test_who_was_slower_has_to_read_again(desk: Desk) -> None:
    answer = desk.ask("PATCH", "/vehicles/van-1", json={"version": 1, "name": "First"})
    assert (answer.json()["name"], answer.json()["version"]) == ("First", 2)
    problem = refused(desk, "PATCH", "/vehicles/van-1", 409, version=1, name="Second")
    assert "it has version 2, not 1" in problem["detail"]
    assert get(desk, "/vehicles/van-1")["name"] == "First"


def test_what_is_retired_is_kept_and_nothing_new_may_name_it(desk: Desk) -> None:
    assert desk.ask("DELETE", "/drivers/cid").json()["is_retired"] is True
    assert [one["id"] for one in get(desk, "/drivers")["items"]] == ["ana", "bea"]
    assert len(get(desk, "/drivers", with_retired=True)["items"]) == 3
    body = {"vehicle_id": "van-1", "driver_id": "cid", "service_date": TODAY}
    problem = refused(desk, "POST", "/shifts", 422, **body)
    assert problem["errors"][0]["field"] == "driver_id"
    assert "retired" in problem["errors"][0]["problem"]
    back = desk.ask("PATCH", "/drivers/cid", json={"version": 2, "is_retired": False})
    assert back.json()["is_retired"] is False
    shift(desk, "van-1", "cid")
    assert "shift" in refused(desk, "DELETE", "/drivers/cid", 409)["detail"]


def test_a_disabled_van_is_shown_but_not_sent_out_and_its_gateway_is_shut_out(desk: Desk) -> None:
    assert desk.ask("POST", "/vehicles/van-1/gateway").status_code == 201
    made = shift(desk)
    assert ("main", "van-1") in desk.broker.known_vans()
    desk.ask("PATCH", "/vehicles/van-1", json={"version": 1, "is_active": False})
    assert ("main", "van-1") not in desk.broker.known_vans()
    assert told(desk)[-3:] == ["VehicleDisabled", "GatewayShutOut", "ShiftChanged"]
    assert get(desk, "/vehicles/van-1")["is_active"] is False
    body = {"vehicle_id": "van-1", "driver_id": "bea", "service_date": "2026-11-24"}
    assert refused(desk, "POST", "/shifts", 422, **body)["errors"][0]["field"] == "vehicle_id"
    refused(desk, "POST", "/vehicles/van-1/gateway", 409)
    desk.ask("PATCH", "/vehicles/van-1", json={"version": 2, "is_active": True})
    assert ("main", "van-1") in desk.broker.known_vans()
    assert told(desk)[-3:] == ["VehicleEnabled", "GatewayLetIn", "ShiftChanged"]
    assert get(desk, f"/shifts/{made['id']}")["state"] == "planned"


def test_a_depot_is_closed_on_its_holidays(desk: Desk) -> None:
    week = {day: ["08:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
    special = [{"day": "2026-11-24", "name": "Town feast"}]
    calendar = {"week": week, "special": special}
    changed = desk.ask("PATCH", "/depots/la-serena", json={"version": 1, "calendar": calendar})
    assert changed.json()["calendar"]["special"] == [{**special[0], "hours": []}]
    body = {"vehicle_id": "van-1", "driver_id": "ana", "service_date": "2026-11-24"}
    assert "Town feast" in refused(desk, "POST", "/shifts", 422, **body)["detail"]
    days = get(desk, "/depots/la-serena/openings", **{"from": "2026-11-23"}, days=2)["items"]
    assert days[0]["hours"] == [
        {"from": "2026-11-23T11:00:00.000Z", "to": "2026-11-23T21:00:00.000Z"}
    ]
    assert days[1] == {"day": "2026-11-24", "name": "Town feast", "hours": []}
    opened = desk.ask("PATCH", "/depots/la-serena", json={"version": 2, "calendar": None})
    assert opened.json()["calendar"] is None
    shift(desk, service_date="2026-11-24")


def test_a_bad_calendar_names_its_day(desk: Desk) -> None:
    week = {"mon": ["08:00-12:00", "11:00-13:00"]}
    problem = refused(desk, "PATCH", "/depots/la-serena", 422, version=1, calendar={"week": week})
    assert problem["errors"][0]["field"] == "calendar.week.mon"


def test_a_crew_goes_out_together_and_nobody_twice(desk: Desk) -> None:
    add(desk, "crews", id="lift", name="Two for lifts", driver_id="ana", helper_ids=["bea"])
    made = add(desk, "shifts", vehicle_id="van-1", crew_id="lift", service_date=TODAY)
    assert (made["driver_id"], made["helper_ids"], made["crew_id"]) == ("ana", ["bea"], "lift")
    body = {"vehicle_id": "van-2", "driver_id": "bea", "service_date": TODAY}
    assert made["id"] in refused(desk, "POST", "/shifts", 409, **body)["detail"]


def test_a_shift_is_changed_with_its_breaks(desk: Desk) -> None:
    made = shift(desk, start="08:00", end="16:00", breaks=["12:00-12:30"])
    assert made["breaks"] == [
        {"from": "2026-11-23T15:00:00.000Z", "to": "2026-11-23T15:30:00.000Z"}
    ]
    path = f"/shifts/{made['id']}"
    changed = desk.ask("PATCH", path, json={"version": 1, "end": "17:00", "breaks": []}).json()
    assert (changed["ends_at"], changed["breaks"]) == ("2026-11-23T20:00:00.000Z", [])
    assert driver_at(desk, "van-1", "2026-11-23T19:59:59Z") == "ana"
    assert "version 2" in refused(desk, "PATCH", path, 409, version=1, end="18:00")["detail"]
    problem = refused(desk, "PATCH", path, 422, version=2, breaks=["06:00-07:00"])
    assert problem["errors"][0]["field"] == "breaks"


def test_a_cancelled_shift_frees_van_and_driver(desk: Desk) -> None:
    made = shift(desk)
    assert desk.ask("POST", f"/shifts/{made['id']}/cancel").json()["state"] == "cancelled"
    assert driver_at(desk, "van-1", "2026-11-23T15:00:00Z") is None
    again = shift(desk, "van-1", "bea")
    assert again["id"] != made["id"]
    found = get(desk, "/shifts", service_date=TODAY, state="cancelled")["items"]
    assert [one["id"] for one in found] == [made["id"]]


def test_the_driver_changes_in_mid_shift_and_the_shift_stays(desk: Desk) -> None:
    one, two = shift(desk), shift(desk, "van-2", "bea")
    noon = "2026-11-23T15:00:00Z"
    changed = desk.ask(
        "PUT", "/vehicles/van-1/driver", json={"driver_id": "cid", "from": noon}
    ).json()
    assert changed["driving"]["shift_id"] == one["id"]
    assert changed["driving"]["until"] == one["ends_at"]
    assert [cut["driver_id"] for cut in changed["cut"]] == ["ana"]
    assert driver_at(desk, "van-1", "2026-11-23T14:59:59Z") == "ana"
    assert driver_at(desk, "van-1", noon) == "cid"
    assert driver_at(desk, "van-1", one["ends_at"]) is None
    desk.ask("PUT", "/vehicles/van-2/driver", json={"driver_id": "ana", "from": noon})
    assert driver_at(desk, "van-2", noon) == "ana"
    assert get(desk, f"/shifts/{two['id']}") == two
    desk.ask("PUT", "/vehicles/van-2/driver", json={"driver_id": None, "from": noon})
    assert driver_at(desk, "van-2", noon) is None
    assert driver_at(desk, "van-2", "2026-11-23T14:00:00Z") == "bea"


def test_a_box_that_moves_speaks_for_its_new_van_only(desk: Desk) -> None:
    add(desk, "gateways", id="box-7", name="Box 7", serial="10000000deadbeef")
    desk.ask("POST", "/vehicles/van-1/gateway", params={"gateway_id": "box-7"})
    assert desk.broker.known_vans() == {("main", "van-1")}
    desk.ask("POST", "/vehicles/van-2/gateway", params={"gateway_id": "box-7"})
    assert desk.broker.known_vans() == {("main", "van-2")}
    items = get(desk, "/assignments/gateways", gateway_id="box-7", at="2026-11-23T10:50:00Z")
    assert [one["vehicle_id"] for one in items["items"]] == ["van-2"]
    desk.ask("PUT", "/vehicles/van-2/box", json={"gateway_id": None})
    assert desk.broker.known_vans() == set()


@pytest.mark.parametrize(
    ("things", "body", "field"),
    [
        ("vehicles", {"depot_id": "nowhere"}, "depot_id"),
        ("vehicles", {"carrier_id": "nobody"}, "carrier_id"),
        ("vehicles", {"skills": ["Tail lift"]}, "skills.0"),
        ("vehicles", {"capacity_kg": -1}, "capacity_kg"),
        ("vehicles", {"id": "../van"}, "id"),
        ("vehicles", {"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_by_field(
    desk: Desk, things: str, body: dict[str, Any], field: str
) -> None:
    good = {"id": "van-3", "name": "Three", "depot_id": DEPOT["id"], "capacity_parcels": 9}
    problem = refused(desk, "POST", f"/{things}", 422, **{**good, **body})
    assert problem["errors"][0]["field"] == field


def test_another_tenant_s_fleet_is_not_there(desk: Desk) -> None:
    with desk.database.writing() as connection:
        connection.exec_driver_sql("UPDATE vehicle SET tenant = 'other' WHERE id = 'van-2'")
        connection.exec_driver_sql("UPDATE driver SET tenant = 'other' WHERE id = 'bea'")
    assert [one["id"] for one in get(desk, "/fleet/vehicles")["items"]] == ["van-1"]
    assert desk.ask("GET", "/vehicles/van-2").status_code == 404
    assert desk.ask("DELETE", "/vehicles/van-2").status_code == 404
    assert desk.ask("PATCH", "/drivers/bea", json={"version": 1}).status_code == 404
    body = {"vehicle_id": "van-1", "driver_id": "bea", "service_date": TODAY}
    refused(desk, "POST", "/shifts", 422, **body)
    assert desk.ask("PUT", "/vehicles/van-2/driver", json={"driver_id": "ana"}).status_code == 404
