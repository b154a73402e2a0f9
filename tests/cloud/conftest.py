"""One whole cloud for the tests of a file: a depot and two vans with drivers, before work."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.parts.served_cloud import ServedCloud, served_cloud

DAY = "2026-11-23"
BEFORE_WORK = datetime.fromisoformat("2026-11-23T07:50:00-03:00").timestamp()
DEPOT = {
    "id": "la-serena",
    "name": "La Serena",
    "zone": "America/Santiago",
    "lat": -29.9045,
    "lon": -71.2489,
    "shift_start": "08:00",
    "shift_end": "18:00",
}


@dataclass(frozen=True)
class Office:
    """A cloud with a small fleet, and how to speak to it."""

    cloud: ServedCloud
    api: httpx.Client
    drivers: dict[str, httpx.Client]

    def order(self, **wanted: Any) -> dict[str, Any]:
        """Post an order at a known street; returns it."""
        body = {
            "depot_id": DEPOT["id"],
            "service_date": DAY,
            "address": "Balmaceda 100",
            "lat": -29.9100,
            "lon": -71.2520,
            **wanted,
        }
        answer = self.api.post("/orders", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def finished(self, location: str) -> dict[str, Any]:
        """The planning job at ``location`` when it has ended."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.api.get(location.removeprefix("/api/v1")).json()
            if job["state"] in {"done", "failed"}:
                return job
            time.sleep(0.1)
        raise AssertionError("the job has not ended within a minute")

    def plan(self) -> dict[str, Any]:
        """The day's plan as it stands."""
        answer = self.api.get(f"/depots/{DEPOT['id']}/plans/{DAY}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def optimize(self) -> dict[str, Any]:
        """Plan the day and wait for it; the plan."""
        asked = self.api.post(f"/depots/{DEPOT['id']}/plans/{DAY}/optimize", json={"seconds": 1})
        assert asked.status_code == 202, asked.text
        job = self.finished(asked.headers["location"])
        assert job["state"] == "done", job
        return self.plan()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with served_cloud(tmp_path_factory.mktemp("cloud"), BEFORE_WORK) as cloud:
        api = cloud.admin
        assert api.post("/depots", json=DEPOT).status_code == 201
        drivers = {}
        for van in ("van-1", "van-2"):
            body = {"id": van, "name": van, "depot_id": DEPOT["id"], "capacity_parcels": 12}
            assert api.post("/vehicles", json=body).status_code == 201
            driver = api.post("/drivers", json={"id": f"driver-of-{van}", "name": "Ana"}).json()
            drivers[van] = cloud.client(driver["token"])
            shift = {"vehicle_id": van, "driver_id": driver["id"], "service_date": DAY}
            assert api.post("/shifts", json=shift).status_code == 201
        yield Office(cloud, api, drivers)
        for client in drivers.values():
            client.close()
