"""Routes and stops as the rows of their tables, both ways."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Row, Text, cast

from cloud.orders.model import Span
from cloud.planning.day_plan import Route, RouteBreak, Stop
from cloud.planning.tables import route_row, stop_row

_LINES: Final = 128
"""Paths kept as they were read last: those of a depot's routes, some 200 KB each at the most."""
_KEPT: Final = 8_192
"""Stops kept as they were read last, half a kilobyte each."""
_ROUTE_OWN: Final = frozenset({"service_date", "geometry", "breaks"})
_WINDOW: Final = ("window_begin", "window_end")
_ROUTE_PLAIN: Final = tuple(one.name for one in route_row.columns if one.name not in _ROUTE_OWN)
ROUTE_COLUMNS: Final = (
    *(route_row.c[name] for name in _ROUTE_PLAIN),
    route_row.c.service_date,
    route_row.c.breaks,
    cast(route_row.c.geometry, Text).label("line"),
)
_STOP_NAMES: Final = tuple(
    one.name for one in stop_row.columns if one.name not in {"tenant", *_WINDOW}
)
STOP_COLUMNS: Final = tuple(stop_row.c[name] for name in (*_WINDOW, *_STOP_NAMES))
STOP_ROW: Final = ("tenant", *_WINDOW, *_STOP_NAMES)
"""Names of the columns of what `row_of_stop` gives."""
_of_stop: Final = attrgetter(*_STOP_NAMES)


def row_of_route(route: Route) -> dict[str, Any]:
    """The row of a route, but for its geometry."""
    names = {column.name for column in route_row.columns} - _ROUTE_OWN
    return {name: getattr(route, name) for name in names} | {
        "service_date": route.service_date.isoformat(),
        "breaks": msgspec.to_builtins(route.breaks),
    }


def row_of_stop(tenant: str, stop: Stop) -> tuple[object, ...]:
    """The row of a stop, but for its orders."""
    window = stop.window
    begin, end = (None, None) if window is None else (window.begin, window.end)
    return (tenant, begin, end, *_of_stop(stop))


def route_of(row: Row[Any], stops: Iterable[Stop]) -> Route:
    """What a row of `ROUTE_COLUMNS` makes of a route with these stops."""
    return Route(
        **{name: getattr(row, name) for name in _ROUTE_PLAIN},
        service_date=date.fromisoformat(row.service_date),
        geometry=_line(row.line),
        breaks=msgspec.convert(row.breaks, tuple[RouteBreak, ...]),
        stops=tuple(stops),
    )


@lru_cache(_LINES)
def _line(text: str) -> tuple[tuple[float, float], ...]:
    """The points of a path; of one text always the same, so that comparing costs nothing."""
    return msgspec.json.decode(text, type=tuple[tuple[float, float], ...])


@lru_cache(_KEPT)
def stop_of(row: tuple[Any, ...], order_ids: tuple[str, ...]) -> Stop:
    """What a row of `STOP_COLUMNS` makes of a stop; most are read again, and have not changed."""
    begin, end, *values = row
    told = dict(zip(_STOP_NAMES, values, strict=True))
    return Stop(**told, order_ids=order_ids, window=None if begin is None else Span(begin, end))
