"""Sets a u-blox receiver up by a profile and tells of each step how it went."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError
from gateway.receivers.serial_nmea import open_line
from gateway.receivers.speed import SPEEDS
from gateway.receivers.ublox import plan
from gateway.receivers.ublox.plan import Request
from gateway.receivers.ublox.profile import Profile, Sentence, require_room
from gateway.receivers.ublox.session import ANSWER_S, TRIES, Answer, Session, Version

_OLDEST_LEGACY: Final = 15.0
_OLDEST_MODERN: Final = 27.0
"""Protocol versions, when the hardware is one that is not known here."""
_SETTLE_S: Final = 0.3
_REMEDY: Final[dict[Answer, str]] = {
    "done": "",
    "refused": "; the receiver does not take it: change it in the profile",
    "silent": "; no answer to three tries: check the wire to the receiver's RX",
}
_ALL_SENTENCES: Final[tuple[Sentence, ...]] = (
    "GGA", "GLL", "GNS", "GSA", "GSV", "RMC", "VTG", "ZDA",
)  # fmt: skip


class SetupFailed(GatewayError):
    """The receiver did not take the settings; the message names the step and the remedy."""


class Setup:
    """One receiver, one profile.

    Args:
        device: its line. baud: its speed now; None has it found by asking at each.
        profile: what it is to be set to. tell: takes each line of the report.
        answer_s: how long to wait for each answer.
    """

    def __init__(
        self,
        device: str,
        baud: int | None,
        profile: Profile,
        tell: Callable[[str], None],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._device = device
        self._speeds = SPEEDS if baud is None else (baud,)
        self._profile = profile
        self._tell = tell
        self._answer_s = answer_s
        self._layers = plan.ALL_LAYERS
        self._failures = 0

    def run(self, *, is_dry: bool) -> None:
        """Find the receiver, set it, save, and listen whether it does as it was told.

        Raises:
            ReceiverLost: the line is not there, or another process reads it.
            SettingsError: the profile asks for more than the line can carry.
            SetupFailed: the receiver does not answer, or refuses.
        """
        line = open_line(self._device, self._speeds[0])
        try:
            session = Session(line, self._answer_s)
            version, baud = self._find(session)
            generation = self._generation(version)
            self._tell(
                f"receiver: {version.firmware}, protocol {version.protocol}, "
                f"generation {generation}, at {baud} baud"
            )
            self._require_room(baud)
            if is_dry:
                self._tell_plan(baud, generation)
                return
            self._set(session, generation, baud)
        finally:
            line.close()

    def _set(self, session: Session, generation: int, baud: int) -> None:
        target = self._profile.target_baud
        if target is not None and target != baud:
            self._change_speed(session, generation, baud, target)
        for request in plan.settings_of(self._profile, generation, self._layers):
            self._ask(session, request)
        if generation >= 9:
            if target is not None:
                speed = plan.speed_of(target, generation, self._layers)
                self._ask(session, speed._replace(subject=f"{speed.subject}, saved"))
        else:
            self._ask(session, plan.save_legacy())
        self._listen(session)
        if self._failures:
            raise SetupFailed(
                f"{self._device}: {self._failures} settings were not taken; see the lines above"
            )

    def _find(self, session: Session) -> tuple[Version, int]:
        for speed in self._speeds * (TRIES if len(self._speeds) == 1 else 2):
            session.set_speed(speed)
            version = session.version(tries=1)
            if version is not None:
                return version, speed
        tried = ", ".join(map(str, self._speeds))
        raise SetupFailed(
            f"{self._device}: no u-blox receiver answers at {tried} baud; check that it is a "
            "u-blox, and the wire from the computer's TX to the receiver's RX"
        )

    def _generation(self, version: Version) -> int:
        if version.generation:
            return version.generation
        try:
            protocol = float(version.protocol)
        except ValueError:
            protocol = 0.0
        if protocol >= _OLDEST_MODERN:
            return 9
        if protocol >= _OLDEST_LEGACY:
            return 8
        raise SetupFailed(
            f"{self._device}: {version.firmware} speaks protocol {version.protocol}, older than "
            "generation 8; set it up with its maker's tool"
        )

    def _require_room(self, baud: int) -> None:
        if "ttyACM" not in Path(self._device).resolve().name:  # USB has no speed of its own
            require_room(self._profile, self._profile.target_baud or baud)

    def _tell_plan(self, baud: int, generation: int) -> None:
        target = self._profile.target_baud
        if target is not None and target != baud:
            self._tell(f"speed {target} baud: would be set")
        for request in plan.settings_of(self._profile, generation, self._layers):
            self._tell(f"{request.subject}: would be set")

    def _change_speed(self, session: Session, generation: int, baud: int, target: int) -> None:
        """In memory only until it is proved: a power cut undoes what went wrong."""
        request = plan.speed_of(target, generation, plan.RAM)
        for _ in range(TRIES):
            session.tell(request)
            time.sleep(_SETTLE_S)
            session.set_speed(target)
            if session.version(tries=2) is not None:
                self._tell(f"{request.subject}: done, the receiver is heard at it")
                return
            session.set_speed(baud)
        raise SetupFailed(
            f"{self._device}: the receiver is not heard at {target} baud; it is left at {baud}: "
            "give another --target-baud, or none"
        )

    def _ask(self, session: Session, request: Request) -> None:
        request = self._on_layers(request)
        answer = session.ask(request)
        if answer == "refused" and self._layers == plan.ALL_LAYERS and _has_layers(request):
            smaller = _with_layers(request, plan.RAM_AND_BATTERY)
            if session.ask(smaller) == "done":
                self._layers = plan.RAM_AND_BATTERY
                answer = "done"
                self._tell("this receiver has no flash: kept only while its battery lasts")
        if request.is_optional and answer == "refused":
            self._tell(f"{request.subject}: this receiver has none")
            return
        self._failures += answer != "done"
        self._tell(f"{request.subject}: {answer}{_REMEDY[answer]}")

    def _on_layers(self, request: Request) -> Request:
        return _with_layers(request, self._layers) if _has_layers(request) else request

    def _listen(self, session: Session) -> None:
        heard = session.listen(1.0 + 2.2 / self._profile.rate_hz)
        for kind in _ALL_SENTENCES:
            if (kind in self._profile.sentences) != (kind in heard):
                self._failures += 1
                state = "is still sent" if kind in heard else "is not heard"
                self._tell(f"sentence {kind}: {state}; check which port of the receiver this is")
        self._tell(f"heard: {' '.join(sorted(heard)) or 'nothing'}")


def _has_layers(request: Request) -> bool:
    return request.kind == b"\x06\x8a"


def _with_layers(request: Request, layers: int) -> Request:
    return request._replace(frame=plan.relayered(request.frame, layers))
