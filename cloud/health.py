"""Whether every part does its work, for a person and for a supervisor."""

import asyncio
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.database import Database
from cloud.foundation.errors import NotFound, Unavailable
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.foundation.layout import DataFolder
from cloud.foundation.probes import socket_answers, tcp_answers
from cloud.roads.city import City, read_city
from cloud.roads.client import RoadsClient
from cloud.roads.model import CityError, PlaceError, RoadsUnavailable
from cloud.roads.timed import hours_missing
from cloud.tracking.status import ingest_health
from wire import __version__


class Health(BaseModel):
    """``ok`` when every part does its work; otherwise what is wrong with which."""

    status: Literal["ok", "degraded"]
    version: str
    demo: bool
    checks: dict[str, str]


class ClockBody(BaseModel):
    """Domain time; a demo's runs ``speed`` times as fast as the real one."""

    now: str
    speed: float
    demo: bool


class CityBody(BaseModel):
    """The imported street network. ``bbox`` is west, south, east, north in degrees."""

    name: str
    bbox: tuple[float, float, float, float]
    attribution: str


class Checks:
    """Looks at each part."""

    def __init__(
        self,
        data: DataFolder,
        database: Database,
        broker: BrokerAccess,
        roads: RoadsClient,
        real_time: Clock,
    ) -> None:
        self._data = data
        self._database = database
        self._broker = broker
        self._roads = roads
        self._real_time = real_time

    async def run(self) -> dict[str, str]:
        """What each part answers: ``ok``, or what is wrong."""
        broker, database, planner, quick_planner, learner, roads = await asyncio.gather(
            asyncio.to_thread(self._broker_answers),
            asyncio.to_thread(self._database_answers),
            asyncio.to_thread(_answers, self._data.planner_socket),
            asyncio.to_thread(_answers, self._data.quick_planner_socket),
            asyncio.to_thread(_answers, self._data.learner_socket),
            self._roads_answer(),
        )
        return {
            "broker": broker,
            "ingest": ingest_health(self._data, self._real_time.now_s()),
            "roads": roads,
            "planner": planner,
            "quick_planner": quick_planner,
            "learner": learner,
            "database": database,
        }

    def _broker_answers(self) -> str:
        address = self._broker.address()
        is_there = tcp_answers(address.host, address.port)
        return "ok" if is_there else f"nothing answers on {address.host}:{address.port}"

    def require_database(self) -> None:
        """Raise unless the business database answers.

        Raises:
            Unavailable: it does not.
        """
        answer = self._database_answers()
        if answer != "ok":
            raise Unavailable(f"database: {answer}")

    def _database_answers(self) -> str:
        try:
            with self._database.reading() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            return str(error).splitlines()[0]
        return "ok"

    async def _roads_answer(self) -> str:
        try:
            west, south, east, north = read_city(self._data.city).bbox
            await self._roads.snap((south + north) / 2, (west + east) / 2)
        except PlaceError:
            pass
        except (RoadsUnavailable, CityError) as error:
            return error.detail
        return await asyncio.to_thread(hours_missing, self._data.roads) or "ok"


def _answers(socket: Path) -> str:
    return "ok" if socket_answers(socket) else "does not answer"


def routes(data: DataFolder, checks: Checks, clock: Clock, gate: Gate) -> APIRouter:
    """Health, the clock and the city."""
    router = APIRouter(tags=["service"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS, "driver"))]
    is_demo = (data.root / "demo.json").exists()

    @router.get("/health", responses={503: {"model": Health, "description": "Degraded"}})
    async def health(response: Response) -> Health:
        """Whether every part does its work; 503 when one does not."""
        found = await checks.run()
        is_well = all(answer == "ok" for answer in found.values())
        response.status_code = 200 if is_well else 503
        return Health(
            status="ok" if is_well else "degraded", version=__version__, demo=is_demo, checks=found
        )

    @router.get("/health/live", status_code=204)
    def is_alive() -> Response:
        """Whether this process answers at all; if it does not, start it again."""
        return Response(status_code=204)

    @router.get("/health/ready", status_code=204)
    def is_ready() -> Response:
        """Whether this process can do its work: 503 while the database does not answer."""
        checks.require_database()
        return Response(status_code=204)

    @router.get("/clock")
    def domain_time(_: reader) -> ClockBody:
        """What time it is for the business."""
        return ClockBody(now=to_rfc3339(clock.now_s()), speed=clock.speed, demo=is_demo)

    @router.get("/city")
    def city(_: reader) -> CityBody:
        """The imported street network."""
        found = _city(data)
        return CityBody(name=found.name, bbox=found.bbox, attribution=found.attribution)

    @router.get("/city/streets.geojson", response_class=FileResponse)
    def streets(_: reader) -> FileResponse:
        """The streets as GeoJSON lines with class and name."""
        _city(data)
        return FileResponse(
            data.city / "streets.geojson",
            media_type="application/geo+json",
            headers={"Cache-Control": "private, max-age=3600"},
        )

    return router


def _city(data: DataFolder) -> City:
    try:
        return read_city(data.city)
    except CityError as error:
        raise NotFound(error.detail) from error
