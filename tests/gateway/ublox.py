"""A u-blox receiver on a pty, built from pyubx2's definitions: no real one was at hand.

It understands a line only at its own speed, acknowledges what it takes, refuses what its generation
does not have, loses what is only in memory when its power goes, and can lose answers.
"""

import os
import select
import termios
import threading
import time
from typing import Any

import pyubx2

from gateway.receivers.speed import SPEEDS
from gateway.receivers.ublox.session import next_frame
from tests.gateway.rig import Line, sentence

OUTPUT_SPEED = 5
BITS = {getattr(termios, f"B{speed}"): speed for speed in SPEEDS}
VERSIONS = {
    8: ("ROM CORE 3.01 (107888)", "00080000", "FWVER=SPG 3.01", "PROTVER=18.00"),
    9: ("EXT CORE 4.04 (7f89f7)", "00190000", "FWVER=SPG 4.04", "PROTVER=32.01"),
    10: ("ROM SPG 5.10 (7b202e)", "000A0000", "FWVER=SPG 5.10", "PROTVER=34.10"),
}
NAMES = {0: "GGA", 1: "GLL", 2: "GSA", 3: "GSV", 4: "RMC", 5: "VTG", 8: "ZDA", 13: "GNS"}
SHIPPED = ("GGA", "GLL", "GSA", "GSV", "RMC", "VTG")
BODIES = {
    "RMC": "GNRMC,080000.00,A,5430.0000,N,02516.0000,E,10.0,0.0,020326,,,A,V",
    "GGA": "GNGGA,080000.00,5430.0000,N,02516.0000,E,1,09,0.9,112.0,M,25.0,M,,",
    "GSA": "GNGSA,A,3,01,02,03,04,05,06,07,08,09,,,,1.6,0.9,1.3",
    "GSV": "GPGSV,1,1,01,01,40,083,46",
    "GLL": "GNGLL,5430.0000,N,02516.0000,E,080000.00,A,A",
    "VTG": "GNVTG,0.0,T,,M,10.0,N,18.5,K,A",
    "ZDA": "GNZDA,080000.00,02,03,2026,00,00",
    "GNS": "GNGNS,080000.00,5430.0000,N,02516.0000,E,AN,08,0.9,545.4,46.9,,",
}


class Ublox:
    """A receiver of generation 8, 9 or 10.

    Attributes:
        memory: its settings now. saved: those that outlive a power cut.
        loses: of every so many answers one is lost; 0 is none. deaf: it answers nothing.
        refused: keys or messages it says no to. has_flash: whether it can keep settings there.
    """

    def __init__(self, line: Line, generation: int, *, baud: int = 9600) -> None:
        self._line = line
        self.generation = generation
        self.memory: dict[str, Any] = {"baud": baud, "rate_ms": 1000, "model": 0}
        self.memory |= {kind: int(kind in SHIPPED) for kind in NAMES.values()}
        self.saved = dict(self.memory)
        self.loses = 0
        self.is_deaf = False
        self.cannot_speak_at: set[int] = set()
        self.refused: set[str] = set()
        self.has_flash = True
        self.asked: list[str] = []
        self._answers = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="u-blox")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def cut_power(self) -> None:
        self.memory = dict(self.saved)

    def _run(self) -> None:
        held, told_s = b"", 0.0
        while not self._stopping.is_set():
            if select.select([self._line._master], [], [], 0.02)[0]:
                try:
                    chunk = os.read(self._line._master, 4096)
                except OSError:
                    time.sleep(0.05)
                    continue
                held = (held + chunk)[-4096:] if self._is_understood() else b""
            found, held = next_frame(held)
            while found is not None:
                self._take(*found)
                found, held = next_frame(held)
            if time.monotonic() - told_s >= self.memory["rate_ms"] / 1000:
                told_s = time.monotonic()
                self._tell_epoch()

    def _is_understood(self) -> bool:
        told = BITS.get(termios.tcgetattr(self._line._master)[OUTPUT_SPEED])
        return told == self.memory["baud"] and told not in self.cannot_speak_at

    def _say(self, data: bytes) -> None:
        if not self._is_understood():
            data = bytes(byte * 7 % 251 | 0x80 for byte in data)
        self._line.write(data)

    def _tell_epoch(self) -> None:
        for kind, body in BODIES.items():
            if self.memory[kind]:
                self._say(sentence(body))

    def _take(self, kind: bytes, payload: bytes) -> None:
        if self.is_deaf:
            return
        if kind == b"\x0a\x04":
            self._answer_version()
            return
        size = len(payload).to_bytes(2, "little")
        covered = kind + size + payload
        frame = b"\xb5b" + covered + pyubx2.calc_checksum(covered)
        message = pyubx2.UBXReader.parse(frame, msgmode=pyubx2.SET)
        self.asked.append(message.identity)
        is_taken = message.identity not in self.refused and self._set(message)
        self._acknowledge(kind, is_taken=is_taken)

    def _set(self, message: Any) -> bool:
        if message.identity == "CFG-VALSET":
            return self.generation >= 9 and self._take_values(message)
        if self.generation >= 9:
            return False
        return self._take_legacy(message)

    def _take_values(self, message: Any) -> bool:
        keys = {key: value for key, value in vars(message).items() if key.startswith("CFG_")}
        if self.refused & keys.keys() or (message.flash and not self.has_flash):
            return False
        if self.generation == 10 and any(key.endswith("_USB") for key in keys):
            return False  # most modules of this generation have no USB
        for layer, is_meant in ((self.memory, message.ram), (self.saved, message.bbr)):
            if is_meant:
                for key, value in keys.items():
                    layer[_name(key)] = value
        return True

    def _take_legacy(self, message: Any) -> bool:
        match message.identity:
            case "CFG-RATE":
                self.memory["rate_ms"] = message.measRate
            case "CFG-NAV5":
                if message.dyn:
                    self.memory["model"] = message.dynModel
            case "CFG-MSG":
                payload = message.payload
                name = NAMES.get(payload[1]) if payload[0] == 0xF0 else payload[:2].hex()
                self.memory[str(name)] = payload[3]
            case "CFG-PRT":
                self.memory["baud"] = message.baudRate
            case "CFG-ITFM":
                self.memory["CFG_ITFM_ENABLE"] = message.enable
            case "CFG-CFG":
                self.saved = dict(self.memory)
            case _:
                return False
        return True

    def _acknowledge(self, kind: bytes, *, is_taken: bool) -> None:
        self._answers += 1
        if self.loses and self._answers % self.loses == 0:
            return
        name = "ACK-ACK" if is_taken else "ACK-NAK"
        answer = pyubx2.UBXMessage("ACK", name, pyubx2.GET, clsID=kind[0], msgID=kind[1])
        self._say(answer.serialize())

    def _answer_version(self) -> None:
        software, hardware, *extensions = VERSIONS[self.generation]
        payload = software.encode().ljust(30, b"\0") + hardware.encode().ljust(10, b"\0")
        payload += b"".join(text.encode().ljust(30, b"\0") for text in extensions)
        self._say(pyubx2.UBXMessage("MON", "MON-VER", pyubx2.GET, payload=payload).serialize())


def _name(key: str) -> str:
    plain = {
        "CFG_UART1_BAUDRATE": "baud",
        "CFG_RATE_MEAS": "rate_ms",
        "CFG_NAVSPG_DYNMODEL": "model",
    }
    if key.startswith("CFG_MSGOUT_NMEA_ID_") and key.endswith("_UART1"):
        return key.removeprefix("CFG_MSGOUT_NMEA_ID_").removesuffix("_UART1")
    return plain.get(key, key)
