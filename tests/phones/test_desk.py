"""OwnTracks over MQTT, on a real broker of the fleet's own."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy.exc import OperationalError

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.identity.model import fingerprint
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from cloud.phones import store
from cloud.phones.desk import PhoneDesk
from cloud.phones.service import Phones
from tests.cloud.desk import NOW, StillClock
from tests.parts.broker import wait_for
from tests.parts.migrated import migrate
from tests.parts.mosquitto import Mosquitto, mosquitto
from tests.parts.ports import free_port
from tests.phones.test_lane import PHONE
from wire import topics

pytestmark = pytest.mark.slow

RULES = """user cloud
topic read owntracks/+/+
user phone-1
topic write owntracks/main/phone-1
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    users = {"cloud": "c-word", "phone-1": "p-word"}
    with mosquitto(tmp_path / "mosquitto", free_port(), users, RULES) as broker:
        yield broker


class Office:
    """The part of web that hears phones."""

    def __init__(self, root: Path, broker: Mosquitto) -> None:
        data = DataFolder(root)
        migrate(data, "business")
        self.business = Database(data.business)
        with self.business.writing() as connection:
            store.add_phone(connection, PHONE, fingerprint("token"))
        own = OwnBroker(host="127.0.0.1", port=broker.port, username="cloud", password="c-word")
        self.access = BrokerAccess(data, Settings(broker=own))
        self.open()

    def open(self) -> None:
        self.phones = Phones(self.business, StillClock(), None, None, str, lambda: 7)  # type: ignore[arg-type]
        self.desk = PhoneDesk(self.access, self.phones)
        self.desk.start()

    def taken(self) -> int:
        with self.business.reading() as connection:
            ((_, heard),) = store.phones_of(connection, "main", "van-1")
        return heard.taken

    def refused(self) -> int:
        with self.business.reading() as connection:
            ((_, heard),) = store.phones_of(connection, "main", "van-1")
        return heard.refused


@pytest.fixture
def office(tmp_path: Path, broker: Mosquitto) -> Iterator[Office]:
    office = Office(tmp_path / "office", broker)
    yield office
    office.desk.stop()
    office.business.close()


@pytest.fixture
def app(broker: Mosquitto) -> Iterator[paho.Client]:
    """The app on the phone."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="app", clean_session=True)
    client.username_pw_set("phone-1", "p-word")
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def tell(app: paho.Client, seconds: int, topic: str = topics.owntracks("main", "phone-1")) -> None:
    told = {"_type": "location", "lat": 1.0, "lon": 2.0, "tst": round(NOW) - 900 + seconds}
    sent = app.publish(topic, json.dumps(told), qos=1)
    sent.wait_for_publish(5)


def test_what_is_told_over_mqtt_is_taken_once(office: Office, app: paho.Client) -> None:
    wait_for(lambda: office.desk._client is not None and office.desk._client.is_connected(), "web")
    time.sleep(0.2)
    for seconds in (0, 1, 1, 2):
        tell(app, seconds)
    app.publish(topics.owntracks("main", "phone-1"), b"no json", qos=1)
    wait_for(lambda: office.refused() == 1, "the last message")
    assert office.taken() == 3


def test_nobody_speaks_for_another_phone(office: Office, app: paho.Client) -> None:
    wait_for(lambda: office.desk._client is not None and office.desk._client.is_connected(), "web")
    time.sleep(0.2)
    tell(app, 0, topics.owntracks("main", "phone-2"))
    tell(app, 0)
    wait_for(lambda: office.taken() == 1, "its own")
    with office.business.reading() as connection:
        assert store.by_id(connection, "main", "phone-2") is None


def test_the_broker_keeps_what_comes_while_web_is_away(office: Office, app: paho.Client) -> None:
    wait_for(lambda: office.desk._client is not None and office.desk._client.is_connected(), "web")
    time.sleep(0.2)
    office.desk.stop()
    for seconds in range(5):
        tell(app, seconds)
    assert office.taken() == 0
    office.open()
    wait_for(lambda: office.taken() == 5, "what the broker kept")


def test_nothing_is_acknowledged_before_the_commit(
    office: Office, app: paho.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(lambda: office.desk._client is not None and office.desk._client.is_connected(), "web")
    time.sleep(0.2)
    tries: list[int] = []

    def failing(*_: object) -> bool:
        tries.append(1)
        raise OperationalError("INSERT", None, Exception("database or disk is full"))

    with monkeypatch.context() as patched:
        patched.setattr(office.phones, "take_of", failing)
        tell(app, 0)
        wait_for(lambda: len(tries) >= 2, "a second try")
        office.desk.stop()
    assert office.taken() == 0
    office.open()
    wait_for(lambda: office.taken() == 1, "it comes again")
