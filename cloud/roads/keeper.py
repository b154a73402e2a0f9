"""The roads' process: keeps the engines of one city alive and gives them new speeds without a stop.

An engine is one ``osrm-routed`` on mapped files. New speeds make a new generation of the files, a
second engine on it takes the same port (SO_REUSEPORT), and when it listens the first one ends. A
question that falls into the change is asked again by `RoadsClient`, so nobody notices. Nothing of
this outlives the process: no shared memory, no lock of the machine
(docs/decisions/speeds-without-a-stop.md).
"""

import asyncio
import logging
import os
import re
import shutil
import signal
import socket as sockets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import msgspec
import psutil

from cloud.foundation.files import put
from cloud.foundation.logs import log_as
from cloud.foundation.processes import die_with_parent
from cloud.roads.engine import ADDRESS, serve_argv, url_of
from cloud.roads.generations import customise, stamp
from cloud.roads.model import CityError

_log = logging.getLogger(__name__)

NOW: Final = "now"
"""The data set with the newest speeds, on the port everybody asks."""
PLAIN: Final = "plain"
"""The data set as imported: drives are matched on it, whatever is closed or slow now."""
ENGINES: Final = "engines.json"
"""Below the roads' folder: the port of each data set."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_MOST_SETS: Final = 14
_MOST_WAITING: Final = 16
_LISTENS_WITHIN_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.02
_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_STEADY_AFTER_S: Final = 60.0
_MOST_BYTES: Final = 4_096


class Publish(msgspec.Struct, frozen=True, kw_only=True, tag="publish"):
    """Put the speeds that lie in the data set's file into force."""

    data_set: str


class Drop(msgspec.Struct, frozen=True, kw_only=True, tag="drop"):
    """Serve a data set no longer."""

    data_set: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: in force for all questions from now on, or the ``problem``."""

    seconds: float = 0.0
    problem: str = ""


def speeds_file(folder: Path, data_set: str) -> Path:
    """Where the speeds of a data set lie: the roads' folder, then its name."""
    return folder / f"{data_set}.csv"


def ports_in_force(folder: Path) -> dict[str, int]:
    """The port of each data set that is served; empty when none is."""
    try:
        return msgspec.json.decode((folder / ENGINES).read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def plain_url(folder: Path, otherwise: str) -> str:
    """Where drives are matched on streets as imported; ``otherwise`` while no such engine runs."""
    port = ports_in_force(folder).get(PLAIN)
    return otherwise if port is None else url_of(port)


@dataclass(slots=True)
class _Engine:
    """A data set in service."""

    port: int
    files: Path
    process: asyncio.subprocess.Process
    watch: asyncio.Task[None] | None = None


class Keeper:
    """Engines by the name of their data set.

    Args:
        city: the folder of the imported city.
        folder: where speeds and generations lie.
        port: where the data set `NOW` is asked for.
    """

    def __init__(self, city: Path, folder: Path, port: int) -> None:
        self._city = city
        self._folder = folder
        self._port = port
        self._engines: dict[str, _Engine] = {}
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._number = 0

    async def start(self) -> None:
        """Serve the newest speeds there are, or the city as imported.

        A power cut may have damaged what was made a moment before it: that is made anew.

        Raises:
            CityError: there is no city, or its engine does not start.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        await asyncio.to_thread(self._require_same_city)
        await self._serve(PLAIN, self._city)
        await self._serve_newest()
        for file in sorted(self._folder.glob("*.csv")):
            if _NAME.fullmatch(file.stem):
                told = await self.publish(file.stem)
                if told.problem:
                    _log.warning("old speeds are not used", extra={"reason": told.problem})

    async def _serve_newest(self) -> None:
        newest = self._last_good(NOW)
        try:
            await self._serve(NOW, newest or self._city)
        except CityError as error:
            if newest is None:
                raise
            _log.warning("the newest speeds are damaged", extra={"reason": str(error)})
            await asyncio.to_thread(self._clear, NOW, self._city)
            await self._serve(NOW, self._city)

    async def stop(self) -> None:
        """End all engines."""
        for engine in self._engines.values():
            await _end(engine)
        self._engines.clear()
        (self._folder / ENGINES).unlink(missing_ok=True)

    async def answer(self, said: bytes) -> Told:
        """Do what a line asks for."""
        try:
            asked = msgspec.json.decode(said, type=Publish | Drop)
        except msgspec.DecodeError as error:
            return Told(problem=f"roads: not understood: {error}")
        if not _NAME.fullmatch(asked.data_set) or asked.data_set == PLAIN:
            return Told(problem=f"data_set: {asked.data_set[:40]!r} is no name; use a-z, 0-9 and -")
        if self._waiting >= _MOST_WAITING:
            return Told(problem="roads: too many new speeds wait already; try again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                if isinstance(asked, Drop):
                    return await self._drop(asked.data_set)
                return await self.publish(asked.data_set)
        finally:
            self._waiting -= 1

    async def publish(self, data_set: str) -> Told:
        """Put the speeds in the data set's file into force; the old ones serve until then."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        if data_set not in self._engines and len(self._engines) >= _MOST_SETS:
            return Told(problem=f"data_set: {_MOST_SETS} are served already; drop one first")
        self._number += 1
        target = self._folder / f"{data_set}.{os.getpid()}-{self._number}"
        try:
            await asyncio.to_thread(
                customise, self._city, target, speeds_file(self._folder, data_set)
            )
            await self._serve(data_set, target)
        except CityError as error:
            await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
            return Told(problem=str(error))
        await asyncio.to_thread(self._clear, data_set, target)
        return Told(seconds=round(loop.time() - begun, 3))

    async def _drop(self, data_set: str) -> Told:
        speeds_file(self._folder, data_set).unlink(missing_ok=True)
        if data_set == NOW:
            await self._serve(NOW, self._city)
        elif data_set in self._engines:
            await _end(self._engines.pop(data_set))
            self._tell_ports()
        await asyncio.to_thread(self._clear, data_set, self._city)
        return Told()

    async def _serve(self, data_set: str, files: Path) -> None:
        """Let an engine on ``files`` take over from the one before it, if any."""
        old = self._engines.get(data_set)
        port = old.port if old else self._port if data_set == NOW else _free_port()
        engine = _Engine(port, files, await _begin(files, port))
        try:
            await _listens(engine)
        except CityError:
            await _end(engine)
            raise
        engine.watch = asyncio.create_task(self._watch(data_set, engine), name=f"watch {data_set}")
        self._engines[data_set] = engine
        self._tell_ports()
        if old is not None:
            await _end(old)

    async def _watch(self, data_set: str, engine: _Engine) -> None:
        """Start an engine anew whenever it has died."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            begun = loop.time()
            status = await engine.process.wait()
            failures = 0 if loop.time() - begun > _STEADY_AFTER_S else failures + 1
            delay_s = _BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1] if failures else 0.0
            _log.warning(
                "an engine died; it is started again",
                extra={"data_set": data_set, "status": status, "after_s": delay_s},
            )
            await asyncio.sleep(delay_s)
            with suppress(CityError, OSError):
                engine.process = await _begin(engine.files, engine.port)

    def _tell_ports(self) -> None:
        ports = {name: engine.port for name, engine in self._engines.items()}
        put(self._folder / ENGINES, msgspec.json.encode(ports), is_durable=False)

    def _require_same_city(self) -> None:
        """Forget generations of an earlier import; speeds stay, their nodes may be the same."""
        known, now = self._folder / "city", stamp(self._city)
        if not known.is_file() or known.read_text() != now:
            for one in self._folder.iterdir():
                if one.is_dir():
                    shutil.rmtree(one)
            put(known, now.encode())

    def _last_good(self, data_set: str) -> Path | None:
        found = [one for one in self._folder.glob(f"{data_set}.*") if one.is_dir()]
        return max(found, key=lambda one: one.stat().st_mtime_ns, default=None)

    def _clear(self, data_set: str, kept: Path) -> None:
        for one in self._folder.glob(f"{data_set}.*"):
            if one.is_dir() and one != kept:
                shutil.rmtree(one, ignore_errors=True)


async def _begin(files: Path, port: int) -> asyncio.subprocess.Process:
    argv = serve_argv(files, port)
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        preexec_fn=die_with_parent(os.getpid(), signal.SIGKILL),
    )


async def _listens(engine: _Engine) -> None:
    """Wait until that very process listens; another one may answer on the same port."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _LISTENS_WITHIN_S
    while loop.time() < until:
        if engine.process.returncode is not None:
            raise CityError(
                f"roads: the engine ended with {engine.process.returncode}; its lines say more"
            )
        if _is_listening(engine.process.pid, engine.port):
            return
        await asyncio.sleep(_LOOK_EVERY_S)
    raise CityError(f"roads: the engine does not listen after {_LISTENS_WITHIN_S:g} s")


def _is_listening(pid: int, port: int) -> bool:
    try:
        found = psutil.Process(pid).net_connections("tcp4")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in found)


async def _end(engine: _Engine) -> None:
    if engine.watch is not None:
        engine.watch.cancel()
    with suppress(ProcessLookupError):
        engine.process.terminate()
    try:
        async with asyncio.timeout(2.0):
            await engine.process.wait()
    except TimeoutError:
        engine.process.kill()
        await engine.process.wait()


def _free_port() -> int:
    """A port that nobody has now; the file `ENGINES` tells it, so it may be another each time."""
    with sockets.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


async def serve(keeper: Keeper, path: Path) -> None:
    """Serve, and listen on the socket ``path`` for new speeds, until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        await keeper.start()
        mask = os.umask(0o177)
        server = await asyncio.start_unix_server(_hearing(keeper), path, limit=_MOST_BYTES)
        os.umask(mask)
        await ended.wait()
        server.close()
    finally:
        await keeper.stop()


def _hearing(
    keeper: Keeper,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], "asyncio.Future[None]"]:
    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5.0):
                said = await reader.readline()
            told = await keeper.answer(said)
            writer.write(msgspec.json.encode(told) + b"\n")
            await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            return
        finally:
            writer.close()

    return hear  # type: ignore[return-value]  # asyncio awaits what the callback returns


@click.command()
@click.option("--city", type=click.Path(path_type=Path), required=True, help="The imported city.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Speeds, data sets.")
@click.option("--port", type=int, required=True, help="Where the newest speeds are asked for.")
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where to listen.")
def main(city: Path, folder: Path, port: int, socket: Path) -> None:
    """Serve one city's streets."""
    log_as("roads")
    socket.unlink(missing_ok=True)
    try:
        asyncio.run(serve(Keeper(city, folder, port), socket))
    except CityError as error:
        raise click.ClickException(str(error)) from error
    finally:
        socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
