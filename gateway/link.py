"""The MQTT connection: paho-mqtt wrapped so that its traps stay in this file.

paho queues what is published while offline and calls that an error; so nothing is handed to it
unless the broker has accepted the session. Callbacks run in paho's thread and only count
connections or put what they heard into the inbox; nothing here is locked or waited for.
"""

import contextlib
import logging
import queue
import socket
import ssl
import threading
import time
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.errors import SettingsError
from gateway.inbox import Delivered, Heard, Inbox
from gateway.settings import BrokerSettings
from wire import codec, topics
from wire.messages import Presence

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 5.0
_MAX_UNCONFIRMED: Final = 200
"""What paho may have under way; the windows above it are narrower."""

_RETAINED: Final = frozenset({"state", "presence"})


class Link:
    """One van's session with the broker.

    Args:
        settings: where and as whom. tenant, van: whose topics. inbox: where news goes.
        retry_max_s: longest wait between two attempts to connect.

    Attributes:
        connection: number of the present connection, another for each; None while offline.

    Raises:
        SettingsError: a file for TLS cannot be used.
    """

    def __init__(
        self, settings: BrokerSettings, tenant: str, van: str, inbox: Inbox, retry_max_s: int
    ) -> None:
        self.connection: int | None = None
        self._connections = 0
        self._settings = settings
        self._inbox = inbox
        self._topics = {kind: topics.up(tenant, van, kind) for kind in topics.UP_KINDS}
        self._heard = {topics.down(tenant, van, kind): kind for kind in topics.DOWN_KINDS}
        self._filter = topics.down_all(tenant, van)
        self._client = _client(settings)
        self._client.place = (settings.host, settings.port)
        self._client.reconnect_delay_set(1, retry_max_s)
        self._client.will_set(
            self._topics["presence"], codec.encode(Presence(online=False)), qos=1, retain=True
        )
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe

    @property
    def turned_at_s(self) -> float:
        """When the connection's thread last went round, by the monotonic clock."""
        return self._client.turned_at_s

    def start(self) -> None:
        """Connect, now or as soon as there is a broker, and stay connected."""
        self._client.connect_async(
            self._settings.host, self._settings.port, self._settings.keepalive_s
        )
        self._client.loop_start()

    def publish(self, kind: str, payload: bytes, qos: int = 1) -> int | None:
        """Hand a message to the connection.

        Returns:
            The number by which `Delivered` tells that the broker has it; None while offline.
        """
        if not self._client.is_connected():
            return None
        info = self._client.publish(self._topics[kind], payload, qos, kind in _RETAINED)
        # NO_CONN is no refusal: paho keeps the message and sends it on the next connection.
        return None if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE else info.mid

    def acknowledge(self, heard: Heard) -> None:
        """Give the broker its receipt; until then a message comes again with each connection."""
        if heard.mid and heard.connection is not None and heard.connection == self.connection:
            self._client.ack(heard.mid, 1)

    def move(self, host: str, port: int) -> None:
        """Connect to another place from now on, with the credentials there are."""
        if (host, port) == self._client.place:
            return
        self._client.place = (host, port)
        self.connection = None
        self._hang_up()

    def _hang_up(self) -> None:
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for the socket, so that a live fix would not queue."""
        return not self._client.want_write()

    def stop(self, farewell: bytes, timeout_s: float) -> None:
        """Publish a last presence, disconnect and end the thread, each within ``timeout_s``."""
        if self._client.is_connected():
            last = self._client.publish(self._topics["presence"], farewell, 1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):
                last.wait_for_publish(timeout_s)
        self._client.disconnect()
        # The thread may be in the middle of connecting; then the process does not wait for it.
        stopper = threading.Thread(target=self._client.loop_stop, name="mqtt-stop", daemon=True)
        stopper.start()
        stopper.join(timeout_s)

    def _on_connect(
        self, client: mqtt.Client, _data: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, _: Any
    ) -> None:
        if reason.is_failure:
            logger.warning("the broker refused the connection", extra={"reason": str(reason)})
            return
        if self._client.dialled != self._client.place:
            self._hang_up()  # it was dialled before the move
            return
        logger.info("connected", extra={"session_present": flags.session_present})
        client.subscribe(self._filter, qos=1)
        self._connections += 1
        self.connection = self._connections

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _: Any
    ) -> None:
        logger.info("disconnected", extra={"reason": str(reason)})
        self.connection = None

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        kind = self._heard.get(message.topic)
        if kind is not None:
            mid = message.mid if message.qos else 0
            payload = bytes(message.payload)
            self._tell(Heard(kind=kind, payload=payload, mid=mid, connection=self.connection))

    def _on_publish(
        self, _client: mqtt.Client, _data: Any, mid: int, _reason: ReasonCode, _: Any
    ) -> None:
        self._tell(Delivered(mid=mid))

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            logger.warning("the broker refused the subscription", extra={"filter": self._filter})

    def _tell(self, news: Heard | Delivered) -> None:
        try:
            self._inbox.put_nowait(news)
        except queue.Full:
            # Acknowledgements are cumulative and asked for again; the broker repeats the rest.
            logger.warning("the inbox is full", extra={"dropped": type(news).__name__})


class _Client(mqtt.Client):
    """Tells that its thread goes round, and looks at each attempt where to connect."""

    place = dialled = ("", 0)
    turned_at_s = 0.0

    def reconnect(self) -> MQTTErrorCode:
        self.turned_at_s = time.monotonic()
        self.dialled = self._host, self._port = self.place
        return super().reconnect()

    def loop_misc(self) -> MQTTErrorCode:
        self.turned_at_s = time.monotonic()
        return super().loop_misc()


def _client(settings: BrokerSettings) -> _Client:
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=settings.client_id,
        clean_session=False,
        protocol=MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.max_inflight_messages_set(_MAX_UNCONFIRMED)
    client.username_pw_set(settings.username, settings.password)
    if settings.tls:
        try:
            client.tls_set(
                ca_certs=settings.ca_file,
                certfile=settings.cert_file,
                keyfile=settings.key_file,
                cert_reqs=ssl.CERT_REQUIRED,
            )
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"broker.ca_file, cert_file, key_file: {error}; give PEM files of one certificate"
            ) from error
    return client
