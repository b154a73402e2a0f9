"""The parts of the cloud: how each is started, in which order, and when it is up."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cloud
from cloud.foundation.errors import Unavailable
from cloud.foundation.layout import DataFolder
from cloud.foundation.ports import Ports, read_ports
from cloud.foundation.probes import http_get, socket_answers, tcp_answers
from cloud.foundation.settings import Settings
from cloud.foundation.supervisor import Part

_VITAL_WITHIN_S: Final = 90.0
"""A small and busy machine takes its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a start was asked for. ``host`` and ``port`` are where web listens."""

    data: DataFolder
    settings: Settings
    host: str
    port: int


def stages(serving: Serving) -> list[list[Part]]:
    """The broker first; the rest needs it, and does without each other while they start."""
    data = serving.data
    ports = read_ports(data.ports)
    broker = Part(
        name="broker",
        command=lambda: broker_command(serving),
        is_ready=lambda: _broker_is_ready(ports),
        is_vital=True,
        death_signal=signal.SIGKILL,  # it keeps what it acknowledged over that, too
    )
    ingest = Part(
        name="ingest",
        command=lambda: _own_command(serving, "ingest"),
        is_ready=_IngestIsReady(data),
        is_vital=serving.settings.broker is None,  # the fleet's own may be away for a while
        ready_within_s=_VITAL_WITHIN_S if serving.settings.broker is None else 10.0,
    )
    roads = Part(
        name="roads",
        command=lambda: roads_command(data),
        is_ready=lambda: http_get("127.0.0.1", ports.roads, "/nearest/v1/driving/0,0") is not None,
        is_vital=False,
        death_signal=signal.SIGKILL,
    )
    planner = Part(
        name="planner",
        command=lambda: planner_command(serving),
        is_ready=lambda: socket_answers(data.planner_socket),
        is_vital=False,
        death_signal=signal.SIGKILL,
    )
    quick_planner = Part(
        name="quick_planner",
        command=lambda: planner_command(serving, is_quick=True),
        is_ready=lambda: socket_answers(data.quick_planner_socket),
        is_vital=False,
        death_signal=signal.SIGKILL,
    )
    learner = Part(
        name="learner",
        command=lambda: _own_command(serving, "learner"),
        is_ready=lambda: socket_answers(data.learner_socket),
        is_vital=False,
        death_signal=signal.SIGKILL,
    )
    web = Part(
        name="web",
        command=lambda: _own_command(serving, "web"),
        is_ready=lambda: http_get(_here(serving.host), serving.port, "/api/v1/health") is not None,
        is_vital=True,
        ready_within_s=_VITAL_WITHIN_S,
    )
    first = [broker] if serving.settings.broker is None else []
    own_roads = [roads] if serving.settings.roads.url is None else []
    return [first, [web, ingest, planner, quick_planner, learner, *own_roads]]


def _own_command(serving: Serving, role: str) -> list[str]:
    options = [f"--data={serving.data.root}", f"--host={serving.host}", f"--port={serving.port}"]
    return [sys.executable, "-m", "cloud.cli", "serve", f"--role={role}", *options]


def broker_command(serving: Serving) -> list[str]:
    """Starts the broker, whose settings are written before."""
    from cloud.foundation.broker import BrokerAccess

    return BrokerAccess(serving.data, serving.settings).prepare()


def roads_command(data: DataFolder) -> list[str]:
    """Starts the keeper of the road engines.

    Raises:
        Unavailable: no city is imported.
    """
    from cloud.roads.generations import stamp
    from cloud.roads.model import CityError

    try:
        stamp(data.city)
    except CityError as error:
        raise Unavailable(str(error)) from error
    options = [
        f"--city={data.city}",
        f"--folder={data.roads}",
        f"--port={read_ports(data.ports).roads}",
        f"--socket={data.roads_socket}",
    ]
    return [sys.executable, "-m", "cloud.roads.keeper", *options]


def planner_command(serving: Serving, *, is_quick: bool = False) -> list[str]:
    """Starts the planner that searches, or the one that decides at once."""
    from cloud.roads.engine import engine_url

    data = serving.data
    roads = engine_url(serving.settings.roads.url, read_ports(data.ports).roads)
    socket = data.quick_planner_socket if is_quick else data.planner_socket
    options = [f"--socket={socket}", f"--roads={roads}", *(["--is-quick"] if is_quick else [])]
    if serving.settings.roads.url is None:
        options.append(f"--roads-folder={data.roads}")
    return [sys.executable, "-m", "cloud.planning.worker", *options]


def environment() -> dict[str, str]:
    """Ours, with this very package found first, wherever we were started."""
    here = str(Path(cloud.__file__).parents[1])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _broker_is_ready(ports: Ports) -> bool:
    answer = http_get("127.0.0.1", ports.monitor, "/healthz")
    return answer is not None and answer[0] == 200 and tcp_answers("127.0.0.1", ports.mqtt)


class _IngestIsReady:
    """Whether the ingest that was started last has its subscriptions."""

    def __init__(self, data: DataFolder) -> None:
        from cloud.tracking.status import forget_status

        self._data = data
        forget_status(data)

    def __call__(self) -> bool:
        from cloud.tracking.status import read_status

        status = read_status(self._data)
        return status is not None and status.state == "ok"


def _here(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
