"""Claims, certificates and enrolment over HTTP."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from cloud.fleet.enrolment.model import CertificateState, Claim, ClaimState
from cloud.fleet.enrolment.service import Enrolments
from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.errors import Invalid, NotSignedIn
from cloud.foundation.http import TOO_MANY_RESPONSE
from cloud.foundation.identity import Caller, Gate
from cloud.foundation.identity.brake import SignInBrake
from cloud.foundation.ids import random_secret
from wire.enrolment import EnrolmentRequest, Purpose


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewClaim(_Body):
    """What a box shall be enrolled for; ``backlog`` only lets it hand in what it recorded."""

    purpose: Purpose = "gateway"


class ClaimBody(BaseModel):
    """The right to enrol one box for one van."""

    id: str
    vehicle_id: str
    purpose: Purpose
    state: ClaimState
    made_by: str
    made_at: str
    expires_at: str
    serial: str | None


class MadeClaim(ClaimBody):
    """A new claim, with its token, shown this once."""

    token: str


class Claims(BaseModel):
    """The claims of a van, the newest first."""

    items: list[ClaimBody]


class CertificateBody(BaseModel):
    """A certificate that was issued for a van.

    ``asked_again_at``: when a box was first seen to ask with it though it is retired, as one with a
    copied card does; see docs/enrolment.md.
    """

    serial: str
    state: CertificateState
    issued_at: str
    expires_at: str
    ended_at: str | None
    asked_again_at: str | None


class Certificates(BaseModel):
    """The certificates of a van, the newest first."""

    items: list[CertificateBody]


class PreviousBody(_Body):
    """The certificate that the box had until now, and a signature by its key."""

    serial: Annotated[str, Field(max_length=40)]
    signature: Annotated[str, Field(max_length=300)]


class EnrolmentBody(_Body):
    """A claim token, and a certificate signing request in PEM, of which only the key is taken.

    A token of another purpose than ``purpose``, or for another van than ``van``, is not spent.
    """

    token: Annotated[str, Field(min_length=1, max_length=100)]
    csr: Annotated[str, Field(min_length=1, max_length=8_192)]
    purpose: Purpose = "gateway"
    van: Annotated[str, Field(max_length=128)] | None = None
    previous: PreviousBody | None = None


class IssuedBody(BaseModel):
    """A certificate, and that of the authority which signed it; instants in ms since 1970."""

    serial: str
    pem: str
    authority: str
    issued_at_ms: int
    expires_at_ms: int
    v: int


class EnrolledBody(BaseModel):
    """All that a gateway needs to connect."""

    tenant: str
    van: str
    purpose: Purpose
    host: str
    port: int
    client_id: str
    certificate: IssuedBody


def routes(enrolments: Enrolments, real_time: Clock, gate: Gate) -> APIRouter:
    """Let boxes in and shut them out."""
    router = APIRouter(tags=["enrolment"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    brake = SignInBrake()
    gateway = "/vehicles/{vehicle_id}/gateway"

    @router.post(f"{gateway}/claims", status_code=201)
    def make_claim(vehicle_id: str, body: NewClaim, caller: admin) -> MadeClaim:
        """Make a token by which one box is enrolled for the van, within a day."""
        token = f"rmc-{random_secret()}"
        made = enrolments.make_claim(caller, vehicle_id, body.purpose, token)
        return MadeClaim(token=token, **_claim(made, "open"))

    @router.get(f"{gateway}/claims")
    def claims(vehicle_id: str, caller: admin) -> Claims:
        """The van's claims."""
        found = enrolments.claims(caller.tenant, vehicle_id)
        return Claims(items=[ClaimBody(**_claim(one, state)) for one, state in found])

    @router.delete(f"{gateway}/claims/{{claim_id}}", status_code=204)
    def revoke_claim(vehicle_id: str, claim_id: str, caller: admin) -> Response:
        """End a claim; its token is good for nothing any more."""
        enrolments.revoke_claim(caller.tenant, vehicle_id, claim_id)
        return Response(status_code=204)

    @router.get(f"{gateway}/certificates")
    def certificates(vehicle_id: str, caller: admin) -> Certificates:
        """Every certificate that was issued for the van."""
        return Certificates(
            items=[
                CertificateBody(
                    serial=one.serial,
                    state=one.state,
                    issued_at=to_rfc3339(one.issued_at),
                    expires_at=to_rfc3339(one.expires_at),
                    ended_at=_maybe(one.ended_at),
                    asked_again_at=_maybe(one.asked_again_at),
                )
                for one in enrolments.certificates(caller.tenant, vehicle_id)
            ]
        )

    @router.delete(f"{gateway}/certificates/{{serial}}", status_code=204)
    def revoke_certificate(vehicle_id: str, serial: str, caller: admin) -> Response:
        """Shut out the box that holds this certificate, at once."""
        enrolments.revoke_certificate(caller.tenant, vehicle_id, serial)
        return Response(status_code=204)

    @router.delete(gateway, status_code=204)
    def revoke_gateway(vehicle_id: str, caller: admin) -> Response:
        """Shut out every box of the van, at once."""
        enrolments.revoke_gateway(caller.tenant, vehicle_id)
        return Response(status_code=204)

    @router.post("/enrol", status_code=201, responses=TOO_MANY_RESPONSE)
    async def enrol(body: EnrolmentBody, request: Request) -> EnrolledBody:
        """Spend a claim token on a key. Whose van it is, and what it may do, says the token."""
        address = request.client.host if request.client else ""
        brake.require_patience("", address, real_time.now_s())
        asked = _asked(body)
        try:
            async with brake.turn():
                brake.require_patience("", address, real_time.now_s())
                made = await run_in_threadpool(enrolments.enrol, asked)
        except NotSignedIn:
            brake.was_wrong("", address, real_time.now_s())
            raise
        return EnrolledBody.model_validate(msgspec.to_builtins(made))

    return router


def _asked(body: EnrolmentBody) -> EnrolmentRequest:
    try:
        return msgspec.convert(body.model_dump(), EnrolmentRequest)
    except msgspec.ValidationError as error:
        raise Invalid.field(
            "previous",
            str(error),
            "tell serial number and signature in hexadecimal digits, or none",
        ) from error


def _maybe(instant: float | None) -> str | None:
    return None if instant is None else to_rfc3339(instant)


def _claim(made: Claim, state: ClaimState) -> dict[str, Any]:
    return {
        "id": made.id,
        "vehicle_id": made.vehicle_id,
        "purpose": made.purpose,
        "state": state,
        "made_by": made.made_by,
        "made_at": to_rfc3339(made.made_at),
        "expires_at": to_rfc3339(made.expires_at),
        "serial": made.serial,
    }
