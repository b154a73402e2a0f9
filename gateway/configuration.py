"""The gateway's configuration: one TOML file, checked as a whole before anything starts."""

import errno
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.errors import GatewayError, SettingsError
from gateway.settings import (
    BrokerSettings,
    InputSettings,
    ReceiverSettings,
    ReplaySettings,
    SerialSettings,
    Settings,
)
from wire.refusal import in_words

_TLS_PORT: Final = 8883
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_IPV6: Final = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?")
SPEEDS: Final = (
    4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 1_000_000,
)  # fmt: skip
"""Speeds of a line that receivers know."""


def load(path: Path) -> Settings:
    """Read a configuration file and check it as a whole.

    Raises:
        SettingsError: names the field and what to do.
        GatewayError: the medium does not give the file now.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        problem = f"{path}: cannot be read: {error.strerror}"
        raise _unreadable(problem, error) from error
    if not {"tenant", "van", "broker"} & values.keys():
        raise SettingsError(
            f"{path}: tenant, van and [broker] are missing, so this box is no van's gateway yet; "
            "run roundsman gateway enrol, which writes them"
        )
    settings = _convert(path, values)
    for problem in _problems(settings):
        raise SettingsError(f"{path}: {problem}")
    return settings


def load_receivers(path: Path) -> tuple[ReceiverSettings, ...]:
    """The receivers alone, whatever else is wrong with the file; none when they are wrong too."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        found = msgspec.convert(values.get("receivers", ()), tuple[ReceiverSettings, ...])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, msgspec.ValidationError):
        return ()
    return () if any(_of_receivers(found)) else found


def require_readable(settings: Settings) -> None:
    """Whoever looks at a gateway from outside must be let into its folder.

    Raises:
        GatewayError: the folder is there and may not be read.
    """
    folder = settings.folder
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        raise GatewayError(f"data_dir: {folder} may not be read by you; run it with sudo")


def _unreadable(problem: str, error: OSError) -> GatewayError:
    if isinstance(error, PermissionError):
        return SettingsError(f"{problem}; run it with sudo, or as the gateway's user")
    if error.errno in {errno.ENOENT, errno.EISDIR, errno.ENOTDIR}:
        return SettingsError(f"{problem}; give --config FILE")
    return GatewayError(f"{problem}; it is tried again later")


def _convert(path: Path, values: dict[str, Any]) -> Settings:
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        field, problem, remedy = in_words(str(error))
        raise SettingsError(f"{path}: {field or 'the file'}: {problem}; {remedy}") from error


def _problems(settings: Settings) -> Iterator[str]:
    if not settings.folder.is_absolute():
        yield (
            f"data_dir: {settings.data_dir} depends on where the gateway is started; "
            "give a path that begins with /"
        )
    if "\0" in settings.data_dir:
        yield "data_dir: holds a zero byte, which no path does; correct it"
    yield from _of_broker(settings.broker)
    yield from _of_receivers(settings.receivers)
    yield from _of_inputs(settings.inputs)


def _of_broker(broker: BrokerSettings) -> Iterator[str]:
    if not (_HOST.fullmatch(broker.host) or _IPV6.fullmatch(broker.host)):
        yield (
            f"broker.host: {broker.host!r} is no host; give a name or an address alone, "
            "and the port as broker.port"
        )
    if broker.port == _TLS_PORT and not broker.tls:
        yield (
            f"broker.tls: port {_TLS_PORT} speaks TLS; set broker.tls = true and broker.ca_file, "
            "or give the broker's plain port"
        )
    yield from _of_files(broker)
    if broker.cert_file is None and not (broker.username and broker.password):
        yield (
            "broker.username, password: one is missing, and there is no broker.cert_file; "
            "run roundsman gateway enrol, or add them"
        )


def _of_files(broker: BrokerSettings) -> Iterator[str]:
    files = {
        "ca_file": broker.ca_file,
        "cert_file": broker.cert_file,
        "key_file": broker.key_file,
    }
    for field, name in files.items():
        if name is None:
            continue
        if not broker.tls:
            yield f"broker.{field}: set without tls; set broker.tls = true"
        if not os.path.isfile(name):  # noqa: PTH113 - one that may not be looked at is none either
            yield f"broker.{field}: {name} is no file that can be read; give the path of one"
    if (broker.cert_file is None) != (broker.key_file is None):
        yield "broker.cert_file: needs broker.key_file too; set both or none"


def _of_receivers(receivers: tuple[ReceiverSettings, ...]) -> Iterator[str]:
    for at, name in _repeated(one.name for one in receivers):
        yield (
            f"receivers[{at}].name: {name} is another receiver's name too; "
            "give each a name of its own"
        )
    for at, device in _repeated(_place(one) for one in receivers):
        yield f"receivers[{at}]: {device} is another receiver's too; name each only once"
    for at, one in enumerate(receivers):
        match one:
            case SerialSettings(baud=int(baud)) if baud not in SPEEDS:
                speeds = ", ".join(map(str, SPEEDS))
                yield f"receivers[{at}].baud: {baud} is no receiver's speed; give {speeds}, or none"
            case ReplaySettings(file=file) if not os.path.isfile(file):  # noqa: PTH113 - as above
                yield f"receivers[{at}].file: {file} is not a file; give the recording's path"
            case _:
                continue


def _place(receiver: ReceiverSettings) -> str | None:
    match receiver:
        case SerialSettings(device=device):
            return device
        case ReplaySettings(file=file):
            return file
        case _:
            return f"{receiver.device or 'gpsd'} at {receiver.host}:{receiver.port}"


def _of_inputs(inputs: InputSettings) -> Iterator[str]:
    for at, name in _repeated(door.name for door in inputs.doors):
        yield f"inputs.doors[{at}].name: {name} is another door's name too; give each its own"
    pins = [("ignition", inputs.ignition), ("power_fail", inputs.power_fail)]
    pins += [(f"doors[{at}]", door) for at, door in enumerate(inputs.doors)]
    wired = [(field, f"line {pin.line} of {pin.chip}") for field, pin in pins if pin is not None]
    for at, line in _repeated(line for _, line in wired):
        yield f"inputs.{wired[at][0]}: {line} is another input's too; give each a line of its own"


def _repeated(values: Iterable[str | None]) -> Iterator[tuple[int, str]]:
    """Place and value of each that came before."""
    seen = set()
    for at, value in enumerate(values):
        if value is not None and value in seen:
            yield at, value
        seen.add(value)
