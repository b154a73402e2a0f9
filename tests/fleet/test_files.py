"""A fleet comes in by CSV and goes out by CSV, and a bad row keeps no good one out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.files import guarded, unguarded
from tests.cloud.desk import Desk, open_desk

FILES = {
    "carriers": "id,name\nswift,Swift Ltd\n",
    "depots": (
        "id,name,zone,lat,lon,mon,tue,special_days\n"
        "north,North,America/Santiago,-29.9,-71.2,08:00-12:00;13:00-18:00,08:00-18:00,"
        "2026-12-25 Christmas;2026-12-24=08:00-12:00\n"
    ),
    "vehicles": (
        "id,name,depot_id,capacity_parcels,carrier_id,capacity_kg,skills\n"
        "van-1,One,north,120,swift,900,fridge;tail_lift\nvan-2,Two,north,80,,,\n"
    ),
    "drivers": "id,name,licences\nana,Ana,b;c1\nbea,Bea,\ncid,Cid,b\n",
    "gateways": "id,name,serial\nbox-1,Box 1,1000abc\n",
    "crews": "id,name,driver_id,helper_ids\nlift,Lift,ana,bea\n",
    "shifts": (
        "id,vehicle_id,driver_id,crew_id,service_date,start,end,breaks\n"
        "s-1,van-1,,lift,2026-11-30,,,12:00-12:30\ns-2,van-2,cid,,2026-11-30,22:00,06:00,\n"
    ),
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = open_desk(tmp_path)
    yield made
    made.close()


def bring(desk: Desk, kind: str, text: str, **query: Any) -> dict[str, Any]:
    answer = desk.ask("POST", f"/fleet/files/{kind}", content=text.encode(), params=query)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def take_out(desk: Desk, kind: str) -> str:
    answer = desk.ask("GET", f"/fleet/files/{kind}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_fleet_comes_in_and_what_goes_out_comes_in_again_unchanged(desk: Desk) -> None:
    for kind, text in FILES.items():
        report = bring(desk, kind, text)
        assert report["refused"] == [], kind
        assert len(report["added"]) == text.count("\n") - 1, kind
    for kind in FILES:
        again = bring(desk, kind, take_out(desk, kind))
        assert (again["added"], again["changed"], again["refused"]) == ([], [], []), kind
    depot = desk.ask("GET", "/depots/north").json()
    assert depot["calendar"]["week"]["mon"] == ["08:00-12:00", "13:00-18:00"]
    assert depot["calendar"]["special"][1]["name"] == "Christmas"


def test_a_new_driver_s_token_is_told_once(desk: Desk) -> None:
    report = bring(desk, "drivers", FILES["drivers"])
    assert sorted(report["tokens"]) == ["ana", "bea", "cid"]
    assert bring(desk, "drivers", FILES["drivers"])["tokens"] == {}


def test_a_dry_run_tells_all_and_keeps_nothing(desk: Desk) -> None:
    report = bring(desk, "drivers", FILES["drivers"] + "../x,Bad,\n", dry_run=True)
    assert (report["added"], report["tokens"]) == (["ana", "bea", "cid"], {})
    assert [(one["row"], one["field"]) for one in report["refused"]] == [(5, "id")]
    assert desk.ask("GET", "/drivers").json()["items"] == []


def test_a_bad_row_names_its_field_and_the_remedy_and_the_rest_is_kept(desk: Desk) -> None:
    rows = [
        "id,name,depot_id,capacity_parcels,carrier_id,capacity_kg,skills",
        "van-1,One,la-serena,9,,,",
        "van-2,Two,nowhere,9,,,",
        "van-3,Three,la-serena,many,,,",
        "van-4,Four,la-serena,9,nobody,,",
        "van-5,Five,la-serena,9,,-1,",
        "van-6,Six,la-serena,9,,,Tail lift",
        "van-1,Again,la-serena,9,,,",
        "van-7,Seven,la-serena,9,,,,one too many",
    ]
    report = bring(desk, "vehicles", "\n".join(rows))
    assert report["added"] == ["van-1"]
    assert [(one["row"], one["field"]) for one in report["refused"]] == [
        (3, "depot_id"), (4, "capacity_parcels"), (5, "carrier_id"), (6, "capacity_kg"),
        (7, "skills"), (8, "id"), (9, "row"),
    ]  # fmt: skip
    assert all(one["problem"] and one["remedy"] for one in report["refused"])


def test_a_row_with_a_zone_that_nobody_drew_is_refused(desk: Desk) -> None:
    report = bring(desk, "drivers", "id,name,zones\nana,Ana,\nbea,Bea,nowhere\n")
    (row,) = report["refused"]
    assert (report["added"], row["row"]) == (["ana"], 3)
    assert (row["field"], row["value"]) == ("zones", "nowhere")
    report = bring(desk, "drivers", "id,name,zones\nana,Ana,nowhere\n")
    assert (report["changed"], report["refused"][0]["field"]) == ([], "zones")


def test_a_file_of_two_columns_changes_nothing_else(desk: Desk) -> None:
    bring(desk, "drivers", FILES["drivers"])
    report = bring(desk, "drivers", "id,name\nana,Ana Rojas\nbea,Bea\n")
    assert (report["changed"], report["unchanged"]) == (["ana"], 1)
    assert desk.ask("GET", "/drivers/ana").json()["licences"] == ["b", "c1"]


@pytest.mark.parametrize("text", ["", "id\nx\n", "id,name,colour\n", 'id,name\n"x'])
def test_what_is_no_such_file_is_refused_whole(desk: Desk, text: str) -> None:
    answer = desk.ask("POST", "/fleet/files/carriers", content=text.encode())
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "file"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+56 51 2", "'+56 51 2"),
        ("@home", "'@home"),
        ("-71.25", "-71.25"),
        ("-71.25;-1", "'-71.25;-1"),
        ("'=1", "''=1"),
        ("O'Higgins", "O'Higgins"),
    ],
)
def test_no_cell_is_taken_for_a_formula(text: str, told: str) -> None:
    assert guarded(text) == told
    assert unguarded(told) == text


@given(st.text(alphabet="'=+-@\t1.ea ", max_size=8))
def test_whatever_is_guarded_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "@", "\t"))
