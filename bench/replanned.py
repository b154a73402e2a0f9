"""The product's planning loop under a day that is lived, and a full new plan in its place.

Which news asks for what, which jobs join, what an urgent order gets, when a plan is outdated by
what happened meanwhile and when it is no revision: all of that are the product's own rules. Here is
only the clock: a search takes the simulated seconds that the product gives it (of which it really
searches a share), and what happens in the streets meanwhile happens.
"""

from dataclasses import dataclass, replace
from typing import Final

import msgspec
from msgspec import structs

from bench.lived import KeptPlan, Made
from cloud.foundation.outbox import DomainEvent
from cloud.orders.model import OrderMoved, OrderReceived
from cloud.orders.states import OrderState
from cloud.planning.answering import REPLAN_S, improvement, is_followed, job_of
from cloud.planning.arrivals import Arrivals, Forecast, arrivals_of, forecast_of, holds, news_of
from cloud.planning.breakdowns.model import VanBrokeDown
from cloud.planning.day_plan import Route
from cloud.planning.diff import difference
from cloud.planning.eta import underway
from cloud.planning.jobs import Job
from cloud.planning.keeping import faults
from cloud.planning.making import MAX_TRIES
from cloud.planning.mattering import matters
from cloud.planning.meanwhile import outdated_by, with_progress
from cloud.planning.questions import SolveRequest
from cloud.planning.situation import At, Day
from cloud.planning.told_store import slot_of
from cloud.planning.triggers import cause_of
from cloud.planning.turns import gives_way, is_due, joined, joins, to_begin
from cloud.planning.worth import Eta, Judged, worth_noting
from cloud.planning.worth_it import is_worth_it
from sim.day import LivedDay, Task
from sim.happenings import Errand

LOOK_EVERY_S: Final = 120.0
"""Simulated; the product looks each ten seconds, which would take the bench longer than the day."""
REALLY: Final = 0.2
"""Of the seconds that the product gives a search from the plan in force."""
_LEAST_S: Final = 0.05
_OVERTIME_S: Final = 7_200.0
_BESIDE_S: Final = 0.5
"""What the road engine, the check and the commit take beside a search: an assumption, rounded up
from 60 to 150 ms for a matrix and some milliseconds for the rest."""


@dataclass(slots=True)
class _AtWork:
    """A job that was begun: of which day, and what it will publish."""

    job: Job
    day: Day
    made: Made
    tries: int


class Replanned(KeptPlan):
    """The product's way: from the plan in force, on events and on promises in danger."""

    name = "re-planned from the plan in force"
    really = REALLY
    """Of the seconds that it is given, so much is really searched."""

    def begin(self, day: LivedDay) -> None:
        """The day begins, and the watch over its promises."""
        super().begin(day)
        self._lived = day
        self._waiting: list[Job] = []
        self._at_work: _AtWork | None = None
        self._searches = 0
        self._told: set[tuple[type, str, float]] = set()
        self._standing: dict[str, Forecast] = {}
        self._noted: dict[tuple[str, int, int], tuple[float, Eta]] = {}
        day.call(self._script.begins_s + LOOK_EVERY_S, "look")

    def ordered(self, errand: Errand, now_s: float) -> None:
        """It is news."""
        super().ordered(errand, now_s)
        order = self.orders[errand.id]
        self._hear(
            OrderReceived(
                order_id=order.id, depot_id=order.depot_id,
                service_date=order.service_date.isoformat(), priority=order.priority,
            ), now_s,
        )  # fmt: skip

    def called_off(self, order: str, now_s: float) -> None:
        """It is news."""
        before = self.orders[order].state
        super().called_off(order, now_s)
        self._moved(order, before, now_s)

    def done(self, van: str, task: Task, delivered: dict[str, bool], now_s: float) -> None:
        """Who was not at home is news."""
        before = {order_id: self.orders[order_id].state for order_id in delivered}
        super().done(van, task, delivered, now_s)
        for order_id, state in before.items():
            if task.kind == "delivery":
                self._moved(order_id, state, now_s)

    def broke_down(self, van: str, point: tuple[float, float], now_s: float) -> None:
        """It is news; what is aboard is fetched from where the van stands."""
        super().broke_down(van, point, now_s)
        lat, lon = point
        self._hear(
            VanBrokeDown(vehicle_id=van, lat=lat, lon=lon, note="", reported_by="driver"), now_s
        )

    def called(self, what: str, now_s: float) -> None:
        """A search is over, or it is time to look at the promises."""
        if what == "look":
            self._look(now_s)
        elif what == "due":
            self._begin(now_s)
        elif self._at_work is not None and what == f"search {self._searches}":
            self._publish(self._at_work, now_s)

    def judged(self) -> list[Judged]:
        """What was forecast, one of each route, two hours and horizon, and when the van came."""
        came = {
            stop.id: stop.arrived_at
            for route in self.plan.routes
            for stop in route.stops
            if stop.arrived_at is not None
        }
        return [
            Judged(self.plan.service_date, route_id, eta.p50 - told_s, *eta[1:], came[eta.stop_id])
            for (route_id, _, _), (told_s, eta) in self._noted.items()
            if eta.stop_id in came
        ]

    def _moved(self, order_id: str, before: OrderState, now_s: float) -> None:
        order = self.orders[order_id]
        if order.state != before:
            self._hear(
                OrderMoved(
                    order_id=order_id, depot_id=order.depot_id,
                    service_date=order.service_date.isoformat(), before=before, after=order.state,
                ), now_s,
            )  # fmt: skip

    def _hear(self, event: msgspec.Struct, now_s: float) -> None:
        told = DomainEvent(
            position=0, tenant=self.plan.tenant, kind=type(event).__name__,
            payload=msgspec.json.encode(event), at=now_s,
        )  # fmt: skip
        cause = cause_of(told)
        if cause is not None:
            day = told.tenant, self.plan.depot_id, self.plan.service_date
            self._ask(self.job_for(job_of(day, cause, f"job-{next(self._names)}", now_s)), now_s)

    def job_for(self, job: Job) -> Job:
        """What is done about a cause."""
        return job

    def _ask(self, job: Job, now_s: float) -> None:
        at_work = self._at_work
        if at_work is not None and gives_way(at_work.job, job):
            self._waiting.append(at_work.job)
            self._at_work = None
        for at, waiting in enumerate(self._waiting):
            if joins(waiting, job):
                self._waiting[at] = joined(waiting, job)
                break
        else:
            self._waiting.append(job)
        if job.due_at is not None:
            self._lived.call(job.due_at, "due")
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        due = [job for job in self._waiting if is_due(job, now_s)]
        if self._at_work is None:
            for job in to_begin(due, [], at_once=1, last_turn={}):
                self._waiting.remove(job)
                self._search(job, now_s, tries=1)

    def _search(self, job: Job, now_s: float, *, tries: int) -> None:
        day = self.as_it_stands(now_s)
        if not matters(day, job.about) or not day.open_shifts():
            return
        made = self.made(day, max(_LEAST_S, self.really * job.seconds), job.solver)
        self._searches += 1
        self._at_work = _AtWork(job, day, made, tries)
        self._lived.call(now_s + job.seconds + _BESIDE_S, f"search {self._searches}")

    def _publish(self, work: _AtWork, now_s: float) -> None:
        self._at_work = None
        now, job, new = self.as_it_stands(now_s), work.job, work.made.new
        if outdated_by(work.day, now, new.routes) is None:
            routes = with_progress(new.routes, self.plan)
            diff = difference(self.plan, routes, new.sacrificed)
            is_committed = not faults(now, routes) and is_worth_it(
                job.trigger, self.plan, routes, new, diff, work.made.gain_s
            )
            if is_committed:
                self.take(new)
            if is_followed(job, is_committed=is_committed):
                self._ask(improvement(job, f"job-{next(self._names)}", now_s), now_s)
        elif work.tries < MAX_TRIES:
            self._search(job, now_s, tries=work.tries + 1)
        self._begin(now_s)

    def _look(self, now_s: float) -> None:
        for route in self.plan.routes:
            if route.open_stops and now_s < route.ends_at + 4 * LOOK_EVERY_S * 30:
                self._look_at(route, now_s)
        if (
            any(route.open_stops for route in self.plan.routes)
            and now_s < self._script.ends_s + 7_200
        ):
            self._lived.call(now_s + LOOK_EVERY_S, "look")

    def _look_at(self, route: Route, now_s: float) -> None:
        for arrival in self._expected(route, now_s).items:
            for order_id in arrival.order_ids if arrival.risk != "none" else ():
                promise = self.orders[order_id].promise
                news = None if promise is None else news_of(arrival.eta, promise.current.end)
                if promise is None or news is None:
                    continue
                told = news, order_id, promise.current.end
                if told in self._told:
                    continue
                self._told.add(told)
                self._hear(
                    news(
                        order_id=order_id, depot_id=route.depot_id,
                        service_date=route.service_date.isoformat(), route_id=route.id,
                        vehicle_id=route.vehicle_id, promised_until=promise.current.end,
                        expected_at=arrival.eta.p50,
                    ), now_s,
                )  # fmt: skip

    def _expected(self, route: Route, now_s: float) -> Arrivals:
        (lat, lon), _ = self._lived.motion(route.vehicle_id, now_s)
        left = self.way_left(route.vehicle_id, route.open_stops[0].id, now_s)
        van = underway(route, self._learned.zone, now_s, left)
        known = self._standing.get(route.id)
        if known is None or not holds(known, van):
            known = self._standing[route.id] = forecast_of(van, self._learned)
            for horizon, eta in worth_noting(known.uncorrected, now_s).items():
                self._noted.setdefault((route.id, slot_of(now_s), horizon), (now_s, eta))
        return arrivals_of(route, At(lat, lon, now_s), self.orders, known, now_s)


class FullResolve(Replanned):
    """A full new plan on each of the same events, as if none were in force."""

    name = "a full new plan on each event"
    really = 1.0  # it begins from nothing each time

    def job_for(self, job: Job) -> Job:
        """A search as long as the product's, and of the usual length for urgent orders too."""
        return replace(job, solver="auto", seconds=max(job.seconds, REPLAN_S))

    def request(self, day: Day, seconds: float) -> SolveRequest:
        """Without any price on change."""
        asked = super().request(day, seconds)
        policy = structs.replace(asked.problem.policy, changed_vehicle=0.0, changed_sequence=0.0)
        vehicles = tuple(structs.replace(van, in_force=()) for van in asked.problem.vehicles)
        free = structs.replace(asked.problem, policy=policy, vehicles=vehicles)
        return structs.replace(asked, problem=free)
