"""Data of one van a month: 22 days of 10 hours, as the contract for data counts it.

A real gateway with its default settings drives at 1 Hz for some minutes in real time, over TLS, to
a real broker and a cloud that commits and acknowledges. Bytes and segments are the kernel's own
counts on the van's connection, both ways; each segment, one that only acknowledges too, has 40
bytes of IP and TCP headers: the firmware's settings leave TCP's timestamps out, which takes a
network of our own here, and root. What a connect costs is measured apart and counted twenty times
a day.

The month is extrapolated from these minutes. The link is a loopback behind a delay, so nothing is
lost and sent again, which a poor cell would add.
"""

import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.figure import Figure
from bench.uplink_rig import LiveAges, Rig, rig, van
from bench.wire_size import drive
from gateway.settings import UplinkSettings
from gateway.uplink.traffic import read
from tests.gateway.rig import TENANT, VAN, wait_until
from wire import topics

NAME: Final = "month"
MEASURED_S: Final = float(os.environ.get("BENCH_MONTH_S", "600"))
"""Two batches, by default."""
_SETTLED_S: Final = 20.0
_DAYS: Final = 22
_HOURS: Final = 10
_CONNECTS: Final = 20
_ROUND_TRIP_S: Final = 0.15
_PEER_LIVE_S: Final = 5.0
_PEER_SAMPLE: Final = 30
_DEFAULTS: Final = UplinkSettings()
_PACE: Final = {
    "batch_fixes": _DEFAULTS.batch_fixes,
    "batch_wait_s": _DEFAULTS.batch_wait_s,
    "live_every_s": _DEFAULTS.live_every_s,
    "resend_after_s": _DEFAULTS.resend_after_s,
}


def run() -> Iterator[Figure]:
    """Measure."""
    _set_as_in_a_van()
    with rig(delay_s=_ROUND_TRIP_S / 2, is_tls=True) as parts:
        connect, a_second, rows_a_second, oldest_s = _gateway(parts)
        live_bytes, row_bytes = _peer(parts, "live", 0), _peer(parts, "result", 1)
    worked_s = _HOURS * 3600
    month = _DAYS * (a_second * worked_s + connect * _CONNECTS) / 1e6
    peer_day = worked_s / _PEER_LIVE_S * live_bytes + worked_s * rows_a_second * row_bytes
    peer = (_DAYS * (peer_day + connect * _CONNECTS)) / 1e6
    yield Figure(
        bench=NAME, figure=f"a van's month of {_DAYS} x {_HOURS} h, all counted",
        value=round(month, 1), unit="MB", goal=50,
        peer="JSON live each 5 s and a JSON row a message", peer_value=round(peer, 1),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure=f"oldest known position in {MEASURED_S:.0f} s", value=round(oldest_s, 2),
        unit="s", goal=5,
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="one connect, until settled", value=round(connect), unit="bytes"
    )
    yield Figure(
        bench=NAME, figure="an hour of driving", value=round(a_second * 3600 / 1000, 1), unit="kB"
    )
    yield Figure(
        bench=NAME, figure="fixes kept a minute", value=round(rows_a_second * 60, 1), unit="fixes"
    )


def _set_as_in_a_van() -> None:
    """Move to a network of our own without TCP's timestamps, as firmware_config sets a van's."""
    os.unshare(os.CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/tcp_timestamps").write_text("0")


def _gateway(parts: Rig) -> tuple[float, float, float, float]:
    """Bytes of a connect, bytes and kept fixes a second after it, and the oldest position."""
    with van(parts, _PACE, keeping="is_all = false") as gateway:
        gateway.start()
        wait_until(lambda: parts.cloud.count("live") > 0, "it is live", 30)
        time.sleep(_SETTLED_S)
        before = parts.link.traffic().billed_bytes
        lives = parts.cloud.count("live")
        ages = LiveAges(parts.cloud)
        began_s = time.monotonic()
        rows = len(parts.cloud.stored())
        time.sleep(MEASURED_S)
        after = parts.link.traffic().billed_bytes
        took_s = time.monotonic() - began_s
        ages.stop()
        kept = len(parts.cloud.stored()) - rows
    a_second = (after - before) / took_s
    known = ages.ages_s[lives:]
    oldest_s = max(
        came_s - (came_before_s - age_s) for (came_before_s, age_s), (came_s, _) in pairwise(known)
    )
    return before, a_second, kept / took_s, oldest_s


def _peer(parts: Rig, kind: str, qos: int) -> float:
    """Bytes of one JSON fix as a message of its own, receipts and headers counted."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=f"peer{qos}", protocol=MQTTProtocolVersion.MQTTv311
    )
    client.username_pw_set(VAN, "secret")
    client.tls_set(str(parts.ca_file), cert_reqs=ssl.CERT_REQUIRED)
    client.connect("127.0.0.1", parts.broker.port)
    client.loop_start()
    wait_until(client.is_connected, "the peer is connected")
    time.sleep(1)
    before = read(client.socket())
    for fix in drive(5, _PEER_SAMPLE):
        client.publish(topics.up(TENANT, VAN, kind), msgspec.json.encode(fix), qos)
        time.sleep(0.4)
    after = read(client.socket())
    client.disconnect()
    client.loop_stop()
    if before is None or after is None:
        raise RuntimeError("the kernel does not count; run it on Linux")
    return (after.traffic.billed_bytes - before.traffic.billed_bytes) / _PEER_SAMPLE
