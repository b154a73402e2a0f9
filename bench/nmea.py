"""How fast sentences are read, and what the whole service costs at 10 Hz with full sentences.

An epoch is what a receiver with four constellations sends: RMC, GGA, GLL, VTG, four GSA, and
eleven GSV. The peer is pynmea2 alone, each line parsed with its checksum.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pynmea2

from bench.figure import Figure
from gateway.fixes.epochs import EpochAssembler
from tests.gateway.rig import Line, Van, broker_and_cloud, epoch_bytes, sentence, wait_until

NAME: Final = "nmea"
_EPOCHS: Final = 300
_MEASURED_S: Final = float(os.environ.get("ROUNDSMAN_NMEA_S", "60"))
_WARM_S: Final = 5.0
_INTERVAL_S: Final = 0.1
_SEEN: Final = "01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45,1"
"""Four satellites: number, elevation, azimuth, strength; then the signal."""


def full_epoch(tick: int) -> bytes:
    """All that is said of one instant, ``tick`` tenths of a second after the first."""
    views = b"".join(
        sentence(f"{talker}GSV,{of},{number},{of * 4:02},{_SEEN}")
        for talker, of in (("GP", 3), ("GL", 2), ("GA", 3), ("GB", 3))
        for number in range(1, of + 1)
    )
    used = b"".join(
        sentence(f"GNGSA,A,3,01,02,03,04,05,06,07,08,09,,,,1.6,0.9,1.3,{system}")
        for system in (2, 3, 4)
    )
    second, tenth = divmod(tick, 10)
    time_of_day = f"{8 + second // 3600:02}{second // 60 % 60:02}{second % 60:02}.{tenth}0"
    minutes = f"54{30 + tick * 0.001:07.4f}"
    last = sentence(f"GNGLL,{minutes},N,02516.0000,E,{time_of_day},A,A")
    return epoch_bytes(tick) + used + views + last


def run() -> Iterator[Figure]:
    """Measure the reading, then the service."""
    yield _throughput()
    yield from _share()


def _throughput() -> Figure:
    stream = b"".join(map(full_epoch, range(_EPOCHS)))
    lines = stream.decode().splitlines()
    chunks = [stream[at : at + 512] for at in range(0, len(stream), 512)]

    def ours() -> None:
        assembler = EpochAssembler()
        found = sum(1 for chunk in chunks for _ in assembler.feed(chunk))
        if found < _EPOCHS - 2:
            raise ValueError("epochs were lost")

    def theirs() -> None:
        for line in lines:
            pynmea2.parse(line, check=True)

    ours_s, theirs_s = _best_s(ours), _best_s(theirs)
    return Figure(
        bench=NAME, figure="sentences read a second, as epochs", value=round(len(lines) / ours_s),
        unit="1/s", better="more", peer="pynmea2 alone", peer_value=round(len(lines) / theirs_s),
    )  # fmt: skip


def _best_s(work: Callable[[], None]) -> float:
    """Processor seconds of the best of seven rounds: others use this machine too."""
    times_s = []
    for _ in range(7):
        begin_s = time.process_time()
        work()
        times_s.append(time.process_time() - begin_s)
    return min(times_s)


def _share() -> Iterator[Figure]:
    with ExitStack() as ending:
        folder, broker, cloud = ending.enter_context(broker_and_cloud())
        line = Line(folder / "receiver")
        ending.callback(line.unplug)
        source = _Source(line)
        ending.callback(source.stop)
        place = f'kind = "serial"\ndevice = "{line.device}"\nbaud = 115200'
        van = Van(
            folder / "van", broker.port, place,
            {"batch_fixes": 300, "batch_wait_s": 120, "live_every_s": 4}, commit_every_s=10,
        )  # fmt: skip
        ending.callback(van.kill)
        van.start()
        wait_until(lambda: cloud.count("live") > 0, "it reads", 60)
        time.sleep(_WARM_S)
        ticks, begin_s, began_s = source.ticks, _processor_s(van.pid()), time.monotonic()
        time.sleep(_MEASURED_S)
        elapsed_s = time.monotonic() - began_s
        share = (_processor_s(van.pid()) - begin_s) / elapsed_s
        rate_hz = (source.ticks - ticks) / elapsed_s
        van.stop()
        kept = len({seq for _, seq in van.spooled() | cloud.committed()})
    if kept < 0.95 * source.ticks:
        raise ValueError(f"only {kept} of {source.ticks} epochs were kept")
    yield Figure(
        bench=NAME, figure=f"share of one core at {rate_hz:.1f} Hz, every fix kept",
        value=round(100 * share, 2), unit="%", goal=5,
    )  # fmt: skip


class _Source:
    """Full epochs at 10 Hz, on time even when this machine is late, as from 115,200 baud."""

    def __init__(self, line: Line) -> None:
        self.ticks = 0
        self._line = line
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        begin_s = time.monotonic()
        while not self._stopping.wait(
            max(0, begin_s + self.ticks * _INTERVAL_S - time.monotonic())
        ):
            self._line.write(full_epoch(self.ticks))
            self.ticks += 1

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


def _processor_s(pid: int) -> float:
    """User and system seconds of a process and its threads (proc(5), fields 14 and 15)."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
