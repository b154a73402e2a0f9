"""Inputs of the board: bounce, thermometers' files, and what is said when a chip is missing.

No GPIO chip and no 1-Wire bus was ever present where these ran: levels come from a socket here.
"""

import contextlib
import errno
import queue
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SettingsError
from gateway.inbox import Inbox, Measured, News, Switched
from gateway.inputs import watching
from gateway.inputs.debounce import Debounce
from gateway.inputs.temperature import Telling, read_answer
from gateway.inputs.watching import Inputs, Pin, pins_of, sensor_files
from gateway.settings import DoorSettings, InputSettings, PinSettings
from tests.gateway.rig import ROOT

ANSWER = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
"""As the kernel's own documentation shows it."""


class WireLevel:
    """A wire whose level the other end of a socket sets, as the last byte it wrote."""

    def __init__(self) -> None:
        self.far, self._near = socket.socketpair()
        self._near.setblocking(False)
        self._is_on = False

    def fileno(self) -> int:
        return self._near.fileno()

    def is_on(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            self._is_on = self._near.recv(4096)[-1:] == b"1"
        return self._is_on

    def close(self) -> None:
        self.far.close()
        self._near.close()


def next_of(inbox: Inbox) -> News:
    return inbox.get(timeout=20)


@given(st.lists(st.tuples(st.floats(0.0001, 0.2), st.booleans()), max_size=60))
def test_a_level_is_told_only_after_it_has_held_and_never_twice(
    story: list[tuple[float, bool]],
) -> None:
    debounce = Debounce(0.05)
    now_s, since_s, seen = 0.0, 0.0, None
    told: list[bool] = []
    for later_s, is_on in story:
        now_s += later_s
        if is_on is not seen:
            seen, since_s = is_on, now_s
        change = debounce.take(now_s, is_on=is_on)
        if change is not None:
            assert change is is_on
            assert now_s - since_s >= 0.05
            assert told[-1:] != [change]
            told.append(change)


def test_a_bouncing_contact_is_one_change() -> None:
    debounce = Debounce(0.05)
    levels = [False] * 20 + [True, False, True, False, True] + [True] * 20
    told = [debounce.take(at * 0.01, is_on=is_on) for at, is_on in enumerate(levels)]
    assert [change for change in told if change is not None] == [False, True]


@pytest.mark.parametrize(
    ("text", "celsius_d"),
    [
        (ANSWER, 231),
        (ANSWER.replace("t=23125", "t=-1250"), -12),
        (ANSWER.replace("YES", "NO"), None),
        (ANSWER.replace("t=23125", "t=85000"), None),
        (ANSWER.replace("t=23125", "t=999999"), None),
        (ANSWER.splitlines()[0], None),
        ("", None),
        ("00 00 00 00 00 00 00 00 00 : crc=00 NO\n", None),
    ],
)
def test_a_thermometers_answer_is_read_only_when_its_sum_is_right(
    text: str, celsius_d: int | None
) -> None:
    assert read_answer(text) == celsius_d


@given(st.text(max_size=100))
def test_no_answer_breaks_the_reader(text: str) -> None:
    assert read_answer(text) is None


def test_a_temperature_is_told_on_change_and_every_five_minutes() -> None:
    telling = Telling()
    story = [(0, 200), (30, 203), (60, 205), (90, 201), (120, 200), (380, 200), (421, 200)]
    assert [telling.take(celsius_d, at_s) for at_s, celsius_d in story] == [
        True, False, True, False, True, False, True,
    ]  # fmt: skip


def test_changes_of_wires_and_thermometers_come_to_the_inbox(tmp_path: Path) -> None:
    inbox: Inbox = queue.Queue(10)
    ignition, door = WireLevel(), WireLevel()
    sensor = tmp_path / "28-00000a1b2c3d" / "w1_slave"
    sensor.parent.mkdir()
    sensor.write_text(ANSWER)
    inputs = Inputs(
        [Pin("ignition", "ignition", lambda: ignition), Pin("door", "side", lambda: door)],
        sensor_files({"box": "28-00000a1b2c3d", "gone": "28-0000000000ff"}, tmp_path),
        inbox,
        monotonic_s=time.monotonic,
    )
    inputs.start()
    try:
        first = {next_of(inbox) for _ in range(3)}
        assert first == {
            Switched(kind="ignition", name="ignition", is_on=False),
            Switched(kind="door", name="side", is_on=False),
            Measured(sensor="box", celsius_d=231),
        }
        ignition.far.send(b"1010101")
        assert next_of(inbox) == Switched(kind="ignition", name="ignition", is_on=True)
        assert list(inputs.problems()) == ["thermometer gone"]
        door.far.send(b"1")
        assert next_of(inbox) == Switched(kind="door", name="side", is_on=True)
    finally:
        inputs.stop(10)
        ignition.close()
        door.close()


def test_a_full_inbox_holds_up_the_watcher_and_not_its_end() -> None:
    inbox: Inbox = queue.Queue(1)
    inbox.put(Measured(sensor="x", celsius_d=0))
    wire = WireLevel()
    inputs = Inputs([Pin("ignition", "ignition", lambda: wire)], {}, inbox, time.monotonic)
    inputs.start()
    inputs.stop(20)
    wire.close()
    assert inbox.qsize() == 1


@pytest.mark.parametrize("sensor", ["../../../etc/passwd", "28-00000a1b2c3", "", "28-00000A1B2C3D"])
def test_what_is_no_sensor_is_refused_by_name(sensor: str) -> None:
    with pytest.raises(SettingsError, match=r"inputs\.temperatures\.box: .*28-00000a1b2c3d"):
        sensor_files({"box": sensor})


class UnpluggedLevel(WireLevel):
    """One whose chip goes away once."""

    def is_on(self) -> bool:
        raise OSError(errno.ENODEV, "No such device")


def test_a_wire_that_cannot_be_opened_or_goes_away_is_tried_again_beside_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "_OPEN_AGAIN_S", 0.05)
    inbox: Inbox = queue.Queue(10)
    unplugged, wire, door = UnpluggedLevel(), WireLevel(), WireLevel()
    answers: list[WireLevel | OSError] = [OSError(errno.EBUSY, "busy"), unplugged, wire]

    def opened() -> WireLevel:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    pins = [Pin("ignition", "ignition", opened), Pin("door", "side", lambda: door)]
    inputs = Inputs(pins, {}, inbox, time.monotonic)
    inputs.start()
    try:
        assert {next_of(inbox), next_of(inbox)} == {
            Switched(kind="ignition", name="ignition", is_on=False),
            Switched(kind="door", name="side", is_on=False),
        }
        assert answers == []
        assert unplugged.far.fileno() == -1, "what went away was let go of"
    finally:
        inputs.stop(10)


def test_what_is_no_chip_is_named_with_its_remedy() -> None:
    settings = InputSettings(power_fail=PinSettings(line=4, chip="/dev/null"))
    with pytest.raises(SettingsError, match=r"inputs\.power_fail: line 4 .* used: .*gpioinfo"):
        pins_of(settings)


def test_a_chip_that_is_not_there_yet_is_waited_for() -> None:
    door = DoorSettings(line=1, chip="/nowhere", name="side")
    (pin,) = pins_of(InputSettings(doors=(door,)))
    assert (pin.kind, pin.name) == ("door", "side")
    with pytest.raises(OSError, match="No such file"):
        pin.open()


@pytest.mark.slow
def test_a_gateway_with_what_is_no_chip_ends_with_78(tmp_path: Path) -> None:
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
[inputs.ignition]
line = 17
chip = "/dev/null"
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "roundsman", "gateway", "run", "--config", config],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 78, done.stderr
    assert "inputs.ignition: line 17 of /dev/null cannot be used" in done.stderr
    assert "remove the table" in done.stderr
