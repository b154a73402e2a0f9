"""What a phone tells and which of it is believed, as values. Pure."""

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec

from cloud.foundation.given import Unacceptable
from cloud.tracking.model import is_believable
from wire.messages import Fix

type App = Literal["owntracks", "traccar"]
APPS: Final[tuple[App, ...]] = get_args(App.__value__)

MOST_WAITING: Final = 20_000
"""Fixes of one phone that wait for ingest; with more than these the phone keeps the next ones.

Over MQTT it cannot be told so, and they are dropped."""
KNOWN_FOR_MS: Final = 7 * 86_400_000
"""So long a fix that was handed on is remembered: one that the phone sends again is told apart."""
_MAX_SPEED_MPS: Final = 655.0
_MAX_ALTITUDE_M: Final = 50_000.0
_MIN_ALTITUDE_M: Final = -2_000.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A position as a phone tells it, whatever the app.

    Attributes:
        at_s: when, seconds since 1970 UTC by the phone's clock, which follows the network's.
        lat: degrees. lon: degrees. accuracy_m: radius of 68 % by the phone's own estimate.
        speed_mps, course_deg, altitude_m: None where the phone does not know.
    """

    at_s: float
    lat: float
    lon: float
    accuracy_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    altitude_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone that stands for the receiver of one van.

    Attributes:
        stream: under which its fixes are known everywhere, as (van, stream, seq).
        max_accuracy_m: what is less exact is not taken.
        is_only_on_shift: off duty no position is taken; the van's shifts say when.
    """

    tenant: str
    id: str
    vehicle_id: str
    app: App
    label: str
    stream: int
    max_accuracy_m: float
    is_only_on_shift: bool
    made_at: float
    made_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What has come of a phone. ``at``: seconds since 1970, None before the first time."""

    at: float | None
    taken: int
    refused: int
    waiting: int
    problem: str | None
    problem_at: float | None


def judged(told: Told, phone: Phone, now_ms: int) -> Fix:
    """The fix that ``told`` is, when it can be believed.

    Raises:
        Unacceptable: it cannot, or is not exact enough; an app would send it again for ever, so
            it is counted and not refused to it.
    """
    if told.lat == 0 and told.lon == 0:
        raise Unacceptable("position: is 0, 0, where no van is", "let the phone find its position")
    if told.accuracy_m is not None and not 0 <= told.accuracy_m <= phone.max_accuracy_m:
        raise Unacceptable(
            f"accuracy: {told.accuracy_m:.0f} m is more than {phone.max_accuracy_m:.0f} m",
            "switch on precise location in the phone",
        )
    at_ms = round(told.at_s * 1000)
    if not is_believable(at_ms, now_ms):
        raise Unacceptable(
            "time: lies ahead or before the year 2000", "let the phone set its clock by itself"
        )
    return Fix(
        recorded_at_ms=at_ms,
        fix_time_ms=at_ms,
        lat_e7=round(told.lat * 1e7),
        lon_e7=round(told.lon * 1e7),
        mode=2 if told.altitude_m is None else 3,
        speed_cmps=_within(told.speed_mps, 0, _MAX_SPEED_MPS, 100),
        course_ddeg=_course(told.course_deg),
        altitude_dm=_within(told.altitude_m, _MIN_ALTITUDE_M, _MAX_ALTITUDE_M, 10),
        source="phone",
        quality="ntp",
    )


def require_place(lat: float, lon: float) -> None:
    """Raise unless these are degrees of a place on earth.

    Raises:
        Unacceptable: names the one that is not.
    """
    for field, value, limit in (("lat", lat, 90), ("lon", lon, 180)):
        if not (math.isfinite(value) and -limit <= value <= limit):
            raise Unacceptable(
                f"{field}: {value:g} is not between -{limit} and {limit}", "send degrees"
            )


def require_instant(at_s: float) -> float:
    """``at_s`` when it is an instant at all; whether it can be true is judged later.

    Raises:
        Unacceptable: it is not finite, or out of every calendar.
    """
    if not (math.isfinite(at_s) and abs(at_s) < 2**43):
        raise Unacceptable("time: is out of every calendar", "send seconds since 1970")
    return at_s


def _within(value: float | None, low: float, high: float, scale: int) -> int | None:
    """In the wire's whole numbers; None for what apps send when they do not know, as -1."""
    if value is None or not low <= value <= high:
        return None
    return round(value * scale)


def _course(course_deg: float | None) -> int | None:
    if course_deg is None or not 0 <= course_deg <= 360:
        return None
    return round(course_deg * 10) % 3600
