"""Real parts for the benchmarks of delivery: a van with a backlog, a receiver at 1 Hz, its line."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import batched
from pathlib import Path
from typing import NamedTuple

from bench.wire_size import drive
from cloud.foundation.authority import Authority
from gateway.spool import schema
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from tests.gateway.link_proxy import LinkProxy
from tests.gateway.rig import Broker, Cloud, Line, Van, sentence
from wire import codec
from wire.messages import Fix, Live

_STREAM = 1_000_001


class Rig(NamedTuple):
    """A broker, the cloud that commits, and the link by which a van reaches them."""

    folder: Path
    broker: Broker
    cloud: Cloud
    link: LinkProxy
    ca_file: Path | None


@contextmanager
def rig(
    delay_s: float = 0.0, bytes_a_second: float | None = None, *, is_tls: bool = False
) -> Iterator[Rig]:
    """All of it, ended and removed at the end."""
    with ExitStack() as ending:
        folder = Path(tempfile.mkdtemp(prefix="roundsman-bench-"))
        ending.callback(shutil.rmtree, folder)
        authority = Authority(folder / "authority", lambda: time.time_ns() / 1e9)
        tls, ca_file = "", None
        if is_tls:
            pair = authority.server_pair(folder, ["127.0.0.1"])
            tls = f'tls {{ cert_file: "{pair.cert_file}", key_file: "{pair.key_file}" }}'
            ca_file = authority.certificate_file
        broker = Broker(folder / "broker", tls)
        broker.start()
        ending.callback(broker.kill)
        cloud = Cloud(folder / "cloud.db", broker.port, ca_file)
        ending.callback(cloud.stop)
        link = LinkProxy(broker.port, delay_s=delay_s, bytes_a_second=bytes_a_second)
        ending.callback(link.stop)
        yield Rig(folder, broker, cloud, link, ca_file)


@contextmanager
def van(
    rig: Rig,
    pace: Mapping[str, float],
    keeping: str = "is_all = true",
    commit_every_s: float = 10.0,
) -> Iterator[Van]:
    """A gateway that is not started yet, and its receiver, which drives at 1 Hz when it is."""
    line = Line(rig.folder / "receiver")
    receiver = Driving(line)
    place = f'kind = "serial"\ndevice = "{line.device}"'
    gateway = Van(
        rig.folder / "van", rig.link.port, place, pace,
        keeping=keeping, ca_file=rig.ca_file, commit_every_s=commit_every_s,
    )  # fmt: skip
    try:
        yield gateway
    finally:
        gateway.kill()
        receiver.stop()
        line.unplug()


def spool_backlog(van: Van, count: int) -> str:
    """Put ``count`` fixes of a drive into the van's spool, as an earlier start left them.

    Returns:
        Their stream.
    """
    path = van.data / "spool.db"
    schema.prepare(path)
    spool = Spool(path, 200_000_000)
    stamp = Stamp(1_795_345_200_000, "gnss")
    spool.begin(fixes=_STREAM, events=_STREAM + 1, version="bench", stamp=stamp)
    for group in batched(drive(1, count), 1000):
        for fix in group:
            spool.add_fix(fix)
        spool.commit(stamp)
    spool.close()
    return str(_STREAM)


def wait_for(cloud: Cloud, stream: str, count: int, timeout_s: float) -> float:
    """The monotonic instant at which the cloud had all of a stream, and had told so."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        held = cloud.holds.get(stream)
        if held is not None and held.told() == (count - 1, ()):
            return time.monotonic()
        time.sleep(0.01)
    raise TimeoutError(f"not drained within {timeout_s} s")


class Driving:
    """Writes one epoch of a drive a second to a line, with the time it really is."""

    def __init__(self, line: Line, hz: float = 1.0) -> None:
        self._line = line
        self._period_s = 1 / hz
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driving")
        self._thread.start()

    def _run(self) -> None:
        began_s = time.monotonic()
        began_ms = time.time_ns() // 1_000_000
        for number, fix in enumerate(drive(2, 40_000)):
            if self._stopping.wait(max(0.0, began_s + number * self._period_s - time.monotonic())):
                return
            self._line.write(nmea(fix, began_ms + round(number * self._period_s * 1000)))

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self._thread.join()


def nmea(fix: Fix, at_ms: int) -> bytes:
    """The sentences by which a receiver tells a fix."""
    at = time.gmtime(at_ms // 1000)
    clock = time.strftime("%H%M%S", at) + f".{at_ms % 1000 // 10:02}"
    date = time.strftime("%d%m%y", at)
    lat, north = _angle(fix.lat_e7, 2), "N" if fix.lat_e7 >= 0 else "S"
    lon, east = _angle(fix.lon_e7, 3), "E" if fix.lon_e7 >= 0 else "W"
    knots = (fix.speed_cmps or 0) / 51.4444
    course = (fix.course_ddeg or 0) / 10
    hdop = (fix.hdop_d or 0) / 10
    altitude = (fix.altitude_dm or 0) / 10
    place = f"{lat},{north},{lon},{east}"
    return b"".join(
        (
            sentence(f"GNRMC,{clock},A,{place},{knots:.3f},{course:.1f},{date},,,A,V"),
            sentence(f"GNGGA,{clock},{place},1,{fix.satellites:02},{hdop},{altitude},M,0.0,M,,"),
            sentence(f"GNGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.6,{hdop},1.3"),
        )
    )


def _angle(value_e7: int, digits: int) -> str:
    degrees, rest = divmod(abs(value_e7), 10_000_000)
    return f"{degrees:0{digits}}{rest * 60 / 10_000_000:08.5f}"


class LiveAges:
    """How old each live fix was when it came, by the clock that both ends share here."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.ages_s: list[tuple[float, float]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-ages")
        self._thread.start()

    def _run(self) -> None:
        seen = 0
        while not self._stopping.wait(0.005):
            heard = self._cloud.heard["live"]
            while seen < len(heard):
                live: Live = codec.decode_live(heard[seen])
                now_ms = time.time_ns() / 1e6
                age_s = (now_ms - live.fix.recorded_at_ms) / 1000
                self.ages_s.append((time.monotonic(), age_s))
                seen += 1

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self._thread.join()
