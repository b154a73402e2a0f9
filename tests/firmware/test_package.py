"""The gateway's package for the van's processor, built as it is released and taken apart."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware.tools import ROOT, UNITS, ask, tool

AARCH64 = 183

pytestmark = pytest.mark.slow


ROOMS = ["wire", "gateway", "firmware_config", "systemd", "docs", "requirements"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is released, as it is at one moment."""
    folder = tmp_path_factory.mktemp("tree")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room)
    for name in ("roundsman.py", "CHANGELOG.md"):
        shutil.copy2(ROOT / name, folder)
    (folder / ".boot").symlink_to(ROOT / ".boot")
    return folder


def build(tree: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return ask(tree / "firmware_config" / "deb" / "build", "--out", folder)


@pytest.fixture(scope="module")
def package(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    tool("dpkg-deb", "dpkg")
    if not (ROOT / ".boot" / "bin" / "uv").exists():
        pytest.skip("SKIPPED: the package is built by .boot/bin/uv, which ./run installs")
    built = build(tree, folder)
    if "is the package index reachable?" in built.stdout:
        pytest.skip(f"SKIPPED: the locked libraries for arm64 cannot be had here: {built.stdout}")
    assert built.returncode == 0, built.stdout
    return Path(built.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return folder


def field(package: Path, name: str) -> str:
    told = subprocess.run(
        ["dpkg-deb", "-f", package, name], capture_output=True, check=True, text=True
    )
    return told.stdout.strip()


def compiled(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.so*") if path.is_file())


def test_it_is_for_the_python_of_the_system_it_names(package: Path, installed: Path) -> None:
    assert field(package, "Architecture") == "arm64"
    assert "python3 (>= 3.13), python3 (<< 3.14)" in field(package, "Depends")
    tags = {path.name.split(".", 1)[1] for path in compiled(installed)}
    assert tags
    assert all("cpython-313-" in tag or tag == "abi3.so" for tag in tags), tags


def test_all_that_is_compiled_is_for_the_van(installed: Path) -> None:
    for path in compiled(installed):
        header = path.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert int.from_bytes(header[18:20], "little") == AARCH64, path.name


def test_all_that_is_python_compiles_and_none_of_it_came_compiled(installed: Path) -> None:
    lib = installed / "opt" / "roundsman" / "lib"
    assert not list(lib.rglob("*.pyc"))
    done = ask(sys.executable, "-m", "compileall", "-q", "-j", "2", lib)
    assert done.returncode == 0, done.stdout


def test_it_holds_the_van_and_the_wire_and_no_more_of_ours(installed: Path) -> None:
    lib = installed / "opt" / "roundsman" / "lib"
    ours = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert {"gateway", "wire", "cloud", "sim"} <= ours
    assert {name for name in ours if (lib / name).exists()} == {"gateway", "wire"}


def test_it_holds_every_locked_library_but_pip(installed: Path) -> None:
    lib = installed / "opt" / "roundsman" / "lib"
    text = (ROOT / "requirements" / "gateway.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9_.-]+)==(\S+)", text, re.MULTILINE))
    found = {
        (name.replace("_", "-").lower(), version)
        for name, version in (
            path.name.removesuffix(".dist-info").rsplit("-", 1) for path in lib.glob("*.dist-info")
        )
    }
    assert {pair for pair in locked - found if pair[0] != "pip"} == set()
    assert found <= locked


def test_each_program_that_a_unit_starts_is_there(installed: Path) -> None:
    brought = installed / "usr" / "lib" / "systemd" / "system"
    units = [path.name for path in brought.iterdir() if path.is_file()]
    expected = {path.name for path in UNITS.glob("roundsman-*")} - {"roundsman-cloud.service"}
    assert set(units) == expected
    for name in units:
        for line in re.findall(r"^ExecStart=(\S+)", (brought / name).read_text(), re.MULTILINE):
            assert not line.startswith("/opt") or (installed / line[1:]).stat().st_mode & 0o111
    assert (installed / "usr/bin/roundsman").readlink() == Path("/opt/roundsman/bin/roundsman")


def test_the_script_that_comes_along_has_its_files(installed: Path) -> None:
    for name in ("provision", "update"):
        link = (installed / "usr/sbin" / f"roundsman-{name}").readlink()
        assert (installed / str(link).lstrip("/")).stat().st_mode & 0o111
    script = installed / "usr/share/roundsman/firmware_config/provision"
    for room in re.findall(r'\$here/([a-z-]+/[A-Za-z.-]+)"', script.read_text()):
        assert (script.parent / room).is_file(), room


def test_the_same_release_makes_the_same_package(tree: Path, package: Path, tmp_path: Path) -> None:
    again = build(tree, tmp_path)
    assert again.returncode == 0, again.stdout
    assert (tmp_path / package.name).read_bytes() == package.read_bytes()
