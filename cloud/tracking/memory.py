"""The newest of every van, in memory: position, motion, presence, health; by order of change."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from cloud.tracking.halts import Halt
from cloud.tracking.motion import Course, Motion, Signs, follow, motion
from wire.messages import State

type PresenceWord = Literal["online", "offline", "unknown"]


class LivePosition(msgspec.Struct, frozen=True, kw_only=True):
    """A van's newest fix. Instants are seconds since 1970 UTC of the domain clock.

    Attributes:
        age_s: how old the fix is by the domain clock, never negative.
    """

    van: str
    lat: float
    lon: float
    speed_mps: float | None
    course_deg: float | None
    fix_time_s: float
    received_at_s: float
    age_s: float
    presence: PresenceWord


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one van.

    Attributes:
        course: how it has been going. state: the last ``up/state``.
        halt: the van's last word on a stop.
        is_silent: whether it is due to report and does not.
        heard_s: when its last word came, seconds since 1970 UTC of the domain clock.
        change: the number of its last change.
        told: the van as it stands in frames of the live stream.
    """

    position: LivePosition | None = None
    presence: PresenceWord = "unknown"
    course: Course | None = None
    state: State | None = None
    is_ignited: bool | None = None
    is_on_trip: bool | None = None
    halt: Halt | None = None
    is_silent: bool = False
    heard_s: float | None = None
    motion: Motion = "no_fix"
    change: int = 0
    told: bytes = b""


@dataclass(frozen=True, slots=True)
class Changes:
    """The number reached, and the vans that changed, newest first."""

    upto: int
    vans: list[tuple[str, Known]]


class LiveMemory:
    """What is `Known` of every van. Safe for use by several threads; nothing ever goes back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tenants: dict[str, dict[str, Known]] = {}
        self._change = 0

    def move(self, tenant: str, position: LivePosition) -> None:
        """A van has a fix; an older one than is known moves nothing."""
        with self._lock:
            known = self._known(tenant, position.van)
            before = known.position
            if before is not None and position.fix_time_s <= before.fix_time_s:
                return
            course = follow(known.course, round(position.fix_time_s * 1000), position.speed_mps)
            told = replace(position, presence=known.presence)
            heard_s = max(known.heard_s or 0.0, position.received_at_s)
            now = replace(known, position=told, course=course, heard_s=heard_s)
            self._put(tenant, position.van, now, heard_s)

    def forget_place(self, tenant: str, van: str, from_s: float, to_s: float) -> None:
        """A van's newest fix is erased, if it was taken from ``from_s`` up to ``to_s``."""
        with self._lock:
            known = self._known(tenant, van)
            if known.position is not None and from_s <= known.position.fix_time_s < to_s:
                bare = replace(known, position=None, course=None)
                self._put(tenant, van, bare, known.heard_s or 0.0)

    def set_presence(
        self, tenant: str, van: str, presence: PresenceWord, at_s: float | None = None
    ) -> None:
        """A gateway has come or gone, at ``at_s``."""
        with self._lock:
            known = self._known(tenant, van)
            if known.presence == presence:
                return
            moved = known.position and replace(known.position, presence=presence)
            if presence == "online" and at_s is not None:
                known = replace(known, heard_s=max(known.heard_s or 0.0, at_s))
            self._put(tenant, van, replace(known, position=moved, presence=presence), at_s or 0.0)

    def take_state(self, tenant: str, van: str, state: State, at_s: float) -> None:
        """A gateway has told how it does, at ``at_s``."""
        with self._lock:
            known = self._known(tenant, van)
            heard_s = max(known.heard_s or 0.0, at_s)
            if known.state != state:
                self._put(tenant, van, replace(known, state=state, heard_s=heard_s), heard_s)

    def take_signs(
        self,
        tenant: str,
        van: str,
        *,
        is_ignited: bool | None,
        is_on_trip: bool | None,
        halt: Halt | None,
    ) -> None:
        """What the van's newest events say of its engine, its trip and its last stop."""
        with self._lock:
            known = self._known(tenant, van)
            told = (is_ignited, is_on_trip, halt)
            if (known.is_ignited, known.is_on_trip, known.halt) != told:
                now = replace(known, is_ignited=is_ignited, is_on_trip=is_on_trip, halt=halt)
                self._put(tenant, van, now, known.heard_s or 0.0)

    def stood(self, tenant: str, van: str, course: Course) -> None:
        """How the van was going when its newest fix came, as its history tells it."""
        with self._lock:
            known = self._known(tenant, van)
            if known.course is not None and known.course.at_ms == course.at_ms:
                self._put(tenant, van, replace(known, course=course), known.heard_s or 0.0)

    def set_silent(self, tenant: str, van: str, *, is_silent: bool) -> None:
        """A van that is due to report has fallen silent, or speaks again."""
        with self._lock:
            known = self._known(tenant, van)
            if known.is_silent != is_silent:
                now = replace(known, is_silent=is_silent)
                self._put(tenant, van, now, known.heard_s or 0.0)

    def grow_older(self, now_s: float) -> None:
        """Take the motion anew of vans that stand or are gone: time alone may change it."""
        with self._lock:
            for tenant, vans in self._tenants.items():
                for van, known in list(vans.items()):
                    if _may_age(known) and known.motion != _motion(known, now_s):
                        self._put(tenant, van, known, now_s)

    def is_known(self, tenant: str, van: str, at_ms: int) -> bool:
        """Whether a fix of a van as new as ``at_ms`` or newer has been taken."""
        with self._lock:
            position = self._known(tenant, van).position
        return position is not None and at_ms <= round(position.fix_time_s * 1000)

    def known(self, tenant: str) -> dict[str, Known]:
        """What is known of every van of a tenant."""
        with self._lock:
            return dict(self._tenants.get(tenant, {}))

    def tenants(self) -> list[str]:
        """Whose vans have spoken."""
        with self._lock:
            return list(self._tenants)

    def positions(self, tenant: str, now_s: float) -> dict[str, LivePosition]:
        """Every van's newest position, with its age."""
        return {
            van: aged(known.position, now_s)
            for van, known in self.known(tenant).items()
            if known.position is not None
        }

    def presence(self, tenant: str) -> dict[str, PresenceWord]:
        """The last word of every gateway that said one."""
        return {van: one.presence for van, one in self.known(tenant).items()}

    def changed(self, tenant: str, after: int) -> Changes:
        """The vans that changed after change number ``after`` (-1: all)."""
        with self._lock:
            return Changes(self._change, list(self._newer(tenant, after)))

    def _newer(self, tenant: str, after: int) -> Iterator[tuple[str, Known]]:
        for van, known in reversed(self._tenants.get(tenant, {}).items()):
            if known.change <= after:
                return
            yield van, known

    def _known(self, tenant: str, van: str) -> Known:
        return self._tenants.get(tenant, {}).get(van, NOTHING)

    def _put(self, tenant: str, van: str, known: Known, now_s: float) -> None:
        self._change += 1
        word = _motion(known, now_s)
        vans = self._tenants.setdefault(tenant, {})
        vans.pop(van, None)
        told = _told(van, known, word)
        vans[van] = replace(known, motion=word, change=self._change, told=told)


NOTHING = Known()


def aged(position: LivePosition, now_s: float) -> LivePosition:
    """The position with its age at ``now_s``."""
    return replace(position, age_s=round(max(0.0, now_s - position.fix_time_s), 1))


def _may_age(known: Known) -> bool:
    """Whether time alone may change its motion: it idles until it is parked, or it is gone."""
    is_going = known.presence == "offline" and known.motion != "offline"
    return is_going or known.motion == "idling"


def _motion(known: Known, now_s: float) -> Motion:
    signs = Signs(
        is_online=None if known.presence == "unknown" else known.presence == "online",
        heard_ms=None if known.heard_s is None else round(known.heard_s * 1000),
        finds_position=known.state is None or known.state.receiver == "ok",
        is_ignited=known.is_ignited,
        is_on_trip=known.is_on_trip,
    )
    return motion(known.course, signs, round(now_s * 1000))


_ENCODER: Final = msgspec.json.Encoder()


def _told(van: str, known: Known, word: Motion) -> bytes:
    """`cloud.tracking.stream.COLUMNS` of one van."""
    at = known.position
    place: tuple[float | None, ...] = (None,) * 5
    if at is not None:
        place = (
            round(at.lat, 6),
            round(at.lon, 6),
            None if at.speed_mps is None else round(at.speed_mps, 1),
            None if at.course_deg is None else round(at.course_deg),
            round(at.fix_time_s * 1000),
        )
    return _ENCODER.encode((van, *place, known.presence, word, known.is_silent))
