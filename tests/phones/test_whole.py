"""A van without any gateway, from a phone's request to the office's map: a whole cloud."""

import time
from pathlib import Path

import pytest

from tests.cloud.conftest import BEFORE_WORK, DEPOT
from tests.parts.served_cloud import ServedCloud, served_cloud

pytestmark = pytest.mark.slow


def seen(cloud: ServedCloud) -> tuple[float, float] | None:
    """Where the office sees the van within twenty seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (van,) = cloud.admin.get("/vehicles").json()["items"]
        if van["position"] is not None:
            return van["position"]["lat"], van["position"]["lon"]
        time.sleep(0.2)
    return None


def test_a_van_with_a_phone_and_no_gateway_is_seen(tmp_path: Path) -> None:
    with served_cloud(tmp_path, BEFORE_WORK) as cloud:
        van = {"id": "van-1", "name": "One", "depot_id": DEPOT["id"], "capacity_parcels": 9}
        assert cloud.admin.post("/depots", json=DEPOT).status_code == 201
        assert cloud.admin.post("/vehicles", json=van).status_code == 201
        wanted = {"app": "owntracks", "label": "Ana"}
        phone = cloud.admin.post("/vehicles/van-1/phones", json=wanted).json()
        told = {"_type": "location", "lat": -29.9, "lon": -71.2, "tst": int(BEFORE_WORK), "acc": 9}
        with cloud.client(None) as app:
            login = (phone["user"], phone["token"])
            answer = app.post("/phones/owntracks", json=told, auth=login)
        assert (answer.status_code, answer.json()) == (200, [])
        assert seen(cloud) == (-29.9, -71.2)
