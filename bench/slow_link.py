"""A backlog of eight hours on 64 kbit/s each way with 150 ms: how old live fixes are meanwhile.

The link holds back without end what it cannot carry, as a cell's buffers do. The age of a live fix
is from the gateway's taking it to its coming out of the broker, by one clock. The peer is the same
link with a client that hands all of its backlog to the socket, as a queue without a window does.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Final

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.drain import FIXES
from bench.figure import Figure
from bench.uplink_rig import LiveAges, Rig, rig, spool_backlog, van, wait_for
from bench.wire_size import drive
from tests.gateway.rig import TENANT, VAN
from wire import codec, topics
from wire.messages import Batch, Live

NAME: Final = "slowlink"
_BYTES_A_SECOND: Final = 8_000
_ROUND_TRIP_S: Final = 0.15
_RUNS: Final = 3
_PACE: Final = {
    "batch_fixes": 300,
    "batch_wait_s": 120.0,
    "live_every_s": 1.0,
    "resend_after_s": 60.0,
}


def run() -> Iterator[Figure]:
    """Measure."""
    ages: list[float] = []
    took: list[float] = []
    for _ in range(_RUNS):
        with rig(delay_s=_ROUND_TRIP_S / 2, bytes_a_second=_BYTES_A_SECOND) as parts:
            drained_s, seen = _drain(parts)
            took.append(drained_s)
            ages += seen
    with rig(delay_s=_ROUND_TRIP_S / 2, bytes_a_second=_BYTES_A_SECOND) as parts:
        peer = _flooded(parts)
    peer_is = "all of it handed to the socket"
    yield Figure(
        bench=NAME, figure=f"live p99 of {len(ages)} in the drain", value=round(_p99(ages), 2),
        unit="s", goal=2, peer=peer_is, peer_value=round(_p99(peer), 2),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="live median in the drain", value=round(statistics.median(ages), 2),
        unit="s", peer=peer_is, peer_value=round(statistics.median(peer), 2),
    )  # fmt: skip
    figure = f"{FIXES} fixes acknowledged meanwhile"
    yield Figure(bench=NAME, figure=figure, value=round(max(took), 1), unit="s")


def _p99(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _drain(parts: Rig) -> tuple[float, list[float]]:
    with van(parts, _PACE) as gateway:
        stream = spool_backlog(gateway, FIXES)
        ages = LiveAges(parts.cloud)
        try:
            gateway.start()
            done_s = wait_for(parts.cloud, stream, FIXES, 300)
        finally:
            ages.stop()
        return done_s - parts.link.connects_at_s[0], [
            a for at_s, a in ages.ages_s if at_s <= done_s
        ]


def _flooded(parts: Rig) -> list[float]:
    """Full batches as fast as the socket takes them, and a live fix a second behind them."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id="peer", protocol=MQTTProtocolVersion.MQTTv311
    )
    client.username_pw_set(VAN, "secret")
    client.max_inflight_messages_set(0)
    client.connect("127.0.0.1", parts.link.port)
    client.loop_start()
    fixes = drive(1, FIXES)
    sent = [
        client.publish(
            topics.up(TENANT, VAN, "batch"),
            codec.encode_batch(Batch(stream=7, first=at, fixes=tuple(fixes[at : at + 300]))),
            qos=1,
        )
        for at in range(0, FIXES, 300)
    ]
    ages = LiveAges(parts.cloud)
    second = 0
    while not sent[-1].is_published():
        second += 1
        now_ms = time.time_ns() // 1_000_000
        live = Live(fix=msgspec.structs.replace(fixes[second], recorded_at_ms=now_ms))
        client.publish(topics.up(TENANT, VAN, "live"), codec.encode_live(live), qos=0)
        time.sleep(1)
    ages.stop()
    client.disconnect()
    client.loop_stop()
    return [age for _, age in ages.ages_s]
