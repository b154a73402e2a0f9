from itertools import pairwise
from pathlib import Path as File
from random import Random

import pytest

from sim.geodesy import distance_m
from sim.streets import Path, Place, Segment, Street, Streets, StreetsError

QUIET = Street("Calle Quieta", "residential")
WIDE = Street("Avenida Ancha", "primary")
SPACING = 0.001  # of a degree, about 111 m


def grid_of_four() -> Streets:
    """A square: 0 south-west, 1 north-west, 2 north-east, 3 south-east; 0 to 3 is one-way."""
    points = [(0.0, 0.0), (SPACING, 0.0), (SPACING, SPACING), (0.0, SPACING)]
    segments = {(0, 3): Segment(111.2, 8.0, QUIET)}
    for one, other in ((0, 1), (1, 2), (2, 3)):
        segments[one, other] = segments[other, one] = Segment(111.2, 8.0, QUIET)
    return Streets(points, segments)


def somewhere(streets: Streets, rng: Random) -> Place:
    tail, head = rng.choice(list(streets.segments))
    (lat, lon), (to_lat, to_lon) = streets.point(tail), streets.point(head)
    share = rng.random()
    return streets.nearest((lat + share * (to_lat - lat), lon + share * (to_lon - lon)))


def assert_joined(path: Path) -> None:
    assert len(path.points) == len(path.gives_way) == len(path.speeds_mps) + 1
    lengths = [distance_m(one, other) for one, other in pairwise(path.points)]
    assert sum(lengths) == pytest.approx(path.distance_m)


def test_a_one_way_street_is_driven_one_way_only() -> None:
    streets = grid_of_four()
    south_west, south_east = streets.nearest((0.0001, 0.0)), streets.nearest((0.0001, SPACING))

    there = streets.path(south_west, south_east)
    back = streets.path(south_east, south_west)

    assert there.distance_m < 140
    assert back.distance_m > 300


def test_places_on_one_segment_are_joined_directly() -> None:
    streets = grid_of_four()
    path = streets.path(streets.nearest((0.0002, 0.0)), streets.nearest((0.0008, 0.0)))
    assert path.distance_m == pytest.approx(0.0006 * 111_195, rel=0.01)
    assert len(path.points) == 2


def test_against_a_one_way_segment_the_block_is_rounded() -> None:
    streets = grid_of_four()
    east, west = streets.nearest((0.0, 0.8 * SPACING)), streets.nearest((0.0, 0.2 * SPACING))
    assert streets.path(west, east).distance_m < 80
    assert streets.path(east, west).distance_m > 350


def test_a_small_street_gives_way_where_it_meets_a_large_one() -> None:
    points = [(0.0, 0.0), (0.0, SPACING), (SPACING, SPACING), (-SPACING, SPACING)]
    segments = {}
    for one, other, street in ((0, 1, QUIET), (1, 2, WIDE), (1, 3, WIDE)):
        segments[one, other] = segments[other, one] = Segment(111.2, 8.0, street)
    streets = Streets(points, segments)

    path = streets.path(streets.nearest((0.0, 0.0001)), streets.nearest((0.0009, SPACING)))
    along = streets.path(streets.nearest((-0.0009, SPACING)), streets.nearest((0.0009, SPACING)))

    assert any(path.gives_way)
    assert not any(along.gives_way)


def test_every_place_of_the_city_reaches_every_other(streets: Streets) -> None:
    rng = Random(5)
    for _ in range(12):
        path = streets.path(somewhere(streets, rng), somewhere(streets, rng))
        assert_joined(path)
        for point in path.points:
            assert streets.nearest(point).away_m < 0.1


def test_the_way_back_ends_where_the_way_began(streets: Streets) -> None:
    rng = Random(6)
    for _ in range(6):
        one, other = somewhere(streets, rng), somewhere(streets, rng)
        there, back = streets.path(one, other), streets.path(other, one)
        assert there.points[0] == back.points[-1]
        assert there.points[-1] == back.points[0]


def test_far_from_every_street_there_is_no_place(streets: Streets) -> None:
    with pytest.raises(StreetsError, match="none within 2000 m"):
        streets.nearest((-29.9, -72.5))


def test_the_nearest_place_is_the_nearest_of_all(streets: Streets) -> None:
    rng = Random(7)
    for _ in range(5):
        tail, _ = rng.choice(list(streets.segments))
        lat, lon = streets.point(tail)
        asked = (lat + rng.uniform(-0.004, 0.004), lon + rng.uniform(-0.004, 0.004))
        found = streets.nearest(asked)
        at_ends = min(distance_m(asked, streets.point(node)) for node, _ in streets.segments)
        assert found.away_m <= at_ends + 0.01


def test_a_missing_extract_is_named(tmp_path: File) -> None:
    with pytest.raises(StreetsError, match=r"nowhere\.osm\.pbf is not there"):
        Streets.read(tmp_path / "nowhere.osm.pbf")


def test_a_damaged_extract_is_named(tmp_path: File) -> None:
    damaged = tmp_path / "damaged.osm.pbf"
    damaged.write_bytes(b"not a map at all" * 100)
    with pytest.raises(StreetsError, match=r"damaged\.osm\.pbf cannot be read"):
        Streets.read(damaged)
