"""The simulated week judges all ways of planning alike."""

from bench.lived import told_until
from bench.replanned import FullResolve, Replanned
from cloud.orders.model import Promise, Span
from tests.planning.days import EIGHT, HOUR, order

NINE, TEN, NOON = EIGHT + HOUR, EIGHT + 2 * HOUR, EIGHT + 4 * HOUR


def test_who_promises_a_later_time_than_was_asked_for_is_late_all_the_same() -> None:
    later = Promise(Span(TEN, NOON), Span(TEN, NOON))
    asked = order("a", window=Span(EIGHT, NINE), promise=later)
    assert told_until(asked, NOON) == NINE
    assert told_until(order("b", promise=Promise(Span(EIGHT, NINE), Span(TEN, NOON))), NOON) == NINE
    assert told_until(order("c", window=Span(EIGHT, TEN)), NOON) == TEN
    assert told_until(order("d"), NOON) == NOON


def test_a_full_new_plan_is_made_on_the_same_events_as_ours() -> None:
    for event in ("ordered", "called_off", "broke_down", "called"):
        assert getattr(FullResolve, event) is getattr(Replanned, event)
