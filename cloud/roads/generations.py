"""Data sets of one city with speeds of their own, made beside the imported one without touching it.

``osrm-customize`` writes into the files it reads. A generation therefore holds its own copy of
those few files and shares all others with the imported city by hard links: of a country's gigabytes
a further set of speeds costs the metrics of its cells and the weights of its segments only.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from cloud.roads.engine import BASE, argument, program
from cloud.roads.model import CityError

_WRITTEN: Final = (".cell_metrics", ".datasource_names", ".geometry", ".mldgr")
"""What customising writes; the rest of a city never changes."""
_CUSTOMISE_WITHIN_S: Final = 600.0


def customise(city: Path, target: Path, speeds: Path) -> Path:
    """Make ``target``: the imported ``city`` (the folder) with the segment ``speeds`` (CSV).

    Lines of ``speeds``: node from, node to, km/h, m/s for the choice of the way; 0 closes. It takes
    its place only when it is whole.

    Raises:
        CityError: it cannot be made; nothing is left of it.
    """
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        _share(city, new)
        _price(new / BASE, speeds)
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    except OSError as error:
        raise CityError(f"{target}: {error}; check free disk space") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target


def stamp(city: Path) -> str:
    """Tells one import of a city from another.

    Raises:
        CityError: no city is imported there.
    """
    try:
        found = (city / f"{BASE}.mldgr").stat()
    except OSError as error:
        raise CityError(
            f"{city}: no street network; run: roundsman city import FILE.osm.pbf "
            f"--data {city.parent}"
        ) from error
    return f"{found.st_ino}-{found.st_mtime_ns}"


def _share(city: Path, new: Path) -> None:
    for file in city.glob(f"{BASE}.*"):
        if file.suffix in _WRITTEN:
            shutil.copyfile(file, new / file.name)
        else:
            _link(file, new / file.name)


def _link(file: Path, name: Path) -> None:
    try:
        os.link(file, name)
    except OSError:  # a file system without hard links, or the city lies on another one
        shutil.copyfile(file, name)


def _price(base: Path, speeds: Path) -> None:
    argv = [
        str(program("osrm-customize")),
        "--threads=1",
        "--verbosity=ERROR",
        f"--segment-speed-file={speeds}",
        argument(base),
    ]
    try:
        subprocess.run(  # noqa: S603 - OSRM's own program on files made here
            argv, check=True, capture_output=True, timeout=_CUSTOMISE_WITHIN_S
        )
    except subprocess.TimeoutExpired as error:
        raise CityError("speeds: not priced within ten minutes; use a smaller extract") from error
    except subprocess.CalledProcessError as error:
        said = (error.stdout + error.stderr).decode(errors="replace").strip().splitlines()
        raise CityError(
            f"speeds: {' / '.join(said[-2:]) or f'ended with {error.returncode}'}; "
            "check free memory and disk"
        ) from error
