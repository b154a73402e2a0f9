"""The table of proposals: re-plans that wait, or waited, for a dispatcher's word."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.planning.diff import Diff
from cloud.planning.problem import RouteStep
from cloud.planning.proposals import Proposal, ProposalState
from cloud.planning.revision import RevisionCost
from cloud.planning.solution import Prices

_SHOWN: Final = 50
_AS_JSON: Final[Mapping[str, Any]] = {
    "cost": RevisionCost,
    "diff": Diff,
    "sequences": dict[str, tuple[RouteStep, ...]],
    "prices": Prices | None,
}

proposal_row = Table(
    "plan_proposal",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("depot_id", String, nullable=False),
    Column("service_date", String, nullable=False),
    Column("base", Integer, nullable=False),
    Column("trigger", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("asks_because", String, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("decided_by", String),
    Column("cost", JSON, nullable=False),
    Column("diff", JSON, nullable=False),
    Column("sequences", JSON, nullable=False),
    Column("prices", JSON(none_as_null=True)),
    Column("gain", Float, nullable=False),
    Index("ix_plan_proposal_day", "tenant", "depot_id", "service_date"),
)


def add_proposal(connection: Connection, proposal: Proposal) -> None:
    """Store a proposal; those that were open of its day are outdated by it."""
    outdate(connection, proposal.tenant, proposal.depot_id, proposal.service_date)
    values: dict[str, Any] = {
        name: getattr(proposal, name)
        for name in proposal_row.c.keys()  # noqa: SIM118 - not a dict
        if name not in _AS_JSON
    }
    values |= {name: msgspec.to_builtins(getattr(proposal, name)) for name in _AS_JSON}
    values["service_date"] = proposal.service_date.isoformat()
    connection.execute(insert(proposal_row).values(**values))


def outdate(connection: Connection, tenant: str, depot_id: str, service_date: date) -> None:
    """Open proposals of a day can be accepted no more: the plan or a newer one overtook them."""
    connection.execute(
        update(proposal_row)
        .where(
            proposal_row.c.tenant == tenant,
            proposal_row.c.depot_id == depot_id,
            proposal_row.c.service_date == service_date.isoformat(),
            proposal_row.c.state == "open",
        )
        .values(state="outdated")
    )


def decide(
    connection: Connection, proposal: Proposal, state: ProposalState, decided_by: str
) -> None:
    """A dispatcher has said yes or no."""
    connection.execute(
        update(proposal_row)
        .where(proposal_row.c.tenant == proposal.tenant, proposal_row.c.id == proposal.id)
        .values(state=state, decided_by=decided_by)
    )


def overtaken(connection: Connection, tenant: str, proposal_id: str) -> None:
    """What was accepted could not be published: the plan has gone on."""
    connection.execute(
        update(proposal_row)
        .where(
            proposal_row.c.tenant == tenant,
            proposal_row.c.id == proposal_id,
            proposal_row.c.state == "accepted",
        )
        .values(state="outdated")
    )


def proposals(
    connection: Connection, tenant: str, depot_id: str, service_date: date
) -> list[Proposal]:
    """The newest proposals of a day, the newest first."""
    rows = connection.execute(
        select(proposal_row)
        .where(
            proposal_row.c.tenant == tenant,
            proposal_row.c.depot_id == depot_id,
            proposal_row.c.service_date == service_date.isoformat(),
        )
        .order_by(proposal_row.c.created_at.desc(), proposal_row.c.id)
        .limit(_SHOWN)
    ).mappings()
    return [_proposal(row) for row in rows]


def rejected(
    connection: Connection, tenant: str, depot_id: str, service_date: date
) -> list[Proposal]:
    """The newest proposals of a day that a dispatcher has said no to."""
    known = proposals(connection, tenant, depot_id, service_date)
    return [one for one in known if one.state == "rejected"]


def _proposal(row: RowMapping) -> Proposal:
    told = {name: row[name] for name in row if name not in _AS_JSON}
    told["service_date"] = date.fromisoformat(row["service_date"])
    read: dict[str, Any] = {n: msgspec.convert(row[n], kind) for n, kind in _AS_JSON.items()}
    return Proposal(**told, **read)
