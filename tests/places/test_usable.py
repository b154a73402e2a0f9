"""When a door can be served: laws of the rule, and what it blames."""

from datetime import date
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.calendar import Hours, calendar_of
from cloud.fleet.hours import local_instant
from cloud.places.areas import AccessArea
from cloud.places.usable import (
    Excluded,
    Limit,
    Spans,
    Usable,
    common,
    common_to,
    done_within,
    hours_of_day,
    united,
    usable,
    why_excluded,
)

MONDAY = date(2026, 11, 23)
ZONE = "America/Santiago"

instants = st.integers(0, 48).map(float)
spans = st.lists(st.tuples(instants, instants).map(lambda two: (min(two), max(two))), max_size=5)
limits = st.lists(
    spans.map(lambda some: Limit("area", tuple(some), "Centro")), min_size=1, max_size=4
)


def holds(some: Spans, instant: float) -> bool:
    return any(begin <= instant <= end for begin, end in some)


@given(spans, instants)
def test_united_spans_hold_the_same_instants_in_order_and_apart(
    some: list[tuple[float, float]], instant: float
) -> None:
    made = united(some)
    assert holds(made, instant) == holds(tuple(some), instant)
    assert all(one[1] < after[0] for one, after in pairwise(made))


@given(limits, instants)
def test_an_instant_is_usable_when_every_limit_has_it(some: list[Limit], instant: float) -> None:
    found = usable(some)
    left = found.spans if isinstance(found, Usable) else ()
    assert holds(left, instant) == all(holds(one.spans, instant) for one in some)
    assert isinstance(found, Excluded) == (not left)


@given(limits)
def test_the_order_of_the_limits_changes_nothing(some: list[Limit]) -> None:
    found, turned = usable(some), usable(some[::-1])
    if isinstance(found, Usable):
        assert turned == found
    else:
        assert isinstance(turned, Excluded)


@given(limits)
def test_what_is_blamed_leaves_nothing_and_any_fewer_leave_something(some: list[Limit]) -> None:
    found = usable(some)
    if isinstance(found, Usable):
        return
    assert set(found.by) <= set(some)
    assert common_to(one.spans for one in found.by) == ()
    for at in range(len(found.by)):
        fewer = [one.spans for place, one in enumerate(found.by) if place != at]
        assert not fewer or common_to(fewer)


@given(spans, spans)
def test_what_two_have_in_common_is_within_both(
    one: list[tuple[float, float]], other: list[tuple[float, float]]
) -> None:
    for begin, end in common(united(one), united(other)):
        assert any(a <= begin and end <= b for a, b in united(one))
        assert any(a <= begin and end <= b for a, b in united(other))


@given(spans, st.integers(0, 10))
def test_a_service_that_begins_in_time_ends_in_time(
    some: list[tuple[float, float]], service_s: int
) -> None:
    whole = united(some)
    for begin, end in done_within(whole, service_s):
        assert any(a <= begin and end + service_s <= b for a, b in whole)


def test_hours_are_of_the_depot_s_day_and_may_run_into_the_night() -> None:
    bar = calendar_of({"sun": [Hours("20:00", "03:00")], "mon": [Hours("18:00", "02:00")]})
    until = local_instant(MONDAY, "23:00", ZONE)
    assert hours_of_day(bar, MONDAY, ZONE, until) == (
        (local_instant(MONDAY, "00:00", ZONE), local_instant(MONDAY, "03:00", ZONE)),
        (local_instant(MONDAY, "18:00", ZONE), until),
    )
    assert hours_of_day(calendar_of({"tue": [Hours("08:00", "12:00")]}), MONDAY, ZONE, until) == ()


def test_the_reason_names_what_has_no_time_in_common() -> None:
    def at(text: str) -> float:
        return local_instant(MONDAY, text, ZONE)

    window = Limit("window", ((at("12:00"), at("16:00")),))
    hours = Limit("hours", ((at("09:00"), at("20:00")),))
    zone = Limit("area", ((at("06:00"), at("10:00")), (at("18:00"), at("20:00"))), "Centro")
    found = usable([window, hours, zone])
    assert isinstance(found, Excluded)
    assert {one.kind for one in found.by} == {"window", "area"}
    assert why_excluded(found, ZONE).startswith(
        "its window (12:00-16:00) and the access hours of area 'Centro' "
        "(06:00-10:00, 18:00-20:00) have no time in common"
    )
    closed = usable([window, Limit("hours", ()), zone])
    assert closed == Excluded((Limit("hours", ()),))


AREA = AccessArea(
    id="a",
    name="Centro",
    points=((0.0, 0.0), (0.0, 2.0), (1.0, 2.0), (1.0, 1.0), (2.0, 1.0), (2.0, 0.0)),
    hours=calendar_of({}),
)


@given(st.floats(-0.5, 2.5), st.floats(-0.5, 2.5))
def test_an_area_holds_what_lies_in_its_corners(lat: float, lon: float) -> None:
    edges = {0.0, 1.0, 2.0}
    if lat in edges or lon in edges:
        return
    is_in = (0 < lat < 1 and 0 < lon < 2) or (1 < lat < 2 and 0 < lon < 1)
    assert AREA.holds(lat, lon) == is_in
