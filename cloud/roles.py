"""What each process of the cloud does."""

import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cloud
from cloud.foundation.errors import Conflict, Invalid
from cloud.foundation.files import private_folder
from cloud.foundation.forms import revision
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import Place, Tree, place_of
from cloud.foundation.ports import Ports, is_free, keep_ports, read_ports
from cloud.foundation.processes import claim, end_leftovers, forget, put_start_aside
from cloud.foundation.settings import Settings
from cloud.foundation.supervisor import SUPERVISED, Supervisor
from cloud.stages import (
    Serving,
    broker_command,
    environment,
    planner_command,
    roads_command,
    stages,
)

if TYPE_CHECKING:
    from cloud.foundation.broker import BrokerAccess
    from cloud.foundation.database import Database
    from cloud.tracking.ingest import InboxName
    from cloud.tracking.known import Register

_PLAIN: Final = Settings()
ROLES: Final = ("broker", "ingest", "roads", "planner", "quick_planner", "learner", "web")
_END_AFTER_PARENT_S: Final = 4.0
_LEARNER_NICE: Final = 10
_WEB_GRACE_S: Final = 2
_SWITCH_S: Final = 0.001
"""So long a thread of web computes before another may: requests and urgent orders go from one to
the next many times, and waited for up to five milliseconds each time."""
STALLED_S: Final = 60.0
_STREAM_LOOK_S: Final = 0.5
_MOST_SOCKET_BYTES: Final = 107


def run(role: str, serving: Serving) -> None:
    """Run one role, or ``all``, in this process until it is stopped.

    Raises:
        Conflict: another process has the role, or a port is taken.
        Unavailable: a part that is needed does not start.
    """
    data = serving.data
    _require_short(data)
    private_folder(data.root)
    is_stopping = _until_told()
    name = "supervisor" if role == "all" else role
    claim(data.running, name)
    try:
        if role == "all":
            _supervise(serving, is_stopping)
        else:
            _die_after_parent()
            _choose_ports(data, serving.settings, role)
            _RUNS[role](serving, is_stopping)
    finally:
        forget(data.running, name)


def _require_short(data: DataFolder) -> None:
    """A Unix socket's path has 107 bytes at the most; the planner's lies in the data folder."""
    length = len(os.fsencode(data.quick_planner_socket))
    if length > _MOST_SOCKET_BYTES:
        raise Invalid.field(
            "--data",
            f"{data.root} is {length - _MOST_SOCKET_BYTES} bytes too long for the planner's socket",
            "use a folder with a shorter path",
        )


def migrate(data: DataFolder, *names: Tree, settings: Settings = _PLAIN) -> None:
    """Bring the databases ``names`` to the form this version needs.

    Raises:
        Invalid: the fleet's own database cannot be used as it was made.
        Unavailable: it cannot be reached.
    """
    private_folder(data.root)
    places = {name: place_of(name, data, settings) for name in names}
    for name, place in places.items():
        if not is_current(place, name):
            _upgrade(name, place)


def _upgrade(name: Tree, place: Place) -> None:
    from cloud.foundation.database import Database, prepare
    from cloud.foundation.migrations import upgrade

    prepare(place)
    database = Database(place)
    try:
        upgrade(database, name)
    finally:
        database.close()


def is_current(place: Place, name: Tree) -> bool:
    """Whether a database has the newest form of the tree ``name`` already.

    Spares most starts the second that loading the migrations takes. A revision's file name begins
    with its number.

    Raises:
        Unavailable: it cannot be reached.
    """
    versions = Path(cloud.__file__).parent / "foundation" / "migrations" / name / "versions"
    newest = max((one.name.split("_")[0] for one in versions.glob("[0-9]*.py")), default="")
    return revision(place) == newest


def _choose_ports(data: DataFolder, settings: Settings, role: str) -> Ports:
    """The folder's ports; those on which ``role`` will listen are free."""
    broker = ("mqtt", "nats", "monitor") if settings.broker is None else ()
    needed = {"all": (*broker, "roads"), "broker": broker, "roads": ("roads",)}
    return keep_ports(
        data.ports,
        host=settings.embedded_broker.listen,
        needed=needed.get(role, ()),
        draw=secrets.choice,
        is_free=is_free,
    )


def _supervise(serving: Serving, is_stopping: Callable[[], bool]) -> None:
    import logging

    data, settings = serving.data, serving.settings
    left = end_leftovers(data.running, list(ROLES))
    log = logging.getLogger(__name__)
    if left:
        log.warning("ended what an earlier run left behind", extra={"parts": ",".join(left)})
    _require_free_port(serving)
    _choose_ports(data, settings, "all")
    migrate(data, "telemetry", "business", settings=settings)
    supervisor = Supervisor(
        stages(serving),
        folder=data.running,
        environment=environment(),
        is_stopping=is_stopping,
    )
    url = f"http://{serving.host}:{serving.port}"
    supervisor.run(lambda: log.info("serving", extra={"url": url, "data": data.root}))


def _require_free_port(serving: Serving) -> None:
    if not is_free(serving.host, serving.port):
        raise Conflict(
            f"port: {serving.port} on {serving.host} is taken by another program; "
            "stop it, or give another --port"
        )


def _run_broker(serving: Serving, _is_stopping: Callable[[], bool]) -> None:
    _become(broker_command(serving))


def _run_roads(serving: Serving, _is_stopping: Callable[[], bool]) -> None:
    os.environ.update(environment())
    _become(roads_command(serving.data))


def _run_planner(serving: Serving, _is_stopping: Callable[[], bool]) -> None:
    os.environ.update(environment())
    _become(planner_command(serving))


def _run_quick_planner(serving: Serving, _is_stopping: Callable[[], bool]) -> None:
    os.environ.update(environment())
    _become(planner_command(serving, is_quick=True))


def _run_learner(serving: Serving, _is_stopping: Callable[[], bool]) -> None:
    os.nice(_LEARNER_NICE)
    import asyncio

    from cloud.foundation.asking import listen
    from cloud.foundation.database import Database
    from cloud.roads.engine import engine_url
    from cloud.roads.keeper import plain_url
    from cloud.traffic.learner import Learner
    from cloud.traffic.questions import MAX_QUESTION_BYTES

    data, settings = serving.data, serving.settings
    otherwise = engine_url(settings.roads.url, read_ports(data.ports).roads)
    business = Database(place_of("business", data, settings))
    telemetry = Database(place_of("telemetry", data, settings))
    learner = Learner(
        business=business,
        telemetry=telemetry,
        city=data.city,
        folder=data.roads,
        engine=lambda: plain_url(data.roads, otherwise),
    )
    data.learner_socket.unlink(missing_ok=True)
    try:
        asyncio.run(
            listen("learner", data.learner_socket, learner.desk(), most_bytes=MAX_QUESTION_BYTES)
        )
    finally:
        data.learner_socket.unlink(missing_ok=True)
        business.close()
        telemetry.close()


def _run_ingest(serving: Serving, is_stopping: Callable[[], bool]) -> None:
    from cloud.foundation.broker import BrokerAccess
    from cloud.foundation.clock import clock_of
    from cloud.foundation.database import Database
    from cloud.tracking.carriers import VanCarriers
    from cloud.tracking.ingest import Ingest

    data = serving.data
    if not _is_supervised():
        migrate(data, "telemetry", settings=serving.settings)
    database = Database(place_of("telemetry", data, serving.settings))
    business = Database(place_of("business", data, serving.settings))
    broker = BrokerAccess(data, serving.settings)
    inbox = serving.settings.ingest.inbox
    carriers = VanCarriers(business, time.monotonic)
    kept, register = serving.settings.retention, register_of(business)

    def work(inbox: "InboxName", is_over: Callable[[], bool]) -> None:
        clock = clock_of(data.root)
        Ingest(data, database, broker, clock, inbox, carriers, kept, register).run(is_over)

    if inbox == "mqtt" and broker.stream_messages() is not None:
        _end_stream(broker, work, is_stopping)
    put_start_aside()
    work(inbox, is_stopping)
    database.close()
    business.close()


def _end_stream(
    broker: "BrokerAccess",
    work: "Callable[[InboxName, Callable[[], bool]], None]",
    is_stopping: Callable[[], bool],
) -> None:
    """Store what is left of the JetStream inbox, which is not wanted any more, and remove it."""
    import logging

    from nats.errors import Error as NatsError

    from cloud.tracking.jetstream import remove_stream

    log = logging.getLogger(__name__)
    log.info("reads what the stream still holds", extra={"messages": broker.stream_messages()})
    next_look_s = 0.0

    def is_over() -> bool:
        nonlocal next_look_s
        if time.monotonic() < next_look_s:
            return is_stopping()
        next_look_s = time.monotonic() + _STREAM_LOOK_S
        return is_stopping() or broker.stream_messages() == 0

    work("ending-jetstream", is_over)
    if broker.stream_messages() == 0:
        try:
            remove_stream(broker.stream_access())
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("the stream stays until the next start", extra={"reason": str(error)})


def register_of(business: "Database") -> "Callable[[], Register]":
    """Reads of the vans in the register what ingest has to know."""
    from cloud.fleet.store import vans_out_of_use
    from cloud.phones.store import vans_with_phones
    from cloud.tracking.known import Register

    def read() -> Register:
        with business.reading() as connection:
            return Register(vans_out_of_use(connection), vans_with_phones(connection))

    return read


def _run_web(serving: Serving, _is_stopping: Callable[[], bool]) -> None:
    import uvicorn

    from cloud.app import create_app

    sys.setswitchinterval(_SWITCH_S)
    if not _is_supervised():
        _require_free_port(serving)
        migrate(serving.data, "business", settings=serving.settings)
    config = uvicorn.Config(
        create_app(serving.data, serving.settings),
        host=serving.host,
        port=serving.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_WEB_GRACE_S,
        server_header=False,
    )
    listening = config.bind_socket()
    drop_stalled(listening, STALLED_S)
    put_start_aside()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()


def drop_stalled(listening: socket.socket, after_s: float) -> None:
    """End each connection whose other side takes nothing of what waits for it for ``after_s``.

    The system itself does it, whatever the connection is for; without it one that stalls lives as
    long as its other side's machine.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(after_s * 1000))


_RUNS: Final[dict[str, Callable[[Serving, Callable[[], bool]], None]]] = {
    "broker": _run_broker,
    "ingest": _run_ingest,
    "roads": _run_roads,
    "planner": _run_planner,
    "quick_planner": _run_quick_planner,
    "learner": _run_learner,
    "web": _run_web,
}


def _become(command: list[str]) -> None:
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606 - our own program, no shell


def _until_told() -> Callable[[], bool]:
    """Whether SIGTERM or SIGINT has come; a flag and nothing more, as a handler may set it."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: told.append(number))
    return lambda: bool(told)


def _is_supervised() -> bool:
    """Whether the supervisor has started this process, and has migrated before that."""
    return SUPERVISED in os.environ


def _die_after_parent() -> None:
    """A supervised process that has not ended itself in time after its supervisor is ended hard."""
    supervisor = os.environ.get(SUPERVISED)
    if supervisor is None:
        return

    def watch() -> None:
        while os.getppid() == int(supervisor):
            time.sleep(0.5)
        time.sleep(_END_AFTER_PARENT_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
