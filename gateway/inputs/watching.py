"""Two threads that watch what is wired to the board: one the levels, one the thermometers.

gpiod is imported only where a pin is configured, so a board without GPIO needs none. A line that
is busy, or a chip that comes late, is tried again; the van records meanwhile.
"""

import errno
import logging
import queue
import select
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from gateway.errors import SettingsError
from gateway.inbox import Inbox, InputKind, Measured, Switched
from gateway.inputs.debounce import Debounce
from gateway.inputs.temperature import SENSOR_ID, Telling, read_answer
from gateway.settings import InputSettings, PinSettings
from wire.values import Name

logger = logging.getLogger(__name__)

W1_FOLDER: Final = Path("/sys/bus/w1/devices")
_SETTLING_S: Final = 0.02
_QUIET_S: Final = 0.5
_OPEN_AGAIN_S: Final = 5.0
_IMPOSSIBLE: Final = frozenset({errno.EINVAL, errno.ENOTTY, errno.EISDIR, errno.ENODEV})
"""What the kernel says of a line that the chip has not, and of what is no chip."""
_MEASURE_EVERY_S: Final = 30.0


class Level(Protocol):
    """One wire: readable when its level may have changed."""

    def fileno(self) -> int:
        """For select."""
        ...

    def is_on(self) -> bool:
        """Its level now; what select told of is taken with it.

        Raises:
            OSError: the chip is gone.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Pin(NamedTuple):
    """What a wire means, and how it is opened: with an OSError while it cannot be."""

    kind: InputKind
    name: Name
    open: Callable[[], Level]


class GpioLevel:
    """A line of a GPIO character device."""

    def __init__(self, field: str, settings: PinSettings) -> None:
        """Ask the kernel for the line.

        Raises:
            SettingsError: names the field and the remedy.
            OSError: it cannot be used now.
        """
        try:
            import gpiod
            from gpiod.line import Bias, Direction, Edge, Value
        except ImportError as error:
            raise SettingsError(
                f"{field}: needs the library gpiod; install roundsman[gateway] or remove the table"
            ) from error
        self._line, self._active = settings.line, Value.ACTIVE
        wanted = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.BOTH,
            bias=Bias.PULL_UP if settings.is_active_low else Bias.PULL_DOWN,
            active_low=settings.is_active_low,
        )
        try:
            self._request = gpiod.request_lines(
                settings.chip, consumer="roundsman", config={settings.line: wanted}
            )
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in _IMPOSSIBLE:
                raise
            raise SettingsError(
                f"{field}: line {settings.line} of {settings.chip} cannot be used: {error}; "
                "correct chip and line (gpioinfo lists them), free the line, or remove the table"
            ) from error

    def fileno(self) -> int:
        """For select."""
        return self._request.fd

    def is_on(self) -> bool:
        """Its level now, the edges before it taken."""
        while self._request.wait_edge_events(0):
            self._request.read_edge_events()
        return self._request.get_value(self._line) == self._active

    def close(self) -> None:
        """Give the line back to the kernel."""
        self._request.release()


def pins_of(settings: InputSettings) -> list[Pin]:
    """The wires of the settings, each tried once.

    Raises:
        SettingsError: a chip or line can never be used.
    """
    pins = [
        Pin("door", door.name, partial(GpioLevel, f"inputs.doors[{at}]", door))
        for at, door in enumerate(settings.doors)
    ]
    if settings.ignition is not None:
        opened = partial(GpioLevel, "inputs.ignition", settings.ignition)
        pins.append(Pin("ignition", "ignition", opened))
    if settings.power_fail is not None:
        opened = partial(GpioLevel, "inputs.power_fail", settings.power_fail)
        pins.append(Pin("power_fail", "power_fail", opened))
    for pin in pins:
        with suppress(OSError):
            pin.open().close()
    return pins


def sensor_files(sensors: Mapping[Name, str], folder: Path = W1_FOLDER) -> dict[Name, Path]:
    """Where each sensor's answer is read; a sensor that is not there may come later.

    Raises:
        SettingsError: what is no sensor's id.
    """
    for name, sensor in sensors.items():
        if SENSOR_ID.fullmatch(sensor) is None:
            raise SettingsError(
                f"inputs.temperatures.{name}: {sensor!r} is no sensor's id; give one such as "
                f"28-00000a1b2c3d, as its folder in {W1_FOLDER} is called"
            )
    return {name: folder / sensor / "w1_slave" for name, sensor in sensors.items()}


class _Wire:
    """A pin while it is watched; ``level`` is None while it cannot be opened."""

    def __init__(self, pin: Pin) -> None:
        self.pin = pin
        self.level: Level | None = None
        self.debounce = Debounce()
        self._open_at_s = 0.0
        self.problem: str | None = None

    def open(self, now_s: float) -> None:
        """Open it unless it is open, or was tried a moment ago."""
        if self.level is not None or now_s < self._open_at_s:
            return
        try:
            self.level = self.pin.open()
        except (OSError, SettingsError) as error:
            self._fail(now_s, str(error))
        else:
            self.problem = None

    def change(self, now_s: float) -> bool | None:
        """The level that is certain now and was not before; None when there is none."""
        if self.level is None:
            return None
        try:
            return self.debounce.take(now_s, is_on=self.level.is_on())
        except (OSError, ValueError) as error:
            self.close()
            self._fail(now_s, str(error))
            return None

    def close(self) -> None:
        """Let go of the level."""
        level, self.level = self.level, None
        if level is not None:
            with suppress(OSError, ValueError):
                level.close()

    def _fail(self, now_s: float, problem: str) -> None:
        self._open_at_s = now_s + _OPEN_AGAIN_S
        if problem != self.problem:
            self.problem = problem
            context = {"input": self.pin.name, "problem": problem}
            logger.warning("an input cannot be watched for now", extra=context)


class Inputs:
    """Watches all inputs and tells the inbox; when that is full, it waits.

    Args:
        pins: wires. sensors: the file of each thermometer.
        inbox: where changes go. monotonic_s: a clock that is never set.
    """

    def __init__(
        self,
        pins: Sequence[Pin],
        sensors: Mapping[Name, Path],
        inbox: Inbox,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._wires = [_Wire(pin) for pin in pins]
        self._sensors = {name: (file, Telling()) for name, file in sensors.items()}
        self._inbox = inbox
        self._monotonic_s = monotonic_s
        self._stopping = threading.Event()
        self._silent: dict[Name, str] = {}
        self._threads: list[threading.Thread] = []
        if self._wires:
            self._threads.append(threading.Thread(target=self._watch, name="pins", daemon=True))
        if self._sensors:
            self._threads.append(
                threading.Thread(target=self._measure, name="thermometers", daemon=True)
            )

    def problems(self) -> dict[str, str]:
        """Why an input tells nothing now, by its name; safe from any thread."""
        wires = {wire.pin.name: wire.problem for wire in self._wires}
        known = {f"input {name}": why for name, why in wires.items() if why is not None}
        return known | {f"thermometer {name}": why for name, why in self._silent.copy().items()}

    def start(self) -> None:
        """Begin; each wire's level is told first as it is."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float) -> None:
        """End, but wait no longer than ``timeout_s``: a thermometer takes a second to answer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def _watch(self) -> None:
        try:
            while not self._stopping.is_set():
                self._look()
        finally:
            for wire in self._wires:
                wire.close()

    def _look(self) -> None:
        now_s = self._monotonic_s()
        for wire in self._wires:
            wire.open(now_s)
        levels = [wire.level for wire in self._wires if wire.level is not None]
        is_quiet = all(wire.debounce.is_settled for wire in self._wires)
        # A level that has gone bad meanwhile is found, and closed, by the reading below.
        with suppress(OSError, ValueError):
            select.select(levels, [], [], _QUIET_S if is_quiet else _SETTLING_S)
        for wire in self._wires:
            is_on = wire.change(self._monotonic_s())
            if is_on is not None:
                self._tell(Switched(kind=wire.pin.kind, name=wire.pin.name, is_on=is_on))

    def _measure(self) -> None:
        while not self._stopping.is_set():
            for name, (file, telling) in self._sensors.items():
                celsius_d = self._read(name, file)
                if celsius_d is not None and telling.take(celsius_d, self._monotonic_s()):
                    self._tell(Measured(sensor=name, celsius_d=celsius_d))
            self._stopping.wait(_MEASURE_EVERY_S)

    def _read(self, name: Name, file: Path) -> int | None:
        try:
            celsius_d = read_answer(file.read_text(encoding="ascii"))
            problem = "its answer has no right sum"
        except (OSError, UnicodeDecodeError) as error:
            celsius_d, problem = None, str(error)
        if celsius_d is not None:
            self._silent.pop(name, None)
        elif name not in self._silent:
            self._silent[name] = problem
            logger.warning("a thermometer is silent", extra={"sensor": name, "problem": problem})
        return celsius_d

    def _tell(self, news: Switched | Measured) -> None:
        while not self._stopping.is_set():
            try:
                self._inbox.put(news, timeout=0.5)
            except queue.Full:
                continue
            return
