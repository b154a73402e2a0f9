"""The gateway loads nothing of the cloud's, and runs where only its own extra is installed."""

import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from tests.gateway.rig import ROOT, epoch_bytes

CLOUDS = (
    "alembic", "cloud", "fastapi", "httpx", "nats", "numpy", "ortools", "osmium", "osrm", "pandas",
    "psutil", "pyvrp", "sim", "sqlalchemy", "sqlite_utils", "starlette", "uvicorn",
)  # fmt: skip
"""The last of them, sqlite-utils, belongs to ``gateway prepare`` alone."""

EVERY_MODULE = """
import pkgutil, sys, gateway
for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
    __import__(module.name)
print("\\n".join(sys.modules))
"""


def test_importing_every_module_of_the_gateway_loads_no_library_of_the_cloud() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", EVERY_MODULE], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split()
    assert "gateway.service" in loaded
    assert "gateway.receivers.gpsd" in loaded
    assert {name.partition(".")[0] for name in loaded} & set(CLOUDS) == set()


def test_the_running_service_loads_no_library_of_setting_up() -> None:
    script = "import sys, gateway.service, gateway.start\n"
    script += "import gateway.receivers.gpsd, gateway.receivers.serial_nmea\n"
    script += 'print("\\n".join(sys.modules))'
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split()
    assert "gateway.service" in loaded
    assert not {"pyubx2", "sqlite_utils"} & set(loaded)


@pytest.mark.alone
@pytest.mark.parametrize("arguments", [["--help"], ["gateway", "--help"]])
def test_help_answers_without_loading_the_work(arguments: list[str]) -> None:
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "roundsman", *arguments],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    assert "gateway" in done.stdout
    assert not {"paho", "pynmea2", "sqlite3", "msgspec"} & {
        line.rpartition("|")[2].strip() for line in done.stderr.splitlines()
    }
    assert time.monotonic() - began_s < 3  # 0.5 s when nothing else runs


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_locked_gateway_requirements_alone_are_enough(tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    subprocess.run(
        [
            python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--requirement", ROOT / "requirements" / "gateway.txt",
        ],
        check=True,
    )  # fmt: skip
    recording = tmp_path / "drive.nmea"
    recording.write_bytes(b"".join(map(epoch_bytes, range(3))))
    run: list[str | Path] = [python, "-m", "roundsman", "gateway"]
    decoded = subprocess.run(
        [*run, "decode", recording], cwd=ROOT, capture_output=True, check=True, text=True
    )
    assert len(decoded.stdout.splitlines()) == 3
    config = tmp_path / "gateway.toml"
    config.write_text(
        f"""tenant = "main"
van = "van-1"
data_dir = "{tmp_path / "data"}"
[broker]
host = "127.0.0.1"
port = 1
client_id = "{"0" * 32}"
username = "van-1"
password = "secret"
[[receivers]]
kind = "gpsd"
"""
    )
    subprocess.run([*run, "prepare", "--config", config], cwd=ROOT, check=True)
    status = subprocess.run(
        [*run, "status", "--config", config], cwd=ROOT, capture_output=True, check=False, text=True
    )
    assert (status.returncode, status.stderr) == (3, "")
    assert "0 fixes and 0 events wait" in status.stdout
