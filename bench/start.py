"""How long a van's gateway takes from its start to its first published fix, and the help text.

The receiver is warm and speaks once a second; the broker is beside it. What is left is the program:
starting Python, opening the spool, connecting, waiting for the receiver's next second.
"""

import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.figure import Figure, median_s
from tests.gateway.rig import ROOT, Broker, Cloud, Line, Van, epoch_bytes, wait_until

NAME: Final = "start"
_RUNS: Final = 7
_IMPORTS: Final = (
    "import sqlite3, serial, pynmea2, paho.mqtt.client, msgspec, click, logging, queue, threading"
)


def run() -> Iterator[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder, _van(Path(folder)) as (van, cloud):
        first_s = _first_live_s(van, cloud)
        later = [_first_live_s(van, cloud) for _ in range(_RUNS)]
    yield Figure(
        bench=NAME,
        figure=f"start to first published fix, median of {_RUNS}",
        value=round(statistics.median(later), 2),
        unit="s",
        goal=2.0,
        peer="Python that imports its libraries, no more",
        peer_value=round(median_s(lambda: _python("-c", _IMPORTS)), 2),
    )
    yield Figure(bench=NAME, figure="the slowest of them", value=round(max(later), 2), unit="s")
    yield Figure(
        bench=NAME, figure="the very first start, which makes the spool", value=round(first_s, 2),
        unit="s",
    )  # fmt: skip
    yield Figure(
        bench=NAME,
        figure="roundsman --help",
        value=round(median_s(lambda: _python("-m", "roundsman", "--help")), 2),
        unit="s",
        goal=0.5,
        peer="python -c pass",
        peer_value=round(median_s(lambda: _python("-c", "pass")), 2),
    )


@contextlib.contextmanager
def _van(folder: Path) -> Iterator[tuple[Van, Cloud]]:
    broker = Broker(folder / "broker")
    broker.start()
    cloud = Cloud(folder / "cloud.db", broker.port)
    line = Line(folder / "receiver")
    over = threading.Event()
    receiver = threading.Thread(target=_speak, args=(line, over), name="receiver")
    receiver.start()
    van = Van(folder / "van", broker.port, f'kind = "serial"\ndevice = "{line.device}"')
    try:
        yield van, cloud
    finally:
        van.kill()
        over.set()
        receiver.join()
        cloud.stop()
        broker.kill()
        line.unplug()


def _speak(line: Line, over: threading.Event) -> None:
    second = 0
    while not over.wait(1.0):
        line.write(epoch_bytes(second * 10))
        second += 1


def _first_live_s(van: Van, cloud: Cloud) -> float:
    time.sleep(random.Random(cloud.count("live")).random())  # any moment of the receiver's second
    before, began_s = cloud.count("live"), time.monotonic()
    van.start()
    while cloud.count("live") == before and time.monotonic() < began_s + 60:
        time.sleep(0.01)
    took_s = time.monotonic() - began_s
    van.stop()
    wait_until(lambda: not cloud.is_online(), "it has said goodbye")
    return took_s


def _python(*words: str) -> None:
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
