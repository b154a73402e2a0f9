"""Use cases of what a dispatcher decides: undo, accept, reject, compare, and the policy."""

from datetime import date

from sqlalchemy import Connection

from cloud.fleet.service import require_depot
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, NotFound
from cloud.foundation.ids import NewId
from cloud.planning import plan_store, policy_store, proposal_store, revision_store
from cloud.planning.jobs import Job
from cloud.planning.policy import TenantPolicy
from cloud.planning.proposals import Comparison, Proposal, Sequences, compared, sequences_of_routes
from cloud.planning.service import queue

_RESTORING_S = 0.1
"""Nothing is searched: each route is driven as it was."""


class Decisions:
    """What a dispatcher says to revisions that were made, and to those that are proposed."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def policy(self, tenant: str) -> TenantPolicy:
        """A tenant's prices, and which re-plans are proposed."""
        with self._database.reading() as connection:
            return policy_store.policy_of(connection, tenant)

    def set_policy(self, tenant: str, policy: TenantPolicy) -> None:
        """Set them; from the next re-plan on."""
        with self._database.writing() as connection:
            policy_store.put_policy(connection, tenant, policy)

    def proposals(self, tenant: str, depot_id: str, service_date: date) -> list[Proposal]:
        """The newest proposals of a day, the newest first.

        Raises:
            NotFound: no such depot.
        """
        with self._database.reading() as connection:
            require_depot(connection, tenant, depot_id)
            return proposal_store.proposals(connection, tenant, depot_id, service_date)

    def accept(
        self, tenant: str, depot_id: str, service_date: date, proposal_id: str, by: str
    ) -> Job:
        """Publish a proposal as it was shown, with the times of now; follow the job.

        Raises:
            NotFound: no such depot or proposal. Conflict: it is decided on or outdated already.
            Unavailable: too many jobs wait already.
        """
        with self._database.writing() as connection:
            proposal = self._open(connection, tenant, depot_id, service_date, proposal_id)
            job = self._job(proposal, f"{proposal.reason}; accepted by {by}")
            queue(connection, job, self._clock.now_s())
            proposal_store.decide(connection, proposal, "accepted", by)
        return job

    def reject(
        self, tenant: str, depot_id: str, service_date: date, proposal_id: str, by: str
    ) -> None:
        """Leave the plan in force as it is.

        Raises:
            NotFound: no such depot or proposal. Conflict: it is decided on or outdated already.
        """
        with self._database.writing() as connection:
            proposal = self._open(connection, tenant, depot_id, service_date, proposal_id)
            proposal_store.decide(connection, proposal, "rejected", by)

    def undo(
        self, tenant: str, depot_id: str, service_date: date, revision: int, to: int, by: str
    ) -> Job:
        """Take the plan back to what an earlier revision still had to visit; follow the job.

        Raises:
            NotFound: no such depot, or no such earlier revision.
            Conflict: ``revision`` is not the current one.
            Unavailable: too many jobs wait already.
        """
        with self._database.writing() as connection:
            require_depot(connection, tenant, depot_id)
            current = plan_store.current_revision(connection, tenant, depot_id, service_date)
            if current != revision:
                raise Conflict(f"revision {current} is current, not {revision}; look at it first")
            if to >= revision:
                raise NotFound(f"revision {to} does not come before {revision}")
            _sequences(connection, tenant, depot_id, service_date, to)
            job = Job(
                tenant=tenant,
                id=self._new_id("job"),
                depot_id=depot_id,
                service_date=service_date,
                trigger="undo",
                reason=f"back to revision {to}, by {by}",
                solver="auto",
                seconds=_RESTORING_S,
                seed=1,
                base=revision,
                restores=to,
            )
            queue(connection, job, self._clock.now_s())
        return job

    def compare(
        self,
        tenant: str,
        depot_id: str,
        service_date: date,
        one: int | None,
        other: int | None,
    ) -> Comparison:
        """How revision ``other`` differs from ``one``.

        None for ``other`` is the plan as it stands, for ``one`` the revision before that.

        Raises:
            NotFound: no such depot or revision.
        """
        with self._database.reading() as connection:
            require_depot(connection, tenant, depot_id)
            day = tenant, depot_id, service_date
            now = plan_store.find_plan(connection, *day)
            after = (
                sequences_of_routes(now.routes)
                if other is None
                else _sequences(connection, *day, other)
            )
            before = max(0, (other or now.revision) - 1) if one is None else one
            return compared(_sequences(connection, *day, before) if before else {}, after)

    def _open(
        self, connection: Connection, tenant: str, depot_id: str, service_date: date, wanted: str
    ) -> Proposal:
        require_depot(connection, tenant, depot_id)
        known = proposal_store.proposals(connection, tenant, depot_id, service_date)
        found = next((one for one in known if one.id == wanted), None)
        if found is None:
            raise NotFound(f"proposal {wanted!r} is not known for {service_date}")
        if found.state != "open":
            raise Conflict(f"proposal {wanted} is {found.state} already")
        return found

    def _job(self, proposal: Proposal, reason: str) -> Job:
        return Job(
            tenant=proposal.tenant,
            id=self._new_id("job"),
            depot_id=proposal.depot_id,
            service_date=proposal.service_date,
            trigger="accepted",
            reason=reason,
            solver="auto",
            seconds=_RESTORING_S,
            seed=1,
            base=proposal.base,
            proposal_id=proposal.id,
        )


def _sequences(
    connection: Connection, tenant: str, depot_id: str, service_date: date, number: int
) -> Sequences:
    found = revision_store.sequences_of(connection, tenant, depot_id, service_date, number)
    if found is None:
        raise NotFound(
            f"revision {number} is not known, or was made before revisions kept their sequences"
        )
    return found
