"""How the things of the register look over HTTP, and in a row of a file."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from cloud.fleet.bodies import Body, Version
from cloud.fleet.calendar_bodies import CalendarBody, calendar_body
from cloud.fleet.model import MOST_HELPERS, MOST_SKILLS, OWN, Registered
from cloud.foundation.given import Name, Reference

type Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
type Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
type Parcels = Annotated[int, Field(ge=0, le=100_000)]
type Load = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
type Height = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
type Range = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
type Price = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
type Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
type Words = Annotated[list[Word], Field(max_length=MOST_SKILLS)]


class Kept(BaseModel):
    """What is known of everything registered."""

    version: int
    is_retired: bool


class Change(Body):
    """What becomes different; a field that is left out stays as it is.

    ``version`` is that of what you have read: when somebody else was faster, the answer is 409.
    ``is_retired`` false takes back what was retired.
    """

    version: Version
    is_retired: Literal[False] | None = None


class NewCarrier(Body):
    """Who runs vans: ``own`` is the fleet itself, every other a subcontractor."""

    id: Name
    name: Name


class CarrierBody(NewCarrier, Kept):
    """A carrier."""


class CarrierChange(Change):
    """What becomes different of a carrier."""

    name: Name | None = None


class NewDepot(Body):
    """A depot: where parcels wait and rounds begin. Shift times are local, HH:MM.

    Without a calendar it is open every day.
    """

    id: Name
    name: Name
    zone: Name
    lat: Latitude
    lon: Longitude
    shift_start: str = "08:00"
    shift_end: str = "18:00"
    calendar: CalendarBody | None = None


class DepotBody(NewDepot, Kept):
    """A depot."""


class DepotChange(Change):
    """What becomes different of a depot; ``calendar`` null opens it every day."""

    name: Name | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    shift_start: str | None = None
    shift_end: str | None = None
    calendar: CalendarBody | None = None


class NewVehicle(Body):
    """A van: what it holds in parcels, kilograms and litres, what it can, and who runs it.

    ``capacity_kg`` and ``capacity_litres`` null are not limited; ``height_m`` is over the road,
    ``weight_kg`` full, ``range_km`` on a full battery. What a kilometre, an hour out and sending
    it out cost, in seconds of driving, is the planning policy's unless it is said here.
    ``start_lat``, ``start_lon`` and ``end_lat``, ``end_lon`` are where it stands before and after
    its shift; null is its depot. One that is not active is not sent out, and its gateway is shut
    out.
    """

    id: Name
    name: Name
    depot_id: Name
    capacity_parcels: Parcels
    carrier_id: Name = OWN
    capacity_kg: Load | None = None
    capacity_litres: Load | None = None
    skills: Words = Field(default=[])
    zones: Words = Field(default=[])
    height_m: Height | None = None
    weight_kg: Load | None = None
    range_km: Range | None = None
    price_km: Price | None = None
    price_hour: Price | None = None
    price_use: Price | None = None
    start_lat: Latitude | None = None
    start_lon: Longitude | None = None
    end_lat: Latitude | None = None
    end_lon: Longitude | None = None
    is_active: bool = True


class VehicleBody(NewVehicle, Kept):
    """A van."""


class VehicleChange(Change):
    """What becomes different of a van; null takes a limit off."""

    name: Name | None = None
    depot_id: Name | None = None
    capacity_parcels: Parcels | None = None
    carrier_id: Name | None = None
    capacity_kg: Load | None = None
    capacity_litres: Load | None = None
    skills: Words | None = None
    zones: Words | None = None
    height_m: Height | None = None
    weight_kg: Load | None = None
    range_km: Range | None = None
    price_km: Price | None = None
    price_hour: Price | None = None
    price_use: Price | None = None
    start_lat: Latitude | None = None
    start_lon: Longitude | None = None
    end_lat: Latitude | None = None
    end_lon: Longitude | None = None
    is_active: bool | None = None


class NewDriver(Body):
    """A person who drives, or helps. ``licences`` are classes such as ``b`` or ``c1``.

    ``zones`` are geofences, by id, in which the driver would rather deliver; none is anywhere, or
    where the van would.
    """

    id: Name
    name: Name
    carrier_id: Name = OWN
    depot_id: Name | None = None
    skills: Words = Field(default=[])
    licences: Words = Field(default=[])
    zones: Words = Field(default=[])
    is_active: bool = True


class DriverBody(NewDriver, Kept):
    """A driver."""


class DriverWithToken(DriverBody):
    """A driver, with the token of the driver's app, shown this once."""

    token: str


class DriverChange(Change):
    """What becomes different of a driver; ``depot_id`` null is at home anywhere."""

    name: Name | None = None
    carrier_id: Name | None = None
    depot_id: Name | None = None
    skills: Words | None = None
    licences: Words | None = None
    zones: Words | None = None
    is_active: bool | None = None


class NewBox(Body):
    """A gateway: the box as a thing, whatever van it is in. ``serial`` is written on it."""

    id: Name
    name: Name
    serial: Reference = ""


class BoxBody(NewBox, Kept):
    """A gateway."""


class BoxChange(Change):
    """What becomes different of a gateway."""

    name: Name | None = None
    serial: Reference | None = None


class NewCrew(Body):
    """A driver and helpers who go out together, for work that takes two."""

    id: Name
    name: Name
    driver_id: Name
    helper_ids: Annotated[list[Name], Field(min_length=1, max_length=MOST_HELPERS)]


class CrewBody(NewCrew, Kept):
    """A crew."""


class CrewChange(Change):
    """What becomes different of a crew; shifts that were made of it stay as they are."""

    name: Name | None = None
    driver_id: Name | None = None
    helper_ids: Annotated[list[Name], Field(min_length=1, max_length=MOST_HELPERS)] | None = None


def body_of[B: BaseModel](body: type[B], thing: Registered) -> B:
    """A thing of the register as it looks over HTTP."""
    values: dict[str, Any] = {
        name: getattr(thing, name) for name in body.model_fields if hasattr(thing, name)
    }
    if values.get("calendar") is not None:
        values["calendar"] = calendar_body(values["calendar"])
    return body.model_validate(values | {"is_retired": thing.retired_at is not None})


def values_of(body: BaseModel) -> dict[str, Any]:
    """What a body says, as the register takes it: lists as tuples, a calendar as its value."""
    given: dict[str, Any] = {}
    for name in body.model_fields_set:
        value = getattr(body, name)
        if isinstance(value, CalendarBody):
            value = value.calendar()
        given[name] = tuple(value) if isinstance(value, list) else value
    return given
