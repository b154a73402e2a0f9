"""Orders that may wait: what they cost to leave, and how they come to their next day."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.hours import local_instant
from cloud.foundation.outbox import Outbox
from cloud.foundation.settings import Settings
from cloud.orders.model import Pickup, Promise, Span
from cloud.orders.waiting import MOST_DAYS, carried, with_last_chance
from cloud.planning.carrying import Carrying
from cloud.planning.committing import PlanRefused
from cloud.planning.jobs import About
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of
from cloud.planning.questions import Solved, SolveRequest
from cloud.planning.yielding import GaveWay
from tests.cloud.desk import TODAY, open_desk
from tests.planning.days import DATE, DEPOT, EIGHT, HOUR, day, order
from tests.planning.office import PLAN, Office
from tests.planning.test_ending import Later

TOMORROW, WEDNESDAY, THURSDAY = "2026-11-24", "2026-11-25", "2026-11-26"
FRIDAY, SATURDAY = "2026-11-27", "2026-11-28"
FAR = {"lat": -29.5, "lon": -71.25}
TEN = {"from": "2026-11-23T13:00:00.000Z", "to": "2026-11-23T15:00:00.000Z"}


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


def waiting(days: int, **given: Any) -> Any:
    return replace(order("a"), wait_until=DATE + timedelta(days=days), **given)


def unserved_price(days: int, **given: Any) -> float | None:
    (job,) = problem_of(day(waiting(days, **given)), {}, TenantPolicy(wait=1_200)).jobs
    return job.unserved


def test_waiting_gets_dearer_day_by_day_until_it_must_go() -> None:
    prices = [unserved_price(days) for days in (4, 3, 2, 1, 0)]
    assert prices == [300, 400, 600, 1_200, None]


def test_what_was_promised_or_taken_along_does_not_wait() -> None:
    told = Span(EIGHT + HOUR, EIGHT + 3 * HOUR)
    assert unserved_price(3, promise=Promise(told, told)) is None
    assert waiting(3, state="loaded").days_to_wait == 0


def test_no_wait_costs_more_than_leaving_a_must_go_order() -> None:
    dear = TenantPolicy(wait=90_000, unserved=9_000)
    (job,) = problem_of(day(waiting(2)), {}, dear).jobs
    assert job.unserved == 9_000


@given(st.integers(0, 9), st.sets(st.integers(1, 12)))
def test_nobody_waits_for_a_day_on_which_nobody_drives(days: int, driven: set[int]) -> None:
    known = sorted(driven)
    dates = [DATE + timedelta(days=each) for each in known]
    left = with_last_chance(waiting(days), dates).days_to_wait
    assert left <= days
    is_unknown = not known or days > known[-1]
    assert left == (days if is_unknown else max((d for d in known if d <= days), default=0))


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.integers(1, 9), st.integers(0, 86_399))
def test_windows_keep_their_hours_over_clock_changes(when: date, days: int, second: int) -> None:
    begin = local_instant(when, "00:00", DEPOT.zone) + second
    window = Span(begin, begin + 2 * HOUR)
    shop = Pickup(address="Bakery", lat=-29.9, lon=-71.2, window=window)
    was = replace(order("a", window=window), service_date=when, pickup=shop)
    now = carried(was, when + timedelta(days=days), DEPOT.zone)
    assert now.service_date == when + timedelta(days=days)
    assert now.window is not None
    assert now.pickup is not None
    assert now.pickup.window == now.window
    clock = [
        datetime.fromtimestamp(instant, ZoneInfo(DEPOT.zone)).replace(tzinfo=None)
        for instant in (window.begin, now.window.begin)
    ]
    off = clock[1] - clock[0] - timedelta(days=days)
    assert off in {timedelta(0), timedelta(hours=1)}  # an hour that is not there comes after it


def test_form_and_file_say_until_when(office: Office) -> None:
    desk = office.desk
    assert desk.order(wait_until=FRIDAY).json()["wait_until"] == FRIDAY
    assert desk.order().json()["wait_until"] is None
    header = "address,lat,lon,priority,wait_until\n"
    rows = [
        f"B 1,-29.91,-71.252,,{FRIDAY}\n",
        "B 2,-29.91,-71.252,,2026-11-22\n",
        f"B 3,-29.91,-71.252,urgent,{FRIDAY}\n",
        "B 4,-29.91,-71.252,,Friday\n",
        "B 5,-29.91,-71.252,,2027-11-22\n",
    ]
    report = desk.file(header + "".join(rows)).json()
    (taken,) = report["order_ids"]
    assert office.ask("GET", f"/orders/{taken}", 200)["wait_until"] == FRIDAY
    assert [(one["row"], one["field"]) for one in report["refused"]] == [
        (row, "wait_until") for row in (3, 4, 5, 6)
    ]
    for wrong in ({"wait_until": "2026-11-22"}, {"wait_until": FRIDAY, "priority": "urgent"}):
        answer = desk.order(**wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "wait_until")
    late = desk.ask("PATCH", f"/orders/{taken}", json={"wait_until": "2027-11-22"})
    assert (late.status_code, str(MOST_DAYS) in late.text) == (422, True)
    assert office.ask("PATCH", f"/orders/{taken}", 200, wait_until=None)["wait_until"] is None


def test_what_is_dear_today_waits_says_so_and_is_carried_until_it_must_go(office: Office) -> None:
    near = office.order(wait_until=SATURDAY)
    far = office.order(**FAR, wait_until=FRIDAY, window=TEN)
    must = office.order(lat=-29.6, lon=-71.25)
    office.replan("optimize")
    left = office.ask("GET", PLAN, 200)["unserved"]
    assert [(one["order_id"], one["waits_until"]) for one in left] == [(far, FRIDAY)]
    assert left[0]["reason"].startswith(f"may wait until {FRIDAY}; ")
    assert office.ask("GET", f"/orders/{near}", 200)["promise"] is not None
    assert office.ask("GET", f"/orders/{must}", 200)["promise"] is not None
    prices = office.ask("GET", f"{PLAN}/revisions", 200)["items"][-1]["prices"]
    assert prices["unserved"] == pytest.approx(1_800 / 4)
    somebody_drives(office, FRIDAY)
    optimize(office, FRIDAY)
    carried_on = office.ask("GET", f"/orders/{far}", 200)
    assert carried_on["service_date"] == FRIDAY
    assert carried_on["window"]["from"] == TEN["from"].replace(TODAY, FRIDAY)
    assert carried_on["promise"] is not None
    assert office.ask("GET", day_of(FRIDAY), 200)["unserved"] == []


def test_what_waits_is_carried_when_its_day_is_over_and_not_before(office: Office) -> None:
    far = office.order(**FAR, wait_until=SATURDAY)
    ban = {"kind": "ban", "vehicle_id": "van-1", "order_id": far}
    office.ask("POST", f"{PLAN}/rules", 201, **ban)
    last = office.order(lat=-28.0, lon=-71.25, wait_until=TODAY)
    office.replan("optimize")
    somebody_drives(office, TOMORROW, THURSDAY)
    assert carry(office, 0.4) == 0  # the last shift is over at 18:00
    assert carry(office, 0.55) == 1
    assert carry(office, 0.55) == 0
    assert date_of(office, far) == TOMORROW
    assert date_of(office, last) == TODAY
    rules = office.ask("GET", f"{day_of(TOMORROW)}/rules", 200)["items"]
    assert [one["order_id"] for one in rules] == [far]
    assert carry(office, 3) == 1  # nobody looked for two days
    assert date_of(office, far) == THURSDAY
    assert carry(office, 9) == 0


def test_what_waits_is_carried_only_to_days_on_which_somebody_drives(office: Office) -> None:
    far = office.order(**FAR, wait_until=FRIDAY)
    assert carry(office, 1) == 0  # no shift is known yet
    somebody_drives(office, SATURDAY)
    assert carry(office, 1) == 0  # that is too late for it
    somebody_drives(office, FRIDAY)
    assert carry(office, 1) == 1
    assert date_of(office, far) == FRIDAY


def test_what_has_no_later_day_on_which_somebody_drives_must_go(office: Office) -> None:
    far = office.order(**FAR, wait_until=THURSDAY)
    somebody_drives(office, WEDNESDAY, FRIDAY)
    office.replan("optimize")
    (left,) = office.ask("GET", PLAN, 200)["unserved"]
    assert (left["order_id"], left["waits_until"]) == (far, WEDNESDAY)
    optimize(office, WEDNESDAY)
    assert date_of(office, far) == WEDNESDAY
    assert office.ask("GET", f"/orders/{far}", 200)["promise"] is not None


def test_a_day_to_come_that_nobody_has_planned_keeps_its_orders(office: Office) -> None:
    far = office.order(**FAR, wait_until=SATURDAY)
    somebody_drives(office, TOMORROW)
    optimize(office, TOMORROW)
    assert date_of(office, far) == TODAY


def test_an_order_that_no_plan_has_looked_at_keeps_its_day(office: Office) -> None:
    office.replan("optimize")
    near = office.order(wait_until=SATURDAY)
    somebody_drives(office, TOMORROW)
    optimize(office, TOMORROW)
    assert date_of(office, near) == TODAY


def test_an_order_skips_no_day_when_a_later_one_is_planned(office: Office) -> None:
    somebody_drives(office, TOMORROW, WEDNESDAY)
    tomorrows = office.order(**FAR, wait_until=SATURDAY, service_date=TOMORROW)
    optimize(office, TOMORROW)
    todays = office.order(**FAR, wait_until=SATURDAY)
    office.replan("optimize")
    optimize(office, WEDNESDAY)
    assert date_of(office, todays) == TODAY  # tomorrow comes before Wednesday
    assert date_of(office, tomorrows) == WEDNESDAY


def test_a_plan_that_is_refused_or_does_not_come_carries_nothing(office: Office) -> None:
    far = office.order(**FAR, wait_until=FRIDAY)
    office.replan("optimize")
    office.ask("POST", f"{day_of(FRIDAY)}/optimize", 202, seconds=0.2)
    with pytest.raises(PlanRefused):
        office.work()  # no shift is open
    assert date_of(office, far) == TODAY
    somebody_drives(office, FRIDAY)
    ban = {"kind": "ban", "vehicle_id": "van-1", "order_id": far}
    office.ask("POST", f"{PLAN}/rules", 201, **ban)
    planner, office.maker._planner = office.maker._planner, Silent()  # type: ignore[assignment]
    with pytest.raises(GaveWay):
        optimize(office, FRIDAY)
    assert date_of(office, far) == TODAY
    assert [one["order_id"] for one in office.ask("GET", PLAN, 200)["unserved"]] == [far]
    office.maker._planner = planner
    optimize(office, FRIDAY)
    assert date_of(office, far) == FRIDAY
    routes = office.ask("GET", day_of(FRIDAY), 200)["routes"]
    vans = [route["vehicle_id"] for route in routes if route["stops"]]
    assert vans == ["van-2"]  # the ban has come along


def test_the_day_an_order_has_left_no_longer_tells_of_it(office: Office) -> None:
    far = office.order(**FAR, wait_until=SATURDAY)
    revision = office.replan("optimize")
    somebody_drives(office, TOMORROW)
    optimize(office, TOMORROW)
    assert date_of(office, far) == TOMORROW
    assert office.ask("GET", PLAN, 200)["unserved"] == []
    silent = About(trigger="van_silent", vehicle_id="van-1")
    assert office.replan("van_silent", silent) == revision


class Silent:
    """A planner whose search is broken off for something more urgent."""

    async def solve(self, request: SolveRequest, *, timeout_s: float) -> Solved:
        raise GaveWay


def carry(office: Office, days: float) -> int:
    database = office.desk.database
    return Carrying(database, Later(days), Outbox(database)).carry_from_days_over()


def day_of(service_date: str) -> str:
    return f"/depots/la-serena/plans/{service_date}"


def date_of(office: Office, order_id: str) -> str:
    return str(office.ask("GET", f"/orders/{order_id}", 200)["service_date"])


def somebody_drives(office: Office, *dates: str) -> None:
    for each in dates:
        for van in office.shifts:
            office.ask("POST", "/shifts", 201, vehicle_id=van, driver_id=f"of-{van}",
                       service_date=each)  # fmt: skip


def optimize(office: Office, service_date: str) -> None:
    office.ask("POST", f"{day_of(service_date)}/optimize", 202, seconds=0.2)
    office.work()
