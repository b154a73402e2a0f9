"""Importing a city: from an OpenStreetMap extract to what the road engine and the map need.

The new city is built in a folder beside the old one and takes its place only when it is whole.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import osmium

from cloud.fleet.calendar import Calendar
from cloud.foundation.settings import VanMeasures
from cloud.roads.access import AccessStreet, write_access
from cloud.roads.cells import cell_sizes
from cloud.roads.conditional import access_hours, is_open_else
from cloud.roads.engine import BASE, argument, program
from cloud.roads.model import CityError
from cloud.roads.profile import write_profile
from cloud.roads.segments import count_of_nodes

STREETS: Final = "streets.geojson"
FACTS: Final = "city.json"
ATTRIBUTION: Final = "© OpenStreetMap contributors, ODbL 1.0"
DRIVABLE: Final = frozenset(
    f"{kind}{link}"
    for kind in ("motorway", "trunk", "primary", "secondary", "tertiary")
    for link in ("", "_link")
) | {"unclassified", "residential", "living_street", "service", "road"}
"""The values of OpenStreetMap's ``highway`` that a van drives on and the map draws."""

_OPENED: Final = "pedestrian"
"""Driven on where a sign lets vans in at some hours."""
_ANY_VAN: Final = VanMeasures()
_STEP_LIMIT_S: Final = 3_600.0


class City(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an imported city.

    Attributes:
        bbox: west, south, east, north of its streets, in degrees.
        attribution: what must be shown with its map. source: the file it came from.
    """

    name: str
    bbox: tuple[float, float, float, float]
    attribution: str
    source: str


def import_city(
    source: Path,
    city: Path,
    *,
    name: str | None = None,
    attribution: str = ATTRIBUTION,
    van: VanMeasures = _ANY_VAN,
    told: Callable[[str], None] = lambda _: None,
) -> City:
    """Make the folder ``city`` from the extract ``source`` (.osm.pbf), replacing an earlier one.

    Args:
        source: the extract.
        city: the folder to make.
        name: what to call it; by default the file's name.
        attribution: what its data's licence asks to be shown.
        van: for which streets are chosen and timed.
        told: hears what is being done.

    Raises:
        CityError: the file is missing, is no extract, or has no drivable street; or another
            import is running.
    """
    _require_extract(source)
    with _alone(city), _aside(city) as new:
        told("drawing the streets")
        opened = _write_access(source, new, van, told)
        bbox = _draw(source, new / STREETS, opened)
        facts = City(
            name=name or source.name.split(".")[0].replace("_", " ").title(),
            bbox=bbox,
            attribution=attribution,
            source=source.name,
        )
        (new / FACTS).write_bytes(msgspec.json.format(msgspec.json.encode(facts)))
        _build_network(source, new, van, opened, told)
        _put_in_place(new, city)
    return facts


def read_city(city: Path) -> City:
    """The facts of the imported city.

    Raises:
        CityError: none is imported there, or its facts are damaged.
    """
    try:
        return msgspec.json.decode((city / FACTS).read_bytes(), type=City)
    except FileNotFoundError:
        problem = "no city is imported"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = f"damaged: {error}"
    raise CityError(
        f"{city / FACTS}: {problem}; run: roundsman city import FILE.osm.pbf --data {city.parent}"
    )


def _require_extract(source: Path) -> None:
    if not source.is_file():
        raise CityError(
            f"{source}: no such file; give an OpenStreetMap extract (.osm.pbf), such as one from "
            "https://download.geofabrik.de"
        )
    if not source.name.endswith(".osm.pbf"):
        raise CityError(f"{source}: not named .osm.pbf; give an extract in that format")
    try:
        with osmium.io.Reader(str(source)) as reader:
            reader.header()
    except RuntimeError as error:
        raise CityError(
            f"{source}: not an OpenStreetMap extract ({error}); download it again"
        ) from error


@contextmanager
def _alone(city: Path) -> Iterator[None]:
    """Hold the import's lock; it is freed with the process, however that ends."""
    city.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(city.parent / f".{city.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CityError(f"{city}: another import is running; wait until it is done") from None
    finally:
        os.close(lock)


@contextmanager
def _aside(city: Path) -> Iterator[Path]:
    """An empty folder beside ``city``, gone afterwards if it was not put in place."""
    new = city.with_name(f".{city.name}.new")
    _remove(new)
    new.mkdir()
    try:
        yield new
    finally:
        _remove(new)


def _put_in_place(new: Path, city: Path) -> None:
    old = city.with_name(f".{city.name}.old")
    _remove(old)
    if city.exists():
        city.rename(old)
    new.rename(city)
    _remove(old)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _draw(source: Path, target: Path, opened: set[int]) -> tuple[float, float, float, float]:
    """Write every drivable way as GeoJSON; give the box around them."""
    west, south, east, north = 180.0, 90.0, -180.0, -90.0
    drawn = 0
    with target.open("wb") as out:
        out.write(b'{"type":"FeatureCollection","features":[')
        for way in _ways(source, DRIVABLE | {_OPENED}):
            if way.tags["highway"] == _OPENED and way.id not in opened:
                continue
            line = [
                (round(node.lon, 6), round(node.lat, 6))
                for node in way.nodes
                if node.location.valid()
            ]
            if len(line) < 2:
                continue
            out.write(b",\n" if drawn else b"\n")
            out.write(_feature(way, line))
            drawn += 1
            lons, lats = zip(*line, strict=True)
            west, east = min(west, *lons), max(east, *lons)
            south, north = min(south, *lats), max(north, *lats)
        out.write(b"\n]}\n")
    if not drawn:
        raise CityError(f"{source}: no drivable street in it; give an extract that has some")
    return west, south, east, north


def _ways(source: Path, kinds: frozenset[str]) -> Iterator[osmium.osm.Way]:
    streets = (
        osmium.FileProcessor(str(source), osmium.osm.NODE | osmium.osm.WAY)
        .with_locations()
        .with_filter(osmium.filter.EntityFilter(osmium.osm.WAY))
        .with_filter(osmium.filter.KeyFilter("highway"))
    )
    try:
        for way in streets:
            if isinstance(way, osmium.osm.Way) and way.tags["highway"] in kinds:
                yield way
    except (RuntimeError, osmium.InvalidLocationError) as error:
        raise CityError(f"{source}: damaged ({error}); download it again") from error


def _feature(way: osmium.osm.Way, line: list[tuple[float, float]]) -> bytes:
    properties = {"class": way.tags["highway"]}
    if "name" in way.tags:
        properties["name"] = way.tags["name"]
    return msgspec.json.encode(
        {
            "type": "Feature",
            "properties": properties,
            "geometry": {"type": "LineString", "coordinates": line},
        }
    )


def _write_access(
    source: Path, folder: Path, van: VanMeasures, told: Callable[[str], None]
) -> set[int]:
    """Write which streets have hours; give the ids of those that are closed but for them."""
    streets: list[AccessStreet] = []
    opened: set[int] = set()
    unread = 0
    for way in _ways(source, DRIVABLE | {_OPENED}):
        tags = dict(way.tags)
        hours = access_hours(tags, van.weight_kg)
        unread += hours == "not understood"
        if not isinstance(hours, Calendar) or not any(hours.week):
            continue
        line = tuple((node.lat, node.lon) for node in way.nodes if node.location.valid())
        if len(line) < 2:
            continue
        if not is_open_else(tags, van.weight_kg):
            opened.add(way.id)
        streets.append(AccessStreet(name=tags.get("name", ""), line=line, hours=hours))
    write_access(folder, streets)
    if streets:
        told(f"streets that vans may enter at some hours only: {len(streets)}")
    if unread:
        told(f"streets whose hours are not understood, and are left out: {unread}")
    return opened


def _build_network(
    source: Path,
    folder: Path,
    van: VanMeasures,
    opened: set[int],
    told: Callable[[str], None],
) -> None:
    base = argument(folder / BASE)
    extract = [
        str(program("osrm-extract")),
        "-p",
        argument(write_profile(folder, van, opened)),
        "-o",
        base,
    ]
    _run(told, "reading the street network", [*extract, argument(source)])
    sizes = ",".join(str(size) for size in cell_sizes(count_of_nodes(folder)))
    partition = [str(program("osrm-partition")), f"--max-cell-sizes={sizes}", base]
    _run(told, "dividing it into cells", partition)
    _run(told, "pricing the cells", [str(program("osrm-customize")), base])


def _run(told: Callable[[str], None], what: str, argv: list[str]) -> None:
    told(what)
    try:
        subprocess.run(  # noqa: S603 - OSRM's own programs on a file the administrator named
            argv, check=True, capture_output=True, timeout=_STEP_LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise CityError(f"{what}: not done after an hour; import a smaller extract") from error
    except subprocess.CalledProcessError as error:
        said = (error.stdout + error.stderr).decode(errors="replace").strip().splitlines()
        raise CityError(
            f"{what}: {' / '.join(said[-3:]) or f'ended with {error.returncode}'}; "
            "check the extract, free memory and disk"
        ) from error
