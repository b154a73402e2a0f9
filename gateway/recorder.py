"""Puts what the logbook gives into the spool and onto the live lane."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from gateway.clock import Clock, Correction
from gateway.fixes.driving import DrivingRules
from gateway.fixes.failures import Failure
from gateway.fixes.judging import Judged
from gateway.fixes.keeping import to_fix
from gateway.fixes.logbook import Entries, Logbook, LogbookRules
from gateway.inbox import Measured, Switched, Taken
from gateway.settings import Settings
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from wire.events import ClockCorrected
from wire.messages import Fix
from wire.trips import TripRules
from wire.values import FixSource, Name

logger = logging.getLogger(__name__)

_TOLD_MS: Final = 1_000
"""Smaller corrections are how late a fix is told."""

_LOGBOOK: Final = "logbook"
_REMEMBER_MS: Final = 120_000
"""After a power cut the odometer goes on with the straight line from where it was so long ago."""


class Recorder:
    """The logbook at work.

    Args:
        settings: of the van. spool: where fixes and events are added.
        clock: learns from fixes. offer_live: takes the newest fix, and the monotonic clock.

    Attributes:
        is_urgent: an event waits, which asks for a commit at once.
        failed: how often each rule of the logbook has failed since the start.
    """

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        clock: Clock,
        offer_live: Callable[[Fix, float], None],
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._offer_live = offer_live
        self._learned_ms: dict[Name, int] = {}
        self.is_urgent = False
        self.failed: Counter[str] = Counter()
        self.logbook = Logbook.restored(rules_of(settings), spool.recall(_LOGBOOK))

    def judge(self, taken: Taken, source: FixSource) -> Judged:
        """What is held of an epoch as of when it was read, whichever receiver is in use."""
        self._learn(taken, source)
        stamp = self._clock.stamp(taken.at_s)
        return self.logbook.judge(taken.epoch, stamp, source, taken.receiver)

    def take(self, judged: Judged, now_s: float) -> None:
        """Record an epoch of the receiver in use."""
        entries = self.logbook.enter(judged)
        self._add(entries, judged.stamp)
        if entries.live is not None:
            self._offer_live(entries.live, now_s)

    def hear(self, news: Switched | Measured) -> None:
        """Record what an input says."""
        stamp = self._clock.stamp()
        match news:
            case Measured(sensor=sensor, celsius_d=celsius_d):
                self._add(self.logbook.temperature(stamp, sensor, celsius_d), stamp)
            case Switched(kind="ignition", is_on=is_on):
                self._add(self.logbook.ignition(stamp, is_on=is_on), stamp)
            case Switched(kind="door", name=name, is_on=is_on):
                self._add(self.logbook.door(stamp, name, is_open=is_on), stamp)
            case Switched(is_on=True):
                self._add(self.logbook.power_failing(stamp), stamp)
            case _:
                return

    def settle(self) -> None:
        """Before a group commit: leave no part of the way out of it, and look at the shift."""
        stamp = self._clock.stamp()
        self._add(self.logbook.pass_time(stamp), stamp)
        self._keep(self.logbook.settle())
        self._spool.remember(_LOGBOOK, self.logbook.state(), every_ms=_REMEMBER_MS)

    def flush(self) -> None:
        """Before the last commit: nothing is held back any longer."""
        self._keep(self.logbook.flush())
        self._spool.remember(_LOGBOOK, self.logbook.state())

    def correct(self, correction: Correction | None) -> None:
        """The clock was set, or proved: what was recorded before is told with its true times."""
        if correction is None:
            return
        self._spool.back_fill(correction.by_ms, correction.quality)
        if abs(correction.by_ms) >= _TOLD_MS:
            body = ClockCorrected(
                by_ms=correction.by_ms, before=correction.before, quality=correction.quality
            )
            self._spool.add_event(body, self._clock.stamp())
            self.is_urgent = True

    def _learn(self, taken: Taken, source: FixSource) -> None:
        """Let a fix speak for or against the clock, unless more than its date is against it."""
        fix = to_fix(taken.epoch, self._clock.stamp(taken.at_s), source)
        # A receiver that has frozen repeats one time: that is no witness against the clock.
        told_ms = None if fix is None or source == "replay" else fix.fix_time_ms
        if fix is None or told_ms is None or told_ms == self._learned_ms.get(taken.receiver):
            return
        self._learned_ms[taken.receiver] = told_ms
        if self.logbook.is_witness(fix, taken.epoch.speed_mps, taken.receiver):
            self.correct(self._clock.learn(told_ms, taken.at_s))

    def _add(self, entries: Entries, stamp: Stamp) -> None:
        self._keep(entries.kept)
        for failure in entries.failures:
            self._note(failure)
        for body in entries.events:
            self._spool.add_event(body, stamp)
            self.is_urgent = True

    def _note(self, failure: Failure) -> None:
        """Log the first failure of a rule, and count the others: each fix may bring one."""
        self.failed[failure.rule] += 1
        if self.failed[failure.rule] == 1:
            context = {"rule": failure.rule}
            logger.error("a rule of the logbook fails", extra=context, exc_info=failure.error)

    def _keep(self, fixes: tuple[Fix, ...]) -> None:
        for fix in fixes:
            self._spool.add_fix(fix)


def rules_of(settings: Settings) -> LogbookRules:
    """The settings in the words of the rules."""
    driving = settings.driving
    return LogbookRules(
        keeping=settings.keeping,
        trips=TripRules(idling_after_ms=round(driving.idling_after_s * 1000)),
        driving=DrivingRules(
            braking_mps2=driving.braking_mps2,
            acceleration_mps2=driving.acceleration_mps2,
            cornering_mps2=driving.cornering_mps2,
        ),
    )
