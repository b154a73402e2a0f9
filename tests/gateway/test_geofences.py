"""Geofences: circles and polygons, with hysteresis, over a restart."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.tracks import START_MS, degrees_at, fix_at
from wire.desired import Geofence
from wire.events import GeofenceEntered, GeofenceLeft
from wire.geofences import GeofenceEvent, GeofenceWatch
from wire.messages import Fix


def point(east_m: float, north_m: float) -> tuple[int, int]:
    lat, lon = degrees_at(east_m, north_m)
    return round(lat * 1e7), round(lon * 1e7)


CIRCLE = Geofence(geofence="depot", points=(point(0, 0),), radius_m=100)
L_SHAPE = Geofence(
    geofence="zone",
    points=(
        point(0, 0), point(400, 0), point(400, 100), point(100, 100), point(100, 400), point(0, 400)
    ),
)  # fmt: skip


def watch_of(*geofences: Geofence) -> GeofenceWatch:
    watch = GeofenceWatch()
    watch.guard(geofences)
    return watch


def told_by(watch: GeofenceWatch, fixes: list[Fix]) -> list[GeofenceEvent]:
    return [event for fix in fixes for event in watch.take(fix)]


def test_driving_through_a_circle_enters_and_leaves_it_once() -> None:
    fixes = [fix_at(s, -500 + 10.0 * s) for s in range(100)]
    entered, left = told_by(watch_of(CIRCLE), fixes)
    assert isinstance(entered, GeofenceEntered)
    assert isinstance(left, GeofenceLeft)
    assert entered.at_ms == START_MS + 40_000
    assert left.at_ms == pytest.approx(START_MS + 63_000, abs=1000)
    assert left.dwell_s == pytest.approx(23, abs=1)


@given(st.lists(st.floats(-14, 14), min_size=5, max_size=100))
def test_wander_on_the_line_never_leaves(offs: list[float]) -> None:
    watch = watch_of(CIRCLE)
    told_by(watch, [fix_at(s, 90) for s in range(10)])
    assert told_by(watch, [fix_at(10 + s, 100 + off) for s, off in enumerate(offs)]) == []


def test_a_single_wild_fix_neither_enters_nor_leaves() -> None:
    outside = [fix_at(s, 500 if s != 10 else 0) for s in range(30)]
    assert told_by(watch_of(CIRCLE), outside) == []
    inside = watch_of(CIRCLE)
    told_by(inside, [fix_at(s, 0) for s in range(10)])
    assert told_by(inside, [fix_at(10 + s, 0 if s != 10 else 900) for s in range(30)]) == []


@given(st.floats(-100, 500), st.floats(-100, 500))
def test_a_polygon_holds_what_lies_in_it(east_m: float, north_m: float) -> None:
    is_in = (0 < east_m < 400 and 0 < north_m < 100) or (0 < east_m < 100 and 0 < north_m < 400)
    is_on_line = min(
        abs(east_m), abs(east_m - 100), abs(east_m - 400),
        abs(north_m), abs(north_m - 100), abs(north_m - 400),
    ) < 1  # fmt: skip
    told = told_by(watch_of(L_SHAPE), [fix_at(s, east_m, north_m) for s in range(7)])
    assert is_on_line or bool(told) == is_in


def test_a_van_inside_over_a_restart_enters_once_and_leaves_once() -> None:
    first = watch_of(CIRCLE, L_SHAPE)
    assert len(told_by(first, [fix_at(s, 50, 50) for s in range(10)])) == 2
    second = GeofenceWatch(first.inside)
    second.guard((CIRCLE, L_SHAPE))
    assert told_by(second, [fix_at(100 + s, 50, 50) for s in range(10)]) == []
    left = told_by(second, [fix_at(200 + s, 5000) for s in range(10)])
    assert [event.dwell_s for event in left if isinstance(event, GeofenceLeft)] == [200, 200]


def test_a_geofence_taken_away_is_forgotten() -> None:
    watch = watch_of(CIRCLE)
    told_by(watch, [fix_at(s) for s in range(10)])
    watch.guard(())
    assert told_by(watch, [fix_at(10 + s, 9000) for s in range(10)]) == []
    assert watch.inside == ()


@pytest.mark.parametrize(
    "geofence",
    [
        Geofence(geofence="a", points=((0, 0),)),
        Geofence(geofence="a", points=((0, 0), (1, 1))),
        Geofence(geofence="a", points=((0, 0), (1, 1), (0, 1)), radius_m=5),
    ],
)
def test_what_is_no_area_is_never_entered(geofence: Geofence) -> None:
    here = [msgspec.structs.replace(fix_at(s), lat_e7=0, lon_e7=0) for s in range(10)]
    assert told_by(watch_of(geofence), here) == []


@given(st.lists(st.tuples(st.integers(), st.integers()), min_size=1, max_size=9), st.floats(1, 1e5))
def test_no_geofence_however_odd_breaks_the_watch(
    points: list[tuple[int, int]], radius_m: float
) -> None:
    for radius in (None, radius_m):
        odd = Geofence(geofence="odd", points=tuple(points), radius_m=radius)
        told_by(watch_of(odd, CIRCLE), [fix_at(s, 0) for s in range(8)])
