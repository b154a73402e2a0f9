"""Fixes to packed columns and back, lossless; the bits are those of `wire.packing`. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args, get_type_hints

import msgspec

from wire.messages import Fix
from wire.packing import (
    BitReader,
    PackingError,
    flat_number,
    pack_column,
    to_bytes,
    to_text,
    unpack_column,
)
from wire.values import ClockQuality, FixSource

SOURCES: Final[tuple[str, ...]] = get_args(FixSource.__value__)
QUALITIES: Final[tuple[str, ...]] = get_args(ClockQuality.__value__)
_CIRCLE_DDEG: Final = 3600
_ALL, _NONE, _SOME = "0", "10", "11"

_LEVEL: Final = (0,)
_STEADY: Final = (0, 1)
_MOVING: Final = (1, 2)
_MAYBE: Final = {
    "speed_cmps": _MOVING,
    "course_ddeg": _STEADY,
    "altitude_dm": _STEADY,
    "hdop_d": _STEADY,
    "satellites": _STEADY,
}
"""Columns in which a value may be missing, and which differences of each are worth trying."""

_ORDER: Final = (
    *("fix_time_ms", "recorded_at_ms", "lat_e7", "lon_e7", "mode", "source", "quality"),
    *_MAYBE,
)
"""The columns in the order of their bits."""

_MAY_MISS: Final = tuple(name == "fix_time_ms" or name in _MAYBE for name in _ORDER)
_CHECKED: Final = msgspec.defstruct(
    "Columns",
    [(name, list[hint]) for name, hint in get_type_hints(Fix, include_extras=True).items()],  # type: ignore[valid-type]
)
"""The limits of `Fix` by column, so that they are checked without making an object for each row."""


def pack_fixes(fixes: Sequence[Fix]) -> bytes:
    """Fixes, one at least, as columns; how many they are is not told in the bytes.

    Raises:
        PackingError: a value is far outside what `Fix` allows.
    """
    timed = [fix for fix in fixes if fix.fix_time_ms is not None]
    untimed = [fix for fix in fixes if fix.fix_time_ms is None]
    delays = [fix.recorded_at_ms - (fix.fix_time_ms or 0) for fix in timed]
    parts = [
        *_maybe([fix.fix_time_ms for fix in fixes], _MOVING),
        _column(delays, _STEADY),
        _column([fix.recorded_at_ms for fix in untimed], _MOVING),
        _column([fix.lat_e7 for fix in fixes], _MOVING),
        _column([fix.lon_e7 for fix in fixes], _MOVING),
        _column([fix.mode for fix in fixes], _LEVEL),
        _column([SOURCES.index(fix.source) for fix in fixes], _LEVEL),
        _column([QUALITIES.index(fix.quality) for fix in fixes], _LEVEL),
    ]
    for name, orders in _MAYBE.items():
        values = [getattr(fix, name) for fix in fixes]
        parts += _maybe(_unwound(values) if name == "course_ddeg" else values, orders)
    return to_bytes(parts)


def unpack_fixes(payload: bytes, count: int) -> tuple[Fix, ...]:
    """The fixes that `pack_fixes` made ``payload`` of.

    Args:
        payload: any bytes; time and memory are bounded by their length and by ``count``.
        count: how many fixes they hold.

    Raises:
        PackingError: the bytes are no such columns, or a value is not what `Fix` allows.
    """
    columns = unpack_columns(payload, count)
    try:
        msgspec.convert(columns, _CHECKED)
    except msgspec.ValidationError as error:
        raise PackingError(str(error)) from error
    rows = zip(*[columns[name] for name in _ORDER], strict=True)
    return tuple(
        [
            Fix(
                fix_time_ms=fix_time_ms,
                recorded_at_ms=recorded_at_ms,
                lat_e7=lat_e7,
                lon_e7=lon_e7,
                mode=mode,
                source=source,
                quality=quality,
                speed_cmps=speed_cmps,
                course_ddeg=course_ddeg,
                altitude_dm=altitude_dm,
                hdop_d=hdop_d,
                satellites=satellites,
            )
            for (
                fix_time_ms,
                recorded_at_ms,
                lat_e7,
                lon_e7,
                mode,
                source,
                quality,
                speed_cmps,
                course_ddeg,
                altitude_dm,
                hdop_d,
                satellites,
            ) in rows
        ]
    )


def unpack_fix(payload: bytes) -> Fix:
    """The one fix that `pack_fixes` made ``payload`` of; what `unpack_fixes` tells, sooner.

    Raises:
        PackingError: the bytes are no such columns, or a value is not what `Fix` allows.
    """
    told = _single(payload)
    if told is None:  # not as `pack_fixes` writes one, which need not mean that it is wrong
        (fix,) = unpack_fixes(payload, 1)
        return fix
    try:
        return msgspec.convert(told, Fix)
    except msgspec.ValidationError as error:
        raise PackingError(str(error)) from error


def _single(payload: bytes) -> dict[str, Any] | None:
    """The fields of a single fix whose columns are all flat; None when something is otherwise."""
    bits = to_text(payload)
    values: list[int | None] = []
    at = 0
    for may_miss in _MAY_MISS:
        if may_miss and bits[at : at + 2] == _NONE:
            values.append(None)
            at += 2
            continue
        value, at = flat_number(bits, at + may_miss) if bits[at : at + 1] == _ALL else (None, at)
        if value is None:
            return None
        values.append(value)
    return None if "1" in bits[at:] or len(bits) - at > 7 else _fields(values)


def _fields(values: Sequence[Any]) -> dict[str, Any] | None:
    told = dict(zip(_ORDER, values, strict=True))
    source, quality = told["source"], told["quality"]
    if not (0 <= source < len(SOURCES) and 0 <= quality < len(QUALITIES)):
        return None
    told["source"], told["quality"] = SOURCES[source], QUALITIES[quality]
    if told["fix_time_ms"] is not None:
        told["recorded_at_ms"] += told["fix_time_ms"]
    if told["course_ddeg"] is not None:
        told["course_ddeg"] %= _CIRCLE_DDEG
    return told


def unpack_columns(payload: bytes, count: int) -> dict[str, list[Any]]:
    """The columns that `pack_fixes` made ``payload`` of, by the names of `Fix`.

    Faster than `unpack_fixes`, and for bytes that it has read once: no limit of `Fix` is checked.

    Raises:
        PackingError: the bytes are no such columns.
    """
    bits = BitReader(payload)
    columns: dict[str, Any] = {"fix_time_ms": _read_maybe(bits, count)}
    columns["recorded_at_ms"] = _read_recorded(bits, columns["fix_time_ms"])
    for name in ("lat_e7", "lon_e7", "mode", "source", "quality"):
        columns[name] = unpack_column(bits, count)
    for name in _MAYBE:
        columns[name] = _read_maybe(bits, count)
    bits.require_end()
    columns["course_ddeg"] = [
        None if course is None else course % _CIRCLE_DDEG for course in columns["course_ddeg"]
    ]
    columns["source"] = _named("source", SOURCES, columns["source"])
    columns["quality"] = _named("quality", QUALITIES, columns["quality"])
    return columns


def _column(values: Sequence[int], orders: Sequence[int]) -> str:
    return pack_column(values, orders) if values else ""


def _maybe(values: Sequence[int | None], orders: Sequence[int]) -> tuple[str, ...]:
    """Which values are there, then these."""
    known = [value for value in values if value is not None]
    if len(known) == len(values):
        return _ALL, pack_column(known, orders)
    if not known:
        return (_NONE,)
    there = "".join(["0" if value is None else "1" for value in values])
    return _SOME, there, pack_column(known, orders)


def _read_maybe(bits: BitReader, count: int) -> list[int | None]:
    if bits.take(1) == _ALL:
        return list(unpack_column(bits, count))
    if bits.take(1) == "0":
        return [None] * count
    there = bits.take(count)
    known = there.count("1")
    if not known:
        raise PackingError("a column of which some are there has none")
    values = iter(unpack_column(bits, known))
    return [next(values) if one == "1" else None for one in there]


def _read_recorded(bits: BitReader, fix_times: Sequence[int | None]) -> list[int]:
    """The gateway's times: after the GNSS time where there is one, by themselves elsewhere."""
    known = len(fix_times) - fix_times.count(None)
    delays = iter(unpack_column(bits, known) if known else ())
    others = iter(unpack_column(bits, len(fix_times) - known) if known < len(fix_times) else ())
    return [next(others) if time is None else time + next(delays) for time in fix_times]


def _unwound(courses: Iterable[int | None]) -> list[int | None]:
    """Courses without the jump at north: each less than half a circle from the last known one."""
    last = 0
    unwound: list[int | None] = []
    for course in courses:
        if course is not None:
            half = _CIRCLE_DDEG // 2
            last += (course - last + half) % _CIRCLE_DDEG - half
        unwound.append(None if course is None else last)
    return unwound


def _named(field: str, names: Sequence[str], places: Sequence[int]) -> list[str]:
    if min(places) < 0 or max(places) >= len(names):
        raise PackingError(f"{field}: names none of {', '.join(names)}")
    return [names[place] for place in places]
