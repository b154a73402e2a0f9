"""Debian's Chromium without a screen, and somebody who looks at the board in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Page,
    TimeoutError,  # noqa: A004 - playwright's own, no subclass of the built-in one
    expect,
    sync_playwright,
)

CHROMIUM: Final = Path("/usr/bin/chromium")
SOON_MS: Final = 20_000
PLANNED_WITHIN_MS: Final = 60_000
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WITH_WEBGL: Final = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
WITHOUT_WEBGL: Final = ("--disable-gpu", "--disable-webgl", "--disable-3d-apis")


def require_chromium() -> None:
    """Skip, by name, where the browser is not installed."""
    if not CHROMIUM.exists():
        pytest.skip("SKIPPED the board in a browser: Debian package chromium is not installed")


class Dispatcher:
    """Somebody at the board. ``complaints`` is what the browser had to say of the page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.requested: list[str] = []
        page.set_default_timeout(SOON_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def sign_in(self, login: Mapping[str, str]) -> None:
        """From the front door to the live board."""
        self.page.goto(f"{self.url}/")
        expect(self.page).to_have_url(f"{self.url}/login")
        self.page.get_by_label("Name").fill(login["name"])
        self.page.get_by_label("Password").fill(login["password"])
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.locator("[data-line=open]")).to_have_text("Live", timeout=SOON_MS)

    def post_urgent_order(self, address: str, place: tuple[float, float] | None) -> tuple[str, str]:
        """Fill in the form and send it; without a place the one clicked on the map is kept.

        Returns:
            The van that got it and what is said of it.
        """
        page = self.page
        if place is not None:
            page.get_by_label("Latitude").fill(f"{place[0]:.6f}")
            page.get_by_label("Longitude").fill(f"{place[1]:.6f}")
        page.get_by_label("Address").fill(address)
        page.get_by_label("Parcels").fill("2")
        page.get_by_label("Recipient").fill("Rosa")
        page.get_by_role("button", name="Post the order").click()
        answer = page.locator(".detail .note.good")
        try:
            answer.wait_for(timeout=PLANNED_WITHIN_MS)
        except TimeoutError as error:
            raise AssertionError(f"no van got it: {page.locator('main').inner_text()}") from error
        return answer.get_by_role("button").inner_text(), " ".join(answer.inner_text().split())

    def foreign_requests(self) -> list[str]:
        """What the page asked of anybody but the server it came from."""
        own = (f"{self.url}/", f"blob:{self.url}/", "data:")
        return [asked for asked in self.requested if not asked.startswith(own)]


@contextmanager
def chromium(profile: Path, *flags: str) -> Iterator[BrowserContext]:
    """A browser with a fresh profile."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=[*_FLAGS, *flags],
            viewport={"width": 1280, "height": 720},
        )
        try:
            yield context
        finally:
            context.close()


@contextmanager
def opened(url: str, profile: Path, flags: tuple[str, ...] = WITH_WEBGL) -> Iterator[Dispatcher]:
    """Somebody with a browser in front of the product at ``url``."""
    with chromium(profile, *flags) as context:
        yield Dispatcher(context.pages[0], url)
