"""What news inside means to third parties."""

from pathlib import Path

import msgspec

from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.outbox import DomainEvent
from cloud.integrations.reading import Reading
from cloud.planning.events import PromiseAtRisk
from cloud.planning.service import Planning
from tests.parts.migrated import upgrade
from wire.feed import ExceptionRaised


def test_a_promise_in_danger_is_an_exception_of_the_vans_carrier(tmp_path: Path) -> None:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    planning = Planning(database, RealClock(), lambda kind: kind)
    reading = Reading(planning, lambda _tenant, van: {"van-2": "swift"}[van])
    risk = PromiseAtRisk(
        order_id="order-1", depot_id="la-serena", service_date="2026-11-23", route_id="route-1",
        vehicle_id="van-2", promised_until=100.0, expected_at=700.0,
    )  # fmt: skip
    payload = msgspec.json.encode(risk)
    event = DomainEvent(position=7, tenant="main", kind="PromiseAtRisk", payload=payload, at=50.0)
    (told,) = reading.public(event)
    assert told.carrier == "swift"
    raised = told.data
    assert isinstance(raised, ExceptionRaised)
    assert (raised.problem, raised.van, raised.orders) == ("promise_at_risk", "van-2", ("order-1",))
    database.close()
