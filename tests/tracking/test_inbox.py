"""How the inbox bears with a broker that lets it in and throws it out again, or never answers."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cloud.foundation.broker import BrokerAddress
from cloud.foundation.broker_config import BrokerLogin
from cloud.tracking import inbox as inbox_module
from cloud.tracking.inbox import MqttInbox
from wire import topics

GRANTED, DENIED = 1, 0x80
LOGIN = BrokerLogin(client_id="0" * 32, username="ingest", password="p")


class MoodyBroker:
    """Speaks just enough MQTT 3.1.1; ``answer`` gets each connection after its CONNECT."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self.connections = 0
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.address = BrokerAddress(host="127.0.0.1", port=self._listener.getsockname()[1])
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @contextmanager
    def running(self) -> Iterator["MoodyBroker"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            self._thread.join(5)
            self._listener.close()

    def _serve(self) -> None:
        while not self._is_over.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with connection:
                connection.settimeout(0.5)
                try:
                    read_packet(connection)
                    self._answer(connection)
                except (OSError, EOFError):
                    continue


def read_packet(connection: socket.socket) -> tuple[int, bytes]:
    """Kind and body of one packet shorter than 16 kB."""
    kind, length = read_exactly(connection, 2)
    if length >= 128:
        length = length - 128 + 128 * read_exactly(connection, 1)[0]
    return kind, read_exactly(connection, length)


def read_exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def refuse(connection: socket.socket) -> None:
    connection.sendall(b"\x20\x02\x00\x05")


def let_in(connection: socket.socket, *, denied: str = "none") -> None:
    """Accept, and grant every subscription but that of the kind ``denied``."""
    connection.sendall(b"\x20\x02\x00\x00")
    for _ in topics.UP_KINDS:
        _, body = read_packet(connection)
        grant = DENIED if body[4:-1].decode().endswith(denied) else GRANTED
        connection.sendall(bytes([0x90, 3, body[0], body[1], grant]))


def linger(connection: socket.socket) -> None:
    """Say nothing until the other side leaves."""
    connection.settimeout(5)
    while connection.recv(1000):
        pass


def watch(broker: MoodyBroker, for_s: float) -> tuple[MqttInbox, set[str], float]:
    """An inbox that is asked as ingest asks it; its states, and the CPU seconds it took."""
    inbox = MqttInbox(broker.address, LOGIN, lambda: 0)
    states = set()
    began_s, cpu_s = time.monotonic(), time.thread_time()
    while time.monotonic() - began_s < for_s:
        inbox.receive(0.1)
        states.add(inbox.state)
    return inbox, states, time.thread_time() - cpu_s


def receive_until(is_so: Callable[[], bool], inbox: MqttInbox) -> None:
    while not is_so():
        inbox.receive(0.1)


@pytest.mark.parametrize("answer", [refuse, let_in], ids=["refused", "thrown-out-at-once"])
def test_a_session_that_is_refused_or_taken_away_is_asked_for_ever_more_slowly(
    answer: Callable[[socket.socket], None],
) -> None:
    with MoodyBroker(answer).running() as broker:
        inbox, _, cpu_s = watch(broker, 2.5)
        assert 2 <= broker.connections <= 6
        assert cpu_s < 0.5
        inbox.close()


def test_a_broker_that_never_answers_is_left_once_and_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox_module, "_SUBSCRIBED_WITHIN_S", 0.3)
    with MoodyBroker(linger).running() as broker:
        inbox, states, cpu_s = watch(broker, 1.5)
        assert "the broker does not answer; is it an MQTT broker's port?" in states
        assert 1 <= broker.connections <= 4
        assert cpu_s < 0.5
        inbox.close()


@pytest.mark.parametrize("denied", ["batch", topics.UP_KINDS[-1]])
def test_one_denied_subscription_is_never_well_whichever_it_is(denied: str) -> None:
    def answer(connection: socket.socket) -> None:
        let_in(connection, denied=denied)
        linger(connection)

    with MoodyBroker(answer).running() as broker:
        inbox, states, _ = watch(broker, 0.5)
        assert "ok" not in states
        assert "does not let ingest read" in inbox.state
        inbox.close()


def test_a_lost_connection_is_told_as_lost() -> None:
    def answer(connection: socket.socket) -> None:
        let_in(connection)
        time.sleep(0.2)

    with MoodyBroker(answer).running() as broker:
        inbox = MqttInbox(broker.address, LOGIN, lambda: 0)
        receive_until(lambda: inbox.is_ready, inbox)
        inbox._subscribe_by_s = 0.0  # as after a connection of an hour
        receive_until(lambda: not inbox.is_ready, inbox)
        assert inbox.state.startswith("connection lost")
        inbox.close()
