"""A whole cloud with a day of the demo city planned in it, for what is measured from outside."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from bench.city_days import DEPOT, EIGHT, HOUR, doors
from tests.parts.roads_engine import demo_city
from tests.parts.served_cloud import ServedCloud, served_cloud

DATE: Final = datetime.fromtimestamp(EIGHT, UTC).date().isoformat()
PLACE: Final = "depot-1"
_PLANNED_S: Final = 120.0
_BEFORE_S: Final = HOUR / 2


@dataclass(frozen=True)
class ServedDay:
    """A running cloud and the day in it."""

    cloud: ServedCloud
    dice: random.Random

    def door(self) -> Any:
        """A door somewhere in the city; to draw it takes a while."""
        return doors(demo_city(), 1, self.dice)[0]

    def order(self, door: Any = None, **fields: Any) -> str:
        """Take one order there, or anywhere; gives its id."""
        door = door or self.door()
        asked = {"depot_id": PLACE, "service_date": DATE, "address": "a door"}
        asked |= {"lat": door.lat, "lon": door.lon} | fields
        return str(_made(self.cloud.admin.post("/orders", json=asked))["id"])

    def optimize(self, seconds: float) -> str:
        """Ask for a plan; gives the job's id."""
        path = f"/depots/{PLACE}/plans/{DATE}/optimize"
        return str(_made(self.cloud.admin.post(path, json={"seconds": seconds}))["job_id"])

    def wait(self, job: str) -> None:
        """Until a job is done.

        Raises:
            RuntimeError: it failed, or takes too long.
        """
        deadline = time.monotonic() + _PLANNED_S
        while time.monotonic() < deadline:
            told = _made(self.cloud.admin.get(f"/jobs/{job}"))
            if told["state"] == "done":
                return
            if told["state"] == "failed":
                raise RuntimeError(f"a plan could not be made: {told}")
            time.sleep(0.1)
        raise RuntimeError(f"no plan within {_PLANNED_S:g} s")


@contextmanager
def served_day(root: Path, *, orders: int, vans: int, seed: int = 1) -> Iterator[ServedDay]:
    """A cloud half an hour before the vans leave, with a plan for the day in force."""
    with served_cloud(root, EIGHT - _BEFORE_S) as cloud:
        day = ServedDay(cloud, random.Random(seed))
        _furnish(cloud.admin, vans)
        _import(cloud.admin, orders, day.dice)
        day.wait(day.optimize(5.0))
        yield day


def _furnish(admin: httpx.Client, vans: int) -> None:
    depot = {"id": PLACE, "name": "Depot", "zone": "America/Santiago"}
    _made(admin.post("/depots", json=depot | {"lat": DEPOT.lat, "lon": DEPOT.lon}))
    for number in range(1, vans + 1):
        van, driver = f"van-{number}", f"driver-{number}"
        asked = {"id": van, "name": van, "depot_id": PLACE, "capacity_parcels": 60}
        _made(admin.post("/vehicles", json=asked))
        _made(admin.post("/drivers", json={"id": driver, "name": driver}))
        shift = {"vehicle_id": van, "driver_id": driver, "service_date": DATE}
        _made(admin.post("/shifts", json=shift))


def _import(admin: httpx.Client, orders: int, dice: random.Random) -> None:
    rows = ["address,lat,lon,parcels"]
    rows += [f"door {at},{one.lat},{one.lon},1" for at, one in enumerate(_doors(orders, dice))]
    _made(
        admin.post(
            "/orders/import",
            params={"depot_id": PLACE, "service_date": DATE},
            content="\n".join(rows),
            headers={"content-type": "text/csv"},
            timeout=60,
        )
    )


def _doors(count: int, dice: random.Random) -> list[Any]:
    return doors(demo_city(), count, dice)


def _made(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told
