"""A box becomes a van's gateway, speaks by its certificate alone, and is shut out at once."""

import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cloud.foundation.database import Database
from cloud.tracking import history
from tests.gateway.rig import ROOT, Line, Receiver, Van, wait_until
from tests.parts.certified_cloud import certificates, certified_cloud, claim
from tests.parts.ports import free_port
from tests.parts.served_cloud import ServedCloud

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Box(Van):
    """A Raspberry Pi with a receiver and no identity yet."""

    def __init__(self, folder: Path, device: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data, self.config, self.log = folder / "data", folder / "gateway.toml", folder / "log"
        self.process, self._python = None, Path(sys.executable)
        self.config.write_text(
            f"""# this van's box
data_dir = "{self.data}"

[[receivers]]
kind = "serial"
device = "{device}"  # the roof antenna
[spool]
commit_every_s = 0.3
[uplink]
batch_fixes = 10
batch_wait_s = 0.5
live_every_s = 0.2
resend_after_s = 2.0
"""
        )

    def enrol(
        self, cloud: ServedCloud, token: str, *options: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "roundsman", "gateway", "enrol"),
                *("--config", str(self.config), "--url", cloud.url, *options),
            ],
            input=token,
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def deliver(self) -> int:
        """Hand in what is sealed; the exit code."""
        command = [sys.executable, "-m", "roundsman", "gateway", "deliver-sealed"]
        done = subprocess.run(
            [*command, "--config", self.config], cwd=ROOT, check=False, timeout=150
        )
        return done.returncode

    def say(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``gateway WORDS --config FILE`` to its end."""
        command = [sys.executable, "-m", "roundsman", "gateway", *words]
        return subprocess.run(
            [*command, "--config", str(self.config)],
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def sealed_offline(self) -> None:
        """Let the box find that it is another van's, where no broker answers."""
        told = self.config.read_text()
        self.config.write_text(re.sub(r"(?m)^port = \d+$", f"port = {free_port()}", told))
        self.start()
        wait_until((self.data / "status.sock").exists, "it records as the new van's", 30)
        assert self.stop() == 0
        self.config.write_text(told)

    def waiting(self) -> int:
        """How many rows are in the spool, beside the running gateway."""
        spool = self.data / "spool.db"
        if not spool.exists():
            return 0
        with closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as reader:
            (count,) = reader.execute("SELECT count(*) FROM row").fetchone()
        return int(count)

    def take_for_old(self, serial: str) -> None:
        """Have the box believe that its certificate of 30 s is in the last third of its life."""
        note = self.data / "credentials" / serial / "certificate.json"
        told = json.loads(note.read_bytes())
        note.write_text(json.dumps(told | {"issued_at_ms": told["issued_at_ms"] - 90_000}))

    def enrolled(self, cloud: ServedCloud, van: str) -> str:
        """Enrol the box for ``van``; the serial number of its certificate."""
        done = self.enrol(cloud, claim(cloud, van))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["van"] == van
        serial: str = json.loads(done.stdout)["serial"]
        return serial


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    root = tmp_path_factory.mktemp("cloud")
    with certified_cloud(root, *(f"van-{number}" for number in range(1, 8))) as served:
        yield served


@pytest.fixture
def box(tmp_path: Path, line: Line) -> Iterator[Box]:
    box = Box(tmp_path / "box", line.device)
    yield box
    box.kill()


def fixes_of(cloud: ServedCloud, van: str) -> int:
    """How many fixes the cloud has committed as this van's."""
    return len(seqs_of(cloud, van))


def seqs_of(cloud: ServedCloud, van: str) -> list[tuple[int, int]]:
    """(stream, seq) of each fix the cloud has committed as this van's."""
    telemetry = Database(cloud.root / "telemetry.db")
    with telemetry.reading() as connection:
        seqs = history.stored_seqs(connection, "main", van)
    telemetry.close()
    return seqs


def test_from_token_to_a_committed_fix_and_out_again(
    cloud: ServedCloud, box: Box, receiver: Receiver
) -> None:
    serial = box.enrolled(cloud, "van-1")
    assert certificates(cloud, "van-1")[serial] == "active"
    box.start()
    wait_until(lambda: fixes_of(cloud, "van-1") > 0, "a fix is committed", 60)

    assert cloud.admin.delete("/vehicles/van-1/gateway").status_code == 204
    wait_until(lambda: "Not authorized" in box.log.read_text(), "it is cut and kept out", 60)
    seen, connected = fixes_of(cloud, "van-1"), box.log.read_text().count("info: connected")
    box.kill()
    box.start()
    wait_until(lambda: box.log.read_text().count("Not authorized") > 1, "it is kept out", 60)
    assert fixes_of(cloud, "van-1") == seen
    assert box.log.read_text().count("info: connected") == connected == 1


def test_a_box_that_moves_tells_its_backlog_as_the_old_van_and_renews_nothing_of_it(
    cloud: ServedCloud, box: Box, receiver: Receiver
) -> None:
    first = box.enrolled(cloud, "van-2")
    spool_a_backlog(cloud, box)
    recorded = set(box.spooled())
    assert len(recorded) > 5

    second = box.enrolled(cloud, "van-3")
    assert first != second
    assert certificates(cloud, "van-2")[first] == "backlog"
    box.start()
    wait_until(lambda: fixes_of(cloud, "van-3") > 0, "fixes come as the new van's", 90)
    wait_until(lambda: not sealed(box), "the backlog is handed in", 120)
    box.kill()
    assert recorded <= committed(cloud, "van-2")
    assert not recorded & committed(cloud, "van-3")


def test_a_sealed_backlog_without_a_certificate_waits_for_a_claim(
    cloud: ServedCloud, box: Box, receiver: Receiver
) -> None:
    box.enrolled(cloud, "van-4")
    spool_a_backlog(cloud, box)
    recorded = set(box.spooled())
    assert cloud.admin.delete("/vehicles/van-4/gateway").status_code == 204
    box.enrolled(cloud, "van-3")
    box.start()
    wait_until(lambda: "cannot be told" in box.log.read_text(), "it is told", 120)
    shown = box.say("status")
    assert shown.returncode == 0, "it is asked of the running gateway"
    assert re.search(
        r"● certificate +[0-9a-f]{8}, 365 days left, renewed in 243 days", shown.stdout
    )
    assert re.search(r"▲ sealed +van-4 of main: \d+ fixes and \d+ events wait", shown.stdout)
    box.kill()
    assert len(sealed(box)) == 1
    assert not recorded & (committed(cloud, "van-3") | committed(cloud, "van-4"))

    wrong = box.enrol(cloud, claim(cloud, "van-1", "backlog"), "--sealed", "van-4")
    assert (wrong.returncode, "is for van-1" in wrong.stderr) == (78, True)
    token = claim(cloud, "van-4", "backlog")
    alone = box.enrol(cloud, token)
    assert (alone.returncode, "--sealed" in alone.stderr) == (78, True)
    done = box.enrol(cloud, token, "--sealed", "van-4")
    assert done.returncode == 0, done.stderr
    assert box.deliver() == 0
    assert sealed(box) == []
    assert recorded <= committed(cloud, "van-4")
    assert not recorded & committed(cloud, "van-3")


def test_a_box_that_comes_back_hands_in_beside_its_own_work(
    cloud: ServedCloud, box: Box, receiver: Receiver
) -> None:
    box.enrolled(cloud, "van-7")
    spool_a_backlog(cloud, box)
    recorded = box.spooled()
    box.enrolled(cloud, "van-3")
    box.sealed_offline()
    of_the_stay = box.spooled()
    box.enrolled(cloud, "van-7")
    box.start()
    wait_until(lambda: not sealed(box), "both backlogs are handed in", 60)
    seen = fixes_of(cloud, "van-7")
    wait_until(lambda: fixes_of(cloud, "van-7") > seen, "fixes go on")
    box.kill()
    assert recorded <= committed(cloud, "van-7")
    assert of_the_stay <= committed(cloud, "van-3")
    log = box.log.read_text()
    assert log.count("a sealed spool was handed in") == 2
    assert "no connection" not in log.split("van='van-7'")[-1], "nobody throws it out"


def test_what_is_given_up_with_a_certificate_is_told_as_the_old_vans_gaps(
    cloud: ServedCloud, box: Box, receiver: Receiver
) -> None:
    box.enrolled(cloud, "van-5")
    spool_a_backlog(cloud, box)
    recorded = box.spooled()
    box.enrolled(cloud, "van-3")
    box.sealed_offline()
    shown = box.say("status").stdout
    assert "van-5 of main: " in shown
    assert "wait, with a certificate to hand them in" in shown

    done = box.say("give-up-sealed", "van-5", "--yes")
    assert done.returncode == 0, done.stderr
    assert "the cloud knows it as van-5's gaps" in done.stdout
    assert sealed(box) == []
    gaps = bodies(cloud, "van-5", "gap")
    assert {(gap["reason"], gap["kept"]) for gap in gaps} == {("sealed", 0)}
    lost = {(gap["stream"], seq) for gap in gaps for seq in range(gap["first"], gap["last"] + 1)}
    assert lost == recorded - committed(cloud, "van-5")
    assert len(lost) > 5
    assert fixes_of(cloud, "van-5") == 0
    assert not recorded & committed(cloud, "van-3")
    assert bodies(cloud, "van-3", "sealed_given_up") == []


def test_what_is_given_up_without_a_certificate_is_told_by_the_van_the_box_is_in(
    cloud: ServedCloud, box: Box, receiver: Receiver
) -> None:
    box.enrolled(cloud, "van-6")
    spool_a_backlog(cloud, box)
    recorded = box.spooled()
    assert cloud.admin.delete("/vehicles/van-6/gateway").status_code == 204
    box.enrolled(cloud, "van-3")
    box.sealed_offline()

    done = box.say("give-up-sealed", "van-6", "--yes")
    assert done.returncode == 0, done.stderr
    assert "the van this box is in tells it" in done.stdout
    assert "given up" in box.say("status").stdout
    box.start()
    wait_until(lambda: bodies(cloud, "van-3", "sealed_given_up") != [], "it is told", 60)
    wait_until(lambda: not sealed(box), "it is gone")
    box.kill()
    (told,) = bodies(cloud, "van-3", "sealed_given_up")
    assert (told["tenant"], told["earlier_van"]) == ("main", "van-6")
    assert told["fixes"] + told["events"] == len(recorded)
    assert told["fixes"] > 5
    assert told["from_ms"] < told["to_ms"]
    assert not recorded & (committed(cloud, "van-3") | committed(cloud, "van-6"))


def bodies(cloud: ServedCloud, van: str, kind: str) -> list[dict[str, Any]]:
    """What a van's events of a kind say, as the cloud has committed them."""
    with closing(sqlite3.connect(f"file:{cloud.root}/telemetry.db?mode=ro", uri=True)) as reader:
        found = reader.execute("SELECT body FROM event WHERE van = ? AND kind = ?", (van, kind))
        return [json.loads(body) for (body,) in found]


def spool_a_backlog(cloud: ServedCloud, box: Box) -> None:
    """Let the box record where no broker answers."""
    text = box.config.read_text()
    box.config.write_text(re.sub(r"(?m)^port = \d+$", f"port = {free_port()}", text))
    box.start()
    wait_until(lambda: box.waiting() > 20, "fixes are spooled", 60)
    assert box.stop() == 0


def sealed(box: Box) -> list[str]:
    return [path.name for path in (box.data / "sealed").glob("*")]


def committed(cloud: ServedCloud, van: str) -> set[tuple[str, int]]:
    """(stream, seq) of everything the cloud has committed as this van's."""
    with closing(sqlite3.connect(f"file:{cloud.root}/telemetry.db?mode=ro", uri=True)) as reader:
        events = reader.execute("SELECT stream, seq FROM event WHERE van = ?", (van,)).fetchall()
    return {(str(stream), seq) for stream, seq in [*events, *seqs_of(cloud, van)]}


def test_a_certificate_is_renewed_while_fixes_go_on(
    tmp_path: Path, box: Box, receiver: Receiver
) -> None:
    with certified_cloud(tmp_path / "cloud", "van-1", certificate_days=30 / 86_400) as cloud:
        first = box.enrolled(cloud, "van-1")
        box.take_for_old(first)
        box.start()
        wait_until(
            lambda: certificates(cloud, "van-1").get(first) == "retired",
            "the first certificate is replaced by one that has connected",
            120,
        )
        seen = fixes_of(cloud, "van-1")
        wait_until(lambda: fixes_of(cloud, "van-1") > seen, "fixes go on", 60)
        assert "active" in certificates(cloud, "van-1").values()
        box.kill()


def test_an_enrolment_whose_answer_was_lost_goes_on_from_there(
    cloud: ServedCloud, box: Box
) -> None:
    token = claim(cloud, "van-1")
    with swallowing_answers(cloud.url) as url:
        lost = box.enrol(cloud, token, "--url", url)
    assert (lost.returncode, "does not answer" in lost.stderr) == (75, True)
    issued = certificates(cloud, "van-1")
    assert "broker" not in box.config.read_text()
    again = box.enrol(cloud, token)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["serial"] == next(iter(issued))
    assert certificates(cloud, "van-1") == issued
    used = box.enrol(cloud, token)
    assert (used.returncode, "is used" in used.stderr) == (78, True)
    assert "# the roof antenna" in box.config.read_text()
    for file in (box.data / "credentials").rglob("*.pem"):
        assert file.stat().st_mode & 0o777 == 0o600


@contextmanager
def swallowing_answers(url: str) -> Iterator[str]:
    """An address that passes one request on to ``url`` and loses the answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def pass_on() -> None:
            asking, _ = server.accept()
            with asking, socket.create_connection((host, int(port))) as answering:
                answering.settimeout(30)
                asking.settimeout(1)
                with suppress(TimeoutError):
                    while sent := asking.recv(65_536):
                        answering.sendall(sent)
                answering.recv(1)

        thread = threading.Thread(target=pass_on)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("options", "token", "told"),
    [
        ((), "", "token: is none"),
        ((), "rmc-" + "x" * 43, "the token is unknown"),
        (("--url", "http://fleet.example"), "rmc-x", "in the clear"),
        (("--url", "ftp://x"), "rmc-x", "is no address"),
        (("--fingerprint", "abc"), "rmc-x", "--fingerprint: is no SHA-256"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_remedy(
    cloud: ServedCloud, box: Box, options: tuple[str, ...], token: str, told: str
) -> None:
    before = box.config.read_text()
    done = box.enrol(cloud, token, *options)
    assert (done.returncode, done.stdout) == (78, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert box.config.read_text() == before
