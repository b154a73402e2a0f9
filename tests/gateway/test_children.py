"""What the gateway starts of itself is found wherever and however it was started."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.gateway.rig import ROOT


def test_a_child_of_an_isolated_python_elsewhere_finds_the_program(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    for name in ("gateway", "wire"):
        shutil.copytree(ROOT / name, library / name)
    shutil.copy(ROOT / "roundsman.py", library)
    for command in ("prepare", "new-key", "deliver-sealed"):
        script = f"""
import sys
sys.path.insert(0, {str(library)!r})
from gateway import children
with children.start({command!r}, "--help") as child:
    raise SystemExit(child.wait(60))
"""
        done = subprocess.run(
            [sys.executable, "-I", "-c", script],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"roundsman gateway {command}" in done.stdout
