"""A dispatcher's day at the board: real demo, real browser, real map."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cloud.fleet.enrolment.model import CopySuspected
from cloud.foundation.database import Database
from cloud.foundation.outbox import append
from tests.browser.chromium import SOON_MS, WITHOUT_WEBGL, Dispatcher, opened
from tests.parts.running_demo import Running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

VAN_AND_STOP = re.compile(r"Van \d+, stop \d+ of \d+, planned for \d\d:\d\d")
ON_THE_MOVE_MS = 300_000
"""Five hours of the day: vans wait at their depot until it is worth leaving."""


def place_of_an_order(running: Running) -> tuple[float, float]:
    order = running.get("orders?limit=1")["items"][0]
    return order["lat"], order["lon"]


def stops_of(running: Running, van_name: str) -> list[str]:
    van = next(one for one in running.get("vehicles")["items"] if one["name"] == van_name)
    return [stop["address"] for stop in running.get(f"routes/{van['route_id']}")["stops"]]


def wait_for_shift(running: Running) -> None:
    running.wait_for(
        "vans on their routes",
        lambda: all(van["route_id"] for van in running.get("vehicles")["items"]),
        within_s=60,
    )


def first_to_go(running: Running) -> str:
    """The van that comes to a door first: another may wait for a window for hours."""
    wait_for_shift(running)
    expected = {
        van["id"]: running.get(f"routes/{van['route_id']}/arrivals")["items"]
        for van in running.get("vehicles")["items"]
    }
    return str(min((items[0]["p50"], van) for van, items in expected.items() if items)[1])


def move_of(page: Page, van: str) -> None:
    """Return when the mark of the chosen van is somewhere else than it was."""
    halo = page.locator(f".van-halo[data-van={van}]")
    halo.wait_for()
    was = float(halo.get_attribute("data-lat") or 0), float(halo.get_attribute("data-lon") or 0)
    page.wait_for_function(
        """([van, lat, lon]) => {
            const at = document.querySelector(`.van-halo[data-van=${van}]`)?.dataset;
            return at && Math.abs(at.lat - lat) + Math.abs(at.lon - lon) > 0.001;
        }""",
        arg=[van, *was],
        timeout=ON_THE_MOVE_MS,
    )


def test_a_van_moves_and_an_urgent_order_appears_on_a_route(
    running: Running, dispatcher: Dispatcher
) -> None:
    page = dispatcher.page
    expect(page.locator(".demo")).to_contain_text("Demo data")
    expect(page.locator(".maplibregl-ctrl-attrib")).to_contain_text("© OpenStreetMap contributors")
    expect(page.locator(".van-row")).to_have_count(3)

    mover = first_to_go(running)
    page.locator(f"[data-van={mover}]").click()
    move_of(page, mover)

    page.get_by_role("button", name="Urgent order").click()
    expect(page.locator(".maplibregl-canvas")).to_have_css("cursor", "crosshair")
    depot = page.locator(".map-depot").bounding_box()
    assert depot is not None
    page.mouse.click(depot["x"] + depot["width"] / 2, depot["y"] + depot["height"] + 14)
    expect(page.get_by_label("Latitude")).to_have_value(re.compile(r"^-29\.9\d+$"))
    van, told = dispatcher.post_urgent_order("Pasaje Urgente 1", None)
    assert VAN_AND_STOP.match(told)
    expect(page.locator("[data-promise]")).to_contain_text("Promised")
    assert "Pasaje Urgente 1" in stops_of(running, van)

    page.locator(".note.good").get_by_role("button", name=van).click()
    stop = page.locator(".stop", has_text="Pasaje Urgente 1").last
    expect(stop).to_contain_text("Urgent")
    expect(stop).to_contain_text("Delivery of 2 parcels")

    assert dispatcher.complaints == []
    assert dispatcher.foreign_requests() == []


def test_without_webgl_everything_works_as_tables(running: Running, tmp_path: Path) -> None:
    with opened(running.facts()["url"], tmp_path / "profile", WITHOUT_WEBGL) as dispatcher:
        dispatcher.sign_in(running.facts()["logins"][0])
        wait_for_shift(running)
        page = dispatcher.page
        expect(page.get_by_role("status").filter(has_text="no WebGL")).to_be_visible()
        expect(page.locator(".maplibregl-canvas")).to_have_count(0)
        expect(page.locator("table tbody tr")).to_have_count(3)
        expect(page.locator("footer")).to_contain_text("© OpenStreetMap contributors")

        page.get_by_role("button", name="Urgent order").click()
        van, told = dispatcher.post_urgent_order(
            "Calle <i>Sin</i> Mapa 2", place_of_an_order(running)
        )
        assert VAN_AND_STOP.match(told)
        page.locator(".note.good").get_by_role("button", name=van).click()
        expect(page.locator(".stops").get_by_text("Calle <i>Sin</i> Mapa 2")).to_be_visible()

        page.get_by_role("tab", name="Orders").click()
        page.get_by_label("Search orders").fill("mapa sin")
        expect(page.locator(".order-row")).to_have_count(1)
        assert dispatcher.complaints == []
        assert dispatcher.foreign_requests() == []


def test_a_wrong_password_is_told_and_the_right_one_still_works(
    running: Running, tmp_path: Path
) -> None:
    with opened(running.facts()["url"], tmp_path / "profile") as dispatcher:
        page, login = dispatcher.page, running.facts()["logins"][0]
        page.goto(f"{dispatcher.url}/login")
        page.get_by_label("Name").fill(login["name"])
        page.get_by_label("Password").fill("not the password")
        page.get_by_label("Password").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("check both and try again")
        dispatcher.sign_in(login)
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{dispatcher.url}/login")


def test_a_place_far_from_any_street_is_refused_beside_its_field(dispatcher: Dispatcher) -> None:
    page = dispatcher.page
    page.get_by_role("button", name="Urgent order").click()
    page.get_by_label("Latitude").fill("-33")
    page.get_by_label("Longitude").fill("-71.2")
    page.get_by_label("Address").fill("Nowhere")
    page.get_by_role("button", name="Post the order").click()
    expect(page.locator(".problem")).to_contain_text("give a place within 250 m of a street")


def test_an_order_is_found_and_cancelled(running: Running, dispatcher: Dispatcher) -> None:
    page = dispatcher.page
    page.get_by_role("button", name="Urgent order").click()
    dispatcher.post_urgent_order("Calle Arrepentida 3", place_of_an_order(running))
    page.get_by_role("tab", name="Orders").click()
    page.get_by_label("Search orders").fill("arrepentida")
    page.locator(".order-row").click()
    page.get_by_role("button", name="Cancel this order…").click()
    page.get_by_label("Why is it called off?").fill("bought elsewhere")
    page.get_by_role("button", name="Cancel the order").click()
    expect(page.locator(".detail .chip").first).to_have_text("Cancelled")
    states = {one["address"]: one["state"] for one in running.get("orders?limit=500")["items"]}
    assert states["Calle Arrepentida 3"] == "cancelled"


def test_the_day_is_planned_again_and_its_revision_is_shown(dispatcher: Dispatcher) -> None:
    page = dispatcher.page
    page.get_by_role("tab", name="Plan").click()
    page.get_by_label("Seconds").fill("1")
    page.get_by_role("button", name="Plan the day").click()
    done = page.get_by_role("status").filter(has_text="is in force")
    expect(done).to_be_visible(timeout=3 * SOON_MS)
    found = re.search(r"revision (\d+)", done.inner_text())
    assert found is not None
    expect(page.locator(f"[data-revision='{found[1]}']")).to_contain_text("Planned by hand")


def test_a_lost_stream_is_shown_and_taken_up_again(dispatcher: Dispatcher) -> None:
    page = dispatcher.page
    page.route("**/api/v1/live", lambda route: route.abort())
    page.reload()
    line = page.locator("[data-line]")
    expect(line).to_have_text("Reconnecting…")
    page.unroute("**/api/v1/live")
    expect(line).to_have_text("Live")


def test_the_keyboard_reaches_a_van_and_comes_back(dispatcher: Dispatcher) -> None:
    page = dispatcher.page
    page.get_by_role("tab", name="Vans").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Orders")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".van-row").first).to_be_visible()
    expect(page.locator(".van-row:focus")).to_have_count(1)


def test_a_copied_card_is_told_with_what_to_do(running: Running, dispatcher: Dispatcher) -> None:
    database = Database(running.folder / "business.db")
    with database.writing() as connection:
        told = CopySuspected(vehicle_id="van-2", serial="5a")
        append(connection, "main", 0.0, told)
    database.close()
    alert = dispatcher.page.get_by_role("alert").filter(has_text="its card may have been copied")
    expect(alert).to_contain_text("A box asks to be Van 2", timeout=SOON_MS)
    expect(alert).to_contain_text("gateway and enrol its box again")
    dispatcher.page.get_by_role("tab", name="News").click()
    news = dispatcher.page.locator("[data-news=copy_suspected]")
    expect(news.first).to_contain_text("A box asks to be Van 2")
    assert dispatcher.complaints == []


def zones_of_van_1(running: Running, fences: list[str]) -> None:
    van = next(one for one in running.get("fleet/vehicles")["items"] if one["id"] == "van-1")
    running.patch("vehicles/van-1", {"version": van["version"], "zones": fences})


def test_a_fence_is_drawn_on_the_map_drawn_anew_and_taken_away(
    running: Running, dispatcher: Dispatcher
) -> None:
    page = dispatcher.page
    page.get_by_role("tab", name="Fences").click()
    page.get_by_role("button", name="Draw a fence").click()
    expect(page.locator(".maplibregl-canvas")).to_have_css("cursor", "crosshair")
    depot = page.locator(".map-depot").bounding_box()
    assert depot is not None
    page.mouse.click(depot["x"] + depot["width"] / 2, depot["y"] + depot["height"] + 14)
    expect(page.get_by_label("Centre")).to_have_value(re.compile(r"^-29\.9\d+, -71\.2\d+$"))
    page.get_by_label("Radius").fill("400")
    page.get_by_label("Name", exact=True).fill("The yard")
    page.get_by_role("button", name="Keep the fence").click()
    expect(page.get_by_role("heading", name="The yard")).to_be_focused()
    fence = running.get("geofences")["features"][0]
    assert fence["geometry"]["type"] == "Point"
    assert fence["properties"]["radius_m"] == 400

    page.get_by_role("button", name="Draw anew…").click()
    page.get_by_label("Polygon").check()
    page.get_by_role("button", name="Keep the fence").click()
    expect(page.locator("#fence-points-problem")).to_contain_text("1 of at least 3 points")
    page.get_by_label("Points").fill("-29.92, -71.28\n-29.94, -71.28\n-29.93, -71.25")
    page.get_by_role("button", name="Keep the fence").click()
    expect(page.locator(".facts")).to_contain_text("Polygon, 3 corners")

    zones_of_van_1(running, [fence["id"]])
    page.reload()
    page.get_by_role("tab", name="Fences").click()
    page.locator(f"[data-fence={fence['id']}]").click()
    expect(page.locator(".facts")).to_contain_text("Van 1")
    page.get_by_role("button", name="Take away…").click()
    expect(page.locator(".detail")).to_contain_text("It is a zone of Van 1.")
    page.get_by_role("button", name="Take away", exact=True).click()
    expect(page.locator(".content")).to_contain_text("There is no geofence yet")
    expect(page.locator(f"[data-zone={fence['id']}]")).to_contain_text("Van 1: the zone fence-")
    assert running.get("geofences")["features"] == []
    zones_of_van_1(running, [])
    assert dispatcher.complaints == []


def test_a_vans_day_is_played_and_its_trips_are_read(
    running: Running, dispatcher: Dispatcher
) -> None:
    running.wait_for(
        "trip of van-1",
        lambda: running.get("vehicles/van-1/trips?told_by=track")["trips"],
        within_s=150,
    )
    page = dispatcher.page
    page.locator("[data-van=van-1]").click()
    page.get_by_role("button", name="Past days").click()
    moment = page.locator("[data-moment]")
    began = int(moment.get_attribute("data-moment") or 0)
    expect(page.locator(".past-sign")).to_contain_text("The past: Van 1")
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(moment).to_have_attribute("data-moment", str(began + 1000))
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function(
        "(began) => Number(document.querySelector('[data-moment]').dataset.moment) > began + 20000",
        arg=began,
    )
    page.get_by_role("button", name="Pause").click()
    expect(
        page.get_by_role("list", name="Trips and dwells").get_by_role("listitem")
    ).not_to_have_count(0)
    assert "format=gpx" in (page.get_by_role("link", name="GPX").get_attribute("href") or "")
    page.get_by_role("button", name="Now", exact=True).click()
    expect(page.locator(".past-sign")).to_have_count(0)
    assert dispatcher.complaints == []


def test_who_passed_an_orders_place_is_told(running: Running, dispatcher: Dispatcher) -> None:
    def delivered() -> bool:
        return any(one["state"] == "delivered" for one in running.get("orders?limit=500")["items"])

    running.wait_for("delivery", delivered, within_s=200)
    page = dispatcher.page
    page.get_by_role("button", name="Delivered").first.click()
    page.locator(".order-row").first.click()
    van = page.locator(".detail .note").get_by_role("button").inner_text()
    page.get_by_role("button", name="Look", exact=True).click()
    passed = page.get_by_role("list", name="Vans that passed")
    expect(passed.get_by_role("button").filter(has_text=van)).to_have_count(1)
    assert dispatcher.complaints == []
