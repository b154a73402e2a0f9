"""Pure: which messages are on their way, when to ask after them, send them again, or give up."""

import random
from collections.abc import Iterable
from typing import Final

import msgspec

MAX_RESEND_S: Final = 900.0
TRIES: Final = 3
"""After so many sendings a message that the cloud names as missing is refused."""


class InFlight(msgspec.Struct, kw_only=True):
    """One message without the cloud's acknowledgement.

    Attributes:
        first, last: the row ids it carries. tries: how often it was sent.
        ask_at_s, resend_at_s: when to ask the cloud for it, and when to send it again.
        named_missing: since the question, the cloud has said that it lacks it.
    """

    first: int
    last: int
    tries: int
    ask_at_s: float
    resend_at_s: float
    asked: bool = False
    named_missing: bool = False


class Window:
    """At most ``limit`` messages in flight; only the cloud's acknowledgement settles one.

    Args:
        limit: messages. resend_after_s: after the first sending, doubled with each further one.
        jitter: spreads the vans; seeded in tests.
    """

    def __init__(self, limit: int, resend_after_s: float, jitter: random.Random) -> None:
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

    def sent(self, first: int, last: int, now_s: float, tries: int = 1) -> None:
        """A message with the rows ``first`` to ``last`` has been handed to the broker."""
        delay_s = min(self._resend_after_s * 2 ** (tries - 1), MAX_RESEND_S)
        delay_s *= self._jitter.uniform(1, 1.25)
        self._in_flight[first] = InFlight(
            first=first,
            last=last,
            tries=tries,
            ask_at_s=now_s + delay_s / 2,
            resend_at_s=now_s + delay_s,
        )

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
                if message.asked and first <= message.first and message.last <= last:
                    message.named_missing = True

    def to_ask(self, now_s: float) -> list[InFlight]:
        """Messages that are late, each once a sending: the acknowledgement may have been lost."""
        late = [m for m in self._in_flight.values() if not m.asked and m.ask_at_s <= now_s]
        for message in late:
            message.asked = True
        return late

    def due(self, now_s: float) -> list[InFlight]:
        """Messages to send again or, when `is_refused`, to give up; until `forget` they stay."""
        return [m for m in self._in_flight.values() if m.resend_at_s <= now_s]

    def forget(self, message: InFlight) -> None:
        """It has been given up, or what is left of it is sent as messages of its own."""
        del self._in_flight[message.first]


def is_refused(message: InFlight) -> bool:
    """Whether the cloud works, has had this message often enough and still does not take it."""
    return message.tries >= TRIES and message.named_missing
