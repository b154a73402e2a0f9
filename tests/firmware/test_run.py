"""``./run`` on machines that lack what it would like: it takes whatever there is."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.tools import ROOT

NEEDED = ["sh", "dirname", "rm", "mkdir", "ln", "cat", "cksum", "chmod"]
NO_VENV = '#!/bin/sh\n[ "$2" != venv ]\n'
"""Debian's python3 without python3-venv: it runs, and can make no environment."""
SHIM = "#!/bin/sh\necho 'pyenv: no such version' >&2\nexit 127\n"
TELLS = '#!/bin/sh\n[ "$1" != --version ] || exit 0\necho "uv from the path: $*"\n'


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A clone, and a PATH that holds little."""
    (tmp_path / "bin").mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found is not None
        (tmp_path / "bin" / name).symlink_to(found)
    (tmp_path / "clone" / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "run", tmp_path / "clone" / "run")
    shutil.copy(ROOT / "requirements" / "uv.txt", tmp_path / "clone" / "requirements")
    return tmp_path


def has(machine: Path, name: str, script: str) -> None:
    (machine / "bin" / name).write_text(script)
    (machine / "bin" / name).chmod(0o755)


def lock(machine: Path) -> subprocess.CompletedProcess[str]:
    """The one command that needs uv and nothing else."""
    return subprocess.run(
        ["sh", machine / "clone" / "run", "lock"],
        env={"PATH": str(machine / "bin"), "HOME": str(machine)},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def test_the_last_python_that_can_make_an_environment_is_found(machine: Path) -> None:
    boot = machine / "clone" / ".boot" / "bin"
    uv = f"printf '#!/bin/sh\\necho uv of the boot: \"$*\"\\n' >{boot}/uv; chmod +x {boot}/uv"
    made = f"mkdir -p {boot}; ln -s {machine}/bin/pip {boot}/python"
    has(machine, "pip", f"#!/bin/sh\n{uv}\n")
    has(machine, "python3.14", SHIM)
    has(machine, "python3.13", NO_VENV)
    has(machine, "python3", f'#!/bin/sh\n[ "$2" != venv ] || {{ {made}; }}\n')
    told = lock(machine)
    assert told.returncode == 0, told.stderr
    assert "uv of the boot: pip compile" in told.stdout


def test_without_one_the_uv_of_the_machine_will_do(machine: Path) -> None:
    has(machine, "python3", NO_VENV)
    has(machine, "uv", TELLS)
    told = lock(machine)
    assert told.returncode == 0, told.stderr
    assert "uv from the path: pip compile" in told.stdout


def test_with_neither_it_says_what_to_install(machine: Path) -> None:
    has(machine, "python3", NO_VENV)
    told = lock(machine)
    assert told.returncode == 1
    assert "apt-get install python3-venv" in told.stderr
    assert not (machine / "clone" / ".boot").exists()
