"""The engine's compact tables: what it says of no way, and bytes that are none of its own."""

import asyncio
import struct
from pathlib import Path

import httpx
import msgspec
import osmium
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.roads.city import import_city
from cloud.roads.client import RoadsClient
from cloud.roads.flat import read_failure, read_table
from cloud.roads.model import NO_WAY, Point
from tests.parts.roads_engine import RoadEngine, roads_engine

PLACES = [(50.0, 10.0), (50.0, 10.002), (50.0, 10.004)]


@pytest.fixture(scope="module")
def answer(engine: RoadEngine) -> bytes:
    body = {
        "coordinates": [(-71.2519, -29.9027), (-71.3393, -29.9533)],
        "annotations": ["duration", "distance"],
        "generate_hints": False,
        "format": "flatbuffers",
    }
    asked = msgspec.json.encode(body)
    json = {"content-type": "application/json"}
    return httpx.post(f"{engine.url}/table/v1/driving", content=asked, headers=json).content


@pytest.mark.slow
def test_where_no_way_leads_the_table_says_so_and_a_way_of_no_length_is_one(tmp_path: Path) -> None:
    file = tmp_path / "town.osm.pbf"
    with osmium.SimpleWriter(str(file)) as out:
        for at, (lat, lon) in enumerate(PLACES):
            out.add_node(osmium.osm.mutable.Node(id=1 + at, location=(lon, lat)))
        tags = {"highway": "residential", "oneway": "yes"}
        out.add_way(osmium.osm.mutable.Way(id=1, nodes=[1, 2, 3], tags=tags))
    import_city(file, tmp_path / "city")
    begin, end = (Point(50.0, 10.0005), Point(50.0, 10.0035))

    async def ask(url: str) -> None:
        async with RoadsClient(url) as roads:
            table = await roads.table([begin, end, begin])
            row = await roads.table([begin, end, begin], rows=[1])
        assert table.seconds[0, 1] > 10
        assert table.seconds[0, 2] == table.metres[2, 0] == 0
        assert table.seconds[1].tolist() == table.metres[1].tolist() == [NO_WAY, 0, NO_WAY]
        assert row.seconds.tolist() == table.seconds[1:2].tolist()

    with roads_engine(city=tmp_path / "city") as engine:
        asyncio.run(ask(engine.url))


@pytest.mark.slow
@given(st.data())
def test_a_damaged_answer_is_refused_or_read_and_breaks_nothing(
    answer: bytes, data: st.DataObject
) -> None:
    assert read_table(answer).seconds.shape == (2, 2)
    at = data.draw(st.integers(0, len(answer) - 1))
    damaged = answer[:at] + bytes([data.draw(st.integers(0, 255))]) + answer[at + 1 :]
    for bytes_ in (damaged, answer[:at]):
        for read in (read_table, read_failure):
            try:
                read(bytes_)
            except ValueError:
                continue


@given(st.binary(max_size=200))
def test_bytes_that_are_no_table_are_refused(noise: bytes) -> None:
    with pytest.raises(ValueError, match="no"):
        read_table(noise)


@pytest.mark.slow
@pytest.mark.parametrize("told", [float("nan"), float("inf"), -5_000.0])
def test_a_number_that_can_be_none_is_refused_wherever_it_stands(
    answer: bytes, told: float
) -> None:
    table = read_table(answer)
    seconds = struct.pack("<f", exact_s(answer))
    assert round(exact_s(answer)) == table.seconds[0, 1]
    places = {seconds, *(struct.pack("<f", one) for one in (*table.origins_m, *table.goals_m))}
    for one in places:
        with pytest.raises(ValueError, match="no table"):
            read_table(answer.replace(one, struct.pack("<f", told)))


def exact_s(answer: bytes) -> float:
    """The travel time from the first place to the second, by what it is as a whole number."""
    wanted = int(read_table(answer).seconds[0, 1])
    for at in range(0, len(answer) - 3, 4):
        (found,) = struct.unpack_from("<f", answer, at)
        if 0.05 < found < NO_WAY and round(found) == wanted:
            return float(found)
    raise AssertionError("it stands nowhere")
