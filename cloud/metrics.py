"""What a monitoring system reads: `Prometheus <https://prometheus.io>`_ text at ``/metrics``.

Numbers of the whole installation, without a tenant's, a van's or a person's name. What is counted
in web stands in its registry; everything else is looked up when somebody asks.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import psutil
from fastapi import APIRouter, Depends, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from cloud.foundation.database import Database
from cloud.foundation.identity import Caller, Gate
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import waiting_by_consumer
from cloud.foundation.ports import read_ports
from cloud.foundation.probes import http_get
from cloud.foundation.processes import find_running
from cloud.health import Checks
from cloud.tracking.status import read_status

_ROLES: Final = (
    *("supervisor", "broker", "ingest", "roads", "planner", "quick_planner", "learner", "web"),
)


class Processes(Collector):
    """Processor time and memory of every part, as the system tells it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """One look at each part that runs."""
        cpu = CounterMetricFamily(
            "roundsman_process_cpu_seconds", "Processor time of a part.", labels=["role"]
        )
        memory = GaugeMetricFamily(
            "roundsman_process_resident_bytes", "Memory of a part.", labels=["role"]
        )
        started = GaugeMetricFamily(
            "roundsman_process_start_time_seconds", "When a part was started.", labels=["role"]
        )
        for role in _ROLES:
            running = find_running(self._folder, role)
            if running is None:
                continue
            try:
                process = psutil.Process(running.pid)
                times, resident = process.cpu_times(), process.memory_info().rss
            except psutil.Error:
                continue
            cpu.add_metric([role], times.user + times.system)
            memory.add_metric([role], resident)
            started.add_metric([role], running.started)
        yield from (cpu, memory, started)


class Disk(Collector):
    """Room on the data folder's disk, and what the databases take of it."""

    def __init__(self, data: DataFolder) -> None:
        self._data = data

    def collect(self) -> Iterator[Metric]:
        """One look."""
        usage = shutil.disk_usage(self._data.root)
        yield GaugeMetricFamily("roundsman_disk_free_bytes", "Room left.", value=usage.free)
        yield GaugeMetricFamily("roundsman_disk_bytes", "The whole disk.", value=usage.total)
        files = GaugeMetricFamily(
            "roundsman_database_bytes", "Size of a database's files.", labels=["database"]
        )
        for path in (self._data.telemetry, self._data.business):
            parts = (path, path.with_name(f"{path.name}-wal"))
            size = sum(part.stat().st_size for part in parts if part.exists())
            if size:
                files.add_metric([path.stem], size)
        yield files


class OutboxBacklog(Collector):
    """Domain events that a consumer has not taken yet."""

    def __init__(self, business: Database) -> None:
        self._business = business

    def collect(self) -> Iterator[Metric]:
        """One query; nothing is told while the database fails, which its part's state says."""
        waiting = GaugeMetricFamily(
            "roundsman_outbox_waiting", "Events a consumer has still to take.", labels=["consumer"]
        )
        try:
            with self._business.reading() as connection:
                for consumer, count in waiting_by_consumer(connection).items():
                    waiting.add_metric([consumer], count)
        except SQLAlchemyError:
            return
        yield waiting


class IngestWord(Collector):
    """What ingest, a process of its own, last said of itself."""

    def __init__(self, data: DataFolder) -> None:
        self._data = data

    def collect(self) -> Iterator[Metric]:
        """Nothing before its first word."""
        status = read_status(self._data)
        if status is None:
            return
        yield CounterMetricFamily(
            "roundsman_ingest_fixes", "Fixes committed since ingest started.", value=status.fixes
        )
        yield CounterMetricFamily(
            "roundsman_ingest_set_aside", "Messages set aside since then.", value=status.set_aside
        )
        yield GaugeMetricFamily(
            "roundsman_ingest_said_time_seconds", "When ingest last said so.", value=status.at_s
        )


class BrokerWord(Collector):
    """What the broker that comes along says of itself."""

    def __init__(self, data: DataFolder) -> None:
        self._data = data

    def collect(self) -> Iterator[Metric]:
        """Nothing while it does not answer."""
        told = _varz(read_ports(self._data.ports).monitor)
        if told is None:
            return
        yield GaugeMetricFamily(
            "roundsman_broker_connections", "Clients connected.", value=told.connections
        )
        yield CounterMetricFamily(
            "roundsman_broker_messages_in", "Messages that came.", value=told.in_msgs
        )
        yield CounterMetricFamily(
            "roundsman_broker_messages_out", "Messages that went.", value=told.out_msgs
        )
        yield CounterMetricFamily(
            "roundsman_broker_slow_consumers", "Clients cut off as too slow.",
            value=told.slow_consumers,
        )  # fmt: skip


class _Varz(msgspec.Struct, frozen=True):
    """The server's ``/varz``, as far as it is of interest."""

    connections: int = 0
    in_msgs: int = 0
    out_msgs: int = 0
    slow_consumers: int = 0


def _varz(port: int) -> _Varz | None:
    answer = http_get("127.0.0.1", port, "/varz")
    try:
        return None if answer is None else msgspec.json.decode(answer[1], type=_Varz)
    except msgspec.DecodeError:
        return None


def collectors(data: DataFolder, business: Database, *, has_broker: bool) -> list[Collector]:
    """All that is looked up when somebody asks."""
    found = [Processes(data.running), Disk(data), OutboxBacklog(business), IngestWord(data)]
    return [*found, BrokerWord(data)] if has_broker else list(found)


def _parts(answers: dict[str, str]) -> Metric:
    up = GaugeMetricFamily("roundsman_part_up", "1 while a part does its work.", labels=["part"])
    for part, answer in answers.items():
        up.add_metric([part], 1.0 if answer == "ok" else 0.0)
    return up


class _Once(Collector):
    """One metric that is known already."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        """It."""
        return (self._metric,)


def routes(registry: CollectorRegistry, checks: Checks, gate: Gate) -> APIRouter:
    """The numbers, for an administrator's or an integrator's token."""
    router = APIRouter(tags=["service"])
    reader = Annotated[Caller, Depends(gate.roles("integrator"))]
    described: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
    }

    @router.get("/metrics", response_class=Response, responses=described)
    async def metrics(_: reader) -> Response:
        """Prometheus text, version 0.0.4."""
        parts = CollectorRegistry()
        parts.register(_Once(_parts(await checks.run())))
        told = await run_in_threadpool(generate_latest, registry)
        return Response(told + generate_latest(parts), media_type=CONTENT_TYPE_LATEST)

    return router
