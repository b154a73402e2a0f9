"""Recordings of real receivers through a whole gateway, against what gpsd made of them.

All of them take minutes: ``./run bench recordings`` plays them; here are two.
"""

import random
from pathlib import Path

import pytest

from tests.gateway.playing import played
from tests.gateway.recordings import (
    FOLDER,
    ON_PURPOSE,
    cut_off,
    gpsd_positions,
    without_counterpart,
)
from tests.gateway.rig import Broker, Cloud

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason=f"SKIPPED: the recordings of receivers are not in {FOLDER}"
    ),
]


@pytest.mark.parametrize(
    ("name", "seed"),
    [("ublox-8.log", 20261124), ("tr737A+.log", None)],
)
def test_a_recording_reaches_the_cloud_as_gpsd_reads_it(
    name: str, seed: int | None, tmp_path: Path, broker: Broker, cloud: Cloud
) -> None:
    recording = FOLDER / name
    ours = played(tmp_path, broker, cloud, recording, None if seed is None else random.Random(seed))
    theirs = gpsd_positions(recording)
    assert without_counterpart(ours, theirs | cut_off(recording)) == set()
    missing = without_counterpart(theirs, ours)
    assert len(missing) <= ON_PURPOSE.get(name, (0, ""))[0], missing
