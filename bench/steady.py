"""A thousand vans at 1 Hz through the whole cloud: what it costs, how old a frame's fixes are.

Broker, ingest, web, planner and roads as `cloud serve` starts them; vans and the live stream's
clients are processes and sockets of their own. First with one client, then with 200 of which half
never read. Without other work on the machine the shares are of one core.
"""

import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import psutil

from bench.figure import Figure
from bench.steady_vans import Login, Task
from cloud import roles
from cloud.fleet import gateway_store
from cloud.fleet.gateway_access import GatewayAccess
from cloud.fleet.model import Depot, Vehicle
from cloud.fleet.service import Fleet
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.identity import Identity
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.ports import read_ports
from cloud.foundation.settings import Settings
from cloud.geofences import store as geofence_store
from tests.parts.served_cloud import ServedCloud, served_cloud

NAME: Final = "steady"
_VANS: Final = 1_000
_CLIENTS: Final = 200
_WARM_S: Final = 12.0
_MEASURED_S: Final = 30.0
_OURS: Final = ("supervisor", "ingest", "web", "planner", "quick_planner", "learner")
_MEGABYTE: Final = 1_000_000
_DEPOT: Final = Depot(
    tenant="main",
    id="depot-1",
    name="Depot",
    zone="America/Santiago",
    lat=-29.9,
    lon=-71.25,
    shift_start="08:00",
    shift_end="18:00",
)


def run() -> Iterator[Figure]:
    """Measure."""
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as name, ExitStack() as ending:
        root = Path(name)
        logins = _fleet(DataFolder(root))
        cloud = ending.enter_context(served_cloud(root, time.time()))  # noqa: TID251 - vans tell it
        vans = _vans(cloud, logins)
        ending.callback(vans.kill)
        yield from _one_client(cloud)
        yield from _many_clients(cloud)


def _fleet(data: DataFolder) -> list[Login]:
    """A fleet whose gateways the broker lets in at its start."""
    roles.migrate(data, "business", "telemetry")
    roles._choose_ports(data, Settings(), "all")  # noqa: SLF001 - as a start does
    broker, clock = BrokerAccess(data, Settings()), RealClock()
    with closing(Database(data.business)) as database:
        access = GatewayAccess(database, clock, broker, random_id)
        identity = Identity(database, clock, random_id)
        fleet = Fleet(database, clock, identity, access, geofence_store.ids)
        fleet.add_depot(_DEPOT)
        made = [broker.new_credential("main", f"van-{number}") for number in range(_VANS)]
        for one in made:
            fleet.add_vehicle(
                Vehicle(
                    tenant="main", id=one.van, name=one.van, depot_id="depot-1", capacity_parcels=9
                )
            )
        with database.writing() as connection:
            for one in made:
                gateway_store.put_gateway(connection, one, clock.now_s())
    return [
        Login(van=one.van, client_id=one.client_id, username=one.username, password=one.password)
        for one in made
    ]


def _vans(cloud: ServedCloud, logins: list[Login]) -> subprocess.Popen[str]:
    port = read_ports(DataFolder(cloud.root).ports).mqtt
    task = Task(port=port, seconds=600, vans=tuple(logins))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.steady_vans"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - pipes
    process.stdin.write(msgspec.json.encode(task).decode() + "\n")
    process.stdin.flush()
    if process.stdout.readline() != "ready\n":
        raise ChildProcessError("the vans could not connect")
    process.stdin.write("go\n")
    process.stdin.flush()
    return process


def _one_client(cloud: ServedCloud) -> Iterator[Figure]:
    client = Client(cloud)
    try:
        client.listen(_WARM_S)
        before = _cpu_s(cloud)
        client.ages_ms.clear()
        client.listen(_MEASURED_S)
        spent = {role: after - before[role] for role, after in _cpu_s(cloud).items()}
    finally:
        client.close()
    ours = sum(spent[role] for role in _OURS)
    yield Figure(
        bench=NAME, figure=f"our processes' share of a core, {_VANS} vans at 1 Hz",
        value=round(100 * ours / _MEASURED_S, 1), unit="%", goal=30,
    )  # fmt: skip
    for role in (*_OURS, "broker"):
        yield Figure(
            bench=NAME, figure=f"of it {role}" if role != "broker" else "the broker's beside it",
            value=round(100 * spent[role] / _MEASURED_S, 1), unit="%",
        )  # fmt: skip
    yield Figure(
        bench=NAME, figure=f"fix to frame, p99 of {len(client.ages_ms)}",
        value=round(_percentile(client.ages_ms, 99)), unit="ms", goal=500,
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="the same, median", value=round(_percentile(client.ages_ms, 50)),
        unit="ms",
    )  # fmt: skip


def _many_clients(cloud: ServedCloud) -> Iterator[Figure]:
    web = psutil.Process(cloud.part_pid("web"))
    before = web.memory_info().rss
    stalled = [_asked(cloud) for _ in range(_CLIENTS // 2)]
    readers = [Client(cloud) for _ in range(_CLIENTS // 2)]
    ending = threading.Event()
    drains = [
        threading.Thread(target=_drain, args=(readers[1:], ending), name="clients", daemon=True)
    ]
    try:
        for one in drains:
            one.start()
        readers[0].listen(_WARM_S)
        readers[0].ages_ms.clear()
        readers[0].listen(_MEASURED_S)
        grown = max(0, web.memory_info().rss - before)
    finally:
        ending.set()
        for one in drains:
            one.join()
        for link in (*stalled, *(one.link for one in readers)):
            link.close()
    yield Figure(
        bench=NAME, figure=f"memory of web grown by {_CLIENTS} clients, half of them stalled",
        value=round(grown / _MEGABYTE, 1), unit="MB", goal=20,
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure=f"fix to frame beside them, p99 of {len(readers[0].ages_ms)}",
        value=round(_percentile(readers[0].ages_ms, 99)), unit="ms", goal=1_000,
    )  # fmt: skip


@dataclass(slots=True)
class Client:
    """A client of the live stream that reads, and notes how old each fix is when it comes."""

    cloud: ServedCloud
    link: socket.socket = field(init=False)
    ages_ms: list[float] = field(default_factory=list)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        self.link = _asked(self.cloud)

    def listen(self, seconds: float) -> None:
        """Read for a while."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.link.settimeout(left_s)
            try:
                self._take(self.link.recv(1 << 20))
            except TimeoutError:
                return

    def close(self) -> None:
        """Go away."""
        self.link.close()

    def _take(self, data: bytes) -> None:
        now_ms = time.time_ns() / 1_000_000
        *frames, self._rest = (self._rest + data).split(b"\n\n")
        for frame in frames:
            if b"event: vans" not in frame:
                continue
            told = msgspec.json.decode(_data(frame))
            self.ages_ms += [now_ms - van[5] for van in told["vans"] if van[5] is not None]


def _data(frame: bytes) -> bytes:
    """The data of a frame, without what the transfer puts between its pieces."""
    line = frame[frame.index(b"data: ") + 6 :]
    return line[: line.rindex(b"}") + 1]


def _asked(cloud: ServedCloud) -> socket.socket:
    """A connection that has asked for the live stream, in HTTP 1.0: no pieces are marked in it."""
    host, port = cloud.url.removeprefix("http://").split(":")
    link = socket.create_connection((host, int(port)))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    token = cloud.admin.headers["authorization"]
    link.sendall(
        f"GET /api/v1/live HTTP/1.0\r\nHost: {host}\r\nAuthorization: {token}\r\n\r\n".encode()
    )
    return link


def _drain(clients: list[Client], ending: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.link.settimeout(0)
            selector.register(client.link, selectors.EVENT_READ)
        while not ending.is_set():
            for key, _ in selector.select(0.2):
                assert isinstance(key.fileobj, socket.socket)  # noqa: S101 - what was registered
                key.fileobj.recv(1 << 20)


def _cpu_s(cloud: ServedCloud) -> dict[str, float]:
    spent = {}
    for role in (*_OURS, "broker"):
        times = psutil.Process(cloud.part_pid(role)).cpu_times()
        spent[role] = times.user + times.system
    return spent


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
