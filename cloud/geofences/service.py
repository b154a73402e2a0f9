"""Use cases of geofences, one transaction each."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from cloud.fleet.service import Fleet
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity.reach import EVERYTHING, Reach, require_depot_held
from cloud.foundation.ids import NewId
from cloud.foundation.looking import keep_looking
from cloud.foundation.outbox import Outbox
from cloud.gateways.service import Gateways
from cloud.geofences import store
from cloud.geofences.model import (
    MAX_FENCES,
    Crossing,
    Fence,
    FenceCrossed,
    agreed,
    box_of,
    crossings,
    desired_of,
    with_dwells,
)
from cloud.geofences.presence import Presence
from cloud.geofences.zones import Zone, zones_of
from cloud.tracking import history
from cloud.tracking import store as tracking_store
from cloud.tracking.service import Tracks, require_span, within_calendar
from wire.desired import DesiredError, require_shape
from wire.events import GeofenceEntered, GeofenceLeft

MAX_SPAN_S: Final = 7 * 86_400.0
MAX_VANS: Final = 200
_BEFORE_MS: Final = 86_400_000
"""A van that is inside since longer before a span is told to enter then."""
_MAX_EVENTS: Final = 10_000
_FOLLOW_EVERY_S: Final = 20.0
_OURS: Final = "fence-"
"""Names of those that come from here; others were desired by hand and stay."""
_SYSTEM: Final = "geofences"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """What one van did at a fence."""

    vehicle_id: str
    crossing: Crossing


class Geofences:
    """The fences of a tenant, what happened at them, and the vans that watch them."""

    def __init__(
        self,
        *,
        business: Database,
        telemetry: Database,
        clock: Clock,
        fleet: Fleet,
        gateways: Gateways,
        events: Outbox,
        new_id: NewId,
    ) -> None:
        self.changes = 0
        """Counts what was changed here: whoever watches reads the fences anew then."""
        self._business = business
        self._telemetry = telemetry
        self._clock = clock
        self._fleet = fleet
        self._gateways = gateways
        self._events = events
        self._new_id = new_id
        self._tracks = Tracks(telemetry)

    def fences(self, tenant: str, reach: Reach = EVERYTHING) -> list[Fence]:
        """Every fence within reach, by id."""
        with self._business.reading() as connection:
            return store.fences(connection, tenant, reach)

    def zones(self, tenant: str, reach: Reach = EVERYTHING) -> list[Zone]:
        """The fences in which vans and drivers within reach would rather deliver, by id.

        Those are among them that are drawn no more: no plan knows of them.
        """
        with self._business.reading() as connection:
            drawn = store.ids(connection, tenant)
        return zones_of(
            drawn, self._fleet.vehicles(tenant, reach), self._fleet.drivers(tenant, reach)
        )

    def guarded(self) -> dict[str, tuple[list[Fence], dict[str, str]]]:
        """By tenant, of those who have some: its fences, and the depot of each of its vans."""
        with self._business.reading() as connection:
            found = {
                tenant: (store.fences(connection, tenant), dict[str, str]())
                for tenant in store.tenants(connection)
            }
        for tenant, van, depot_id in self._fleet.every_vehicle() if found else ():
            if tenant in found:
                found[tenant][1][van] = depot_id
        return found

    def presences(self) -> dict[str, dict[str, Presence]]:
        """By tenant and van: which fences each van is in that was ever looked at."""
        with self._business.reading() as connection:
            return store.presences(connection)

    def tell(
        self,
        crossed: Iterable[tuple[str, FenceCrossed]],
        presences: Mapping[tuple[str, str], Presence],
    ) -> None:
        """Tell what happened at the fences of tenants, in order, and keep where the vans are now.

        Raises:
            DBAPIError: the database does not take it; nothing is told then.
        """
        with self._business.writing() as connection:
            for (tenant, van), stays in presences.items():
                store.put_presence(connection, tenant, van, stays)
            for tenant, told in crossed:
                outbox.append(connection, tenant, self._clock.now_s(), told)
        self._events.wake()

    def fence(self, tenant: str, fence_id: str) -> Fence:
        """One fence.

        Raises:
            NotFound: there is none of that id.
        """
        with self._business.reading() as connection:
            found = store.find(connection, tenant, fence_id)
        if found is None:
            raise _unknown(fence_id)
        return found

    def add(self, tenant: str, fence: Fence, reach: Reach = EVERYTHING) -> Fence:
        """Add a fence, which gets its id here.

        Raises:
            Invalid: it is no area, or there is no such depot. Conflict: there are too many.
            NotAllowed: it is beyond ``reach``.
        """
        require_depot_held(reach, fence.depot_id)
        self._require(tenant, fence)
        made = replace(fence, id=self._new_id("fence"), changed_at=self._clock.now_s())
        with self._business.writing() as connection:
            if store.count(connection, tenant) >= MAX_FENCES:
                raise Conflict(f"geofences: there are {MAX_FENCES} already; remove one first")
            store.add(connection, tenant, made)
        self.changes += 1
        return made

    def change(self, tenant: str, fence: Fence, reach: Reach = EVERYTHING) -> Fence:
        """Put ``fence`` in the place of the one of its id.

        Raises:
            Invalid: it is no area, or there is no such depot. NotFound: there is no such fence.
            NotAllowed: it is beyond ``reach``, or was before.
        """
        require_depot_held(reach, fence.depot_id)
        self._require(tenant, fence)
        changed = replace(fence, changed_at=self._clock.now_s())
        with self._business.writing() as connection:
            known = store.find(connection, tenant, fence.id)
            if known is None:
                raise _unknown(fence.id)
            require_depot_held(reach, known.depot_id)
            store.change(connection, tenant, changed)
        self.changes += 1
        return changed

    def remove(self, tenant: str, fence_id: str, reach: Reach = EVERYTHING) -> None:
        """Take a fence away.

        Raises:
            NotFound: there is none of that id. NotAllowed: it is beyond ``reach``.
        """
        with self._business.writing() as connection:
            known = store.find(connection, tenant, fence_id)
            if known is None:
                raise _unknown(fence_id)
            require_depot_held(reach, known.depot_id)
            store.remove(connection, tenant, fence_id)
        self.changes += 1

    def crossed(
        self,
        tenant: str,
        fence_id: str,
        span_s: tuple[float, float],
        *,
        vehicle_id: str | None = None,
        reach: Reach = EVERYTHING,
    ) -> list[Crossed]:
        """What happened at a fence, by time: what the vans told, and what their tracks tell beside.

        Of the fence as it is now, whenever it was drawn.

        Raises:
            NotFound: there is no such fence. Invalid: the span is empty or longer than 7 days, or
                more than 200 vans were near.
        """
        fence = self.fence(tenant, fence_id)
        from_ms, to_ms = require_span(*span_s)
        if to_ms - from_ms > MAX_SPAN_S * 1000:
            raise Invalid.field("from", "is more than 7 days before to", "ask for a shorter span")
        vans = [
            one.id
            for one in self._fleet.vehicles(tenant, reach)
            if vehicle_id in {None, one.id} and fence.depot_id in {None, one.depot_id}
        ]
        around = within_calendar(from_ms - _BEFORE_MS, to_ms)
        found = [
            Crossed(vehicle_id=van, crossing=one)
            for van in self._near(tenant, fence, vans, around)
            for one in self._of_van(tenant, van, fence, around)
            if from_ms <= one.at_ms < to_ms
        ]
        return sorted(found, key=lambda one: (one.crossing.at_ms, one.vehicle_id))

    def _near(
        self, tenant: str, fence: Fence, vans: Sequence[str], span_ms: tuple[int, int]
    ) -> list[str]:
        with self._telemetry.reading() as connection:
            near = history.vans_near(connection, tenant, box_of(fence), *span_ms)
        found = [van for van in vans if van in near]
        if len(found) > MAX_VANS:
            raise Invalid.field(
                "vehicle_id", f"{len(found)} vehicles were near", "name one, or a shorter span"
            )
        return found

    def _of_van(
        self, tenant: str, van: str, fence: Fence, span_ms: tuple[int, int]
    ) -> list[Crossing]:
        track = self._tracks.track(tenant, van, span_ms)
        read = crossings(track, replace(fence, dwell_after_s=None))
        both = agreed(self._told(tenant, van, fence.id, span_ms), read)
        last_ms = int(track["at_ms"][-1]) if len(track) else 0
        return with_dwells(both, fence.dwell_after_s, last_ms)

    def _told(
        self, tenant: str, van: str, fence_id: str, span_ms: tuple[int, int]
    ) -> list[Crossing]:
        with self._telemetry.reading() as connection:
            rows = tracking_store.events_between(
                *(connection, tenant, van, *span_ms),
                kinds=("geofence_entered", "geofence_left"),
                after=None,
                limit=_MAX_EVENTS,
            )
        events = [
            told for row in rows if isinstance(told := row.told(), GeofenceEntered | GeofenceLeft)
        ]
        return [
            Crossing(one.at_ms, "left", one.where, one.dwell_s)
            if isinstance(one, GeofenceLeft)
            else Crossing(one.at_ms, "entered", one.where)
            for one in events
            if one.geofence == fence_id and span_ms[0] <= one.at_ms < span_ms[1]
        ]

    async def run(self) -> None:
        """Keep the vans' fences as they are here, until cancelled."""
        await keep_looking("geofences of vans", self.tell_vans, _FOLLOW_EVERY_S)

    def tell_vans(self) -> int:
        """Desire the present fences of each gateway that watches others; how many did."""
        depots: dict[str, dict[str, str]] = {}
        for tenant, van, depot_id in self._fleet.every_vehicle():
            depots.setdefault(tenant, {})[van] = depot_id
        return sum(self._tell(tenant, vans) for tenant, vans in depots.items())

    def _tell(self, tenant: str, depots: Mapping[str, str]) -> int:
        """The vans of one tenant, each with its depot."""
        fences = self.fences(tenant)
        by_depot = {one: _as_told(fences, one) for one in set(depots.values())}
        changed = 0
        for van, wanted in self._gateways.heard_of(tenant).items():
            if van not in depots:
                continue
            values = {} if wanted is None else wanted.values
            present = values.get("geofences", [])
            watched = _beside_by_hand(present, by_depot[depots[van]])
            if watched == present:
                continue
            with suppress(Conflict, NotFound):  # somebody was quicker; the next round sees it
                self._gateways.desire(
                    tenant=tenant,
                    vehicle_id=van,
                    values=values | {"geofences": watched},
                    is_following_shifts=wanted is not None and wanted.is_following_shifts,
                    changed_by=_SYSTEM,
                    over=0 if wanted is None else wanted.version,
                )
                changed += 1
        return changed

    def _require(self, tenant: str, fence: Fence) -> None:
        try:
            require_shape("geometry", fence.told())
        except DesiredError as error:
            raise Invalid.field(error.field, error.problem, error.remedy) from error
        known = {one.id for one in self._fleet.depots(tenant)}
        if fence.depot_id is not None and fence.depot_id not in known:
            raise Invalid.field(
                "properties.depot_id", f"{fence.depot_id[:80]!r} is not known", "name a depot"
            )


def _as_told(fences: Sequence[Fence], depot_id: str) -> list[dict[str, Any]]:
    """What the vans of a depot are to watch, as it stands among desired values."""
    told: list[dict[str, Any]] = msgspec.json.decode(
        msgspec.json.encode(desired_of(fences, depot_id))
    )
    return told


def _beside_by_hand(
    present: Sequence[dict[str, Any]], ours: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    by_hand = [one for one in present if not str(one["geofence"]).startswith(_OURS)]
    return [*by_hand, *ours[: MAX_FENCES - len(by_hand)]]


def _unknown(fence_id: str) -> NotFound:
    return NotFound(f"geofence {fence_id[:80]!r} is not known; GET /api/v1/geofences lists them")
