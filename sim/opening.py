"""Setting the product up over REST, as its first user would: depot, vans, drivers, a day's plan.

Every step may be repeated: a demo that was killed half-way goes on at its next start.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec

from sim.api import Api, Json, RefusedError, UnreachableError
from sim.geodesy import Point
from sim.record import Crew, write_whole

DEPOT_ID: Final = "la-serena"
DEPOT: Final[Point] = (-29.92951, -71.27046)
"""On Avenida Cuatro Esquinas, near Ruta 5."""

ZONE: Final = "America/Santiago"
_CAPACITY_SLACK: Final = 1.5
_PARCELS_AN_ORDER: Final = 1.7
_PLANNING_PATIENCE_S: Final = 300.0


class DayError(Exception):
    """The day could not be planned; says what the product answered."""


class DayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of planning a day."""

    day: date
    revision: int
    routes: int
    unserved: int


async def open_depot(api: Api) -> None:
    """Make the depot, unless it is there."""
    await _once(
        api,
        "depots",
        {
            "id": DEPOT_ID,
            "name": "La Serena",
            "zone": ZONE,
            "lat": DEPOT[0],
            "lon": DEPOT[1],
            "shift_start": "08:00",
            "shift_end": "18:00",
        },
    )


async def hire(api: Api, number: int, orders_a_van: float) -> Crew:
    """Make van ``number`` with its gateway's credentials, and a driver for it."""
    van = f"van-{number}"
    capacity = max(20, round(orders_a_van * _PARCELS_AN_ORDER * _CAPACITY_SLACK))
    vehicle = {"id": van, "name": f"Van {number}", "depot_id": DEPOT_ID}
    await _once(api, "vehicles", {**vehicle, "capacity_parcels": capacity})
    gateway = await api.post(f"vehicles/{van}/gateway")
    driver = await _new_driver(api, number)
    return Crew(van=van, driver=driver["id"], token=driver["token"], gateway=gateway)


async def _new_driver(api: Api, number: int) -> Json:
    """A driver whose token is known: one whose token was lost in a crash is left alone."""
    attempt = 0
    while True:
        name = f"driver-{number}" if attempt == 0 else f"driver-{number}-{attempt}"
        try:
            return await api.post("drivers", {"id": name, "name": f"Driver {number}"})
        except RefusedError as error:
            if error.status != HTTPStatus.CONFLICT or attempt > 20:
                raise
            attempt += 1


async def plan_day(api: Api, day: date, crews: Sequence[Crew], orders_csv: bytes) -> DayPlan:
    """Give every crew a shift, import the orders, have them planned; what is done is left alone.

    Raises:
        DayError: rows were refused, or planning failed.
    """
    for crew in crews:
        shift = {"vehicle_id": crew.van, "driver_id": crew.driver, "service_date": f"{day}"}
        await _once(api, "shifts", shift)
    there = await api.get("orders", depot_id=DEPOT_ID, service_date=f"{day}", limit="1")
    if not there["items"]:
        await _import(api, day, orders_csv)
    plan = await _plan(api, day)
    if plan is None or not plan["revision"]:
        await _optimize(api, day)
        plan = await _plan(api, day)
    if plan is None:
        raise DayError(f"{day}: planning ended without a plan")
    return DayPlan(
        day=day,
        revision=plan["revision"],
        routes=len(plan["routes"]),
        unserved=len(plan["unserved"]),
    )


async def _import(api: Api, day: date, orders_csv: bytes) -> None:
    report = await api.call(
        "POST",
        "orders/import",
        query={"depot_id": DEPOT_ID, "service_date": f"{day}"},
        body=orders_csv,
        kind="text/csv; charset=utf-8",
    )
    if report["refused"]:
        first = msgspec.json.encode(report["refused"][0]).decode()
        raise DayError(f"{day}: {len(report['refused'])} orders were refused, the first: {first}")


async def _plan(api: Api, day: date) -> Json | None:
    try:
        return await api.get(f"depots/{DEPOT_ID}/plans/{day}")
    except RefusedError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


async def _optimize(api: Api, day: date) -> None:
    asked = await api.post(f"depots/{DEPOT_ID}/plans/{day}/optimize", {"solver": "auto"})
    job: Json = {"state": "queued"}
    waited_s = 0.0
    while job["state"] in {"queued", "running"}:
        if waited_s > _PLANNING_PATIENCE_S:
            raise UnreachableError(f"{day}: planning took longer than {_PLANNING_PATIENCE_S:.0f} s")
        await asyncio.sleep(0.1)
        waited_s += 0.1
        job = await api.get(f"jobs/{asked['job_id']}")
    if job["state"] != "done":
        raise DayError(f"{day}: planning failed: {job.get('error')}")


async def _once(api: Api, path: str, body: Json) -> None:
    """Make something that may be there already."""
    try:
        await api.post(path, body)
    except RefusedError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise


def write_gateway_config(file: Path, crew: Crew, *, device: Path, clock_file: Path) -> None:
    """Write what the van's gateway process needs to run, as TOML."""
    credentials = crew.gateway
    broker = credentials["broker"]
    if not isinstance(broker, dict):
        raise TypeError(f"gateway of {crew.van}: broker is not an object: {broker!r}")
    lines = [
        f"tenant = {_text(credentials['tenant'])}",
        f"van = {_text(credentials['van'])}",
        f"data_dir = {_text(file.parent)}",
        "",
        "[broker]",
        f"host = {_text(broker['host'])}",
        f"port = {int(broker['port'])}",
        f"client_id = {_text(credentials['client_id'])}",
        f"username = {_text(credentials['username'])}",
        f"password = {_text(credentials['password'])}",
        f"tls = {'true' if broker['tls'] else 'false'}",
        "",
        "[[receivers]]",
        'kind = "serial"',
        f"device = {_text(device)}",
        "baud = 9600",
        "",
        "[uplink]",  # its pace is in real seconds, and the demo's are shorter
        "live_every_s = 1.0",
        "batch_wait_s = 30.0",
        "",
        "[demo]",
        f"clock_file = {_text(clock_file)}",
        "",
    ]
    write_whole(file, "\n".join(lines).encode())


def _text(value: object) -> str:
    """A TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(str(value), ensure_ascii=False)
