"""What a demo remembers in its data folder, so that the next start goes on where this one ended."""

from pathlib import Path

import msgspec

from sim.geodesy import Point

_SETUP = "demo-setup.json"
_MOMENT = "demo-moment.json"


class Crew(msgspec.Struct, kw_only=True):
    """One van with its driver, and what each needs to reach the product."""

    van: str
    driver: str
    token: str
    gateway: dict[str, object]


class Setup(msgspec.Struct, kw_only=True):
    """What was decided and received when the demo was first set up."""

    seed: int
    vans: int
    orders: int
    crews: list[Crew] = []


class VanMoment(msgspec.Struct, frozen=True, kw_only=True):
    """Where a van stood when the clock stopped, and what it has done so far."""

    point: Point
    course_deg: float
    driven_m: float
    fixes: int


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The simulated instant at which the clock stopped (or will at the latest), and the vans."""

    simulated_s: float
    service_date: str
    vans: dict[str, VanMoment] = {}


class RecordError(ValueError):
    """What a former demo left cannot be read."""


def load_setup(folder: Path) -> Setup | None:
    """The setup of a former start; None when there was none."""
    return _load(folder / _SETUP, Setup)


def save_setup(folder: Path, setup: Setup) -> None:
    """Keep the setup; it holds secrets."""
    write_whole(folder / _SETUP, msgspec.json.encode(setup))


def load_moment(folder: Path) -> Moment | None:
    """Where the former run stopped; None when there was none."""
    return _load(folder / _MOMENT, Moment)


def save_moment(folder: Path, moment: Moment) -> None:
    """Keep where this run is."""
    write_whole(folder / _MOMENT, msgspec.json.encode(moment))


def write_whole(file: Path, content: bytes) -> None:
    """Replace ``file`` at once, readable by its owner only: a reader sees the old or the new."""
    fresh = file.with_name(file.name + ".new")
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_bytes(content)
    fresh.replace(file)


def _load[T](file: Path, kind: type[T]) -> T | None:
    if not file.is_file():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise RecordError(
            f"{file} cannot be read ({error}); choose another --data, or delete that folder"
        ) from error
