import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from sim.api import Api, RefusedError, UnreachableError, connect, rfc3339, seconds_of

NOT_HOME = b'{"title":"Conflict","detail":"already delivered"}'


class Server:
    """Answers each request with the next of its answers, the last one for ever."""

    def __init__(self, *answers: tuple[int, bytes] | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        self.requests.append(head + await reader.readexactly(length))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            status, body = answer
            writer.write(
                f"HTTP/1.1 {status} x\r\nconnection: close\r\n"
                f"content-length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        writer.close()


@asynccontextmanager
async def api_of(server: Server) -> AsyncIterator[Api]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with connect(f"http://127.0.0.1:{port}") as client:
            yield Api(client, "secret-token")
    finally:
        listening.close()


def talk[T](server: Server, words: Callable[[Api], Awaitable[T]]) -> T:
    async def conversation() -> T:
        async with api_of(server) as api:
            return await words(api)

    return asyncio.run(conversation())


def test_a_call_is_repeated_until_it_is_answered() -> None:
    server = Server((503, b"starting"), None, (200, b'{"state":"done"}'))
    answer = talk(server, lambda api: api.post("stops/s1/arrive", {"at": "now"}))
    assert answer == {"state": "done"}
    assert len(server.requests) == 3
    assert len(set(server.requests)) == 1, "each time the very same call"


def test_a_call_carries_token_and_body() -> None:
    server = Server((200, b"{}"))
    talk(server, lambda api: api.post("parcels/p1/load", {"at": "now"}))
    assert b"POST /api/v1/parcels/p1/load" in server.requests[0]
    assert b"Bearer secret-token" in server.requests[0]
    assert server.requests[0].endswith(b'{"at":"now"}')


def test_a_no_is_a_no() -> None:
    server = Server((409, NOT_HOME))
    with pytest.raises(RefusedError, match="POST stops/s1/outcome: 409 already delivered") as no:
        talk(server, lambda api: api.post("stops/s1/outcome"))
    assert no.value.status == 409
    assert len(server.requests) == 1


def test_patience_ends() -> None:
    server = Server((500, b"broken"))
    with pytest.raises(UnreachableError, match="500 broken"):
        talk(server, lambda api: api.call("GET", "clock", patience_s=0.5))


def test_health_tells_which_check_fails() -> None:
    sick = b'{"status":"degraded","checks":{"broker":"ok","roads":"not up yet"}}'
    is_healthy, reason = talk(Server((503, sick)), lambda api: api.is_healthy())
    assert not is_healthy
    assert reason == "roads: not up yet"
    assert talk(Server((200, b'{"status":"ok"}')), lambda api: api.is_healthy()) == (True, "")
    assert not talk(Server(None), lambda api: api.is_healthy())[0]


def test_instants_are_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_795_348_800.1239) == "2026-11-22T12:00:00.123Z"
    assert seconds_of("2026-11-22T12:00:00.125Z") == 1_795_348_800.125
