"""What both stores mean by writing rows in bulk, and by keeping a table in parts by time."""

from dataclasses import dataclass
from typing import Final, Literal

type Clash = Literal["fail", "ignore", "replace"]
"""What becomes of a row whose key is known already."""
PARTED: Final = "parted"
"""Under this name a table's ``info`` tells how it is `Parted`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """How a table is kept in parts by time, where the store can: old parts go in one piece.

    Attributes:
        by: the column, milliseconds since 1970 UTC. span_ms: of one part.
        reach_ms: so far beyond that moment a row may tell of, so a part goes so much later.
    """

    by: str
    span_ms: int
    reach_ms: int
