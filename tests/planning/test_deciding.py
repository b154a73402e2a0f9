"""Undo, proposals and the tenant's policy: over the interface, with real solver and checker.

Streets are as the crow flies, so that no road engine has to be started.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from cloud.foundation.settings import Settings
from cloud.planning.committing import PlanRefused
from cloud.planning.diff import Diff, RouteChange
from cloud.planning.jobs import About
from cloud.planning.policy import TenantPolicy, why_ask
from cloud.planning.problem import RouteStep
from cloud.planning.proposals import compared
from cloud.planning.service import MAX_QUEUED
from tests.cloud.desk import TODAY, open_desk
from tests.planning.office import PLAN, Office

NOTHING: dict[str, list[str]] = {"added": [], "removed": [], "moved": []}


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


def test_undo_restores_what_was_to_be_visited_and_says_what_it_leaves_out(office: Office) -> None:
    assert office.replan("optimize") == 1
    before = office.sequences
    urgent = office.desk.order(priority="urgent", lat=-29.93).json()["id"]
    assert office.replan("urgent_order") == 2
    assert office.differs(1, 2)["added"] == [urgent]
    office.ask("POST", f"{PLAN}/undo", 409, revision=1)
    office.ask("POST", f"{PLAN}/undo", 404, revision=2, to=2)
    office.ask("POST", f"{PLAN}/undo", 202, revision=2)
    assert office.work() == 3
    assert office.sequences == before
    assert office.differs(1, 3) == NOTHING
    (left,) = office.ask("GET", PLAN, 200)["unserved"]
    assert (left["order_id"], "not in revision 1" in left["reason"]) == (urgent, True)
    told = office.ask("GET", f"{PLAN}/revisions", 200)["items"][-1]
    assert (told["trigger"], told["diff"]["removed"]) == ("undo", [urgent])
    assert told["prices"]["driving"] > 0
    office.ask("POST", f"{PLAN}/undo", 202, revision=3)
    assert office.work() == 4
    assert office.differs(2, 4) == NOTHING


def test_an_undo_that_was_overtaken_is_refused(office: Office) -> None:
    office.replan("optimize")
    office.desk.order(priority="urgent")
    office.replan("urgent_order")
    office.ask("POST", f"{PLAN}/undo", 202, revision=2)
    office.desk.order(priority="urgent")
    assert office.replan("urgent_order") == 3
    with pytest.raises(PlanRefused, match="revision 3 has come after 2"):
        office.work()


def test_more_undos_than_can_wait_are_refused(office: Office) -> None:
    office.replan("optimize")
    office.replan("optimize")
    for _ in range(MAX_QUEUED):
        office.ask("POST", f"{PLAN}/undo", 202, revision=2)
    office.ask("POST", f"{PLAN}/undo", 503, revision=2)


def test_a_large_change_waits_for_a_dispatcher_and_is_published_as_it_was_shown(
    office: Office,
) -> None:
    office.replan("optimize")
    policy = office.ask("GET", "/planning/policy", 200)
    assert office.ask("PUT", "/planning/policy", 200, **{**policy, "ask_above_moved": 1}) == (
        office.ask("GET", "/planning/policy", 200)
    )
    before = office.sequences
    busier = max(before, key=lambda van: len(before[van]))
    office.ask("POST", f"/shifts/{office.shifts[busier]}/cancel", 200)
    assert office.replan("changed_shift") == 1
    assert office.sequences == before
    (waits,) = office.proposals
    assert (waits["state"], waits["base"]) == ("open", 1)
    assert "more than 1" in waits["asks_because"]
    assert len(waits["diff"]["moved"]) > 1
    path = f"{PLAN}/proposals/{waits['id']}"
    shown = office.ask("GET", f"{path}/sequences", 200)["items"]
    office.ask("GET", f"{PLAN}/proposals/none/sequences", 404)
    office.ask("POST", f"{path}/accept", 202)
    assert office.work() == 2
    assert not office.sequences.get(busier)
    assert {one["vehicle_id"]: {it["order_id"] for it in one["visits"]} for one in shown} == {
        van: {order for orders in stops for order in orders}
        for van, stops in office.sequences.items()
    }
    revision = office.ask("GET", f"{PLAN}/revisions", 200)["items"][-1]
    assert (revision["trigger"], revision["diff"]["moved"]) == ("accepted", waits["diff"]["moved"])
    assert office.proposals[0]["state"] == "accepted"
    assert office.proposals[0]["decided_by"]
    office.ask("POST", f"{path}/accept", 409)
    office.ask("POST", f"{path}/reject", 409)


def test_a_rejected_proposal_changes_nothing_and_an_overtaken_one_is_outdated(
    office: Office,
) -> None:
    office.replan("optimize")
    before = office.sequences
    office.ask("PUT", "/planning/policy", 200, ask_above_moved=0)
    busier = max(before, key=lambda van: len(before[van]))
    office.ask("POST", f"/shifts/{office.shifts[busier]}/cancel", 200)
    assert office.replan("changed_shift") == 1
    path = f"{PLAN}/proposals/{office.proposals[0]['id']}"
    office.ask("POST", f"{path}/reject", 204)
    assert (office.proposals[0]["state"], office.sequences) == ("rejected", before)
    office.ask("POST", f"{PLAN}/proposals/none/reject", 404)
    assert office.replan("changed_shift") == 1
    assert [one["state"] for one in office.proposals] == ["rejected"]
    office.order(lat=-29.93)
    assert office.replan("new_order") == 1
    assert sorted(one["state"] for one in office.proposals) == ["open", "rejected"]
    assert office.replan("optimize") == 2
    assert {one["state"] for one in office.proposals} == {"rejected", "outdated"}


def test_what_was_taken_back_does_not_come_back_by_itself(office: Office) -> None:
    office.replan("optimize")
    before = office.sequences
    late = office.order(lat=-29.93)
    assert office.replan("new_order") == 2
    office.ask("POST", f"{PLAN}/undo", 202, revision=2)
    assert office.work() == 3
    assert office.sequences == before
    for trigger in ("changed_shift", "promise_at_risk", "rule"):
        assert office.replan(trigger) == 3
    other = office.order(lat=-29.92)
    assert office.replan("new_order") == 4
    told = office.ask("GET", f"{PLAN}/revisions", 200)["items"][-1]
    assert told["diff"]["added"] == [other]
    (left,) = office.ask("GET", PLAN, 200)["unserved"]
    assert (left["order_id"], "revision 3 took it out" in left["reason"]) == (late, True)
    assert office.replan("changed_order", About(trigger="changed_order", order_id=late)) == 5
    assert office.ask("GET", PLAN, 200)["unserved"] == []


def test_a_proposal_tells_its_prices_and_what_it_gains(office: Office) -> None:
    office.replan("optimize")
    office.ask("PUT", "/planning/policy", 200, ask_above_moved=0)
    busier = max(office.sequences, key=lambda van: len(office.sequences[van]))
    office.ask("POST", f"/shifts/{office.shifts[busier]}/cancel", 200)
    office.replan("changed_shift")
    (waits,) = office.proposals
    assert waits["prices"]["driving"] > 0
    assert waits["prices"]["change"] == 0  # their van is gone, nobody chose that
    assert waits["gain"] > 36_000  # the plan in force leaves out what the van had


def test_a_shift_that_begins_later_moves_the_times_of_a_plan_whose_sequence_stays(
    office: Office,
) -> None:
    office.replan("optimize")
    assert office.replan("changed_shift") == 1
    van, before = next((van, stops) for van, stops in office.sequences.items() if stops)
    path = f"/shifts/{office.shifts[van]}"
    office.ask("PATCH", path, 200, version=office.ask("GET", path, 200)["version"], start="08:30")
    assert office.replan("changed_shift") == 2
    plan = office.ask("GET", PLAN, 200)
    (route,) = (one for one in plan["routes"] if one["vehicle_id"] == van)
    begins = datetime.fromisoformat(f"{TODAY}T08:30:00-03:00")
    assert datetime.fromisoformat(route["stops"][0]["planned_arrival"]) >= begins
    assert office.sequences[van] == before


def test_the_policy_asks_for_large_changes_and_moved_promises_but_not_for_what_a_person_wants() -> (
    None
):
    moved = tuple(
        RouteChange(order_id=name, from_vehicle="van-1", to_vehicle="van-2") for name in "abc"
    )
    large = Diff(added=(), removed=(), moved=moved, drive_s=0, distance_m=0, promises_moved=("a",))
    assert why_ask(TenantPolicy(), "urgent_order", large) is None
    few, told = TenantPolicy(ask_above_moved=2), TenantPolicy(ask_before_moving_a_promise=True)
    assert "3 orders" in str(why_ask(few, "urgent_order", large))
    assert "promises of a" in str(why_ask(told, "urgent_order", large))
    assert why_ask(TenantPolicy(ask_above_moved=3), "urgent_order", large) is None
    assert why_ask(few, "optimize", large) is None


def test_two_revisions_differ_by_van_and_by_sequence() -> None:
    def steps(*names: str) -> tuple[RouteStep, ...]:
        return tuple(RouteStep(job=name, kind="delivery") for name in names)

    found = compared(
        {"van-1": steps("a", "b", "c"), "van-2": steps("d")},
        {"van-1": steps("c", "a"), "van-2": steps("b", "e")},
    )
    assert (found.added, found.removed) == (("e",), ("d",))
    assert [(one.order_id, one.from_vehicle, one.to_vehicle) for one in found.moved] == [
        ("b", "van-1", "van-2"),
        ("c", "van-1", "van-1"),
    ]


def test_an_accepted_proposal_that_cannot_be_published_is_outdated(office: Office) -> None:
    office.replan("optimize")
    office.ask("PUT", "/planning/policy", 200, ask_above_moved=0)
    busier = max(office.sequences, key=lambda van: len(office.sequences[van]))
    office.ask("POST", f"/shifts/{office.shifts[busier]}/cancel", 200)
    office.replan("changed_shift")
    office.ask("POST", f"{PLAN}/proposals/{office.proposals[0]['id']}/accept", 202)
    assert office.replan("optimize") == 2
    assert office.proposals[0]["state"] == "accepted"
    asyncio.run(office.work_off())
    assert office.proposals[0]["state"] == "outdated"
