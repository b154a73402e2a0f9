"""What one client of the live stream may see of its tenant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Both questions may read a database; they are asked in a thread.

    Attributes:
        vans: ids of the vans it may see now; None for all. Asked again as long as it listens.
        shown: what it is told of an event with this payload; None for nothing.
    """

    vans: Callable[[], frozenset[str] | None]
    shown: Callable[[Mapping[str, object]], Mapping[str, object] | None]


FULL: Final = Sight(vans=lambda: None, shown=lambda payload: payload)
"""Of who sees everything of the tenant."""
