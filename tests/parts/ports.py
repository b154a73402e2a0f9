"""Ports for what tests start, of which no two processes of a run draw the same."""

import itertools
import os
import re
import secrets
from collections.abc import Iterator
from functools import cache
from typing import Final

from cloud.foundation.ports import is_free

_FIRST: Final = 10_000
_OF_EACH: Final = 1_000
"""Workers of a run have a thousand each, all below those that a cloud draws (20,000 to 32,000) and
those of outgoing connections: a broker that is down finds its port still free."""


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on now, which is not given out again in this run."""
    return next(port for port in _drawn() if is_free("127.0.0.1", port))


@cache
def _drawn() -> Iterator[int]:
    worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or "0"
    begin = _FIRST + int(worker) % 10 * _OF_EACH
    start = secrets.randbelow(_OF_EACH)  # another run on this machine begins elsewhere
    return (begin + (start + step) % _OF_EACH for step in itertools.count())
