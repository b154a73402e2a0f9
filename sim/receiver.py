"""A GNSS receiver as the gateway meets it: NMEA 0183 sentences once a second.

Position errors are red, not white: an Ornstein-Uhlenbeck process per axis, which Soundy et al.,
"Comparison of Enhanced Noise Model Performance Based on Analysis of Civilian GPS Data" (Sensors
20(21), 6050, 2020), found to fit recordings of stationary receivers better than white noise. Its
size is a data sheet's, its correlation time that of PX4's simulated receiver; see `NoiseModel`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import exp, hypot, sqrt
from random import Random
from typing import Final

from sim.driving import Motion
from sim.geodesy import moved

_KNOTS: Final = 3600 / 1852
_KMH: Final = 3.6
_GEOID_M: Final = 29.0
"""Height of the geoid above the ellipsoid near La Serena (EGM96, rounded)."""

_REACQUISITION_S: Final = 2.0
_SLOW_MPS: Final = 0.3
"""Below this the receiver tells no course, as u-blox receivers do when it has no meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseModel:
    """How a receiver errs.

    Sizes and times to a first fix are those of the u-blox NEO-M8 data sheet (UBX-15031086): 2.5 m
    CEP, which is 2.12 m per axis for a circular normal error, 0.05 m/s, cold start 26 s. Vertical
    errors are twice the horizontal ones, as in the GPS SPS Performance Standard (2020). The
    correlation time is ``gps_corellation_time`` of PX4's Gazebo receiver, 60 s.
    """

    horizontal_m: float = 2.12
    vertical_m: float = 4.24
    correlation_s: float = 60.0
    speed_mps: float = 0.05
    cold_start_s: float = 26.0


class RedNoise:
    """A first-order Gauss-Markov (Ornstein-Uhlenbeck) process, sampled at any instants."""

    def __init__(self, *, deviation: float, correlation_s: float, rng: Random) -> None:
        """``deviation`` is its standard deviation; after ``correlation_s`` 1/e of it is left."""
        self._deviation = deviation
        self._correlation_s = correlation_s
        self._rng = rng
        self.value = rng.gauss(0.0, deviation)

    def advance(self, seconds: float) -> float:
        """Its value ``seconds`` later."""
        kept = exp(-max(0.0, seconds) / self._correlation_s)
        fresh = self._deviation * sqrt(1.0 - kept * kept)
        self.value = kept * self.value + self._rng.gauss(0.0, fresh)
        return self.value


class Receiver:
    """One receiver, switched on at ``started_s``."""

    def __init__(
        self,
        *,
        rng: Random,
        started_s: float,
        altitude_m: float = 40.0,
        noise: NoiseModel | None = None,
    ) -> None:
        """Begin cold: no fix before about ``noise.cold_start_s``."""
        model = noise or NoiseModel()
        self._rng = rng
        self._model = model
        self._altitude_m = altitude_m
        self._fix_from_s = started_s + max(5.0, rng.gauss(model.cold_start_s, 4.0))
        self._told_at_s = started_s
        self.has_fix = False
        self._east, self._north, self._up, self._sky = (
            RedNoise(deviation=deviation, correlation_s=model.correlation_s, rng=rng)
            for deviation in (model.horizontal_m, model.horizontal_m, model.vertical_m, 1.0)
        )

    def epoch(self, at_s: float, motion: Motion, *, sky_is_visible: bool = True) -> bytes:
        """The sentences of the whole second ``at_s`` (since 1970, UTC): RMC, VTG, GGA, GSA."""
        elapsed_s = at_s - self._told_at_s
        self._told_at_s = at_s
        for noise in (self._east, self._north, self._up, self._sky):
            noise.advance(elapsed_s)
        if not sky_is_visible:
            self._fix_from_s = max(self._fix_from_s, at_s + _REACQUISITION_S)
        self.has_fix = at_s >= self._fix_from_s
        return self._fix(at_s, motion) if self.has_fix else _no_fix(at_s)

    def _fix(self, at_s: float, motion: Motion) -> bytes:
        hdop = max(0.6, 1.0 + 0.15 * self._sky.value)
        lat, lon = moved(
            (motion.lat, motion.lon),
            east_m=self._east.value * hdop,
            north_m=self._north.value * hdop,
        )
        speed, course = self._velocity(motion)
        satellites = max(5, min(12, round(9 - 1.5 * self._sky.value)))
        clock, date = _utc(at_s)
        position = f"{_angle(lat, 2)},{'N' if lat >= 0 else 'S'}"
        position += f",{_angle(lon, 3)},{'E' if lon >= 0 else 'W'}"
        knots, kmh = f"{speed * _KNOTS:.3f}", f"{speed * _KMH:.3f}"
        used = ",".join(f"{number:02d}" for number in range(1, satellites + 1))
        height_m = self._altitude_m + self._up.value * hdop
        return b"".join(
            (
                sentence(f"GPRMC,{clock},A,{position},{knots},{course},{date},,,A"),
                sentence(f"GPVTG,{course},T,,M,{knots},N,{kmh},K,A"),
                sentence(
                    f"GPGGA,{clock},{position},1,{satellites:02d},{hdop:.2f},"
                    f"{height_m:.1f},M,{_GEOID_M:.1f},M,,"
                ),
                sentence(
                    f"GPGSA,A,3,{used}{',' * (12 - satellites)},"
                    f"{hypot(hdop, 2 * hdop):.2f},{hdop:.2f},{2 * hdop:.2f}"
                ),
            )
        )

    def _velocity(self, motion: Motion) -> tuple[float, str]:
        """Measured speed and course; across the way the error turns the course."""
        along = motion.speed_mps + self._rng.gauss(0.0, self._model.speed_mps)
        across = self._rng.gauss(0.0, self._model.speed_mps)
        speed = hypot(along, across)
        if speed < _SLOW_MPS:
            return speed, ""
        turned = across / along if abs(along) > abs(across) else 0.0
        return speed, f"{round((motion.course_deg + turned * 57.2958) % 360, 2) % 360:.2f}"


def sentence(body: str) -> bytes:
    """``$body*hh`` with the checksum of NMEA 0183: the exclusive or of the body's bytes."""
    checksum = 0
    for byte in body.encode("ascii"):
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode("ascii")


def _no_fix(at_s: float) -> bytes:
    clock, date = _utc(at_s)
    return b"".join(
        (
            sentence(f"GPRMC,{clock},V,,,,,,,{date},,,N"),
            sentence("GPVTG,,,,,,,,,N"),
            sentence(f"GPGGA,{clock},,,,,0,00,99.99,,,,,,"),
            sentence("GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99"),
        )
    )


def _utc(at_s: float) -> tuple[str, str]:
    moment = datetime.fromtimestamp(at_s, UTC)
    return f"{moment:%H%M%S}.{moment.microsecond // 10_000:02d}", f"{moment:%d%m%y}"


def _angle(degrees: float, digits: int) -> str:
    """``ddmm.mmmmm``: whole degrees, then minutes to 1e-5 (about 2 cm)."""
    hundred_thousandths = round(abs(degrees) * 6_000_000)
    whole, rest = divmod(hundred_thousandths, 6_000_000)
    minutes, fraction = divmod(rest, 100_000)
    return f"{whole:0{digits}d}{minutes:02d}.{fraction:05d}"
