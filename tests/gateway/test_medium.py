"""A medium that is full, read-only or failing: rows are held in memory and the van goes on."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bench import power_cut
from gateway.control.commands import CommandLog
from gateway.spool import schema
from gateway.spool.store import Spool
from tests.gateway.rig import ROOT
from tests.gateway.test_spool import NOW, fill, fix, seqs
from wire.messages import Command, Result

COMMAND = Command(id="c1", name="ping", expires_at_ms=NOW.now_ms + 1)
RESULT = Result(command="c1", status="done")

_WORK = """
import sqlite3, sys
from pathlib import Path
from gateway.spool.store import Spool
from tests.gateway.test_spool import NOW, fix
spool = Spool(Path(sys.argv[1]), 10_000_000)
spool.begin(fixes=100, events=101, version="test", stamp=NOW)
told = []
for number in range(300):
    spool.add_fix(fix(number))
    try:
        spool.commit(NOW)
        spool.tend(NOW)
    except sqlite3.Error:
        pass
    told.append(spool.condition)
print(told.count("degraded"), told[-1])
spool.close()
"""


@pytest.fixture
def small_medium(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs takes root")
    at = tmp_path / "medium"
    at.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", at], check=False, capture_output=True
    )
    if done.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.decode().strip()}")
    yield at
    subprocess.run(["umount", "--lazy", at], check=True)


def opened(at: Path) -> Spool:
    spool = Spool(at / "spool.db", 10_000_000)
    spool.begin(fixes=100, events=101, version="test", stamp=NOW)
    return spool


def test_a_full_medium_is_waited_out(small_medium: Path) -> None:
    schema.prepare(small_medium / "spool.db")
    with closing(opened(small_medium)) as spool:
        fill(spool, 100)
        ballast = small_medium / "somebody else's file"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1024))
        count, conditions = 100, []
        for _ in range(40):
            for _ in range(100):
                spool.add_fix(fix(count))
                count += 1
            with suppress(sqlite3.Error):
                spool.commit(NOW)
            conditions.append(spool.condition)
        assert conditions[-1] == "degraded"
        assert seqs(spool)[:100] == list(range(100)), "what is committed can still be read"
        with pytest.raises(sqlite3.OperationalError):
            CommandLog(spool.connection).finish(COMMAND, RESULT)
        ballast.unlink()
        spool.commit(NOW)
        assert [*conditions, spool.condition][-1] == "ok"
        log = CommandLog(spool.connection)
        assert not log.has("c1")
        log.finish(COMMAND, RESULT)
        assert log.has("c1")
        assert seqs(spool) == list(range(count))


def test_a_medium_that_is_read_only_at_the_start_is_waited_out(small_medium: Path) -> None:
    schema.prepare(small_medium / "spool.db")
    with closing(opened(small_medium)) as spool:
        fill(spool, 10)
    subprocess.run(["mount", "-o", "remount,ro", small_medium], check=True)
    with closing(opened(small_medium)) as spool:
        spool.add_fix(fix(0))
        with pytest.raises(sqlite3.Error):
            spool.commit(NOW)
        conditions = [spool.condition]
        subprocess.run(["mount", "-o", "remount,rw", small_medium], check=True)
        spool.commit(NOW)
        assert [*conditions, spool.condition] == ["degraded", "ok"]
        assert [(row.seq, spool.stream_of(row.id).boot) for row in spool.rows_after("fix", -1, 20)][
            -2:
        ] == [(9, 1), (0, 2)]


def test_a_page_that_cannot_be_read_for_long_is_as_good_as_damaged(tmp_path: Path) -> None:
    schema.prepare(tmp_path / "spool.db")
    with closing(opened(tmp_path)) as spool:
        fill(spool, 3000)
        spool.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(Spool(tmp_path / "spool.db", 10_000_000)) as spool:
        spool.begin(fixes=200, events=201, version="test", stamp=NOW)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        for _ in range(20):
            spool._fail(error)
        spool.commit(NOW)
        assert any(tmp_path.glob("*damaged*"))
        while spool.has_work() or spool._repair.is_under_way:
            spool.tend(NOW)
            spool.commit(NOW)
        assert seqs(spool) == list(range(3000))


@pytest.mark.slow
@pytest.mark.skipif(not power_cut.is_possible(), reason="strace is missing or may not be used")
@pytest.mark.parametrize(
    "fault",
    [
        "pwrite64:error=ENOSPC:when=60..300",
        "pwrite64:error=EIO:when=60..300",
        "pwrite64:error=EROFS:when=1..100",
        "fdatasync:error=EIO:when=20..60",
        "fdatasync:error=EIO:when=3+7",
        "pread64:error=EIO:when=4..40",
        "pwrite64:error=EIO:when=50+50",
        "ftruncate:error=EIO:when=1..40",
    ],
)
def test_calls_that_fail_lose_nothing(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "spool.db"
    schema.prepare(path)
    done = subprocess.run(
        [
            "strace", "-f", "-o", tmp_path / "log", "-P", path, "-P", f"{path}-wal",
            "-e", "trace=pwrite64,pread64,fdatasync,ftruncate", "-e", f"inject={fault}",
            sys.executable, "-c", _WORK, path,
        ],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True,
    )  # fmt: skip
    degraded, last = done.stdout.split()
    assert b"INJECTED" in (tmp_path / "log").read_bytes()
    assert int(degraded) < 300
    if "+" not in fault:
        assert last == b"ok"
    with closing(Spool(path, 10_000_000)) as spool:
        spool.begin(fixes=200, events=201, version="test", stamp=NOW)
        # What cannot be read for long is as good as damaged.
        assert fault.startswith("pread64") or not any(tmp_path.glob("*damaged*"))
        left = seqs(spool)
        if last == b"ok":
            assert left == list(range(300))
        else:
            assert left == list(range(len(left)))
            assert len(left) > 280


def test_a_folder_that_is_gone_is_waited_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    schema.prepare(home / "spool.db")
    spool = opened(home)
    fill(spool, 10)
    spool.close()
    spool = opened(home)
    shutil.move(home, tmp_path / "away")
    spool.add_fix(fix(0))
    spool.condition = "degraded"
    with pytest.raises(sqlite3.Error):
        spool.commit(NOW)
    shutil.move(tmp_path / "away", home)
    spool.commit(NOW)
    assert len(seqs(spool)) == 11
    spool.close()
