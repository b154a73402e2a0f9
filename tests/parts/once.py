"""What is made once in a run, however many processes share its tests."""

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

_RUN: Final = "ROUNDSMAN_TEST_RUN"
"""The folder of this run; the first process makes it, and those that it starts inherit it."""


@cache
def run_folder() -> Path:
    """A folder of this run, which goes with the process that asked for it first."""
    told = os.environ.get(_RUN)
    if told is not None:
        return Path(told)
    made = tempfile.mkdtemp(prefix="roundsman-tests-")
    os.environ[_RUN] = made
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` of this run as ``make`` has filled it; whoever comes later waits."""
    folder = run_folder() / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            make(begun)
            begun.rename(folder)
    return folder
