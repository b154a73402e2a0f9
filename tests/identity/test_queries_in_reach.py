"""Dispatcher's queries over HTTP: of vans within reach only, with the fields that are asked for."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.geofences import store as geofence_store
from cloud.geofences.presence import Stay
from cloud.phones import store as phone_store
from cloud.phones.model import Phone
from cloud.tracking import store
from cloud.tracking.deadletters import Errands
from cloud.tracking.ingest import intake_over
from cloud.tracking.store import Writes
from tests.identity.company import MAIN, OTHER, Company
from tests.tracking.vans import NOON_MS, arrived_row, batch, event_rows, fix
from wire.events import TripEnded, TripStarted
from wire.messages import Event

ADMIN = (MAIN, "admin")
NOON = "from=2024-06-03T11:00:00Z&to=2024-06-03T13:00:00Z"
THERE = "around=-29.9,-71.25,500"
VANS = ("van-north", "van-south")


@pytest.fixture(scope="module")
def driven(company: Company) -> Iterator[Company]:
    """Both vans were at one place at noon, and told of a trip of 900 m."""
    data = DataFolder(company.database.place.parent)  # type: ignore[union-attr]
    database = Database(data.telemetry)
    trip: tuple[TripStarted | TripEnded, ...] = (
        TripStarted(at_ms=NOON_MS, odometer_m=0, by="motion"),
        TripEnded(started_at_ms=NOON_MS, at_ms=NOON_MS + 600_000, odometer_m=900, distance_m=900,
                  moving_s=500, idling_s=60, top_speed_cmps=900),
    )  # fmt: skip
    with database.writing() as connection:
        for van in VANS:
            events = [
                Event(stream="50", seq=seq, recorded_at_ms=NOON_MS, body=one)
                for seq, one in enumerate(trip)
            ]
            told = Writes(arrived=[arrived_row(batch(7, 0), van)], events=event_rows(van, *events))
            store.write(connection, told)
    yield company
    database.close()


def ids(company: Company, who: tuple[str, str], path: str, name: str = "id") -> list[str]:
    answer = company.as_(who, "GET", path)
    assert answer.status == 200, answer
    return [one[name] for one in answer.json["items"]]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (ADMIN, VANS),
        ((MAIN, "viewer of north"), VANS[:1]),
        ((MAIN, "viewer of swift"), VANS[1:]),
        ((MAIN, "carrier"), VANS[1:]),
        ((OTHER, "admin"), ()),
    ],
)
def test_vans_beyond_a_grant_have_passed_nowhere_and_driven_nothing(
    driven: Company, who: tuple[str, str], expected: tuple[str, ...]
) -> None:
    assert ids(driven, who, f"/passed-vehicles?{NOON}&{THERE}") == [*expected]
    days = "/vehicle-days?from=2024-06-03&to=2024-06-03"
    assert ids(driven, who, days, "vehicle_id") == [*expected]
    csv = driven.as_(who, "GET", f"{days}&format=csv").content.decode().splitlines()
    assert [line.split(",")[0] for line in csv[1:]] == [*expected]


def test_who_passed_comes_a_page_at_a_time_with_the_fields_asked_for(driven: Company) -> None:
    path = f"/passed-vehicles?{NOON}&{THERE}"
    first = driven.as_(ADMIN, "GET", f"{path}&limit=1").json
    assert first["items"][0]["fixes"] == 10
    assert first["items"][0]["first_at"] == "2024-06-03T12:00:00.000Z"
    assert first["items"][0]["inside_s"] == 9
    assert first["next_cursor"] == "van-north"
    rest = driven.as_(ADMIN, "GET", f"{path}&limit=1&cursor=van-north").json
    assert (rest["items"][0]["id"], rest["next_cursor"]) == ("van-south", None)
    some = driven.as_(ADMIN, "GET", f"{path}&fields=passes,nearest_m").json["items"][0]
    assert some.keys() == {"id", "passes", "nearest_m"}
    assert (
        driven.as_(ADMIN, "GET", f"{path}&depot_id=depot-south").json["items"][0]["id"] == VANS[1]
    )
    assert ids(driven, ADMIN, f"{path.replace('-29.9', '-29.8')}") == []
    box = "/passed-vehicles?bbox=-71.26,-29.91,-71.24,-29.89"
    assert ids(driven, ADMIN, f"{box}&{NOON}") == [*VANS]
    assert ids(driven, ADMIN, box) == [], "the last hour when not told otherwise"


def test_what_cannot_be_asked_for_is_refused_by_name(driven: Company) -> None:
    for path, field in (
        (f"/passed-vehicles?{NOON}", "around"),
        (f"/passed-vehicles?{THERE}&bbox=1,1,2,2", "around"),
        (f"/passed-vehicles?{THERE}&from=2024-01-01T00:00:00Z", "from"),
        (f"/passed-vehicles?{THERE}&fields=id,colour", "fields"),
        ("/vehicles?fields=colour", "fields"),
        ("/vehicles/van-north/live?fields=colour", "fields"),
        ("/vehicles/van-north/events?fields=colour", "fields"),
        ("/nearest-vehicles?lat=1&lon=1&fields=colour", "fields"),
        ("/vehicle-days?fields=colour", "fields"),
        ("/vehicle-days?from=2024-06-04&to=2024-06-03", "from"),
        ("/vehicle-days?from=2024-06-01&to=2024-07-03", "from"),
        ("/vehicle-days?from=2024-06-01", "from"),
    ):
        answer = driven.as_(ADMIN, "GET", path)
        assert answer.status == 422, (path, answer)
        assert answer.json["errors"][0]["field"] == field, path


def test_lists_tell_the_fields_that_are_asked_for(driven: Company) -> None:
    for path, keys in (
        ("/vehicles?fields=motion", {"id", "motion"}),
        ("/vehicle-days?from=2024-06-03&to=2024-06-03&fields=distance_m",
         {"vehicle_id", "date", "distance_m"}),
        (f"/vehicles/van-north/events?{NOON}&fields=kind", {"stream", "seq", "kind"}),
    ):  # fmt: skip
        answer = driven.as_(ADMIN, "GET", path)
        assert answer.json["items"][0].keys() == keys, path
        assert "next_cursor" in answer.json
    live = driven.as_(ADMIN, "GET", "/vehicles/van-north/live?fields=motion,health")
    assert live.json.keys() == {"id", "motion", "health"}
    near = driven.as_(ADMIN, "GET", "/nearest-vehicles?lat=1&lon=1&fields=metres")
    assert near.json == {"items": []}


def test_a_day_comes_as_json_and_csv(driven: Company) -> None:
    path = "/vehicle-days?from=2024-06-03&to=2024-06-03&vehicle_id=van-north"
    (told,) = driven.as_(ADMIN, "GET", path).json["items"]
    assert told["zone"] == "UTC"
    assert (told["told_by"], told["trips"], told["distance_m"]) == ("van", 1, 900)
    assert (told["moving_s"], told["idling_s"], told["stopped_s"]) == (500, 60, 40)
    assert (told["parked_s"], told["unknown_s"]) == (86_400 - 600, 0)
    assert told["set_off_at"] == "2024-06-03T12:00:00.000Z"
    csv = driven.as_(ADMIN, "GET", f"{path}&format=csv&fields=distance_m,told_by")
    assert csv.headers["content-type"].startswith("text/csv")
    assert csv.content == (
        b"vehicle_id,date,told_by,distance_m\r\nvan-north,2024-06-03,van,900\r\n"
    )


def test_the_document_says_that_fields_may_be_left_out(driven: Company) -> None:
    schemas = driven.app.openapi()["components"]["schemas"]
    assert schemas["PassedVehicle"]["required"] == ["id"]
    assert schemas["VehicleDay"]["required"] == ["vehicle_id", "date"]
    parameters = driven.app.openapi()["paths"]["/api/v1/passed-vehicles"]["get"]["parameters"]
    assert {one["name"]: one["in"] for one in parameters}["fields"] == "query"


def test_an_erasure_is_for_administrators_is_recorded_and_done_by_ingest(
    driven: Company,
) -> None:
    data = DataFolder(driven.database.place.parent)  # type: ignore[union-attr]
    database = Database(data.telemetry)
    intake = intake_over(database, lambda *_: "known", lambda _: None, [])
    errands, is_over = Errands(data, database, intake), threading.Event()
    _keep_places(driven)

    def ingest() -> None:
        while not is_over.wait(0.02):
            errands.work()

    path = "/vehicles/van-south/erasures"
    span = {"from": "2024-06-03T12:00:05Z", "to": "2024-06-03T12:00:08Z"}
    passed = f"/passed-vehicles?{NOON}&{THERE}&fields=fixes"
    thread = threading.Thread(target=ingest)
    thread.start()
    try:
        for wrong in ({}, span | {"is_everything": True}, {"from": span["to"], "to": span["from"]}):
            assert driven.as_(ADMIN, "POST", path, wrong).status == 422, wrong
        answer = driven.as_(ADMIN, "POST", path, span)
    finally:
        is_over.set()
        thread.join()
        database.close()
    assert answer.json == {"fixes": 3, "events": 0, "set_aside": 0}
    with driven.database.reading() as connection:
        kept = select(phone_store.phone_fix.c.seq).where(phone_store.phone_fix.c.tenant == "main")
        assert sorted(connection.scalars(kept)) == [0, 2]
        inside = geofence_store.fence_presence.c
        who = select(inside.vehicle_id).where(inside.tenant == "main")
        assert list(connection.scalars(who)) == ["van-north"]
    assert [one["fixes"] for one in driven.as_(ADMIN, "GET", passed).json["items"]] == [10, 7]
    newest = driven.as_(ADMIN, "GET", "/audit").json["items"][0]
    assert newest["action"] == "POST /vehicles/{vehicle_id}/erasures"
    assert newest["detail"]["from_ms"] == NOON_MS + 5_000


def _keep_places(company: Company) -> None:
    """What the office keeps beside history: last fixes of phones, and who is in which fence."""
    phone = Phone(
        tenant="main", id="phone-1", vehicle_id="van-south", app="owntracks", label="", stream=9,
        max_accuracy_m=200.0, is_only_on_shift=False, made_at=0.0, made_by="user-1",
    )  # fmt: skip
    stays = (Stay(geofence="fence-1", since_ms=NOON_MS + 6_000),)
    with company.database.writing() as connection:
        phone_store.add_phone(connection, phone, "a fingerprint")
        phone_store.add_fixes(connection, phone, 0, [fix(4), fix(6), fix(7)], NOON_MS)
        phone_store.note_committed(connection, phone, 2)  # the last one waits for ingest
        geofence_store.put_presence(connection, "main", "van-south", stays)
        geofence_store.put_presence(connection, "main", "van-north", stays)
