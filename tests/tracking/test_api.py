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
from cloud.foundation.migrations import upgrade
from cloud.foundation.settings import OwnBroker, Settings
from cloud.tracking import api
from cloud.tracking.live import Live, LiveStream


@dataclass(frozen=True)
class Office:
    """The routes of tracking alone, and somebody who may sign in."""

    app: FastAPI
    identity: Identity
    session: str

    def get(self, path: str, **params: str) -> httpx.Response:
        return asyncio.run(self._get(path, params))

    async def _get(self, path: str, params: dict[str, str]) -> httpx.Response:
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
    app.include_router(
        api.routes(
            live, LiveStream(), lambda _tenant, van: van in {"van-1", "van\x00"}, Gate(identity)
        )
    )
    yield Office(app, identity, identity.sign_in("admin", login["password"]))
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
    assert answer.text.startswith("event: vehicles\n")
    assert office.get("/live").status_code == 401
