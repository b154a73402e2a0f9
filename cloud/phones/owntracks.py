"""What the OwnTracks app sends, over HTTP and over MQTT. Pure.

Source: OwnTracks booklet, "JSON" (``_type=location``: tst in seconds, acc and alt in metres, vel in
km/h, cog in degrees).
"""

from typing import Any, Final

import msgspec

from cloud.foundation.given import Unacceptable
from cloud.phones.model import Told, require_instant, require_place

_KMH_PER_MPS: Final = 3.6
MAX_BYTES: Final = 64 * 1024


class _Kind(msgspec.Struct, frozen=True, rename={"kind": "_type"}):
    kind: str


class _Location(msgspec.Struct, frozen=True):
    lat: float
    lon: float
    tst: float
    acc: float | None = None
    alt: float | None = None
    vel: float | None = None
    cog: float | None = None


def read(payload: bytes) -> Told | None:
    """The position that a message tells; None when it tells something else, as the apps also do.

    An empty message takes back what was retained, and tells nothing.

    Raises:
        Unacceptable: it is no message of the app, too long, or encrypted.
    """
    if not payload.strip():
        return None
    if len(payload) > MAX_BYTES:
        raise Unacceptable(f"payload: {len(payload)} bytes", f"send {MAX_BYTES} at the most")
    try:
        fields = msgspec.json.decode(payload, type=dict[str, Any])
        kind = msgspec.convert(fields, _Kind).kind
        if kind == "encrypted":
            raise Unacceptable(
                "payload: is encrypted by the app", "remove the encryption key there; use https"
            )
        if kind != "location":
            return None
        said = msgspec.convert(fields, _Location)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unacceptable(f"payload: {error}", "send what the app sends") from error
    require_place(said.lat, said.lon)
    return Told(
        at_s=require_instant(said.tst),
        lat=said.lat,
        lon=said.lon,
        accuracy_m=said.acc,
        speed_mps=None if said.vel is None else said.vel / _KMH_PER_MPS,
        course_deg=said.cog,
        altitude_m=said.alt,
    )
