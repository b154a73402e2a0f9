"""Hours of places and areas, from the office's request to the routes, on each store."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from cloud.fleet.calendar import Hours, calendar_of
from cloud.fleet.hours import local_instant
from cloud.foundation.settings import Settings
from cloud.orders.model import Promise, Span
from cloud.places.areas import AccessArea
from cloud.places.usable import Excluded
from cloud.planning.visiting import OVERTIME_S, Access, Visits, visits_of
from tests.cloud.desk import TODAY, open_desk
from tests.planning import days
from tests.planning.days import DATE, DEPOT, EIGHT, HOUR
from tests.planning.office import Office

CENTRE = [[-71.26, -29.92], [-71.24, -29.92], [-71.24, -29.90], [-71.26, -29.90], [-71.26, -29.92]]


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


def area(*hours: str, ring: list[list[float]] = CENTRE, **told: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"name": "Centro", "hours": {"week": {"mon": list(hours)}}, **told},
    }


def local(text: str) -> float:
    return local_instant(date.fromisoformat(TODAY), text, DEPOT.zone)


def plan_of(office: Office) -> dict[str, Any]:
    office.replan("optimize")
    return dict(office.desk.ask("GET", office.plan).json())


def test_a_door_in_an_area_is_served_at_its_hours(office: Office) -> None:
    made = office.desk.ask("POST", "/access-areas", json=area("06:00-08:00", "15:00-17:00"))
    assert made.status_code == 201
    path = made.headers["Location"].removeprefix("/api/v1")
    assert office.desk.ask("GET", path).json() == made.json()
    plan = plan_of(office)
    assert plan["unserved"] == []
    stops = [one for route in plan["routes"] for one in route["stops"]]
    served = [one for one in stops if one["kind"] == "delivery" and one["lon"] > -71.26]
    assert len(served) == 3
    for stop in served:
        departs = datetime.fromisoformat(stop["planned_departure"]).timestamp()
        assert local("15:00") + 1 <= departs <= local("17:00")


def test_what_has_no_time_left_is_named_and_why(office: Office) -> None:
    desk = office.desk
    assert desk.ask("POST", "/access-areas", json=area("06:00-10:00")).status_code == 201
    window = {"from": "2026-11-23T16:00:00Z", "to": "2026-11-23T18:00:00Z"}
    late = desk.order(reference="late", window=window).json()
    closed = desk.order(reference="closed", address="Closed on Mondays", lat=-29.95).json()
    hours = {"kind": "shop", "hours": {"week": {"tue": ["09:00-18:00"]}}}
    told = desk.ask("PATCH", f"/orders/{closed['id']}/place", json=hours).json()
    assert (told["kind"], told["hours"]["week"]["tue"]) == ("shop", ["09:00-18:00"])
    assert desk.ask("GET", f"/orders/{closed['id']}/place").json() == told
    reasons = {one["order_id"]: one["reason"] for one in plan_of(office)["unserved"]}
    assert "its window (13:00-15:00)" in reasons[late["id"]]
    assert "area 'Centro' (06:00-" in reasons[late["id"]]
    assert "opening hours (closed)" in reasons[closed["id"]]


def test_an_area_has_corners_hours_and_a_depot(office: Office) -> None:
    flat = [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    far = [[-179.0, 0.0], [179.0, 0.0], [0.0, 1.0], [-179.0, 0.0]]
    for body, field in (
        (area("06:00-10:00", ring=flat), "geometry.coordinates"),
        (area("06:00-10:00", depot_id="none"), "properties.depot_id"),
        (area("6-10"), "properties.hours.week.mon.0"),
        (area("06:00-10:00", ring=far), "geometry.coordinates"),
    ):
        told = office.desk.ask("POST", "/access-areas", json=body)
        assert (told.status_code, told.json()["errors"][0]["field"]) == (422, field)


ALL = ((-90.0, -170.0), (-90.0, 170.0), (90.0, 170.0), (90.0, -170.0))


def access(*hours: str) -> Access:
    spans = [Hours.read("x", one) for one in hours]
    week = calendar_of({"sun": spans})
    zone = AccessArea(id="a", name="Centro", points=ALL, hours=week)
    last = EIGHT + 10 * HOUR
    return Access(day=DATE, zone=DEPOT.zone, last=last, places={}, areas=[zone])


def windows(found: Visits | Excluded) -> list[tuple[float, float]]:
    assert not isinstance(found, Excluded)
    return [((one.opens - EIGHT) / HOUR, (one.closes - EIGHT) / HOUR) for one in found["windows"]]


def visits(order: Any, *hours: str, is_fetched: bool = False) -> Visits | Excluded:
    return visits_of(order, lambda lat, lon: 1, 0, access(*hours), is_fetched=is_fetched)


def test_two_openings_are_two_windows_in_which_the_service_also_ends() -> None:
    found = visits(days.order("a"), "06:00-10:00", "16:00-18:30")
    assert windows(found) == [(-2, 1.95), (8, 10)]


def test_a_promise_that_leaves_no_time_is_served_later_that_day() -> None:
    told = Span(EIGHT + 3 * HOUR, EIGHT + 5 * HOUR)
    order = days.order("a", promise=Promise(told, told))
    assert windows(visits(order, "06:00-10:00", "15:00-16:00")) == [(7, 7.95)]
    assert isinstance(visits(order, "06:00-10:00"), Excluded)


def test_a_soft_window_ends_with_the_hours_of_its_door() -> None:
    wish = Span(EIGHT + 2 * HOUR, EIGHT + 3 * HOUR)
    soft = replace(days.order("a", window=wish), window_kind="soft")
    found = visits(soft, "09:00-13:00", "15:00-18:00")
    assert windows(found) == [(2, 3)]
    assert isinstance(found, dict)
    assert found["may_be_late"]
    assert found["late_until"] == EIGHT + 5 * HOUR - soft.service_s
    assert windows(visits(soft, "12:00-13:00")) == [(4, 4.95)]


def test_what_is_aboard_is_delivered_whatever_the_hours() -> None:
    order = days.aboard("a", "van-1")
    assert windows(visits(order, "03:00-04:00", is_fetched=True)) == [(-5, -4.05)]
    overtime = (10 + OVERTIME_S / HOUR - order.service_s / HOUR,) * 2
    assert windows(visits(order, "18:57-19:30", is_fetched=True)) == [overtime]
    assert windows(visits(order, "20:00-21:00", is_fetched=True)) == []
