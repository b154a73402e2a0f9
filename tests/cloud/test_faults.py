"""A part fails while the day goes on: the old plan stays, and nothing asked for is lost."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from tests.cloud.conftest import DAY, DEPOT, Office

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WITHIN_S = 60.0


def planned(office: Office, order_id: str, within_s: float = WITHIN_S) -> dict[str, Any]:
    """The order when it is on a route."""
    deadline = time.monotonic() + within_s
    while True:
        order: dict[str, Any] = office.api.get(f"/orders/{order_id}").json()
        if order["route_id"] and order["promise"]:
            return order
        assert time.monotonic() < deadline, f"not on a route after {within_s} s: {order}"
        time.sleep(0.1)


def long_plan(office: Office, seconds: float) -> str:
    asked = office.api.post(
        f"/depots/{DEPOT['id']}/plans/{DAY}/optimize", json={"seconds": seconds}
    )
    deadline = time.monotonic() + 20
    while office.api.get(f"/jobs/{asked.json()['job_id']}").json()["state"] == "queued":
        assert time.monotonic() < deadline, "nobody takes the job"
        time.sleep(0.05)
    return str(asked.headers["location"])


@pytest.fixture(scope="module", autouse=True)
def some_orders(office: Office) -> None:
    for number in range(6):
        office.order(address=f"Street {number}", lat=-29.9100 - number * 0.002)


def test_an_order_that_comes_while_the_first_plan_is_made_is_planned(office: Office) -> None:
    location = long_plan(office, 4)
    late = office.order(address="Late 1", lat=-29.9120)
    assert planned(office, late["id"])["state"] == "planned"
    assert office.finished(location)["state"] == "done"
    assert planned(office, late["id"])["state"] == "planned"


def test_an_urgent_order_does_not_wait_for_a_long_plan(office: Office) -> None:
    location = long_plan(office, 25)
    asked_at = time.monotonic()
    urgent = office.order(address="Urgent 1", lat=-29.9130, priority="urgent")
    planned(office, urgent["id"])
    assert time.monotonic() - asked_at < 20, "it came before the long plan could have ended"
    assert office.api.get(location.removeprefix("/api/v1")).json()["state"] != "failed"
    assert office.finished(location)["state"] == "done"


def test_a_dead_planner_or_road_engine_only_puts_an_order_off(office: Office) -> None:
    for victim in ("planner", "roads"):
        # Snapping needs roads, so the order comes first and the engine dies before it is planned.
        before = office.plan()["revision"]
        pid = office.cloud.part_pid(victim)
        order = office.order(address=f"After {victim}", lat=-29.9140)
        os.kill(pid, signal.SIGKILL)
        planned(office, order["id"])
        assert office.plan()["revision"] > before


def test_an_urgent_order_is_planned_while_the_planner_that_decides_at_once_is_dead(
    office: Office,
) -> None:
    pid = office.cloud.part_pid("quick_planner")
    os.kill(pid, signal.SIGKILL)
    order = office.order(address="Urgent 2", lat=-29.9135, priority="urgent")
    assert planned(office, order["id"])["state"] == "planned"


def test_a_changed_window_and_a_longer_service_change_the_plan(office: Office) -> None:
    order = planned(office, office.order(address="Changing 1", lat=-29.9150)["id"])
    window = {"from": f"{DAY}T16:00:00-03:00", "to": f"{DAY}T17:00:00-03:00"}
    revision = office.plan()["revision"]
    changed = office.api.patch(
        f"/orders/{order['id']}", json={"window": window, "service_s": 1200}
    ).json()
    assert changed["promise"]["original"] == order["promise"]["original"]
    deadline = time.monotonic() + WITHIN_S
    while office.plan()["revision"] == revision:
        assert time.monotonic() < deadline, "the plan does not follow"
        time.sleep(0.1)
    plan = office.plan()
    stop = next(
        s
        for route in plan["routes"]
        for s in route["stops"]
        if s["kind"] == "delivery" and order["id"] in s["order_ids"]
    )
    assert stop["service_s"] == 1200
    assert f"{DAY}T18:45" < stop["planned_arrival"] < f"{DAY}T20:00"


def test_a_locked_database_holds_things_up_and_stops_nothing(office: Office) -> None:
    web = office.cloud.part_pid("web")
    with closing(sqlite3.connect(office.cloud.root / "business.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(9)
        other.execute("ROLLBACK")
    order = office.order(address="After the lock", lat=-29.9160)
    planned(office, order["id"])
    assert office.cloud.part_pid("web") == web
    assert office.api.get("/health").status_code == 200


def test_a_driver_reports_what_cannot_be_loaded_and_goes_on(office: Office) -> None:
    route = office.plan()["routes"][0]
    driver = office.drivers[route["vehicle_id"]]
    pickup = route["stops"][0]
    assert pickup["kind"] == "pickup"
    broken = pickup["order_ids"][0]
    assert driver.post(f"/stops/{pickup['id']}/arrive").status_code == 200
    body = {"outcome": "failed", "reason": "damaged"}
    unnamed = driver.post(f"/stops/{pickup['id']}/outcome", json=body)
    assert (unnamed.status_code, unnamed.json()["errors"][0]["field"]) == (422, "order_id")
    for _ in range(2):
        told = driver.post(f"/stops/{pickup['id']}/outcome", json={**body, "order_id": broken})
        assert (told.status_code, told.json()["state"]) == (200, "arrived"), told.text
    assert office.api.get(f"/orders/{broken}").json()["state"] == "failed_attempt"
    for parcel in driver.get("/drivers/me/route").json()["stops"][0]["parcel_ids"]:
        assert driver.post(f"/parcels/{parcel}/load").status_code == 200
    done = driver.post(f"/stops/{pickup['id']}/outcome", json={"outcome": "picked_up"})
    assert done.json()["state"] == "done", done.text
    deadline = time.monotonic() + WITHIN_S
    while any(
        broken in s["order_ids"] and s["kind"] == "delivery"
        for s in driver.get("/drivers/me/route").json()["stops"]
    ):
        assert time.monotonic() < deadline, "the stop of the failed order stays on the route"
        time.sleep(0.1)
