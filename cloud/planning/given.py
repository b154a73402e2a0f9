"""What holds of a plan whose sequences are given and not sought. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from cloud.planning.day_plan import Route, Stop, Unplanned, served_orders
from cloud.planning.jobs import Job
from cloud.planning.proposals import Sequences
from cloud.planning.revising import NewRoutes
from cloud.planning.situation import EARLY_S, Day
from cloud.roads.model import Path

_LATER: Final = "nobody has looked for a place for it yet; it is planned next"


def set_out_anew(job: Job) -> frozenset[str]:
    """Vans whose next stop is another than the one that was planned, as their drivers want it."""
    return frozenset(
        one.vehicle_id
        for one in job.about
        if one.trigger == "driver_reordered" and one.vehicle_id is not None
    )


def with_new_legs(day: Day, ways: Mapping[str, Path], vans: Iterable[str]) -> Day:
    """The day in which the stop that each of some vans drives to is planned by its way there."""
    told = {van: ways[van] for van in vans if van in ways}
    routes = tuple(
        _with_new_leg(day, one, told[one.vehicle_id]) if one.vehicle_id in told else one
        for one in day.plan.routes
    )
    return replace(day, plan=replace(day.plan, routes=routes))


def _with_new_leg(day: Day, route: Route, way: Path) -> Route:
    frozen = day.frozen_stop(route.vehicle_id)

    def timed(stop: Stop) -> Stop:
        opens = stop.window.begin if stop.window else day.now
        arrival = max(day.now + way.seconds, opens - EARLY_S)
        return replace(
            stop,
            leg_s=way.seconds,
            leg_m=way.metres,
            planned_arrival=arrival,
            planned_departure=max(arrival, opens) + stop.service_s,
        )

    stops = tuple(timed(one) if one == frozen else one for one in route.stops)
    return replace(route, stops=stops)


def gives_up(job: Job, day: Day) -> Callable[[str], bool]:
    """Of which vans lost promises are moved at once, and their customers told another time.

    Where a driver has gone another way without a word, of none: whoever can may still keep them.
    """
    if job.trigger != "driver_reordered":
        return lambda _: True
    said = day.kept_in_order & set_out_anew(job)
    return lambda van: van in said


def drops(day: Day, new: NewRoutes) -> bool:
    """Whether something that is served now would be left out."""
    served = served_orders(day.plan.routes)
    return any(one.order_id in served for one in new.unserved)


def left_out_of(
    job: Job, day: Day, held: Sequences | None, unserved: tuple[Unplanned, ...]
) -> tuple[Unplanned, ...]:
    """Why orders are left out, where the sequences were given: they are in none of them."""
    if held is None:
        return unserved
    given = {step.job for steps in held.values() for step in steps}
    told = {} if job.is_held else {one.order_id: one.reason for one in day.plan.unserved}
    what = "the proposal" if job.restores is None else f"revision {job.restores}"
    chosen = f"it is not in {what}, which a dispatcher chose; plan the day again to serve it"
    reason = chosen if job.is_held else _LATER
    return tuple(
        one if one.order_id in given else replace(one, reason=told.get(one.order_id, reason))
        for one in unserved
    )
