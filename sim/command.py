"""``./run demo``: a fleet in a simulated city on this machine, with the real product around it."""

import argparse
import asyncio
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sim.api import RefusedError, UnreachableError
from sim.children import ChildError
from sim.opening import DayError
from sim.record import RecordError, Setup, load_setup, write_whole
from sim.running import Demo
from sim.streets import StreetsError
from wire.clock import DEMO_MARK

_VANS: Final = 8
_ORDERS: Final = 120
_LOCK: Final = "demo.lock"


class DemoError(Exception):
    """The demo cannot start; says why and what to do."""


_EXPECTED: Final = (
    DemoError,
    ChildError,
    DayError,
    RecordError,
    RefusedError,
    StreetsError,
    UnreachableError,
    OSError,
)


def say(text: str) -> None:
    """Tell people something on the screen; a closed one is no reason to stop."""
    with suppress(OSError):
        sys.stdout.write(f"demo: {text}\n")
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status is 0 also after Ctrl-C, 1 when it could not go on."""
    options = _parser().parse_args(arguments)
    folder: Path = options.data.resolve()
    try:
        _refuse_foreign(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _refuse_taken(options.port)
            setup = _setup(folder, options.vans, options.orders)
            write_whole(folder / DEMO_MARK, b"{}")  # whoever waits for its url waits for this run
            _log_to(folder / "logs" / "demo.log")
            demo = Demo(folder=folder, port=options.port, speed=options.speed, setup=setup, say=say)
            asyncio.run(_run(demo, options.hours))
    except _EXPECTED as error:
        return _failed(error)
    except ExceptionGroup as group:
        expected, rest = group.split(_EXPECTED)
        if expected is None or rest is not None:
            raise
        return _failed(_first(expected))
    return 0


async def _run(demo: Demo, hours: float | None) -> None:
    """Run it until it ends, SIGINT or SIGTERM; a second signal ends it hard."""
    work = asyncio.create_task(demo.run(hours))
    loop = asyncio.get_running_loop()
    signals: list[int] = []

    def stop(number: int) -> None:
        if signals:
            os._exit(1)  # every process is tethered to this one and goes with it
        signals.append(number)
        say("stopping (once more to end at once)")
        work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        summary = await work
    except asyncio.CancelledError:
        if not signals:
            raise
        say("stopped")
    else:
        say(summary.line())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./run demo",
        description="A fleet in a simulated city on this machine: broker, cloud, vans and a map. "
        "In a folder that holds a demo already it goes on where that one stopped.",
    )
    add = parser.add_argument
    add("--vans", type=_between(1, 200), metavar="N", help=f"how many vans ({_VANS})")
    add("--orders", type=_between(1, 2000), metavar="N", help=f"orders a day ({_ORDERS})")
    add("--port", type=_between(1, 65_535), default=8480, metavar="P", help="of the web (8480)")
    add("--speed", type=_number(0.1, 1000), default=10.0, metavar="X", help="times real time (10)")
    add("--data", type=Path, default=Path("demo-data"), metavar="DIR", help="folder (demo-data)")
    add("--hours", type=_number(0.001, 10_000), metavar="H", help="end after H simulated hours")
    return parser


def _between(least: int, most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        with suppress(ValueError):
            if least <= int(text) <= most:
                return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")

    return whole


def _number(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        with suppress(ValueError):
            if least <= float(text) <= most:
                return float(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")

    return number


def _refuse_foreign(folder: Path) -> None:
    """A simulated clock must never reach real data."""
    if folder.exists() and not folder.is_dir():
        raise DemoError(f"{folder} is not a folder; choose another --data")
    if (folder / "business.db").exists() and not (folder / DEMO_MARK).exists():
        raise DemoError(f"{folder} holds data that is not a demo's; choose another --data")


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise DemoError(f"port {port} needs more rights; choose one above 1023") from error
        except OSError as error:
            raise DemoError(
                f"port {port} is taken; end what listens there, or choose another --port"
            ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the lock goes with the process, however that ends."""
    with (folder / _LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read(20).strip()
            raise DemoError(
                f"a demo runs on {folder} already (process {holder}); end it, "
                "or choose another --data and --port"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _log_to(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(filename=file, filemode="w", level=logging.WARNING, format=form)


def _setup(folder: Path, vans: int | None, orders: int | None) -> Setup:
    """That of the former start, or a new one."""
    former = load_setup(folder)
    if former is None:
        seed = secrets.randbelow(2**32)
        return Setup(seed=seed, vans=vans or _VANS, orders=orders or _ORDERS)
    asked = (vans or former.vans, orders or former.orders)
    if asked != (former.vans, former.orders):
        say(
            f"{folder} holds a demo of {former.vans} vans and {former.orders} orders, which goes "
            "on as it is; for another one choose another --data"
        )
    return former


def _first(group: ExceptionGroup[Exception]) -> Exception:
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _failed(error: Exception) -> int:
    sys.stderr.write(f"demo: {error}\n")
    return 1
