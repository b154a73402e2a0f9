"""Phones over HTTP: the office lets them in, their apps tell where they are.

A token has 256 random bits, so nobody is made to wait for a wrong one: an old phone behind the
address of others would keep them out.
"""

import base64
import binascii
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, quote

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import Invalid, NotSignedIn
from cloud.foundation.given import Name, Unacceptable
from cloud.foundation.identity import Caller, Gate
from cloud.phones import owntracks, traccar
from cloud.phones.model import App, Heard, Phone, Told
from cloud.phones.service import Phones

_OWNTRACKS: Final = "/phones/owntracks"
_TRACCAR: Final = "/phones/traccar"
_MOST_FIELDS: Final = 50


class NewPhone(BaseModel):
    """A phone that stands for the receiver of a van.

    ``max_accuracy_m``: what the phone knows less exactly is not taken. ``only_on_shift``: no
    position is taken while the van has no shift.
    """

    model_config = ConfigDict(extra="forbid")

    app: App
    label: Name
    max_accuracy_m: Annotated[float, Field(ge=5, le=5_000, allow_inf_nan=False)] = 200.0
    only_on_shift: bool = False


class PhoneBody(BaseModel):
    """A phone and what has come of it; ``problem`` is why the last refused position was."""

    id: str
    vehicle_id: str
    app: App
    label: str
    max_accuracy_m: float
    only_on_shift: bool
    made_at: str
    heard_at: str | None
    taken: int
    refused: int
    waiting: int
    problem: str | None
    problem_at: str | None


class IssuedPhone(PhoneBody):
    """A new phone, with all that its app needs; ``token`` is shown this once.

    ``user``: None where the app takes none; Traccar Client's device identifier is the token.
    ``link``: opened on the phone, it sets OwnTracks up.
    """

    url: str
    user: str | None
    token: str
    link: str | None


class PhonesPage(BaseModel):
    """The phones of a van, the oldest first."""

    items: list[PhoneBody]


def routes(phones: Phones, gate: Gate) -> APIRouter:
    """Let phones in, and hear them."""
    router = APIRouter(tags=["phones"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer"))]

    @router.post("/vehicles/{vehicle_id}/phones", status_code=201)
    def issue(vehicle_id: str, body: NewPhone, request: Request, caller: admin) -> IssuedPhone:
        """Let a phone speak for a van; its token is shown this once."""
        made, token = phones.issue(
            caller,
            vehicle_id,
            app=body.app,
            label=body.label,
            max_accuracy_m=body.max_accuracy_m,
            is_only_on_shift=body.only_on_shift,
        )
        path = _OWNTRACKS if made.app == "owntracks" else _TRACCAR
        url = f"{str(request.base_url).rstrip('/')}/api/v1{path}"
        is_owntracks = made.app == "owntracks"
        return IssuedPhone(
            url=url,
            user=made.id if is_owntracks else None,
            token=token,
            link=_owntracks_link(made, url, token) if is_owntracks else None,
            **_told(made, _NOTHING_YET),
        )

    @router.get("/vehicles/{vehicle_id}/phones")
    def of_van(vehicle_id: str, caller: reader) -> PhonesPage:
        """The phones of a van, and what has come of each."""
        found = phones.phones(caller.tenant, vehicle_id)
        return PhonesPage(items=[PhoneBody(**_told(*one)) for one in found])

    @router.delete("/vehicles/{vehicle_id}/phones/{phone_id}", status_code=204)
    def end(vehicle_id: str, phone_id: str, caller: admin) -> Response:
        """Take a phone's token away, at once; what it has handed in stays."""
        phones.end(caller.tenant, vehicle_id, phone_id)
        return Response(status_code=204)

    @router.post(_OWNTRACKS)
    async def hear_owntracks(request: Request) -> list[dict[str, str]]:
        """Where OwnTracks in its HTTP mode sends to, with the phone's id and token as Basic login.

        The answer comes after the commit. What cannot be used is counted and not refused: the app
        would send it for ever, and nothing after it.
        """
        token = _password(request.headers.get("authorization", ""))
        told: list[Told | Unacceptable] = []
        try:
            one = owntracks.read(await request.body())
            told = [] if one is None else [one]
        except Unacceptable as problem:
            told = [problem]
        await run_in_threadpool(phones.take, token, "owntracks", told)
        return []

    @router.get(_TRACCAR)
    async def hear_parameters(request: Request) -> Response:
        """Where OsmAnd sends to, with its parameters in the address."""
        said = _parameters(dict(request.query_params))
        await run_in_threadpool(phones.take, said.token, "traccar", said.told)
        return Response()

    @router.post(_TRACCAR)
    async def hear_traccar(request: Request) -> Response:
        """Where Traccar Client sends to, with JSON or a form; the token is its device identifier.

        The answer comes after the commit; what cannot be used is counted, as with OwnTracks.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            said = _json(await request.body())
        elif kind == "application/x-www-form-urlencoded":
            said = _parameters(dict(request.query_params) | _form(await request.body()))
        else:
            said = _parameters(dict(request.query_params))
        await run_in_threadpool(phones.take, said.token, "traccar", said.told)
        return Response()

    return router


_NOTHING_YET: Final = Heard(at=None, taken=0, refused=0, waiting=0, problem=None, problem_at=None)


def _password(header: str) -> str:
    scheme, _, told = header.partition(" ")
    try:
        if scheme.lower() == "basic":
            return base64.b64decode(told, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise NotSignedIn("phones send their id and token as a Basic login; set both in the app")


def _form(payload: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(payload.decode(), max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise Invalid.field("body", str(error), "send what Traccar Client sends") from error


def _json(payload: bytes) -> traccar.Said:
    try:
        return traccar.read_json(payload)
    except Unacceptable as problem:
        raise problem.invalid("body") from problem


def _parameters(given: dict[str, str]) -> traccar.Said:
    try:
        return traccar.read_parameters(given)
    except Unacceptable as problem:
        raise Invalid.field("id", problem.problem, problem.remedy) from problem


def _owntracks_link(made: Phone, url: str, token: str) -> str:
    """What OwnTracks opens to set itself up (booklet, "Remote configuration"); mode 3 is HTTP."""
    settings = {
        "_type": "configuration",
        "mode": 3,
        "url": url,
        "auth": True,
        "username": made.id,
        "password": token,
        "deviceId": made.vehicle_id,
    }
    inline = base64.b64encode(msgspec.json.encode(settings)).decode()
    return f"owntracks:///config?inline={quote(inline, safe='')}"


def _told(made: Phone, heard: Heard) -> dict[str, Any]:
    return {
        "id": made.id,
        "vehicle_id": made.vehicle_id,
        "app": made.app,
        "label": made.label,
        "max_accuracy_m": made.max_accuracy_m,
        "only_on_shift": made.is_only_on_shift,
        "made_at": to_rfc3339(made.made_at),
        "heard_at": None if heard.at is None else to_rfc3339(heard.at),
        "taken": heard.taken,
        "refused": heard.refused,
        "waiting": heard.waiting,
        "problem": heard.problem,
        "problem_at": None if heard.problem_at is None else to_rfc3339(heard.problem_at),
    }
