"""The spool: nothing leaves it unacknowledged, untold or uncommitted."""

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import SpoolError
from gateway.spool import schema
from gateway.spool.notes import sound
from gateway.spool.ring import MAX_ADDED
from gateway.spool.rows import KINDS, Kind, base_id, checked, committed_ranges, read_fix
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from wire import codec
from wire.events import Gap, GatewayStarted, Idled, IgnitionSwitched, PowerFailing, TripStarted
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

    def opener(*, start: int = 1, max_bytes: int = 10_000_000, **options: Any) -> Spool:
        schema.prepare(tmp_path / "spool.db")
        spool = Spool(tmp_path / "spool.db", max_bytes, **options)
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


def test_a_full_spool_thins_its_oldest_fixes_then_drops_them(
    opened: Opener, tmp_path: Path
) -> None:
    spool = opened(max_bytes=200_000)
    for _ in range(100):
        fill(spool, 200)
    left = seqs(spool)
    steps = [after - before for before, after in itertools.pairwise(left)]
    assert steps == sorted(steps, reverse=True), "the older, the thinner"
    assert set(steps) == {1, 2, 4, 8}
    assert left[-1] == 19_999
    assert left[-1] - left[0] > 2 * len(left)
    assert spool.waiting["fix"] == len(left)
    spool.close()
    assert (tmp_path / "spool.db").stat().st_size < 260_000


def told_gaps(spool: Spool) -> list[Gap]:
    """All gaps that come to be told when the cloud takes each event."""
    gaps: list[Gap] = []
    while rows := spool.rows_after("event", -1, 1000):
        told = [codec.decode(row.body, Event) for row in rows]
        gaps += [event.body for event in told if isinstance(event.body, Gap)]
        for event in told:
            spool.release(Ack(stream=event.stream, upto=event.seq))
        spool.commit(NOW)
    return gaps


def test_all_that_a_full_spool_gives_up_is_told(opened: Opener) -> None:
    spool = opened(max_bytes=200_000)
    for _ in range(100):
        fill(spool, 200)
    assert len(events(spool)) < 5, "one gap is under way for each reason"
    left = seqs(spool)
    gaps = told_gaps(spool)
    assert {(gap.stream, gap.reason) for gap in gaps} == {
        ("100", "spool_full"),
        ("100", "thinned"),
    }
    told = {seq for gap in gaps for seq in range(gap.first, gap.last + 1)}
    assert set(range(20_000)) - set(left) <= told
    dropped = [gap for gap in gaps if gap.reason == "spool_full"]
    assert max(gap.last for gap in dropped) < left[0]
    assert {gap.kept for gap in dropped} == {0}
    last = [gap for gap in gaps if gap.reason == "thinned"][-1]
    assert last.kept == len([seq for seq in left if last.first <= seq <= last.last])


def test_a_gap_over_rows_already_acknowledged_says_how_many_were_kept(opened: Opener) -> None:
    spool = opened(max_bytes=200_000)
    fill(spool, 100)
    spool.release(Ack(stream="100", upto=80, missing=((0, 9), (30, 39))))
    for _ in range(100):
        fill(spool, 200)
    first = next(gap for gap in told_gaps(spool) if gap.reason == "spool_full")
    assert first.first == 0
    assert first.kept == 61


def test_events_go_last_and_are_told_too(opened: Opener) -> None:
    spool = opened(max_bytes=200_000)
    fill(spool, 100)
    for _ in range(60):
        for number in range(50):
            spool.add_event(IgnitionSwitched(is_on=bool(number % 2), at_ms=number), NOW)
        spool.commit(NOW)
    left = seqs(spool, "event")
    assert seqs(spool) == []
    gaps = told_gaps(spool)
    told = {seq for gap in gaps if gap.stream == "101" for seq in range(gap.first, gap.last + 1)}
    assert left[0] > 0
    assert set(range(left[0])) <= told
    fixes = {seq for gap in gaps if gap.stream == "100" for seq in range(gap.first, gap.last + 1)}
    assert fixes == set(range(100)), "what an event told that is gone itself is told again"


def test_what_others_need_of_the_medium_is_left_to_them(opened: Opener, tmp_path: Path) -> None:
    free = 6_000_000

    def free_bytes(_folder: Path) -> int:
        return free - (tmp_path / "spool.db").stat().st_size

    spool = opened(max_bytes=10_000_000, keep_free_bytes=1_500_000, free_bytes=free_bytes)
    for _ in range(65):
        fill(spool, 2000)
    spool.close()
    assert 4_000_000 < (tmp_path / "spool.db").stat().st_size < 5_000_000
    assert len(seqs(opened(start=2, keep_free_bytes=1_500_000, free_bytes=free_bytes))) > 50_000


def test_little_room_takes_nothing_that_is_there_and_leaves_a_floor(opened: Opener) -> None:
    room = [10**9]
    spool = opened(keep_free_bytes=10**8, free_bytes=lambda _folder: room[0])
    fill(spool, 3000)
    assert spool.connection.taken_bytes() < 10_000, "nearly all of it is in the log alone"
    room[0] = 0
    for _ in range(10):
        fill(spool, 100)
    assert spool.waiting["fix"] == 4000


def test_what_has_grown_beyond_the_floor_stays_when_room_gets_scarce(opened: Opener) -> None:
    room = [10**9]
    spool = opened(keep_free_bytes=10**8, free_bytes=lambda _folder: room[0])
    spool.connection.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
    for _ in range(60):
        fill(spool, 2000)
    assert spool.connection.pages() * 1024 > 4_500_000
    room[0] = 0
    fill(spool, 10)
    assert len(seqs(spool)) > 0.9 * 120_000


HOUR_MS = 3_600_000


def test_what_is_acknowledged_is_kept_for_a_while(opened: Opener) -> None:
    spool = opened(keep_acknowledged_ms=HOUR_MS)
    fill(spool, 100)
    spool.release(Ack(stream="100", upto=79))
    spool.commit(NOW)
    assert seqs(spool) == list(range(80, 100))
    assert spool.waiting["fix"] == 20
    spool.close()
    again = opened(start=2, keep_acknowledged_ms=HOUR_MS)
    assert seqs(again) == list(range(80, 100)), "a restart knows what is acknowledged"
    assert again.replay(NOW.now_ms + 10, NOW.now_ms + 19) == 10
    assert seqs(again)[:11] == [*range(10, 20), 80]
    assert again.returned("fix") == again.rows_after("fix", -1, 1)[0].id
    assert again.returned("fix") is None


def test_what_was_acknowledged_long_ago_is_deleted(opened: Opener) -> None:
    spool = opened(keep_acknowledged_ms=HOUR_MS)
    fill(spool, 100)
    spool.release(Ack(stream="100", upto=79))
    spool.commit(NOW)
    spool.commit(Stamp(NOW.now_ms + HOUR_MS + 50, "gnss"))
    assert spool.replay(0, NOW.now_ms + 1000) == 30
    spool.commit(Stamp(NOW.now_ms + 5 * HOUR_MS, "gnss"))
    assert spool.replay(0, NOW.now_ms + 1000) == 0
    assert seqs(spool) == list(range(50, 100)), "what waits is never too old"


def test_what_is_replayed_waits_until_it_was_sent_again(opened: Opener) -> None:
    spool = opened(keep_acknowledged_ms=HOUR_MS)
    fill(spool, 100)
    spool.release(Ack(stream="100", upto=99))
    spool.replay(NOW.now_ms, NOW.now_ms + 9)
    spool.release(Ack(stream="100", upto=99))
    rows = spool.rows_after("fix", -1, 4)
    spool.release(Ack(stream="100", upto=99))
    assert seqs(spool) == list(range(10)), "to be read is not to be delivered"
    spool.delivered(rows[0].id, rows[-1].id)
    spool.release(Ack(stream="100", upto=99))
    assert seqs(spool) == list(range(4, 10))


def test_what_is_acknowledged_goes_first_when_there_is_no_room(opened: Opener) -> None:
    spool = opened(max_bytes=200_000, keep_acknowledged_ms=HOUR_MS)
    for start in range(0, 20_000, 200):
        fill(spool, 200)
        spool.release(Ack(stream="100", upto=start + 100))
    assert seqs(spool) == list(range(19_901, 20_000))
    assert told_gaps(spool) == []


def test_times_are_corrected_once_the_clock_is_trusted(opened: Opener) -> None:
    spool = opened()
    early = Stamp(1_000, "none")
    spool.add_event(IgnitionSwitched(is_on=True, at_ms=900), early)
    spool.add_event(TripStarted(at_ms=NOW.now_ms, odometer_m=0, by="motion"), early)
    spool.add_fix(msgspec.structs.replace(fix(0), recorded_at_ms=2_000, quality="none"))
    spool.commit(early)
    spool.back_fill(500_000, "gnss")
    spool.add_fix(fix(1))
    spool.commit(NOW)
    spool.close()
    again = opened(start=2)
    _, ignition, trip, _ = events(again)
    assert (ignition.recorded_at_ms, ignition.quality) == (501_000, "gnss")
    assert ignition.body == IgnitionSwitched(is_on=True, at_ms=500_900)
    assert isinstance(trip.body, TripStarted)
    assert trip.body.at_ms == NOW.now_ms, "it was told by a fix"
    first, second = [read_fix(row.body) for row in again.rows_after("fix", -1, 2)]
    assert (first.recorded_at_ms, first.quality) == (502_000, "gnss")
    assert first.fix_time_ms == fix(0).fix_time_ms
    assert second == fix(1)


def test_small_things_are_remembered_over_a_restart(opened: Opener) -> None:
    spool = opened()
    assert spool.recall("clock") is None
    spool.remember("clock", b"1")
    spool.remember("clock", b"2")
    assert spool.recall("clock") == b"2"
    assert spool.has_work()
    spool.commit(NOW)
    spool.remember("clock", b"3")
    spool.connection.close()
    assert opened(start=2).recall("clock") == b"2"


def test_what_may_wait_is_written_now_and_then_and_with_each_event(opened: Opener) -> None:
    spool = opened()

    def written() -> bytes | None:
        rows = spool.connection.execute("SELECT key, body FROM note").fetchall()
        return sound(rows).get("odometer")

    told = []
    for second in range(0, 100, 10):
        spool.remember("odometer", b"%d" % second, every_ms=30_000)
        spool.commit(Stamp(NOW.now_ms + second * 1000, "gnss"))
        told.append(written())
    assert told == [b"0"] * 3 + [b"30"] * 3 + [b"60"] * 3 + [b"90"]
    spool.remember("odometer", b"100", every_ms=30_000)
    spool.add_event(IgnitionSwitched(is_on=False, at_ms=0), NOW)
    assert spool.is_urgent
    spool.commit(NOW)
    assert written() == b"100"
    assert not spool.is_urgent


def test_a_spool_belongs_to_one_van(tmp_path: Path) -> None:
    schema.prepare(tmp_path / "spool.db")
    for number, van in enumerate(["van-1", "van-1", "van-2"]):
        with closing(Spool(tmp_path / "spool.db", 1_000_000)) as spool:
            assert spool.owner == (None if number == 0 else "van-1")
            refused = pytest.raises(SpoolError, match="van-1")
            with refused if van == "van-2" else nullcontext():
                spool.begin(
                    fixes=2 * number, events=2 * number + 1, version="1", stamp=NOW, owner=van
                )


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
    for _ in range(15):
        fill(spool, 200)
    spool.connection.execute(
        "CREATE TRIGGER failing BEFORE INSERT ON row WHEN NEW.id & 1099511627775 = 5999"
        " BEGIN SELECT RAISE(ABORT, 'the medium fails'); END"
    )
    for number in range(3000):
        spool.add_fix(fix(number))
    for _ in range(3):
        with pytest.raises(sqlite3.IntegrityError, match="the medium fails"):
            spool.commit(NOW)
    conditions = [spool.condition]
    assert seqs(spool) == list(range(3000))
    assert len(events(spool)) == 1
    spool.release(Ack(stream="100", upto=2999, missing=((0, 120),)))
    spool.connection.execute("DROP TRIGGER failing")
    spool.commit(NOW)
    assert [*conditions, spool.condition] == ["degraded", "ok"]
    assert seqs(spool) == [*range(121), *range(3000, 6000)]
    assert told_gaps(spool) == []


def test_memory_is_bounded_while_the_medium_takes_nothing(opened: Opener) -> None:
    spool = opened()
    for number in range(MAX_ADDED + 1):
        spool.add_fix(fix(number))
    spool.commit(NOW)
    assert len(seqs(spool)) <= MAX_ADDED
    gap = next(event.body for event in events(spool) if isinstance(event.body, Gap))
    assert (gap.first, gap.last + 1, gap.reason) == (0, seqs(spool)[0], "damaged")


def test_a_spool_that_could_not_be_prepared_is_made(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "later" / "spool.db", 1_000_000)
    spool.begin(fixes=100, events=101, version="test", stamp=NOW)
    fill(spool, 3)
    assert seqs(spool) == [0, 1, 2]
    spool.close()


def test_the_spool_is_as_the_power_cut_tests_want_it(opened: Opener) -> None:
    spool = opened()
    told = {
        name: spool.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "page_size")
    }
    assert told == {"journal_mode": "wal", "synchronous": 2, "page_size": 1024}


def test_preparing_again_changes_nothing(opened: Opener, tmp_path: Path) -> None:
    spool = opened()
    fill(spool, 3)
    spool.close()
    schema.prepare(tmp_path / "spool.db")
    assert seqs(opened(start=2)) == [0, 1, 2]


def test_what_is_to_be_sent_again_survives_a_kill(tmp_path: Path, opened: Opener) -> None:
    spool = opened(keep_acknowledged_ms=10**9)
    fill(spool, 100)
    spool.release(Ack(stream="100", upto=99))
    spool.add_event(PowerFailing(at_ms=1), NOW)
    spool.commit(NOW)
    assert spool.replay(0, 10**15) > 99
    spool.commit(NOW)
    path, killed = tmp_path / "spool.db", tmp_path / "killed.db"
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{killed}{suffix}")
    after = Spool(killed, 10_000_000, keep_acknowledged_ms=10**9)
    after.begin(fixes=200, events=201, version="test", stamp=NOW)
    assert seqs(after) == list(range(100))
    after.close()


def test_what_breaks_the_wire_is_told_as_a_gap_and_stops_nobody(opened: Opener) -> None:
    spool = opened()
    poison = Idled(at_ms=0, lasted_s=-5)
    for number in range(3):
        spool.add_fix(msgspec.structs.replace(fix(number), satellites=9 if number != 1 else -1))
        spool.add_event(poison if number == 1 else PowerFailing(at_ms=number), NOW)
    assert spool.has_work()
    spool.commit(NOW)
    assert seqs(spool) == [0, 2]
    assert seqs(spool, "event") == [0, 1, 3, 4, 5]
    assert {(gap.stream, gap.first, gap.last, gap.reason) for gap in told_gaps(spool)} == {
        ("100", 1, 1, "damaged"),
        ("101", 2, 2, "damaged"),
    }
    assert spool.waiting == {"fix": 2, "event": 0}


def test_a_row_that_decodes_to_nothing_is_told_as_damaged(opened: Opener) -> None:
    spool = opened()
    spool.add_event(IgnitionSwitched(is_on=True, at_ms=1), Stamp(5, "none"))
    fill(spool, 3)
    for kind in KINDS:
        row_id = base_id(kind, 1) + 1
        body = checked(b"of another version", row_id)
        spool.connection.execute("UPDATE row SET body = ? WHERE id = ?", (body, row_id))
    spool.back_fill(5_000, "gnss")
    assert (seqs(spool), seqs(spool, "event")) == ([0, 2], [0])
    spool.commit(NOW)
    assert {(gap.stream, gap.first, gap.last) for gap in told_gaps(spool)} == {
        ("100", 1, 1),
        ("101", 1, 1),
    }
