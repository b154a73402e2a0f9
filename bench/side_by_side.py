"""Seeds of a simulation beside each other, a process for each core."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

_SEEDS: Final = 5


def seeds() -> range:
    """Of what is drawn: 1 to 5, or as many as ``ROUNDSMAN_SEEDS`` says."""
    return range(1, int(os.environ.get("ROUNDSMAN_SEEDS", str(_SEEDS))) + 1)


def side_by_side[Asked, Found](
    work: Callable[[Asked], Found], asked: Iterable[Asked]
) -> list[Found]:
    """What ``work`` finds for each, in their order; both must be fit to be sent to a process."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, asked))
