"""What Traccar Client and OsmAnd send: parameters of old, JSON since version 9. Pure.

Source: Traccar, "OsmAnd Protocol". In parameters the speed is in knots and a timestamp in seconds,
milliseconds or ISO 8601; in JSON the speed is in m/s, and -1 where it is not known.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from cloud.foundation.given import Unacceptable
from cloud.phones.model import Told, require_instant, require_place

_MPS_PER_KNOT: Final = 1852 / 3600
_MILLISECONDS_FROM: Final = 1e11
"""A number of seconds that large lies in the year 5138."""
_DIGITS: Final = frozenset("0123456789.")
MAX_TOKEN: Final = 128
MAX_LOCATIONS: Final = 500


class Said(NamedTuple):
    """Who says it, and where that one is: a token, and positions, none when it says nothing else.

    A position that cannot be read stands as what is wrong with it.
    """

    token: str
    told: list[Told | Unacceptable]


class _Coords(msgspec.Struct, frozen=True):
    latitude: float
    longitude: float
    accuracy: float | None = None
    speed: float | None = None
    heading: float | None = None
    altitude: float | None = None


class _Location(msgspec.Struct, frozen=True):
    timestamp: str | float
    coords: _Coords


class _Body(msgspec.Struct, frozen=True):
    device_id: Annotated[str, Meta(max_length=MAX_TOKEN)]
    location: msgspec.Raw = msgspec.Raw(b"[]")


def read_json(payload: bytes) -> Said:
    """What a JSON body says; ``location`` is one position or a list of them.

    Raises:
        Unacceptable: it is no JSON, or does not tell who sends it.
    """
    try:
        body = msgspec.json.decode(payload, type=_Body)
        raw = bytes(body.location).lstrip()
        locations = (
            msgspec.json.decode(raw, type=list[msgspec.Raw]) if raw[:1] == b"[" else [body.location]
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unacceptable(f"body: {error}", "send what Traccar Client sends") from error
    if len(locations) > MAX_LOCATIONS:
        raise Unacceptable(
            f"location: {len(locations)} positions at once", f"send {MAX_LOCATIONS} at the most"
        )
    return Said(body.device_id, [_read_location(bytes(one)) for one in locations])


def read_parameters(given: Mapping[str, str]) -> Said:
    """What parameters of a query or a form say.

    Raises:
        Unacceptable: they do not tell who sends them.
    """
    token = given.get("id") or given.get("deviceid") or ""
    if not 1 <= len(token) <= MAX_TOKEN:
        raise Unacceptable("id: is missing or too long", "set the device identifier in the app")
    try:
        told = _read_parameters(given)
    except Unacceptable as problem:
        return Said(token, [problem])
    return Said(token, [] if told is None else [told])


def _read_parameters(given: Mapping[str, str]) -> Told | None:
    lat_text, _, lon_text = given.get("location", "").partition(",")
    lat_text, lon_text = given.get("lat") or lat_text, given.get("lon") or lon_text
    if not lat_text and not lon_text:
        return None
    if given.get("valid", "true").lower() in {"false", "0"}:
        raise Unacceptable("valid: the receiver denies the position", "wait for a better one")
    lat, lon = _number("lat", lat_text), _number("lon", lon_text)
    require_place(lat, lon)
    speed_kn = _maybe("speed", given)
    course = _maybe("bearing", given)
    return Told(
        at_s=_instant(given.get("timestamp", "")),
        lat=lat,
        lon=lon,
        accuracy_m=_maybe("accuracy", given),
        speed_mps=None if speed_kn is None else speed_kn * _MPS_PER_KNOT,
        course_deg=_maybe("heading", given) if course is None else course,
        altitude_m=_maybe("altitude", given),
    )


def _read_location(raw: bytes) -> Told | Unacceptable:
    try:
        said = msgspec.json.decode(raw, type=_Location)
        require_place(said.coords.latitude, said.coords.longitude)
        at_s = _instant(str(said.timestamp))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unacceptable(f"location: {error}", "send what Traccar Client sends")
    except Unacceptable as problem:
        return problem
    accuracy_m = said.coords.accuracy
    return Told(
        at_s=at_s,
        lat=said.coords.latitude,
        lon=said.coords.longitude,
        accuracy_m=None if accuracy_m is None or accuracy_m < 0 else accuracy_m,
        speed_mps=said.coords.speed,
        course_deg=said.coords.heading,
        altitude_m=said.coords.altitude,
    )


def _maybe(field: str, given: Mapping[str, str]) -> float | None:
    text = given.get(field, "")
    return None if text == "" else _number(field, text)


def _number(field: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Unacceptable(f"{field}: {text[:40]!r} is no number", "send a decimal number")
    return number


def _instant(text: str) -> float:
    if text and frozenset(text) <= _DIGITS:
        number = _number("timestamp", text)
        return require_instant(number / 1000 if number >= _MILLISECONDS_FROM else number)
    try:
        told = datetime.fromisoformat(text)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Unacceptable(
            f"timestamp: {text[:40]!r} is no instant", "send seconds since 1970 or ISO 8601"
        ) from error
