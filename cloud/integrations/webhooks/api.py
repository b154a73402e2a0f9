"""Webhooks over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import Name
from cloud.foundation.identity import Caller, Gate
from cloud.integrations.webhooks.model import KINDS, Delivery, State, Webhook
from cloud.integrations.webhooks.service import Webhooks

type _Url = Annotated[str, Field(min_length=1, max_length=2_000)]
type _Kinds = Annotated[
    list[Annotated[str, Field(max_length=40)]],
    Field(min_length=1, max_length=10, description=f"Some of {', '.join(KINDS)}."),
]
type _Position = Annotated[int, Field(ge=1, le=2**53)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewWebhook(_Body):
    """An address to which business events shall be posted."""

    name: Name
    url: _Url
    kinds: _Kinds = list(KINDS)
    carrier_id: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$",
            description="Only events of this carrier; all of the tenant's when left out.",
        ),
    ] = None


class WebhookChange(_Body):
    """What shall be otherwise; what is left out stays."""

    name: Name | None = None
    url: _Url | None = None
    kinds: _Kinds | None = None
    enabled: bool | None = None


class WebhookBody(BaseModel):
    """A webhook and how it does.

    ``disabled`` says why nothing is sent; ``waiting`` how many deliveries wait, ``dropped`` how
    many were given up because too many waited.
    """

    id: str
    name: str
    url: str
    kinds: list[str]
    carrier_id: str | None
    enabled: bool
    disabled: str | None
    made_at: str
    made_by: str
    failing_since: str | None
    delivered_at: str | None
    waiting: int
    dropped: int


class MadeWebhook(WebhookBody):
    """A new webhook with its secret, shown this once."""

    secret: str


class WebhooksPage(BaseModel):
    """The webhooks, the newest first."""

    items: list[WebhookBody]


class SecretBody(BaseModel):
    """A new secret, shown this once; the one before signs beside it for a day."""

    secret: str


class DeliveryBody(BaseModel):
    """One event for a webhook, and what has come of it.

    ``event_id`` stands in the header ``webhook-id``, at each try and each sending again.
    """

    id: str
    event_id: str
    kind: str
    state: State
    resend: int
    tries: int
    made_at: str
    tried_at: str | None
    due_at: str | None
    status: int | None
    error: str | None


class DeliveriesPage(BaseModel):
    """The log of a webhook, the newest first; ``next`` is the cursor of what comes after."""

    items: list[DeliveryBody]
    next: int | None


def routes(webhooks: Webhooks, gate: Gate) -> APIRouter:
    """Make, change and follow webhooks."""
    router = APIRouter(tags=["integrations"])
    integrator = Annotated[Caller, Depends(gate.roles("integrator"))]

    def body(webhook: Webhook) -> WebhookBody:
        return _body(webhook, webhooks.waiting(webhook))

    @router.post("/webhooks", status_code=201)
    def make(asked: NewWebhook, caller: integrator) -> MadeWebhook:
        """Have business events posted to an address, signed; its secret is shown this once."""
        made, secret = webhooks.make(
            caller, name=asked.name, url=asked.url, kinds=asked.kinds, carrier=asked.carrier_id
        )
        return MadeWebhook(secret=secret, **_body(made, 0).model_dump())

    @router.get("/webhooks")
    def listed(caller: integrator) -> WebhooksPage:
        """Every webhook."""
        return WebhooksPage(items=[body(one) for one in webhooks.of(caller)])

    @router.get("/webhooks/{webhook_id}")
    def one(webhook_id: str, caller: integrator) -> WebhookBody:
        """One webhook and how it does."""
        return body(webhooks.one(caller, webhook_id))

    @router.patch("/webhooks/{webhook_id}")
    def change(webhook_id: str, asked: WebhookChange, caller: integrator) -> WebhookBody:
        """Change a webhook, or switch it off and on."""
        changed = webhooks.change(
            caller,
            webhook_id,
            name=asked.name,
            url=asked.url,
            kinds=asked.kinds,
            is_enabled=asked.enabled,
        )
        return body(changed)

    @router.delete("/webhooks/{webhook_id}", status_code=204)
    def remove(webhook_id: str, caller: integrator) -> Response:
        """Forget a webhook, what waits for it, and its log."""
        webhooks.remove(caller, webhook_id)
        return Response(status_code=204)

    @router.post("/webhooks/{webhook_id}/secret")
    def new_secret(webhook_id: str, caller: integrator) -> SecretBody:
        """Make another secret; both sign for a day."""
        return SecretBody(secret=webhooks.new_secret(caller, webhook_id))

    @router.post("/webhooks/{webhook_id}/ping", status_code=202)
    def ping(webhook_id: str, caller: integrator) -> DeliveryBody:
        """Send an event that says nothing, to try a webhook out."""
        return _delivery(webhooks.try_out(caller, webhook_id))

    @router.get("/webhooks/{webhook_id}/deliveries")
    def deliveries(
        webhook_id: str,
        caller: integrator,
        cursor: Annotated[_Position | None, Query()] = None,
        state: Annotated[list[State] | None, Query(max_length=4)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> DeliveriesPage:
        """What was sent, what waits and what failed."""
        found, more = webhooks.deliveries(
            caller, webhook_id, cursor=cursor, states=state or (), limit=limit
        )
        return DeliveriesPage(items=[_delivery(one) for one in found], next=more)

    @router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/resend", status_code=202)
    def resend(webhook_id: str, delivery_id: str, caller: integrator) -> DeliveryBody:
        """Send an event of the log again, under the same id."""
        return _delivery(webhooks.resend(caller, webhook_id, delivery_id))

    return router


def _body(webhook: Webhook, waiting: int) -> WebhookBody:
    return WebhookBody(
        id=webhook.id,
        name=webhook.name,
        url=webhook.url,
        kinds=list(webhook.kinds),
        carrier_id=webhook.carrier,
        enabled=webhook.disabled is None,
        disabled=webhook.disabled,
        made_at=to_rfc3339(webhook.made_at),
        made_by=webhook.made_by,
        failing_since=_instant(webhook.failing_since),
        delivered_at=_instant(webhook.delivered_at),
        waiting=waiting,
        dropped=webhook.dropped,
    )


def _delivery(one: Delivery) -> DeliveryBody:
    return DeliveryBody(
        id=one.id,
        event_id=one.event_id,
        kind=one.kind,
        state=one.state,
        resend=one.resend,
        tries=one.tries,
        made_at=to_rfc3339(one.made_at),
        tried_at=_instant(one.tried_at),
        due_at=to_rfc3339(one.due_at) if one.state == "waiting" else None,
        status=one.status,
        error=one.error,
    )


def _instant(at_s: float | None) -> str | None:
    return None if at_s is None else to_rfc3339(at_s)
