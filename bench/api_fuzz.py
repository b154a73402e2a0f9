"""Made-up requests to every operation of the interface: nothing may break, all is as described.

A whole cloud is served over a small fleet with a plan. Schemathesis makes good and bad requests
from the OpenAPI document; half of them are sent to ids that exist. An administrator sends most,
each other role some, and so does nobody. What is found is printed with how to repeat it.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.figure import Figure
from tests.cloud.conftest import BEFORE_WORK
from tests.parts.api_cases import Found, document_of, try_all
from tests.parts.served_cloud import ServedCloud, served_cloud
from tests.parts.small_fleet import DAY, SmallFleet, furnish

NAME: Final = "api"
CASES: Final = 5_000
_SEED: Final = int(os.environ.get("ROUNDSMAN_FUZZ_SEED", "20261126"))
_EXAMPLES: Final = 17
"""Good ones of each operation by an administrator, and as many bad ones."""
_EXAMPLES_OF_OTHERS: Final = 1
_BOUND_S: Final = 600.0
_ORDER: Final = {
    "depot_id": "la-serena", "service_date": DAY, "address": "Balmaceda 100",
    "lat": -29.91, "lon": -71.252,
}  # fmt: skip


def run() -> Iterator[Figure]:
    """Try them all against one cloud."""
    print(f"seed {_SEED}, ROUNDSMAN_FUZZ_SEED sets another", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        served_cloud(Path(folder), BEFORE_WORK) as cloud,
    ):
        found = _try(cloud, _furnished(cloud))
    cases = sum(one.cases for one in found)
    yield _figure("requests made up, of every operation and role", cases, CASES, "more")
    yield _figure("server errors", sum(one.broken_cases for one in found), 0)
    yield _figure("answers that are not described", sum(one.undescribed_cases for one in found), 0)


def _figure(figure: str, value: float, goal: float, better: Any = "less") -> Figure:
    return Figure(bench=NAME, figure=figure, value=value, unit="", goal=goal, better=better)


def _furnished(cloud: ServedCloud) -> SmallFleet:
    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = cloud.admin.post(path, json=body).raise_for_status().json()
        return made

    fleet = furnish(post)
    order = post("/orders", _ORDER)
    plan = f"/depots/la-serena/plans/{DAY}"
    job = post(f"{plan}/optimize", {"seconds": 1})["job_id"]
    deadline = time.monotonic() + 60
    while cloud.admin.get(f"/jobs/{job}").json()["state"] not in {"done", "failed"}:
        if time.monotonic() > deadline:
            raise TimeoutError("the plan is not made within a minute")
        time.sleep(0.2)
    (route,) = cloud.admin.get(plan).json()["routes"]
    fleet.ids |= {
        "order_id": order["id"], "parcel_id": order["parcels"][0]["id"], "job_id": job,
        "route_id": route["id"], "stop_id": route["stops"][0]["id"],
    }  # fmt: skip
    return fleet


def _try(cloud: ServedCloud, fleet: SmallFleet) -> list[Found]:
    login = msgspec.json.decode((cloud.root / "secrets" / "first_login.json").read_bytes())
    schema = document_of(cloud.admin.get("/openapi.json").json())
    deadline = time.monotonic() + _BOUND_S
    found = []
    for role, token in (*fleet.tokens.items(), ("nobody", None), ("admin", login["api_token"])):
        one = try_all(
            schema,
            url=cloud.url,
            token=token,
            ids=fleet.ids,
            examples=_EXAMPLES if role == "admin" else _EXAMPLES_OF_OTHERS,
            seed_of_all=_SEED,
            is_over=lambda: time.monotonic() > deadline,
        )
        print(f"  {role}: {one.cases} requests, {dict(sorted(one.statuses.items()))}", flush=True)
        for kind, told in (one.broken | one.undescribed).items():
            print(f"  {role} {kind}\n{told}", flush=True)
        found.append(one)
    return found
