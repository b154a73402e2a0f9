"""A running road engine on the demo city, for any test that needs real streets."""

import asyncio
import atexit
import functools
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import osmium

from cloud.roads.city import import_city
from cloud.roads.engine import is_ready, serve_argv, url_of

DEMO_EXTRACT = Path(__file__).parents[2] / "sim" / "city" / "coquimbo.osm.pbf"


@functools.cache
def demo_city() -> Path:
    """The demo city, imported once for all tests of a run, in a folder that ends with it."""
    root = Path(tempfile.mkdtemp(prefix="roundsman-city-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    import_city(DEMO_EXTRACT, root / "city")
    return root / "city"


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
        deadline = time.monotonic() + 15
        while not asyncio.run(is_ready(self.url)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the road engine does not answer: {self._argv}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
