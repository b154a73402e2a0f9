"""Pricing one order at every position of a board. Pure.

Savelsbergh's forward time slack (1992) tells in constant time whether what follows bears a delay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.planning.model import Job, Policy, Window
from cloud.planning.solvers.insertion.board import Board, Floats, Ints, Ways
from cloud.planning.solvers.insertion.rows import NEVER
from cloud.planning.solvers.rates import price_of_lateness

type Flags = npt.NDArray[np.bool_]

_FEW: Final = 8
_MORE: Final = 8
"""So many rows at least are put to the clock first, and so many times more each time that those
before were not enough."""

type At = Ints | tuple[Ints, Ints]
"""Whole rows of a board, or single positions of it."""


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
    """One order with its ways, priced once."""

    def __init__(self, job: Job, policy: Policy, door: Ways, pickup: Ways | None) -> None:
        self.metre = km = policy.km / 1_000
        self.job = job
        self.late_s = price_of_lateness(policy, job)
        self.pushed_s = policy.late_s
        self.door = door
        self.pickup = pickup
        self.price_to: Floats = door.seconds_to + door.metres_to * km
        self.price_from: Floats = door.seconds_from + door.metres_from * km
        self.load = job.load
        self.price_to_pickup: Floats = np.zeros(0)
        self.price_from_pickup: Floats = np.zeros(0)
        self.between_s = 0
        self.between_m = 0
        self.between_price = 0.0
        if pickup is not None and job.pickup is not None:
            self.price_to_pickup = pickup.seconds_to + pickup.metres_to * km
            self.price_from_pickup = pickup.seconds_from + pickup.metres_from * km
            self.between_s = int(door.seconds_to[job.pickup])
            self.between_m = int(door.metres_to[job.pickup])
            self.between_price = float(self.price_to[job.pickup])

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
    start = arrival
    for window in reversed(windows):
        within = np.maximum(arrival, window.opens)
        is_before = arrival <= window.closes
        start = within if window is windows[-1] else np.where(is_before, within, start)
    return start


class Search:
    """One order on one board of vans with that capacity, a row for each dimension of it.

    ``surcharge`` is what each van costs beside the driving, ``metre`` what a metre of it does;
    None is what the policy says of all.

    What the driving costs is had for every position at once, and bounds its price from below. Room
    and clock are asked of the rows with the least bounds, and of others only until none of them can
    be cheaper than what was found.
    """

    def __init__(
        self,
        board: Board,
        order: Order,
        capacity: Ints,
        surcharge: Floats,
        *,
        metre: Floats | None = None,
        is_soft: bool,
    ) -> None:
        self._board = board
        self._order = order
        self._room = [(at, capacity[at] - taken) for at, taken in enumerate(order.load) if taken]
        self._surcharge = surcharge[:, None]
        self._latest = board.latest_soft if is_soft else board.latest
        self._late_price = 0.0 if is_soft else order.pushed_s
        self._metre = None if metre is None else (metre - order.metre)[:, None]
        self._onward = self._from(order.price_from, order.door) - board.price
        self._detour = self._to(order.price_to, order.door) + self._onward

    def _to(self, price: Floats, ways: Ways) -> Floats:
        """What driving to a place costs from before each position."""
        told: Floats = price.take(self._board.before)
        if self._metre is not None:
            told += self._metre * ways.metres_to.take(self._board.before)
        return told

    def _from(self, price: Floats, ways: Ways) -> Floats:
        """What driving from a place costs to behind each position."""
        told: Floats = price.take(self._board.after)
        if self._metre is not None:
            told += self._metre * ways.metres_from.take(self._board.after)
        return told

    def alone(self, count: int, delays: Ints | None) -> list[Place]:
        """The cheapest places of the delivery by itself.

        ``delays``: how much later each van leaves when it loads the order; None: it is aboard.
        """

        def told(rows: Ints, price: Floats) -> Floats:
            return self._alone_on(rows, price, delays)

        found = self._best_of(self._detour + self._surcharge, count, told)
        return [Place(row, None, position, price) for row, position, price in found]

    def _alone_on(self, rows: Ints, price: Floats, delays: Ints | None) -> Floats:
        board = self._board
        leaves = board.leaves[rows]
        if delays is None:
            return self._with_door(rows, price, self._at_door(leaves, rows))
        for at, room in self._room:
            load = np.maximum.accumulate(board.load[at, rows], axis=1)
            price = np.where(load <= room[rows, None], price, np.inf)
        delay = delays[rows, None]
        bears = delay <= self._latest[rows, :1] - board.arrives[rows, :1]
        late = board.late[rows]
        price = price + delay * (late[:, :1] - late) * self._late_price
        price[:, 1:][~bears[:, 0]] = np.inf
        leaves = leaves + np.maximum(0, delay - board.waited[rows])
        return self._with_door(rows, price, self._at_door(leaves, rows))

    def pairs(self, count: int, first: Ints) -> list[Place]:
        """The cheapest places of both visits, from the position ``first`` of each row on."""
        order, ways = self._order, self._order.pickup
        assert ways is not None  # noqa: S101 - what is not aboard has a pickup
        to_pickup = self._to(order.price_to_pickup, ways) + self._surcharge
        between = order.between_price
        least = first[:, None] if first.any() else None
        both = to_pickup + self._onward
        both += between if self._metre is None else between + self._metre * order.between_m

        def told(rows: Ints, price: Floats) -> Floats:
            for at, room in self._room:
                price = np.where(self._board.load[at, rows] <= room[rows, None], price, np.inf)
            if least is not None:
                price = np.where(np.arange(price.shape[1]) >= least[rows], price, np.inf)
            return self._with_door(rows, price, self._fetched(rows) + order.between_s)

        found = self._best_of(both, count, told)
        together = [Place(row, position, position, price) for row, position, price in found]
        bound = together[-1].price if together else np.inf
        detour = to_pickup + self._from(order.price_from_pickup, ways) - self._board.price
        if least is not None:
            detour[np.arange(detour.shape[1]) < least] = np.inf
        return together + self._apart(count, detour, bound)

    def _fetched(self, at: At) -> Ints:
        """When the parcels are aboard."""
        job, ways = self._order.job, self._order.pickup
        assert ways is not None  # noqa: S101 - what is not aboard has a pickup
        arrival = self._board.leaves[at] + ways.seconds_to.take(self._board.before[at])
        start = arrival if job.ready_from is None else np.maximum(arrival, job.ready_from)
        if job.pickup_windows:
            start = begun(job.pickup_windows, start)
            start = np.where(start <= job.pickup_windows[-1].closes, start, NEVER)
        fetched: Ints = start + job.pickup_service_s
        return fetched

    def _apart(self, count: int, detour: Floats, bound: float) -> list[Place]:
        """The delivery later than right after the pickup, where that may cost less than ``bound``.

        ``detour``: of the pickup alone at each position.
        """
        board, ways = self._board, self._order.pickup
        assert ways is not None  # noqa: S101 - what is not aboard has a pickup
        least = _least_of_rows(detour) + _least_of_rows(self._detour)
        able = np.flatnonzero(least < bound)
        if not len(able):
            return []
        price = detour[able, :, None] + self._detour[able, None, :] + _later(board.width)
        rows, positions, deliveries = np.nonzero(price < bound)
        price, rows = price[rows, positions, deliveries], able[rows]
        pickups, doors = (rows, positions), (rows, deliveries)
        onward = self._fetched(pickups) + ways.seconds_from.take(board.after[pickups])
        fits = (onward <= self._latest[pickups]) & self._holds(rows, positions, deliveries)
        push = np.maximum(0, onward - board.arrives[pickups])
        waited = board.waited[doors] - board.waited[pickups]
        leaves = board.leaves[doors] + np.maximum(0, push - waited)
        price += push * (board.late[pickups] - board.late[doors]) * self._late_price
        price = self._with_door(doors, np.where(fits, price, np.inf), self._at_door(leaves, doors))
        return [
            Place(int(rows[k]), int(positions[k]), int(deliveries[k]), float(price[k]))
            for k in cheapest(price, count)
        ]

    def _holds(self, rows: Ints, first: Ints, last: Ints) -> Flags:
        """Whether there is room from the first to the last position of each."""
        fits: Flags = np.ones(len(rows), dtype=np.bool_)
        for at, room in self._room:
            load, columns = self._board.load[at, rows], np.arange(self._board.width)
            is_on = (columns >= first[:, None]) & (columns <= last[:, None])
            fits &= np.where(is_on, load, 0).max(axis=1) <= room[rows]
        return fits

    def _at_door(self, leaves: Ints, at: At) -> Ints:
        return leaves + self._order.door.seconds_to.take(self._board.before[at])

    def _with_door(self, at: At, price: Floats, arrival: Ints) -> Floats:
        """The price with lateness for each arrival at the door; infinite where rules are broken."""
        board, order = self._board, self._order
        done, own_late = order.served(arrival)
        back = done + order.door.seconds_from.take(board.after[at])
        fits = back <= self._latest[at]
        if own_late is not None and order.job.may_be_late:
            price = price + own_late * order.late_s
        elif own_late is not None:
            fits &= own_late == 0
        if self._late_price:
            late = board.late[at]
            if late.any():
                price = price + np.maximum(0, back - board.arrives[at]) * late * self._late_price
        return np.where(fits, price, np.inf)

    def _best_of(
        self, price: Floats, count: int, told: Callable[[Ints, Floats], Floats]
    ) -> list[tuple[int, int, float]]:
        """Rows, positions and exact prices of the cheapest; ``price`` is never above the exact.

        The cheapest positions are in as many rows whose least prices are least.
        """
        least, few = _least_of_rows(price), max(_FEW, count)
        while True:
            rows, bound = _least(least, few)
            exact = told(rows, price[rows])
            best = cheapest(exact, count)
            if bound == np.inf or (best and exact.flat[best[0]] <= bound):
                width = price.shape[1]
                return [(int(rows[k // width]), k % width, float(exact.flat[k])) for k in best]
            few *= _MORE


def _least_of_rows(values: Floats) -> Floats:
    """As ``values.min(axis=1)``, which takes five times as long for so short rows."""
    least: Floats = np.ascontiguousarray(values.T).min(axis=0)
    return least


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
    if count < len(flat):
        found = np.argpartition(flat, count)[:count]
        found = found[np.argsort(flat[found])]
    else:
        found = np.argsort(flat)
    return [int(at) for at in found if flat[at] < np.inf]
