"""Resident memory of a gateway that stays offline for three days and keeps every fix.

Simulated hours on the demo clock; a virtual environment with the gateway's requirements alone; no
broker answers. Each tenth of the way the process is looked at.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from bench.figure import Figure
from bench.uplink_rig import nmea
from bench.wire_size import drive
from tests.gateway.rig import ROOT, Line, Van, wait_until
from tests.parts.ports import free_port
from wire.clock import CLOCK_FILE, DEMO_MARK, ClockRate

NAME: Final = "memory"
_HOURS: Final = float(os.environ.get("BENCH_MEMORY_H", "72"))
_SPEED: Final = 240.0
_LOOKS: Final = 12
_SETTLED_LOOKS: Final = 2
_BEGIN_S: Final = 1_795_345_200.0
_MB: Final = 1e6


def run() -> Iterator[Figure]:
    """Measure; a quarter of an hour and more."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="roundsman-bench-")))
        python = _environment(folder / "venv")
        van, clock = _van(folder, python, ending)
        looks = _offline(van, clock)
        peak = _status_bytes(van.pid(), "VmHWM")
        van.stop()
        kept, asked = len(van.spooled()), _HOURS * 3600
        peer = _resident_of(python, "paho.mqtt.client, sqlite3")
    if kept < 0.98 * asked:
        raise ValueError(f"only {kept} of {asked:.0f} fixes were kept: this machine is too slow")
    yield Figure(
        bench=NAME, figure=f"most resident memory in {_HOURS:g} h offline",
        value=round(peak / _MB, 1), unit="MB", goal=45,
        peer="Python with an MQTT client", peer_value=round(peer / _MB, 1),
    )  # fmt: skip
    settled = looks[_SETTLED_LOOKS - 1]
    yield Figure(
        bench=NAME, figure=f"growth from hour {_HOURS * _SETTLED_LOOKS / _LOOKS:g} to the end",
        value=round((looks[-1] - settled) / _MB, 2), unit="MB", goal=2,
    )  # fmt: skip
    yield Figure(bench=NAME, figure="fixes kept meanwhile", value=kept, unit="fixes")


def _environment(home: Path) -> Path:
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    subprocess.run(
        [
            python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--requirement", ROOT / "requirements" / "gateway.txt",
        ],
        check=True,
    )  # fmt: skip
    return python


def _van(folder: Path, python: Path, ending: ExitStack) -> tuple[Van, ClockRate]:
    line = Line(folder / "receiver")
    ending.callback(line.unplug)
    place = f'kind = "serial"\ndevice = "{line.device}"\nbaud = 115200'
    van = Van(folder / "van", free_port(), place, commit_every_s=10 * 6 / _SPEED, python=python)
    clock = ClockRate(real_s=time.time_ns() / 1e9, simulated_s=_BEGIN_S, speed=_SPEED)
    (folder / DEMO_MARK).write_text("{}")
    (folder / CLOCK_FILE).write_bytes(msgspec.json.encode(clock))
    with van.config.open("a") as config:
        config.write(f'[demo]\nclock_file = "{folder / CLOCK_FILE}"\n')
    van.start()
    ending.callback(van.kill)
    wait_until((van.data / "spool.db").exists, "the gateway runs", 60)
    time.sleep(2)
    driving = threading.Thread(target=_drive, args=(line, clock), name="driving", daemon=True)
    driving.start()
    ending.callback(driving.join)
    return van, clock


def _drive(line: Line, clock: ClockRate) -> None:
    """An epoch each simulated second, each with the time that it simulates."""
    first_s = int(clock.simulated_at(time.time_ns() / 1e9)) + 1
    for number, fix in enumerate(drive(2, int(_HOURS * 3600))):
        due_s = clock.real_s + (first_s + number - clock.simulated_s) / clock.speed
        time.sleep(max(0.0, due_s - time.time_ns() / 1e9))
        line.write(nmea(fix, (first_s + number) * 1000))


def _offline(van: Van, clock: ClockRate) -> list[int]:
    """Resident bytes at each look."""
    every_s = _HOURS * 3600 / clock.speed / _LOOKS
    looks = []
    for number in range(_LOOKS):
        time.sleep(every_s)
        looks.append(_status_bytes(van.pid(), "VmRSS"))
        told = f"{NAME}: hour {_HOURS * (number + 1) / _LOOKS:.0f}: {looks[-1] / _MB:.1f} MB"
        print(told, file=sys.stderr, flush=True)
    time.sleep(5)
    return looks


def _status_bytes(pid: int, field: str) -> int:
    """A size as proc(5) tells it in the status of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (told,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(told.split()[1]) * 1024


def _resident_of(python: Path, libraries: str) -> int:
    """Resident bytes of a Python that has imported ``libraries``."""
    waiting = subprocess.Popen(
        [python, "-c", f"import sys, {libraries}; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with waiting:
        if waiting.stdout is None:
            raise RuntimeError("it has no output")
        waiting.stdout.readline()
        return _status_bytes(waiting.pid, "VmRSS")
