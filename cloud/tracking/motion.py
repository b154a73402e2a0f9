"""Whether a van moves, idles, is parked, offline or without a fix: one rule, of values. Pure.

1. **no_fix**: it has never told a position, or its receiver says that it finds none.
2. **offline**: its gateway is gone, and nothing has come for `OFFLINE_AFTER_MS`.
3. **moving**: it set off at `SETS_OFF_MPS` or more, and has not come below `RESTS_MPS` since.
   Between the two it stays as it was, so that neither noise nor creeping in a queue flaps.
4. **parked**: it stands with its engine known to be off; or, where nobody knows of the engine, its
   trip is over or it has stood for `PARKED_AFTER_MS`.
5. **idling**: it stands otherwise: with its engine on, or for a moment.

Instants are milliseconds since 1970 UTC, those of fixes by `cloud.tracking.model.moment_ms`.
"""

from typing import Final, Literal

import msgspec

type Motion = Literal["moving", "idling", "parked", "offline", "no_fix"]

SETS_OFF_MPS: Final = 1.0
RESTS_MPS: Final = 0.5
PARKED_AFTER_MS: Final = 180_000
OFFLINE_AFTER_MS: Final = 60_000


class Course(msgspec.Struct, frozen=True):
    """How a van has been going: moving or standing, since when, and up to which fix that is so."""

    is_moving: bool
    since_ms: int
    at_ms: int


def follow(before: Course | None, at_ms: int, speed_mps: float | None) -> Course:
    """``before`` and one more fix; a fix that is no newer changes nothing.

    A fix without a speed leaves it as it was; the first one of all stands then.
    """
    if before is None:
        is_moving = speed_mps is not None and speed_mps >= SETS_OFF_MPS
        return Course(is_moving, at_ms, at_ms)
    if at_ms <= before.at_ms:
        return before
    if speed_mps is None:
        is_moving = before.is_moving
    else:
        is_moving = speed_mps >= (RESTS_MPS if before.is_moving else SETS_OFF_MPS)
    since_ms = before.since_ms if is_moving == before.is_moving else at_ms
    return Course(is_moving, since_ms, at_ms)


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What a van has told of itself beside its fixes.

    Attributes:
        is_online: its gateway's last word; None when there is none, as of a phone.
        heard_ms: when anything last came of it; None when nothing ever did.
        finds_position: False while its receiver says that it has none.
        is_ignited: its engine; None when nobody knows.
        is_on_trip: whether its last trip goes on; None when it told of no trip.
    """

    is_online: bool | None = None
    heard_ms: int | None = None
    finds_position: bool = True
    is_ignited: bool | None = None
    is_on_trip: bool | None = None


def motion(course: Course | None, signs: Signs, now_ms: int) -> Motion:
    """The word for a van at ``now_ms``; the module says by what rule."""
    if course is None:
        return "no_fix"
    if signs.is_online is False and _is_long_ago(signs.heard_ms, now_ms):
        return "offline"
    if not signs.finds_position:
        return "no_fix"
    if course.is_moving:
        return "moving"
    return "parked" if _is_parked(course, signs, now_ms) else "idling"


def _is_long_ago(heard_ms: int | None, now_ms: int) -> bool:
    return heard_ms is None or now_ms - heard_ms >= OFFLINE_AFTER_MS


def _is_parked(course: Course, signs: Signs, now_ms: int) -> bool:
    if signs.is_ignited is not None:
        return not signs.is_ignited
    return signs.is_on_trip is False or now_ms - course.since_ms >= PARKED_AFTER_MS
