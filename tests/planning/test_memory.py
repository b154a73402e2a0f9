"""What a dispatcher has taken back or rejected, by the values alone."""

from datetime import date

import msgspec
import pytest

from cloud.planning.diff import Diff, RouteChange
from cloud.planning.memory import Undone, comes_back, is_rejected, undone, without_undone
from cloud.planning.posing import problem_of
from cloud.planning.proposals import Proposal
from cloud.planning.revision import Revision, RevisionCost, Trigger
from tests.planning.days import aboard, day, order, route, stop

NOTHING = Diff(added=(), removed=(), moved=(), drive_s=0, distance_m=0, promises_moved=())
COST = RevisionCost(drive_s=0, distance_m=0, late_s=0)


def diff(
    *moves: tuple[str, str, str], added: tuple[str, ...] = (), removed: tuple[str, ...] = ()
) -> Diff:
    changes = tuple(RouteChange(order_id=o, from_vehicle=a, to_vehicle=b) for o, a, b in moves)
    return msgspec.structs.replace(NOTHING, moved=changes, added=added, removed=removed)


def revision(number: int, trigger: Trigger, changed: Diff) -> Revision:
    return Revision(
        number=number,
        trigger=trigger,
        reason="a test",
        solver="auto",
        created_at=float(number),
        cost=COST,
        diff=changed,
    )


def proposal(changed: Diff, gain: float) -> Proposal:
    return Proposal(
        tenant="main",
        id="p",
        depot_id="north",
        service_date=date(2026, 11, 23),
        base=1,
        trigger="new_order",
        reason="a test",
        asks_because="it is large",
        state="rejected",
        created_at=0.0,
        decided_by="ana",
        cost=COST,
        diff=changed,
        sequences={},
        gain=gain,
    )


DAY = [
    revision(1, "optimize", diff(added=("a", "b", "c"))),
    revision(2, "promise_at_risk", diff(("a", "van-1", "van-2"), ("b", "van-1", "van-1"))),
    revision(3, "undo", diff(("a", "van-2", "van-1"), ("b", "van-1", "van-1"), removed=("d",))),
]


def test_what_an_undo_took_back_is_known_by_order() -> None:
    assert undone(DAY[:2]) == {}
    assert undone(DAY) == {
        "a": Undone(revision=3, vehicle_id="van-2"),
        "b": Undone(revision=3, is_put_elsewhere=True),
        "d": Undone(revision=3, is_taken_in=True),
    }


@pytest.mark.parametrize(
    ("trigger", "changed", "left"),
    [
        ("new_order", diff(added=("e",)), {"a", "b", "d"}),
        ("accepted", diff(("a", "van-1", "van-2")), {"b", "d"}),
        ("changed_order", diff(added=("d",)), {"a", "b"}),
        ("optimize", NOTHING, set()),
        ("undo", diff(("a", "van-1", "van-2"), added=("d",)), {"a", "b"}),
    ],
)
def test_it_binds_until_something_new_touches_the_order(
    trigger: Trigger, changed: Diff, left: set[str]
) -> None:
    assert set(undone([*DAY, revision(4, trigger, changed)])) == left


def test_an_undone_van_is_banned_and_an_order_taken_out_stays_out() -> None:
    orders = order("a", "planned"), order("b", "planned"), order("d"), aboard("c", "van-2")
    at_work = [
        route("van-1", stop("s1", orders[0], kind="pickup"), stop("s2", orders[0]),
              stop("s3", orders[1])),
        route("van-2", stop("s0", aboard("x", "van-2", "delivered"), state="done"),
              stop("s4", orders[3])),
    ]  # fmt: skip
    problem, left = without_undone(problem_of(day(*orders, routes=at_work), {}), undone(DAY))
    jobs = {job.id: job for job in problem.jobs}
    assert [one.order_id for one in left] == ["d"]
    assert "d" not in jobs
    assert jobs["a"].banned_vehicles == ("van-2",)
    assert jobs["b"].banned_vehicles == ()


def test_an_order_whose_own_van_is_gone_is_served_whatever_was_said() -> None:
    one = order("a", "planned")
    at_work = [route("van-1", stop("s2", one))]
    today = day(one, vans=("van-2",), routes=at_work)
    problem, left = without_undone(problem_of(today, {}), undone(DAY))
    assert (left, problem.jobs[0].banned_vehicles) == ((), ())


def test_another_place_that_was_taken_back_is_proposed_and_not_taken_again() -> None:
    assert "b in another place again" in str(comes_back(diff(("b", "van-1", "van-1")), undone(DAY)))
    assert comes_back(diff(("c", "van-1", "van-1"), ("b", "van-1", "van-2")), undone(DAY)) is None


def test_what_was_rejected_is_proposed_again_only_when_it_is_worth_more() -> None:
    rejected = [proposal(diff(("a", "van-1", "van-2"), ("b", "van-1", "van-2")), 1_000.0)]
    part = diff(("a", "van-1", "van-2"))
    assert is_rejected(part, 1_200.0, rejected)
    assert not is_rejected(part, 1_301.0, rejected)
    assert not is_rejected(diff(("a", "van-1", "van-3")), 1_000.0, rejected)
    assert not is_rejected(diff(("a", "van-1", "van-2"), added=("n",)), 1_000.0, rejected)
    assert not is_rejected(part, 1_000.0, [])
    assert not is_rejected(diff(), 0.0, rejected)
