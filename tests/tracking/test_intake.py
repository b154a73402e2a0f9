"""What messages do to rows, answers and live state, without broker and database."""

import struct
import zlib
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.tracking.history import ArrivedRow, Unread
from cloud.tracking.intake import FOLLOWED_AFTER_MS, Arrived, Complaint, Group, Intake
from cloud.tracking.model import Committed, StreamKey
from cloud.tracking.reading import Refused, read
from cloud.tracking.shelf import MAX_BYTES, MAX_ROWS, Shelf
from cloud.tracking.store import LiveRow
from tests.tracking.vans import NOON_MS, batch, encoded, fix
from tests.wire import golden
from wire import codec, topics
from wire.events import EventBody, Gap, GatewayStarted, PowerFailing
from wire.messages import Batch, Event, Live, Presence, Resume, State

NOW_MS = NOON_MS + 3_600_000


class World:
    """An intake whose every group is written at once, into memory."""

    def __init__(
        self, *vans: str, live: list[LiveRow] | None = None, stored_before: tuple[int, int] = (0, 0)
    ) -> None:
        self.stored: dict[tuple[object, ...], tuple[object, ...]] = {}
        self.set_aside: dict[bytes, tuple[bytes, str]] = {}
        self.stored_before = stored_before
        self.committed: dict[StreamKey, Committed] = {}
        self.complaints: list[Complaint] = []
        self.answers: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {}
        self.intake = Intake(
            standing_of=lambda _tenant, van: "known" if van in (vans or ("van-1",)) else "unknown",
            load=lambda key: self.committed.get(key, Committed()),
            load_shelf=lambda _tenant, _van: self.shelf(),
            complain=self.complaints.append,
            live=live or [],
        )

    def hear(self, kind: str, message: bytes | msgspec.Struct, van: str = "van-1") -> None:
        payload = message if isinstance(message, bytes) else encoded(message)
        self.hear_on(topics.up("main", van, kind), payload)

    def shelf(self) -> Shelf:
        """What is set aside and committed, as the database would count it."""
        rows, size = self.stored_before
        kept = [payload for payload, _ in self.set_aside.values()]
        return Shelf(rows + len(kept), size + sum(map(len, kept)))

    def hear_on(self, topic: str, payload: bytes) -> None:
        arrived = Arrived(topic=topic, payload=payload, received_at_ms=NOW_MS)
        group = Group()
        self.intake.take(arrived, group)
        if topic.endswith("/up/live"):
            assert group == Group(), "the live lane needs no transaction"
        for row in group.writes.events:
            self.stored.setdefault(row[:4], row)
        self.settle(group)
        self.answers = {key.stream: one.told() for key, one in group.answers.items()}
        for stored in group.writes.arrived:
            self.look_into(stored)

    def look_into(self, row: ArrivedRow) -> None:
        """What ingest does with a stored batch after the acknowledgement."""
        key = StreamKey(row.tenant, row.van, row.stream)
        group = Group()
        if self.intake.look_into(Unread(1, key, *row[3:]), group):
            read = codec.decode_batch(row.body)
            seqs = [seq for seq in read.seqs if row.first <= seq <= row.last]
            assert len(seqs) == row.fixes
            for seq in seqs:
                name = (*key, seq)
                assert name not in self.stored, "it is kept once"
                self.stored[name] = name
        self.settle(group)

    def settle(self, group: Group) -> None:
        """The group is written."""
        for row in group.writes.set_aside:
            self.set_aside.setdefault(row[0], (row[2], row[3]))
        self.committed.update(group.writes.streams)
        self.intake.settle(group)

    def stored_seqs(self, stream: int) -> set[object]:
        return {key[3] for key in self.stored if key[2] == stream}

    def live(self, van: str = "van-1") -> LiveRow:
        return {row.van: row for row in self.intake.take_unwritten()}[van]


def event(seq: int, body: EventBody, stream: str = "50") -> Event:
    return Event(stream=stream, seq=seq, recorded_at_ms=NOON_MS, body=body)


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(0, 8))
def test_permuted_and_repeated_batches_give_the_same_rows_and_the_same_answer(
    random: Random, repeated: int
) -> None:
    batches = [batch(7, first, 5) for first in range(0, 60, 5)]
    again = [*batches, *batches[:repeated]]
    random.shuffle(again)
    world = World()
    for one in again:
        world.hear("batch", one)
    assert world.stored_seqs(7) == set(range(60))
    assert world.answers[7] == (59, ())
    assert world.live().fix == fix(59)


def test_a_batch_that_overlaps_another_adds_only_what_is_new() -> None:
    world = World()
    world.hear("batch", batch(7, 0, 10))
    world.hear("batch", batch(7, 5, 10))
    assert world.stored_seqs(7) == set(range(15))
    assert world.answers[7] == (14, ())


def test_a_resume_is_answered_with_what_is_committed_of_each_stream() -> None:
    world = World()
    world.hear("batch", batch(7, 10, 5))
    world.hear("resume", Resume(streams=("7", "8", "9" * 19)))
    assert world.answers == {7: (14, ((0, 9),)), 8: (-1, ())}


def test_a_gap_is_an_event_and_lets_the_fixes_upto_pass() -> None:
    world = World()
    world.hear("batch", batch(7, 20, 5))
    world.hear("event", event(0, Gap(stream="7", first=0, last=19, reason="spool_full")))
    assert world.answers == {7: (24, ()), 50: (0, ())}
    world.hear("batch", batch(7, 3, 2))
    assert world.answers[7] == (24, ())
    assert world.stored_seqs(7) == {3, 4, *range(20, 25)}, "what comes after all is kept"


def test_what_is_kept_of_a_thinned_range_is_still_to_come() -> None:
    world = World()
    gap = Gap(stream="7", first=0, last=39, kept=5, reason="thinned")
    world.hear("event", event(0, gap))
    assert world.answers == {50: (0, ())}
    world.hear("batch", msgspec.structs.replace(batch(7, 16, 3), step=8))
    assert world.stored_seqs(7) == {16, 24, 32}
    answers = [world.answers[7]]
    world.hear("batch", msgspec.structs.replace(batch(7, 0, 2), step=8))
    assert [*answers, world.answers[7]] == [(39, ((0, 8),)), (39, ())]


def test_a_gap_may_speak_of_events_even_of_its_own_stream() -> None:
    world = World()
    world.hear("event", event(9, Gap(stream="50", first=0, last=12, kept=1, reason="damaged")))
    assert world.answers == {50: (12, ())}
    assert world.stored_seqs(50) == {9}
    world.hear("event", event(11, GatewayStarted(boot=1, fixes="7", version="1")))
    assert world.stored_seqs(50) == {9, 11}


@pytest.mark.parametrize("kind", golden.EVENT_BODIES)
def test_every_kind_of_event_is_stored_with_its_kind_its_body_and_when_it_happened(
    kind: str,
) -> None:
    body, told = golden.EVENT_BODIES[kind]
    said = Event(stream="50", seq=4, recorded_at_ms=golden.AT_MS + 40, body=body, quality="ntp")
    world = World()
    world.hear("event", said)
    stored = {row[3]: row for row in world.stored.values()}[4]
    assert stored[4:7] == (golden.AT_MS + 40, 2, kind)
    assert msgspec.json.decode(str(stored[7])) | {"type": kind} == msgspec.json.decode(told)
    assert not world.set_aside


@pytest.mark.parametrize(
    ("told_ms", "recorded_at_ms", "expected_ms"),
    [
        (NOON_MS - 5, NOON_MS, NOON_MS - 5),
        (0, NOON_MS, NOON_MS),
        (2**53, NOON_MS, NOON_MS),
        (0, -(2**53), NOW_MS),
    ],
)
def test_an_event_happened_at_the_first_time_that_can_be_true(
    told_ms: int, recorded_at_ms: int, expected_ms: int
) -> None:
    world = World()
    body = PowerFailing(at_ms=told_ms)
    world.hear("event", Event(stream="50", seq=0, recorded_at_ms=recorded_at_ms, body=body))
    assert [row[-1] for row in world.stored.values()] == [expected_ms]


def test_a_gap_that_runs_backwards_is_set_aside_and_acknowledged() -> None:
    world = World()
    world.hear("event", event(0, Gap(stream="7", first=9, last=3, reason="damaged")))
    assert world.answers == {50: (0, ())}
    assert world.stored == {}
    assert len(world.set_aside) == 1


def test_streams_of_two_vans_and_of_two_starts_stay_apart() -> None:
    world = World("van-1", "van-2")
    world.hear("batch", batch(7, 0, 3))
    world.hear("batch", batch(7, 0, 2), van="van-2")
    world.hear("batch", batch(8, 0, 1))
    assert len(world.stored) == 6


def test_a_batch_with_a_bad_payload_is_set_aside_and_counts_as_committed() -> None:
    world = World()
    poison = struct.pack("!BBQQI", 1, 2, 7, 0, 10) + b"no columns"
    world.hear("batch", poison)
    world.hear("batch", poison)
    world.hear("batch", batch(7, 10, 10))
    assert world.answers[7] == (19, ())
    assert list(world.set_aside.values()) == [(poison, read_reason(poison))]
    assert world.stored_seqs(7) == set(range(10, 20))


def read_reason(payload: bytes) -> str:
    said = read("batch", payload)
    assert isinstance(said, Refused)
    return said.reason


def unreadable(stream: int, first: int) -> bytes:
    """A batch of 10 that came whole, of no columns."""
    told = struct.pack("!BBQQI", 1, 2, stream, first, 10) + b"no columns"
    return told + struct.pack("!I", zlib.crc32(told))


def test_a_batch_that_came_whole_and_cannot_be_unpacked_goes_aside_when_it_is_looked_into() -> None:
    world = World()
    world.hear("batch", unreadable(7, 0))
    assert world.answers[7] == (9, ())
    assert [payload for payload, _ in world.set_aside.values()] == [unreadable(7, 0)]
    assert world.stored == {}
    world.hear("batch", batch(7, 0, 10))
    assert world.stored_seqs(7) == set(range(10)), "what comes of it after all is kept"


def test_a_batch_without_an_envelope_is_set_aside_and_not_acknowledged() -> None:
    world = World()
    world.hear("batch", b"\x07garbage")
    assert world.answers == {}
    assert len(world.set_aside) == 1


def test_an_event_of_a_later_kind_is_set_aside_and_acknowledged() -> None:
    world = World()
    world.hear("event", b'{"stream":"50","seq":0,"recorded_at_ms":1,"body":{"type":"new"},"v":1}')
    assert world.answers == {50: (0, ())}
    assert len(world.set_aside) == 1


def poison(stream: int, first: int, content: bytes = b"poison") -> bytes:
    """A batch of 10 whose envelope can be read and whose payload cannot."""
    return struct.pack("!BBQQI", 1, 1, stream, first, 10) + content


def test_beyond_the_room_for_content_its_flow_goes_on_and_the_reason_is_kept() -> None:
    world = World(stored_before=(11, MAX_BYTES))
    world.hear("batch", poison(7, 0))
    world.hear("batch", batch(7, 10, 10))
    assert world.answers[7] == (19, ())
    assert list(world.set_aside.values()) == [(b"", read_reason(poison(7, 0)))]
    assert [one.sentence for one in world.complaints] == [
        "set a message aside without its content, too much is set aside"
    ]


def test_beyond_the_room_for_rows_its_flow_goes_on_and_nothing_more_is_kept() -> None:
    world = World(stored_before=(MAX_ROWS - 1, 0))
    for first in (0, 10, 20):
        world.hear("batch", poison(7, first))
    assert world.answers[7] == (29, ())
    assert len(world.set_aside) == 1


def test_bad_live_messages_are_dropped_and_take_no_room_from_history() -> None:
    world = World()
    for _ in range(12):
        world.hear("live", b"x" * 1_000_000)
    assert {one.sentence for one in world.complaints} == {"dropped a live message"}
    world.hear("batch", poison(7, 0))
    assert world.answers[7] == (9, ())
    assert [payload for payload, _ in world.set_aside.values()] == [poison(7, 0)]


def test_a_group_that_is_built_again_counts_what_it_sets_aside_once() -> None:
    world = World()
    large = poison(7, 0, bytes(MAX_BYTES // 2))
    arrived = Arrived(
        topic=topics.up("main", "van-1", "batch"), payload=large, received_at_ms=NOW_MS
    )
    for _ in range(5):
        world.intake.take(arrived, Group())  # the database was locked, the group is thrown away
    world.hear("batch", large)
    world.hear("batch", large)
    assert [payload for payload, _ in world.set_aside.values()] == [large]
    together = Group()
    for _ in range(3):
        world.intake.take(arrived, together)
    assert len(together.writes.set_aside) == 1


@pytest.mark.parametrize("kind", [*topics.UP_KINDS, topics.RENEW])
@pytest.mark.parametrize("payload", [b"", b"{}", b"\x01", b"[" * 5000, b"\xff" * 99, b"null"])
def test_whatever_a_van_says_is_read_or_refused(kind: str, payload: bytes) -> None:
    assert isinstance(read(kind, payload), Refused)


@pytest.mark.parametrize(
    "topic", ["fleet/v1/main/van-1/up/nonsense", "other", "fleet/v1/main/../up/batch", ""]
)
def test_a_garbage_topic_is_dropped_and_told_of(topic: str) -> None:
    world = World()
    world.hear_on(topic, b"x")
    assert world.set_aside == {}
    assert world.answers == {}
    assert len(world.complaints) == 1


def test_an_unknown_van_is_refused_and_told_of() -> None:
    world = World("van-1")
    world.hear("batch", batch(7, 0, 3), van="stranger")
    assert world.stored == {}
    assert world.answers == {}
    assert [(one.van, one.sentence) for one in world.complaints] == [
        ("stranger", "refused a message of an unknown van")
    ]


def test_live_state_takes_the_newest_of_both_lanes_and_never_goes_back() -> None:
    world = World()
    world.hear("live", Live(fix=fix(30)))
    world.hear("batch", batch(7, 0, 20))
    assert world.live().fix == fix(30)
    assert [row.fix for row in world.intake.take_moved()] == [fix(30)]
    world.hear("batch", batch(7, 20, 20))
    assert world.live().fix == fix(39)
    world.hear("live", Live(fix=fix(30)))
    assert world.intake.take_unwritten() == []
    assert world.stored_seqs(7) == set(range(40)), "the live lane never becomes history"


def committed(seq: int, at_ms: int, count: int = 10) -> ArrivedRow:
    """A batch as it was just committed; what is in it began ``seq`` seconds after noon."""
    body = codec.encode_batch(batch(7, seq, count))
    return ArrivedRow("main", "van-1", 7, seq, seq + count - 1, count, at_ms, body)


def test_a_van_whose_live_lane_is_lost_is_where_its_history_says_and_never_goes_back() -> None:
    world = World()
    world.hear("live", Live(fix=fix(5)))
    world.intake.follow([committed(0, NOW_MS + FOLLOWED_AFTER_MS - 1)])
    assert world.live().fix == fix(5), "its live lane speaks"
    world.intake.follow([committed(10, NOW_MS + 5_000), committed(20, NOW_MS + 5_000)])
    assert world.live().fix == fix(29)
    world.intake.follow([committed(0, NOW_MS + 60_000)])
    assert world.intake.take_unwritten() == [], "what is late moves nothing"
    world.intake.follow([committed(30, NOW_MS + 60_100)])
    assert world.intake.take_unwritten() == [], "one batch in three seconds is unpacked"
    world.intake.follow([committed(30, NOW_MS + 60_000 + FOLLOWED_AFTER_MS)])
    assert world.live().fix == fix(39)


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6))
def test_history_in_any_order_leaves_the_van_at_its_newest_fix_and_never_before(
    order: list[int], live: list[int]
) -> None:
    world = World()
    newest = -1
    for turn, place in enumerate(order):
        for seq in live[turn : turn + 1]:
            world.hear("live", Live(fix=fix(seq * 10)))
            newest = max(newest, seq * 10)
        world.intake.follow([committed(place * 10, NOW_MS + (turn + 1) * FOLLOWED_AFTER_MS)])
        newest = max(newest, place * 10 + 9)
        assert world.intake._live["main", "van-1"].fix == fix(newest)


def test_a_fix_whose_time_cannot_be_true_is_history_and_spoils_no_other() -> None:
    world = World()
    absurd = msgspec.structs.replace(fix(0), fix_time_ms=None, recorded_at_ms=-(2**53))
    ahead = msgspec.structs.replace(fix(0), fix_time_ms=2**53)
    world.hear("live", Live(fix=absurd))
    world.hear("batch", Batch(stream=7, first=0, fixes=(absurd, fix(1), ahead)))
    assert world.stored_seqs(7) == {0, 1, 2}
    assert [row.fix for row in world.intake.take_moved()] == [fix(1)]


def test_all_that_a_gateway_tells_of_itself_is_kept() -> None:
    world = World()
    state, told = golden.JSON_SAMPLES["state_full"]
    world.hear("state", state)
    assert world.live().state == told.decode()


def test_presence_and_state_are_kept_and_their_repetition_changes_nothing() -> None:
    world = World()
    state = State(version="0.1.0", boot=3, receiver="ok", spooled=0)
    for _ in range(2):
        world.hear("presence", Presence(online=True))
        world.hear("state", state)
    row = world.live()
    assert row.is_online is True
    assert row.state == codec.encode(state).decode()
    assert row.change == 2
    world.hear("presence", Presence(online=False))
    assert world.live().is_online is False
    assert world.intake.take_moved() == []


def test_a_van_that_was_shut_out_may_still_go_offline_and_nothing_else() -> None:
    before = LiveRow(tenant="main", van="van-1", is_online=True, change=1)
    world = World("van-2", live=[before])
    world.hear("presence", Presence(online=False))
    world.hear("presence", Presence(online=True))
    world.hear("presence", Presence(online=False), van="stranger")
    assert [(one.van, one.is_online) for one in world.intake.take_unwritten()] == [("van-1", False)]
    assert [one.van for one in world.complaints] == ["van-1", "stranger"]


def test_what_clears_a_retained_message_says_nothing() -> None:
    world = World()
    for kind in topics.RETAINED_UP:
        world.hear(kind, b"")
    assert (world.set_aside, world.complaints, world.intake.take_unwritten()) == ({}, [], [])


def test_it_goes_on_from_the_live_state_of_before() -> None:
    before = LiveRow(tenant="main", van="van-1", fix=fix(50), received_at_ms=1, change=41)
    world = World(live=[before])
    world.hear("live", Live(fix=fix(49)))
    assert world.intake.take_unwritten() == []
    world.hear("live", Live(fix=fix(51)))
    assert world.live().change == 42


@given(st.sampled_from(topics.UP_KINDS), st.binary(max_size=200))
def test_garbage_never_stops_it_and_never_becomes_history(kind: str, payload: bytes) -> None:
    world = World()
    world.hear(kind, payload)
    world.hear("batch", batch(7, 0, 2))
    assert world.stored_seqs(7) == {0, 1}


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_in_a_batch_never_stops_it(place: int, mask: int) -> None:
    payload = bytearray(codec.encode_batch(batch(7, 0, 5)))
    payload[place % len(payload)] ^= mask
    world = World()
    world.hear("batch", bytes(payload))
    world.hear("batch", batch(9, 0, 2))
    assert world.stored_seqs(9) == {0, 1}
