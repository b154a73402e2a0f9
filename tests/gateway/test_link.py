"""A connection by itself: why there is none, what it costs, what it hands over."""

import queue
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paho.mqtt import publish

from cloud.foundation.authority import Authority
from gateway.inbox import Delivered, Heard, Inbox
from gateway.settings import BrokerSettings
from gateway.uplink.link import Link
from tests.gateway.link_proxy import LinkProxy
from tests.gateway.rig import TENANT, VAN, Broker, wait_until
from tests.parts.mosquitto import Mosquitto, mosquitto
from tests.parts.ports import free_port
from wire import codec, topics
from wire.messages import Presence

pytestmark = pytest.mark.slow

FAREWELL = codec.encode(Presence(online=False))

type Connect = Callable[..., Link]


@pytest.fixture
def inbox() -> Inbox:
    return queue.Queue(1000)


@pytest.fixture
def connect(inbox: Inbox) -> Iterator[Connect]:
    """Starts a link to a port; each is stopped at the end."""
    links: list[Link] = []

    def start(port: int, **chosen: object) -> Link:
        plain = {
            "host": "127.0.0.1",
            "port": port,
            "client_id": "0" * 32,
            "username": VAN,
            "password": "secret",
        }
        settings = msgspec.convert({**plain, **chosen}, BrokerSettings)
        link = Link(settings, TENANT, VAN, inbox, lambda: 0.0, subscribe_again_s=0.5)
        link.start()
        links.append(link)
        return link

    yield start
    for link in links:
        link.stop(FAREWELL, 0.5)


def says(link: Link, *words: str) -> None:
    wait_until(lambda: all(word in (link.problem or "") for word in words), f"it says {words}", 30)


def test_a_name_that_nobody_knows_is_told_with_the_remedy(connect: Connect) -> None:
    link = connect(1883, host="broker.invalid")
    says(link, "broker.invalid:1883", "check broker.host")


def test_a_port_where_nobody_listens_is_told_and_tried_until_somebody_does(
    connect: Connect, tmp_path: Path
) -> None:
    broker = Broker(tmp_path / "broker")
    link = connect(broker.port)
    says(link, "refused", "tried again")
    broker.start()
    try:
        wait_until(lambda: link.connection is not None, "it is connected", 30)
        assert link.problem is None
    finally:
        broker.kill()


def test_a_port_that_is_no_broker_is_told(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = connect(server.getsockname()[1])
        taken, _ = server.accept()
        taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        taken.close()
        says(link, "no MQTT broker answers there")


def test_a_van_that_is_not_let_in_is_told_so(connect: Connect, broker: Broker) -> None:
    link = connect(broker.port, password="another")
    says(link, "the broker answered", "enrol it again")


# paho leaves the socket of a failed handshake to the collector, which closes it at once, and warns.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")
def test_a_broker_of_another_authority_is_not_spoken_to(connect: Connect, tmp_path: Path) -> None:
    ours, theirs = (
        Authority(tmp_path / name, lambda: time.time_ns() / 1e9) for name in ("ours", "theirs")
    )
    pair = theirs.server_pair(tmp_path / "theirs", ["127.0.0.1"])
    ours.certificate_pem()
    broker = Broker(
        tmp_path / "broker", f'tls {{ cert_file: "{pair.cert_file}", key_file: "{pair.key_file}" }}'
    )
    broker.start()
    try:
        stranger = connect(broker.port, tls=True, ca_file=str(ours.certificate_file))
        says(stranger, "check broker.ca_file")
        friend = connect(broker.port, tls=True, ca_file=str(theirs.certificate_file))
        wait_until(lambda: friend.connection is not None, "it is connected", 30)
    finally:
        broker.kill()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that the fleet brought, with a van and somebody who speaks to it."""
    users = {VAN: "secret", "cloud": "secret"}
    down = f"fleet/v1/{TENANT}/{VAN}/dn/#"
    rules = f"user cloud\ntopic readwrite fleet/#\nuser {VAN}\ntopic read {down}\n"
    with mosquitto(tmp_path / "mosquitto", free_port(), users, rules) as broker:
        yield broker


def say(port: int, topic: str, payload: str, password: str) -> None:
    who: Any = {"username": "cloud", "password": password}
    publish.single(topic, payload, qos=1, hostname="127.0.0.1", port=port, auth=who)


def test_a_van_that_may_not_hear_asks_again_until_it_may(
    connect: Connect, tmp_path: Path, inbox: Inbox
) -> None:
    broker = Broker(tmp_path / "broker")
    broker.let_hear(may_hear=False)
    broker.start()
    try:
        link = connect(broker.port)
        says(link, "does not let the van read", "permit it")
        broker.let_hear(may_hear=True)
        wait_until(lambda: link.problem is None, "it may hear", 30)
        say(broker.port, topics.down(TENANT, VAN, "desired"), "heard", "cloud")
        told = inbox.get(timeout=20)
        assert isinstance(told, Heard)
        assert (told.kind, told.payload, link.connection) == ("desired", b"heard", 1)
    finally:
        broker.kill()


def test_messages_of_an_unknown_kind_do_not_keep_others_away(
    connect: Connect, own_broker: Mosquitto, inbox: Inbox
) -> None:
    link = connect(own_broker.port)
    wait_until(lambda: link.connection is not None and link.problem is None, "it hears", 30)
    for number in range(30):  # mosquitto has 20 under way, and then waits for receipts
        say(own_broker.port, f"fleet/v1/{TENANT}/{VAN}/dn/novelty", str(number), "secret")
    say(own_broker.port, topics.down(TENANT, VAN, "command"), "heard", "secret")
    told = inbox.get(timeout=20)
    assert isinstance(told, Heard)
    assert told.kind == "command"


def test_nothing_is_taken_while_offline(connect: Connect) -> None:
    link = connect(free_port())
    assert link.publish("batch", b"row") is None


def test_each_message_is_told_as_delivered_once_and_what_it_cost_is_counted_over_connections(
    connect: Connect, broker: Broker, inbox: Inbox
) -> None:
    proxy = LinkProxy(broker.port)
    try:
        link = connect(proxy.port)
        wait_until(lambda: link.connection == 1, "it is connected")
        numbers = [link.publish("batch", b"x" * 1000) for _ in range(20)]
        delivered = {inbox.get(timeout=20) for _ in numbers}
        assert {news.mid for news in delivered if isinstance(news, Delivered)} == set(numbers)
        assert 20_000 < link.traffic().sent_bytes < 25_000
        proxy.cut()
        wait_until(lambda: link.connection == 2, "it is connected again", 30)
        after = link.traffic()
        assert 20_000 < after.sent_bytes < 26_000
        assert after.billed_bytes > after.sent_bytes + after.heard_bytes + 10 * 40
        again = link.publish("batch", b"x")
        assert again not in numbers
    finally:
        proxy.stop()


def test_what_was_not_confirmed_is_not_sent_by_itself_on_the_next_connection(
    connect: Connect, broker: Broker, inbox: Inbox
) -> None:
    proxy = LinkProxy(broker.port)
    try:
        link = connect(proxy.port)
        wait_until(lambda: link.connection == 1, "it is connected")
        proxy.is_silent = True
        number = link.publish("batch", b"lost")
        time.sleep(0.3)
        proxy.heal()
        wait_until(lambda: link.connection == 2, "it is connected again", 30)
        other = link.publish("batch", b"sent")
        told = inbox.get(timeout=20)
        assert isinstance(told, Delivered)
        assert told.mid == other != number
    finally:
        proxy.stop()


def test_a_full_inbox_stops_nothing(connect: Connect, broker: Broker, inbox: Inbox) -> None:
    link = connect(broker.port)
    wait_until(lambda: link.connection is not None, "it is connected")
    while not inbox.full():
        inbox.put(Delivered(mid=0))
    for _ in range(5):
        assert link.publish("batch", b"x") is not None
    before = link.turned_at_s
    wait_until(lambda: link.turned_at_s > before + 1, "its thread goes round")
    assert link.connection == 1
