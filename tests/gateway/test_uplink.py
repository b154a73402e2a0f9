"""What is published next, and what an acknowledgement brings."""

import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from cloud.tracking.model import Committed
from gateway.settings import UplinkSettings
from gateway.spool import schema
from gateway.spool.rows import Kind, base_id
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from gateway.uplink.lanes import Uplink
from gateway.uplink.link import Link
from tests.gateway.test_spool import NOW, fix
from wire import codec
from wire.events import Gap, IgnitionSwitched
from wire.messages import Ack, Event, Resume


class Recorder(Link):
    """A connection that keeps what it is handed, or is offline."""

    def __init__(self) -> None:
        self.is_offline = False
        self.silence_s = 0.0
        self.dropped: list[str] = []
        self.qos: dict[str, int] = {}
        self.published: list[tuple[str, bytes]] = []
        self.numbers = itertools.count(1)
        self.unconfirmed: list[int] = []

    def publish(self, kind: str, payload: bytes, qos: int = 1) -> int | None:
        self.qos[kind] = qos
        if self.is_offline:
            return None
        self.published.append((kind, payload))
        self.unconfirmed.append(next(self.numbers))
        return self.unconfirmed[-1]

    def silent_s(self) -> float:
        return self.silence_s

    def drop(self, why: str) -> None:
        self.dropped.append(why)

    def cost_bytes(self, kind: str, payload: bytes) -> int:
        del kind
        return len(payload)

    def take(self) -> list[str]:
        """What was published since the last call, in a few words."""
        told = [_words(kind, payload) for kind, payload in self.published]
        self.published.clear()
        return told


def _words(kind: str, payload: bytes) -> str:
    match kind:
        case "batch":
            batch = codec.decode_batch(payload)
            return f"batch {batch.stream}:{batch.first}+{len(batch.fixes)}"
        case "event":
            event = codec.decode(payload, Event)
            return f"event {event.stream}:{event.seq}"
        case "resume":
            return f"resume {' '.join(codec.decode(payload, Resume).streams)}"
        case _:
            return kind


class Bench:
    """An uplink over a real spool, with time told by hand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.link = Recorder()
        self.now_s = 1000.0
        schema.prepare(path)

    def start(
        self,
        number: int = 1,
        *,
        max_bytes: int = 10_000_000,
        keep_acknowledged_ms: int = 0,
        hinder: Callable[[Spool], None] | None = None,
        **chosen: float,
    ) -> None:
        self.spool = Spool(self._path, max_bytes, keep_acknowledged_ms=keep_acknowledged_ms)
        if hinder is not None:
            hinder(self.spool)
        self.spool.begin(fixes=number * 100, events=number * 100 + 1, version="test", stamp=NOW)
        settings = msgspec.convert({"batch_fixes": 10, "window": 3, **chosen}, UplinkSettings)
        self.uplink = Uplink(settings, self.spool, self.link, random.Random(1).random)

    def drive(self, fixes: int) -> None:
        for number in range(fixes):
            self.spool.add_fix(fix(number))
        self.spool.commit(NOW)

    def answer(self) -> list[str]:
        """The cloud has nothing yet of any stream, but the events."""
        for stream in self.spool.streams_left():
            upto = 0 if stream % 100 else -1
            self.uplink.on_ack(Ack(stream=str(stream), upto=upto), NOW)
        return self.step()

    def step(self, after_s: float = 0.0, stamp: Stamp = NOW) -> list[str]:
        """Some time later the broker has what it was given, and the uplink goes on."""
        self.now_s += after_s
        self.confirm()
        self.uplink.step(self.now_s, stamp)
        return self.link.take()

    def confirm(self, at_s: float | None = None) -> None:
        for number in self.link.unconfirmed:
            self.uplink.on_delivered(number, self.now_s if at_s is None else at_s)
        self.link.unconfirmed.clear()

    def connect(self) -> list[str]:
        self.uplink.on_connected(self.now_s)
        return self.step()

    def acknowledge(self, stream: int, upto: int, *missing: tuple[int, int]) -> list[str]:
        self.uplink.on_ack(Ack(stream=str(stream), upto=upto, missing=missing), NOW)
        return self.step()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "spool.db")
    yield bench
    bench.spool.close()


def test_nothing_is_handed_over_while_offline(bench: Bench) -> None:
    bench.start()
    bench.drive(30)
    bench.uplink.offer_live(fix(29), bench.now_s)
    assert bench.step() == []
    bench.connect()
    bench.uplink.on_disconnected()
    bench.drive(30)
    assert bench.step(10) == []


def test_the_cloud_is_asked_first_then_events_then_history(bench: Bench) -> None:
    bench.start()
    bench.drive(20)
    assert bench.connect() == ["resume 101 100", "event 101:0"]
    assert bench.acknowledge(101, 0) == []
    assert bench.acknowledge(100, -1) == ["batch 100:0+10", "batch 100:10+10"]


UNPROVED = Stamp(NOW.now_ms - 5_000, "rtc")


def test_events_wait_for_a_clock_that_is_proved_and_are_told_with_their_true_times(
    bench: Bench,
) -> None:
    bench.start()
    bench.uplink.on_connected(bench.now_s)
    bench.spool.add_event(IgnitionSwitched(at_ms=UNPROVED.now_ms, is_on=True), UNPROVED)
    bench.spool.commit(UNPROVED)
    assert bench.step(0, UNPROVED) == ["resume 101"]
    assert bench.step(4, UNPROVED) == []
    bench.spool.back_fill(7_000, "gnss")
    bench.spool.commit(NOW)
    bench.uplink.step(bench.now_s, NOW)
    told = [codec.decode(body, Event) for kind, body in bench.link.published if kind == "event"]
    assert [event.seq for event in told] == [0, 1]
    assert told[1].recorded_at_ms == UNPROVED.now_ms + 7_000
    assert told[1].quality == "gnss"


def test_events_are_told_without_a_proved_clock_once_it_has_been_waited_for(bench: Bench) -> None:
    bench.start(clock_wait_s=60)
    bench.uplink.on_connected(bench.now_s)
    bench.step(0, UNPROVED)
    assert bench.step(59, UNPROVED) == ["resume 101"]
    assert "event 101:0" in bench.step(2, UNPROVED)


def test_what_an_earlier_start_recorded_waits_for_no_clock(bench: Bench) -> None:
    bench.start(1)
    bench.drive(20)
    bench.spool.close()
    bench.start(2)
    bench.uplink.on_connected(bench.now_s)
    assert bench.step(0, UNPROVED) == ["resume 101 100 201", "event 101:0"]
    for stream, upto in ((101, 0), (100, -1), (201, -1)):
        bench.uplink.on_ack(Ack(stream=str(stream), upto=upto), UNPROVED)
    assert bench.step(0, UNPROVED) == ["batch 100:0+10", "batch 100:10+10"]
    assert bench.step(0, NOW) == ["event 201:0"]


def test_a_gateway_that_stops_waits_for_no_clock(bench: Bench) -> None:
    bench.start()
    bench.uplink.on_connected(bench.now_s)
    bench.step(0, UNPROVED)
    bench.uplink.hurry()
    assert bench.step(0, UNPROVED) == ["event 101:0"]


def test_history_waits_for_the_answer_which_is_asked_for_again(bench: Bench) -> None:
    bench.start()
    bench.drive(10)
    bench.connect()
    assert bench.step(4.9) == []
    assert bench.step(0.2) == ["resume 100 101"]
    assert bench.step(9.9) == []
    assert bench.step(0.2) == ["resume 100 101"]
    bench.acknowledge(101, 0)
    assert bench.step(20) == ["resume 100"]
    assert bench.acknowledge(100, -1) == ["batch 100:0+10"]


def test_history_is_oldest_first_over_all_starts(bench: Bench) -> None:
    bench.start(1)
    bench.drive(15)
    bench.spool.close()
    bench.start(2)
    bench.drive(10)
    assert bench.connect() == ["resume 101 100 201 200", "event 101:0", "event 201:0"]
    assert bench.answer() == ["batch 100:0+10", "batch 100:10+5", "batch 200:0+10"]


def test_what_the_cloud_has_already_is_not_sent(bench: Bench) -> None:
    bench.start(1)
    bench.drive(30)
    bench.spool.close()
    bench.start(2)
    bench.connect()
    for stream, upto in ((101, 0), (201, 0), (200, -1)):
        bench.acknowledge(stream, upto)
    assert bench.acknowledge(100, 24) == ["batch 100:25+5"]


def test_the_window_opens_only_by_acknowledgements(bench: Bench) -> None:
    bench.start()
    bench.drive(60)
    bench.connect()
    assert len(bench.answer()) == 3
    assert bench.step(1) == []
    assert bench.acknowledge(100, 19) == ["batch 100:30+10", "batch 100:40+10"]


def test_a_short_batch_waits_for_more_and_then_goes(bench: Bench) -> None:
    bench.start(batch_wait_s=60)
    bench.connect()
    bench.acknowledge(101, 0)
    bench.drive(4)
    assert bench.step(5) == []
    bench.drive(4)
    assert bench.step(50) == []
    assert bench.step(11) == ["batch 100:0+8"]


def test_a_short_batch_goes_at_once_when_the_gateway_stops(bench: Bench) -> None:
    bench.start()
    bench.connect()
    bench.answer()
    bench.drive(4)
    assert bench.step(5) == []
    bench.uplink.hurry()
    assert bench.step() == ["batch 100:0+4"]


def test_only_the_newest_fix_is_live_and_not_too_often(bench: Bench) -> None:
    bench.start(live_every_s=1.0)
    bench.connect()
    bench.answer()
    bench.uplink.offer_live(fix(1), bench.now_s)
    bench.uplink.offer_live(fix(2), bench.now_s)
    bench.uplink.step(bench.now_s, NOW)
    (payload,) = [payload for kind, payload in bench.link.published if kind == "live"]
    assert codec.decode_live(payload).fix == fix(2)
    bench.link.take()
    bench.uplink.offer_live(fix(3), bench.now_s)
    assert bench.step(0.5) == []
    assert bench.step(0.8) == ["live"]
    assert bench.step(5) == []


def test_a_live_fix_waits_until_the_socket_has_taken_the_one_before(bench: Bench) -> None:
    bench.start(live_every_s=0)
    bench.connect()
    bench.uplink.offer_live(fix(1), bench.now_s)
    assert bench.step() == ["live"]
    before = bench.link.unconfirmed.pop()
    bench.uplink.offer_live(fix(2), bench.now_s)
    assert bench.step(0.5) == []
    bench.uplink.on_delivered(before, bench.now_s)
    assert bench.step() == ["live"]


def test_a_live_fix_asks_for_a_receipt_when_the_link_has_been_silent_for_long(
    bench: Bench,
) -> None:
    bench.start(live_every_s=0)
    bench.connect()
    for silence_s, qos in ((39, 0), (41, 1), (0, 0)):
        bench.link.silence_s = silence_s
        bench.uplink.offer_live(fix(1), bench.now_s)
        assert "live" in bench.step(5)
        assert bench.link.qos["live"] == qos


def test_a_metered_link_has_rare_live_fixes_and_long_waits(bench: Bench) -> None:
    bench.start(batch_wait_s=60, live_every_s=1)
    bench.uplink.pace(UplinkSettings(is_metered=True, batch_fixes=10))
    bench.connect()
    bench.answer()
    told: list[str] = []
    for number in range(5):
        bench.drive(1)
        bench.now_s += 20
        bench.uplink.offer_live(fix(number), bench.now_s)
        told += bench.step()
    assert told == ["live", "live", "live"]
    assert bench.step(800) == []
    assert bench.step(20) == ["batch 100:0+5"]


def test_history_keeps_within_its_bytes_a_second(bench: Bench) -> None:
    bench.start(window=1000, history_bytes_a_second=100, resend_after_s=9999)
    bench.drive(3000)
    bench.connect()
    bench.answer()
    sizes = []
    for _ in range(200):
        bench.now_s += 0.5
        bench.confirm()
        bench.uplink.step(bench.now_s, NOW)
        sizes += [len(payload) for kind, payload in bench.link.published if kind == "batch"]
        bench.link.take()
    assert 100 * 90 <= sum(sizes) <= 100 * 101 + max(sizes)


def test_a_link_that_owes_receipts_in_silence_is_given_up(bench: Bench) -> None:
    bench.start()
    bench.drive(10)
    bench.connect()
    bench.answer()
    bench.drive(10)
    bench.uplink.step(bench.now_s, NOW)
    bench.link.silence_s = 29
    bench.uplink.step(bench.now_s + 31, NOW)
    assert bench.link.dropped == []
    bench.link.silence_s = 31
    bench.uplink.step(bench.now_s + 31, NOW)
    assert len(bench.link.dropped) == 1


def test_a_broker_that_confirms_while_the_cloud_says_nothing_is_told_and_frees_nothing(
    bench: Bench,
) -> None:
    bench.start()
    bench.drive(10)
    bench.connect()
    for _ in range(20):
        bench.step(20)
    assert "permit the van" in (bench.uplink.problem or "")
    assert bench.uplink.waiting == 11
    bench.answer()
    assert bench.uplink.problem is None


def test_what_the_broker_never_confirmed_goes_again_after_a_reconnect(bench: Bench) -> None:
    bench.start()
    bench.drive(20)
    bench.connect()
    bench.acknowledge(101, 0)
    bench.uplink.on_ack(Ack(stream="100", upto=-1), NOW)
    bench.uplink.step(bench.now_s, NOW)
    assert bench.link.take() == ["batch 100:0+10", "batch 100:10+10"]
    bench.uplink.on_delivered(bench.link.unconfirmed.pop(0), bench.now_s)
    bench.link.unconfirmed.clear()
    bench.uplink.on_disconnected()
    assert bench.connect() == ["resume 100"]
    bench.uplink.on_ack(Ack(stream="101", upto=0), NOW)
    assert bench.acknowledge(100, -1) == ["batch 100:10+10"]


def test_a_broker_that_was_wiped_is_sent_all_that_is_not_acknowledged(bench: Bench) -> None:
    bench.start()
    bench.drive(20)
    bench.connect()
    bench.acknowledge(101, 0)
    assert len(bench.acknowledge(100, -1)) == 2
    bench.confirm()
    bench.uplink.on_connected(bench.now_s, is_session_kept=False)
    assert bench.step() == ["resume 100"]
    bench.uplink.on_ack(Ack(stream="101", upto=0), NOW)
    assert bench.acknowledge(100, 9) == ["batch 100:10+10"]


def test_the_late_is_asked_after_and_then_sent_again(bench: Bench) -> None:
    bench.start(resend_after_s=60)
    bench.drive(10)
    bench.connect()
    bench.acknowledge(101, 0)
    assert bench.acknowledge(100, -1) == ["batch 100:0+10"]
    assert bench.step(40) == ["resume 100"]
    assert bench.acknowledge(100, -1) == []
    assert bench.step(40) == ["batch 100:0+10"]


def test_a_lost_acknowledgement_is_repaired_by_the_question(bench: Bench) -> None:
    bench.start(resend_after_s=60)
    bench.drive(10)
    bench.connect()
    bench.acknowledge(101, 0)
    bench.acknowledge(100, -1)
    assert bench.step(40) == ["resume 100"]
    assert bench.acknowledge(100, 9) == []
    assert bench.step(500) == []


def test_only_the_rows_still_missing_are_sent_again(bench: Bench) -> None:
    bench.start(resend_after_s=60)
    bench.drive(10)
    bench.connect()
    bench.acknowledge(101, 0)
    bench.acknowledge(100, -1)
    bench.acknowledge(100, 9, (2, 3), (7, 7))
    bench.spool.commit(NOW)
    assert bench.step(80) == ["resume 100", "batch 100:2+2", "batch 100:7+1"]


def test_what_the_cloud_refuses_three_times_becomes_a_gap(bench: Bench) -> None:
    bench.start(resend_after_s=60)
    bench.drive(20)
    bench.connect()
    bench.acknowledge(101, 0)
    bench.acknowledge(100, -1)
    told: list[str] = []
    for _ in range(20):
        told += bench.step(60)
        told += bench.acknowledge(100, 19, (0, 9))
    assert told.count("batch 100:0+10") == 2
    assert "event 101:1" in told
    assert bench.spool.rows_after("fix", -1, 100) == []


def test_a_spool_that_cannot_be_read_for_a_while_loses_no_message_in_flight(bench: Bench) -> None:
    bench.start(resend_after_s=60)
    bench.drive(20)
    bench.connect()
    bench.acknowledge(101, 0)
    bench.acknowledge(100, -1)
    bench.spool.connection.execute("ALTER TABLE row RENAME TO away")
    with pytest.raises(sqlite3.OperationalError):
        bench.step(100)
    bench.spool.connection.execute("ALTER TABLE away RENAME TO row")
    bench.link.take()
    bench.uplink.on_ack(Ack(stream="100", upto=-1), NOW)
    assert sorted(bench.step(1)) == ["batch 100:0+10", "batch 100:10+10"]


def test_refused_rows_become_one_gap_although_the_medium_takes_nothing_for_a_while(
    bench: Bench,
) -> None:
    bench.start(resend_after_s=60)
    bench.drive(20)
    bench.connect()
    bench.acknowledge(101, 0)
    bench.acknowledge(100, -1)
    database = bench.spool.connection
    database.execute(
        "CREATE TRIGGER broken BEFORE DELETE ON row BEGIN SELECT RAISE(FAIL, 'broken'); END"
    )
    failures = 0
    for _ in range(20):
        try:
            bench.step(60)
        except sqlite3.Error:
            failures += 1
        bench.uplink.on_ack(Ack(stream="100", upto=9, missing=((0, 9),)), NOW)
    assert failures > 1
    database.execute("DROP TRIGGER broken")
    told = [*bench.step(60), *bench.step(60)]
    assert "event 101:1" in told
    assert "event 101:2" not in told
    assert [row.seq for row in bench.spool.rows_after("fix", -1, 100)] == list(range(10, 20))


def test_an_offline_moment_between_loses_nothing(bench: Bench) -> None:
    bench.start()
    bench.drive(20)
    bench.connect()
    bench.link.is_offline = True
    assert bench.answer() == []
    bench.link.is_offline = False
    assert bench.step(1) == ["batch 100:0+10", "batch 100:10+10"]


def test_what_is_replayed_goes_again_over_a_link_that_breaks_at_once(bench: Bench) -> None:
    bench.start(keep_acknowledged_ms=10**9)
    bench.drive(20)
    bench.connect()
    bench.answer()
    bench.acknowledge(100, 19)
    assert bench.spool.replay(0, NOW.now_ms + 9) == 11
    bench.spool.commit(NOW)
    bench.uplink.step(bench.now_s, NOW)
    assert bench.link.take() == ["event 101:0", "batch 100:0+10"]
    bench.link.unconfirmed.clear()
    bench.uplink.on_disconnected()
    assert bench.connect() == ["resume 101 100", "event 101:0"]
    bench.acknowledge(101, 0)
    assert bench.acknowledge(100, 19) == ["batch 100:0+10"], "the answer settles nothing of it"
    bench.confirm()
    bench.acknowledge(101, 0)
    bench.acknowledge(100, 19)
    assert bench.uplink.waiting == 0


def spoil(bench: Bench, kind: Kind, first: int, last: int) -> None:
    """Bits of these rows of the first start change on the medium."""
    base = base_id(kind, 1)
    bench.spool.connection.execute(
        "UPDATE row SET body = zeroblob(40) WHERE id BETWEEN ? AND ?", (base + first, base + last)
    )


def test_a_damaged_event_hides_none_behind_it(bench: Bench) -> None:
    bench.start(window=9)
    for number in range(4):
        bench.spool.add_event(IgnitionSwitched(is_on=True, at_ms=number), NOW)
    bench.spool.commit(NOW)
    spoil(bench, "event", 1, 2)
    assert bench.connect() == ["resume 101", "event 101:0", "event 101:3", "event 101:4"]
    bench.spool.commit(NOW)
    assert bench.step() == ["event 101:5"], "the gap"


def test_a_whole_batch_of_damaged_fixes_hides_none_behind_it(bench: Bench) -> None:
    bench.start()
    bench.drive(30)
    spoil(bench, "fix", 0, 14)
    bench.connect()
    bench.acknowledge(101, 0)
    assert bench.acknowledge(100, -1) == ["batch 100:15+10", "batch 100:25+5"]


def test_rows_that_are_gone_when_they_are_sent_again_are_told(bench: Bench) -> None:
    bench.start(resend_after_s=60)
    bench.drive(10)
    bench.connect()
    bench.acknowledge(101, 0)
    assert bench.acknowledge(100, -1) == ["batch 100:0+10"]
    base = base_id("fix", 1)
    bench.spool.connection.execute("DELETE FROM row WHERE id BETWEEN ? AND ?", (base + 4, base + 6))
    assert bench.step(80) == ["resume 100", "batch 100:0+4", "batch 100:7+3"]
    bench.spool.commit(NOW)
    (row,) = bench.spool.rows_after("event", -1, 10)
    gap = codec.decode(row.body, Event).body
    assert gap == Gap(stream="100", first=4, last=6, reason="damaged")


class Failing:
    """A medium that takes no row while this lasts."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        bench.spool.connection.execute(
            "CREATE TRIGGER failing BEFORE INSERT ON row BEGIN SELECT RAISE(FAIL, 'failing'); END"
        )

    def drive(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self._bench.spool.add_fix(fix(number))
        with pytest.raises(sqlite3.Error):
            self._bench.spool.commit(NOW)

    def end(self) -> None:
        self._bench.spool.connection.execute("DROP TRIGGER failing")
        self._bench.spool.commit(NOW)


def connected(bench: Bench) -> Bench:
    bench.start()
    bench.drive(10)
    bench.connect()
    bench.acknowledge(101, 0)
    bench.acknowledge(100, 9)
    return bench


def test_what_the_medium_does_not_take_leaves_out_of_memory(bench: Bench) -> None:
    failing = Failing(connected(bench))
    failing.drive(10, 25)
    assert bench.step() == ["batch 100:10+10", "batch 100:20+10"]
    assert bench.step(9) == []
    assert bench.step(2) == ["batch 100:30+5"]
    bench.acknowledge(100, 34)
    assert bench.spool.held("fix", -1, 100) == []
    failing.drive(35, 5)
    failing.end()
    assert [row.seq for row in bench.spool.rows_after("fix", -1, 100)] == [35, 36, 37, 38, 39]
    assert [row.seq for row in bench.spool.rows_after("event", -1, 100)] == []


def test_only_what_was_sent_leaves_the_memory(bench: Bench) -> None:
    failing = Failing(connected(bench))
    failing.drive(10, 20)
    assert len(bench.step()) == 2
    failing.drive(30, 5)
    with suppress(sqlite3.Error):
        bench.uplink.on_ack(Ack(stream="100", upto=10**6), NOW)
    assert [row.seq for row in bench.spool.held("fix", -1, 100)] == [30, 31, 32, 33, 34]


def test_what_left_the_memory_in_vain_goes_again_ever_more_rarely(bench: Bench) -> None:
    failing = Failing(connected(bench))
    failing.drive(10, 50)
    sent = ["batch 100:10+10", "batch 100:20+10", "batch 100:30+10"]
    assert bench.step() == sent, "as many as the window holds"
    assert bench.step(59) == []
    assert bench.step(2) == sent
    assert bench.step(119) == []
    assert bench.step(2) == sent
    bench.uplink.on_disconnected()
    bench.uplink.on_connected(bench.now_s)
    assert bench.step() == sent
    failing.end()
    assert len(bench.spool.rows_after("fix", -1, 100)) == 50


def test_an_event_leaves_the_memory_too_once_the_clock_is_proved(bench: Bench) -> None:
    failing = Failing(connected(bench))
    bench.spool.add_event(IgnitionSwitched(is_on=True, at_ms=UNPROVED.now_ms), UNPROVED)
    failing.drive(10, 1)
    assert bench.step(0, UNPROVED) == []
    bench.spool.back_fill(7_000, "gnss")
    bench.uplink.step(bench.now_s, NOW)
    ((_, payload),) = bench.link.published
    assert codec.decode(payload, Event).recorded_at_ms == UNPROVED.now_ms + 7_000


def test_a_start_on_a_medium_that_is_away_still_delivers(bench: Bench, tmp_path: Path) -> None:
    path, away = tmp_path / "spool.db", tmp_path / "away"
    path.rename(away)
    path.mkdir()
    bench.start()
    bench.uplink.on_connected(bench.now_s)
    with pytest.raises(sqlite3.Error):
        bench.drive(10)
    assert bench.step() == ["batch 100:0+10"]
    bench.acknowledge(100, 9)
    path.rmdir()
    away.rename(path)
    bench.drive(10)
    assert bench.spool.condition == "ok"
    assert [row.seq for row in bench.spool.rows_after("fix", -1, 100)] == list(range(10, 20))
    assert bench.step() == ["event 101:0", "batch 100:10+10"]


class Taker:
    """A cloud that keeps the account of what it holds, and counts what came."""

    def __init__(self) -> None:
        self.held = {100: Committed(), 101: Committed()}
        self.stored: set[int] = set()
        self.batches = self.gaps = 0

    def take(self, kind: str, payload: bytes) -> None:
        if kind == "batch":
            batch = codec.decode_batch(payload)
            self.batches += 1
            self.stored.update(batch.seqs)
            self.held[100] = self.held[100].adding(*batch.covered)
        elif kind == "event":
            event = codec.decode(payload, Event)
            self.held[101] = self.held[101].adding(event.seq, event.seq)
            if isinstance(event.body, Gap):
                self._take_gap(event.body)

    def _take_gap(self, gap: Gap) -> None:
        self.gaps += 1
        if gap.reason != "thinned":
            self.held[100] = self.held[100].adding(gap.first, gap.last)

    def answers(self) -> list[Ack]:
        told = {stream: committed.told() for stream, committed in self.held.items()}
        return [Ack(stream=str(of), upto=upto, missing=holes) for of, (upto, holes) in told.items()]


def test_what_is_left_of_a_thinned_backlog_reaches_the_cloud_in_few_batches(bench: Bench) -> None:
    bench.start(batch_fixes=60, window=5)
    bench.spool._room.bounds = bench.spool._room.bounds._replace(max_bytes=200_000)
    for _ in range(100):
        bench.drive(200)
    left = {row.seq for row in bench.spool.rows_after("fix", -1, 10**6)}
    cloud = Taker()
    bench.uplink.on_connected(bench.now_s)
    while any(bench.spool.waiting.values()):
        bench.now_s += 1
        bench.uplink.step(bench.now_s, NOW)
        for kind, payload in bench.link.published:
            cloud.take(kind, payload)
        bench.link.published.clear()
        bench.confirm()
        for ack in cloud.answers():
            bench.uplink.on_ack(ack, NOW)
        bench.spool.commit(NOW)
    assert cloud.stored == left
    assert cloud.batches < len(left) / 60 + 10
    assert cloud.gaps < 10
    assert cloud.held[100].told() == (19_999, ()), "the cloud waits for nothing any more"
