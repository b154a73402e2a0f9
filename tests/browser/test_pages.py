"""Who gets which page, and how strictly it is fenced."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from cloud import pages
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.http import answer_problems
from cloud.foundation.identity import Gate, Identity
from cloud.foundation.ids import random_id
from tests.parts.migrated import upgrade


class Browser:
    """Asks for pages, in this process, and keeps a cookie."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.session: str | None = None

    def get(self, path: str, **headers: str) -> httpx.Response:
        if self.session is not None:
            headers["cookie"] = f"roundsman_session={self.session}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self._get(path, sent))

    async def _get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
            return await client.get(path, headers=headers)


@pytest.fixture
def identity(tmp_path: Path) -> Iterator[Identity]:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")
    yield Identity(database, RealClock(), random_id)
    database.close()


@pytest.fixture
def browser(identity: Identity) -> Browser:
    app = FastAPI()
    answer_problems(app)
    app.include_router(pages.routes(Gate(identity)))
    return Browser(app)


def sign_in(browser: Browser, identity: Identity) -> None:
    login = identity.first_login("admin")
    assert login is not None
    browser.session = identity.sign_in("admin", login["password"])


def test_the_board_is_behind_the_sign_in(browser: Browser, identity: Identity) -> None:
    assert browser.get("/").headers["location"] == "/login"
    assert "Sign in" in browser.get("/login").text
    sign_in(browser, identity)
    assert "Opening the board" in browser.get("/").text
    assert browser.get("/login").headers["location"] == "/"


def test_a_made_up_session_is_none(browser: Browser) -> None:
    browser.session = "made-up"
    assert browser.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("path", ["/login", "/static/dispatch/main.js", "/static/look/look.css"])
def test_every_page_is_fenced(browser: Browser, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


def test_scripts_have_the_type_browsers_ask_for(browser: Browser) -> None:
    for path in ("dispatch/main.js", "vendor/maplibre-gl/maplibre-gl.mjs"):
        found = browser.get(f"/static/{path}")
        assert found.headers["content-type"].startswith("text/javascript")


def test_a_file_the_browser_has_is_not_sent_again(browser: Browser) -> None:
    etag = browser.get("/static/dispatch/main.js").headers["etag"]
    again = browser.get("/static/dispatch/main.js", if_none_match=f"W/{etag}")
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "../pages.py",
        "%2e%2e/pages.py",
        "dispatch/..%2f..%2fpages.py",
        "vendor/README.md",
        "",
        "%00",
    ],
)
def test_nothing_else_is_served(browser: Browser, path: str) -> None:
    answer = browser.get(f"/static/{path}")
    assert answer.status_code == 404
    assert "Database" not in answer.text


def test_no_page_names_another_address(browser: Browser) -> None:
    for path in ("/login", "/static/dispatch/index.html", "/static/login/index.html"):
        assert "http" not in browser.get(path).text
