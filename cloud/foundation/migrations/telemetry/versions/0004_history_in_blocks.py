"""Fixes lie in blocks of packed columns instead of a row each."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from alembic import op

from wire.codec import WireError, decode_batch
from wire.columns import QUALITIES, SOURCES, pack_fixes, unpack_fixes
from wire.messages import Fix

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BLOCK_FIXES: Final = 400
_MAX_SPAN_MS: Final = 6 * 3_600_000
_MAX_PIECES: Final = 4_096
_WHOSE: Final = ("tenant", "van", "stream")
_BLOCK: Final = (
    *_WHOSE,
    *("first", "last", "fixes", "runs", "from_ms", "to_ms"),
    *("south_e7", "west_e7", "north_e7", "east_e7"),
    *("received_from_ms", "received_to_ms", "body"),
)
_FIELDS: Final = (
    *("at_ms", "is_gnss_time", "recorded_at_ms", "lat_e7", "lon_e7", "mode", "speed_cmps"),
    *("course_ddeg", "altitude_dm", "hdop_d", "satellites", "source", "quality"),
)


class _Row(NamedTuple):
    """A row of the table ``fix``."""

    seq: int
    at_ms: int
    fix: Fix
    received_at_ms: int


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "arrived",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        *_whose(),
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_arrived_tenant_van_stream_first", "arrived", ["tenant", "van", "stream", "first"]
    )
    op.create_table(
        "block",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        *_whose(),
        sa.Column("runs", sa.Text, nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("to_ms", sa.BigInteger, nullable=False),
        *[
            sa.Column(f"{side}_e7", sa.Integer, nullable=False)
            for side in ("south", "west", "north", "east")
        ],
        sa.Column("received_from_ms", sa.BigInteger, nullable=False),
        sa.Column("received_to_ms", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    connection = op.get_bind()
    _pack_all(connection)
    op.create_index(
        "ix_block_tenant_van_stream_first",
        "block",
        ["tenant", "van", "stream", "first"],
        unique=True,
    )
    op.create_index("ix_block_tenant_van_from_ms", "block", ["tenant", "van", "from_ms", "to_ms"])
    op.create_index(
        "ix_block_tenant_from_ms",
        "block",
        ["tenant", "from_ms", "to_ms", "south_e7", "west_e7", "north_e7", "east_e7"],
    )
    op.alter_column("stream", "ranges", new_column_name="pieces")
    _tell_what_is_kept(connection)
    op.drop_table("fix")


def downgrade() -> None:
    """Take the step back; of when a fix was received only its block's range is left."""
    op.create_table(
        "fix",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("van", sa.String, primary_key=True),
        sa.Column("stream", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("is_gnss_time", sa.Boolean, nullable=False),
        sa.Column("recorded_at_ms", sa.BigInteger, nullable=False),
        *[sa.Column(name, sa.Integer, nullable=False) for name in ("lat_e7", "lon_e7", "mode")],
        *[sa.Column(name, sa.Integer) for name in _FIELDS[6:11]],
        *[sa.Column(name, sa.Integer, nullable=False) for name in ("source", "quality")],
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    _unpack_all(connection)
    op.create_index("ix_fix_tenant_van_at_ms", "fix", ["tenant", "van", "at_ms"])
    op.alter_column("stream", "pieces", new_column_name="ranges")
    _tell_what_is_committed(connection)
    op.drop_table("arrived")
    op.drop_table("block")


def _whose() -> list[sa.Column[Any]]:
    return [
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("van", sa.String, nullable=False),
        sa.Column("stream", sa.BigInteger, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("fixes", sa.Integer, nullable=False),
    ]


def _pack_all(connection: sa.Connection) -> None:
    rows = connection.exec_driver_sql(
        f"SELECT tenant, van, stream, seq, {', '.join(_FIELDS)}, received_at_ms FROM fix"  # noqa: S608 - our own names
        " ORDER BY tenant, van, stream, seq"
    )
    for whose, stored in groupby(rows, key=itemgetter(*range(len(_WHOSE)))):
        for part in _cut(map(_row, stored)):
            values = [*whose, *_block(part)]
            marks = ",".join("?" * len(values))
            told = f"INSERT INTO block ({','.join(_BLOCK)}) VALUES ({marks})"  # noqa: S608 - our own names
            _execute(connection, told, values)


def _execute(connection: sa.Connection, told: str, values: Sequence[Any]) -> sa.CursorResult[Any]:
    """A statement with a mark for each value, on any store."""
    names = [f"value_{place}" for place in range(len(values))]
    named = iter(names)
    marked = re.sub(r"\?", lambda _: f":{next(named)}", told)
    return connection.execute(sa.text(marked), dict(zip(names, values, strict=True)))


def _row(stored: Sequence[Any]) -> _Row:
    told = dict(zip(_FIELDS, stored[4:-1], strict=True))
    at_ms = told.pop("at_ms")
    is_gnss_time = told.pop("is_gnss_time")
    told["source"], told["quality"] = SOURCES[told["source"]], QUALITIES[told["quality"]]
    fix = Fix(**told, fix_time_ms=at_ms if is_gnss_time else None)
    return _Row(stored[3], at_ms, fix, stored[-1])


def _cut(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    part: list[_Row] = []
    low = high = 0
    for row in rows:
        low, high = (min(low, row.at_ms), max(high, row.at_ms)) if part else (row.at_ms,) * 2
        if len(part) == _BLOCK_FIXES or high - low > _MAX_SPAN_MS:
            yield part
            part, low, high = [], row.at_ms, row.at_ms
        part.append(row)
    if part:
        yield part


def _block(part: list[_Row]) -> tuple[Any, ...]:
    """The values from ``first`` on."""
    runs: list[tuple[int, int, int]] = []
    for row in part:
        if runs and row.seq == runs[-1][0] + runs[-1][1]:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, 1)
        else:
            runs.append((row.seq, 1, 1))
    fixes = [row.fix for row in part]
    lats, lons = [fix.lat_e7 for fix in fixes], [fix.lon_e7 for fix in fixes]
    moments, received = [row.at_ms for row in part], [row.received_at_ms for row in part]
    return (
        *(part[0].seq, part[-1].seq, len(part), json.dumps(runs, separators=(",", ":"))),
        *(min(moments), max(moments), min(lats), min(lons), max(lats), max(lons)),
        *(min(received), max(received), pack_fixes(fixes)),
    )


def _tell_what_is_kept(connection: sa.Connection) -> None:
    """Of each committed range: where each seq is kept, and where a later message may add some."""
    for *whose, text in connection.exec_driver_sql("SELECT * FROM stream").fetchall():
        pieces: list[tuple[int, int, int]] = []
        for first, last in json.loads(text):
            pieces += _pieces(first, last, _runs_kept(connection, whose, first, last))
        if len(pieces) > _MAX_PIECES:
            pieces = [(first, last, 0) for first, last in json.loads(text)]
        _put_stream(connection, "pieces", whose, pieces)


def _runs_kept(
    connection: sa.Connection, whose: list[Any], first: int, last: int
) -> Iterator[tuple[int, int]]:
    """Ranges of seqs that are all kept, between two seqs."""
    seqs = _execute(
        connection,
        "SELECT seq FROM fix WHERE tenant = ? AND van = ? AND stream = ? AND seq BETWEEN ? AND ?"
        " ORDER BY seq",
        (*whose, first, last),
    )
    begin = end = -1
    for (seq,) in seqs:
        if seq != end + 1 or begin < 0:
            if begin >= 0:
                yield begin, end
            begin = seq
        end = seq
    if begin >= 0:
        yield begin, end


def _pieces(
    first: int, last: int, kept: Iterator[tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    at = first
    for begin, end in kept:
        if at < begin:
            yield at, begin - 1, 0
        yield begin, end, 1
        at = end + 1
    if at <= last:
        yield at, last, 0


def _tell_what_is_committed(connection: sa.Connection) -> None:
    for *whose, text in connection.exec_driver_sql("SELECT * FROM stream").fetchall():
        ranges: list[tuple[int, int]] = []
        for first, last, _ in json.loads(text):
            begin = ranges.pop()[0] if ranges and ranges[-1][1] == first - 1 else first
            ranges.append((begin, last))
        _put_stream(connection, "ranges", whose, ranges)


def _put_stream(
    connection: sa.Connection, column: str, whose: list[Any], told: Sequence[Any]
) -> None:
    _execute(
        connection,
        f"UPDATE stream SET {column} = ? WHERE tenant = ? AND van = ? AND stream = ?",  # noqa: S608 - our own names
        (json.dumps(told, separators=(",", ":")), *whose),
    )


def _unpack_all(connection: sa.Connection) -> None:
    blocks = connection.exec_driver_sql(
        "SELECT tenant, van, stream, runs, fixes, received_to_ms, body FROM block"
    )
    for *whose, runs, count, received_at_ms, body in blocks:
        seqs = [
            seq
            for first, many, step in json.loads(runs)
            for seq in range(first, first + many * step, step)
        ]
        _put_fixes(
            connection, whose, zip(seqs, unpack_fixes(body, count), strict=True), received_at_ms
        )
    arrived = connection.exec_driver_sql(
        "SELECT tenant, van, stream, first, last, received_at_ms, body FROM arrived ORDER BY id"
    )
    for *whose, first, last, received_at_ms, body in arrived:
        try:
            batch = decode_batch(body)
        except WireError:
            continue  # nobody had looked into it yet; it would be set aside
        told = zip(batch.seqs, batch.fixes, strict=True)
        kept = ((seq, fix) for seq, fix in told if first <= seq <= last)
        _put_fixes(connection, whose, kept, received_at_ms)


def _put_fixes(
    connection: sa.Connection, whose: list[Any], fixes: Any, received_at_ms: int
) -> None:
    for seq, fix in fixes:
        moment_ms = fix.recorded_at_ms if fix.fix_time_ms is None else fix.fix_time_ms
        told = [getattr(fix, name) for name in _FIELDS[2:11]]
        named = (SOURCES.index(fix.source), QUALITIES.index(fix.quality))
        values = (*whose, seq, moment_ms, fix.fix_time_ms is not None, *told, *named)
        marks = ",".join("?" * (len(values) + 1))
        _execute(
            connection,
            f"INSERT INTO fix VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608 - marks only
            (*values, received_at_ms),
        )
