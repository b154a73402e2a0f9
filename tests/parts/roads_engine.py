"""A running road engine on the demo city, for any test that needs real streets."""

import asyncio
import functools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import osmium

from cloud.roads.engine import is_ready, serve_argv, url_of
from tests.parts.once import made_once
from tests.parts.ports import free_port

ROOT = Path(__file__).parents[2]
DEMO_EXTRACT = ROOT / "sim" / "city" / "coquimbo.osm.pbf"


def demo_city() -> Path:
    """The demo city, imported once for all tests of a run; whoever changes it takes a copy."""
    return made_once("demo", _import_city) / "city"


def _import_city(folder: Path) -> None:
    arguments = ("city", "import", str(DEMO_EXTRACT), "--data", str(folder))
    command = [sys.executable, "-m", "roundsman", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)


@contextmanager
def roads_engine(*, city: Path | None = None, port: int | None = None) -> Iterator["RoadEngine"]:
    """The real engine, ready to answer; ended afterwards."""
    engine = RoadEngine(city or demo_city(), port or free_port())
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


class RoadEngine:
    """The engine's process and where it answers."""

    def __init__(self, city: Path, port: int) -> None:
        self.port = port
        self.url = url_of(port)
        self._argv = serve_argv(city, port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not asyncio.run(is_ready(self.url)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the road engine does not answer: {self._argv}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@functools.cache
def street_nodes() -> list[tuple[int, int]]:
    """Pairs of neighbouring nodes of the demo city's streets, both ways."""
    ways = osmium.FileProcessor(str(DEMO_EXTRACT), osmium.osm.WAY).with_filter(
        osmium.filter.KeyFilter("highway")
    )
    pairs: list[tuple[int, int]] = []
    for way in ways:
        if isinstance(way, osmium.osm.Way):
            nodes = [node.ref for node in way.nodes]
            pairs += [pair for one in pairwise(nodes) for pair in (one, one[::-1])]
    return pairs
