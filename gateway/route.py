"""The van's current route, kept on disk so that it is known without a connection."""

import logging
import os
from pathlib import Path

from wire import codec
from wire.messages import Route

logger = logging.getLogger(__name__)


class RouteFile:
    """The route told by ``dn/route``: another route replaces it, and so does a higher revision."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._route = _read(path)

    @property
    def revision(self) -> int | None:
        """The revision in force; None when no route was ever told."""
        return None if self._route is None else self._route.revision

    def take(self, route: Route) -> bool:
        """Keep ``route`` unless it is an old or the same revision of the one in force.

        Returns:
            Whether it is in force now and was not before.

        Raises:
            OSError: the medium takes nothing; the route kept so far stays in force.
        """
        current = self._route
        if current is not None and _is_old(route, current):
            return False
        unfinished = self._path.with_suffix(".new")
        with unfinished.open("wb") as file:
            file.write(codec.encode(route))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._route = route
        return True


def _is_old(route: Route, current: Route) -> bool:
    # Revisions count within one day's plan, so those of two routes cannot be compared.
    return route.route == current.route and route.revision <= current.revision


def _read(path: Path) -> Route | None:
    try:
        return codec.decode(path.read_bytes(), Route)
    except FileNotFoundError:
        return None
    except (OSError, codec.WireError) as error:
        logger.warning("the kept route cannot be read", extra={"problem": str(error)})
        return None
