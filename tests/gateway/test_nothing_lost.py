"""Any sequence of driving, crashing, losing the link and losing messages ends with nothing lost."""

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cloud.tracking.model import Committed
from gateway.spool.rows import KINDS, SEQS
from gateway.spool.store import Spool
from tests.gateway.test_spool import NOW, fix
from tests.gateway.test_uplink import Bench
from wire import codec
from wire.events import Gap, IgnitionSwitched
from wire.messages import Ack, Event, Resume

type Key = tuple[int, int]

ALL_MS = 10**15
_FAR = 1500


def keys_of(gap: Gap) -> set[Key]:
    return {(int(gap.stream), seq) for seq in range(gap.first, gap.last + 1)}


class Cloud:
    """Commits what reaches it; answers with what it has."""

    def __init__(self) -> None:
        self.stored: dict[Key, object] = {}
        self.told: set[Key] = set()
        self.came: Counter[Key] = Counter()
        self.answers: list[Ack] = []
        self._held: dict[int, Committed] = {}

    def take(self, kind: str, payload: bytes) -> None:
        match kind:
            case "batch":
                batch = codec.decode_batch(payload)
                for seq, kept in zip(batch.seqs, batch.fixes, strict=True):
                    self._store((batch.stream, seq), kept)
                self._has(batch.stream, *batch.covered)
            case "event":
                event = codec.decode(payload, Event)
                stream = int(event.stream)
                self._store((stream, event.seq), event)
                self._has(stream, event.seq, event.seq)
                if isinstance(event.body, Gap):
                    self._take_gap(event.body)
            case "resume":
                for text in codec.decode(payload, Resume).streams:
                    self._answer(int(text))
            case _:
                pass

    def _store(self, key: Key, row: object) -> None:
        assert self.stored.setdefault(key, row) == row, "one place, one row"
        self.came[key] += 1

    def _take_gap(self, gap: Gap) -> None:
        self.told |= keys_of(gap)
        if gap.reason != "thinned":
            self._has(int(gap.stream), gap.first, gap.last)

    def _has(self, stream: int, first: int, last: int) -> None:
        self._held[stream] = self._held.get(stream, Committed()).adding(first, last)
        self._answer(stream)

    def _answer(self, stream: int) -> None:
        upto, missing = self._held.get(stream, Committed()).told()
        self.answers.append(Ack(stream=str(stream), upto=upto, missing=missing))


class Hindrance:
    """Lets a connection read so often, and then nothing more."""

    def __init__(self, reads: int) -> None:
        self._reads = reads

    def __call__(self, spool: Spool) -> None:
        spool.connection._connection.set_authorizer(self._judge)

    def _judge(self, action: int, *_: str | None) -> int:
        self._reads -= action == sqlite3.SQLITE_READ
        return sqlite3.SQLITE_OK if self._reads > 0 else sqlite3.SQLITE_DENY


class Delivery(RuleBasedStateMachine):
    """A van, a link that breaks, and a cloud; the model is the set of rows ever committed."""

    starts = 0

    @initialize(max_bytes=st.sampled_from([10_000_000, 70_000]))
    def begin(self, max_bytes: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="roundsman-delivery-"))
        self.max_bytes = max_bytes
        self.bench = Bench(self.folder / "spool.db")
        self.cloud = Cloud()
        self.committed: set[Key] = set()
        self.recorded: set[Key] = set()
        self.spoiled: set[Key] = set()
        self.asked: dict[Key, int] = {}
        self.is_failing = False
        self.number = 0
        self.start()

    def start(self, reads: int | None = None) -> None:
        self.starts += 1
        self.bench.start(
            self.starts,
            hinder=None if reads is None else Hindrance(reads),
            max_bytes=self.max_bytes,
            keep_acknowledged_ms=ALL_MS,
            batch_fixes=3, window=8, batch_wait_s=0, resend_after_s=60,
        )  # fmt: skip
        self.recorded &= self.committed
        if reads is not None:
            self.bench.spool.connection._connection.set_authorizer(None)
            self.record(3)
            self.commit()
        self.note()
        self.gain_link()

    def note(self) -> None:
        self.committed |= self.spooled()

    def spooled(self) -> set[Key]:
        """What waits by the spool's books; reading all of it at each step would take minutes."""
        spool = self.bench.spool
        spans = [span for kind in KINDS for span in spool._book.unsettled(kind)]
        return {
            (spool.stream_of(row_id).id, row_id % SEQS)
            for first, last in spans
            for row_id in range(first, last + 1)
            if row_id % spool.step_of(row_id) == 0
        }

    def owed(self) -> set[Key]:
        """What the van is still to tell as lost."""
        spool = self.bench.spool
        events = [codec.decode(row.body, Event) for row in spool.rows_after("event", -1, 100_000)]
        owed = {
            key for event in events if isinstance(event.body, Gap) for key in keys_of(event.body)
        }
        for lost in spool._book.untold.values():
            stream = spool.stream_of(lost.first).id
            owed |= {(stream, row_id % SEQS) for row_id in range(lost.first, lost.last + 1)}
        return owed

    @contextmanager
    def medium(self) -> Iterator[None]:
        """What is done meanwhile may fail, while the medium does."""
        try:
            yield
        except sqlite3.Error:
            assert self.is_failing

    def record(self, fixes: int) -> None:
        for _ in range(fixes):
            self.number += 1
            seq = self.bench.spool.add_fix(fix(self.number))
            self.recorded.add((self.starts * 100, seq))

    @rule(fixes=st.integers(1, 25), is_committed=st.booleans(), has_event=st.booleans())
    def drive(self, fixes: int, is_committed: bool, has_event: bool) -> None:
        self.record(fixes)
        if has_event:
            body = IgnitionSwitched(is_on=True, at_ms=self.number)
            self.recorded.add((self.starts * 100 + 1, self.bench.spool.add_event(body, NOW)))
        if is_committed or has_event:
            self.commit()

    @rule()
    def drive_far(self) -> None:
        """As far as the small spool does not hold; more would only take long to deliver."""
        for _ in range(10 if self.number < _FAR else 1):
            self.drive(25, is_committed=True, has_event=False)

    def commit(self) -> None:
        with self.medium():
            self.bench.spool.commit(NOW)
        self.note()

    @rule(is_clean=st.booleans(), reads=st.none() | st.integers(1, 60))
    def lose_power(self, is_clean: bool, reads: int | None) -> None:
        """The next start may fail at any read, and is tried again."""
        if is_clean:
            self.bench.spool.close()
        else:
            self.bench.spool.connection.close()
        self.lose_link()
        self.start(reads)

    @rule()
    def fail_medium(self) -> None:
        if not self.is_failing:
            self.bench.spool.connection.execute(
                "CREATE TRIGGER failing BEFORE INSERT ON row"
                " BEGIN SELECT RAISE(ABORT, 'the medium fails'); END"
            )
            self.is_failing = True

    @rule()
    def mend_medium(self) -> None:
        if self.is_failing:
            self.bench.spool.connection.execute("DROP TRIGGER failing")
            self.is_failing = False
            self.commit()

    @rule(at=st.integers(0, 10**6))
    def spoil_a_row(self, at: int) -> None:
        """Bits of a waiting row change on the medium; not of a gap, whose words are in it alone."""
        spool = self.bench.spool
        waiting = [row for kind in KINDS for row in spool.rows_after(kind, -1, 100)]
        waiting = [row for row in waiting if b'"gap"' not in row.body]
        if waiting:
            row = waiting[at % len(waiting)]
            spool.connection.execute("UPDATE row SET body = zeroblob(9) WHERE id = ?", (row.id,))
            self.spoiled.add((spool.stream_of(row.id).id, row.seq))

    @rule()
    def replay(self) -> None:
        if self.is_failing:
            return
        before = self.spooled()
        self.bench.spool.replay(0, ALL_MS)
        self.commit()
        self.asked |= {key: self.cloud.came[key] for key in self.spooled() - before}

    @rule()
    def gain_link(self) -> None:
        self.bench.uplink.on_connected(self.bench.now_s)

    @rule()
    def lose_link(self) -> None:
        self.bench.uplink.on_disconnected()
        self.bench.link.published.clear()
        self.bench.link.unconfirmed.clear()
        self.cloud.answers.clear()

    @rule(fixes=st.integers(5, 25), lost=st.lists(st.booleans(), min_size=4, max_size=12))
    def drive_on_a_poor_link(self, fixes: int, lost: list[bool]) -> None:
        self.drive(fixes, is_committed=True, has_event=False)
        self.work(5.0)
        self.carry_up(lost)
        self.carry_down(lost)

    @rule(seconds=st.sampled_from([0.0, 5.0, 70.0, 2000.0]))
    def work(self, seconds: float) -> None:
        self.bench.now_s += seconds
        with self.medium():
            self.bench.uplink.step(self.bench.now_s, NOW)
        self.note()

    @rule(lost=st.lists(st.booleans(), min_size=1, max_size=12))
    def carry_up(self, lost: list[bool]) -> None:
        """The next messages reach broker and cloud, but for those that are lost."""
        link = self.bench.link
        messages = list(zip(link.published, link.unconfirmed, strict=True))[: len(lost)]
        del link.published[: len(lost)], link.unconfirmed[: len(lost)]
        for is_lost, ((kind, payload), number) in zip(lost, messages, strict=False):
            if not is_lost:
                self.cloud.take(kind, payload)
                self.bench.uplink.on_delivered(number, self.bench.now_s)

    @rule(lost=st.lists(st.booleans(), min_size=1, max_size=12))
    def carry_down(self, lost: list[bool]) -> None:
        """The next answers reach the van, but for those that are lost."""
        for is_lost, answer in zip(lost, self.cloud.answers[: len(lost)], strict=False):
            if not is_lost:
                with self.medium():
                    self.bench.uplink.on_ack(answer, NOW)
        del self.cloud.answers[: len(lost)]

    @invariant()
    def every_committed_row_is_in_the_spool_or_in_the_cloud_or_told(self) -> None:
        if self.starts:
            here = self.spooled() | self.owed() | self.spoiled
            assert self.committed <= here | self.cloud.stored.keys() | self.cloud.told

    def teardown(self) -> None:
        if not self.starts:
            return
        try:
            self.mend_medium()
            self.commit()
            self.gain_link()
            for _ in range(400):
                if not self.spooled() and not self.bench.spool.has_work():
                    break
                self.work(30.0)
                self.carry_up([False] * 1000)
                self.carry_down([False] * 1000)
                self.bench.spool.commit(NOW)
            assert self.spooled() == set()
            there = self.cloud.stored.keys() | self.cloud.told
            assert self.committed | self.recorded | self.spoiled <= there
            again = {key for key, count in self.asked.items() if self.cloud.came[key] > count}
            assert self.asked.keys() <= again | self.cloud.told, "what was asked for came again"
        finally:
            self.bench.spool.close()
            shutil.rmtree(self.folder)


Delivery.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
test_nothing_is_lost_whatever_happens = Delivery.TestCase
