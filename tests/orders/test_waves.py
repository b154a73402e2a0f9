"""When a depot's parcels are ready, by what came in until when."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.hours import local_instant
from cloud.foundation.errors import Invalid
from cloud.foundation.settings import Settings
from cloud.orders.model import Pickup
from cloud.orders.waves import Wave, require_waves, with_wave
from tests.cloud.desk import open_desk
from tests.planning.days import DATE, DEPOT, order
from tests.planning.office import Office

WAVES = (Wave("06:00", "07:30"), Wave("11:00", "12:30"))


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


def at(text: str) -> float:
    return local_instant(DATE, text, DEPOT.zone)


def ready(came: float, **given: Any) -> float | None:
    return with_wave(replace(order("a"), created_at=came, **given), WAVES, DEPOT.zone).ready_from


def test_what_came_by_a_cut_off_is_ready_with_its_wave() -> None:
    assert ready(at("06:00") - 86_400) == ready(at("06:00")) == at("07:30")
    assert ready(at("06:01")) == ready(at("11:00")) == at("12:30")
    assert ready(at("11:01")) is None


def test_what_is_urgent_elsewhere_or_has_a_time_of_its_own_waits_for_no_wave() -> None:
    shop = Pickup(address="Bakery", lat=-29.9, lon=-71.2)
    assert ready(at("05:00"), priority="urgent") is None
    assert ready(at("05:00"), kind="return") is None
    assert ready(at("05:00"), pickup=shop) is None
    assert ready(at("05:00"), ready_from=at("09:00")) == at("09:00")


@given(st.integers(0, 86_399), st.integers(0, 86_399))
def test_who_orders_earlier_never_waits_longer_by_the_waves(one: int, other: int) -> None:
    early, late = sorted((at("00:00") + one, at("00:00") + other))
    first, second = ready(early), ready(late)
    assert second is None or (first is not None and first <= second)


@pytest.mark.parametrize(
    ("waves", "field"),
    [
        ([("6:00", "07:00")], "waves.0.cutoff"),
        ([("08:00", "07:00")], "waves.0.ready"),
        ([("08:00", "09:00"), ("08:00", "10:00")], "waves.1"),
        ([("08:00", "09:00")] * 13, "waves"),
    ],
)
def test_waves_come_in_order(waves: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(Invalid) as told:
        require_waves(Wave(*one) for one in waves)
    assert told.value.problems[0].field == field


def test_a_van_leaves_with_the_wave_or_comes_back_for_it(office: Office) -> None:
    path = "/depots/la-serena/waves"
    assert office.ask("GET", path, 200) == {"waves": []}
    asked = [{"cutoff": "09:00", "ready": "12:30"}]
    office.ask("PUT", path, 200, waves=asked)
    assert office.ask("GET", path, 200) == {"waves": asked}
    office.replan("optimize")
    plan = office.ask("GET", office.plan, 200)
    ready_at = "2026-11-23T15:30:00.000Z"
    stops = [stop for route in plan["routes"] for stop in route["stops"]]
    assert stops
    for stop in stops:
        assert stop["planned_departure"] > ready_at
    assert {stop["window"]["from"] for stop in stops if stop["kind"] == "pickup"} == {ready_at}
