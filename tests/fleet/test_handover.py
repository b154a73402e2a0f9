"""A route is driven by whoever has the van now; who had it before may still report on it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.fleet import assigning, shift_store, tables
from cloud.fleet import store as fleet_store
from cloud.fleet.assignments import Assignment
from cloud.foundation.database import Database
from cloud.foundation.errors import NotFound
from cloud.foundation.ids import random_id
from cloud.planning import plan_store, route_store
from cloud.planning.diff import Diff
from cloud.planning.revision import Revision, RevisionCost
from cloud.planning.service import has_driven, require_route_of_driver, with_drivers
from tests.parts.migrated import upgrade
from tests.planning.days import day, order, route, stop

SHIFT = day(vans=["van-1"]).shifts[0]
ANA = SHIFT.driver_id
NOON = (SHIFT.starts_at + SHIFT.ends_at) / 2


def drives(driver: str, begin: float) -> Assignment:
    return Assignment(
        id=random_id("as"),
        vehicle_id="van-1",
        holder_id=driver,
        begin=begin,
        end=SHIFT.ends_at,
        shift_id=SHIFT.id,
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Ana drives until noon, Bea from then on."""
    made = Database(tmp_path / "business.db")
    upgrade(made, "business")
    planned = replace(
        route("van-1", stop("s-1", order("a"), arrival=SHIFT.starts_at + 3600)),
        starts_at=SHIFT.starts_at,
        ends_at=SHIFT.ends_at,
    )
    cost = RevisionCost(drive_s=0, distance_m=0, late_s=0)
    diff = Diff(added=(), removed=(), moved=(), drive_s=0, distance_m=0, promises_moved=())
    revision = Revision(
        number=1,
        trigger="optimize",
        reason="",
        solver="test",
        created_at=0.0,
        cost=cost,
        diff=diff,
    )
    with made.writing() as connection:
        fleet_store.add(connection, tables.shift, shift_store.shift_row(SHIFT))
        plan_store.commit_revision(connection, day().plan, [planned], [], revision)
        for one in (drives(ANA, SHIFT.starts_at), drives("bea", NOON)):
            assigning.assign(connection, "main", "driver", one, random_id)
    yield made
    made.close()


def test_the_route_follows_the_van_and_keeps_its_id(database: Database) -> None:
    with database.reading() as connection:
        before = require_route_of_driver(connection, "main", ANA, NOON - 1)
        after = require_route_of_driver(connection, "main", "bea", NOON)
        assert (before.id, before.driver_id) == (after.id, ANA)
        assert after.driver_id == "bea"
        with pytest.raises(NotFound, match="no shift"):
            require_route_of_driver(connection, "main", ANA, NOON)


def test_the_plan_shows_who_drives_now_and_after_the_shift_who_ended_it(
    database: Database,
) -> None:
    with database.reading() as connection:
        known = (
            route_store.find_route(connection, "main", "route-of-van-1")
            or route_store.routes_between(connection, "main", SHIFT.starts_at, SHIFT.ends_at)[0]
        )
        for now, driver in ((0.0, ANA), (NOON - 1, ANA), (NOON, "bea"), (9e9, "bea")):
            [told] = with_drivers(connection, [known], now)
            assert told.driver_id == driver


def test_both_may_report_and_nobody_else(database: Database) -> None:
    with database.reading() as connection:
        [known] = route_store.routes_between(connection, "main", SHIFT.starts_at, SHIFT.ends_at)
        assert [has_driven(connection, known, one) for one in (ANA, "bea", "cid")] == [
            True,
            True,
            False,
        ]
