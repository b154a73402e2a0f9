"""Where and when orders are fetched, by form and by file, on each store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.foundation.settings import Settings
from tests.cloud.desk import Desk, open_desk

SHOP = {
    "address": "Bakery",
    "lat": -29.93,
    "lon": -71.26,
    "window": {"from": "2026-11-23T13:00:00.000Z", "to": "2026-11-23T15:00:00.000Z"},
}
HEADER = (
    "reference,address,lat,lon,kind,ready_from,pickup_address,pickup_lat,pickup_lon,"
    "pickup_from,pickup_to\n"
)


@pytest.fixture
def desk(tmp_path: Path, kept_in: Settings) -> Iterator[Desk]:
    opened = open_desk(tmp_path, kept_in)
    yield opened
    opened.close()


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["field"]


def test_an_order_from_a_shop_lies_there_and_says_so(desk: Desk) -> None:
    made = desk.order(pickup=SHOP, priority="urgent").json()
    again = desk.order(pickup=SHOP, reference="two").json()
    assert made["pickup"] == SHOP
    assert desk.ask("GET", f"/orders/{made['id']}").json()["pickup"] == SHOP
    places = {one["parcels"][0]["whereabouts"]["at"] for one in (made, again)}
    kinds = {one["parcels"][0]["whereabouts"]["kind"] for one in (made, again)}
    assert (kinds, len(places)) == ({"shop"}, 1)


def test_an_order_is_answered_as_it_is_told_later(desk: Desk) -> None:
    recipient = {"name": "Rosa", "phone": "+56 9 1234"}
    window = {"from": "2026-11-23T13:00:00.000Z", "to": "2026-11-23T15:00:00.000Z"}
    plain = desk.order(reference="plain").json()
    full = desk.order(
        pickup=SHOP, reference="full", recipient=recipient, note="bell broken", window=window,
        window_kind="soft", service_s=90, weight_kg=2.5, volume_litres=8.0, needs=["fridge"],
        parcels=2, ready_from="2026-11-23T13:30:00.000Z", wait_until="2026-11-24",
    ).json()  # fmt: skip
    for made in (plain, full):
        assert desk.ask("GET", f"/orders/{made['id']}").json() == made
    assert (full["recipient"], full["note"]) == (recipient, "bell broken")


def test_a_file_names_shops_returns_and_ready_times_as_a_form_does(desk: Desk) -> None:
    rows = (
        "S-1,Balmaceda 1,-29.91,-71.252,,,Bakery,-29.93,-71.26,10:00,12:00\n"
        "S-2,Balmaceda 2,-29.91,-71.253,return,,,,,,\n"
        "S-3,Balmaceda 3,-29.91,-71.254,,13:30,,,,,\n"
    )
    report = desk.file(HEADER + rows).json()
    assert report["refused"] == []
    shop, back, wave = (desk.ask("GET", f"/orders/{one}").json() for one in report["order_ids"])
    assert shop["pickup"] == SHOP
    assert (back["kind"], back["parcels"][0]["whereabouts"]["kind"]) == ("return", "handed_over")
    assert wave["ready_from"] == "2026-11-23T16:30:00.000Z"
    assert wave["parcels"][0]["whereabouts"]["kind"] == "depot"


def test_a_ready_time_may_change(desk: Desk) -> None:
    made = desk.order().json()
    path = f"/orders/{made['id']}"
    later = {"ready_from": "2026-11-23T16:00:00.000Z"}
    assert desk.ask("PATCH", path, json=later).json()["ready_from"] == later["ready_from"]
    assert desk.ask("PATCH", path, json={"ready_from": None}).json()["ready_from"] is None
    wrong = desk.ask("PATCH", path, json={"ready_from": "2026-11-27T16:00:00.000Z"})
    assert problem(wrong) == (422, "ready_from")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"kind": "return", "pickup": SHOP}, "pickup"),
        ({"kind": "return", "ready_from": "2026-11-23T16:00:00.000Z"}, "ready_from"),
        ({"ready_from": "2026-11-29T16:00:00.000Z"}, "ready_from"),
        ({"kind": "barter"}, "kind"),
        ({"pickup": {**SHOP, "lat": 91}}, "pickup.lat"),
    ],
)
def test_what_makes_no_sense_is_named(wanted: dict[str, Any], field: str, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    assert problem(desk.order(**wanted)) == (422, field)
    desk.close()


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("A,Street 1,-29.9,-71.2,loan,,,,,,\n", "kind"),
        ("A,Street 1,-29.9,-71.2,,,Bakery,,-71.2,,\n", "pickup_lat"),
        ("A,Street 1,-29.9,-71.2,,,,-29.9,-71.2,,\n", "pickup_address"),
        ("A,Street 1,-29.9,-71.2,,,Bakery,-29.9,-71.2,12:00,10:00\n", "pickup_to"),
        ("A,Street 1,-29.9,-71.2,,25:99,,,,,\n", "ready_from"),
        ("A,Street 1,-29.9,-71.2,return,,Bakery,-29.9,-71.2,,\n", "pickup"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(row: str, field: str, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    (refused,) = desk.file(HEADER + row).json()["refused"]
    assert refused["field"] == field
    desk.close()
