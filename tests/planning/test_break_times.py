"""Breaks on the route as it stands, and what a day has seen of work: from the plan back to it."""

from dataclasses import replace
from itertools import count

from cloud.planning.break_times import worked_until
from cloud.planning.day_plan import Route, RouteBreak
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of
from cloud.planning.questions import SolveRequest
from cloud.planning.revising import routes_of
from cloud.planning.solvers.solving import solve
from cloud.planning.working import RULE_SETS, Worked, WorkRules
from tests.planning.days import DEPOT, EIGHT, HOUR, aboard, day, order, route, stop
from tests.planning.streets import street

RULES = WorkRules(work_s=4 * 3600, break_s=1800)
MINUTE = 60.0


def resting(one: Route, begin: float, length: float, before: str) -> Route:
    told = RouteBreak(begins=begin, ends=begin + length, lat=0, lon=0, before_stop_id=before)
    return replace(one, breaks=(told,))


def driven(gap_s: float) -> Route:
    """A stop done at nine, the next arrived at ``gap_s`` later; each drive takes five minutes."""
    first, second = aboard("a", "van-1", "delivered"), aboard("b", "van-1", "delivered")
    done = stop("s1", first, state="done", arrival=EIGHT + HOUR - 180)
    after = stop("s2", second, state="done", arrival=EIGHT + HOUR + gap_s)
    return route("van-1", done, after)


def test_a_planned_break_that_was_stood_is_one() -> None:
    held = resting(driven(40 * MINUTE), EIGHT + HOUR, 30 * MINUTE, "s2")
    worked = worked_until(held, EIGHT, EIGHT + 2 * HOUR, RULES)
    assert worked == Worked(
        work_s=30 * 60, drive_s=600, day_s=90 * 60, day_drive_s=600, rest_s=1800
    )


def test_a_break_that_was_not_taken_and_a_jam_are_work() -> None:
    hurried = resting(driven(10 * MINUTE), EIGHT + HOUR, 30 * MINUTE, "s2")
    jammed = driven(50 * MINUTE)
    for one in (hurried, jammed):
        worked = worked_until(one, EIGHT, EIGHT + 2 * HOUR, RULES)
        assert (worked.work_s, worked.rest_s) == (2 * 3600, 0)


def test_who_waits_for_the_first_round_is_at_work() -> None:
    assert worked_until(None, EIGHT, EIGHT + HOUR, RULES).work_s == 3600
    assert worked_until(None, EIGHT, EIGHT - HOUR, RULES) == Worked()
    assert worked_until(None, EIGHT, EIGHT + HOUR, None) == Worked()


def test_a_depot_has_the_rules_of_its_policy_and_shifts_their_pauses() -> None:
    policy = TenantPolicy(work_rules="cl", work_rules_of_depots={"elsewhere": RULES})
    here = day(order("a"))
    noon = (EIGHT + 4 * HOUR, EIGHT + 5 * HOUR)
    here = replace(here, shifts=(replace(here.shifts[0], breaks=(noon,)), here.shifts[1]))
    one, other = problem_of(here, {}, policy).vehicles
    assert one.work_rules == RULE_SETS["cl"].rules.within_day()
    assert one.pauses == ((int(noon[0]), int(noon[1])),)
    assert other.pauses == ()
    assert policy.work_rules_at("elsewhere") == RULES
    assert problem_of(here, {}).vehicles[0].work_rules is None


def test_a_break_stands_in_the_route_and_counts_when_the_day_goes_on() -> None:
    orders = [replace(aboard(f"o{k}", "van-1"), service_s=3600) for k in range(1, 7)]
    policy = TenantPolicy(work_rules=RULES)
    here = day(*orders, vans=["van-1"])
    problem = problem_of(here, {}, policy)
    roads = street([5 * k for k in range(len(problem.locations))])
    request = SolveRequest(problem=problem, solver="insertion")
    numbers = count()
    made = routes_of(here, solve(request, roads), lambda kind: f"{kind}-{next(numbers)}")
    (planned,) = made.routes
    (only,) = planned.breaks
    assert only.ends - only.begins == 1800
    before = next(at for at, one in enumerate(planned.stops) if one.id == only.before_stop_id)
    assert (only.lat, only.lon) == (planned.stops[before - 1].lat, planned.stops[before - 1].lon)
    assert planned.stops[before - 1].planned_departure == only.begins
    assert planned.stops[before].planned_arrival >= only.ends
    assert (DEPOT.lat, DEPOT.lon) != (only.lat, only.lon)
    done = [
        replace(one, state="done", arrived_at=one.planned_arrival, done_at=one.planned_departure)
        for one in planned.stops[: before + 1]
    ]
    later = replace(planned, stops=(*done, *planned.stops[before + 1 :]))
    now = planned.stops[before].planned_departure
    again = problem_of(day(*orders, vans=["van-1"], routes=[later], now=now), {}, policy)
    (out,) = again.vehicles
    assert out.worked.rest_s == 1800
    assert 0 < out.worked.work_s < out.worked.day_s
