"""Other hours of an area, a place or a depot's waves: whose day is planned anew, and whose not."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from cloud.fleet.calendar import Calendar, Hours, calendar_of
from cloud.foundation.ids import random_id
from cloud.foundation.outbox import Outbox
from cloud.foundation.settings import Settings
from cloud.orders import store as order_store
from cloud.orders.model import Order
from cloud.orders.waves import Wave, WavesChanged
from cloud.places.areas import AccessArea
from cloud.places.events import AreaChanged, PlaceHoursChanged
from cloud.planning.hours_news import (
    AreaNews,
    HoursNews,
    PlaceNews,
    PlannedDay,
    WaveNews,
    cause_of_hours,
)
from cloud.planning.job_queue import JobQueue
from tests.cloud.desk import TODAY, StillClock, open_desk, run
from tests.planning.days import DATE, DEPOT, EIGHT, HOUR, aboard, day, order, route, stop
from tests.planning.office import Office, until, working
from tests.planning.test_access import area

HERE = ((-89.0, -170.0), (-89.0, 170.0), (89.0, 170.0), (89.0, -170.0))
TOMORROW = "2026-11-24"
AWAY = ((10.0, 10.0), (10.0, 11.0), (11.0, 11.0))


def hours(*spans: str) -> Calendar:
    return calendar_of({"sun": [Hours.read("x", one) for one in spans]})


def zone(*spans: str, **changed: Any) -> AccessArea:
    made = AccessArea(id="a", name="Centro", points=HERE, hours=hours(*spans))
    return replace(made, **changed)


def planned(at_h: float | None = 2.0) -> PlannedDay:
    """One order, which its van is to serve so many hours after eight."""
    one = replace(aboard("a", "van-1"), place_id="door")
    routes = []
    if at_h is not None:
        arrival = EIGHT + at_h * HOUR
        there = replace(stop("s1", one), planned_arrival=arrival, planned_departure=arrival + 180)
        routes = [route("van-1", there)]
    plan = day(one, routes=routes, revision=1).plan
    return PlannedDay(DEPOT, plan, (one,))


def told(before: AccessArea | None, after: AccessArea | None) -> AreaNews:
    return AreaNews(AreaChanged(before=before, after=after))


def is_concerned(news: HoursNews, of: PlannedDay | None = None) -> bool:
    return cause_of_hours(news, of or planned()) is not None


@pytest.mark.parametrize(
    ("before", "after", "is_news"),
    [
        (None, zone("15:00-17:00"), True),
        (None, zone("09:00-17:00"), False),  # it is served at ten as before
        (None, zone("09:00-10:10"), True),  # it would be late there very soon
        (None, zone("15:00-17:00", points=AWAY), False),
        (None, zone("15:00-17:00", depot_id="another"), False),
        (zone("09:00-17:00"), zone("09:00-17:00", name="Downtown"), False),
        (zone("09:00-17:00"), zone("09:00-12:00"), False),
        (zone("09:00-12:00"), zone("09:00-17:00"), True),
        (zone("15:00-17:00"), None, True),
        (zone("15:00-17:00"), zone("15:00-17:00", points=AWAY), True),
    ],
)
def test_an_area_concerns_who_gains_time_or_whose_plan_breaks_its_hours(
    *, before: AccessArea | None, after: AccessArea | None, is_news: bool
) -> None:
    assert is_concerned(told(before, after)) is is_news


def test_hours_of_another_weekday_are_no_news() -> None:
    sunday = [Hours.read("x", "09:00-17:00")]
    tuesday = calendar_of({"sun": sunday, "tue": [Hours.read("x", "12:00-13:00")]})
    assert not is_concerned(told(zone("09:00-17:00"), zone(hours=tuesday)))


def test_an_order_left_out_is_concerned_by_more_time_alone() -> None:
    left_out = planned(None)
    assert is_concerned(told(zone("09:00-10:00"), zone("09:00-12:00")), left_out)
    assert not is_concerned(told(None, zone("09:00-12:00")), left_out)


def test_a_place_concerns_the_orders_there() -> None:
    closed = PlaceHoursChanged(
        place_id="door", address="Balmaceda 1", before=None, after=hours("15:00-16:00")
    )
    cause = cause_of_hours(PlaceNews(closed), planned())
    assert cause is not None
    assert cause.reason == "Balmaceda 1 has other opening hours, which concerns 1 order"
    assert (cause.about.trigger, cause.about.order_id) == ("access_changed", "a")
    elsewhere = PlaceHoursChanged(place_id="x", address="y", before=None, after=hours())
    assert not is_concerned(PlaceNews(elsewhere))


def test_waves_concern_what_is_not_aboard_and_leaves_at_another_time() -> None:
    waiting = replace(order("a", "planned"), created_at=EIGHT - 2 * HOUR)
    leaves = replace(stop("s0", waiting, kind="pickup"), planned_departure=EIGHT + HOUR)
    driven = route("van-1", leaves, stop("s1", waiting))
    at_depot = PlannedDay(DEPOT, day(waiting, routes=[driven]).plan, (waiting,))

    def news(*after: Wave) -> WaveNews:
        return WaveNews(WavesChanged(depot_id=DEPOT.id, before=(), after=after))

    assert is_concerned(news(Wave("07:00", "11:00")), at_depot)
    assert not is_concerned(news(Wave("07:00", "08:30")), at_depot)  # it leaves at nine
    assert not is_concerned(news(Wave("05:00", "11:00")), at_depot)  # it came in later
    assert not is_concerned(news(Wave("07:00", "11:00")))  # it is aboard
    earlier = WaveNews(WavesChanged(depot_id=DEPOT.id, before=(Wave("07:00", "09:00"),), after=()))
    assert is_concerned(earlier, at_depot)


def test_a_day_without_a_plan_is_not_concerned() -> None:
    before = planned()
    none = before._replace(plan=replace(before.plan, revision=0))
    assert not is_concerned(told(None, zone("15:00-17:00")), none)
    assert before.plan.service_date == DATE


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    office = Office(desk)
    office.replan("optimize")
    yield office
    desk.close()


def revisions(office: Office) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.ask("GET", f"{office.plan}/revisions", 200)["items"]
    return found


def test_each_makes_a_revision_that_says_why_and_needless_ones_none(office: Office) -> None:
    first = office.ask("GET", "/orders", 200)["items"][0]

    async def day_goes_on() -> None:
        loop = office.loop()
        async with working(loop), office.telling(loop) as came:

            async def done(method: str, path: str, body: Any, revision: int) -> None:
                heard = len(came)
                async with office.desk.client() as client:
                    answer = await client.request(method, path, json=body)
                assert answer.is_success, answer.text
                await until(lambda: len(came) > heard and not office.unfinished)
                await until(lambda: len(revisions(office)) >= revision)

            path = f"/orders/{first['id']}/place"
            whole_day = {"hours": {"week": {"mon": ["00:00-00:00"]}}}
            await done("PATCH", path, whole_day, 1)
            await done("PATCH", path, {"hours": {"week": {"mon": ["15:00-16:00"]}}}, 2)
            await done("POST", "/access-areas", area("14:00-17:00"), 3)
            waves = {"waves": [{"cutoff": "08:00", "ready": "10:00"}]}
            await done("PUT", "/depots/la-serena/waves", waves, 4)

    run(day_goes_on())
    hours_of_place, drawn, waves = revisions(office)[1:]
    assert hours_of_place["trigger"] == drawn["trigger"] == "access_changed"
    assert "has other opening hours" in hours_of_place["reason"]
    assert drawn["reason"].startswith("access area Centro was drawn, which concerns")
    assert waves["trigger"] == "waves_changed"
    assert waves["reason"].startswith("waves of la-serena have changed")


def test_of_a_place_s_hours_only_days_with_an_order_there_are_read(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for van in office.shifts:
        office.ask("POST", "/shifts", 201, vehicle_id=van, driver_id=f"of-{van}",
                   service_date=TOMORROW)  # fmt: skip
    later = office.order(service_date=TOMORROW, lat=-29.93, lon=-71.27)
    office.ask("POST", f"/depots/la-serena/plans/{TOMORROW}/optimize", 202, seconds=0.2)
    office.work()
    read: list[date] = []
    of_day = order_store.of_day

    def noted(connection: Connection, tenant: str, depot_id: str, day: date) -> list[Order]:
        read.append(day)
        return of_day(connection, tenant, depot_id, day)

    monkeypatch.setattr(order_store, "of_day", noted)
    database = office.desk.database
    queue = JobQueue(database, StillClock(), Outbox(database), random_id, lambda _: {})

    def asked(news: HoursNews) -> list[date]:
        read.clear()
        return [job.service_date for job in queue.ask_of_hours("main", news)]

    def at_place_of(order_id: str) -> PlaceNews:
        with database.reading() as connection:
            found = order_store.find(connection, "main", order_id)
        assert found is not None
        return PlaceNews(
            PlaceHoursChanged(
                place_id=found.place_id, address="", before=None,
                after=calendar_of({"tue": [Hours.read("x", "23:00-23:30")]}),
            )
        )  # fmt: skip

    tomorrow = date.fromisoformat(TOMORROW)
    assert asked(at_place_of(later)) == [tomorrow]
    assert read == [tomorrow]
    nowhere = PlaceHoursChanged(place_id="none", address="", before=None, after=hours())
    assert asked(PlaceNews(nowhere)) == read == []
    asked(told(None, zone("00:00-00:00")))
    assert read == [date.fromisoformat(TODAY), tomorrow]
    for shift in office.ask("GET", f"/shifts?service_date={TOMORROW}", 200)["items"]:
        office.ask("POST", f"/shifts/{shift['id']}/cancel", 200)
    assert asked(at_place_of(later)) == [], "nobody drives on that day any more"
