"""At every instant a van has one driver at most, and a driver one van."""

import math
from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.assignments import (
    Assignment,
    at_instant,
    end_by_default,
    free,
    require_apart,
)
from cloud.foundation.errors import Invalid

VANS = ["van-1", "van-2", "van-3"]
DRIVERS = ["ana", "bea", "cid"]
INSTANTS = [float(at) for at in range(-1, 42)]


@st.composite
def new_assignments(draw: st.DrawFn) -> Assignment:
    begin = draw(st.integers(0, 39))
    end = draw(st.none() | st.integers(begin + 1, 40))
    return Assignment(
        id=draw(st.uuids()).hex,
        vehicle_id=draw(st.sampled_from(VANS)),
        holder_id=draw(st.sampled_from(DRIVERS)),
        begin=float(begin),
        end=None if end is None else float(end),
    )


def put(known: list[Assignment], made: Assignment) -> list[Assignment]:
    """As the service does it: cut those of the van and of the driver, then add."""
    own = [
        one for one in known if one.vehicle_id == made.vehicle_id or one.holder_id == made.holder_id
    ]
    cut = free(own, made.begin, made.until)
    kept = [one if one.id else replace(one, id=uuid4().hex) for one in cut.kept]
    return [one for one in known if one.id not in cut.gone] + [*kept, made]


def table(known: Iterable[Assignment], instant: float) -> dict[str, str]:
    return {one.vehicle_id: one.holder_id for one in known if one.holds_at(instant)}


@given(st.lists(new_assignments(), max_size=12))
def test_nobody_is_ever_in_two_places(made: list[Assignment]) -> None:
    known: list[Assignment] = []
    for one in made:
        known = put(known, one)
        require_apart(known)


@given(st.lists(new_assignments(), max_size=8), new_assignments())
def test_a_change_changes_its_own_time_and_nothing_else(
    before: list[Assignment], change: Assignment
) -> None:
    known: list[Assignment] = []
    for one in before:
        known = put(known, one)
    after = put(known, change)
    for instant in INSTANTS:
        expected = table(known, instant)
        if change.holds_at(instant):
            expected = {
                van: who
                for van, who in expected.items()
                if van != change.vehicle_id and who != change.holder_id
            } | {change.vehicle_id: change.holder_id}
        assert table(after, instant) == expected


@given(st.lists(new_assignments(), max_size=8), st.integers(0, 40))
def test_a_change_without_an_end_lasts_as_long_as_what_it_replaces(
    before: list[Assignment], begin: int
) -> None:
    known: list[Assignment] = []
    for one in before:
        known = put(known, one)
    of_van = [one for one in known if one.vehicle_id == "van-1"]
    end = end_by_default(known, "van-1", begin)
    replaced = at_instant(of_van, begin)
    if replaced is not None:
        assert end == replaced.end
    until = math.inf if end is None else end
    touched = [one for one in of_van if one.touches(begin, until)]
    assert touched == ([] if replaced is None else [replaced])


def test_what_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Invalid, match="until"):
        Assignment(id="a", vehicle_id="v", holder_id="h", begin=5.0, end=5.0)


def test_two_at_one_time_are_found() -> None:
    one = Assignment(id="a", vehicle_id="van-1", holder_id="ana", begin=0.0)
    two = Assignment(id="b", vehicle_id="van-2", holder_id="ana", begin=9.0)
    with pytest.raises(Invalid, match="ana"):
        require_apart([one, two])
