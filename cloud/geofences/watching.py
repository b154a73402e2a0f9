"""Watches live positions at the fences, and tells the office who comes, stays and leaves.

Only the newest fix of a van moves it, so what comes late raises nothing here; `Geofences.crossed`
tells it all the same. After a restart a van that is inside is known to be there without a word.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from sqlalchemy.exc import DBAPIError

from cloud.foundation.clock import Clock, to_rfc3339
from cloud.geofences.model import Fence
from cloud.geofences.service import Geofences
from wire.events import GeofenceLeft
from wire.geofences import GeofenceEvent, GeofenceWatch, Inside
from wire.messages import Fix

log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0
_FENCES_EVERY: Final = 10
"""Rounds after which the fences are read again."""


class Moved(Protocol):
    """A van's newest fix."""

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
        """Seconds since 1970."""
        ...


type Tell = Callable[[str, dict[str, Any]], None]
"""Tells a tenant's office."""


@dataclass
class _Van:
    watch: GeofenceWatch
    entered_ms: dict[str, int] = field(default_factory=dict)
    dwelled: set[str] = field(default_factory=set)


class Watchers:
    """The vans of one tenant at its fences."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._vans: dict[str, _Van] = {}
        self._fences: dict[str, Fence] = {}

    def guard(self, fences: Iterable[Fence]) -> None:
        """Watch these from now on."""
        found = {one.id: one for one in fences}
        if found == self._fences:
            return
        self._fences = found
        for van in self._vans.values():
            van.watch.guard([one.told() for one in found.values()])
            van.entered_ms = {k: at for k, at in van.entered_ms.items() if k in found}
            van.dwelled &= found.keys()

    def move(self, moved: Iterable[Moved]) -> None:
        """Take what has moved."""
        for one in moved:
            at_ms = round(one.fix_time_s * 1000)
            fix = Fix(
                recorded_at_ms=at_ms,
                fix_time_ms=at_ms,
                lat_e7=round(one.lat * 1e7),
                lon_e7=round(one.lon * 1e7),
                mode=2,
            )
            van = self._vans.get(one.van) or self._met(one.van, fix)
            for event in van.watch.take(fix):
                self._crossed(one.van, van, event)
            self._stayed(one.van, van, at_ms)

    def _met(self, name: str, fix: Fix) -> _Van:
        """A van that is seen for the first time is where it is."""
        told = [one.told() for one in self._fences.values()]
        scout = GeofenceWatch()
        scout.guard(told)
        since_ms = fix.recorded_at_ms
        inside = [Inside(geofence=one, since_ms=since_ms) for one in scout.holding(fix)]
        van = _Van(GeofenceWatch(inside))
        van.watch.guard(told)
        van.entered_ms = {one.geofence: since_ms for one in inside}
        van.dwelled = set(van.entered_ms)
        self._vans[name] = van
        return van

    def _crossed(self, name: str, van: _Van, event: GeofenceEvent) -> None:
        if isinstance(event, GeofenceLeft):
            van.entered_ms.pop(event.geofence, None)
            van.dwelled.discard(event.geofence)
            self._say(name, "left", event.geofence, event.at_ms, event.dwell_s)
        else:
            van.entered_ms[event.geofence] = event.at_ms
            self._say(name, "entered", event.geofence, event.at_ms, None)

    def _stayed(self, name: str, van: _Van, now_ms: int) -> None:
        for fence_id, since_ms in van.entered_ms.items():
            after_s = self._fences[fence_id].dwell_after_s
            if after_s is None or fence_id in van.dwelled or now_ms < since_ms + after_s * 1000:
                continue
            van.dwelled.add(fence_id)
            self._say(name, "dwelled", fence_id, since_ms + after_s * 1000, after_s)

    def _say(self, van: str, kind: str, fence_id: str, at_ms: int, dwell_s: int | None) -> None:
        self._tell(
            {
                "vehicle_id": van,
                "geofence_id": fence_id,
                "name": self._fences[fence_id].name,
                "kind": kind,
                "at": to_rfc3339(at_ms / 1000),
                "dwell_s": dwell_s,
            }
        )


class FenceWatch:
    """Runs in web; ``changed`` gives what has moved since a change number, and the new one."""

    def __init__(
        self,
        geofences: Geofences,
        changed: Callable[[str, int], tuple[int, Iterable[Moved]]],
        tell: Tell,
        clock: Clock,
    ) -> None:
        self._geofences = geofences
        self._changed = changed
        self._tell = tell
        self._clock = clock
        self._tenants: dict[str, Watchers] = {}
        self._seen: dict[str, int] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        rounds = 0
        while True:
            if rounds % _FENCES_EVERY == 0:
                try:
                    await asyncio.to_thread(self.read_fences)
                except DBAPIError as error:
                    log.warning("fences cannot be read; later", extra={"reason": str(error.orig)})
            self.look()
            rounds += 1
            await asyncio.sleep(_EVERY_S / max(1.0, self._clock.speed))

    def read_fences(self) -> None:
        """Watch the fences as they are now."""
        tenants = set(self._geofences.tenants())
        for tenant in tenants | self._tenants.keys():
            if tenant not in self._tenants:
                self._tenants[tenant] = Watchers(partial(self._tell, tenant))
            fences = self._geofences.fences(tenant) if tenant in tenants else []
            self._tenants[tenant].guard(fences)

    def look(self) -> None:
        """Take what has moved since the last look."""
        for tenant, watchers in self._tenants.items():
            self._seen[tenant], moved = self._changed(tenant, self._seen.get(tenant, -1))
            watchers.move(moved)
