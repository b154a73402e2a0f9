"""A TCP proxy between van and broker that delays, throttles, cuts, half-closes and goes silent.

What it holds back it holds without end, as the buffers of a cell do: the worst case for whoever
sends more than the link carries.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from gateway.uplink.traffic import Traffic, read
from tests.parts.ports import free_port

_CHUNK: Final = 1_400


class LinkProxy:
    """One port that leads to another, by a link that can be made bad at any moment.

    Attributes:
        delay_s: of each direction. bytes_a_second: of each direction; None is no bound.
        is_silent: takes everything and passes nothing on: a half-open link.
        connects_at_s: when each connection was accepted, by the monotonic clock.
    """

    def __init__(
        self, target: int, *, delay_s: float = 0.0, bytes_a_second: float | None = None
    ) -> None:
        self.port = free_port()
        self.delay_s = delay_s
        self.bytes_a_second = bytes_a_second
        self.is_silent = False
        self.connects_at_s: list[float] = []
        self._target = target
        self._cut_after: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._near: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link-proxy")
        self._thread.start()
        self.allow()

    def allow(self) -> None:
        """Take connections (again)."""
        self._call(self._listen)

    def refuse(self) -> None:
        """Take no more connections; those there are stay."""
        self._call(self._unlisten)

    def cut(self) -> None:
        """Reset every connection now, in the middle of whatever is under way."""
        self._call(self._reset)

    def cut_after(self, count: int) -> None:
        """Reset every connection when ``count`` more bytes have come from the van."""
        self._cut_after = count

    def half_close(self) -> None:
        """Tell the van, and not the broker, that the other end says no more."""
        self._call(self._send_ends)

    def heal(self) -> None:
        """The link is good again; connections that were silent are gone."""
        self._call(self._reset)
        self.is_silent = False

    def traffic(self) -> Traffic:
        """What the connections there are have cost so far, as the van's side counts it."""
        ends = [read(writer.get_extra_info("socket")) for writer in list(self._near)]
        told = sum((end.traffic for end in ends if end is not None), start=Traffic())
        return Traffic(
            sent_bytes=told.heard_bytes,
            heard_bytes=told.sent_bytes,
            sent_segments=told.heard_segments,
            heard_segments=told.sent_segments,
            header_bytes=told.header_bytes,
        )

    def stop(self) -> None:
        self._call(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Callable[[], object]) -> None:
        async def run() -> None:
            done = work()
            if asyncio.iscoroutine(done):
                await done

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _reset(self) -> None:
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                # Linger of zero seconds: the other end sees a reset, not an end.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()

    def _send_ends(self) -> None:
        for writer in self._near:
            if not writer.is_closing():
                writer.write_eof()

    async def _end(self) -> None:
        self._unlisten()
        self._reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects_at_s.append(time.monotonic())
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self._near.add(writer)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # one of the ends has gone, or the link was cut
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            self._near.discard(writer)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for each in (writer, far_writer):
            sock = each.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._writers.add(far_writer)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer, is_up=True))
                pumps.create_task(self._pump(far_reader, writer, is_up=False))
        except* OSError:
            pass
        finally:
            self._writers.discard(far_writer)
            far_writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool
    ) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        carrier = asyncio.create_task(self._carry(under_way, writer))
        free_at_s = 0.0
        try:
            while data := await reader.read(_CHUNK):
                if is_up:
                    self._count(len(data))
                if self.is_silent:
                    continue
                now_s = time.monotonic()
                free_at_s = max(free_at_s, now_s)
                if self.bytes_a_second is not None:
                    free_at_s += len(data) / self.bytes_a_second
                under_way.put_nowait((free_at_s + self.delay_s, data))
            under_way.put_nowait((time.monotonic() + self.delay_s, b""))
            await carrier
        finally:
            carrier.cancel()

    async def _carry(
        self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            at_s, data = await under_way.get()
            wait_s = at_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if self.is_silent:
                continue
            if not data:
                if not writer.is_closing():
                    writer.write_eof()
                return
            if not writer.is_closing():
                writer.write(data)

    def _count(self, size: int) -> None:
        if self._cut_after is None:
            return
        self._cut_after -= size
        if self._cut_after <= 0:
            self._cut_after = None
            self._reset()
