"""Processes of a data folder: who runs, known by pid and start time, and how they end together.

``DIR/run/<role>.json`` names each. A pid alone proves nothing, as numbers come again; with the
start time it does. Every child is the leader of a session of its own, so whatever it has started
is found by that session even after the child itself is gone.
"""

import ctypes
import fcntl
import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
import psutil

from cloud.foundation.errors import Conflict
from cloud.foundation.files import private_folder, put

_PR_SET_PDEATHSIG: Final = 1
_LOOKED_AT: Final = 10_000
"""New objects that stayed, after which the collector looks at them."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """One process, known beyond doubt. ``started``: seconds since 1970 as the system tells it."""

    pid: int
    started: float


def myself() -> Running:
    """This process."""
    return Running(pid=os.getpid(), started=psutil.Process().create_time())


def put_start_aside() -> None:
    """Have the garbage collector pass by what the start has made, and look more rarely at the rest.

    What the start has made stays to the end. Without this, each look at all objects held every
    thread of web up for 0.15 s.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_LOOKED_AT, 20, 20)


def running_of(pid: int) -> Running | None:
    """The process that has ``pid`` now; None when there is none, or only its corpse."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Running(pid=pid, started=process.create_time())
    except psutil.Error:
        return None


def is_alive(running: Running) -> bool:
    """Whether that very process still runs."""
    now = running_of(running.pid)
    return now is not None and abs(now.started - running.started) < 0.05


def find_running(folder: Path, role: str) -> Running | None:
    """Who runs as ``role`` by the records in ``folder``; None when nobody does."""
    recorded = _recorded(folder, role)
    return recorded if recorded is not None and is_alive(recorded) else None


def signal_running(running: Running, name: Literal["SIGHUP", "SIGTERM", "SIGKILL"]) -> None:
    """Send a signal to that very process, if it still runs."""
    if is_alive(running):
        try:
            os.kill(running.pid, signal.Signals[name])
        except ProcessLookupError:
            return


def record(folder: Path, role: str, running: Running) -> None:
    """Write down who runs as ``role``."""
    put(_file(folder, role), msgspec.json.encode(running), is_durable=False)


def forget(folder: Path, role: str) -> None:
    """Nobody runs as ``role`` any more."""
    _file(folder, role).unlink(missing_ok=True)


def claim(folder: Path, role: str) -> None:
    """Become ``role`` of this data folder.

    Raises:
        Conflict: a living process has it; tells its pid.
    """
    with _locked(folder):
        holder = find_running(folder, role)
        if holder is not None and holder.pid != os.getpid():
            raise Conflict(
                f"{role}: process {holder.pid} already serves {folder.parent}; stop it first, "
                "or give another --data"
            )
        record(folder, role, myself())


def end_leftovers(folder: Path, roles: list[str], within_s: float = 5.0) -> list[str]:
    """End what an earlier run has left behind in the sessions of ``roles``; tells which roles."""
    left: list[str] = []
    for role in roles:
        recorded = _recorded(folder, role)
        if recorded is not None and end_session(recorded, within_s):
            left.append(role)
        forget(folder, role)
    return left


def end_session(leader: Running, within_s: float) -> bool:
    """Stop the session that ``leader`` began: SIGTERM, then SIGKILL. Tells if anything ran.

    When the leader is gone the session keeps its number from being given to a stranger.
    """
    now = running_of(leader.pid)
    if now is not None and abs(now.started - leader.started) >= 0.05:
        return False
    members = _session_members(leader.pid)
    _signal_all(members, signal.SIGTERM)
    deadline = time.monotonic() + within_s
    while members and time.monotonic() < deadline:
        time.sleep(0.02)
        members = [one for one in members if is_alive(one)]
    if members:
        _signal_all(_session_members(leader.pid), signal.SIGKILL)
        _wait_gone(members, 2.0)
        return True
    return now is not None


def die_with_parent(parent_pid: int, death_signal: int) -> Callable[[], None]:
    """What a child does between fork and exec: ask for a signal when its parent dies."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)

    return prepare


def _session_members(session: int) -> list[Running]:
    members: list[Running] = []
    for pid in psutil.pids():
        try:
            belongs = os.getsid(pid) == session
        except (ProcessLookupError, PermissionError):
            continue
        one = running_of(pid) if belongs else None
        if one is not None and pid != os.getpid():
            members.append(one)
    return members


def _signal_all(members: list[Running], number: signal.Signals) -> None:
    for one in members:
        signal_running(one, "SIGTERM" if number is signal.SIGTERM else "SIGKILL")


def _wait_gone(members: list[Running], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while any(is_alive(one) for one in members) and time.monotonic() < deadline:
        time.sleep(0.02)


def _file(folder: Path, role: str) -> Path:
    return folder / f"{role}.json"


def _recorded(folder: Path, role: str) -> Running | None:
    try:
        return msgspec.json.decode(_file(folder, role).read_bytes(), type=Running)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    private_folder(folder)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
