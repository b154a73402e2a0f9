"""Pure: which messages are on their way, when to ask after them, send them again, or give up."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

MAX_RESEND_S: Final = 900.0
REFUSALS: Final = 3
"""So often must the cloud have named a message as missing, each time after another sending."""


REPEATED: Final = 3
"""A message sent so often was no accident: what the broker confirms does not reach the cloud."""


class InFlight(msgspec.Struct, kw_only=True):
    """One message without the cloud's acknowledgement.

    Attributes:
        first, last: the row ids it carries. tries: how often it was sent.
        ask_at_s, resend_at_s: when to ask the cloud for it, and when to send it again.
        refusals: after how many sendings the cloud has said that it lacks it.
        confirmed: the broker has it.
        asked: the cloud was asked after it since the broker has it.
        named_missing: since the question, the cloud has said that it lacks it.
    """

    first: int
    last: int
    tries: int
    ask_at_s: float
    resend_at_s: float
    refusals: int = 0
    confirmed: bool = False
    asked: bool = False
    named_missing: bool = False


class Window:
    """At most ``limit`` messages in flight; only the cloud's acknowledgement settles one.

    Args:
        limit: messages. resend_after_s: after the first sending, doubled with each further one.
        jitter: gives a number from 0 up to 1; spreads the vans.
    """

    def __init__(self, limit: int, resend_after_s: float, jitter: Callable[[], float]) -> None:
        self._limit = limit
        self._resend_after_s = resend_after_s
        self._jitter = jitter
        self._in_flight: dict[int, InFlight] = {}

    def __len__(self) -> int:
        return len(self._in_flight)

    @property
    def has_room(self) -> bool:
        """Whether one more message may be sent."""
        return len(self._in_flight) < self._limit

    @property
    def most_tries(self) -> int:
        """How often the message was sent that was sent most often."""
        return max((message.tries for message in self._in_flight.values()), default=0)

    def sent(
        self, first: int, last: int, now_s: float, *, tries: int = 1, refusals: int = 0
    ) -> None:
        """A message with the rows ``first`` to ``last`` has been handed to the connection."""
        delay_s = min(self._resend_after_s * 2 ** min(tries - 1, 20), MAX_RESEND_S)
        delay_s *= 1 + self._jitter() / 4
        self._in_flight[first] = InFlight(
            first=first,
            last=last,
            tries=tries,
            refusals=refusals,
            ask_at_s=now_s + delay_s / 2,
            resend_at_s=now_s + delay_s,
        )

    def confirmed(self, first: int) -> None:
        """The broker has the message that begins with the row ``first``."""
        if first in self._in_flight:
            self._in_flight[first].confirmed = True

    def lost(self, now_s: float, *, is_session_kept: bool) -> None:
        """The connection was another: what the broker never had is due at once.

        So is all of it when the broker has forgotten the session, and with it perhaps its queue,
        and what it confirmed more than once without any answer from the cloud.
        """
        for message in self._in_flight.values():
            if message.confirmed and is_session_kept and message.tries < REPEATED:
                continue
            message.resend_at_s = now_s
            message.tries = 0
            message.confirmed = message.named_missing = False
            message.asked = True  # the question of the new connection asks after all

    def settle(self, spans: Iterable[tuple[int, int]]) -> None:
        """The cloud has committed the rows of ``spans``."""
        for first, last in spans:
            for message in list(self._in_flight.values()):
                if first <= message.first and message.last <= last:
                    del self._in_flight[message.first]

    def name_missing(self, spans: Iterable[tuple[int, int]]) -> None:
        """The cloud lacks the rows of ``spans`` although it has later ones."""
        for first, last in spans:
            for message in self._in_flight.values():
                is_answer = message.asked and message.confirmed
                if is_answer and first <= message.first and message.last <= last:
                    message.named_missing = True

    def to_ask(self, now_s: float) -> list[InFlight]:
        """Messages that are late, each once a sending: the acknowledgement may have been lost."""
        late = [m for m in self._in_flight.values() if not m.asked and m.ask_at_s <= now_s]
        for message in late:
            message.asked = True
        return late

    def due(self, now_s: float) -> list[InFlight]:
        """Messages to send again or, when `is_refused`, to give up; until `forget` they stay."""
        late = [m for m in self._in_flight.values() if m.resend_at_s <= now_s]
        return sorted(late, key=lambda message: message.first)

    def forget(self, message: InFlight) -> None:
        """It has been given up, or what is left of it is sent as messages of its own."""
        del self._in_flight[message.first]


def refusals_of(message: InFlight) -> int:
    """After how many sendings the cloud has said that it lacks the message, this one included."""
    return message.refusals + message.named_missing


def is_refused(message: InFlight) -> bool:
    """Whether the cloud works, has had this message often enough and still does not take it."""
    return refusals_of(message) >= REFUSALS
