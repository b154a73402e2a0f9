"""What is expected of a route by where its van is, and promises that are told once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import select

from cloud.fleet import store as fleet_store
from cloud.fleet import tables
from cloud.foundation.database import Database
from cloud.foundation.outbox import DomainEvent, Outbox, outbox
from cloud.orders import store as order_store
from cloud.orders.model import Order, Promise, Span
from cloud.places import store as place_store
from cloud.planning import plan_store, told_store
from cloud.planning.arrivals import (
    Arrivals,
    Forecasts,
    Learned,
    PromiseWatch,
    arrivals_of,
    forecast_of,
    news_of,
    van_at,
)
from cloud.planning.day_plan import DayPlan, Route
from cloud.planning.diff import Diff
from cloud.planning.events import PromiseAtRisk
from cloud.planning.leg_left import left_share, path_ahead, way_of
from cloud.planning.pace import ASSUMED
from cloud.planning.revision import Revision, RevisionCost
from cloud.planning.service import Planning
from cloud.planning.situation import At
from cloud.planning.triggers import Cause, cause_of
from cloud.planning.worth import Worth
from tests.parts.migrated import upgrade
from tests.planning import days

ZONE = ZoneInfo("America/Santiago")
NOW = days.EIGHT + 2 * days.HOUR


def on_the_road() -> Route:
    """Loaded, first stop done, on the way to the second along a straight street."""
    one, two = days.order("a"), days.order("bb")
    load = days.stop("load", one, two, kind="pickup", state="done")
    first = days.stop("first", one, state="done")
    second = days.stop("second", two)
    first = replace(first, lat=-29.90, lon=-71.25, arrived_at=NOW - 900, done_at=NOW - 300)
    second = replace(second, lat=-29.90, lon=-71.23, leg_s=600, leg_m=1930)
    load = replace(load, arrived_at=days.EIGHT, done_at=days.EIGHT + 600)
    route = days.route("van-1", load, first, second)
    path = tuple((-71.25 + at * 0.001, -29.90) for at in range(21))
    return replace(route, geometry=path)


def at(lon: float, age_s: float = 0.0) -> At:
    return At(-29.90, lon, NOW - age_s)


def left(route: Route, van: At | None, now: float = NOW) -> float:
    return left_share(route, van, now, way_of(route))


def arrivals(route: Route, van: At | None, orders: Mapping[str, Order]) -> Arrivals:
    learned = Learned(ASSUMED, Worth(), ZONE)
    expected = forecast_of(van_at(route, van, ZONE, NOW, way_of(route)), learned)
    return arrivals_of(route, van, orders, expected, NOW)


def test_the_share_that_is_left_follows_the_van_along_its_path() -> None:
    route = on_the_road()
    assert left(route, at(-71.25), NOW) == 1.0
    assert left(route, at(-71.24), NOW) == pytest.approx(0.5, abs=0.02)
    assert left(route, at(-71.2302), NOW) < 0.05


def test_a_path_made_on_the_way_leads_through_nothing_that_was_done_before() -> None:
    """It ends at the depot, and comes by the first door again on its way home."""
    load, first, second = on_the_road().stops
    load, first = replace(load, lat=-29.90, lon=-71.25), replace(first, lon=-71.24)
    east = [-71.238 + number * 0.001 for number in range(9)]
    home = [-71.23 - number * 0.001 for number in range(1, 21)]
    redrawn = replace(
        on_the_road(),
        stops=(load, first, replace(second, leg_m=772)),
        geometry=tuple((lon, -29.90) for lon in (*east, *home)),
    )
    assert left(redrawn, at(-71.234), NOW) == pytest.approx(0.5, abs=0.02)
    ahead = path_ahead(redrawn, at(-71.234))
    assert ahead[0][1] == pytest.approx(-71.234)
    assert (-29.90, -71.23) in ahead


def test_an_old_position_is_driven_on_and_none_is_the_clock() -> None:
    route = on_the_road()
    fresh, old = left(route, at(-71.24), NOW), left(route, at(-71.24, 120.0), NOW)
    assert old == pytest.approx(fresh - 0.2, abs=0.01)
    assert left(route, None, NOW) == pytest.approx(0.5)
    assert left(route, None, NOW + 10_000) == pytest.approx(0.05)


def test_who_has_not_begun_or_stands_at_the_door_has_all_of_it_ahead() -> None:
    route = on_the_road()
    fresh = replace(route, stops=tuple(replace(s, state="open") for s in route.stops))
    assert left(fresh, at(-71.24), NOW) == 1.0
    there = replace(route.stops[-1], state="arrived", arrived_at=NOW)
    standing = replace(route, stops=(*route.stops[:-1], there))
    assert left(standing, at(-71.23), NOW) == 1.0


def test_a_promise_is_none_at_risk_or_late() -> None:
    route, order = on_the_road(), days.order("bb", "out_for_delivery")

    def risk(until: float) -> str:
        told = replace(order, promise=Promise(Span(NOW, until), Span(NOW, until)))
        found = arrivals(route, at(-71.24), {"bb": told})
        return found.items[0].risk

    (eta,) = (one.eta for one in arrivals(route, at(-71.24), {}).items)
    assert risk(eta.p90 + 1) == "none"
    assert risk((eta.p50 + eta.p90) / 2) == "at_risk"
    assert risk(eta.p50 - 1) == "late"


def test_what_is_delivered_is_at_no_risk() -> None:
    route = on_the_road()
    past = Promise(Span(NOW - 9, NOW - 8), Span(NOW - 9, NOW - 8))
    done = replace(days.order("bb", "delivered"), promise=past)
    found = arrivals(route, at(-71.24), {"bb": done})
    assert [one.risk for one in found.items] == ["none"]
    assert found.position_age_s == 0.0


class Then:
    """A clock that stands, as far as the business is concerned."""

    speed = 1.0

    def __init__(self, now_s: float) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        return self._now_s

    async def sleep_until(self, instant_s: float) -> None:
        raise AssertionError(f"nothing waits for {instant_s}")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    yield database
    database.close()


def store_day(database: Database, route: Route, orders: Sequence[Order]) -> None:
    """A depot with a plan of one route, as the product stores it."""
    with database.writing() as connection:
        depot = {name: getattr(days.DEPOT, name) for name in tables.depot.c.keys()}  # noqa: SIM118 - not a dict
        fleet_store.add(connection, tables.depot, depot)
        for order in orders:
            place_id = place_store.known_or_new(
                connection, tenant="main", address=order.address, lat=order.lat, lon=order.lon,
                street="", street_distance_m=0.0, new_id=partial("{1}-{0}".format, order.id),
            )  # fmt: skip
            personal = dict.fromkeys(("recipient_name", "recipient_phone", "note"))
            order_store.add_orders(connection, [(order, place_id, None, personal)])
            assert order.promise is not None
            order_store.change(
                connection, order, promise_original_begin=order.promise.original.begin,
                promise_original_end=order.promise.original.end,
                promise_current_begin=order.promise.current.begin,
                promise_current_end=order.promise.current.end,
            )  # fmt: skip
        plan_store.commit_revision(
            connection, DayPlan(tenant="main", depot_id=days.DEPOT.id, service_date=days.DATE),
            [route], [],
            Revision(
                number=1, trigger="optimize", reason="test", solver="none", created_at=NOW,
                cost=RevisionCost(drive_s=0, distance_m=0, late_s=0),
                diff=Diff(
                    added=(), removed=(), moved=(), drive_s=0, distance_m=0, promises_moved=()
                ),
            ),
        )  # fmt: skip


def told(database: Database) -> list[PromiseAtRisk]:
    with database.reading() as connection:
        rows = connection.execute(select(outbox.c.kind, outbox.c.payload)).all()
    return [
        msgspec.json.decode(row.payload, type=PromiseAtRisk)
        for row in rows
        if row.kind == "PromiseAtRisk"
    ]


def test_a_promise_in_danger_is_told_once_and_anew_when_another_was_given(
    database: Database,
) -> None:
    late = Promise(Span(NOW - 3600, NOW + 60), Span(NOW - 3600, NOW + 60))
    safe = Promise(Span(NOW, NOW + 36_000), Span(NOW, NOW + 36_000))
    orders = [
        replace(days.order("a", "delivered"), promise=safe),
        replace(days.order("bb", "out_for_delivery"), promise=late),
    ]
    store_day(database, on_the_road(), orders)
    clock = Then(NOW)
    planning = Planning(database, clock, lambda kind: kind)
    forecasts = Forecasts(database, planning, lambda tenant: {"van-1": at(-71.24)}, clock)

    def watch() -> PromiseWatch:
        return PromiseWatch(
            forecasts, tenants=lambda: ["main"], database=database, events=Outbox(database),
            clock=clock,
        )  # fmt: skip

    assert [watch().look() for _ in range(3)] == [1, 0, 0]
    (event,) = told(database)
    assert (event.order_id, event.vehicle_id, event.promised_until) == ("bb", "van-1", NOW + 60)
    assert event.expected_at > NOW + 60
    with database.writing() as connection:
        found = order_store.find(connection, "main", "bb")
        assert found is not None
        order_store.change(connection, found, promise_current_end=NOW + 90)
    assert watch().look() == 1
    assert [each.promised_until for each in told(database)] == [NOW + 60, NOW + 90]


def test_a_margin_that_is_used_up_asks_for_a_plan_before_anybody_is_warned(
    database: Database,
) -> None:
    (eta,) = (one.eta for one in arrivals(on_the_road(), at(-71.24), {}).items)

    def until(end: float) -> Promise:
        return Promise(Span(NOW - 3600, end), Span(NOW - 3600, end))

    tight = until(eta.p50 + 0.4 * (eta.p90 - eta.p50))
    orders = [
        replace(days.order("a", "delivered"), promise=tight),
        replace(days.order("bb", "out_for_delivery"), promise=tight),
    ]
    store_day(database, on_the_road(), orders)
    clock = Then(NOW)
    planning = Planning(database, clock, lambda kind: kind)
    forecasts = Forecasts(database, planning, lambda tenant: {"van-1": at(-71.24)}, clock)
    watch, restarted = (
        PromiseWatch(
            forecasts, tenants=lambda: ["main"], database=database, events=Outbox(database),
            clock=clock,
        )
        for _ in range(2)
    )  # fmt: skip
    assert [watch.look() for _ in range(3)] == [1, 0, 0]
    assert [restarted.look() for _ in range(2)] == [1, 0]
    assert not told(database)
    with database.reading() as connection:
        row, again = connection.execute(select(outbox)).all()
    assert (again.kind, again.payload) == (row.kind, row.payload)
    cause = cause_of(
        DomainEvent(position=1, tenant="main", kind=row.kind, payload=row.payload, at=NOW)
    )
    assert isinstance(cause, Cause)
    assert (cause.about.trigger, cause.about.order_id) == ("promise_at_risk", "bb")
    assert news_of(eta, eta.p50 - 1) is PromiseAtRisk
    assert news_of(eta, eta.p90) is None


def test_what_was_forecast_is_kept_once_and_judged_when_it_has_come(database: Database) -> None:
    late = Promise(Span(NOW - 3600, NOW + 60), Span(NOW - 3600, NOW + 60))
    orders = [
        replace(days.order("a", "delivered"), promise=late),
        replace(days.order("bb", "out_for_delivery"), promise=late),
    ]
    route = on_the_road()
    store_day(database, route, orders)
    clock = Then(NOW)
    planning = Planning(database, clock, lambda kind: kind)
    for _ in range(2):  # as after a restart
        forecasts = Forecasts(database, planning, lambda tenant: {"van-1": at(-71.24)}, clock)
        watch = PromiseWatch(
            forecasts, tenants=lambda: ["main"], database=database, events=Outbox(database),
            clock=clock,
        )  # fmt: skip
        watch.look()
    came = tuple(
        replace(stop, state="arrived", arrived_at=NOW + 400) if stop.state == "open" else stop
        for stop in route.stops
    )
    with database.reading() as connection:
        assert told_store.judged(connection, "main", [route]) == []
        (one,) = told_store.judged(connection, "main", [replace(route, stops=came)])
    assert (one.day, one.route, one.came) == (route.service_date, route.id, NOW + 400)
    assert one.p10 < one.p50 < one.p90
    assert one.ahead_s == pytest.approx(one.p50 - NOW)


def test_the_news_of_a_promise_in_danger_asks_for_a_plan(database: Database) -> None:
    event = PromiseAtRisk(
        order_id="bb", depot_id="la-serena", service_date=days.DATE.isoformat(), route_id="r",
        vehicle_id="van-1", promised_until=NOW, expected_at=NOW + 720,
    )  # fmt: skip
    payload = msgspec.json.encode(event)
    cause = cause_of(
        DomainEvent(position=1, tenant="main", kind="PromiseAtRisk", payload=payload, at=NOW)
    )
    assert isinstance(cause, Cause)
    assert (cause.about.trigger, cause.service_date) == ("promise_at_risk", days.DATE)
    assert cause.reason == "order bb is expected 12 min after its promise"
