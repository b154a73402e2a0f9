"""Judges what each receiver says by what it has said itself, and joins their fixes to one way."""

from typing import Final

import msgspec

from gateway.fixes.epochs import Epoch
from gateway.fixes.keeping import to_fix
from gateway.fixes.validation import Validation, ValidationRules, Verdict
from gateway.stamp import Stamp
from wire.messages import Fix
from wire.track import at_ms, distance_m
from wire.values import FixSource, Name

_APART_M: Final = 50.0
"""Two receivers that are right differ by no more: by their errors, and their places in the van."""


class Judged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An epoch, and what is held of it.

    Attributes:
        receiver: who said it. stamp: when it was read.
        fix: what it says; None when it vouches for no position.
        verdict: whether that is believed.
    """

    receiver: Name
    epoch: Epoch
    stamp: Stamp
    fix: Fix | None
    verdict: Verdict

    @property
    def is_believed(self) -> bool:
        """Whether it is a fix, and believed."""
        return self.verdict.refused is None


class Judge:
    """Judges all receivers of a van, those not in use too, so that it is known who is worth it."""

    def __init__(self, rules: ValidationRules) -> None:
        self._rules = rules
        self._validations: dict[Name, Validation] = {}
        self._last: Judged | None = None

    def is_witness(self, fix: Fix, told_mps: float | None, receiver: Name) -> bool:
        """Whether the time of ``fix`` may speak for or against the clock, see `Validation`."""
        return self._validation(receiver).is_witness(fix, told_mps)

    def judge(self, epoch: Epoch, stamp: Stamp, source: FixSource, receiver: Name) -> Judged:
        """What is held of ``epoch``; each is judged once, in the order of reading."""
        fix = to_fix(epoch, stamp, source)
        verdict = Verdict("no_fix")
        if fix is not None:
            verdict = self._validation(receiver).judge(fix, epoch.speed_mps, stamp)
        return Judged(receiver=receiver, epoch=epoch, stamp=stamp, fix=fix, verdict=verdict)

    def is_break(self, judged: Judged) -> bool:
        """Whether no way leads from the last used fix to this one, which is used now.

        Of one receiver its own validation knows; another one may see the van elsewhere.
        """
        last, self._last = self._last, judged
        if last is None or last.receiver == judged.receiver:
            return judged.verdict.is_break
        if last.fix is None or judged.fix is None:
            return True
        elapsed_s = (at_ms(judged.fix) - at_ms(last.fix)) / 1000
        reach_m = self._rules.max_mps * elapsed_s + _APART_M
        return elapsed_s <= 0 or distance_m(last.fix, judged.fix) > reach_m

    def _validation(self, receiver: Name) -> Validation:
        return self._validations.setdefault(receiver, Validation(self._rules))
