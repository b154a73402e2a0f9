"""Pure: how fast which lane may go, so that the newest fix never waits behind the history."""

from typing import Final

import msgspec

from gateway.settings import UplinkSettings

METERED_LIVE_S: Final = 30.0
METERED_WAIT_S: Final = 900.0
"""Where data is dear: fifteen times fewer batches, each with its headers and acknowledgements."""

_TARGET_S: Final = 0.4
"""History may make the broker's receipt so much later than an empty link does."""
_LEAST_BYTES: Final = 600
_MOST_BYTES: Final = 400_000
_STEP_BYTES: Final = 1_200
_BACK_OFF: Final = 0.7
_PROBE_EVERY_S: Final = 30.0
_LOST_AFTER_S: Final = 90.0
_FRESH_S: Final = 0.25
"""A receiver's fixes come this much early or late, and one that comes meanwhile is waited for."""
_PERIOD_S: Final = 1.0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The settings as they are in force.

    Attributes:
        live_every_s: least time between two live fixes.
        batch_fixes, batch_wait_s: fullest batch, and how long a smaller one waits for more.
        history_bytes_a_second: of the history lane; None for what the link carries.
    """

    live_every_s: float
    batch_fixes: int
    batch_wait_s: float
    history_bytes_a_second: int | None


def pace_of(settings: UplinkSettings) -> Pace:
    """What the settings mean, on a metered link too."""
    is_metered = settings.is_metered
    return Pace(
        live_every_s=max(settings.live_every_s, METERED_LIVE_S if is_metered else 0.0),
        batch_fixes=settings.batch_fixes,
        batch_wait_s=max(settings.batch_wait_s, METERED_WAIT_S if is_metered else 0.0),
        history_bytes_a_second=settings.history_bytes_a_second,
    )


class LiveTurn:
    """When the newest fix goes, so that the position known elsewhere is never older than asked.

    It keeps in step with the receiver: a fix goes as it comes, not when it has waited for its turn.
    """

    def __init__(self) -> None:
        self._from_s = float("-inf")

    def is_due(self, taken_at_s: float, now_s: float, every_s: float) -> bool:
        """Whether the newest fix, which came at ``taken_at_s``, goes at ``now_s``."""
        due_s = self._from_s + every_s
        slack_s = min(_FRESH_S, every_s / 4)
        is_fresh = now_s - taken_at_s < slack_s
        return now_s >= (due_s - slack_s if is_fresh else due_s + slack_s)

    def went(self, taken_at_s: float, now_s: float) -> None:
        """The fix that came at ``taken_at_s`` has gone at ``now_s``."""
        is_in_step = now_s - taken_at_s <= _PERIOD_S
        self._from_s = taken_at_s if is_in_step else now_s


class Budget:
    """Bytes a second, saved up for one second at most; a message may overdraw it once."""

    def __init__(self, now_s: float) -> None:
        self._left = 0.0
        self._at_s = now_s

    def has_some(self, bytes_a_second: int | None, now_s: float) -> bool:
        """Whether a message may go at ``now_s``; always, without a limit."""
        if bytes_a_second is None:
            self._left, self._at_s = 0.0, now_s
            return True
        earned = (now_s - self._at_s) * bytes_a_second
        self._left, self._at_s = min(self._left + earned, float(bytes_a_second)), now_s
        return self._left > 0

    def spend(self, size: int) -> None:
        """A message of ``size`` bytes has gone."""
        self._left -= size


class _Sent(msgspec.Struct, frozen=True, gc=False):
    size: int
    at_s: float
    is_alone: bool
    is_pressing: bool


class Pipe:
    """How many bytes may be under way to the broker, found by how late its receipts come.

    Whatever holds bytes on the way (our socket, a modem's buffer of seconds, a slow cell) makes the
    receipts late. So the limit grows while they come within 0.4 s of what an empty link needs, and
    shrinks by a third when they do not: the idea of LEDBAT (RFC 6817) with an absolute target, as a
    live fix that is sent now waits behind what is under way.

    A message sent while nothing else is under way measures the empty link; every half minute one
    is made to.
    """

    def __init__(self) -> None:
        self._sent: dict[int, _Sent] = {}
        self._under_way = 0
        self._limit = float(_STEP_BYTES * 2)
        self._is_starting = True
        self._empty_s: float | None = None
        self._probe_at_s = float("-inf")
        self._shrunk_at_s = float("-inf")

    @property
    def limit_bytes(self) -> int:
        """How many bytes may be under way."""
        return round(self._limit)

    def may_send(self, now_s: float) -> bool:
        """Whether one more message may go."""
        if not self._sent:
            return True
        return self._under_way < self._limit and now_s < self._probe_at_s

    def sent(self, number: int, size: int, now_s: float) -> None:
        """Message ``number`` of ``size`` bytes has been handed over."""
        is_alone = not self._sent
        if is_alone and now_s >= self._probe_at_s:
            self._probe_at_s = now_s + _PROBE_EVERY_S
            self._empty_s = None
        self._under_way += size
        is_pressing = self._under_way >= self._limit / 2
        self._sent[number] = _Sent(size, now_s, is_alone, is_pressing)

    def confirmed(self, number: int, at_s: float) -> None:
        """The broker has message ``number`` since ``at_s``; one that is not known is none."""
        sent = self._sent.pop(number, None)
        if sent is None:
            return
        self._under_way -= sent.size
        took_s = at_s - sent.at_s
        if self._empty_s is None or sent.is_alone:
            self._empty_s = took_s
        late_s = took_s - self._empty_s
        # To double once more would be felt only a round trip later.
        self._is_starting = self._is_starting and late_s < _TARGET_S / 2
        if late_s > _TARGET_S:
            self._shrink(sent.at_s, at_s)
        elif sent.is_pressing:
            grown = sent.size if self._is_starting else _STEP_BYTES * sent.size / self._limit
            self._limit = min(self._limit + grown, _MOST_BYTES)

    def _shrink(self, sent_at_s: float, at_s: float) -> None:
        if sent_at_s >= self._shrunk_at_s:  # what was sent before it tells nothing of it
            self._limit = max(self._limit * _BACK_OFF, _LEAST_BYTES)
            self._shrunk_at_s = at_s

    def oldest_s(self, now_s: float) -> float:
        """How long the broker has owed its oldest receipt; 0 when it owes none."""
        return max((now_s - sent.at_s for sent in self._sent.values()), default=0.0)

    def write_off(self, now_s: float) -> None:
        """Forget what nothing was heard of for so long that its receipt must have been lost."""
        late = [number for number, one in self._sent.items() if now_s - one.at_s > _LOST_AFTER_S]
        for number in late:
            self._under_way -= self._sent.pop(number).size
            self._limit = float(_LEAST_BYTES)


class Told:
    """Whether a count that always moves has moved enough to be told again.

    When it becomes or leaves zero, has doubled or halved; no more often than every ``least_s``.
    What waits for the next batch is no news: a count up to ``usual`` is as good as zero.
    """

    def __init__(self, *, least_s: float = 60.0, usual: int = 600) -> None:
        self._least_s = least_s
        self._usual = usual
        self._count = 0
        self._at_s = float("-inf")

    def is_due(self, count: int, now_s: float) -> bool:
        """Whether ``count`` is worth a message at ``now_s``."""
        low, high = sorted((self._rated(count), self._count))
        if now_s < self._at_s + self._least_s or low == high:
            return False
        return low == 0 or high >= 2 * low

    def told(self, count: int, now_s: float) -> None:
        """``count`` has been told."""
        self._count, self._at_s = self._rated(count), now_s

    def _rated(self, count: int) -> int:
        return count if count > self._usual else 0
