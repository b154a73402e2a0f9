"""What is given up of an earlier van is told once and never sent, wherever a kill may fall."""

import errno
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli import main
from gateway.configuration import load
from gateway.enrolment.credentials import AUTHORITY, CERTIFICATE, KEY, Held
from gateway.enrolment.giving_up import GivenUp, Note, give_up
from gateway.enrolment.sealing import (
    GIVEN_UP,
    alone_with_sealed,
    given_up_folders,
    sealed_folders,
)
from gateway.operation.left_behind import look
from gateway.spool import schema
from gateway.spool.store import Spool
from tests.gateway.rig import ROOT
from tests.gateway.test_settings import GOOD
from tests.gateway.test_spool import NOW, Opener, events, fill, fix, opened, seqs, told_gaps
from tests.parts.ports import free_port
from tests.parts.private_authority import PrivateAuthority
from wire.events import Gap, IgnitionSwitched, SealedGivenUp
from wire.messages import Ack

__all__ = ["opened"]


def acknowledge(spool: Spool, stream: int, seqs: set[int]) -> None:
    """The cloud has these of a stream, and no others."""
    upto = max(seqs, default=-1)
    missing = tuple((seq, seq) for seq in range(upto) if seq not in seqs)
    spool.release(Ack(stream=str(stream), upto=upto, missing=missing))


@settings(max_examples=15, deadline=None)
@given(had=st.sets(st.integers(0, 29)), told=st.booleans())
def test_just_what_the_cloud_lacks_is_told_as_gaps_of_the_earlier_starts(
    tmp_path_factory: pytest.TempPathFactory, *, had: set[int], told: bool
) -> None:
    path = tmp_path_factory.mktemp("sealed") / "spool.db"
    schema.prepare(path)
    with closing(Spool(path, 10_000_000)) as first:
        first.begin(fixes=100, events=101, version="test", stamp=NOW)
        fill(first, 30)
        acknowledge(first, 100, had)
        acknowledge(first, 101, {0} if told else set())
        first.commit(NOW)
    with closing(Spool(path, 10_000_000)) as spool:
        spool.begin(fixes=200, events=201, version="test", stamp=NOW)
        waiting = spool.backlog()
        spool.give_up(NOW)
        assert seqs(spool) == []
        assert {event.stream for event in events(spool)} == {"201"}
        assert spool.waiting["event"] == len(events(spool))
        gaps = told_gaps(spool)
    lost = {(gap.stream, seq) for gap in gaps for seq in range(gap.first, gap.last + 1)}
    lacked = {("100", seq) for seq in range(30) if seq not in had}
    assert lost == lacked | (set() if told else {("101", 0)})
    assert {(gap.reason, gap.kept) for gap in gaps} <= {("sealed", 0)}
    assert sum(gap.last - gap.first + 1 for gap in gaps) == len(lost), "none is told twice"
    assert (waiting.fixes, waiting.events) == (30 - len(had), 0 if told else 1)
    if lacked:
        assert waiting.to_ms == NOW.now_ms + max(seq for _, seq in lacked)


def test_a_gap_whose_event_is_given_up_is_told_anew(opened: Opener) -> None:
    first = opened()
    fill(first, 5)
    (oldest,) = first.rows_after("fix", -1, 1)
    first.refuse(oldest.id, oldest.id, NOW)
    assert [event.body.reason for event in events(first) if isinstance(event.body, Gap)] == [
        "refused"
    ]
    first.close()
    second = opened(start=2)
    second.give_up(NOW)
    told = {(gap.reason, gap.stream, gap.first, gap.last) for gap in told_gaps(second)}
    assert ("refused", "100", 0, 0) in told
    assert ("sealed", "100", 1, 4) in told


def test_a_decision_that_the_medium_did_not_take_is_none(opened: Opener, tmp_path: Path) -> None:
    first = opened()
    fill(first, 5)
    first.close()
    second = opened(start=2)
    with closing(sqlite3.connect(tmp_path / "spool.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError):
            second.give_up(NOW)
        assert look(tmp_path / "spool.db").fixes == 5
        other.execute("ROLLBACK")
    second.commit(NOW)
    assert (seqs(second), look(tmp_path / "spool.db").fixes) == ([], 0)
    second.close()
    third = opened(start=3)
    assert seqs(third) == []
    assert [gap.last for gap in told_gaps(third) if gap.stream == "100"] == [4]


LOST = SealedGivenUp(tenant="main", earlier_van="van-2", fixes=12, events=3, from_ms=1, to_ms=9)


def noted(data: Path, number: int = 1) -> Path:
    folder = data / "sealed" / f"main.van-2.{number}"
    folder.mkdir(parents=True)
    note = Note(id="a" * 31 + str(number), told=LOST)
    (folder / GIVEN_UP).write_bytes(msgspec.json.encode(note))
    (folder / "spool.db").write_bytes(b"what a kill has left")
    return folder


def told_of_earlier_vans(spool: Spool) -> list[SealedGivenUp]:
    return [event.body for event in events(spool) if isinstance(event.body, SealedGivenUp)]


def test_the_present_van_tells_each_note_once(opened: Opener, tmp_path: Path) -> None:
    folders = [noted(tmp_path, 1), noted(tmp_path, 2)]
    assert sealed_folders(tmp_path) == []
    spool = opened()
    GivenUp(tmp_path, spool).step(0.0, NOW)
    assert told_of_earlier_vans(spool) == [LOST, LOST]
    assert not any(folder.exists() for folder in folders)
    noted(tmp_path, 1)  # as if the kill had come before it was removed
    spool.close()
    again = opened(start=2)
    GivenUp(tmp_path, again).step(0.0, NOW)
    assert len(told_of_earlier_vans(again)) == 2
    assert given_up_folders(tmp_path) == []


def test_a_note_stays_until_the_medium_has_taken_its_event(opened: Opener, tmp_path: Path) -> None:
    spool = opened()
    folder = noted(tmp_path)
    given_up = GivenUp(tmp_path, spool)
    with closing(sqlite3.connect(tmp_path / "spool.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError):
            given_up.step(0.0, NOW)
        assert folder.exists()
        other.execute("ROLLBACK")
    given_up.step(60.0, NOW)
    assert told_of_earlier_vans(spool) == [LOST]
    assert not folder.exists()


def test_a_given_up_spool_that_cannot_be_removed_does_not_count_as_sealed_again(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = noted(tmp_path, 1), noted(tmp_path, 2)
    (stuck / "route.json").write_text("{}")
    unlink = Path.unlink

    def failing(path: Path, *, missing_ok: bool = False) -> None:
        if path == stuck / "spool.db":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        unlink(path, missing_ok=missing_ok)

    spool = opened()
    given_up = GivenUp(tmp_path, spool)
    with monkeypatch.context() as worn:
        worn.setattr(Path, "unlink", failing)
        given_up.step(0.0, NOW)
        given_up.step(60.0, NOW)
    assert {path.name for path in stuck.iterdir()} == {"spool.db", GIVEN_UP}
    assert not other.exists()
    assert sealed_folders(tmp_path) == []
    given_up.step(120.0, NOW)
    assert not stuck.exists()
    assert told_of_earlier_vans(spool) == [LOST, LOST]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a box that is van-1's and has a backlog of van-2, without a certificate."""
    data = tmp_path / "data"
    seal(data)
    path = tmp_path / "gateway.toml"
    path.write_text(GOOD.replace("/tmp/roundsman-none", str(data)))  # noqa: S108
    return path


def seal(data: Path) -> None:
    folder = data / "sealed" / "main.van-2.1"
    schema.prepare(folder / "spool.db")
    with closing(Spool(folder / "spool.db", 10_000_000)) as spool:
        spool.begin(fixes=100, events=101, version="test", stamp=NOW, owner="main/van-2")
        for number in range(40):
            spool.add_fix(fix(number))
        spool.add_event(IgnitionSwitched(is_on=True, at_ms=NOW.now_ms), NOW)
        spool.commit(NOW)
        acknowledge(spool, 100, set(range(10)))
        spool.commit(NOW)
    (folder / "route.json").write_text("{}")


def run(config: Path, *words: str, said: str = "") -> tuple[int, str]:
    arguments = ["give-up-sealed", "--config", str(config), *words]
    done = CliRunner().invoke(main, arguments, input=said)
    return done.exit_code, done.output


def test_it_asks_first_and_tells_what_is_lost(config: Path) -> None:
    folder = config.parent / "data"
    code, told = run(config, "van-2", said="n\n")
    assert code == 1
    assert "van-2 of main: 30 fixes and 2 events wait" in told
    assert len(sealed_folders(folder)) == 1
    code, told = run(config, "van-2", said="y\n")
    assert code == 0
    assert "the van this box is in tells it" in told
    ((_, van, left),) = given_up_folders(folder)
    note = msgspec.json.decode((left / GIVEN_UP).read_bytes(), type=Note)
    assert (van, note.told) == (
        "van-2",
        SealedGivenUp(
            tenant="main",
            earlier_van="van-2",
            fixes=30,
            events=2,
            from_ms=NOW.now_ms,
            to_ms=NOW.now_ms + 39,
        ),
    )
    assert [path.name for path in left.iterdir()] == [GIVEN_UP]


def test_what_is_not_sealed_cannot_be_given_up(config: Path) -> None:
    code, told = run(config, "van-3", "--yes")
    assert code == 78
    assert "VAN: nothing is sealed of van-3; roundsman gateway status" in told
    assert len(sealed_folders(config.parent / "data")) == 1


def test_it_waits_for_who_hands_it_in(config: Path) -> None:
    with alone_with_sealed(config.parent / "data"):
        code, told = run(config, "van-2", "--yes")
    assert code == 75
    assert "stop the gateway first" in told
    assert len(sealed_folders(config.parent / "data")) == 1


def test_a_folder_that_is_to_be_told_is_not_sealed_into(config: Path) -> None:
    from gateway.enrolment.sealing import seal_if_moved

    chosen = load(config)
    assert run(config, "van-2", "--yes")[0] == 0
    schema.prepare(chosen.spool_file)
    with closing(Spool(chosen.spool_file, 10_000_000)) as spool:
        spool.begin(fixes=1, events=2, version="test", stamp=NOW, owner="main/van-2")
    target = seal_if_moved(chosen)
    assert target is not None
    assert target.name == "main.van-2.2"
    assert [path for _, _, path in sealed_folders(chosen.folder)] == [target]


def certified_for_van_2(data: Path, port: int) -> None:
    """The box holds a certificate as van-2, which a broker on ``port`` may take."""
    authority = PrivateAuthority(data.parent / "authority")
    shown = authority.certify("127.0.0.1")
    folder = data / "credentials" / "77"
    folder.mkdir(parents=True)
    for name, file in (
        (AUTHORITY, authority.file),
        (CERTIFICATE, shown.file),
        (KEY, shown.key_file),
    ):
        shutil.copy(file, folder / name)
    held = Held(
        tenant="main",
        van="van-2",
        purpose="backlog",
        host="127.0.0.1",
        port=port,
        client_id="0" * 32,
        serial="77",
        issued_at_ms=0,
        expires_at_ms=4_102_444_800_000,
    )
    (folder / "certificate.json").write_bytes(msgspec.json.encode(held))


def test_while_no_broker_answers_only_gaps_are_left_and_they_can_be_given_up_too(
    config: Path,
) -> None:
    chosen = load(config)
    certified_for_van_2(chosen.folder, free_port())
    ((_, _, folder),) = sealed_folders(chosen.folder)
    way = give_up(chosen, "main", "van-2", folder, within_s=0.5)
    assert way == "as_the_earlier_later"
    left = look(folder / "spool.db")
    assert (left.fixes, left.events) == (0, 3), "two gaps, and that it was started for them"
    again = give_up(chosen, "main", "van-2", folder, within_s=0.5)
    assert again == "as_the_earlier_later"
    with closing(Spool(folder / "spool.db", 10_000_000)) as spool:
        spool.begin(fixes=900, events=901, version="test", stamp=NOW)
        gaps = told_gaps(spool)
    assert {(gap.stream, gap.first, gap.last) for gap in gaps} == {("100", 10, 39), ("101", 0, 1)}

    shutil.rmtree(chosen.folder / "credentials")
    assert give_up(chosen, "main", "van-2", folder, within_s=0.5) == "as_the_present"
    note = msgspec.json.decode((folder / GIVEN_UP).read_bytes(), type=Note)
    assert (note.told.fixes, note.told.events) == (30, 2), "not the gaps, but what they tell of"


_KILLED = """
import os, sys
left = int(sys.argv[1])
is_armed = False
def hook(name, arguments):
    global left
    if not is_armed or name not in {"open", "os.rename", "os.remove", "os.rmdir", "os.chmod"}:
        return
    if name == "open" and not int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        return
    left -= 1
    if left < 0:
        os._exit(9)
sys.addaudithook(hook)
from pathlib import Path
from gateway import configuration
from gateway.enrolment import giving_up
chosen = configuration.load(Path(sys.argv[2]))
((tenant, van, folder),) = giving_up.sealed_of(chosen.folder, "van-2")
is_armed = True
giving_up.give_up(chosen, tenant, van, folder)
"""


@pytest.mark.slow
def test_killed_at_any_step_it_is_sealed_or_told(config: Path) -> None:
    data = config.parent / "data"
    seen = set()
    for step in itertools.count():
        shutil.rmtree(data / "sealed")
        seal(data)
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, str(step), config], cwd=ROOT, check=False
        )
        still, gone = sealed_folders(data), given_up_folders(data)
        assert len(still) + len(gone) == 1
        for _, _, folder in still:
            assert look(folder / "spool.db").fixes == 30
        for _, _, folder in gone:
            note = msgspec.json.decode((folder / GIVEN_UP).read_bytes(), type=Note)
            assert (note.told.fixes, note.told.events) == (30, 2)
        seen.add((len(still), done.returncode))
        if done.returncode == 0:
            break
    assert seen == {(1, 9), (0, 9), (0, 0)}, "killed before, killed after, and not at all"
