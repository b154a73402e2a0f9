"""A talk with a u-blox receiver over its line: ask, be acknowledged, try again."""

import termios
import time
from typing import Final, Literal, NamedTuple

import serial

from gateway.errors import ReceiverLost
from gateway.fixes.readings import is_proved
from gateway.fixes.sentences import fletcher
from gateway.receivers.ublox.plan import ASK_VERSION, Request

type Answer = Literal["done", "refused", "silent"]

TRIES: Final = 3
ANSWER_S: Final = 1.2
_READ_BYTES: Final = 4096
_MAX_PAYLOAD: Final = 2048
_VERSION: Final = b"\x0a\x04"
_DONE: Final = b"\x05\x01"
_REFUSED: Final = b"\x05\x00"
_GENERATIONS: Final = {"00190000": 9, "000A0000": 10, "00080000": 8}


class Version(NamedTuple):
    """What the receiver says it is.

    Attributes:
        generation: 8, 9 or 10; 0 is one that is not known here. protocol: as the receiver tells.
    """

    firmware: str
    protocol: str
    generation: int


class Session:
    """Whoever holds it is alone on the line."""

    def __init__(self, line: serial.Serial, answer_s: float) -> None:
        self._line = line
        self._answer_s = answer_s
        self._held = b""

    def set_speed(self, baud: int) -> None:
        """Speak and listen at another speed; what was underway is dropped."""
        try:
            self._line.baudrate = baud
            self._line.reset_input_buffer()
        except (OSError, ValueError, termios.error) as error:
            raise ReceiverLost(f"{self._line.port}: lost: {error}") from error
        self._held = b""

    def version(self, tries: int = TRIES) -> Version | None:
        """Ask what it is; None when it does not answer at this speed."""
        for _ in range(tries):
            self._send(ASK_VERSION)
            payload = self._wait_for({_VERSION})
            if payload is not None:
                return read_version(payload[1])
        return None

    def ask(self, request: Request) -> Answer:
        """Send, and again up to three times in all, until it says yes or no."""
        for _ in range(TRIES):
            self._send(request.frame)
            end_s = time.monotonic() + self._answer_s
            while (answer := self._wait_for({_DONE, _REFUSED}, end_s)) is not None:
                kind, payload = answer
                if payload == request.kind:
                    return "done" if kind == _DONE else "refused"
        return "silent"

    def listen(self, for_s: float) -> set[str]:
        """The kinds of the sentences with a right checksum that come within a time."""
        heard = b""
        end_s = time.monotonic() + for_s
        while time.monotonic() < end_s:
            heard += self._receive()
        lines = heard.decode("ascii", "replace").splitlines()
        return {line[3:6] for line in lines if line.startswith("$") and is_proved(line)}

    def _wait_for(
        self, kinds: set[bytes], end_s: float | None = None
    ) -> tuple[bytes, bytes] | None:
        end_s = time.monotonic() + self._answer_s if end_s is None else end_s
        while True:
            found, self._held = next_frame(self._held)
            if found is not None:
                if found[0] in kinds:
                    return found
            elif time.monotonic() > end_s:
                return None
            else:
                self._held += self._receive()

    def tell(self, request: Request) -> None:
        """Send without waiting: whoever changes speed may answer at either."""
        self._send(request.frame)

    def _send(self, frame: bytes) -> None:
        self._held = b""
        try:
            self._line.write(frame)
            self._line.flush()
        except (OSError, termios.error) as error:
            raise ReceiverLost(f"{self._line.port}: lost: {error}") from error

    def _receive(self) -> bytes:
        try:
            first = self._line.read(1)
            more: bytes = first + self._line.read(min(self._line.in_waiting, _READ_BYTES))
        except (OSError, TypeError, termios.error) as error:
            raise ReceiverLost(f"{self._line.port}: lost: {error}") from error
        return more


def next_frame(data: bytes) -> tuple[tuple[bytes, bytes] | None, bytes]:
    """The first whole UBX frame as (kind, payload), and what is left to be read on."""
    at = 0
    while (at := data.find(b"\xb5b", at)) >= 0:
        size = int.from_bytes(data[at + 4 : at + 6], "little")
        end = at + 8 + size
        if len(data) < at + 6 or (size <= _MAX_PAYLOAD and len(data) < end):
            return None, data[at:]
        if size <= _MAX_PAYLOAD and fletcher(data[at + 2 : end - 2]) == data[end - 2 : end]:
            return (data[at + 2 : at + 4], data[at + 6 : end - 2]), data[end:]
        at += 2
    return None, data[-1:]


def read_version(payload: bytes) -> Version:
    """MON-VER: software, hardware, then extensions of 30 bytes each."""
    texts = [_text(payload[:30])] + [
        _text(payload[start : start + 30]) for start in range(40, len(payload), 30)
    ]
    told = dict(text.partition("=")[::2] for text in texts if "=" in text)
    protocol = told.get("PROTVER") or next(
        (text.removeprefix("PROTVER").strip() for text in texts if text.startswith("PROTVER")), "?"
    )
    hardware = _text(payload[30:40])
    return Version(told.get("FWVER", texts[0]), protocol, _GENERATIONS.get(hardware, 0))


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("ascii", "replace")
