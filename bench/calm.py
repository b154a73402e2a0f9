"""How long a request to the API takes while the planner searches, beside idle ones in turn."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from bench.figure import Figure
from bench.served_day import ServedDay, served_day

_TURNS: Final = 5
_MEASURED_S: Final = 6.0
_SOLVE_S: Final = 9.0
_BEGUN_S: Final = 1.5
"""By then the search is at work, and it is still when the measuring is over."""
_PAUSE_S: Final = 0.005


def run() -> Iterator[Figure]:
    """A day of 300 stops, so that every core that may search does."""
    idle: list[float] = []
    searching: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-bench-") as name,
        served_day(Path(name), orders=300, vans=16) as day,
    ):
        _asked_ms(day)
        for _ in range(_TURNS):
            idle.append(_asked_ms(day))
            job = day.optimize(_SOLVE_S)
            time.sleep(_BEGUN_S)
            searching.append(_asked_ms(day))
            day.wait(job)
    before = statistics.median(idle)
    yield Figure(
        bench="calm",
        figure=f"p99 of /vehicles while the planner searches, median of {_TURNS}",
        value=round(statistics.median(searching), 2),
        unit="ms",
        goal=round(max(1.3 * before, before + 1), 2),
        peer="idle",
        peer_value=round(before, 2),
    )
    ratios = [one / other for one, other in zip(searching, idle, strict=True)]
    yield Figure(
        bench="calm",
        figure="p99 of /vehicles while the planner searches: times of idle, median of the turns",
        value=round(statistics.median(ratios), 2),
        unit="times",
    )


def _asked_ms(day: ServedDay) -> float:
    """The 99th percentile of requests, one after the other."""
    took: list[float] = []
    ends = time.perf_counter() + _MEASURED_S
    while time.perf_counter() < ends:
        begun = time.perf_counter()
        day.cloud.admin.get("/vehicles").raise_for_status()
        took.append(1e3 * (time.perf_counter() - begun))
        time.sleep(_PAUSE_S)
    return float(np.quantile(took, 0.99))
