"""Zones of drivers and vans, and the doors they know: from register and history to the routes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.model import Driver
from cloud.foundation.settings import Settings
from cloud.geofences import store as fence_store
from cloud.geofences.model import Fence, holding
from cloud.places.model import Place
from cloud.planning.familiar import NOBODY_KNOWN, WEEKS, Delivered, delivered_by, familiarity
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of
from cloud.planning.situation import Day
from tests.cloud.desk import open_desk
from tests.planning.days import EIGHT, HOUR, aboard, day, order, route, stop
from tests.planning.office import PLAN, Office


def fence(name: str, west: float, east: float) -> Fence:
    """From south of the town to north of it."""
    corners = [(-29.8, west), (-29.8, east), (-30.1, east), (-30.1, west)]
    return Fence(
        id=name,
        name=name,
        points=tuple((round(lat * 1e7), round(lon * 1e7)) for lat, lon in corners),
    )


WEST, EAST = fence("west", -71.3, -71.26), fence("east", -71.26, -71.2)


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


def test_drivers_stay_in_their_zones_where_leaving_them_costs_more(office: Office) -> None:
    with office.desk.database.writing() as connection:
        for each in (WEST, EAST):
            fence_store.add(connection, "main", each)
    office.ask("PATCH", "/drivers/of-van-1", 200, version=1, zones=["west"])
    van = office.ask("PATCH", "/vehicles/van-2", 200, version=1, zones=["east"])
    assert van["zones"] == ["east"]
    office.ask("PUT", "/planning/policy", 200, outside_zone=9_000)
    office.replan("optimize")
    doors = {
        one["vehicle_id"]: {stop["lon"] for stop in one["stops"] if stop["kind"] == "delivery"}
        for one in office.ask("GET", PLAN, 200)["routes"]
    }
    assert doors == {"van-1": {-71.27}, "van-2": {-71.25}}
    prices = office.ask("GET", f"{PLAN}/revisions", 200)["items"][-1]["prices"]
    assert prices["preference"] == 0
    office.ask("PUT", "/planning/policy", 200, outside_zone=1, vehicle=9_000)
    office.replan("optimize")
    told = office.ask("GET", f"{PLAN}/revisions", 200)["items"][-1]["prices"]
    assert told["preference"] == 3


def with_zones(**given: tuple[str, ...]) -> Day:
    """A day of one van; ``given`` has the zones of its driver and of the van itself."""
    morning = day(order("a"), vans=["van-1"])
    van = replace(morning.vehicles["van-1"], zones=given.get("van", ()))
    driver = Driver(tenant="main", id="driver-of-van-1", name="Ana", zones=given.get("driver", ()))
    return replace(
        morning, vehicles={"van-1": van}, drivers={driver.id: driver}, zones=(WEST, EAST)
    )


def test_a_driver_s_zones_go_before_the_van_s_and_what_nobody_draws_is_none() -> None:
    def zones(**given: tuple[str, ...]) -> tuple[str, ...]:
        return problem_of(with_zones(**given), {}).vehicles[0].zones

    assert zones(driver=("west",), van=("east",)) == ("west",)
    assert zones(van=("east", "gone")) == ("east",)
    assert zones() == ()
    (job,) = problem_of(with_zones(), {}).jobs
    at = order("a")
    assert job.zones == holding((WEST, EAST), at.lat, at.lon) == ("west",)


deliveries = st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from(["p", "q"])), max_size=12)


@given(deliveries, st.sampled_from(["p", "q"]))
def test_who_was_there_more_often_knows_the_door_better(
    some: list[tuple[str, str]], place: str
) -> None:
    at = {"p": (-29.9, -71.25), "q": (-29.95, -71.2)}
    told = [Delivered(driver, there, *at[there]) for driver, there in some]
    before = familiarity(told)
    after = familiarity([*told, Delivered("x", place, *at[place])])
    share, more = (known.permilles(place, *at[place]).get("x", 0) for known in (before, after))
    assert 0 <= share < more < 1_000
    assert after.permilles(place, *at[place]).get("y", 0) == before.permilles(
        place, *at[place]
    ).get("y", 0)
    assert (share == 0) == (("x", place) not in some)


def test_a_neighbour_is_known_less_than_the_door_and_more_than_a_street_far_off() -> None:
    known = familiarity([Delivered("x", "p", -29.9, -71.25)] * 3)
    there = known.permilles("p", -29.9, -71.25).get("x", 0)
    beside = known.permilles("q", -29.9005, -71.25).get("x", 0)
    assert there == 500 > beside > known.permilles("r", -29.91, -71.25).get("x", 0) == 0
    assert NOBODY_KNOWN.permilles("p", -29.9, -71.25).get("x", 0) == 0


def test_only_deliveries_of_the_last_weeks_teach_who_has_done_them() -> None:
    one, other = aboard("a", "van-1"), aboard("b", "van-1")
    driven = route(
        "van-1",
        stop("s-0", one, other, kind="pickup", state="done"),
        stop("s-1", one, state="done"),
        stop("s-2", other),
    )
    places = {
        each.id: Place(
            tenant="main",
            id=f"door-{each.id}",
            address=each.address,
            lat=each.lat,
            lon=each.lon,
            street="",
            street_distance_m=0.0,
        )
        for each in (one, other)
    }
    now = EIGHT + 2 * HOUR
    found = list(delivered_by([driven], places, now))
    assert found == [Delivered("driver-of-van-1", "door-a", one.lat, one.lon)]
    assert list(delivered_by([driven], places, now + WEEKS * 7 * 86_400)) == []


def test_a_door_that_one_driver_knows_costs_the_others_a_little() -> None:
    morning = day(replace(order("a"), place_id="door"))
    there = morning.orders["a"]
    known = familiarity([Delivered("driver-of-van-2", "door", there.lat, there.lon)] * 3)
    seen = replace(morning, familiarity=known)
    (job,) = problem_of(seen, {}, TenantPolicy()).jobs
    assert job.known == (("van-2", 500),)
    (plain,) = problem_of(seen, {}, TenantPolicy(unfamiliar=0)).jobs
    assert plain.known == ()
