"""Distance and hours by van and local day, over HTTP, as JSON or CSV."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Annotated, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from cloud.fleet.files import guarded
from cloud.fleet.model import Vehicle
from cloud.fleet.service import Fleet
from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.foundation.fields import FieldsQuery, Selectable, chosen, only, selected
from cloud.foundation.given import ServiceDate
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.tracking.days import DayTold, days_between
from cloud.tracking.van_days import MOST_FIXES, VanDays

MOST_DAYS: Final = 31


class VehicleDay(Selectable):
    """What a van did on one day of its depot.

    The seconds add up to the day, or to what of it is over: moving, idling (standing on a trip with
    its engine known to be on), stopped (standing on a trip otherwise), parked (between trips), and
    unknown. ``told_by`` is who told of the trips; null when nothing tells of the day.
    """

    always: ClassVar[tuple[str, ...]] = ("vehicle_id", "date")
    vehicle_id: str
    date: date
    depot_id: str
    zone: str
    told_by: Literal["van", "track"] | None
    trips: int
    distance_m: int
    moving_s: int
    idling_s: int
    stopped_s: int
    parked_s: int
    unknown_s: int
    set_off_at: str | None
    came_to_rest_at: str | None


class VehicleDayPage(BaseModel):
    """Days by van and date, and the cursor of the next vans when there are more."""

    items: list[VehicleDay]
    next_cursor: str | None


_ANSWER: Final = {
    200: {
        "description": "Days by van and date, as JSON or CSV.",
        "model": VehicleDayPage,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/VehicleDayPage"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


def routes(telemetry: Database, clock: Clock, fleet: Fleet, gate: Gate) -> APIRouter:
    """What the vans of a fleet drove, day by day."""
    router = APIRouter(tags=["tracking"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    @router.get("/vehicle-days", response_model=VehicleDayPage)
    def vehicle_days(
        caller: reader,
        *,
        from_: Annotated[ServiceDate | None, Query(alias="from")] = None,
        to: ServiceDate | None = None,
        depot_id: Annotated[str | None, Query(max_length=64)] = None,
        vehicle_id: Annotated[str | None, Query(max_length=64)] = None,
        format: Literal["json", "csv"] = "json",  # noqa: A002 - the parameter's name
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str, Query(max_length=64)] = "",
        fields: FieldsQuery = None,
    ) -> VehicleDayPage | Response:
        """Distance and hours of each van on each local day of its depot.

        From the date ``from`` to ``to``, both among them; today when not told otherwise. JSON comes
        ``limit`` vans at a time or fewer, CSV whole. What comes late counts too.
        """
        names = chosen(fields, VehicleDay)
        zones = {one.id: one.zone for one in fleet.depots(caller.tenant)}
        vans = sorted(
            (
                one
                for one in fleet.vehicles(caller.tenant, caller.reach)
                if one.id > cursor
                and one.depot_id in zones
                and depot_id in {None, one.depot_id}
                and vehicle_id in {None, one.id}
            ),
            key=lambda one: one.id,
        )
        now_ms = round(clock.now_s() * 1000)
        today = {one.id: fleet.today(one) for one in fleet.depots(caller.tenant)}
        for one in {today[van.depot_id] for van in vans}:
            _dates(from_, to, one)
        reading = VanDays(telemetry, MOST_FIXES if format == "json" else None)

        def of_van(van: Vehicle) -> Iterator[VehicleDay]:
            zone = zones[van.depot_id]
            wanted = days_between(*_dates(from_, to, today[van.depot_id]), zone)
            for one in reading.of_van(caller.tenant, van.id, wanted, now_ms):
                yield _item(van, zone, one)

        if format == "csv":
            lines = _csv((one for van in vans for one in of_van(van)), _columns(names))
            return StreamingResponse(lines, media_type="text/csv; charset=utf-8")
        items: list[VehicleDay] = []
        following: str | None = None
        for place, van in enumerate(vans):
            if place == limit or reading.fixes >= MOST_FIXES:
                following = vans[place - 1].id
                break
            items += of_van(van)
        return selected(VehicleDayPage(items=items, next_cursor=following), names)

    return router


def _dates(from_: date | None, to: date | None, today: date) -> tuple[date, date]:
    """The first and the last date.

    Raises:
        Invalid: they are in the wrong order, or too many.
    """
    last = to or (today if from_ is None else max(from_, today))
    first = from_ or last
    if first > last:
        raise Invalid.field("from", "is after to", "give an earlier date")
    if last - first >= timedelta(days=MOST_DAYS):
        raise Invalid.field(
            "from", f"is more than {MOST_DAYS} days before the end", "ask for fewer days"
        )
    return first, last


def _item(van: Vehicle, zone: str, told: DayTold) -> VehicleDay:
    return VehicleDay(
        vehicle_id=van.id,
        date=told.day.date,
        depot_id=van.depot_id,
        zone=zone,
        told_by=told.told_by,
        trips=told.trips,
        distance_m=told.distance_m,
        moving_s=told.moving_s,
        idling_s=told.idling_s,
        stopped_s=told.stopped_s,
        parked_s=told.parked_s,
        unknown_s=told.unknown_s,
        set_off_at=_instant(told.first_ms),
        came_to_rest_at=_instant(told.last_ms),
    )


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else to_rfc3339(at_ms / 1000)


def _columns(names: frozenset[str] | None) -> list[str]:
    return list(only(dict.fromkeys(VehicleDay.model_fields, ""), names))


def _csv(days: Iterator[VehicleDay], columns: Sequence[str]) -> Iterator[bytes]:
    """RFC 4180; a null is empty. No value holds a comma: ids are names."""
    yield (",".join(columns) + "\r\n").encode()
    for one in days:
        told = one.model_dump(mode="json")
        cells = ("" if told[name] is None else guarded(str(told[name])) for name in columns)
        yield (",".join(cells) + "\r\n").encode()
