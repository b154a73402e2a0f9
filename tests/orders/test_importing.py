"""A file's rows are each imported or refused, whatever part of it they are stored in."""

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.settings import Settings
from cloud.orders.api import IMPORT_PATH
from cloud.orders.intake import COLUMNS, REQUIRED
from tests.cloud.desk import NOW, TODAY, Desk, open_desk, run


@pytest.fixture
def desk(tmp_path: Path, kept_in: Settings) -> Iterator[Desk]:
    opened = open_desk(tmp_path, kept_in)
    yield opened
    opened.close()


def rows(count: int, parcels: int = 1) -> str:
    lines = (f"R-{n},Street {n},-29.9,{-71.2 - n / 1e5:.5f},{parcels}\n" for n in range(count))
    return "reference,address,lat,lon,parcels\n" + "".join(lines)


def test_every_row_of_a_file_in_many_parts_is_told_of(desk: Desk) -> None:
    assert desk.order(reference="R-120").status_code == 201
    twice = "R-7,Again,-29.9,-71.2,1\nR-251,Bad,north,-71.2,1\n"
    report = desk.file(rows(250) + twice).json()
    assert [(one["row"], one["field"]) for one in report["refused"]] == [
        (122, "reference"),
        (252, "reference"),
        (253, "lat"),
    ]
    assert report["imported"] == len(report["order_ids"]) == 249
    listed = desk.ask("GET", "/orders", params={"limit": 500}).json()["items"]
    assert {one["id"] for one in listed} >= set(report["order_ids"])
    assert len(listed) == 250
    again = desk.file(rows(250)).json()
    assert (again["imported"], len(again["refused"])) == (0, 250)


def test_the_parcels_of_an_order_come_by_their_number(desk: Desk) -> None:
    (order_id,) = desk.file(rows(1, parcels=12)).json()["order_ids"]
    parcels = desk.ask("GET", f"/orders/{order_id}").json()["parcels"]
    assert [one["label"] for one in parcels] == [f"R-0/{number}" for number in range(1, 13)]


def test_an_urgent_row_without_a_window_gets_the_one_that_a_form_gets(desk: Desk) -> None:
    csv = "address,lat,lon,priority\nBalmaceda 1,-29.91,-71.252,urgent\n"
    (order_id,) = desk.file(csv).json()["order_ids"]
    by_file = desk.ask("GET", f"/orders/{order_id}").json()
    by_form = desk.order(priority="urgent").json()
    assert by_file["window"] == by_form["window"]
    assert by_file["window"] == {"from": to_rfc3339(NOW), "to": to_rfc3339(NOW + 7200)}


def test_what_an_order_weighs_and_needs_comes_by_file_and_form_and_may_change(desk: Desk) -> None:
    csv = (
        "address,lat,lon,weight_kg,volume_litres,needs\n"
        "Balmaceda 1,-29.91,-71.252,12.5,40,two_man;fridge\nBalmaceda 2,-29.91,-71.252,,,\n"
        "Balmaceda 3,-29.91,-71.252,-1,,\nBalmaceda 4,-29.91,-71.252,,,Cold!\n"
    )
    report = desk.file(csv).json()
    assert [one["field"] for one in report["refused"]] == ["weight_kg", "needs"]
    heavy, plain = (
        desk.ask("GET", f"/orders/{order_id}").json() for order_id in report["order_ids"]
    )
    names = ("weight_kg", "volume_litres", "needs")
    assert [heavy[name] for name in names] == [12.5, 40, ["fridge", "two_man"]]
    assert [plain[name] for name in names] == [None, None, []]
    by_form = desk.order(weight_kg=3, volume_litres=7.5, needs=["tail_lift"]).json()
    assert [by_form[name] for name in names] == [3, 7.5, ["tail_lift"]]
    changed = desk.ask("PATCH", f"/orders/{by_form['id']}", json={"needs": [], "weight_kg": None})
    assert [changed.json()[name] for name in names] == [None, 7.5, []]
    refused = desk.order(needs=["Not A Word"])
    assert refused.status_code == 422
    assert "needs" in refused.text


def test_a_file_of_too_many_parcels_is_refused_as_a_whole(desk: Desk) -> None:
    answer = desk.file(rows(101, parcels=1_000))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "file")
    assert desk.ask("GET", "/orders").json()["items"] == []


def test_others_are_answered_while_a_file_waits_for_the_database(desk: Desk) -> None:
    may_go, is_held = threading.Event(), threading.Event()

    def hold() -> None:
        with desk.database.writing():
            is_held.set()
            may_go.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(10)

    async def import_and_look() -> tuple[int, int]:
        async with desk.client() as client, asyncio.TaskGroup() as tasks:
            query = {"depot_id": "la-serena", "service_date": TODAY}
            importing = tasks.create_task(
                client.post(IMPORT_PATH, params=query, content=rows(20), timeout=30)
            )
            await asyncio.sleep(0.2)
            looked = await client.get("/orders")
            is_waiting = not importing.done()
            may_go.set()
            assert is_waiting
            return looked.status_code, (await importing).json()["imported"]

    try:
        assert run(import_and_look()) == (200, 20)
    finally:
        may_go.set()
        holder.join()


DOCS = Path(__file__).parents[2] / "docs"


def test_the_example_of_the_documents_is_taken_whole(desk: Desk) -> None:
    report = desk.file((DOCS / "orders.csv").read_text()).json()
    assert report["refused"] == []
    made = [desk.ask("GET", f"/orders/{one}").json() for one in report["order_ids"]]
    assert [one["kind"] for one in made] == ["delivery", "delivery", "delivery", "return"]
    assert [one["priority"] for one in made] == ["normal", "normal", "urgent", "normal"]
    assert made[1]["ready_from"] == "2026-11-23T14:30:00.000Z"
    assert made[2]["pickup"]["address"] == "Pharmacy, Prat 420"
    assert made[3]["needs"] == ["two_man"]


def test_the_documents_tell_every_column_and_no_other() -> None:
    rows = re.findall(r"^\| (.+?) \|", (DOCS / "orders.md").read_text(), re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(COLUMNS)
    needed = [name for row in rows for name in re.findall(r"\*\*`(\w+)`\*\*", row)]
    assert needed == list(REQUIRED)
