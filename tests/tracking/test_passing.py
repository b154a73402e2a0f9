"""Who passed here: exact on fixes and on the ways between them, whatever the order it came in."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.foundation.errors import Invalid
from cloud.foundation.settings import Settings
from cloud.tracking import history, passages_store
from cloud.tracking.blocks import WAY_MS, Numbered
from cloud.tracking.blocks import Box as BoxE7
from cloud.tracking.lines import Lost
from cloud.tracking.passages import passages
from cloud.tracking.passing import AGAIN_AFTER_MS, Passed, boxes_of, passed
from cloud.tracking.places import Box, Circle, distance_m
from cloud.tracking.track import of_rows
from tests.tracking.test_history import Cloud, opened
from tests.tracking.vans import NOON_MS
from wire.events import Gap
from wire.messages import Batch, Event, Fix

LAT, LON = -29.9, -71.25
M = 1 / 111_195.08
"""Degrees of latitude of a metre."""
EAST = M / 0.8669
"""Of longitude there."""
CIRCLE = Circle(LAT, LON, 100.0)
SQUARE = Box(LON - 100 * EAST, LAT - 100 * M, LON + 100 * EAST, LAT + 100 * M)
DAY = (NOON_MS - 43_200_000, NOON_MS + 43_200_000)
SPAN_S = (DAY[0] / 1000, DAY[1] / 1000)


@pytest.fixture
def cloud(tmp_path: Path, kept_in: Settings) -> Iterator[Cloud]:
    with opened(tmp_path, kept_in) as cloud:
        yield cloud


def at(second: float, east_m: float, north_m: float) -> Fix:
    moment = NOON_MS + round(second * 1000)
    return Fix(
        recorded_at_ms=moment,
        fix_time_ms=moment,
        lat_e7=round((LAT + north_m * M) * 1e7),
        lon_e7=round((LON + east_m * EAST) * 1e7),
        mode=3,
        speed_cmps=1000,
    )


def told(*fixes: Fix, area: Circle | Box = CIRCLE, lost: tuple[Lost, ...] = (),
         span: tuple[int, int] = DAY) -> Passed | None:  # fmt: skip
    rows = [Numbered(seq, one, 0) for seq, one in enumerate(fixes)]
    return passed(of_rows(7, rows), lost, area, span)


@pytest.mark.parametrize("area", [CIRCLE, SQUARE], ids=["circle", "box"])
def test_a_way_between_two_fixes_counts_and_tells_when(area: Circle | Box) -> None:
    found = told(at(0, -300, 0), at(60, 300, 0), area=area)
    assert found is not None
    assert (found.fixes, found.passes) == (0, 1)
    assert found.first_ms == pytest.approx(NOON_MS + 20_000, abs=60)
    assert found.last_ms == pytest.approx(NOON_MS + 40_000, abs=60)
    assert found.inside_ms == pytest.approx(20_000, abs=100)
    if area is CIRCLE:
        assert found.nearest_m == pytest.approx(0, abs=0.2)
        assert found.nearest_ms == pytest.approx(NOON_MS + 30_000, abs=60)
    assert told(at(0, -300, 110), at(60, 300, 110), area=area) is None


@pytest.mark.parametrize("area", [CIRCLE, SQUARE], ids=["circle", "box"])
def test_no_way_leads_over_a_gap(area: Circle | Box) -> None:
    there = (at(0, -300, 0), at(60, 300, 0))
    late = msgspec.structs.replace(at(WAY_MS / 1000 + 0.001, 300, 0))
    assert told(there[0], late, area=area) is None
    lost = Lost(7, 1, 1, "spool_full")
    rows = [Numbered(0, there[0], 0), Numbered(2, there[1], 0)]
    assert passed(of_rows(7, rows), [lost], area, DAY) is None
    assert passed(of_rows(7, rows), [], area, DAY) is not None


def test_what_was_inside_before_and_after_a_silence_has_come_once() -> None:
    found = told(at(-60, 300, 0), at(0, 10, 0), at(3600, 0, 0), at(3660, 400, 0))
    assert found is not None
    assert (found.fixes, found.passes) == (2, 1)
    assert found.nearest_m == pytest.approx(0, abs=0.2)


def test_each_time_it_comes_back_after_a_minute_is_a_pass() -> None:
    def there_and_away(away_s: float) -> Passed | None:
        return told(at(0, 0, 0), at(1, 101, 0), at(away_s, 101, 0), at(away_s + 1, 0, 0))

    soon, later = there_and_away(30), there_and_away(AGAIN_AFTER_MS / 1000 + 2)
    assert soon is not None
    assert later is not None
    assert (soon.passes, later.passes) == (1, 2)


def test_only_what_lies_in_the_span_counts() -> None:
    way = (at(0, -300, 0), at(60, 300, 0))
    half = told(*way, span=(NOON_MS, NOON_MS + 25_000))
    assert half is not None
    assert half.last_ms == NOON_MS + 25_000
    assert half.nearest_m == pytest.approx(50, abs=0.5)
    assert told(*way, span=(NOON_MS, NOON_MS + 20_000 - 60)) is None
    assert told(*way, span=(NOON_MS + 40_060, NOON_MS + 60_000)) is None
    assert told(at(0, 0, 0), span=(NOON_MS, NOON_MS + 1)) is not None
    assert told(at(0, 0, 0), span=(NOON_MS - 9, NOON_MS)) is None


def test_a_circle_over_the_180th_meridian_has_a_box_on_either_side() -> None:
    fiji = Circle(-16.8, 179.999, 1_000.0)
    one, other = boxes_of(fiji)
    assert one.east_e7 >= 1_800_000_000
    assert other.west_e7 <= -1_800_000_000
    assert other.east_e7 > -1_799_999_000
    east = [Fix(recorded_at_ms=NOON_MS + place * 1000, fix_time_ms=NOON_MS + place * 1000,
                lat_e7=-168_000_000, lon_e7=lon, mode=3)
            for place, lon in enumerate((1_799_000_000, -1_799_000_000))]  # fmt: skip
    found = told(*east, area=fiji)
    assert found is not None
    assert found.nearest_m == pytest.approx(0, abs=5)


metres = st.integers(-400, 400)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 250), metres, metres), min_size=1, max_size=12),
    st.sampled_from([CIRCLE, SQUARE]),
    st.integers(0, 600),
    st.integers(1, 900),
)
def test_it_tells_what_many_small_steps_along_the_way_tell(
    steps: list[tuple[int, int, int]], area: Circle | Box, begin_s: int, lasts_s: int
) -> None:
    seconds = list(itertools.accumulate(lasted for lasted, *_ in steps))
    fixes = [at(second, x, y) for second, (_, x, y) in zip(seconds, steps, strict=True)]
    span = (NOON_MS + begin_s * 1000, NOON_MS + (begin_s + lasts_s) * 1000)
    found = told(*fixes, area=area, span=span)
    steps_there = [one for one in _small_steps(fixes) if span[0] <= one[0] < span[1]]
    surely = [one for one in steps_there if _grown(area, -1).contains(one[1], one[2])]
    perhaps = [one for one in steps_there if _grown(area, 1).contains(one[1], one[2])]
    if found is None:
        assert not surely
        return
    if surely:
        assert found.first_ms <= surely[0][0] + 1
        assert found.last_ms >= surely[-1][0] - 1
    if perhaps:
        assert found.first_ms >= perhaps[0][0] - 1_001
        assert found.last_ms <= perhaps[-1][0] + 1_001
    whole = [one for one in fixes if span[0] <= one.recorded_at_ms < span[1]]
    assert sum(_holds(_grown(area, -1), one) for one in whole) <= found.fixes
    assert found.fixes <= sum(_holds(_grown(area, 1), one) for one in whole)
    if isinstance(area, Circle) and surely:
        nearest = min(distance_m(area.lat, area.lon, lat, lon) for _, lat, lon in surely)
        assert found.nearest_m is not None
        assert nearest - 600 <= found.nearest_m <= nearest + 0.2


def _grown(area: Circle | Box, by_m: float) -> Circle | Box:
    if isinstance(area, Circle):
        return Circle(area.lat, area.lon, area.radius_m + by_m)
    up, side = by_m * M, by_m * EAST
    return Box(area.west - side, area.south - up, area.east + side, area.north + up)


def _holds(area: Circle | Box, fix: Fix) -> bool:
    return area.contains(fix.lat_e7 * 1e-7, fix.lon_e7 * 1e-7)


def _small_steps(fixes: list[Fix]) -> Iterator[tuple[int, float, float]]:
    for one, other in itertools.pairwise(fixes):
        lasted = other.recorded_at_ms - one.recorded_at_ms
        count = 1 if lasted > WAY_MS else max(20, lasted // 1000)
        for share in np.arange(count) / count:
            lat = one.lat_e7 + (other.lat_e7 - one.lat_e7) * share
            lon = one.lon_e7 + (other.lon_e7 - one.lon_e7) * share
            yield one.recorded_at_ms + int(share * lasted), lat * 1e-7, lon * 1e-7
    yield fixes[-1].recorded_at_ms, fixes[-1].lat_e7 * 1e-7, fixes[-1].lon_e7 * 1e-7


def round_trips(seconds: int) -> list[Fix]:
    """A van that goes to and fro past the middle, 700 m each way, 20 m/s, a fix every 19 s."""
    found = []
    for second in range(0, seconds, 19):
        along = (second * 20) % 2_800
        found.append(at(second, abs(along - 1_400) - 700, 20))
    return found


TRIPS = round_trips(3 * 3600)
TRIP_BATCHES = [
    Batch(stream=7, first=first, fixes=tuple(TRIPS[first : first + 9]))
    for first in range(0, len(TRIPS), 9)
]


def asked(cloud: Cloud, *vans: str, limit: int = 10, tenant: str = "main") -> dict[str, Passed]:
    found = passages(cloud.database, tenant, CIRCLE, SPAN_S, vans or ["van-1"], limit)
    return dict(found.vans)


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(len(TRIP_BATCHES))), st.data())
def test_late_and_repeated_batches_tell_the_same_passes(
    order: list[int], data: st.DataObject
) -> None:
    rows = [Numbered(seq, one, 0) for seq, one in enumerate(TRIPS)]
    expected = passed(of_rows(7, rows), [], CIRCLE, DAY)
    with TemporaryDirectory() as folder, opened(folder) as cloud:
        for place in [*order, *order[:3]]:
            cloud.hear(TRIP_BATCHES[place])
            match data.draw(st.sampled_from(["go on", "read", "fold", "kill"])):
                case "read":
                    cloud.read()
                case "fold":
                    cloud.fold()
                case "kill":
                    cloud.open()
                case _:
                    pass
        cloud.fold()
        assert asked(cloud) == {"van-1": expected}


def test_vans_come_by_id_a_page_at_a_time_and_no_other_tenant_s(cloud: Cloud) -> None:
    for van, north_m in (("van-1", 0), ("van-2", 500), ("van-3", 50), ("van-4", 99)):
        cloud.hear(
            Batch(stream=7, first=0, fixes=(at(0, -300, north_m), at(30, 300, north_m))), van
        )
    vans = ["van-1", "van-2", "van-3", "van-4"]
    first = passages(cloud.database, "main", CIRCLE, SPAN_S, vans, 2)
    assert [van for van, _ in first.vans] == ["van-1", "van-3"]
    assert first.following == "van-3"
    rest = passages(cloud.database, "main", CIRCLE, SPAN_S, ["van-4"], 2)
    assert [van for van, _ in rest.vans] == ["van-4"]
    assert rest.following is None
    assert list(asked(cloud, "van-3")) == ["van-3"]
    assert asked(cloud, *vans, tenant="other") == {}


def test_an_area_and_a_time_that_hold_too_much_are_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages_store, "MOST_NEAR", 2)
    for van in ("van-1", "van-2"):
        cloud.hear(Batch(stream=7, first=0, fixes=(at(0, 0, 0),)), van)
        cloud.fold()
    assert list(asked(cloud, "van-1", "van-2")) == ["van-1", "van-2"]
    cloud.hear(Batch(stream=7, first=0, fixes=(at(0, 0, 0),)), "van-3")
    with pytest.raises(Invalid, match="shorter span or a smaller area"):
        asked(cloud)


def test_what_has_arrived_is_found_before_and_after_it_was_looked_into_and_folded(
    cloud: Cloud,
) -> None:
    """The way through leads from one batch into the next, and from one block into the next."""
    for first, x in ((0, -300), (10, 300)):
        fixes = tuple(at(first * 3 + place, x, 0) for place in range(10))
        cloud.hear(Batch(stream=7, first=first, fixes=fixes))
    assert asked(cloud) == {}, "of what nobody has looked into its own fixes count"
    cloud.read()
    cloud.note()
    before = asked(cloud)
    assert before["van-1"].fixes == 0
    for first in (20, 420, 820):
        away = tuple(at(60 + place, 300, 0) for place in range(first, first + 400))
        cloud.hear(Batch(stream=7, first=first, fixes=away))
    cloud.fold()
    assert asked(cloud) == before


def test_a_way_from_block_to_block_is_found(cloud: Cloud) -> None:
    def block(first: int, x: float) -> None:
        fixes = tuple(at(first + place, x, 0) for place in range(400))
        cloud.hear(Batch(stream=7, first=first, fixes=fixes))
        cloud.fold()

    block(0, -300)
    cloud.open()
    block(400, 300)
    assert [fixes for *_, fixes in cloud.extents()] == [400, 400]
    assert asked(cloud)["van-1"].fixes == 0
    block(1_600, 300)
    block(1_200, -300)
    found = asked(cloud)["van-1"]
    assert found.passes == 2, "what came late leads to what was there before"


def test_what_a_van_has_told_is_lost_is_no_way(cloud: Cloud) -> None:
    for first, x in ((0, -300), (20, 300)):
        fixes = tuple(at(first + place, x, 0) for place in range(10))
        cloud.hear(Batch(stream=7, first=first, fixes=fixes))
    cloud.fold()
    assert list(asked(cloud)) == ["van-1"]
    gap = Gap(stream="7", first=10, last=19, reason="spool_full")
    cloud.hear(Event(stream="50", seq=0, recorded_at_ms=NOON_MS, body=gap))
    assert asked(cloud) == {}


def test_what_has_arrived_elsewhere_is_not_unpacked(cloud: Cloud) -> None:
    far = msgspec.structs.replace(at(0, 0, 0), lat_e7=500_000_000)
    cloud.hear(Batch(stream=7, first=0, fixes=(far,)), "van-1")
    cloud.hear(Batch(stream=7, first=0, fixes=(at(0, 0, 0),)), "van-2")
    here = BoxE7(-299_010_000, -712_510_000, -298_990_000, -712_490_000)

    def near() -> set[str]:
        with cloud.database.reading() as connection:
            return history.vans_near(connection, "main", here, *DAY)

    assert near() == {"van-1", "van-2"}
    cloud.read()
    cloud.note()
    assert near() == {"van-2"}
    cloud.open()
    cloud.read()
    assert not cloud.backlog.has_work(), "what is known is not written again"
