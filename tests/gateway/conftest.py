"""Real parts, started for a test and ended after it, by their pids."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.rig import Broker, Cloud, Line, Receiver, Van


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def cloud(tmp_path: Path, broker: Broker) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path / "cloud.db", broker.port)
    yield cloud
    cloud.stop()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "receiver")
    yield line
    line.unplug()


@pytest.fixture
def receiver(line: Line) -> Iterator[Receiver]:
    receiver = Receiver(line)
    yield receiver
    receiver.stop()


@pytest.fixture
def van(tmp_path: Path, broker: Broker, line: Line) -> Iterator[Van]:
    van = Van(tmp_path / "van", broker.port, f'kind = "serial"\ndevice = "{line.device}"')
    yield van
    van.kill()
