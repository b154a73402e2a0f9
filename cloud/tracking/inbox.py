"""The inbox on any MQTT 3.1.1 broker: acknowledged by hand, after the commit.

One thread does everything: it reads while it is asked to, so a caller that does not ask stops the
broker. A message stays with the broker until it is acknowledged; what a lost connection leaves
unacknowledged comes again on the next one, under another packet id, so an old id is never used.
"""

import logging
import math
import select
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import paho.mqtt.client as paho

from cloud.foundation.broker import BrokerAddress
from cloud.foundation.broker_config import BrokerLogin
from cloud.foundation.mqtt import make_client
from cloud.tracking.bulk import Message, Tap, acknowledgements, publication
from cloud.tracking.intake import Arrived
from wire import topics

_log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 30
_BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SUBSCRIBED_WITHIN_S: Final = 10.0
_STEADY_AFTER_S: Final = 10.0
"""A connection that is lost sooner counts as one more failure: the next try waits longer."""
_MAX_UNSENT_BYTES: Final = 4_000_000
_REFUSAL: Final = "the broker"
"""Begins what the broker has against us; it is told rather than the lost connection after it."""


class Token(msgspec.Struct, frozen=True, gc=False):
    """One delivery: the connection it came on, its packet id there, and its quality of service."""

    connection: int
    packet: int
    qos: int


class Inbox(Protocol):
    """What the vans say, each message held by a broker until it is acknowledged.

    There are two: `MqttInbox` on any broker, and `cloud.tracking.jetstream.JetStreamInbox`.
    """

    @property
    def state(self) -> str:
        """``ok``, or what is wrong."""

    @property
    def is_ready(self) -> bool:
        """Whether messages can come."""

    def receive(
        self, timeout_s: float, at_most: int = 1_000, gather_s: float = 0.0
    ) -> list[Arrived]:
        """What arrives within ``timeout_s``, and ``gather_s`` after the first of it."""

    def has_news(self) -> bool:
        """Whether something can be received at once."""

    def pause(self, timeout_s: float) -> None:
        """Let time pass without reading, so that the broker has to wait."""

    def is_current(self, arrived: Arrived) -> bool:
        """Whether ``arrived`` can still be acknowledged; if not it comes again by itself."""

    def acknowledge(self, messages: list[Arrived]) -> None:
        """The broker may forget these."""

    def publish(self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False) -> bool:
        """Send each once, all at once or not at all; tells whether they were sent or will be."""

    def close(self) -> None:
        """Leave the broker, which keeps what is not acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Who reads what of a broker.

    Attributes:
        reader: its role, as the log names it.
        filters: of the topics it reads, each with its quality of service.
        others: filters that its session may hold from before, and that it does not want any more.
        is_lasting: the broker keeps what comes while the reader is away.
    """

    reader: str
    filters: Mapping[str, int]
    others: Sequence[str] = ()
    is_lasting: bool = True


def of_vans(kinds: Sequence[str] = topics.UP_KINDS) -> Reading:
    """Ingest reads some kinds of what vans say; another inbox reads the rest."""
    return Reading(
        reader="ingest",
        filters={topics.every_up(kind): 0 if kind == "live" else 1 for kind in kinds},
        others=[topics.every_up(kind) for kind in topics.UP_KINDS if kind not in kinds],
    )


class MqttInbox:
    """What is published on a broker. Not for use by more than one thread."""

    def __init__(
        self,
        address: BrokerAddress,
        login: BrokerLogin,
        now_ms: Callable[[], int],
        reading: Reading | None = None,
    ) -> None:
        """``reading``: what is read; all that vans say when None."""
        self._address = address
        self._reading = of_vans() if reading is None else reading
        self._now_ms = now_ms
        self._client = make_client(
            address, login, is_lasting=self._reading.is_lasting, acknowledges_by_hand=True
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._connection = 0
        self._failures = 0
        self._next_try_s = 0.0
        self._subscribe_by_s = 0.0
        self._ready_since_s = 0.0
        self._awaited: set[int] = set()
        self._is_denied = False
        self._held: set[int] = set()
        self._arrived: deque[Arrived] = deque()
        self._tap: Tap | None = None
        self.state = "not connected yet"

    @property
    def is_ready(self) -> bool:
        """Whether it is connected and every subscription is granted."""
        return self.state == "ok"

    def receive(
        self, timeout_s: float, at_most: int = 1_000, gather_s: float = 0.0
    ) -> list[Arrived]:
        """What arrives within ``timeout_s``, and ``gather_s`` after the first of it."""
        if self._client.socket() is None:
            self._arrived.clear()
            self._connect(timeout_s)
            return []
        if self._arrived or self._wait(timeout_s):
            if gather_s > 0:
                time.sleep(gather_s)
            while len(self._arrived) < at_most and self._wait(0):
                self._read()
        self._keep_alive()
        return [self._arrived.popleft() for _ in range(min(at_most, len(self._arrived)))]

    def has_news(self) -> bool:
        """Whether something can be received at once."""
        return bool(self._arrived) or self._wait(0)

    def fileno(self) -> int | None:
        """The open socket, to wait on together with others; None without a connection."""
        sock = self._client.socket()
        return None if sock is None else sock.fileno()

    def pause(self, timeout_s: float) -> None:
        """Let time pass without reading, so that the broker has to wait."""
        time.sleep(timeout_s)
        if self._client.socket() is not None:
            self._keep_alive()

    def is_current(self, arrived: Arrived) -> bool:
        """Whether ``arrived`` can still be acknowledged; if not it comes again by itself."""
        token = arrived.token
        return isinstance(token, Token) and token.connection == self._connection

    def acknowledge(self, messages: list[Arrived]) -> None:
        """The broker may forget these."""
        numbers = [
            token.packet
            for token in (arrived.token for arrived in messages)
            if isinstance(token, Token) and token.qos > 0 and token.connection == self._connection
        ]
        if numbers:
            self._held.difference_update(numbers)
            self._send(acknowledgements(numbers))

    def publish(self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False) -> bool:
        """Send each once, all at once or not at all; tells whether they were sent or will be."""
        if not self._client.is_connected() or self._unsent_bytes() > _MAX_UNSENT_BYTES:
            return False
        if messages:
            told = [publication(*one, is_retained=retain) for one in messages]
            self._send(b"".join(told))
        return True

    def _unsent_bytes(self) -> int:
        waiting = self._client._out_packet  # noqa: SLF001 - it has no public length
        return sum(one["to_process"] for one in waiting)

    def _send(self, packets: bytes) -> None:
        """Send whole packets as one; as acknowledgements, after which the client does nothing."""
        self._client._packet_queue(paho.PUBACK, packets, 0, 0)  # noqa: SLF001 - all in one piece

    def close(self) -> None:
        """Leave the broker, which keeps the session."""
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_misc()

    def _connect(self, timeout_s: float) -> None:
        wait_s = self._next_try_s - time.monotonic()
        if wait_s > 0:
            time.sleep(min(timeout_s, wait_s))
            return
        try:
            self._client.connect(self._address.host, self._address.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._fail(f"broker {self._address.host}:{self._address.port}: {error}")
            return
        self._tap = tap = Tap(self._client.socket())
        self._client._sock = tap  # noqa: SLF001 - it has no other way to be read in bulk
        self._subscribe_by_s = time.monotonic() + _SUBSCRIBED_WITHIN_S

    def _read(self) -> None:
        """Take the messages that have come; the client does what is left to do."""
        tap = self._tap
        assert tap is not None  # noqa: S101 - it is connected
        found = tap.read()
        if found:
            now_ms = self._now_ms()
            for message in found:
                self._take(message, now_ms)
        while tap.has_handed_on and self._client.socket() is not None:
            self._client.loop_read()

    def _fail(self, reason: str) -> None:
        delay_s = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1
        self._next_try_s = time.monotonic() + delay_s
        if reason != self.state:
            _log.warning("the broker is away", extra={"reason": reason})
        self.state = reason

    def _wait(self, timeout_s: float) -> bool:
        sock: Any = self._client.socket()
        if sock is None:
            return False
        if getattr(sock, "pending", lambda: 0)() > 0:
            return True
        told = _poll(sock.fileno(), timeout_s, may_write=self._client.want_write())
        if told & select.POLLOUT:
            self._client.loop_write()
        return bool(told & ~select.POLLOUT) and self._client.socket() is not None

    def _keep_alive(self) -> None:
        self._client.loop_misc()
        is_late = not self.is_ready and time.monotonic() > self._subscribe_by_s
        if is_late and self._client.socket() is not None:
            self._subscribe_by_s = math.inf
            self._client.disconnect()
            if not self._is_refused():
                self._fail(f"{_REFUSAL} does not answer; is it an MQTT broker's port?")

    def _is_refused(self) -> bool:
        return self.state.startswith(_REFUSAL)

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._fail(f"{_REFUSAL} refuses {self._reading.reader}: {reason}")
            return
        self._awaited.clear()
        self._is_denied = False
        if self._reading.others:
            client.unsubscribe(list(self._reading.others))
        for one, qos in self._reading.filters.items():
            _, packet = client.subscribe(one, qos=qos)
            if packet is not None:
                self._awaited.add(packet)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, packet: int, reasons: list[Any], _properties: Any
    ) -> None:
        self._awaited.discard(packet)
        if any(reason.is_failure for reason in reasons):
            self._is_denied = True
            wanted = ", ".join(self._reading.filters)
            self._fail(f"{_REFUSAL} does not let {self._reading.reader} read; allow it {wanted}")
        elif not self._awaited and not self._is_denied:
            _log.info("subscribed", extra={"broker": f"{self._address.host}:{self._address.port}"})
            self._ready_since_s = time.monotonic()
            self.state = "ok"

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        self._connection += 1
        self._held.clear()
        if self.is_ready and time.monotonic() - self._ready_since_s >= _STEADY_AFTER_S:
            self._failures = 0
        self._fail(self.state if self._is_refused() else f"connection lost: {reason}")

    def _take(self, message: Message, now_ms: int) -> None:
        if message.qos > 0:
            if message.packet in self._held:
                return
            self._held.add(message.packet)
        try:
            topic = message.topic.decode()
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        token = Token(self._connection, message.packet, message.qos)
        self._arrived.append(
            Arrived(topic=topic, payload=message.payload, received_at_ms=now_ms, token=token)
        )


def _poll(socket: int, timeout_s: float, *, may_write: bool) -> int:
    """What a socket is ready for, of any number: in web there are many."""
    poll = select.poll()
    poll.register(socket, select.POLLIN | (select.POLLOUT if may_write else 0))
    return sum(ready for _, ready in poll.poll(max(0.0, timeout_s) * 1000))
