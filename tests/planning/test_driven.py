"""From the order to the depot's yard: what drivers do with shops and returns, on each store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from cloud.drivers.service import DriverWork, Report
from cloud.foundation.errors import Conflict
from cloud.foundation.outbox import Outbox, outbox
from cloud.foundation.settings import Settings
from cloud.planning.door_times import DoorTimes
from cloud.planning.events import RouteFinished
from tests.cloud.desk import NOW, StillClock, open_desk
from tests.planning.office import Office

SHOP = {"address": "Bakery", "lat": -29.93, "lon": -71.26}
PICKED_UP = Report(outcome="picked_up", reason=None, order_id=None)
DELIVERED = Report(outcome="delivered", reason="recipient", order_id=None)
NOT_HOME = Report(outcome="failed", reason="not_home", order_id=None)


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


class Round:
    """The van that serves an order, driven stop by stop."""

    def __init__(self, office: Office, order_id: str) -> None:
        database = office.desk.database
        self.office = office
        self.work = DriverWork(database, StillClock(), Outbox(database))
        plan = office.ask("GET", office.plan, 200)
        (self.route,) = [
            route
            for route in plan["routes"]
            if any(order_id in stop["order_ids"] for stop in route["stops"])
        ]
        self.driver = f"of-{self.route['vehicle_id']}"

    def do(self, stop: Any, report: Report | None = None) -> None:
        if stop["kind"] == "pickup" and report is None:
            for parcel in stop["parcel_ids"]:
                self.work.load("main", self.driver, parcel)
        self.work.arrive("main", self.driver, stop["id"], None)
        usual = PICKED_UP if stop["kind"] == "pickup" else DELIVERED
        self.work.report("main", self.driver, stop["id"], report or usual, None)

    def drive(self) -> None:
        for stop in self.route["stops"]:
            self.do(stop)

    def order(self, order_id: str) -> Any:
        return self.office.ask("GET", f"/orders/{order_id}", 200)


def test_what_is_fetched_in_a_shop_is_scanned_there_and_delivered(office: Office) -> None:
    orders = [office.order(pickup=SHOP, parcels=2, lat=-29.91 - n / 900) for n in range(2)]
    office.replan("optimize")
    driven = Round(office, orders[0])
    halts = [one for one in driven.route["stops"] if one["address"] == "Bakery"]
    assert [set(one["order_ids"]) for one in halts] == [set(orders)]
    parcel = halts[0]["parcel_ids"][0]
    if driven.route["stops"][0] != halts[0]:
        with pytest.raises(Conflict, match="not for"):
            driven.work.load("main", driven.driver, parcel)
    driven.drive()
    for one in orders:
        told = driven.order(one)
        assert told["state"] == "delivered"
        assert {piece["whereabouts"]["kind"] for piece in told["parcels"]} == {"handed_over"}
    with office.desk.database.reading() as connection:
        finished = connection.execute(
            select(outbox.c.payload).where(outbox.c.kind == "RouteFinished")
        )
        (payload,) = finished.scalars()
    told = msgspec.json.decode(payload, type=RouteFinished)
    assert (told.driver_id, told.route_id) == (driven.driver, driven.route["id"])


def test_a_return_ends_at_the_depot(office: Office) -> None:
    back = office.order(kind="return", address="Back street", lat=-29.905)
    office.replan("optimize")
    driven = Round(office, back)
    stops = [one for one in driven.route["stops"] if back in one["order_ids"]]
    assert [one["kind"] for one in stops] == ["pickup", "delivery"]
    promise = driven.order(back)["promise"]["current"]
    assert stops[0]["window"] == promise
    for stop in driven.route["stops"]:
        driven.do(stop)
        if stop == stops[0]:
            assert driven.order(back)["state"] == "returning"
            office.replan("optimize")
    told = driven.order(back)
    assert told["state"] == "returned"
    assert told["parcels"][0]["whereabouts"] == {"kind": "depot", "at": "la-serena"}


def test_a_return_that_nobody_hands_over_is_a_failed_attempt(office: Office) -> None:
    back = office.order(kind="return", lat=-29.905)
    office.replan("optimize")
    driven = Round(office, back)
    for stop in driven.route["stops"]:
        if stop["kind"] == "pickup" and back in stop["order_ids"]:
            driven.do(stop, NOT_HOME)
            break
        driven.do(stop)
    assert driven.order(back)["state"] == "failed_attempt"
    office.replan("optimize")
    plan = office.ask("GET", office.plan, 200)
    done = [s for route in plan["routes"] for s in route["stops"] if back in s["order_ids"]]
    assert [(one["kind"], one["state"]) for one in done] == [("pickup", "done")]


def test_what_doors_have_taken_is_planned_where_nobody_said_it(office: Office) -> None:
    known = office.order(service_s=600, address="Office tower", lat=-29.904)
    office.replan("optimize")
    driven = Round(office, known)
    for stop in driven.route["stops"]:
        driven.work.arrive("main", driven.driver, stop["id"], NOW - 400)
        driven.do(stop)
    times = DoorTimes(office.desk.database, StillClock()).of("main", "la-serena")
    place = office.ask("GET", f"/orders/{known}/place", 200)["id"]
    assert 180 < times.by_place[place] < 400
    again = office.order(address="Office tower", lat=-29.904, reference="again")
    office.replan("new_order")
    stop_id = driven.order(again)["stop_id"]
    plan = office.ask("GET", office.plan, 200)
    (stop,) = [s for route in plan["routes"] for s in route["stops"] if s["id"] == stop_id]
    assert not driven.order(again)["is_service_given"]
    assert stop["service_s"] == 180
    office.maker._door_times = DoorTimes(office.desk.database, StillClock())
    office.replan("optimize")
    plan = office.ask("GET", office.plan, 200)
    (stop,) = [s for route in plan["routes"] for s in route["stops"] if s["id"] == stop_id]
    assert stop["service_s"] == round(times.by_place[place])


def test_what_was_scanned_sets_out_though_the_last_order_is_missing(office: Office) -> None:
    orders = [office.order(pickup=SHOP, lat=-29.91 - n / 900) for n in range(3)]
    office.replan("optimize")
    driven = Round(office, orders[0])
    stops = driven.route["stops"]
    (halt,) = [one for one in stops if one["address"] == "Bakery"]
    assert set(halt["order_ids"]) == set(orders)
    for stop in stops[: stops.index(halt)]:
        driven.do(stop)
    *scanned, missing = halt["order_ids"]
    for one in scanned:
        for parcel in driven.order(one)["parcels"]:
            driven.work.load("main", driven.driver, parcel["id"])
    driven.work.arrive("main", driven.driver, halt["id"], None)
    failed = Report(outcome="failed", reason="damaged", order_id=missing)
    assert driven.work.report("main", driven.driver, halt["id"], failed, None).state == "done"
    assert {driven.order(one)["state"] for one in scanned} == {"out_for_delivery"}
    assert driven.order(missing)["state"] == "failed_attempt"
