"""What a revision changes against the one before it: of a day, and of one van. Pure."""

from collections import Counter
from collections.abc import Container, Iterable

import msgspec

from cloud.planning.day_plan import DayPlan, Route, served_orders
from cloud.planning.sequence import out_of_order


class RouteChange(msgspec.Struct, frozen=True, kw_only=True):
    """A stop's order was on one van and is on another, or in another place of the sequence."""

    order_id: str
    from_vehicle: str | None
    to_vehicle: str | None


class Sacrifice(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that a revision does not keep; instants in seconds since 1970."""

    order_id: str
    promised_until: float
    served_at: float


class VanDriving(msgspec.Struct, frozen=True, kw_only=True):
    """More (or less) of what one van has still to drive."""

    vehicle_id: str
    drive_s: int
    distance_m: int


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What a revision changed against the one before it, by orders.

    Attributes:
        moved: orders that have another van or another place among those that stayed on theirs.
        drive_s, distance_m: more (or less) of what is still to be driven.
        promises_moved: orders whose customer must be told another time.
        sacrificed: the same, with what they were told and when they are served now.
        by_van: the vans whose driving is more or less; none of what was made before that was kept.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[RouteChange, ...]
    drive_s: int
    distance_m: int
    promises_moved: tuple[str, ...]
    sacrificed: tuple[Sacrifice, ...] = ()
    by_van: tuple[VanDriving, ...] = ()


def difference(
    before: DayPlan, routes: Iterable[Route], sacrificed: Iterable[Sacrifice] = ()
) -> Diff:
    """What changes when ``routes`` replace those of ``before``."""
    after = tuple(routes)
    lost = tuple(sorted(sacrificed, key=lambda one: one.order_id))
    was, now = served_orders(before.routes), served_orders(after)
    moved = {
        order: RouteChange(order_id=order, from_vehicle=was[order], to_vehicle=now[order])
        for order in was.keys() & now.keys()
        if was[order] != now[order]
    }
    for order in _resequenced(before.routes, after):
        moved.setdefault(
            order, RouteChange(order_id=order, from_vehicle=was[order], to_vehicle=was[order])
        )
    return Diff(
        added=tuple(sorted(now.keys() - was.keys())),
        removed=tuple(sorted(was.keys() - now.keys())),
        moved=tuple(moved[order] for order in sorted(moved)),
        drive_s=_drive_s(after) - _drive_s(before.routes),
        distance_m=_distance_m(after) - _distance_m(before.routes),
        promises_moved=tuple(one.order_id for one in lost),
        sacrificed=lost,
        by_van=_by_van(before.routes, after),
    )


def of_van(diff: Diff, vehicle_id: str, before: Container[str], after: Container[str]) -> Diff:
    """What a diff of a day says of one van's route, and nothing of other vans.

    Args:
        diff: of the day.
        vehicle_id: whose route it is.
        before: ids of the orders on the route before.
        after: of those on it now.
    """
    here = [one for one in diff.moved if vehicle_id in {one.from_vehicle, one.to_vehicle}]
    came = [one.order_id for one in here if one.from_vehicle != vehicle_id]
    went = [one.order_id for one in here if one.to_vehicle != vehicle_id]
    lost = tuple(one for one in diff.sacrificed if one.order_id in after)
    driven = [one for one in diff.by_van if one.vehicle_id == vehicle_id]
    return Diff(
        added=tuple(sorted([*(one for one in diff.added if one in after), *came])),
        removed=tuple(sorted([*(one for one in diff.removed if one in before), *went])),
        moved=tuple(one for one in here if one.from_vehicle == one.to_vehicle),
        drive_s=sum(one.drive_s for one in driven),
        distance_m=sum(one.distance_m for one in driven),
        promises_moved=tuple(one.order_id for one in lost),
        sacrificed=lost,
        by_van=tuple(driven),
    )


def _by_van(before: Iterable[Route], after: Iterable[Route]) -> tuple[VanDriving, ...]:
    drive_s: Counter[str] = Counter()
    distance_m: Counter[str] = Counter()
    for sign, routes in ((-1, before), (1, after)):
        for route in routes:
            drive_s[route.vehicle_id] += sign * route.drive_s
            distance_m[route.vehicle_id] += sign * route.distance_m
    return tuple(
        VanDriving(vehicle_id=van, drive_s=drive_s[van], distance_m=distance_m[van])
        for van in sorted(drive_s)
        if drive_s[van] or distance_m[van]
    )


def _drive_s(routes: Iterable[Route]) -> int:
    return sum(route.drive_s for route in routes)


def _distance_m(routes: Iterable[Route]) -> int:
    return sum(route.distance_m for route in routes)


def _deliveries(route: Route) -> list[str]:
    return [
        order for stop in route.open_stops if stop.kind == "delivery" for order in stop.order_ids
    ]


def _resequenced(before: Iterable[Route], after: Iterable[Route]) -> list[str]:
    """Orders that stayed on their van but not in their place among those that stayed."""
    later = {route.vehicle_id: _deliveries(route) for route in after}
    changed: list[str] = []
    for route in before:
        now = later.get(route.vehicle_id, [])
        was = _deliveries(route)
        changed += out_of_order(was, now)
    return changed
