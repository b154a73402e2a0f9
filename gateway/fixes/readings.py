"""What one NMEA sentence says, as a value; fields that are empty or absurd are None."""

import re
from collections.abc import Callable
from datetime import date
from functools import reduce
from operator import xor
from typing import Final

import msgspec
import pynmea2

KNOT_MPS: Final = 1852 / 3600

_POSITION_MODES: Final = frozenset("ADFPR")
"""Autonomous, differential, float RTK, precise, fixed RTK; not estimated, manual or simulated."""

_GGA_NO_POSITION: Final = frozenset({"", "0", "6", "7", "8"})
"""No fix, and dead reckoning, manual and simulated, which no satellite vouches for."""

_WANTED: Final = re.compile(r"\$(?!P)[A-Z]{2}(RMC|GGA|GSA|VTG|GLL|GNS|ZDA),")
"""Of any talker; P begins a maker's own sentence, and Garmin has a PGRMC that is no RMC."""
_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(?:\.(\d*))?")
_ANGLE: Final = re.compile(r"(\d{1,3})(\d\d(?:\.\d*)?)")
_NUMBER: Final = re.compile(r"[+-]?\d*\.?\d+|[+-]?\d+\.")


class Reading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One sentence's contribution to an epoch.

    Attributes:
        kind: talker and sentence, as ``GPRMC``.
        time_ms: of the day, UTC; None for sentences without a time.
        day: UTC date. position: (latitude, longitude) in degrees, only when the receiver vouches.
        dimensions: 1 (no fix), 2 or 3 as GSA says.
    """

    kind: str
    time_ms: int | None = None
    day: date | None = None
    position: tuple[float, float] | None = None
    dimensions: int | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    altitude_m: float | None = None
    hdop: float | None = None
    satellites: int | None = None


def read_sentence(sentence: str) -> Reading | None:
    """Read one framed sentence.

    Returns:
        None when it is of another kind, its checksum is missing or wrong, or it is misshapen.
    """
    if _WANTED.match(sentence) is None:
        return None
    try:
        parsed = pynmea2.parse(sentence, check=True)
    except (ValueError, TypeError, AttributeError):
        return None
    return _READERS[parsed.sentence_type](_Fields(parsed))


def is_proved(sentence: str) -> bool:
    """Whether the sentence, of whatever kind, has its right checksum."""
    body, _, given = sentence[1:].partition("*")
    return len(given) == 2 and given.upper() == _checksum(body)


def _checksum(body: str) -> str:
    return f"{reduce(xor, body.encode()):02X}"


def why_refused(sentence: str) -> str | None:
    """Why a sentence that `read_sentence` did not read is refused, naming the field.

    Returns:
        None when it is of a kind that is not read anyway.
    """
    if _WANTED.match(sentence) is None:
        return None
    body, _, given = sentence[1:].partition("*")
    computed = _checksum(body)
    if len(given) != 2:
        return f"checksum: missing; the receiver must send *{computed} at the end of the line"
    if given.upper() != computed:
        return f"checksum: *{given} was sent, the line's is *{computed}; check cable and speed"
    return "fields: not of the form this kind of sentence has"


class _Fields:
    """Raw fields by pynmea2's names: its own conversions turn an empty position into 0.0."""

    def __init__(self, sentence: pynmea2.TalkerSentence) -> None:
        self.kind: str = sentence.talker + sentence.sentence_type
        self._data: list[str] = sentence.data
        self._index: dict[str, int] = sentence.name_to_idx

    def text(self, name: str) -> str:
        index = self._index[name]
        return self._data[index].strip() if index < len(self._data) else ""

    def number(self, name: str, low: float, high: float) -> float | None:
        text = self.text(name)
        if _NUMBER.fullmatch(text) is None:
            return None
        value = float(text)
        return value if low <= value <= high else None

    def time_ms(self) -> int | None:
        return time_of_day_ms(self.text("timestamp"))

    def position(self) -> tuple[float, float] | None:
        lat = _degrees(self.text("lat"), self.text("lat_dir"), "NS", 90)
        lon = _degrees(self.text("lon"), self.text("lon_dir"), "EW", 180)
        if lat is None or lon is None or (lat == 0 and lon == 0):
            return None
        return lat, lon

    def satellites(self) -> int | None:
        count = self.number("num_sats", 0, 255)
        return None if count is None else int(count)


def time_of_day_ms(text: str) -> int | None:
    """``hhmmss.sss`` as milliseconds of the day; second 60 is the leap second it stands for."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3])
    if hour > 23 or minute > 59 or second > 60:
        return None
    fraction_ms = int(f"{match[4] or '':0<3.3}")
    return ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms


def _degrees(text: str, side: str, sides: str, limit: int) -> float | None:
    match = _ANGLE.fullmatch(text)
    if match is None or len(side) != 1 or side not in sides:
        return None
    minutes = float(match[2])
    value = int(match[1]) + minutes / 60
    if minutes >= 60 or value > limit:
        return None
    return value if side == sides[0] else -value


def _day(text: str) -> date | None:
    """``ddmmyy``: 80 to 99 are 1980 to 1999, before which there was no GPS."""
    if len(text) != 6 or not (text.isascii() and text.isdigit()):
        return None
    year = int(text[4:])
    return _date(year + (1900 if year >= 80 else 2000), int(text[2:4]), int(text[:2]))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _knots(fields: _Fields, name: str) -> float | None:
    knots = fields.number(name, 0, 2000)
    return None if knots is None else knots * KNOT_MPS


def _rmc(fields: _Fields) -> Reading:
    vouched = fields.text("status") == "A" and (
        fields.text("mode_indicator") in _POSITION_MODES or not fields.text("mode_indicator")
    )
    return Reading(
        kind=fields.kind,
        time_ms=fields.time_ms(),
        day=_day(fields.text("datestamp")),
        position=fields.position() if vouched else None,
        speed_mps=_knots(fields, "spd_over_grnd") if vouched else None,
        course_deg=fields.number("true_course", 0, 360) if vouched else None,
    )


def _gga(fields: _Fields) -> Reading:
    satellites = fields.satellites()
    # Some receivers go on telling quality 1 when they see no satellite any more.
    vouched = fields.text("gps_qual") not in _GGA_NO_POSITION and satellites != 0
    return Reading(
        kind=fields.kind,
        time_ms=fields.time_ms(),
        position=fields.position() if vouched else None,
        altitude_m=fields.number("altitude", -2_000, 50_000) if vouched else None,
        hdop=fields.number("horizontal_dil", 0, 100),
        satellites=satellites,
    )


def _gns(fields: _Fields) -> Reading:
    vouched = not _POSITION_MODES.isdisjoint(fields.text("mode_indicator"))
    return Reading(
        kind=fields.kind,
        time_ms=fields.time_ms(),
        position=fields.position() if vouched else None,
        altitude_m=fields.number("altitude", -2_000, 50_000) if vouched else None,
        hdop=fields.number("hdop", 0, 100),
        satellites=fields.satellites(),
    )


def _gll(fields: _Fields) -> Reading:
    mode = fields.text("faa_mode")
    vouched = fields.text("status") == "A" and (mode in _POSITION_MODES or not mode)
    return Reading(
        kind=fields.kind,
        time_ms=fields.time_ms(),
        position=fields.position() if vouched else None,
    )


def _gsa(fields: _Fields) -> Reading:
    dimensions = fields.number("mode_fix_type", 1, 3)
    return Reading(
        kind=fields.kind,
        dimensions=None if dimensions is None else int(dimensions),
        hdop=fields.number("hdop", 0, 100),
    )


def _vtg(fields: _Fields) -> Reading:
    mode = fields.text("faa_mode")
    vouched = mode in _POSITION_MODES or not mode
    return Reading(
        kind=fields.kind,
        speed_mps=_knots(fields, "spd_over_grnd_kts") if vouched else None,
        course_deg=fields.number("true_track", 0, 360) if vouched else None,
    )


def _zda(fields: _Fields) -> Reading:
    year, month, day = (fields.number(name, 0, 9999) for name in ("year", "month", "day"))
    known = year is not None and month is not None and day is not None and year >= 1980
    return Reading(
        kind=fields.kind,
        time_ms=fields.time_ms(),
        day=_date(int(year or 0), int(month or 0), int(day or 0)) if known else None,
    )


_READERS: Final[dict[str, Callable[[_Fields], Reading]]] = {
    "RMC": _rmc,
    "GGA": _gga,
    "GSA": _gsa,
    "VTG": _vtg,
    "GLL": _gll,
    "GNS": _gns,
    "ZDA": _zda,
}
