"""Readers of the public feed over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.authority import MAX_REQUEST_CHARS
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import Name
from cloud.foundation.identity import Caller, Gate
from cloud.integrations.readers.model import DEFAULT_DAYS, MAX_DAYS, Reader, by_hand
from cloud.integrations.readers.service import LetIn, Readers


class NewReader(BaseModel):
    """A third party that shall read the feed."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    carrier_id: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$",
            description="Only this carrier's topics; all of the tenant's when left out.",
        ),
    ] = None
    csr: Annotated[
        str | None,
        Field(
            max_length=MAX_REQUEST_CHARS,
            description="PEM, P-256, where the broker takes certificates. Left out, the key is "
            "made for you and told this once.",
        ),
    ] = None
    days: Annotated[
        int | None,
        Field(ge=1, le=MAX_DAYS, description=f"Of the certificate; {DEFAULT_DAYS} by default."),
    ] = None


class ReaderBody(BaseModel):
    """A third party that reads the feed; ``topic`` is the filter of all it may read."""

    id: str
    name: str
    carrier_id: str | None
    topic: str
    state: Literal["let_in", "expired", "revoked"]
    made_at: str
    made_by: str
    expires_at: str | None
    ended_at: str | None


class ReadersPage(BaseModel):
    """The readers of the feed, the newest first."""

    items: list[ReaderBody]


class BrokerBody(BaseModel):
    """Where it connects to; MQTT 3.1.1."""

    host: str
    port: int
    tls: bool


class LetInBody(ReaderBody):
    """A new reader with what it signs in with, shown this once.

    ``client_id`` is a secret too: whoever connects with it takes its session over. ``by_hand`` is
    what somebody has to do on the fleet's own broker.
    """

    broker: BrokerBody
    client_id: str
    username: str | None
    password: str | None
    certificate: str | None
    key: str | None
    authority: str | None
    by_hand: list[str]


def routes(readers: Readers, gate: Gate) -> APIRouter:
    """Let readers in, list them, shut them out."""
    router = APIRouter(tags=["integrations"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    integrator = Annotated[Caller, Depends(gate.roles("integrator"))]

    @router.post("/feed/readers", status_code=201)
    def let_in(body: NewReader, caller: admin) -> LetInBody:
        """Let a third party read the public MQTT feed, and nothing else."""
        made = readers.let_in(
            caller, name=body.name, carrier=body.carrier_id, csr=body.csr, days=body.days
        )
        return _let_in(made, readers.now_s())

    @router.get("/feed/readers")
    def listed(caller: integrator) -> ReadersPage:
        """Who was ever let in to the feed."""
        return ReadersPage(items=[_body(one, readers.now_s()) for one in readers.of(caller)])

    @router.delete("/feed/readers/{reader_id}", status_code=204)
    def revoke(reader_id: str, caller: admin) -> Response:
        """Shut a third party out; it is cut off at once."""
        readers.revoke(caller, reader_id)
        return Response(status_code=204)

    return router


def _body(reader: Reader, now_s: float) -> ReaderBody:
    return ReaderBody(
        id=reader.id,
        name=reader.name,
        carrier_id=reader.carrier,
        topic=reader.topic_filter,
        state=reader.state(now_s),
        made_at=to_rfc3339(reader.made_at),
        made_by=reader.made_by,
        expires_at=None if reader.expires_at is None else to_rfc3339(reader.expires_at),
        ended_at=None if reader.ended_at is None else to_rfc3339(reader.ended_at),
    )


def _let_in(made: LetIn, now_s: float) -> LetInBody:
    broker = made.broker
    has_password = broker.password is not None
    address = made.address
    return LetInBody(
        **_body(made.reader, now_s).model_dump(),
        broker=BrokerBody(host=address.host, port=address.port, tls=address.tls),
        client_id=broker.client_id,
        username=broker.username if has_password else None,
        password=broker.password,
        certificate=made.certificate,
        key=made.key,
        authority=made.authority,
        by_hand=[] if made.is_embedded else by_hand(broker),
    )
