"""A serial line: its speed found by trying, one reader alone, unplugging."""

import os
import random
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ReceiverLost, SettingsError
from gateway.fixes.epochs import Epoch
from gateway.receivers.serial_nmea import SerialNmea, refuse_what_is_no_line
from gateway.receivers.speed import SPEEDS, SpeedSearch
from tests.gateway.rig import Line, epoch_bytes, wait_until

OUTPUT_SPEED = 5
BITS = {getattr(termios, f"B{speed}"): speed for speed in SPEEDS}


class Uart:
    """Sends at one speed; a line that is set to another gets garbage, as from a real UART."""

    def __init__(self, line: Line, speed: int) -> None:
        self._line = line
        self.speed = speed
        self.asked: list[int] = []
        self.is_silent = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        tick = 0
        while not self._stopping.wait(0.1):
            try:
                told = BITS.get(termios.tcgetattr(self._line._master)[OUTPUT_SPEED], 0)
            except (OSError, termios.error):
                continue
            if told not in self.asked[-1:]:
                self.asked.append(told)
            data = epoch_bytes(tick)
            garbled = bytes(byte * 7 % 251 | 0x80 for byte in data)
            if not self.is_silent:
                self._line.write(data if told == self.speed else garbled)
            tick += 1

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


@pytest.fixture
def uart(line: Line) -> Iterator[Uart]:
    uart = Uart(line, 57600)
    yield uart
    uart.stop()


@pytest.fixture
def nmea(line: Line) -> Iterator[SerialNmea]:
    receiver = SerialNmea(str(line.device), None)
    yield receiver
    receiver.close()


def reads(receiver: SerialNmea, found: list[Epoch], count: int) -> Callable[[], bool]:
    def claim() -> bool:
        found.extend(epoch for epoch in receiver.read() if epoch.position)
        return len(found) >= count

    return claim


def test_the_speed_is_found_remembered_and_found_again_when_it_changes(
    uart: Uart, nmea: SerialNmea
) -> None:
    nmea.open()
    wait_until(reads(nmea, [], 3), "the speed is found", 60)
    assert uart.asked == list(SPEEDS[: SPEEDS.index(57600) + 1])
    nmea.close()
    uart.asked.clear()
    nmea.open()
    wait_until(reads(nmea, [], 3), "it reads at once", 60)
    assert uart.asked == [57600]
    uart.speed = 921600
    wait_until(reads(nmea, [], 30), "the new speed is found", 90)
    assert uart.asked[-1] == 921600


def test_a_second_reader_is_refused_by_name(line: Line, nmea: SerialNmea) -> None:
    nmea.open()
    with pytest.raises(ReceiverLost, match=rf"process {os.getpid()} \(.+\) reads it already"):
        SerialNmea(str(line.device), 9600).open()
    nmea.close()
    other = SerialNmea(str(line.device), 9600)
    other.open()
    other.close()


def test_a_device_that_is_not_there_may_still_come(tmp_path: Path) -> None:
    refuse_what_is_no_line("receivers[0].device", str(tmp_path / "none"))
    with pytest.raises(ReceiverLost, match="is it plugged in"):
        SerialNmea(str(tmp_path / "none"), None).open()


def test_what_can_never_be_a_line_is_refused_with_its_field(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"receivers\[0\]\.device: .* is not a serial line"):
        refuse_what_is_no_line("receivers[0].device", str(tmp_path))


@pytest.mark.parametrize("device", ["/dev/tty", "/dev/console", "/dev/ptmx", "/dev/tty1"])
def test_a_screen_is_a_terminal_and_no_line(device: str) -> None:
    if not Path(device).exists():
        pytest.skip(f"{device} is not here")
    with pytest.raises(SettingsError, match="is not a serial line"):
        refuse_what_is_no_line("receivers[0].device", device)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def read_on(receiver: SerialNmea) -> None:
    for _ in range(10):
        receiver.read()


def test_a_line_that_is_unplugged_is_lost_and_leaks_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path / "receiver")
    receiver = SerialNmea(str(line.device), None)
    before = descriptors()
    for _ in range(20):
        receiver.open()
        line.write(epoch_bytes(1))
        receiver.read()
        line.unplug()
        with pytest.raises(ReceiverLost):
            read_on(receiver)
        receiver.close()
        with pytest.raises(ReceiverLost):
            receiver.open()
        line.plug_in()
    receiver.close()
    assert descriptors() == before
    line.unplug()


STREAMS = st.sampled_from(SPEEDS)
PAUSES = st.sampled_from([0.1, 0.2, 1.0, 2.0, 5.0])


@given(speed=STREAMS, remembered=st.none() | STREAMS, pause_s=PAUSES, begins_s=st.floats(0, 5))
def test_every_speed_is_found_at_every_pace(
    speed: int, remembered: int | None, pause_s: float, begins_s: float
) -> None:
    search = SpeedSearch(remembered, 0.0)
    now_s, next_s = 0.0, begins_s
    while not search.is_proved:
        now_s += 0.05
        proved = size = 0
        if now_s >= next_s:
            next_s += pause_s
            size = 300
            proved = 4 if search.speed == speed else 0
        search.heard(proved, size, now_s)
        assert now_s < 300
    assert search.speed == speed


def test_a_proved_speed_is_doubted_after_garbage_or_silence() -> None:
    search = SpeedSearch(38400, 0.0)
    assert search.speed == 38400
    assert not any(search.heard(4, 300, at_s / 10) for at_s in range(1, 1000))
    changed = [at_s / 10 for at_s in range(1000, 1100) if search.heard(0, 20, at_s / 10)]
    assert changed[0] == pytest.approx(105.0, abs=0.3)
    search.heard(2, 100, 110.0)
    assert not any(search.heard(0, 0, 110.0 + second) for second in range(30))
    assert search.heard(0, 0, 141.0)


def test_garbage_at_a_steady_pace_is_read_for_long_without_harm(line: Line) -> None:
    chance = random.Random(20261124)
    receiver = SerialNmea(str(line.device), None)
    receiver.open()
    end_s = time.monotonic() + 1.5
    while time.monotonic() < end_s:
        line.write(chance.randbytes(200))
        assert receiver.read() == []
    receiver.close()
