"""The city's streets as the simulation knows them: its own graph, speeds and shortest paths.

Read from an OpenStreetMap extract and from nothing of the product, so that a van needs the time it
needs and not the time the plan gave it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path as File
from typing import Final, NamedTuple

import osmium
import rustworkx

from sim.geodesy import METRES_A_DEGREE, Point, between, distance_m, offset_m

_KMH: Final = 1 / 3.6

SPEED_MPS: Final = {
    "motorway": 100 * _KMH,
    "trunk": 80 * _KMH,
    "primary": 50 * _KMH,
    "secondary": 50 * _KMH,
    "tertiary": 45 * _KMH,
    "unclassified": 40 * _KMH,
    "residential": 30 * _KMH,
    "living_street": 15 * _KMH,
}
"""What a van drives where nothing is in its way.

In town at most the 50 km/h of Chile's Ley 21.103 (2018); below that for what narrows small streets.
"""

_RANK: Final = {kind: rank for rank, kind in enumerate(reversed(SPEED_MPS))}
_CELL_DEG: Final = 0.002


class StreetsError(ValueError):
    """The streets cannot be read, or no street or path is where one is asked for."""


class Street(NamedTuple):
    """What a segment belongs to: its name (empty when it has none) and OSM ``highway`` class."""

    name: str
    kind: str


class Segment(NamedTuple):
    """A straight piece of street in one direction."""

    length_m: float
    speed_mps: float
    street: Street


class Place(NamedTuple):
    """A point on the segment from node ``tail`` to ``head``, and how far off it lies what asked."""

    tail: int
    head: int
    fraction: float
    point: Point
    away_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A way through the streets.

    Attributes:
        points: at least one. speeds_mps: of each leg between two points. kinds: its street class.
        gives_way: for each point, whether a larger street is met there, which may mean waiting.
        drive_s: at full speed without any halt. distance_m: along the legs.
    """

    points: tuple[Point, ...]
    speeds_mps: tuple[float, ...]
    kinds: tuple[str, ...]
    gives_way: tuple[bool, ...]
    drive_s: float
    distance_m: float


class Streets:
    """A street network in which every node reaches every other."""

    def __init__(self, points: list[Point], segments: dict[tuple[int, int], Segment]) -> None:
        """Take ``points`` by node and directed ``segments``; badly connected ones are left out.

        Raises:
            StreetsError: there is no segment at all.
        """
        if not segments:
            raise StreetsError("streets: no drivable street was found; take another extract")
        self._points = points
        self.segments = _connected(len(points), segments)
        self._graph: rustworkx.PyDiGraph[int, float] = rustworkx.PyDiGraph(multigraph=False)
        self._graph.add_nodes_from(range(len(points)))
        self._graph.add_edges_from(
            [(*ends, part.length_m / part.speed_mps) for ends, part in self.segments.items()]
        )
        self._neighbours: dict[int, set[int]] = defaultdict(set)
        self._rank: dict[int, int] = defaultdict(int)
        for (tail, head), part in self.segments.items():
            self._neighbours[tail].add(head)
            self._neighbours[head].add(tail)
            for end in (tail, head):
                self._rank[end] = max(self._rank[end], _RANK[part.street.kind])
        self._grid = self._index()

    @classmethod
    def read(cls, file: File) -> "Streets":
        """Read an ``.osm.pbf`` extract.

        Raises:
            StreetsError: the file is missing, unreadable or without streets.
        """
        try:
            return cls(*_graph_of(_ways(file)))
        except (OSError, RuntimeError) as error:
            raise StreetsError(f"streets: {file} cannot be read: {error}") from error

    def point(self, node: int) -> Point:
        """Where ``node`` lies."""
        return self._points[node]

    def nearest(self, point: Point, *, within_m: float = 2000.0) -> Place:
        """The nearest place on any street.

        Raises:
            StreetsError: no street lies within ``within_m``.
        """
        best: Place | None = None
        for ring, cell in self._rings(point, within_m):
            if best is not None and best.away_m < (ring - 1) * _CELL_DEG * METRES_A_DEGREE * 0.8:
                break
            for tail, head in self._grid.get(cell, ()):
                place = self._project(tail, head, point)
                if best is None or place.away_m < best.away_m:
                    best = place
        if best is None or best.away_m > within_m:
            raise StreetsError(f"streets: none within {within_m:.0f} m of {point}")
        return best

    def path(self, start: Place, end: Place) -> Path:
        """The fastest way from ``start`` to ``end``; it may leave a two-way street both ways."""
        nodes = self._route(start, end)
        points = (start.point, *(self._points[node] for node in nodes), end.point)
        ends = [(start.tail, start.head), *pairwise(nodes), (end.tail, end.head)]
        if not nodes:
            ends = [(start.tail, start.head)]
        parts = [self.segments[self._either(pair)] for pair in ends]
        lengths = [distance_m(one, other) for one, other in pairwise(points)]
        waits = [
            self._gives_way(node, before, after)
            for node, (before, after) in zip(nodes, pairwise(parts), strict=True)
        ]
        return Path(
            points=points,
            speeds_mps=tuple(part.speed_mps for part in parts),
            kinds=tuple(part.street.kind for part in parts),
            gives_way=(False, *waits, False),
            drive_s=sum(m / part.speed_mps for m, part in zip(lengths, parts, strict=True)),
            distance_m=sum(lengths),
        )

    def _route(self, start: Place, end: Place) -> list[int]:
        """Nodes between two places; none when both lie on one segment and that way is shortest."""
        source = self._graph.add_node(-1)
        target = self._graph.add_node(-1)
        try:
            for node, cost in self._exits(start):
                self._graph.add_edge(source, node, cost)
            for node, cost in self._entries(end):
                self._graph.add_edge(node, target, cost)
            direct = self._direct(start, end)
            if direct is not None:
                self._graph.add_edge(source, target, direct)
            found = rustworkx.dijkstra_shortest_paths(self._graph, source, target, weight_fn=float)
            return list(found[target])[1:-1]
        finally:
            self._graph.remove_nodes_from([source, target])

    def _exits(self, place: Place) -> Iterator[tuple[int, float]]:
        cost = self._seconds(place)
        yield place.head, cost * (1 - place.fraction)
        if (place.head, place.tail) in self.segments:
            yield place.tail, cost * place.fraction

    def _entries(self, place: Place) -> Iterator[tuple[int, float]]:
        cost = self._seconds(place)
        yield place.tail, cost * place.fraction
        if (place.head, place.tail) in self.segments:
            yield place.head, cost * (1 - place.fraction)

    def _direct(self, start: Place, end: Place) -> float | None:
        if {start.tail, start.head} != {end.tail, end.head}:
            return None
        if (start.head, start.tail) not in self.segments and start.fraction > end.fraction:
            return None
        length_m = distance_m(start.point, end.point)
        return length_m / self.segments[start.tail, start.head].speed_mps

    def _seconds(self, place: Place) -> float:
        part = self.segments[place.tail, place.head]
        return part.length_m / part.speed_mps

    def _either(self, ends: tuple[int, int]) -> tuple[int, int]:
        return ends if ends in self.segments else (ends[1], ends[0])

    def _gives_way(self, node: int, before: Segment, after: Segment) -> bool:
        if len(self._neighbours[node]) < 3:
            return False
        ranks = (_RANK[before.street.kind], _RANK[after.street.kind])
        return min(ranks) < self._rank[node]

    def _project(self, tail: int, head: int, point: Point) -> Place:
        one, other = self._points[tail], self._points[head]
        east, north = offset_m(one, other)
        to_east, to_north = offset_m(one, point)
        square = east * east + north * north
        along = (to_east * east + to_north * north) / square if square else 0.0
        fraction = min(1.0, max(0.0, along))
        foot = between(one, other, fraction)
        return Place(tail, head, fraction, foot, distance_m(foot, point))

    def _index(self) -> dict[tuple[int, int], list[tuple[int, int]]]:
        grid: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for tail, head in self.segments:
            if tail < head or (head, tail) not in self.segments:
                for cell in _cells(self._points[tail], self._points[head]):
                    grid[cell].append((tail, head))
        return dict(grid)

    @staticmethod
    def _rings(point: Point, within_m: float) -> Iterator[tuple[int, tuple[int, int]]]:
        row, column = _cell(point)
        for ring in range(int(within_m / (_CELL_DEG * METRES_A_DEGREE * 0.8)) + 2):
            for lat in range(row - ring, row + ring + 1):
                is_edge = abs(lat - row) == ring
                step = 1 if is_edge or ring == 0 else 2 * ring
                for lon in range(column - ring, column + ring + 1, step):
                    yield ring, (lat, lon)


class _Way(NamedTuple):
    street: Street
    is_oneway: bool
    nodes: list[tuple[int, float, float]]


def _ways(file: File) -> Iterator[_Way]:
    if not file.is_file():
        raise StreetsError(f"streets: {file} is not there; name an .osm.pbf extract")
    for way in osmium.FileProcessor(file, osmium.osm.NODE | osmium.osm.WAY).with_locations():
        if not isinstance(way, osmium.osm.Way) or way.tags.get("highway") not in SPEED_MPS:
            continue
        nodes = [(node.ref, node.lat, node.lon) for node in way.nodes if node.location.valid()]
        street = Street(way.tags.get("name") or "", way.tags["highway"])
        yield _Way(street, way.tags.get("oneway") == "yes", nodes)


def _graph_of(ways: Iterable[_Way]) -> tuple[list[Point], dict[tuple[int, int], Segment]]:
    number: dict[int, int] = {}
    points: list[Point] = []
    segments: dict[tuple[int, int], Segment] = {}
    for way in ways:
        for ref, lat, lon in way.nodes:
            if ref not in number:
                number[ref] = len(points)
                points.append((lat, lon))
        for one, other in pairwise(number[ref] for ref, _, _ in way.nodes):
            length_m = max(0.1, distance_m(points[one], points[other]))
            part = Segment(length_m, SPEED_MPS[way.street.kind], way.street)
            segments[one, other] = part
            if not way.is_oneway:
                segments[other, one] = part
    return points, segments


def _connected(
    count: int, segments: dict[tuple[int, int], Segment]
) -> dict[tuple[int, int], Segment]:
    """Only what lies in the largest strongly connected part."""
    graph: rustworkx.PyDiGraph[int, None] = rustworkx.PyDiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from_no_data(list(segments))
    parts = [set(part) for part in rustworkx.strongly_connected_components(graph)]
    largest = max(parts, key=len)
    return {
        ends: part
        for ends, part in segments.items()
        if ends[0] in largest and ends[1] in largest and ends[0] != ends[1]
    }


def _cell(point: Point) -> tuple[int, int]:
    return int(point[0] // _CELL_DEG), int(point[1] // _CELL_DEG)


def _cells(one: Point, other: Point) -> Iterator[tuple[int, int]]:
    (row, column), (to_row, to_column) = _cell(one), _cell(other)
    for lat in range(min(row, to_row), max(row, to_row) + 1):
        for lon in range(min(column, to_column), max(column, to_column) + 1):
            yield lat, lon


class RememberedStreets:
    """Streets that remember the doors and ways they were asked for, as days lived again do.

    Args:
        streets: which.
        most: ways that are remembered; the one asked for longest ago is let go first.
    """

    def __init__(self, streets: Streets, most: int = 6_000) -> None:
        self._nearest = lru_cache(most)(streets.nearest)
        self._path = lru_cache(most)(streets.path)

    def nearest(self, point: Point) -> Place:
        """As `Streets.nearest`."""
        return self._nearest(point)

    def path(self, start: Place, end: Place) -> Path:
        """As `Streets.path`."""
        return self._path(start, end)
