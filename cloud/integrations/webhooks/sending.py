"""Posting to an address that somebody else has chosen, without being led astray.

A name is resolved once for each delivery, every address that it has is looked at, and the
connection goes to one that was looked at: a name that means another address a moment later
(DNS rebinding) changes nothing. Host and SNI stay as the URL says. Redirects are not followed, and
nothing but the head of the answer is read.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpcore
import httpx

from cloud.integrations.webhooks.addresses import Network, parse_address
from cloud.integrations.webhooks.model import Outcome

_WITHIN_S: Final = 15.0
"""For everything, from the name to the head of the answer."""
_CONNECT_S: Final = 5.0
_MOST_ADDRESSES: Final = 3
"""Of one name that are tried, one after the other."""
_RESOLVERS: Final = 16
_MAX_CONNECTIONS: Final = 1_000

type Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, each as text."""


class Refused(Exception):
    """Nothing is sent there; says why."""


class SystemResolver:
    """Asks the system for the addresses of a name, in threads of its own.

    A name server that does not answer holds up its own webhooks and no other work of the process.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of ``host``.

        Raises:
            OSError: it has none, or nobody tells.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _addresses, host, port)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Wait for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked at, and to no other."""

    def __init__(self, resolve: Resolve, allowed: tuple[Network, ...], *, only: bool) -> None:
        self._resolve = resolve
        self._allowed = allowed
        self._only = only
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to ``host``, or a refusal."""
        problem: Exception = Refused(f"{host[:200]} has no address")
        for address in (await self._looked_at(host, port))[:_MOST_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise Refused("is no address on a network")

    async def sleep(self, seconds: float) -> None:
        """As the library asks."""
        await asyncio.sleep(seconds)

    async def _looked_at(self, host: str, port: int) -> list[str]:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host[:200]} has no address: {error}") from error
        for one in found:
            address = parse_address(one)
            if address is None:
                raise Refused(f"{host[:200]} leads to what is no address")
            if self._only and not address.is_allowed(self._allowed):
                raise Refused(f"leads to {one}, where nothing is sent that is not encrypted")
            problem = address.problem(self._allowed)
            if problem is not None:
                raise Refused(problem)
        return found


class Sender:
    """Posts one body at a time; for use by one event loop."""

    def __init__(
        self,
        resolve: Resolve,
        allowed: tuple[Network, ...],
        *,
        trust: ssl.SSLContext | None = None,
        within_s: float = _WITHIN_S,
    ) -> None:
        self._within_s = within_s
        context = httpx.create_ssl_context() if trust is None else trust
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=_MAX_CONNECTIONS,
                max_keepalive_connections=0,
                network_backend=_Guarded(resolve, allowed, only=scheme == "http"),
            )
            for scheme in ("https", "http")
        }

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        """Post ``body`` and tell what the answer's head says; raises nothing."""
        steps = {"connect": _CONNECT_S, "read": self._within_s, "write": self._within_s}
        try:
            async with (
                asyncio.timeout(self._within_s),
                self._pools[url.partition(":")[0]].stream(
                    "POST",
                    url,
                    headers=list(headers.items()),
                    content=body,
                    extensions={"timeout": steps | {"pool": self._within_s}},
                ) as answer,
            ):
                return _outcome(answer.status, answer.headers)
        except Refused as error:
            return Outcome(error=str(error))
        except (TimeoutError, httpcore.TimeoutException):
            return Outcome(error=f"has not answered within {self._within_s:.0f} s")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as error:
            return Outcome(error=f"{type(error).__name__}: {error}"[:300])

    async def close(self) -> None:
        """End every connection."""
        for pool in self._pools.values():
            await pool.aclose()


def _outcome(status: int, headers: list[tuple[bytes, bytes]]) -> Outcome:
    if 200 <= status < 300:
        return Outcome(status=status)
    error = f"answered {status}"
    if 300 <= status < 400:
        error += "; redirects are not followed"
    told = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    retry_after_s = float(told) if told.isdigit() and len(told) < 10 else None
    return Outcome(status=status, error=error, retry_after_s=retry_after_s)
