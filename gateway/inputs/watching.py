"""Two threads that watch what is wired to the board: one the levels, one the thermometers.

gpiod is imported only where a pin is configured, so a board without GPIO needs none.
"""

import logging
import queue
import select
import threading
from collections.abc import Callable, Mapping, Sequence
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


class Pin(NamedTuple):
    """What a wire means."""

    kind: InputKind
    name: Name
    level: Level


class GpioLevel:
    """A line of a GPIO character device."""

    def __init__(self, field: str, settings: PinSettings) -> None:
        """Ask the kernel for the line.

        Raises:
            SettingsError: names the field and the remedy.
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


def pins_of(settings: InputSettings) -> list[Pin]:
    """The wires of the settings, each asked for at its chip.

    Raises:
        SettingsError: a chip or line cannot be used.
    """
    pins = [
        Pin("door", door.name, GpioLevel(f"inputs.doors[{at}]", door))
        for at, door in enumerate(settings.doors)
    ]
    for kind, pin in (("ignition", settings.ignition), ("power_fail", settings.power_fail)):
        if pin is not None:
            told: InputKind = "ignition" if kind == "ignition" else "power_fail"
            pins.append(Pin(told, pin.name, GpioLevel(f"inputs.{kind}", pin)))
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
        self._pins = {pin.level.fileno(): (pin, Debounce()) for pin in pins}
        self._sensors = {name: (file, Telling()) for name, file in sensors.items()}
        self._inbox = inbox
        self._monotonic_s = monotonic_s
        self._stopping = threading.Event()
        self._silent: set[Name] = set()
        self._threads: list[threading.Thread] = []
        if self._pins:
            self._threads.append(threading.Thread(target=self._watch, name="pins", daemon=True))
        if self._sensors:
            self._threads.append(
                threading.Thread(target=self._measure, name="thermometers", daemon=True)
            )

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
        while not self._stopping.is_set():
            is_quiet = all(debounce.is_settled for _, debounce in self._pins.values())
            try:
                select.select(list(self._pins), [], [], _QUIET_S if is_quiet else _SETTLING_S)
                for pin, debounce in self._pins.values():
                    is_on = debounce.take(self._monotonic_s(), is_on=pin.level.is_on())
                    if is_on is not None:
                        self._tell(Switched(kind=pin.kind, name=pin.name, is_on=is_on))
            except (OSError, ValueError):
                logger.exception("the inputs cannot be watched any longer")
                return

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
            self._silent.discard(name)
        elif name not in self._silent:
            self._silent.add(name)
            logger.warning("a thermometer is silent", extra={"sensor": name, "problem": problem})
        return celsius_d

    def _tell(self, news: Switched | Measured) -> None:
        while not self._stopping.is_set():
            try:
                self._inbox.put(news, timeout=0.5)
            except queue.Full:
                continue
            return
