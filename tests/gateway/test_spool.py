"""The spool: nothing leaves it unacknowledged, untold or uncommitted."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import schema
from gateway.errors import SpoolError
from gateway.rows import Kind, committed_ranges, read_fix
from gateway.spool import MAX_ADDED, Spool
from gateway.stamp import Stamp
from wire import codec
from wire.events import Gap, GatewayStarted
from wire.messages import Ack, Event, Fix

NOW = Stamp(1_772_438_400_000, "gnss")


def fix(number: int) -> Fix:
    return Fix(
        recorded_at_ms=NOW.now_ms + number,
        fix_time_ms=NOW.now_ms + number,
        lat_e7=546_872_134 + number,
        lon_e7=252_795_432,
        mode=3,
        satellites=9,
        source="serial",
        quality="gnss",
    )


type Opener = Callable[..., Spool]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens the spool as the gateway's start number ``start`` does; closes all of them."""
    spools: list[Spool] = []

    def opener(*, start: int = 1, max_bytes: int = 10_000_000) -> Spool:
        schema.prepare(tmp_path / "spool.db")
        spool = Spool(tmp_path / "spool.db", max_bytes)
        spools.append(spool)
        spool.begin(fixes=start * 100, events=start * 100 + 1, version="test", stamp=NOW)
        return spool

    yield opener
    for spool in spools:
        spool.close()


def fill(spool: Spool, count: int) -> None:
    for number in range(count):
        spool.add_fix(fix(number))
    spool.commit(NOW)


def seqs(spool: Spool, kind: Kind = "fix") -> list[int]:
    return [row.seq for row in spool.rows_after(kind, -1, 1_000_000)]


def events(spool: Spool) -> list[Event]:
    return [codec.decode(row.body, Event) for row in spool.rows_after("event", -1, 1000)]


def test_a_start_opens_two_streams_and_tells_of_them(opened: Opener) -> None:
    spool = opened()
    (event,) = events(spool)
    assert event.body == GatewayStarted(boot=1, fixes="100", version="test")
    assert (event.stream, event.seq) == ("101", 0)


def test_only_what_is_committed_can_be_read(opened: Opener) -> None:
    spool = opened()
    assert [spool.add_fix(fix(number)) for number in range(3)] == [0, 1, 2]
    assert seqs(spool) == []
    spool.commit(NOW)
    assert seqs(spool) == [0, 1, 2]


def test_a_fix_comes_out_as_it_went_in(opened: Opener) -> None:
    spool = opened()
    bare = Fix(recorded_at_ms=1, lat_e7=-1, lon_e7=2, mode=2)
    spool.add_fix(fix(7))
    spool.add_fix(bare)
    spool.commit(NOW)
    assert [read_fix(row.body) for row in spool.rows_after("fix", -1, 10)] == [fix(7), bare]


def test_what_was_not_committed_is_gone_after_a_restart_and_the_rest_is_there(
    opened: Opener,
) -> None:
    first = opened()
    fill(first, 5)
    first.add_fix(fix(5))
    first.close()
    second = opened(start=2)
    assert seqs(second) == [0, 1, 2, 3, 4]
    assert second.waiting == {"fix": 5, "event": 2}


def test_the_rows_of_all_starts_come_oldest_first(opened: Opener) -> None:
    for start in (1, 2):
        earlier = opened(start=start)
        fill(earlier, 2)
        earlier.close()
    spool = opened(start=3)
    fill(spool, 2)
    rows = spool.rows_after("fix", -1, 10)
    assert [(spool.stream_of(row.id).id, row.seq) for row in rows] == [
        (stream, seq) for stream in (100, 200, 300) for seq in (0, 1)
    ]
    assert spool.streams_left() == [101, 100, 201, 200, 301, 300]


def test_a_start_whose_rows_are_all_acknowledged_is_forgotten(opened: Opener) -> None:
    first = opened()
    first.release(Ack(stream="101", upto=0))
    first.commit(NOW)
    first.close()
    second = opened(start=2)
    assert second.boot == 2
    assert second.streams_left() == [201]
    assert second.release(Ack(stream="101", upto=0)) is None


def test_an_acknowledgement_frees_up_to_its_end_but_for_what_is_missing(opened: Opener) -> None:
    spool = opened()
    fill(spool, 20)
    spool.release(Ack(stream="100", upto=15, missing=((3, 5), (9, 9))))
    spool.commit(NOW)
    assert seqs(spool) == [3, 4, 5, 9, 16, 17, 18, 19]
    assert spool.waiting["fix"] == 8


def test_an_acknowledgement_of_nothing_frees_nothing(opened: Opener) -> None:
    spool = opened()
    fill(spool, 3)
    spool.release(Ack(stream="100", upto=-1))
    spool.commit(NOW)
    assert seqs(spool) == [0, 1, 2]


def test_an_acknowledgement_of_a_foreign_stream_frees_nothing(opened: Opener) -> None:
    spool = opened()
    fill(spool, 3)
    assert spool.release(Ack(stream="999", upto=100)) is None
    spool.commit(NOW)
    assert seqs(spool) == [0, 1, 2]


def test_an_acknowledgement_never_frees_what_is_not_yet_committed(opened: Opener) -> None:
    spool = opened()
    fill(spool, 3)
    spool.add_fix(fix(3))
    spool.release(Ack(stream="100", upto=2**61))
    spool.commit(NOW)
    assert seqs(spool) == [3]
    assert events(spool)


@settings(max_examples=25, deadline=None)
@given(
    upto=st.integers(-1, 70),
    missing=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), max_size=6),
)
def test_what_an_acknowledgement_covers_is_upto_less_missing(
    upto: int, missing: list[tuple[int, int]]
) -> None:
    ranges = tuple((min(pair), max(pair)) for pair in missing)
    covered = {
        seq
        for first, last in committed_ranges(Ack(stream="1", upto=upto, missing=ranges))
        for seq in range(first, last + 1)
    }
    lacking = {seq for first, last in ranges for seq in range(first, last + 1)}
    assert covered == set(range(upto + 1)) - lacking


def test_a_full_spool_gives_up_its_oldest_fixes_and_tells_the_gap(
    opened: Opener, tmp_path: Path
) -> None:
    spool = opened(max_bytes=200_000)
    for _ in range(40):
        fill(spool, 200)
    left = seqs(spool)
    gaps = [event.body for event in events(spool) if isinstance(event.body, Gap)]
    assert left == list(range(left[0], 8000))
    assert left[0] > 0
    told = {seq for gap in gaps for seq in range(gap.first, gap.last + 1)}
    assert told == set(range(left[0]))
    assert {(gap.stream, gap.reason, gap.kept) for gap in gaps} == {("100", "spool_full", 0)}
    assert spool.waiting["fix"] == len(left)
    assert len(gaps) < 40, "it gives up many at a time"
    spool.close()
    assert (tmp_path / "spool.db").stat().st_size < 260_000


def test_a_gap_over_rows_already_acknowledged_says_how_many_were_kept(opened: Opener) -> None:
    spool = opened(max_bytes=200_000)
    fill(spool, 100)
    spool.release(Ack(stream="100", upto=80, missing=((0, 9), (30, 39))))
    for _ in range(30):
        fill(spool, 200)
    gap = next(event.body for event in events(spool) if isinstance(event.body, Gap))
    assert (gap.first, gap.kept) == (0, 61)


def test_refused_rows_are_set_aside_and_told(opened: Opener) -> None:
    spool = opened()
    fill(spool, 10)
    rows = spool.rows_after("fix", -1, 10)
    spool.refuse(rows[2].id, rows[4].id, NOW)
    assert seqs(spool) == [0, 1, 5, 6, 7, 8, 9]
    assert events(spool)[-1].body == Gap(stream="100", first=2, last=4, reason="refused")
    (kept,) = spool.connection.execute("SELECT count(*) FROM refused").fetchone()
    assert kept == 3


def test_when_the_medium_takes_nothing_everything_is_kept_for_later(opened: Opener) -> None:
    spool = opened()
    spool.connection.execute("PRAGMA query_only = ON")
    for number in range(10):
        spool.add_fix(fix(number))
    with pytest.raises(sqlite3.OperationalError):
        spool.commit(NOW)
    spool.connection.execute("PRAGMA query_only = OFF")
    spool.commit(NOW)
    assert seqs(spool) == list(range(10))


def test_a_commit_that_fails_after_giving_up_fixes_tells_no_gap_of_them(opened: Opener) -> None:
    spool = opened(max_bytes=200_000)
    count = 0
    while _pages(spool) <= 200_000 // 4096:
        fill(spool, 100)
        count += 100
    spool.connection.execute(f"PRAGMA max_page_count = {_pages(spool)}")
    for number in range(3000):
        spool.add_fix(fix(number))
    for _ in range(3):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            spool.commit(NOW)
    assert seqs(spool) == list(range(count))
    spool.release(Ack(stream="100", upto=count - 1, missing=((0, 120),)))
    spool.connection.execute("PRAGMA max_page_count = 1000000")
    spool.commit(NOW)
    assert seqs(spool) == [*range(121), *range(count, count + 3000)]
    assert [event.body for event in events(spool) if isinstance(event.body, Gap)] == []
    fill(spool, 1)
    (gap,) = [event for event in events(spool) if isinstance(event.body, Gap)]
    assert gap.seq == 1, "no seq of an event is left out"


def _pages(spool: Spool) -> int:
    (pages,) = spool.connection.execute("PRAGMA page_count").fetchone()
    return int(pages)


def test_memory_is_bounded_while_the_medium_takes_nothing(opened: Opener) -> None:
    spool = opened()
    for number in range(MAX_ADDED + 1):
        spool.add_fix(fix(number))
    spool.commit(NOW)
    assert len(seqs(spool)) <= MAX_ADDED
    gap = next(event.body for event in events(spool) if isinstance(event.body, Gap))
    assert (gap.first, gap.last + 1, gap.reason) == (0, seqs(spool)[0], "damaged")


def test_a_file_that_is_no_spool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="prepare"):
        Spool(tmp_path / "none.db", 1_000_000)
    (tmp_path / "text.db").write_text("not a database, but long enough to look like one" * 100)
    with pytest.raises(SpoolError, match=r"text\.db"):
        Spool(tmp_path / "text.db", 1_000_000)
    sqlite3.connect(tmp_path / "empty.db").close()
    (tmp_path / "empty.db").touch()
    with pytest.raises(SpoolError, match="version 0"):
        Spool(tmp_path / "empty.db", 1_000_000)


def test_the_spool_is_as_the_power_cut_tests_want_it(opened: Opener) -> None:
    spool = opened()
    told = {
        name: spool.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "page_size")
    }
    assert told == {"journal_mode": "wal", "synchronous": 2, "page_size": 4096}


def test_preparing_again_changes_nothing(opened: Opener, tmp_path: Path) -> None:
    spool = opened()
    fill(spool, 3)
    spool.close()
    schema.prepare(tmp_path / "spool.db")
    assert seqs(opened(start=2)) == [0, 1, 2]
