"""One MQTT connection that publishes and knows when the broker has it."""

import asyncio
import logging
from typing import Final

import msgspec

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.errors import Unavailable
from cloud.foundation.mqtt import forget_session, make_client

log = logging.getLogger(__name__)

_KEEP_ALIVE_S: Final = 20
_WITHIN_S: Final = 10.0


class Publisher:
    """Publishes as the web user. paho's own thread connects, and connects again."""

    def __init__(self, broker: BrokerAccess) -> None:
        login, address = broker.login("web"), broker.address()
        own = msgspec.structs.replace(login, client_id=f"{login.client_id}feed")
        self._client = make_client(address, own, is_lasting=False)
        self._client.reconnect_delay_set(1, 10)
        self._address = address
        self._login = login
        self._is_embedded = broker.is_embedded

    def start(self) -> None:
        """Begin to connect, and keep on."""
        self._client.connect_async(self._address.host, self._address.port, _KEEP_ALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1 and return when the broker has acknowledged it.

        Raises:
            Unavailable: the broker cannot be reached, or does not acknowledge in time.
        """
        if not self._client.is_connected():
            raise Unavailable("the broker cannot be reached; it is tried again")
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        try:
            await asyncio.to_thread(sent.wait_for_publish, _WITHIN_S)
        except (RuntimeError, ValueError) as error:
            raise Unavailable(f"the broker did not take a message on {topic}: {error}") from error
        if not sent.is_published():
            raise Unavailable(f"the broker did not acknowledge a message on {topic} in time")

    async def tell(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 0, for third parties: the broker queues nothing for one that is away.

        A lasting session that nobody comes back to would fill the broker's disk otherwise, and
        whoever may read the feed can open as many as they like.

        Raises:
            Unavailable: the broker cannot be reached.
        """
        if not self._client.is_connected():
            raise Unavailable("the broker cannot be reached; it is tried again")
        self._client.publish(topic, payload, qos=0, retain=retain)

    async def forget(self, client_id: str) -> None:
        """Have the broker drop a box's session; one of the fleet's own may refuse, and is told so.

        Raises:
            Unavailable: the embedded broker has not done it in time.
        """
        is_done = await asyncio.to_thread(forget_session, self._address, self._login, client_id)
        if is_done:
            return
        if self._is_embedded:
            raise Unavailable("the broker did not drop a session; it is tried again")
        log.warning("your own broker keeps the session of a gateway that was shut out")
