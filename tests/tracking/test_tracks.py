"""Tracks: read in bulk as they are read plainly, drawn with few fixes, told in three formats."""

import csv
import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.tracking import formats, lines, store, track
from cloud.tracking.blocks import Numbered, cut, pack, unpack
from cloud.tracking.formats import FIELDS, GPX_FIELDS, Field
from cloud.tracking.lanes import MISSING, LaneReader
from cloud.tracking.lines import Lost
from cloud.tracking.service import Drawing, Tracks
from cloud.tracking.store import Writes
from cloud.tracking.track import ON_DEMAND, Packed, Track
from tests.parts.migrated import upgrade
from tests.tracking.vans import NOON_MS, arrived_row, batch, fix
from wire.columns import QUALITIES, SOURCES
from wire.messages import Batch, Fix
from wire.packing import PackingError
from wire.track import offset_m

NOON_S = NOON_MS / 1000

whole = st.integers
fixes_of_any_kind = st.builds(
    Fix,
    recorded_at_ms=whole(-(2**40), 2**40),
    fix_time_ms=st.none() | whole(-(2**40), 2**40),
    lat_e7=whole(-900_000_000, 900_000_000),
    lon_e7=whole(-1_800_000_000, 1_800_000_000),
    mode=st.sampled_from([2, 3]),
    speed_cmps=st.none() | whole(0, 65_535),
    course_ddeg=st.none() | whole(0, 3599),
    altitude_dm=st.none() | whole(-20_000, 500_000),
    hdop_d=st.none() | whole(0, 1000),
    satellites=st.none() | whole(0, 255),
    source=st.sampled_from(SOURCES),
    quality=st.sampled_from(QUALITIES),
)


@st.composite
def drives(draw: st.DrawFn) -> list[Fix]:
    """Fixes of which each column is steady, rarely changing, wandering or without a pattern."""
    count = draw(whole(1, 60))
    if draw(st.booleans()):
        return draw(st.lists(fixes_of_any_kind, min_size=count, max_size=count))
    step = draw(whole(0, 3))
    jumps = draw(st.sets(whole(0, 59), max_size=4))
    silent = draw(st.sets(whole(0, 59), max_size=4))
    return [
        msgspec.structs.replace(
            fix(at),
            lat_e7=-299_000_000 + at * step * 1000 + (at in jumps) * 10**6,
            speed_cmps=None if at in silent else 900 + at * step,
            course_ddeg=(3590 + at * step) % 3600,
            altitude_dm=400 + (at in jumps) * 7,
            satellites=None if at in silent else 11,
            fix_time_ms=None if at in silent else NOON_MS + at * 1000,
        )
        for at in range(count)
    ]


@settings(max_examples=50)
@given(st.lists(drives(), min_size=1, max_size=4), whole(0, 2**40), st.sampled_from([1, 2, 8]))
def test_many_blocks_at_once_are_what_each_is_by_itself(
    several: list[list[Fix]], first: int, step: int
) -> None:
    blocks, plain = [], []
    for number, fixes in enumerate(several):
        numbered = [Numbered(first + at * step, one, 0) for at, one in enumerate(fixes)]
        for part in cut(numbered):
            block = pack(part)
            blocks.append(Packed(number, block.runs, block.fixes, block.body))
            rows = track.of_rows(number, unpack(block), ON_DEMAND)
            plain.append(rows.only(np.argsort(rows["seq"])))
    read = track.unpacked(blocks, ON_DEMAND)
    for name in (*track.ALWAYS, *ON_DEMAND):
        together = np.concatenate([one[name] for one in plain])
        assert np.array_equal(read[name], together), name
    assert np.array_equal(track.unpacked(blocks)["lon_e7"], read["lon_e7"])


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4), whole(1, 50))
def test_bytes_that_are_no_block_are_refused_and_nothing_else(
    bodies: list[bytes], fixes: int
) -> None:
    blocks = [Packed(1, f"[[0,{fixes},1]]", fixes, body) for body in bodies]
    try:
        found = track.unpacked(blocks, ON_DEMAND)
    except PackingError:
        return
    assert len(found) == fixes * len(bodies)


def test_numbers_of_any_width_are_read() -> None:
    reader = LaneReader([b"\xff" * 20])
    (told,) = reader._read(np.array([3]), np.array([63]))
    assert told == 2**63 - 1


def made(*places: tuple[int, float, float], stream: int = 7) -> Track:
    """A track through (second, metres east, metres north) off the coast."""
    rows = [
        Numbered(
            at,
            msgspec.structs.replace(
                fix(second),
                lat_e7=round(-299_000_000 + north / 0.0111195),
                lon_e7=round(-712_500_000 + east / 0.0096396),
            ),
            0,
        )
        for at, (second, east, north) in enumerate(places)
    ]
    return track.of_rows(stream, rows)


class Mark(msgspec.Struct):
    """A place."""

    lat_e7: int
    lon_e7: int


def marks(of: Track) -> list[Mark]:
    return [Mark(*one) for one in zip(of["lat_e7"].tolist(), of["lon_e7"].tolist(), strict=True)]


def away_m(place: Mark, begin: Mark, end: Mark) -> float:
    """How far a place is from the straight line between two others."""
    east, north = offset_m(begin, end)
    to_east, to_north = offset_m(begin, place)
    length2 = east**2 + north**2
    share = 0.0 if not length2 else (to_east * east + to_north * north) / length2
    share = min(1.0, max(0.0, share))
    return float(np.hypot(share * east - to_east, share * north - to_north))


@given(
    st.lists(st.tuples(st.floats(-400, 400), st.floats(-400, 400)), min_size=1, max_size=300),
    st.floats(0.5, 200),
    st.sets(whole(1, 299), max_size=5),
)
def test_no_fix_that_is_left_out_lies_further_from_the_line_than_allowed(
    steps: list[tuple[float, float]], tolerance_m: float, starts: set[int]
) -> None:
    full = made(*[(at, *step) for at, step in enumerate(steps)])
    begins = sorted(start for start in starts if start < len(full))
    kept = lines.simplified(full, tolerance_m, begins)
    places, told = np.flatnonzero(kept).tolist(), marks(full)
    assert places[0] == 0
    assert places[-1] == len(full) - 1
    assert all(kept[[start - 1, start]].all() for start in begins)
    for begin, end in pairwise(places):
        for one in range(begin + 1, end):
            assert away_m(told[one], told[begin], told[end]) <= tolerance_m + 0.01


def test_a_straight_road_needs_few_fixes_and_one_over_the_180th_meridian_too() -> None:
    straight = made(*[(at, at * 10.0, 0.0) for at in range(1000)])
    assert lines.simplified(straight, 1.0).sum() <= 2 + 1000 // 256
    over = dict(straight.columns)
    lon = over["lon_e7"] + 712_500_000 + 1_799_950_000
    over["lon_e7"] = np.where(lon > 1_800_000_000, lon - 3_600_000_000, lon)
    assert lines.simplified(Track(over), 1.0).sum() <= 2 + 1000 // 256


def test_a_line_breaks_where_nothing_is_known() -> None:
    seconds = [0, 1, 2, 300, 301, 302]
    driven = made(*[(second, second, 0.0) for second in seconds])
    assert [(one.place, one.reason) for one in lines.breaks(driven)] == [(3, "silence")]
    columns = dict(driven.columns)
    columns["seq"] = np.array([0, 1, 9, 10, 11, 12])
    lost = [Lost(7, 2, 8, "spool_full"), Lost(8, 2, 8, "refused"), Lost(7, 20, 30, "damaged")]
    found = lines.breaks(Track(columns), lost)
    assert [(one.place, one.reason) for one in found] == [(2, "spool_full"), (3, "silence")]
    assert found[1].to_ms - found[1].from_ms == 298_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "telemetry.db")
    upgrade(database, "telemetry")
    yield database
    database.close()


def keep(database: Database, *batches: Batch) -> None:
    with database.writing() as connection:
        store.write(connection, Writes(arrived=[arrived_row(one) for one in batches]))


def test_a_track_is_geojson_with_one_time_a_position(database: Database) -> None:
    keep(database, batch(7, 0, 3))
    told = read(database, NOON_S, NOON_S + 2)
    assert told["geometry"]["type"] == "LineString"
    assert told["geometry"]["coordinates"][0] == [-71.25, -29.9]
    assert told["properties"]["times"] == ["2024-06-03T12:00:00.000Z", "2024-06-03T12:00:01.000Z"]
    assert told["properties"]["speeds_mps"] == [10.0, 10.0]
    assert told["properties"]["fixes"] == 2
    nothing = read(database, NOON_S, NOON_S + 2, van="van-9")
    assert nothing["geometry"] is None
    assert nothing["properties"]["pieces"] == []


def read(
    database: Database,
    from_s: float,
    to_s: float,
    *,
    van: str = "van-1",
    fields: tuple[Field, ...] = ("speed", "course"),
    tolerance_m: float | None = None,
) -> Any:
    how = Drawing(fields=fields, tolerance_m=tolerance_m)
    drawn = Tracks(database).drawn("main", van, (from_s, to_s), how)
    return msgspec.json.decode(formats.geojson(van, drawn, fields))


def test_a_track_leaves_out_what_no_calendar_can_tell(database: Database) -> None:
    moments_ms = [
        -62_135_596_800_001,
        -62_135_596_800_000,
        253_402_300_799_000,
        253_402_300_800_000,
    ]
    fixes = [Fix(recorded_at_ms=one, lat_e7=0, lon_e7=0, mode=2) for one in moments_ms]
    keep(database, Batch(stream=7, first=0, fixes=tuple(fixes)))
    for from_s, told in [
        (-62_135_596_810.0, "0001-01-01T00:00:00.000Z"),
        (253_402_300_790.0, "9999-12-31T23:59:59.000Z"),
    ]:
        assert read(database, from_s, from_s + 20)["properties"]["times"] == [told]


@pytest.mark.parametrize(
    ("from_s", "to_s", "names"),
    [
        (NOON_S, NOON_S, "not before"),
        (NOON_S, NOON_S - 1, "not before"),
        (NOON_S, NOON_S + 32 * 86_400, "31 days"),
    ],
)
def test_a_bad_span_is_named(database: Database, from_s: float, to_s: float, names: str) -> None:
    with pytest.raises(Invalid, match=names):
        Tracks(database).parts("main", "van-1", (from_s, to_s), Drawing())


def test_a_silence_over_midnight_breaks_the_line_of_every_format(database: Database) -> None:
    day = 86_400
    late = Batch(stream=7, first=10, fixes=tuple(fix(second) for second in range(day, day + 5)))
    keep(database, batch(7, 0, 5), late)
    span = (NOON_S, NOON_S + 2 * day)
    for tolerance_m in (None, 5.0):
        told = read(database, *span, tolerance_m=tolerance_m)
        assert told["geometry"]["type"] == "MultiLineString"
        assert told["properties"]["fixes"] == 10
        assert len(told["properties"]["pieces"]) == 2
        assert told["properties"]["gaps"] == [
            {
                "from": "2024-06-03T12:00:04.000Z",
                "to": "2024-06-04T12:00:00.000Z",
                "reason": "silence",
            }
        ]
    tracks = Tracks(database)
    parts = tracks.parts("main", "van-1", span, Drawing(fields=GPX_FIELDS))
    gpx = ElementTree.fromstring(b"".join(formats.gpx("van-1", parts)))  # noqa: S314 - our own
    space = "{http://www.topografix.com/GPX/1/1}"
    segments = gpx.findall(f"{space}trk/{space}trkseg")
    assert [len(segment) for segment in segments] == [5, 5]
    assert segments[0][0].attrib == {"lat": "-29.9000000", "lon": "-71.2500000"}
    assert segments[0][0].findtext(f"{space}time") == "2024-06-03T12:00:00.000Z"
    fields = tuple(FIELDS)
    parts = tracks.parts("main", "van-1", span, Drawing(fields=fields))
    rows = list(csv.DictReader(io.StringIO(b"".join(formats.csv(parts, fields)).decode())))
    assert [row["piece"] for row in rows] == ["1"] * 5 + ["2"] * 5
    assert rows[1] == {
        "time": "2024-06-03T12:00:01.000Z",
        "lat": "-29.8999999",
        "lon": "-71.2500000",
        "piece": "1",
        "speed_mps": "10.0",
        "course_deg": "90.0",
        "altitude_m": "",
        "hdop": "",
        "satellites": "",
        "mode": "3",
        "source": "serial",
        "clock": "gnss",
    }


def test_what_a_fix_does_not_tell_is_null(database: Database) -> None:
    bare = Fix(recorded_at_ms=NOON_MS, lat_e7=1, lon_e7=2, mode=2)
    keep(database, Batch(stream=7, first=0, fixes=(bare, fix(1))))
    told = read(database, NOON_S, NOON_S + 9, fields=tuple(FIELDS))["properties"]
    assert told["speeds_mps"] == [None, 10.0]
    assert told["satellites"] == [None, None]
    assert told["clocks"] == ["none", "gnss"]
    assert MISSING not in told["courses_deg"]
