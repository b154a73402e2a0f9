"""One start after the other: each has streams of its own, and none forgets what it owes."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.spool.rows import boot_of, read_fix
from gateway.spool.store import Spool
from tests.gateway.test_damage import Home, home, repair
from tests.gateway.test_spool import NOW, Opener, fill, fix, opened, seqs, told_gaps
from wire.events import IgnitionSwitched
from wire.messages import Ack

__all__ = ["home", "opened"]

SMALL = 200_000


def forgotten(opened: Opener) -> Spool:
    """A second start that has dropped all fixes of the first, of which some gap is not told yet."""
    first = opened(max_bytes=SMALL)
    fill(first, 2000)
    first.release(Ack(stream="101", upto=0))
    first.commit(NOW)
    first.close()
    second = opened(start=2, max_bytes=SMALL)
    while second.earlier("fix"):
        fill(second, 200)
    return second


def owes(spool: Spool) -> bool:
    """Whether a gap of the first start is on no event yet."""
    return any(boot_of(base) == 1 for base, _ in spool._book.untold)


def told_of(spool: Spool, stream: str) -> set[int]:
    """The seqs that gaps come to tell of, one after the other."""
    gaps = [gap for gap in told_gaps(spool) if gap.stream == stream]
    return {seq for gap in gaps for seq in range(gap.first, gap.last + 1)}


def test_a_gap_of_a_start_without_rows_is_told_by_a_later_start(opened: Opener) -> None:
    second = forgotten(opened)
    assert owes(second)
    second.connection.close()  # the power is cut
    third = opened(start=3, max_bytes=SMALL)
    assert third.boot == 3
    assert told_of(third, "100") == set(range(2000))
    third.close()
    fourth = opened(start=4, max_bytes=SMALL)
    assert fourth.release(Ack(stream="100", upto=0)) is None, "told for good, so forgotten"


def test_a_gap_of_a_start_without_rows_is_told_again_when_its_event_is_dropped(
    opened: Opener,
) -> None:
    second = forgotten(opened)
    while owes(second):
        second.release(Ack(stream="201", upto=10**6))
        second.commit(NOW)
    second.connection.close()
    third = opened(start=3, max_bytes=SMALL)
    for _ in range(60):
        for number in range(50):
            third.add_event(IgnitionSwitched(is_on=bool(number % 2), at_ms=number), NOW)
        third.commit(NOW)
    assert third.earlier("event") == []
    assert 1999 in told_of(third, "100")


def test_a_gap_of_a_start_that_nobody_knows_stops_no_start(opened: Opener) -> None:
    second = forgotten(opened)
    second.connection.execute("DELETE FROM stream WHERE boot = 1")
    second.connection.execute("DELETE FROM note WHERE key = '/starts'")
    second.connection.close()
    third = opened(start=3, max_bytes=SMALL)
    assert third.condition == "ok"
    assert not owes(third)


def test_a_start_that_fails_half_way_never_goes_on_in_an_earlier_stream(home: Home) -> None:
    leave_three(home)
    whole = home.path.read_bytes()
    for page in home.pages_of_rows():
        for left in home.path.parent.glob("spool*"):
            left.unlink()
        home.path.write_bytes(whole)
        home.overwrite(page)
        home.starts = 3
        spool = home.open()
        for number in range(9000, 9020):
            spool.add_fix(fix(number))
        for _ in range(3):
            with suppress(sqlite3.Error):
                spool.commit(NOW)
                seqs(spool)
        if home.damaged():
            repair(spool)
        assert spool.boot == 4
        rows = [row for row in spool.rows_after("fix", -1, 2000) if boot_of(row.id) == 4]
        assert [(spool.stream_of(row.id).id, row.seq) for row in rows] == [
            (400, seq) for seq in range(20)
        ]
        assert read_fix(rows[0].body) == fix(9000)
        spool.close()


def test_a_correction_made_before_the_medium_took_the_start_is_its_own(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.path.rename(tmp_path / "away")
    home.path.mkdir()
    spool = home.open()
    spool.add_event(IgnitionSwitched(is_on=True, at_ms=0), NOW._replace(quality="rtc"))
    spool.back_fill(5_000, "gnss")
    with pytest.raises(sqlite3.Error):
        spool.commit(NOW)
    home.path.rmdir()
    (tmp_path / "away").rename(home.path)
    spool.commit(NOW)
    spool.close()
    later = home.open()
    (correction,) = later._corrections.values()
    assert correction.by_ms == 5_000
    assert seqs(later) == []
    later.close()


def test_what_is_settled_does_not_grow_with_the_starts(opened: Opener) -> None:
    sizes = []
    for start in range(1, 12):
        spool = opened(start=start)
        fill(spool, 3)
        for stream in spool.streams_left():
            spool.release(Ack(stream=str(stream), upto=2))
        spool.commit(NOW)
        sizes.append(len(spool._book.settled))
        spool.close()
    assert max(sizes) <= 4


def test_a_stream_whose_last_row_goes_is_forgotten_at_once(opened: Opener) -> None:
    first = opened()
    fill(first, 3)
    first.close()
    second = opened(start=2)
    second.release(Ack(stream="100", upto=2))
    second.release(Ack(stream="101", upto=0))
    second.commit(NOW)
    assert list(second._book.settled) == []


def leave_three(home: Home) -> None:
    for _ in range(3):
        spool = home.open()
        fill(spool, 400)
        spool.close()


def lose(home: Home, *statements: str) -> None:
    """The file loses this, and is taken for damaged."""
    with closing(sqlite3.connect(home.path)) as database:
        for statement in (*statements, "PRAGMA user_version = 1"):
            database.execute(statement)
        database.commit()


def test_the_table_of_starts_may_be_lost(home: Home) -> None:
    leave_three(home)
    lose(home, "DELETE FROM stream")
    spool = home.open()
    fill(spool, 20)
    assert repair(spool).salvaged == 1203
    rows = spool.rows_after("fix", -1, 2000)
    assert [(spool.stream_of(row.id).id, row.seq) for row in rows] == [
        (stream, seq) for stream in (100, 200, 300) for seq in range(400)
    ] + [(400, seq) for seq in range(20)]


def test_a_bit_of_the_table_of_starts_names_no_row_wrongly(home: Home) -> None:
    leave_three(home)
    with closing(sqlite3.connect(home.path)) as database:
        database.execute("UPDATE stream SET fixes = 102 WHERE boot = 1")
        database.commit()
    assert home.open().streams_left()[:2] == [101, 100]


def test_rows_whose_streams_are_lost_never_pass_for_those_of_a_later_start(home: Home) -> None:
    leave_three(home)
    lose(home, "DELETE FROM stream", "DELETE FROM note WHERE key = '/starts'")
    spool = home.open()
    for number in range(9000, 9020):
        spool.add_fix(fix(number))
    spool.commit(NOW)
    spool.close()
    spool = home.open()
    told = repair(spool)
    assert spool.boot == 5
    assert told.salvaged == 0
    assert "1203 rows" in told.problem
    assert [read_fix(row.body) for row in spool.rows_after("fix", -1, 2000)] == [
        fix(number) for number in range(9000, 9020)
    ]
    assert {gap.stream for gap in told_gaps(spool)} == set()
