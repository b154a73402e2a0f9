"""Dispatch without a plan: the nearest open door next."""

from dataclasses import replace
from typing import Final, NamedTuple

from bench.lived import KeptPlan
from cloud.orders.model import Order, Span
from sim.day import LivedDay, Task
from sim.geodesy import distance_m
from sim.happenings import Errand

_MPS: Final = 7.0
"""Of a guess whether a door is open when the van is there, on the straight line: an assumption."""


class _Heap(NamedTuple):
    """Orders that lie at a place."""

    orders: tuple[str, ...]
    point: tuple[float, float]


class Nearest(KeptPlan):
    """Vans load what the morning plan gave them, and drive to the nearest door that is open.

    What is urgent the van that is nearest to the depot fetches, and what a broken-down van has
    aboard the one that is nearest to it. Where no door is open the one that opens first is next.
    """

    name = "the nearest door next"

    def begin(self, day: LivedDay) -> None:
        """The day begins, with nothing to fetch."""
        super().begin(day)
        self._to_fetch: dict[str, list[_Heap]] = {}

    def next_task(self, van: str, now_s: float) -> Task | None:
        """Load, fetch what lies somewhere, then the nearest open door."""
        route = self.plan.route_of(van)
        first = super().next_task(van, now_s) if route and not route.has_begun else None
        if first is not None:
            return first
        heap = next(iter(self._to_fetch.get(van, ())), None)
        if heap is not None:
            return Task(f"fetch {heap.orders}", "pickup", heap.orders, heap.point, None)
        here = self._where(van, now_s)

        def away(order: Order) -> tuple[float, float]:
            away_m = distance_m(here, (order.lat, order.lon))
            told = _told(order)
            waits_s = 0.0 if told is None else max(0.0, told.begin - now_s - away_m / _MPS)
            return waits_s, away_m

        order = min(self._aboard(van), key=away, default=None)
        if order is None:
            return None
        told = _told(order)
        opens = told.begin if told else None
        return Task(f"door {order.id}", "delivery", (order.id,), (order.lat, order.lon), opens)

    def arrived(self, van: str, task: Task, now_s: float) -> bool:
        """Always, unless it was called off."""
        self._mark(task.stop_id, state="arrived", arrived_at=now_s)
        return any(self.orders[order].state != "cancelled" for order in task.orders)

    def done(self, van: str, task: Task, delivered: dict[str, bool], now_s: float) -> None:
        """Mark what is done."""
        super().done(van, task, delivered, now_s)
        if task.kind == "pickup":
            heaps = self._to_fetch.get(van, [])
            self._to_fetch[van] = [one for one in heaps if one.orders != task.orders]

    def ordered(self, errand: Errand, now_s: float) -> None:
        """The van that is nearest to the depot fetches it next."""
        super().ordered(errand, now_s)
        self._let_fetch(_Heap((errand.id,), self._script.depot), now_s)

    def broke_down(self, van: str, point: tuple[float, float], now_s: float) -> None:
        """The van that is nearest fetches next what lies there, and what it was to fetch."""
        super().broke_down(van, point, now_s)
        for heap in self._to_fetch.pop(van, ()):
            self._let_fetch(heap, now_s)
        lying = [
            order.id
            for order in self.as_it_stands(now_s).orders.values()
            if order.state == "out_for_delivery" and order.pickup is not None
        ]
        if lying:
            self._let_fetch(_Heap(tuple(lying), point), now_s)

    def _let_fetch(self, heap: _Heap, now_s: float) -> None:
        nearest = min(
            (van for van in self._script.vans if van not in self._broken),
            key=lambda van: distance_m(self._where(van, now_s), heap.point),
        )
        self._to_fetch.setdefault(nearest, []).append(heap)
        self.plan = replace(self.plan, revision=self.plan.revision + 1)

    def _aboard(self, van: str) -> list[Order]:
        return [
            order
            for order in self.orders.values()
            if order.state == "out_for_delivery" and order.aboard_count(van)
        ]

    def _where(self, van: str, now_s: float) -> tuple[float, float]:
        return self._script.depot if self.day is None else self.day.motion(van, now_s)[0]


def _told(order: Order) -> Span | None:
    return order.promise.current if order.promise else order.window
