"""A van's day of 86,400 fixes, from the database to the bytes of the answer, whole and simplified.

The day lies in blocks as ingest leaves it; each tenth batch of it came late, and the last of these
are not folded yet. The peer is the plain way that this one replaced: each block by the plain reader
of the wire, a value for each fix, and these as JSON.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from bench.figure import Figure, median_s
from bench.ingest_publisher import STREAM
from bench.wire_size import batches, drive
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.database import Database
from cloud.foundation.migrations import upgrade
from cloud.tracking import history, store
from cloud.tracking.folding import fold
from cloud.tracking.formats import Field, geojson
from cloud.tracking.model import StreamKey
from cloud.tracking.service import Drawing, Tracks
from cloud.tracking.store import Writes
from tests.tracking.vans import arrived_row

NAME: Final = "track"
_DAY_FIXES: Final = 86_400
_FIELDS: Final[tuple[Field, ...]] = ("speed", "course")
_RUNS: Final = 11


def run() -> Iterator[Figure]:
    """Measure."""
    with TemporaryDirectory() as folder:
        database = Database(Path(folder) / "telemetry.db")
        upgrade(database, "telemetry")
        begin_ms = _fill(database)
        span = (begin_ms / 1000, begin_ms / 1000 + _DAY_FIXES)
        plain_ms = median_s(lambda: _plain(database, begin_ms), runs=3) * 1000
        for tolerance_m, goal, named in ((None, 250, "as GeoJSON"), (5.0, 60, "simplified to 5 m")):
            how = Drawing(fields=_FIELDS, tolerance_m=tolerance_m)
            found = Tracks(database).drawn("main", "van-1", span, how)
            if found.fixes != _DAY_FIXES:
                raise AssertionError(f"{found.fixes} fixes of {_DAY_FIXES} read back")
            took_ms = median_s(partial(_told, database, span, how), runs=_RUNS) * 1000
            yield Figure(
                bench=NAME, figure=f"a day of 86,400 fixes {named}", value=round(took_ms, 1),
                unit="ms", goal=goal, peer="fix by fix", peer_value=round(plain_ms),
            )  # fmt: skip
            yield Figure(
                bench=NAME, figure=f"fixes told {named}", value=len(found.track), unit="fixes"
            )
        database.close()


def _fill(database: Database) -> int:
    """Store the day; the moment of its first fix."""
    key = StreamKey("main", "van-1", STREAM)
    made = batches(drive(1, _DAY_FIXES))
    late, early = made[::10], [one for place, one in enumerate(made) if place % 10]
    for several, is_folded in ((early, True), (late[:-14], True), (late[-14:], False)):
        with database.writing() as connection:
            store.write(connection, Writes(arrived=[arrived_row(one) for one in several]))
        while is_folded:
            with database.writing() as connection:
                found = history.arrived_of(connection, key, 2**62, 500)
                if not found:
                    break
                fold(connection, key, found)
    return made[0].fixes[0].fix_time_ms or 0


def _told(database: Database, span: tuple[float, float], how: Drawing) -> bytes:
    return geojson("van-1", Tracks(database).drawn("main", "van-1", span, how), _FIELDS)


def _plain(database: Database, begin_ms: int) -> bytes:
    with database.reading() as connection:
        rows = history.fixes_between(
            connection, "main", "van-1", begin_ms, begin_ms + _DAY_FIXES * 1000, _DAY_FIXES + 1
        )
    return msgspec.json.encode(
        {
            "coordinates": [(row.lon_e7 / 1e7, row.lat_e7 / 1e7) for row in rows],
            "times": [to_rfc3339(row.at_ms / 1000) for row in rows],
            "speeds_mps": [row.speed_cmps and row.speed_cmps / 100 for row in rows],
            "courses_deg": [row.course_ddeg and row.course_ddeg / 10 for row in rows],
        }
    )
