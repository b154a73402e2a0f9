"""What was recorded for a van stays that van's, also when the spool cannot say whose it is."""

import errno
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gateway.configuration import load
from gateway.durable import is_there
from gateway.enrolment import sealing
from gateway.enrolment.credentials import Credentials, Held
from gateway.enrolment.delivery import opened
from gateway.enrolment.sealing import OWNER, owner_of, seal_if_moved, sealed_folders
from gateway.settings import Settings
from gateway.spool import schema
from gateway.spool.store import Spool
from tests.gateway.rig import ROOT
from tests.gateway.test_belonging import HELD, hold
from tests.gateway.test_settings import GOOD, written
from tests.gateway.test_spool import NOW, fill, seqs

type Damage = Callable[[Path], None]


class Box:
    """The data folder of a box, and the van that its configuration names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.data = folder / "data"
        self.data.mkdir()

    def of(self, van: str) -> Settings:
        text = GOOD.replace("/tmp/roundsman-none", str(self.data))  # noqa: S108
        return load(written(self._folder, text.replace('van = "van-1"', f'van = "{van}"', 1)))

    def records(self, van: str, rows: int = 20) -> None:
        """Run as a van's until the power is cut, which leaves a log beside the spool."""
        chosen = self.of(van)
        assert seal_if_moved(chosen) is None
        schema.prepare(chosen.spool_file)
        with closing(Spool(chosen.spool_file, 10_000_000)) as spool:
            spool.begin(fixes=100, events=101, version="1", stamp=NOW, owner=owner_of(chosen))
            fill(spool, rows)
            kept = {path: path.read_bytes() for path in self.data.glob("spool.db*")}
        for path, content in kept.items():
            path.write_bytes(content)

    def sealed(self) -> list[tuple[str, str]]:
        return [(van, path.name) for _, van, path in sealed_folders(self.data)]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def unreadable(spool: Path) -> None:
    spool.write_bytes(b"worn flash" * 2_000)
    spool.with_name("spool.db-wal").write_bytes(b"worn flash" * 200)


def nameless(spool: Path) -> None:
    with closing(sqlite3.connect(spool)) as database:
        database.execute("DELETE FROM note WHERE key = '/owner'")
        database.commit()


def flipped(spool: Path) -> None:
    with closing(sqlite3.connect(spool)) as database:
        database.execute("UPDATE note SET body = x'00' || body WHERE key = '/owner'")
        database.commit()


@pytest.mark.parametrize("damage", [unreadable, nameless, flipped])
def test_a_spool_that_cannot_say_whose_it_is_goes_to_the_van_noted_beside_it(
    box: Box, damage: Damage
) -> None:
    box.records("van-2")
    damage(box.data / "spool.db")
    content = (box.data / "spool.db").read_bytes()
    target = seal_if_moved(box.of("van-1"))
    assert target is not None
    assert box.sealed() == [("van-2", "main.van-2.1")]
    assert (target / "spool.db").read_bytes() == content, "it is moved unread"
    assert list(box.data.glob("spool.db*")) == []
    assert (box.data / OWNER).read_text() == "main/van-1"


@pytest.mark.parametrize("damage", [nameless, flipped])
def test_its_rows_come_out_where_it_is_sealed(box: Box, damage: Damage) -> None:
    box.records("van-2")
    damage(box.data / "spool.db")
    target = seal_if_moved(box.of("van-1"))
    assert target is not None
    with opened(box.of("van-1"), target) as spool:
        assert seqs(spool) == list(range(20))


@pytest.mark.parametrize("damage", [unreadable, nameless, flipped])
def test_a_damaged_spool_of_the_same_van_stays(box: Box, damage: Damage) -> None:
    hold(box.data, msgspec.structs.replace(HELD, van="van-1"))
    box.records("van-2")
    damage(box.data / "spool.db")
    assert seal_if_moved(box.of("van-2")) is None
    assert box.sealed() == []
    assert (box.data / "spool.db").exists()


def certified(data: Path, *vans: tuple[str, str]) -> None:
    """Certificates that the box was given one after another; the last is in use."""
    for number, (van, purpose) in enumerate(vans):
        held = msgspec.structs.replace(
            HELD, van=van, serial=f"{number}a", issued_at_ms=number, purpose=purpose
        )
        hold(data, msgspec.convert(msgspec.to_builtins(held), Held))
    Credentials(data).use(f"{len(vans) - 1}a")


@pytest.mark.parametrize("note", [None, "", "main", "main/van/3", "main/\n"])
def test_without_that_note_it_goes_to_the_van_whose_certificate_came_before(
    box: Box, note: str | None
) -> None:
    box.records("van-2")
    unreadable(box.data / "spool.db")
    (box.data / OWNER).unlink()
    if note is not None:
        (box.data / OWNER).write_text(note)
    certified(
        box.data,
        ("van-4", "gateway"),
        ("van-2", "gateway"),
        ("van-3", "backlog"),
        ("van-1", "gateway"),
    )
    assert seal_if_moved(box.of("van-1")) is not None
    assert box.sealed() == [("van-2", "main.van-2.1")]


def test_with_neither_it_can_only_be_this_vans(box: Box) -> None:
    box.records("van-1")
    unreadable(box.data / "spool.db")
    (box.data / OWNER).unlink()
    certified(box.data, ("van-1", "gateway"))
    assert seal_if_moved(box.of("van-1")) is None
    assert (box.data / "spool.db").exists()


def test_what_the_spool_says_counts_more_than_the_note(box: Box) -> None:
    box.records("van-2")
    (box.data / OWNER).write_text("main/van-3")
    assert seal_if_moved(box.of("van-2")) is None
    assert (box.data / OWNER).read_text() == "main/van-2"
    (box.data / OWNER).write_text("main/van-3")
    assert seal_if_moved(box.of("van-1")) is not None
    assert box.sealed() == [("van-2", "main.van-2.1")]


_KILLED = """
import os, sys
left = int(sys.argv[1])
is_armed = False
def hook(name, arguments):
    global left
    if not is_armed or name not in {"open", "os.rename", "os.remove", "os.mkdir"}:
        return
    left -= 1
    if left < 0:
        os._exit(9)
sys.addaudithook(hook)
from pathlib import Path
from gateway import configuration
from gateway.enrolment.sealing import seal_if_moved
chosen = configuration.load(Path(sys.argv[2]))
is_armed = True
seal_if_moved(chosen)
"""


def _content(folder: Path) -> dict[str, bytes]:
    """Of each file in it but what SQLite makes anew."""
    files = (path for path in folder.iterdir() if path.is_file() and path.suffix != ".db-shm")
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.slow
def test_killed_at_any_step_a_damaged_spool_and_its_log_are_the_old_vans(
    box: Box, tmp_path: Path
) -> None:
    box.records("van-2")
    unreadable(box.data / "spool.db")
    (box.data / "spool.db.damaged-1").write_bytes(b"rows to be salvaged")
    whole, killed = _content(box.data), tmp_path / "as the kill has left it"
    codes, brought_back = set(), 0
    for step in itertools.count():
        shutil.rmtree(box.data)
        box.data.mkdir()
        for name, content in whole.items():
            (box.data / name).write_bytes(content)
        chosen = box.of("van-1")
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, str(step), tmp_path / "gateway.toml"],
            cwd=ROOT,
            check=False,
        )
        codes.add(done.returncode)
        if (box.data / "spool.db").exists():  # the configuration may name the old van again
            shutil.copytree(box.data, killed)
            begun = box.data / "sealed" / "main.van-2.1"
            brought_back += (begun / "spool.db-wal").exists()
            assert seal_if_moved(box.of("van-2")) is None
            assert _content(box.data) == whole
            assert not begun.exists()
            shutil.rmtree(box.data)
            killed.rename(box.data)
            chosen = box.of("van-1")
        seal_if_moved(chosen)
        assert box.sealed() == [("van-2", "main.van-2.1")]
        for name in ("spool.db", "spool.db-wal"):
            assert (box.data / "sealed" / "main.van-2.1" / name).read_bytes() == whole[name]
        assert (box.data / OWNER).read_text() == "main/van-1"
        if done.returncode == 0:
            break
    assert codes == {0, 9}
    assert brought_back


def test_on_a_medium_that_shows_nothing_the_spool_is_taken_to_be_there(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.records("van-1")
    chosen = box.of("van-1")
    seen = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.is_relative_to(box.data) and path != box.data:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return seen(path, follow_symlinks=follow_symlinks)

    with monkeypatch.context() as failing:
        failing.setattr(Path, "stat", stat)
        assert is_there(chosen.spool_file)
        assert seal_if_moved(chosen) is None
        spool = Spool(chosen.spool_file, 10_000_000)
    with closing(spool):
        spool.begin(fixes=200, events=201, version="1", stamp=NOW, owner=owner_of(chosen))
        assert (spool.condition, spool.boot) == ("ok", 2)
        assert spool.waiting["fix"] == 20


def test_the_newest_certificate_hands_in_whatever_it_is_for(box: Box) -> None:
    credentials = Credentials(box.data)
    hold(box.data, msgspec.structs.replace(HELD, van="van-2", serial="a1", issued_at_ms=1))
    backlog = msgspec.structs.replace(
        HELD, van="van-2", serial="a2", issued_at_ms=2, purpose="backlog"
    )
    hold(box.data, backlog)
    found = credentials.of_van(HELD.tenant, "van-2")
    assert found is not None
    assert found.name == "a2"
    before = credentials.before(HELD.tenant, "van-1")
    assert before is not None
    assert before.serial == "a1", "a box that may only hand in was never the van's gateway"


def test_the_sealed_place_outlasts_a_power_cut_before_anything_is_moved_to_it(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.records("van-2")
    synced: list[tuple[Path, bool]] = []

    def note(folder: Path) -> None:
        synced.append((folder, (box.data / "spool.db").exists()))

    monkeypatch.setattr(sealing, "sync_folder", note)
    target = seal_if_moved(box.of("van-1"))
    assert target is not None
    assert [(target.parent, True), (box.data, True)] == synced[:2]
