"""What is known of the place where an order is delivered or fetched, over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from cloud.fleet.calendar_bodies import CalendarBody, calendar_body
from cloud.foundation.identity import Caller, Gate
from cloud.orders.service import Orders
from cloud.places.model import Place, PlaceKind

type Which = Literal["door", "pickup"]


class PlaceChange(BaseModel):
    """What becomes different; a field that is left out stays, null is not known.

    ``hours``: when somebody is there, by the clock of the depot; null is at any time.
    """

    model_config = ConfigDict(extra="forbid")
    kind: PlaceKind | None = None
    hours: CalendarBody | None = None


class PlaceBody(BaseModel):
    """A place; every order to the same address and point shares it."""

    id: str
    address: str
    lat: float
    lon: float
    street: str
    street_distance_m: float
    kind: PlaceKind | None
    hours: CalendarBody | None


def routes(orders: Orders, gate: Gate) -> APIRouter:
    """Look at a place and say what is known of it; other hours re-plan the days they concern."""
    router = APIRouter(tags=["orders"])
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher", "integrator"))]

    @router.get("/orders/{order_id}/place")
    def place(order_id: str, caller: reader, which: Which = "door") -> PlaceBody:
        """The place of an order's door, or where it is fetched."""
        return _body(orders.place(caller.tenant, order_id, which))

    @router.patch("/orders/{order_id}/place")
    def change(
        order_id: str, body: PlaceChange, caller: dispatcher, which: Which = "door"
    ) -> PlaceBody:
        """Say what stands there, and when somebody is there."""
        values: dict[str, object] = {}
        if "kind" in body.model_fields_set:
            values["kind"] = body.kind
        if "hours" in body.model_fields_set:
            values["hours"] = None if body.hours is None else body.hours.calendar()
        return _body(orders.change_place(caller.tenant, order_id, which, values))

    return router


def _body(place: Place) -> PlaceBody:
    names = ("id", "address", "lat", "lon", "street", "street_distance_m", "kind")
    return PlaceBody(
        **{name: getattr(place, name) for name in names},
        hours=None if place.hours is None else calendar_body(place.hours),
    )
