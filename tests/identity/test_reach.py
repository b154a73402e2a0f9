"""A grant's reach is one rule, said twice: as a predicate and as a condition of SQL."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, ColumnElement, MetaData, String, Table, create_engine, insert, select

from cloud.foundation.errors import Invalid
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.identity.within import within

NAMES = st.sampled_from(["a", "b", "c", None])
REACHES = st.one_of(
    st.just(EVERYTHING),
    st.frozensets(st.sampled_from("abc"), min_size=1).map(lambda some: Reach(depot_ids=some)),
    st.sampled_from("abc").map(lambda one: Reach(carrier_id=one)),
)
thing = Table("thing", MetaData(), Column("depot", String), Column("carrier", String))


def seen(things: list[tuple[str | None, str | None]], wanted: ColumnElement[bool]) -> list[Any]:
    """The things that a query with this condition gives."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        thing.create(connection)
        if things:
            connection.execute(insert(thing), [{"depot": d, "carrier": c} for d, c in things])
        found = [tuple(row) for row in connection.execute(select(thing).where(wanted))]
    engine.dispose()
    return found


@settings(deadline=None)  # each example opens a database
@given(REACHES, st.lists(st.tuples(NAMES, NAMES), max_size=8))
def test_a_query_gives_what_the_predicate_holds(
    reach: Reach, things: list[tuple[str | None, str | None]]
) -> None:
    wanted = within(reach, depot=thing.c.depot, carrier=thing.c.carrier)
    assert seen(things, wanted) == [
        (d, c) for d, c in things if reach.holds(depot_id=d, carrier_id=c)
    ]


@settings(deadline=None)  # each example opens a database
@given(REACHES)
def test_what_has_neither_depot_nor_carrier_is_for_those_who_see_everything(reach: Reach) -> None:
    assert reach.holds() == reach.is_everything
    assert bool(seen([("a", "a")], within(reach))) == reach.is_everything


def test_a_grant_is_limited_one_way_only() -> None:
    with pytest.raises(Invalid, match="reach: names depots and a carrier"):
        Reach(depot_ids=frozenset({"a"}), carrier_id="b")
    with pytest.raises(Invalid, match=r"reach\.depot_ids: 0 depots"):
        Reach(depot_ids=frozenset())
