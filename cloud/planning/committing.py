"""Putting a solved day in force: commit its revision, propose it, or leave all as it is."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from cloud.foundation import outbox
from cloud.foundation.database import Database, Seen
from cloud.foundation.errors import CloudError
from cloud.foundation.ids import NewId
from cloud.orders import store as order_store
from cloud.orders.model import Promise
from cloud.orders.service import move
from cloud.places.service_times import ServiceTimes
from cloud.planning import job_store, plan_store, proposal_store, revision_store
from cloud.planning.answering import improvement, is_followed
from cloud.planning.carrying import carry
from cloud.planning.day_plan import DayPlan, Route, served_orders
from cloud.planning.diff import Diff, difference
from cloud.planning.events import RevisionCommitted
from cloud.planning.jobs import Job
from cloud.planning.keeping import faults, unrested
from cloud.planning.meanwhile import outdated_by, with_progress
from cloud.planning.memory import Undone, comes_back, is_rejected
from cloud.planning.policy import TenantPolicy, why_ask
from cloud.planning.proposals import PlanProposed, Proposal, sequences_of_routes
from cloud.planning.reordering import as_committed
from cloud.planning.repathing import late_s, other_ways
from cloud.planning.revising import NewRoutes
from cloud.planning.revision import Revision, RevisionCost
from cloud.planning.rules import store as rule_store
from cloud.planning.rules.model import RuleChanged
from cloud.planning.situation import Day
from cloud.planning.solution import Plan, Prices
from cloud.planning.worth_it import is_other_round, is_worth_it

log = logging.getLogger(__name__)

type ReadDay = Callable[[Connection, Job, ServiceTimes], Day]
"""Reads the day of a job as it stands, in a transaction."""


class Known(NamedTuple):
    """A day as it was read, and by what to tell whether anything was written since."""

    day: Day
    seen: Seen


class Outcome(NamedTuple):
    """What came of a job: the revision in force, and how it got there.

    ``needless``: nothing that was told could change the plan, and none was sought. ``nothing``:
    none was found that is worth a revision. ``rejected``: a dispatcher has said no to it before.
    """

    revision: int
    how: Literal["committed", "proposed", "rejected", "nothing", "needless"]


class PlanRefused(CloudError):
    """No plan can be made of the day as it stands; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    """A solved day on its way to being published.

    Attributes:
        kept: what the plan in force costs now; None when that is not known.
        undone: what a dispatcher has taken back and that still binds.
        repathed: routes in force along the streets of now, of vans whose streets have changed.
        resorted: vans whose drivers have changed the order of stops since it was published.
    """

    job: Job
    policy: TenantPolicy
    new: NewRoutes
    plan: Plan
    prices: Prices
    kept: Prices | None
    undone: Mapping[str, Undone]
    repathed: tuple[Route, ...] = ()
    resorted: frozenset[str] = frozenset()

    @property
    def gain_s(self) -> float | None:
        """By which it is better than the plan in force, in seconds of driving."""
        return None if self.kept is None else self.kept.total - self.prices.total


class Committer:
    """Puts solved days in force, one transaction each; their jobs are done in it.

    What follows them is queued in it, too.
    """

    def __init__(
        self, database: Database, read_day: ReadDay, later: Callable[[Day], Day], new_id: NewId
    ) -> None:
        self._database = database
        self._read_day = read_day
        self._later = later
        self._new_id = new_id

    def leave(self, job: Job, revision: int) -> Outcome:
        """Nothing that was told changes the plan."""
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "done", revision=revision)
        return Outcome(revision, "needless")

    def publish(self, before: Day, made: Made, known: Known) -> Outcome | str:
        """Commit the next revision, or propose it; gives what came of it.

        When the plan is outdated, gives what makes it so. ``before`` is the day of which it was
        made. The day is read again, unless nobody has written anything since it is ``known``.
        """
        with self._database.writing() as connection:
            if self._database.is_as(known.seen):
                now = self._later(known.day)
            else:
                now = self._read_day(connection, made.job, before.service_times)
            news = outdated_by(before, now, made.new.routes)
            if news is not None:
                return news
            outcome = self._decide(connection, now, made)
            job_store.mark_job(connection, made.job.id, "done", revision=outcome.revision)
            if is_followed(made.job, is_committed=outcome.how == "committed"):
                later = improvement(made.job, self._new_id("job"), now.now)
                job_store.put_job(connection, later, now.now)
        return outcome

    def _decide(self, connection: Connection, now: Day, made: Made) -> Outcome:
        """Put a plan in force, propose it, or leave all as it is."""
        left = tuple(one for one in made.new.unserved if one.order_id in now.orders)
        made = replace(made, new=replace(made.new, unserved=left))
        job, new, plan = made.job, made.new, made.plan
        routes = with_progress(new.routes, now.plan)
        _require_kept(now, routes)
        published = _as_published(connection, made, now.plan)
        before = published if job.trigger == "driver_reordered" else now.plan
        diff = difference(before, routes, new.sacrificed)
        is_needed = any(unrested(now, now.plan.routes))
        if not is_needed and not is_worth_it(job.trigger, before, routes, new, diff, made.gain_s):
            return Outcome(now.plan.revision, "nothing")
        cost = RevisionCost(
            drive_s=sum(route.drive_s for route in routes),
            distance_m=sum(route.distance_m for route in routes),
            late_s=plan.cost.late_s,
        )
        asks = why_ask(made.policy, job.trigger, diff) or comes_back(diff, made.undone)
        if asks is not None and now.plan.revision > 0:
            now = self._commit_paths(connection, now, made)
            diff = difference(now.plan, routes, new.sacrificed)
            known = proposal_store.rejected(connection, *job.day_key)
            if is_rejected(diff, made.gain_s or 0.0, known):
                return Outcome(now.plan.revision, "rejected")
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
            diff=diff if before is published else difference(published, routes, new.sacrificed),
            prices=made.prices,
            because=plan.because or None,
        )
        carry(connection, now.coming, job.service_date, now.depot.zone, now.now)
        self._commit(connection, now, made, routes, revision)
        return Outcome(number, "committed")

    def _commit_paths(self, connection: Connection, now: Day, made: Made) -> Day:
        """Put other streets in force at once while what would move waits; the day after it."""
        others = other_ways(now.plan, made.repathed)
        if not others:
            return now
        changed = tuple(others.get(route.id, route) for route in now.plan.routes)
        routes = with_progress(changed, now.plan)
        vans = ", ".join(sorted(route.vehicle_id for route in others.values()))
        revision = Revision(
            number=now.plan.revision + 1,
            trigger="road_changed",
            reason=f"{made.job.reason}; other streets for {vans} while the rest waits",
            solver="roads",
            created_at=now.now,
            cost=RevisionCost(
                drive_s=sum(route.drive_s for route in routes),
                distance_m=sum(route.distance_m for route in routes),
                late_s=late_s(routes),
            ),
            diff=difference(_as_published(connection, made, now.plan), routes),
        )
        kept = replace(made.new, promises={}, unserved=now.plan.unserved)
        self._commit(connection, now, replace(made, new=kept), routes, revision)
        routes = _numbered(now.plan, routes, revision.number)
        return replace(now, plan=replace(now.plan, revision=revision.number, routes=routes))

    def _commit(
        self,
        connection: Connection,
        now: Day,
        made: Made,
        routes: tuple[Route, ...],
        revision: Revision,
    ) -> None:
        job, number = made.job, revision.number
        _tell_orders(connection, now, routes, made.new.promises)
        routes = _numbered(now.plan, routes, number)
        plan_store.commit_revision(connection, now.plan, routes, made.new.unserved, revision)
        proposal_store.outdate(connection, job.tenant, job.depot_id, job.service_date)
        if job.restores is not None:
            _lift_chosen(connection, now, job, job.restores, number)
        outbox.append(
            connection,
            job.tenant,
            now.now,
            RevisionCommitted(
                depot_id=job.depot_id,
                service_date=job.service_date.isoformat(),
                number=number,
                trigger=revision.trigger,
                reason=revision.reason,
                routes=tuple(route.id for route in routes if route.revision == number),
            ),
        )

    def _propose(
        self,
        connection: Connection,
        now: Day,
        made: Made,
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
            prices=made.prices,
            gain=made.gain_s or 0.0,
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


def _as_published(connection: Connection, made: Made, plan: DayPlan) -> DayPlan:
    """What a revision is told against: the plan without what drivers have changed since."""
    if not made.resorted:
        return plan
    published = revision_store.sequences_of(connection, *made.job.day_key, plan.revision)
    return plan if published is None else as_committed(plan, published)


def _lift_chosen(connection: Connection, now: Day, job: Job, restored: int, number: int) -> None:
    """What drivers chose after a revision ends when it is driven again, and that is told.

    What the office has laid down holds on.
    """
    since = revision_store.published_at(connection, *job.day_key, restored)
    for rule in now.rules:
        if rule.maker == "office" or since is None or rule.made_at < since:
            continue
        rule_store.lift(connection, rule, now.now)
        told = RuleChanged(
            depot_id=job.depot_id,
            service_date=job.service_date.isoformat(),
            rule_id=rule.id,
            text=f"lifted with revision {number}, {job.reason}: {rule.in_words}",
            with_revision=number,
        )
        outbox.append(connection, job.tenant, now.now, told)


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
        if was is None or is_other_round(was, route):
            return replace(route, revision=number)
        return replace(route, revision=was.revision, geometry=was.geometry)

    return tuple(numbered(route) for route in routes)
