"""Stored fixes a second through a real broker, bytes a fix on disk, and a day read back.

Publishers, broker and ingest are processes of their own on the same machine. Ingest acknowledges
the broker after its commit (SQLite: WAL, FULL; PostgreSQL: as it comes, so with fsync); a fix
counts as stored when it is committed. The peer writes a row per fix, decoded, in groups of as many
messages, without a broker.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import select

from bench.figure import Figure, median_s
from bench.ingest_publisher import STREAM, Task
from bench.wire_size import batches, drive
from cloud.foundation.broker import GatewayCredential
from cloud.foundation.database import Database
from cloud.foundation.migrations import upgrade
from cloud.foundation.places import place_of
from cloud.foundation.settings import DatabaseSettings, Settings
from cloud.tracking import history, store
from cloud.tracking.folding import fold
from cloud.tracking.model import StreamKey
from cloud.tracking.store import Writes
from tests.parts.broker import EmbeddedBroker, embedded_broker, wait_for
from tests.parts.postgres import Postgres, postgres
from tests.tracking.test_ingest import IngestProcess
from tests.tracking.vans import arrived_row
from wire import codec
from wire.messages import Batch

NAME: Final = "ingest"
_VANS: Final = 4
_GROUP: Final = 1_000
_RUNS: Final = (
    (50, 400_000, 200_000, 40_000),
    (10, 150_000, None, 60_000),
    (1, 22_000, None, 80_000),
)
"""Fixes a message, the goal, the one on PostgreSQL, and how many messages are sent."""
_DAY_FIXES: Final = 86_400
_HOUR_S: Final = 3_600
_ROUND_S: Final = 400


def run() -> Iterator[Figure]:
    """Measure."""
    with postgres() as server:
        for size, goal, postgres_goal, messages in _RUNS:
            streamed, streamed_s = _stored_a_second(size, messages, inbox="jetstream")
            yield Figure(
                bench=NAME, figure=f"the same from the JetStream inbox, {size} a message",
                value=round(streamed), unit="fixes", better="more",
            )  # fmt: skip
            yield Figure(
                bench=NAME, figure=f"processor time of ingest from JetStream, {size} a message",
                value=round(streamed_s["ingest"] / messages * 1e6, 1), unit="µs",
            )  # fmt: skip
            rows = _rows_a_second(size)
            yield from _stored(f"{size} a message", goal, rows, size, messages)
            named = f"{size} a message, PostgreSQL"
            yield from _stored(named, postgres_goal, rows, size, messages, server)
    yield Figure(
        bench=NAME, figure="bytes a fix on disk after an hour at 1 Hz, 10 a message",
        value=round(_bytes_a_fix(), 2), unit="bytes", goal=15,
    )  # fmt: skip
    yield from _day()


def _stored(
    named: str,
    goal: float | None,
    rows: float,
    size: int,
    messages: int,
    server: Postgres | None = None,
) -> Iterator[Figure]:
    stored, spent_s = _stored_a_second(size, messages, server=server)
    yield Figure(
        bench=NAME, figure=f"fixes stored a second, {named}", value=round(stored),
        unit="fixes", goal=goal, better="more",
        peer="row per fix, SQLite, no broker", peer_value=round(rows),
    )  # fmt: skip
    for whose, one_s in spent_s.items():
        yield Figure(
            bench=NAME, figure=f"processor time of {whose}, {named}",
            value=round(one_s / messages * 1e6, 1), unit="µs",
        )  # fmt: skip


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="roundsman-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _cloud(
    inbox: str = "mqtt", url: str | None = None
) -> Iterator[tuple[EmbeddedBroker, IngestProcess, list[GatewayCredential]]]:
    """A broker, ingest, and vans that may speak; ``url``: of PostgreSQL."""
    with _folder() as folder, embedded_broker(folder / "data") as broker:
        vans = broker.admit(*(f"van-{number}" for number in range(_VANS)))
        settings = f'[ingest]\ninbox = "{inbox}"\n'
        if url is not None:
            settings += f'[database]\nurl = "{url}"\n'
        broker.data.settings.write_text(settings)
        ingest = IngestProcess(broker).start()
        try:
            yield broker, ingest, vans
        finally:
            ingest.stop()


def _stored_a_second(
    size: int, messages: int, *, inbox: str = "mqtt", server: Postgres | None = None
) -> tuple[float, dict[str, float]]:
    """Fixes committed a second, from the first message on; processor seconds by who spent them."""
    url = None if server is None else server.make()
    with _cloud(inbox, url) as (broker, ingest, vans), ExitStack() as ending:
        settings = Settings(database=DatabaseSettings(url=url))
        database = Database(place_of("telemetry", ingest.data, settings))
        ending.callback(database.close)
        each = messages // _VANS
        speakers = [ending.enter_context(_speaker(broker.port, van, each, size)) for van in vans]
        told = msgspec.json.decode((ingest.data.running / "broker.json").read_bytes())
        parts = {
            "ingest": [ingest.pid],
            "the broker": [int(told["pid"])],
            "the publishers": [speaker.pid for speaker in speakers],
        }
        if server is not None:
            _committed(database)
            parts["PostgreSQL"] = server.pids
        before_s = {whose: _processor_s(pids) for whose, pids in parts.items()}
        began_s = time.monotonic()
        for speaker in speakers:
            _say(speaker, "go")
        last = each * size - 1
        wait_for(lambda: _committed(database) == [last] * _VANS, "every fix to be committed", 120)
        took_s = time.monotonic() - began_s
        spent_s = {whose: _processor_s(pids) - before_s[whose] for whose, pids in parts.items()}
        return messages * size / took_s, spent_s


@contextmanager
def _speaker(
    port: int, van: GatewayCredential, messages: int, size: int, from_seq: int = 0
) -> Iterator[subprocess.Popen[str]]:
    """A publisher that is ready to begin."""
    task = Task(
        port=port, client_id=van.client_id, username=van.username, password=van.password,
        tenant=van.tenant, van=van.van, messages=messages, size=size, from_seq=from_seq,
    )  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "bench.ingest_publisher"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            _say(process, msgspec.json.encode(task).decode())
            assert process.stdout is not None  # noqa: S101 - it is piped
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a publisher could not begin")
            yield process
        finally:
            process.kill()


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None  # noqa: S101 - it is piped
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _committed(database: Database) -> list[int]:
    """The last seq of each van's only piece."""
    with database.reading() as connection:
        found = connection.scalars(select(store.STREAM.c.pieces)).all()
    pieces = [msgspec.json.decode(text) for text in found]
    return [one[0][1] for one in pieces if len(one) == 1]


def _processor_s(pids: list[int]) -> float:
    """What some processes have spent since their start; those that are gone do not tell."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError):  # PostgreSQL's own helpers come and go
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _rows_a_second(size: int) -> float:
    """Batches decoded and written as a row per fix, a group of messages at a time."""
    sent = [codec.encode_batch(one) for one in batches(drive(1, max(64, size) * size), size)]
    columns = "tenant, van, stream, seq, at_ms, is_gnss, recorded, lat, lon, mode, speed, course, "
    columns += "altitude, hdop, satellites, source, quality, received"
    insert = f"INSERT OR IGNORE INTO fix VALUES ({','.join('?' * 18)})"  # noqa: S608 - marks only
    groups = max(2, 60_000 // (size * _GROUP))
    with _folder() as folder, closing(sqlite3.connect(folder / "rows.db")) as rows:
        rows.execute("PRAGMA journal_mode=WAL")
        rows.execute("PRAGMA synchronous=FULL")
        rows.execute(
            f"CREATE TABLE fix ({columns}, PRIMARY KEY (tenant, van, stream, seq)) WITHOUT ROWID"
        )
        rows.execute("CREATE INDEX by_time ON fix (tenant, van, at_ms)")
        began_s = time.monotonic()
        for group in range(groups):
            for number in range(_GROUP):
                first = (group * _GROUP + number) * size
                fixes = codec.decode_batch(sent[number % len(sent)]).fixes
                rows.executemany(
                    insert,
                    [
                        ("main", "van-1", STREAM, first + at, *store.fix_values(fix), 0)
                        for at, fix in enumerate(fixes)
                    ],
                )
            rows.commit()
        return groups * _GROUP * size / (time.monotonic() - began_s)


def _bytes_a_fix() -> float:
    """The whole file after an hour of each van, sent as fast as it is folded."""
    with _cloud() as (broker, ingest, vans):
        for first in range(0, _HOUR_S, _ROUND_S):
            with ExitStack() as ending:
                for van in vans:
                    count = _ROUND_S // 10
                    _say(ending.enter_context(_speaker(broker.port, van, count, 10, first)), "go")
                wait_for(partial(_has_folded, ingest, (first + _ROUND_S) * _VANS), "blocks", 60)
        ingest.stop()
        with closing(sqlite3.connect(ingest.data.telemetry)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return ingest.data.telemetry.stat().st_size / (_HOUR_S * _VANS)


def _has_folded(ingest: IngestProcess, fixes: int) -> bool:
    """Whether so many fixes lie in blocks."""
    with closing(sqlite3.connect(f"file:{ingest.data.telemetry}?mode=ro", uri=True)) as reader:
        (found,) = reader.execute("SELECT sum(fixes) FROM block").fetchone()
        return bool(found == fixes)


def _day() -> Iterator[Figure]:
    """A van's day of which each tenth batch came late, the last of these not folded yet."""
    key = StreamKey("main", "van-1", STREAM)
    made = batches(drive(1, _DAY_FIXES))
    late, early = made[::10], [one for place, one in enumerate(made) if place % 10]
    with _folder() as folder:
        database = Database(folder / "telemetry.db")
        upgrade(database, "telemetry")
        for several in (early, late[:-14], late[-14:]):
            _store(database, key, several, is_folded=several is not late[-14:])
        begin_ms = made[0].fixes[0].fix_time_ms or 0
        span = (begin_ms, begin_ms + _DAY_FIXES * 1000)

        def read() -> None:
            with database.reading() as connection:
                found = history.fixes_between(connection, "main", "van-1", *span, 100_000)
            if len(found) != _DAY_FIXES:
                raise AssertionError(f"{len(found)} fixes of {_DAY_FIXES} read back")

        yield Figure(
            bench=NAME, figure="a van's day of 86,400 fixes read, a tenth late",
            value=round(median_s(read, runs=5) * 1000), unit="ms",
        )  # fmt: skip
        database.close()


def _store(database: Database, key: StreamKey, several: list[Batch], *, is_folded: bool) -> None:
    with database.writing() as connection:
        store.write(connection, Writes(arrived=[arrived_row(one) for one in several]))
    while is_folded:
        with database.writing() as connection:
            found = history.arrived_of(connection, key, 2**62, 500)
            fold(connection, key, found)
        is_folded = bool(found)
