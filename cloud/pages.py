"""The office's pages: the board, people, the sign-in and their static files, strictly fenced."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from cloud.foundation.errors import NotFound
from cloud.foundation.identity import Gate

_WEB: Final = Path(__file__).with_name("web")
_SERVED: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
"""What is served, by the end of the file's name; anything else in the folder is not."""

_POLICY: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",  # MapLibre's controls are data URLs
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
_FENCE: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class _StaticFile:
    """One file of the pages, read once. ``etag`` is the fingerprint of its content."""

    content: bytes
    media_type: str
    etag: str

    def answer(self, request: Request) -> Response:
        """The file, or that the browser has it already; it asks each time, so none is stale."""
        headers = {**_FENCE, "Cache-Control": "no-cache", "ETag": self.etag}
        known = request.headers.get("if-none-match", "")
        if self.etag in {tag.strip().removeprefix("W/") for tag in known.split(",")}:
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


def _read(path: Path) -> _StaticFile:
    content = path.read_bytes()
    fingerprint = hashlib.sha256(content).hexdigest()[:32]
    return _StaticFile(content, _SERVED[path.suffix], f'"{fingerprint}"')


def _files() -> dict[str, _StaticFile]:
    """Every servable file by its path below the folder: what is not in here cannot be asked for."""
    return {
        path.relative_to(_WEB).as_posix(): _read(path)
        for path in sorted(_WEB.rglob("*"))
        if path.suffix in _SERVED and path.is_file()
    }


def _to(path: str) -> Response:
    return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})


def routes(gate: Gate) -> APIRouter:
    """The board at ``/`` and ``/people`` for who has a session, ``/login``, and ``/static``."""
    router = APIRouter(include_in_schema=False)
    files = _files()

    def is_known(request: Request) -> bool:
        return gate.page_caller(request) is not None

    @router.get("/")
    def board(request: Request) -> Response:
        """The live board; without a session, the way to sign in."""
        return files["dispatch/index.html"].answer(request) if is_known(request) else _to("/login")

    @router.get("/people")
    def people(request: Request) -> Response:
        """Who is let in, tokens, the audit log; what of it one sees is a matter of the API."""
        return files["people/index.html"].answer(request) if is_known(request) else _to("/login")

    @router.get("/login")
    def login(request: Request) -> Response:
        """The sign-in page; with a session, the way to the board."""
        return _to("/") if is_known(request) else files["login/index.html"].answer(request)

    @router.get("/static/{path:path}")
    def static(path: str, request: Request) -> Response:
        """A script, style or picture of the pages; there is nothing secret in them."""
        found = files.get(path)
        if found is None:
            raise NotFound(f"{path}: there is no such file; reload the page")
        return found.answer(request)

    return router
