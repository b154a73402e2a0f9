"""Making a plan: read the day as it stands, solve it, publish the next revision."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError
from cloud.foundation.ids import NewId
from cloud.orders import store as order_store
from cloud.orders.model import Promise
from cloud.orders.service import move
from cloud.places.service_times import ServiceTimes
from cloud.planning import job_store, proposal_store, store
from cloud.planning.client import PlannerClient, PlannerUnavailable
from cloud.planning.day import (
    DayPlan,
    Diff,
    Job,
    Revision,
    RevisionCommitted,
    RevisionCost,
    Route,
    Unplanned,
    difference,
    served_orders,
)
from cloud.planning.door_times import DoorTimes
from cloud.planning.keeping import faults
from cloud.planning.mattering import matters
from cloud.planning.model import Plan, Prices, Problem, Solved, SolveRequest
from cloud.planning.policy import TenantPolicy, why_ask
from cloud.planning.proposals import PlanProposed, Proposal, Sequences, sequences_of_routes
from cloud.planning.reading import read_day
from cloud.planning.revising import NewRoutes, outdated_by, routes_of, with_progress
from cloud.planning.situation import At, Day, problem_of
from cloud.planning.solvers.schedule import prices_of
from cloud.planning.worth_it import is_worth_it
from cloud.roads.client import RoadsClient
from cloud.roads.model import PlaceError, Point

log = logging.getLogger(__name__)

MAX_TRIES: Final = 5
SPARE_S: Final = 20.0
"""What the planner may take beside the solving itself, before it is given up."""
_RESTART_S: Final = 2.0
_SHIFTED_S: Final = 300.0

type Positions = Callable[[str], Mapping[str, At]]
"""Gives where each van of a tenant is."""


class Outcome(NamedTuple):
    """What came of a job: the revision in force, and how it got there.

    ``needless``: nothing that was told could change the plan, and none was sought. ``nothing``:
    none was found that is worth a revision.
    """

    revision: int
    how: Literal["committed", "proposed", "nothing", "needless"]


class PlanRefused(CloudError):
    """No plan can be made of the day as it stands; the text says why and what to do."""


class GaveWay(Exception):
    """A search was broken off for something more urgent. Nothing has changed."""


class PlanMaker:
    """Turns a job into the next revision of its day."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        roads: RoadsClient,
        planner: PlannerClient,
        positions: Positions,
        events: outbox.Outbox,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._clock = clock
        self._roads = roads
        self._planner = planner
        self._positions = positions
        self._events = events
        self._new_id = new_id
        self._door_times = DoorTimes(database, clock)

    async def make(self, job: Job, gives_way: asyncio.Event | None = None) -> Outcome:
        """Solve the day as it stands now, and publish the next revision or propose it.

        When the day has gone on meanwhile in a way the plan does not know of, it is solved anew.
        The job is done in the same transaction.

        Args:
            job: what is asked for.
            gives_way: when it is set, the search is broken off; what was found is published.

        Raises:
            PlanRefused: no plan can be made. CloudError: the planner or the roads do not answer.
            GaveWay: the search was broken off, and nothing has changed.
        """
        news = ""
        for _ in range(MAX_TRIES):
            day = await asyncio.to_thread(self._read_day, job)
            if not matters(day, job.about):
                return await asyncio.to_thread(self._leave, job, day.plan.revision)
            if not day.open_shifts():
                raise PlanRefused(
                    f"no shift is open for depot {job.depot_id} on {job.service_date}; add shifts"
                )
            if job.base is not None and job.base != day.plan.revision:
                raise PlanRefused(
                    f"revision {day.plan.revision} has come after {job.base}; look at it first"
                )
            policy, held = await asyncio.to_thread(self._asked, job)
            drives_s = await self._drives_s(day)
            problem = await asyncio.to_thread(problem_of, day, drives_s, policy, held)
            solved = await unless(gives_way, self._solve(job, problem, day.now))
            new = await asyncio.to_thread(routes_of, day, solved.plan, self._new_id)
            routes = await self._along_streets(day, new.routes)
            new = replace(new, routes=routes, unserved=_left_out(job, held, new.unserved))
            prices = prices_of(problem, solved.plan)
            made = _Made(job, policy, new, solved.plan, prices, solved.kept)
            outcome = await asyncio.to_thread(self._publish, day, made)
            if isinstance(outcome, Outcome):
                self._events.wake()
                return outcome
            news = outcome
            log.info("the day went on, it is planned anew", extra={"news": news})
        raise PlanRefused(f"the day went on faster than it could be planned ({news}); try again")

    def _asked(self, job: Job) -> tuple[TenantPolicy, Sequences | None]:
        """The tenant's policy, and the sequences that a job gives instead of seeking them."""
        with self._database.reading() as connection:
            day = job.tenant, job.depot_id, job.service_date
            policy = proposal_store.policy_of(connection, job.tenant)
            if job.restores is not None:
                return policy, proposal_store.sequences_of(connection, *day, job.restores)
            known = proposal_store.proposals(connection, *day)
            return policy, next((one.sequences for one in known if one.id == job.proposal_id), None)

    async def _solve(self, job: Job, problem: Problem, now: float) -> Solved:
        request = SolveRequest(
            problem=problem,
            solver=job.solver,
            seconds=job.seconds,
            seed=job.seed,
            now=int(now),
        )
        try:
            answer = await self._planner.solve(request, timeout_s=job.seconds + SPARE_S)
        except PlannerUnavailable:
            await asyncio.sleep(_RESTART_S)
            answer = await self._planner.solve(request, timeout_s=job.seconds + SPARE_S)
        if answer.check:
            raise PlanRefused(
                "the plan breaks its own rules and was not used: "
                + "; ".join(violation.text for violation in answer.check[:3])
            )
        return answer

    async def _drives_s(self, day: Day) -> dict[str, int]:
        async def ask(at: At, lat: float, lon: float) -> int | None:
            try:
                path = await self._roads.route([Point(at.lat, at.lon), Point(lat, lon)])
            except PlaceError:
                return None
            return path.seconds

        asked = day.drives_to_ask()
        answers = await asyncio.gather(
            *(ask(at, stop.lat, stop.lon) for at, stop in asked.values())
        )
        return {
            van: seconds for van, seconds in zip(asked, answers, strict=True) if seconds is not None
        }

    async def _along_streets(self, day: Day, routes: Iterable[Route]) -> tuple[Route, ...]:
        return tuple(await asyncio.gather(*(self._with_geometry(day, route) for route in routes)))

    async def _with_geometry(self, day: Day, route: Route) -> Route:
        if not route.open_stops:
            return route
        known = day.plan.route_of(route.vehicle_id)
        if known is not None and known.geometry and _way(known) == _way(route):
            return replace(route, geometry=known.geometry)
        at = day.newest_position(route.vehicle_id) if route.has_begun else None
        begin = Point(at.lat, at.lon) if at else Point(day.depot.lat, day.depot.lon)
        through = [Point(stop.lat, stop.lon) for stop in route.open_stops]
        try:
            path = await self._roads.route([begin, *through, Point(day.depot.lat, day.depot.lon)])
        except PlaceError:
            path = await self._roads.route([*through, Point(day.depot.lat, day.depot.lon)])
        return replace(route, geometry=path.geometry)

    def _read_day(self, job: Job) -> Day:
        times = self._door_times.of(job.tenant, job.depot_id)
        with self._database.reading() as connection:
            return self._day(connection, job, times)

    def _day(self, connection: Connection, job: Job, times: ServiceTimes) -> Day:
        return read_day(
            connection,
            job.tenant,
            job.depot_id,
            job.service_date,
            now=self._clock.now_s(),
            positions=self._positions(job.tenant),
            service_times=times,
        )

    def _leave(self, job: Job, revision: int) -> Outcome:
        """Nothing that was told changes the plan."""
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "done", revision=revision)
        return Outcome(revision, "needless")

    def _publish(self, before: Day, made: "_Made") -> Outcome | str:
        """Commit the next revision, or propose it; gives what came of it.

        When the plan is outdated, gives what makes it so.
        """
        with self._database.writing() as connection:
            now = self._day(connection, made.job, before.service_times)
            news = outdated_by(before, now, made.new.routes)
            if news is not None:
                return news
            outcome = self._decide(connection, now, made)
            job_store.mark_job(connection, made.job.id, "done", revision=outcome.revision)
        return outcome

    def _decide(self, connection: Connection, now: Day, made: "_Made") -> Outcome:
        """Put a plan in force, propose it, or leave all as it is."""
        job, new, plan = made.job, made.new, made.plan
        routes = with_progress(new.routes, now.plan)
        _require_kept(now, routes)
        diff = difference(now.plan, routes, new.sacrificed)
        if not is_worth_it(job.trigger, now.plan, routes, new, diff, made.gain_s):
            return Outcome(now.plan.revision, "nothing")
        cost = RevisionCost(
            drive_s=sum(route.drive_s for route in routes),
            distance_m=sum(route.distance_m for route in routes),
            late_s=plan.cost.late_s,
        )
        asks = why_ask(made.policy, job.trigger, diff)
        if asks is not None and now.plan.revision > 0:
            self._propose(connection, now, made, routes, cost, diff, asks)
            return Outcome(now.plan.revision, "proposed")
        number = now.plan.revision + 1
        revision = Revision(
            number=number,
            trigger=job.trigger,
            reason=job.reason,
            solver=plan.solver,
            created_at=now.now,
            cost=cost,
            diff=diff,
            prices=made.prices,
        )
        self._commit(connection, now, made, routes, revision)
        return Outcome(number, "committed")

    def _commit(
        self,
        connection: Connection,
        now: Day,
        made: "_Made",
        routes: tuple[Route, ...],
        revision: Revision,
    ) -> None:
        job, number = made.job, revision.number
        _tell_orders(connection, now, routes, made.new.promises)
        routes = _numbered(now.plan, routes, number)
        store.commit_revision(connection, now.plan, routes, made.new.unserved, revision)
        proposal_store.outdate(connection, job.tenant, job.depot_id, job.service_date)
        outbox.append(
            connection,
            job.tenant,
            now.now,
            RevisionCommitted(
                depot_id=job.depot_id,
                service_date=job.service_date.isoformat(),
                number=number,
                trigger=job.trigger,
                reason=job.reason,
                routes=tuple(route.id for route in routes if route.revision == number),
            ),
        )

    def _propose(
        self,
        connection: Connection,
        now: Day,
        made: "_Made",
        routes: Iterable[Route],
        cost: RevisionCost,
        diff: Diff,
        asks: str,
    ) -> None:
        job = made.job
        proposal = Proposal(
            tenant=job.tenant,
            id=self._new_id("proposal"),
            depot_id=job.depot_id,
            service_date=job.service_date,
            base=now.plan.revision,
            trigger=job.trigger,
            reason=job.reason,
            asks_because=asks,
            state="open",
            created_at=now.now,
            decided_by=None,
            cost=cost,
            diff=diff,
            sequences=sequences_of_routes(routes),
        )
        proposal_store.add_proposal(connection, proposal)
        outbox.append(
            connection,
            job.tenant,
            now.now,
            PlanProposed(
                depot_id=job.depot_id,
                service_date=job.service_date.isoformat(),
                proposal_id=proposal.id,
                trigger=job.trigger,
                reason=job.reason,
                asks_because=asks,
            ),
        )


async def unless[T](gives_way: asyncio.Event | None, work: Coroutine[None, None, T]) -> T:
    """The result of ``work``, which is ended when it is still at it as ``gives_way`` is set.

    Raises:
        GaveWay: it was ended.
    """
    if gives_way is None:
        return await work
    working = asyncio.create_task(work, name="search")
    told = asyncio.create_task(gives_way.wait(), name="give way")
    try:
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise GaveWay
        return working.result()
    finally:
        working.cancel()
        told.cancel()
        await asyncio.wait({working, told})


@dataclass(frozen=True, slots=True)
class _Made:
    """A solved day on its way to being published; ``kept`` is what the plan in force costs now."""

    job: Job
    policy: TenantPolicy
    new: NewRoutes
    plan: Plan
    prices: Prices
    kept: Prices | None

    @property
    def gain_s(self) -> float | None:
        """By which it is better than the plan in force, in seconds of driving."""
        return None if self.kept is None else self.kept.total - self.prices.total


def _way(route: Route) -> list[tuple[str, float, float]]:
    """Where a route still leads."""
    return [(stop.id, stop.lat, stop.lon) for stop in route.open_stops]


def _left_out(
    job: Job, held: Sequences | None, unserved: tuple[Unplanned, ...]
) -> tuple[Unplanned, ...]:
    """Why an order is left out when the sequences were given: it was in none of them."""
    if held is None:
        return unserved
    given = {step.job for steps in held.values() for step in steps}
    what = "the proposal" if job.restores is None else f"revision {job.restores}"
    reason = f"it is not in {what}, which a dispatcher chose; plan the day again to serve it"
    return tuple(one if one.order_id in given else replace(one, reason=reason) for one in unserved)


def _require_kept(now: Day, routes: Iterable[Route]) -> None:
    """Refuse what would undo what is done or under way; no plan from a sound planner does.

    Raises:
        PlanRefused: it would; names what.
    """
    found = faults(now, routes)
    if found:
        log.error("a plan breaks what is fixed and was not used", extra={"faults": found[:5]})
        raise PlanRefused(f"the plan breaks what is fixed and was not used: {'; '.join(found[:3])}")


def _tell_orders(
    connection: Connection, day: Day, routes: Iterable[Route], promises: Mapping[str, Promise]
) -> None:
    """Orders learn whether they are planned, and what is promised of them."""
    served = served_orders(routes)
    for order in day.orders.values():
        columns = _promise_columns(promises.get(order.id))
        if order.id in served and order.state == "received":
            move(connection, order, "plan", day.now, **columns)
        elif order.id not in served and order.state == "planned":
            move(connection, order, "unplan", day.now)
        elif columns:
            order_store.change(connection, order, **columns)


def _promise_columns(promise: Promise | None) -> dict[str, float]:
    if promise is None:
        return {}
    return {
        "promise_original_begin": promise.original.begin,
        "promise_original_end": promise.original.end,
        "promise_current_begin": promise.current.begin,
        "promise_current_end": promise.current.end,
    }


def _numbered(before: DayPlan, routes: Iterable[Route], number: int) -> tuple[Route, ...]:
    """Routes that changed carry the new revision; the others keep theirs and their geometry."""
    known = {route.id: route for route in before.routes}

    def numbered(route: Route) -> Route:
        was = known.get(route.id)
        if was is None or _differs(was, route):
            return replace(route, revision=number)
        return replace(route, revision=was.revision, geometry=was.geometry)

    return tuple(numbered(route) for route in routes)


def _differs(was: Route, now: Route) -> bool:
    """Whether a driver would notice: other stops, or the same at quite another time."""
    if [stop.id for stop in was.stops] != [stop.id for stop in now.stops]:
        return True
    return any(
        (before.window, before.service_s) != (after.window, after.service_s)
        or abs(before.planned_arrival - after.planned_arrival) > _SHIFTED_S
        for before, after in zip(was.stops, now.stops, strict=True)
        if after.state == "open"
    )
