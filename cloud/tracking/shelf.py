"""What cannot be read is kept for a person to look at, as far as there is room. Pure."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_BYTES: Final = 10_000_000
"""Of one van, content; of what comes beyond it only its digest and the reason are kept."""
MAX_ROWS: Final = 2_000
"""Of one van; what comes beyond it is told to the log only."""


MAX_TOTAL_BYTES: Final = 200_000_000
MAX_TOTAL_ROWS: Final = 50_000
"""Of all vans together; the same happens beyond them."""


class Place(NamedTuple):
    """Where a message went.

    Attributes:
        payload: what is kept of its content; None when no row is written.
        sentence: what to say of it.
    """

    payload: bytes | None
    sentence: str


@dataclass(slots=True)
class Totals:
    """What is set aside of all vans together: messages, and bytes of content."""

    rows: int = 0
    payload_bytes: int = 0

    def copy(self) -> "Totals":
        """The same, to be counted up apart."""
        return Totals(self.rows, self.payload_bytes)


@dataclass(slots=True)
class Shelf:
    """What is set aside of one van: that which is stored, and that which one group adds.

    A group that is thrown away takes its shelf with it, so that nothing is counted twice.
    """

    rows: int = 0
    payload_bytes: int = 0
    _added: set[bytes] = field(default_factory=set)

    def put(self, digest: bytes, payload: bytes, totals: Totals) -> Place:
        """Take one message, counted in ``totals`` too; the same again takes no more room."""
        if digest in self._added:
            return Place(None, "set a message aside")
        if self.rows >= MAX_ROWS or totals.rows >= MAX_TOTAL_ROWS:
            return Place(None, "dropped a message, too many are set aside")
        self._added.add(digest)
        self.rows += 1
        totals.rows += 1
        is_too_much = self.payload_bytes + len(payload) > MAX_BYTES
        if is_too_much or totals.payload_bytes + len(payload) > MAX_TOTAL_BYTES:
            return Place(b"", "set a message aside without its content, too much is set aside")
        self.payload_bytes += len(payload)
        totals.payload_bytes += len(payload)
        return Place(payload, "set a message aside")
