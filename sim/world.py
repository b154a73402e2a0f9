"""The vans and their receivers: who stands or drives where, and one epoch a simulated second."""

from collections.abc import Sequence
from math import floor
from random import Random
from typing import Final

from sim.clock import SimulatedClock
from sim.driving import Drive, Motion
from sim.geodesy import Point, distance_m
from sim.receiver import Receiver
from sim.record import VanMoment
from sim.serial_line import SerialLine
from sim.streets import Streets, StreetsError

_LATE_S: Final = 2.0
"""Really: a receiver whose epochs are later than this skips them, as the second has passed."""

_SHADOWS: Final = 4
_SHADOW_RADIUS_M: Final = 90.0


class Van:
    """A van in the world: it stands, or is on a drive; its receiver tells where."""

    def __init__(
        self, name: str, *, line: SerialLine, receiver: Receiver, resumed: VanMoment
    ) -> None:
        """Stands where ``resumed`` says."""
        self.name = name
        self.line = line
        self.fixes = resumed.fixes
        self._receiver = receiver
        self._driven_m = resumed.driven_m
        self._standing = Motion(*resumed.point, 0.0, resumed.course_deg)
        self._drive: Drive | None = None
        self._left_at_s = 0.0

    def leave(self, drive: Drive, at_s: float) -> None:
        """Begin a drive at the simulated instant ``at_s``; it ends any drive before it."""
        self._standing = self.motion(at_s)
        if self._drive is not None:
            self._driven_m += self._drive.distance_m
        self._drive = drive
        self._left_at_s = at_s

    def motion(self, at_s: float) -> Motion:
        """Where it is and how it moves at the simulated instant ``at_s``."""
        if self._drive is None:
            return self._standing
        return self._drive.at(at_s - self._left_at_s)

    def moment(self, at_s: float) -> VanMoment:
        """What to remember of it at ``at_s``."""
        motion = self.motion(at_s)
        driven_m = self._driven_m
        if self._drive is not None:
            lasts_s = max(1e-9, self._drive.lasts_s)
            share = min(1.0, max(0.0, (at_s - self._left_at_s) / lasts_s))
            driven_m += self._drive.distance_m * share
        return VanMoment(
            point=(motion.lat, motion.lon),
            course_deg=motion.course_deg,
            driven_m=driven_m,
            fixes=self.fixes,
        )

    def tell(self, at_s: float, shadows: Sequence[Point]) -> None:
        """Let the receiver write the epoch of the whole second ``at_s``."""
        motion = self.motion(at_s)
        here = (motion.lat, motion.lon)
        is_open = all(distance_m(here, shadow) > _SHADOW_RADIUS_M for shadow in shadows)
        sentences = self._receiver.epoch(at_s, motion, sky_is_visible=is_open)
        self.fixes += self._receiver.has_fix
        self.line.write(sentences)


class World:
    """All vans on one clock."""

    def __init__(
        self, *, vans: Sequence[Van], clock: SimulatedClock, shadows: Sequence[Point]
    ) -> None:
        """``shadows`` are places without sight of the sky: underpasses."""
        self.vans = {van.name: van for van in vans}
        self.clock = clock
        self._shadows = shadows

    async def run(self) -> None:
        """Write every van's epoch at each whole simulated second, for ever."""
        next_s = floor(self.clock.now_s()) + 1.0
        while True:
            await self.clock.sleep_until(next_s)
            now_s = self.clock.now_s()
            next_s = max(next_s, float(floor(now_s - _LATE_S * self.clock.rate.speed)))
            while next_s <= now_s:
                for van in self.vans.values():
                    van.tell(next_s, self._shadows)
                next_s += 1.0

    def moments(self) -> dict[str, VanMoment]:
        """What to remember of each van, now."""
        now_s = self.clock.now_s()
        return {name: van.moment(now_s) for name, van in self.vans.items()}

    def close(self) -> None:
        """Unplug all receivers."""
        for van in self.vans.values():
            van.line.close()


def underpasses(streets: Streets, near: Point, rng: Random) -> list[Point]:
    """A few places on larger streets within 5 km where the simulation puts an underpass.

    The extract marks no tunnels, so their places are an assumption; a van meets some each day.

    Raises:
        StreetsError: no larger street lies there.
    """
    crossings = [
        streets.point(tail)
        for (tail, _), part in streets.segments.items()
        if part.street.kind in {"motorway", "trunk", "primary"}
        and 1000 < distance_m(near, streets.point(tail)) < 5000
    ]
    if not crossings:
        raise StreetsError(f"streets: no larger street within 5 km of {near}")
    return rng.sample(crossings, min(_SHADOWS, len(crossings)))
