"""Tells of vans that should report and do not, and when they are heard again: once, whatever stops.

What is told is kept beside the event that tells it, in one transaction. So a restart neither tells
a silence again nor forgets that it is not over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.ids import NewId
from cloud.foundation.looking import keep_looking
from cloud.foundation.outbox import Outbox
from cloud.tracking import silence_store
from cloud.tracking.live import Live
from cloud.tracking.memory import Known
from cloud.tracking.silence import (
    Change,
    Listening,
    SilenceChanged,
    Span,
    also_deaf,
    listen,
    patience_s,
)
from cloud.tracking.silence_store import Silence

_LOOK_EVERY_S: Final = 1.0
_LATE_LOOK_S: Final = 2.0
"""A look that comes later after the one before finds words that are not read yet."""
DEFAULT_INTERVAL_S: Final = 4.0
"""How often a gateway tells where it is when nothing else is desired of it."""

type _Who = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one look has found of a van; ``heard_s`` is its last word."""

    who: _Who
    change: Change
    heard_s: float


class SilenceWatch:
    """Looks at every van once a second.

    Args:
        live: what is known of the vans.
        business: where silences are kept, and told from.
        events: told that there is news.
        on_shift: the vans of a tenant whose shift is on.
        out_of_use: those that are shut out, and so need not report.
        intervals_s: by van, the pace that is desired of its live lane where it is not the default.
        can_hear: whether what vans say would come through now.
        clock: domain time; intervals are a gateway's own, in real time.
        new_id: names a silence.
    """

    def __init__(
        self,
        live: Live,
        business: Database,
        events: Outbox,
        *,
        on_shift: Callable[[str], frozenset[str]],
        out_of_use: Callable[[str], frozenset[str]],
        intervals_s: Callable[[str], Mapping[str, float]],
        can_hear: Callable[[], bool],
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._live = live
        self._business = business
        self._events = events
        self._on_shift = on_shift
        self._out_of_use = out_of_use
        self._intervals_s = intervals_s
        self._can_hear = can_hear
        self._clock = clock
        self._new_id = new_id
        self._states: dict[_Who, Listening] = {}
        self._told: dict[_Who, Silence] | None = None
        self._looked_s = float("-inf")
        self._deaf: tuple[Span, ...] = ()

    async def run(self) -> None:
        """Look until cancelled."""
        await keep_looking("silence", self.look, _LOOK_EVERY_S)

    def look(self) -> None:
        """Look once; what cannot be written is found again at the next look.

        Raises:
            DBAPIError: the database does not answer.
        """
        told = self._recall()
        now_s = self._clock.now_s()
        if not self._hears(now_s):
            return
        states, turns = self._states.copy(), list[_Turn]()
        for tenant in self._live.tenants():
            on_shift, intervals_s = self._on_shift(tenant), self._intervals_s(tenant)
            out_of_use = self._out_of_use(tenant)
            for van, known in self._live.known(tenant).items():
                state, change = listen(
                    states.get((tenant, van), Listening()),
                    heard_s=known.heard_s,
                    is_due=van not in out_of_use and _is_due(known, is_on_shift=van in on_shift),
                    now_s=now_s,
                    patience_s=self._patience_s(intervals_s.get(van, DEFAULT_INTERVAL_S)),
                    deaf=self._deaf,
                )
                states[tenant, van] = state
                if change is not None:
                    turns.append(_Turn((tenant, van), change, known.heard_s or 0.0))
        self._told = self._write(turns, told, now_s)
        self._states = states
        self._show(self._told)

    def _recall(self) -> dict[_Who, Silence]:
        """What was told and is not over, also by the process before."""
        if self._told is None:
            with self._business.reading() as connection:
                self._told = silence_store.silences(connection)
            self._states = {
                who: Listening(silent_since_s=one.heard_at_s) for who, one in self._told.items()
            }
            self._show(self._told)
        return self._told

    def _hears(self, now_s: float) -> bool:
        """Whether vans are heard now; notes since when they were not."""
        before_s, self._looked_s = self._looked_s, now_s
        is_late = now_s - before_s > _LATE_LOOK_S * self._clock.speed
        can_hear = self._can_hear()
        if is_late or not can_hear:
            self._deaf = also_deaf(self._deaf, before_s, now_s)
        return can_hear

    def _patience_s(self, interval_s: float) -> float:
        return patience_s(max(interval_s, 1.0), _LOOK_EVERY_S) * self._clock.speed

    def _write(
        self, turns: list[_Turn], told: dict[_Who, Silence], now_s: float
    ) -> dict[_Who, Silence]:
        """What is told now, after ``turns``: they and their events commit together."""
        if not turns:
            return told
        now = told.copy()
        with self._business.writing() as connection:
            for turn in turns:
                silence = self._turned(connection, turn, now)
                event = SilenceChanged(
                    vehicle_id=turn.who[1],
                    silence_id=silence.id,
                    change=turn.change,
                    heard_at_s=turn.heard_s,
                )
                outbox.append(connection, turn.who[0], now_s, event)
        self._events.wake()
        return now

    def _turned(self, connection: Connection, turn: _Turn, told: dict[_Who, Silence]) -> Silence:
        if turn.change == "van_silent":
            silence = told[turn.who] = Silence(self._new_id("silence"), turn.heard_s)
            silence_store.begin(connection, *turn.who, silence)
            return silence
        silence_store.end(connection, *turn.who)
        return told.pop(turn.who)

    def _show(self, told: Mapping[_Who, Silence]) -> None:
        """Let the live state say who is silent."""
        for tenant in self._live.tenants():
            for van, known in self._live.known(tenant).items():
                is_silent = (tenant, van) in told
                if known.is_silent != is_silent:
                    self._live.set_silent(tenant, van, is_silent=is_silent)


def _is_due(known: Known, *, is_on_shift: bool) -> bool:
    """A van with a gateway on a shift or with its ignition on, unless it says it is off duty."""
    if known.presence == "unknown" or (known.state is not None and not known.state.is_on_duty):
        return False
    return is_on_shift or known.is_ignited is True
