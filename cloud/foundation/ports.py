"""The ports of one data folder: chosen free at the first start, then kept.

They lie below the range from which the system takes outgoing ports, so no passing connection can
occupy one between two starts. Gateways hold the MQTT port, so it never moves: when something else
has taken it, the start fails and says so. The others are known to our own processes only and are
chosen anew.
"""

import errno
import socket
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from cloud.foundation.errors import Conflict, Invalid
from cloud.foundation.files import put

_CANDIDATES: Final = range(20_000, 32_000)

type Port = Annotated[int, Meta(ge=1, le=65_535)]


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parts of one data folder listen, all on this machine."""

    mqtt: Port
    nats: Port
    monitor: Port
    roads: Port


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on ``host``:``port`` now.

    Raises:
        Invalid: this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise Invalid.field(
                "host", f"{host!r}: {error}", "name an address of this machine"
            ) from error
    return True


def keep_ports(
    path: Path,
    *,
    host: str,
    needed: Collection[str],
    draw: Callable[[range], int],
    is_free: Callable[[str, int], bool],
) -> Ports:
    """The ports in ``path``, chosen where there are none or where a needed inner one was taken.

    Args:
        path: the file that keeps them.
        host: where the broker listens for vans.
        needed: fields of `Ports` on which this start will listen; the others stay as they are.
        draw: picks one of a range, as `random.Random.choice` does.
        is_free: whether a host and port can be listened on.

    Raises:
        Conflict: the port that gateways hold is taken. Invalid: the file is damaged.
    """
    kept = _read(path)
    if kept is not None and "mqtt" in needed and not is_free(host, kept.mqtt):
        raise Conflict(
            f"mqtt: port {kept.mqtt} of {path} is taken by another program, and gateways hold it; "
            f"stop that program, or change mqtt in {path} and in every gateway"
        )
    chosen: dict[str, int] = {}
    for name in Ports.__struct_fields__:
        where = host if name == "mqtt" else "127.0.0.1"
        port = 0 if kept is None else getattr(kept, name)
        is_usable = port != 0 and (name not in needed or is_free(where, port))
        chosen[name] = port if is_usable else _choose(where, chosen.values(), draw, is_free)
    ports = Ports(**chosen)
    if ports != kept:
        _write(path, ports)
    return ports


def read_ports(path: Path) -> Ports:
    """The ports kept in ``path``.

    Raises:
        Conflict: there are none yet. Invalid: the file is damaged.
    """
    ports = _read(path)
    if ports is None:
        raise Conflict(f"{path}: no ports yet; start the service or its broker role first")
    return ports


def _choose(
    host: str,
    taken: Collection[int],
    draw: Callable[[range], int],
    is_free: Callable[[str, int], bool],
) -> int:
    for _ in range(200):
        port = draw(_CANDIDATES)
        if port not in taken and is_free(host, port):
            return port
    raise Conflict(f"ports: none of 200 tried from {_CANDIDATES} on {host} is free")


def _read(path: Path) -> Ports | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ports)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise Invalid.field(
            str(path), str(error), "correct it; gateways hold the mqtt port"
        ) from error


def _write(path: Path, ports: Ports) -> None:
    put(path, msgspec.json.format(msgspec.json.encode(ports)) + b"\n")
