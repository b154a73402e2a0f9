"""Asking the road engine, over HTTP on loopback, in two lanes that never wait for each other.

The engine closes a kept-alive connection after a while by itself; a question that falls into that
moment is asked again. Every question ends: with an answer, or with `RoadsUnavailable`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate, pairwise
from math import inf
from typing import Annotated, Any, Final, Literal, Self

import httpx
import msgspec

from cloud.roads.engine import KEEP_ALIVE_S, MAX_MATCH_POINTS, MAX_ROUTE_POINTS
from cloud.roads.flat import FlatTable, read_failure, read_table
from cloud.roads.guidance import Manoeuvre, steps
from cloud.roads.matching import Hop, Line, pieces
from cloud.roads.model import (
    NEAR_M,
    Leg,
    Matrix,
    NoStreetNear,
    NoWay,
    Path,
    Point,
    RoadsUnavailable,
    Snapped,
)

type Lane = Literal["interactive", "bulk"]

_BLOCK: Final = 400
"""Rows and columns asked for at once: 400 x 400 is within the engine's limit of 1,000,000."""
_IN_FLIGHT: Final[dict[Lane, int]] = {"interactive": 4, "bulk": 1}
_WAITING: Final[dict[Lane, int]] = {"interactive": 256, "bulk": 16}
_LIMIT_S: Final[dict[Lane, float]] = {"interactive": 5.0, "bulk": 60.0}
_TRIES: Final = 1 + max(_IN_FLIGHT.values())
"""Each kept-alive connection may have been closed by the engine just now; the next is new."""
_ESTIMATED_MPS: Final = 10.0
"""Where no way leads the engine estimates at this speed and says so; nothing is made of it."""
_JSON: Final = {"content-type": "application/json", "accept-encoding": "identity"}


class _Waypoint(msgspec.Struct):
    location: tuple[float, float]
    distance: Annotated[float, msgspec.Meta(ge=0)]
    name: str = ""


class _Nearest(msgspec.Struct):
    waypoints: tuple[_Waypoint, ...]


class _Annotation(msgspec.Struct):
    distance: list[float]
    nodes: list[int] = []
    duration: list[float] = []


class _Manoeuvre(msgspec.Struct):
    type: str
    location: tuple[float, float]
    modifier: str = ""
    exit: int | None = None


class _Step(msgspec.Struct):
    maneuver: _Manoeuvre
    duration: float
    distance: float
    mode: str = ""
    name: str = ""
    destinations: str = ""


class _Leg(msgspec.Struct):
    duration: float
    distance: float
    annotation: _Annotation
    steps: list[_Step] = []


class _Line(msgspec.Struct):
    coordinates: tuple[tuple[float, float], ...]


class _Route(msgspec.Struct):
    duration: float
    distance: float
    legs: list[_Leg]
    geometry: _Line


class _Routes(msgspec.Struct):
    routes: list[_Route]
    waypoints: tuple[_Waypoint, ...]


class _Tracepoint(msgspec.Struct):
    matchings_index: int
    waypoint_index: int


class _Matching(msgspec.Struct):
    confidence: float
    legs: list[_Leg]
    geometry: _Line


class _Matchings(msgspec.Struct):
    matchings: list[_Matching]
    tracepoints: list[_Tracepoint | None]


class _Failure(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Refusal(Exception):
    """The engine understood the question and has no answer to it."""


class RoadsClient:
    """Snap, matrix and route along the streets of one city. Close it when done.

    Args:
        url: where the engine answers, such as ``http://127.0.0.1:5000``.
        lane: whether a person waits for the answer (``interactive``) or a computation does.
        limit_s: real time after which a question is given up.
    """

    def __init__(
        self, url: str, *, lane: Lane = "interactive", limit_s: float | None = None
    ) -> None:
        self.url = url
        self._limit_s = limit_s or _LIMIT_S[lane]
        self._free = asyncio.Semaphore(_IN_FLIGHT[lane])
        self._waiting = 0
        self._most_waiting = _WAITING[lane]
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=_JSON,
            timeout=httpx.Timeout(self._limit_s, connect=min(2.0, self._limit_s)),
            limits=httpx.Limits(
                max_connections=_IN_FLIGHT[lane], keepalive_expiry=KEEP_ALIVE_S / 2
            ),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def snap(self, lat: float, lon: float, *, within_m: float = NEAR_M) -> Snapped:
        """The nearest place on a street.

        Raises:
            NoStreetNear: it is farther away than ``within_m``.
            RoadsUnavailable: the engine does not answer.
        """
        asked = Point(lat, lon)
        try:
            answer = await self._ask("nearest", [asked], _Nearest, number=1)
        except _Refusal:
            raise NoStreetNear([asked], {0: inf}, within_m) from None
        found = answer.waypoints[0]
        if found.distance > within_m:
            raise NoStreetNear([asked], {0: found.distance}, within_m)
        return Snapped(found.location[1], found.location[0], found.name, found.distance)

    async def table(
        self,
        points: Sequence[Point],
        *,
        rows: Sequence[int] | None = None,
        columns: Sequence[int] | None = None,
        within_m: float = NEAR_M,
    ) -> Matrix:
        """Travel times and distances between places; by default from each to each.

        Args:
            points: the places.
            rows: indices of the origins, all by default.
            columns: indices of the destinations, all by default.
            within_m: how far from a street a place may be.

        Raises:
            NoStreetNear: with the index of every place that is too far from a street.
            RoadsUnavailable: the engine does not answer.
        """
        origins = list(range(len(points))) if rows is None else list(rows)
        goals = list(range(len(points))) if columns is None else list(columns)
        import numpy as np

        seconds = np.zeros((len(origins), len(goals)), dtype=np.int32)
        metres = np.zeros_like(seconds)
        far: dict[int, float] = {}
        for top in range(0, len(origins), _BLOCK):
            for left in range(0, len(goals), _BLOCK):
                asked = origins[top : top + _BLOCK], goals[left : left + _BLOCK]
                block = await self._block(points, *asked)
                place = slice(top, top + _BLOCK), slice(left, left + _BLOCK)
                seconds[place], metres[place] = block.seconds, block.metres
                far |= _too_far(asked[0], block.origins_m, within_m)
                far |= _too_far(asked[1], block.goals_m, within_m)
        if far:
            raise NoStreetNear(points, far, within_m)
        return Matrix(seconds, metres)

    async def route(
        self, points: Sequence[Point], *, within_m: float = NEAR_M, with_steps: bool = False
    ) -> Path:
        """The way through ``points`` in their order (2 at least).

        Args:
            points: the places.
            within_m: how far from a street a place may be.
            with_steps: tell what a driver has to do on the way, too.

        Raises:
            NoStreetNear: a point is too far from a street.
            NoWay: a point cannot be reached from the one before it.
            RoadsUnavailable: the engine does not answer.
        """
        if len(points) < 2:
            raise ValueError("points: a route needs two at least")
        path: Path | None = None
        for first in range(0, len(points) - 1, MAX_ROUTE_POINTS - 1):
            part = points[first : first + MAX_ROUTE_POINTS]
            piece = await self._route(part, within_m, with_steps=with_steps)
            path = piece if path is None else joined(path, piece)
        assert path is not None  # noqa: S101 - two points make one piece at least
        return path

    async def match(
        self,
        points: Sequence[Point],
        at_s: Sequence[int],
        *,
        accuracy_m: float = 10.0,
        with_nodes: bool = False,
    ) -> list[Hop]:
        """The way along streets that a drive took, as hops in order; none where no street fits.

        Args:
            points: where it was, about 20 m apart.
            at_s: when, in whole seconds, each later than the one before.
            accuracy_m: standard deviation of the points.
            with_nodes: tell each hop's nodes, and what its turns cost, too.

        Raises:
            RoadsUnavailable: the engine does not answer.
        """
        found: list[Hop] = []
        for piece in pieces(len(points), MAX_MATCH_POINTS):
            asked = slice(piece.first, piece.end)
            hops = await self._match(
                points[asked], at_s[asked], accuracy_m, piece.first, with_nodes=with_nodes
            )
            found += [hop for hop in hops if piece.begin <= hop.first < piece.stop]
        return found

    async def _match(
        self,
        points: Sequence[Point],
        at_s: Sequence[int],
        accuracy_m: float,
        first: int,
        *,
        with_nodes: bool,
    ) -> list[Hop]:
        if len(points) < 2:
            return []
        try:
            answer = await self._ask(
                "match",
                points,
                _Matchings,
                timestamps=list(at_s),
                radiuses=[accuracy_m] * len(points),
                overview="full",
                geometries="geojson",
                annotations=["distance", "nodes", "duration"] if with_nodes else ["distance"],
                gaps="split",
                tidy=False,
            )
        except _Refusal:
            return []
        return _hops(answer, first)

    async def _route(self, points: Sequence[Point], within_m: float, *, with_steps: bool) -> Path:
        # A van that has stopped at a door may set out either way, and the matrix assumes so too.
        try:
            answer = await self._ask(
                "route",
                points,
                _Routes,
                overview="full",
                geometries="geojson",
                annotations=["distance"],
                continue_straight=False,
                steps=with_steps,
            )
        except _Refusal:
            await self._require_near(points, within_m)
            raise NoWay("points") from None
        away_m = [one.distance for one in answer.waypoints]
        far = _too_far(range(len(points)), away_m, within_m)
        if far:
            raise NoStreetNear(points, far, within_m)
        return _path(answer.routes[0])

    async def _block(
        self, points: Sequence[Point], rows: list[int], columns: list[int]
    ) -> FlatTable:
        used = sorted({*rows, *columns})
        used = used if len(used) > 1 else used * 2  # the engine wants two places at least
        at = {point: index for index, point in enumerate(used)}
        try:
            answer = await self._answer(
                "table",
                [points[index] for index in used],
                sources=_twice([at[row] for row in rows]),
                destinations=_twice([at[column] for column in columns]),
                annotations=["duration", "distance"],
                format="flatbuffers",
                fallback_speed=_ESTIMATED_MPS,
            )
            return _read_flat(answer).part(len(rows), len(columns))
        except _Refusal:
            await self._require_near(points, NEAR_M)
            raise RoadsUnavailable("roads: the engine finds no travel times; ask again") from None

    async def _require_near(self, points: Sequence[Point], within_m: float) -> None:
        """Find every place too far from a street, when the engine only says that one is."""
        far: dict[int, float] = {}
        for index, point in enumerate(points):
            try:
                await self.snap(point.lat, point.lon, within_m=within_m)
            except NoStreetNear as error:
                far[index] = error.far_m[0]
        if far:
            raise NoStreetNear(points, far, within_m)

    async def _ask[T](
        self, service: str, points: Sequence[Point], kind: type[T], **asked: Any
    ) -> T:
        return _read(await self._answer(service, points, **asked), kind)

    async def _answer(self, service: str, points: Sequence[Point], **asked: Any) -> httpx.Response:
        body = {
            "coordinates": [(round(point.lon, 6), round(point.lat, 6)) for point in points],
            "generate_hints": False,
            **asked,
        }
        async with self._turn():
            return await self._post(f"/{service}/v1/driving", msgspec.json.encode(body))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= self._most_waiting:
            raise RoadsUnavailable(
                f"roads: {self._waiting} questions wait already; ask again in a moment"
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limit_s), self._free:
                yield
        except TimeoutError:
            raise RoadsUnavailable(
                f"roads: no answer within {self._limit_s:g} s; ask again, or ask for less at once"
            ) from None
        finally:
            self._waiting -= 1

    async def _post(self, path: str, body: bytes) -> httpx.Response:
        error: httpx.HTTPError | None = None
        for _ in range(_TRIES):
            try:
                return await self._http.post(path, content=body)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as dropped:
                error = dropped
            except httpx.HTTPError as failed:
                error = failed
                break
            except RuntimeError as closed:
                if not self._http.is_closed:
                    raise
                raise RoadsUnavailable(
                    "roads: this data set is served no more; ask again"
                ) from closed
        raise RoadsUnavailable(
            f"roads: the engine does not answer ({type(error).__name__}); "
            "it is restarted by itself, ask again in a moment"
        ) from error


def _read[T](answer: httpx.Response, kind: type[T]) -> T:
    try:
        if answer.status_code == httpx.codes.OK:
            return msgspec.json.decode(answer.content, type=kind)
        failure = msgspec.json.decode(answer.content, type=_Failure)
    except msgspec.DecodeError as error:
        raise _not_understood(error) from error
    raise _failed(failure.code, failure.message)


def _read_flat(answer: httpx.Response) -> FlatTable:
    try:
        if answer.status_code == httpx.codes.OK:
            return read_table(answer.content)
        code, message = read_failure(answer.content)
    except ValueError as error:
        raise _not_understood(error) from error
    raise _failed(code, message)


def _not_understood(error: Exception) -> RoadsUnavailable:
    return RoadsUnavailable(f"roads: the engine's answer is not understood: {error}")


def _failed(code: str, message: str) -> Exception:
    if code in {"NoRoute", "NoSegment", "NoTable", "NoMatch"}:
        return _Refusal(message)
    return RoadsUnavailable(f"roads: the engine refused the question: {message}")


def _twice(asked: list[int]) -> list[int]:
    """One place as two of the same.

    From or to a single place the engine searches the whole city on its lowest level, which takes
    two and a half times as long as its search between many.
    """
    return asked * 2 if len(asked) == 1 else asked


def _too_far(indices: Sequence[int], away_m: Sequence[float], within_m: float) -> dict[int, float]:
    near = zip(indices, away_m, strict=True)
    return {index: metres for index, metres in near if not metres <= within_m}


def _path(route: _Route) -> Path:
    legs: list[Leg] = []
    first = 0
    for leg in route.legs:
        last = first + len(leg.annotation.distance)
        legs.append(Leg(round(leg.duration), round(leg.distance), first, last))
        first = last
    return Path(
        seconds=sum(leg.seconds for leg in legs),
        metres=sum(leg.metres for leg in legs),
        legs=tuple(legs),
        geometry=route.geometry.coordinates,
        steps=tuple(steps([_told(one) for one in leg.steps]) for leg in route.legs if leg.steps),
    )


def _told(step: _Step) -> Manoeuvre:
    lon, lat = step.maneuver.location
    return Manoeuvre(
        kind=step.maneuver.type,
        modifier=step.maneuver.modifier,
        exit=step.maneuver.exit,
        street=step.name,
        towards=step.destinations,
        metres=step.distance,
        seconds=step.duration,
        lat=lat,
        lon=lon,
        is_ferry=step.mode == "ferry",
    )


def _hops(answer: _Matchings, first: int) -> list[Hop]:
    """The hops of one answer, whose points begin with the one of index ``first``."""
    cuts = [_cuts(one) for one in answer.matchings]
    known = [(first + at, one) for at, one in enumerate(answer.tracepoints) if one is not None]
    hops: list[Hop] = []
    for (at, one), (following, other) in pairwise(known):
        which, leg = one.matchings_index, one.waypoint_index
        if (other.matchings_index, other.waypoint_index) != (which, leg + 1):
            continue
        matching = answer.matchings[which]
        line = matching.geometry.coordinates[cuts[which][leg] : cuts[which][leg + 1] + 1]
        hops.append(_hop(at, following, matching.confidence, matching.legs[leg], line))
    return hops


def _hop(first: int, last: int, confidence: float, leg: _Leg, line: Line) -> Hop:
    told = leg.annotation
    return Hop(
        first=first,
        last=last,
        metres=leg.distance,
        confidence=confidence,
        line=line,
        nodes=tuple(told.nodes),
        cuts_m=tuple(told.distance) if told.nodes else (),
        turns_s=max(0.0, leg.duration - sum(told.duration)) if told.nodes else 0.0,
    )


def _cuts(matching: _Matching) -> list[int]:
    """Where in the geometry of a matching each of its legs begins, and the last one ends."""
    return list(accumulate((len(leg.annotation.distance) for leg in matching.legs), initial=0))


def joined(head: Path, tail: Path) -> Path:
    """Two pieces where the second starts at the end of the first."""
    shift = len(head.geometry) - 1
    moved = [Leg(leg.seconds, leg.metres, leg.first + shift, leg.last + shift) for leg in tail.legs]
    return Path(
        seconds=head.seconds + tail.seconds,
        metres=head.metres + tail.metres,
        legs=(*head.legs, *moved),
        geometry=(*head.geometry, *tail.geometry[1:]),
        steps=(*head.steps, *tail.steps),
    )
