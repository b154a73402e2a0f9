"""What news asks for, what is not worth a search, and what one day's news may cost."""

from dataclasses import replace
from datetime import date

import msgspec
import pytest

from cloud.fleet.events import VehicleDisabled
from cloud.foundation.outbox import DomainEvent
from cloud.orders.model import OrderMoved
from cloud.orders.states import OrderState
from cloud.planning.budget import Budget
from cloud.planning.jobs import About
from cloud.planning.mattering import matters
from cloud.planning.revision import Trigger
from cloud.planning.triggers import Cause, VanCause, cause_of, settles_in_s
from cloud.planning.turns import is_due
from cloud.tracking.silence import SilenceChanged
from tests.planning.days import DEPOT, EIGHT, HOUR, aboard, day, order, route, stop
from tests.planning.test_turns import job, urgent

DAY = ("main", "north", date(2026, 11, 23))
PLANNED, NEW = order("a", "planned"), order("b")
DRIVEN_TO, LATER = aboard("c", "van-1"), aboard("d", "van-1")
DONE = aboard("x", "van-1", "delivered")
TODAY = day(
    PLANNED,
    NEW,
    DRIVEN_TO,
    LATER,
    DONE,
    order("y", "cancelled"),
    now=EIGHT + HOUR,
    vans=("van-1", "van-2", "van-3"),
    routes=[
        route("van-1", stop("s0", DONE, state="done"), stop("s1", DRIVEN_TO), stop("s2", LATER)),
        route("van-2", stop("s3", PLANNED, kind="pickup"), stop("s4", PLANNED)),
    ],
)


def event(body: msgspec.Struct) -> DomainEvent:
    return DomainEvent(
        position=1,
        tenant="main",
        kind=type(body).__name__,
        payload=msgspec.json.encode(body),
        at=EIGHT,
    )


def moved(before: OrderState, after: OrderState) -> Cause | VanCause | None:
    told = OrderMoved(
        order_id="a", depot_id=DEPOT.id, service_date="2026-11-22", before=before, after=after
    )
    return cause_of(event(told))


def test_a_failed_attempt_and_a_silent_or_disabled_van_ask_for_a_plan() -> None:
    for before, trigger in (("out_for_delivery", "failed_attempt"), ("loaded", "failed_pickup")):
        cause = moved(before, "failed_attempt")  # type: ignore[arg-type]
        assert isinstance(cause, Cause)
        assert cause.about == About(trigger=trigger, order_id="a")  # type: ignore[arg-type]
    assert moved("received", "cancelled") is None
    silent = SilenceChanged(
        vehicle_id="van-1", silence_id="s", change="van_silent", heard_at_s=EIGHT
    )
    for body in (silent, VehicleDisabled(vehicle_id="van-1")):
        cause = cause_of(event(body))
        assert isinstance(cause, VanCause)
        assert cause.vehicle_id == cause.about.vehicle_id == "van-1"
    heard = msgspec.structs.replace(silent, change="van_heard")
    assert cause_of(event(heard)) is None


@pytest.mark.parametrize(
    ("trigger", "order_id", "vehicle_id", "is_worth_it"),
    [
        ("new_order", "b", None, True),
        ("new_order", "a", None, False),
        ("new_order", "of-another-day", None, False),
        ("urgent_order", "y", None, False),
        ("cancellation", "y", None, False),
        ("cancellation", "a", None, True),
        ("changed_order", "d", None, True),
        ("changed_order", "x", None, False),
        ("promise_at_risk", "c", None, False),
        ("promise_at_risk", "d", None, True),
        ("promise_at_risk", "x", None, False),
        ("failed_attempt", "x", None, True),
        ("van_silent", None, "van-1", True),
        ("van_silent", None, "van-3", False),
        ("changed_shift", None, "van-3", True),
        ("changed_shift", None, "van-9", False),
        ("road_changed", None, "van-2", True),
        ("road_changed", None, "van-3", False),
        ("rule", None, None, True),
    ],
)
def test_news_that_can_change_nothing_is_worth_no_search(
    *, trigger: Trigger, order_id: str | None, vehicle_id: str | None, is_worth_it: bool
) -> None:
    about = About(trigger=trigger, order_id=order_id, vehicle_id=vehicle_id)
    assert matters(TODAY, (about,)) is is_worth_it
    assert matters(TODAY, (about, About(trigger="new_order", order_id="b")))


def test_a_plan_wanted_without_news_is_always_worth_it() -> None:
    assert matters(TODAY, ())


def test_news_settles_before_it_is_planned_but_an_urgent_order_does_not_wait() -> None:
    assert settles_in_s("urgent_order") == 0
    assert 0 < settles_in_s("rule") <= settles_in_s("new_order") < 10
    waiting = replace(job("later"), due_at=EIGHT)
    assert not is_due(waiting, EIGHT - 1)
    assert is_due(waiting, EIGHT)
    assert is_due(waiting, EIGHT - HOUR)  # the clock was set back
    assert is_due(urgent("now"), EIGHT - HOUR)


def test_a_day_spends_so_much_an_hour_and_what_a_person_asks_for_is_not_counted() -> None:
    budget = Budget(an_hour_s=3)
    for minute in range(3):
        assert not budget.is_spent(DAY, EIGHT + 60 * minute)
        budget.spend(DAY, EIGHT + 60 * minute, 1.0)
    assert budget.is_spent(DAY, EIGHT + 180)
    assert not budget.is_spent(("main", "south", DAY[2]), EIGHT + 180)
    assert budget.is_spent(DAY, EIGHT + HOUR - 1)
    assert not budget.is_spent(DAY, EIGHT + HOUR)
    assert budget.is_counted(job("news"))
    assert not budget.is_counted(job("asked", trigger="optimize"))
    assert not budget.is_counted(urgent("now"))
