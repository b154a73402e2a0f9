"""The MQTT connection: paho-mqtt wrapped so that its traps stay in this file.

paho keeps what is published while offline, calls that an error, and sends all of it at once on the
next connection. So each connection here is a client of its own: what it still held goes with it,
and the windows above, which know what the cloud has, decide what is sent again. Certificates are
read anew for each connection, too.

One thread connects, reads and writes; others only hand messages over. What is heard goes into the
inbox; nothing here is locked or waited for.
"""

import contextlib
import logging
import queue
import ssl
import threading
import time
from typing import Any, Final

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.errors import SettingsError
from gateway.inbox import Delivered, Heard, Inbox
from gateway.settings import BrokerSettings
from gateway.uplink import traffic
from gateway.uplink.backoff import Backoff, Jitter, is_dead
from gateway.uplink.causes import Cause, cause_of, remedy
from gateway.uplink.traffic import Traffic
from wire import codec, topics
from wire.messages import Presence

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 10.0
"""For each step: address, TLS, the broker's answer. A cell at the edge needs seconds."""
_LOOP_S: Final = 1.0
_REST_S: Final = 5.0
_MAX_UNCONFIRMED: Final = 1_000
"""What paho may have under way; the windows above it are narrower."""
_MIDS: Final = 1 << 16

_SUBSCRIBE_AGAIN_S: Final = 60.0
"""A van that was not permitted to hear asks again: the permission may have come meanwhile."""

_RETAINED: Final = frozenset({"state", "presence"})


class _Session(msgspec.Struct, frozen=True):
    """A connection that the broker has accepted."""

    client: mqtt.Client
    number: int
    since_s: float


class Link:
    """One van's session with the broker.

    Args:
        settings: where and as whom. tenant, van: whose topics. inbox: where news goes.
        jitter: gives a number from 0 up to 1; spreads the vans' attempts to connect.
        is_backlog: only hands in what was recorded: says nothing of presence, hears answers only,
            and leaves no session behind.
        subscribe_again_s: how long after a refusal it asks again to be let hear.

    Attributes:
        connection: number of the present connection, another for each; None while offline.
        is_session_kept: whether the broker had kept the session over the last connect.
        turned_at_s: when the connection's thread last went round, by the monotonic clock.
        problem: why there is no connection, or what it lacks, with a remedy; None when all is well.
        is_refused: whether the last attempt has ended with a refusal, by the broker or by TLS.

    Raises:
        SettingsError: a file for TLS cannot be used.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        tenant: str,
        van: str,
        inbox: Inbox,
        jitter: Jitter,
        *,
        is_backlog: bool = False,
        subscribe_again_s: float = _SUBSCRIBE_AGAIN_S,
    ) -> None:
        self.connection: int | None = None
        self.is_session_kept = False
        self.problem: str | None = "not connected yet"
        self.turned_at_s = 0.0
        self.is_refused = False
        self._settings = settings
        self._inbox = inbox
        kinds = (*topics.UP_KINDS, topics.RENEW)
        self._topics = {kind: topics.up(tenant, van, kind) for kind in kinds}
        self._heard = {topics.down(tenant, van, kind): kind for kind in topics.DOWN_KINDS}
        self._is_backlog = is_backlog
        self._filter = topics.down_all(tenant, van)
        if is_backlog:
            self._filter = topics.down(tenant, van, "ack")
        self._backoff = Backoff(jitter)
        self._connections = 0
        self._session: _Session | None = None
        self._refusal: str | None = None
        self._subscribe_again_s = subscribe_again_s
        self._subscribe_at_s: float | None = None
        self._before = Traffic()
        self._stopping = threading.Event()
        self._is_moving = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        client_of(settings)

    def start(self) -> None:
        """Connect, now or as soon as there is a broker, and stay connected."""
        self._thread.start()

    def publish(self, kind: str, payload: bytes, qos: int = 1) -> int | None:
        """Hand a message to the connection.

        Returns:
            The number by which `Delivered` tells that the broker has it (or, at QoS 0, the
            socket); None while offline: then it is not sent and never will be.
        """
        session = self._session
        if session is None or not session.client.is_connected():
            return None
        info = session.client.publish(self._topics[kind], payload, qos, kind in _RETAINED)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        return session.number * _MIDS + info.mid

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it connects to, or tries to."""
        return self._settings.host, self._settings.port

    @property
    def place(self) -> str:
        """Where it connects to, as ``host:port``."""
        host, port = self.address
        return f"{host}:{port}"

    def cost_bytes(self, kind: str, payload: bytes) -> int:
        """What a message takes on the socket, without TLS and headers of TCP."""
        return len(payload) + len(self._topics[kind]) + 7

    def traffic(self) -> Traffic:
        """What all connections have cost since `start`, this one too."""
        session = self._session
        now = None if session is None else traffic.read(session.client.socket())
        return self._before if now is None else self._before + now.traffic

    def silent_s(self) -> float:
        """How long the present connection has brought nothing; 0 while offline or unknown."""
        session = self._session
        now = None if session is None else traffic.read(session.client.socket())
        return 0.0 if now is None else now.silent_s

    def drop(self, why: str) -> None:
        """Give the present connection up and make another."""
        session = self._session
        sock: Any = None if session is None else session.client.socket()
        if sock is None:
            return
        logger.warning("the connection is given up", extra={"why": why})
        with contextlib.suppress(OSError):
            sock.shutdown(2)

    def acknowledge(self, heard: Heard) -> None:
        """Give the broker its receipt; until then a message comes again with each connection."""
        session = self._session
        if heard.mid and session is not None and heard.connection == session.number:
            session.client.ack(heard.mid, 1)

    def move(self, host: str, port: int) -> None:
        """Connect to another place from now on, with the credentials there are."""
        if (host, port) == (self._settings.host, self._settings.port):
            return
        self._settings = msgspec.structs.replace(self._settings, host=host, port=port)
        self._backoff.forgive()
        self._session = self.connection = None
        self._is_moving = True
        self._wake.set()

    def stop(self, farewell: bytes, timeout_s: float) -> None:
        """Publish a last presence, disconnect and end the thread, each within ``timeout_s``."""
        self._stopping.set()
        session = self._session
        if session is not None and session.client.is_connected() and self._is_backlog:
            session.client.disconnect()
        elif session is not None and session.client.is_connected():
            last = session.client.publish(self._topics["presence"], farewell, 1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):
                last.wait_for_publish(timeout_s)
            session.client.disconnect()
        self._wake.set()
        # The thread may be in the middle of connecting; then the process does not wait for it.
        self._thread.join(timeout_s)
        logger.info("data used", extra=msgspec.structs.asdict(self._before))

    def _run(self) -> None:
        while not self._stopping.is_set():
            cause, detail = self._connect()
            held_s = self._end()
            if self._stopping.is_set():
                return
            self._complain(cause, detail)
            self._rest(self._backoff.wait_s(cause, held_s))

    def _rest(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while not self._wake.is_set() and time.monotonic() < until_s:
            self.turned_at_s = time.monotonic()
            self._wake.wait(min(_REST_S, seconds))
        self._wake.clear()

    def _complain(self, cause: Cause, detail: str) -> None:
        problem = f"{detail}; {remedy(cause)}"
        level = logging.DEBUG if problem == self.problem else logging.WARNING
        self.problem = problem
        self.is_refused = cause in {"refused", "tls"}
        logger.log(level, "no connection", extra={"cause": cause, "problem": problem})

    def _connect(self) -> tuple[Cause, str]:
        """Make a connection and serve it to its end, which is told."""
        self._is_moving = False
        self._refusal = None
        settings = self._settings
        self.turned_at_s = time.monotonic()
        place = f"{settings.host}:{settings.port}"
        try:
            client = self._new_client(settings)
            client.connect(settings.host, settings.port, settings.keepalive_s)
        except (OSError, ValueError, SettingsError) as error:
            return cause_of(error), f"{place}: {error}"
        try:
            return self._serve(client, settings)
        finally:
            self._close(client)

    def _serve(self, client: mqtt.Client, settings: BrokerSettings) -> tuple[Cause, str]:
        accept_by_s = time.monotonic() + CONNECT_TIMEOUT_S
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = client.loop(_LOOP_S)
            self.turned_at_s = time.monotonic()
            if self._is_moving:
                return "lost", "it moves to another broker"
            if self._subscribe_at_s is not None and time.monotonic() >= self._subscribe_at_s:
                self._subscribe(client)
            if not self._is_accepted() and time.monotonic() > accept_by_s:
                return "silent", f"no answer within {CONNECT_TIMEOUT_S:.0f} s"
            if is_dead(self.silent_s(), settings.keepalive_s):
                return "lost", f"nothing was heard for {self.silent_s():.0f} s"
        if self._refusal is not None:
            return "refused", f"the broker answered: {self._refusal}"
        if not self._is_accepted():
            # Under TLS 1.3 a certificate is refused only after the handshake.
            return ("tls" if settings.cert_file else "silent"), "closed before it was accepted"
        return "lost", mqtt.error_string(code)

    def _is_accepted(self) -> bool:
        return self._session is not None

    def _end(self) -> float:
        """The connection is no more; returns for how long it had been good."""
        session, self._session, self.connection = self._session, None, None
        return 0.0 if session is None else time.monotonic() - session.since_s

    def _close(self, client: mqtt.Client) -> None:
        client.on_socket_close = None
        sock: Any = client.socket()
        if sock is not None:
            self._count(sock)
            sock.close()

    def _count(self, sock: Any) -> None:
        last = traffic.read(sock)
        if last is not None:
            self._before += last.traffic

    def _new_client(self, settings: BrokerSettings) -> mqtt.Client:
        client = client_of(settings, is_lasting=not self._is_backlog)
        if not self._is_backlog:
            client.will_set(
                self._topics["presence"], codec.encode(Presence(online=False)), qos=1, retain=True
            )
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = lambda _client, _data, sock: traffic.tune(sock)
        client.on_socket_close = lambda _client, _data, sock: self._count(sock)
        # With this set, paho leaves the writing to the thread of `_serve`.
        client.on_socket_register_write = lambda _client, _data, _sock: None
        return client

    def _on_connect(
        self, client: mqtt.Client, _data: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, _: Any
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            return
        if self._is_moving:
            return
        logger.info("connected", extra={"session_present": flags.session_present})
        self._subscribe(client)
        self._connections += 1
        self.problem, self.is_refused = None, False
        self.is_session_kept = flags.session_present
        self._session = _Session(client, self._connections, time.monotonic())
        self.connection = self._connections

    def _subscribe(self, client: mqtt.Client) -> None:
        self._subscribe_at_s = None
        client.subscribe(self._filter, qos=1)

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            kind = self._heard.get(message.topic)
        except UnicodeDecodeError:
            kind = None
        if kind is None:
            # Of a newer cloud, perhaps: without a receipt it would fill the broker's window for us.
            client.ack(message.mid, message.qos)
            return
        mid = message.mid if message.qos else 0
        payload = bytes(message.payload)
        self._tell(Heard(kind=kind, payload=payload, mid=mid, connection=self.connection))

    def _on_publish(
        self, _client: mqtt.Client, _data: Any, mid: int, _reason: ReasonCode, _: Any
    ) -> None:
        number = self._connections * _MIDS + mid
        self._tell(Delivered(mid=number, at_s=time.monotonic()))

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _: Any
    ) -> None:
        is_refused = any(reason.is_failure for reason in reasons)
        self.problem = None
        if is_refused:
            self._subscribe_at_s = time.monotonic() + self._subscribe_again_s
            self.problem = f"the broker does not let the van read {self._filter}; permit it"
            logger.warning("the broker refused the subscription", extra={"filter": self._filter})

    def _tell(self, news: Heard | Delivered) -> None:
        try:
            self._inbox.put_nowait(news)
        except queue.Full:
            # Acknowledgements are cumulative and asked for again; the broker repeats the rest.
            logger.warning("the inbox is full", extra={"dropped": type(news).__name__})


def client_of(settings: BrokerSettings, *, is_lasting: bool = True) -> mqtt.Client:
    """A client of ours that is not connected; ``is_lasting``: the broker keeps its session.

    Raises:
        SettingsError: a file for TLS cannot be used.
    """
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=settings.client_id,
        clean_session=not is_lasting,
        protocol=MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.max_inflight_messages_set(_MAX_UNCONFIRMED)
    if settings.username:
        client.username_pw_set(settings.username, settings.password)
    if settings.tls:
        try:
            client.tls_set(
                ca_certs=settings.ca_file,
                certfile=settings.cert_file,
                keyfile=settings.key_file,
                cert_reqs=ssl.CERT_REQUIRED,
                keyfile_password="",  # else a key with a passphrase would ask the terminal for it
            )
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"broker.ca_file, cert_file, key_file: {error}; give PEM files of one certificate"
            ) from error
    return client
