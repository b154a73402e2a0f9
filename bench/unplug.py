"""A receiver that is pulled out and put back, under another number, while the service runs."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from bench.figure import Figure
from tests.gateway.rig import Cloud, Line, Receiver, Van, broker_and_cloud, wait_until
from wire import codec

NAME: Final = "unplug"
CYCLES: Final = int(os.environ.get("ROUNDSMAN_UNPLUG_CYCLES", "200"))
_SEED: Final = 20261124
_GOAL_S: Final = 5.0


def run() -> Iterator[Figure]:
    """Pull it out and put it back, ever again; the speed of the line is found by trying."""
    print(f"seed {_SEED}", flush=True)
    chance = random.Random(_SEED)
    with ExitStack() as ending:
        folder, broker, cloud = ending.enter_context(broker_and_cloud())
        line = Line(folder / "receiver")
        ending.callback(line.unplug)
        van = Van(folder / "van", broker.port, f'kind = "serial"\ndevice = "{line.device}"')
        ending.callback(van.kill)
        source = Receiver(line)
        van.start()
        wait_until(lambda: cloud.count("live") > 5, "it reads", 60)
        descriptors = _descriptors(van.pid())
        times_s = []
        for _ in range(CYCLES):
            source.stop()
            line.unplug()
            time.sleep(chance.uniform(0.05, 2.0))
            line.plug_in()
            source = Receiver(line, source.ticks + 20)
            times_s.append(_back_s(cloud, source.ticks))
        leaked = _descriptors(van.pid()) - descriptors
        source.stop()
        yield Figure(
            bench=NAME, figure=f"back, worst of {CYCLES}, median {median(times_s):.2f} s",
            value=round(max(times_s), 2), unit="s", goal=_GOAL_S,
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure=f"descriptors leaked in {CYCLES} cycles", value=leaked, unit="",
            goal=0,
        )  # fmt: skip


def _back_s(cloud: Cloud, ticks: int) -> float:
    begin_s = time.monotonic()
    wait_until(lambda: _is_live(cloud, ticks), "it reads again", 60)
    return time.monotonic() - begin_s


def _is_live(cloud: Cloud, ticks: int) -> bool:
    """Whether a live fix of the new plug has reached the cloud: it lies further north."""
    fix = codec.decode_live(cloud.heard["live"][-1]).fix
    return fix.lat_e7 >= round((54.5 + ticks * 0.001 / 60) * 1e7) - 1


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
