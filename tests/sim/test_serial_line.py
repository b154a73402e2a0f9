import os
import time
from pathlib import Path

import serial

from sim.serial_line import SerialLine

LINE = b"$GPVTG,,,,,,,,,N*30\r\n"


def test_what_the_receiver_writes_the_gateway_reads_byte_for_byte(tmp_path: Path) -> None:
    every_byte = bytes(range(256))
    with SerialLine(tmp_path / "gnss") as line, serial.Serial(str(line.device), 9600) as gateway:
        gateway.timeout = 2
        line.write(every_byte)
        assert gateway.read(256) == every_byte


def test_an_unread_line_drops_bytes_and_never_blocks(tmp_path: Path) -> None:
    with SerialLine(tmp_path / "gnss") as line:
        began = time.monotonic()
        for _ in range(20_000):
            line.write(LINE)
        assert time.monotonic() - began < 2.0
        assert line.dropped_bytes > 300_000


def test_reading_goes_on_after_bytes_were_dropped(tmp_path: Path) -> None:
    with SerialLine(tmp_path / "gnss") as line:
        for _ in range(5_000):
            line.write(LINE)
        with serial.Serial(str(line.device), 9600, timeout=2) as gateway:
            line.write(b"garbled\r\n" + LINE)
            gateway.read_until(b"garbled\r\n")
            assert gateway.read_until(b"\r\n") == LINE


def test_a_gateway_may_leave_and_come_back(tmp_path: Path) -> None:
    with SerialLine(tmp_path / "gnss") as line:
        for _ in range(2):
            with serial.Serial(str(line.device), 9600, timeout=2) as gateway:
                line.write(LINE)
                assert gateway.read_until(b"\r\n") == LINE


def test_the_path_stays_the_same_when_the_line_is_made_anew(tmp_path: Path) -> None:
    device = tmp_path / "gnss"
    abandoned = SerialLine(device)
    with SerialLine(device) as line, serial.Serial(str(device), 9600, timeout=2) as gateway:
        line.write(LINE)
        assert gateway.read_until(b"\r\n") == LINE
    assert not os.path.lexists(device)
    abandoned.close()
