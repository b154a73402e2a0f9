"""Pure: which of several receivers the fixes come from."""

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

_LEAST_BOUND_S: Final = 2.0
_INTERVALS: Final = 2.5
_MAX_INTERVAL_S: Final = 4.0
"""So that an intermittent receiver is not waited for longer than 10 s."""
_STEADY_S: Final = 10.0
_PATIENCE_S: Final = 10.0
_NONE_AFTER_S: Final = 60.0


class Choice(NamedTuple):
    """The fixes come from ``chosen`` now, no longer from ``before``; None is no receiver."""

    before: str | None
    chosen: str | None
    reason: str


class _Track:
    """What is known of one receiver's fixes."""

    def __init__(self) -> None:
        self.fix_at_s: float | None = None
        self.refused_at_s: float | None = None
        self.steady_since_s = 0.0
        self._gaps_s: deque[float] = deque(maxlen=5)

    @property
    def bound_s(self) -> float:
        """How long without a fix until another receiver may take over."""
        interval_s = sorted(self._gaps_s)[len(self._gaps_s) // 2] if self._gaps_s else 1.0
        return max(_LEAST_BOUND_S, _INTERVALS * min(interval_s, _MAX_INTERVAL_S))

    def took(self, now_s: float) -> None:
        if not self.is_alive(now_s):
            self.steady_since_s = now_s
        if self.fix_at_s is not None:
            self._gaps_s.append(now_s - self.fix_at_s)
        self.fix_at_s = now_s

    def refused(self, now_s: float) -> None:
        self.steady_since_s = self.refused_at_s = now_s

    def silence(self, now_s: float) -> str:
        """How long it has given no fix, in words."""
        since_s = now_s if self.fix_at_s is None else self.fix_at_s
        is_refused = self.refused_at_s is not None and self.refused_at_s > since_s
        what = "no fix that is believed" if is_refused else "no fix"
        return f"gave {what} for {now_s - since_s:.1f} s"

    def is_alive(self, now_s: float) -> bool:
        return self.fix_at_s is not None and now_s - self.fix_at_s <= self.bound_s


class Selection:
    """Chooses one of several receivers, hot: all are read, the fixes of one are used.

    When the chosen one has given no fix for the larger of 2 s and 2.5 of its intervals, the next
    that gives one takes over at once; one that is lost is left at once. One that is preferred
    comes back after it has given fixes for 10 s without such a pause. A fix that is refused is
    none: a receiver that is frozen, jumps or has a wrong date is silent. Among several receivers a
    fix counts only when it is of a later moment than the last used one, so no moment is used twice
    and none goes back in time; only after 10 s in which nothing else was used, one whose clock is
    behind is believed after all. A single receiver is left alone: judging its clock is validation.

    Args:
        names: by preference, the best first.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._tracks = {name: _Track() for name in names}
        self._news: list[Choice] = []
        self._used_ms: int | None = None
        self._used_at_s = 0.0
        self.chosen: str | None = None

    def add(self, name: str) -> None:
        """Know one receiver more, the least preferred."""
        self._tracks.setdefault(name, _Track())

    def took(
        self,
        name: str,
        *,
        is_fix: bool,
        utc_ms: int | None,
        now_s: float,
        is_believed: bool = True,
    ) -> bool:
        """An epoch of ``name`` has come.

        Args:
            name: of the receiver.
            is_fix: whether it vouches for a position.
            is_believed: whether that is believed.
            utc_ms: the instant it speaks of, when it tells one.
            now_s: of a clock that is never set.

        Returns:
            Whether this epoch is to be used. One without a fix that is believed is, from the chosen
            receiver, or from the preferred one while none is chosen: it may tell of jamming.
        """
        track = self._tracks[name]
        if is_fix and not is_believed:
            track.refused(now_s)
        if not is_fix or not is_believed:
            return name == (self.chosen or next(iter(self._tracks)))
        track.took(now_s)
        self._consider(name, track, now_s)
        return name == self.chosen and self._is_later(utc_ms, now_s)

    def lost(self, name: str, now_s: float) -> None:
        """The receiver was closed, unplugged, or does not answer."""
        self._tracks[name].fix_at_s = None
        if name == self.chosen:
            self._choose(self._best_alive(now_s), f"{name} was lost")

    def tick(self, now_s: float) -> None:
        """Time has passed: leave a chosen receiver that has fallen silent."""
        if self.chosen is None:
            return
        track = self._tracks[self.chosen]
        if track.is_alive(now_s) or track.fix_at_s is None:
            return
        silent_s = now_s - track.fix_at_s
        other = self._best_alive(now_s)
        if other is not None:
            self._choose(other, f"{self.chosen} {track.silence(now_s)}")
        elif silent_s > _NONE_AFTER_S:
            self._choose(None, f"no receiver gave a fix for {silent_s:.0f} s")

    def news(self) -> list[Choice]:
        """The choices since the last call, each told once."""
        news, self._news = self._news, []
        return news

    def _consider(self, name: str, track: _Track, now_s: float) -> None:
        if self.chosen is None:
            self._choose(name, f"{name} gives fixes")
        elif name != self.chosen:
            chosen = self._tracks[self.chosen]
            if not chosen.is_alive(now_s):
                self._choose(name, f"{self.chosen} {chosen.silence(now_s)}")
            elif self._is_preferred(name) and now_s - track.steady_since_s >= _STEADY_S:
                self._choose(name, f"{name} is preferred and has been steady for {_STEADY_S:.0f} s")

    def _is_later(self, utc_ms: int | None, now_s: float) -> bool:
        is_behind = (
            len(self._tracks) > 1
            and utc_ms is not None
            and self._used_ms is not None
            and utc_ms <= self._used_ms
        )
        if is_behind and now_s - self._used_at_s <= _PATIENCE_S:
            return False
        self._used_at_s = now_s
        if utc_ms is not None:
            self._used_ms = utc_ms
        return True

    def _is_preferred(self, name: str) -> bool:
        order = list(self._tracks)
        return self.chosen is not None and order.index(name) < order.index(self.chosen)

    def _best_alive(self, now_s: float) -> str | None:
        return next((name for name, one in self._tracks.items() if one.is_alive(now_s)), None)

    def _choose(self, name: str | None, reason: str) -> None:
        if name != self.chosen:
            self._news.append(Choice(self.chosen, name, reason))
            self.chosen = name
