"""One van sends as fast as the broker lets it; how long its neighbours wait for ``dn/ack``.

With ingest's hold-back and without it, in one run. A message that is held back is not lost: its
van has it still.
"""

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.figure import Figure
from bench.ingest import _say, _speaker
from bench.malformed import Waits
from cloud import roles
from cloud.foundation.settings import Settings
from cloud.tracking import fairness
from tests.parts.broker import embedded_broker
from tests.tracking.test_outage import Place
from tests.tracking.vans import Van

NAME: Final = "flood"
_MESSAGES: Final = 60_000
"""At a fix a message: hundreds a neighbour's one."""


def run() -> Iterator[Figure]:
    """Measure."""
    with _never_holding_back():
        alone_before, without = _waits()
    alone, with_it = _waits()
    for what, of in (("median", statistics.median), ("longest", max)):
        yield Figure(
            bench=NAME, figure=f"a neighbour's {what} wait beside a van that floods",
            value=round(of(with_it) * 1000), unit="ms", goal=1_000,
            peer="without hold-back", peer_value=round(of(without) * 1000),
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure=f"the same, in times of its {what} wait alone",
            value=round(of(with_it) / of(alone), 1), unit="times",
            peer="without hold-back", peer_value=round(of(without) / of(alone_before), 1),
        )  # fmt: skip
    yield Figure(
        bench=NAME, figure="a neighbour's median wait alone",
        value=round(statistics.median(alone) * 1000), unit="ms",
    )  # fmt: skip


@contextmanager
def _never_holding_back() -> Iterator[None]:
    before = fairness.FLOOD
    fairness.FLOOD = 10**9  # type: ignore[misc]
    try:
        yield
    finally:
        fairness.FLOOD = before  # type: ignore[misc]


def _waits() -> tuple[list[float], list[float]]:
    """Seconds until each batch of a neighbour was acknowledged, alone and beside the flood."""
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-flood-") as folder,
        embedded_broker(Path(folder) / "data") as broker,
    ):
        roles.migrate(broker.data, "telemetry")
        flood, calm = broker.admit("van-flood", "van-calm")
        with (
            Place(broker, Settings()),
            Van(broker.port, calm) as neighbour,
            _speaker(broker.port, flood, _MESSAGES, 1) as speaker,
        ):
            waits = Waits(neighbour)
            waits.take(20)
            alone, waits.took_s = waits.took_s, []
            _say(speaker, "go")
            waits.take(40)
        return alone, waits.took_s
