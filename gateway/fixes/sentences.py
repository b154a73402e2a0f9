"""A byte stream cut into framed NMEA 0183 sentences, whatever lies between them."""

import re
from typing import Final

MAX_SENTENCE_BYTES: Final = 256
"""NMEA allows 82; receivers with many decimals and u-blox's PUBX send more."""

_SENTENCE: Final = re.compile(
    rb"\$[A-Z][ -#%-)+-~]{5,250}(?:\*[0-9A-Fa-f]{2}|(?:\*[^\r\n$]{0,2})?(?=[\r\n]))"
)
"""With its checksum, or a whole line that lacks one and will be refused by name."""
_UNFINISHED: Final = re.compile(rb"\$(?:[A-Z](?:[ -#%-)+-~]{0,250}(?:\*[^\r\n$]{0,2})?)?)?")


class SentenceSplitter:
    """Finds ``$…*hh`` in a stream; partial lines wait, what is no sentence is skipped.

    The same bytes give the same sentences however they are cut into chunks, and no more than
    `MAX_SENTENCE_BYTES` are ever held back.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> list[str]:
        """The sentences completed by ``chunk``; their checksum is still to be proved."""
        data = self._held + chunk
        found: list[str] = []
        end = 0
        for match in _SENTENCE.finditer(data):
            found.append(match.group().decode("ascii", "replace"))
            end = match.end()
        self._held = _unfinished(data[end:])
        return found


def _unfinished(tail: bytes) -> bytes:
    start = tail.rfind(b"$")
    if start < 0 or _UNFINISHED.fullmatch(tail, start) is None:
        return b""
    return tail[start:]
