"""100,000 fixes over random faults: what was committed in the van is stored in the cloud, once.

A real gateway reads a recording at a high rate, keeps every fix, and commits a group each 0.3 s.
It is killed; its link is cut, cut in mid-packet, half-closed or goes silent; the broker is killed,
or killed and wiped; the cloud, a process that commits to SQLite and then acknowledges, is killed.

A fix counts as taken when its group was committed to the van's spool: those that a kill caught
before are bounded by the group's time and told apart. Seqs are given on entry, so a hole in a
stream would show a fix that was taken and lost. Events are counted with the fixes.

The cloud takes no batch that holds the 5,000th fix of a stream, however often it comes: the van
sets it aside in the end, which is a drop on purpose and must be told as a gap.

The naive way runs beside it through the same faults: QoS 1 to the same broker, and a message is
forgotten when the broker has confirmed it.
"""

import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.figure import Figure
from bench.loss_cloud import NAIVE
from bench.uplink_rig import nmea
from bench.wire_size import drive
from tests.gateway.link_proxy import LinkProxy
from tests.gateway.rig import ROOT, TENANT, VAN, Broker, Van
from wire import topics
from wire.events import Gap
from wire.messages import Event

NAME: Final = "loss"
FIXES: Final = int(os.environ.get("BENCH_LOSS_FIXES", "100000"))
FAULTS: Final = int(os.environ.get("BENCH_LOSS_FAULTS", "60"))
_RATE_HZ: Final = 150.0
_COMMIT_S: Final = 0.3
_FIX_BEGINS: Final = b'{"recorded_at_ms"'
_SETTLE_S: Final = 300.0
_PACE: Final = {"batch_fixes": 300, "batch_wait_s": 1.0, "live_every_s": 4.0, "resend_after_s": 8.0}


def run() -> Iterator[Figure]:
    """Measure; the seed is in the first figure, and BENCH_LOSS_SEED repeats a run."""
    seed = int(os.environ.get("BENCH_LOSS_SEED", str(secrets.randbits(32))))
    print(f"loss: seed {seed}", flush=True)
    with ExitStack() as ending, tempfile.TemporaryDirectory(prefix="roundsman-loss-") as folder:
        field = Field(Path(folder), random.Random(seed), ending)
        field.run()
        counts = field.count()
        naive_lost, naive_freed = field.naive_lost()
    taken, told = counts["taken"], counts["gap"]
    faults = sum(field.faults.values())
    yield Figure(
        bench=NAME, figure=f"lost of {taken} taken, {faults} faults, seed {seed}",
        value=counts["lost"], unit="fixes", goal=0,
        peer=f"freed at the broker's receipt, of {naive_freed} messages", peer_value=naive_lost,
    )  # fmt: skip
    yield Figure(bench=NAME, figure="stored twice", value=counts["twice"], unit="fixes", goal=0)
    yield Figure(
        bench=NAME, figure="dropped on purpose, without a gap", value=counts["untold"],
        unit="fixes", goal=0,
    )  # fmt: skip
    yield Figure(bench=NAME, figure="told as a gap", value=told, unit="fixes")
    yield Figure(
        bench=NAME,
        figure="fixes stored",
        value=counts["fixes"],
        unit="fixes",
        goal=FIXES,
        better="more",
    )
    kills = field.faults["the gateway is killed"]
    yield Figure(
        bench=NAME, figure=f"in the uncommitted groups of {kills} kills, at most",
        value=round(kills * _COMMIT_S * _RATE_HZ), unit="fixes",
    )  # fmt: skip
    for name, count in sorted(field.faults.items()):
        yield Figure(bench=NAME, figure=f"fault: {name}", value=count, unit="times")


class Field:
    """The parts, and what is done to them."""

    def __init__(self, folder: Path, chance: random.Random, ending: ExitStack) -> None:
        self._folder = folder
        self._chance = chance
        self._store = folder / "cloud.db"
        self._broker = Broker(folder / "broker")
        self._broker.start()
        ending.callback(self._broker.kill)
        self._link = LinkProxy(self._broker.port, delay_s=0.03)
        ending.callback(self._link.stop)
        self._cloud: subprocess.Popen[bytes] | None = None
        self._start_cloud()
        ending.callback(self._kill_cloud)
        self._recording = folder / "recording.nmea"
        self._epochs = [nmea(fix, fix.fix_time_ms or 0) for fix in drive(4, round(FIXES * 2.0))]
        self._next = 0
        self._rows: set[tuple[str, int]] = set()
        self._started_s = 0.0
        self._van = Van(
            folder / "van", self._link.port,
            f'kind = "replay"\nfile = "{self._recording}"\nrate_hz = {_RATE_HZ}',
            _PACE, keepalive_s=5, commit_every_s=_COMMIT_S,
        )  # fmt: skip
        self._start_van()
        ending.callback(self._van.kill)
        self._naive = Naive(self._broker.port)
        ending.callback(self._naive.stop)
        self._kinds: dict[str, Callable[[], None]] = {
            "the gateway is killed": self._restart_van,
            "the link is cut": self._link.cut,
            "the link is cut in mid-packet": lambda: self._link.cut_after(
                chance.randrange(1, 3000)
            ),
            "the link is half-closed": self._link.half_close,
            "the link goes silent": self._silence,
            "the broker is killed": self._restart_broker,
            "the broker is wiped": self._broker.wipe,
            "the cloud is killed": self._restart_cloud,
        }
        self.faults = dict.fromkeys(self._kinds, 0)

    def run(self) -> None:
        """Drive and break until there were enough fixes and faults; then let it settle."""
        pause_s = FIXES / _RATE_HZ / FAULTS
        waiting: list[str] = []
        while sum(self.faults.values()) < FAULTS or self._fixes() < FIXES:
            time.sleep(self._chance.uniform(0.3, 1.5) * pause_s)
            if not waiting:  # each kind as often as the others
                waiting = self._chance.sample(sorted(self._kinds), len(self._kinds))
            name = waiting.pop()
            self._kinds[name]()
            self.faults[name] += 1
            print(f"loss: {sum(self.faults.values())} {name}", flush=True)
        self._van.stop()
        self._naive.pause()
        self._rows = self._van.spooled()
        self._recording.write_bytes(b"")
        self._van.start()
        end_s = time.monotonic() + _SETTLE_S
        while time.monotonic() < end_s and not self._rows <= self._seen() | self._told():
            time.sleep(2)
        self._van.stop()

    def count(self) -> dict[str, int]:
        """What was taken in the van, stored in the cloud and told as a gap."""
        taken, seen = self._rows, self._seen()
        gaps = self._told()
        with closing(self._open()) as store:
            query = (
                "SELECT coalesce(sum(n - 1), 0) FROM"
                " (SELECT count(*) AS n FROM seen WHERE instr(body, ?) = 1 GROUP BY stream, body)"
            )
            twice = store.execute(query, (_FIX_BEGINS,)).fetchone()[0]
        lengths: dict[str, int] = {}
        for stream, seq in taken | seen:
            lengths[stream] = max(lengths.get(stream, 0), seq + 1)
        every = {(stream, seq) for stream, length in lengths.items() for seq in range(length)}
        return {
            "taken": len(every),
            "fixes": self._fixes(),
            "lost": len(every - seen - gaps),
            "untold": len(every - taken - seen - gaps),
            "gap": len(gaps - seen),
            "twice": twice,
        }

    def naive_lost(self) -> tuple[int, int]:
        """Messages that the broker confirmed to the naive van and the cloud never had, of all."""
        with closing(self._open()) as store:
            seen = {
                seq for (seq,) in store.execute("SELECT seq FROM seen WHERE stream=?", (NAIVE,))
            }
        return len(self._naive.freed - seen), len(self._naive.freed)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._store, timeout=30)

    def _seen(self) -> set[tuple[str, int]]:
        with closing(self._open()) as store:
            return set(store.execute("SELECT stream, seq FROM seen WHERE stream != ?", (NAIVE,)))

    def _told(self) -> set[tuple[str, int]]:
        with closing(self._open()) as store:
            return _gaps(store)

    def _fixes(self) -> int:
        query = "SELECT count(*) FROM seen WHERE instr(body, ?) = 1"
        with closing(self._open()) as store:
            return int(store.execute(query, (_FIX_BEGINS,)).fetchone()[0])

    def _start_van(self) -> None:
        self._next += round((time.monotonic() - self._started_s) * _RATE_HZ) if self._next else 1
        self._recording.write_bytes(b"".join(self._epochs[self._next :]))
        self._started_s = time.monotonic()
        self._van.start()

    def _restart_van(self) -> None:
        self._van.kill()
        self._start_van()

    def _silence(self) -> None:
        self._link.is_silent = True
        time.sleep(self._chance.uniform(1, 25))
        self._link.heal()

    def _restart_broker(self) -> None:
        self._broker.kill()
        time.sleep(self._chance.uniform(0, 5))
        self._broker.start()

    def _start_cloud(self) -> None:
        place = [str(self._store), str(self._broker.port)]
        command = [sys.executable, "-m", "bench.loss_cloud", *place]
        self._cloud = subprocess.Popen(command, cwd=ROOT)

    def _kill_cloud(self) -> None:
        if self._cloud is not None:
            self._cloud.send_signal(signal.SIGKILL)
            self._cloud.wait()
            self._cloud = None

    def _restart_cloud(self) -> None:
        self._kill_cloud()
        time.sleep(self._chance.uniform(0, 5))
        self._start_cloud()


def _gaps(store: sqlite3.Connection) -> set[tuple[str, int]]:
    told: set[tuple[str, int]] = set()
    for (body,) in store.execute("SELECT body FROM seen WHERE instr(body, '\"gap\"')"):
        event = msgspec.json.decode(body, type=Event)
        if isinstance(event.body, Gap):
            gap = event.body
            told |= {(gap.stream, seq) for seq in range(gap.first, gap.last + 1)}
    return told


class Naive:
    """A van that publishes ten numbers a second at QoS 1 and forgets each at its receipt."""

    def __init__(self, port: int) -> None:
        self.freed: set[int] = set()
        self._numbers: dict[int, int] = {}
        self._pausing = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="naive", clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
        )  # fmt: skip
        self._client.username_pw_set(VAN, "secret")
        self._client.on_publish = self._on_publish
        self._client.reconnect_delay_set(1, 2)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="naive")
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._pausing.wait(0.1):
            number += 1
            topic = topics.up(TENANT, VAN, "result")
            told = self._client.publish(topic, json.dumps(number), qos=1)
            self._numbers[told.mid] = number

    def _on_publish(self, _client: object, _data: object, mid: int, *_: object) -> None:
        number = self._numbers.get(mid)
        if number is not None:
            self.freed.add(number)

    def pause(self) -> None:
        """Say no more."""
        self._pausing.set()
        self._thread.join()

    def stop(self) -> None:
        """End it."""
        self.pause()
        self._client.disconnect()
        self._client.loop_stop()
