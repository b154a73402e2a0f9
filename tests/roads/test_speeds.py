"""Segments of the demo city, layers of speed over them, closures and slow zones, files."""

import asyncio
import functools
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotAllowed, NotFound
from cloud.foundation.identity.reach import Reach
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import outbox
from cloud.foundation.places import place_of
from cloud.foundation.settings import Settings
from cloud.roads.ahead import Foresight
from cloud.roads.cli import main
from cloud.roads.client import RoadsClient
from cloud.roads.hours import Week
from cloud.roads.model import RoadsUnavailable
from cloud.roads.news import StreetsChanged
from cloud.roads.publisher import Hours, SpeedPublisher
from cloud.roads.segments import Floats, Segments, read_segments, unpacked
from cloud.roads.service import Traffic
from cloud.roads.speed_files import as_geojson, read_rules, read_speeds
from cloud.roads.speeds import RoadRule, layer_of, lines, speeds_now
from tests.parts.migrated import migrate, upgrade
from tests.parts.roads_engine import demo_city, street_nodes
from tests.roads.test_keeper import HARBOUR, PLAZA, roads_process

pytestmark = pytest.mark.slow


@functools.cache
def city() -> Segments:
    return read_segments(demo_city())


@given(st.integers(1, 40), st.lists(st.integers(0, (1 << 40) - 1), max_size=200))
def test_packed_columns_are_read_as_they_were_packed(bits: int, values: list[int]) -> None:
    values = [value & ((1 << bits) - 1) for value in values]
    whole = sum(value << (bits * at) for at, value in enumerate(values))
    blocks = -(-len(values) // 64)
    words = np.frombuffer(whole.to_bytes(blocks * bits * 8, "little"), dtype="<u8")
    assert unpacked(words, len(values)).tolist() == values


def test_segments_are_those_of_the_streets_with_the_profiles_speeds() -> None:
    segments = city()
    known = set(street_nodes())
    assert {*zip(segments.tail.tolist(), segments.head.tolist(), strict=True)} <= known
    assert len(segments) > 50_000
    assert 2 < segments.kmh.min() < segments.kmh.max() < 130
    assert segments.find(segments.tail[5:9], segments.head[5:9]).tolist() == [5, 6, 7, 8]
    assert segments.find(np.array([1 << 39]), np.array([7])).tolist() == [-1]


def test_a_line_closes_its_street_and_not_the_one_across() -> None:
    segments = city()
    at = int(np.argmax(np.where(segments.kmh < 60, segments.metres, 0)))
    one = (float(segments.lat[at]), float(segments.lon[at]))
    other = (float(segments.to_lat[at]), float(segments.to_lon[at]))
    rule = RoadRule(id="r", name="", kind="closed", points=(one, other), is_area=False)
    both = speeds_now(segments, rules=[rule]) == 0
    back = int(segments.find(segments.head[at : at + 1], segments.tail[at : at + 1])[0])
    assert both[at]
    assert both[back]
    assert 2 <= both.sum() <= 12
    one_way = RoadRule(
        id="r", name="", kind="closed", points=rule.points, is_area=False, is_one_way=True
    )
    shut = speeds_now(segments, rules=[one_way]) == 0
    assert shut[at]
    assert not shut[back]


def test_a_slow_zone_makes_nobody_faster_and_layers_lie_over_each_other() -> None:
    segments = city()
    zone = RoadRule(
        id="z", name="", kind="slow", points=((-29.91, -71.26), (-29.91, -71.24), (-29.89, -71.25)),
        is_area=True, kmh=20.0,
    )  # fmt: skip
    slowed = speeds_now(segments, rules=[zone])
    assert (slowed <= np.maximum(segments.kmh, 2) + 1e-9).all()
    assert 100 < (slowed < segments.kmh - 1).sum() < len(segments) / 2
    layer, unknown = layer_of(
        segments, [(int(segments.tail[3]), int(segments.head[3]), 33.0), (7, 7, 9)]
    )
    assert unknown == [(7, 7)]
    factor = np.full(len(segments), np.nan)
    factor[3] = 2.0
    told = speeds_now(segments, layers=[layer], factors=[factor])
    assert told[3] == 16.5
    closed, _ = layer_of(segments, [(int(segments.tail[3]), int(segments.head[3]), 0.0)])
    shut = speeds_now(segments, layers=[layer, closed], factors=[factor], rules=[zone])
    assert np.flatnonzero(shut == 0).tolist() == [3]
    first = lines(segments, told).splitlines()[0].split(b",")
    rate = pytest.approx(16.5 / 3.6 * segments.liked[3], abs=1e-3)
    assert [float(one) for one in first] == [segments.tail[3], segments.head[3], 16.5, rate]


def test_each_segment_that_differs_is_a_line_of_its_own_speed() -> None:
    segments = city()
    kmh = np.random.default_rng(3).uniform(2, 130, len(segments))
    kmh[:5] = 0, 2, 130, 99.96, segments.kmh[4]
    rows = [line.split(b",") for line in lines(segments, kmh).splitlines()]
    assert all(len(row) == 4 for row in rows)
    told = {(int(row[0]), int(row[1])): (float(row[2]), float(row[3])) for row in rows}
    pairs = list(zip(segments.tail.tolist(), segments.head.tolist(), strict=True))
    assert pairs[4] not in told
    known = zip(kmh.tolist(), segments.kmh.tolist(), segments.liked.tolist(), strict=True)
    for pair, (speed, plain, liked) in zip(pairs, known, strict=True):
        if abs(speed - plain) > 0.02 * plain:
            assert told[pair] == pytest.approx((speed, liked * speed / 3.6), abs=0.06)
    long_ones = np.round(segments.liked[segments.metres > 50], 1)
    assert {0.9, 1.0} <= set(long_ones) <= {0.7, 0.8, 0.9, 1.0}
    assert lines(segments, segments.kmh) == b""


def test_a_file_that_is_wrong_anywhere_names_the_line_and_changes_nothing(
    tmp_path: Path,
) -> None:
    with pytest.raises(Invalid, match="line 3"):
        read_speeds("from_node,to_node,kmh\n1,2,30\n1,2,fast\n")
    with pytest.raises(Invalid, match="header"):
        read_speeds("a,b\n")
    for broken in (b"", b"{}", feature(kmh=500), feature(kind="slow"), feature(until="2020")):
        with pytest.raises(Invalid):
            read_rules(broken)
    good = read_rules(feature(kind="slow", kmh=20, until="2027-01-01T00:00:00Z"))[0]
    assert good.holds(1_700_000_000)
    assert not good.holds(1_900_000_000)
    assert as_geojson(good)["type"] == "Polygon"
    open_ring = feature().replace(b"[-71.26,-29.91]]]", b"[-71.27,-29.9]]]")
    assert [len(one.points) for one in (good, *read_rules(open_ring))] == [3, 4]


def feature(**said: Any) -> bytes:
    ring = [[-71.26, -29.91], [-71.24, -29.91], [-71.25, -29.89], [-71.26, -29.91]]
    one = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"kind": "closed"} | said,
    }
    return msgspec.json.encode({"type": "FeatureCollection", "features": [one]})


def test_a_file_is_taken_by_the_command(tmp_path: Path) -> None:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    file = tmp_path / "works.geojson"
    file.write_bytes(feature())
    done = CliRunner().invoke(main, ["speeds", str(file), "--data", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert [one.source for one in traffic_of(database).rules("main")] == ["works.geojson"]
    file.write_bytes(b"[]")
    done = CliRunner().invoke(main, ["speeds", str(file), "--data", str(tmp_path)])
    assert "FeatureCollection" in done.output
    database.close()


def traffic_of(database: Database) -> Traffic:
    numbers = iter(range(1_000))
    return Traffic(
        database,
        RealClock(),
        lambda kind: f"{kind}-{next(numbers)}",
        lambda _: {"d1"},
        lambda: None,
    )


def test_rules_are_of_who_may_draw_them(tmp_path: Path) -> None:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    traffic = traffic_of(database)
    drawn = read_rules(feature())[0]
    only_d1 = Reach(depot_ids=frozenset({"d1"}))
    with pytest.raises(NotAllowed):
        traffic.add("main", drawn, "ana", only_d1)
    made = traffic.add("main", drawn, "ana")
    assert traffic.rules("main", only_d1) == [made]
    assert traffic.rules("other") == []
    with pytest.raises(NotAllowed):
        traffic.remove("main", made.id, only_d1)
    assert traffic.take_file("main", "works", "geojson", feature(), "ana").rules == 1
    assert traffic.take_file("main", "works", "geojson", feature(), "ana").rules == 1
    assert traffic.take_file(
        "main", "day1", "csv", b"from_node,to_node,kmh\n1,2,30\n", "ana"
    ).speeds
    assert [one.name for one in traffic.files("main")] == ["day1"]
    assert len(traffic.rules("main")) == 2
    traffic.remove_file("main", "works")
    traffic.remove("main", made.id)
    assert traffic.rules("main") == []
    with pytest.raises(NotFound):
        traffic.remove_file("main", "works")
    many = msgspec.json.decode(feature())
    many["features"] *= 300
    traffic.take_file("main", "first", "geojson", msgspec.json.encode(many), "ana")
    with pytest.raises(Conflict, match="500 rules"):
        traffic.take_file("main", "second", "geojson", msgspec.json.encode(many), "ana")
    database.close()


def test_a_closure_that_is_drawn_is_driven_around_and_opened_again(tmp_path: Path) -> None:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    traffic = traffic_of(database)

    async def ask(socket_of: Any) -> None:
        publisher = SpeedPublisher(
            database=database, clock=RealClock(), city=demo_city(), desk=socket_of.desk
        )
        async with RoadsClient(f"http://127.0.0.1:{socket_of.port}") as roads:
            before = await roads.route([PLAZA, HARBOUR])
            middle = before.geometry[len(before.geometry) // 2]
            lon, lat = middle
            area = tuple(
                (lat + dy, lon + dx) for dy, dx in ((-1e-4, -1e-4), (-1e-4, 1e-4), (1e-4, 0))
            )
            rule = RoadRule(id="", name="fair", kind="closed", points=area, is_area=True)
            made = traffic.add("main", rule, "ana")
            await publisher.publish(socket_of.desk)
            assert publisher.in_force.closed > 0
            around = await roads.route([PLAZA, HARBOUR])
            assert middle not in around.geometry
            assert around.seconds >= before.seconds
            traffic.remove("main", made.id)
            await publisher.publish(socket_of.desk)
            assert (await roads.route([PLAZA, HARBOUR])).geometry == before.geometry

    with roads_process(tmp_path) as roads:
        asyncio.run(ask(roads))
    database.close()


class Heard:
    """A desk that tells on what it is told."""

    def __init__(self) -> None:
        self.told = asyncio.Queue[bytes]()
        self.weeks: list[Week] = []
        self.sets: dict[str, bytes] = {}
        self.foresight = Foresight()

    def served(self, prefix: str) -> list[str]:
        return [name for name in self.sets if name.startswith(prefix)]

    def write_foresight(self, foresight: Foresight) -> None:
        self.foresight = foresight

    async def drop(self, data_set: str) -> None:
        del self.sets[data_set]

    def write_week(self, week: Week) -> None:
        self.weeks.append(week)

    def is_plain(self, _data_set: str) -> bool:
        return True

    async def publish(self, data_set: str, speeds: bytes, _drawn: str = "") -> float:
        self.told.put_nowait(speeds)
        self.sets[data_set] = speeds
        return 0.0


class Clock(RealClock):
    """A clock that is set."""

    at_s = 1_000.0

    def now_s(self) -> float:
        return self.at_s


DAY_S = 86_400.0
USUAL = Week(zone="UTC", classes=tuple(hour % 24 // 12 for hour in range(72)))
"""Mornings and afternoons."""


def fair(**changed: Any) -> RoadRule:
    """A closure in the city."""
    lat, lon = float(city().lat[0]), float(city().lon[0])
    area = tuple((lat + dy, lon + dx) for dy, dx in ((-1e-3, -1e-3), (-1e-3, 1e-3), (1e-3, 0)))
    made = RoadRule(id="", name="fair", kind="closed", points=area, is_area=True)
    return replace(made, **changed)


def closes(speeds: bytes) -> bool:
    return b",000.0," in speeds


def over(factor: Floats, _told: Floats) -> Floats:
    """Where no file tells anything."""
    return factor


def test_a_closure_of_days_counts_in_every_class_of_hours(tmp_path: Path) -> None:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    traffic, desk, clock = traffic_of(database), Heard(), Clock()
    factors = tuple(np.full(len(city()), factor) for factor in (1.0, 1.5))
    usual = Hours(version=1, week=USUAL, factors=factors, over=over)

    async def ask() -> None:
        publisher = SpeedPublisher(
            database=database,
            clock=clock,
            city=demo_city(),
            desk=cast("Any", desk),
            hours=lambda _segments, _at_s: usual,
        )
        closures = []
        for at_s, rule in ((1_000.0, fair(from_s=2_000.0)), (1_500.0, None), (2_000.0, None)):
            clock.at_s = at_s
            if rule is not None:
                traffic.add("main", rule, "ana")
            await publisher.publish_hours(cast("Any", desk))
            told = [desk.told.get_nowait() for _ in range(desk.told.qsize())]
            closures.append([closes(speeds) for speeds in told])
        assert closures == [[False] * 2, [], [True] * 2]
        assert desk.weeks == [usual.week] * 2

    asyncio.run(ask())
    database.close()


@pytest.mark.parametrize("is_learned", [True, False])
def test_the_times_of_the_next_day_at_which_a_street_is_closed_have_speeds_of_their_own(
    *, tmp_path: Path, is_learned: bool
) -> None:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    traffic, desk, clock = traffic_of(database), Heard(), Clock()
    factors = tuple(np.full(len(city()), factor) for factor in (1.0, 1.5))
    usual = Hours(version=1, week=USUAL, factors=factors, over=over) if is_learned else None
    clock.at_s = 2 * DAY_S + 8 * 3_600
    two, four = 2 * DAY_S + 14 * 3_600, 2 * DAY_S + 16 * 3_600
    drawn = traffic.add("main", fair(from_s=two, until_s=four), "ana")
    traffic.add("main", fair(points=((0.0, 0.0), (0.0, 0.1), (0.1, 0.0)), from_s=two), "ana")

    async def ask() -> None:
        publisher = SpeedPublisher(
            database=database,
            clock=clock,
            city=demo_city(),
            desk=cast("Any", desk),
            hours=lambda _segments, _at_s: usual,
        )
        await publisher.publish_ahead(cast("Any", desk))
        (span,) = desk.foresight.spans
        assert (span.begins_s, span.ends_s) == (two, four)
        assert list(desk.sets) == [span.data_set]
        assert closes(desk.sets[span.data_set])
        await publisher.publish_ahead(cast("Any", desk))
        assert desk.told.qsize() == 1, "nothing is new"
        traffic.change("main", replace(drawn, until_s=four + 3_600), "ana")
        await publisher.publish_ahead(cast("Any", desk))
        assert [one.ends_s for one in desk.foresight.spans] == [four + 3_600]
        assert desk.told.qsize() == 1, "the speeds are the same"
        clock.at_s = two + 60
        await publisher.publish_ahead(cast("Any", desk))
        if is_learned:  # the usual speeds are without it: they are those of the evening, too
            assert [one.begins_s for one in desk.foresight.spans] == [two], "told once"
        else:  # the speeds of now are with it: what is foreseen is that it opens
            assert [one.begins_s for one in desk.foresight.spans] == [four + 3_600]
            assert [closes(one) for one in desk.sets.values()] == [False]
        traffic.remove("main", drawn.id)
        await publisher.publish_ahead(cast("Any", desk))
        assert (desk.foresight.spans, desk.sets) == ((), {})

    asyncio.run(ask())
    database.close()


def test_a_closure_begins_at_its_time_though_speeds_are_new_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After new speeds what vans meet waits for a minute, what somebody drew does not."""
    monkeypatch.setattr("cloud.roads.publisher._LOOK_EVERY_S", 0.05)
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    traffic, desk, clock = traffic_of(database), Heard(), Clock()
    lat, lon = float(city().lat[0]), float(city().lon[0])
    area = tuple((lat + dy, lon + dx) for dy, dx in ((-1e-3, -1e-3), (-1e-3, 1e-3), (1e-3, 0)))
    rule = RoadRule(id="", name="works", kind="slow", kmh=5.0, points=area, is_area=True)
    traffic.add("main", rule, "ana")
    traffic.add("main", replace(rule, kind="closed", kmh=None, from_s=2_000.0), "ana")

    async def ask() -> None:
        publisher = SpeedPublisher(
            database=database, clock=clock, city=demo_city(), desk=cast("Any", desk)
        )
        running = asyncio.create_task(publisher.run())
        async with asyncio.timeout(20):
            slowed = await desk.told.get()
            clock.at_s = 2_000.0
            closed = await desk.told.get()
        running.cancel()
        assert b",000.0," in closed
        assert b",000.0," not in slowed

    asyncio.run(ask())
    database.close()


def test_what_began_and_ended_while_nothing_ran_is_told_once(
    tmp_path: Path, kept_in: Settings
) -> None:
    data = DataFolder(tmp_path)
    migrate(data, "business", settings=kept_in)
    database = Database(place_of("business", data, kept_in))
    traffic, clock, desk = traffic_of(database), Clock(), Heard()
    here = float(city().lat[0]), float(city().lon[0])
    line = (here, (here[0] + 1e-3, here[1]))
    slow = RoadRule(id="", name="school", kind="slow", kmh=20.0, points=line, is_area=False)
    closed = replace(slow, name="fair", kind="closed", kmh=None, from_s=2_000.0, until_s=3_000.0)
    known = [traffic.add("main", one, "ana") for one in (slow, closed)]
    with pytest.raises(Invalid, match="people have drawn"):
        traffic.take_file("main", "drawn", "geojson", feature(), "ana")
    coming: list[str] = []

    async def start(at_s: float, desk: Heard = desk) -> list[tuple[list[str], list[str]]]:
        """The service runs at a time; what it tells, as names of what began and what ended."""
        clock.at_s = at_s
        publisher = SpeedPublisher(
            database=database, clock=clock, city=demo_city(), desk=cast("Any", desk)
        )
        with database.reading() as connection:
            before = connection.scalar(select(func.max(outbox.c.position))) or 0
        await publisher._tell_or_later()  # nothing is told before the engine knows
        with suppress(RoadsUnavailable):
            await publisher.publish(cast("Any", desk))
            await publisher.publish_ahead(cast("Any", desk))
        await publisher.tell()
        await publisher.tell()
        with database.reading() as connection:
            rows = connection.execute(select(outbox).where(outbox.c.position > before))
            told = [msgspec.json.decode(row.payload, type=StreetsChanged) for row in rows]
        coming.extend(rule.name for one in told for rule in one.announced)
        told = [one for one in told if not one.announced]
        return [([r.name for r in one.begun], [r.name for r in one.ended]) for one in told]

    async def days() -> None:
        assert await start(1_000.0) == [(["school"], [])]
        assert coming == ["fair"]
        assert await start(1_500.0) == []
        traffic.change("main", replace(known[1], from_s=1_900.0), "ana")
        assert await start(1_600.0) == []
        assert coming == ["fair", "fair"], "it begins earlier than was told"
        assert await start(2_500.0, Deaf()) == []
        assert await start(2_500.0) == [(["fair"], [])]
        traffic.change("main", replace(known[1], until_s=3_500.0), "ana")
        assert await start(2_550.0) == [(["fair"], [])], "it lasts longer than was told"
        traffic.change("main", known[1], "ana")
        assert await start(2_580.0) == []
        traffic.change("main", replace(known[0], name="a school"), "ana")
        assert await start(2_600.0) == []
        assert await start(3_000.0) == [([], ["fair"])]
        traffic.change("main", replace(known[0], kmh=30.0), "ana")
        assert await start(3_100.0) == [(["school"], []), ([], ["school"])]
        traffic.remove("main", known[0].id)
        assert await start(3_200.0) == [([], ["school"])]
        again = replace(closed, points=(here, (here[0], here[1] + 1e-3)), from_s=9_000.0)
        called_off = traffic.add("main", replace(again, name="market", until_s=9_900.0), "ana")
        assert await start(3_300.0) == []
        assert coming == ["fair", "fair", "market"]
        traffic.remove("main", called_off.id)
        assert await start(3_400.0) == [([], ["market"])]

    asyncio.run(days())
    database.close()


class Deaf(Heard):
    """An engine that takes no speeds."""

    async def publish(self, _data_set: str, _speeds: bytes, _drawn: str = "") -> float:
        raise RoadsUnavailable("roads: not there")
