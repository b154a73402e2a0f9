"""A street that is closed, slowed or opened again: whose day is planned anew, and what it keeps."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.orders.model import Span
from cloud.planning.day_plan import Stop
from cloud.planning.jobs import About
from cloud.planning.repathing import late_s, repathed
from cloud.planning.situation import At
from cloud.planning.street_news import StreetNews, causes_of
from cloud.roads.model import Leg, Point
from cloud.roads.model import Path as Way
from cloud.roads.news import StreetsChanged
from cloud.roads.speeds import RoadRule
from cloud.tracking.progress import Line
from tests.cloud.desk import open_desk, run
from tests.planning.days import EIGHT, HOUR, aboard, order, route, stop
from tests.planning.office import Office, StraightStreets, until, working
from tests.planning.test_news import event

EASTWARDS = tuple((-71.25 + step / 1_000, -29.9) for step in range(11))
"""A path of some 970 m, as (lon, lat)."""
CROSSING = ((-29.91, -71.245), (-29.89, -71.245))
ALONG = ((-29.9, -71.2465), (-29.9, -71.2435))


def rule(*points: tuple[float, float], **changed: object) -> RoadRule:
    told = RoadRule(id="r", name="Balmaceda", kind="closed", points=points, is_area=False)
    return replace(told, **changed)  # type: ignore[arg-type]


def reasons(news: StreetNews, state: str = "open") -> list[str]:
    there = stop("s1", aboard("a", "van-1"), state=state)  # type: ignore[arg-type]
    driven = replace(route("van-1", there), geometry=EASTWARDS)
    return [cause.reason for cause in causes_of(news, [driven], {})]


def test_a_closure_concerns_who_drives_along_it_and_nobody_who_crosses_it() -> None:
    assert reasons(StreetNews(begun=[rule(*ALONG)])) == [
        "Balmaceda is closed, and van-1 was to drive there"
    ]
    assert reasons(StreetNews(begun=[rule(*CROSSING)])) == []
    slow = rule(*ALONG, kind="slow", kmh=12.5)
    assert reasons(StreetNews(begun=[slow])) == [
        "Balmaceda is slow, 12.5 km/h, and van-1 was to drive there"
    ]


def test_an_area_concerns_who_drives_into_it() -> None:
    corners = ((-29.901, -71.246), (-29.899, -71.246), (-29.899, -71.244), (-29.901, -71.244))
    assert reasons(StreetNews(begun=[rule(*corners, is_area=True)]))
    elsewhere = tuple((lat - 0.1, lon) for lat, lon in corners)
    assert not reasons(StreetNews(begun=[rule(*elsewhere, is_area=True)]))


def test_an_opened_street_concerns_who_drives_near_it_and_has_somewhere_to_go() -> None:
    beside = rule((-29.902, -71.246), (-29.902, -71.244))
    assert reasons(StreetNews(ended=[beside])) == [
        "Balmaceda is open again, and van-1 drives near it"
    ]
    assert not reasons(StreetNews(ended=[rule((-29.95, -71.246), (-29.95, -71.244))]))
    assert not reasons(StreetNews(begun=[rule(*ALONG)], ended=[beside]), state="done")


def on_the_way(news: StreetNews, at: At | None) -> list[str]:
    """The reasons for a van that is under way to the end of its path."""
    first = stop("s0", aboard("a", "van-1"), state="done")
    last = replace(stop("s1", aboard("b", "van-1")), lat=-29.9, lon=-71.24)
    driven = replace(
        route("van-1", replace(first, lat=-29.9, lon=-71.25), last), geometry=EASTWARDS
    )
    positions = {} if at is None else {"van-1": at}
    return [cause.reason for cause in causes_of(news, [driven], positions)]


def test_a_street_behind_a_van_concerns_it_no_more() -> None:
    news = StreetNews(begun=[rule(*ALONG)])
    assert on_the_way(news, None), "nobody knows where it is"
    assert on_the_way(news, At(-29.9, -71.249, EIGHT)), "it is ahead"
    assert on_the_way(news, At(-29.9, -71.245, EIGHT)), "it is in it"
    assert not on_the_way(news, At(-29.9, -71.242, EIGHT)), "it is behind"
    assert on_the_way(news, At(-29.95, -71.242, EIGHT)), "it is somewhere else"


def test_a_path_that_comes_back_through_the_street_is_still_ahead() -> None:
    there_and_back = (*EASTWARDS, *reversed(EASTWARDS[:-1]))
    first = replace(stop("s0", aboard("a", "van-1"), state="done"), lat=-29.9, lon=-71.25)
    turn = replace(stop("s1", aboard("b", "van-1")), lat=-29.9, lon=-71.24)
    home = replace(stop("s2", aboard("c", "van-1")), lat=-29.9, lon=-71.25)
    driven = replace(route("van-1", first, turn, home), geometry=there_and_back)
    news, at = StreetNews(begun=[rule(*ALONG)]), At(-29.9, -71.242, EIGHT)
    assert list(causes_of(news, [driven], {"van-1": at}))


def test_an_opened_street_behind_a_van_concerns_it_no_more() -> None:
    behind = rule((-29.9, -71.2495), (-29.9, -71.249))
    far = replace(behind, points=tuple((lat, lon - 0.01) for lat, lon in behind.points))
    assert on_the_way(StreetNews(ended=[far]), None)
    assert not on_the_way(StreetNews(ended=[far]), At(-29.9, -71.2405, EIGHT))


@pytest.mark.parametrize(
    ("begins_h", "ends_h", "is_news"), [(1.0, 3.0, True), (3.0, 4.0, False), (-2.0, -1.0, False)]
)
def test_what_is_announced_concerns_who_is_to_drive_there_then(
    *, begins_h: float, ends_h: float, is_news: bool
) -> None:
    """The van leaves the first stop at ten and is at the second a quarter of an hour later."""
    at_ten = EIGHT + 2 * HOUR
    first = replace(stop("s0", order("a")), lat=-29.9, lon=-71.25, leg_s=600)
    first = replace(first, planned_arrival=at_ten - 180, planned_departure=at_ten)
    second = replace(stop("s1", order("b")), lat=-29.9, lon=-71.24)
    second = replace(second, planned_arrival=at_ten + 900, planned_departure=at_ten + 1_000)
    driven = replace(route("van-1", first, second), geometry=EASTWARDS)
    coming = rule(*ALONG, from_s=EIGHT + begins_h * HOUR, until_s=EIGHT + ends_h * HOUR)
    reasons = [one.reason for one in causes_of(StreetNews(announced=[coming]), [driven], {})]
    told = "Balmaceda will be closed while van-1 is to drive there"
    assert reasons == ([told] if is_news else [])


@given(share=st.floats(0, 1), width=st.floats(0, 1))
def test_a_part_of_a_path_begins_and_ends_where_it_is_asked_to(share: float, width: float) -> None:
    line = Line([(lat, lon) for lon, lat in EASTWARDS])
    from_m = share * line.length_m
    to_m = from_m + width * (line.length_m - from_m)
    assert Line(line.part(from_m, to_m)).length_m == pytest.approx(to_m - from_m, abs=0.5)


@given(share=st.floats(0, 1))
def test_what_is_ahead_of_a_van_is_the_rest_of_its_path(share: float) -> None:
    line = Line([(lat, lon) for lon, lat in EASTWARDS])
    rest = Line(line.rest(share * line.length_m))
    assert rest.length_m == pytest.approx((1 - share) * line.length_m, abs=0.5)
    assert rest.place(*line.rest(line.length_m)[-1]).off_m < 0.5


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    desk = open_desk(tmp_path / "data")
    office = Office(desk)
    office.replan("optimize")
    yield office
    desk.close()


def test_a_closure_on_the_way_makes_a_revision_that_says_why(office: Office) -> None:
    way = routes(office)[0]["geometry"]["coordinates"]
    (lon, lat), (to_lon, to_lat) = way[2:4]
    closed = rule((lat, lon), (to_lat, to_lon))
    office.maker._roads = DetouringStreets()  # type: ignore[assignment]

    async def told() -> None:
        async with working(loop := office.loop()):
            for _ in ("it is told", "it is told again"):
                await loop.on_event(event(StreetsChanged(begun=(closed,))))
                await until(lambda: not office.unfinished)

    run(told())
    newest = office.ask("GET", f"{office.plan}/revisions", 200)["items"][-1]
    assert newest["trigger"] == "road_changed"
    assert "Balmaceda is closed" in newest["reason"]
    assert office.ask("GET", office.plan, 200)["revision"] == 2


def test_a_closure_is_followed_though_other_news_came_first(office: Office) -> None:
    """A job that was asked for otherwise has taken the closure's news along."""
    before = {one["vehicle_id"]: one["geometry"]["coordinates"] for one in routes(office)}
    (van,) = before
    office.maker._roads = DetouringStreets()  # type: ignore[assignment]
    office.replan("promise_at_risk", About(trigger="road_changed", vehicle_id=str(van)))
    (after,) = (one["geometry"]["coordinates"] for one in routes(office))
    assert after != before[van]
    assert office.ask("GET", office.plan, 200)["revision"] == 2
    office.replan("cancellation")
    assert office.ask("GET", office.plan, 200)["revision"] == 2  # the same way is no news


def test_the_path_changes_at_once_while_moved_stops_wait_in_a_proposal(office: Office) -> None:
    (before,) = routes(office)
    van, sequences = before["vehicle_id"], office.sequences
    office.maker._roads = DetouringStreets()  # type: ignore[assignment]
    office.ask("PUT", "/planning/policy", 200, ask_above_moved=0)
    office.ask("POST", f"/shifts/{office.shifts[van]}/cancel", 200)
    news = About(trigger="road_changed", vehicle_id=van)
    assert office.replan("changed_shift", news) == 2
    (after,) = routes(office)
    assert after["geometry"]["coordinates"] != before["geometry"]["coordinates"]
    assert after["revision"] == 2
    assert office.sequences == sequences
    told = office.ask("GET", f"{office.plan}/revisions", 200)["items"][-1]
    assert told["trigger"] == "road_changed"
    assert f"other streets for {van} while the rest waits" in told["reason"]
    assert not told["diff"]["moved"]
    (waits,) = office.proposals
    assert (waits["state"], waits["base"]) == ("open", 2)
    assert waits["diff"]["moved"]
    assert office.replan("changed_shift", news) == 2, "the same streets are no news"
    office.ask("POST", f"{office.plan}/proposals/{waits['id']}/accept", 409)
    (newest,) = [one for one in office.proposals if one["state"] == "open"]
    office.ask("POST", f"{office.plan}/proposals/{newest['id']}/accept", 202)
    assert office.work() == 3
    assert office.sequences.get(van, []) == []


ROUND = Way(
    seconds=900,
    metres=9_000,
    legs=tuple(Leg(seconds=300, metres=3_000, first=at, last=at + 1) for at in range(3)),
    geometry=((-71.25, -29.9), (-71.3, -29.95), (-71.25, -29.92), (-71.25, -29.9)),
)


def planned(name: str, arrival: float, opens: float | None = None) -> Stop:
    """A stop that is reached then after 120 s, and served for 180 s."""
    window = None if opens is None else Span(opens, opens + HOUR)
    begins = max(arrival, opens or arrival)
    one = replace(stop(name, order(name)), window=window, leg_s=120, leg_m=1_000, service_s=180)
    return replace(one, planned_arrival=arrival, planned_departure=begins + 180)


def test_a_longer_way_delays_what_follows_and_waiting_takes_it_up() -> None:
    first, second = planned("a", EIGHT + 120), planned("b", EIGHT + 420, EIGHT + 720)
    before = route("van-1", first, second)
    after = repathed(before, ROUND, None)
    assert [(one.leg_s, one.leg_m) for one in after.stops] == [(300, 3_000)] * 2
    assert [one.planned_arrival - EIGHT for one in after.stops] == [300, 780]
    assert [one.planned_departure - EIGHT for one in after.stops] == [480, 960]
    assert (after.end_leg_s, after.geometry) == (300, ROUND.geometry)
    assert late_s([after]) == 0


def test_of_a_leg_that_is_begun_the_rest_is_counted_from_where_the_van_is() -> None:
    done = replace(planned("z", EIGHT), state="done")
    before = route("van-1", done, planned("a", EIGHT + 120), planned("b", EIGHT + 420))
    after = repathed(before, ROUND, EIGHT + 60)
    assert [one.planned_arrival - EIGHT for one in after.open_stops] == [360, 840]
    assert after.stops[0] == before.stops[0]
    unknown = repathed(before, ROUND, None)
    assert [one.planned_arrival - EIGHT for one in unknown.open_stops] == [120, 600]


class DetouringStreets(StraightStreets):
    """Every way leads round the block."""

    async def route(self, points: Sequence[Point], departs: Sequence[float] = ()) -> Way:
        way = await super().route(points, departs)
        corners = tuple((lon + 0.001, lat) for lon, lat in way.geometry)
        return replace(way, geometry=corners)


def test_a_closure_far_from_every_way_asks_for_no_plan(office: Office) -> None:
    far = rule((-28.0, -71.0), (-28.0, -71.1))
    run(office.loop().on_event(event(StreetsChanged(begun=(far,), ended=(far,)))))
    assert office.unfinished == []


def routes(office: Office) -> list[dict[str, Any]]:
    found: list[dict[str, Any]]
    found = office.ask("GET", office.plan, 200)["routes"]
    return found
