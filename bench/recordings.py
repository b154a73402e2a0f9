"""Recordings of real receivers through the whole service, against what gpsd made of them.

Each is played into a gateway that keeps every fix, once by the replay receiver and once through a
serial line in pieces of any size, and what the cloud has committed is compared with gpsd's report.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.figure import Figure
from tests.gateway.playing import played
from tests.gateway.recordings import (
    ON_PURPOSE,
    cut_off,
    gpsd_positions,
    recordings,
    without_counterpart,
)
from tests.gateway.rig import Broker, Cloud, broker_and_cloud

NAME: Final = "recordings"
_SEED: Final = 20261124


def run() -> Iterator[Figure]:
    """Play them all, twice."""
    print(f"seed {_SEED}")
    with broker_and_cloud() as (folder, broker, cloud):
        for way in ("replay", "serial line"):
            yield from _all(folder / way, broker, cloud, way)


def _all(folder: Path, broker: Broker, cloud: Cloud, way: str) -> Iterator[Figure]:
    total = found = extra = 0
    for recording in recordings():
        chance = None if way == "replay" else random.Random(_SEED)
        ours = played(folder / recording.stem, broker, cloud, recording, chance)
        theirs = gpsd_positions(recording)
        missing = without_counterpart(theirs, ours)
        added = without_counterpart(ours, theirs | cut_off(recording))
        total, found, extra = total + len(theirs), found + len(theirs - missing), extra + len(added)
        if missing or added:
            why = ON_PURPOSE.get(recording.name, (0, "no reason is known"))[1]
            print(f"  {way}: {recording.name}: {len(missing)} missing, {len(added)} more: {why}")
    share = round(100 * found / total, 2)
    yield Figure(
        bench=NAME, figure=f"positions of gpsd found, by {way}", value=share, unit="%", goal=98,
        better="more",
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure=f"positions that are not gpsd's, by {way}", value=extra, unit="", goal=0
    )
