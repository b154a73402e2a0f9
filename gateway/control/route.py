"""The van's current route, kept on disk so that it is known without a connection.

A file that is damaged is set aside; the broker retains the route and tells it again with the next
connection.
"""

from pathlib import Path
from typing import Final

from gateway.control.kept import KeptFile
from wire.messages import Route

ROUTE_FILE: Final = "route.json"


class RouteFile:
    """The route told by ``dn/route``: another route replaces it, and so does a higher revision.

    Attributes:
        current: the route in force; None when none was ever told.
    """

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path, Route)
        self.current = self._file.read()

    @property
    def revision(self) -> int | None:
        """The revision in force; None when no route was ever told."""
        return None if self.current is None else self.current.revision

    def take(self, route: Route) -> bool:
        """Keep ``route`` unless it is an old or the same revision of the one in force.

        Returns:
            Whether it is in force now and was not before.

        Raises:
            OSError: the medium takes nothing; the route kept so far stays in force.
        """
        if self.current is not None and _is_old(route, self.current):
            return False
        self._file.write(route)
        self.current = route
        return True


def _is_old(route: Route, current: Route) -> bool:
    # Revisions count within one day's plan, so those of two routes cannot be compared.
    return route.route == current.route and route.revision <= current.revision
