"""The configuration: every mistake is named with its field, and stops the start with code 78."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import configuration
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

SECOND = '[[receivers]]\nkind = "serial"\nname = "b"\ndevice = "/dev/serial/by-id/none"\n'
NOWHERE = "/tmp/roundsman-none"  # noqa: S108 - stands in the configuration, is never made


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    chosen = configuration.load(written(tmp_path, GOOD))
    assert chosen.receivers == (SerialSettings(device="/dev/serial/by-id/none"),)
    assert chosen.spool.commit_every_s == 10.0
    assert (chosen.uplink.batch_fixes, chosen.uplink.window) == (300, 20)


def test_the_kind_of_receiver_chooses_its_fields(tmp_path: Path) -> None:
    text = GOOD.replace(
        'kind = "serial"\ndevice = "/dev/serial/by-id/none"',
        f'kind = "replay"\nfile = "{tmp_path / "gateway.toml"}"',
    )
    chosen = configuration.load(written(tmp_path, text))
    assert chosen.receivers == (ReplaySettings(file=str(tmp_path / "gateway.toml")),)


@pytest.mark.parametrize(
    ("good", "bad", "named"),
    [
        ("port = 1883", "port = 8883", "broker.tls"),
        ('host = "127.0.0.1"', 'host = "mqtt://broker.example"', "broker.host"),
        ('host = "127.0.0.1"', 'host = "broker.example:1883"', "broker.host"),
        ('host = "127.0.0.1"', 'host = "bro ker"', "broker.host"),
        (NOWHERE, "data", "data_dir"),
        (NOWHERE, "~/data", "data_dir"),
        ('by-id/none"', 'by-id/none"\nbaud = 12345', "receivers[0].baud"),
        ("[[receivers]]", f"{SECOND}[[receivers]]", "receivers[1]"),
        ('kind = "serial"\ndevice', 'kind = "replay"\nfile', "receivers[0].file"),
        ("[[receivers]]", "[spool]\nmax_bytes = 100000000000000000000\n[[receivers]]", "spool"),
        (
            "[[receivers]]",
            "[inputs]\ndoors = [{line = 1}, {line = 2}]\n[[receivers]]",
            "inputs.doors[1].name",
        ),
        (
            "[[receivers]]",
            "[inputs]\nignition = {line = 1}\npower_fail = {line = 1}\n[[receivers]]",
            "inputs.power_fail",
        ),
        ("[[receivers]]", "[inputs]\nignition = {line = 1, name = 'x'}\n[[receivers]]", "name"),
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
    with pytest.raises(SettingsError, match=re.escape(named)):
        configuration.load(written(tmp_path, GOOD.replace(good, bad)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        configuration.load(tmp_path / "nowhere.toml")


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


@pytest.mark.parametrize(
    "host", ["broker.example", "10.0.0.7", "fd00::7", "fe80::1%wwan0", "van_1"]
)
def test_a_host_is_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    text = GOOD.replace('host = "127.0.0.1"', f'host = "{host}"')
    assert configuration.load(written(tmp_path, text)).broker.host == host


def test_a_box_that_is_not_enrolled_is_told_how(tmp_path: Path) -> None:
    text = 'data_dir = "/tmp/x"\n[[receivers]]\nkind = "gpsd"\n'
    with pytest.raises(SettingsError, match="roundsman gateway enrol"):
        configuration.load(written(tmp_path, text))


@pytest.mark.parametrize("name", ["x" * 300, "a\\u0000b"])
def test_a_name_that_no_file_can_have_is_refused_by_its_field(tmp_path: Path, name: str) -> None:
    text = GOOD.replace("port = 1883", f'port = 1883\ntls = true\nca_file = "{name}"')
    with pytest.raises(SettingsError, match=r"broker\.ca_file"):
        configuration.load(written(tmp_path, text))
    text = GOOD.replace("/tmp/roundsman-none", "/tmp/a\\u0000b")  # noqa: S108
    with pytest.raises(SettingsError, match="data_dir"):
        configuration.load(written(tmp_path, text))
