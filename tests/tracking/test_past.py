"""Trips, dwells and replay: as the van told them, or read out of its track, whenever it came."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.tracking import journeys, store, track
from cloud.tracking.blocks import Numbered
from cloud.tracking.journeys import COLUMNS, Trip
from cloud.tracking.past import Past
from cloud.tracking.replay import frames
from cloud.tracking.service import Tracks
from cloud.tracking.store import Writes
from tests.gateway.tracks import LAT, LON, START_MS, Journey, degrees_at
from tests.parts.migrated import upgrade
from tests.tracking.test_history import opened
from tests.tracking.vans import arrived_row, event_rows
from wire.events import TripEnded, TripStarted
from wire.messages import Batch, Event, Fix

START_S = START_MS / 1000


def errand() -> list[Fix]:
    """Two drives of 2 km and 1 km with a stand of ten minutes between."""
    van = Journey()
    return list(
        chain(
            *(van.stand(200), van.drive(200, 10.0), van.stand(600), van.drive(100, 10.0)),
            van.stand(400),
        )
    )


def as_batches(fixes: list[Fix], stream: int = 7, size: int = 60) -> list[Batch]:
    return [
        Batch(stream=stream, first=at, fixes=tuple(fixes[at : at + size]))
        for at in range(0, len(fixes), size)
    ]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "telemetry.db")
    upgrade(database, "telemetry")
    yield database
    database.close()


def past(database: Database) -> Past:
    return Past(database, Tracks(database))


def keep(database: Database, van: str, batches: list[Batch]) -> None:
    with database.writing() as connection:
        store.write(connection, Writes(arrived=[arrived_row(one, van) for one in batches]))


def tell(database: Database, *events: TripStarted | TripEnded) -> None:
    rows = event_rows(
        "van-1",
        *(
            Event(stream="50", seq=seq, recorded_at_ms=one.at_ms, body=one)
            for seq, one in enumerate(events)
        ),
    )
    with database.writing() as connection:
        store.write(connection, Writes(events=rows))


def test_a_phone_s_trips_are_read_out_of_its_track(database: Database) -> None:
    keep(database, "van-1", as_batches(errand()))
    found = past(database).journeys("main", "van-1", (START_S, START_S + 3600))
    assert found.told_by == "track"
    first, second = found.trips
    assert first.distance_m == pytest.approx(2000, abs=40)
    assert second.distance_m == pytest.approx(1000, abs=40)
    assert first.moving_s == pytest.approx(200, abs=10)
    dwell, last = found.dwells
    assert dwell.started_at_ms == first.ended_at_ms
    assert dwell.ended_at_ms == second.started_at_ms
    assert dwell.where is not None
    assert dwell.where.lon_e7 / 1e7 == pytest.approx(degrees_at(2000, 0)[1], abs=0.0003)
    assert last.ended_at_ms is None


def test_what_the_van_told_of_its_trips_wins(database: Database) -> None:
    keep(database, "van-1", as_batches(errand()))
    at_ms = START_MS + 100_000
    end = TripEnded(
        started_at_ms=at_ms,
        at_ms=at_ms + 60_000,
        odometer_m=900,
        distance_m=500,
        moving_s=50,
        idling_s=0,
        top_speed_cmps=900,
    )
    begin = TripStarted(at_ms=at_ms, odometer_m=400, by="ignition")
    tell(database, begin, end, TripStarted(at_ms=at_ms + 90_000, odometer_m=900, by="motion"))
    found = past(database).journeys("main", "van-1", (START_S, START_S + 3600))
    assert found.told_by == "van"
    assert [one.ended_at_ms for one in found.trips] == [at_ms + 60_000, None]
    assert [one.ended_at_ms for one in found.dwells] == [at_ms + 90_000]
    before = past(database).journeys("main", "van-1", (START_S, START_S + 120))
    assert [one.started_at_ms for one in before.trips] == [at_ms]
    read = past(database).journeys("main", "van-1", (START_S, START_S + 3600), "track")
    assert [one.distance_m for one in read.trips] != [500]
    with pytest.raises(Invalid, match="7 days"):
        past(database).journeys("main", "van-1", (START_S, START_S + 8 * 86_400), "track")


def test_a_begin_whose_end_was_lost_is_no_trip_that_goes_on() -> None:
    begin = TripStarted(at_ms=5, odometer_m=0, by="motion")
    end = TripEnded(
        started_at_ms=10, at_ms=20, odometer_m=9, distance_m=9, moving_s=1, idling_s=0,
        top_speed_cmps=1,
    )  # fmt: skip
    assert [one.started_at_ms for one in journeys.trips_of([end, begin, end])] == [10]
    assert journeys.trips_of([begin]) == [Trip(started_at_ms=5)]


ERRAND = errand()
IN_ORDER = as_batches(ERRAND)


@settings(max_examples=6, deadline=None)
@given(st.permutations(range(len(IN_ORDER))), st.lists(st.integers(0, 5), max_size=3))
def test_late_and_repeated_batches_give_the_trips_of_ordered_ones(
    order: list[int], again: list[int]
) -> None:
    with TemporaryDirectory() as folder, opened(folder) as cloud:
        for number, place in enumerate([*order, *again]):
            cloud.hear(IN_ORDER[place])
            if number == len(order) // 2:
                cloud.fold()
        told = Past(cloud.database, Tracks(cloud.database)).journeys(
            "main", "van-1", (START_S, START_S + 3600)
        )
    assert told.trips == _expected()


def _expected() -> list[Trip]:
    rows = [Numbered(at, one, 0) for at, one in enumerate(ERRAND)]
    return journeys.trips_of(list(journeys.events_of(track.of_rows(7, rows, COLUMNS))))


def test_a_replay_tells_where_each_van_was_and_nothing_of_a_silence(database: Database) -> None:
    drive = list(Journey().drive(100, 10.0))
    keep(database, "van-1", as_batches([*drive[:40], *drive[60:]], size=20))
    first_ms, (one, none) = past(database).replay(
        "main", ["van-1", "van-2"], (START_S, START_S + 1000), 10.0
    )
    assert first_ms == START_MS
    assert set(none.places) == {None}
    assert one.places[5] is not None
    east = degrees_at(500, 0)[1]
    assert one.places[5][0] == pytest.approx(east, abs=3e-4), "straight over a short silence"
    assert one.places[5][1] == pytest.approx(LAT, abs=1e-5)
    assert one.places[9] is not None
    assert one.places[99] is None, "long after its last fix"
    driven = Tracks(database).track("main", "van-1", (START_MS, START_MS + 10**6))
    strict = frames("van-1", driven, np.array([START_MS + 50_000]), 5_000)
    assert strict.places == [None]
    assert one.places[9][0] > LON


def test_a_replay_has_its_bounds(database: Database) -> None:
    with pytest.raises(Invalid, match="frames of 1 vehicles"):
        past(database).replay("main", ["van-1"], (START_S, START_S + 86_400), 1.0)
    with pytest.raises(Invalid, match="frames of 100 vehicles"):
        past(database).replay("main", ["van-1"] * 100, (START_S, START_S + 86_400), 60.0)
