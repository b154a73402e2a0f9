"""A real embedded broker for a test: its own data folder, ports and users, ended with the test."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cloud.foundation.broker import BrokerAccess, GatewayCredential
from cloud.foundation.files import private_folder
from cloud.foundation.layout import DataFolder
from cloud.foundation.ports import is_free, keep_ports, read_ports
from cloud.foundation.probes import http_get, tcp_answers
from cloud.foundation.processes import forget, record, running_of
from cloud.foundation.settings import Settings

_EVERYTHING = "acc=FLEET&streams=1&consumers=1&config=1"


class EmbeddedBroker:
    """The broker of ``data``, started, killed and started again as a test needs it."""

    def __init__(self, data: DataFolder) -> None:
        self.data = data
        self.settings = Settings()
        private_folder(data.root)
        private_folder(data.running)
        keep_ports(
            data.ports,
            host="127.0.0.1",
            needed=("mqtt", "nats", "monitor"),
            draw=secrets.choice,
            is_free=is_free,
        )
        self.access = BrokerAccess(data, self.settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Where it speaks MQTT, on 127.0.0.1."""
        return self.access.address().port

    def connections(self) -> int:
        """How many clients are connected, as the broker sees it."""
        answer = http_get("127.0.0.1", read_ports(self.data.ports).monitor, "/connz")
        assert answer is not None, "the broker tells nothing"
        return int(msgspec.json.decode(answer[1], type=dict[str, Any])["num_connections"])

    def admit(self, *vans: str, tenant: str = "main") -> list[GatewayCredential]:
        """Let new gateways of these vans in, and nobody else; works while it runs, too."""
        credentials = [self.access.new_credential(tenant, van) for van in vans]
        self.admit_exactly(credentials)
        return credentials

    def admit_exactly(self, credentials: Iterable[GatewayCredential]) -> None:
        """Let these gateways in and nobody else."""
        assert self.access.set_gateways(credentials) is None

    def forget_quietly(self, van: str) -> None:
        """Take ``van`` out of the register without telling the broker."""
        users = self.access._users()
        kept = tuple(one for one in users.gateways if one.van != van)
        self.access._write_users(msgspec.structs.replace(users, gateways=kept))

    def start(self) -> None:
        """Start it and return when it speaks MQTT."""
        self._process = subprocess.Popen(self.access.prepare())
        running = running_of(self._process.pid)
        assert running is not None
        record(self.data.running, "broker", running)
        wait_for(lambda: tcp_answers("127.0.0.1", self.port), "the broker to listen")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it cleanly."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(10)
            self._process = None
            forget(self.data.running, "broker")


@contextmanager
def embedded_broker(root: Path) -> Iterator[EmbeddedBroker]:
    """A started broker with its data below ``root``."""
    broker = EmbeddedBroker(DataFolder(root))
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def wait_for(condition: Callable[[], bool], what: str, within_s: float = 60.0) -> None:
    """Return when ``condition()`` holds.

    Raises:
        AssertionError: it does not hold in time; says what was waited for.
    """

    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_s} s for {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Held:
    """What the embedded broker has on its disk.

    Attributes:
        retained: how many retained messages. sessions: how many lasting sessions.
        queues: filter of each subscription that keeps messages for a client, as a subject.
    """

    retained: int
    sessions: int
    queues: tuple[str, ...]


def held_by(data: DataFolder) -> Held:
    """What the running broker of ``data`` holds for its clients, as it tells itself."""
    answer = http_get("127.0.0.1", read_ports(data.ports).monitor, f"/jsz?{_EVERYTHING}")
    assert answer is not None, "the broker tells nothing"
    (account,) = msgspec.json.decode(answer[1], type=dict[str, Any])["account_details"]
    streams = {one["name"]: one for one in account["stream_detail"]}
    queues = streams["$MQTT_msgs"].get("consumer_detail", [])
    return Held(
        retained=streams["$MQTT_rmsgs"]["state"]["messages"],
        sessions=streams["$MQTT_sess"]["state"]["messages"],
        queues=tuple(
            sorted(one["config"]["filter_subject"].removeprefix("$MQTT.msgs.") for one in queues)
        ),
    )
