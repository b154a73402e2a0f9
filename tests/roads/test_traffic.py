"""From committed history to speeds on streets, over the real engine."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import pairwise
from math import hypot
from pathlib import Path

import numpy as np
import pytest

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.probes import socket_answers
from cloud.roads.client import RoadsClient
from cloud.roads.generations import stamp
from cloud.roads.keeper import ENGINES, PLAIN
from cloud.roads.learning import Met, packed, unpacked
from cloud.roads.segments import Floats, Segments, read_segments
from cloud.tracking import store as tracking_store
from cloud.tracking.store import Writes
from cloud.traffic import store
from cloud.traffic.client import LearnerClient, LearnerUnavailable
from cloud.traffic.learning import SpeedLearning
from cloud.traffic.patterns import read_pattern
from tests.parts.migrated import upgrade
from tests.parts.roads_engine import RoadEngine, demo_city
from tests.roads.test_keeper import HARBOUR, PLAZA, until
from tests.tracking.vans import NOON_MS, arrived_row
from wire.messages import Batch, Fix

pytestmark = pytest.mark.slow

NOON_S = NOON_MS // 1000
EAST_M, NORTH_M = 96_500, 111_320


class At:
    """A clock that stands."""

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        self.speed = 1.0

    def now_s(self) -> float:
        return self.at_s

    async def sleep_until(self, at_s: float) -> None:
        raise AssertionError(at_s)


class LearnerProcess:
    """The learner as the cloud runs it."""

    def __init__(self, data: DataFolder) -> None:
        self.data = data
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "cloud.cli", "serve", "--role=learner"]
        self.process = subprocess.Popen([*command, f"--data={self.data.root}"])
        until(lambda: socket_answers(self.data.learner_socket))

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def data(engine: RoadEngine, tmp_path: Path) -> DataFolder:
    data = DataFolder(tmp_path)
    data.city.symlink_to(demo_city())
    data.roads.mkdir()
    (data.roads / ENGINES).write_text(json.dumps({PLAIN: engine.port}))
    return data


@pytest.fixture
def databases(data: DataFolder) -> Iterator[tuple[Database, Database]]:
    business, telemetry = Database(data.business), Database(data.telemetry)
    upgrade(business, "business")
    upgrade(telemetry, "telemetry")
    yield business, telemetry
    business.close()
    telemetry.close()


@pytest.fixture
def learner(data: DataFolder, databases: tuple[Database, Database]) -> Iterator[LearnerProcess]:
    del databases  # it reads them
    process = LearnerProcess(data)
    process.start()
    yield process
    process.kill()


def learning_of(
    data: DataFolder, business: Database, clock: Clock, vans: Sequence[str] = ("van-1",)
) -> SpeedLearning:
    return SpeedLearning(
        business=business, clock=clock, vans=lambda: [("main", van) for van in vans],
        zone=lambda: "America/Santiago", city=data.city, folder=data.roads,
        learner=LearnerClient(data.learner_socket),
    )  # fmt: skip


def as_told(segments: Segments) -> Floats:
    """Of travel times of which no file tells anything."""
    return np.full(len(segments), np.nan)


async def drive(roads: RoadsClient, telemetry: Database, pace: float, first_s: int) -> None:
    """From plaza to harbour, ``pace`` times as long as the engine says, one fix each second."""
    path = await roads.route([PLAZA, HARBOUR])
    metres = [
        hypot((to[0] - one[0]) * EAST_M, (to[1] - one[1]) * NORTH_M)
        for one, to in pairwise(path.geometry)
    ]
    along = np.concatenate([[0.0], np.cumsum(metres)])
    seconds = int(path.seconds * pace)
    at = np.interp(np.linspace(0, along[-1], seconds), along, range(len(along)))
    lon = np.interp(at, range(len(along)), [place[0] for place in path.geometry])
    lat = np.interp(at, range(len(along)), [place[1] for place in path.geometry])
    fixes = [
        Fix(
            recorded_at_ms=NOON_MS + (first_s + number) * 1000,
            lat_e7=round(lat[number] * 1e7),
            lon_e7=round(lon[number] * 1e7),
            mode=3,
        )
        for number in range(seconds)
    ]
    rows = [
        arrived_row(Batch(stream=7, first=first_s + part, fixes=tuple(fixes[part : part + 900])))
        for part in range(0, len(fixes), 900)
    ]
    with telemetry.writing() as connection:
        tracking_store.write(connection, Writes(arrived=rows))


def hours_kept(business: Database) -> list[tuple[int, bool]]:
    with business.reading() as connection:
        return [(hour_s, is_final) for hour_s, _, is_final in store.hours(connection, 0)]


def test_what_vans_drove_is_learned_by_the_hour_and_lately(
    engine: RoadEngine,
    data: DataFolder,
    databases: tuple[Database, Database],
    learner: LearnerProcess,
) -> None:
    del learner  # it is running
    business, telemetry = databases
    clock = At(NOON_S + 3_500)
    learning = learning_of(data, business, clock)
    segments = read_segments(demo_city())

    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            await drive(roads, telemetry, 2.0, first_s=0)
        asked = LearnerClient(data.learner_socket)
        met = await asked.met((NOON_S, NOON_S + 3_600), (("main", "van-1"),))
        assert met.seconds.sum() / met.expected_s.sum() == pytest.approx(2.0, rel=0.35)
        assert learning.factors(segments, clock.now_s(), as_told(segments)) == []
        clock.at_s = NOON_S + 900
        await learning.look()
        usual, lately = learning.factors(segments, NOON_S + 900, as_told(segments))
        driven = segments.find(met.tail, met.head)
        assert np.median(usual) == pytest.approx(1.0)
        assert (lately[driven] > 1.0).mean() > 0.2
        clock.at_s = NOON_S + 5_400
        await learning.look()
        usual, lately = learning.factors(segments, NOON_S + 86_400, as_told(segments))
        assert np.median(usual[driven]) > 1.15
        assert np.median(lately[driven]) == pytest.approx(1.0, abs=0.1)

    asyncio.run(ask())
    assert hours_kept(business) == [(NOON_S, False)], "nothing from before anybody looked"
    clock.at_s = NOON_S + 28 * 3_600
    asyncio.run(learning.look())
    known = hours_kept(business)
    assert known[0] == (NOON_S, True)
    assert len(known) == 27


class FailingOnce(LearnerClient):
    """The learner's client, which does not hear the answer about some vans the first time."""

    def __init__(self, socket: Path, van: str) -> None:
        super().__init__(socket)
        self.van: str | None = van
        self.answered: list[tuple[str, ...]] = []

    async def met(self, span_s: tuple[float, float], vans: tuple[tuple[str, str], ...]) -> Met:
        names = tuple(van for _, van in vans)
        if span_s[1] - span_s[0] == 3_600 and self.van in names:
            self.van = None
            raise LearnerUnavailable("learner: gone")
        found = await super().met(span_s, vans)
        if span_s[1] - span_s[0] == 3_600:
            self.answered.append(names)
        return found


def test_a_large_fleet_s_hour_is_learned_some_vans_at_a_time_and_goes_on_where_it_broke_off(
    engine: RoadEngine,
    data: DataFolder,
    databases: tuple[Database, Database],
    learner: LearnerProcess,
) -> None:
    del learner  # it is running
    business, telemetry = databases
    vans = [f"van-{number}" for number in range(130)]
    clock = At(NOON_S + 900)
    failing = FailingOnce(data.learner_socket, "van-100")
    learning = SpeedLearning(
        business=business, clock=clock, vans=lambda: [("main", van) for van in vans],
        zone=lambda: "America/Santiago", city=data.city, folder=data.roads, learner=failing,
    )  # fmt: skip

    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            await drive(roads, telemetry, 2.0, first_s=0)
        await learning.look()
        clock.at_s = NOON_S + 5_400
        with pytest.raises(LearnerUnavailable):
            await learning.look()
        assert hours_kept(business) == []
        await learning.look()

    asyncio.run(ask())
    assert hours_kept(business) == [(NOON_S, False)]
    assert [van for names in failing.answered for van in names] == vans, "each once"
    assert len(failing.answered) == 3
    with business.reading() as connection:
        ((_, body, _),) = store.hours(connection, 0)
    assert len(unpacked(body).tail) > 0


def test_a_killed_learner_takes_nothing_with_it_and_learning_goes_on(
    engine: RoadEngine,
    data: DataFolder,
    databases: tuple[Database, Database],
    learner: LearnerProcess,
) -> None:
    business, telemetry = databases
    clock = At(NOON_S + 900)
    learning = learning_of(data, business, clock)
    segments = read_segments(demo_city())

    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            await drive(roads, telemetry, 2.0, first_s=0)
        await learning.look()
        clock.at_s = NOON_S + 5_400
        looking = asyncio.create_task(learning.look())
        await asyncio.sleep(0)
        learner.kill()
        with pytest.raises(LearnerUnavailable, match="restarted by itself"):
            await looking
        assert hours_kept(business) == []
        _, lately = learning.factors(segments, NOON_S + 1_000, as_told(segments))
        assert lately.max() > 1.2
        learner.start()
        await learning.look()
        assert hours_kept(business) == [(NOON_S, False)]

    asyncio.run(ask())
    learner.kill()
    usual, _ = learning_of(data, business, clock).factors(
        segments, NOON_S + 86_400, as_told(segments)
    )
    assert usual.max() > 1.15, "web starts with what is known though no learner runs"


def test_of_a_large_fleet_some_vans_are_followed_after_the_others(
    data: DataFolder, databases: tuple[Database, Database]
) -> None:
    fleet = [f"van-{number}" for number in range(130)]
    learning = learning_of(data, databases[0], At(NOON_S), fleet)
    looks = [asyncio.run(learning.in_turn()) for _ in range(13)]
    assert {len(look) for look in looks} == {60}
    seen = Counter(van for look in looks for _, van in look)
    assert set(seen) == set(fleet)
    assert set(seen.values()) == {6}


def test_what_was_learned_fits_the_streets_of_a_city_that_is_imported_anew(
    data: DataFolder, databases: tuple[Database, Database], learner: LearnerProcess
) -> None:
    del learner  # it is running
    business, _ = databases
    segments = read_segments(data.city)
    met = Met(
        tail=segments.tail[:1], head=segments.head[:1], seconds=np.array([900.0]),
        expected_s=np.array([100.0]),
    )  # fmt: skip
    with business.writing() as connection:
        store.put_hour(connection, int(NOON_S) - 3_600, packed(met), is_final=True)
    learning = learning_of(data, business, At(NOON_S))
    asyncio.run(learning.look())
    usual, _ = learning.factors(segments, NOON_S, as_told(segments))
    assert usual[0] > usual[1]
    before = read_pattern(data.roads)
    data.city.unlink()
    shutil.copytree(demo_city(), data.city)
    asyncio.run(learning.look())
    after = read_pattern(data.roads)
    assert before is not None
    assert after is not None
    assert before.city != after.city == stamp(data.city)
    other = Segments(**{one.name: getattr(segments, one.name)[1:] for one in fields(segments)})
    assert learning.factors(other, NOON_S, as_told(other)) == [], "they tell of other streets"


def test_a_damaged_pattern_is_as_good_as_none(tmp_path: Path) -> None:
    assert read_pattern(tmp_path) is None
    (tmp_path / "pattern.bin").write_bytes(b"\x83nonsense")
    assert read_pattern(tmp_path) is None


def test_the_learner_refuses_what_it_does_not_understand(
    data: DataFolder, learner: LearnerProcess
) -> None:
    del learner  # it is running

    async def say(what: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(data.learner_socket)
        writer.write(what)
        answer = await reader.readline()
        writer.close()
        return answer

    assert b"refused" in asyncio.run(say(b"hello\n"))
    asked = LearnerClient(data.learner_socket)
    with pytest.raises(LearnerUnavailable, match="Nowhere"):
        asyncio.run(asked.learn(float(NOON_S), "Nowhere/At All"))
    assert asyncio.run(asked.learn(float(NOON_S), "UTC")) == 0
