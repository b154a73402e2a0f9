"""Telling the roads' process of new speeds."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from cloud.foundation.files import put
from cloud.roads.ahead import Foresight
from cloud.roads.hours import Week
from cloud.roads.keeper import Drop, Publish, Told, ports_in_force, speeds_file
from cloud.roads.model import RoadsUnavailable
from cloud.roads.timed import write_drawn, write_foresight, write_week

_WITHIN_S: Final = 600.0


class SpeedDesk:
    """New speeds for the engine on this machine.

    Args:
        folder: the roads' folder.
        socket: where the roads' process listens.
    """

    def __init__(self, folder: Path, socket: Path) -> None:
        self._folder = folder
        self._socket = socket

    async def publish(self, data_set: str, lines: bytes, drawn: str = "") -> float:
        """Put speeds into force; gives the seconds that took. No question waits or fails meanwhile.

        They are kept: when the process starts anew it starts with them.

        Args:
            data_set: such as ``now``.
            lines: as CSV, node from, node to, km/h, m/s; a pair that is not in it keeps the
                speed it was imported with.
            drawn: another word whenever people say something else of the streets; tables that
                were told before it came into force are forgotten then (`cloud.roads.timed`).

        Raises:
            RoadsUnavailable: the engine is not there, or will not take them; the old speeds hold.
        """
        await asyncio.to_thread(self._keep, data_set, lines)
        told = await self._tell(Publish(data_set=data_set))
        await asyncio.to_thread(write_drawn, self._folder, data_set, drawn)
        return told.seconds

    async def drop(self, data_set: str) -> None:
        """Serve a data set no longer; ``now`` goes back to the speeds it was imported with.

        Raises:
            RoadsUnavailable: the engine is not there.
        """
        await self._tell(Drop(data_set=data_set))

    def is_plain(self, data_set: str) -> bool:
        """Whether it has the speeds it was imported with, as far as is known here."""
        return not speeds_file(self._folder, data_set).exists()

    def write_week(self, week: Week) -> None:
        """Tell who asks for travel times by the hour which class each hour belongs to."""
        write_week(self._folder, week)

    def served(self, prefix: str) -> list[str]:
        """The data sets that are served whose names begin so."""
        return [one for one in ports_in_force(self._folder) if one.startswith(prefix)]

    def write_foresight(self, foresight: Foresight) -> None:
        """Tell who asks for travel times by the hour when others hold than the usual ones."""
        write_foresight(self._folder, foresight)

    def _keep(self, data_set: str, lines: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        put(speeds_file(self._folder, data_set), lines)

    async def _tell(self, what: Publish | Drop) -> Told:
        try:
            async with asyncio.timeout(_WITHIN_S):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(msgspec.json.encode(what) + b"\n")
                    await writer.drain()
                    told = msgspec.json.decode(await reader.readline(), type=Told)
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError, msgspec.DecodeError) as error:
            raise RoadsUnavailable(
                f"roads: new speeds cannot be told ({type(error).__name__}); the old ones hold"
            ) from error
        if told.problem:
            raise RoadsUnavailable(f"{told.problem}; the old speeds hold")
        return told
