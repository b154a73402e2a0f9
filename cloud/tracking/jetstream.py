"""The inbox on the embedded broker that reads batches and events from a JetStream stream.

The stream holds what vans publish until it is acknowledged, after the commit, by a pull consumer.
It takes the two kinds that a van sends again until ``dn/ack``: when it is full what is new is
refused, and the van still has it. Everything else, and what is published, goes over MQTT as in the
other inbox: a retained message can be made there only.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from cloud.foundation.broker import BrokerAddress, StreamAccess
from cloud.foundation.broker_config import STREAM, STREAM_CONSUMER, STREAM_INBOX, BrokerLogin
from cloud.tracking.inbox import MqttInbox, of_vans
from cloud.tracking.intake import Arrived
from wire import topics

_log = logging.getLogger(__name__)

KINDS: Final = ("batch", "event")
"""What a van keeps until ``dn/ack``, whatever the broker confirms."""
MAX_BYTES: Final = 1024**3
ACK_WAIT_S: Final = 10
"""What a killed ingest held comes again so long after it was given out."""
_MAX_PENDING: Final = 4_000
_ASK: Final = 1_000
_SUBJECTS: Final = [topics.every_up(kind).translate(str.maketrans("/+", ".*")) for kind in KINDS]
_CONNECT_WITHIN_S: Final = 5
_BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class StreamToken(NamedTuple):
    """One delivery: its number in the stream, and the subject that acknowledges it."""

    number: int
    reply: str


class JetStreamInbox:
    """What the vans say, from a stream and over MQTT. Not for use by more than one thread."""

    def __init__(
        self,
        address: BrokerAddress,
        login: BrokerLogin,
        stream: StreamAccess,
        now_ms: Callable[[], int],
        *,
        max_bytes: int = MAX_BYTES,
        is_ending: bool = False,
    ) -> None:
        """``is_ending``: the stream takes nothing new, which comes over MQTT; the rest is read."""
        kinds = tuple(kind for kind in topics.UP_KINDS if is_ending or kind not in KINDS)
        self._subjects = [STREAM] if is_ending else _SUBJECTS
        self._mqtt = MqttInbox(address, login, now_ms, of_vans(kinds))
        self._stream = stream
        self._now_ms = now_ms
        self._max_bytes = max_bytes
        self._loop = asyncio.new_event_loop()
        self._client: Client | None = None
        self._arrived: deque[Arrived] = deque()
        self._held: set[int] = set()
        self._asked = 0
        self._something = asyncio.Event()
        self._failures = 0
        self._next_try_s = 0.0
        self._stream_state = "not connected yet"

    @property
    def state(self) -> str:
        """``ok``, or what is wrong with either way."""
        return self._mqtt.state if self._mqtt.state != "ok" else self._stream_state

    @property
    def is_ready(self) -> bool:
        """Whether both ways are open."""
        return self.state == "ok"

    def receive(
        self, timeout_s: float, at_most: int = 1_000, gather_s: float = 0.0
    ) -> list[Arrived]:
        """What arrives within ``timeout_s``, and ``gather_s`` after the first of it."""
        until_s = time.monotonic() + timeout_s
        self._run(self._look(0.0))
        found = self._mqtt.receive(0.0 if self._stream_state == "ok" else timeout_s, at_most)
        left_s = until_s - time.monotonic()
        if not found and not self._arrived and left_s > 0:
            self._run(self._look(left_s))
            found = self._mqtt.receive(0.0, at_most)
        if gather_s > 0 and (found or self._arrived):
            self._run(asyncio.sleep(gather_s))
            found += self._mqtt.receive(0.0, at_most - len(found))
        room = min(at_most - len(found), len(self._arrived))
        return found + [self._arrived.popleft() for _ in range(room)]

    def has_news(self) -> bool:
        """Whether something can be received at once."""
        if not self._arrived:
            self._run(self._look(0.0))
        return bool(self._arrived) or self._mqtt.has_news()

    def pause(self, timeout_s: float) -> None:
        """Let time pass without reading, so that the broker has to wait."""
        self._run(asyncio.sleep(0))
        self._mqtt.pause(timeout_s)

    def is_current(self, arrived: Arrived) -> bool:
        """Whether ``arrived`` can still be acknowledged; of the stream always."""
        return isinstance(arrived.token, StreamToken) or self._mqtt.is_current(arrived)

    def acknowledge(self, messages: list[Arrived]) -> None:
        """The broker may forget these."""
        tokens = [one.token for one in messages if isinstance(one.token, StreamToken)]
        if len(tokens) < len(messages):
            self._mqtt.acknowledge(messages)
        if tokens:
            self._held.difference_update(token.number for token in tokens)
            self._run(self._confirm(tokens))

    def publish(self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False) -> bool:
        """Send each once, all at once or not at all; tells whether they were sent or will be."""
        return self._mqtt.publish(messages, retain=retain)

    def close(self) -> None:
        """Leave the broker, which keeps the stream and the session."""
        if self._client is not None:
            with contextlib.suppress(NatsError, OSError):
                self._loop.run_until_complete(self._client.close())
        self._mqtt.close()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do ``work``; a stream that fails is told, and connected to again a little later."""
        try:
            self._loop.run_until_complete(work)
        except (NatsError, OSError, TimeoutError) as error:
            self._lose(f"stream: {str(error) or type(error).__name__}")

    def _lose(self, reason: str) -> None:
        if reason != self._stream_state:
            _log.warning("the stream is away", extra={"reason": reason})
        self._stream_state = reason
        self._next_try_s = time.monotonic() + _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(NatsError, OSError):
                self._loop.run_until_complete(client.close())
        # What was read and not handed out comes again; what was handed out is still held.
        self._held.difference_update(
            one.token.number for one in self._arrived if isinstance(one.token, StreamToken)
        )
        self._arrived.clear()

    async def _look(self, timeout_s: float) -> None:
        """Let messages in, for ``timeout_s`` at the most and only until there is one."""
        if self._client is not None and self._client.is_closed:
            raise NatsError("connection lost")
        if self._client is None:
            if time.monotonic() >= self._next_try_s:
                await self._connect()
            return
        await self._ask()
        await asyncio.sleep(0)
        if self._arrived or timeout_s <= 0:
            return
        self._something.clear()
        socket = self._mqtt.fileno()
        if socket is not None:
            self._loop.add_reader(socket, self._something.set)
        try:
            async with asyncio.timeout(timeout_s):
                await self._something.wait()
        except TimeoutError:
            pass
        finally:
            if socket is not None:
                self._loop.remove_reader(socket)

    async def _ask(self) -> None:
        """Let the broker send as many as there is room for."""
        client = self._client
        assert client is not None  # noqa: S101 - it is connected
        if self._asked <= _ASK // 2 and len(self._arrived) < _ASK:
            wanted = _ASK - self._asked
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{STREAM_CONSUMER}"
            told = msgspec.json.encode({"batch": wanted})
            await client.publish(subject, told, reply=f"{STREAM_INBOX}.pull")
            self._asked += wanted

    async def _connect(self) -> None:
        client = await nats.connect(
            f"nats://{self._stream.host}:{self._stream.port}",
            user=self._stream.username,
            password=self._stream.password,
            inbox_prefix=STREAM_INBOX.encode(),
            allow_reconnect=False,
            connect_timeout=_CONNECT_WITHIN_S,
            name="ingest",
            error_cb=self._on_error,
        )
        self._client = client
        await self._make_stream(client)
        self._asked = 0
        subscribed = await client.subscribe(
            f"{STREAM_INBOX}.pull",
            cb=self._on_message,
            pending_msgs_limit=2 * _MAX_PENDING,
            pending_bytes_limit=-1,
        )
        await client.flush(_CONNECT_WITHIN_S)
        _log.info("reads the stream", extra={"subscription": subscribed.subject})
        self._failures, self._stream_state = 0, "ok"

    async def _make_stream(self, client: Client) -> None:
        """The stream and its consumer, as this release wants them."""
        manager = client.jsm(timeout=_CONNECT_WITHIN_S)
        config = StreamConfig(
            name=STREAM,
            subjects=self._subjects,
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_bytes=self._max_bytes,
        )
        try:
            await manager.update_stream(config)
        except NotFoundError:
            await manager.add_stream(config)
        await manager.add_consumer(
            STREAM,
            ConsumerConfig(
                durable_name=STREAM_CONSUMER,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=_MAX_PENDING,
                max_waiting=16,
            ),
        )

    async def _on_error(self, error: Exception) -> None:
        _log.warning("the stream's connection complains", extra={"reason": str(error)})

    async def _on_message(self, message: Msg) -> None:
        """Keep what came; one that is held already came again because it is not written yet."""
        self._something.set()
        if not message.reply.startswith("$JS.ACK."):
            self._asked = 0  # a word on the request itself: it has ended
            return
        self._asked -= 1
        number = int(message.reply.split(".")[5])
        if number in self._held:
            return
        self._held.add(number)
        self._arrived.append(
            Arrived(
                topic=message.subject.replace(".", "/"),
                payload=message.data,
                received_at_ms=self._now_ms(),
                token=StreamToken(number, message.reply),
            )
        )

    async def _confirm(self, tokens: list[StreamToken]) -> None:
        if self._client is None:
            return  # it comes again, and is found to be committed
        for token in tokens:
            await self._client.publish(token.reply)


def remove_stream(access: StreamAccess) -> None:
    """Take the stream away with all that is in it.

    Raises:
        NatsError, OSError, TimeoutError: the broker does not do it.
    """

    async def remove() -> None:
        client = await nats.connect(
            f"nats://{access.host}:{access.port}",
            user=access.username,
            password=access.password,
            inbox_prefix=STREAM_INBOX.encode(),
            allow_reconnect=False,
            connect_timeout=_CONNECT_WITHIN_S,
            name="ingest",
        )
        try:
            await client.jsm(timeout=_CONNECT_WITHIN_S).delete_stream(STREAM)
        finally:
            await client.close()

    asyncio.run(remove())
