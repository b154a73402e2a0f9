"""What every inbox does, whichever broker it reads: one suite over real brokers."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest

from cloud.foundation import broker_config
from cloud.foundation.broker import BrokerAddress
from cloud.foundation.broker_config import STREAM, BrokerLogin, GatewayCredential
from cloud.tracking import jetstream
from cloud.tracking.inbox import Inbox, MqttInbox
from cloud.tracking.intake import Arrived
from cloud.tracking.jetstream import JetStreamInbox
from tests.parts.broker import EmbeddedBroker, embedded_broker, wait_for
from tests.parts.mosquitto import Mosquitto, mosquitto
from tests.parts.ports import free_port
from tests.tracking.vans import Ears, Van, batch, fix
from wire import topics
from wire.messages import Live, Presence

pytestmark = pytest.mark.slow

VAN = GatewayCredential(
    tenant="main", van="van-1", client_id="a" * 32, username="van-1", password="v"
)
INGEST = BrokerLogin(client_id="b" * 32, username="ingest", password="i")
RULES = """user ingest
topic read fleet/v1/+/+/up/+
topic write fleet/v1/+/+/dn/ack
topic write feed/#
user van-1
topic write fleet/v1/main/van-1/up/#
topic read fleet/v1/main/van-1/dn/#
topic read feed/#
"""


@dataclass
class Place:
    """A broker, a van on it, and the way to open the inbox again."""

    broker: EmbeddedBroker | Mosquitto
    van: GatewayCredential
    listener: BrokerLogin | GatewayCredential
    open: Callable[[], Inbox]


@pytest.fixture(scope="module", params=["mqtt-nats", "mqtt-mosquitto", "jetstream-nats"])
def every_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "mqtt-mosquitto":
        with mosquitto(folder / "m", free_port(), {"ingest": "i", "van-1": "v"}, RULES) as other:
            address = BrokerAddress(host="127.0.0.1", port=other.port)
            yield Place(other, VAN, VAN, lambda: MqttInbox(address, INGEST, lambda: 0))
        return
    with pytest.MonkeyPatch.context() as patch:
        for module in (jetstream, broker_config):
            patch.setattr(module, "ACK_WAIT_S", 1)
        yield from _on_nats(request.param, folder)


def _on_nats(name: str, folder: Path) -> Iterator[Place]:
    with embedded_broker(folder / "data") as broker:
        (van,) = broker.admit("van-1")
        access = broker.access

        def of_stream() -> Inbox:
            login, stream = access.login("ingest"), access.stream_access()
            return JetStreamInbox(access.address(), login, stream, lambda: 0)

        def of_mqtt() -> Inbox:
            return MqttInbox(access.address(), access.login("ingest"), lambda: 0)

        opened = of_stream if name == "jetstream-nats" else of_mqtt
        yield Place(broker, van, access.login("web"), opened)


class Reader:
    """An inbox that is open, and all that it has handed out."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self._unheard: list[Arrived] = []
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        wait_for(self._is_ready, "the inbox to be ready")

    def _is_ready(self) -> bool:
        self._unheard += self.inbox.receive(0.05)
        return self.inbox.is_ready

    def hear(self, *, count: int = 10**9, for_s: float = 10.0) -> list[Arrived]:
        """What arrives until there are ``count``, or the time is over."""
        end_s = time.monotonic() + for_s
        while len(self._unheard) < count and time.monotonic() < end_s:
            self._unheard += self.inbox.receive(0.05)
        heard, self._unheard = self._unheard, []
        return heard

    def hear_nothing(self, *, for_s: float) -> None:
        assert self.hear(for_s=for_s) == []

    def tell(self, messages: list[Arrived]) -> None:
        """Acknowledge, and see to it that the broker has heard it."""
        self.inbox.acknowledge(messages)
        self._unheard += self.inbox.receive(0.05)


@contextmanager
def reading(place: Place) -> Iterator[Reader]:
    reader = Reader(place.open())
    yield reader
    reader.inbox.close()


@pytest.fixture
def place(every_place: Place) -> Iterator[Place]:
    """One in which nothing waits."""
    yield every_place
    with reading(every_place) as reader:
        reader.tell(reader.hear(for_s=0.5))


def kinds(heard: list[Arrived]) -> list[str]:
    return sorted(one.topic.rsplit("/", 1)[1] for one in heard)


def test_every_kind_arrives_with_its_topic_and_bytes(place: Place) -> None:
    with reading(place) as reader, Van(place.broker.port, place.van) as van:
        van.say("batch", batch(7, 0))
        van.say("event", b"event")
        van.say("presence", Presence(online=True))
        van.say("result", b"result")
        van.say("live", Live(fix=fix(1)), qos=0)
        heard = reader.hear(count=5)
        assert kinds(heard) == ["batch", "event", "live", "presence", "result"]
        assert {one.topic.rsplit("/", 1)[0] for one in heard} == {"fleet/v1/main/van-1/up"}
        assert b"event" in {one.payload for one in heard}
        reader.tell(heard)
        reader.hear_nothing(for_s=1.2)


def test_what_is_not_acknowledged_comes_again_to_the_next_one_and_nothing_else_does(
    place: Place,
) -> None:
    with Van(place.broker.port, place.van) as van:
        with reading(place) as reader:
            for number in range(20):
                van.say("batch", b"%d" % number)
            heard = reader.hear(count=20)
            reader.tell([one for one in heard if int(one.payload) % 2])
        with reading(place) as reader:
            heard = reader.hear(count=10)
            assert sorted(int(one.payload) for one in heard) == list(range(0, 20, 2))
            reader.tell(heard)
            reader.hear_nothing(for_s=1.2)


def test_what_is_held_for_long_is_not_handed_out_twice(place: Place) -> None:
    with reading(place) as reader, Van(place.broker.port, place.van) as van:
        van.say("batch", batch(7, 0))
        heard = reader.hear(count=1)
        reader.hear_nothing(for_s=2.2)
        reader.tell(heard)


def test_a_broker_that_is_killed_brings_what_is_not_acknowledged(place: Place) -> None:
    with reading(place) as reader, Van(place.broker.port, place.van) as van:
        for number in range(20):
            van.say("batch", b"%d" % number)
        heard = reader.hear(count=20)
        reader.tell(heard[:10])
        reader.hear_nothing(for_s=1.2)
        place.broker.kill()
        wait_for(lambda: not reader.inbox.receive(0.05) and not reader.inbox.is_ready, "the end")
        place.broker.start()
        reader.wait_until_ready()
        current = [one for one in heard[10:] if reader.inbox.is_current(one)]
        reader.tell(current)  # what is not current any more comes again
        lost = {one.payload for one in heard[10:]} - {one.payload for one in current}
        again = reader.hear(count=len(lost))
        assert {one.payload for one in again} >= lost
        reader.tell(again)
        wait_for(van.client.is_connected, "the van to be back")
        van.say("batch", b"after")
        assert b"after" in {one.payload for one in reader.hear(count=1)}


def test_what_is_published_is_heard_and_kept_where_that_is_asked(place: Place) -> None:
    topic = topics.feed_position("main", "own", "van-1")
    with reading(place) as reader:
        inbox = reader.inbox
        assert inbox.publish([(topic, b"where")], retain=True)
        with Van(place.broker.port, place.van) as van:
            told = b'{"stream":"7","upto":1}'
            assert inbox.publish([(topics.down("main", "van-1", "ack"), told)])
            wait_for(lambda: not inbox.receive(0.02) and van.upto(7) == 1, "the answer")
        with Ears(place.broker.port, place.listener, topic) as ears:
            wait_for(lambda: not inbox.receive(0.02) and len(ears.heard) == 1, "what is retained")


def test_a_full_stream_refuses_what_is_new_and_takes_more_when_there_is_room(
    tmp_path: Path,
) -> None:
    with embedded_broker(tmp_path / "data") as broker:
        (credential,) = broker.admit("van-1")
        access = broker.access
        inbox = JetStreamInbox(
            access.address(), access.login("ingest"), access.stream_access(), lambda: 0,
            max_bytes=100_000,
        )  # fmt: skip
        reader = Reader(inbox)
        with Van(broker.port, credential) as van:
            for number in range(200):
                van.say("batch", b"%04d" % number + bytes(1_000))
            heard = reader.hear(for_s=3.0)
            assert 50 < len(heard) < 100
            assert [int(one.payload[:4]) for one in heard] == list(range(len(heard)))
            reader.tell(heard)
            reader.tell(reader.hear(for_s=0.3))  # one may have been on its way again
            van.say("batch", b"0200")
            assert b"0200" in [one.payload for one in reader.hear(count=1)]
        inbox.close()


def test_the_reader_of_the_stream_may_do_nothing_else(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "data") as broker:
        stream = broker.access.stream_access()

        async def try_all() -> list[str]:
            refused: list[str] = []

            async def note(error: Exception) -> None:
                refused.append(str(error))

            client = await nats.connect(
                f"nats://127.0.0.1:{stream.port}", user=stream.username,
                password=stream.password, error_cb=note,
            )  # fmt: skip
            for subject in (
                "fleet.v1.main.van-1.up.batch",
                "fleet.v1.main.van-1.dn.command",
                "feed.v1.main.own.vehicle.van-1.position",
                "$JS.API.STREAM.PURGE.$MQTT_sess",
                "$JS.API.STREAM.MSG.GET.$MQTT_sess",
                f"$JS.API.STREAM.PURGE.{STREAM}",
            ):
                await client.publish(subject, b"x")
            await client.subscribe("fleet.>")
            await client.subscribe("$MQTT.>")
            await client.flush()
            await asyncio.sleep(0.2)
            await client.close()
            return refused

        assert len(asyncio.run(try_all())) == 8
