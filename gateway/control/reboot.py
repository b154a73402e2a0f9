"""Restarting the computer on request: promised first, answered next, asked for last, done once.

The gateway has no right to restart anything. It puts a request into its folder below ``/run``,
which a unit of the system's own waits for; that folder is empty after every boot.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from gateway.control.kept import KeptFile
from wire.commands import CommandError

logger = logging.getLogger(__name__)

REQUEST: Final = "reboot-requested"
ANSWER_WAIT_S: Final = 30.0
"""How long a reboot waits for its answer to be told; the answer is told after it otherwise."""
GIVE_UP_S: Final = 180.0

type Move = Literal["wait", "ask", "forget"]


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A reboot to be done for a command, in the boot of the computer that took it."""

    command: str
    boot_id: str


def next_move(
    promise: Promise, boot_id: str, *, is_taken: bool, is_told: bool, waited_s: float
) -> Move:
    """What to do about a promise, ``waited_s`` after it was made or found.

    One of an earlier boot is kept by now, and one whose command is not taken was never made. One
    that nobody acts on is given up.
    """
    if promise.boot_id != boot_id or not is_taken or waited_s > GIVE_UP_S:
        return "forget"
    return "ask" if is_told or waited_s > ANSWER_WAIT_S else "wait"


class Reboots:
    """The promise on disk.

    Args:
        path: of the promise. runtime: the folder below ``/run``; None without one.
        boot_id: of this boot of the computer; empty when it is not known.
        now_s: of the monotonic clock.
    """

    def __init__(self, path: Path, runtime: Path | None, boot_id: str, now_s: float) -> None:
        self._file = KeptFile(path, Promise)
        self._promise = self._file.read()
        self._since_s = now_s
        self._now_s = now_s
        self._boot_id = boot_id
        self._runtime = runtime
        self._is_asked = False

    def promise(self, command: str) -> None:
        """Remember that ``command`` shall restart the computer.

        Raises:
            CommandError: nothing here would act on the request.
            OSError: the medium takes nothing.
        """
        if self._runtime is None or not self._boot_id:
            raise CommandError(
                "name",
                "this gateway cannot restart its computer",
                "run it as the service roundsman-gateway with roundsman-reboot.path enabled",
            )
        promise = Promise(command=command, boot_id=self._boot_id)
        self._file.write(promise)
        self._promise, self._since_s, self._is_asked = promise, self._now_s, False

    def step(
        self, now_s: float, is_taken: Callable[[str], bool], is_told: Callable[[str], bool]
    ) -> None:
        """Ask for the reboot when its time has come."""
        self._now_s = now_s
        if self._promise is None:
            return
        command = self._promise.command
        move = next_move(
            self._promise,
            self._boot_id,
            is_taken=is_taken(command),
            is_told=is_told(command),
            waited_s=now_s - self._since_s,
        )
        try:
            self._make(move)
        except OSError as error:
            logger.warning("a reboot cannot be asked for", extra={"problem": str(error)})

    def _make(self, move: Move) -> None:
        if move == "forget":
            if self._is_asked:
                logger.error("nobody restarts the computer; is roundsman-reboot.path enabled?")
            self._file.forget()
            self._promise = None
        elif move == "ask" and not self._is_asked and self._runtime is not None:
            logger.warning("asking for a restart of the computer")
            (self._runtime / REQUEST).touch()
            self._is_asked = True


def boot_id() -> str:
    """Of this boot of the computer; empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
