"""At which stop of its route a van is, by its own word. Pure.

The van decides it (`wire.arrival`), and its word counts over what the office knows of the stop from
elsewhere. Without a word of it on its route, the office's stands.
"""

from dataclasses import dataclass

import msgspec


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """A van's last word on a stop: it is there since ``since_ms``, or has left it then."""

    route: str
    stop: str
    since_ms: int
    is_there: bool


def later(one: Halt | None, other: Halt) -> Halt:
    """The word that counts, in whatever order they come; of one moment an arrival does."""
    if one is None or (other.since_ms, other.is_there) >= (one.since_ms, one.is_there):
        return other
    return one


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a van stands on its route.

    Attributes:
        stop: the one it is at; None on the way. since_ms: when it came, where it has told so.
        passed: how many of the open stops it has left.
    """

    stop: str | None = None
    since_ms: int | None = None
    passed: int = 0


def standing(
    halt: Halt | None, route: str, open_stops: list[str], *, is_at_first: bool
) -> Standing:
    """Where a van stands.

    Args:
        halt: its last word.
        route: the one it drives.
        open_stops: what the office holds for undone, in order.
        is_at_first: whether the office knows it to be at the first of them.
    """
    if halt is None or halt.route != route:
        return Standing(stop=open_stops[0] if is_at_first and open_stops else None)
    if halt.is_there:
        return Standing(stop=halt.stop, since_ms=halt.since_ms)
    return Standing(passed=1 if open_stops[:1] == [halt.stop] else 0)
