"""Tracks and the live stream over HTTP: who gets what, and until when."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.http import answer_problems
from cloud.foundation.identity import Gate, Identity
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from cloud.tracking import api, store, track_api
from cloud.tracking.live import Live
from cloud.tracking.sight import FULL
from cloud.tracking.store import Writes
from cloud.tracking.stream import LiveStream
from tests.parts.migrated import upgrade
from tests.tracking.vans import NOON_MS, arrived_row, batch


@dataclass(frozen=True)
class Office:
    """The routes of tracking alone, and somebody who may sign in."""

    app: FastAPI
    identity: Identity
    session: str
    telemetry: Database

    def happens(self, kind: str, at_s: int, seq: int, van: str = "van-1") -> None:
        """An event of stream 50 is stored."""
        at_ms = NOON_MS + at_s * 1000
        row = ("main", van, 50, seq, at_ms, 3, kind, '{"at_ms":1}', at_ms + 900, at_ms)
        with self.telemetry.writing() as connection:
            store.write(connection, Writes(events=[row]))

    def events(self, **params: str | list[str]) -> tuple[list[int], str | None]:
        """The seqs of one page of noon's events, and the next cursor."""
        noon = {"from": "2024-06-03T12:00:00Z", "to": "2024-06-03T13:00:00Z"}
        answer = self.get("/vehicles/van-1/events", **(noon | params))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        return [one["seq"] for one in told["items"]], told["next_cursor"]

    def get(self, path: str, **params: str | list[str]) -> httpx.Response:
        return asyncio.run(self._get(path, params))

    async def _get(self, path: str, params: dict[str, str | list[str]]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        cookies = {"roundsman_session": self.session}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://office", cookies=cookies
        ) as client:
            return await client.get(path, params=params)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    data = DataFolder(tmp_path)
    business, telemetry = Database(data.business), Database(data.telemetry)
    upgrade(business, "business")
    upgrade(telemetry, "telemetry")
    identity = Identity(business, RealClock(), random_id)
    login = identity.first_login("admin")
    assert login is not None
    nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")
    live = Live(telemetry, BrokerAccess(data, Settings(broker=nobody)), RealClock())
    app = FastAPI()
    answer_problems(app)
    gate = Gate(identity)

    def knows_van(_tenant: str, van: str) -> bool:
        return van in {"van-1", "van\x00"}

    app.include_router(api.routes(live, LiveStream(), knows_van, lambda _: FULL, gate))
    app.include_router(track_api.routes(live.tracks, RealClock(), knows_van, gate))
    yield Office(app, identity, identity.sign_in("admin", login["password"]), telemetry)
    business.close()
    telemetry.close()


def test_a_van_that_never_reported_has_an_empty_track(office: Office) -> None:
    answer = office.get("/vehicles/van-1/track")
    assert answer.status_code == 200
    assert answer.json()["properties"]["times"] == []


def test_a_van_that_does_not_exist_has_no_track(office: Office) -> None:
    answer = office.get("/vehicles/nosuch/track")
    assert answer.status_code == 404
    assert "'nosuch' is not known" in answer.json()["detail"]


@pytest.mark.parametrize("van", ["van%00", "Van", "a" * 65, "%F0%9F%9A%9A", "-"])
def test_what_is_not_a_name_is_told_so(office: Office, van: str) -> None:
    answer = office.get(f"/vehicles/{van}/track")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "vehicle_id"


def test_a_track_at_either_end_of_time_is_an_answer(office: Office) -> None:
    for to in ("0001-01-01T00:00:01Z", "9999-12-31T23:59:59.999-14:00"):
        answer = office.get("/vehicles/van-1/track", to=to)
        assert answer.status_code == 200


def test_events_are_by_time_of_one_van_and_tell_when_and_how_sure(office: Office) -> None:
    office.happens("trip_ended", 60, 2)
    office.happens("trip_started", 5, 1)
    office.happens("gap", 7, 1, van="van-2")
    office.happens("idled", 3600, 3)
    assert office.events() == ([1, 2], None)
    answer = office.get(
        "/vehicles/van-1/events", **{"from": "2024-06-03T12:00:00Z", "to": "2024-06-03T12:00:06Z"}
    )
    assert answer.json()["items"] == [
        {
            "stream": "50",
            "seq": 1,
            "kind": "trip_started",
            "at": "2024-06-03T12:00:05.000Z",
            "clock": "gnss",
            "received_at": "2024-06-03T12:00:05.900Z",
            "body": {"at_ms": 1},
        }
    ]
    assert office.get("/vehicles/van-1/events").json() == {"items": [], "next_cursor": None}


def test_events_are_found_by_kind(office: Office) -> None:
    for seq, kind in enumerate(["trip_started", "idled", "trip_ended", "gap"]):
        office.happens(kind, seq, seq)
    assert office.events(kind="gap") == ([3], None)
    assert office.events(kind=["trip_started", "trip_ended"]) == ([0, 2], None)
    answer = office.get("/vehicles/van-1/events", kind="picnic")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "kind"
    assert "trip_started" in answer.json()["errors"][0]["remedy"]


def test_pages_of_events_end_where_the_next_begins_even_within_one_instant(office: Office) -> None:
    for seq in range(7):
        office.happens("idled", seq // 3, seq)
    seen: list[int] = []
    found, cursor = office.events(limit="2")
    while cursor is not None:
        seen += found
        found, cursor = office.events(limit="2", cursor=cursor)
    assert [*seen, *found] == list(range(7))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cursor", "x"),
        ("cursor", "MSAy"),
        ("cursor", "MSAyIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"),
        ("limit", "0"),
        ("limit", "501"),
        ("from", "2024-06-03T14:00:00Z"),
        ("from", "2023-06-03T14:00:00Z"),
        ("to", "noon"),
    ],
)
def test_a_page_of_events_that_cannot_be_is_refused_by_its_field(
    office: Office, field: str, value: str
) -> None:
    noon = {"from": "2024-06-03T12:00:00Z", "to": "2024-06-03T13:00:00Z"}
    answer = office.get("/vehicles/van-1/events", **(noon | {field: value}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_van_that_does_not_exist_has_no_events(office: Office) -> None:
    assert office.get("/vehicles/nosuch/events").status_code == 404


def test_the_live_stream_ends_soon_after_signing_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_ASK_EVERY_S", 0.2)
    leaving = threading.Timer(0.7, office.identity.sign_out, [office.session])
    leaving.start()
    began_s = time.monotonic()
    answer = office.get("/live")
    assert time.monotonic() - began_s > 0.6, "it goes on until then"
    leaving.join()
    assert answer.status_code == 200
    assert answer.text.startswith("id: ")
    assert office.get("/live").status_code == 401


def test_a_track_comes_in_the_form_that_is_asked_for(office: Office) -> None:
    keep = Writes(arrived=[arrived_row(batch(7, 0, 5))])
    with office.telemetry.writing() as connection:
        store.write(connection, keep)
    noon = {"from": "2024-06-03T12:00:00Z", "to": "2024-06-03T13:00:00Z"}
    for format_, media_type, begins in [
        ("geojson", "application/geo+json", '{"type":"Feature"'),
        ("gpx", "application/gpx+xml", "<?xml"),
        ("csv", "text/csv; charset=utf-8", "time,lat,lon,piece,speed_mps,course_deg\r\n"),
    ]:
        answer = office.get("/vehicles/van-1/track", format=format_, **noon)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type
        assert answer.text.startswith(begins)
        named = f'filename="van-1_20240603T120000Z_20240603T130000Z.{format_}"'
        assert named in answer.headers["content-disposition"]
    assert track_api._preferred("text/html, application/gpx+xml;q=0.5, text/csv;q=0.4") == "gpx"
    assert track_api._preferred("text/csv;q=much, */*;q=0.1") == "geojson"
    few = office.get("/vehicles/van-1/track", fields="clock", tolerance_m="5", **noon).json()
    assert few["properties"]["clocks"] == ["gnss", "gnss"]
    assert few["properties"]["fixes"] == 5
    refused = office.get("/vehicles/van-1/track", fields="speed,mood", **noon)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "fields"
    assert office.get("/vehicles/van-1/track", format="kml", **noon).status_code == 422
