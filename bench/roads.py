"""The road engine over HTTP, as the product asks it, beside its bindings in this process."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

import osrm  # type: ignore[import-untyped]  # it has no types

from bench.city_days import doors
from bench.figure import Figure, median_s
from cloud.roads.client import RoadsClient
from cloud.roads.engine import BASE
from cloud.roads.model import Matrix, Path, Point, Snapped
from tests.parts.roads_engine import demo_city, roads_engine

_PLACES = 200


def run() -> Iterator[Figure]:
    """Matrix, row and column, path, snap."""
    city = demo_city()
    places = doors(city, _PLACES, random.Random(1))
    points = [Point(each.lat, each.lon) for each in places]
    direct = osrm.OSRM(
        storage_config=str(city / BASE),
        algorithm="MLD",
        use_shared_memory=False,
        max_locations_distance_table=_PLACES,
    )
    pairs = [(each.lon, each.lat) for each in places]
    wanted = ["duration", "distance"]

    def table(**part: list[int]) -> object:
        return direct.Table(osrm.TableParameters(coordinates=pairs, annotations=wanted, **part))

    def path() -> object:
        return direct.Route(
            osrm.RouteParameters(coordinates=pairs[:20], overview="full", geometries="geojson")
        )

    async def both(roads: RoadsClient) -> tuple[Matrix, Matrix]:
        return await roads.table(points, rows=[0]), await roads.table(points, columns=[0])

    with roads_engine(city=city) as engine:
        yield _figure(
            "matrix 200 x 200", engine.url, lambda roads: roads.table(points), table, goal=150
        )
        yield _figure(
            "row and column of 200",
            engine.url,
            both,
            lambda: (table(sources=[0]), table(destinations=[0])),
        )
        yield _figure(
            "path through 20 places", engine.url, lambda roads: roads.route(points[:20]), path
        )
        yield _figure(
            "snap",
            engine.url,
            lambda roads: roads.snap(points[0].lat, points[0].lon),
            lambda: direct.Nearest(osrm.NearestParameters(coordinates=pairs[:1])),
        )


type Asked = Callable[[RoadsClient], Awaitable[Matrix | tuple[Matrix, Matrix] | Path | Snapped]]


def _figure(
    what: str, url: str, ask: Asked, peer: Callable[[], object], *, goal: float | None = None
) -> Figure:
    return Figure(
        bench="roads",
        figure=what,
        value=round(asyncio.run(_median_s(url, ask)) * 1_000, 2),
        unit="ms",
        goal=goal,
        peer="bindings, raw result",
        peer_value=round(median_s(peer) * 1_000, 2),
    )


async def _median_s(url: str, ask: Asked, *, runs: int = 7) -> float:
    loop = asyncio.get_running_loop()
    times = []
    async with RoadsClient(url) as roads:
        await ask(roads)
        for _ in range(runs):
            begun = loop.time()
            await ask(roads)
            times.append(loop.time() - begun)
    return sorted(times)[runs // 2]
