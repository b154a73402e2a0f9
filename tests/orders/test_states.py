"""The state table: what an order can go through, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.foundation.errors import Conflict
from cloud.orders.states import FINAL, MOVES, STATES, TABLE, Move, OrderState, moved


def through(*moves: Move) -> OrderState:
    state: OrderState = "received"
    for move in moves:
        state = moved("ord-1", state, move)
    return state


def test_an_order_is_delivered_by_being_planned_loaded_and_driven() -> None:
    assert through("plan", "load", "depart", "deliver") == "delivered"


def test_a_failed_attempt_can_be_tried_again_or_come_back() -> None:
    failed: tuple[Move, ...] = ("plan", "load", "depart", "fail")
    assert through(*failed, "ask_customer", "reschedule") == "planned"
    assert through(*failed, "bring_back", "give_back") == "returned"


def test_nothing_is_delivered_that_was_not_loaded_and_driven() -> None:
    reached = {
        (before, move) for (before, move), after in TABLE.items() if after.endswith("delivered")
    }
    assert {before for before, _ in reached} == {"out_for_delivery"}


def test_nothing_leaves_an_end() -> None:
    ends = set(FINAL)
    assert ends == {"delivered", "partially_delivered", "returned", "cancelled", "lost"}


@given(st.lists(st.sampled_from(MOVES), max_size=12))
def test_no_sequence_of_moves_leaves_the_table(moves: list[Move]) -> None:
    state: OrderState = "received"
    for move in moves:
        if (state, move) in TABLE:
            state = moved("ord-1", state, move)
        else:
            with pytest.raises(Conflict, match=f"ord-1 is {state} and cannot {move}"):
                moved("ord-1", state, move)
        assert state in STATES


def test_every_state_can_be_reached_from_received() -> None:
    reached: set[str] = {"received"}
    for _ in STATES:
        reached |= {after for (before, _), after in TABLE.items() if before in reached}
    assert reached == set(STATES)
