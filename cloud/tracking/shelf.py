"""What cannot be read is kept for a person to look at, as far as there is room. Pure."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_BYTES: Final = 10_000_000
"""Of one van, content; of what comes beyond it only its digest and the reason are kept."""
MAX_ROWS: Final = 2_000
"""Of one van; what comes beyond it is told to the log only."""


class Place(NamedTuple):
    """Where a message went.

    Attributes:
        payload: what is kept of its content; None when no row is written.
        sentence: what to say of it.
    """

    payload: bytes | None
    sentence: str


@dataclass(slots=True)
class Shelf:
    """What is set aside of one van: that which is stored, and that which one group adds.

    A group that is thrown away takes its shelf with it, so that nothing is counted twice.
    """

    rows: int = 0
    payload_bytes: int = 0
    _added: set[bytes] = field(default_factory=set)

    def put(self, digest: bytes, payload: bytes) -> Place:
        """Take one message; the same again takes no more room."""
        if digest in self._added:
            return Place(None, "set a message aside")
        if self.rows >= MAX_ROWS:
            return Place(None, "dropped a message, too many are set aside")
        self._added.add(digest)
        self.rows += 1
        if self.payload_bytes + len(payload) > MAX_BYTES:
            return Place(b"", "set a message aside without its content, too much is set aside")
        self.payload_bytes += len(payload)
        return Place(payload, "set a message aside")
