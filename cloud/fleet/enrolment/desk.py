"""Where web hears the vans that ask for their next certificate, over the lane they are known on."""

import logging
import queue
import subprocess
import threading
import time
from typing import Any, Final

import msgspec
import paho.mqtt.client as paho
from sqlalchemy.exc import DBAPIError

from cloud.fleet.enrolment.service import Enrolments
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.errors import CloudError
from cloud.foundation.mqtt import make_client
from wire import codec, topics
from wire.enrolment import Renewal

log = logging.getLogger(__name__)

_KEEP_ALIVE_S: Final = 20
_MOST_WAITING: Final = 1_000
"""Requests; with more than these the newest is dropped, and the van asks again."""
_SWEEP_EVERY_S: Final = 60.0
_FAILURES: Final = (CloudError, DBAPIError, OSError, subprocess.SubprocessError)
"""The database, the disk, or the broker's own check of its settings; the next one may succeed."""


class RenewalDesk:
    """One connection and one thread; does nothing on a broker that takes no certificates."""

    def __init__(
        self, broker: BrokerAccess, enrolments: Enrolments, sweep_every_s: float = _SWEEP_EVERY_S
    ) -> None:
        self._enrolments = enrolments
        self._sweep_every_s = sweep_every_s
        self._asked: queue.Queue[tuple[str, bytes] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="renewals", daemon=True)
        self._client: paho.Client | None = None
        if broker.is_certified:
            login, self._address = broker.login("web"), broker.address()
            own = msgspec.structs.replace(login, client_id=f"{login.client_id}renew")
            self._client = make_client(self._address, own, is_lasting=False)
            self._client.reconnect_delay_set(1, 10)
            self._client.on_connect = _subscribe
            self._client.on_message = self._on_message

    def start(self) -> None:
        """Begin to listen, and keep on."""
        if self._client is not None:
            self._client.connect_async(self._address.host, self._address.port, _KEEP_ALIVE_S)
            self._client.loop_start()
            self._thread.start()

    def stop(self) -> None:
        """End the connection, then the thread after what it has in hand."""
        if self._client is not None and self._thread.is_alive():
            self._client.disconnect()
            self._client.loop_stop()
            self._asked.put(None)
            self._thread.join()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            self._asked.put_nowait((message.topic, bytes(message.payload)))
        except queue.Full:
            log.warning("too many ask for certificates at once; they ask again")
        except UnicodeDecodeError:
            return  # a topic that is not UTF-8 is no van's

    def _run(self) -> None:
        sweep_at_s = time.monotonic() + self._sweep_every_s
        while True:
            left_s = sweep_at_s - time.monotonic()
            if left_s <= 0:
                self._sweep()
                sweep_at_s = time.monotonic() + self._sweep_every_s
                continue
            try:
                asked = self._asked.get(timeout=left_s)
            except queue.Empty:
                continue
            if asked is None:
                return
            self._answer(*asked)

    def _sweep(self) -> None:
        """A connection outlives its certificate, but for this."""
        try:
            self._enrolments.let_in()
            self._enrolments.look_for_copies()
        except _FAILURES as error:
            log.warning("the broker was not told of the gateways", extra={"reason": str(error)})

    def _answer(self, topic: str, payload: bytes) -> None:
        try:
            who = topics.parse_up(topic)
            given = self._enrolments.renew(who.tenant, who.van, codec.decode(payload, Renewal))
        except (topics.TopicError, codec.WireError, *_FAILURES) as error:
            log.warning(
                "a renewal failed", extra={"topic": topic[:200], "reason": str(error)[:500]}
            )
            return
        if given is not None and self._client is not None:
            answer = topics.down(who.tenant, who.van, "certificate")
            self._client.publish(answer, codec.encode(given), qos=1)


def _subscribe(client: paho.Client, *_: Any) -> None:
    client.subscribe(topics.every_up(topics.RENEW), qos=1)
