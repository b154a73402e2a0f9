"""What a benchmark tells."""

import statistics
import time
from collections.abc import Callable
from typing import Literal

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure.

    Attributes:
        goal: what is asked for; None when it is only told.
        peer: what it is compared with, measured in the same run; None without one.
        better: whether less or more is better.
    """

    bench: str
    figure: str
    value: float
    unit: str
    goal: float | None = None
    peer: str | None = None
    peer_value: float | None = None
    better: Literal["less", "more"] = "less"

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.better == "less" else self.value >= self.goal

    def as_row(self) -> dict[str, object]:
        """The row of the JSON file."""
        row: dict[str, object] = msgspec.to_builtins(self)
        del row["better"]
        return row | {"holds": self.holds}


def median_s(work: Callable[[], object], *, runs: int = 7, inner: int = 1) -> float:
    """Median real seconds of one ``work()``, over ``runs`` rounds of ``inner`` calls."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        for _ in range(inner):
            work()
        times.append((time.perf_counter() - begin) / inner)
    return statistics.median(times)
