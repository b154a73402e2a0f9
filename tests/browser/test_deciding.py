"""What a dispatcher decides at the board: proposals, the way back, rules, streets, the policy.

Over a demo at the pace of life that ends before its vans leave, so that nothing moves meanwhile.
"""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from cloud.foundation.database import Database
from cloud.planning.job_store import job_row
from tests.browser.chromium import PLANNED_WITHIN_MS, Dispatcher, opened, require_chromium
from tests.parts.running_demo import Running, demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Office:
    """The interface beside the board: asks, and does what happens elsewhere."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.depot = running.get("depots")["items"][0]
        self.day = running.get("orders?limit=1")["items"][0]["service_date"]
        self.path = f"depots/{self.depot['id']}/plans/{self.day}"

    def post(self, path: str, **body: Any) -> Any:
        facts = self.running.facts()
        headers = {"authorization": f"Bearer {facts['api_token']}"}
        answer = httpx.post(f"{facts['url']}/api/v1/{path}", headers=headers, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    @property
    def plan(self) -> Any:
        return self.running.get(self.path)

    def orders_of(self, van: str) -> set[str]:
        found = [route for route in self.plan["routes"] if route["vehicle_id"] == van]
        return {order for route in found for stop in route["stops"] for order in stop["order_ids"]}

    def let_plans_follow(self) -> None:
        """Until what has happened is planned for, so that what comes next is told by itself."""
        time.sleep(0.5)  # what has happened becomes jobs
        self.wait_for("the plans to follow", lambda: not self._jobs_left())

    def _jobs_left(self) -> int:
        database = Database(self.running.folder / "business.db")
        try:
            with database.reading() as connection:
                left = job_row.c.state.in_(("queued", "running"))
                return connection.scalar(select(func.count()).where(left)) or 0
        finally:
            database.close()

    def wait_for(self, what: str, holds: Any) -> None:
        self.running.wait_for(what, holds, within_s=PLANNED_WITHIN_MS / 1000)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    require_chromium()
    folder = tmp_path_factory.mktemp("deciding") / "demo"
    with demo(folder, "--vans", "2", "--orders", "8", "--speed", "1") as started:
        started.wait_until_ready()
        yield Office(started)


@pytest.fixture(scope="module")
def board(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dispatcher]:
    with opened(office.running.facts()["url"], tmp_path_factory.mktemp("profile")) as someone:
        someone.sign_in(office.running.facts()["logins"][0])
        yield someone


def tab(board: Dispatcher, name: str) -> None:
    board.page.get_by_role("tab", name=name).click()


def test_an_urgent_order_is_undone_and_two_revisions_are_compared(
    office: Office, board: Dispatcher
) -> None:
    page, before = board.page, office.plan["revision"]
    urgent = office.post(
        "orders",
        depot_id=office.depot["id"],
        service_date=office.day,
        address="Pasaje Vuelta 1",
        lat=office.depot["lat"] + 0.01,
        lon=office.depot["lon"] + 0.01,
        parcels=1,
        priority="urgent",
    )["id"]
    tab(board, "Plan")
    last = page.locator(".revision").first
    expect(last).to_contain_text("Urgent order Pasaje Vuelta 1", timeout=PLANNED_WITHIN_MS)
    expect(last.locator(".prices")).to_contain_text("Driving")
    last.get_by_role("button", name=re.compile(r"^Undo #")).click()
    page.get_by_role("button", name=f"Back to #{before}").click()
    expect(last).to_contain_text("Undone", timeout=PLANNED_WITHIN_MS)
    assert [left["order_id"] for left in office.plan["unserved"]] == [urgent]

    page.get_by_text("Compare two revisions").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".compare .changes")).to_contain_text("Taken off Pasaje Vuelta 1")


def test_an_order_is_pinned_to_another_van_and_the_rule_is_lifted(
    office: Office, board: Dispatcher
) -> None:
    page = board.page
    first, second = office.running.get("vehicles")["items"]
    order = min(office.orders_of(first["id"]))
    tab(board, "Orders")
    page.locator(f"[data-order={order}]").click()
    page.get_by_role("button", name="Pin to a van").click()
    form = page.get_by_role("form", name="Pin or ban")
    form.get_by_label("Van", exact=True).select_option(label=second["name"])
    form.get_by_label("Why").fill("He knows the gate")
    form.get_by_role("button", name="Pin it").click()
    rule = page.locator("[data-rule=pin]")
    expect(rule).to_contain_text(f"Pinned to {second['name']}")
    expect(rule).to_contain_text("He knows the gate")
    office.wait_for("the pinned order there", lambda: order in office.orders_of(second["id"]))

    rule.get_by_role("button", name=second["name"], exact=False).first.click()
    page.get_by_role("button", name="Lock this route").click()
    expect(page.locator("[data-rule=lock]")).to_contain_text("Route locked")
    tab(board, "Plan")
    expect(page.get_by_role("list", name="Rules in force").locator(".rule")).to_have_count(2)
    for kind in ("pin", "lock"):
        page.locator(f"[data-rule={kind}]").get_by_role("button", name="Lift").click()
        expect(page.locator(f"[data-rule={kind}]")).to_have_count(0)
    assert office.running.get(f"{office.path}/rules")["items"] == []


def test_a_street_is_closed_on_the_map_and_opened_early(office: Office, board: Dispatcher) -> None:
    page = board.page
    tab(board, "Streets")
    page.get_by_role("button", name="Close or slow a street").click()
    depot = page.locator(".map-depot").bounding_box()
    assert depot is not None
    x, y = depot["x"] + depot["width"] / 2, depot["y"] + depot["height"] + 14
    expect(page.locator(".maplibregl-canvas")).to_have_css("cursor", "crosshair")
    for right in (30, 70):
        page.mouse.click(x + right, y)
    expect(page.get_by_role("status").filter(has_text="2 placed")).to_be_visible()
    page.get_by_label("From", exact=False).fill(f"{office.day}T12:00")
    page.get_by_label("Until", exact=False).fill(f"{office.day}T11:00")
    page.get_by_label("Why").fill("Feria")
    page.get_by_role("button", name="Close it").click()
    expect(page.locator("#road-until-problem")).to_contain_text("give a later time")
    page.get_by_label("From", exact=False).fill("")
    page.get_by_role("button", name="Close it").click()
    expect(page.locator(".detail")).to_contain_text("Closed until 11:00")
    (drawn,) = office.running.get("roads/rules")["features"]
    assert (drawn["properties"]["kind"], drawn["properties"]["name"]) == ("closed", "Feria")
    assert len(drawn["geometry"]["coordinates"]) > 2, "the line follows the street"

    page.get_by_role("button", name="End it now").click()
    expect(page.locator(".chosen")).to_contain_text("Ended")
    page.get_by_role("button", name="Remove").click()
    page.locator(".sure").get_by_role("button", name="Remove").click()
    expect(page.locator(".content")).to_contain_text("No street is closed")
    assert office.running.get("roads/rules")["features"] == []


def test_a_broken_down_van_is_reported_and_goes_out_again(
    office: Office, board: Dispatcher
) -> None:
    page = board.page
    office.let_plans_follow()
    van = office.running.get("vehicles")["items"][0]
    tab(board, "Vans")
    page.locator(f"[data-van={van['id']}]").click()
    page.get_by_role("button", name="Report a breakdown").click()
    form = page.get_by_role("form", name="Breakdown")
    form.get_by_label("Somewhere else").check()
    form.get_by_label("Latitude").fill("here")
    form.get_by_label("Longitude").fill(f"{office.depot['lon'] + 0.004:.5f}")
    form.get_by_label("Remarks").fill("No battery")
    form.get_by_role("button", name="It cannot drive on").click()
    expect(form).to_contain_text("Is not a number; type degrees such as -29.90591.")
    form.get_by_label("Latitude").fill(f"{office.depot['lat'] + 0.004:.5f}")
    form.get_by_role("button", name="It cannot drive on").click()
    note = page.locator(f"[data-breakdown={van['id']}]")
    expect(note).to_contain_text("No battery")
    expect(page.locator(".chosen .chip")).to_have_text("Broken down")
    tab(board, "Plan")
    told = page.locator(".revision").filter(has_text="Van broken down")
    expect(told).to_have_count(1, timeout=PLANNED_WITHIN_MS)
    tab(board, "Vans")
    expect(page.locator(".van-row").first).to_contain_text("Broken down")
    page.locator(f"[data-van={van['id']}]").click()
    note.get_by_role("button", name="Back in service").click()
    note.get_by_role("button", name="It drives again").click()
    expect(note).to_have_count(0)
    expect(page.get_by_role("button", name="Report a breakdown")).to_be_visible()
    assert office.running.get("breakdowns")["items"] == []


def test_a_large_change_waits_by_the_policy_is_seen_on_the_map_and_accepted(
    office: Office, board: Dispatcher
) -> None:
    page = board.page
    tab(board, "Plan")
    page.get_by_role("button", name="What plans are priced by").click()
    page.get_by_label("When it moves many orders").check()
    page.get_by_label("More than so many orders").fill("0")
    page.get_by_label("An order that gets another van").fill("4.5")
    page.get_by_role("button", name="Keep the policy").click()
    expect(page.get_by_text("Kept; it holds")).to_be_visible()
    kept = office.running.get("planning/policy")
    assert (kept["ask_above_moved"], kept["changed_vehicle"], kept["km"]) == (0, 270, 60)

    page.get_by_role("button", name="Back to the plan").click()
    office.let_plans_follow()
    found = office.running.get(f"shifts?depot_id={office.depot['id']}&service_date={office.day}")
    shift = next(one for one in found["items"] if office.orders_of(one["vehicle_id"]))
    moved = office.orders_of(shift["vehicle_id"])
    office.post(f"shifts/{shift['id']}/cancel")
    proposal = page.locator("[data-proposal]")
    expect(proposal).to_contain_text("was cancelled", timeout=PLANNED_WITHIN_MS)
    expect(proposal).to_contain_text("more than 0")
    assert office.orders_of(shift["vehicle_id"]) == moved, "nothing is published before the word"
    proposal.get_by_role("button", name="Show on the map").click()
    expect(page.locator(".legend")).to_contain_text("as proposed")
    proposal.get_by_role("button", name="Accept").click()
    expect(page.locator(".revision").first).to_contain_text("Accepted", timeout=PLANNED_WITHIN_MS)
    expect(proposal).to_have_count(0)
    expect(page.locator(".legend")).to_contain_text("To do")
    assert office.orders_of(shift["vehicle_id"]) == set()
    assert board.foreign_requests() == []
