"""A real embedded broker: who may say and hear what, and that nobody notices a new van."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloud.foundation.broker import BrokerAccess, find_server
from cloud.foundation.broker_config import FeedReader
from cloud.foundation.errors import Unavailable
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from tests.parts.broker import EmbeddedBroker, embedded_broker, wait_for
from tests.tracking.vans import Ears, Van
from wire import topics


def test_the_fleets_own_broker_is_not_started_and_must_be_given_the_users(tmp_path: Path) -> None:
    own = OwnBroker(host="mqtt.example", port=8883, tls=True, username="cloud", password="s3cret")
    access = BrokerAccess(DataFolder(tmp_path), Settings(broker=own))
    credential = access.new_credential("main", "van-1")
    told = access.set_gateways([credential])
    assert told is not None
    assert "on the fleet's own broker at mqtt.example:8883 by hand: let in user" in told
    assert credential.username in told
    assert "fleet/v1/main/van-1/up/+" in told
    assert credential.password not in told
    assert access.set_gateways([credential]) is None, "nothing new"
    assert access.known_vans() == {("main", "van-1")}
    assert access.login("ingest").username == "cloud"
    assert access.login("ingest").client_id != access.login("web").client_id
    assert access.address().port == 8883
    assert str(access.set_gateways([])).endswith(f"take away user {credential.username}")
    assert access.set_gateways([]) is None


def test_logins_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    access = BrokerAccess(DataFolder(tmp_path), Settings())
    login = access.login("ingest")
    assert BrokerAccess(DataFolder(tmp_path), Settings()).login("ingest") == login
    file = tmp_path / "secrets" / "broker.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with embedded_broker(tmp_path_factory.mktemp("broker") / "data") as broker:
        yield broker


@pytest.mark.slow
def test_a_van_cannot_write_as_another_nor_into_the_feed_nor_to_a_van(
    broker: EmbeddedBroker,
) -> None:
    good, evil = broker.admit("van-good", "van-evil")
    forbidden = [
        topics.up("main", "van-good", "batch"),
        topics.up("main", "van-good", "presence"),
        topics.down("main", "van-good", "ack"),
        topics.feed_position("main", "own", "van-good"),
        "$MQTT/msgs/fleet/v1/main/van-good/up/batch",
        "fleet/v1/main/van-evil/up/x/y",
        "fleet/v1/main/van-evil/dn/ack",
    ]
    with Van(broker.port, good) as van, Van(broker.port, evil) as other, _ears(broker) as ears:
        for topic in forbidden:
            other.say_on(topic, b"evil", retain=True)
        other.say_on(topics.up("main", "van-evil", "event"), b"last")
        wait_for(lambda: any(b"last" in payload for _, payload in ears.heard), "the last word")
        assert [topic for topic, _ in ears.heard] == [topics.up("main", "van-evil", "event")]
        assert van.heard == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "topic_filter",
    [
        "fleet/v1/main/van-good/dn/+",
        "fleet/v1/main/van-good/dn/ack",
        "fleet/v1/main/+/dn/+",
        "fleet/v1/main/van-evil/up/+",
        "feed/v1/#",
        "#",
        "$SYS/#",
    ],
)
def test_a_van_cannot_hear_another_nor_the_feed(broker: EmbeddedBroker, topic_filter: str) -> None:
    _, evil = broker.admit("van-good", "van-evil")
    with Van(broker.port, evil) as van:
        assert not van.may_hear(topic_filter)


@pytest.mark.slow
def test_a_new_van_and_a_replaced_gateway_leave_every_other_connection_alone(
    broker: EmbeddedBroker,
) -> None:
    first, replaced = broker.admit("van-1", "van-2")
    with Van(broker.port, first) as steady, Van(broker.port, replaced) as old:
        again, third = (broker.access.new_credential("main", van) for van in ("van-2", "van-3"))
        broker.admit_exactly([first, again, third])
        with Van(broker.port, again), Van(broker.port, third):
            wait_for(lambda: old.disconnects > 0, "the replaced gateway to be cut off")
            time.sleep(0.3)
            assert steady.disconnects == 0


@pytest.mark.slow
def test_nobody_without_the_right_password_or_with_a_cloud_users_name_comes_in(
    broker: EmbeddedBroker,
) -> None:
    (credential,) = broker.admit("van-1")
    for wrong in (
        msgspec.structs.replace(credential, password="guessed"),
        msgspec.structs.replace(credential, username="ingest"),
        msgspec.structs.replace(credential, username=""),
    ):
        van = Van(broker.port, wrong)
        time.sleep(0.3)
        assert not van.client.is_connected()
        van.leave()


@pytest.mark.slow
def test_knowing_a_vans_name_does_not_give_its_session(broker: EmbeddedBroker) -> None:
    good, evil = broker.admit("van-good", "van-evil")
    guesses = ["van-good", "main.van-good", good.username.replace(".", ""), "0" * 32]
    with Van(broker.port, good, is_lasting=True) as van:
        for guess in guesses:
            thief = Van(broker.port, msgspec.structs.replace(evil, client_id=guess))
            time.sleep(0.1)
            thief.leave()
        assert van.disconnects == 0


def written(broker: EmbeddedBroker) -> dict[str, tuple[int, int]]:
    """Inode and time of change of all that is written when gateways are let in."""
    files = (broker.data.secrets / "broker.json", broker.access.config_file)
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


@pytest.mark.slow
def test_telling_of_the_same_gateways_writes_nothing_and_asks_no_server(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = broker.admit("van-1", "van-2")
    before = written(broker)
    server = find_server()
    with monkeypatch.context() as without_server:
        without_server.setenv("PATH", "/nowhere")
        without_server.setattr("sys.executable", "/nowhere/python")
        without_server.setattr("sysconfig.get_path", lambda _: "/nowhere")
        with pytest.raises(Unavailable):
            find_server()
        broker.admit_exactly(reversed(credentials))
    assert written(broker) == before
    assert find_server() == server
    broker.admit_exactly(credentials[:1])
    now = written(broker)
    assert all(now[name] != before[name] for name in before)


@pytest.mark.slow
def test_settings_that_somebody_else_changed_are_written_again(broker: EmbeddedBroker) -> None:
    credentials = broker.admit("van-1")
    content = broker.access.config_file.read_bytes()
    broker.access.config_file.write_bytes(content + b"# by hand\n")
    broker.admit_exactly(credentials)
    assert broker.access.config_file.read_bytes() == content
    broker.access.config_file.unlink()
    broker.admit_exactly(credentials)
    assert broker.access.config_file.read_bytes() == content


def _ears(broker: EmbeddedBroker) -> Ears:
    """Hears what ingest hears."""
    filters = [topics.every_up(kind) for kind in topics.UP_KINDS]
    return Ears(broker.port, broker.access.login("ingest"), *filters)


@pytest.mark.slow
def test_no_van_takes_a_session_by_any_id_that_it_can_know_or_guess(broker: EmbeddedBroker) -> None:
    """It signs in as itself under another's client id; whoever has the session keeps it."""
    first, second = broker.admit("van-1", "van-2")
    ingest, web = broker.access.login("ingest"), broker.access.login("web")
    reader = FeedReader(
        id="r-1", tenant="main", carrier=None, client_id="c" * 31 + "0", username="reader-1",
        password="word-of-the-reader",
    )  # fmt: skip
    broker.access.set_readers(lambda _one: True, reader)
    renewals = msgspec.structs.replace(web, client_id=f"{web.client_id}renew")
    others = [
        Ears(broker.port, login, heard, is_lasting=True)
        for login, heard in (
            (second, topics.down_all("main", "van-2")),
            (ingest, topics.every_up("batch")),
            (web, topics.feed_every_position()),
            (renewals, topics.every_up(topics.RENEW)),
        )
    ]
    try:
        wait_for(lambda: all(one.client.is_connected() for one in others), "the others")
        for guess in (
            *("ingest", "web", "feed", "renew", "ingest-stream", "roundsman", "van-2", "main"),
            *(second.username, second.password, ingest.username, web.username, reader.username),
            *(f"{first.client_id}renew", f"{first.client_id[:-1]}0", "0" * 32, "f" * 32),
        ):
            own = topics.down_all("main", "van-1")
            taker = Ears(broker.port, msgspec.structs.replace(first, client_id=guess), own)
            time.sleep(0.1)
            taker.leave()
        assert [one.disconnects for one in others] == [0] * len(others)
        ids = {one.client._client_id for one in others}
        assert len(ids) == len(others), "each part of the cloud has a session of its own"
    finally:
        for one in others:
            one.leave()
