"""What a receiver says of its own reception: jamming, spoofing, antenna.

Read from four UBX messages (u-blox interface descriptions, M8 protocol 18 to M10 protocol 34) and
from the antenna notes that several makers put into TXT sentences.
"""

import re
import struct
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from gateway.fixes.readings import is_proved
from gateway.fixes.sentences import UbxFrame
from wire.events import Antenna, Jamming, Spoofing

_JAMMING: Final[tuple[Jamming, ...]] = ("unknown", "ok", "warning", "critical")
_SPOOFING: Final[tuple[Spoofing, ...]] = ("unknown", "none", "indicated", "multiple")
_ANTENNA: Final[tuple[Antenna, ...]] = ("unknown", "ok", "open", "short")
"""Each from the least to the worst, so that the worst of several words counts."""

_UBX_ANTENNA: Final[tuple[Antenna, ...]] = ("unknown", "unknown", "ok", "short", "open")
_FORGOTTEN_AFTER: Final = 64
"""Epochs. A receiver that was set to tell its reception tells it far more often than so."""

_NOTE: Final = re.compile(r"\$[A-Z]{2}TXT,[^*]*,(?:ANTSTATUS=|ANTENNA )([A-Z]+)\*")
_NOTED: Final[dict[str, Antenna]] = {"OK": "ok", "SHORT": "short", "OPEN": "open"}
_TXT: Final = b"TXT"


class Reception(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message's word on the reception; what it does not speak of is unknown."""

    jamming: Jamming = "unknown"
    spoofing: Spoofing = "unknown"
    antenna: Antenna = "unknown"


_NOTHING: Final = Reception()


class ReceptionMemory:
    """The newest word of each kind of message, and the worst of them all.

    A periodic message that has stayed away for 64 epochs is forgotten; a TXT note, which is
    written only when something changes, holds until the next.
    """

    def __init__(self) -> None:
        self._told: dict[bytes, Reception] = {}
        self._epochs_since: dict[bytes, int] = {}
        self._worst = _NOTHING

    def take(self, frame: UbxFrame) -> None:
        """Remember a UBX message; one that is misshapen says nothing."""
        told = read_reception(frame)
        if told is not None:
            self._epochs_since[frame.kind] = 0
            self._remember(frame.kind, told)

    def note(self, sentence: str) -> None:
        """Remember what a TXT sentence says of the antenna, if its checksum is right."""
        match = _NOTE.match(sentence)
        if match is not None and is_proved(sentence):
            self._remember(_TXT, Reception(antenna=_NOTED.get(match[1], "unknown")))

    def of_epoch(self) -> Reception:
        """The reception to tell with the epoch that closes now."""
        for kind in tuple(self._epochs_since):
            self._epochs_since[kind] += 1
            if self._epochs_since[kind] > _FORGOTTEN_AFTER:
                del self._epochs_since[kind], self._told[kind]
                self._worst = worst_of(self._told.values())
        return self._worst

    def _remember(self, kind: bytes, told: Reception) -> None:
        if self._told.get(kind) != told:
            self._told[kind] = told
            self._worst = worst_of(self._told.values())


def worst_of(told: Iterable[Reception]) -> Reception:
    """The worst that any of them says of each."""
    worst = _NOTHING
    for one in told:
        worst = Reception(
            jamming=max(worst.jamming, one.jamming, key=_JAMMING.index),
            spoofing=max(worst.spoofing, one.spoofing, key=_SPOOFING.index),
            antenna=max(worst.antenna, one.antenna, key=_ANTENNA.index),
        )
    return worst


def read_reception(frame: UbxFrame) -> Reception | None:
    """What a UBX message says of the reception; None when it is of another kind or misshapen."""
    reader = _READERS.get(frame.kind)
    if reader is None:
        return None
    try:
        return reader(frame.payload)
    except (struct.error, IndexError):
        return None


def _nav_status(payload: bytes) -> Reception:
    (flags2,) = struct.unpack_from("<7xB8x", payload)
    return Reception(spoofing=_SPOOFING[flags2 >> 3 & 3])


def _mon_hw(payload: bytes) -> Reception:
    antenna, flags = struct.unpack_from("<20xBxB37x", payload)
    return Reception(jamming=_JAMMING[flags >> 2 & 3], antenna=_UBX_ANTENNA[antenna])


def _mon_rf(payload: bytes) -> Reception:
    """Of each radio path a block; the worst path counts."""
    blocks = [struct.unpack_from("<xBB21x", payload, 4 + 24 * n) for n in range(payload[1])]
    return worst_of(
        Reception(jamming=_JAMMING[flags & 3], antenna=_UBX_ANTENNA[antenna])
        for flags, antenna in blocks
    )


def _sec_sig(payload: bytes) -> Reception:
    """Versions 1 and 2 of the message; each flag has the state above the bit that enables it."""
    if payload[0] == 1:
        jamming, spoofing = payload[4] >> 1 & 3, payload[8] >> 1 & 7
    else:
        jamming, spoofing = payload[1] >> 1 & 3, payload[1] >> 4 & 7
    return Reception(jamming=_JAMMING[jamming], spoofing=_SPOOFING[spoofing])


_READERS: Final[dict[bytes, Callable[[bytes], Reception]]] = {
    b"\x01\x03": _nav_status,
    b"\x0a\x09": _mon_hw,
    b"\x0a8": _mon_rf,
    b"'\x09": _sec_sig,
}
