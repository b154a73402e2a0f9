"""Pricing one order at every position of a board. Pure.

Savelsbergh's forward time slack (1992) tells in constant time whether what follows bears a delay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.planning.model import Job, Policy, Window
from cloud.planning.solvers.insertion.board import Board, Floats, Ints, Ways
from cloud.planning.solvers.insertion.rows import NEVER
from cloud.planning.solvers.rates import price_of_lateness

type Flags = npt.NDArray[np.bool_]

_FEW: Final = 128
"""So many of the cheapest positions are put to the clock before all others."""


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

    def served(self, arrival: Ints) -> tuple[Ints, Ints]:
        """When the service at the door is done for each arrival, and how late it begins."""
        windows = self.job.windows
        if not windows:
            return arrival + self.job.service_s, np.zeros_like(arrival)
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

    Prices are had for every position at once. What the clock says is asked of the cheapest few, and
    of the others only when none of these is feasible, or lateness makes them dear.
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
        self._room = {
            at: (capacity[at] - taken)[:, None] for at, taken in enumerate(order.load) if taken
        }
        self._surcharge = surcharge[:, None]
        self._latest = board.latest_soft if is_soft else board.latest
        self._is_there: Flags = self._latest > -NEVER
        self._late_price = 0.0 if is_soft else order.pushed_s
        self._metre = None if metre is None else (metre - order.metre)[:, None]
        self._detour: Floats = (
            order.price_to[board.before]
            + order.price_from[board.after]
            - board.price
            + self._own(order.door.metres_to, order.door.metres_from)
        )

    def _own(self, to: Ints, on: Ints) -> Floats | float:
        """What such a detour costs more, or less, on each van by its own price of a metre."""
        if self._metre is None:
            return 0.0
        return self._metre * (to[self._board.before] + on[self._board.after])

    def alone(self, count: int, delays: Ints | None) -> list[Place]:
        """The cheapest places of the delivery by itself.

        ``delays``: how much later each van leaves when it loads the order; None: it is aboard.
        """
        fits = self._is_there
        if delays is not None:
            for at, room in self._room.items():
                fits = fits & (np.maximum.accumulate(self._board.load[at], axis=1) <= room)
        late = np.zeros(len(self._surcharge), dtype=np.int64) if delays is None else delays

        def told(rows: Ints, positions: Ints, price: Floats) -> Floats:
            return self._alone_at(rows, positions, price, late[rows])

        found = self._best_of(np.where(fits, self._detour + self._surcharge, np.inf), count, told)
        return [Place(row, None, position, price) for row, position, price in found]

    def _alone_at(self, rows: Ints, positions: Ints, price: Floats, delay: Ints) -> Floats:
        board = self._board
        at = rows, positions
        leaves = board.leaves[at] + np.maximum(0, delay - board.waited[at])
        bears = delay <= self._latest[rows, 0] - board.arrives[rows, 0]
        late_before = board.late[rows, 0] - board.late[at]
        price = price + delay * late_before * self._late_price
        price = np.where(bears | (positions == 0), price, np.inf)
        return self._with_door(rows, positions, price, self._at_door(leaves, at))

    def pairs(self, count: int, first: Ints) -> list[Place]:
        """The cheapest places of both visits, from the position ``first`` of each row on."""
        board, order = self._board, self._order
        to_pickup = order.price_to_pickup[board.before] + self._surcharge
        fits = self._is_there
        for at, room in self._room.items():
            fits = fits & (board.load[at] <= room)
        if first.any():
            fits = fits & (np.arange(board.width) >= first[:, None])
        both = to_pickup + order.price_from[board.after] + (order.between_price - board.price)
        ways = order.pickup
        assert ways is not None  # noqa: S101 - what is not aboard has a pickup
        if self._metre is not None:
            both = both + self._own(ways.metres_to, order.door.metres_from)
            both = both + self._metre * order.between_m
        found = self._best_of(np.where(fits, both, np.inf), count, self._together_at)
        together = [Place(row, position, position, price) for row, position, price in found]
        bound = together[0].price if together else np.inf
        detour = to_pickup + order.price_from_pickup[board.after] - board.price
        detour = detour + self._own(ways.metres_to, ways.metres_from)
        least = np.where(self._is_there, self._detour, np.inf).min(axis=1, keepdims=True)
        rows, positions = np.nonzero(fits & (detour + least < bound))
        if not len(rows):
            return together
        return together + self._apart(count, rows, positions, detour[rows, positions])

    def _together_at(self, rows: Ints, positions: Ints, price: Floats) -> Floats:
        at = rows, positions
        return self._with_door(rows, positions, price, self._fetched(at) + self._order.between_s)

    def _fetched(self, at: tuple[Ints, Ints]) -> Ints:
        """When the parcels are aboard."""
        job, ways = self._order.job, self._order.pickup
        assert ways is not None  # noqa: S101 - what is not aboard has a pickup
        arrival = self._board.leaves[at] + ways.seconds_to[self._board.before[at]]
        start = begun(job.pickup_windows, np.maximum(arrival, job.ready_from or 0))
        if job.pickup_windows:
            start = np.where(start <= job.pickup_windows[-1].closes, start, NEVER)
        fetched: Ints = start + job.pickup_service_s
        return fetched

    def _apart(self, count: int, rows: Ints, positions: Ints, detour: Floats) -> list[Place]:
        """The delivery later than right after the pickup, for each place of the pickup given."""
        board, ways = self._board, self._order.pickup
        assert ways is not None  # noqa: S101 - what is not aboard has a pickup
        onward = self._fetched((rows, positions)) + ways.seconds_from[board.after[rows, positions]]
        bears = np.flatnonzero(onward <= self._latest[rows, positions])
        rows, positions, detour = rows[bears], positions[bears], detour[bears]
        at = rows, positions
        columns = np.arange(board.width)
        push = np.maximum(0, onward[bears] - board.arrives[at])[:, None]
        waited = board.waited[rows] - board.waited[at][:, None]
        leaves = board.leaves[rows] + np.maximum(0, push - waited)
        fits = (columns > positions[:, None]) & self._is_there[rows]
        for dimension, room in self._room.items():
            load = np.where(columns >= positions[:, None], board.load[dimension, rows], 0)
            fits &= np.maximum.accumulate(load, axis=1) <= room[rows]
        between = push * (board.late[at][:, None] - board.late[rows]) * self._late_price
        price = np.where(fits, detour[:, None] + self._detour[rows] + between, np.inf)
        pickups, deliveries = np.nonzero(fits)
        there = rows[pickups], deliveries
        door = self._at_door(leaves[pickups, deliveries], there)
        priced = self._with_door(*there, price[pickups, deliveries], door)
        return [
            Place(
                int(there[0][k]), int(positions[pickups[k]]), int(deliveries[k]), float(priced[k])
            )
            for k in cheapest(priced, count)
        ]

    def _at_door(self, leaves: Ints, at: tuple[Ints, Ints]) -> Ints:
        return leaves + self._order.door.seconds_to[self._board.before[at]]

    def _with_door(self, rows: Ints, positions: Ints, price: Floats, arrival: Ints) -> Floats:
        """The price with lateness for each arrival at the door; infinite where rules are broken."""
        board, order, at = self._board, self._order, (rows, positions)
        done, own_late = order.served(arrival)
        back = done + order.door.seconds_from[board.after[at]]
        fits = back <= self._latest[at]
        if order.job.may_be_late:
            price = price + own_late * order.late_s
            if order.job.late_until is not None:
                fits &= arrival <= order.job.late_until
        elif order.job.windows:
            fits &= own_late == 0
        push = np.maximum(0, back - board.arrives[at])
        return np.where(fits, price + push * board.late[at] * self._late_price, np.inf)

    def _best_of(
        self, price: Floats, count: int, told: Callable[[Ints, Ints, Floats], Floats]
    ) -> list[tuple[int, int, float]]:
        """Rows, positions and exact prices of the cheapest; ``price`` is never above the exact."""
        flat = price.ravel()
        few = max(_FEW, count)
        is_cut = len(flat) > few
        asked = np.argpartition(flat, few)[:few] if is_cut else np.arange(len(flat))
        while True:
            rows, positions = np.divmod(asked, self._board.width)
            exact = told(rows, positions, flat[asked])
            best = cheapest(exact, count)
            if not is_cut or (best and exact[best[0]] <= flat[asked].max()):
                return [(int(rows[k]), int(positions[k]), float(exact[k])) for k in best]
            asked, is_cut = np.flatnonzero(flat < np.inf), False


def cheapest(priced: Floats, count: int) -> list[int]:
    """Flat indices of the ``count`` least finite values, least first."""
    flat = priced.ravel()
    if count < len(flat):
        found = np.argpartition(flat, count)[:count]
        found = found[np.argsort(flat[found])]
    else:
        found = np.argsort(flat)
    return [int(at) for at in found if flat[at] < np.inf]
