"""The product's REST interface as one of its users calls it: over and over until it answers."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
_TIMEOUT: Final = httpx.Timeout(20.0, connect=3.0)

type Json = dict[str, Any]


class RefusedError(Exception):
    """The product said no and will say so again: a 4xx answer."""

    def __init__(self, call: str, status: int, detail: str) -> None:
        """``call`` is method and path; ``detail`` what the answer says of the reason."""
        super().__init__(f"{call}: {status} {detail}")
        self.status = status


class UnreachableError(Exception):
    """No answer within the time the caller was ready to wait."""


class Api:
    """Calls with one token. A silent or failing server is asked again, with growing pauses."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        """``client`` has the base URL and is shared; ``token`` is whose calls these are."""
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"}

    async def get(self, path: str, **query: str) -> Json:
        """Read; see `call` for what it raises."""
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Do something that may be repeated; see `call` for what it raises."""
        return await self.call("POST", path, body=msgspec.json.encode(body or {}))

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        kind: str = "application/json",
        patience_s: float | None = None,
    ) -> Json:
        """One call, repeated until it is answered; ``patience_s`` is real, None is for ever.

        Raises:
            RefusedError: the answer is 4xx (but 429).
            UnreachableError: patience is over.
        """
        headers = self._headers if body is None else {**self._headers, "content-type": kind}
        pause_s, waited_s, reason = _FIRST_PAUSE_S, 0.0, ""
        while patience_s is None or waited_s <= patience_s:
            try:
                answer = await self._client.request(
                    method, path, params=dict(query or {}), content=body, headers=headers
                )
            except httpx.TransportError as error:
                reason = f"{type(error).__name__} {error}"
            else:
                if not _is_passing(answer.status_code):
                    return _content(f"{method} {path}", answer)
                reason = f"{answer.status_code} {answer.text[:200]}"
            await asyncio.sleep(pause_s)
            waited_s += pause_s
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
        raise UnreachableError(f"{method} {path}: no answer within {patience_s} s; {reason}")

    async def is_healthy(self) -> tuple[bool, str]:
        """Whether the product calls itself healthy, and what it says of the checks that fail."""
        try:
            answer = await self._client.get("health", timeout=3.0)
            checks = _content("GET health", answer).get("checks", {})
        except (httpx.TransportError, RefusedError) as error:
            return False, f"{type(error).__name__} {error}".strip()
        failing = [f"{name}: {text}" for name, text in checks.items() if text != "ok"]
        return answer.status_code == HTTPStatus.OK, "; ".join(failing)


def connect(url: str) -> httpx.AsyncClient:
    """A client of the product at ``url`` (scheme, host, port)."""
    limits = httpx.Limits(max_connections=64)
    return httpx.AsyncClient(base_url=f"{url}/api/v1/", timeout=_TIMEOUT, limits=limits)


def rfc3339(at_s: float) -> str:
    """UTC with milliseconds, as the interface writes instants."""
    moment = datetime.fromtimestamp(at_s, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def seconds_of(instant: str) -> float:
    """Seconds since 1970 of an RFC 3339 instant."""
    return datetime.fromisoformat(instant).timestamp()


def _is_passing(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS


def _content(call: str, answer: httpx.Response) -> Json:
    try:
        content = msgspec.json.decode(answer.content) if answer.content else {}
    except msgspec.DecodeError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    if HTTPStatus.BAD_REQUEST <= answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RefusedError(call, answer.status_code, _reason(content))
    return content


def _reason(problem: Json) -> str:
    text = str(problem.get("detail") or problem.get("title") or "")
    fields = problem.get("errors")
    if isinstance(fields, list) and fields:
        text += " " + msgspec.json.encode(fields[:3]).decode()
    return text.strip()
