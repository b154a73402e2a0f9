"""The real board in Debian's Chromium, over a real demo that is started once for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import SOON_MS, Dispatcher, opened, require_chromium
from tests.parts.running_demo import Running, demo

expect.set_options(timeout=SOON_MS)  # a busy machine draws a map in its own time


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A demo whose vans leave the depot half a minute after it is ready."""
    require_chromium()
    folder = tmp_path_factory.mktemp("board") / "demo"
    with demo(folder, "--vans", "3", "--orders", "24", "--speed", "60") as started:
        started.wait_until_ready()
        yield started


@pytest.fixture
def dispatcher(running: Running, tmp_path: Path) -> Iterator[Dispatcher]:
    """A dispatcher at the board, signed in, in a browser of her own."""
    with opened(running.facts()["url"], tmp_path / "profile") as someone:
        someone.sign_in(running.facts()["logins"][0])
        yield someone
