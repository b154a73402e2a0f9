"""When a van has arrived at a stop of its route and when it has left: the one rule of both sides.

The van applies it to its fixes as they come, the cloud to those of phones and to late ones. It is a
function of fixes and routes alone, so both come to the same end, whenever they get to see them.

An arrival is a stand: the van is slow and stays within a few metres for some time near a stop. How
long depends on how likely it is: at the next stop of the route and close to its door soon, further
off or at another stop later, so that a red light next door is none. It is told from the moment when
the stand began. While a visit lasts nothing else is an arrival at that stop: a visit ends when the
van is well out of the stop's reach, or has driven on for some time, or stands at another stop.
"""

from typing import Final, NamedTuple

import msgspec

from wire.events import StopArrived, StopDeparted, Where
from wire.messages import Fix, Route, RouteStop
from wire.track import at_ms, distance_m
from wire.values import EpochMs, Name

_EVERY_MS: Final = 900
"""Fixes that come faster are passed over: a second says all there is to say about standing."""

_CRAWL_MPS: Final = 0.5
_CRAWL_M: Final = 15.0
_SAME_PLACE_M: Final = 15.0


class ArrivalRules(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as arrived and as departed.

    Attributes:
        near_m: at the door. reach_m: at the stop. yard_m: the same where parcels are fetched.
        out_m: so much further than its reach the van has left the stop.
        slow_mps: slower is standing. fast_mps: faster is driving; between the two all stays.
        wander_m: a stand lasts while fixes are no further from its first one.
        next_near_ms, next_ms: how long a stand near the next stop, or in its reach, must last.
        other_near_ms, other_ms: the same for stops that are not next on the route.
        out_ms: how long the van must be out of reach, drive_ms: or drive, to have left.
        drive_m: and how far from where it stood.
    """

    near_m: float = 30.0
    reach_m: float = 60.0
    yard_m: float = 100.0
    out_m: float = 60.0
    slow_mps: float = 0.8
    fast_mps: float = 2.0
    wander_m: float = 40.0
    next_near_ms: int = 20_000
    next_ms: int = 45_000
    other_near_ms: int = 60_000
    other_ms: int = 120_000
    out_ms: int = 5_000
    drive_ms: int = 10_000
    drive_m: float = 40.0


class Spot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place and a moment."""

    lat_e7: int
    lon_e7: int
    at_ms: EpochMs


class Stand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The van stands: where and since when, until when it was seen to, and how it may be over.

    ``fast`` counts the fixes in a row that say it drives; ``is_over`` once it is certain.
    """

    begin: Spot
    until_ms: EpochMs
    fast: int = 0
    is_over: bool = False


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """The van is at a stop.

    Attributes:
        route, revision: under which it came. stop: with its place and reach.
        arrived_ms: since when. until_ms: last seen to stand there.
        stood: where. out_from_ms: since when it is out of reach.
    """

    route: Name
    revision: int
    stop: RouteStop
    arrived_ms: EpochMs
    until_ms: EpochMs
    stood: Spot
    out_from_ms: EpochMs | None = None


class ArrivalState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rule remembers; the same state and fixes give the same events.

    Attributes:
        route: the one that ``visited`` belongs to. from_ms: when it was first followed.
        visited: stops of the route at which the van has been.
        left: the stop it has left but is still near to: not another visit.
        last: the newest fix. stand, visit: what goes on now.
    """

    route: Name | None = None
    from_ms: EpochMs = 0
    visited: tuple[Name, ...] = ()
    left: RouteStop | None = None
    last: Spot | None = None
    stand: Stand | None = None
    visit: Visit | None = None


class Advanced(NamedTuple):
    """The state after a fix, and what it has decided, in order."""

    state: ArrivalState
    events: tuple[StopArrived | StopDeparted, ...]


def advance(state: ArrivalState, fix: Fix, route: Route | None, rules: ArrivalRules) -> Advanced:
    """Take one more fix, oldest first, under the route in force at its time.

    A fix that is not later than the last one, or less than a second, changes nothing.
    """
    now_ms, last = at_ms(fix), state.last
    if last is not None and now_ms - last.at_ms < _EVERY_MS:
        return Advanced(state, ())
    here = Spot(lat_e7=fix.lat_e7, lon_e7=fix.lon_e7, at_ms=now_ms)
    state = _under(state, route, now_ms)
    stand = _stand_after(state, here, _speed_mps(fix, last, here), rules)
    left = state.left
    if left is not None and distance_m(left, here) > _reach_m(left, rules) + rules.out_m:
        left = None
    state = msgspec.structs.replace(state, last=here, stand=stand, left=left)
    state, departed = _look_for_departure(state, here, rules)
    state, others = _look_for_arrival(state, here, route, rules)
    return Advanced(state, (*departed, *others))


def _under(state: ArrivalState, route: Route | None, now_ms: EpochMs) -> ArrivalState:
    """The state under ``route``: what is known of the stops that it still has stays."""
    if route is None:
        return state
    stops = {stop.stop for stop in route.stops}
    visited = tuple(stop for stop in state.visited if stop in stops)
    if state.route == route.route and len(visited) == len(state.visited):
        return state
    from_ms = state.from_ms if state.route == route.route else now_ms
    return msgspec.structs.replace(state, route=route.route, from_ms=from_ms, visited=visited)


def _speed_mps(fix: Fix, last: Spot | None, here: Spot) -> float:
    if fix.speed_cmps is not None:
        return fix.speed_cmps / 100
    if last is None:
        return 0.0
    return distance_m(last, here) / (here.at_ms - last.at_ms) * 1000


def _stand_after(
    state: ArrivalState, here: Spot, speed_mps: float, rules: ArrivalRules
) -> Stand | None:
    stand = state.stand
    is_slow = speed_mps < rules.slow_mps
    if stand is None or stand.is_over:
        return Stand(begin=here, until_ms=here.at_ms) if is_slow else stand
    strayed_m = distance_m(stand.begin, here)
    is_crawl = speed_mps > _CRAWL_MPS and strayed_m > _CRAWL_M
    if strayed_m > rules.wander_m or (is_slow and is_crawl):
        if is_slow:
            return Stand(begin=here, until_ms=here.at_ms)
        return msgspec.structs.replace(stand, is_over=True)
    if is_slow:
        return msgspec.structs.replace(stand, until_ms=here.at_ms, fast=0)
    fast = stand.fast + (speed_mps >= rules.fast_mps)
    return msgspec.structs.replace(stand, fast=fast, is_over=fast >= 2)


def _reach_m(stop: RouteStop, rules: ArrivalRules) -> float:
    return rules.yard_m if stop.kind == "pickup" else rules.reach_m


def _look_for_departure(
    state: ArrivalState, here: Spot, rules: ArrivalRules
) -> tuple[ArrivalState, tuple[StopDeparted, ...]]:
    visit, stand = state.visit, state.stand
    if visit is None:
        return state, ()
    away_m = distance_m(visit.stop, here)
    is_standing = stand is not None and not stand.is_over
    is_out = away_m > _reach_m(visit.stop, rules) + rules.out_m
    out_from_ms = (visit.out_from_ms or here.at_ms) if is_out else None
    has_gone = out_from_ms is not None and here.at_ms - out_from_ms >= rules.out_ms
    if not is_standing and not has_gone:
        is_far = distance_m(visit.stood, here) >= rules.drive_m
        has_gone = is_far and here.at_ms - visit.until_ms >= rules.drive_ms
    if has_gone:
        return _departed(state, visit, visit.until_ms, here)
    until_ms = here.at_ms if is_standing and not is_out else visit.until_ms
    kept = msgspec.structs.replace(visit, out_from_ms=out_from_ms, until_ms=until_ms)
    return msgspec.structs.replace(state, visit=kept), ()


def _departed(
    state: ArrivalState, visit: Visit, when_ms: EpochMs, here: Spot
) -> tuple[ArrivalState, tuple[StopDeparted, ...]]:
    event = StopDeparted(
        route=visit.route,
        revision=visit.revision,
        stop=visit.stop.stop,
        at_ms=when_ms,
        dwell_s=max(0, when_ms - visit.arrived_ms) // 1000,
        where=Where(lat_e7=here.lat_e7, lon_e7=here.lon_e7),
    )
    return msgspec.structs.replace(state, visit=None, left=visit.stop), (event,)


def _look_for_arrival(
    state: ArrivalState, here: Spot, route: Route | None, rules: ArrivalRules
) -> tuple[ArrivalState, tuple[StopArrived | StopDeparted, ...]]:
    stand, visit = state.stand, state.visit
    if route is None or stand is None or stand.is_over or stand.until_ms != here.at_ms:
        return state, ()
    stood_ms = here.at_ms - stand.begin.at_ms
    if stood_ms < rules.next_near_ms:
        return state, ()
    stop = _stop_here(state, here, route, stood_ms, rules)
    if stop is None:
        return state, ()
    began_ms = max(stand.begin.at_ms, state.from_ms)
    gone: tuple[StopDeparted, ...] = ()
    if visit is not None:
        ended_ms = _ends_for_another(visit, stop, stand, here, route)
        if ended_ms is None:
            return state, ()
        began_ms = max(began_ms, ended_ms)
        state, gone = _departed(state, visit, ended_ms, here)
    state, arrived = _arrived(state, stop, route, began_ms, here)
    return state, (*gone, arrived)


def _ends_for_another(
    visit: Visit, stop: RouteStop, stand: Stand, here: Spot, route: Route
) -> EpochMs | None:
    """When the visit ended, if the van is at another ``stop`` now; None while it goes on."""
    if stand.begin.at_ms > visit.until_ms or stand.begin != visit.stood:
        is_nearer = distance_m(stop, here) + _SAME_PLACE_M / 2 < distance_m(visit.stop, here)
        return min(visit.until_ms, stand.begin.at_ms) if is_nearer else None
    # The stop is done, so the route has it no longer, and the next one is here as well.
    is_done = visit.route == route.route and all(
        stop.stop != visit.stop.stop for stop in route.stops
    )
    return here.at_ms if is_done else None


def _arrived(
    state: ArrivalState, stop: RouteStop, route: Route, began_ms: EpochMs, here: Spot
) -> tuple[ArrivalState, StopArrived]:
    stand = state.stand
    visit = Visit(
        route=route.route,
        revision=route.revision,
        stop=stop,
        arrived_ms=began_ms,
        until_ms=here.at_ms,
        stood=here if stand is None else stand.begin,
    )
    visited = state.visited if stop.stop in state.visited else (*state.visited, stop.stop)
    event = StopArrived(
        route=route.route,
        revision=route.revision,
        stop=stop.stop,
        at_ms=began_ms,
        where=Where(lat_e7=here.lat_e7, lon_e7=here.lon_e7),
    )
    return msgspec.structs.replace(state, visit=visit, visited=visited, left=None), event


def _stop_here(
    state: ArrivalState, here: Spot, route: Route, stood_ms: int, rules: ArrivalRules
) -> RouteStop | None:
    """The stop at which the van stands, if it has stood there long enough to be believed."""
    visit_stop = None if state.visit is None else state.visit.stop.stop
    shut = {visit_stop, None if state.left is None else state.left.stop}
    near = [
        (away_m, stop)
        for stop in route.stops
        if stop.stop not in shut and (away_m := distance_m(stop, here)) <= _reach_m(stop, rules)
    ]
    if not near:
        return None
    upcoming = next((stop for stop in route.stops if stop.stop not in state.visited), None)
    nearest_m, nearest = min(near, key=lambda one: one[0])
    for away_m, stop in near:
        if stop is upcoming and away_m <= max(rules.near_m, nearest_m + _SAME_PLACE_M):
            nearest_m, nearest = away_m, stop
    if nearest is upcoming:
        needed_ms = rules.next_near_ms if nearest_m <= rules.near_m else rules.next_ms
    else:
        needed_ms = rules.other_near_ms if nearest_m <= rules.near_m else rules.other_ms
    return nearest if stood_ms >= needed_ms else None
