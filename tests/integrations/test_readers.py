"""Third parties on a real embedded broker: what they hear, that they say nothing, how they go."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloud.foundation.broker_config import BrokerLogin, FeedReader
from cloud.integrations.feed.retained import RetainedFeed, Wanted, corrections, retained
from cloud.integrations.readers.model import by_hand
from tests.parts.broker import EmbeddedBroker, embedded_broker, wait_for
from tests.parts.mosquitto import mosquitto
from tests.parts.ports import free_port
from tests.tracking.vans import Ears, Van
from wire import topics

POSITION = topics.feed_position("main", "own", "van-1")
OF_SUB = topics.feed_position("main", "sub", "van-2")
OF_OTHER = topics.feed_position("other", "own", "van-9")


def reader(name: str, tenant: str = "main", carrier: str | None = None) -> FeedReader:
    return FeedReader(
        id=name,
        tenant=tenant,
        carrier=carrier,
        client_id=secrets.token_hex(16),
        username=f"{tenant}.{name}",
        password=secrets.token_hex(32),
    )


def ears(broker: EmbeddedBroker, who: FeedReader, *filters: str, is_lasting: bool = False) -> Ears:
    assert who.password is not None
    login = broker.access.login("web")
    known = msgspec.structs.replace(
        login, client_id=who.client_id, username=who.username, password=who.password
    )
    listened = filters or (topics.feed_all(who.tenant, who.carrier),)
    return Ears(broker.port, known, *listened, is_lasting=is_lasting)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with embedded_broker(tmp_path_factory.mktemp("broker") / "data") as broker:
        yield broker


@pytest.fixture
def web(broker: EmbeddedBroker) -> Iterator[Ears]:
    """Web's user, with a position of each of three vans retained."""
    with Ears(broker.port, broker.access.login("web"), "feed/v1/nobody/none") as web:
        for topic in (POSITION, OF_SUB, OF_OTHER):
            web.say_on(topic, topic.encode(), qos=0, retain=True)
        yield web


@pytest.mark.slow
@pytest.mark.parametrize(
    ("who", "heard"),
    [
        (reader("all"), {POSITION, OF_SUB}),
        (reader("limited", carrier="sub"), {OF_SUB}),
        (reader("foreign", tenant="other"), {OF_OTHER}),
    ],
    ids=["tenant", "carrier", "other tenant"],
)
def test_a_reader_hears_its_part_at_once_and_nothing_else_by_any_filter(
    broker: EmbeddedBroker, web: Ears, who: FeedReader, heard: set[str]
) -> None:
    assert web.client.is_connected()
    broker.access.set_readers(lambda _: False, who)
    with ears(broker, who) as third:
        wait_for(lambda: {topic for topic, _ in third.heard} == heard, "what is retained")
        for topic_filter in (
            "#",
            "+/#",
            "feed/#",
            "feed/v1/+/#",
            "feed/v1/+/+/vehicle/+/position",
            "fleet/v1/#",
            "fleet/v1/main/van-1/dn/+",
            "$SYS/#",
            "$JS/#",
            "$MQTT/#",
            "_INBOX/#",
        ):
            assert not third.may_hear(topic_filter), topic_filter
        for of_whom in ("feed/v1/main/#", "feed/v1/main/own/#", "feed/v1/other/#"):
            is_its = topics.feed_all(who.tenant, who.carrier) == of_whom
            is_part = (who.tenant, who.carrier, of_whom) == ("main", None, "feed/v1/main/own/#")
            assert third.may_hear(of_whom) == (is_its or is_part), of_whom
        time.sleep(0.3)
        assert {topic for topic, _ in third.heard} == heard


@pytest.mark.slow
def test_a_reader_says_nothing(broker: EmbeddedBroker, web: Ears) -> None:
    who, (credential,) = reader("mute"), broker.admit("van-1")
    broker.access.set_readers(lambda _: False, who)
    office = [topics.every_up(kind) for kind in topics.UP_KINDS]
    with (
        ears(broker, who) as third,
        Van(broker.port, credential) as van,
        Ears(broker.port, broker.access.login("ingest"), *office) as ingest,
        Ears(
            broker.port,
            msgspec.structs.replace(broker.access.login("web"), client_id="a" * 32),
            "feed/v1/main/#",
        ) as other,
    ):
        wait_for(lambda: len(other.heard) == 2, "what is retained")
        for topic in (
            POSITION,
            topics.feed("order_status", tenant="main", carrier="own", order="o-1"),
            topics.up("main", "van-1", "batch"),
            topics.down("main", "van-1", "command"),
            "$JS/API/STREAM/DELETE/$MQTT_rmsgs",
            "$MQTT/rmsgs/x",
            "homeassistant/device_tracker/x/config",
        ):
            for payload in (b"evil", b""):
                third.say_on(topic, payload, retain=True)
        web.say_on(topics.feed_position("main", "own", "van-3"), b"last", qos=0)
        wait_for(lambda: (other.heard[-1][1]) == b"last", "the last word")
        assert len(set(other.heard)) == 3  # what is retained may come live, too
        assert ingest.heard == []
        assert van.heard == []
    with ears(broker, who) as again:
        wait_for(lambda: (POSITION, POSITION.encode()) in again.heard, "what was retained before")


@pytest.mark.slow
def test_no_id_of_anybody_gives_another_what_is_his(broker: EmbeddedBroker, web: Ears) -> None:
    """Whoever connects with another's secret id even so gets nothing of his by it."""
    first, second = reader("first"), reader("second", tenant="other")
    (credential,) = broker.admit("van-1")
    broker.access.set_readers(lambda _: False, first, second)
    with Van(broker.port, credential, is_lasting=True):
        pass
    with ears(broker, first, is_lasting=True):
        pass
    web.say_on(topics.down("main", "van-1", "command"), b"for the van")
    web.say_on(topics.feed_all("main")[:-1] + "own/order/o-1/status", b"for the first")
    time.sleep(0.3)
    ids = {
        "ingest": broker.access.login("ingest").client_id,
        "web": broker.access.login("web").client_id,
        "van": credential.client_id,
        "first": first.client_id,
    }
    for whose, client_id in ids.items():
        thief = msgspec.structs.replace(second, client_id=client_id)
        with ears(broker, thief, is_lasting=True) as taken:
            web.say_on(topics.down("main", "van-1", "command"), b"later")
            web.say_on(topics.feed_position("main", "own", "van-1"), b"later", qos=0)
            time.sleep(0.3)
            assert {topic for topic, _ in taken.heard} <= {OF_OTHER}, whose
    for van_as in (first.client_id, broker.access.login("ingest").client_id):
        thief_van = msgspec.structs.replace(credential, client_id=van_as)
        with Van(broker.port, thief_van, is_lasting=True) as stolen:
            web.say_on(topics.feed_position("main", "own", "van-1"), b"later", qos=0)
            time.sleep(0.2)
            assert all(topic.startswith("fleet/v1/main/van-1/dn/") for topic, _ in stolen.heard)


@pytest.mark.slow
def test_names_that_everybody_knows_take_over_no_session(broker: EmbeddedBroker, web: Ears) -> None:
    first, second = reader("one"), reader("two")
    broker.access.set_readers(lambda _: False, first, second)
    with ears(broker, first, is_lasting=True) as steady:
        for guess in ("one", "main", first.username.replace(".", ""), "0" * 32, "web", "ingest"):
            with ears(broker, msgspec.structs.replace(second, client_id=guess)):
                pass
        assert steady.disconnects == 0
        assert web.disconnects == 0


@pytest.mark.slow
def test_a_lasting_subscription_hears_nothing_after_it_is_revoked_and_holds_nothing(
    broker: EmbeddedBroker, web: Ears
) -> None:
    """Peers' mistake 7: a durable subscription or a retained message survives revocation."""
    gone, stays = reader("gone"), reader("stays", tenant="other")
    broker.access.set_readers(lambda _: False, gone, stays)
    with ears(broker, gone, is_lasting=True) as third, ears(broker, stays) as other:
        wait_for(lambda: len({topic for topic, _ in third.heard}) == 2, "what is retained")
        broker.access.set_readers(lambda one: one.id != "gone")
        wait_for(lambda: third.disconnects > 0, "it to be cut off")
        heard = len(third.heard)
        web.say_on(POSITION, b"news", qos=0, retain=True)
        time.sleep(1.2)  # it tries to come back after one second
        assert not third.client.is_connected()
        assert len(third.heard) == heard
        assert other.disconnects == 0
    heir = msgspec.structs.replace(stays, client_id=gone.client_id)
    with ears(broker, heir, is_lasting=True) as taken:
        web.say_on(POSITION, b"more news", qos=0, retain=True)
        time.sleep(0.3)
        assert {topic for topic, _ in taken.heard} <= {OF_OTHER}


def test_what_should_not_be_retained_is_cleared_and_what_is_missing_told() -> None:
    vans = {("main", "van-1"): "own", ("main", "van-2"): "sub"}
    wanted = Wanted(vans=vans, home_assistant=frozenset())
    moved = topics.feed_position("main", "own", "van-2")
    found = dict.fromkeys((POSITION, OF_SUB, OF_OTHER, moved), b"x")
    assert corrections(wanted, found) == {OF_OTHER: b"", moved: b""}
    wanted = msgspec.structs.replace(wanted, home_assistant=frozenset({"main"}))
    told = corrections(wanted, {})
    assert set(told) == {
        "feed/v1/main/own/homeassistant/device_tracker/van-1/config",
        "feed/v1/main/sub/homeassistant/device_tracker/van-2/config",
    }
    assert corrections(wanted, told) == {}
    off = msgspec.structs.replace(wanted, home_assistant=frozenset())
    assert corrections(off, told) == dict.fromkeys(told, b"")


@pytest.mark.slow
def test_a_removed_van_is_cleared_off_a_real_broker(broker: EmbeddedBroker, web: Ears) -> None:
    async def tell(topic: str, payload: bytes, *, retain: bool) -> None:
        web.say_on(topic, payload, qos=0, retain=retain)

    vans = {("main", "van-1"): "own", ("other", "van-9"): "own"}
    wanted = Wanted(vans=vans, home_assistant=frozenset())
    every = [topics.feed_every("position")]
    wait_for(lambda: OF_SUB in retained(broker.access, every), "what is retained")
    asyncio.run(RetainedFeed(broker.access, lambda: wanted, tell)._look())
    wait_for(
        lambda: set(retained(broker.access, every)) == {POSITION, OF_OTHER}, "it to be cleared"
    )


@pytest.mark.slow
def test_a_mosquitto_that_is_configured_as_told_lets_a_reader_read_and_no_more(
    tmp_path: Path,
) -> None:
    limited = reader("erp", carrier="own")
    told = by_hand(limited)
    rules = [line.removeprefix("add to the acl_file: ") for line in told if "acl_file" in line]
    acl = "user web\ntopic readwrite feed/#\n" + "\n".join(rules) + "\n"
    assert limited.password is not None
    assert f" {limited.username} {limited.password}" in told[0]
    users = {"web": "word", limited.username: limited.password}
    port = free_port()
    with mosquitto(tmp_path / "mosquitto", port, users, acl):
        office = BrokerLogin(client_id="b" * 32, username="web", password="word")
        third = BrokerLogin(
            client_id=limited.client_id, username=limited.username, password=limited.password
        )
        with Ears(port, office, "feed/v1/main/own/order/+/status") as cloud:
            cloud.say_on(POSITION, b"here", qos=0, retain=True)
            cloud.say_on(OF_SUB, b"there", qos=0, retain=True)
            with Ears(port, third, "feed/v1/main/#") as reading:
                wait_for(lambda: (POSITION, b"here") in reading.heard, "what is retained")
                reading.say_on(POSITION, b"evil", retain=True)
                time.sleep(0.3)
                assert {topic for topic, _ in reading.heard} == {POSITION}
            with Ears(port, third, "feed/v1/main/own/#") as again:
                wait_for(lambda: bool(again.heard), "what is retained")
                assert again.heard == [(POSITION, b"here")]
