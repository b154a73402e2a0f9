"""What cannot work until somebody mends it stops at start, named with its remedy, by code 78."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.rig import ROOT
from tests.gateway.test_settings import GOOD

pytestmark = pytest.mark.slow
EX_CONFIG = 78
NO_FOLDER = "/tmp/roundsman-none"  # noqa: S108 - stands in the configuration, is never made
DEVICE = "/dev/serial/by-id/none"


def ended(*command: object) -> subprocess.CompletedProcess[str]:
    """The command line with this, which ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "roundsman", *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("good", "bad", "named", "remedy"),
    [
        ("port = 1883", "prot = 1883", "broker.prot", "spelling"),
        ("port = 1883", 'port = "1883"', "broker.port", "correct"),
        ('van = "van-1"', 'van = "../van"', "van", "correct"),
        ('tenant = "main"', 'tenant = "Main"', "tenant", "correct"),
        (
            'password = "secret"',
            'password = ""\ntls = true\nca_file = "FOLDER/no"',
            "ca_file",
            "give",
        ),
        (
            'password = "secret"',
            'password = ""\ntls = true\ncert_file = "FOLDER/junk"\nkey_file = "FOLDER/junk"',
            "cert_file",
            "PEM",
        ),
        (f'"{DEVICE}"', '"FOLDER/junk"', "receivers[0].device", "give a device"),
        (f'"{DEVICE}"', '"FOLDER"', "receivers[0].device", "give a device"),
        (f'"{DEVICE}"', '"/dev/null"', "receivers[0].device", "give a device"),
        (
            f'device = "{DEVICE}"',
            f'device = "{DEVICE}"\n[[receivers]]\nkind = "serial"\ndevice = "/dev/x"',
            "receivers[1].name",
            "a name of its own",
        ),
        ("FOLDER/data", "FOLDER/junk", "data_dir", "another path"),
        ("FOLDER/data", "FOLDER/junk/below", "data_dir", "another path"),
    ],
)
def test_a_gateway_stops_at_start(
    tmp_path: Path, good: str, bad: str, named: str, remedy: str
) -> None:
    (tmp_path / "junk").write_text("junk")
    text = GOOD.replace(NO_FOLDER, "FOLDER/data")
    assert good in text
    config = tmp_path / "gateway.toml"
    config.write_text(text.replace(good, bad).replace("FOLDER", str(tmp_path)))
    done = ended("gateway", "run", "--config", config)
    assert done.returncode == EX_CONFIG, done.stderr
    assert named in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr


def test_a_receiver_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(GOOD.replace(NO_FOLDER, str(tmp_path / "data")))
    command = [sys.executable, "-m", "roundsman", "gateway", "run", "--config", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as gateway:
        assert gateway.stderr is not None
        lines = []
        for line in gateway.stderr:
            lines.append(line)
            if "receiver lost" in line:
                break
        assert gateway.poll() is None, lines
        gateway.terminate()
        gateway.stderr.read()
        assert gateway.wait(20) == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [("[brokr]\n", "brokr"), ("[embedded_broker]\nlisten = 5\n", "listen"), ("= 5", "cloud.toml")],
)
def test_a_cloud_stops_at_start(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "cloud.toml").write_text(text)
    done = ended("cloud", "serve", "--data", tmp_path)
    assert done.returncode == EX_CONFIG, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_medium_that_takes_no_folder_now_is_tried_again_later(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(GOOD.replace(NO_FOLDER, "/proc/roundsman"))
    done = ended("gateway", "run", "--config", config)
    assert done.returncode == 75, done.stderr
    assert "data_dir" in done.stderr
