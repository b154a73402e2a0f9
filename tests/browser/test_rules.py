"""The board's pure rules, run by the browser that people use: time of a depot, rounds, motion."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import chromium, require_chromium

pytestmark = pytest.mark.slow

WEB = Path(__file__).parents[2] / "cloud" / "web"


class _Files(SimpleHTTPRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: pytest shows what matters."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    require_chromium()
    handler = functools.partial(_Files, directory=WEB)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, name="files")
        serving.start()
        try:
            with chromium(tmp_path_factory.mktemp("profile")) as context:
                context.pages[0].goto(f"http://127.0.0.1:{server.server_port}/look/mark.svg")
                yield context.pages[0]
        finally:
            server.shutdown()
            serving.join()


def run(page: Page, module: str, script: str, *values: Any) -> Any:
    """What ``script``, a function of the module and ``values``, gives."""
    return page.evaluate(
        f"async (values) => ({script})(await import('/{module}'), ...values)", list(values)
    )


INSTANT = "(m, zone, day, clock, later) => new m.DepotTime(zone).instant(day, clock, later)"


@pytest.mark.parametrize(
    ("zone", "day", "clock", "later", "instant"),
    [
        ("America/Santiago", "2026-11-23", "09:30", 0, "2026-11-23T12:30:00.000Z"),
        ("Europe/Berlin", "2026-03-29", "01:30", 0, "2026-03-29T00:30:00.000Z"),
        ("Europe/Berlin", "2026-03-29", "03:30", 0, "2026-03-29T01:30:00.000Z"),
        ("Europe/Berlin", "2026-10-25", "01:30", 0, "2026-10-24T23:30:00.000Z"),
        ("Europe/Berlin", "2026-10-25", "03:30", 0, "2026-10-25T02:30:00.000Z"),
        ("Europe/Berlin", "2026-10-24", "03:30", 1, "2026-10-25T02:30:00.000Z"),
        ("Asia/Kathmandu", "2026-01-01", "00:00", 0, "2025-12-31T18:15:00.000Z"),
    ],
)
def test_wall_time_at_a_depot_is_the_right_instant(
    page: Page, zone: str, day: str, clock: str, later: int, instant: str
) -> None:
    assert run(page, "look/moment.js", INSTANT, zone, day, clock, later) == instant


def test_an_instant_is_read_in_the_depots_zone(page: Page) -> None:
    script = """(m) => {
        const times = new m.DepotTime("America/Santiago");
        const at = "2026-11-23T02:05:00.000Z";
        return [times.clock(at), times.day(at)];
    }"""
    assert run(page, "look/moment.js", script) == ["23:05", "2026-11-22"]


def test_domain_time_runs_on_at_the_servers_rate(page: Page) -> None:
    script = """(m) => {
        let real = 5_000;
        const clock = new m.ServerClock(() => real);
        clock.set({ now: "2026-11-23T12:00:00.000Z", speed: 10, demo: true });
        real += 2_000;
        return new Date(clock.nowMs()).toISOString();
    }"""
    assert run(page, "look/moment.js", script) == "2026-11-23T12:00:20.000Z"


def stop(name: str, arrival: str, state: str = "open", **more: Any) -> dict[str, Any]:
    at = f"2026-11-23T{arrival}:00.000Z"
    known: dict[str, Any] = {"done_at": None, "order_ids": [name], "kind": "delivery"}
    return {
        "id": name, "state": state, "planned_arrival": at, "planned_departure": at, **known, **more
    }  # fmt: skip


ROUND = """(m, stops, nowText, orders) => {
    const route = { stops, shift: { starts_at: "2026-11-23T08:00:00.000Z" } };
    const round = m.progress(route, Date.parse(nowText), new Map(Object.entries(orders)));
    const van = { presence: "online", position: { fix_time: nowText } };
    const stands = m.standing(van, route, round, Date.parse(nowText), 1);
    return { ...round, atRisk: [...round.atRisk], next: round.next?.id, kind: stands.kind };
}"""


def round_at(page: Page, stops: list[dict[str, Any]], now: str, promised_to: str = "") -> Any:
    promise = {"current": {"from": "", "to": f"2026-11-23T{promised_to}:00.000Z"}}
    orders = {one["id"]: {"promise": promise if promised_to else None} for one in stops}
    return run(page, "dispatch/rounds.js", ROUND, stops, f"2026-11-23T{now}:00.000Z", orders)


def test_a_van_that_keeps_its_plan_is_on_time(page: Page) -> None:
    found = round_at(page, [stop("a", "09:00", "done"), stop("b", "10:00")], "09:40", "10:30")
    assert (found["kind"], found["done"], found["next"]) == ("on_time", 1, "b")
    assert found["delayS"] == 0


def test_a_van_past_its_next_arrival_is_behind_and_risks_later_promises(page: Page) -> None:
    stops = [stop("a", "09:00"), stop("b", "10:00")]
    assert round_at(page, stops, "09:12", "11:00")["kind"] == "behind"
    late = round_at(page, stops, "09:20", "10:15")
    assert late["kind"] == "late"
    assert late["atRisk"] == ["b"]


def test_the_services_word_on_a_promise_takes_the_place_of_the_boards(page: Page) -> None:
    script = """(m, stops) => {
        const promise = { current: { to: "2026-11-23T10:30:00.000Z" } };
        const orders = new Map([["b", { promise }]]);
        const risk = (risk) => new Map([["b", { risk, p50: "2026-11-23T10:40:00.000Z" }]]);
        const now = Date.parse("2026-11-23T09:40:00.000Z");
        const at = (arrivals) => [...m.progress({ stops }, now, orders, arrivals).atRisk];
        return [at(new Map()), at(risk("at_risk")), at(risk("late"))];
    }"""
    stops = [stop("a", "09:00", "done"), stop("b", "10:00")]
    assert run(page, "dispatch/rounds.js", script, stops) == [[], [], ["b"]]


def test_a_finished_round_needs_nobody(page: Page) -> None:
    assert round_at(page, [stop("a", "09:00", "done")], "17:00")["kind"] == "done"


def test_an_old_position_makes_a_van_silent(page: Page) -> None:
    script = """(m) => {
        const van = { presence: "online", position: { fix_time: "2026-11-23T09:00:00.000Z" } };
        const at = (time, speed) => m.isStale(van, Date.parse(`2026-11-23T${time}Z`), speed);
        return [at("09:00:50", 1), at("09:05:00", 1), at("09:05:00", 100)];
    }"""
    assert run(page, "dispatch/rounds.js", script) == [False, True, False]


def test_a_gliding_van_never_runs_ahead_of_what_was_measured(page: Page) -> None:
    script = """(m) => {
        const motion = new m.Motion();
        const fix = (lat, second) => ({ lat, lon: -71, course_deg: 350, fix_time: `t${second}` });
        motion.measured("van", fix(-30, 0), 0);
        motion.measured("van", { ...fix(-29.999, 1), course_deg: 10 }, 1000);
        const lats = [1000, 1500, 2000, 9000].map((at) => motion.place("van", at).lat);
        const course = motion.place("van", 1250).course % 360;
        return { lats, course, moves: motion.isMoving(9000) };
    }"""
    found = run(page, "dispatch/motion.js", script)
    assert found["lats"] == pytest.approx([-30, -29.9995, -29.999, -29.999])
    assert found["course"] == pytest.approx(0, abs=1e-9), "it turns by the short way"
    assert found["moves"] is False


def test_a_made_up_password_is_long_fair_and_never_the_same(page: Page) -> None:
    script = "(m) => Array.from({ length: 200 }, () => m.madeUp())"
    found = run(page, "people/words.js", script)
    assert len(set(found)) == 200
    assert {len(one) for one in found} == {23}
    assert len(set("".join(found)) - {"-"}) == 55


def test_grants_and_lines_of_the_log_are_told_in_words(page: Page) -> None:
    script = """(m) => {
        const names = { depots: new Map([["n", "North"]]), carriers: new Map() };
        return [
            m.reachInWords({ depot_ids: null, carrier_id: null }, names),
            m.reachInWords({ depot_ids: ["n", "gone"], carrier_id: null }, names),
            m.reachInWords({ depot_ids: null, carrier_id: "swift" }, names),
            m.doneInWords("POST /stops/{stop_id}/arrive", "/api/v1/stops/stop-1/arrive"),
            m.doneInWords("sign-in refused", "/session"),
            m.detailInWords({ role: "viewer", depot_ids: ["n"], was: { role: "admin", by: null } }),
        ];
    }"""
    assert run(page, "people/words.js", script) == [
        "Everything",
        "Depots: North, gone",
        "Carrier: swift",
        "POST /stops/stop-1/arrive",
        "sign-in refused",
        "role viewer · depot ids n · was (role admin)",
    ]


TRACK = """(m, at) => {
    const times = ["09:00:00", "09:00:10", "09:20:00", "09:20:10"];
    const track = new m.PastTrack({
        geometry: { type: "MultiLineString", coordinates: [
            [[-71, -30], [-71, -29.99]], [[-71.1, -29.9], [-71.09, -29.9]],
        ] },
        properties: {
            pieces: [2, 2], gaps: [], speeds_mps: [5, 6, 0, 7],
            times: times.map((time) => `2026-11-23T${time}.000Z`),
        },
    });
    const found = track.at(Date.parse(`2026-11-23T${at}.000Z`));
    return { ...found, gaps: track.features().filter((one) => one.properties.isGap).length };
}"""


@pytest.mark.parametrize(
    ("at", "place", "course", "is_known"),
    [
        ("08:00:00", [-71, -30], None, False),
        ("09:00:05", [-71, -29.995], 0, True),
        ("09:10:00", [-71, -29.99], None, False),
        ("09:20:05", [-71.095, -29.9], 90, True),
        ("09:20:10", [-71.09, -29.9], None, True),
        ("10:00:00", [-71.09, -29.9], None, False),
    ],
)
def test_a_van_of_the_past_goes_straight_between_fixes_and_nowhere_in_a_gap(
    page: Page, at: str, place: list[float], course: float | None, is_known: bool
) -> None:
    found = run(page, "dispatch/past.js", TRACK, at)
    assert [found["lon"], found["lat"]] == pytest.approx(place)
    assert found["course"] == (None if course is None else pytest.approx(course))
    assert found["isKnown"] is is_known
    assert found["gaps"] == 1


def test_a_day_is_summed_up_to_now(page: Page) -> None:
    script = """(m) => {
        const at = (time) => time && `2026-11-23T${time}:00.000Z`;
        const trip = (from, to, metres) => ({ started_at: at(from), ended_at: at(to), distance_m: metres });
        const told = { trips: [trip("09:30", null, null), trip("09:00", "09:20", 8000)], dwells: [trip("09:20", "09:30")] };
        const entries = m.journeys(told);
        return [entries.map((one) => one.kind), m.sums(entries, Date.parse(at("09:40")))];
    }"""  # noqa: E501 - a line of the script
    kinds, sums = run(page, "dispatch/past.js", script)
    assert kinds == ["trip", "dwell", "trip"]
    assert sums == {"distanceM": 8000, "drivenS": 1800, "restedS": 600, "trips": 2}


def drafted(page: Page, shape: str, points: str) -> Any:
    script = """(m, shape, points) => {
        const draft = { ...m.blankDraft(), shape, points, name: " Yard ", dwellMin: "2.5" };
        const { body, problems } = m.bodyOf(draft);
        return { body, problems, again: body && m.bodyOf(m.draftOf({ ...body, id: "f" })).body };
    }"""
    return run(page, "dispatch/fences.js", script, shape, points)


@pytest.mark.parametrize(
    ("shape", "points", "coordinates"),
    [
        ("Point", "\u221229.9, \u221271.25", [-71.25, -29.9]),
        ("LineString", "-29.9 -71.25\n\n-29.91;-71.26", [[-71.25, -29.9], [-71.26, -29.91]]),
        ("Polygon", "1,2\n3,4\n5,7", [[[2, 1], [4, 3], [7, 5], [2, 1]]]),
    ],
)
def test_a_fence_is_drawn_as_it_was_typed(
    page: Page, shape: str, points: str, coordinates: Any
) -> None:
    found = drafted(page, shape, points)
    assert found["problems"] == []
    assert found["body"]["geometry"] == {"type": shape, "coordinates": coordinates}
    assert found["body"]["properties"]["name"] == "Yard"
    assert found["body"]["properties"]["dwell_after_s"] == 150
    assert found["again"] == found["body"], "what is drawn anew is the same"


@pytest.mark.parametrize(
    ("shape", "points", "problem"),
    [
        ("Point", "", "the place is missing"),
        ("LineString", "1,2", "1 of at least 2 points"),
        ("Polygon", "1,2\nhere\n3,4", "line 2 is no place"),
        ("Point", "91,2", "line 1 is no place"),
    ],
)
def test_a_fence_that_is_not_whole_says_what_is_missing(
    page: Page, shape: str, points: str, problem: str
) -> None:
    found = drafted(page, shape, points)
    assert found["body"] is None
    assert [one["problem"] for one in found["problems"]] == [problem]


@pytest.mark.parametrize(
    ("name", "data", "tone", "text"),
    [
        ("van_silent", {"heard_at": "T"}, "bad", "Van 1 has not been heard of since 09:00."),
        ("van_heard", {}, "good", "Van 1 is heard again."),
        ("van_complaint", {"complaint": "it floods", "detail": "x"}, "warn", "Van 1: it floods."),
        ("geofence", {"kind": "entered", "dwell_s": None}, "quiet", "Van 1 came in: Yard."),
        ("geofence", {"kind": "left", "dwell_s": 600}, "quiet", "Van 1 left: Yard, after 10 min."),
        ("geofence", {"kind": "dwelled", "dwell_s": 600}, "quiet", "Van 1 has stayed: Yard for 10 min."),  # noqa: E501
    ],
)  # fmt: skip
def test_what_happens_is_told_in_sentences(
    page: Page, name: str, data: dict[str, Any], tone: str, text: str
) -> None:
    script = """(m, name, data) => m.newsOf(name, data, {
        nameOf: () => "Van 1", addressOf: () => "Calle 1", nowMs: 5, clock: () => "09:00",
    })"""
    known = {"vehicle_id": "van-1", "at": "2026-11-23T09:10:00.000Z", "name": "Yard", **data}
    found = run(page, "dispatch/news.js", script, name, known)
    assert (found["tone"], found["text"]) == (tone, text)


def road_drafted(page: Page, **changes: Any) -> Any:
    script = """async (m, changes) => {
        const { DepotTime } = await import("/look/moment.js");
        const times = new DepotTime("America/Santiago");
        const draft = { ...m.blankRoad(), points: "-29.9, -71.25\\n-29.91, -71.26", ...changes };
        const along = { key: m.alongKey(draft), coordinates: [[-71.25, -29.9], [-71.251, -29.905], [-71.26, -29.91]] };
        const { body, problems } = m.roadBody(draft, along, times);
        const again = body && m.roadDraftOf({ ...body, id: "road" }, times);
        return { body, problems, again: again && m.roadBody(again, null, times).body };
    }"""  # noqa: E501 - a line of the script
    return run(page, "dispatch/road_rules.js", script, changes)


def test_a_closure_follows_the_street_and_ends_by_the_depots_clock(page: Page) -> None:
    found = road_drafted(page, name=" Feria ", until="2026-11-23T18:30")
    body = found["body"]
    assert len(body["geometry"]["coordinates"]) == 3
    assert body["properties"] == {
        "kind": "closed", "name": "Feria", "kmh": None, "one_way": False, "depot_id": None,
        "from": None, "until": "2026-11-23T21:30:00.000Z",
    }  # fmt: skip
    assert found["again"] == body, "drawn anew it stays what it was"


def test_an_area_has_no_direction_and_at_least_three_corners(page: Page) -> None:
    points = "-29.9 -71.25\n-29.91 -71.25\n-29.91 -71.26"
    drawn = road_drafted(page, shape="Polygon", kind="slow", kmh="15", isOneWay=True, points=points)
    assert drawn["body"]["properties"]["one_way"] is False
    assert drawn["body"]["properties"]["kmh"] == 15
    assert len(drawn["body"]["geometry"]["coordinates"][0]) == 4
    (problem,) = road_drafted(page, shape="Polygon")["problems"]
    assert (problem["field"], problem["problem"]) == ("geometry", "2 of at least 3 points")


def test_a_long_line_is_thinned_and_keeps_its_ends_and_its_bends(page: Page) -> None:
    script = """(m) => {
        const line = Array.from({ length: 900 }, (_, at) => [-71.25 + at / 1e5, -29.9 + Math.sin(at / 50) / 1e3]);
        const thin = m.thinned(line, 200);
        return { count: thin.length, ends: thin[0].join() === line[0].join() && thin.at(-1).join() === line.at(-1).join() };
    }"""  # noqa: E501 - a line of the script
    found = run(page, "dispatch/road_rules.js", script)
    assert 20 < found["count"] <= 200
    assert found["ends"]


def test_a_policy_is_shown_in_minutes_and_keeps_what_nobody_touched(page: Page) -> None:
    script = """(m, policy) => {
        const draft = m.policyDraft(policy);
        const touched = { ...draft, changed_vehicle: "4.5", asksAboveMoved: true, askAboveMoved: "7" };
        return { draft, same: m.changedPolicy(policy, draft), changed: m.changedPolicy(policy, touched) };
    }"""  # noqa: E501 - a line of the script
    prices = {
        "km": 60.1234567, "hour": 0, "vehicle": 0, "late_s": 5, "late_soft_s": 0.5,
        "unserved": 36000, "wait": 1800, "outside_zone": 600, "unfamiliar": 60,
        "unserved_urgent": 360000, "changed_vehicle": 300, "changed_sequence": 120,
    }  # fmt: skip
    policy = {
        **prices, "ask_above_moved": None, "ask_before_moving_a_promise": False, "of_later": 3,
    }  # fmt: skip
    found = run(page, "dispatch/policy.js", script, policy)
    assert found["same"] == policy
    assert (found["draft"]["late_s"], found["draft"]["unserved"]) == ("5", "600")
    assert (found["draft"]["late_soft_s"], found["draft"]["wait"]) == ("0.5", "30")
    assert found["changed"] == {**policy, "changed_vehicle": 270, "ask_above_moved": 7}


def test_reasons_name_addresses_and_vans_in_place_of_ids(page: Page) -> None:
    script = """(m) => {
        const orders = new Map([["ord-7", { address: "Balmaceda 12" }]]);
        const vans = new Map([["van-2", { name: "Van 2" }]]);
        return m.sayNames("order ord-7 is pinned to van-2; ord-8 is not", { orders, vans });
    }"""
    told = run(page, "dispatch/plan_words.js", script)
    assert told == "Order Balmaceda 12 is pinned to Van 2; ord-8 is not"


def area_drafted(page: Page, **hours: str) -> Any:
    script = """(m, hours) => {
        const draft = { ...m.blankArea(), name: "Centro", points: "1,2\\n3,4\\n5,7" };
        const { body, problems } = m.areaBody({ ...draft, hours: { ...draft.hours, ...hours } });
        const again = body && m.areaBody(m.areaDraftOf({ ...body, id: "area" })).body;
        return { body, problems, again, words: body && m.hoursInWords(body.properties.hours) };
    }"""
    return run(page, "dispatch/access_areas.js", script, hours)


def test_the_hours_of_an_area_are_read_as_people_write_them(page: Page) -> None:
    found = area_drafted(page, tue="06:00\u201310:30, 15:00 - 17:00", sat="07:00-09:00")
    week = found["body"]["properties"]["hours"]["week"]
    assert week["tue"] == ["06:00-10:30", "15:00-17:00"]
    assert "sun" not in week
    assert found["again"] == found["body"]
    assert found["words"] == (
        "Mon 06:00-11:00; Tue 06:00-10:30, 15:00-17:00; Wed\u2013Fri 06:00-11:00; "
        "Sat 07:00-09:00; Sun closed"
    )


def test_hours_that_are_none_are_named_with_their_day(page: Page) -> None:
    (problem,) = area_drafted(page, tue="6-11")["problems"]
    assert problem["field"] == "properties.hours.week.tue"
    assert problem["remedy"] == "write 06:00-11:00"


PROPOSED = """async (m, ownEnd) => {
    const depot = { lat: -29.9, lon: -71.25 };
    const order = { id: "a", lat: -29.91, lon: -71.26, kind: "delivery" };
    const van = { start_lat: null, start_lon: null, end_lat: ownEnd?.[0] ?? null, end_lon: ownEnd?.[1] ?? null };
    globalThis.fetch = async (path) => {
        const { pathname, searchParams } = new URL(path, location);
        const points = searchParams.getAll("point").map((one) => one.split(",").map(Number).toReversed());
        const found = pathname.endsWith("way") ? { geometry: { coordinates: points } } : van;
        return new Response(JSON.stringify(found));
    };
    const state = { depot, vans: new Map([["v", { position: null }]]), routes: new Map(), orders: new Map([["a", order]]) };
    const proposal = { diff: { added: ["a"], moved: [] } };
    const found = await m.proposedPaths(proposal, [{ vehicle_id: "v", visits: [{ order_id: "a", kind: "delivery" }] }], state);
    const path = found.features.find(({ properties }) => properties.part === "after").geometry.coordinates;
    return [path[0], path.at(-1)];
}"""  # noqa: E501 - one line says one thing


def test_a_proposals_path_ends_where_its_van_does(page: Page) -> None:
    depot, home = [-71.25, -29.9], [-71.3, -29.95]
    assert run(page, "dispatch/proposed.js", PROPOSED, None) == [depot, depot]
    assert run(page, "dispatch/proposed.js", PROPOSED, home[::-1]) == [depot, home]


def test_whose_zone_a_fence_is_and_what_to_do_when_it_is_gone(page: Page) -> None:
    zone = {
        "geofence_id": "fence-1",
        "vehicles": [{"id": "van-1", "name": "Van 1"}],
        "drivers": [{"id": "rosa", "name": "Rosa"}],
    }
    words = "dispatch/fences.js"
    assert run(page, words, "(m, zone) => m.holdersInWords(zone)", zone) == "Van 1, Rosa"
    told = run(page, words, "(m, zone) => m.goneInWords(zone)", zone)
    assert told.startswith("Van 1, Rosa: the zone fence-1 was taken away")
    assert "Name another one in the register" in told
