"""Which messages are in flight, asked after, sent again, given up."""

import random

import pytest

from gateway.uplink.window import MAX_RESEND_S, REFUSALS, REPEATED, Window, is_refused, refusals_of


def window(limit: int = 3, resend_after_s: float = 60) -> Window:
    return Window(limit, resend_after_s, random.Random(1).random)


def test_a_full_window_has_room_again_only_after_an_acknowledgement() -> None:
    flights = window(limit=2)
    flights.sent(0, 9, now_s=0)
    flights.sent(10, 19, now_s=0)
    assert not flights.has_room
    flights.settle([(0, 9)])
    assert flights.has_room


def test_a_message_is_settled_only_as_a_whole() -> None:
    flights = window()
    flights.sent(0, 9, now_s=0)
    flights.settle([(0, 4), (6, 9)])
    assert len(flights) == 1
    flights.settle([(0, 30)])
    assert len(flights) == 0


def test_a_late_message_is_asked_after_once_and_then_sent_again() -> None:
    flights = window(resend_after_s=60)
    flights.sent(0, 9, now_s=0)
    assert flights.to_ask(now_s=29) == []
    assert [message.first for message in flights.to_ask(now_s=40)] == [0]
    assert flights.to_ask(now_s=41) == []
    assert flights.due(now_s=59) == []
    (due,) = flights.due(now_s=76)
    assert (due.first, due.last, due.tries) == (0, 9, 1)
    assert flights.due(now_s=76) == [due]
    flights.forget(due)
    assert len(flights) == 0


def test_each_sending_waits_longer_up_to_a_bound() -> None:
    waits = []
    for tries in range(1, 12):
        flights = window(resend_after_s=60)
        flights.sent(0, 9, now_s=0, tries=tries)
        waits.append(next(s for s in range(10_000) if flights.due(s)))
    assert waits[:3] == sorted(waits[:3])
    assert waits[1] >= 120
    assert max(waits) <= MAX_RESEND_S * 1.25 + 1


def sent_and_named_missing(flights: Window, now_s: float, refusals: int) -> bool:
    """One more sending, confirmed, asked after, named missing; whether that is once too often."""
    flights.sent(0, 9, now_s=now_s, tries=refusals + 1, refusals=refusals)
    flights.confirmed(0)
    flights.to_ask(now_s + 1000)
    flights.name_missing([(0, 9)])
    (due,) = flights.due(now_s + 5000)
    assert refusals_of(due) == refusals + 1
    return is_refused(due)


def test_what_the_cloud_names_missing_after_each_of_three_sendings_is_refused() -> None:
    flights = window()
    assert [sent_and_named_missing(flights, 0, number) for number in range(REFUSALS)] == [
        False,
        False,
        True,
    ]


def test_silence_is_no_refusal_however_long() -> None:
    flights = window()
    flights.sent(0, 9, now_s=0, tries=9, refusals=REFUSALS - 1)
    flights.confirmed(0)
    flights.to_ask(now_s=5000)
    (due,) = flights.due(now_s=5000)
    assert not is_refused(due)


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_what_is_named_missing_before_the_question_or_before_the_broker_had_it_is_no_refusal(
    *, is_confirmed: bool
) -> None:
    flights = window()
    flights.sent(0, 9, now_s=0, refusals=REFUSALS - 1)
    if is_confirmed:
        flights.confirmed(0)
    else:
        flights.to_ask(now_s=5000)
    flights.name_missing([(0, 9)])
    (due,) = flights.due(now_s=5000)
    assert not is_refused(due)


def test_a_new_connection_sends_at_once_what_the_broker_never_had() -> None:
    flights = window()
    flights.sent(0, 9, now_s=0)
    flights.sent(10, 19, now_s=0)
    flights.confirmed(0)
    flights.lost(now_s=1, is_session_kept=True)
    assert [message.first for message in flights.due(now_s=1)] == [10]


def test_a_broker_that_forgot_the_session_is_sent_all_of_it_again_and_that_is_no_refusal() -> None:
    flights = window()
    flights.sent(10, 19, now_s=0, refusals=REFUSALS - 1)
    flights.sent(0, 9, now_s=0)
    flights.confirmed(10)
    flights.to_ask(now_s=50)
    flights.name_missing([(10, 19)])
    flights.lost(now_s=51, is_session_kept=False)
    due = flights.due(now_s=51)
    assert [message.first for message in due] == [0, 10]
    assert not any(is_refused(message) for message in due)


def test_a_new_connection_repeats_at_once_what_was_confirmed_often_and_never_came() -> None:
    flights = window()
    flights.sent(0, 9, now_s=0, tries=REPEATED)
    flights.confirmed(0)
    assert flights.most_tries == REPEATED
    flights.lost(now_s=1, is_session_kept=True)
    assert [message.first for message in flights.due(now_s=1)] == [0]
