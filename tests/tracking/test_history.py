"""History in blocks is the history of a row per fix, in whatever order and pieces it came."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import place_of
from cloud.foundation.settings import Settings
from cloud.tracking import history, service, store
from cloud.tracking.backlog import FOLD_AFTER_MS, Backlog
from cloud.tracking.blocks import (
    BLOCK_FIXES,
    MAX_SPAN_MS,
    Numbered,
    TrackRow,
    cut,
    merged,
    pack,
    seqs_of,
    unpack,
)
from cloud.tracking.history import BLOCK
from cloud.tracking.intake import Arrived, Complaint, Group, Intake
from cloud.tracking.model import Committed, StreamKey, moment_ms
from cloud.tracking.shelf import Shelf
from cloud.tracking.track import ALWAYS
from tests.parts.migrated import upgrade
from tests.tracking.vans import NOON_MS, batch, encoded, fix
from wire import topics
from wire.events import Gap
from wire.messages import Batch, Event, Fix

PLAIN = Settings()
EVER = (-(2**53), 2**53)


class PowerCut(Exception):
    """Ends a transaction before its end."""


class Fragile(Database):
    """A database whose power can go at the end of a transaction, before its commit."""

    has_power = True

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with super().writing() as connection:
            yield connection
            if not self.has_power:
                raise PowerCut


@dataclass
class Cloud:
    """Ingest without broker: what is said is committed, then read and folded as it is told to."""

    database: Fragile
    now_ms: int = NOON_MS + 3_600_000
    complaints: list[Complaint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Begin anew with what is stored, as after a kill."""
        self.intake = Intake(
            standing_of=lambda *_: "known",
            load=self._load,
            load_shelf=lambda *_: Shelf(),
            complain=self.complaints.append,
            live=[],
        )
        self.backlog = Backlog(
            self.database, self.intake, lambda: self.now_ms, self.complaints.append
        )

    def _load(self, key: StreamKey) -> Committed:
        with self.database.reading() as connection:
            return store.committed_of(connection, key)

    def hear(self, message: Batch | Event, van: str = "van-1") -> None:
        kind = "batch" if isinstance(message, Batch) else "event"
        topic, group = topics.up("main", van, kind), Group()
        arrived = Arrived(topic=topic, payload=encoded(message), received_at_ms=self.now_ms)
        self.intake.take(arrived, group)
        with self.database.writing() as connection:
            store.write(connection, group.writes)
        self.intake.settle(group)
        self.backlog.note_arrival()

    def read(self) -> None:
        """Look into all that is stored, and fold what is due."""
        while self.backlog.has_work():
            self.backlog.work(9.0)

    def note(self) -> None:
        """Keep with what was read when and where it was taken, as is done after a moment."""
        self.backlog._note_at_s = 0.0
        self.read()

    def fold(self) -> None:
        """Fold everything."""
        self.read()
        self.now_ms += FOLD_AFTER_MS
        self.read()

    def is_killed_while_it_folds(self) -> None:
        """The power goes after the blocks are put, before the commit."""
        self.read()
        self.database.has_power = False
        with suppress(PowerCut):
            self.fold()
        self.database.has_power = True
        self.open()

    def track(self, van: str = "van-1", span: tuple[int, int] = EVER) -> list[TrackRow]:
        """Read plainly; what reads it in bulk must tell the same."""
        with self.database.reading() as connection:
            plain = history.fixes_between(connection, "main", van, *span, 10**6)
            bulk = service.read(connection, "main", van, span)
        places = [bulk[name].tolist() for name in ALWAYS]
        assert [row[:5] for row in plain] == list(zip(*places, strict=True))
        return plain

    def seqs(self, van: str = "van-1") -> list[tuple[int, int]]:
        with self.database.reading() as connection:
            return history.stored_seqs(connection, "main", van)

    def extents(self, van: str = "van-1") -> list[tuple[int, int, int, int]]:
        """(stream, first, last, fixes) of each block."""
        columns = (BLOCK.c.stream, BLOCK.c.first, BLOCK.c.last, BLOCK.c.fixes)
        with self.database.reading() as connection:
            found = connection.execute(select(*columns).where(BLOCK.c.van == van))
            return sorted(tuple(row) for row in found)

    def unfolded(self) -> int:
        with self.database.reading() as connection:
            return len(connection.execute(select(history.ARRIVED.c.id)).all())


@contextmanager
def opened(folder: str | Path, kept_in: Settings = PLAIN) -> Iterator[Cloud]:
    database = Fragile(place_of("telemetry", DataFolder(Path(folder)), kept_in))
    try:
        upgrade(database, "telemetry")
        yield Cloud(database)
    finally:
        database.close()


@pytest.fixture
def cloud(tmp_path: Path, kept_in: Settings) -> Iterator[Cloud]:
    with opened(tmp_path, kept_in) as cloud:
        yield cloud


def told(stream: int, seq: int, one: Fix) -> TrackRow:
    place = (one.lat_e7, one.lon_e7)
    return TrackRow(moment_ms(one), stream, seq, *place, one.speed_cmps, one.course_ddeg)


def drive(stream: int, first: int, fixes: int, step: int = 1) -> Batch:
    """Seqs of a drive at 1 Hz; ``seq`` and second are one, but for what clocks do now and then."""
    seqs = range(first, first + fixes * step, step)
    return Batch(stream=stream, first=first, fixes=tuple(map(_driven, seqs)), step=step)  # type: ignore[arg-type]


def _driven(seq: int) -> Fix:
    plain = fix(seq * 60)
    if seq % 41 == 0:
        return msgspec.structs.replace(plain, fix_time_ms=None)
    if seq % 97 == 0:  # the receiver told the week of its last almanac
        return msgspec.structs.replace(plain, fix_time_ms=NOON_MS - 1024 * 7 * 86_400_000)
    return plain


@st.composite
def deliveries(draw: st.DrawFn) -> list[Batch]:
    """Batches of two streams: chopped anyhow, overlapping, thinned, with holes, in any order."""
    said = draw(
        st.lists(
            st.builds(
                lambda stream, first, fixes, step: drive(stream, first * step, fixes, step),
                st.sampled_from([7, 9]),
                st.integers(0, 150),
                st.sampled_from([1, 2, 10, 60]),
                st.sampled_from([1, 1, 1, 2, 4, 8]),
            ),
            min_size=1,
            max_size=14,
        )
    )
    return [*said, *draw(st.lists(st.sampled_from(said), max_size=5))]


@settings(max_examples=60, deadline=None)
@given(deliveries(), st.data())
def test_any_delivery_folded_at_any_moment_with_kills_gives_the_history_of_rows(
    said: list[Batch], data: st.DataObject
) -> None:
    rows = {
        (said_once.stream, seq): told(said_once.stream, seq, one)
        for said_once in said
        for seq, one in zip(said_once.seqs, said_once.fixes, strict=True)
    }
    steps = st.sampled_from(["go on", "go on", "read", "fold", "kill", "power cut", "gap"])
    with TemporaryDirectory() as folder, opened(folder) as cloud:
        for place, one in enumerate(data.draw(st.permutations(said))):
            cloud.hear(one)
            match data.draw(steps):
                case "read":
                    cloud.read()
                case "fold":
                    cloud.fold()
                case "kill":
                    cloud.open()
                case "power cut":
                    cloud.is_killed_while_it_folds()
                case "gap":
                    gap = Gap(stream="7", first=place * 9, last=place * 20, reason="spool_full")
                    told_gap = Event(stream="50", seq=place, recorded_at_ms=NOON_MS, body=gap)
                    cloud.hear(told_gap)
                case _:
                    pass
            assert rows[(one.stream, one.first)] in cloud.track()
        assert cloud.track() == sorted(rows.values())
        cloud.fold()
        assert cloud.unfolded() == 0
        assert cloud.track() == sorted(rows.values())
        assert cloud.seqs() == sorted(rows), "each once"
        between = (NOON_MS + 600_000, NOON_MS + 6_000_000)
        inside = [one for one in sorted(rows.values()) if between[0] <= one.at_ms < between[1]]
        assert cloud.track(span=between) == inside
        for (stream, _, last, _), (other, first, _, _) in pairwise(cloud.extents()):
            assert stream != other or last < first, "blocks of a stream do not overlap"
        assert not cloud.complaints


@given(st.lists(st.tuples(st.integers(0, 2**62 - 1), st.integers(-(2**53), 2**53)), min_size=1))
def test_blocks_come_back_whole_within_their_bounds(rows: list[tuple[int, int]]) -> None:
    numbered = merged(
        [
            Numbered(seq, Fix(recorded_at_ms=at_ms, lat_e7=1, lon_e7=2, mode=2), at_ms)
            for seq, at_ms in rows
        ]
    )
    blocks = [pack(part) for part in cut(numbered)]
    assert [row[:2] for block in blocks for row in unpack(block)] == [row[:2] for row in numbered]
    for block in blocks:
        assert block.fixes <= BLOCK_FIXES
        assert block.to_ms - block.from_ms <= MAX_SPAN_MS
        assert len(list(seqs_of(block.runs))) == block.fixes


def test_of_two_that_stand_under_one_seq_the_earlier_source_counts() -> None:
    one, other = Numbered(1, fix(1), 5), Numbered(1, fix(2), 6)
    assert merged([one], [other]) == [one]


def test_a_steady_stream_lies_in_full_blocks_and_its_end_grows(cloud: Cloud) -> None:
    for first in range(0, 1_000, 10):
        cloud.hear(batch(7, first, 10))
        cloud.read()
    cloud.fold()
    assert [fixes for *_, fixes in cloud.extents()] == [400, 400, 200]
    cloud.hear(batch(7, 1_000, 10))
    cloud.fold()
    assert [fixes for *_, fixes in cloud.extents()] == [400, 400, 210]


def test_hours_bound_a_block_and_a_broken_clock_stands_apart(cloud: Cloud) -> None:
    cloud.hear(drive(7, 98, 400))
    cloud.fold()
    fixes = [(first, last) for _, first, last, _ in cloud.extents()]
    assert fixes[:2] == [(98, 193), (194, 194)]
    assert cloud.extents()[-1][2] == 497


def test_what_comes_late_falls_into_its_place(cloud: Cloud) -> None:
    cloud.hear(batch(7, 0, 300))
    cloud.hear(batch(7, 310, 300))
    cloud.fold()
    cloud.hear(batch(7, 300, 10))
    cloud.fold()
    assert [(first, last) for _, first, last, _ in cloud.extents()] == [(0, 399), (400, 609)]


def test_nothing_is_folded_before_it_is_enough_or_old(cloud: Cloud) -> None:
    cloud.hear(batch(7, 0, BLOCK_FIXES - 1))
    cloud.read()
    assert cloud.unfolded() == 1
    cloud.hear(batch(7, BLOCK_FIXES - 1, 1))
    cloud.read()
    assert cloud.unfolded() == 0
    cloud.hear(drive(9, 0, 1))
    cloud.read()
    assert cloud.unfolded() == 1
    cloud.now_ms += FOLD_AFTER_MS
    cloud.read()
    assert cloud.unfolded() == 0


def test_a_damaged_block_keeps_what_comes_beside_it_and_is_told_of(cloud: Cloud) -> None:
    cloud.hear(batch(7, 0, 10))
    cloud.fold()
    with cloud.database.writing() as connection:
        connection.execute(BLOCK.update().values(body=b"\xff"))
    cloud.hear(batch(7, 10, 10))
    cloud.hear(batch(9, 0, 10))
    cloud.fold()
    assert cloud.unfolded() == 1
    assert {one.sentence for one in cloud.complaints} == {"cannot fold history"}
    assert [stream for stream, *_ in cloud.extents()] == [7, 9], "other streams go on"


def test_a_track_takes_the_earliest_up_to_its_limit(cloud: Cloud) -> None:
    for first in (900, 0, 450):
        cloud.hear(drive(7, first + 1, 40))
        cloud.fold()
    with cloud.database.reading() as connection:
        found = history.fixes_between(connection, "main", "van-1", NOON_MS, EVER[1], 60)
    assert [one.seq for one in found] == [*range(1, 41), *range(451, 471)]


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        ("tenant='main' AND van='van-1' AND from_ms>=0 AND from_ms<9", "tenant_van_from_ms"),
        ("tenant='main' AND from_ms>=0 AND from_ms<9 AND south_e7<5", "tenant_from_ms"),
        ("tenant='main' AND van='van-1' AND stream=1 AND first<=7", "tenant_van_stream_first"),
    ],
)
def test_blocks_are_found_by_an_index(tmp_path: Path, ask: str, index: str) -> None:
    with opened(tmp_path) as cloud, cloud.database.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT * FROM block WHERE {ask}")
        assert f"ix_block_{index} " in str(plan.fetchall())
