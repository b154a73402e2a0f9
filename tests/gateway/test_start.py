"""A gateway starts whatever the card says, and ends as it should."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.rig import Broker, Cloud, Line, Receiver, Van, wait_until
from tests.parts.small_medium import SmallMedium, small_medium

pytestmark = pytest.mark.slow


@pytest.fixture
def card(tmp_path: Path) -> Iterator[SmallMedium]:
    with small_medium(tmp_path / "card", "8m") as medium:
        yield medium


@pytest.fixture
def van(card: SmallMedium, broker: Broker, line: Line) -> Iterator[Van]:
    van = Van(card.path / "van", broker.port, f'kind = "serial"\ndevice = "{line.device}"')
    van.log = card.path.parent / "log"
    yield van
    van.kill()


def test_a_card_that_takes_nothing_keeps_no_van_from_telling_where_it_is(
    card: SmallMedium,
    van: Van,
    cloud: Cloud,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del receiver
    van.start()
    wait_until(lambda: cloud.count("batch") > 0, "it works on a sound card")
    assert van.stop() == 0
    card.turn(is_writable=False)
    before = cloud.count("live")
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    van.start()
    wait_until(lambda: cloud.count("live") > before + 3, "it tells where it is")
    wait_until(lambda: b"degraded" in cloud.heard["state"][-1], "it tells that it is degraded")
    card.turn(is_writable=True)
    wait_until(lambda: b"degraded" not in cloud.heard["state"][-1], "the card is in use again", 60)
    assert van.stop() == 0


def test_a_card_that_never_took_a_spool_gets_one_when_it_does(
    card: SmallMedium,
    van: Van,
    cloud: Cloud,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del receiver
    card.turn(is_writable=False)
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    van.start()
    wait_until(lambda: cloud.count("live") > 3, "it tells where it is", 30)
    assert not (van.data / "spool.db").exists()
    card.turn(is_writable=True)
    wait_until((van.data / "spool.db").exists, "it has a spool", 60)
    wait_until(lambda: b"degraded" not in cloud.heard["state"][-1], "the spool is in use", 30)
    assert van.stop() == 0


def test_a_full_card_that_never_took_a_spool_keeps_no_van_from_telling_where_it_is(
    card: SmallMedium,
    van: Van,
    cloud: Cloud,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del receiver
    filler = card.path / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    van.start()
    wait_until(lambda: cloud.count("live") > 3, "it tells where it is", 30)
    filler.unlink()
    wait_until(lambda: b"degraded" not in cloud.heard["state"][-1], "the spool is in use", 60)
    assert (van.data / "spool.db").exists()
    assert van.stop() == 0


def test_without_a_place_for_its_lock_a_gateway_says_so_and_tries_again_later(
    card: SmallMedium, van: Van, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    card.turn(is_writable=False)
    assert van.start().wait(30) == 75
    assert "data_dir" in van.log.read_text()
    assert "Traceback" not in van.log.read_text()
