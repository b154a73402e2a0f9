"""Use cases of areas with access hours, one transaction each."""

from collections.abc import Callable, Collection
from dataclasses import replace

from sqlalchemy import Connection

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity.reach import EVERYTHING, Reach, require_depot_held
from cloud.foundation.ids import NewId
from cloud.places import area_store
from cloud.places.areas import MAX_AREAS, AccessArea, require_area
from cloud.places.events import AreaChanged


class Areas:
    """What dispatchers draw.

    Args:
        depots: the ids of a tenant's depots.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        events: outbox.Outbox,
        new_id: NewId,
        depots: Callable[[str], Collection[str]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._new_id = new_id
        self._depots = depots

    def areas(self, tenant: str, reach: Reach = EVERYTHING) -> list[AccessArea]:
        """Every area within reach, by id."""
        with self._database.reading() as connection:
            return area_store.areas(connection, tenant, reach)

    def area(self, tenant: str, area_id: str) -> AccessArea:
        """One area.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            return _known(area_store.find(connection, tenant, area_id), area_id)

    def add(self, tenant: str, area: AccessArea, by: str, reach: Reach = EVERYTHING) -> AccessArea:
        """Draw an area; it gets its id here.

        Raises:
            Invalid: it has no shape, or names an unknown depot. Conflict: there are too many.
            NotAllowed: it is beyond ``reach``.
        """
        self._require(tenant, area, reach)
        at = self._clock.now_s()
        made = replace(area, id=self._new_id("area"), changed_at=at, changed_by=by)
        with self._database.writing() as connection:
            if area_store.count(connection, tenant) >= MAX_AREAS:
                raise Conflict(f"there are {MAX_AREAS} access areas already; remove one first")
            area_store.add(connection, tenant, made)
            self._tell(connection, tenant, None, made)
        self._events.wake()
        return made

    def change(
        self, tenant: str, area: AccessArea, by: str, reach: Reach = EVERYTHING
    ) -> AccessArea:
        """Put ``area`` in the place of the one of its id.

        Raises:
            Invalid: it has no shape, or names an unknown depot. NotFound: there is no such area.
            NotAllowed: it is beyond ``reach``, or was before.
        """
        self._require(tenant, area, reach)
        changed = replace(area, changed_at=self._clock.now_s(), changed_by=by)
        with self._database.writing() as connection:
            before = _known(area_store.find(connection, tenant, area.id), area.id)
            require_depot_held(reach, before.depot_id)
            area_store.change(connection, tenant, changed)
            self._tell(connection, tenant, before, changed)
        self._events.wake()
        return changed

    def remove(self, tenant: str, area_id: str, reach: Reach = EVERYTHING) -> None:
        """Take an area away.

        Raises:
            NotFound: there is none of that id. NotAllowed: it is beyond ``reach``.
        """
        with self._database.writing() as connection:
            before = _known(area_store.find(connection, tenant, area_id), area_id)
            require_depot_held(reach, before.depot_id)
            area_store.remove(connection, tenant, area_id)
            self._tell(connection, tenant, before, None)
        self._events.wake()

    def _tell(
        self,
        connection: Connection,
        tenant: str,
        before: AccessArea | None,
        after: AccessArea | None,
    ) -> None:
        sides = (None if one is None else replace(one, changed_by="") for one in (before, after))
        told = AreaChanged(before=next(sides), after=next(sides))
        outbox.append(connection, tenant, self._clock.now_s(), told)

    def _require(self, tenant: str, area: AccessArea, reach: Reach) -> None:
        require_depot_held(reach, area.depot_id)
        require_area(area)
        if area.depot_id is not None and area.depot_id not in self._depots(tenant):
            raise Invalid.field(
                "properties.depot_id", f"{area.depot_id[:80]!r} is not known", "name a depot"
            )


def _known(area: AccessArea | None, area_id: str) -> AccessArea:
    if area is None:
        raise NotFound(f"area {area_id[:80]!r} is not known; GET /api/v1/access-areas lists them")
    return area
