"""One question and one answer, a line each, over the Unix socket of another process here.

Who closes the connection ends the work on its question.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

_HEAR_OUT_S: Final = 2.0

type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


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


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes) -> None:
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


async def listen(name: str, socket: Path, serve: Serve, *, most_bytes: int) -> None:
    """Serve connections on ``socket``, which is this user's alone, until SIGTERM or SIGINT.

    Args:
        name: of the process, for its log.
        socket: is not there yet.
        serve: one connection.
        most_bytes: a question may have.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    old_mask = os.umask(0o177)
    server = await asyncio.start_unix_server(serve, socket, limit=most_bytes)
    os.umask(old_mask)
    _log.info("%s listens", name)
    await ended.wait()
    server.close()
