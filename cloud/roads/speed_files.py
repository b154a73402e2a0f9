"""Day-one speeds and closures out of a file: segments as CSV, rules as GeoJSON. Pure."""

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cloud.foundation.errors import FieldProblem, Invalid
from cloud.roads.speeds import MAX_KMH, MAX_POINTS, MAX_RULES, MIN_KMH, RoadRule

MAX_FILE_BYTES: Final = 20_000_000
COLUMNS: Final = ("from_node", "to_node", "kmh")
_MOST_TOLD: Final = 20
_HIGHEST_NODE: Final = 1 << 40

type Lon = Annotated[float, Meta(ge=-180, le=180)]
type Lat = Annotated[float, Meta(ge=-90, le=90)]
type _Kmh = Annotated[float, Meta(ge=MIN_KMH, le=MAX_KMH)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedFile:
    """The speeds of a file; ``body`` is packed, `speeds_of` reads it."""

    name: str
    rows: int
    body: bytes
    changed_at: float
    changed_by: str


class _Line(msgspec.Struct, tag="LineString", frozen=True):
    coordinates: Annotated[list[tuple[Lon, Lat]], Meta(min_length=2, max_length=MAX_POINTS)]


class _Area(msgspec.Struct, tag="Polygon", frozen=True):
    coordinates: Annotated[
        list[Annotated[list[tuple[Lon, Lat]], Meta(min_length=4, max_length=MAX_POINTS + 1)]],
        Meta(min_length=1, max_length=1),
    ]


class _Said(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    kind: Literal["closed", "slow"]
    name: Annotated[str, Meta(max_length=200)] = ""
    kmh: _Kmh | None = None
    one_way: bool = False
    from_: datetime | None = None
    until: datetime | None = None


class _Feature(msgspec.Struct, tag="Feature", frozen=True):
    geometry: Annotated[_Line | _Area, ...]
    properties: _Said


class _Collection(msgspec.Struct, tag="FeatureCollection", frozen=True):
    features: Annotated[list[_Feature], Meta(max_length=MAX_RULES)]


def read_speeds(text: str) -> list[tuple[int, int, float]]:
    """(node from, node to, km/h) of a CSV with the header of `COLUMNS`; 0 km/h closes.

    Raises:
        Invalid: names the lines that are no speeds; then none is taken.
    """
    table = csv.reader(text.splitlines())
    header = [one.strip().lower() for one in next(table, [])]
    if header != list(COLUMNS):
        raise Invalid.field(
            "file", f"its header is {','.join(header)[:80]!r}", f"use {','.join(COLUMNS)}"
        )
    found: list[tuple[int, int, float]] = []
    problems: list[FieldProblem] = []
    for number, row in enumerate(table, start=2):
        try:
            found.append(_speed(row))
        except ValueError as error:
            problems.append(FieldProblem(f"line {number}", str(error), f"give {','.join(COLUMNS)}"))
            if len(problems) == _MOST_TOLD:
                break
    if problems:
        raise Invalid(
            f"file: {problems[0].field}: {problems[0].problem}; nothing was taken", *problems
        )
    return found


def read_rules(body: bytes) -> list[RoadRule]:
    """The closures and slow zones of a GeoJSON collection, without ids.

    Raises:
        Invalid: it is no such collection; names the field.
    """
    try:
        read = msgspec.json.decode(body, type=_Collection)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid.field(
            "file", str(error), "give a FeatureCollection of LineString and Polygon features"
        ) from error
    return [_rule(number, one) for number, one in enumerate(read.features)]


def packed(rows: list[tuple[int, int, float]]) -> bytes:
    """Speeds as they are kept."""
    return zlib.compress(msgspec.msgpack.encode(rows), 6)


def speeds_of(file: SpeedFile) -> list[tuple[int, int, float]]:
    """The speeds of a kept file."""
    return msgspec.msgpack.decode(zlib.decompress(file.body), type=list[tuple[int, int, float]])


def _speed(row: list[str]) -> tuple[int, int, float]:
    if len(row) != len(COLUMNS):
        raise ValueError(f"has {len(row)} columns instead of {len(COLUMNS)}")
    try:
        tail, head, kmh = int(row[0]), int(row[1]), float(row[2])
    except ValueError:
        raise ValueError("is no pair of node numbers and a speed") from None
    if not (0 < tail < _HIGHEST_NODE and 0 < head < _HIGHEST_NODE):
        raise ValueError("names a node that cannot be")
    if kmh != 0 and not MIN_KMH <= kmh <= MAX_KMH:
        raise ValueError(f"{kmh:g} km/h is not 0 and not {MIN_KMH:g} to {MAX_KMH:g}")
    return tail, head, kmh


def _rule(number: int, feature: _Feature) -> RoadRule:
    said = feature.properties
    field = f"features[{number}].properties"
    is_area = isinstance(feature.geometry, _Area)
    places = (
        _corners(feature.geometry.coordinates[0])
        if isinstance(feature.geometry, _Area)
        else feature.geometry.coordinates
    )
    rule = RoadRule(
        id="",
        name=said.name,
        kind=said.kind,
        points=tuple((lat, lon) for lon, lat in places),
        is_area=is_area,
        kmh=said.kmh,
        is_one_way=said.one_way,
        from_s=None if said.from_ is None else _seconds(f"{field}.from", said.from_),
        until_s=None if said.until is None else _seconds(f"{field}.until", said.until),
    )
    for problem in rule_problems(rule, field):
        raise Invalid(f"{problem.field}: {problem.problem}; {problem.remedy}", problem)
    return rule


def _corners[P](ring: list[P]) -> list[P]:
    """Each corner of an area once: a ring should end where it begins, and need not."""
    return ring[:-1] if ring[:1] == ring[-1:] else ring


def rule_problems(rule: RoadRule, field: str = "properties") -> Iterator[FieldProblem]:
    """What contradicts itself in a rule whose fields are each right."""
    if (rule.kind == "slow") != (rule.kmh is not None):
        yield FieldProblem(
            f"{field}.kmh",
            "is missing" if rule.kind == "slow" else "means nothing where nobody drives",
            "give it for a slow zone, and only there",
        )
    if rule.is_one_way and rule.is_area:
        yield FieldProblem(f"{field}.one_way", "an area has no direction", "draw a line instead")
    if rule.from_s is not None and rule.until_s is not None and rule.until_s <= rule.from_s:
        yield FieldProblem(f"{field}.until", "is not after from", "give a later time")


def _seconds(field: str, at: datetime) -> float:
    if at.tzinfo is None:
        raise Invalid.field(field, "has no offset", "give UTC, such as 2026-11-26T08:00:00Z")
    return at.timestamp()


def as_geojson(rule: RoadRule) -> dict[str, Any]:
    """The geometry of a rule."""
    places = [[lon, lat] for lat, lon in rule.points]
    if rule.is_area:
        return {"type": "Polygon", "coordinates": [[*places, places[0]]]}
    return {"type": "LineString", "coordinates": places}
