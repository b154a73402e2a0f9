"""Any sequence of driving, crashing, losing the link and losing messages ends with nothing lost."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.gateway.test_spool import NOW, fix
from tests.gateway.test_uplink import Bench
from wire import codec
from wire.messages import Ack, Event, Resume

type Key = tuple[int, int]


class Cloud:
    """Commits what reaches it; answers with what it has."""

    def __init__(self) -> None:
        self.stored: dict[Key, object] = {}
        self.answers: list[Ack] = []

    def take(self, kind: str, payload: bytes) -> None:
        match kind:
            case "batch":
                batch = codec.decode_batch(payload)
                for seq, kept in enumerate(batch.fixes, batch.first):
                    assert self.stored.setdefault((batch.stream, seq), kept) == kept
                self._answer(batch.stream)
            case "event":
                event = codec.decode(payload, Event)
                self.stored[int(event.stream), event.seq] = event
                self._answer(int(event.stream))
            case "resume":
                for stream in codec.decode(payload, Resume).streams:
                    self._answer(int(stream))
            case _:
                pass

    def _answer(self, stream: int) -> None:
        seqs = {seq for of, seq in self.stored if of == stream}
        upto = max(seqs, default=-1)
        lacking = sorted(set(range(upto)) - seqs)
        missing = tuple((seq, seq) for seq in lacking[:32])
        if len(lacking) > 32:
            upto = lacking[32] - 1
        self.answers.append(Ack(stream=str(stream), upto=upto, missing=missing))


class Delivery(RuleBasedStateMachine):
    """A van, a link that breaks, and a cloud; the model is the set of rows ever committed."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="roundsman-delivery-"))
        self.bench = Bench(self.folder / "spool.db")
        self.cloud = Cloud()
        self.committed: set[Key] = set()
        self.starts = 0
        self.number = 0
        self.start()

    def start(self) -> None:
        self.starts += 1
        self.bench.start(self.starts, batch_fixes=3, window=8, batch_wait_s=0, resend_after_s=60)
        self.bench.spool.connection.execute("PRAGMA synchronous = OFF")  # no power cut here
        self.note()
        self.gain_link()

    def note(self) -> None:
        self.committed |= self.spooled()

    def spooled(self) -> set[Key]:
        spool = self.bench.spool
        rows = [row for kind in ("event", "fix") for row in spool.rows_after(kind, -1, 100_000)]
        return {(spool.stream_of(row.id).id, row.seq) for row in rows}

    @rule(fixes=st.integers(1, 25), is_committed=st.booleans())
    def drive(self, fixes: int, is_committed: bool) -> None:
        for _ in range(fixes):
            self.number += 1
            self.bench.spool.add_fix(fix(self.number))
        if is_committed:
            self.commit()

    def commit(self) -> None:
        self.bench.spool.commit(NOW)
        self.note()

    @rule()
    def lose_power(self) -> None:
        self.bench.spool.close()
        self.lose_link()
        self.start()

    @rule()
    def gain_link(self) -> None:
        self.bench.uplink.on_connected(self.bench.now_s)

    @rule()
    def lose_link(self) -> None:
        self.bench.uplink.on_disconnected()
        self.bench.link.published.clear()
        self.cloud.answers.clear()

    @rule(fixes=st.integers(5, 25), lost=st.lists(st.booleans(), min_size=4, max_size=12))
    def drive_on_a_poor_link(self, fixes: int, lost: list[bool]) -> None:
        self.drive(fixes, is_committed=True)
        self.work(5.0)
        self.carry_up(lost)
        self.carry_down(lost)

    @rule(seconds=st.sampled_from([0.0, 5.0, 70.0, 2000.0]))
    def work(self, seconds: float) -> None:
        self.bench.now_s += seconds
        self.bench.uplink.step(self.bench.now_s, NOW)
        self.note()

    @rule(lost=st.lists(st.booleans(), min_size=1, max_size=12))
    def carry_up(self, lost: list[bool]) -> None:
        """The next messages reach the cloud, but for those that are lost."""
        published = self.bench.link.published
        for is_lost, (kind, payload) in zip(lost, published[: len(lost)], strict=False):
            if not is_lost:
                self.cloud.take(kind, payload)
        del published[: len(lost)]

    @rule(lost=st.lists(st.booleans(), min_size=1, max_size=12))
    def carry_down(self, lost: list[bool]) -> None:
        """The next answers reach the van, but for those that are lost."""
        for is_lost, answer in zip(lost, self.cloud.answers[: len(lost)], strict=False):
            if not is_lost:
                self.bench.uplink.on_ack(answer, NOW)
        del self.cloud.answers[: len(lost)]

    @invariant()
    def every_committed_row_is_in_the_spool_or_in_the_cloud(self) -> None:
        if self.starts:
            assert self.committed <= self.spooled() | self.cloud.stored.keys()

    def teardown(self) -> None:
        if not self.starts:
            return
        try:
            self.commit()
            self.gain_link()
            for _ in range(200):
                if not self.spooled():
                    break
                self.work(30.0)
                self.carry_up([False] * 1000)
                self.carry_down([False] * 1000)
                self.bench.spool.commit(NOW)
            assert self.spooled() == set()
            assert self.committed <= self.cloud.stored.keys()
        finally:
            self.bench.spool.close()
            shutil.rmtree(self.folder)


Delivery.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
test_nothing_is_lost_whatever_happens = Delivery.TestCase
