"""What was set aside goes through intake again, once, and what still fails is left."""

import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloud.cli import main
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid, NotFound, Unavailable
from cloud.tracking import history, shelf, store
from cloud.tracking.deadletters import DeadLetters, Errand, Outcome
from cloud.tracking.store import SET_ASIDE
from tests.tracking.test_ingest_rounds import Desk
from tests.tracking.vans import NOON_MS, batch
from wire import codec, topics
from wire.messages import Presence

POISON = struct.pack("!BBQQI", 1, 1, 7, 0, 10) + b"poison"


class Shelved:
    """Ingest round by round, and what it has set aside."""

    def __init__(self, root: Path) -> None:
        self.desk = Desk(root)
        self.letters = DeadLetters(self.desk.data, self.desk.database)
        self._count = 0

    def put(self, van: str, kind: str, payload: bytes, reason: str = "an older release") -> str:
        """As if an earlier release had set it aside."""
        topic = topics.up("main", van, kind)
        self._count += 1
        digest = self._count.to_bytes(32)
        with self.desk.database.writing() as connection:
            connection.execute(
                SET_ASIDE.insert().values(
                    digest=digest,
                    topic=topic,
                    payload=payload,
                    reason=reason,
                    received_at_ms=NOON_MS + 3_600_000,
                )
            )
        return digest.hex()

    def ask(self, errand: Errand) -> Outcome:
        """Ask from another thread, as web does, while ingest goes on."""
        told: list[Outcome] = []
        asking = threading.Thread(target=lambda: told.append(self.letters.ask(errand, 5.0)))
        asking.start()
        while asking.is_alive():
            self.desk.rounds(1)
        asking.join()
        return told[0]

    def left(self) -> list[str]:
        return [one.id for one in self.letters.page("main")]

    def stored(self, van: str) -> int:
        with self.desk.database.reading() as connection:
            return len(history.stored_seqs(connection, "main", van))


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelved]:
    made = Shelved(tmp_path / "data")
    yield made
    made.desk.database.close()


def test_what_can_be_read_now_is_stored_once_and_what_cannot_is_left(shelved: Shelved) -> None:
    good = codec.encode_batch(batch(7, 10))
    shelved.put("van-1", "batch", good)
    bad = shelved.put("van-1", "batch", POISON)
    nobody = shelved.put("van-9", "batch", good)
    outcome = shelved.ask(Errand(what="replay", tenant="main"))
    assert (outcome.done, outcome.left) == (1, 2)
    assert set(outcome.reasons) == {bad, nobody}
    assert outcome.reasons[nobody] == "the van is unknown"
    assert shelved.left() == [bad, nobody]
    shelved.put("van-1", "batch", good)
    assert shelved.ask(Errand(what="replay", tenant="main", van="van-1")).done == 1
    assert shelved.stored("van-1") == 10


def test_a_batch_that_ingest_set_aside_itself_can_be_replayed_and_dropped(
    shelved: Shelved,
) -> None:
    desk = shelved.desk
    desk.hear("van-1", "event", b"{}")
    desk.rounds()
    (letter,) = shelved.letters.page("main", "van-1")
    assert "event" in letter.topic
    assert shelved.letters.content("main", letter.id)[1] == b"{}"
    assert shelved.ask(Errand(what="replay", tenant="main", ids=(letter.id,))).left == 1
    assert shelved.left() == [letter.id]
    assert shelved.ask(Errand(what="drop", tenant="main", ids=(letter.id,))).done == 1
    assert shelved.left() == []


def test_an_old_word_moves_no_newer_state(shelved: Shelved) -> None:
    desk = shelved.desk
    desk.hear("van-1", "presence", codec.encode(Presence(online=True)), at_ms=NOON_MS + 7_200_000)
    desk.rounds()
    shelved.put("van-1", "presence", codec.encode(Presence(online=False)))
    assert shelved.ask(Errand(what="replay", tenant="main")).done == 1
    desk.rounds()
    with desk.database.reading() as connection:
        (row,) = store.live_rows(connection)
    assert row.is_online is True


def test_more_than_a_piece_is_done_and_other_tenants_are_left_alone(shelved: Shelved) -> None:
    for number in range(120):
        shelved.put("van-1", "batch", codec.encode_batch(batch(7, number * 10)))
    assert shelved.letters.page("other") == []
    assert shelved.ask(Errand(what="drop", tenant="other")).done == 0
    assert shelved.ask(Errand(what="replay", tenant="main")).done == 120
    assert shelved.stored("van-1") == 1_200


def test_names_and_ids_that_cannot_be_are_refused(shelved: Shelved) -> None:
    with pytest.raises(Invalid, match="van"):
        shelved.letters.page("main", "../x")
    with pytest.raises(Invalid, match="cursor"):
        shelved.letters.page("main", after="zz")
    with pytest.raises(NotFound):
        shelved.letters.content("main", "zz")
    with pytest.raises(NotFound):
        shelved.letters.ask(Errand(what="drop", tenant="main", ids=("ab",)))
    with pytest.raises(Unavailable):
        shelved.letters.ask(Errand(what="drop", tenant="main"), 0.1)


def test_of_all_vans_together_only_so_much_is_set_aside(
    shelved: Shelved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MAX_TOTAL_ROWS", 3)
    for number in range(5):
        shelved.desk.hear(f"van-{number % 2 + 1}", "event", b"%d" % number)
    shelved.desk.rounds()
    assert len(shelved.left()) == 3
    assert shelved.ask(Errand(what="drop", tenant="main")).done == 3
    shelved.desk.hear("van-1", "event", b"6")
    shelved.desk.rounds()
    assert len(shelved.left()) == 1


def test_the_command_works_without_a_running_cloud(shelved: Shelved) -> None:
    letter = shelved.put("van-1", "batch", codec.encode_batch(batch(7, 0)))
    shelved.put("van-1", "batch", POISON)
    data = f"--data={shelved.desk.data.root}"

    def say(*words: str) -> str:
        done = CliRunner().invoke(main, ["deadletter", words[0], data, *words[1:]])
        assert done.exit_code == 0, done.output
        return done.output

    assert len(say("list", "--van=van-1").splitlines()) == 2
    shown = CliRunner().invoke(main, ["deadletter", "show", data, letter])
    assert shown.stdout_bytes == codec.encode_batch(batch(7, 0))
    assert say("replay").startswith("1 done, 1 left")
    assert say("drop").startswith("1 done, 0 left")
    database = Database(shelved.desk.data.telemetry)
    with database.reading() as connection:
        assert len(history.stored_seqs(connection, "main", "van-1")) == 10
    database.close()
