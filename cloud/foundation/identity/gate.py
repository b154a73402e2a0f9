"""The gate before every route: who calls, by which role, with which scope, how far."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from cloud.foundation.errors import NotAllowed, NotSignedIn
from cloud.foundation.identity import audit
from cloud.foundation.identity.model import Caller, Role
from cloud.foundation.identity.scopes import SAFE_METHODS, covers, scope_of
from cloud.foundation.identity.service import Identity

COOKIE: Final = "roundsman_session"
bearer_scheme: Final = HTTPBearer(auto_error=False, description="An API token.")
cookie_scheme: Final = APIKeyCookie(
    name=COOKIE, auto_error=False, description="A browser's session."
)

type RequireHeld = Callable[[Caller, Mapping[str, str], Iterable[tuple[str, str]]], None]
"""Raises `NotFound` when path or query name something beyond the caller's reach."""


def _everything_is_held(
    _caller: Caller, _path: Mapping[str, str], _query: Iterable[tuple[str, str]]
) -> None:
    return


class Gate:
    """Turns a request's token or session into a `Caller`, or refuses.

    Args:
        identity: knows the callers.
        require_held: asked of every limited caller about the ids in path and query, so that no
            route can forget it. What a route lists is limited by the query itself.
    """

    def __init__(self, identity: Identity, require_held: RequireHeld = _everything_is_held) -> None:
        self._identity = identity
        self._require_held = require_held

    def roles(self, *allowed: Role) -> Callable[..., Caller]:
        """A dependency that lets only these roles pass; an administrator always passes.

        A token passes with the scope of the route too, see `scopes`.
        """

        def caller(
            request: Request,
            bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)],
            cookie: Annotated[str | None, Depends(cookie_scheme)],
        ) -> Caller:
            known = self._known(request, bearer, cookie)
            if known.role != "admin" and known.role not in allowed:
                raise NotAllowed(
                    f"role {known.role} may not do this; it takes {' or '.join(allowed)}"
                )
            route: APIRoute = request.scope["route"]
            if known.scopes is not None:
                _require_scope(known.scopes, route, request.method)
            if not known.reach.is_everything:
                query = request.query_params.multi_items()
                self._require_held(known, request.path_params, query)
            audit.is_by(known, f"{request.method} {route.path}")
            return known

        return caller

    def watch(self, *allowed: Role) -> Callable[..., Callable[[], bool]]:
        """A dependency for long answers: a question to ask again, whether the caller still passes.

        It refuses nobody by itself, so it stands beside `roles`.
        """
        passes = self.roles(*allowed)

        def question(
            request: Request,
            bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)],
            cookie: Annotated[str | None, Depends(cookie_scheme)],
        ) -> Callable[[], bool]:
            def is_still_let_in() -> bool:
                try:
                    passes(request, bearer, cookie)
                except (NotSignedIn, NotAllowed):
                    return False
                return True

            return is_still_let_in

        return question

    def page_caller(self, request: Request) -> Caller | None:
        """Who looks at a page by the browser's session; None leads to the sign-in page."""
        secret = request.cookies.get(COOKIE)
        if secret is None:
            return None
        try:
            return self._identity.caller(secret)
        except NotSignedIn:
            return None

    def _known(
        self, request: Request, bearer: HTTPAuthorizationCredentials | None, cookie: str | None
    ) -> Caller:
        if bearer is not None:
            return self._identity.caller(bearer.credentials)
        if cookie is None:
            raise NotSignedIn("no token; send Authorization: Bearer <token>, or sign in")
        require_own_page(request)
        return self._identity.caller(cookie)


def _require_scope(held: frozenset[str], route: APIRoute, method: str) -> None:
    asked = scope_of(str(route.tags[0]) if route.tags else "", method)
    if not covers(held, asked):
        raise NotAllowed(f"this token has not the scope {asked}; make one that has it")


def require_own_page(request: Request) -> None:
    """A change that a browser asks for comes from a page of ours, not from another site's.

    Browsers say so by Fetch Metadata, older ones by Origin; what says neither is no browser, or one
    that keeps the cookie (SameSite=Strict) from other sites all the same.

    Raises:
        NotAllowed: another site's page made this request.
    """
    if request.method in SAFE_METHODS:
        return
    fetched = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if fetched is not None:
        is_own = fetched in {"same-origin", "none"}
    else:
        is_own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_own:
        raise NotAllowed("another site sent this with your session; use the dispatch page")
