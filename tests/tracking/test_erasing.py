"""What is erased is gone from wherever it lay, the rest is as it was; a kill changes nothing."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import Settings
from cloud.tracking import erasing, store
from cloud.tracking.blocks import Box
from cloud.tracking.deadletters import Errands, have_done
from cloud.tracking.erasing import Erased, Erasing, Erasure
from cloud.tracking.history import ARRIVED, BLOCK
from cloud.tracking.model import moment_ms
from cloud.tracking.store import EVENT, SET_ASIDE, Writes
from tests.tracking.test_history import Cloud, PowerCut, deliveries, opened, told
from tests.tracking.vans import NOON_MS, batch, fix
from wire import topics
from wire.events import EventBody, Gap, StopArrived, TripStarted, Where
from wire.messages import Batch, Event

MINUTE = 60_000


@pytest.fixture
def cloud(tmp_path: Path, kept_in: Settings) -> Iterator[Cloud]:
    with opened(tmp_path, kept_in) as cloud:
        yield cloud


def span(first: int, last: int, van: str = "van-1") -> Erasure:
    """Of seconds after noon."""
    begin, end = NOON_MS + first * 1000, NOON_MS + last * 1000
    return Erasure(tenant="main", van=van, from_ms=begin, to_ms=end)


def erased(cloud: Cloud, erasure: Erasure) -> Erased:
    work = Erasing(erasure)
    while work.step(cloud.database, cloud.intake):
        pass
    cloud.backlog.forget_ends()
    return work.outcome


def boxes(cloud: Cloud) -> list[Box]:
    with cloud.database.reading() as connection:
        found = []
        for table in (BLOCK, ARRIVED):
            sides = [table.c[name] for name in Box._fields]
            rows = connection.execute(select(*sides).where(table.c.south_e7.is_not(None)))
            found += [Box(*row) for row in rows]
    return found


@settings(max_examples=25, deadline=None)
@given(deliveries(), st.data())
def test_whatever_was_stored_what_is_erased_is_gone_and_the_rest_as_it_was(
    said: list[Batch], data: st.DataObject
) -> None:
    rows = {
        (one.stream, seq): fix for one in said for seq, fix in zip(one.seqs, one.fixes, strict=True)
    }
    first = data.draw(st.integers(-1, 9_000))
    erasure = span(first, first + data.draw(st.integers(1, 9_000)))
    steps = st.sampled_from(["go on", "read", "fold"])
    with TemporaryDirectory() as folder, opened(folder) as cloud:
        for one in said:
            cloud.hear(one)
            cloud.hear(one, van="van-2")
            match data.draw(steps):
                case "read":
                    cloud.read()
                case "fold":
                    cloud.fold()
                case _:
                    pass
        others = cloud.track("van-2")
        if data.draw(st.booleans()):
            _cut_amid(cloud, erasure, data.draw(st.integers(0, 3)))
        erased(cloud, erasure)
        left = sorted(told(*name, one) for name, one in rows.items() if erasure.keeps(one))
        assert cloud.track() == left
        assert cloud.track("van-2") == others
        for one in said:
            cloud.hear(one)
        cloud.fold()
        assert cloud.track() == left, "what the van sends again does not come back"
        assert cloud.track("van-2") == others


def _cut_amid(cloud: Cloud, erasure: Erasure, steps: int) -> None:
    """The power goes in one of the pieces."""
    work = Erasing(erasure)
    for _ in range(steps):
        if not work.step(cloud.database, cloud.intake):
            return
    cloud.database.has_power = False
    with suppress(PowerCut):
        work.step(cloud.database, cloud.intake)
    cloud.database.has_power = True
    cloud.open()


def test_no_box_leads_to_what_was_erased(cloud: Cloud) -> None:
    for first in (0, 400, 800):
        cloud.hear(batch(7, first, 400))
        cloud.fold()
    cloud.hear(batch(7, 1_200, 10))
    cloud.read()
    cloud.note()
    outcome = erased(cloud, span(350, 1_250))
    assert outcome.fixes == 860
    assert cloud.track()[-1].seq == 349
    last = fix(349)
    assert all(one.north_e7 <= last.lat_e7 for one in boxes(cloud))
    cloud.hear(batch(7, 1_250, 100))
    cloud.read()
    cloud.note()
    cloud.fold()
    after = [one for one in boxes(cloud) if one.north_e7 > last.lat_e7]
    assert {one.south_e7 for one in after} == {fix(1_250).lat_e7}


def test_a_piece_whose_commit_fails_is_done_again(cloud: Cloud) -> None:
    for first in (0, 400):
        cloud.hear(batch(7, first, 400))
        cloud.fold()
    cloud.hear(batch(8, 800, 10))
    cloud.read()
    work, goes_on = Erasing(span(100, 9_999)), True
    while goes_on:
        cloud.database.has_power = False
        with suppress(PowerCut):
            work.step(cloud.database, cloud.intake)
        cloud.database.has_power = True
        goes_on = work.step(cloud.database, cloud.intake)
    assert work.outcome == Erased(fixes=710)
    assert [one.seq for one in cloud.track()] == list(range(100))
    with cloud.database.reading() as connection:
        assert [row.fix for row in store.live_rows(connection)] == [None]


def test_what_ingest_folds_meanwhile_is_not_overlooked(cloud: Cloud) -> None:
    for stream in range(12):
        cloud.hear(batch(stream, 0, 100))
        cloud.fold()
    work = Erasing(span(50, 100))
    while work.outcome.fixes == 0:
        assert work.step(cloud.database, cloud.intake)
    cloud.hear(batch(11, 100, 10))
    cloud.fold()
    while work.step(cloud.database, cloud.intake):
        pass
    assert {one.seq for one in cloud.track()} == {*range(50), *range(100, 110)}
    assert work.outcome == Erased(fixes=600)


def test_it_ends_beside_a_damaged_block_however_much_waits_there(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "_ROWS", 2)
    cloud.hear(batch(7, 0, 20))
    cloud.fold()
    with cloud.database.writing() as connection:
        connection.execute(BLOCK.update().values(body=b"\xff"))
    for first in range(20, 70, 10):
        cloud.hear(batch(7, first, 10))
    work = Erasing(span(60, 65))
    assert not all(work.step(cloud.database, cloud.intake) for _ in range(50)), "it goes on"
    assert {*range(60, 65)} & {one.seq for one in cloud.track()} == set()


def test_a_span_within_a_block_is_cut_out(cloud: Cloud) -> None:
    cloud.hear(batch(7, 0, 400))
    cloud.fold()
    assert erased(cloud, span(100, 200)) == Erased(fixes=100)
    assert [one.seq for one in cloud.track()] == [*range(100), *range(200, 400)]
    assert erased(cloud, span(100, 200)) == Erased(), "once more costs nothing"
    assert erased(cloud, span(-1, 9_999)).fixes == 300
    assert cloud.track() == []
    assert cloud.extents() == []


def test_trips_and_stops_go_and_what_tells_of_no_place_stays(cloud: Cloud) -> None:
    where = Where(lat_e7=1, lon_e7=2)
    at = NOON_MS + 10_000
    bodies: tuple[EventBody, ...] = (
        TripStarted(at_ms=at, where=where, odometer_m=0, by="motion"),
        StopArrived(route="r", revision=1, stop="s", at_ms=at, where=where),
        Gap(stream="7", first=0, last=5, reason="spool_full"),
        TripStarted(at_ms=at + MINUTE, where=where, odometer_m=0, by="motion"),
    )
    for seq, body in enumerate(bodies):
        cloud.hear(Event(stream="50", seq=seq, recorded_at_ms=at, body=body))
    assert erased(cloud, span(0, 60)) == Erased(events=2)
    with cloud.database.reading() as connection:
        kinds = connection.scalars(select(EVENT.c.kind).order_by(EVENT.c.seq)).all()
    assert kinds == ["gap", "trip_started"]


def test_what_was_set_aside_since_then_goes_whatever_it_is(cloud: Cloud) -> None:
    def rows(van: str, received_at_ms: int) -> tuple[bytes, str, bytes, str, int]:
        topic = topics.up("main", van, "batch")
        return f"{van}{received_at_ms}".encode(), topic, b"poison", "why", received_at_ms

    before, since = NOON_MS - 1, NOON_MS + 999_999
    with cloud.database.writing() as connection:
        told = [rows(van, at) for van in ("van-1", "van-2") for at in (before, since)]
        store.write(connection, Writes(set_aside=list(told)))
    assert erased(cloud, span(0, 60)) == Erased(set_aside=1)
    with cloud.database.reading() as connection:
        left = connection.execute(select(SET_ASIDE.c.topic, SET_ASIDE.c.received_at_ms)).all()
    assert len(left) == 3
    assert (topics.up("main", "van-1", "batch"), since) not in [tuple(row) for row in left]


def test_a_damaged_block_of_that_time_goes_as_a_whole_and_what_came_beside_it(
    cloud: Cloud,
) -> None:
    cloud.hear(batch(7, 0, 20))
    cloud.fold()
    with cloud.database.writing() as connection:
        connection.execute(BLOCK.update().values(body=b"\xff"))
    cloud.hear(batch(7, 20, 10))
    assert erased(cloud, span(10, 25)) == Erased(fixes=30)
    assert cloud.extents() == []
    assert cloud.unfolded() == 0


def test_the_newest_position_is_forgotten_when_it_is_of_that_time(cloud: Cloud) -> None:
    def newest() -> int | None:
        with cloud.database.writing() as connection:
            live = [store.live_values(row) for row in cloud.intake.take_unwritten()]
            store.write(connection, Writes(live=live))
        with cloud.database.reading() as connection:
            (row,) = store.live_rows(connection)
        return None if row.fix is None else moment_ms(row.fix)

    cloud.hear(batch(7, 0, 10))
    cloud.read()
    erased(cloud, span(0, 9))
    assert newest() == NOON_MS + 9_000
    erased(cloud, span(0, 10))
    assert newest() is None
    cloud.hear(batch(7, 10, 10))
    cloud.read()
    assert newest() == NOON_MS + 19_000


def test_an_errand_that_was_not_finished_is_found_again_and_answered(
    tmp_path: Path, cloud: Cloud
) -> None:
    data = DataFolder(tmp_path)
    cloud.hear(batch(7, 0, 10))
    with pytest.raises(Exception, match="ask again"):
        have_done(data, span(0, 5), within_s=0)
    errands = Errands(data, cloud.database, cloud.intake)
    assert errands.work()
    errands = Errands(data, cloud.database, cloud.intake)  # after a kill
    while errands.work():
        pass
    (answer,) = (data.running / "errands").glob("*.answer")
    assert msgspec.json.decode(answer.read_bytes(), type=Erased).fixes == 0
    assert [one.seq for one in cloud.track()] == [5, 6, 7, 8, 9]
