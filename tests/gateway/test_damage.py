"""A damaged spool stops nobody: what can be read comes over, what cannot is told."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.control.commands import CommandLog
from gateway.spool import checking, schema
from gateway.spool.medium import Medium
from gateway.spool.notes import Notes
from gateway.spool.store import Spool
from gateway.spool.thinning import Thinned
from tests.gateway.rig import TENANT, VAN, Van, wait_until
from tests.gateway.test_spool import NOW, events, fill, fix, seqs
from wire.events import Gap, SpoolRepaired
from wire.messages import Ack

PAGE = schema.PAGE_BYTES


class Home:
    """A folder with a spool that is opened, left and damaged."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "spool.db"
        schema.prepare(self.path)
        self.starts = 0
        self.spools: list[Spool] = []

    def open(self, **options: Any) -> Spool:
        self.starts += 1
        spool = Spool(self.path, 100_000_000, **options)
        self.spools.append(spool)
        number = self.starts * 100
        spool.begin(fixes=number, events=number + 1, version="test", stamp=NOW)
        return spool

    def overwrite(self, page: int, data: bytes = b"\xff" * PAGE) -> None:
        with self.path.open("r+b") as file:
            file.seek(page * PAGE)
            file.write(data)

    def pages_of_rows(self) -> list[int]:
        """The pages that hold rows in their leaves, found by their type byte."""
        data = self.path.read_bytes()
        return [
            page
            for page in range(1, len(data) // PAGE)
            if data[page * PAGE] == 13 and data[page * PAGE + 3 : page * PAGE + 5] > b"\x00\x08"
        ]

    def damaged(self) -> list[str]:
        return sorted(path.name for path in self.path.parent.glob("spool.damaged-*.db"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    for spool in home.spools:
        spool.close()


def repair(spool: Spool, files: int = 1) -> SpoolRepaired:
    """Tend the spool until it tells that it is repaired, of so many files."""
    for _ in range(1000):
        spool.tend(NOW)
        if spool.has_work():
            spool.commit(NOW)
        told = [event.body for event in events(spool) if isinstance(event.body, SpoolRepaired)]
        if len(told) == files:
            return told[-1]
    raise AssertionError("never repaired")


def missing(spool: Spool, stream: int = 100) -> set[int]:
    """The seqs that gaps tell of."""
    bodies = [event.body for event in events(spool)]
    return {
        seq
        for gap in bodies
        if isinstance(gap, Gap) and gap.stream == str(stream)
        for seq in range(gap.first, gap.last + 1)
    }


def leave(home: Home, fixes: int = 2000) -> None:
    spool = home.open()
    fill(spool, fixes)
    spool.close()


def to_text(home: Home) -> None:
    home.path.write_text("not a database, but long enough to look like one" * 100)


def to_nothing(home: Home) -> None:
    home.path.write_bytes(b"")


def to_half(home: Home) -> None:
    data = home.path.read_bytes()
    home.path.write_bytes(data[: len(data) // 2 // PAGE * PAGE + 100])


def to_old_version(home: Home) -> None:
    with closing(sqlite3.connect(home.path)) as database:
        database.execute("PRAGMA user_version = 1")


def to_no_header(home: Home) -> None:
    home.overwrite(0, bytes(PAGE))


def to_another_program(home: Home) -> None:
    home.path.unlink()
    with closing(sqlite3.connect(home.path)) as database:
        database.execute("CREATE TABLE row (id TEXT, body TEXT)")
        database.execute("CREATE TABLE stream (boot, fixes)")
        database.execute("INSERT INTO row VALUES ('one', 'two')")
        database.execute("INSERT INTO stream VALUES ('x', 'y')")
        database.commit()


@pytest.mark.parametrize(
    "damage", [to_text, to_nothing, to_half, to_old_version, to_no_header, to_another_program]
)
def test_whatever_lies_there_recording_goes_on(home: Home, damage: Callable[[Home], None]) -> None:
    leave(home)
    damage(home)
    spool = home.open()
    fill(spool, 10)
    assert [row.seq for row in spool.rows_after("fix", -1, 10_000)][-10:] == list(range(10))
    told = repair(spool)
    assert told.problem
    assert home.damaged() == ["spool.damaged-1.db"]
    assert spool.condition == "ok"
    spool.close()
    again = home.open()
    assert home.damaged() == ["spool.damaged-1.db"]
    assert again.boot == spool.boot + 1


def test_a_spool_of_another_version_gives_all_its_rows(home: Home) -> None:
    leave(home)
    to_old_version(home)
    spool = home.open()
    assert repair(spool).salvaged == 2001
    rows = spool.rows_after("fix", -1, 10_000)
    assert [(spool.stream_of(row.id).id, row.seq) for row in rows] == [
        (100, seq) for seq in range(2000)
    ]
    assert spool.returned("fix") == rows[0].id, "who reads has to go back to them"
    assert spool.boot == 2


def test_one_unreadable_page_costs_only_its_rows(home: Home) -> None:
    leave(home)
    page = home.pages_of_rows()[4]
    home.overwrite(page)
    Path(f"{home.path}-wal").write_bytes(b"left by a power cut")
    spool = home.open()
    told = repair(spool)
    left = set(seqs(spool))
    assert told.salvaged == len(left) + 1
    assert 1850 < len(left) < 2000
    assert missing(spool) == set(range(2000)) - left
    (gap,) = [event.body for event in events(spool) if isinstance(event.body, Gap)]
    assert (gap.reason, gap.kept) == ("damaged", 0)


def test_damage_found_while_running_is_repaired_while_recording_goes_on(home: Home) -> None:
    spool = home.open(keep_acknowledged_ms=10**9)
    fill(spool, 3000)
    spool.release(Ack(stream="100", upto=999))
    spool.remember("odometer", b"7")
    spool.back_fill(5, "gnss")
    spool.commit(NOW)
    spool.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spool.connection.reopen()
    for page in home.pages_of_rows()[5:]:
        home.overwrite(page)
    with pytest.raises(sqlite3.DatabaseError):
        spool.rows_after("fix", -1, 10_000)
    fill(spool, 10)
    assert seqs(spool) == list(range(3000, 3010))
    repair(spool)
    left = set(seqs(spool))
    assert set(range(3000, 3010)) <= left
    assert missing(spool) | left == set(range(1000, 3010)), "the end of a stream is known too"
    spool.close()
    again = home.open()
    assert again.recall("odometer") == b"7"
    assert set(seqs(again)) == left
    assert 100 in again.streams_left()


def test_a_second_damage_in_the_middle_of_a_repair_costs_nothing(home: Home) -> None:
    leave(home)
    to_old_version(home)
    spool = home.open()
    assert spool.is_repairing
    spool.tend(NOW)
    assert 0 < len(seqs(spool)) < 2000
    fill(spool, 3)
    spool.close()
    to_old_version(home)
    spool = home.open()
    repair(spool, files=2)
    assert not spool.is_repairing
    assert seqs(spool) == [*range(2000), 0, 1, 2]
    assert missing(spool) == set()


def test_a_power_cut_right_after_a_damaged_file_was_set_aside_forgets_no_row(home: Home) -> None:
    leave(home)
    to_old_version(home)
    glimpse = Spool(home.path, 100_000_000)
    glimpse.close()
    assert home.damaged() == ["spool.damaged-1.db"]
    spool = home.open()
    repair(spool)
    assert seqs(spool) == list(range(2000))


def test_a_restart_goes_on_with_the_salvage(home: Home) -> None:
    leave(home)
    home.overwrite(home.pages_of_rows()[10])
    to_old_version(home)
    spool = home.open()
    spool.tend(NOW)
    before = len(seqs(spool))
    spool.close()
    spool = home.open()
    told = repair(spool)
    left = seqs(spool)
    assert 0 < before < len(left)
    assert told.salvaged == len(left) + 1
    assert missing(spool) == set(range(2000)) - set(left)


def test_a_command_taken_is_not_taken_again_after_a_repair(home: Home) -> None:
    spool = home.open()
    CommandLog(spool.connection)
    spool.connection.execute("INSERT INTO command VALUES ('c1', 5)")
    spool.close()
    home.overwrite(0, home.path.read_bytes()[:60] + b"\0\0\0\1" + home.path.read_bytes()[64:PAGE])
    spool = home.open()
    assert repair(spool).problem.startswith("a spool of version 1")
    assert spool.connection.execute("SELECT id FROM command").fetchall() == [("c1",)]


def test_three_damaged_files_are_kept(home: Home) -> None:
    for _ in range(5):
        leave(home, 5)
        to_text(home)
        repair(home.open())
        home.spools[-1].close()
    assert home.damaged() == [f"spool.damaged-{number}.db" for number in (3, 4, 5)]


def test_a_row_whose_bits_have_changed_is_told_as_damaged(home: Home) -> None:
    spool = home.open()
    fill(spool, 20)
    victim = spool.rows_after("fix", -1, 20)[7].id
    spool.connection.execute("UPDATE row SET body = x'c1c1' WHERE id = ?", (victim,))
    assert 7 not in seqs(spool)
    assert spool.has_work()
    spool.commit(NOW)
    assert missing(spool) == {7}
    assert seqs(spool) == [seq for seq in range(20) if seq != 7]


def test_a_row_that_has_vanished_is_told_as_damaged(home: Home) -> None:
    spool = home.open()
    fill(spool, 20)
    victim = spool.rows_after("fix", -1, 20)[7].id
    spool.connection.execute("DELETE FROM row WHERE id BETWEEN ? AND ?", (victim, victim + 2))
    assert len(spool.rows_after("fix", -1, 10)) == 10
    spool.commit(NOW)
    assert missing(spool) == {7, 8, 9}
    assert spool.waiting["fix"] == 17


def test_no_bit_of_a_note_settles_a_row_or_gives_the_spool_to_another_van(home: Home) -> None:
    with closing(Spool(home.path, 100_000_000)) as spool:
        spool.begin(fixes=100, events=101, version="test", stamp=NOW, owner="main/van-1")
        fill(spool, 100)
        spool.release(Ack(stream="100", upto=49))
        spool.remember("clock", b"1800000000000")
    with closing(sqlite3.connect(home.path)) as database:
        for key in ("/settled", "/owner", "clock"):
            (whole,) = database.execute("SELECT body FROM note WHERE key = ?", (key,)).fetchone()
            for bit in range(len(whole) * 8):
                flipped = (int.from_bytes(whole) ^ 1 << bit).to_bytes(len(whole))
                database.execute("UPDATE note SET body = ? WHERE key = ?", (flipped, key))
                database.commit()
                with closing(Medium(home.path)) as medium:
                    notes = Notes()
                    notes.load(medium)
                    assert notes.recall(key) is None
        database.execute("DELETE FROM note WHERE key = '/owner'")
        database.commit()
    spool = home.open()
    assert spool.waiting["fix"] == 100, "what may be acknowledged is sent again"


def test_a_large_file_is_checked_while_recording_goes_on(home: Home) -> None:
    spool = home.open()
    for _ in range(20):
        fill(spool, 10_000)
    assert home.path.stat().st_size > checking.SMALL_BYTES
    spool.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    fill(spool, 1)
    for suffix in ("", "-wal"):
        shutil.copy(f"{home.path}{suffix}", f"{home.path}{suffix}.cut")
    spool.close()
    for suffix in ("", "-wal"):
        Path(f"{home.path}{suffix}.cut").rename(f"{home.path}{suffix}")
    home.overwrite(home.pages_of_rows()[100])
    spool = home.open()
    fill(spool, 1)

    def is_found() -> bool:
        spool.tend(NOW)
        return bool(home.damaged())

    wait_until(is_found, "the damage is found", 60)
    repair(spool)
    left = [row.seq for row in spool.rows_after("fix", -1, 10**6)]
    assert len(left) > 199_000
    assert missing(spool) == set(range(200_001)) - set(left)


def cut_and_damaged(path: Path) -> None:
    """A van's spool as a power cut leaves it, with a page in the middle that nobody reads."""
    schema.prepare(path)
    with closing(Spool(path, 100_000_000)) as spool:
        owner = f"{TENANT}/{VAN}"
        spool.begin(fixes=100, events=101, version="test", stamp=NOW, owner=owner)
        fill(spool, 3000)
        spool.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        fill(spool, 1)
        log = Path(f"{path}-wal").read_bytes()
    Path(f"{path}-wal").write_bytes(log)
    home = Home(path.parent)
    home.overwrite(home.pages_of_rows()[20])


def test_the_real_start_looks_for_damage_after_a_power_cut(tmp_path: Path) -> None:
    van = Van(tmp_path, 9, 'kind = "serial"\ndevice = "/dev/serial/by-id/none"')
    van.data.mkdir()
    cut_and_damaged(van.data / "spool.db")
    van.start()
    try:
        wait_until((van.data / "spool.damaged-1.db").exists, "the damage is found")
    finally:
        van.kill()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_damage_stops_the_van_or_loses_a_row_untold(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    home = Home(tmp_path_factory.mktemp("home"))
    spool = home.open()
    for _ in range(5):
        fill(spool, 100)
    spool.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spool.connection.reopen()
    size = home.path.stat().st_size
    with home.path.open("r+b") as file:
        for _ in range(chance.choice([1, 3, 50])):
            file.seek(chance.randrange(size))
            file.write(chance.randbytes(chance.choice([1, 100, 4096])))
        if chance.random() < 0.2:
            file.truncate(chance.randrange(size))
    for number in range(60):
        if number < 40:
            spool.add_fix(fix(1))
        for work in (spool.commit, spool.tend, lambda _: events(spool), lambda _: seqs(spool)):
            with suppress(sqlite3.Error):
                work(NOW)
    assert spool.condition == "ok"
    left = set(seqs(spool))
    assert missing(spool) | left >= set(range(540))
    spool.close()


def test_a_stand_in_answers_with_nothing(tmp_path: Path) -> None:
    schema.prepare(tmp_path / "spool.db")
    (tmp_path / "spool.db").unlink()
    (tmp_path / "spool.db").mkdir()
    spool = Spool(tmp_path / "spool.db", 1_000_000)
    spool.begin(fixes=1, events=2, version="test", stamp=NOW)
    for number in range(100):
        spool.add_fix(fix(number))
    with pytest.raises(sqlite3.Error):
        spool.commit(NOW)
    assert (spool.condition, spool.waiting) == ("degraded", {"event": 0, "fix": 0})
    assert spool.rows_after("fix", -1, 10) == []
    (tmp_path / "spool.db").rmdir()
    schema.prepare(tmp_path / "spool.db")
    spool.commit(NOW)
    assert (spool.condition, seqs(spool)) == ("ok", list(range(100)))
    assert len(events(spool)) == 1
    spool.close()


def test_thinned_rows_are_not_told_as_damaged(home: Home) -> None:
    leave(home)
    with closing(Medium(home.path)) as medium:
        medium.execute("DELETE FROM row WHERE id > 1 << 62 AND id % 4 != 0")
    spool = home.open()
    spool._book.thinned = Thinned().raised(2, spool.last("fix") + 8)
    spool.commit(NOW)
    spool.close()
    to_old_version(home)
    spool = home.open()
    repair(spool)
    assert seqs(spool) == list(range(0, 2000, 4))
    assert missing(spool) == set()
