"""What is retained on the feed, brought to what it should be.

A retained message stays until somebody clears it (MQTT 3.1.1, 3.3.1.3): the position of a van that
was removed, or given to another carrier, would be told to every new subscriber for ever. So the
feed is looked at as a subscriber sees it, and what should not be there is cleared.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy.exc import DBAPIError

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.errors import CloudError, Unavailable
from cloud.foundation.mqtt import make_client
from cloud.integrations.feed.home_assistant import tracker_config, tracker_topic
from cloud.integrations.vans import Publish
from wire import topics

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0
_SOON_S: Final = 15.0
"""After a change once more: ingest learns of it some seconds later, and may tell of before."""
_AGAIN_EVERY_S: Final = 600.0
_QUIET_S: Final = 1.0
_WITHIN_S: Final = 10.0
_MOST_TOPICS: Final = 200_000
_CLEARED: Final = b""

type Vans = Mapping[tuple[str, str], str]
"""The carrier of each (tenant, van)."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the feed should hold: the vans there are, and who wants Home Assistant told."""

    vans: dict[tuple[str, str], str]
    home_assistant: frozenset[str]

    def trackers(self) -> dict[str, bytes]:
        """The discovery messages, by topic."""
        return {
            tracker_topic(tenant, carrier, van): tracker_config(tenant, carrier, van)
            for (tenant, van), carrier in self.vans.items()
            if tenant in self.home_assistant
        }

    def has_position(self, topic: str) -> bool:
        """Whether a van's position may stand there."""
        of = topics.parse_feed("position", topic)
        return of is not None and self.vans.get((of.tenant, of.van)) == of.carrier


def corrections(wanted: Wanted, found: Mapping[str, bytes]) -> dict[str, bytes]:
    """What is to be retained, or cleared, by topic, so that ``found`` becomes as ``wanted``."""
    trackers = wanted.trackers()
    missing = {topic: told for topic, told in trackers.items() if found.get(topic) != told}
    surplus = [topic for topic in found if topic not in trackers and not wanted.has_position(topic)]
    return missing | dict.fromkeys(surplus, _CLEARED)


class RetainedFeed:
    """Looks at what is retained when fleet or options change, and now and then."""

    def __init__(
        self, broker: BrokerAccess, wanted: Callable[[], Wanted], publish: Publish
    ) -> None:
        self._broker = broker
        self._wanted = wanted
        self._publish = publish
        self._settled: Wanted | None = None
        self._due_s = 0.0

    async def run(self) -> None:
        """Keep the feed right until cancelled."""
        while True:
            try:
                await self._look()
            except (CloudError, DBAPIError, OSError) as error:
                log.warning("the feed was not looked at", extra={"reason": str(error)})
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look(self) -> None:
        wanted = await asyncio.to_thread(self._wanted)
        now_s = time.monotonic()
        is_changed = wanted != self._settled
        if not is_changed and now_s < self._due_s:
            return
        filters = [topics.feed_every("position"), topics.feed_every("tracker")]
        found = await asyncio.to_thread(retained, self._broker, filters)
        for topic, told in corrections(wanted, found).items():
            await self._publish(topic, told, retain=True)
        self._settled = wanted
        self._due_s = now_s + (_SOON_S if is_changed else _AGAIN_EVERY_S)


def retained(broker: BrokerAccess, filters: Iterable[str]) -> dict[str, bytes]:
    """What the broker tells a new subscriber at once, by topic.

    Raises:
        Unavailable: the broker does not answer.
    """
    subscriber = _Subscriber(broker, [(one, 0) for one in filters])
    try:
        subscriber.listen()
    finally:
        subscriber.leave()
    return subscriber.found


class _Subscriber:
    """A client that comes, hears what is retained, and goes."""

    def __init__(self, broker: BrokerAccess, filters: list[tuple[str, int]]) -> None:
        login = broker.login("web")
        own = msgspec.structs.replace(login, client_id=f"{login.client_id}kept")
        self.found: dict[str, bytes] = {}
        self._filters = filters
        self._address = broker.address()
        self._answered, self._news = threading.Event(), threading.Event()
        self._client = make_client(self._address, own, is_lasting=False)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe

    def listen(self) -> None:
        """Return when nothing retained has come for a second."""
        try:
            self._client.connect(self._address.host, self._address.port)
        except (OSError, ValueError) as error:
            raise Unavailable(f"the broker cannot be reached: {error}") from error
        self._client.loop_start()
        if not self._answered.wait(_WITHIN_S):
            raise Unavailable("the broker does not answer a subscription")
        while self._news.wait(_QUIET_S):
            self._news.clear()

    def leave(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _: Any) -> None:
        if not reason.is_failure:
            client.subscribe(self._filters)

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        if message.retain and len(self.found) < _MOST_TOPICS:
            self.found[message.topic] = bytes(message.payload)
            self._news.set()

    def _on_subscribe(self, *_: Any) -> None:
        self._answered.set()
        self._news.set()
