"""How many searches go on at once on this machine, all requests of a process together."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def search_threads(cores: int) -> int:
    """Of so many cores all but one search; of two both do.

    They are niced, so that what people wait for goes before them (docs/decisions/solvers.md).
    """
    return cores if cores <= 2 else cores - 1


class Cores:
    """Lends searches to requests; each gets one, and more while there are any."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, most: int) -> Iterator[int]:
        """As many as are free, one at least and ``most`` at most; 0 asks for all."""
        with self._lock:
            count = max(1, min(most or self._free, self._free))
            self._free -= count
        try:
            yield count
        finally:
            with self._lock:
                self._free += count


THIS_MACHINE = Cores(search_threads(len(os.sched_getaffinity(0))))
"""Of this process."""
