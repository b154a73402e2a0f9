"""What is kept before windows end, and that it costs nobody a place in the plan."""

from dataclasses import replace as with_fields
from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.orders.model import Span
from cloud.planning.lag import ASSUMED_LAG, Lag, lag_of, with_margin
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of
from cloud.planning.problem import Job, Policy, Problem, RouteStep, Vehicle, Window
from cloud.planning.solution import Plan
from cloud.planning.solvers.rates import price_of_risk
from cloud.planning.worth import Judged
from tests.planning import days
from tests.planning.streets import (
    at,
    between,
    day,
    deliveries,
    delivery_of,
    left,
    order,
    planned,
    van,
)

MARGIN_S = 720


def asked(job: Job, margin_s: int = MARGIN_S) -> Job:
    return replace(job, margin_s=margin_s)


def test_a_service_that_can_be_earlier_keeps_its_margin() -> None:
    on_the_way = [order(f"o{k}", k) for k in (4, 8, 12, 16)]
    first = asked(order("first", 20, between(8, 8.75)))
    plan = planned(day([van()], [*on_the_way, first]), "auto")
    assert not left(plan)
    assert delivery_of(plan, "first").start <= at(8.75) - MARGIN_S


def test_a_margin_that_cannot_be_kept_leaves_nobody_out() -> None:
    tight = [asked(order(f"o{k}", 20 + k, between(8, 9)), 1_800) for k in range(3)]
    plan = planned(day([van()], tight), "auto")
    assert not left(plan)
    assert all(delivery_of(plan, job.id).start <= at(9) for job in tight)


def replanned(tight_s: int, policy: Policy, *, margin_s: int = MARGIN_S) -> Plan:
    """On the way to a and then to b, of whose window so much is left as it is planned."""
    in_force = tuple(RouteStep(job=name, kind="delivery") for name in ("a", "b"))
    on_its_way: Vehicle = replace(van(), in_force=in_force)

    def posed(*orders: Job) -> Problem:
        return replace(day([on_its_way], list(orders)), policy=policy)

    a, free = order("a", 10), order("b", 30)
    begins = delivery_of(planned(posed(a, free), "auto"), "b").start
    tight = replace(free, windows=(Window(opens=begins - 3_600, closes=begins + tight_s),))
    return planned(posed(a, asked(tight, margin_s)), "auto")


def test_a_replan_takes_a_promise_out_of_danger_where_that_is_worth_its_price() -> None:
    assert deliveries(replanned(60, Policy())) == ["b", "a"]
    assert deliveries(replanned(60, Policy(changed_sequence=120.0))) == ["b", "a"]
    assert deliveries(replanned(60, Policy(changed_sequence=3_600.0))) == ["a", "b"]
    assert deliveries(replanned(60, Policy(), margin_s=0)) == ["a", "b"]
    assert deliveries(replanned(MARGIN_S, Policy())) == ["a", "b"]


@given(st.integers(1, 3_600), st.integers(-7_200, 7_200), st.integers(0, 600))
def test_who_is_planned_later_is_to_be_feared_no_less(margin_s: int, at_s: int, by_s: int) -> None:
    job = asked(order("a", 5, between(8, 10)), margin_s)

    def feared(start: int) -> float:
        late_s = max(0, start - job.windows[-1].closes)
        return price_of_risk(Policy(), job, start) + Policy().late_s * late_s

    start = job.windows[-1].closes + at_s
    assert 0.0 <= feared(start) <= feared(start + by_s) + 1e-6
    assert price_of_risk(Policy(), replace(job, margin_s=0), start) == 0.0


@given(st.floats(0, 80_000), st.floats(0, 80_000))
def test_who_looks_farther_ahead_keeps_no_less(one: float, other: float) -> None:
    near, far = sorted((one, other))
    assert 0.0 <= ASSUMED_LAG.at(near) <= ASSUMED_LAG.at(far)


def test_what_was_judged_takes_the_place_of_what_is_assumed() -> None:
    def judged(route: int, late_s: float) -> Judged:
        return Judged(
            date(2026, 3, 2), f"route-{route}", 7_000.0, 6_000, 7_000, 8_000, 7_000 + late_s
        )

    assert lag_of([]) == ASSUMED_LAG
    punctual = lag_of(judged(route, 0.0) for route in range(400))
    assert punctual.late_s[2] < 0.05 * ASSUMED_LAG.late_s[2]
    assert punctual.late_s[0] == ASSUMED_LAG.late_s[0]
    assert lag_of(judged(route, 2_000.0) for route in range(400)).late_s[2] > 1_900


def test_the_policy_says_how_much_is_kept() -> None:
    windowed = days.order("a", window=Span(days.EIGHT + days.HOUR, days.EIGHT + 3 * days.HOUR))
    morning = with_fields(days.day(windowed, days.order("b")), lag=Lag((600.0,) * 4))

    def margins(share: float) -> dict[str, int]:
        posed = problem_of(morning, {}, TenantPolicy(margin_share=share))
        return {job.id: job.margin_s for job in posed.jobs}

    assert margins(0.0)["a"] == 0
    assert margins(1.0)["a"] == 600
    assert margins(2.0)["a"] == 1_200


def test_what_has_no_window_has_no_margin() -> None:
    assert with_margin(order("a", 5), 0.0, ASSUMED_LAG, 1.0).margin_s == 0
