"""How long a request's body may be. Nothing of a longer one is kept."""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.foundation.http import too_large

MAX_JSON_BYTES: Final = 64 * 1024
_READ_PAST_BYTES: Final = 1_000_000


class BodyLimit:
    """Answers 413 to a body that says it is too long, or turns out to be while it comes in.

    Args:
        app: what is behind it.
        longer: the limit of each path that takes more than `MAX_JSON_BYTES`, bytes.
    """

    def __init__(self, app: ASGIApp, longer: Mapping[str, int]) -> None:
        self._app = app
        self._longer = longer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._longer.get(scope["path"], MAX_JSON_BYTES)
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdigit() and int(told[:20]) > limit:
            await _let_it_come(receive)
            await too_large(limit)(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > limit:
                raise HTTPException(413, detail=f"the body is longer than {limit} bytes")
            return message

        await self._app(scope, counted, send)


async def _let_it_come(receive: Receive) -> None:
    """Read past a body that is somewhat too long: who still writes may not hear the answer."""
    came = 0
    while came < _READ_PAST_BYTES:
        message = await receive()
        came += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
