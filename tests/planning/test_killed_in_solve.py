"""A part that dies in mid-solve: the old plan stays in force, and the next trigger works."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.conftest import BEFORE_WORK
from tests.parts.served_cloud import ServedCloud, served_cloud
from tests.parts.small_fleet import DAY, furnish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PLAN = f"/depots/la-serena/plans/{DAY}"
DOORS = ((-29.91, -71.252), (-29.905, -71.255), (-29.902, -71.248), (-29.915, -71.25))
ENDED = {"done", "failed"}


def ask(cloud: ServedCloud, method: str, path: str, **body: Any) -> dict[str, Any]:
    answer = cloud.admin.request(method, path, json=body or None).raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def order(cloud: ServedCloud, at: tuple[float, float], **more: Any) -> str:
    wanted = {"depot_id": "la-serena", "service_date": DAY, "address": "Balmaceda 100"}
    return str(ask(cloud, "POST", "/orders", **wanted, lat=at[0], lon=at[1], **more)["id"])


def roads_answer(cloud: ServedCloud) -> bool:
    way = {"point": ["-29.91,-71.252", "-29.905,-71.255"]}
    return bool(cloud.admin.get("/roads/way", params=way).is_success)


def wait_for(is_so: Callable[[], bool], what: str, within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, f"waited {within_s} s for {what}"
        time.sleep(0.1)


def stops(cloud: ServedCloud) -> list[tuple[str, list[str]]]:
    plan = ask(cloud, "GET", PLAN)
    return [(stop["id"], stop["order_ids"]) for one in plan["routes"] for stop in one["stops"]]


def is_planned(cloud: ServedCloud, order_id: str) -> bool:
    return any(order_id in orders for _, orders in stops(cloud))


@pytest.mark.parametrize("part", ["planner", "roads"])
def test_a_part_killed_in_mid_solve_harms_no_plan(part: str, tmp_path: Path) -> None:
    with served_cloud(tmp_path / "cloud", BEFORE_WORK) as cloud:
        furnish(lambda path, body: ask(cloud, "POST", path, **body))
        for at in DOORS:
            order(cloud, at)
        first = ask(cloud, "POST", f"{PLAN}/optimize", seconds=1)["job_id"]
        wait_for(lambda: ask(cloud, "GET", f"/jobs/{first}")["state"] == "done", "a plan")
        before = stops(cloud)

        job = ask(cloud, "POST", f"{PLAN}/optimize", seconds=4)["job_id"]
        wait_for(lambda: ask(cloud, "GET", f"/jobs/{job}")["state"] == "running", "the search")
        time.sleep(0.3)  # a search of so few orders may end soon
        assert ask(cloud, "GET", f"/jobs/{job}")["state"] == "running"
        os.kill(cloud.part_pid(part), signal.SIGKILL)
        assert stops(cloud) == before
        wait_for(lambda: ask(cloud, "GET", f"/jobs/{job}")["state"] in ENDED, "the job's end")
        ended = ask(cloud, "GET", f"/jobs/{job}")
        assert ended["state"] == "done" or ended["error"]
        if ended["state"] == "failed":
            assert stops(cloud) == before

        wait_for(lambda: roads_answer(cloud), "the roads")
        urgent = order(cloud, (-29.908, -71.247), priority="urgent")
        wait_for(lambda: is_planned(cloud, urgent), "the urgent order in the plan")
        assert {one for _, orders in before for one in orders} <= {
            one for _, orders in stops(cloud) for one in orders
        }
