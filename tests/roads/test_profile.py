"""How a van drives: a made-up town with signs, imported for vans of different measures."""

import asyncio
from pathlib import Path

import osmium
import pytest

from cloud.foundation.settings import VanMeasures
from cloud.roads.city import import_city
from cloud.roads.client import RoadsClient
from cloud.roads.model import Point
from cloud.roads.segments import Segments, read_segments
from tests.parts.roads_engine import roads_engine

pytestmark = pytest.mark.slow

SIGNS: dict[str, dict[str, str]] = {
    "low": {"maxheight": "2.4"},
    "feet": {"maxheight": "8'6\""},
    "high": {"maxheight": "4.2 m"},
    "default": {"maxheight": "default"},
    "light": {"maxweight": "2.8"},
    "kilos": {"maxweight": "2800 kg"},
    "narrow": {"maxwidth": "1.9"},
    "short": {"maxlength": "5"},
    "no": {"access": "no"},
    "goods": {"access": "no", "goods": "yes"},
    "bus": {"motor_vehicle": "psv"},
    "delivery": {"motor_vehicle": "delivery"},
    "walkers": {"highway": "footway"},
    "building": {"highway": "construction"},
    "broken": {"smoothness": "impassable"},
    "forward": {"oneway": "yes"},
    "backward": {"oneway": "-1"},
    "ring": {"junction": "roundabout"},
    "thirty": {"maxspeed": "30"},
    "miles": {"maxspeed": "20 mph"},
    "gravel": {"surface": "gravel"},
    "main": {"highway": "primary", "maxspeed": "70"},
    "alley": {"highway": "service", "service": "alley"},
}
CLOSED = {
    "low",
    "feet",
    "light",
    "kilos",
    "narrow",
    "short",
    "no",
    "bus",
    "walkers",
    "building",
    "broken",
}
"""For the van as it comes: 2.75 m high, 2.05 m wide, 6 m long, 3.5 t."""


def town(folder: Path) -> Path:
    """Rungs of a ladder, one for each sign, between two streets without any."""
    file = folder / "town.osm.pbf"
    with osmium.SimpleWriter(str(file)) as out:
        left = [1 + 2 * at for at in range(len(SIGNS))]
        for at, node in enumerate(left):
            for side in (0, 1):
                place = (10.0 + 0.003 * side, 50.0 + 0.001 * at)
                out.add_node(osmium.osm.mutable.Node(id=node + side, location=place))
        for side in (0, 1):
            tags = {"highway": "tertiary", "name": "Side"}
            nodes = [node + side for node in left]
            out.add_way(osmium.osm.mutable.Way(id=1 + side, nodes=nodes, tags=tags))
        for at, (name, said) in enumerate(SIGNS.items()):
            tags = {"highway": "residential", "name": name} | said
            nodes = [left[at], left[at] + 1]
            out.add_way(osmium.osm.mutable.Way(id=10 + at, nodes=nodes, tags=tags))
    return file


def kmh(segments: Segments) -> dict[str, tuple[float, float]]:
    """Of each rung there and back; 0 where it cannot be driven."""
    known = {
        (tail, head): speed
        for tail, head, speed in zip(
            segments.tail.tolist(), segments.head.tolist(), segments.kmh.tolist(), strict=True
        )
    }
    rungs = {name: (1 + 2 * at, 2 + 2 * at) for at, name in enumerate(SIGNS)}
    return {
        name: (known.get(rung, 0.0), known.get(rung[::-1], 0.0)) for name, rung in rungs.items()
    }


def test_signs_are_kept_by_a_van_as_it_comes(tmp_path: Path) -> None:
    import_city(town(tmp_path), tmp_path / "city")
    found = kmh(read_segments(tmp_path / "city"))
    assert {name for name, speeds in found.items() if speeds == (0.0, 0.0)} == CLOSED
    assert found["thirty"][0] == pytest.approx(25, abs=0.6)
    assert found["miles"][0] == pytest.approx(25, abs=0.6)
    assert found["main"][0] == pytest.approx(59.5, abs=1)
    assert found["alley"][0] == pytest.approx(8, abs=0.3)

    async def ask(url: str) -> None:
        async with RoadsClient(url) as roads:
            at = list(SIGNS).index("delivery")
            rung = [Point(50.0 + 0.001 * at, 10.0 + 0.003 * side) for side in (0, 1)]
            beside = [Point(one.lat + 0.0003, one.lon) for one in rung]
            around = await roads.route(beside)
            assert around.metres > 600  # through the lane it is 280 m
            inside = Point(rung[0].lat, 10.0015)
            assert (await roads.route([rung[0], inside])).metres == pytest.approx(107, abs=5)
            for name, is_there, is_back in (
                ("forward", True, False), ("backward", False, True), ("ring", True, False),
                ("miles", True, True),
            ):  # fmt: skip
                lat = 50.0 + 0.001 * list(SIGNS).index(name)
                ends = [Point(lat, 10.0005), Point(lat, 10.0025)]
                there, back = await roads.route(ends), await roads.route(ends[::-1])
                assert (there.metres < 200, back.metres < 200) == (is_there, is_back), name

    with roads_engine(city=tmp_path / "city") as engine:
        asyncio.run(ask(engine.url))


def test_another_van_gets_through_elsewhere(tmp_path: Path) -> None:
    small = VanMeasures(height_m=1.9, width_m=1.7, length_m=4.2, weight_kg=2_000)
    import_city(town(tmp_path), tmp_path / "city", van=small)
    found = kmh(read_segments(tmp_path / "city"))
    closed = {name for name, speeds in found.items() if speeds == (0.0, 0.0)}
    assert closed == {"no", "bus", "walkers", "building", "broken"}
