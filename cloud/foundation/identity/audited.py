"""Opens an `Act` for each request, and closes it when the answer is given."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.foundation.clock import Clock
from cloud.foundation.identity.audit import MAX_BODY_BYTES, Act, acting, record


class Audited:
    """Lets no change go unrecorded: what no transaction has recorded is when it was answered well.

    Args:
        app: what is behind it.
        writing: begins a transaction of the business database.
        real_time: the clock of the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        writing: Callable[[], AbstractContextManager[Connection]],
        real_time: Clock,
    ) -> None:
        self._app = app
        self._writing = writing
        self._real_time = real_time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        act = Act(
            method=scope["method"],
            path=scope["path"],
            address=client[0] if client else "",
        )
        is_json = Headers(scope=scope).get("content-type", "").startswith("application/json")

        async def heard() -> Message:
            message = await receive()
            if is_json and len(act.body) < MAX_BODY_BYTES:
                act.body += message.get("body", b"")
            return message

        async def told(message: Message) -> None:
            is_well = message["type"] == "http.response.start" and message["status"] < 400
            if is_well and act.is_to_record:
                await run_in_threadpool(self._record)
            await send(message)

        with acting(act):
            await self._app(scope, heard, told)

    def _record(self) -> None:
        with self._writing() as connection:
            record(connection, self._real_time.now_s())
