"""A small day from the first order to the last outcome, with an urgent order in its middle."""

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.cloud.conftest import BEFORE_WORK, DAY, Office
from wire import codec, messages, topics

pytestmark = pytest.mark.slow

DOORS = [(-29.9100, -71.2520), (-29.9150, -71.2550), (-29.9205, -71.2600), (-29.9060, -71.2450)]


class Gateway:
    """A van's end of the wire: publishes fixes and hears of its route."""

    def __init__(self, office: Office, van: str) -> None:
        told = office.api.post(f"/vehicles/{van}/gateway").json()
        self.van = van
        self.routes: queue.Queue[messages.Route] = queue.Queue()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=told["client_id"], protocol=paho.MQTTv311
        )
        self._client.username_pw_set(told["username"], told["password"])
        self._client.on_connect = self._subscribe
        self._client.on_message = lambda _c, _d, message: self.routes.put(
            codec.decode(bytes(message.payload), messages.Route)
        )
        self._client.connect(told["broker"]["host"], told["broker"]["port"])
        self._client.loop_start()

    def _subscribe(self, *_: Any) -> None:
        self._client.subscribe(topics.down("main", self.van, "route"), qos=1)

    def stands_at(self, lat: float, lon: float, at_s: float) -> None:
        fix = messages.Fix(
            recorded_at_ms=round(at_s * 1000),
            fix_time_ms=round(at_s * 1000),
            lat_e7=round(lat * 1e7),
            lon_e7=round(lon * 1e7),
            mode=3,
            speed_cmps=0,
        )
        topic = topics.up("main", self.van, "live")
        self._client.publish(topic, codec.encode_live(messages.Live(fix=fix)))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def connected(office: Office, van: str) -> Iterator[Gateway]:
    gateway = Gateway(office, van)
    try:
        yield gateway
    finally:
        gateway.close()


def wait_for(what: str, look: Any, within_s: float = 15.0) -> Any:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {within_s} s for {what}")


def refused(answer: httpx.Response, says: str) -> None:
    assert answer.status_code == 409, answer.text
    assert says in answer.json()["detail"]


def routes_by_van(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {route["vehicle_id"]: route for route in plan["routes"]}


def state(office: Office, order_id: str) -> str:
    return str(office.api.get(f"/orders/{order_id}").json()["state"])


def load_all(driver: httpx.Client, stop: dict[str, Any]) -> None:
    for parcel in stop["parcel_ids"]:
        assert driver.post(f"/parcels/{parcel}/load").status_code == 200
    done = driver.post(f"/stops/{stop['id']}/outcome", json={"outcome": "picked_up"})
    assert (done.status_code, done.json()["state"]) == (200, "done"), done.text


def deliver(driver: httpx.Client, stop: dict[str, Any]) -> None:
    assert driver.post(f"/stops/{stop['id']}/arrive").status_code == 200
    body = {"outcome": "delivered", "reason": "recipient"}
    assert driver.post(f"/stops/{stop['id']}/outcome", json=body).status_code == 200


@pytest.fixture(scope="module")
def planned(office: Office) -> dict[str, dict[str, Any]]:
    """Twelve orders planned on both vans; the routes by van."""
    for number in range(12):
        lat, lon = DOORS[number % 4]
        far = number // 4
        made = office.order(
            address=f"Street {number}", lat=lat - far * 0.004, lon=lon, parcels=1 + number % 2
        )
        assert made["state"] == "received"
    return routes_by_van(office.optimize())


def test_the_first_plan_serves_all_and_promises_each(
    office: Office, planned: dict[str, dict[str, Any]]
) -> None:
    plan = office.plan()
    assert (plan["revision"], plan["unserved"]) == (1, [])
    served = [
        o
        for r in plan["routes"]
        for s in r["stops"]
        if s["kind"] == "delivery"
        for o in s["order_ids"]
    ]
    assert len(served) == len(set(served)) == 12
    for order_id in served:
        order = office.api.get(f"/orders/{order_id}").json()
        assert order["state"] == "planned"
        assert order["promise"]["original"] == order["promise"]["current"]
        assert order["route_id"] in {route["id"] for route in plan["routes"]}
    for route in planned.values():
        assert route["stops"][0]["kind"] == "pickup"
        assert len(route["geometry"]["coordinates"]) > 20
        arrivals = [stop["planned_arrival"] for stop in route["stops"]]
        assert arrivals == sorted(arrivals)


def test_a_driver_works_by_the_state_table(
    office: Office, planned: dict[str, dict[str, Any]]
) -> None:
    van, route = next(iter(planned.items()))
    driver, pickup, first = office.drivers[van], route["stops"][0], route["stops"][1]
    assert driver.get("/drivers/me/route").json()["id"] == route["id"]
    refused(driver.post(f"/stops/{first['id']}/arrive"), f"stop {pickup['id']} comes first")
    refused(driver.post(f"/stops/{pickup['id']}/outcome", json={"outcome": "picked_up"}), "arrived")
    other = next((r for v, r in planned.items() if v != van), None)
    if other is not None:
        refused(driver.post(f"/parcels/{other['stops'][0]['parcel_ids'][0]}/load"), "not for")
    assert driver.post("/parcels/none/load").status_code == 404
    parcel = pickup["parcel_ids"][0]
    for _ in range(2):
        loaded = driver.post(f"/parcels/{parcel}/load").json()
        assert loaded["whereabouts"] == {"kind": "van", "at": van}
    refused(
        driver.post(f"/stops/{pickup['id']}/outcome", json={"outcome": "picked_up"}), "not aboard"
    )
    load_all(driver, pickup)
    assert {state(office, o) for o in pickup["order_ids"]} == {"out_for_delivery"}
    arrived = driver.post(f"/stops/{first['id']}/arrive").json()
    assert (arrived["state"], state(office, first["order_ids"][0])) == (
        "arrived",
        "out_for_delivery",
    )
    bad = driver.post(f"/stops/{first['id']}/outcome", json={"outcome": "failed"})
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "reason")
    body = {"outcome": "delivered", "reason": "recipient"}
    answers = [driver.post(f"/stops/{first['id']}/outcome", json=body) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert state(office, first["order_ids"][0]) == "delivered"
    order = office.api.get(f"/orders/{first['order_ids'][0]}").json()
    assert {one["whereabouts"]["kind"] for one in order["parcels"]} == {"handed_over"}
    other_outcome = {"outcome": "failed", "reason": "not_home"}
    refused(driver.post(f"/stops/{first['id']}/outcome", json=other_outcome), "has the outcome")


def test_arrivals_are_told_of_every_stop_ahead(
    office: Office, planned: dict[str, dict[str, Any]]
) -> None:
    told = office.api.get(f"/depots/la-serena/plans/{DAY}/arrivals").json()["routes"]
    assert {one["vehicle_id"] for one in told} == set(planned)
    for one in told:
        route = office.api.get(f"/routes/{one['route_id']}").json()
        ahead = [stop["id"] for stop in route["stops"] if stop["state"] == "open"]
        assert [item["stop_id"] for item in one["items"]] == ahead
        for item in one["items"]:
            assert one["computed_at"] <= item["p10"] <= item["p50"] <= item["p90"]
        alone = office.api.get(f"/routes/{one['route_id']}/arrivals").json()
        assert [item["stop_id"] for item in alone["items"]] == ahead


def test_a_driver_who_goes_elsewhere_first_is_followed(
    office: Office, planned: dict[str, dict[str, Any]]
) -> None:
    van = next(iter(planned))
    driver, revisions = office.drivers[van], f"/depots/la-serena/plans/{DAY}/revisions"
    before = driver.get("/drivers/me/route").json()
    ahead = [stop["id"] for stop in before["stops"] if stop["state"] == "open"]
    assert driver.post(f"/stops/{ahead[1]}/arrive").status_code == 200
    wanted = [ahead[1], ahead[0], *ahead[2:]]
    refused(driver.post(f"/stops/{ahead[0]}/arrive"), "report its outcome")

    def followed() -> Any:
        newest = office.api.get(revisions).json()["items"][-1]
        return newest if newest["trigger"] == "driver_reordered" else None

    told = wait_for("the plan to follow", followed)
    (moved,) = told["diff"]["moved"]
    route = driver.get("/drivers/me/route").json()
    stops = [stop for stop in route["stops"] if stop["state"] != "done"]
    assert [stop["id"] for stop in stops] == wanted
    assert moved["order_id"] in {*stops[0]["order_ids"], *stops[1]["order_ids"]}
    assert route["revision"] == told["number"]
    assert route["geometry"] != before["geometry"]
    arrivals = [stop["planned_arrival"] for stop in stops[1:]]
    assert arrivals == sorted(arrivals)
    forecast = office.api.get(f"/routes/{route['id']}/arrivals").json()["items"]
    assert [one["stop_id"] for one in forecast] == wanted[1:]
    deliver(driver, stops[0])
    seen = {"revision": route["revision"]}
    assert driver.post(f"/stops/{wanted[-1]}/next", json=seen).status_code == 202
    wait_for("the plan to follow again", lambda: followed()["number"] > told["number"])
    route = driver.get("/drivers/me/route").json()
    first = next(stop for stop in route["stops"] if stop["state"] == "open")
    assert first["id"] == wanted[-1]
    assert driver.delete("/drivers/me/route/order").status_code == 204


def test_an_urgent_order_changes_routes_under_way_and_reaches_the_van(
    office: Office, planned: dict[str, dict[str, Any]]
) -> None:
    for van, route in planned.items():
        driver = office.drivers[van]
        mine = driver.get("/drivers/me/route").json()
        if mine["stops"][0]["state"] == "open":
            load_all(driver, route["stops"][0])
    before = routes_by_van(office.plan())
    with connected(office, "van-1") as one, connected(office, "van-2") as two:
        for gateway in (one, two):
            gateway.stands_at(-29.9080, -71.2500, BEFORE_WORK + 60)
        wait_for(
            "both vans on the board",
            lambda: all(v["position"] for v in office.api.get("/vehicles").json()["items"]),
        )
        urgent = office.order(address="Urgent 1", lat=-29.9120, lon=-71.2530, priority="urgent")
        asked_at = time.monotonic()
        found = wait_for(
            "the urgent order on a route",
            lambda: (o := office.api.get(f"/orders/{urgent['id']}").json())["route_id"] and o,
        )
        assert time.monotonic() - asked_at < 15
        after = routes_by_van(office.plan())
        changed = next(r for r in after.values() if r["id"] == found["route_id"])
        sent = wait_for(
            "the route on the van's wire",
            lambda: newest(one if changed["vehicle_id"] == "van-1" else two, changed["revision"]),
        )
    for van, route in after.items():
        was = [s for s in before[van]["stops"] if s["state"] == "done"]
        frozen = next((s for s in before[van]["stops"] if s["state"] != "done"), None)
        expected = [s["id"] for s in was] + ([frozen["id"]] if frozen else [])
        assert [s["id"] for s in route["stops"]][: len(expected)] == expected
    kinds = [s["kind"] for s in changed["stops"] if urgent["id"] in s["order_ids"]]
    assert kinds == ["pickup", "delivery"]
    assert [s.stop for s in sent.stops] == [
        s["id"] for s in changed["stops"] if s["state"] != "done"
    ]
    assert "Urgent 1" not in msgspec.json.encode(sent).decode()
    newest_revision = office.api.get(f"/depots/la-serena/plans/{DAY}/revisions").json()["items"][-1]
    assert newest_revision["trigger"] == "urgent_order"
    assert urgent["id"] in newest_revision["reason"]
    assert newest_revision["diff"]["added"] == [urgent["id"]]


def newest(gateway: Gateway, revision: int) -> messages.Route | None:
    while True:
        try:
            route = gateway.routes.get_nowait()
        except queue.Empty:
            return None
        if route.revision == revision:
            return route


def test_a_cancelled_stop_leaves_the_route_even_while_it_is_driven_to(office: Office) -> None:
    van, route = next(
        (v, r)
        for v, r in routes_by_van(office.plan()).items()
        if any(s["kind"] == "delivery" and s["state"] == "open" for s in r["stops"])
    )
    frozen = next(s for s in route["stops"] if s["state"] == "open")
    order_id = frozen["order_ids"][0]
    assert (
        office.api.post(f"/orders/{order_id}/cancel", json={"reason": "moved"}).status_code == 200
    )
    wait_for(
        "the stop to leave the route",
        lambda: all(s["id"] != frozen["id"] for s in routes_by_van(office.plan())[van]["stops"]),
    )
    newest_revision = office.api.get(f"/depots/la-serena/plans/{DAY}/revisions").json()["items"][-1]
    assert newest_revision["trigger"] == "cancellation"


def test_the_day_ends_with_every_stop_done_and_none_visited_twice(office: Office) -> None:
    for van, driver in office.drivers.items():
        visited: list[str] = []
        while True:
            open_stops = [
                s for s in driver.get("/drivers/me/route").json()["stops"] if s["state"] != "done"
            ]
            if not open_stops:
                break
            stop = open_stops[0]
            assert stop["id"] not in visited, van
            visited.append(stop["id"])
            if stop["kind"] == "pickup":
                load_all(driver, stop)
            else:
                deliver(driver, stop)
    assert {r["state"] for r in office.plan()["routes"]} == {"finished"}
    states = {o["state"] for o in office.api.get("/orders").json()["items"]}
    assert states == {"delivered", "cancelled"}
