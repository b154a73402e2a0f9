"""Which messages are in flight, asked after, sent again, given up."""

import random

from gateway.window import MAX_RESEND_S, TRIES, Window, is_refused


def window(limit: int = 3, resend_after_s: float = 60) -> Window:
    return Window(limit, resend_after_s, random.Random(1))


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


def test_only_what_the_cloud_itself_names_missing_after_the_question_is_refused() -> None:
    flights = window(resend_after_s=60)
    flights.sent(0, 9, now_s=0, tries=TRIES)
    flights.name_missing([(0, 9)])
    flights.to_ask(now_s=250)
    (unnamed,) = flights.due(now_s=1000)
    assert not is_refused(unnamed)
    flights.sent(0, 9, now_s=0, tries=TRIES)
    flights.to_ask(now_s=250)
    flights.name_missing([(0, 9)])
    (named,) = flights.due(now_s=1000)
    assert is_refused(named)


def test_a_message_is_not_refused_before_its_third_sending() -> None:
    flights = window(resend_after_s=60)
    flights.sent(0, 9, now_s=0, tries=TRIES - 1)
    flights.to_ask(now_s=250)
    flights.name_missing([(0, 9)])
    (message,) = flights.due(now_s=1000)
    assert not is_refused(message)
