"""Short-lived processes of this program: what they load is given back to a small computer."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[1]
"""Where ``roundsman`` is found, however this process was started."""


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start ``roundsman gateway ARGUMENTS``.

    Raises:
        OSError: the computer has no room for another process.
    """
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(  # noqa: S603 - this program
        [sys.executable, "-m", "roundsman", "gateway", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
