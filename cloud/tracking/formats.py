"""A drawn track as GeoJSON (RFC 7946), GPX 1.1 and CSV (RFC 4180). Pure.

Times are RFC 3339 in UTC to the millisecond. Where the line breaks, GeoJSON begins another line,
GPX another segment and CSV another number of ``piece``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from cloud.tracking.lanes import MISSING, Ints
from cloud.tracking.lines import Break
from cloud.tracking.track import Track
from wire.columns import QUALITIES, SOURCES

type Field = Literal["speed", "course", "altitude", "hdop", "satellites", "mode", "source", "clock"]

_DAY_MS: Final = 86_400_000
_TIME: Final = len("0000-00-00T00:00:00.000Z")
_CHUNK: Final = 10_000
"""Fixes that are turned into text at a time."""


class _Told(NamedTuple):
    """How a column is told: in GeoJSON as a list, in CSV under a header."""

    column: str
    listed: str
    header: str
    divisor: int = 1
    names: tuple[str, ...] = ()


FIELDS: Final[dict[Field, _Told]] = {
    "speed": _Told("speed_cmps", "speeds_mps", "speed_mps", 100),
    "course": _Told("course_ddeg", "courses_deg", "course_deg", 10),
    "altitude": _Told("altitude_dm", "altitudes_m", "altitude_m", 10),
    "hdop": _Told("hdop_d", "hdops", "hdop", 10),
    "satellites": _Told("satellites", "satellites", "satellites"),
    "mode": _Told("mode", "modes", "mode"),
    "source": _Told("source", "sources", "source", names=SOURCES),
    "clock": _Told("quality", "clocks", "clock", names=QUALITIES),
}
"""What can be told of each fix beside its place and time."""


def columns_of(fields: Sequence[Field]) -> tuple[str, ...]:
    """The columns that ``fields`` are told from."""
    return tuple(FIELDS[field].column for field in fields)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A track, or a part of it, and where its line breaks.

    Attributes:
        breaks: in order; one of place 0 is between the part before and this one.
        fixes: how many it had before it was simplified.
    """

    track: Track
    breaks: Sequence[Break]
    fixes: int

    @property
    def pieces(self) -> list[slice]:
        """The fixes of each line; none is empty."""
        edges = sorted({0, len(self.track), *(one.place for one in self.breaks)})
        return [slice(*edge) for edge in pairwise(edges)]


def geojson(vehicle_id: str, drawn: Drawn, fields: Sequence[Field]) -> bytes:
    """A track as a GeoJSON feature; a line through one fix has its place twice."""
    track = drawn.track
    places = list(
        zip((track["lon_e7"] / 1e7).tolist(), (track["lat_e7"] / 1e7).tolist(), strict=True)
    )
    lines = [places[piece] for piece in drawn.pieces]
    properties: dict[str, Any] = {
        "vehicle_id": vehicle_id,
        "fixes": drawn.fixes,
        "pieces": [len(line) for line in lines],
        "gaps": [_gap(one) for one in drawn.breaks],
        "times": msgspec.Raw(_time_list(track["at_ms"])),
    }
    for field in fields:
        properties[FIELDS[field].listed] = _values(track, field)
    feature = {"type": "Feature", "geometry": _geometry(lines), "properties": properties}
    return msgspec.json.encode(feature)


def gpx(vehicle_id: str, parts: Iterator[Drawn]) -> Iterator[bytes]:
    """A track as a GPX 1.1 file, part after part; `GPX_FIELDS` must be read."""
    yield (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<gpx version="1.1" creator="Roundsman" xmlns="http://www.topografix.com/GPX/1/1">\n'
        b"<trk><name>" + vehicle_id.encode() + b"</name>"
    )
    is_open = False
    for part in parts:
        begins = {one.place for one in part.breaks}
        for piece in part.pieces:
            if piece.start in begins and is_open:
                yield b"</trkseg>\n"
                is_open = False
            if not is_open:
                yield b"<trkseg>\n"
                is_open = True
            for begin in range(piece.start, piece.stop, _CHUNK):
                end = min(begin + _CHUNK, piece.stop)
                yield _trackpoints(part.track.only(slice(begin, end)))
    yield b"</trkseg>\n" * is_open + b"</trk>\n</gpx>\n"


GPX_FIELDS: Final[tuple[Field, ...]] = ("altitude", "mode", "satellites", "hdop")
"""What GPX 1.1 can tell of a point."""


def csv(parts: Iterator[Drawn], fields: Sequence[Field]) -> Iterator[bytes]:
    """A track as CSV with a header, part after part."""
    header = ["time", "lat", "lon", "piece", *(FIELDS[field].header for field in fields)]
    yield ",".join(header).encode() + b"\r\n"
    number = 1
    for part in parts:
        begins = {one.place for one in part.breaks}
        for piece in part.pieces:
            number += piece.start in begins
            for begin in range(piece.start, piece.stop, _CHUNK):
                end = min(begin + _CHUNK, piece.stop)
                yield _csv_rows(part.track.only(slice(begin, end)), number, fields)


def times(at_ms: Ints) -> list[str]:
    """Instants of the years 1 to 9999 as RFC 3339 in UTC."""
    cells = np.empty((len(at_ms), _TIME), dtype=np.uint8)
    _write_times(cells, at_ms)
    text = cells.tobytes().decode()
    return [text[at : at + _TIME] for at in range(0, len(text), _TIME)]


def _gap(one: Break) -> dict[str, str]:
    begin, end = times(np.array([one.from_ms, one.to_ms], dtype=np.int64))
    return {"from": begin, "to": end, "reason": one.reason}


def _geometry(lines: list[list[tuple[float, float]]]) -> dict[str, Any] | None:
    if sum(map(len, lines)) < 2:
        return None
    whole = [line * 2 if len(line) == 1 else line for line in lines]
    if len(whole) == 1:
        return {"type": "LineString", "coordinates": whole[0]}
    return {"type": "MultiLineString", "coordinates": whole}


def _values(track: Track, field: Field) -> list[Any]:
    told = FIELDS[field]
    column = track[told.column]
    if told.names:
        return list(map(told.names.__getitem__, column.tolist()))
    values = column if told.divisor == 1 else column / told.divisor
    is_missing = column == MISSING
    if not is_missing.any():
        return list(values.tolist())
    boxed = values.astype(object)
    boxed[is_missing] = None
    return list(boxed.tolist())


def _time_list(at_ms: Ints) -> bytes:
    cells = np.empty((len(at_ms), _TIME + 3), dtype=np.uint8)
    cells[:, 0] = cells[:, -2] = ord('"')
    cells[:, -1] = ord(",")
    _write_times(cells[:, 1:-2], at_ms)
    return b"[%b]" % cells.tobytes()[:-1]


def _write_times(cells: npt.NDArray[np.uint8], at_ms: Ints) -> None:
    days, rest = np.divmod(at_ms, _DAY_MS)
    known, which = np.unique(days, return_inverse=True)
    dates = np.datetime_as_string(known.astype("datetime64[D]")).astype("S10")
    cells[:, :10] = dates.view(np.uint8).reshape(-1, 10)[which]
    seconds, millis = np.divmod(rest, 1000)
    minutes, second = np.divmod(seconds, 60)
    hour, minute = np.divmod(minutes, 60)
    for at, mark in ((10, "T"), (13, ":"), (16, ":"), (19, "."), (23, "Z")):
        cells[:, at] = ord(mark)
    cells[:, 11:13] = _TWO[hour]
    cells[:, 14:16] = _TWO[minute]
    cells[:, 17:19] = _TWO[second]
    cells[:, 20:23] = _THREE[millis]


def _digits(count: int) -> npt.NDArray[np.uint8]:
    text = "".join(f"{number:0{count}d}" for number in range(10**count))
    return np.frombuffer(text.encode(), dtype=np.uint8).reshape(-1, count)


_TWO: Final = _digits(2)
_THREE: Final = _digits(3)


def _degrees(column: Ints) -> list[str]:
    return [f"{value:.7f}" for value in (column / 1e7).tolist()]


def _csv_rows(track: Track, piece: int, fields: Sequence[Field]) -> bytes:
    columns = [
        times(track["at_ms"]),
        _degrees(track["lat_e7"]),
        _degrees(track["lon_e7"]),
        [str(piece)] * len(track),
        *(_texts(track, field) for field in fields),
    ]
    return "".join([f"{','.join(row)}\r\n" for row in zip(*columns, strict=True)]).encode()


def _texts(track: Track, field: Field) -> list[str]:
    return ["" if value is None else str(value) for value in _values(track, field)]


def _trackpoints(track: Track) -> bytes:
    columns = (
        _degrees(track["lat_e7"]),
        _degrees(track["lon_e7"]),
        times(track["at_ms"]),
        *(_values(track, field) for field in GPX_FIELDS),
    )
    return "".join([_trackpoint(*row) for row in zip(*columns, strict=True)]).encode()


def _trackpoint(
    lat: str,
    lon: str,
    time: str,
    altitude: float | None,
    mode: int,
    satellites: int | None,
    hdop: float | None,
) -> str:
    above = "" if altitude is None else f"<ele>{altitude}</ele>"
    seen = "" if satellites is None else f"<sat>{satellites}</sat>"
    spread = "" if hdop is None else f"<hdop>{hdop}</hdop>"
    return (
        f'<trkpt lat="{lat}" lon="{lon}">{above}<time>{time}</time>'
        f"<fix>{mode}d</fix>{seen}{spread}</trkpt>\n"
    )
