"""Where web hears OwnTracks over MQTT, on a broker that the fleet has brought of its own.

Who may publish as which phone is that broker's to say: it lets a phone write to its own topic only.
The broker that comes along takes nothing but certificates from afar; there phones speak HTTP.
"""

import logging
import threading
from typing import Any, Final

import msgspec
import paho.mqtt.client as paho
from sqlalchemy.exc import DBAPIError

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.errors import Unavailable
from cloud.foundation.given import Unacceptable
from cloud.foundation.mqtt import make_client
from cloud.phones import owntracks
from cloud.phones.model import Told
from cloud.phones.service import Phones
from wire import topics

log = logging.getLogger(__name__)

_KEEP_ALIVE_S: Final = 60
_RETRY_S: Final = 1.0


class PhoneDesk:
    """One lasting session: the broker keeps what is not acknowledged, which follows the commit.

    Does nothing on the broker that comes along.
    """

    def __init__(self, broker: BrokerAccess, phones: Phones) -> None:
        self._phones = phones
        self._stopping = threading.Event()
        self._client: paho.Client | None = None
        if not broker.is_embedded:
            login, self._address = broker.login("web"), broker.address()
            own = msgspec.structs.replace(login, client_id=f"{login.client_id}phones")
            self._client = make_client(
                self._address, own, is_lasting=True, acknowledges_by_hand=True
            )
            self._client.reconnect_delay_set(1, 10)
            self._client.on_connect = _subscribe
            self._client.on_message = self._on_message

    def start(self) -> None:
        """Begin to listen, and keep on."""
        if self._client is not None:
            self._client.connect_async(self._address.host, self._address.port, _KEEP_ALIVE_S)
            self._client.loop_start()

    def stop(self) -> None:
        """End the connection; what is not committed comes again at the next start."""
        self._stopping.set()
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        """Commit, then acknowledge; while the database fails nothing more is read."""
        while not self._stopping.is_set():
            try:
                self._take(message)
            except DBAPIError as error:
                log.warning("positions of phones wait", extra={"reason": str(error.orig)})
                self._stopping.wait(_RETRY_S)
                continue
            client.ack(message.mid, message.qos)
            return

    def _take(self, message: paho.MQTTMessage) -> None:
        try:
            tenant, phone_id = topics.parse_owntracks(message.topic)
        except (topics.TopicError, UnicodeDecodeError):
            return  # it is no phone's
        told: list[Told | Unacceptable] = []
        try:
            one = owntracks.read(bytes(message.payload))
            told = [] if one is None else [one]
        except Unacceptable as problem:
            told = [problem]
        try:
            is_known = self._phones.take_of(tenant, phone_id, told)
        except Unavailable as error:
            log.warning(
                "dropped a position of a phone",
                extra={"tenant": tenant, "phone": phone_id, "reason": error.detail},
            )
            return
        if not is_known:
            log.warning(
                "refused a position of an unknown phone",
                extra={"tenant": tenant, "phone": phone_id},
            )


def _subscribe(client: paho.Client, *_: Any) -> None:
    client.subscribe(topics.owntracks_every(), qos=1)
