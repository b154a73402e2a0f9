"""What of the tests one process runs, and in which order: whole files, the longest first."""

from typing import Final

import pytest

DEMOS: Final = ("tests/sim/test_demo_run.py", "tests/loop/", "tests/browser/")
"""Each runs a whole simulated city for minutes: begun at once, and no two of them at a time."""
TOGETHER: Final = ("tests/identity/", "tests/roads/")
"""Folders whose files share what takes long to start, so one process takes them all."""


def unit_of(nodeid: str) -> str:
    """What of the tests is run by one process, in its order."""
    if nodeid.startswith(DEMOS):
        return "demos"
    folder = next((one for one in TOGETHER if nodeid.startswith(one)), None)
    return folder or nodeid.partition("::")[0]


def put_longest_first(items: list[pytest.Item]) -> None:
    """Order ``items`` as they are to be given out: the demos, then all others as they are."""
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(nodeid: str) -> int:
    return next((at for at, one in enumerate(DEMOS) if nodeid.startswith(one)), len(DEMOS))
