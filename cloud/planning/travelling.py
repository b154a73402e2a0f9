"""Travel between the places of a problem, asked of the road engine."""

from collections.abc import Iterable
from typing import Final

from cloud.planning.bounds import Instant
from cloud.planning.cells.planning import Table
from cloud.planning.portion import Portion
from cloud.planning.problem import Location, Problem
from cloud.planning.questions import Expected
from cloud.roads.hours import Travel
from cloud.roads.model import Matrix, NoStreetNear, Point
from cloud.roads.timed import TimedRoads

_DIGITS: Final = 6
"""Of degrees: so exactly places are asked for."""


async def travel_of(
    roads: TimedRoads, problem: Problem, now: Instant | None, *, is_quick: bool = False
) -> tuple[Travel, dict[int, float]]:
    """Travel times between all locations while vans work, asked once for each distinct place.

    By ``is_quick`` the ways to and from a new place are the best ones where vans begin, end and
    load, and beside it; elsewhere they lead over one of those (`cloud.roads.remembering`).

    Places without a street are told apart, with how far the nearest is; their rows and columns
    are those of another.

    Raises:
        RoadsUnavailable: the engine does not answer.
    """
    span = (
        min((van.available_from for van in problem.vehicles), default=0),
        max((van.shift_end for van in problem.vehicles), default=0),
    )
    points = _points(problem.locations)
    places = list(dict.fromkeys(points))
    ends = {
        points[at]
        for van in problem.vehicles
        for at in (van.start, van.end, van.loads_at)
        if at is not None
    }
    far: dict[Point, float] = {}

    async def table(places: list[Point]) -> Travel:
        at = [number for number, place in enumerate(places) if place in ends]
        return await roads.table(places, *span, now, is_quick=is_quick, ends=at)

    try:
        travel = await table(places)
    except NoStreetNear as error:
        far = {places[at]: distance_m for at, distance_m in error.far_m.items()}
        near = [place for place in places if place not in far]
        travel, places = await table(near), near
    at = {place: index for index, place in enumerate(places)}
    whole = travel.cut([at.get(point, 0) for point in points]) if places else travel
    return whole, {index: far[point] for index, point in enumerate(points) if point in far}


async def expect(roads: TimedRoads, told: Expected) -> None:
    """Learn the ways of places before they are asked for.

    Raises:
        RoadsUnavailable: the engine does not answer.
    """
    await roads.expect(
        _points(told.places),
        _points(told.ends),
        told.from_s,
        told.until_s,
        told.now,
        is_whole=told.is_whole,
    )


def _points(locations: Iterable[Location]) -> list[Point]:
    return [Point(round(at.lat, _DIGITS), round(at.lon, _DIGITS)) for at in locations]


def table_of(roads: TimedRoads, now: Instant | None) -> Table:
    """The same for one cell after another."""

    async def table(part: Portion) -> tuple[Travel, dict[int, float]]:
        return await travel_of(roads, part.problem, now)

    return table


def table_within(matrix: Matrix) -> Table:
    """The same, of a matrix of the whole."""

    async def table(part: Portion) -> tuple[Travel, dict[int, float]]:
        return matrix.cut(part.places), {}

    return table
