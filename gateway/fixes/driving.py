"""Hard manoeuvres, estimated from how speed and course change between fixes.

At 1 Hz a peak of half a second is averaged away, so what is told is a lower bound and says so.
"""

from collections import deque
from math import radians
from typing import Final, NamedTuple

import msgspec

from wire.events import HarshDriving, Manoeuvre, Where
from wire.motion import Step

_OVER_MS: Final = 450
"""Changes are taken over at least so long: a receiver's noise of 0.05 m/s is then 0.2 m/s²."""

_APART_MS: Final = 2_500
"""Fixes further apart say nothing of what was between."""

_LASTS_MS: Final = 15_000
_POSSIBLE_MPS2: Final = 12.0
"""No tyre gives more (1.2 g): the receiver is wrong."""

_COURSE_FROM_MPS: Final = 4.0
_ESTIMATE_FROM_MS: Final = 250
_SAMPLES: Final = 16


class DrivingRules(msgspec.Struct, frozen=True, kw_only=True):
    """From which acceleration on, in m/s², a manoeuvre counts as harsh."""

    braking_mps2: float = 3.5
    acceleration_mps2: float = 3.0
    cornering_mps2: float = 4.0


class _Sample(NamedTuple):
    at_ms: int
    mps: float
    course_deg: float | None
    where: Where | None
    is_estimate: bool


class _Open(msgspec.Struct, kw_only=True):
    """A manoeuvre that is going on."""

    begin: _Sample
    peak_mps2: float
    until_ms: int


class Driving:
    """Finds hard manoeuvres; tells each once it is over.

    Each sample is first replaced by the median of itself and its neighbours, so one wild speed or
    course makes no manoeuvre; so everything is told one fix later.
    """

    def __init__(self, rules: DrivingRules) -> None:
        self._limits: dict[Manoeuvre, float] = {
            "braking": rules.braking_mps2,
            "acceleration": rules.acceleration_mps2,
            "cornering": rules.cornering_mps2,
        }
        self._raw: deque[_Sample] = deque(maxlen=3)
        self._smooth: deque[_Sample] = deque(maxlen=_SAMPLES)
        self._open: dict[Manoeuvre, _Open] = {}

    def take(self, step: Step, where: Where | None) -> tuple[HarshDriving, ...]:
        """The manoeuvres that are over now.

        Args:
            step: the newest one.
            where: its end, if it may be told.
        """
        if not 0 < step.lasted_ms <= _APART_MS:
            self.forget()
        course_ddeg = step.fix.course_ddeg if step.speed_mps >= _COURSE_FROM_MPS else None
        self._raw.append(
            _Sample(
                at_ms=step.at_ms,
                mps=step.speed_mps,
                course_deg=None if course_ddeg is None else course_ddeg / 10,
                where=where,
                is_estimate=step.lasted_ms > _ESTIMATE_FROM_MS,
            )
        )
        if len(self._raw) < 3:
            return ()
        sample = _median(*self._raw)
        before = self._before(sample)
        self._smooth.append(sample)
        return () if before is None else self._judge(before, sample)

    def forget(self) -> None:
        """What comes next does not follow from what was."""
        self._raw.clear()
        self._smooth.clear()
        self._open.clear()

    def _before(self, sample: _Sample) -> _Sample | None:
        """The newest sample that is old enough to be compared with."""
        for earlier in reversed(self._smooth):
            if sample.at_ms - earlier.at_ms >= _OVER_MS:
                return earlier
        return None

    def _judge(self, before: _Sample, sample: _Sample) -> tuple[HarshDriving, ...]:
        elapsed_s = (sample.at_ms - before.at_ms) / 1000
        along_mps2 = (sample.mps - before.mps) / elapsed_s
        across_mps2 = 0.0
        if before.course_deg is not None and sample.course_deg is not None:
            turned_deg = abs((sample.course_deg - before.course_deg + 180) % 360 - 180)
            across_mps2 = radians(turned_deg) / elapsed_s * (sample.mps + before.mps) / 2
        found: tuple[tuple[Manoeuvre, float], ...] = (
            ("braking", -along_mps2),
            ("acceleration", along_mps2),
            ("cornering", across_mps2),
        )
        over = [self._follow(*one, before, sample) for one in found]
        return tuple(event for event in over if event is not None)

    def _follow(
        self, manoeuvre: Manoeuvre, mps2: float, before: _Sample, sample: _Sample
    ) -> HarshDriving | None:
        limit, going_on = self._limits[manoeuvre], self._open.get(manoeuvre)
        if mps2 > _POSSIBLE_MPS2:
            self._open.pop(manoeuvre, None)
            return None
        if going_on is None:
            if mps2 >= limit:
                begun = _Open(begin=before, peak_mps2=mps2, until_ms=sample.at_ms)
                self._open[manoeuvre] = begun
            return None
        if mps2 >= limit / 2 and sample.at_ms - going_on.begin.at_ms < _LASTS_MS:
            going_on.peak_mps2 = max(going_on.peak_mps2, mps2)
            going_on.until_ms = sample.at_ms
            return None
        del self._open[manoeuvre]
        begin = going_on.begin
        return HarshDriving(
            manoeuvre=manoeuvre,
            at_ms=begin.at_ms,
            peak_cmps2=round(going_on.peak_mps2 * 100),
            lasted_ms=going_on.until_ms - begin.at_ms,
            speed_cmps=min(round(begin.mps * 100), 65_535),
            is_estimate=sample.is_estimate or begin.is_estimate,
            where=begin.where,
        )


def _median(one: _Sample, middle: _Sample, other: _Sample) -> _Sample:
    mps = sorted((one.mps, middle.mps, other.mps))[1]
    course_deg = middle.course_deg
    if course_deg is not None and one.course_deg is not None and other.course_deg is not None:
        turns = sorted(
            (
                (one.course_deg - course_deg + 180) % 360 - 180,
                0.0,
                (other.course_deg - course_deg + 180) % 360 - 180,
            )
        )
        course_deg = (course_deg + turns[1]) % 360
    return middle._replace(mps=mps, course_deg=course_deg)
