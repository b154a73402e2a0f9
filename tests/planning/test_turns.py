"""Who may begin: one job a depot, no more searches than there is room for, none forgotten."""

from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from cloud.planning.answering import DECISION_S, improvement, job_of
from cloud.planning.jobs import About, Job
from cloud.planning.revision import Trigger
from cloud.planning.triggers import SETTLE_S, VanCause
from cloud.planning.turns import (
    gives_way,
    joined,
    joins,
    retry_after_s,
    searches_at_once,
    to_begin,
)


def job(
    name: str,
    depot: str = "north",
    *,
    tenant: str = "main",
    trigger: Trigger = "new_order",
    seconds: float = 1.0,
    about: tuple[About, ...] = (),
) -> Job:
    return Job(
        tenant=tenant,
        id=name,
        depot_id=depot,
        service_date=date(2026, 11, 23),
        trigger=trigger,
        reason="a test",
        solver="insertion" if seconds < 0.1 else "auto",
        seconds=seconds,
        seed=1,
        about=about,
    )


def urgent(name: str, depot: str = "north") -> Job:
    return job(name, depot, trigger="urgent_order", seconds=0.05)


JOBS = st.lists(
    st.builds(
        job,
        st.uuids().map(str),
        st.sampled_from(["north", "south", "east"]),
        tenant=st.sampled_from(["main", "other"]),
        trigger=st.sampled_from(["new_order", "urgent_order", "optimize"]),
        seconds=st.sampled_from([0.05, 1.0, 60.0]),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)


@given(JOBS, st.integers(1, 4))
def test_a_depot_has_one_job_and_no_more_search_than_there_is_room_for(
    waiting: list[Job], at_once: int
) -> None:
    running: list[Job] = []
    done = 0
    turns: dict[tuple[str, str], int] = {}
    while waiting or running:
        begun = to_begin(waiting, running, at_once=at_once, last_turn=turns)
        running += begun
        waiting = [one for one in waiting if one not in begun]
        for one in begun:
            turns[one.depot_key] = done = done + 1
        depots = [one.depot_key for one in running]
        assert len(set(depots)) == len(depots)
        assert sum(not one.is_quick for one in running) <= at_once
        free = {one.depot_key for one in waiting} - set(depots)
        assert not free or sum(not one.is_quick for one in running) == at_once
        assert running
        running.pop(0)


def test_an_urgent_order_is_decided_beside_the_searches_of_other_depots() -> None:
    running = [job("long", "north", trigger="optimize", seconds=60)]
    waiting = [job("search", "south"), urgent("now", "east"), urgent("too", "north")]
    assert to_begin(waiting, running, at_once=1, last_turn={}) == [waiting[1]]


def test_companies_and_their_depots_take_turns() -> None:
    waiting = [job(f"{depot}-{n}", depot) for n in range(3) for depot in ("north", "south")]
    waiting += [job(f"other-{n}", "east", tenant="other") for n in range(3)]
    turns: dict[tuple[str, str], int] = {}
    order: list[str] = []
    while waiting:
        (one,) = to_begin(waiting, [], at_once=1, last_turn=turns)
        turns[one.depot_key] = len(order)
        order.append(one.id)
        waiting.remove(one)
    assert order[:6] == ["north-0", "other-0", "south-0", "other-1", "north-1", "other-2"]


def test_a_search_gives_way_to_an_urgent_order_of_its_own_depot_only() -> None:
    assert gives_way(job("long", trigger="optimize", seconds=60), urgent("now"))
    assert gives_way(job("short"), urgent("now"))
    assert not gives_way(job("long", "south"), urgent("now"))
    assert not gives_way(urgent("before"), urgent("now"))
    assert not gives_way(job("long"), job("later"))


def test_an_urgent_order_does_not_join_a_long_search_and_nothing_joins_what_is_given() -> None:
    long = job("long", trigger="optimize", seconds=60)
    assert not joins(long, urgent("now"))
    assert joins(long, job("later"))
    assert joins(job("first"), urgent("now"))
    assert not joins(job("north"), job("south", "south"))


def of_van(trigger: Trigger, vehicle_id: str = "van-1") -> Job:
    about = About(trigger=trigger, vehicle_id=vehicle_id)
    day = "main", "north", date(2026, 11, 23)
    return job_of(day, VanCause(vehicle_id, trigger, about), trigger, 0.0)


def test_a_breakdown_keeps_its_seconds_beside_what_else_waits_and_names_it() -> None:
    broken = of_van("van_broken_down")
    for other in (of_van("van_silent"), of_van("changed_shift")):
        for waiting, further in ((other, broken), (broken, other)):
            assert joins(waiting, further)
            both = joined(waiting, further)
            assert (both.trigger, both.seconds) == ("van_broken_down", 5.0)
    assert joined(job("asked", trigger="optimize", seconds=2.0), broken).seconds == 2.0
    ruled = joined(job("ruled", trigger="rule"), broken)
    assert (ruled.trigger, ruled.seconds) == ("rule", 5.0)


def test_an_urgent_order_is_decided_at_once_and_the_search_after_it_is_the_breakdowns() -> None:
    order = job_of(
        ("main", "north", date(2026, 11, 23)),
        VanCause("", "an order", About(trigger="urgent_order", order_id="a")),
        "now",
        0.0,
    )
    broken = of_van("van_broken_down")
    for waiting, further in ((order, broken), (broken, order)):
        both = joined(waiting, further)
        assert both.is_urgent
        assert (both.solver, both.seconds) == ("insertion", DECISION_S)
        assert improvement(both, "later", 0.0).seconds == 5.0
    assert improvement(order, "later", 0.0).seconds == 1.0


def test_the_search_after_an_urgent_order_waits_a_moment_and_is_not_the_next_ones() -> None:
    waiting = improvement(urgent("one"), "later", 100.0)
    assert (waiting.due_at, waiting.is_improvement) == (100.0 + SETTLE_S, True)
    assert not joins(waiting, urgent("other"))
    assert not joins(urgent("other"), waiting)
    again = improvement(urgent("other"), "after both", 102.0)
    assert joins(waiting, again)
    assert joined(waiting, again).due_at == waiting.due_at
    assert joined(waiting, again).is_improvement


def test_news_that_comes_while_routes_wait_to_be_put_in_order_names_the_job() -> None:
    waiting = improvement(urgent("now"), "later", 0.0)
    for trigger in ("cancellation", "van_broken_down"):
        both = joined(waiting, of_van(trigger))
        assert (both.trigger, both.solver) == (trigger, "auto")
        assert both.due_at == waiting.due_at
    assert joined(waiting, of_van("van_broken_down")).seconds == 5.0
    assert joined(of_van("cancellation"), waiting).trigger == "cancellation"
    by_hand = replace(of_van("rule"), due_at=1.0)
    assert (joined(waiting, by_hand).trigger, joined(waiting, by_hand).due_at) == (
        "urgent_order", 1.0,
    )  # fmt: skip


def test_however_often_a_driver_goes_otherwise_one_job_follows_the_van() -> None:
    def goes_otherwise(van: str, order_id: str) -> Job:
        trigger: Trigger = "driver_reordered"
        news = About(trigger=trigger, vehicle_id=van, order_id=order_id)
        return job(van, trigger=trigger, seconds=0.05, about=(news,))

    waiting = goes_otherwise("van-1", "first")
    for number in range(250):
        further = goes_otherwise("van-1", f"order-{number}")
        assert joins(waiting, further)
        waiting = joined(waiting, further)
    assert waiting.about == goes_otherwise("van-1", "first").about
    assert not joins(waiting, job("new"))
    assert not joins(job("new"), waiting)


def test_what_drivers_of_several_vans_change_is_one_revision_that_names_each() -> None:
    news = {van: About(trigger="driver_reordered", vehicle_id=van) for van in ("van-1", "van-2")}
    one, other = (
        replace(job(van, trigger="driver_reordered", seconds=0.05), about=(about,), reason=van)
        for van, about in news.items()
    )
    assert joins(one, other)
    both = joined(one, other)
    assert (both.about, both.reason) == (tuple(news.values()), "van-1; van-2")


def test_what_names_a_joined_job_is_told_however_much_was_told_before() -> None:
    waiting = replace(job("first"), reason="new order 1; " * 60)
    for further in (urgent("now"), of_van("van_broken_down")):
        both = joined(waiting, replace(further, reason="what names it"))
        assert (both.trigger, len(both.reason)) == (further.trigger, 500)
        assert both.reason.startswith("what names it; new order 1; ")


def test_news_that_comes_again_is_kept_once_and_very_much_news_is_worth_a_plan() -> None:
    waiting = job("first", about=(About(trigger="new_order", order_id="a"),))
    assert joined(waiting, waiting).about == waiting.about
    for number in range(200):
        about = (About(trigger="new_order", order_id=f"order-{number}"),)
        waiting = joined(waiting, job("further", about=about))
    assert waiting.about == ()


def test_a_depot_waits_longer_with_each_failure_but_never_long() -> None:
    assert [retry_after_s(failures) for failures in (1, 2, 100)] == [2.0, 4.0, 30.0]
    assert [searches_at_once(cores) for cores in (None, 1, 2, 8)] == [1, 1, 1, 7]
