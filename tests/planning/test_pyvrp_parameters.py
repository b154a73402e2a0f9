"""What a search is told besides its problem: it comes to rest within its time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.planning.solvers.pyvrp_parameters import FAR_OFF, KEEPING, fitted, history_length

_ORDERS = st.integers(min_value=0, max_value=10_000)
_SECONDS = st.floats(min_value=0, max_value=600)


@given(orders=_ORDERS, seconds=_SECONDS, longer_s=_SECONDS)
def test_a_longer_search_looks_back_no_less_far(
    orders: int, seconds: float, longer_s: float
) -> None:
    short = history_length(orders, seconds)
    assert 1 <= short <= history_length(orders, seconds + longer_s)


@given(orders=_ORDERS, more=_ORDERS, seconds=_SECONDS)
def test_more_orders_make_slower_steps_and_are_looked_back_at_no_further(
    orders: int, more: int, seconds: float
) -> None:
    assert history_length(orders + more, seconds) <= history_length(orders, seconds)


@pytest.mark.parametrize("scale", [1, 100])
def test_where_orders_may_be_left_no_rule_is_cheap_to_break(scale: int) -> None:
    kept = fitted(FAR_OFF, scale=scale, is_whole=False, orders=200, seconds=2)
    assert kept.penalty == KEEPING.penalty
    soft = fitted(FAR_OFF, scale=scale, is_whole=True, orders=200, seconds=2)
    assert soft.penalty.max_penalty == min(
        scale * FAR_OFF.penalty.max_penalty, KEEPING.penalty.max_penalty
    )
