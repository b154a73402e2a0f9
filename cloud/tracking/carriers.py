"""Who runs each van, as ingest knows it: the carrier stands in the topic of a van's position."""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy.exc import DBAPIError

from cloud.fleet import store as fleet_store
from cloud.foundation.database import Database
from wire import topics

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0
_NEW_EVERY_S: Final = 4.5
"""A van that is not known yet is looked for half a second after the last look already."""


class VanCarriers:
    """The carrier of every van, as it was a few seconds ago; read, and never written.

    While the register cannot be read, what was read last stands, and a van that was never read is
    the tenant's own.
    """

    def __init__(self, business: Database, monotonic_s: Callable[[], float]) -> None:
        self._business = business
        self._monotonic_s = monotonic_s
        self._carriers: Mapping[tuple[str, str], str] = {}
        self._due_s = float("-inf")
        self._is_readable = True

    def __call__(self, tenant: str, van: str) -> str:
        """Whose topic ``van`` is told on."""
        now_s = self._monotonic_s()
        is_new = (tenant, van) not in self._carriers and now_s >= self._due_s - _NEW_EVERY_S
        if is_new or now_s >= self._due_s:
            self._due_s = now_s + _LOOK_EVERY_S
            self._look()
        return self._carriers.get((tenant, van), topics.OWN_CARRIER)

    def _look(self) -> None:
        try:
            with self._business.reading() as connection:
                self._carriers = fleet_store.carriers_of_vans(connection)
        except DBAPIError as error:
            if self._is_readable:
                _log.warning("the carriers cannot be read", extra={"reason": str(error)})
            self._is_readable = False
        else:
            self._is_readable = True


def own_carrier(_tenant: str, _van: str) -> str:
    """Every van is the tenant's own."""
    return topics.OWN_CARRIER
