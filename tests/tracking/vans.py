"""A van as ingest sees it: a client of the broker that publishes and listens for `Ack`."""

import threading
from typing import Any, Final, Self

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from cloud.foundation.broker import BrokerLogin, GatewayCredential
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import RetentionSettings
from cloud.tracking.history import ArrivedRow
from cloud.tracking.intake import Arrived, Group, Intake
from cloud.tracking.model import Committed
from cloud.tracking.shelf import Shelf
from tests.parts.broker import wait_for
from wire import codec, topics
from wire.messages import Ack, Batch, Event, Fix, Live

NOON_MS = 1_717_416_000_000
"""2024-06-03T12:00:00Z: past on every clock that a test may meet."""


def fix(second: int, *, lat_e7: int = -299_000_000) -> Fix:
    """A fix taken ``second`` s after noon, a little further north each second."""
    return Fix(
        recorded_at_ms=NOON_MS + second * 1000 + 40,
        fix_time_ms=NOON_MS + second * 1000,
        lat_e7=lat_e7 + second,
        lon_e7=-712_500_000,
        mode=3,
        speed_cmps=1000,
        course_ddeg=900,
        source="serial",
        quality="gnss",
    )


def batch(stream: int, first: int, count: int = 10) -> Batch:
    """Fixes ``first`` to ``first + count - 1`` of ``stream``, one a second from noon."""
    return Batch(
        stream=stream, first=first, fixes=tuple(fix(first + place) for place in range(count))
    )


def arrived_row(batch: Batch, van: str = "van-1", received_at_ms: int = NOON_MS) -> ArrivedRow:
    """A batch of a van as ingest stores it when nothing of it is stored yet."""
    seqs = batch.seqs
    return ArrivedRow(
        *("main", van, batch.stream, seqs[0], seqs[-1], len(seqs), received_at_ms),
        codec.encode_batch(batch),
    )


KEPT: Final = RetentionSettings(
    positions_days=36_000, events_days=36_000, answers_days=36_000, set_aside_days=36_000
)
"""Long enough for what a test's vans say to have happened at `NOON_MS`."""


def keep_for_ever(data: DataFolder) -> None:
    """Let the settings of a data folder end nothing that vans said at `NOON_MS`."""
    told = data.settings.read_text() if data.settings.exists() else ""
    if "[retention]" not in told:
        days = "".join(f"{name} = {days}\n" for name, days in msgspec.structs.asdict(KEPT).items())
        data.settings.write_text(f"{told}\n[retention]\n{days}")


def event_rows(van: str, *told: Event) -> list[tuple[Any, ...]]:
    """Events of a van as ingest stores them."""
    intake = Intake(
        standing_of=lambda *_: "known",
        load=lambda _: Committed(),
        load_shelf=lambda *_: Shelf(),
        complain=lambda _: None,
        live=[],
    )
    group, topic = Group(), topics.up("main", van, "event")
    for one in told:
        arrived = Arrived(topic=topic, payload=codec.encode(one), received_at_ms=one.recorded_at_ms)
        intake.take(arrived, group)
    assert len(group.writes.events) == len(told)
    return group.writes.events


def encoded(message: msgspec.Struct) -> bytes:
    """Any message of a van as its bytes."""
    match message:
        case Batch():
            return codec.encode_batch(message)
        case Live():
            return codec.encode_live(message)
        case _:
            return codec.encode(message)


class Ears:
    """A client of the broker that hears what it subscribes to."""

    def __init__(
        self,
        port: int,
        login: BrokerLogin | GatewayCredential,
        *filters: str,
        is_lasting: bool = False,
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.disconnects = 0
        self._filters = filters
        self._answers: list[bool] = []
        self._listening = threading.Event()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            protocol=paho.MQTTv311,
            clean_session=not is_lasting,
        )
        self.client.username_pw_set(login.username, login.password)
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_subscribe
        self.client.connect_async("127.0.0.1", port, keepalive=20)
        self.client.loop_start()

    def may_hear(self, topic_filter: str) -> bool:
        """Whether the broker lets it subscribe."""
        before = len(self._answers)
        self.client.subscribe(topic_filter, qos=1)
        wait_for(lambda: len(self._answers) > before, f"an answer about {topic_filter}")
        return self._answers[before]

    def say_on(self, topic: str, payload: bytes, *, qos: int = 1, **options: Any) -> None:
        """Publish anywhere."""
        self.client.publish(topic, payload, qos=qos, **options)

    def leave(self) -> None:
        """Disconnect and end the thread."""
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Self:
        assert self._listening.wait(10), "the broker does not let it in"
        return self

    def __exit__(self, *_error: object) -> None:
        self.leave()

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if not reason.is_failure:
            client.subscribe([(one, 1) for one in self._filters])

    def _on_disconnect(self, *_: Any) -> None:
        self.disconnects += 1

    def _on_subscribe(self, _c: Any, _d: Any, _m: int, reasons: list[Any], _p: Any) -> None:
        self._answers.append(not any(reason.is_failure for reason in reasons))
        self._listening.set()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))


class Van(Ears):
    """A gateway's end of the wire."""

    def __init__(
        self, port: int, credential: GatewayCredential, *, is_lasting: bool = False
    ) -> None:
        self.tenant, self.name = credential.tenant, credential.van
        self.acks: dict[str, Ack] = {}
        filters = topics.down_all(self.tenant, self.name)
        super().__init__(port, credential, filters, is_lasting=is_lasting)

    def say(
        self, kind: str, payload: bytes | msgspec.Struct, *, qos: int = 1, **options: Any
    ) -> None:
        """Publish below its own ``up/``."""
        content = payload if isinstance(payload, bytes) else encoded(payload)
        self.say_on(topics.up(self.tenant, self.name, kind), content, qos=qos, **options)

    def upto(self, stream: int) -> int:
        """What it was last told is committed of ``stream``; -2 when it was told nothing."""
        ack = self.acks.get(str(stream))
        return -2 if ack is None else ack.upto

    def _on_message(self, client: Any, data: Any, message: paho.MQTTMessage) -> None:
        super()._on_message(client, data, message)
        if message.topic == topics.down(self.tenant, self.name, "ack"):
            ack = codec.decode(bytes(message.payload), Ack)
            self.acks[ack.stream] = ack
