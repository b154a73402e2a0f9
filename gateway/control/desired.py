"""The settings that the cloud desires: tried, and kept only when the van can still be reached.

New settings are on trial until the broker (or the cloud, when the broker itself was changed) has
answered with them in force. A trial that hears nothing in time, or over too many starts, is rolled
back, told as refused, and not taken again although it is retained at the broker.
"""

import logging
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from gateway.control.kept import KeptFile, peek
from gateway.settings import Settings
from wire import codec
from wire.desired import DesiredError, DesiredValues, read_values
from wire.messages import Desired

logger = logging.getLogger(__name__)

DESIRED_FILE: Final = "desired.json"
MAX_STARTS: Final = 3
"""Starts of the gateway that a trial may outlive; one that brings it down would never be heard."""
_MAX_TOLD: Final = 500
_WRITE_EVERY_S: Final = 10.0

type Version = Annotated[int, Meta(ge=1, le=2**53)]
type Answer = Literal["broker", "cloud"]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Settings in force that nobody has answered under yet.

    Attributes:
        starts: how often the gateway has started with them.
        needs: whose answer proves them; the cloud's when they lead to another broker.
    """

    settings: Version
    values: DesiredValues
    starts: int = 0
    needs: Answer = "broker"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand with the desired settings; all of it is kept on disk.

    Attributes:
        settings, values: the last ones that proved themselves; version 0 is the van's own file. The
            shifts are the newest ones told.
        trial: the ones on trial, in force in their place.
        refused: the newest version refused or rolled back, and why.
    """

    settings: Annotated[int, Meta(ge=0, le=2**53)] = 0
    values: DesiredValues = DesiredValues()
    trial: Trial | None = None
    refused: tuple[int, str] | None = None

    @property
    def newest(self) -> int:
        """The newest version that was ever told; no older one is looked at again."""
        told = 0 if self.refused is None else self.refused[0]
        return max(self.settings, told, 0 if self.trial is None else self.trial.settings)


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What can be told of desired settings that cannot be read."""

    settings: Version


def offered(standing: Standing, desired: Desired) -> Standing:
    """How things stand once ``desired`` was told: on trial, refused, or as before when it is old.

    Source: the retained message comes again with every connection.
    """
    if desired.settings <= standing.newest:
        return standing
    try:
        values = read_values(desired.values)
    except DesiredError as error:
        return refusing(standing, desired.settings, str(error))
    moves = values.broker != standing.values.broker
    trial = Trial(settings=desired.settings, values=values, needs="cloud" if moves else "broker")
    return msgspec.structs.replace(standing, trial=trial)


def refusing(standing: Standing, settings: int, reason: str) -> Standing:
    """``settings`` is refused; what is in force stays so.

    The newest refused version is the one remembered, as no older one is ever looked at again.
    """
    known = standing.refused
    if known is not None and known[0] > settings:
        settings, reason = known[0], f"{known[1]}; version {settings} too: {reason}"
    return msgspec.structs.replace(standing, refused=(settings, reason[:_MAX_TOLD]))


def confirmed(standing: Standing) -> Standing:
    """The trial has proved itself."""
    trial = standing.trial
    if trial is None:
        return standing
    return msgspec.structs.replace(
        standing, settings=trial.settings, values=trial.values, trial=None
    )


def rolled_back(standing: Standing, reason: str) -> Standing:
    """The trial has failed; what was in force before it is so again, but for the shifts.

    They are the driver's privacy and cut no van off: falling back to older ones would give it away.
    """
    if standing.trial is None:
        return standing
    values = msgspec.structs.replace(standing.values, shifts=standing.trial.values.shifts)
    back = msgspec.structs.replace(standing, trial=None, values=values)
    return refusing(back, standing.trial.settings, f"rolled back: {reason}")


def restarted(standing: Standing) -> Standing:
    """The gateway starts once more; a trial that has outlived its starts is rolled back."""
    trial = standing.trial
    if trial is None:
        return standing
    if trial.starts >= MAX_STARTS:
        return rolled_back(standing, f"no answer in {MAX_STARTS} starts with these settings")
    return msgspec.structs.replace(
        standing, trial=msgspec.structs.replace(trial, starts=trial.starts + 1)
    )


def applied(settings: Settings, values: DesiredValues) -> Settings:
    """The van's own file with what is desired in its place."""
    told: dict[str, Any] = {
        name: value
        for name in ("live_every_s", "batch_wait_s", "is_metered", "history_bytes_a_second")
        if (value := getattr(values, name)) is not None
    }
    broker = settings.broker
    if values.broker is not None:
        broker = msgspec.structs.replace(broker, host=values.broker.host, port=values.broker.port)
    return msgspec.structs.replace(
        settings,
        uplink=msgspec.structs.replace(settings.uplink, **told),
        keeping=values.keeping or settings.keeping,
        broker=broker,
    )


def proved(settings: Settings) -> Settings:
    """The van's own file with what was last desired and has proved itself; nothing is written.

    For a process beside the running gateway: settings on trial may be the wrong ones.
    """
    kept = peek(settings.folder / DESIRED_FILE, Standing)
    return settings if kept is None else applied(settings, kept.values)


class DesiredSettings:
    """The standing on disk, and the time that a trial has left.

    Args:
        path: the file. patience_s: how long a trial may go without an answer.
        now_s: of the monotonic clock, as everywhere here.
    """

    def __init__(self, path: Path, patience_s: float, now_s: float) -> None:
        self._file = KeptFile(path, Standing)
        self._patience_s = patience_s
        kept = self._file.read() or Standing()
        self._standing = restarted(kept)
        self._is_written = self._standing == kept
        self._until_s = now_s + patience_s
        self._write_from_s = now_s
        self._proved: set[Answer] = set()
        self.step(now_s)

    @property
    def standing(self) -> Standing:
        """How things stand."""
        return self._standing

    @property
    def values(self) -> DesiredValues:
        """What is in force."""
        now = self._standing
        return now.values if now.trial is None else now.trial.values

    @property
    def version(self) -> int:
        """Version of the settings in force; 0 when none were ever told."""
        now = self._standing
        return now.settings if now.trial is None else now.trial.settings

    @property
    def refused(self) -> tuple[int, str] | None:
        """The newest version that was refused or rolled back, and why."""
        return self._standing.refused

    def take(self, payload: bytes, now_s: float) -> bool:
        """Take a message of ``dn/desired``.

        Returns:
            Whether other values are in force now.

        Raises:
            WireError: not even a version can be read.
            OSError: the medium takes nothing; nothing has changed, give it again later.
        """
        after = _heard(self._standing, payload)
        if after == self._standing:
            return False
        before = self.values
        self._file.write(after)
        self._standing, self._is_written = after, True
        self._until_s = now_s + self._patience_s
        self._proved.clear()
        logger.info("settings told", extra={"settings": self.version, "refused": self.refused})
        return self.values != before

    def answered(self, by: Answer) -> None:
        """The broker or the cloud has answered on a connection made with what is in force."""
        trial = self._standing.trial
        if trial is None:
            return
        self._proved.add(by)
        if trial.needs in self._proved:
            self._become(confirmed(self._standing))
            logger.info("the settings hold", extra={"settings": self.version})

    def step(self, now_s: float) -> bool:
        """Roll back a trial whose time is up, and write what could not be written before.

        Returns:
            Whether other values are in force now.
        """
        before = self.values
        if self._standing.trial is not None and now_s >= self._until_s:
            reason = f"no answer in {self._patience_s:g} s with these settings"
            self._become(rolled_back(self._standing, reason))
            logger.warning("settings rolled back", extra={"refused": self.refused})
        elif not self._is_written and now_s >= self._write_from_s:
            self._write_from_s = now_s + _WRITE_EVERY_S
            self._write()
        return self.values != before

    def _become(self, standing: Standing) -> None:
        self._standing, self._is_written = standing, False
        self._write()

    def _write(self) -> None:
        # Until this works, a restart begins the trial again, which starts it too often in the end.
        try:
            self._file.write(self._standing)
            self._is_written = True
        except OSError as error:
            logger.warning("the settings cannot be kept", extra={"problem": str(error)})


def _heard(standing: Standing, payload: bytes) -> Standing:
    try:
        return offered(standing, codec.decode(payload, Desired))
    except codec.WireError as error:
        told = codec.decode(payload, _Envelope).settings
        return standing if told <= standing.newest else refusing(standing, told, str(error))
