"""Making a plan: read the day as it stands, solve it, publish the next revision."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from sqlalchemy import Connection

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.ids import NewId
from cloud.places.service_times import ServiceTimes
from cloud.planning import policy_store, proposal_store, revision_store
from cloud.planning.answering import REPLAN_S
from cloud.planning.client import PlannerClient, PlannerUnavailable
from cloud.planning.committing import Committer, Known, Made, Outcome, PlanRefused
from cloud.planning.day_plan import DayPlan, Route, Unplanned
from cloud.planning.door_times import DoorTimes
from cloud.planning.foretelling import Foretelling
from cloud.planning.given import drops, gives_up, left_out_of, set_out_anew, with_new_legs
from cloud.planning.halts import Grouped, door_of, grouped, halt_faults
from cloud.planning.jobs import Job
from cloud.planning.mattering import matters
from cloud.planning.memory import Undone, undone, without_undone
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of
from cloud.planning.problem import Problem
from cloud.planning.proposals import Sequences, sequences_of_routes
from cloud.planning.questions import Solved, SolveRequest
from cloud.planning.reading import read_day
from cloud.planning.reordering import is_as_timed, resorted_vans, with_news_of_drivers
from cloud.planning.repathing import repathed
from cloud.planning.revising import NewRoutes, routes_of
from cloud.planning.situation import At, Day
from cloud.planning.solvers.schedule import prices_of
from cloud.planning.yielding import Yielding
from cloud.roads.access import AccessStreet
from cloud.roads.model import Path, PlaceError, Point
from cloud.roads.ways import TimedWays

log = logging.getLogger(__name__)

MAX_TRIES: Final = 5
SPARE_S: Final = 20.0
"""What the planner may take beside the solving itself, before it is given up."""
_RESTART_S: Final = 2.0
type Positions = Callable[[str], Mapping[str, At]]
"""Gives where each van of a tenant is."""


class PlanMaker:
    """Turns a job into the next revision of its day."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        roads: TimedWays,
        planner: PlannerClient,
        positions: Positions,
        events: outbox.Outbox,
        new_id: NewId,
        streets: Callable[[], tuple[AccessStreet, ...]] = tuple,
    ) -> None:
        self._database = database
        self._streets = streets
        self._clock = clock
        self._roads = roads
        self._planner = planner
        self._positions = positions
        self._events = events
        self._new_id = new_id
        self._door_times = DoorTimes(database, clock)
        self._foretelling = Foretelling(database, planner, clock)
        self._committer = Committer(database, self._day, self._later, new_id)

    async def make(self, wanted: Job, yielding: Yielding | None = None) -> Outcome:
        """Solve the day as it stands now, and publish the next revision or propose it.

        When the day has gone on meanwhile in a way the plan does not know of, it is solved anew.
        The job is done in the same transaction.

        Args:
            wanted: what is asked for.
            yielding: by which its search may be broken off; what was found is published.

        Raises:
            PlanRefused: no plan can be made. CloudError: the planner or the roads do not answer.
            GaveWay: the search was broken off, and nothing has changed.
        """
        yielding = yielding or Yielding()
        news, follows = "", wanted.trigger == "driver_reordered"
        if wanted.is_urgent:
            self._foretelling.doors(wanted.day_key, [one.order_id for one in wanted.about])
        for _ in range(MAX_TRIES):
            known, found = await yielding.unless_asked(self._search(wanted, follows=follows))
            if found is None:
                revision = known.day.plan.revision
                return await asyncio.to_thread(self._committer.leave, wanted, revision)
            new = await asyncio.to_thread(
                routes_of,
                found.day,
                found.solved.plan,
                self._new_id,
                found.shaped.halts,
                gives_up(found.job, found.day),
            )
            if follows and drops(found.day, new):
                follows, news = False, "what the driver changed leaves orders out"
                wanted = replace(wanted, seconds=REPLAN_S)
                continue
            made = await self._made(found, new)
            outcome = await asyncio.to_thread(self._committer.publish, found.day, made, known)
            if isinstance(outcome, Outcome):
                self._events.wake()
                if outcome.how == "committed":
                    self._foretell(made.job, found.shaped.problem)
                return outcome
            news = outcome
            log.info("the day went on, it is planned anew", extra={"news": news})
        raise PlanRefused(f"the day went on faster than it could be planned ({news}); try again")

    async def _search(self, wanted: Job, *, follows: bool) -> "tuple[Known, _Found | None]":
        """Read the day and seek a plan for it; none is sought where its news changes nothing."""
        known, asked = await asyncio.to_thread(self._read, wanted)
        if not matters(known.day, wanted.about):
            return known, None
        _require_plannable(wanted, known.day)
        job = with_news_of_drivers(wanted, asked.resorted)
        if follows:
            asked = asked._replace(held=sequences_of_routes(known.day.plan.routes))
        day, drives_s = await self._on_their_way(known.day, set_out_anew(job))
        shaped, left_out = await asyncio.to_thread(_posed, day, drives_s, asked)
        solved = await self._solve(job, shaped.problem, day.now)
        return known, _Found(job, day, asked, shaped, left_out, solved)

    async def _made(self, found: "_Found", new: NewRoutes) -> Made:
        """A solved day with the paths of its routes and what it costs."""
        day, job = found.day, found.job
        left_out = (*left_out_of(job, day, found.asked.held, new.unserved), *found.left_out)
        return Made(
            job,
            found.asked.policy,
            replace(
                new,
                routes=await self._along_streets(day, new.routes, _redrawn(job)),
                unserved=left_out,
            ),
            found.solved.plan,
            prices_of(found.shaped.problem, found.solved.plan),
            found.solved.kept,
            found.asked.taken_back,
            await self._repathed(day, job),
            found.asked.resorted,
        )

    def _foretell(self, job: Job, problem: Problem) -> None:
        """A search may have come from other places; what was decided at once was told before."""
        if not job.is_quick or not self._foretelling.knows(job.day_key):
            self._foretelling.day(job.day_key, problem)

    def look_ahead(self) -> None:
        """Tell the planner anew of places it was told of a while ago."""
        self._foretelling.again()

    async def close(self) -> None:
        """Look ahead no more."""
        await self._foretelling.close()

    def _read(self, job: Job) -> "tuple[Known, _Asked]":
        """The day as it stands, and what a job asks of it."""
        times = self._door_times.of(job.tenant, job.depot_id)
        familiarity = self._door_times.familiarity(job.tenant, job.depot_id)
        lag = self._door_times.lag_of(job.tenant, job.depot_id)
        pace = self._door_times.pace(job.tenant, job.depot_id)
        with self._database.seeing() as (connection, seen):
            policy = policy_store.policy_of(connection, job.tenant)
            day = self._day(connection, job, times, policy)
            day = replace(day, familiarity=familiarity, lag=lag, pace=pace)
            return Known(day, seen), _asked(connection, job, day.plan, policy)

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

    async def _on_their_way(self, day: Day, anew: frozenset[str]) -> tuple[Day, dict[str, int]]:
        """How long vans still drive to their frozen stops; those in ``anew`` are planned so."""

        async def ask(at: At, lat: float, lon: float) -> Path | None:
            try:
                return await self._roads.route([Point(at.lat, at.lon), Point(lat, lon)])
            except PlaceError:
                return None

        asked = day.drives_to_ask(anew)
        answers = await asyncio.gather(
            *(ask(at, stop.lat, stop.lon) for at, stop in asked.values())
        )
        ways = {van: path for van, path in zip(asked, answers, strict=True) if path is not None}
        return with_new_legs(day, ways, anew), {van: path.seconds for van, path in ways.items()}

    async def _along_streets(
        self, day: Day, routes: Iterable[Route], is_redrawn: Callable[[str], bool]
    ) -> tuple[Route, ...]:
        """The routes with their paths; some are asked for though they lead to the same stops."""
        ways = (self._with_geometry(day, one, is_redrawn) for one in routes)
        return tuple(await asyncio.gather(*ways))

    async def _with_geometry(
        self, day: Day, route: Route, is_redrawn: Callable[[str], bool]
    ) -> Route:
        if not route.open_stops:
            return route
        known = day.plan.route_of(route.vehicle_id)
        leads_alike = known is not None and known.geometry and _way(known) == _way(route)
        if known is not None and leads_alike and not is_redrawn(route.vehicle_id):
            return replace(route, geometry=known.geometry)
        return replace(route, geometry=(await self._path(day, route)).geometry)

    async def _repathed(self, day: Day, job: Job) -> tuple[Route, ...]:
        """The routes in force of the vans whose streets have changed, along those of now."""
        vans = {one.vehicle_id for one in job.about if one.trigger == "road_changed"}
        driven = [one for one in day.plan.routes if one.vehicle_id in vans and one.open_stops]
        found = await asyncio.gather(*(self._repath(day, route) for route in driven))
        return tuple(route for route in found if route is not None)

    async def _repath(self, day: Day, route: Route) -> Route | None:
        """One route along the streets of now; None when no way leads through its stops."""
        try:
            path = await self._path(day, route)
        except PlaceError:
            return None
        at = day.newest_position(route.vehicle_id) if route.has_begun else None
        return repathed(route, path, day.now if at else None)

    async def _path(self, day: Day, route: Route) -> Path:
        """From where its van is, or is to set out, through its open stops and to its end."""
        at = day.newest_position(route.vehicle_id) if route.has_begun else None
        begin = Point(at.lat, at.lon) if at else Point(*day.start_of(route.vehicle_id))
        end = Point(*day.end_of(route.vehicle_id))
        through = [Point(stop.lat, stop.lon) for stop in route.open_stops]
        first = route.open_stops[0]
        sets_out = day.now if at else first.planned_arrival - first.leg_s
        departs = [sets_out, *(stop.planned_departure for stop in route.open_stops)]
        try:
            return await self._roads.route([begin, *through, end], departs)
        except PlaceError:
            return await self._roads.route([*through, end], departs[1:])

    def _later(self, day: Day) -> Day:
        """A day of which nothing that is stored has changed, as it stands now."""
        return replace(day, now=self._clock.now_s(), positions=self._positions(day.depot.tenant))

    def _day(
        self,
        connection: Connection,
        job: Job,
        times: ServiceTimes,
        policy: TenantPolicy | None = None,
    ) -> Day:
        policy = policy or policy_store.policy_of(connection, job.tenant)
        return read_day(
            connection,
            job.tenant,
            job.depot_id,
            job.service_date,
            now=self._clock.now_s(),
            positions=self._positions(job.tenant),
            service_times=times,
            streets=self._streets(),
            takes_waiting=job.trigger == "optimize",
            work_rules=policy.work_rules_at(job.depot_id),
        )


class _Asked(NamedTuple):
    """The tenant's policy, sequences that are given instead of sought, and what undos bind to.

    ``resorted``: vans whose drivers have changed the order of their stops since it was published.
    """

    policy: TenantPolicy
    held: Sequences | None
    taken_back: Mapping[str, Undone]
    resorted: frozenset[str]


class _Found(NamedTuple):
    """What came of a search.

    Attributes:
        job: with what drivers have changed meanwhile. day: with the way its vans have before them.
        shaped: the problem that was solved. left_out: orders that are not part of it.
    """

    job: Job
    day: Day
    asked: _Asked
    shaped: Grouped
    left_out: tuple[Unplanned, ...]
    solved: Solved


def _asked(connection: Connection, job: Job, plan: DayPlan, policy: TenantPolicy) -> _Asked:
    taken_back = _taken_back(connection, job)
    return _Asked(policy, _held(connection, job), taken_back, _resorted(connection, job, plan))


def _resorted(connection: Connection, job: Job, plan: DayPlan) -> frozenset[str]:
    follows = job.trigger == "driver_reordered"
    if job.is_held or (not follows and all(is_as_timed(route) for route in plan.routes)):
        return frozenset()
    published = revision_store.sequences_of(connection, *job.day_key, plan.revision)
    return frozenset() if published is None else resorted_vans(plan, published)


def _held(connection: Connection, job: Job) -> Sequences | None:
    """The sequences that a job gives instead of seeking them."""
    if job.restores is not None:
        return revision_store.sequences_of(connection, *job.day_key, job.restores)
    if job.proposal_id is None:
        return None
    known = proposal_store.proposals(connection, *job.day_key)
    return next((one.sequences for one in known if one.id == job.proposal_id), None)


def _posed(
    day: Day, drives_s: Mapping[str, int], asked: _Asked
) -> tuple[Grouped, tuple[Unplanned, ...]]:
    """The problem that a day poses, and the orders that are left out of it."""
    problem = problem_of(day, drives_s, asked.policy, asked.held)
    problem, left_out = without_undone(problem, asked.taken_back)
    return _with_halts(day, problem, asked.policy), left_out


def _taken_back(connection: Connection, job: Job) -> dict[str, Undone]:
    """What undos bind a re-plan to; neither one that a person asks for, nor what is news."""
    if job.trigger in {"optimize", "undo", "accepted", "driver_reordered"}:
        return {}
    if not revision_store.has_undo(connection, *job.day_key):
        return {}
    found = undone(revision_store.revisions(connection, *job.day_key))
    touched = {one.order_id for one in job.about}
    return {order_id: one for order_id, one in found.items() if order_id not in touched}


def _require_plannable(job: Job, day: Day) -> None:
    if not day.open_shifts():
        raise PlanRefused(
            f"no shift is open for depot {job.depot_id} on {job.service_date}; add shifts"
        )
    if job.base is not None and job.base != day.plan.revision:
        raise PlanRefused(
            f"revision {day.plan.revision} has come after {job.base}; look at it first"
        )


def _redrawn(job: Job) -> Callable[[str], bool]:
    """Which vans may reach the same stops another way: their streets changed, or they left theirs.

    A job without news, or with too much to keep, says nothing of them: any may.
    """
    news = {"road_changed", "van_off_route", "driver_reordered"}
    vans = {one.vehicle_id for one in job.about if one.trigger in news}
    return lambda van: not job.about or van in vans


def _way(route: Route) -> list[tuple[str, float, float]]:
    """Where a route still leads."""
    return [(stop.id, stop.lat, stop.lon) for stop in route.open_stops]


def _with_halts(day: Day, problem: Problem, policy: TenantPolicy) -> Grouped:
    """The problem with neighbouring doors as halts, where the tenant wants them."""
    if policy.walking.within_m <= 0:
        return Grouped(problem)
    known = (day.orders[job.id] for job in problem.jobs)
    doors = {
        order.id: door
        for order in known
        if (door := door_of(order, day.places.get(order.place_id))) is not None
    }
    shaped = grouped(problem, doors, policy.walking)
    if found := halt_faults(problem, shaped, doors, policy.walking):
        raise PlanRefused(f"the halts break their own rules and were not used: {found[0]}")
    return shaped
