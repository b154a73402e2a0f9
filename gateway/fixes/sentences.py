"""A byte stream cut into NMEA 0183 sentences and UBX frames, whatever lies between them."""

import re
from typing import Final, NamedTuple

MAX_SENTENCE_BYTES: Final = 256
"""NMEA allows 82; receivers with many decimals and u-blox's PUBX send more."""

_FRAME: Final = re.compile(
    rb"\$[A-Z][ -#%-)+-~]{5,250}(?:\*[0-9A-Fa-f]{2}|(?:\*[^\r\n$]{0,2})?(?=[\r\n]))"
    rb"|\xb5b(?P<kind>\x01\x03|\x0a\x09|\x0a8|'\x09)(?P<size>..)",
    re.DOTALL,
)
"""A sentence with its checksum, or a whole line that lacks one and will be refused by name;
or the head of a UBX frame of a kind that is read: what is waited for here delays sentences."""
_UNFINISHED: Final = re.compile(rb"\$(?:[A-Z](?:[ -#%-)+-~]{0,250}(?:\*[^\r\n$]{0,2})?)?)?")
_UNFINISHED_HEAD: Final = re.compile(rb"\xb5(?:b(?:[\x01\x0a'](?:[\x03\x098].?)?)?)?", re.DOTALL)
_HEAD_BYTES: Final = 6

_MAX_PAYLOAD: Final[dict[bytes, int]] = {
    b"\x01\x03": 16,  # NAV-STATUS
    b"\x0a\x09": 68,  # MON-HW
    b"\x0a8": 4 + 24 * 8,  # MON-RF, a block for each radio path
    b"'\x09": 4 + 4 * 32,  # SEC-SIG
}
"""From u-blox interface descriptions, M8 to M10; a longer one is garbage and not awaited."""

MAX_HELD_BYTES: Final = max(MAX_SENTENCE_BYTES, _HEAD_BYTES + max(_MAX_PAYLOAD.values()) + 2)


class UbxFrame(NamedTuple):
    """A UBX frame whose checksum is proved: class and id as two bytes, and its payload."""

    kind: bytes
    payload: bytes


class FrameSplitter:
    """Finds ``$…*hh`` and UBX frames in a stream; partial ones wait, what is neither is skipped.

    The same bytes give the same frames however they are cut into chunks, and no more than
    `MAX_HELD_BYTES` are ever held back.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> list[str | UbxFrame]:
        """What ``chunk`` completes; the checksum of a sentence is still to be proved."""
        data = self._held + chunk
        found: list[str | UbxFrame] = []
        at = 0
        while (match := _FRAME.search(data, at)) is not None:
            kind = match["kind"]
            if kind is None:
                found.append(match.group().decode("ascii", "replace"))
                at = match.end()
                continue
            start, body = match.span()
            size = int.from_bytes(match["size"], "little")
            end = body + size + 2
            if size > _MAX_PAYLOAD[kind]:
                at = start + 2
            elif end > len(data):
                self._held = data[start:]
                return found
            elif fletcher(data[start + 2 : end - 2]) == data[end - 2 : end]:
                found.append(UbxFrame(kind, data[body : end - 2]))
                at = end
            else:
                at = start + 2
        self._held = _unfinished(data[at:])
        return found


def fletcher(covered: bytes) -> bytes:
    """The 8-bit Fletcher sums of RFC 1145, as UBX uses them."""
    first = second = 0
    for byte in covered:
        first += byte
        second += first
    return bytes((first & 255, second & 255))


def _unfinished(tail: bytes) -> bytes:
    starts = [len(tail)]
    sentence = tail.rfind(b"$")
    if sentence >= 0 and _UNFINISHED.fullmatch(tail, sentence) is not None:
        starts.append(sentence)
    head = tail.find(b"\xb5", max(0, len(tail) - _HEAD_BYTES + 1))
    while head >= 0:
        if _UNFINISHED_HEAD.fullmatch(tail, head) is not None:
            starts.append(head)
            break
        head = tail.find(b"\xb5", head + 1)
    return tail[min(starts) :]
