"""The interface as its users meet it: what it takes, and how it says what is wrong."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

import roundsman
from tests.cloud.conftest import DAY, DEPOT, Office
from tests.cloud.described import undescribed

pytestmark = pytest.mark.slow

CSV_HEADER = "reference,address,lat,lon,window_from,window_to,parcels\n"


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The RFC 9457 problem of an answer that must be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    return told


def test_health_is_open_and_names_every_part(office: Office) -> None:
    answer = httpx.get(f"{office.cloud.url}/api/v1/health")
    assert answer.json()["checks"] == dict.fromkeys(
        ("broker", "ingest", "roads", "planner", "quick_planner", "learner", "database"), "ok"
    )


def test_a_browser_signs_in_by_password_and_out_again(office: Office) -> None:
    login = json.loads((office.cloud.root / "secrets" / "first_login.json").read_text())
    with office.cloud.client(None) as browser:
        wrong = {"name": login["name"], "password": "guess"}
        problem(browser.post("/session", json=wrong), 401)
        right = {"name": login["name"], "password": login["password"]}
        assert browser.post("/session", json=right).status_code == 204
        assert browser.get("/vehicles").status_code == 200
        foreign = {"Sec-Fetch-Site": "cross-site"}
        problem(browser.post("/orders", json={}, headers=foreign), 403)
        assert browser.delete("/session").status_code == 204
        problem(browser.get("/vehicles"), 401)


def test_a_driver_sees_the_driver_s_things_only(office: Office) -> None:
    driver = office.drivers["van-1"]
    for path in ("/orders", "/vehicles", f"/depots/{DEPOT['id']}/plans/{DAY}"):
        problem(driver.get(path), 403)
    problem(driver.post("/vehicles", json={}), 403)


def test_an_order_is_read_back_as_it_was_given(office: Office) -> None:
    window = {"from": f"{DAY}T10:00:00-03:00", "to": f"{DAY}T12:00:00-03:00"}
    made = office.order(
        reference="A-1",
        window=window,
        parcels=2,
        recipient={"name": "Eva", "phone": "+56"},
        note="gate",
    )
    found = office.api.get(f"/orders/{made['id']}").json()
    assert found == made
    assert found["window"] == {"from": f"{DAY}T13:00:00.000Z", "to": f"{DAY}T15:00:00.000Z"}
    assert [one["whereabouts"] for one in found["parcels"]] == [
        {"kind": "depot", "at": "la-serena"}
    ] * 2
    assert (found["state"], found["promise"], found["recipient"]["name"]) == (
        "received",
        None,
        "Eva",
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lat": 95}, "lat"),
        ({"parcels": 0}, "parcels"),
        ({"priority": "soon"}, "priority"),
        ({"window": {"from": f"{DAY}T12:00:00Z", "to": f"{DAY}T10:00:00Z"}}, "window"),
        ({"window": {"from": f"{DAY}T12:00:00", "to": f"{DAY}T13:00:00"}}, "window.from"),
        ({"window": {"from": "2026-12-24T12:00:00Z", "to": "2026-12-24T13:00:00Z"}}, "window"),
        ({"colour": "red"}, "colour"),
        ({"lat": -30.5, "lon": -73.0}, "lat, lon"),
    ],
)
def test_a_bad_order_is_refused_by_its_field(
    office: Office, change: dict[str, Any], field: str
) -> None:
    body = {
        "depot_id": "la-serena",
        "service_date": DAY,
        "address": "B 1",
        "lat": -29.91,
        "lon": -71.252,
    }
    told = problem(office.api.post("/orders", json={**body, **change}), 422)
    assert field in [one["field"] for one in told["errors"]]
    assert all(one["remedy"] for one in told["errors"])


def test_an_order_for_an_unknown_depot_says_so(office: Office) -> None:
    body = {"depot_id": "nowhere", "address": "B 1", "lat": -29.91, "lon": -71.252}
    assert "nowhere" in problem(office.api.post("/orders", json=body), 404)["detail"]


def test_a_reference_is_taken_once(office: Office) -> None:
    office.order(reference="once")
    body = {
        "depot_id": "la-serena",
        "service_date": DAY,
        "reference": "once",
        "address": "B 1",
        "lat": -29.91,
        "lon": -71.252,
    }
    assert "once" in problem(office.api.post("/orders", json=body), 409)["detail"]


def test_an_order_changes_until_it_has_ended(office: Office) -> None:
    made = office.order()
    changed = office.api.patch(
        f"/orders/{made['id']}", json={"note": "second door", "window": None}
    )
    assert (changed.json()["note"], changed.json()["version"]) == (
        "second door",
        made["version"] + 1,
    )
    for _ in range(2):
        gone = office.api.post(f"/orders/{made['id']}/cancel", json={"reason": "not needed"})
        assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
    problem(office.api.patch(f"/orders/{made['id']}", json={"note": "late"}), 409)


def test_pages_of_orders_give_each_once(office: Office) -> None:
    for _ in range(5):
        office.order()
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = office.api.get("/orders", params=query).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    everything = office.api.get("/orders", params={"limit": 500}).json()["items"]
    assert seen == [one["id"] for one in everything]
    problem(office.api.get("/orders", params={"cursor": "made-up"}), 422)


def test_an_import_takes_the_good_rows_and_reports_the_bad(office: Office) -> None:
    rows = (
        "I-1,Balmaceda 1,-29.9100,-71.2520,10:00,12:00,1\n"
        "I-2,Balmaceda 2,-29.9101,-71.2520,12:00,10:00,1\n"
        "I-3,Far out,-30.5,-73.0,,,1\n"
        "I-1,Balmaceda 3,-29.9102,-71.2520,,,1\n"
    )
    query = {"depot_id": "la-serena", "service_date": DAY}
    csv = {"content-type": "text/csv"}
    report = office.api.post(
        "/orders/import", params=query, content=CSV_HEADER + rows, headers=csv
    ).json()
    assert report["imported"] == len(report["order_ids"]) == 1
    assert [(one["row"], one["field"]) for one in report["refused"]] == [
        (3, "window_to"),
        (4, "lat, lon"),
        (5, "reference"),
    ]
    again = office.api.post(
        "/orders/import", params=query, content=CSV_HEADER + rows, headers=csv
    ).json()
    assert again["imported"] == 0
    whole = office.api.post("/orders/import", params=query, content="colour\nred\n", headers=csv)
    assert "address" in problem(whole, 422)["detail"]


def test_a_file_of_orders_is_handed_in_by_command(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    rows = "C-1,Balmaceda 1,-29.9100,-71.2520,,,1\nC-2,Balmaceda 2,north,-71.2520,,,1\n"
    file.write_text(CSV_HEADER + rows)

    def imported(token: str, url: str, depot: str = "la-serena") -> Result:
        asked = ["import", "orders", str(file), "--depot", depot, "--date", DAY, "--url", url]
        return CliRunner().invoke(roundsman.main, asked, env={"ROUNDSMAN_TOKEN": token})

    token = office.api.headers["authorization"].removeprefix("Bearer ")
    url = office.cloud.url
    done = imported(token, url)
    assert (done.exit_code, done.stdout) == (1, "1 orders taken, 1 rows refused\n")
    assert f"{file}:3: lat 'north'" in done.stderr
    twice = imported(token, url)
    assert twice.stdout == "0 orders taken, 2 rows refused\n"
    assert "no-depot" in imported(token, url, depot="no-depot").stderr
    assert "token" in imported("wrong", url).stderr
    assert "no cloud answers at http://127.0.0.1:9" in imported(token, "http://127.0.0.1:9").stderr


def test_a_plan_that_does_not_exist_and_a_day_without_shifts_say_what_to_do(office: Office) -> None:
    problem(office.api.get("/depots/la-serena/plans/2027-01-01"), 404)
    problem(office.api.get("/depots/la-serena/plans/tomorrow"), 422)
    asked = office.api.post("/depots/la-serena/plans/2027-01-01/optimize")
    assert asked.status_code == 202
    job = office.finished(asked.headers["location"])
    assert job["state"] == "failed"
    assert "add shifts" in job["error"]


def test_fleet_input_is_checked(office: Office) -> None:
    problem(office.api.post("/depots", json={**DEPOT, "id": "x", "zone": "Mars/Base"}), 422)
    problem(office.api.post("/depots", json={**DEPOT, "id": "x", "shift_end": "25:00"}), 422)
    problem(office.api.post("/depots", json=DEPOT), 409)
    van = {"id": "../van", "name": "v", "depot_id": "la-serena", "capacity_parcels": 1}
    problem(office.api.post("/vehicles", json=van), 422)
    problem(office.api.post("/vehicles", json={**van, "id": "v", "depot_id": "none"}), 422)
    problem(office.api.post("/vehicles/none/gateway"), 404)
    shift = {"vehicle_id": "van-1", "driver_id": "driver-of-van-2", "service_date": DAY}
    problem(office.api.post("/shifts", json=shift), 409)


def test_every_answer_of_the_openapi_document_is_described(office: Office) -> None:
    document = office.api.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert told.get("summary"), (method, path)
            assert told.get("description"), (method, path)
            assert {"401", "413", "422", "500"} <= set(told["responses"]), (method, path)
            for status in ("401", "413", "422", "500"):
                assert list(told["responses"][status]["content"]) == ["application/problem+json"]


def test_what_is_answered_is_what_the_document_describes(office: Office) -> None:
    document = office.api.get("/openapi.json").json()
    given = {"depot_id": "la-serena", "service_date": DAY}
    plan = "/depots/{depot_id}/plans/{service_date}"
    order = office.order(parcels=2, recipient={"name": "Eva"}, note="gate")
    route = office.optimize()["routes"][0]
    driver = office.drivers[route["vehicle_id"]]
    stop = route["stops"][0]
    csv = {"content-type": "text/csv"}
    file = "address,lat,lon\nBalmaceda 9,-29.91,-71.252\nBalmaceda 9,-29.91,x\n"
    api = office.api
    wrong = {"name": "nobody", "password": "guess"}
    answers: list[tuple[str, httpx.Response]] = [
        ("/health", api.get("/health")),
        ("/clock", api.get("/clock")),
        ("/city", api.get("/city")),
        ("/session", api.post("/session", json=wrong)),
        ("/session", api.delete("/session")),
        ("/depots", api.get("/depots")),
        ("/depots", api.post("/depots", json=DEPOT)),
        ("/depots", api.post("/depots", json={**DEPOT, "id": "second"})),
        ("/depots", api.post("/depots", content=b"{", headers={"content-type": "text/json"})),
        ("/vehicles", api.get("/vehicles")),
        ("/vehicles/{vehicle_id}/track", api.get("/vehicles/van-1/track")),
        ("/vehicles/{vehicle_id}/events", api.get("/vehicles/van-1/events")),
        ("/vehicles/{vehicle_id}/events", api.get("/vehicles/van-1/events", params={"kind": "x"})),
        ("/vehicles/{vehicle_id}/gateway", api.post("/vehicles/van-2/gateway")),
        ("/vehicles/{vehicle_id}/gateway", api.delete("/vehicles/none/gateway")),
        (
            "/vehicles/{vehicle_id}/gateway/claims",
            api.post("/vehicles/van-2/gateway/claims", json={}),
        ),
        ("/vehicles/{vehicle_id}/gateway/claims", api.get("/vehicles/van-2/gateway/claims")),
        (
            "/vehicles/{vehicle_id}/gateway/claims/{claim_id}",
            api.delete("/vehicles/van-2/gateway/claims/none"),
        ),
        (
            "/vehicles/{vehicle_id}/gateway/certificates",
            api.get("/vehicles/van-2/gateway/certificates"),
        ),
        (
            "/vehicles/{vehicle_id}/gateway/certificates/{serial}",
            api.delete("/vehicles/van-2/gateway/certificates/none"),
        ),
        ("/enrol", api.post("/enrol", json={"token": "x", "csr": "x"})),
        ("/drivers", api.post("/drivers", json={"id": "bea", "name": "Bea"})),
        ("/shifts", api.post("/shifts", json={"vehicle_id": "none"})),
        ("/orders", api.get("/orders", params={"limit": 2})),
        ("/orders", api.post("/orders", json={})),
        ("/orders", api.post("/orders", json={"note": "x" * 70_000})),
        ("/orders/import", api.post("/orders/import", params=given, content=file, headers=csv)),
        ("/orders/{order_id}", api.get(f"/orders/{order['id']}")),
        ("/orders/{order_id}", api.get("/orders/none")),
        ("/orders/{order_id}", api.patch(f"/orders/{order['id']}", json={"note": None})),
        ("/orders/{order_id}/cancel", api.post("/orders/none/cancel", json={})),
        (plan, api.get(plan.format(**given))),
        (f"{plan}/optimize", api.post(f"{plan.format(**given)}/optimize", json={"seconds": 1})),
        (f"{plan}/revisions", api.get(f"{plan.format(**given)}/revisions")),
        ("/jobs/{job_id}", api.get("/jobs/none")),
        ("/routes/{route_id}", api.get(f"/routes/{route['id']}")),
        ("/drivers/me/route", driver.get("/drivers/me/route")),
        ("/parcels/{parcel_id}/load", driver.post("/parcels/none/load")),
        ("/stops/{stop_id}/arrive", driver.post(f"/stops/{stop['id']}/arrive")),
        ("/stops/{stop_id}/outcome", driver.post(f"/stops/{stop['id']}/outcome", json={})),
    ]
    wrongs = {
        (answer.request.method, path, answer.status_code): found
        for path, answer in answers
        if (found := undescribed(document, f"/api/v1{path}", answer))
    }
    assert wrongs == {}
    assert {answer.status_code for _, answer in answers} >= {200, 201, 202, 204, 401, 404, 413, 422}


def test_pages_unknown_are_problems_too(office: Office) -> None:
    problem(office.api.get("/no/such/page"), 404)
    problem(office.api.put("/orders", json={}), 405)
