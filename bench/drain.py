"""Eight hours without a link, then a link with 150 ms of round trip: how long until all is acked.

A real gateway, a real broker, and a cloud that commits each batch to SQLite (FULL) before it
acknowledges. The clock runs from the moment the link takes the van's connection, so TCP, MQTT and
the question what the cloud has are in it, to the cloud's last acknowledgement arriving in the van.
The peers' ways run over the same link on a sample and are multiplied.
"""

import threading
import time
from collections.abc import Iterator
from typing import Final

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.figure import Figure
from bench.uplink_rig import Rig, rig, spool_backlog, van, wait_for
from bench.wire_size import drive
from tests.gateway.rig import TENANT, VAN
from wire import topics

NAME: Final = "drain"
FIXES: Final = 28_800
_ROUND_TRIP_S: Final = 0.15
_PACE: Final = {
    "batch_fixes": 300,
    "batch_wait_s": 120.0,
    "live_every_s": 4.0,
    "resend_after_s": 60.0,
}
_ONE_SAMPLE: Final = 40
_WINDOW_SAMPLE: Final = 600


def run() -> Iterator[Figure]:
    """Measure."""
    with rig(delay_s=_ROUND_TRIP_S / 2) as parts:
        took_s = _gateway_s(parts)
        one_s = _single_s(parts, 1, _ONE_SAMPLE)
        twenty_s = _single_s(parts, 20, _WINDOW_SAMPLE)
    yield Figure(
        bench=NAME, figure=f"{FIXES} fixes acknowledged, 150 ms", value=round(took_s, 2), unit="s",
        goal=5, peer=f"one in flight, {_ONE_SAMPLE} fixes extrapolated", peer_value=round(one_s),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="the same beside a window of 20 single fixes", value=round(took_s, 2),
        unit="s", peer=f"{_WINDOW_SAMPLE} fixes extrapolated", peer_value=round(twenty_s),
    )  # fmt: skip


def _gateway_s(parts: Rig) -> float:
    with van(parts, _PACE) as gateway:
        stream = spool_backlog(gateway, FIXES)
        gateway.start()
        done_s = wait_for(parts.cloud, stream, FIXES, 60) + _ROUND_TRIP_S / 2
        return done_s - parts.link.connects_at_s[0]


def _single_s(parts: Rig, window: int, sample: int) -> float:
    """Fixes as JSON, one a message, so many waiting for the broker's receipt; scaled to all."""
    room = threading.Semaphore(window)
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"peer{window}",
        protocol=MQTTProtocolVersion.MQTTv311,
    )
    client.username_pw_set(VAN, "secret")
    client.on_publish = lambda *_: room.release()
    client.max_inflight_messages_set(window)
    client.connect("127.0.0.1", parts.link.port)
    client.loop_start()
    while not client.is_connected():
        time.sleep(0.01)
    topic = topics.up(TENANT, VAN, "result")
    began_s = time.monotonic()
    for fix in drive(3, sample):
        room.acquire()
        client.publish(topic, msgspec.json.encode(fix), qos=1)
    for _ in range(window):
        room.acquire()
    took_s = time.monotonic() - began_s
    client.disconnect()
    client.loop_stop()
    return took_s * FIXES / sample
