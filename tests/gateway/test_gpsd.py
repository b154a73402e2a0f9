"""gpsd as the receiver: the real one fed by gpsfake, and one that misbehaves."""

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

from gateway.errors import ReceiverLost
from gateway.fixes.epochs import Epoch
from gateway.receivers.gpsd import Gpsd
from gateway.settings import GpsdSettings
from tests.gateway.rig import Broker, Cloud, Van, epoch_bytes, free_port, wait_until
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


class Misbehaving:
    """Speaks as gpsd does until it is asked, then says what it was given."""

    def __init__(self, answers: list[str | None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answers = answers
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rw") as stream:
            stream.write(f"{VERSION}\n")
            stream.flush()
            stream.readline()
            stream.write(f"{DEVICES}\n{WATCH}\n")
            stream.flush()
            for answer in self._answers:
                if not stream.readline():
                    return
                if answer is None:
                    time.sleep(1)
                    return
                stream.write(f"{answer}\n")
                stream.flush()

    def close(self) -> None:
        self._listener.close()
        self._thread.join()


def poll(*tpv: dict[str, object], sky: str = "[]") -> str:
    return f'{{"class":"POLL","active":1,"tpv":{json.dumps(tpv)},"sky":{sky}}}'


def read(*answers: str | None) -> list[Epoch]:
    source = Misbehaving(list(answers))
    receiver = Gpsd(GpsdSettings(port=source.port, poll_s=0.05, timeout_s=0.5))
    try:
        receiver.open()
        return [epoch for _ in answers for epoch in receiver.read()]
    finally:
        receiver.close()
        source.close()


def test_a_report_becomes_an_epoch() -> None:
    sky = '[{"class":"SKY","hdop":0.9,"uSat":9}]'
    (epoch,) = read(poll({**GOOD, "speed": 5.0, "track": 90.0}, sky=sky))
    assert epoch == Epoch(
        utc_ms=1_772_438_400_000,
        position=(54.5, 25.3),
        mode=3,
        speed_mps=5.0,
        course_deg=90.0,
        altitude_m=112.0,
        hdop=0.9,
        satellites=9,
    )


def test_the_same_report_again_is_no_new_epoch() -> None:
    assert len(read(poll(GOOD), poll(GOOD), poll({**GOOD, "lat": 54.6}))) == 2


def test_a_mode_without_a_position_is_never_zero_zero() -> None:
    (epoch,) = read(poll({"mode": 3, "time": GOOD["time"]}))
    assert epoch.position is None


def test_no_device_is_no_epoch() -> None:
    assert read(poll()) == []


def test_a_message_between_question_and_answer_is_passed_over() -> None:
    between = '{"class":"DEVICE","path":"/dev/ttyUSB0"}'
    assert len(read(f"{between}\n{poll(GOOD)}")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "{",
        "null",
        "[]",
        '{"class":"POLL","tpv":[{"mode":"three"}]}',
        '{"class":"POLL","tpv":[{"mode":3,"lat":"x","lon":1}]}',
        '{"class":"POLL","tpv":[{"mode":3,"lat":1,"lon":1,"time":"yesterday"}]}',
        '{"class":"ERROR","message":"no"}' + '\n{"class":"DEVICE"}' * 30,
        "\xff\x00garbage",
        "x" * 100_000,
    ],
)
def test_whatever_goes_wrong_the_source_is_lost(answer: str | None) -> None:
    with pytest.raises(ReceiverLost):
        read(answer)


def test_no_gpsd_is_a_lost_source() -> None:
    receiver = Gpsd(GpsdSettings(port=free_port(), timeout_s=0.5))
    with pytest.raises(ReceiverLost):
        receiver.open()
    with pytest.raises(ReceiverLost):
        receiver.read()
    receiver.close()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """gpsfake feeding a real gpsd with a short drive, over and over."""
    port = free_port()
    recording = tmp_path / "drive.log"
    recording.write_bytes(b"".join(epoch_bytes(tick * 10) for tick in range(120)))
    with (tmp_path / "gpsfake.log").open("wb") as log:
        process = subprocess.Popen(
            ["gpsfake", "-q", "-P", str(port), "-c", "0.05", recording],
            env={**os.environ, "PATH": SEARCH},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield port, process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def receiver_table(port: int) -> str:
    return f'kind = "gpsd"\nport = {port}\npoll_s = 0.1\ntimeout_s = 2.0'


@needs_gpsd
@pytest.mark.slow
def test_fixes_of_a_real_gpsd_reach_the_cloud(
    tmp_path: Path, broker: Broker, cloud: Cloud, fake: tuple[int, subprocess.Popen[bytes]]
) -> None:
    port, process = fake
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
