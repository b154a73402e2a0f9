"""How errors look over HTTP: RFC 9457 problems. The only place that knows status codes."""

import logging
import math
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from cloud.foundation import errors
from cloud.foundation.given import Unacceptable

log = logging.getLogger(__name__)

_MEDIA_TYPE: Final = "application/problem+json"
_MAX_PLACE: Final = 200
"""Characters of a field's place that are told again: a body may have made it up."""
_KINDS: Final[dict[type[errors.CloudError], tuple[int, str, str]]] = {
    errors.Invalid: (422, "invalid", "The request is not acceptable"),
    errors.NotFound: (404, "not-found", "There is no such thing"),
    errors.Conflict: (409, "conflict", "The request does not fit the present state"),
    errors.NotSignedIn: (401, "not-signed-in", "Sign in first"),
    errors.NotAllowed: (403, "not-allowed", "You may not do this"),
    errors.TooMany: (429, "too-many", "Wait before you try again"),
    errors.Unavailable: (503, "unavailable", "A part that is needed does not answer now"),
}
_TITLES: Final = {404: "There is no such page", 405: "This method is not for this page"}
_TOO_LARGE: Final = "The body is too long"
_SERVER: Final = "Something broke on our side"


class ProblemField(BaseModel):
    """What is wrong with one field, and what to do about it."""

    field: str
    problem: str
    remedy: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemField] = []


def problem_response(status: int, title: str) -> dict[int | str, dict[str, Any]]:
    """How one problem stands in the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {_MEDIA_TYPE: {"schema": schema}}
    return {status: {"model": Problem, "description": title, "content": content}}


TOO_MANY_RESPONSE: Final = problem_response(429, _KINDS[errors.TooMany][2])
"""For the routes that make a caller wait."""
PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: told
    for number, title in [
        *((status, title) for status, _, title in _KINDS.values() if status != 429),
        (413, _TOO_LARGE),
        (500, _SERVER),
    ]
    for status, told in problem_response(number, title).items()
}
"""For every route."""


def answer_problems(app: FastAPI) -> None:
    """Make every error of ``app`` an RFC 9457 problem, in its answers and in its document."""
    as_told = app.openapi

    def openapi() -> dict[str, Any]:
        document = as_told()
        _drop_defaults(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's own way
    app.add_exception_handler(errors.CloudError, _cloud_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _server_error)


def _drop_defaults(document: dict[str, Any]) -> None:
    """Take out the JSON that is described beside each answer of a media type of its own."""
    for methods in document["paths"].values():
        for told in methods.values():
            for answer in told["responses"].values():
                content = answer.get("content", {})
                if len(content) > 1:
                    content.pop("application/json", None)


def _problem(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        problem.model_dump(), problem.status, headers=headers, media_type=_MEDIA_TYPE
    )


async def _cloud_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.CloudError)  # noqa: S101 - registered for this type only
    status, kind, title = next(
        (v for k, v in _KINDS.items() if isinstance(error, k)), _KINDS[errors.Invalid]
    )
    fields = [
        ProblemField(field=p.field, problem=p.problem, remedy=p.remedy) for p in error.problems
    ]
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    if isinstance(error, errors.Unavailable | errors.TooMany):
        headers = {"Retry-After": str(math.ceil(error.retry_after_s))}
    return _problem(
        Problem(
            type=f"urn:roundsman:problem:{kind}",
            title=title,
            status=status,
            detail=error.detail,
            errors=fields,
        ),
        headers,
    )


async def _bad_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    return _invalid([_field(found) for found in error.errors()])


def _invalid(fields: list[ProblemField]) -> JSONResponse:
    return _problem(
        Problem(
            type="urn:roundsman:problem:invalid",
            title="The request is not acceptable",
            status=422,
            detail="; ".join(f"{field.field}: {field.problem}" for field in fields),
            errors=fields,
        )
    )


def _field(found: Mapping[str, Any]) -> ProblemField:
    if found["type"] == "json_invalid":
        return _unreadable(f"is no JSON at character {found['loc'][-1]}")
    place = ".".join(str(part) for part in found["loc"][1:]) or str(found["loc"][0])
    field = place.encode(errors="replace").decode()[:_MAX_PLACE]
    reason = found.get("ctx", {}).get("error")
    if isinstance(reason, Unacceptable):
        return ProblemField(field=field, problem=reason.problem, remedy=reason.remedy)
    return ProblemField(field=field, problem=found["msg"], remedy="see /api/v1/openapi.json")


def _unreadable(problem: str) -> ProblemField:
    return ProblemField(field="body", problem=problem, remedy="send one JSON object as UTF-8")


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    if error.status_code == 413:
        return _too_large(str(error.detail))
    if error.status_code == 400:  # the framework's word for JSON that is nested too deep and such
        return _invalid([_unreadable("cannot be read")])
    return _problem(
        Problem(
            type="about:blank",
            title=_TITLES.get(error.status_code, "The request failed"),
            status=error.status_code,
            detail=str(error.detail),
        ),
        dict(error.headers) if error.headers else None,
    )


def too_large(limit: int) -> JSONResponse:
    """The answer to a body of more than ``limit`` bytes; what is left of it is not read."""
    return _too_large(f"the body is longer than {limit} bytes")


def _too_large(detail: str) -> JSONResponse:
    remedy = "send less at once; a CSV of orders may be split"
    return _problem(
        Problem(
            type="urn:roundsman:problem:too-large",
            title=_TOO_LARGE,
            status=413,
            detail=detail,
            errors=[ProblemField(field="body", problem=detail, remedy=remedy)],
        ),
        {"Connection": "close"},
    )


async def _server_error(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error, extra={"path": request.url.path})
    return _problem(
        Problem(
            type="urn:roundsman:problem:server",
            title=_SERVER,
            status=500,
            detail="the error is in the service's log; trying again may help",
        )
    )
