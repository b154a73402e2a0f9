"""Readings gathered into epochs: all that a receiver says of one instant."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from gateway.fixes.readings import Reading, read_sentence, why_refused
from gateway.fixes.reception import Reception, ReceptionMemory
from gateway.fixes.sentences import FrameSplitter, UbxFrame
from wire.events import Antenna, Jamming, Spoofing

_HALF_DAY_MS: Final = 12 * 3_600_000
_DAY_MS: Final = 24 * 3_600_000
_MAX_READINGS: Final = 64
"""An epoch of a five-constellation receiver has under 20; more is a stream without time."""

_TIMED: Final = frozenset({"RMC", "GGA", "GLL", "GNS", "ZDA"})
"""Without a time, such a sentence is of a moment before the first that has one."""

_POSITION_RANK: Final = {"GGA": 0, "GNS": 1, "RMC": 2, "GLL": 3}


class Epoch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a receiver said of one instant.

    Attributes:
        utc_ms: milliseconds since 1970; None while the receiver has told no date and time.
        position: (latitude, longitude) in degrees; None when the receiver vouches for none.
        mode: 1 (no fix), 2 (position) or 3 (position and altitude).
        altitude_m: above mean sea level.
        jamming, spoofing, antenna: what the receiver says of its reception, when it does.
    """

    utc_ms: int | None
    position: tuple[float, float] | None
    mode: int
    speed_mps: float | None = None
    course_deg: float | None = None
    altitude_m: float | None = None
    hdop: float | None = None
    satellites: int | None = None
    jamming: Jamming = "unknown"
    spoofing: Spoofing = "unknown"
    antenna: Antenna = "unknown"


class EpochAssembler:
    """Bytes in, epochs out. Epochs are keyed by the time of day that the sentences carry.

    An epoch is closed by the first sentence of another time, or sooner: once two epochs in a row
    held the same sentences, the last of them closes the next epoch at once. Sentences that come
    late for a closed epoch are passed over. Neither depends on how the bytes were cut.
    """

    def __init__(self, on_refused: Callable[[str, str], None] | None = None) -> None:
        """``on_refused`` is told each sentence that was not read, and why."""
        self.proved = 0
        """How many sentences and frames were read: their checksum was right."""
        self._on_refused = on_refused
        self._splitter = FrameSplitter()
        self._reception = ReceptionMemory()
        self._readings: list[Reading] = []
        self._time_ms: int | None = None
        self._closed_ms: int | None = None
        self._cycle: tuple[str, ...] = ()
        self._is_cycle_known = False
        self._calendar = _Calendar()

    def feed(self, chunk: bytes) -> Iterator[Epoch]:
        """The epochs that ``chunk`` completes; reads no further than the caller iterates."""
        for frame in self._splitter.feed(chunk):
            if isinstance(frame, UbxFrame):
                self.proved += 1
                self._reception.take(frame)
                continue
            reading = read_sentence(frame)
            if reading is not None:
                self.proved += 1
                yield from self._take(reading)
            else:
                self._pass_over(frame)

    def flush(self) -> Iterator[Epoch]:
        """Close the open epoch: the receiver has fallen silent."""
        if self._time_ms is not None:
            yield self._close()

    def finish(self) -> Iterator[Epoch]:
        """The stream has ended; its last epoch counts unless it was cut off in the middle."""
        if not self._cycle or self._kinds()[-1:] == self._cycle[-1:]:
            yield from self.flush()

    def _pass_over(self, sentence: str) -> None:
        reason = why_refused(sentence)
        if reason is None:
            self._reception.note(sentence)
        elif self._on_refused is not None:
            self._on_refused(sentence, reason)

    def _take(self, reading: Reading) -> Iterator[Epoch]:
        if reading.time_ms is not None and reading.time_ms != self._time_ms:
            if reading.time_ms == self._closed_ms:
                self._is_cycle_known = False
                return
            yield from self.flush()
            self._readings = _of_this_cycle(self._readings)
            self._time_ms = reading.time_ms
        if len(self._readings) == _MAX_READINGS and self._time_ms is None:
            del self._readings[0]
        if len(self._readings) < _MAX_READINGS:
            self._readings.append(reading)
        if self._is_cycle_known and self._time_ms is not None and self._kinds() == self._cycle:
            yield self._close()

    def _kinds(self) -> tuple[str, ...]:
        return tuple(reading.kind for reading in self._readings)

    def _close(self) -> Epoch:
        time_ms, readings = self._time_ms, self._readings
        assert time_ms is not None  # noqa: S101 - every caller has just looked
        kinds = self._kinds()
        self._is_cycle_known = kinds == self._cycle
        self._cycle = kinds
        self._closed_ms, self._time_ms, self._readings = time_ms, None, []
        for reading in readings:
            if reading.day is not None:
                self._calendar.set_day(reading.day, time_ms)
        return _merge(readings, self._calendar.utc_ms(time_ms), self._reception.of_epoch())


def _of_this_cycle(untimed: list[Reading]) -> list[Reading]:
    """The newest of the readings without a time that can belong to the epoch that now begins.

    A cold receiver repeats its cycle without a time for minutes; a kind that comes again with
    others between, or a sentence that has a place for the time, is of an earlier cycle.
    """
    kept: list[Reading] = []
    for reading in reversed(untimed):
        is_again = bool(kept) and reading.kind != kept[-1].kind
        if reading.kind[2:] in _TIMED or (is_again and reading.kind in {one.kind for one in kept}):
            break
        kept.append(reading)
    return kept[: _MAX_READINGS // 2][::-1]


class _Calendar:
    """Dates for receivers that send one only now and then, counted on over midnight."""

    def __init__(self) -> None:
        self._day: date | None = None
        self._last_ms = 0

    def set_day(self, day: date, time_ms: int) -> None:
        self._day, self._last_ms = day, time_ms

    def utc_ms(self, time_ms: int) -> int | None:
        if self._day is None:
            return None
        if time_ms < self._last_ms - _HALF_DAY_MS and self._day < date.max:
            self._day += timedelta(days=1)
        self._last_ms = time_ms
        midnight = datetime.combine(self._day, datetime.min.time(), UTC)
        return round(midnight.timestamp()) * 1000 + time_ms


def _merge(readings: list[Reading], utc_ms: int | None, reception: Reception) -> Epoch:
    placed = [reading for reading in readings if reading.position is not None]
    best = min(placed, key=lambda reading: _POSITION_RANK[reading.kind[2:]], default=None)
    altitude_m = _last(readings, "altitude_m")
    return Epoch(
        utc_ms=utc_ms,
        position=None if best is None else best.position,
        mode=1 if best is None else _mode(readings, has_altitude=altitude_m is not None),
        speed_mps=_last(readings, "speed_mps"),
        course_deg=_last(readings, "course_deg"),
        altitude_m=altitude_m,
        hdop=_last(readings, "hdop"),
        satellites=_last(readings, "satellites"),
        jamming=reception.jamming,
        spoofing=reception.spoofing,
        antenna=reception.antenna,
    )


def _mode(readings: list[Reading], *, has_altitude: bool) -> int:
    told = [reading.dimensions for reading in readings if reading.dimensions is not None]
    if told:
        return max(told)
    return 3 if has_altitude else 2


def _last[T](readings: list[Reading], field: str) -> T | None:
    for reading in reversed(readings):
        value: T | None = getattr(reading, field)
        if value is not None:
            return value
    return None
