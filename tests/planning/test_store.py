"""A plan reads back as it was committed, however it came from the revision before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import place_of
from cloud.foundation.settings import Settings
from cloud.orders.model import Span
from cloud.planning import plan_store
from cloud.planning.day_plan import DayPlan, Route, RouteBreak, Stop
from cloud.planning.diff import Diff
from cloud.planning.revision import Revision, RevisionCost
from tests.parts.migrated import migrate
from tests.planning.days import DATE, DEPOT, EIGHT, order, route, stop

_VANS = ("van-1", "van-2", "van-3")
_ORDERS = [order(f"o{number}") for number in range(9)]

stops = st.builds(
    lambda name, served, arrival, window: replace(
        stop(name, *served, arrival=EIGHT + arrival), window=window
    ),
    st.sampled_from([f"stop-{number}" for number in range(9)]),
    st.lists(st.sampled_from(_ORDERS), min_size=1, max_size=4, unique_by=lambda one: one.id),
    st.integers(0, 9),
    st.none() | st.builds(Span, st.just(EIGHT), st.floats(EIGHT, EIGHT + 9)),
)
routes = st.builds(
    lambda van, some, line, rested: replace(
        route(van, *some),
        geometry=tuple(line),
        breaks=(RouteBreak(begins=1.0, ends=2.0, lat=3.0, lon=4.0, before_stop_id=None),) * rested,
    ),
    st.sampled_from(_VANS),
    st.lists(stops, max_size=6),
    st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), max_size=3),
    st.integers(0, 1),
)


def _whole(drawn: list[Route]) -> tuple[Route, ...]:
    """The routes with each van and each stop once, as a plan has them."""
    seen: set[str] = set()
    kept = []
    for one in sorted({each.vehicle_id: each for each in drawn}.values(), key=lambda r: r.id):
        own: list[Stop] = []
        for each in one.stops:
            if each.id not in seen:
                seen.add(each.id)
                own.append(replace(each, position=len(own)))
        kept.append(replace(one, stops=tuple(own)))
    return tuple(kept)


def _read_back(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Whom a stop serves has no order in the tables."""
    return tuple(
        replace(
            one,
            stops=tuple(replace(s, order_ids=tuple(sorted(s.order_ids))) for s in one.stops),
        )
        for one in routes
    )


def _revision(number: int) -> Revision:
    nothing = Diff(added=(), removed=(), moved=(), drive_s=0, distance_m=0, promises_moved=())
    return Revision(
        number=number,
        trigger="optimize",
        reason="asked for",
        solver="insertion",
        created_at=EIGHT,
        cost=RevisionCost(drive_s=0, distance_m=0, late_s=0),
        diff=nothing,
    )


@given(st.lists(st.lists(routes, max_size=5).map(_whole), min_size=1, max_size=4))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_is_committed_is_read_back(
    kept_in: Settings, tmp_path: Path, plans: list[tuple[Route, ...]]
) -> None:
    with _writing(kept_in, tmp_path) as connection:
        before = DayPlan(tenant="main", depot_id=DEPOT.id, service_date=DATE)
        for number, each in enumerate(plans, 1):
            plan_store.commit_revision(connection, before, each, (), _revision(number))
            before = plan_store.find_plan(connection, "main", DEPOT.id, DATE)
            assert before.routes == _read_back(each)
            assert before.revision == number
        connection.rollback()


@contextmanager
def _writing(kept_in: Settings, root: Path) -> Iterator[Connection]:
    data = DataFolder(root / "cloud")
    migrate(data, "business", settings=kept_in)
    database = Database(place_of("business", data, kept_in))
    try:
        with database.writing() as connection:
            yield connection
    finally:
        database.close()
