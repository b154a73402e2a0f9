"""One question and one answer, a line each, over the Unix socket of another process here.

Who closes the connection ends the work on its question.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

_log = logging.getLogger(__name__)

_READ_S: Final = 30.0
_HEAR_OUT_S: Final = 2.0


async def ask(socket: Path, said: bytes, *, most_bytes: int) -> bytes:
    """The line that a process answers to the line ``said``.

    Args:
        socket: where it listens.
        said: the question, with its line feed.
        most_bytes: an answer may have.

    Raises:
        OSError: nobody listens, or the process closed before its answer.
        ValueError: the answer is longer.
    """
    reader, writer = await asyncio.open_unix_connection(socket, limit=most_bytes)
    try:
        writer.write(said)
        await writer.drain()
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("it closed the connection")
        return line
    finally:
        await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close at once: waiting for unsent bytes could outlast any time limit."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


class Desk[Q, A]:
    """Answers one question of each connection; who leaves before its answer ends the work on it.

    Args:
        asked: what a line says.
        answer: a question; it is cancelled when nobody waits for it any more.
        refused: the answer that says why a line is no question. busy: the one that asks to come
            again. most_held: so many questions are answered or wait before that is said.
    """

    def __init__(
        self,
        asked: Callable[[bytes], Q],
        answer: Callable[[Q], Coroutine[None, None, A]],
        *,
        refused: Callable[[str], A],
        busy: Callable[[str], A],
        most_held: int,
    ) -> None:
        self._asked = asked
        self._answer = answer
        self._refused = refused
        self._busy = busy
        self._most_held = most_held
        self._held = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: read a question, answer it."""
        try:
            answer = await self._hear(reader)
            if answer is not None:
                await _say(reader, writer, msgspec.json.encode(answer) + b"\n")
        except ConnectionError:
            _log.debug("who asked left before the answer")
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _hear(self, reader: asyncio.StreamReader) -> A | None:
        """The answer to what comes; None when nothing does, or nobody waits for it any more."""
        try:
            async with asyncio.timeout(_READ_S):
                line = await reader.readline()
            if not line:
                return None
            question = self._asked(line)
        except TimeoutError:
            reason = f"question: no whole line within {_READ_S:g} s; send it at once"
            return self._refused(reason)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            reason = f"question: {error}; send one as one JSON line"
            return self._refused(reason)
        if self._held >= self._most_held:
            reason = f"{self._held} questions wait already; try again later"
            return self._busy(reason)
        self._held += 1
        try:
            return await self._answer_or_leave(question, reader)
        finally:
            self._held -= 1

    async def _answer_or_leave(self, question: Q, reader: asyncio.StreamReader) -> A | None:
        answering = asyncio.create_task(self._answer(question), name="answer")
        leaving = asyncio.create_task(reader.read(1), name="who asked leaves")
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return answering.result() if answering.done() else None
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.wait({answering, leaving})


async def in_thread[T](work: Callable[[], T], cancelled: Callable[[], None] = lambda: None) -> T:
    """What ``work`` gives; who is cancelled meanwhile goes on when that has ended.

    Args:
        work: done in a thread, which cannot be ended from outside.
        cancelled: tells it that nobody waits for it any more.

    Raises:
        asyncio.CancelledError: after that.
    """
    doing = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        cancelled()
        await asyncio.wait({doing})
        doing.exception()  # nobody is left to hear of it
        raise


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes) -> None:
    """Say a line to who asked, and read on until it closes: closing on unread bytes would take it.

    Raises:
        ConnectionError: it has left.
    """
    writer.write(said)
    await writer.drain()
    with suppress(TimeoutError):
        async with asyncio.timeout(_HEAR_OUT_S):
            while await reader.read(65_536):
                pass


async def listen[Q, A](name: str, socket: Path, desk: Desk[Q, A], *, most_bytes: int) -> None:
    """Serve connections on ``socket``, which is this user's alone, until SIGTERM or SIGINT.

    Args:
        name: of the process, for its log.
        socket: is not there yet.
        desk: answers.
        most_bytes: a question may have.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    old_mask = os.umask(0o177)
    server = await asyncio.start_unix_server(desk.serve, socket, limit=most_bytes)
    os.umask(old_mask)
    _log.info("%s listens", name)
    await ended.wait()
    server.close()
