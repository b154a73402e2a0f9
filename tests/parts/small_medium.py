"""A small file system of its own, that can be full or read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallMedium:
    """Mounted at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def turn(self, *, is_writable: bool) -> None:
        """Let it take writes from now on, or refuse them as a worn card does."""
        option = f"remount,{'rw' if is_writable else 'ro'}"
        subprocess.run(["mount", "-o", option, self.path], check=True)


@contextmanager
def small_medium(path: Path, size: str) -> Iterator[SmallMedium]:
    """A tmpfs of ``size`` at ``path``, or the test that asks for it is skipped by name."""
    if os.geteuid() != 0:
        pytest.skip("SKIPPED: mounting a small tmpfs takes root")
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"SKIPPED: a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield SmallMedium(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
