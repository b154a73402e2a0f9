"""A van that drives elsewhere is told once; one that knows a better street is not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud.foundation.outbox import Outbox, outbox
from cloud.planning.day_plan import Route
from cloud.planning.route_watch import RouteWatch
from cloud.planning.situation import At
from cloud.planning.straying import FIXES, Straying, heading_for, looked
from cloud.tracking.progress import Line
from tests.cloud.desk import Desk, StillClock, open_desk
from tests.planning.days import EIGHT, aboard, route, stop

NORTHWARDS = tuple((-71.25, -29.95 + step / 1_000) for step in range(51))
"""A path of 5.6 km, as (lon, lat); it ends at the stop."""
LINE = Line([(lat, lon) for lon, lat in NORTHWARDS])
DOOR = replace(stop("s1", aboard("b", "van-1")), lat=-29.9, lon=-71.25)
DONE = replace(stop("s0", aboard("a", "van-1"), state="done"), lat=-29.95, lon=-71.25)
UNDER_WAY = replace(route("van-1", DONE, DOOR), geometry=NORTHWARDS)


def driven(*places: tuple[float, float]) -> list[Straying]:
    known: Straying | None = None
    seen = []
    for minute, (lat, lon) in enumerate(places):
        known = looked(known, DOOR, At(lat, lon, EIGHT + 60 * minute), LINE)
        seen.append(known)
    return seen


def away(fixes: int) -> list[tuple[float, float]]:
    """West by 700 m a fix, from half way."""
    return [(-29.925, -71.25 - 0.0072 * number) for number in range(fixes + 1)]


def test_a_van_that_drives_away_is_off_its_route_after_several_fixes() -> None:
    seen = driven(*away(FIXES + 3))
    off = [one.fixes for one in seen]
    assert off[0] == off[1] == 0
    assert seen[-1].is_news
    assert off.index(FIXES) == off.index(1) + FIXES - 1


def test_another_street_to_the_same_stop_is_no_straying() -> None:
    beside = [(-29.95 + step / 500, -71.257) for step in range(24)]  # 680 m west of the path
    assert not any(one.fixes for one in driven(*beside))


def test_a_loop_on_the_path_itself_is_no_straying() -> None:
    there_and_back = [(-29.92, -71.25), (-29.935, -71.25), (-29.945, -71.25), (-29.95, -71.25)]
    assert not any(one.fixes for one in driven(*there_and_back))


def test_one_bad_fix_or_the_same_fix_again_counts_for_nothing() -> None:
    fixes = [*away(2), (-29.925, -71.25), *away(2)]
    assert not any(one.is_news for one in driven(*fixes))
    known = driven(*away(3))[-1]
    assert looked(known, DOOR, At(-29.925, -71.3, known.fix_time), LINE) is known


def test_a_van_is_looked_at_between_its_first_stop_and_its_last() -> None:
    assert heading_for(UNDER_WAY) == UNDER_WAY.stops[1]
    assert heading_for(replace(UNDER_WAY, stops=(replace(DONE, state="open"), DOOR))) is None
    assert heading_for(replace(UNDER_WAY, stops=(DONE, replace(DOOR, state="arrived")))) is None
    assert heading_for(replace(UNDER_WAY, stops=(DONE,))) is None


class Street:
    """A van on its route, watched."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.at = At(-29.925, -71.25, EIGHT)
        self.routes: list[Route] = [UNDER_WAY]
        self.watch = RouteWatch(
            database=desk.database,
            clock=StillClock(),
            events=Outbox(desk.database),
            tenants=lambda: ["main"],
            routes=lambda _: self.routes,
            positions=lambda _: {"van-1": self.at},
        )

    def drive(self, places: list[tuple[float, float]]) -> int:
        news = 0
        for lat, lon in places:
            self.at = At(lat, lon, self.at.fix_time + 60)
            news += self.watch.look()
        return news

    @property
    def told(self) -> list[str]:
        with self.desk.database.reading() as connection:
            kinds = connection.scalars(select(outbox.c.kind).order_by(outbox.c.position)).all()
        return [kind for kind in kinds if kind == "VanOffRoute"]


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    desk = open_desk(tmp_path / "data")
    yield Street(desk)
    desk.close()


def test_it_is_told_once_and_again_after_it_has_come_back(street: Street) -> None:
    assert street.drive(away(10)) == 1
    assert len(street.told) == 1
    street.drive([(-29.924, -71.25), (-29.92, -71.25)])
    assert street.drive([(-29.92, -71.25 - 0.0072 * number) for number in range(10)]) == 1
    assert len(street.told) == 2


def test_a_route_that_has_ended_is_forgotten(street: Street) -> None:
    street.drive(away(2))
    street.routes = []
    assert street.watch.look() == 0
    street.routes = [UNDER_WAY]
    assert street.drive(away(3)[2:]) == 0


def test_a_new_revision_begins_anew(street: Street) -> None:
    assert street.drive(away(10)) == 1
    street.routes = [replace(UNDER_WAY, revision=2)]
    assert street.drive([(-29.92, -71.31 - 0.0072 * number) for number in range(8)]) == 1
