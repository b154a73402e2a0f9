"""Signing in and out over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.clock import Clock
from cloud.foundation.errors import NotSignedIn
from cloud.foundation.http import TOO_MANY_RESPONSE
from cloud.foundation.identity.brake import SignInBrake
from cloud.foundation.identity.gate import COOKIE, cookie_scheme, require_own_page
from cloud.foundation.identity.model import SESSION_S
from cloud.foundation.identity.service import Identity


class SignIn(BaseModel):
    """Name and password of an office user; ``tenant/name`` for a tenant but the first."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=300)]
    password: Annotated[str, Field(min_length=1, max_length=200)]


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""


def routes(identity: Identity, real_time: Clock) -> APIRouter:
    """Sign in and out."""
    router = APIRouter(tags=["session"])
    brake = SignInBrake()

    async def secret_for(body: SignIn, address: str) -> str:
        brake.require_patience(body.name, address, real_time.now_s())
        async with brake.turn():
            brake.require_patience(body.name, address, real_time.now_s())
            try:
                secret = await run_in_threadpool(
                    identity.sign_in, body.name, body.password, address
                )
            except NotSignedIn:
                brake.was_wrong(body.name, address, real_time.now_s())
                raise
        brake.was_right(body.name, address)
        return secret

    @router.post("/session", status_code=204, responses=TOO_MANY_RESPONSE)
    async def sign_in(body: SignIn, request: Request) -> Response:
        """Begin a session; the answer sets its cookie. Wrong too often, one has to wait."""
        require_own_page(request)
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            await secret_for(body, address_of(request)),
            max_age=int(SESSION_S),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @router.delete("/session", status_code=204)
    def sign_out(
        request: Request, cookie: Annotated[str | None, Depends(cookie_scheme)]
    ) -> Response:
        """End the session of this browser."""
        if cookie is not None:
            require_own_page(request)
            identity.sign_out(cookie, address_of(request))
        response = Response(status_code=204)
        response.delete_cookie(COOKIE)
        return response

    return router
