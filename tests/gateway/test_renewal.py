"""When the next certificate is asked for, and what is said when none comes."""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gateway.enrolment.credentials import KEY, REQUEST, Credentials, Held, read_held
from gateway.enrolment.renewal import Renewal
from gateway.inbox import Heard
from tests.gateway.rig import wait_until
from tests.gateway.test_belonging import DAY_MS, HELD, hold
from tests.parts.private_authority import PrivateAuthority
from wire import codec
from wire.enrolment import Certificate
from wire.enrolment import Renewal as Asked


class Wire:
    """A connection that remembers what was said over it."""

    def __init__(self) -> None:
        self.connection: int | None = 1
        self.address = (HELD.host, HELD.port)
        self.dropped = 0
        self.said: list[Asked] = []

    def publish(self, kind: str, payload: bytes, qos: int = 1) -> int | None:
        assert (kind, qos) == ("renew", 1)
        self.said.append(codec.decode(payload, Asked))
        return len(self.said)

    def acknowledge(self, heard: Heard) -> None:
        assert heard.kind == "certificate"

    def drop(self, why: str) -> None:
        assert why == "a new certificate is in use"
        self.dropped += 1

    @property
    def requests(self) -> list[str | None]:
        return [asked.csr for asked in self.said if asked.csr is not None]


def making(folder: Path, code: int = 0) -> "subprocess.Popen[bytes]":
    """A process in the place of the one that makes a key."""
    folder.mkdir(parents=True, exist_ok=True)
    if code == 0:
        (folder / REQUEST).write_text("csr")
    return subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    hold(tmp_path, HELD)
    found = Credentials(tmp_path)
    found.use(HELD.serial)
    return found


def renewal(credentials: Credentials, wire: Wire, code: int = 0) -> Renewal:
    def make(folder: Path) -> "subprocess.Popen[bytes]":
        made = making(folder, code)
        made.wait()
        return made

    return Renewal(credentials, wire, make_key=make, wall_s=lambda: 0.0)


def live(one: Renewal, *, from_day: float, seconds: int = 1) -> None:
    for second in range(seconds):
        one.step(from_day * 86_400 + second, round(from_day * DAY_MS) + second * 1000)


def test_it_asks_when_a_third_is_left_and_not_before(credentials: Credentials) -> None:
    wire = Wire()
    one = renewal(credentials, wire)
    live(one, from_day=239.99, seconds=5)
    assert wire.requests == []
    assert [asked.in_use for asked in wire.said] == [HELD.serial], "it tells what it uses"
    live(one, from_day=240.01, seconds=5)
    assert wire.requests == ["csr"]
    assert one.problem is None


def test_the_later_of_both_clocks_counts(credentials: Credentials) -> None:
    wire = Wire()
    one = Renewal(credentials, wire, make_key=making, wall_s=lambda: 241 * 86_400.0)
    (credentials.folder / "next").mkdir()
    (credentials.folder / "next" / REQUEST).write_text("csr")
    one.step(0.0, 0)
    assert wire.requests == ["csr"]


def test_a_cloud_that_stays_silent_is_told_with_a_remedy(credentials: Credentials) -> None:
    wire = Wire()
    one = renewal(credentials, wire)
    for hour in range(6):
        assert (one.problem is None) == (len(wire.requests) < 4)
        live(one, from_day=241 + hour / 20, seconds=3)
    assert one.problem is not None
    assert "does not renew" in one.problem.told
    assert "enrol the box again" in one.problem.remedy


def test_a_key_that_cannot_be_made_is_told(credentials: Credentials) -> None:
    wire = Wire()
    one = renewal(credentials, wire, code=1)
    live(one, from_day=241, seconds=3)
    assert one.problem is not None
    assert "no key can be made" in one.problem.told
    assert "credentials" in one.problem.remedy
    assert wire.requests == []


def test_what_is_issued_for_another_key_is_told_and_not_used(credentials: Credentials) -> None:
    wire = Wire()
    one = renewal(credentials, wire)
    live(one, from_day=241, seconds=3)
    (credentials.folder / "next" / "key.pem").write_text("no key")
    issued = Certificate(serial="77", pem="pem", authority="pem", issued_at_ms=1, expires_at_ms=2)
    one.hear(Heard(kind="certificate", payload=codec.encode(issued), mid=1, connection=1))
    assert one.problem is not None
    assert "cannot be used" in one.problem.told
    assert credentials.held() == HELD
    assert one.held == HELD
    assert wire.dropped == 0


def test_the_next_one_is_tried_and_told_where_the_broker_is_now(
    credentials: Credentials, tmp_path: Path
) -> None:
    authority = PrivateAuthority(tmp_path / "authority")
    shown = authority.certify("van")
    wire, tried = Wire(), []

    def is_accepted(held: Held, _folder: Path) -> bool:
        tried.append((held.host, held.port))
        return True

    one = Renewal(
        credentials, wire, make_key=making, is_accepted=is_accepted, wall_s=lambda: 241 * 86_400.0
    )
    making(credentials.folder / "next").wait()
    shutil.copy(shown.key_file, credentials.folder / "next" / KEY)
    wire.address = ("moved.example", 8884)
    issued = Certificate(
        serial="77",
        pem=shown.file.read_text(),
        authority=authority.file.read_text(),
        issued_at_ms=241 * DAY_MS,
        expires_at_ms=600 * DAY_MS,
    )
    one.hear(Heard(kind="certificate", payload=codec.encode(issued), mid=1, connection=1))

    def is_in_use() -> bool:
        live(one, from_day=241)
        return wire.dropped == 1

    wait_until(is_in_use, "the next one is in use")
    assert tried == [("moved.example", 8884)]
    held = credentials.held()
    assert held is not None
    assert (held.serial, held.host, held.port) == ("77", "moved.example", 8884)


def test_a_certificate_whose_note_is_damaged_is_laid_down_anew(
    credentials: Credentials, tmp_path: Path
) -> None:
    authority = PrivateAuthority(tmp_path / "authority")
    shown = authority.certify("van")
    issued = Certificate(
        serial="77",
        pem=shown.file.read_text(),
        authority=authority.file.read_text(),
        issued_at_ms=1,
        expires_at_ms=2,
    )
    held = msgspec.structs.replace(HELD, serial="77")
    target = credentials.add(held, issued, shown.key_file)
    (target / "certificate.json").write_bytes(b"")
    assert credentials.add(held, issued, shown.key_file) == target
    assert read_held(target) == held
