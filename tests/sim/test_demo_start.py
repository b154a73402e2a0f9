import fcntl
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.command import main
from tests.parts.ports import free_port


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1, "one line, no traceback"
    return told.err


def test_a_taken_port_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        told = refusal(capsys, "--data", str(tmp_path / "d"), "--port", port)
    assert f"port {port} is taken" in told
    assert "--port" in told


def test_a_second_demo_on_one_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        told = refusal(capsys, "--data", str(tmp_path))
    assert "runs on" in told
    assert "4711" in told
    assert "--data" in told


def test_a_folder_of_real_data_is_never_given_a_simulated_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "business.db").touch()
    assert "not a demo's" in refusal(capsys, "--data", str(tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["business.db"]


def test_a_damaged_record_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "demo-setup.json").write_text('{"seed": "?"}')
    told = refusal(capsys, "--data", str(tmp_path), "--port", str(free_port()))
    assert "demo-setup.json cannot be read" in told


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--vans", "0"),
        ("--vans", "many"),
        ("--orders", "-1"),
        ("--speed", "0"),
        ("--port", "70000"),
    ],
)
def test_a_bad_option_is_named(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, value])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert option in told
    assert value in told


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2, 0.4, 0.7, 1.0])
def test_ctrl_c_in_the_first_second_leaves_no_traceback(tmp_path: Path, after_s: float) -> None:
    command = ["-X", "importtime", "-m", "sim.demo", "--data", str(tmp_path / "d")]
    demo = subprocess.Popen(
        [sys.executable, *command, "--port", str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
        text=True,
    )
    assert demo.stdout is not None
    assert any("argparse" in line for line in demo.stdout), "it began to import its parts"
    time.sleep(after_s)
    demo.send_signal(signal.SIGINT)
    told, _ = demo.communicate(timeout=60)
    assert "Traceback" not in told
    assert "KeyboardInterrupt" not in told
    assert demo.returncode in (0, 130, -signal.SIGINT)
