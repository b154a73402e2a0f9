"""Requests made up from the OpenAPI document, and what of their answers it does not describe."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jsonschema_rs
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, Response
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp

CHECKS: Final = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    allow_header_conformance,
]
"""What an answer must hold.

Not among them: that good data is taken (a made-up depot does not exist, which no schema can say),
that credentials are asked for and rights kept (tests/identity tries every route, role and tenant).
"""
_TIMEOUT_S: Final = 60.0
_LONGEST_URL: Final = 60_000
"""The server below the application closes a connection whose head is longer than 64 KiB."""
type Made = Case[Any]
type Operation = APIOperation[Any, Any, Any, Any]
type Ids = Mapping[str, str]


@dataclass
class Found:
    """What came of a number of cases."""

    bodies: "Bodies"
    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    undescribed: dict[str, str] = field(default_factory=dict)
    broken_cases: int = 0
    undescribed_cases: int = 0

    def ask(self, case: Made, to: dict[str, Any]) -> None:
        """Send one request, and look at what comes."""
        try:
            answer = case.call(**to)
        except requests.RequestException as error:
            self.add_unanswered(case, error)
        else:
            self.add(case, answer)

    def add(self, case: Made, answer: Response) -> None:
        """Look at one answer; of each kind of fault the first is kept, with how to repeat it."""
        self.cases += 1
        self.statuses[answer.status_code] += 1
        label = case.operation.label
        if _is_broken(answer):
            self.broken_cases += 1
            self.broken.setdefault(f"{label}: {answer.status_code}", _told(case, answer))
            return
        problems = [*_of_checks(case, answer), *self.bodies.problems(case, answer)]
        self.undescribed_cases += bool(problems)
        for one in problems:
            self.undescribed.setdefault(
                f"{label}: {answer.status_code} {one[:120]}", _told(case, answer)
            )

    def add_unanswered(self, case: Made, error: requests.RequestException) -> None:
        """Nothing came back; where the address was too long to be read that is no fault."""
        url = "" if error.request is None else str(error.request.url)
        if len(url) < _LONGEST_URL:
            self.cases += 1
            self.broken_cases += 1
            self.broken.setdefault(f"{case.operation.label}: {error!r:.120}", url)


@dataclass
class Bodies:
    """Whether the body of an answer is of its schema.

    Schemathesis 4.32 cannot say: it rewrites ``prefixItems`` in answers as drafts before 2020-12
    have it, and then reads them as 2020-12.
    """

    document: dict[str, Any]
    _validators: dict[tuple[str, int], jsonschema_rs.Draft202012Validator] = field(
        default_factory=dict
    )

    def problems(self, case: Made, answer: Response) -> Iterator[str]:
        """What of a JSON body is not as described."""
        kind = answer.headers.get("content-type", [""])[0].partition(";")[0]
        if kind.endswith("json") and answer.content:
            validator = self._validator(case.operation, answer.status_code, kind)
            if validator is not None:
                for error in validator.iter_errors(answer.json()):
                    yield f"at {error.instance_path}: {error.message}"

    def _validator(
        self, operation: Operation, status: int, kind: str
    ) -> jsonschema_rs.Draft202012Validator | None:
        key = (operation.label, status)
        if key not in self._validators:
            told = self.document["paths"][operation.path][operation.method.lower()]
            content = told["responses"].get(str(status), {}).get("content", {})
            if kind not in content:
                return None  # another check tells that
            whole = {**content[kind]["schema"], "components": self.document["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        return self._validators[key]


def _of_checks(case: Made, answer: Response) -> list[str]:
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as failures:
        return [f"{getattr(one, 'title', '')} {one}" for one in failures.exceptions]
    return []


def _is_broken(answer: Response) -> bool:
    """A server error; 503 is an answer, of which a part is not there now."""
    return answer.status_code >= 500 and answer.status_code != 503


def _told(case: Made, answer: Response) -> str:
    return f"{case.as_curl_command()}\n{answer.content[:500]!r}"


def document_of(document: dict[str, Any]) -> BaseSchema:
    """The document, with event streams read for a moment only."""
    config = schemathesis.Config.from_dict({"max-stream-events": 1})
    return schemathesis.openapi.from_dict(document, config=config)


def operations(schema: BaseSchema, left_out: frozenset[str]) -> list[Operation]:
    """Every operation but some; those that remove come last, so that there is what to find."""
    found: list[Operation] = [one.ok() for one in schema.get_all_operations()]  # type: ignore[union-attr]  # one that cannot be read raises
    assert left_out <= {one.label for one in found}, "these are gone"
    return sorted(
        (one for one in found if one.label not in left_out),
        key=lambda one: one.method.upper() == "DELETE",
    )


def try_all(
    schema: BaseSchema,
    *,
    url: str | None = None,
    app: ASGIApp | None = None,
    token: str | None,
    ids: Ids,
    examples: int,
    seed_of_all: int,
    left_out: frozenset[str] = frozenset(),
    is_over: Callable[[], bool] = lambda: False,
) -> Found:
    """Send ``examples`` good and as many bad requests to every operation.

    Args:
        url: where a service is; or ``app``, one in this process.
        ids: by the name of a path parameter an id that exists; half of the cases are sent to these.
        left_out: operations, such as ``GET /api/v1/me``, that nothing is sent to.
        is_over: asked before each request; nothing is sent any more when it says so.
    """
    to: dict[str, Any] = {"base_url": url, "timeout": _TIMEOUT_S} if app is None else {"app": app}
    found = Found(Bodies(schema.raw_schema))
    with requests.Session() as session:
        if token is not None:
            session.headers["Authorization"] = f"Bearer {token}"
        to["session"] = session
        for operation in operations(schema, left_out):
            for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
                for case in _made(operation, mode, examples, seed_of_all):
                    if is_over():
                        return found
                    if found.cases % 2:
                        _send_to_what_is_there(case, ids)
                    found.ask(case, to)
    return found


def _made(
    operation: Operation, mode: GenerationMode, most: int, seed_of_all: int
) -> Iterator[Made]:
    """Nothing where nothing can be bad: a page without a body, whose query has no bounds."""
    made: list[Made] = []

    @seed(seed_of_all)
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def make(case: Made) -> None:
        made.append(case)

    try:
        make()
    except Unsatisfiable:
        if mode is GenerationMode.POSITIVE:
            raise
    yield from made


def _send_to_what_is_there(case: Made, ids: Ids) -> None:
    for name in case.path_parameters or ():
        if name in ids:
            case.path_parameters[name] = ids[name]
