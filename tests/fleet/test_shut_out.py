"""What a whole cloud and its real broker still hold for a box that was shut out: nothing."""

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.mqtt import make_client
from cloud.foundation.outbox import outbox
from cloud.foundation.settings import load
from tests.fleet.box import Box, Session
from tests.parts.broker import Held, held_by, wait_for
from tests.parts.certified_cloud import certified_cloud, claim
from tests.parts.served_cloud import ServedCloud
from wire import codec, topics
from wire.messages import Command, Desired, Presence, State

VAN, OTHER = "van-1", "van-2"
HEARD = topics.down_all("main", VAN)
QUEUE = "fleet.v1.main.van-1.dn.*"


class Gateway:
    """A box that was enrolled for the van, in its lasting session."""

    def __init__(self, cloud: ServedCloud, folder: Path) -> None:
        self.box = Box()
        asked = {"token": claim(cloud, VAN), "csr": self.box.request()}
        answer = cloud.admin.post("/enrol", json=asked)
        assert answer.status_code == 201, answer.text
        self._given = answer.json()
        self.serial: str = self._given["certificate"]["serial"]
        self.box.client_id = self._given["client_id"]
        self._folder = folder

    @contextmanager
    def connected(self, client_id: str | None = None) -> Iterator[Session]:
        """Connect, as somebody else's session when one is named, and listen."""
        self.box.client_id = client_id or self._given["client_id"]
        given = self._given["certificate"]
        port = self._given["port"]
        session = self.box.session(self._folder, given["pem"], given["authority"], port)
        session.client.will_set(*_presence(online=False))
        with session:
            wait_for(session.saw("connected"), "the box to connect")
            session.client.subscribe(HEARD, 1)
            wait_for(session.saw("subscribed"), "the subscription")
            yield session


def _presence(*, online: bool) -> tuple[str, bytes, int, bool]:
    return topics.up("main", VAN, "presence"), codec.encode(Presence(online=online)), 1, True


def says_that_it_is_there(session: Session) -> None:
    state = State(version="1", boot=1, receiver="ok", spooled=0)
    session.client.publish(*_presence(online=True)).wait_for_publish(10)
    topic = topics.up("main", VAN, "state")
    session.client.publish(topic, codec.encode(state), 1, retain=True).wait_for_publish(10)


def heard(session: Session, kind: str) -> list[Any]:
    """What came on one topic, in order."""
    types: dict[str, Any] = {"desired": Desired, "command": Command}
    topic = topics.down("main", VAN, kind)
    return [codec.decode(payload, types[kind]) for at, payload in session.heard if at == topic]


def desire(cloud: ServedCloud, **values: object) -> None:
    answer = cloud.admin.put(f"/vehicles/{VAN}/settings", json={"values": values})
    assert answer.status_code == 200, answer.text


def ping(cloud: ServedCloud) -> str:
    """Send a command that is good for an hour; its id."""
    sent = cloud.admin.post(f"/vehicles/{VAN}/commands", json={"name": "ping"})
    assert sent.status_code == 202, sent.text
    return str(sent.json()["id"])


def shut_out(cloud: ServedCloud) -> None:
    assert cloud.admin.delete(f"/vehicles/{VAN}/gateway").status_code == 204


def presence(cloud: ServedCloud) -> str:
    vans = cloud.admin.get("/vehicles").json()["items"]
    return next(str(van["presence"]) for van in vans if van["id"] == VAN)


def held(cloud: ServedCloud) -> Held:
    return held_by(DataFolder(cloud.root))


def lasting_sessions(cloud: ServedCloud) -> int:
    """How many sessions stay; one with which web looks at what is retained is gone in a moment."""
    seen = []
    for _ in range(15):
        seen.append(held(cloud).sessions)
        time.sleep(0.2)
    return min(seen)


def is_cleared(cloud: ServedCloud) -> bool:
    """Whether the broker holds of the van only that it is offline."""
    now = held(cloud)
    is_small = now.retained == 1 and QUEUE not in now.queues
    return is_small and retained_presence(cloud) == [codec.encode(Presence(online=False))]


def retained_presence(cloud: ServedCloud) -> list[bytes]:
    """What whoever asks for the van's presence is told at once."""
    data = DataFolder(cloud.root)
    access = BrokerAccess(data, load(cloud.root / "cloud.toml"))
    login = msgspec.structs.replace(access.login("ingest"), client_id=secrets.token_hex(16))
    client, told, asked = make_client(access.address(), login, is_lasting=False), [], []
    client.on_subscribe = lambda *_: asked.append(True)
    client.on_message = lambda _c, _d, message: told.append(bytes(message.payload))
    client.connect("127.0.0.1", access.address().port)
    client.loop_start()
    wait_for(client.is_connected, "a reader to connect")
    client.subscribe(topics.up("main", VAN, "presence"), 1)
    wait_for(lambda: bool(asked), "the broker to answer")
    time.sleep(0.3)
    client.disconnect()
    client.loop_stop()
    return told


def is_all_told(cloud: ServedCloud) -> bool:
    """Whether every consumer of the outbox has done its part."""
    database = Database(DataFolder(cloud.root).business)
    with database.reading() as connection:
        waiting = connection.execute(select(func.count()).select_from(outbox)).scalar()
    database.close()
    return waiting == 0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture
def cloud(root: Path) -> Iterator[ServedCloud]:
    with certified_cloud(root, VAN, OTHER) as served:
        yield served


@pytest.mark.slow
def test_a_van_that_is_shut_out_leaves_nothing_and_is_told_again_when_let_in(
    cloud: ServedCloud, tmp_path: Path
) -> None:
    old = Gateway(cloud, tmp_path / "old")
    sessions = lasting_sessions(cloud)
    desire(cloud, live_every_s=5)
    with old.connected() as session:
        wait_for(lambda: bool(heard(session, "desired")), "the settings")
        says_that_it_is_there(session)
        wait_for(lambda: presence(cloud) == "online", "the office to see it")
        assert (QUEUE in held(cloud).queues, held(cloud).retained) == (True, 3)
        shut_out(cloud)
        wait_for(session.saw("refused"), "it to be kept out")
        ping(cloud)
        wait_for(lambda: presence(cloud) == "offline", "the office to see that it is gone")
        wait_for(lambda: is_cleared(cloud), "the broker to hold nothing for it")
    wait_for(lambda: held(cloud).sessions == sessions, "its session to go, and no other")
    desire(cloud, live_every_s=9)
    new = Gateway(cloud, tmp_path / "new")
    for client_id in (None, old.box.client_id):
        with new.connected(client_id) as session:
            wait_for(lambda: bool(heard(session, "desired")), "the settings, again")
            assert heard(session, "desired")[-1].values == {"live_every_s": 9}
            assert heard(session, "command") == []
            assert b"" not in [payload for _, payload in session.heard]
    shut_out(cloud)
    wait_for(lambda: is_cleared(cloud), "the broker to hold nothing for it")


@pytest.mark.slow
def test_nothing_is_retained_for_a_van_without_a_gateway(
    cloud: ServedCloud, tmp_path: Path
) -> None:
    Gateway(cloud, tmp_path / "old")
    shut_out(cloud)
    desire(cloud, live_every_s=5)
    wait_for(lambda: is_all_told(cloud), "the settings to be told, or not")
    assert is_cleared(cloud)
    with Gateway(cloud, tmp_path / "new").connected() as session:
        wait_for(lambda: bool(heard(session, "desired")), "the settings")
        assert heard(session, "desired")[-1].values == {"live_every_s": 5}


@pytest.mark.slow
def test_a_command_ends_with_the_box_that_it_was_sent_to(
    cloud: ServedCloud, tmp_path: Path
) -> None:
    old = Gateway(cloud, tmp_path / "old")
    with old.connected() as session:
        first = ping(cloud)
        wait_for(lambda: bool(heard(session, "command")), "the command")
    assert [one.id for one in heard(session, "command")] == [first]
    ping(cloud)  # waits in the session of the box, which is away
    new = Gateway(cloud, tmp_path / "new")
    wait_for(lambda: QUEUE not in held(cloud).queues, "the old session to be dropped")
    with new.connected(old.box.client_id) as session:
        last = ping(cloud)
        wait_for(lambda: bool(heard(session, "command")), "the new box's own command")
        assert [one.id for one in heard(session, "command")] == [last]


@pytest.mark.slow
def test_a_box_that_moves_to_another_van_leaves_the_old_one_as_if_shut_out(
    cloud: ServedCloud, tmp_path: Path
) -> None:
    shut_out(cloud)
    wait_for(lambda: is_cleared(cloud), "the sessions of other tests to end")
    old = Gateway(cloud, tmp_path / "old")
    with old.connected() as session:
        says_that_it_is_there(session)
        wait_for(lambda: presence(cloud) == "online", "the office to see it")
    ping(cloud)
    moved = Box().request()
    proof = msgspec.to_builtins(old.box.proof(old.serial, moved))
    asked = {"token": claim(cloud, OTHER), "csr": moved, "previous": proof}
    assert cloud.admin.post("/enrol", json=asked).status_code == 201
    wait_for(lambda: is_cleared(cloud), "the broker to hold nothing for the old van")
    wait_for(lambda: presence(cloud) == "offline", "the office to see that it is gone")


@pytest.mark.slow
def test_a_cloud_that_is_killed_while_it_shuts_a_box_out_does_the_rest_at_its_next_start(
    root: Path, tmp_path: Path
) -> None:
    with certified_cloud(root, VAN) as cloud:
        box = Gateway(cloud, tmp_path / "box")
        desire(cloud, live_every_s=5)
        with box.connected() as session:
            wait_for(lambda: bool(heard(session, "desired")), "the settings")
            says_that_it_is_there(session)
            wait_for(lambda: presence(cloud) == "online", "the office to see it")
            # It does not come back meanwhile: a handshake cut short leaves paho's socket open.
            session.client.reconnect_delay_set(60, 60)
            os.kill(cloud.part_pid("broker"), signal.SIGKILL)  # the will goes with it
            cloud.admin.delete(f"/vehicles/{VAN}/gateway")  # may tell that the broker is away
            os.kill(cloud.part_pid("web"), signal.SIGKILL)
            os.kill(cloud.process.pid, signal.SIGKILL)
            cloud.process.wait(20)
    with certified_cloud(root, VAN) as cloud:
        wait_for(lambda: is_cleared(cloud), "the broker to hold nothing for it", 40)
        wait_for(lambda: presence(cloud) == "offline", "the office to see that it is gone")
