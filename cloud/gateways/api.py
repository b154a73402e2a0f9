"""Settings of the boxes in the vans, and commands to them, over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import NotAllowed
from cloud.foundation.identity import Caller, Gate
from cloud.gateways.model import DEFAULT_EXPIRY_S, MAX_EXPIRY_S, Outcome, Wanted
from cloud.gateways.service import Answered, Gateways
from cloud.tracking.reports import Reported
from wire.messages import State

_ENDED = (
    "the box that was asked is no longer the van's gateway and has not answered; "
    "send it again to the one that is"
)
_ADMIN_ONLY = frozenset({"reboot", "collect-diagnostics"})


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SettingsBody(_Body):
    """The settings a van's gateway should take; what is left out is as the van's own file says.

    ``follow_shifts`` tells the van its shifts, and outside them no position leaves it.
    """

    values: dict[str, Any] = Field(description="As in docs/wire.md under dn/desired.")
    follow_shifts: bool = False


class DesiredBody(BaseModel):
    """What is desired; ``values`` are as the van gets them."""

    version: int
    values: dict[str, Any]
    follow_shifts: bool
    changed_at: str
    changed_by: str


class RefusedBody(BaseModel):
    """Settings that the van refused or took back, and why."""

    version: int
    reason: str


class ReportedBody(BaseModel):
    """What the gateway last said of itself."""

    version: int
    refused: RefusedBody | None
    at: str
    software: str
    receiver: str
    chosen: str | None
    clock: str
    spool: str
    spooled: int
    is_on_duty: bool
    processor_celsius: float | None


class SettingsAnswer(BaseModel):
    """Desired and reported, side by side.

    ``state``: ``own`` when nothing is desired, ``pending`` until the van has said that it took them
    or refused them, else ``in_force`` or ``refused``.
    """

    state: Literal["own", "pending", "in_force", "refused"]
    desired: DesiredBody | None
    reported: ReportedBody | None


class CommandBody(_Body):
    """Something that a van's gateway should do once."""

    name: Annotated[str, Field(max_length=64)]
    arguments: dict[str, Any] = {}
    expires_in_s: Annotated[float, Field(ge=1, le=MAX_EXPIRY_S, allow_inf_nan=False)] = (
        DEFAULT_EXPIRY_S
    )


class CommandAnswer(BaseModel):
    """A command, and what became of it.

    ``status`` is ``waiting`` until the van has answered, and ``ended`` when it never will: the box
    that was asked was shut out or replaced before it answered.
    """

    id: str
    name: str
    arguments: dict[str, Any]
    sent_at: str
    expires_at: str
    sent_by: str
    status: Outcome
    detail: str = ""
    data: dict[str, Any] | None = None
    answered_at: str | None = None


class Commands(BaseModel):
    """The newest first, without their data."""

    items: list[CommandAnswer]


def routes(gateways: Gateways, gate: Gate) -> APIRouter:
    """Settings and commands of one vehicle's gateway."""
    router = APIRouter(tags=["gateways"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer"))]

    @router.put("/vehicles/{vehicle_id}/settings")
    def desire(vehicle_id: str, body: SettingsBody, caller: admin) -> SettingsAnswer:
        """Desire other settings; they replace those desired before as a whole."""
        gateways.desire(
            tenant=caller.tenant,
            vehicle_id=vehicle_id,
            values=body.values,
            is_following_shifts=body.follow_shifts,
            changed_by=caller.user_id,
        )
        return _settings(*gateways.wanted(caller.tenant, vehicle_id))

    @router.get("/vehicles/{vehicle_id}/settings")
    def settings(vehicle_id: str, caller: reader) -> SettingsAnswer:
        """What is desired, and what the van says."""
        return _settings(*gateways.wanted(caller.tenant, vehicle_id))

    @router.post("/vehicles/{vehicle_id}/commands", status_code=202)
    def send(vehicle_id: str, body: CommandBody, caller: dispatcher) -> CommandAnswer:
        """Send a command: ping, replay, set-rate, reboot or collect-diagnostics."""
        if body.name in _ADMIN_ONLY and caller.role != "admin":
            raise NotAllowed(f"role {caller.role} may not send {body.name}; it takes admin")
        asked = gateways.send(
            tenant=caller.tenant,
            vehicle_id=vehicle_id,
            name=body.name,
            arguments=body.arguments,
            expires_in_s=body.expires_in_s,
            sent_by=caller.user_id,
        )
        return _command(Answered(asked=asked, answer=None))

    @router.get("/vehicles/{vehicle_id}/commands")
    def commands(
        vehicle_id: str, caller: reader, limit: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> Commands:
        """The newest commands of a van."""
        found = gateways.commands(caller.tenant, vehicle_id, limit)
        return Commands(items=[_command(one).model_copy(update={"data": None}) for one in found])

    @router.get("/vehicles/{vehicle_id}/commands/{command_id}")
    def command(vehicle_id: str, command_id: str, caller: reader) -> CommandAnswer:
        """One command, with the van's answer."""
        return _command(gateways.command(caller.tenant, vehicle_id, command_id))

    return router


def _settings(wanted: Wanted | None, reported: Reported | None) -> SettingsAnswer:
    return SettingsAnswer(
        state=_state(wanted, None if reported is None else reported.state),
        desired=None if wanted is None else _desired(wanted),
        reported=None if reported is None else _reported(reported),
    )


def _desired(wanted: Wanted) -> DesiredBody:
    return DesiredBody(
        version=wanted.version,
        values=wanted.told(),
        follow_shifts=wanted.is_following_shifts,
        changed_at=to_rfc3339(wanted.changed_at),
        changed_by=wanted.changed_by,
    )


def _state(
    wanted: Wanted | None, told: State | None
) -> Literal["own", "pending", "in_force", "refused"]:
    if wanted is None:
        return "own"
    if told is not None and told.settings == wanted.version:
        return "in_force"
    if told is not None and told.refused is not None and told.refused[0] == wanted.version:
        return "refused"
    return "pending"


def _reported(reported: Reported) -> ReportedBody:
    state = reported.state
    refused = state.refused
    return ReportedBody(
        version=state.settings,
        refused=None if refused is None else RefusedBody(version=refused[0], reason=refused[1]),
        at=to_rfc3339(reported.received_at_s),
        software=state.version,
        receiver=state.receiver,
        chosen=state.chosen,
        clock=state.clock,
        spool=state.spool,
        spooled=state.spooled,
        is_on_duty=state.is_on_duty,
        processor_celsius=state.processor_celsius,
    )


def _pending(one: Answered) -> Outcome:
    return "ended" if one.is_ended else "waiting"


def _command(one: Answered) -> CommandAnswer:
    asked, answer = one.asked, one.answer
    return CommandAnswer(
        id=asked.id,
        name=asked.name,
        arguments=asked.arguments,
        sent_at=to_rfc3339(asked.sent_at),
        expires_at=to_rfc3339(asked.expires_at),
        sent_by=asked.sent_by,
        status=_pending(one) if answer is None else answer.status,
        detail=(_ENDED if one.is_ended else "") if answer is None else answer.detail,
        data=None if answer is None else answer.data,
        answered_at=None if answer is None else to_rfc3339(answer.received_at_s),
    )
