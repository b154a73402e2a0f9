"""Pricing one order at every position of a board. Pure.

Savelsbergh's forward time slack (1992) tells in constant time whether what follows bears a delay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.planning.problem import Job, Policy, Window
from cloud.planning.solvers.insertion.board import Board, Floats, Ints, Positions, Ways
from cloud.planning.solvers.insertion.rows import NEVER
from cloud.planning.solvers.rates import price_of_lateness

type Flags = npt.NDArray[np.bool_]

_FEW: Final = 8
_MORE: Final = 8
"""So many rows at least are put to the clock first, and so many times more each time that those
before were not enough."""


@dataclass(frozen=True, slots=True)
class Place:
    """Positions of a row where an order's visits go, and about what that costs.

    ``pickup_at`` is None when it is aboard, or loaded at the start.
    """

    row: int
    pickup_at: int | None
    delivery_at: int
    price: float


class Order:
    """One order with its ways and prices."""

    def __init__(self, job: Job, policy: Policy, door: Ways, pickup: Ways | None) -> None:
        self.job = job
        self.late_s = price_of_lateness(policy, job)
        self.pushed_s = policy.late_s
        self.door = door
        self.pickup = pickup
        self.load = job.load
        self.between_s = 0
        self.between_m = 0
        self.between_price = 0.0
        if pickup is not None and job.pickup is not None:
            self.between_s = int(door.seconds_to[job.pickup])
            self.between_m = int(door.metres_to[job.pickup])
            self.between_price = self.between_s + self.between_m * (policy.km / 1_000)

    def served(self, arrival: Ints) -> tuple[Ints, Ints | None]:
        """When the service at the door is done for each arrival, and how late it begins.

        None: it is never late.
        """
        windows = self.job.windows
        if not windows:
            return arrival + self.job.service_s, None
        start = begun(windows, arrival)
        return start + self.job.service_s, np.maximum(0, arrival - windows[-1].closes)


def begun(windows: Sequence[Window], arrival: Ints) -> Ints:
    """When a service begins for each arrival: at once, or when the next window opens."""
    start: Ints = np.maximum(arrival, windows[-1].opens)
    for window in reversed(windows[:-1]):
        within = np.maximum(arrival, window.opens)
        start = np.where(arrival <= window.closes, within, start)
    return start


class Passing:
    """What it costs to pass by a place, at each position of a board.

    Args:
        board: of all rows.
        ways: of the place.
        km: what a metre costs by the policy.
        over_km: how much more it costs with each van; None: with none of them.

    Attributes:
        to: of driving there from before the position.
        onward: of driving on to behind it, less what is saved.
        least: of both together, the least of each row.
        over_km: as above.
    """

    def __init__(self, board: Board, ways: Ways, km: float, over_km: Floats | None) -> None:
        self._ways = ways
        self.over_km = over_km
        self._price_to: Floats = ways.seconds_to + ways.metres_to * km
        self._price_from: Floats = ways.seconds_from + ways.metres_from * km
        self.to, self.onward = self._priced(board, slice(None))
        self.least: Floats = (self.to + self.onward).min(axis=1)

    def renew(self, board: Board, row: int) -> None:
        """Let it be of the board again, of which one row has changed."""
        self.to[row], self.onward[row] = self._priced(board, row)
        self.least[row] = (self.to[row] + self.onward[row]).min()

    def _priced(self, board: Board, rows: slice | int) -> tuple[Floats, Floats]:
        before, after = board.all.before[rows], board.all.after[rows]
        to, onward = self._price_to[before], self._price_from[after]  # laid out as the board is
        if self.over_km is not None:
            over_km = self.over_km[rows, None]
            to += over_km * self._ways.metres_to[before]
            onward += over_km * self._ways.metres_from[after]
        onward -= board.price[rows]
        return to, onward


class Search:
    """Where one order costs least.

    Args:
        board: of all vans, as the two passings are.
        order: with where its parcels lie, unless they are aboard.
        door: its door, passed by.
        capacity: of the vans, a row for each dimension.
        surcharge: what each van costs beside the driving; infinite where it may not serve it.
        is_soft: promises of others may be broken.

    What the driving costs is had for every position at once, and bounds its price from below. Room
    and clock are asked of the rows with the least bounds, and of others only until none of them can
    be cheaper than what was found.
    """

    def __init__(
        self,
        board: Board,
        order: Order,
        door: Passing,
        capacity: Ints,
        surcharge: Floats,
        *,
        is_soft: bool,
    ) -> None:
        self._board = board
        self._order = order
        self._door = door
        self._room = [(at, capacity[at] - taken) for at, taken in enumerate(order.load) if taken]
        self._surcharge = surcharge
        self._is_soft = is_soft
        is_any_late = not is_soft and bool(board.all.late[:, 0].any())
        self._pushed_price = order.pushed_s if is_any_late else 0.0

    def alone(self, count: int, delays: Ints | None) -> list[Place]:
        """The cheapest places of the delivery by itself.

        ``delays``: how much later each van leaves when it loads the order; None: it is aboard.
        """

        def told(rows: Ints) -> Floats:
            return self._alone_on(rows, self._detours(self._door, rows), delays)

        found = _best_of(self._door.least + self._surcharge, count, told)
        return [Place(row, None, position, price) for row, position, price in found]

    def _detours(self, passing: Passing, rows: Ints) -> Floats:
        detours: Floats = passing.to[rows] + passing.onward[rows]
        detours += self._surcharge[rows, None]
        return detours

    def _alone_on(self, rows: Ints, price: Floats, delays: Ints | None) -> Floats:
        at = self._board.rows(rows)
        if delays is None:
            return self._with_door(at, price, self._at_door(at, at.leaves))
        for dimension, room in self._room:
            load = np.maximum.accumulate(at.loads[dimension], axis=1)
            price = np.where(load <= room[rows, None], price, np.inf)
        delay = delays[rows, None]
        bears = delay <= self._latest(at)[:, :1] - at.arrives[:, :1]
        if self._pushed_price:
            price = price + delay * (at.late[:, :1] - at.late) * self._pushed_price
        price[:, 1:][~bears[:, 0]] = np.inf
        leaves = at.leaves + np.maximum(0, delay - at.waited)
        return self._with_door(at, price, self._at_door(at, leaves))

    def _latest(self, at: Positions) -> Ints:
        return at.latest_soft if self._is_soft else at.latest

    def pairs(self, pickup: Passing, count: int, first: Ints | None) -> list[Place]:
        """The cheapest places of both visits.

        Args:
            pickup: where the parcels lie, passed by.
            count: so many places.
            first: from which position of each row on; None: from all.
        """
        beside = self._surcharge + self._between()

        def told(rows: Ints) -> Floats:
            at = self._board.rows(rows)
            price = pickup.to[rows] + self._door.onward[rows] + beside[rows, None]
            for dimension, room in self._room:
                price = np.where(at.loads[dimension] <= room[rows, None], price, np.inf)
            price = _from_first(price, rows, first)
            return self._with_door(at, price, self._fetched(at) + self._order.between_s)

        least = (pickup.to + self._door.onward).min(axis=1) + beside
        found = _best_of(least, count, told)
        together = [Place(row, position, position, price) for row, position, price in found]
        bound = together[-1].price if together else np.inf
        return together + self._apart(pickup, count, first, bound)

    def _between(self) -> Floats | float:
        """What each van's drive from pickup to door costs."""
        order, over_km = self._order, self._door.over_km
        return order.between_price + (0.0 if over_km is None else over_km * order.between_m)

    def _fetched(self, at: Positions) -> Ints:
        """When the parcels are aboard."""
        job, ways = self._order.job, self._order.pickup
        assert ways is not None  # noqa: S101 - what is not aboard has a pickup
        arrival = at.leaves + ways.seconds_to[at.before]
        start = arrival if job.ready_from is None else np.maximum(arrival, job.ready_from)
        if job.pickup_windows:
            start = begun(job.pickup_windows, start)
            start = np.where(start <= job.pickup_windows[-1].closes, start, NEVER)
        fetched: Ints = start + job.pickup_service_s
        return fetched

    def _apart(self, pickup: Passing, count: int, first: Ints | None, bound: float) -> list[Place]:
        """The delivery later than right after the pickup, where that may cost less than ``bound``.

        The others are as those of `pairs`.
        """
        board, ways = self._board, self._order.pickup
        assert ways is not None  # noqa: S101 - what is not aboard has a pickup
        able = np.flatnonzero(pickup.least + self._door.least + self._surcharge < bound)
        if not len(able):
            return []
        detours = _from_first(self._detours(pickup, able), able, first)
        delivers = self._door.to[able] + self._door.onward[able]
        price = detours[:, :, None] + delivers[:, None, :] + _later(board.width)
        rows, positions, deliveries = np.nonzero(price < bound)
        price, rows = price[rows, positions, deliveries], able[rows]
        pickups = board.positions(rows, positions)
        doors = board.positions(rows, deliveries)
        onward = self._fetched(pickups) + ways.seconds_from[pickups.after]
        fits = (onward <= self._latest(pickups)) & self._holds(rows, positions, deliveries)
        push = np.maximum(0, onward - pickups.arrives)
        leaves = doors.leaves + np.maximum(0, push - (doors.waited - pickups.waited))
        if self._pushed_price:
            price += push * (pickups.late - doors.late) * self._pushed_price
        price = np.where(fits, price, np.inf)
        price = self._with_door(doors, price, self._at_door(doors, leaves))
        return [
            Place(int(rows[k]), int(positions[k]), int(deliveries[k]), float(price[k]))
            for k in cheapest(price, count)
        ]

    def _holds(self, rows: Ints, first: Ints, last: Ints) -> Flags:
        """Whether there is room from the first to the last position of each."""
        fits: Flags = np.ones(len(rows), dtype=np.bool_)
        for dimension, room in self._room:
            free = room[rows]
            if (self._board.most[dimension, rows] <= free).all():
                continue  # anywhere in those rows
            columns = np.arange(self._board.width)
            is_on = (columns >= first[:, None]) & (columns <= last[:, None])
            load = self._board.all.loads[dimension][rows]
            fits &= np.where(is_on, load, 0).max(axis=1) <= free
        return fits

    def _at_door(self, at: Positions, leaves: Ints) -> Ints:
        arrival: Ints = leaves + self._order.door.seconds_to[at.before]
        return arrival

    def _with_door(self, at: Positions, price: Floats, arrival: Ints) -> Floats:
        """The price with lateness for each arrival at the door; infinite where rules are broken."""
        order = self._order
        done, own_late = order.served(arrival)
        back = done + order.door.seconds_from[at.after]
        fits = back <= self._latest(at)
        if own_late is not None and order.job.may_be_late:
            price = price + own_late * order.late_s
        elif own_late is not None:
            fits &= own_late == 0
        if self._pushed_price:
            price = price + np.maximum(0, back - at.arrives) * at.late * self._pushed_price
        return np.where(fits, price, np.inf)


def _from_first(price: Floats, rows: Ints, first: Ints | None) -> Floats:
    """Infinite before the first position that each of these rows may use."""
    if first is None:
        return price
    return np.where(np.arange(price.shape[1]) >= first[rows, None], price, np.inf)


def _best_of(
    least: Floats, count: int, told: Callable[[Ints], Floats]
) -> list[tuple[int, int, float]]:
    """Rows, positions and prices of the cheapest, in ascending order of price.

    Args:
        least: of each row, never above what any position of it costs.
        count: so many positions, which are in as many rows whose least prices are least.
        told: what each position of some rows costs.
    """
    few = max(_FEW, count)
    while True:
        rows, bound = _least(least, few)
        exact = told(rows)
        best = cheapest(exact, count)
        if bound == np.inf or (best and exact.flat[best[0]] <= bound):
            width = exact.shape[1]
            return [(int(rows[k // width]), k % width, float(exact.flat[k])) for k in best]
        few *= _MORE


def _least(values: Floats, count: int) -> tuple[Ints, float]:
    """Where so many of the least are, and the least of all others."""
    if count >= len(values):
        return np.flatnonzero(values < np.inf), np.inf
    order = np.argpartition(values, count)
    return order[:count], float(values[order[count]])


@lru_cache(maxsize=64)
def _later(width: int) -> Floats:
    """Nothing where the second position is behind the first, infinite elsewhere."""
    return np.where(np.arange(width) > np.arange(width)[:, None], 0.0, np.inf)


def cheapest(priced: Floats, count: int) -> list[int]:
    """Flat indices of the ``count`` least finite values, least first."""
    flat = priced.ravel()
    if count == 1 and len(flat):
        found = flat.argmin(keepdims=True)
    elif count < len(flat):
        found = np.argpartition(flat, count)[:count]
        found = found[np.argsort(flat[found])]
    else:
        found = np.argsort(flat)
    return [int(at) for at in found if flat[at] < np.inf]
