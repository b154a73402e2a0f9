"""History of 100 million fixes on PostgreSQL, generated: its size, days, passages, a week dropped.

Blocks are packed as ingest packs them, day by day of one drive, and stand for many vans that drive
the same way, each in a row of its own, written by COPY into the weeks that ingest makes. The day is
read as a track is told: every fix of it, unpacked and in order.
"""

import os
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import text

from bench.figure import Figure, median_s
from bench.ingest_publisher import STREAM
from bench.wire_size import drive
from cloud.foundation.database import Database, prepare, put_rows
from cloud.foundation.migrations import upgrade
from cloud.tracking import history
from cloud.tracking.blocks import Block, Numbered, cut, pack
from cloud.tracking.history import BLOCK, WEEK_MS
from cloud.tracking.model import moment_ms
from cloud.tracking.passages import passages
from cloud.tracking.places import Circle
from cloud.tracking.service import Drawing, Tracks
from tests.parts.postgres import postgres
from wire.messages import Fix

NAME: Final = "pghistory"
FIXES: Final = int(os.environ.get("BENCH_PGHISTORY_FIXES", "100000000"))
_DAY_FIXES: Final = 86_400
_DAY_S: Final = 86_400
_DAY_MS: Final = 86_400_000
_WEEKS: Final = 4
_DAYS: Final = 7 * _WEEKS
_COLUMNS: Final = tuple(BLOCK.c.keys())[1:]


def run() -> Iterator[Figure]:
    """Measure."""
    vans = max(1, round(FIXES / (_DAYS * _DAY_FIXES)))
    with postgres() as server:
        place = server.place("telemetry")
        prepare(place)
        database = Database(place)
        upgrade(database, "telemetry")
        took_s = _fill(database, vans)
        count = vans * _DAYS * _DAY_FIXES
        yield Figure(
            bench=NAME, figure=f"generated: {count / 1e6:.0f} million fixes of {vans} vans",
            value=round(took_s), unit="s",
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure="bytes a fix on disk, indexes included",
            value=round(_bytes(database) / count, 2), unit="bytes", goal=15,
        )  # fmt: skip
        yield _day(database, vans)
        yield _passed(database, vans, hours=1, goal=None)
        yield _passed(database, vans, hours=24, goal=None)
        yield _drop(database)
        database.close()


def _fill(database: Database, vans: int) -> float:
    begin_ms = _begin_ms()
    began_s = time.monotonic()
    with database.writing() as connection:
        for week in range(_WEEKS):
            history.make_weeks(connection, begin_ms + week * WEEK_MS)
    fixes = drive(1, _DAY_FIXES)
    for day in range(_DAYS):
        blocks = _packed(fixes, begin_ms, day)
        rows = [
            (*("main", f"van-{van}", STREAM), *_values(block))
            for van in range(vans)
            for block in blocks
        ]
        with database.writing() as connection:
            put_rows(connection, BLOCK, rows, columns=_COLUMNS, clash="fail")
    took_s = time.monotonic() - began_s
    with database.writing() as connection:
        connection.execute(text("ANALYZE block"))
    return took_s


def _begin_ms() -> int:
    moment = moment_ms(drive(1, 1)[0])
    return moment - moment % WEEK_MS + WEEK_MS


def _packed(fixes: list[Fix], begin_ms: int, day: int) -> list[Block]:
    """The drive on another day, in blocks."""
    later_ms = begin_ms + day * _DAY_MS - moment_ms(fixes[0])
    rows = [
        Numbered(
            day * _DAY_FIXES + place,
            msgspec.structs.replace(
                fix,
                fix_time_ms=None if fix.fix_time_ms is None else fix.fix_time_ms + later_ms,
                recorded_at_ms=fix.recorded_at_ms + later_ms,
            ),
            begin_ms + day * _DAY_MS + place * 1000,
        )
        for place, fix in enumerate(fixes)
    ]
    return [pack(part) for part in cut(rows)]


def _values(block: Block) -> tuple[Any, ...]:
    told = (block.first, block.last, block.fixes, block.runs, block.from_ms, block.to_ms)
    return (*told, *block.box, block.received_from_ms, block.received_to_ms, block.body)


def _bytes(database: Database) -> int:
    with database.reading() as connection:
        found = connection.scalar(
            text(
                "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
                " WHERE inhparent = 'block'::regclass"
            )
        )
    return int(found)


def _day(database: Database, vans: int) -> Figure:
    """The day of another van and of another week each time."""
    begin_ms = _begin_ms()
    tracks = Tracks(database)
    days = iter([(3 * round_ % vans, 9 * round_ % _DAYS) for round_ in range(1, 100)])

    def read() -> None:
        van, day = next(days)
        begin_s = (begin_ms + day * _DAY_MS) / 1000
        found = tracks.drawn("main", f"van-{van}", (begin_s, begin_s + _DAY_S), Drawing())
        if found.fixes != _DAY_FIXES:
            raise AssertionError(f"{found.fixes} fixes of {_DAY_FIXES} read back")

    return Figure(
        bench=NAME, figure="one van's day of 86,400 fixes read, of all of them",
        value=round(median_s(read, runs=15) * 1000, 1), unit="ms", goal=100,
    )  # fmt: skip


def _passed(database: Database, vans: int, *, hours: int, goal: float | None) -> Figure:
    """Who was within 100 m of a place on the way, of another day each time; all vans were."""
    begin_ms = _begin_ms()
    fixes = drive(1, _DAY_FIXES)
    begins = iter([(round_, (round_ * 5) % (24 - hours + 1)) for round_ in range(1, _DAYS)])
    names = sorted(f"van-{van}" for van in range(vans))

    def ask() -> None:
        day, hour = next(begins)
        at = fixes[hour * 3_600 + hours * 1_800]
        here = Circle(at.lat_e7 / 1e7, at.lon_e7 / 1e7, 100.0)
        from_s = (begin_ms + day * _DAY_MS) / 1000 + hour * 3_600
        found = passages(database, "main", here, (from_s, from_s + hours * 3_600), names, 200)
        if len(found.vans) != vans and found.following is None:
            raise AssertionError(f"{len(found.vans)} vans of {vans} passed")

    return Figure(
        bench=NAME, figure=f"who passed within 100 m in {hours} h, each of {vans} vans did",
        value=round(median_s(ask, runs=9) * 1000, 1), unit="ms", goal=goal,
    )  # fmt: skip


def _drop(database: Database) -> Figure:
    """One week after the other, the slowest counts."""
    begin_ms = _begin_ms()
    slowest_s = 0.0
    for week in range(1, _WEEKS):
        began_s = time.monotonic()
        with database.writing() as connection:
            gone = history.drop_weeks(connection, begin_ms + week * WEEK_MS + _DAY_MS)
        slowest_s = max(slowest_s, time.monotonic() - began_s)
        if week > 1 and len(gone) != 1:
            raise AssertionError(f"{len(gone)} weeks dropped")
    return Figure(
        bench=NAME, figure=f"a week of {FIXES / _WEEKS / 1e6:.0f} million fixes dropped",
        value=round(slowest_s, 3), unit="s", goal=1,
    )  # fmt: skip
