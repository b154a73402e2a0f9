"""Which fences the vans are in now, and what each newest fix says of that. Pure.

A van of which nothing is known yet is where it is, without a word. Of one that is known, what
changed while nobody looked is told when it is seen. A fix that comes late is passed over: it says
where the van was, and raises nothing now.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import msgspec

from cloud.geofences.model import Fence, FenceCrossed, Kind
from wire.events import GeofenceLeft
from wire.geofences import GeofenceEvent, GeofenceWatch, Inside
from wire.messages import Fix

LATE_S: Final = 60.0
"""A fix that took longer than this to come raises nothing."""


class Moved(Protocol):
    """A van's newest fix; instants are seconds since 1970."""

    @property
    def van(self) -> str:
        """Which."""
        ...

    @property
    def lat(self) -> float:
        """Degrees."""
        ...

    @property
    def lon(self) -> float:
        """Degrees."""
        ...

    @property
    def fix_time_s(self) -> float:
        """When the van was there."""
        ...

    @property
    def received_at_s(self) -> float:
        """When that was known."""
        ...


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """A van is in a fence since ``since_ms``; whether its dwell was told, or need not be."""

    geofence: str
    since_ms: int
    is_dwelled: bool = False


type Presence = tuple[Stay, ...]
"""All the fences that one van is in, by name: what must survive a restart."""


class _Van:
    def __init__(self, stays: Presence, fences: Mapping[str, Fence]) -> None:
        self.watch = GeofenceWatch(
            [Inside(geofence=s.geofence, since_ms=s.since_ms) for s in stays]
        )
        self.dwelled = {one.geofence for one in stays if one.is_dwelled}
        self._put(fences)

    def guard(self, fences: Mapping[str, Fence]) -> None:
        if fences != self.fences:
            self._put(fences)

    def _put(self, fences: Mapping[str, Fence]) -> None:
        self.fences = fences
        self.watch.guard([one.told() for one in fences.values()])
        self.dwelled &= fences.keys()

    def presence(self) -> Presence:
        inside = sorted(self.watch.inside, key=lambda one: one.geofence)
        return tuple(
            Stay(geofence=n, since_ms=one.since_ms, is_dwelled=n in self.dwelled)
            for one in inside
            if (n := one.geofence)
        )


class Watchers:
    """The vans of one tenant at its fences; ``known``: where they were when one last looked."""

    def __init__(self, known: Mapping[str, Presence] | None = None) -> None:
        self._known = dict(known or {})
        self._vans: dict[str, _Van] = {}
        self._fences: tuple[Fence, ...] = ()
        self._depots: Mapping[str, str] = {}

    def guard(self, fences: Iterable[Fence], depots: Mapping[str, str]) -> None:
        """Watch these from now on, each for the vans of its depot; ``depots``: that of each van."""
        self._fences, self._depots = tuple(fences), depots
        for name, van in self._vans.items():
            van.guard(self._fences_of(name))

    def move(self, moved: Iterable[Moved], late_s: float = LATE_S) -> list[FenceCrossed]:
        """Take what has moved, and tell what that means, of each van in order."""
        told: list[FenceCrossed] = []
        for one in moved:
            if one.received_at_s - one.fix_time_s <= late_s:
                told += self._take(one.van, _fix_of(one))
        return told

    def changed(self) -> dict[str, Presence]:
        """Of each van that is in other fences than was known: in which it is now. Known since."""
        found = {
            name: now
            for name, van in self._vans.items()
            if (now := van.presence()) != self._known.get(name)
        }
        self._known |= found
        return found

    def _take(self, name: str, fix: Fix) -> list[FenceCrossed]:
        van = self._vans.get(name)
        if van is None:
            fences = self._fences_of(name)
            known = self._known.get(name)
            van = self._vans[name] = _Van(_met(fix, fences) if known is None else known, fences)
        told = [_crossed(name, van, event) for event in van.watch.take(fix)]
        return told + _stayed(name, van, fix.recorded_at_ms)

    def _fences_of(self, van: str) -> dict[str, Fence]:
        depot = self._depots.get(van)
        return {one.id: one for one in self._fences if one.depot_id in {None, depot}}


def _met(fix: Fix, fences: Mapping[str, Fence]) -> Presence:
    """A van that is seen for the first time is where it is."""
    scout = GeofenceWatch()
    scout.guard([one.told() for one in fences.values()])
    since_ms = fix.recorded_at_ms
    return tuple(
        Stay(geofence=one, since_ms=since_ms, is_dwelled=True) for one in scout.holding(fix)
    )


def _crossed(name: str, van: _Van, event: GeofenceEvent) -> FenceCrossed:
    van.dwelled.discard(event.geofence)
    if isinstance(event, GeofenceLeft):
        return _told(name, van, event.geofence, "left", event.at_ms, event.dwell_s)
    return _told(name, van, event.geofence, "entered", event.at_ms, None)


def _stayed(name: str, van: _Van, now_ms: int) -> list[FenceCrossed]:
    told = []
    for one in van.watch.inside:
        after_s = van.fences[one.geofence].dwell_after_s
        if after_s is None or one.geofence in van.dwelled:
            continue
        if now_ms >= one.since_ms + after_s * 1000:
            van.dwelled.add(one.geofence)
            at_ms = one.since_ms + after_s * 1000
            told.append(_told(name, van, one.geofence, "dwelled", at_ms, after_s))
    return told


def _told(
    name: str, van: _Van, fence_id: str, kind: Kind, at_ms: int, dwell_s: int | None
) -> FenceCrossed:
    return FenceCrossed(
        vehicle_id=name,
        geofence_id=fence_id,
        name=van.fences[fence_id].name,
        kind=kind,
        at_s=at_ms / 1000,
        dwell_s=dwell_s,
    )


def _fix_of(one: Moved) -> Fix:
    at_ms = round(one.fix_time_s * 1000)
    return Fix(
        recorded_at_ms=at_ms,
        fix_time_ms=at_ms,
        lat_e7=round(one.lat * 1e7),
        lon_e7=round(one.lon * 1e7),
        mode=2,
    )
