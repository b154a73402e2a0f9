"""The road engine as a process: OSRM's own server (docs/decisions/road-engine.md)."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from cloud.roads.model import EngineMissing

ADDRESS: Final = "127.0.0.1"
BASE: Final = "streets.osrm"
KEEP_ALIVE_S: Final = 60
MAX_TABLE: Final = 1_000
MAX_ROUTE_POINTS: Final = 500
MAX_MATCH_POINTS: Final = 200
_READY_S: Final = 1.0
_THREADS: Final = 8
"""Web, learner and both planners have a bulk question in flight each at the most."""


def program(name: str) -> Path:
    """The path of one of OSRM's programs, such as ``osrm-routed``.

    Raises:
        EngineMissing: osrm-bindings is not installed here.
    """
    path = _package() / "bin" / name
    if not path.is_file():
        raise EngineMissing(f"{path}: missing; install osrm-bindings again")
    return path


def profiles() -> Path:
    """The folder of OSRM's travel profiles and what they have in common.

    Raises:
        EngineMissing: osrm-bindings is not installed here, or not whole.
    """
    path = _package() / "share" / "profiles"
    if not (path / "lib" / "guidance.lua").is_file():
        raise EngineMissing(f"{path}: missing; install osrm-bindings again")
    return path


def argument(path: Path) -> str:
    """A path as OSRM's programs read it: one with a space must stand in quotes.

    They parse by C++'s ``std::quoted``, which escapes ``"`` and the backslash by a backslash.
    """
    text = str(path)
    if not any(character.isspace() or character == '"' for character in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def serve_argv(city: Path, port: int) -> list[str]:
    """The command that serves the imported ``city`` (the folder) on loopback.

    More threads than processes of the cloud have bulk questions in flight, so that an interactive
    one never waits behind them; they share the cores. The files are mapped, not read: engines of
    one city share what they have in common.

    Raises:
        EngineMissing: no city is imported there, or osrm-bindings is not installed.
    """
    if not (city / f"{BASE}.mldgr").is_file():
        raise EngineMissing(
            f"{city}: no street network; run: roundsman city import FILE.osm.pbf "
            f"--data {city.parent}"
        )
    return [
        str(program("osrm-routed")),
        "--algorithm=mld",
        f"--ip={ADDRESS}",
        f"--port={port}",
        f"--threads={_THREADS}",
        f"--keepalive-timeout={KEEP_ALIVE_S}",
        f"--max-table-size={MAX_TABLE}",
        f"--max-viaroute-size={MAX_ROUTE_POINTS}",
        f"--max-matching-size={MAX_MATCH_POINTS}",
        "--mmap",
        "--verbosity=WARNING",
        argument(city / BASE),
    ]


def url_of(port: int) -> str:
    """Where the engine answers."""
    return f"http://{ADDRESS}:{port}"


def engine_url(configured: str | None, port: int) -> str:
    """Where travel times are asked for: of the engine ``configured`` elsewhere, or of ours."""
    return url_of(port) if configured is None else configured.rstrip("/")


async def is_ready(url: str) -> bool:
    """Whether the engine at ``url`` answers a question now."""
    import httpx  # the supervisor needs this file, and not an HTTP client

    try:
        async with httpx.AsyncClient(timeout=_READY_S, trust_env=False) as http:
            answer = await http.get(f"{url}/nearest/v1/driving/0,0")
            return "code" in answer.json()
    except (httpx.HTTPError, ValueError):
        return False


def _package() -> Path:
    spec = find_spec("osrm")
    if spec is None or spec.origin is None:
        raise EngineMissing(
            "osrm-bindings: not installed; run: pip install 'roundsman[cloud]' "
            "(Linux, Python 3.12 or newer)"
        )
    return Path(spec.origin).parent
