"""The configuration: every mistake is named with its field, and stops the start with code 78."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway import settings
from gateway.cli import EX_CONFIG
from gateway.errors import SettingsError
from gateway.settings import ReplaySettings, SerialSettings
from tests.gateway.rig import ROOT

GOOD = """tenant = "main"
van = "van-1"
data_dir = "/tmp/roundsman-none"
[broker]
host = "127.0.0.1"
port = 1883
client_id = "0123456789abcdef0123456789abcdef"
username = "van-1"
password = "secret"
[[receivers]]
kind = "serial"
device = "/dev/serial/by-id/none"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    chosen = settings.load(written(tmp_path, GOOD))
    assert chosen.receivers == (SerialSettings(device="/dev/serial/by-id/none"),)
    assert chosen.spool.commit_every_s == 10.0
    assert (chosen.uplink.batch_fixes, chosen.uplink.window) == (300, 20)


def test_the_kind_of_receiver_chooses_its_fields(tmp_path: Path) -> None:
    text = GOOD.replace(
        'kind = "serial"\ndevice = "/dev/serial/by-id/none"', 'kind = "replay"\nfile = "x"'
    )
    assert settings.load(written(tmp_path, text)).receivers == (ReplaySettings(file="x"),)


@pytest.mark.parametrize(
    ("good", "bad", "named"),
    [
        ("port = 1883", 'port = "1883"', "broker.port"),
        ("port = 1883", "port = 0", "broker.port"),
        ("port = 1883", "port = 1883\nretain = true", "retain"),
        ("port = 1883\n", "", "port"),
        ("0123456789abcdef0123456789abcdef", "van-1", "broker.client_id"),
        ('kind = "serial"', 'kind = "sextant"', "receivers"),
        ('kind = "serial"', 'kind = "replay"', "device"),
        ('van = "van-1"', 'van = "../van"', "van"),
        ("[[receivers]]", "[spool]\ncommit_every_s = 0\n[[receivers]]", "spool.commit_every_s"),
        ('password = "secret"', 'password = "secret"\nca_file = "x"', "broker.ca_file"),
        ('password = "secret"', 'password = "s"\ntls = true\nca_file = "no"', "broker.ca_file"),
        ("tenant", "= tenant", "TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, good: str, bad: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        settings.load(written(tmp_path, GOOD.replace(good, bad)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        settings.load(tmp_path / "nowhere.toml")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "prepare", "status"])
def test_a_mistake_ends_the_command_with_code_78(tmp_path: Path, command: str) -> None:
    path = written(tmp_path, GOOD.replace("port = 1883", "prot = 1883"))
    done = subprocess.run(
        [sys.executable, "-m", "roundsman", "gateway", command, "--config", path],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == EX_CONFIG
    assert "prot" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_simulated_clock_is_refused_without_the_mark_of_a_demo(tmp_path: Path) -> None:
    clock = tmp_path / "clock.json"
    clock.write_text('{"real_s":0,"simulated_s":0,"speed":10}')
    path = written(tmp_path, f'{GOOD}[demo]\nclock_file = "{clock}"\n')
    done = subprocess.run(
        [sys.executable, "-m", "roundsman", "gateway", "run", "--config", path],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == EX_CONFIG
    assert "demo.clock_file" in done.stderr
