"""The roads' process: new speeds without a stop, engines that die, starts after kills."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cloud.foundation.probes import socket_answers
from cloud.roads.client import RoadsClient
from cloud.roads.engine import url_of
from cloud.roads.keeper import NOW, PLAIN, ports_in_force
from cloud.roads.model import Point, RoadsUnavailable
from cloud.roads.publishing import SpeedDesk
from tests.parts.ports import free_port
from tests.parts.roads_engine import demo_city, street_nodes

pytestmark = pytest.mark.slow

PLAZA = Point(-29.9027, -71.2519)
HARBOUR = Point(-29.9533, -71.3393)


class Roads:
    """The process, and how to ask it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "roads.sock"
        self.port = free_port()
        self.desk = SpeedDesk(folder / "roads", self.socket)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [
            f"--city={demo_city()}",
            f"--folder={self.folder / 'roads'}",
            f"--port={self.port}",
            f"--socket={self.socket}",
        ]
        self.process = subprocess.Popen([sys.executable, "-m", "cloud.roads.keeper", *options])
        until(lambda: socket_answers(self.socket))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(20)

    def engines(self) -> list[int]:
        assert self.process is not None
        return [one.pid for one in psutil.Process(self.process.pid).children()]

    def client(self) -> RoadsClient:
        return RoadsClient(url_of(self.port))

    async def seconds(self, data_set: str = NOW) -> int:
        port = ports_in_force(self.folder / "roads")[data_set]
        async with RoadsClient(url_of(port)) as roads:
            return (await roads.route([PLAZA, HARBOUR])).seconds


@contextmanager
def roads_process(folder: Path) -> Iterator[Roads]:
    roads = Roads(folder)
    roads.start()
    try:
        yield roads
    finally:
        if roads.process is not None and roads.process.poll() is None:
            roads.stop()


def until(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def everywhere(kmh: float) -> bytes:
    lines = [f"{one},{other},{kmh},{kmh / 3.6:.3f}" for one, other in street_nodes()]
    return ("\n".join(lines) + "\n").encode()


def test_new_speeds_come_without_a_stop_and_go_again(tmp_path: Path) -> None:
    async def ask(roads: Roads) -> None:
        plain_s = await roads.seconds()
        failed: list[Exception] = []
        asked = 0
        is_over = False

        async def keep_asking() -> None:
            nonlocal asked
            async with roads.client() as client:
                while not is_over:
                    try:
                        await client.table([PLAZA, HARBOUR])
                    except RoadsUnavailable as error:
                        failed.append(error)
                    asked += 1
                    await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_asking())
            tasks.create_task(keep_asking())
            for kmh in (10, 40, 12):
                await roads.desk.publish(NOW, everywhere(kmh))
                lasts_s = await roads.seconds()
                assert (lasts_s > 2 * plain_s) == (kmh < 20)
            assert await roads.seconds(PLAIN) == plain_s
            await roads.desk.drop(NOW)
            assert await roads.seconds() == plain_s
            is_over = True
        assert not failed
        assert asked > 20

    with roads_process(tmp_path) as roads:
        asyncio.run(ask(roads))
        assert len(roads.engines()) == 2


def test_a_killed_engine_comes_back_and_a_killed_process_leaves_none(tmp_path: Path) -> None:
    with roads_process(tmp_path) as roads:
        asyncio.run(roads.desk.publish(NOW, everywhere(10)))
        slow_s = asyncio.run(roads.seconds())
        before = roads.engines()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(roads.engines()) - set(before)) == 2)
        until(lambda: answers(roads))
        assert asyncio.run(roads.seconds()) == slow_s
        left = roads.engines()
        roads.stop(signal.SIGKILL)
        until(lambda: not any(psutil.pid_exists(pid) for pid in left))
        roads.start()
        assert asyncio.run(roads.seconds()) == slow_s


def test_speeds_that_a_power_cut_damaged_are_made_anew_or_forgotten(tmp_path: Path) -> None:
    def cut() -> None:
        roads.stop(signal.SIGKILL)
        (made,) = (one for one in (tmp_path / "roads").glob("now.*") if one.is_dir())
        for file in made.glob("*.geometry"):
            file.write_bytes(b"")
        roads.start()

    with roads_process(tmp_path) as roads:
        plain_s = asyncio.run(roads.seconds())
        asyncio.run(roads.desk.publish(NOW, everywhere(10)))
        slow_s = asyncio.run(roads.seconds())
        cut()
        until(lambda: answers(roads) and asyncio.run(roads.seconds()) == slow_s)
        (tmp_path / "roads" / "now.csv").unlink()
        cut()
        until(lambda: answers(roads) and asyncio.run(roads.seconds()) == plain_s)


def test_speeds_that_cannot_be_read_leave_the_old_ones_in_force(tmp_path: Path) -> None:
    with roads_process(tmp_path) as roads:
        plain_s = asyncio.run(roads.seconds())
        with pytest.raises(RoadsUnavailable, match="the old speeds hold"):
            asyncio.run(roads.desk.publish(NOW, b"1,2,fast\n"))
        with pytest.raises(RoadsUnavailable, match="no name"):
            asyncio.run(roads.desk.publish("plain", b""))
        assert asyncio.run(roads.seconds()) == plain_s
    with pytest.raises(RoadsUnavailable, match="cannot be told"):
        asyncio.run(roads.desk.publish(NOW, b""))


def answers(roads: Roads) -> bool:
    try:
        asyncio.run(roads.seconds())
    except RoadsUnavailable:
        return False
    return True
