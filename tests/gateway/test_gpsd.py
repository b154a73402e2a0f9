"""gpsd as the receiver: the real one fed by gpsfake, and one that misbehaves."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ReceiverLost
from gateway.fixes.epochs import Epoch
from gateway.fixes.reports import ReportAssembler
from gateway.receivers.gpsd import Gpsd
from gateway.settings import GpsdSettings
from tests.gateway.rig import Broker, Cloud, Line, Receiver, Van, epoch_bytes, wait_until
from tests.parts.ports import free_port
from wire import codec

SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin"
MISSING = [
    package
    for program, package in (("gpsd", "gpsd"), ("gpsfake", "gpsd-clients"))
    if shutil.which(program, path=SEARCH) is None
]
needs_gpsd = pytest.mark.skipif(
    bool(MISSING), reason=f"SKIPPED: Debian packages not installed: {', '.join(MISSING)}"
)

VERSION = '{"class":"VERSION","release":"3.22","rev":"3.22","proto_major":3,"proto_minor":14}'
DEVICES = '{"class":"DEVICES","devices":[{"class":"DEVICE","path":"/dev/ttyUSB0"}]}'
WATCH = '{"class":"WATCH","enable":true}'
GOOD = {"mode": 3, "time": "2026-03-02T08:00:00.000Z", "lat": 54.5, "lon": 25.3, "altMSL": 112.0}


class Speaking:
    """Greets as gpsd does, then says what it is given, cut as it is given, and stays."""

    def __init__(self, *pieces: bytes, between: str = "", is_staying: bool = True) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pieces = pieces
        self._between = between
        self._is_staying = is_staying
        self._ending = threading.Event()
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb") as stream:
            stream.write(f"{VERSION}\n".encode())
            stream.flush()
            stream.readline()
            stream.write(f"{self._between}{DEVICES}\n{WATCH}\n".encode())
            stream.flush()
            assert b"json" in stream.readline()
            with contextlib.suppress(OSError):
                for piece in self._pieces:
                    stream.write(piece)
                    stream.flush()
                if self._is_staying:
                    self._ending.wait(30)

    def close(self) -> None:
        self._listener.close()
        self._ending.set()
        self._thread.join()


def tpv(**values: object) -> bytes:
    return json.dumps({"class": "TPV", "device": "/dev/ttyUSB0", **GOOD, **values}).encode() + b"\n"


def second(number: int, **values: object) -> bytes:
    return tpv(time=f"2026-03-02T08:00:{number:02}.000Z", **values)


SKY = b'{"class":"SKY","device":"/dev/ttyUSB0","hdop":0.9,"uSat":9}\n'


def read(*pieces: bytes, wanted: int, device: str | None = None, between: str = "") -> list[Epoch]:
    """The epochs of what gpsd says, until ``wanted`` of them have come or no more do."""
    source = Speaking(*pieces, between=between)
    receiver = Gpsd(GpsdSettings(port=source.port, device=device, timeout_s=5))
    found: list[Epoch] = []
    end_s = time.monotonic() + 20
    try:
        receiver.open()
        while len(found) < wanted and time.monotonic() < end_s:
            found += receiver.read()
        return found + receiver.read()
    finally:
        receiver.close()
        source.close()


def test_a_report_becomes_an_epoch() -> None:
    (epoch,) = read(tpv(speed=5.0, track=90.0, jam=70, ant=2) + SKY, wanted=1)
    assert epoch == Epoch(
        utc_ms=1_772_438_400_000,
        position=(54.5, 25.3),
        mode=3,
        speed_mps=5.0,
        course_deg=90.0,
        altitude_m=112.0,
        hdop=0.9,
        satellites=9,
        jamming="warning",
        antenna="open",
    )


def test_reports_of_one_instant_are_one_epoch_with_all_they_say() -> None:
    found = read(second(1, mode=2) + second(1, speed=5.0) + SKY + second(2), wanted=2)
    assert [(epoch.mode, epoch.speed_mps) for epoch in found] == [(3, 5.0), (3, None)]
    assert found[0].satellites == 9


def test_a_mode_without_a_position_is_never_zero_zero() -> None:
    (epoch,) = read(b'{"class":"TPV","mode":3,"time":"2026-03-02T08:00:00.000Z"}\n', wanted=1)
    assert epoch.position is None


@pytest.mark.parametrize("status", [5, 8])
def test_dead_reckoning_and_simulation_are_no_position(status: int) -> None:
    (epoch,) = read(tpv(status=status), wanted=1)
    assert epoch.position is None


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\r\n",
        b"{\n",
        b"null\n",
        b"[]\n",
        b"[" * 5000 + b"\n",
        b'{"class":"ERROR","message":"no"}\n',
        b'{"class":"DEVICE","path":"/dev/ttyUSB0"}\n',
        b'{"class":"TOFF","device":"/dev/ttyUSB0","real_sec":1}\n{"class":"PPS"}\n',
        b'{"class":"TPV","mode":"three"}\n',
        b'{"class":"TPV","mode":3,"lat":"x","lon":1}\n',
        b'{"class":"SKY","satellites":7}\n',
        b"\xff\x00garbage\n",
        b"x" * 200_000 + b"\n",
    ],
)
def test_whatever_comes_between_the_reports_are_read(noise: bytes) -> None:
    found = read(second(1) + noise, noise + second(2), noise, second(3), wanted=3)
    assert [epoch.utc_ms for epoch in found] == [1_772_438_400_000 + 1000 * n for n in (1, 2, 3)]


def test_a_time_that_is_none_is_unknown() -> None:
    (epoch,) = read(tpv(time="yesterday"), wanted=1)
    assert (epoch.utc_ms, epoch.position) == (None, (54.5, 25.3))


def test_a_device_message_between_the_first_answers_stops_nothing() -> None:
    between = '{"class":"DEVICE","path":"/dev/ttyUSB0"}\n'
    assert len(read(second(1), wanted=1, between=between)) == 1


BOTH = b"".join(second(n, device="/dev/a") + second(n, device="/dev/b", lat=55.0) for n in range(9))


def test_of_two_devices_the_first_with_a_fix_counts_and_they_do_not_alternate() -> None:
    found = read(second(0, device="/dev/c", mode=1) + BOTH, wanted=9)
    assert {epoch.position for epoch in found if epoch.position} == {(54.5, 25.3)}


def test_of_two_devices_the_configured_one_counts() -> None:
    found = read(BOTH, wanted=9, device="/dev/b")
    assert {epoch.position for epoch in found} == {(55.0, 25.3)}


@given(places=st.lists(st.integers(0, 100_000), max_size=20))
def test_any_chunking_of_reports_gives_the_same_epochs(places: list[int]) -> None:
    data = BOTH + b"garbage\n" + SKY + b"y" * 70_000 + b"\n" + second(30)
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    whole, cut = ReportAssembler(), ReportAssembler()
    found = [done for a, b in itertools.pairwise(edges) for done in cut.feed(data[a:b])]
    assert found + cut.flush() == whole.feed(data) + whole.flush()


@given(data=st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    assembler = ReportAssembler()
    assembler.feed(data + b"\n")
    assert assembler.flush() == []


def lost(*pieces: bytes, is_staying: bool) -> str:
    source = Speaking(*pieces, is_staying=is_staying)
    receiver = Gpsd(GpsdSettings(port=source.port, timeout_s=0.3))
    try:
        receiver.open()
        for _ in range(200):
            receiver.read()
    except ReceiverLost as error:
        return str(error)
    finally:
        receiver.close()
        source.close()
    return "not lost"


def test_a_gpsd_that_dies_falls_silent_or_is_none_is_lost() -> None:
    assert "closed" in lost(second(1), is_staying=False)
    assert "no answer" in lost(second(1), is_staying=True)
    assert "does not speak" in lost(b"HTTP/1.1 400 Bad Request\n" * 300, is_staying=True)


def test_no_gpsd_is_a_lost_source() -> None:
    receiver = Gpsd(GpsdSettings(port=free_port(), timeout_s=0.5))
    with pytest.raises(ReceiverLost):
        receiver.open()
    with pytest.raises(ReceiverLost):
        receiver.read()
    receiver.close()


@contextlib.contextmanager
def gpsfake(
    tmp_path: Path, data: bytes, *, pause_s: float
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """gpsfake feeding a real gpsd with a recording, ``pause_s`` after each sentence."""
    port = free_port()
    recording = tmp_path / "drive.log"
    recording.write_bytes(data)
    with (tmp_path / "gpsfake.log").open("wb") as log:
        process = subprocess.Popen(
            ["gpsfake", "-q", "-P", str(port), "-c", str(pause_s), recording],
            env={**os.environ, "PATH": SEARCH},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield port, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@needs_gpsd
@pytest.mark.slow
def test_a_real_gpsd_at_ten_hertz_loses_no_epoch(line: Line, receiver: Receiver) -> None:
    port = free_port()
    process = subprocess.Popen(
        ["gpsd", "-N", "-n", "-S", str(port), line.device.readlink()],
        env={**os.environ, "PATH": SEARCH},
        stderr=subprocess.DEVNULL,
    )
    source = Gpsd(GpsdSettings(port=port, timeout_s=5))
    found: list[Epoch] = []

    def is_open() -> bool:
        try:
            source.open()
        except ReceiverLost:
            return False
        return True

    def has_come(count: int) -> bool:
        found.extend(epoch for epoch in source.read() if epoch.position is not None)
        return len(found) >= count

    try:
        wait_until(is_open, "gpsd answers", 30)
        wait_until(lambda: has_come(5), "gpsd knows the receiver", 60)
        found.clear()
        wait_until(lambda: has_come(60), "six seconds of fixes", 60)
    finally:
        source.close()
        process.kill()
        process.wait()
    moments = [epoch.utc_ms or 0 for epoch in found]
    assert moments == list(range(moments[0], moments[-1] + 1, 100))
    assert receiver.ticks >= len(moments)


def receiver_table(port: int) -> str:
    return f'kind = "gpsd"\nport = {port}\ntimeout_s = 2.0'


@needs_gpsd
@pytest.mark.slow
@pytest.mark.alone
def test_fixes_of_a_real_gpsd_reach_the_cloud(tmp_path: Path, broker: Broker, cloud: Cloud) -> None:
    drive = b"".join(epoch_bytes(tick * 10) for tick in range(120))
    with gpsfake(tmp_path, drive, pause_s=0.05) as (port, process):
        assert_fixes_arrive(tmp_path, broker, cloud, port, process)


def assert_fixes_arrive(
    tmp_path: Path, broker: Broker, cloud: Cloud, port: int, process: subprocess.Popen[bytes]
) -> None:
    van = Van(tmp_path / "van", broker.port, receiver_table(port))
    try:
        van.start()
        wait_until(lambda: cloud.count("live") > 3, "fixes of gpsd are live", 30)
        fix = codec.decode_live(cloud.heard["live"][-1]).fix
        assert (fix.source, fix.mode, fix.lon_e7) == ("gpsd", 3, 252_666_667)
        os.killpg(process.pid, signal.SIGKILL)
        wait_until(lambda: b'"lost"' in cloud.heard["state"][-1], "its end is told", 30)
        assert van.stop() == 0
    finally:
        van.kill()
