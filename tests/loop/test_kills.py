"""Whatever part of a running demo is killed: what was spooled in the vans is stored, once."""

import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest
from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.tracking import history
from tests.parts.running_demo import Running, demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SEED = 20261122
VICTIMS = (
    "gateway", "broker", "ingest", "planner", "web", "quick_planner", "roads", "gateway",
    "supervisor", "broker",
)  # fmt: skip
type Key = tuple[str, str, int]
"""Van, stream, seq."""


def spooled(folder: Path) -> set[Key]:
    """Every committed fix and event that lies in the spool of any van now."""
    found: set[Key] = set()
    for spool in folder.glob("vans/*/spool.db"):
        found |= {(spool.parent.name, stream, seq) for stream, seq in rows_of(spool)}
    return found


def rows_of(spool: Path) -> set[tuple[str, int]]:
    with tempfile.TemporaryDirectory() as copied:
        for name in ("spool.db", "spool.db-wal"):
            if (spool.parent / name).exists():
                shutil.copy(spool.parent / name, copied)
        try:
            with closing(sqlite3.connect(Path(copied) / "spool.db")) as database:
                ids = database.execute("SELECT id FROM row").fetchall()
                streams = {
                    boot: (str(events), str(fixes))
                    for boot, events, fixes in database.execute(
                        "SELECT boot, events, fixes FROM stream"
                    )
                }
        except sqlite3.DatabaseError:
            return set()  # copied in the middle of a checkpoint; the next look sees it
    return {
        (streams[row >> 40 & 0x3FFFFF][row >> 62], row & 0xFFFFFFFFFF)
        for (row,) in ids
        if row >> 40 & 0x3FFFFF in streams
    }


def stored(folder: Path) -> list[Key]:
    """Every fix and event the cloud has committed."""
    with closing(sqlite3.connect(f"file:{folder / 'telemetry.db'}?mode=ro", uri=True)) as telemetry:
        events = telemetry.execute("SELECT van, stream, seq FROM event").fetchall()
    with history_of(folder) as connection:
        fixes = [
            (van, stream, seq)
            for van in vans(folder)
            for stream, seq in history.stored_seqs(connection, "main", van)
        ]
    return [(van, str(stream), seq) for van, stream, seq in [*events, *fixes]]


def fix_moments(folder: Path) -> list[tuple[str, int]]:
    """Van and moment of every stored fix."""
    with history_of(folder) as connection:
        return [
            (van, row.at_ms)
            for van in vans(folder)
            for row in history.fixes_between(connection, "main", van, 0, 2**53, 10**6)
        ]


@contextmanager
def history_of(folder: Path) -> Iterator[Connection]:
    """What the cloud has stored, as it reads it itself."""
    telemetry = Database(folder / "telemetry.db")
    with telemetry.reading() as connection:
        yield connection
    telemetry.close()


def vans(folder: Path) -> list[str]:
    return [one.name for one in sorted(folder.glob("vans/*"))]


def gateways(running: Running) -> list[psutil.Process]:
    return [child for child in running.family() if "gateway" in child.cmdline()]


def part(running: Running, role: str) -> psutil.Process:
    told = msgspec.json.decode((running.folder / "run" / f"{role}.json").read_bytes())
    return psutil.Process(int(told["pid"]))


def is_well(running: Running) -> bool:
    try:
        return bool(running.get("health")["status"] == "ok")
    except Exception:  # noqa: BLE001 - whatever a part that comes back answers: not yet
        return False


def look(running: Running, seen: set[Key], seconds: float) -> None:
    """Keep looking into the spools for a while; ``seen`` gathers what was there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen |= spooled(running.folder)
        time.sleep(0.2)


def test_kills_of_every_part_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    seen: set[Key] = set()
    arguments = ("--vans", "2", "--orders", "8", "--speed", "10")
    with demo(tmp_path / "demo", *arguments) as running:
        running.wait_until_ready()
        for victim in VICTIMS:
            look(running, seen, chance.uniform(1.0, 6.0))
            killed = (
                chance.choice(gateways(running)) if victim == "gateway" else part(running, victim)
            )
            killed.send_signal(signal.SIGKILL)
            look(running, seen, 1.0)
            running.wait_for(f"health after {victim}", lambda: is_well(running), within_s=90)
            running.wait_for("both gateways", lambda: len(gateways(running)) == 2, within_s=30)
        look(running, seen, 5.0)
        assert len({stream for _, stream, _ in seen}) >= 6, "streams of fixes and events, restarts"
        running.wait_for(
            "everything spooled to be stored",
            lambda: seen <= set(stored(running.folder)),
            within_s=90,
        )
        assert running.end(signal.SIGINT) == 0
        kept = stored(running.folder)
        moments = fix_moments(running.folder)
    assert len(moments) == len(set(moments)), "no fix is stored twice, under whatever name"
    for key in {(van, stream) for van, stream, _ in kept}:
        seqs = sorted(seq for van, stream, seq in kept if (van, stream) == key)
        assert seqs == list(range(len(seqs))), f"a hole in {key}"
