"""Signs of hours as OpenStreetMap has them, a street with one, and who is delivered there when."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import osmium
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.calendar import Calendar
from cloud.foundation.settings import VanMeasures
from cloud.places.model import Place
from cloud.places.usable import Excluded, Limit, usable, why_excluded
from cloud.planning.visiting import Access
from cloud.roads.access import AccessStreet, access_of
from cloud.roads.city import import_city
from cloud.roads.client import RoadsClient
from cloud.roads.conditional import access_hours, read_week
from cloud.roads.model import Point, Snapped
from tests.parts.roads_engine import roads_engine

ZONE = {"highway": "pedestrian", "name": "Market Street"}
MORNINGS = "delivery @ (Mo-Fr 06:00-10:00; Sa 07:00-09:00)"
TUESDAY, SUNDAY = date(2026, 12, 1), date(2026, 12, 6)


def told(tags: dict[str, str], weight_kg: float = 3_500) -> str:
    """Hours from Monday to Sunday, or the word."""
    found = access_hours(tags, weight_kg)
    if not isinstance(found, Calendar):
        return found
    return " ".join(",".join(map(str, hours)) or "-" for hours in found.week)


@pytest.mark.parametrize(
    ("tags", "hours"),
    [
        (
            ZONE | {"motor_vehicle:conditional": MORNINGS},
            "06:00-10:00 06:00-10:00 06:00-10:00 06:00-10:00 06:00-10:00 07:00-09:00 -",
        ),
        (
            {"access": "no", "goods:conditional": "yes @ 05:00-11:00"},
            " ".join(["05:00-11:00"] * 7),
        ),
        (
            {"vehicle": "no", "vehicle:conditional": "delivery @ (Mo,We 22:00-02:00)"},
            "22:00-00:00 00:00-02:00 22:00-00:00 00:00-02:00 - - -",
        ),
        (
            {"motor_vehicle:conditional": "no @ (Mo-Su 11:00-18:00)"},
            " ".join(["00:00-11:00,18:00-00:00"] * 7),
        ),
        (
            {"access:conditional": "no @ (24/7); delivery @ (Mo-Fr 06:00-09:00,14:00-15:00)"},
            " ".join(["06:00-09:00,14:00-15:00"] * 5 + ["-", "-"]),
        ),
        (
            {"access": "no", "access:conditional": "delivery @ (06:00-10:00; Su off)"},
            " ".join(["06:00-10:00"] * 6 + ["-"]),
        ),
        (
            {
                "access": "no",
                "access:conditional": "delivery @ (Fr 22:00-02:00; Sa 00:00-04:00; Fr off)",
            },
            "- - - - - 00:00-04:00 -",
        ),
        (
            {"access": "no", "access:conditional": "delivery @ (Fr-Mo)"},
            "00:00-00:00 - - - 00:00-00:00 00:00-00:00 00:00-00:00",
        ),
    ],
)
def test_what_signs_say(tags: dict[str, str], hours: str) -> None:
    assert told(tags) == hours


@pytest.mark.parametrize(
    "sign",
    [
        "delivery @ (Mo-Fr 06:00-10:00; PH off)",
        "delivery @ (May-Sep 06:00-10:00)",
        "delivery @ (Fr 22:00-06:00; Sa 10:00-12:00)",
        "delivery @ (Sa 10:00-12:00; Fr 22:00-06:00)",
        "no @ (weight>7.5)",
        "delivery @ (sunrise-10:00)",
        "delivery @ (Mo-Fr 06:00-10:00 AND weight<3.5)",
        "delivery @ (Mo-Fr 6-10)",
        "delivery @ (Mo-Fr 25:00-26:00)",
        "delivery @ (Mo[1] 06:00-10:00)",
        "delivery",
        "@ (06:00-10:00)",
    ],
)
def test_what_is_not_understood_is_not_guessed(sign: str) -> None:
    assert told(ZONE | {"motor_vehicle:conditional": sign}) == "not understood"


def test_a_sign_about_others_or_that_another_one_overrules_is_none() -> None:
    assert told({"highway": "residential"}) == "as ever"
    assert told({"bus:conditional": "yes @ (06:00-10:00)"}) == "as ever"
    assert told({"motorcar": "yes", "access:conditional": "no @ (06:00-10:00)"}) == "as ever"
    lorries = {"highway": "residential", "hgv:conditional": "no @ (22:00-06:00)"}
    assert told(lorries) == "as ever"
    assert told(lorries, 7_500).startswith("06:00-22:00")


@given(st.text(alphabet="MoTuFrSa-,;:0123456789 ()@off", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    week = read_week(text)
    assert week is None or week.shape == (7, 1_440)
    access_hours(ZONE | {"access:conditional": text}, 3_500)


def town(folder: Path) -> Path:
    """A street, a zone that leads off it and is signed, and one whose sign nobody reads."""
    file = folder / "town.osm.pbf"
    nodes = {
        1: (50.0, 10.0), 2: (50.0, 10.002), 3: (50.0, 10.004),
        4: (50.002, 10.002), 5: (50.002, 10.004),
    }  # fmt: skip
    ways: list[tuple[list[int], dict[str, str]]] = [
        ([1, 2, 3], {"highway": "residential", "name": "Main Street"}),
        ([2, 4], ZONE | {"motor_vehicle:conditional": MORNINGS}),
        ([3, 5], ZONE | {"motor_vehicle:conditional": "delivery @ (PH off)", "name": "Riddle"}),
    ]
    with osmium.SimpleWriter(str(file)) as out:
        for number, (lat, lon) in nodes.items():
            out.add_node(osmium.osm.mutable.Node(id=number, location=(lon, lat)))
        for at, (line, tags) in enumerate(ways):
            out.add_way(osmium.osm.mutable.Way(id=10 + at, nodes=line, tags=tags))
    return file


@pytest.mark.slow
def test_a_door_in_a_signed_street_is_served_at_its_hours(tmp_path: Path) -> None:
    said: list[str] = []
    import_city(town(tmp_path), tmp_path / "city", van=VanMeasures(), told=said.append)
    assert "streets that vans may enter at some hours only: 1" in said
    assert "streets whose hours are not understood, and are left out: 1" in said
    drawn = (tmp_path / "city" / "streets.geojson").read_text()
    assert ("Market Street" in drawn, "Riddle" in drawn) == (True, False)
    streets = access_of(tmp_path / "city")()

    async def ask(url: str) -> tuple[Snapped, Snapped, Snapped]:
        async with RoadsClient(url) as roads:
            inside = await roads.snap(50.0015, 10.0021)
            beside = await roads.snap(50.0001, 10.0010)
            riddle = await roads.snap(50.0010, 10.0041)
            through = await roads.table([Point(50.0, 10.0005), Point(50.0015, 10.0021)])
        assert 100 < through.metres[0, 1] < 400
        return inside, beside, riddle

    with roads_engine(city=tmp_path / "city") as engine:
        inside, beside, riddle = asyncio.run(ask(engine.url))
    assert inside.street == "Market Street"
    assert riddle.street != "Riddle", "nobody drives where the sign is not understood"
    market, main = place("m", 50.0015, 10.0021, inside), place("h", 50.0001, 10.0010, beside)
    assert limits(streets, main, TUESDAY) == []
    (limit,) = limits(streets, market, TUESDAY)
    assert [clock(one) for span in limit.spans for one in span] == ["06:00", "09:50"]
    found_before = replace(market, street="Main Street", street_distance_m=165.0)
    assert len(limits(streets, found_before, TUESDAY)) == 1, "the zone came with a newer import"
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp()
    found = usable([Limit("window", ((noon, noon + 3_600),)), limit])
    assert isinstance(found, Excluded)
    assert "the access hours of street 'Market Street' (06:00-09:50)" in why_excluded(found, "UTC")
    (sunday,) = limits(streets, market, SUNDAY)
    assert sunday.spans == ()


def test_a_city_imported_before_has_no_such_streets(tmp_path: Path) -> None:
    assert access_of(tmp_path)() == ()


def place(number: str, lat: float, lon: float, snapped: Snapped) -> Place:
    return Place(
        tenant="main", id=number, address=number, lat=lat, lon=lon,
        street=snapped.street, street_distance_m=snapped.distance_m,
    )  # fmt: skip


def limits(streets: tuple[AccessStreet, ...], door: Place, day: date) -> list[Limit]:
    evening = datetime(day.year, day.month, day.day, 18, tzinfo=UTC).timestamp()
    access = Access(
        day=day, zone="UTC", last=evening, places={door.id: door}, areas=(), streets=streets
    )
    return access.limits(door.id, door.lat, door.lon, 600)


def clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M")
