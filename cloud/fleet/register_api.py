"""The register over HTTP: every kind of thing is listed, read, made, changed and retired alike."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, create_model

from cloud.fleet import kinds
from cloud.fleet import register_bodies as bodies
from cloud.fleet.calendar import ALWAYS, opening_spans
from cloud.fleet.model import Driver, Registered
from cloud.fleet.register import Kind
from cloud.fleet.register_bodies import Change, body_of, values_of
from cloud.fleet.service import Fleet
from cloud.fleet.shift_bodies import BreakBody, instants
from cloud.foundation.errors import Invalid
from cloud.foundation.given import ServiceDate
from cloud.foundation.identity import READERS, Caller, Gate

_NULLABLE: Final = frozenset(
    {
        "calendar",
        "capacity_kg",
        "capacity_litres",
        "end_lat",
        "end_lon",
        "height_m",
        "price_hour",
        "price_km",
        "price_use",
        "range_km",
        "start_lat",
        "start_lon",
        "weight_kg",
    }
)
"""What a change may set to null; of everything else null is as if it were left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a kind looks over HTTP, and by what its list is filtered.

    Attributes:
        path: of the list. plural: in the names of operations.
        nullable: what a change may set to null; of everything else null is left out.
        is_for_drivers: whether drivers may list them too.
    """

    kind: Kind[Any]
    path: str
    plural: str
    new: type[BaseModel]
    body: type[BaseModel]
    change: type[Change]
    filters: tuple[str, ...] = ()
    nullable: frozenset[str] = _NULLABLE
    is_for_drivers: bool = False

    @property
    def id_name(self) -> str:
        """What an id of the kind is called in a path: by it the gate knows what it is."""
        return f"{self.kind.name}_id"

    def thing(self, tenant: str, body: BaseModel) -> Registered:
        """What a body asks for; raises Invalid."""
        made: Registered = self.kind.type(tenant=tenant, **_defaults(body) | values_of(body))
        return made

    def values(self, body: Change) -> dict[str, Any]:
        """What a change asks for; raises Invalid."""
        given = values_of(body)
        values = {
            name: value
            for name, value in given.items()
            if name not in {"version", "is_retired"}
            and (value is not None or name in self.nullable)
        }
        return values | ({"retired_at": None} if given.get("is_retired") is False else {})


def _defaults(body: BaseModel) -> dict[str, Any]:
    left = type(body).model_fields.keys() - body.model_fields_set
    told = {name: getattr(body, name) for name in left}
    return {name: tuple(one) if isinstance(one, list) else one for name, one in told.items()}


SHAPES: Final = (
    Shape(
        kind=kinds.CARRIERS,
        path="/carriers",
        plural="carriers",
        new=bodies.NewCarrier,
        body=bodies.CarrierBody,
        change=bodies.CarrierChange,
        is_for_drivers=True,
    ),
    Shape(
        kind=kinds.DEPOTS,
        path="/depots",
        plural="depots",
        new=bodies.NewDepot,
        body=bodies.DepotBody,
        change=bodies.DepotChange,
        is_for_drivers=True,
    ),
    Shape(
        kind=kinds.VEHICLES,
        path="/vehicles",
        plural="vehicles",
        new=bodies.NewVehicle,
        body=bodies.VehicleBody,
        change=bodies.VehicleChange,
        filters=("depot_id", "carrier_id"),
    ),
    Shape(
        kind=kinds.DRIVERS,
        path="/drivers",
        plural="drivers",
        new=bodies.NewDriver,
        body=bodies.DriverBody,
        change=bodies.DriverChange,
        filters=("depot_id", "carrier_id"),
        nullable=frozenset({"depot_id"}),
    ),
    Shape(
        kind=kinds.BOXES,
        path="/gateways",
        plural="gateways",
        new=bodies.NewBox,
        body=bodies.BoxBody,
        change=bodies.BoxChange,
    ),
    Shape(
        kind=kinds.CREWS,
        path="/crews",
        plural="crews",
        new=bodies.NewCrew,
        body=bodies.CrewBody,
        change=bodies.CrewChange,
    ),
)

type Guard = Callable[..., Caller]


class OpeningBody(BaseModel):
    """One date at a depot: when it opens, as instants; no hours is closed."""

    day: str
    name: str
    hours: list[BreakBody]


class Openings(BaseModel):
    """Some dates at a depot, in order."""

    items: list[OpeningBody]


def routes(fleet: Fleet, gate: Gate) -> APIRouter:
    """List, read, make, change and retire."""
    router = APIRouter(tags=["fleet"])
    admin = gate.roles("admin")
    reader = gate.roles(*READERS)
    open_reader = gate.roles(*READERS, "driver")
    for shape in SHAPES:
        _add_list(router, fleet, shape, open_reader if shape.is_for_drivers else reader)
        _add_one(router, fleet, shape, reader)
        if shape.kind is not kinds.DRIVERS:
            _add_new(router, fleet, shape, admin)
        _add_changes(router, fleet, shape, admin)
    _add_driver(router, fleet, admin)
    _add_openings(router, fleet, open_reader)
    return router


def _add_list(router: APIRouter, fleet: Fleet, shape: Shape, guard: Guard) -> None:
    """Vans with their positions are listed at /vehicles, so the register's list lies beside it."""
    page_body = create_model(
        f"{shape.body.__name__.removesuffix('Body')}Page",
        __doc__=f"Some {shape.plural} by id, and the cursor of the next page when there are more.",
        items=(list[shape.body], ...),  # type: ignore[name-defined]  # made of the shape
        next_cursor=(str | None, ...),
    )
    path = "/fleet/vehicles" if shape.path == "/vehicles" else shape.path

    def listed(
        caller: Annotated[Caller, Depends(guard)],
        depot_id: Annotated[str | None, Query(max_length=64)] = None,
        carrier_id: Annotated[str | None, Query(max_length=64)] = None,
        *,
        with_retired: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str, Query(max_length=64)] = "",
    ) -> Any:
        given = {"depot_id": depot_id, "carrier_id": carrier_id}
        equal: dict[str, object] = {k: v for k, v in given.items() if v is not None}
        for name in equal:
            if name not in shape.filters:
                raise Invalid.field(name, f"{shape.plural} have none", "leave it out")
        found, following = fleet.page(
            shape.kind,
            caller.tenant,
            equal=equal,
            after=cursor,
            limit=limit,
            with_retired=with_retired,
            reach=caller.reach,
        )
        items = [body_of(shape.body, one) for one in found]
        return page_body(items=items, next_cursor=following)

    listed.__doc__ = f"Every one of the {shape.plural} by id, a page at a time."
    _route(router, "GET", path, listed, page_body, f"list_{shape.plural}")


def _add_one(router: APIRouter, fleet: Fleet, shape: Shape, guard: Guard) -> None:
    def one(
        thing_id: Annotated[str, Path(alias=shape.id_name)],
        caller: Annotated[Caller, Depends(guard)],
    ) -> Any:
        return body_of(shape.body, fleet.get(shape.kind, caller.tenant, thing_id))

    one.__doc__ = f"One of the {shape.plural}, retired or not."
    _route(
        router,
        "GET",
        f"{shape.path}/{{{shape.id_name}}}",
        one,
        shape.body,
        f"get_{shape.kind.name}",
    )


def _add_new(router: APIRouter, fleet: Fleet, shape: Shape, guard: Guard) -> None:
    def new(body: Any, caller: Annotated[Caller, Depends(guard)]) -> Any:
        return body_of(shape.body, fleet.add(shape.kind, shape.thing(caller.tenant, body)))

    new.__annotations__["body"] = shape.new
    new.__doc__ = f"Take a {shape.kind.name} on."
    _route(router, "POST", shape.path, new, shape.body, f"add_{shape.kind.name}", 201)


def _add_changes(router: APIRouter, fleet: Fleet, shape: Shape, guard: Guard) -> None:
    def change(
        thing_id: Annotated[str, Path(alias=shape.id_name)],
        body: Any,
        caller: Annotated[Caller, Depends(guard)],
    ) -> Any:
        changed = fleet.change(
            shape.kind, caller.tenant, thing_id, body.version, shape.values(body)
        )
        return body_of(shape.body, changed)

    def retire(
        thing_id: Annotated[str, Path(alias=shape.id_name)],
        caller: Annotated[Caller, Depends(guard)],
    ) -> Any:
        return body_of(shape.body, fleet.retire(shape.kind, caller.tenant, thing_id))

    change.__annotations__["body"] = shape.change
    change.__doc__ = f"Change a {shape.kind.name}; a field that is left out stays as it is."
    retire.__doc__ = f"Retire a {shape.kind.name}: nothing new may name it, and history still does."
    path = f"{shape.path}/{{{shape.id_name}}}"
    _route(router, "PATCH", path, change, shape.body, f"change_{shape.kind.name}")
    _route(router, "DELETE", path, retire, shape.body, f"retire_{shape.kind.name}")


def _route(
    router: APIRouter,
    method: str,
    path: str,
    endpoint: Callable[..., Any],
    answer: type[BaseModel],
    name: str,
    status: int = 200,
) -> None:
    router.add_api_route(
        path, endpoint, methods=[method], response_model=answer, status_code=status, name=name
    )


def _add_driver(router: APIRouter, fleet: Fleet, guard: Guard) -> None:
    shape = next(one for one in SHAPES if one.kind is kinds.DRIVERS)

    @router.post("/drivers", status_code=201)
    def add_driver(
        body: bodies.NewDriver, caller: Annotated[Caller, Depends(guard)]
    ) -> bodies.DriverWithToken:
        """Take a driver on; the answer holds the token of the driver's app, this once."""
        asked = shape.thing(caller.tenant, body)
        assert isinstance(asked, Driver)  # noqa: S101 - the shape's own type
        made, token = fleet.add_driver(asked)
        told = body_of(bodies.DriverBody, made)
        return bodies.DriverWithToken(**told.model_dump(), token=token)


def _add_openings(router: APIRouter, fleet: Fleet, guard: Guard) -> None:
    @router.get("/depots/{depot_id}/openings")
    def openings(
        depot_id: str,
        caller: Annotated[Caller, Depends(guard)],
        first: Annotated[ServiceDate | None, Query(alias="from")] = None,
        days: Annotated[int, Query(ge=1, le=100)] = 14,
    ) -> Openings:
        """When a depot opens on some dates, today's first by default; holidays by their name."""
        depot = fleet.depot(caller.tenant, depot_id)
        begin = fleet.today(depot) if first is None else first
        calendar = depot.calendar or ALWAYS
        items = []
        for day in (begin + timedelta(days=ahead) for ahead in range(days)):
            special = calendar.special_on(day)
            spans = opening_spans(calendar, day, depot.zone)
            items.append(
                OpeningBody(
                    day=day.isoformat(),
                    name=special.name if special else "",
                    hours=instants(tuple(spans)),
                )
            )
        return Openings(items=items)
