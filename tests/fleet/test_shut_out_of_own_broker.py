"""What a mosquitto of the fleet's own still holds for a box that was shut out."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud.fleet.enrolment.model import GatewayShutOut
from cloud.fleet.gateway_access import GatewayAccess
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from cloud.integrations.publisher import Publisher
from cloud.integrations.vans import VanLane
from tests.cloud.desk import StillClock
from tests.parts.broker import wait_for
from tests.parts.migrated import migrate
from tests.parts.mosquitto import Mosquitto, mosquitto
from tests.parts.ports import free_port
from wire import codec, topics
from wire.messages import Presence, State

pytestmark = pytest.mark.slow

VAN, BOX = "van-1", "a" * 32
WORDS = {"cloud": "c-word", VAN: "v-word"}
RULES = f"""user cloud
topic readwrite fleet/v1/#
user {VAN}
topic write fleet/v1/main/{VAN}/up/+
topic read fleet/v1/main/{VAN}/dn/+
"""
STATE = State(version="1", boot=1, receiver="ok", spooled=0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "mosquitto", free_port(), WORDS, RULES) as broker:
        yield broker


class Client:
    """Somebody on the broker, and what they were told."""

    def __init__(self, port: int, user: str, client_id: str, *, is_lasting: bool) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.found_session: list[bool] = []
        self.is_cut = False
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=not is_lasting,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self.client.username_pw_set(user, WORDS[user])
        self.client.on_connect = self._connected
        self.client.on_message = lambda _c, _d, one: self.heard.append(
            (one.topic, bytes(one.payload))
        )
        self.client.on_disconnect = self._disconnected
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _connected(self, _client: Any, _data: Any, flags: Any, reason: Any, _: Any) -> None:
        if not reason.is_failure:
            self.found_session.append(flags.session_present)

    def _disconnected(self, *_: Any) -> None:
        self.is_cut = True

    def listen(self, topic: str) -> None:
        answered: list[bool] = []
        self.client.on_subscribe = lambda *_: answered.append(True)
        self.client.subscribe(topic, 1)
        wait_for(lambda: bool(answered), "the subscription")

    def tell(self, topic: str, payload: bytes, *, retain: bool) -> None:
        self.client.publish(topic, payload, 1, retain=retain).wait_for_publish(10)

    def tell_that_it_is_there(self) -> None:
        self.tell(topics.up("main", VAN, "presence"), codec.encode(Presence(online=True)),
                  retain=True)  # fmt: skip
        self.tell(topics.up("main", VAN, "state"), codec.encode(STATE), retain=True)


@contextmanager
def on(broker: Mosquitto, user: str, client_id: str, *, is_lasting: bool) -> Iterator[Client]:
    one = Client(broker.port, user, client_id, is_lasting=is_lasting)
    try:
        wait_for(lambda: bool(one.found_session), f"{user} to connect")
        yield one
    finally:
        one.client.disconnect()
        one.client.loop_stop()


def retained(broker: Mosquitto) -> dict[str, bytes]:
    """What whoever asks is told at once of the van."""
    with on(broker, "cloud", "reader", is_lasting=False) as reader:
        reader.listen(f"fleet/v1/main/{VAN}/#")
        time.sleep(0.3)
        return dict(reader.heard)


@pytest.fixture
def lane(tmp_path: Path, broker: Mosquitto) -> Iterator[VanLane]:
    """What the outbox tells of a box that was shut out."""
    data = DataFolder(tmp_path / "office")
    migrate(data, "business")
    business, clock = Database(data.business), StillClock()
    own = OwnBroker(host="127.0.0.1", port=broker.port, username="cloud", password="c-word")
    broker_access = BrokerAccess(data, Settings(broker=own))
    access = GatewayAccess(business, clock, broker_access, random_id)
    publisher = Publisher(broker_access)
    publisher.start()
    wait_for(publisher._client.is_connected, "the cloud to connect")
    lane = VanLane(access, None, None, publisher.publish, publisher.forget)  # type: ignore[arg-type]
    yield lane
    publisher.stop()
    business.close()


def shut_out(lane: VanLane) -> None:
    asyncio.run(lane.shut_out("main", GatewayShutOut(vehicle_id=VAN, sessions=(BOX,))))


ONLY_OFFLINE = {topics.up("main", VAN, "presence"): codec.encode(Presence(online=False))}


def test_its_session_and_what_was_retained_end_though_the_broker_still_lets_it_in(
    broker: Mosquitto, lane: VanLane
) -> None:
    with on(broker, VAN, BOX, is_lasting=True) as box:
        box.listen(topics.down_all("main", VAN))
        box.tell_that_it_is_there()
    with on(broker, "cloud", "office", is_lasting=False) as office:
        for kind in topics.RETAINED_DOWN:
            office.tell(topics.down("main", VAN, kind), b"for the box", retain=True)
        office.tell(topics.down("main", VAN, "command"), b"waits in its session", retain=False)
    assert len(retained(broker)) == 2 + len(topics.RETAINED_DOWN)
    shut_out(lane)
    assert retained(broker) == ONLY_OFFLINE
    with on(broker, VAN, BOX, is_lasting=True) as box:
        time.sleep(0.3)
        assert (box.found_session, box.heard) == ([False], [])


def test_a_box_whose_user_stays_comes_back_and_says_again_that_it_is_there(
    broker: Mosquitto, lane: VanLane
) -> None:
    with on(broker, VAN, BOX, is_lasting=True) as box:
        box.tell_that_it_is_there()
        shut_out(lane)
        wait_for(lambda: box.is_cut, "it to be thrown out once")
    with on(broker, VAN, BOX, is_lasting=True) as box:
        box.tell_that_it_is_there()
        assert len(retained(broker)) == 2


def test_a_box_whose_user_is_taken_away_first_is_cut_off_and_leaves_nothing(
    broker: Mosquitto, lane: VanLane
) -> None:
    with on(broker, VAN, BOX, is_lasting=True) as box:
        box.tell_that_it_is_there()
        broker.take_away(VAN)
        wait_for(lambda: box.is_cut, "it to be cut off")
    again = Client(broker.port, VAN, BOX, is_lasting=True)
    wait_for(lambda: again.is_cut, "it to be refused")
    again.client.loop_stop()
    assert again.found_session == []
    shut_out(lane)
    assert retained(broker) == ONLY_OFFLINE
