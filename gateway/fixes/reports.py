"""gpsd's JSON reports gathered into epochs, of each device its own.

The reports are described in gpsd_json(5); fields that are missing are unknown. A line that is no
report, of whatever kind, is passed over.
"""

import re
from datetime import datetime
from typing import Final

import msgspec

from gateway.fixes.epochs import Epoch
from wire.events import Antenna, Jamming

MAX_LINE_BYTES: Final = 65_536
"""gpsd's own bound is 10,240; a longer line is dropped as it comes."""
_MAX_DEVICES: Final = 16

_ANTENNA: Final[dict[int, Antenna]] = {1: "ok", 2: "open", 3: "short"}
_JAM_WARNING: Final = 64
_JAM_CRITICAL: Final = 192
"""gpsd passes on u-blox's indicator, 0 to 255, for which the maker names no bounds: an estimate."""
_NOT_BY_SATELLITE: Final = frozenset({5, 8})
"""TPV status: dead reckoning and simulated."""
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)


class _Tpv(msgspec.Struct, frozen=True, gc=False):
    """One time-position-velocity report; gpsd leaves out what it does not know."""

    device: str = ""
    mode: int = 0
    status: int = 0
    time: str | None = None
    lat: float | None = None
    lon: float | None = None
    altMSL: float | None = None  # noqa: N815 - gpsd's name
    alt: float | None = None
    speed: float | None = None
    track: float | None = None
    ant: int | None = None
    jam: int | None = None


class _Satellite(msgspec.Struct, frozen=True, gc=False):
    used: bool = False


class _Sky(msgspec.Struct, frozen=True, gc=False):
    device: str = ""
    hdop: float | None = None
    uSat: int | None = None  # noqa: N815 - gpsd's name
    satellites: tuple[_Satellite, ...] = ()


class _Any(msgspec.Struct, frozen=True):
    kind: str = msgspec.field(name="class")


_kinds: Final = msgspec.json.Decoder(_Any)
_tpvs: Final = msgspec.json.Decoder(_Tpv)
_skies: Final = msgspec.json.Decoder(_Sky)


class _Device:
    """What is known of one device: its newest sky, and the report that may still be completed."""

    def __init__(self) -> None:
        self.open: _Tpv | None = None
        self.told: str | None = None
        self.hdop: float | None = None
        self.satellites: int | None = None


class ReportAssembler:
    """Lines of gpsd in, epochs with their device out.

    gpsd may tell one instant in several reports, each with more than the last, and its SKY after
    them; an epoch is closed by a report of another instant, or by a pause.
    """

    def __init__(self) -> None:
        self.unreadable = 0
        """Lines in a row that were no JSON object with a class."""
        self._held = b""
        self._is_skipping = False
        self._devices: dict[str, _Device] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether an epoch is open that silence would close."""
        return any(device.open is not None for device in self._devices.values())

    def feed(self, chunk: bytes) -> list[tuple[str, Epoch]]:
        """The epochs that ``chunk`` completes, each with the path of its device."""
        *lines, rest = (self._held + chunk).split(b"\n")
        if lines and self._is_skipping:
            del lines[0]
            self._is_skipping = False
        if len(rest) > MAX_LINE_BYTES or (self._is_skipping and rest):
            self._is_skipping, rest = True, b""
        self._held = rest
        return [done for line in lines if len(line) <= MAX_LINE_BYTES for done in self._take(line)]

    def flush(self) -> list[tuple[str, Epoch]]:
        """Close what is open: gpsd has paused."""
        return [done for name in self._devices for done in self._close(name)]

    def _take(self, line: bytes) -> list[tuple[str, Epoch]]:
        if not line.strip():
            return []
        try:
            kind = _kinds.decode(line).kind
            self.unreadable = 0
            if kind == "TPV":
                return self._take_tpv(_tpvs.decode(line))
            if kind == "SKY":
                return self._take_sky(_skies.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unreadable += 1
        return []

    def _take_tpv(self, tpv: _Tpv) -> list[tuple[str, Epoch]]:
        device = self._device(tpv.device)
        if device is None or (tpv.time is not None and tpv.time == device.told):
            return []
        is_same = device.open is not None and device.open.time == tpv.time is not None
        done = [] if is_same else self._close(tpv.device)
        device.open = tpv
        return done

    def _take_sky(self, sky: _Sky) -> list[tuple[str, Epoch]]:
        device = self._device(sky.device)
        if device is None:
            return []
        if sky.hdop is not None:
            device.hdop = sky.hdop
        if sky.uSat is not None:
            device.satellites = sky.uSat
        elif sky.satellites:
            device.satellites = sum(satellite.used for satellite in sky.satellites)
        return []

    def _device(self, name: str) -> _Device | None:
        if name not in self._devices and len(self._devices) >= _MAX_DEVICES:
            return None
        return self._devices.setdefault(name, _Device())

    def _close(self, name: str) -> list[tuple[str, Epoch]]:
        device = self._devices[name]
        tpv, device.open = device.open, None
        if tpv is None:
            return []
        device.told = tpv.time
        return [(name, _epoch(tpv, device))]


def _epoch(tpv: _Tpv, device: _Device) -> Epoch:
    position = None
    is_vouched = tpv.mode >= 2 and tpv.status not in _NOT_BY_SATELLITE
    if is_vouched and tpv.lat is not None and tpv.lon is not None:
        position = (tpv.lat, tpv.lon)
    return Epoch(
        utc_ms=None if tpv.time is None else _utc_ms(tpv.time),
        position=position,
        mode=min(tpv.mode, 3) if position else 1,
        speed_mps=tpv.speed,
        course_deg=tpv.track,
        altitude_m=tpv.alt if tpv.altMSL is None else tpv.altMSL,
        hdop=device.hdop,
        satellites=device.satellites,
        jamming=_jamming(tpv.jam),
        antenna=_ANTENNA.get(tpv.ant or 0, "unknown"),
    )


def _jamming(indicator: int | None) -> Jamming:
    if indicator is None:
        return "unknown"
    if indicator < _JAM_WARNING:
        return "ok"
    return "warning" if indicator < _JAM_CRITICAL else "critical"


def _utc_ms(text: str) -> int | None:
    if _RFC3339.fullmatch(text) is None:
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
