"""The gate before every route, and signing in and out."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.clock import Clock
from cloud.foundation.errors import NotAllowed, NotSignedIn
from cloud.foundation.http import TOO_MANY_RESPONSE
from cloud.foundation.identity.brake import SignInBrake
from cloud.foundation.identity.model import SESSION_S, Caller, Role
from cloud.foundation.identity.service import Identity

COOKIE: Final = "roundsman_session"
_bearer = HTTPBearer(auto_error=False, description="An API token.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="A browser's session.")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """Turns a request's token or session into a `Caller`, or refuses."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def roles(self, *allowed: Role) -> Callable[..., Caller]:
        """A dependency that lets only these roles pass; an administrator always passes."""

        def caller(
            request: Request,
            bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
            cookie: Annotated[str | None, Depends(_cookie)],
        ) -> Caller:
            known = self._known(request, bearer, cookie)
            if known.role != "admin" and known.role not in allowed:
                raise NotAllowed(
                    f"role {known.role} may not do this; it takes {' or '.join(allowed)}"
                )
            return known

        return caller

    def watch(self, *allowed: Role) -> Callable[..., Callable[[], bool]]:
        """A dependency for long answers: a question to ask again, whether the caller still passes.

        It refuses nobody by itself, so it stands beside `roles`.
        """
        passes = self.roles(*allowed)

        def question(
            request: Request,
            bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
            cookie: Annotated[str | None, Depends(_cookie)],
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
        if request.method not in _SAFE_METHODS and _is_foreign(request):
            raise NotAllowed("another site sent this with your session; use the dispatch page")
        return self._identity.caller(cookie)


def _is_foreign(request: Request) -> bool:
    """Whether a browser says that another site's page made this request (Fetch Metadata)."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


class SignIn(BaseModel):
    """Name and password of an office user."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=200)]
    password: Annotated[str, Field(min_length=1, max_length=200)]


def routes(identity: Identity, real_time: Clock) -> APIRouter:
    """Sign in and out."""
    router = APIRouter(tags=["session"])
    brake = SignInBrake()

    async def secret_for(body: SignIn, address: str) -> str:
        brake.require_patience(body.name, address, real_time.now_s())
        async with brake.turn():
            brake.require_patience(body.name, address, real_time.now_s())
            try:
                secret = await run_in_threadpool(identity.sign_in, body.name, body.password)
            except NotSignedIn:
                brake.was_wrong(body.name, address, real_time.now_s())
                raise
        brake.was_right(body.name, address)
        return secret

    @router.post("/session", status_code=204, responses=TOO_MANY_RESPONSE)
    async def sign_in(body: SignIn, request: Request) -> Response:
        """Begin a session; the answer sets its cookie. Wrong too often, one has to wait."""
        address = request.client.host if request.client else ""
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            await secret_for(body, address),
            max_age=int(SESSION_S),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @router.delete("/session", status_code=204)
    def sign_out(cookie: Annotated[str | None, Depends(_cookie)]) -> Response:
        """End the session of this browser."""
        if cookie is not None:
            identity.sign_out(cookie)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE)
        return response

    return router
