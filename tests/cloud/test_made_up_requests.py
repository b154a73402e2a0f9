"""A good and a bad request to every operation: a new route that breaks is noticed here.

`./run bench api` sends thousands, to a whole cloud.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from cloud import roles
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import Settings
from tests.cloud.desk import run
from tests.parts.api_cases import document_of, try_all
from tests.parts.small_fleet import furnish
from tests.parts.whole_app import whole_app

pytestmark = pytest.mark.slow

SEED = 20261126
LEFT_OUT = frozenset({"POST /api/v1/dead-letters/replay", "POST /api/v1/dead-letters/drop"})
"""They wait half a minute for ingest, which is not there."""


class Idle:
    """The application without the tasks that run beside its requests: there is no broker."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[tuple[ASGIApp, dict[str, Any], str]]:
    """The interface, its document, and an administrator's token."""
    data = DataFolder(tmp_path)
    roles.migrate(data, "business", "telemetry")
    roles._choose_ports(data, Settings(), "all")
    with whole_app(data, Settings()) as app:
        token = json.loads(data.first_login.read_bytes())["api_token"]
        yield Idle(app), app.openapi(), token


def test_made_up_requests_break_nothing_and_are_answered_as_described(
    office: tuple[ASGIApp, dict[str, Any], str],
) -> None:
    app, document, token = office

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            known = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(transport=transport, headers=known) as client:
                return await client.post(f"http://office/api/v1{path}", json=body)

        answer = run(one())
        assert answer.is_success, (path, answer.text)
        made: dict[str, Any] = answer.json()
        return made

    fleet = furnish(post)
    found = try_all(
        document_of(document),
        app=app,
        token=token,
        ids=fleet.ids,
        examples=1,
        seed_of_all=SEED,
        left_out=LEFT_OUT,
    )
    assert found.cases > len(document["paths"])
    assert found.broken == {}
    assert found.undescribed == {}
