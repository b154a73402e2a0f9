"""An administrator lets people in and out: real cloud, real browser."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import WITHOUT_WEBGL, Dispatcher, opened
from tests.parts.running_demo import Running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def admin(running: Running, tmp_path: Path) -> Iterator[Dispatcher]:
    """An administrator at the page of people; the board on the way there draws no map."""
    with opened(running.facts()["url"], tmp_path / "profile", WITHOUT_WEBGL) as someone:
        someone.sign_in(running.facts()["logins"][0])
        someone.page.get_by_role("link", name="People").click()
        someone.page.get_by_role("tab", name="People").wait_for()
        yield someone


@pytest.fixture
def people(admin: Dispatcher) -> Page:
    """What the administrator looks at."""
    return admin.page


def let_in(page: Page, name: str, role: str) -> str:
    """Somebody new of this role; gives the password that was shown."""
    page.get_by_role("button", name="Let somebody in").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label(role).check()
    page.get_by_role("button", name="Let in").click()
    password = page.locator("[data-secret]").input_value()
    page.get_by_role("button", name="I have kept it").click()
    return password


def call(running: Running, token: str, path: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{running.facts()['url']}/api/v1/{path}", headers=headers).status_code


def test_somebody_is_let_in_for_a_depot_and_shut_out_again(
    admin: Dispatcher, people: Page, running: Running
) -> None:
    people.get_by_role("button", name="Let somebody in").click()
    people.get_by_label("Name", exact=True).fill("rosa")
    people.get_by_label("Viewer").check()
    people.get_by_label("Some depots").check()
    people.get_by_label("La Serena").check()
    people.get_by_role("button", name="Let in").click()
    password = people.locator("[data-secret]").input_value()
    people.get_by_role("button", name="I have kept it").click()
    expect(people.get_by_role("button", name="Let somebody in")).to_be_focused()
    row = people.get_by_role("row").filter(has_text="rosa")
    expect(row).to_contain_text("Viewer")
    expect(row).to_contain_text("Depot: La Serena")
    assert admin.complaints == []
    assert admin.foreign_requests() == []

    with_password = {"name": "rosa", "password": password}
    with httpx.Client(base_url=running.facts()["url"], timeout=20) as client:
        assert client.post("/api/v1/session", json=with_password).status_code == 204
        assert client.get("/api/v1/vehicles").status_code == 200
        row.get_by_role("button").click()
        people.get_by_role("button", name="Disable…").click()
        people.get_by_role("button", name="Disable", exact=True).click()
        expect(people.locator(".chosen")).to_contain_text("Disabled")
        assert client.get("/api/v1/vehicles").status_code == 401
    people.get_by_role("button", name="Enable again").click()
    expect(people.locator(".chosen")).not_to_contain_text("Disabled")


def test_a_role_is_changed_and_a_reach_that_does_not_fit_cannot_be_chosen(people: Page) -> None:
    let_in(people, "leo", "Viewer")
    people.get_by_role("button", name="leo").click()
    expect(people.get_by_role("button", name="Save")).to_be_disabled()
    people.get_by_label("Administrator").check()
    expect(people.get_by_label("Some depots")).to_be_disabled()
    people.get_by_label("Carrier", exact=False).first.check()
    expect(people.get_by_label("Everything of the company")).to_be_disabled()
    people.get_by_role("combobox", name="Carrier").select_option("own")
    people.get_by_role("button", name="Save").click()
    expect(people.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    expect(people.locator(".facts")).to_contain_text("Carrier: Own fleet")


def test_what_is_refused_is_told_beside_its_field(people: Page) -> None:
    people.get_by_role("button", name="Let somebody in").click()
    people.get_by_label("Name", exact=True).fill("other/rosa")
    people.get_by_role("button", name="Let in").click()
    expect(people.locator("#user-name-problem")).to_contain_text("Holds / or begins with driver:")
    people.get_by_label("Name", exact=True).fill("mia")
    people.get_by_label("Type a password").check()
    people.get_by_label("Password", exact=True).fill("P@ssw0rd-2026!")
    people.get_by_role("button", name="Let in").click()
    expect(people.locator("#typed-password-problem")).to_be_visible()
    people.keyboard.press("Escape")
    expect(people.get_by_role("button", name="Let somebody in")).to_be_focused()


def test_a_token_is_shown_once_does_what_it_is_for_and_is_ended(
    people: Page, running: Running
) -> None:
    people.get_by_role("tab", name="API tokens").click()
    people.get_by_role("button", name="Make a token").click()
    people.get_by_label("Name", exact=True).fill("web shop")
    people.get_by_label("Only what is marked").check()
    expect(people.get_by_role("button", name="Make the token")).to_be_disabled()
    people.get_by_label("orders:read").check()
    people.get_by_role("button", name="Make the token").click()
    secret = people.locator("[data-secret]").input_value()
    people.get_by_role("button", name="I have kept it").click()
    assert secret not in people.content()
    assert call(running, secret, "orders") == 200
    assert call(running, secret, "users") == 403

    row = people.get_by_role("row").filter(has_text="web shop")
    expect(row).to_contain_text("orders:read")
    row.get_by_role("button", name="End…").click()
    row.get_by_role("button", name="End it").click()
    expect(row).to_have_count(0)
    assert call(running, secret, "orders") == 401


def test_the_audit_log_is_read_further_and_further_back(people: Page) -> None:
    people.get_by_role("tab", name="Audit log").click()
    lines = people.locator("tbody tr")
    expect(lines).to_have_count(50)
    expect(lines.filter(has_text="sign-in").first).to_be_visible()
    people.get_by_role("button", name="Show earlier").click()
    expect(lines.nth(50)).to_be_visible()
    told = [one.get_attribute("datetime") or "" for one in people.locator("tbody time").all()]
    moments = [datetime.fromisoformat(one) for one in told]
    # By number: what ran side by side may have begun a moment before what was written first.
    assert all(late - early > timedelta(seconds=-1) for late, early in pairwise(moments))


def test_who_is_no_administrator_sees_the_own_access_only(admin: Dispatcher, people: Page) -> None:
    password = let_in(people, "vera", "Viewer")
    people.get_by_role("button", name="Sign out").click()
    expect(people).to_have_url(f"{admin.url}/login")
    admin.sign_in({"name": "vera", "password": password})
    expect(people.get_by_role("button", name="Urgent order")).to_have_count(0)
    people.get_by_role("link", name="My access").click()
    expect(people.get_by_role("tab")).to_have_text(["API tokens 0", "My password"])
    people.get_by_role("tab", name="My password").click()
    people.get_by_label("Password of now").fill("not this one")
    people.get_by_label("New password").fill("lantern orbit cactus sled")
    people.get_by_role("button", name="Change it").click()
    expect(people.locator("#password-old-problem")).to_contain_text("Is not your password")
    people.get_by_label("Password of now").fill(password)
    people.get_by_role("button", name="Change it").click()
    expect(people).to_have_url(f"{admin.url}/login")
    admin.sign_in({"name": "vera", "password": "lantern orbit cactus sled"})
