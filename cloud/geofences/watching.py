"""Watches live positions at the fences, and tells once and in order who comes, stays and leaves.

What is told and which fences a van is in commit together, so a restart neither tells anything again
nor forgets who is inside. Only the newest fix of a van moves it; `Geofences.crossed` tells of late
ones.
"""

from collections.abc import Callable, Iterable
from typing import Final

from cloud.foundation.clock import Clock
from cloud.foundation.looking import keep_looking
from cloud.geofences.model import FenceCrossed
from cloud.geofences.presence import LATE_S, Moved, Presence, Watchers
from cloud.geofences.service import Geofences

_EVERY_S: Final = 1.0
_FENCES_EVERY: Final = 10
"""Looks after which the fences are read again, at once when they were changed here."""


class FenceWatch:
    """Runs in web; ``changed`` gives what has moved since a change number, and the new one."""

    def __init__(
        self,
        geofences: Geofences,
        changed: Callable[[str, int], tuple[int, Iterable[Moved]]],
        clock: Clock,
    ) -> None:
        self._geofences = geofences
        self._changed = changed
        self._clock = clock
        self._tenants: dict[str, Watchers] | None = None
        self._seen: dict[str, int] = {}
        self._crossed: list[tuple[str, FenceCrossed]] = []
        self._presences: dict[tuple[str, str], Presence] = {}
        self._looks = 0
        self._changes = 0

    async def run(self) -> None:
        """Watch until cancelled."""
        await keep_looking("geofences", self.look, _EVERY_S / max(1.0, self._clock.speed))

    def look(self) -> None:
        """Take what has moved since the last look.

        Nothing moves on before what was found is written, so that nothing is lost or piles up.

        Raises:
            DBAPIError: the database does not answer; the same is tried at the next look.
        """
        self._write()
        tenants = self._watched()
        for tenant, watchers in tenants.items():
            self._seen[tenant], moved = self._changed(tenant, self._seen.get(tenant, -1))
            late_s = LATE_S * max(1.0, self._clock.speed)
            self._crossed += [(tenant, told) for told in watchers.move(moved, late_s)]
            changed = watchers.changed()
            self._presences |= {(tenant, van): now for van, now in changed.items()}
        self._write()

    def _watched(self) -> dict[str, Watchers]:
        """Every tenant with fences, or that had some, with its fences as they are now and then."""
        tenants = self._tenants
        if tenants is None:
            known = self._geofences.presences()
            tenants = {tenant: Watchers(of) for tenant, of in known.items()}
            self._looks = 0
        changes = self._geofences.changes
        if self._looks % _FENCES_EVERY == 0 or changes != self._changes:
            self._changes = changes
            guarded = self._geofences.guarded()
            for tenant in guarded.keys() | tenants.keys():
                watchers = tenants.setdefault(tenant, Watchers())
                watchers.guard(*guarded.get(tenant, ([], {})))
        self._looks += 1
        self._tenants = tenants
        return tenants

    def _write(self) -> None:
        if self._crossed or self._presences:
            self._geofences.tell(self._crossed, self._presences)
            self._crossed, self._presences = [], {}
