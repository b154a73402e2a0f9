"""``status`` and ``doctor`` through the command line, beside a gateway and without one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.configuration import load
from gateway.doctor import Check
from gateway.doctor.examine import exit_code, shown
from gateway.doctor.receivers import holders_of
from gateway.operation import computer
from gateway.operation.diagnostics import without_secrets
from gateway.operation.health import (
    ClockHealth,
    ControlHealth,
    FixHealth,
    Health,
    LinkHealth,
    ReceiverHealth,
    SpoolHealth,
    in_one_line,
)
from gateway.operation.status import Report, lines
from tests.gateway.rig import Broker, Cloud, Line, Receiver, Van, wait_until
from tests.gateway.test_settings import GOOD
from tests.parts.small_medium import small_medium

HEALTH = Health(
    tenant="main",
    van="van-1",
    version="1.0",
    python="3.13.5",
    boot=12,
    pid=800,
    up_s=8_050,
    receivers=(
        ReceiverHealth(name="main", status="ok", age_s=0.2),
        ReceiverHealth(name="spare", status="lost", detail="no such device; is it plugged in?"),
    ),
    chosen="main",
    fix=FixHealth(age_s=0.2, mode=3, satellites=9, hdop=0.9, jamming="ok"),
    spool=SpoolHealth(fixes=120, events=3, used_bytes=1_200_000, max_bytes=200_000_000),
    link=LinkHealth(broker="broker.example:8883", is_connected=True, since_s=70, in_flight=2),
    clock=ClockHealth(quality="gnss", system_off_ms=-90_000),
    control=ControlHealth(settings=4, route="r1", route_revision=7, stops=12),
    processor_celsius=52.1,
    resident_bytes=38_000_000,
)

NOBODY = 65_534


def run(*words: object) -> tuple[int, str]:
    """The command's exit code and what it printed."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(GOOD.replace("/tmp/roundsman-none", str(tmp_path / "data")))  # noqa: S108
    path.chmod(0o600)
    return path


def test_the_screen_of_a_gateway_that_is_well(config: Path) -> None:
    screen = lines(load(config), Report(running=HEALTH))
    told = {line.name: (line.mark, line.text) for line in screen}
    assert told["running"] == ("good", "for 2 h 14 min, start 12, pid 800")
    assert told["fix"] == ("good", "3D, 9 satellites, hdop 0.9, 0.2 s ago")
    assert told["spool"][1].startswith("120 fixes and 3 events wait, 1.2 MB of 200 MB")
    assert "connected for 1 min 10 s" in told["link"][1]
    assert told["clock"] == ("good", "set by fixes; the system's is 1 min 30 s behind")
    assert told["settings"][1] == "version 4 in force"
    assert told["route"][1] == "r1, revision 7, 12 stops"
    assert told["computer"][1].endswith("38 MB of memory, 52.1 °C")
    marks = [line.mark for line in screen if line.name == "receiver"]
    assert marks == ["good", "bad"]
    assert len(screen) < 24, "it fits one screen"


def test_a_gateway_that_hangs_or_doubts_says_so(config: Path) -> None:
    import msgspec

    ill = msgspec.structs.replace(
        HEALTH,
        stuck=("spool",),
        turned_s=70.0,
        fix=FixHealth(age_s=0.2, mode=3, jamming="critical"),
        spool=SpoolHealth(condition="degraded"),
        control=ControlHealth(settings=4, refused=(5, "rolled back: no answer")),
    )
    told = {line.name: line for line in lines(load(config), Report(running=ill))}
    assert "stuck: spool" in told["running"].text
    assert "has not turned for 1 min" in told["running"].text
    marks = {name: told[name].mark for name in ("running", "fix", "spool", "settings")}
    assert marks == {"running": "bad", "fix": "warning", "spool": "bad", "settings": "warning"}
    assert "stuck: spool" in in_one_line(ill)


def test_status_says_that_nothing_runs_and_ends_with_3(config: Path) -> None:
    code, told = run("status", "--config", config)
    assert code == 3
    assert "systemctl start" in told
    assert "has this gateway ever run?" in told


def test_a_socket_that_nobody_answers_is_no_gateway(config: Path) -> None:
    folder = load(config).folder
    folder.mkdir()
    (folder / "status.sock").write_text("")
    assert run("status", "--config", config)[0] == 3


@pytest.mark.slow
def test_status_and_doctor_beside_a_gateway_and_after_it(
    broker: Broker, cloud: Cloud, van: Van, receiver: Receiver
) -> None:
    van.config.chmod(0o600)
    van.start()
    wait_until(lambda: len(cloud.stored()) > 5, "it works", 60)
    wait_until(lambda: "serial: ok" in run("status", "--config", van.config)[1], "it is seen")
    assert run("status", "--config", van.config)[0] == 0
    code, told = run("status", "--json", "--config", van.config)
    running: dict[str, Any] = json.loads(told)["running"]
    assert (running["van"], running["link"]["is_connected"]) == ("van-1", True)
    code, told = run("doctor", "--json", "--config", van.config)
    found = {one["name"]: one for one in json.loads(told)}
    assert found["receiver serial"]["verdict"] == "good"
    assert found["broker"]["verdict"] == "good"
    assert found["spool"]["verdict"] == "good"
    assert code < 2, told
    assert van.stop() == 0
    assert not (van.data / "status.sock").exists()
    broker.kill()
    code, told = run("status", "--config", van.config)
    assert code == 3
    assert "fixes and" in told
    assert receiver.ticks > 0


@pytest.mark.slow
def test_doctor_names_each_step_to_the_broker_that_fails(
    broker: Broker, van: Van, receiver: Receiver, line: Line
) -> None:
    assert receiver.ticks >= 0
    text = van.config.read_text()
    van.config.write_text(text.replace('password = "secret"', 'password = "guess"'))
    code, told = run("doctor", "--json", "--config", van.config)
    found = {one["name"]: one for one in json.loads(told)}
    assert code == 2
    assert (found["tcp"]["verdict"], found["welcome"]["verdict"]) == ("good", "bad")
    broker.kill()
    van.config.write_text(text.replace("127.0.0.1", "no.such.host.invalid"))
    line.unplug()
    found = {
        one["name"]: one for one in json.loads(run("doctor", "--json", "--config", van.config)[1])
    }
    assert found["dns"]["verdict"] == "bad"
    assert "not there" in found["receiver serial"]["told"]
    line.plug_in()


def test_doctor_ends_at_a_configuration_that_cannot_be_used(config: Path) -> None:
    config.write_text("tenant = 5")
    code, told = run("doctor", "--config", config)
    assert code == 2
    assert "tenant" in told
    assert len(told.splitlines()) == 2


def test_doctor_looks_at_the_receiver_of_a_box_that_is_not_enrolled(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(
        f'data_dir = "{tmp_path}"\n[[receivers]]\nkind = "serial"\ndevice = "/dev/none"\n'
    )
    code, told = run("doctor", "--json", "--config", path)
    found = {one["name"]: one for one in json.loads(told)}
    assert code == 2
    assert "roundsman gateway enrol" in found["config"]["told"]
    assert "/dev/none is not there" in found["receiver serial"]["told"]


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_whoever_may_not_read_the_folder_is_told_to_use_sudo(
    config: Path, tmp_path: Path, command: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("SKIPPED: becoming another user takes root")
    load(config).folder.mkdir(mode=0o700, exist_ok=True)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    os.seteuid(NOBODY)
    try:
        code, told = run(command, "--config", config)
    finally:
        os.seteuid(0)
    assert code != 0
    assert "run it with sudo" in told


def test_the_worst_check_is_the_exit_code() -> None:
    def of(*verdicts: Any) -> int:
        return exit_code([Check(name="x", verdict=one, told="y") for one in verdicts])

    assert (of(), of("good", "skipped"), of("good", "warning"), of("bad", "warning")) == (
        0,
        0,
        1,
        2,
    )


def test_a_remedy_stands_below_what_it_is_for() -> None:
    assert shown(Check(name="dns", verdict="bad", told="no answer", remedy="look there")) == [
        "✗ dns              no answer",
        "                   → look there",
    ]


def test_who_holds_a_device_is_named(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.touch()
    with subprocess.Popen(
        [sys.executable, "-c", f"f = open({str(held)!r}); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert [pid for pid, _ in holders_of(held)] == [holder.pid]
    assert holders_of(held) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("signed in with s3cret", "signed in with […]"),
        ("refused last='$GNRMC,080000,A,5430.0,N,02516.0,E*11'", "refused last='[…]'"),
        ("at 54.687157 25.279652 now", "at […] […] now"),
        ("moved lat_e7=546871570 fast", "moved […] fast"),
        ("waited 12.5 s for 10.0.0.1:8883", "waited 12.5 s for 10.0.0.1:8883"),
    ],
)
def test_a_line_of_the_log_holds_no_secret_and_no_place(line: str, told: str) -> None:
    assert without_secrets(line, {"s3cret"}) == told


def test_what_is_wrong_beside_the_recording_is_told_with_a_remedy(config: Path) -> None:
    import msgspec

    from gateway.doctor import system

    well = lines(load(config), Report(running=HEALTH))
    assert not {"power", "inputs", "rules"} & {line.name for line in well}
    ill = msgspec.structs.replace(
        HEALTH,
        power=("weak", "throttled"),
        inputs={"input side": "Device or resource busy", "thermometer box": "no such file"},
        failed={"trips": 3},
    )
    told = {line.name: line for line in lines(load(config), Report(running=ill))}
    assert told["power"].text == "too little voltage now, slowed down"
    assert told["inputs"].text == "input side: Device or resource busy, and 1 more"
    assert (told["rules"].mark, told["rules"].text) == ("bad", "failed: trips 3 times")
    assert len(told) < 24, "it fits one screen"
    checks = list(system.parts(ill))
    assert [check.verdict for check in checks] == ["warning", "warning", "bad"]
    assert all(check.remedy for check in checks)


@pytest.mark.slow
def test_doctor_tells_a_folder_that_takes_no_writes_from_one_of_somebody_elses(
    tmp_path: Path,
) -> None:
    from gateway.doctor import files

    with small_medium(tmp_path / "card", "1m") as card:
        path = tmp_path / "gateway.toml"
        path.write_text(GOOD.replace("/tmp/roundsman-none", str(card.path)))  # noqa: S108
        path.chmod(0o600)
        assert files.folder(load(path)).verdict == "good"
        card.turn(is_writable=False)
        found = files.folder(load(path))
        assert found.verdict == "bad"
        assert "read-only" in found.told


def test_the_board_tells_of_its_supply_where_it_can(tmp_path: Path) -> None:
    firmware, monitors = tmp_path / "get_throttled", tmp_path / "hwmon"
    assert computer.power(firmware, monitors) is None
    for bits, found in (
        ("0", ()),
        ("50000", ("was_weak",)),
        ("50005", ("weak", "throttled")),
        ("20002", ("throttled",)),
    ):
        firmware.write_text(f"{bits}\n")
        assert computer.power(firmware, monitors) == found
    firmware.unlink()
    (monitors / "hwmon3").mkdir(parents=True)
    (monitors / "hwmon3" / "name").write_text("rpi_volt\n")
    (monitors / "hwmon3" / "in0_lcrit_alarm").write_text("1\n")
    assert computer.power(firmware, monitors) == ("weak",)
