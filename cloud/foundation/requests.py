"""Every request has an id, is counted, and stands in the log when somebody may ask about it."""

import logging
import re
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.foundation.logs import CONTEXT

log = logging.getLogger(__name__)

HEADER: Final = "X-Request-ID"
_ACCEPTABLE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS: Final = _READS | {"POST", "PUT", "PATCH", "DELETE"}
_SLOW_S: Final = 1.0
_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CANCELLED: Final = 499
"""What is counted where the client has gone before the answer began."""


class RequestCounts:
    """What is counted of requests; the route is its template, so that ids make no new series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answered = Counter(
            "roundsman_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "roundsman_http_request_seconds",
            "From a request to the end of its answer; event streams are left out.",
            ("route",),
            buckets=_BUCKETS_S,
            registry=registry,
        )


class Observed:
    """Around the application: gives each request an id, counts it, logs changes and trouble.

    An id that the client or a proxy has given is taken when it is a plain word. Reads that go well
    within a second are counted and not logged.
    """

    def __init__(self, app: ASGIApp, counts: RequestCounts, new_id: Callable[[str], str]) -> None:
        self._app = app
        self._counts = counts
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and look at what becomes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else self._new_id("req")
        status, is_stream = _CANCELLED, False

        async def told(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                is_stream = headers.get("content-type", "").startswith("text/event-stream")
            await send(message)

        token = CONTEXT.set({**CONTEXT.get(), "request": request_id})
        begin_s = time.perf_counter()
        try:
            await self._app(scope, receive, told)
        except Exception as error:
            status = 500
            log.error("a request broke", extra={"reason": repr(error)[:300]})  # noqa: TRY400 - the server logs its traceback
            raise
        finally:
            self._note(scope, status, None if is_stream else time.perf_counter() - begin_s)
            CONTEXT.reset(token)

    def _note(self, scope: Scope, status: int, took_s: float | None) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._counts.answered.labels(method, route, str(status)).inc()
        if took_s is not None:
            self._counts.seconds.labels(route).observe(took_s)
        is_slow = took_s is not None and took_s >= _SLOW_S
        if method not in _READS or status >= 500 or is_slow:
            took_ms = None if took_s is None else round(took_s * 1000, 1)
            log.info(
                "answered",
                extra={"method": method, "route": route, "status": status, "took_ms": took_ms},
            )
