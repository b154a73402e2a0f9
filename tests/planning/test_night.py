"""A plan belongs to the date its shift began on, also when the shift runs past midnight."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cloud.drivers.service import DriverWork, Report
from cloud.fleet import shift_store, tables
from cloud.fleet import store as fleet_store
from cloud.fleet.assignments import Assignment
from cloud.fleet.hours import shift_span
from cloud.foundation.clock import RealClock, SimulatedClock
from cloud.foundation.database import Database
from cloud.foundation.errors import NotFound
from cloud.foundation.outbox import Outbox
from cloud.planning import plan_store, route_store
from cloud.planning.diff import Diff
from cloud.planning.revision import Revision, RevisionCost
from cloud.planning.service import require_route_of_driver
from tests.parts.migrated import upgrade
from tests.planning.days import DATE, DEPOT, day, order, route, stop
from wire.clock import ClockRate

NIGHT = shift_span(DATE, "22:00", "06:00", DEPOT.zone)


def at(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "business.db")
    upgrade(made, "business")
    shift = replace(day(vans=["van-1"]).shifts[0], starts_at=NIGHT[0], ends_at=NIGHT[1])
    night_route = replace(
        route(
            "van-1",
            stop("s-0", kind="pickup", arrival=NIGHT[0]),
            stop("s-1", order("a"), arrival=NIGHT[0] + 7200),
        ),
        starts_at=NIGHT[0],
        ends_at=NIGHT[1],
    )
    with made.writing() as connection:
        fleet_store.add(connection, tables.shift, shift_store.shift_row(shift))
        driven = Assignment(
            id="as-1",
            vehicle_id=shift.vehicle_id,
            holder_id=shift.driver_id,
            begin=shift.starts_at,
            end=shift.ends_at,
            shift_id=shift.id,
        )
        shift_store.add_assignments(connection, "main", "driver", [driven])
        plan_store.commit_revision(
            connection,
            day().plan,
            [night_route],
            [],
            Revision(
                number=1,
                trigger="optimize",
                reason="",
                solver="test",
                created_at=NIGHT[0],
                cost=RevisionCost(drive_s=0, distance_m=0, late_s=0),
                diff=Diff(
                    added=(), removed=(), moved=(), drive_s=0, distance_m=0, promises_moved=()
                ),
            ),
        )
    yield made
    made.close()


@pytest.mark.parametrize(
    "instant",
    ["2026-11-22T21:00:00-03:00", "2026-11-22T23:59:00-03:00", "2026-11-23T05:59:00-03:00"],
)
def test_a_driver_keeps_last_evening_s_route_until_the_shift_ends(
    database: Database, instant: str
) -> None:
    with database.reading() as connection:
        found = require_route_of_driver(connection, "main", "driver-of-van-1", at(instant))
    assert (found.service_date, found.stops[1].id) == (DATE, "s-1")


def test_a_late_driver_keeps_the_route_until_it_is_finished(database: Database) -> None:
    with database.writing() as connection:
        route_store.mark_stop(connection, "main", "s-1", state="arrived", arrived_at=NIGHT[1] - 60)
        found = require_route_of_driver(
            connection, "main", "driver-of-van-1", at("2026-11-23T07:00:00-03:00")
        )
    assert (found.service_date, found.state) == (DATE, "under_way")


def test_a_late_report_is_taken_and_repeated_after_the_last_stop(database: Database) -> None:
    now = at("2026-11-23T07:00:00-03:00")
    real = RealClock()
    clock = SimulatedClock(ClockRate(real_s=real.now_s(), simulated_s=now, speed=0.001), real)
    work = DriverWork(database, clock, Outbox(database))
    for _ in range(2):
        stop_now = work.arrive("main", "driver-of-van-1", "s-0", None)
        assert stop_now.state == "arrived"
    done = Report(outcome="picked_up", reason=None, order_id=None)
    for _ in range(2):
        assert work.report("main", "driver-of-van-1", "s-0", done, None).state == "done"
    with pytest.raises(NotFound, match="not on your route"):
        work.arrive("main", "driver-of-van-2", "s-0", None)


def test_after_the_shift_the_route_is_over(database: Database) -> None:
    with database.reading() as connection, pytest.raises(NotFound, match="no shift"):
        require_route_of_driver(
            connection, "main", "driver-of-van-1", at("2026-11-23T06:00:01-03:00")
        )


def test_the_plan_is_found_under_the_date_the_shift_began_on(database: Database) -> None:
    with database.reading() as connection:
        assert plan_store.find_plan(connection, "main", DEPOT.id, DATE).revision == 1
        next_day = date(2026, 11, 23)
        assert plan_store.find_plan(connection, "main", DEPOT.id, next_day).revision == 0


def test_a_stored_route_reads_back_as_it_was(database: Database) -> None:
    with database.reading() as connection:
        (found,) = plan_store.find_plan(connection, "main", DEPOT.id, DATE).routes
    assert (found.starts_at, found.ends_at) == NIGHT
    assert found.stops[1].order_ids == ("a",)
    assert (found.drive_s, found.distance_m) == (2 * 300 + 600, 2 * 2000 + 5000)
