"""A receiver that gpsd owns, asked by gpsd-py3.

gpsd-py3 opens the connection; the questions are asked here, because its own ``get_current`` waits
for ever, fails on an interleaved DEVICE message, an empty TPV list or no SKY, and makes (0, 0) of
a missing position. Whatever goes wrong, the source counts as lost.
"""

import contextlib
import socket
import time
from datetime import datetime
from typing import Final

import gpsd
import msgspec

from gateway.errors import ReceiverLost
from gateway.fixes.epochs import Epoch
from gateway.settings import GpsdSettings
from wire.values import FixSource

_MAX_LINE: Final = 65_536
_MAX_INTERLEAVED: Final = 20


class _Tpv(msgspec.Struct, frozen=True):
    """One time-position-velocity report; gpsd leaves out what it does not know."""

    mode: int = 0
    time: str | None = None
    lat: float | None = None
    lon: float | None = None
    altMSL: float | None = None  # noqa: N815 - gpsd's name
    alt: float | None = None
    speed: float | None = None
    track: float | None = None


class _Satellite(msgspec.Struct, frozen=True):
    used: bool = False


class _Sky(msgspec.Struct, frozen=True):
    hdop: float | None = None
    uSat: int | None = None  # noqa: N815 - gpsd's name
    satellites: tuple[_Satellite, ...] = ()


class _Answer(msgspec.Struct, frozen=True):
    """The answer to ``?POLL;`` or, with another class, a message that came between."""

    kind: str = msgspec.field(name="class")
    tpv: tuple[_Tpv, ...] = ()
    sky: tuple[_Sky, ...] = ()


_answers: Final = msgspec.json.Decoder(_Answer)


class Gpsd:
    """gpsd on a TCP port, asked every ``poll_s``; the newest report of any device counts."""

    source: FixSource = "gpsd"

    def __init__(self, settings: GpsdSettings) -> None:
        self._settings = settings
        self._last: _Tpv | None = None
        self._is_open = False

    def open(self) -> None:
        """Connect and have gpsd watch its devices.

        Raises:
            ReceiverLost: there is no gpsd, or it does not answer in time.
        """
        chosen = self._settings
        before = socket.getdefaulttimeout()
        self._last = None
        self._is_open = True
        # gpsd-py3 makes its socket itself and gives it no timeout of its own.
        socket.setdefaulttimeout(chosen.timeout_s)
        try:
            gpsd.connect(chosen.host, chosen.port)
        except Exception as error:
            self.close()
            raise ReceiverLost(f"gpsd at {chosen.host}:{chosen.port}: {error!r}") from error
        finally:
            socket.setdefaulttimeout(before)

    def read(self) -> list[Epoch]:
        """The newest report, when it is another than the last time.

        Raises:
            ReceiverLost: gpsd is gone, silent, or says what cannot be read.
        """
        if not self._is_open:
            raise ReceiverLost("gpsd: not open")
        time.sleep(self._settings.poll_s)
        try:
            answer = _poll()
            newest = max(answer.tpv, key=lambda tpv: tpv.time or "", default=None)
            if newest is None or newest == self._last:
                return []
            self._last = newest
            return [_epoch(newest, answer.sky)]
        except Exception as error:
            raise ReceiverLost(f"gpsd: {error!r}") from error

    def close(self) -> None:
        """Disconnect."""
        if not self._is_open:
            return
        self._is_open = False
        for half in (gpsd.gpsd_stream, gpsd.gpsd_socket):
            # Closing the stream flushes it, which fails once more when the connection is gone.
            with contextlib.suppress(OSError, ValueError):
                if half is not None:
                    half.close()
        gpsd.gpsd_stream = gpsd.gpsd_socket = None


def _poll() -> _Answer:
    stream = gpsd.gpsd_stream
    stream.write("?POLL;\n")
    stream.flush()
    for _ in range(_MAX_INTERLEAVED):
        line = stream.readline(_MAX_LINE)
        if not line:
            raise ConnectionError("the connection was closed")
        answer = _answers.decode(line)
        if answer.kind == "POLL":
            return answer
    raise ConnectionError("no answer to ?POLL;")


def _epoch(tpv: _Tpv, sky: tuple[_Sky, ...]) -> Epoch:
    position = None
    if tpv.mode >= 2 and tpv.lat is not None and tpv.lon is not None:
        position = (tpv.lat, tpv.lon)
    used = [_used(seen) for seen in sky]
    return Epoch(
        utc_ms=None if tpv.time is None else _utc_ms(tpv.time),
        position=position,
        mode=min(tpv.mode, 3) if position else 1,
        speed_mps=tpv.speed,
        course_deg=tpv.track,
        altitude_m=tpv.alt if tpv.altMSL is None else tpv.altMSL,
        hdop=next((seen.hdop for seen in sky if seen.hdop is not None), None),
        satellites=max((count for count in used if count is not None), default=None),
    )


def _used(sky: _Sky) -> int | None:
    if sky.uSat is not None:
        return sky.uSat
    return sum(satellite.used for satellite in sky.satellites) if sky.satellites else None


def _utc_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
