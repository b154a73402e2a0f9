"""Phones from the app's request to the commit."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from cloud.foundation.settings import Settings
from cloud.phones import store
from cloud.phones.lane import PhoneLane
from cloud.phones.model import MOST_WAITING
from tests.cloud.desk import NOW, Desk, StillClock, open_desk

PHONES = "/vehicles/van-1/phones"


@pytest.fixture
def desk(tmp_path: Path, kept_in: Settings) -> Iterator[Desk]:
    desk = open_desk(tmp_path, kept_in)
    van = {"id": "van-1", "name": "One", "depot_id": "la-serena", "capacity_parcels": 9}
    assert desk.ask("POST", "/vehicles", json=van).status_code == 201
    yield desk
    desk.close()


def issued(desk: Desk, app: str = "owntracks", **wanted: Any) -> dict[str, Any]:
    answer = desk.ask("POST", PHONES, json={"app": app, "label": "Ana", **wanted})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def says(desk: Desk, phone: dict[str, Any], **change: Any) -> httpx.Response:
    """OwnTracks sends a position."""
    told = {"_type": "location", "lat": -29.9, "lon": -71.2, "tst": int(NOW), "acc": 9, **change}
    login = base64.b64encode(f"{phone['user']}:{phone['token']}".encode()).decode()
    return desk.ask(
        "POST",
        "/phones/owntracks",
        is_known=False,
        content=json.dumps(told).encode(),
        headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
    )


def of_van(desk: Desk) -> dict[str, Any]:
    (one,) = desk.ask("GET", PHONES).json()["items"]
    found: dict[str, Any] = one
    return found


def test_a_phone_is_let_in_and_its_token_shown_once(desk: Desk) -> None:
    phone = issued(desk)
    assert phone["url"] == "http://desk/api/v1/phones/owntracks"
    inline = parse_qs(urlsplit(phone["link"]).query)["inline"][0]
    settings = json.loads(base64.b64decode(inline))
    assert (settings["url"], settings["username"]) == (phone["url"], phone["id"])
    assert settings["password"] == phone["token"]
    assert phone["token"] not in desk.ask("GET", PHONES).text


def test_a_position_is_answered_when_it_is_committed(desk: Desk) -> None:
    phone = issued(desk)
    answer = says(desk, phone)
    assert (answer.status_code, answer.json()) == (200, [])
    assert (of_van(desk)["taken"], of_van(desk)["waiting"]) == (1, 1)


def test_a_position_that_is_sent_again_counts_once(desk: Desk) -> None:
    phone = issued(desk)
    for _ in range(3):
        assert says(desk, phone).status_code == 200
    assert of_van(desk)["taken"] == 1


def test_what_cannot_be_used_is_answered_so_that_the_app_goes_on(desk: Desk) -> None:
    phone = issued(desk, max_accuracy_m=50)
    assert says(desk, phone, acc=51).status_code == 200
    assert says(desk, phone, lat=99).status_code == 200
    assert says(desk, phone, _type="transition").status_code == 200
    told = of_van(desk)
    assert (told["taken"], told["refused"]) == (0, 2)
    assert "lat" in told["problem"]


def test_off_duty_no_position_is_taken_when_that_is_wished(desk: Desk) -> None:
    phone = issued(desk, only_on_shift=True)
    assert says(desk, phone).status_code == 200
    assert of_van(desk)["taken"] == 0
    assert desk.ask("POST", "/drivers", json={"id": "ana", "name": "Ana"}).status_code == 201
    shift = {
        "vehicle_id": "van-1",
        "driver_id": "ana",
        "service_date": "2026-11-23",
        "start": "07:00",
        "end": "12:00",
    }
    assert desk.ask("POST", "/shifts", json=shift).status_code == 201
    assert says(desk, phone).status_code == 200
    assert of_van(desk)["taken"] == 1


@pytest.mark.parametrize("header", ["", "Basic !!!", "Basic Og==", "Bearer x", "Basic /w=="])
def test_nobody_speaks_without_a_token(desk: Desk, header: str) -> None:
    issued(desk)
    answer = desk.ask(
        "POST", "/phones/owntracks", is_known=False, headers={"Authorization": header}, content=b""
    )
    assert answer.status_code == 401


def test_a_phone_that_was_ended_speaks_no_more(desk: Desk) -> None:
    phone = issued(desk)
    assert desk.ask("DELETE", f"{PHONES}/{phone['id']}").status_code == 204
    assert says(desk, phone).status_code == 401
    assert desk.ask("DELETE", f"{PHONES}/{phone['id']}").status_code == 404
    assert desk.ask("GET", PHONES).json()["items"] == []


class ADayAfterAWeek(StillClock):
    """Eight days later."""

    def now_s(self) -> float:
        return NOW + 8 * 86_400


def test_what_ingest_has_of_a_phone_is_forgotten_after_a_week_though_it_speaks_no_more(
    desk: Desk,
) -> None:
    phone = issued(desk)
    for second in range(3):
        assert says(desk, phone, tst=int(NOW) - second).status_code == 200
    assert desk.ask("DELETE", f"{PHONES}/{phone['id']}").status_code == 204

    async def nowhere(topic: str, payload: bytes, *, retain: bool) -> None:
        raise AssertionError(topic, payload, retain)

    def lane(clock: StillClock) -> PhoneLane:
        return PhoneLane(
            phones=desk.phones,
            business=desk.database,
            telemetry=desk.telemetry,
            clock=clock,
            publish=nowhere,
        )

    with desk.database.writing() as connection:
        ((known, _),) = store.with_waiting(connection)
        store.note_committed(connection, known, 2)
    assert lane(StillClock()).forget() == 0
    assert lane(ADayAfterAWeek()).forget() == 2, "the third still waits for ingest"


def test_a_token_of_one_app_is_none_of_the_other(desk: Desk) -> None:
    phone = issued(desk, "traccar")
    assert says(desk, {**phone, "user": "x"}).status_code == 401


def test_traccar_client_speaks_in_each_of_its_forms(desk: Desk) -> None:
    token = issued(desk, "traccar")["token"]
    place = {"id": token, "lat": "-29.9", "lon": "-71.2"}
    ask = desk.ask
    path = "/phones/traccar"
    query = {**place, "timestamp": str(int(NOW))}
    assert ask("GET", path, is_known=False, params=query).status_code == 200
    assert ask("POST", path, is_known=False, params={**query, "lat": "-29.8"}).status_code == 200
    form = {**place, "timestamp": str(int(NOW) - 1)}
    assert ask("POST", path, is_known=False, data=form).status_code == 200
    coords = {"latitude": -29.9, "longitude": -71.2}
    body = {"device_id": token, "location": {"timestamp": "2026-11-23T10:49:00Z", "coords": coords}}
    assert ask("POST", path, is_known=False, json=body).status_code == 200
    assert of_van(desk)["taken"] == 4
    assert ask("GET", path, is_known=False, params={**query, "id": "x"}).status_code == 401
    assert ask("GET", path, is_known=False).status_code == 422
    assert ask("POST", path, is_known=False, json={"location": {}}).status_code == 422


def test_a_phone_keeps_what_there_is_no_room_for(desk: Desk) -> None:
    phone = issued(desk)
    with desk.database.writing() as connection:
        connection.execute(store.phone.update().values(next_seq=MOST_WAITING))
    answer = says(desk, phone)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_a_van_has_a_bounded_number_of_phones(desk: Desk) -> None:
    for _ in range(20):
        issued(desk)
    answer = desk.ask("POST", PHONES, json={"app": "traccar", "label": "One more"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "vehicle_id"


def test_nobody_sets_up_a_phone_for_a_van_that_is_not_there(desk: Desk) -> None:
    body = {"app": "traccar", "label": "Ana"}
    assert desk.ask("POST", "/vehicles/van-9/phones", json=body).status_code == 404
    assert desk.ask("GET", "/vehicles/van-9/phones").status_code == 404


def test_a_disabled_vans_phone_is_answered_and_nothing_of_it_is_taken(desk: Desk) -> None:
    phone = issued(desk)
    assert says(desk, phone).status_code == 200
    van = desk.ask("GET", "/vehicles/van-1").json()
    change = {"version": van["version"], "is_active": False}
    assert desk.ask("PATCH", "/vehicles/van-1", json=change).status_code == 200
    assert says(desk, phone, tst=int(NOW) - 5).status_code == 200
    told = of_van(desk)
    assert (told["taken"], told["waiting"], told["refused"]) == (1, 1, 1)
    assert "enable it first" in told["problem"]
