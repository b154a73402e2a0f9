"""Real parts around a real gateway process: a broker, a cloud that commits, a receiver's line."""

import json
import os
import pty
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud.tracking.model import Committed
from tests.parts.ports import free_port
from wire import codec, topics
from wire.events import Gap
from wire.messages import Ack, Event, Resume

ROOT = Path(__file__).parents[2]
TENANT, VAN = "main", "van-1"


def wait_until(claim: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not claim():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.05)


class Broker:
    """nats-server with MQTT and JetStream, storing on disk, on ports that stay the same."""

    def __init__(self, folder: Path, tls: str = "") -> None:
        self.port = free_port()
        self._tls = tls
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._listen = free_port()
        self._config = folder / "nats.conf"
        self._configure()
        self._process: subprocess.Popen[bytes] | None = None

    def _configure(self, forbidden: tuple[str, ...] = (), *, may_hear: bool = True) -> None:
        heard = f"fleet.v1.{TENANT}.{VAN}.dn.>" if may_hear else "nothing"
        denied = [f"fleet.v1.{TENANT}.{VAN}.up.{kind}" for kind in forbidden]
        self._config.write_text(
            f"""listen: "127.0.0.1:{self._listen}"
server_name: test
jetstream {{ store_dir: "{self._folder / "store"}", sync_interval: always }}
mqtt {{
  listen: "127.0.0.1:{self.port}", ack_wait: "2s"
  {self._tls}
}}
authorization {{ users: [
  {{ user: cloud, password: cloud }}
  {{ user: {VAN}, password: secret, permissions: {{
    publish: {{ allow: ["fleet.v1.{TENANT}.{VAN}.up.>"], deny: {json.dumps(denied)} }}
    subscribe: ["{heard}"]
  }} }}
] }}
"""
        )

    def forbid(self, *kinds: str) -> None:
        """Start anew, letting the van say all but these kinds."""
        self.kill()
        self._configure(kinds)
        self.start()

    def let_hear(self, *, may_hear: bool) -> None:
        """Permit the van to hear what the cloud tells it, or forbid it, from now on."""
        self._configure(may_hear=may_hear)
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).parent / "nats-server", "-c", self._config],
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, "the broker answers")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """It dies, and what it had stored is gone: sessions, queues, retained messages."""
        self.kill()
        shutil.rmtree(self._folder / "store")
        self.start()


class Cloud:
    """Commits what vans publish, then acknowledges, as ingest does; refuses what it is told to."""

    def __init__(self, path: Path, port: int, ca_file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._store = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._store.execute("PRAGMA journal_mode = WAL")
        self._store.execute(
            "CREATE TABLE IF NOT EXISTS seen"
            " (stream TEXT, seq INT, body BLOB, PRIMARY KEY (stream, seq))"
        )
        self.holds = self._recall()
        self.refused: set[tuple[str, int]] = set()
        self.repeated = 0
        self.gaps: dict[str, set[int]] = {}
        self.is_answering = True
        self.heard: dict[str, list[bytes]] = {kind: [] for kind in topics.UP_KINDS}
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="cloud",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        self.client.on_connect = lambda client, *_: client.subscribe(
            [(topics.every_up(kind), 1) for kind in topics.UP_KINDS]
        )
        self.client.on_message = self._on_message
        self.client.username_pw_set("cloud", "cloud")
        self.client.reconnect_delay_set(1, 1)
        if ca_file is not None:
            self.client.tls_set(str(ca_file))
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self._store.close()

    def _on_message(self, client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        kind, payload = topics.parse_up(message.topic).kind, bytes(message.payload)
        with self._lock:
            self.heard[kind].append(payload)
            if self.is_answering:
                self._take(kind, payload)
        if message.qos:
            client.ack(message.mid, message.qos)

    def _take(self, kind: str, payload: bytes) -> None:
        match kind:
            case "batch":
                batch = codec.decode_batch(payload)
                rows = [
                    (str(batch.stream), seq, codec.encode(fix))
                    for seq, fix in zip(batch.seqs, batch.fixes, strict=True)
                ]
                self._commit(rows, *batch.covered)
            case "event":
                event = codec.decode(payload, Event)
                self._commit([(event.stream, event.seq, payload)], event.seq, event.seq)
                if isinstance(event.body, Gap) and event.body.reason != "thinned":
                    told = range(event.body.first, event.body.last + 1)
                    self.gaps.setdefault(event.body.stream, set()).update(told)
                    self._has(event.body.stream, event.body.first, event.body.last)
                    self._acknowledge(event.body.stream)
            case "resume":
                for stream in codec.decode(payload, Resume).streams:
                    self._acknowledge(stream)
            case _:
                pass

    def _commit(self, rows: list[tuple[str, int, bytes]], first: int, last: int) -> None:
        if not any((stream, seq) in self.refused for stream, seq, _ in rows):
            self._store.execute("BEGIN IMMEDIATE")
            added = self._store.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", rows)
            self.repeated += len(rows) - added.rowcount
            self._store.execute("COMMIT")
            self._has(rows[0][0], first, last)
        self._acknowledge(rows[0][0])

    def _has(self, stream: str, first: int, last: int) -> None:
        self.holds[stream] = self.holds.get(stream, Committed()).adding(first, last)

    def _recall(self) -> dict[str, Committed]:
        held: dict[str, Committed] = {}
        for stream, seq in self._store.execute("SELECT stream, seq FROM seen ORDER BY stream, seq"):
            held[stream] = held.get(stream, Committed()).adding(seq, seq)
        for (body,) in self._store.execute("SELECT body FROM seen WHERE instr(body, '\"gap\"')"):
            gap = codec.decode(body, Event).body
            if isinstance(gap, Gap) and gap.reason != "thinned":
                known = held.get(gap.stream, Committed())
                held[gap.stream] = known.adding(gap.first, gap.last)
        return held

    def _acknowledge(self, stream: str) -> None:
        upto, missing = self.holds.get(stream, Committed()).told()
        ack = Ack(stream=stream, upto=upto, missing=missing)
        self.tell("ack", codec.encode(ack), qos=0)

    def tell(self, kind: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        self.client.publish(topics.down(TENANT, VAN, kind), payload, qos, retain)

    def stored(self) -> set[tuple[str, int, bytes]]:
        with self._lock:
            return set(self._store.execute("SELECT stream, seq, body FROM seen"))

    def committed(self) -> set[tuple[str, int]]:
        return {(stream, seq) for stream, seq, _ in self.stored()}

    def is_online(self) -> bool:
        """Whether the van's newest presence says so."""
        with self._lock:
            return b"true" in (self.heard["presence"] or [b""])[-1]

    def count(self, kind: str) -> int:
        with self._lock:
            return len(self.heard[kind])


@contextmanager
def broker_and_cloud() -> Iterator[tuple[Path, Broker, Cloud]]:
    """A new folder with a broker and a cloud that work in it; they end with it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Broker(folder / "broker")
        broker.start()
        try:
            cloud = Cloud(folder / "cloud.db", broker.port)
            try:
                yield folder, broker, cloud
            finally:
                cloud.stop()
        finally:
            broker.kill()


class Line:
    """A receiver's serial line under a stable name: a pty that drops what nobody reads in time."""

    def __init__(self, link: Path) -> None:
        self.device = link
        # The number of a closed descriptor is soon another's: nothing may be written to it.
        self._holding = threading.Lock()
        self._is_plugged_in = False
        self.plug_in()

    def plug_in(self) -> None:
        with self._holding:
            self._master, self._slave = pty.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.device.unlink(missing_ok=True)
            self.device.symlink_to(os.ttyname(self._slave))
            self._is_plugged_in = True

    def write(self, data: bytes) -> None:
        with self._holding:
            if not self._is_plugged_in:
                return  # a receiver goes on, whether or not somebody hears it
            with suppress(BlockingIOError):  # a UART drops too
                os.write(self._master, data)

    def unplug(self) -> None:
        with self._holding:
            self._is_plugged_in = False
            self.device.unlink(missing_ok=True)
            os.close(self._master)
            os.close(self._slave)


class Receiver:
    """Writes an epoch every tenth of a second to a line, in a thread of its own."""

    def __init__(self, line: Line, ticks: int = 0) -> None:
        self._line = line
        self._stopping = threading.Event()
        self.ticks = ticks
        self._thread = threading.Thread(target=self._run, name="receiver")
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(0.1):
            self._line.write(epoch_bytes(self.ticks))
            self.ticks += 1

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


def sentence(body: str) -> bytes:
    checksum = 0
    for character in body:
        checksum ^= ord(character)
    return f"${body}*{checksum:02X}\r\n".encode()


def epoch_bytes(tick: int) -> bytes:
    """One epoch of a van driving north, ``tick`` tenths of a second after 08:00 on 2026-03-02."""
    second, tenth = divmod(tick, 10)
    time_of_day = f"{8 + second // 3600:02}{second // 60 % 60:02}{second % 60:02}.{tenth}0"
    minutes = f"54{30 + tick * 0.001:07.4f}"
    return b"".join(
        (
            sentence(f"GNRMC,{time_of_day},A,{minutes},N,02516.0000,E,10.0,0.0,020326,,,A,V"),
            sentence(f"GNGGA,{time_of_day},{minutes},N,02516.0000,E,1,09,0.9,112.0,M,25.0,M,,"),
            sentence("GNGSA,A,3,01,02,03,04,05,06,07,08,09,,,,1.6,0.9,1.3"),
            sentence("GNVTG,0.0,T,,M,10.0,N,18.5,K,A"),
        )
    )


_PACE = {"batch_fixes": 10, "batch_wait_s": 0.5, "live_every_s": 0.2}


def _table(values: Mapping[str, float]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in values.items())


class Van:
    """A gateway process and its folder."""

    def __init__(
        self,
        folder: Path,
        broker_port: int,
        receiver: str,
        uplink: Mapping[str, float] | None = None,
        *,
        resend_after_s: float = 2.0,
        keepalive_s: int = 45,
        commit_every_s: float = 0.3,
        keeping: str = "is_all = true",
        ca_file: Path | None = None,
        python: Path = Path(sys.executable),
    ) -> None:
        self._python = python
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.config = folder / "gateway.toml"
        self.log = folder / "log"
        self.config.write_text(
            f"""tenant = "{TENANT}"
van = "{VAN}"
data_dir = "{self.data}"
[broker]
host = "127.0.0.1"
port = {broker_port}
client_id = "{secrets.token_hex(16)}"
username = "{VAN}"
password = "secret"
keepalive_s = {keepalive_s}
{"" if ca_file is None else f'tls = true{chr(10)}ca_file = "{ca_file}"'}
[[receivers]]
{receiver}
[spool]
commit_every_s = {commit_every_s}
[uplink]
{_table({**_PACE, "resend_after_s": resend_after_s, **(uplink or {})})}
[keeping]
{keeping}
"""
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self._python, "-m", "roundsman", "gateway", "run", "--config", self.config],
                cwd=ROOT,
                stderr=log,
            )
        return self.process

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        self.process = None
        return code

    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def spooled(self) -> set[tuple[str, int]]:
        """(stream, seq) of the rows that a gateway which does not run has left in its spool."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("spool.db", "spool.db-wal"):
                if (self.data / name).exists():
                    shutil.copy(self.data / name, folder)
            with closing(sqlite3.connect(Path(folder) / "spool.db")) as spool:
                rows = spool.execute("SELECT id FROM row").fetchall()
                streams = {
                    boot: (str(events), str(fixes))
                    for boot, events, fixes in spool.execute(
                        "SELECT boot, events, fixes FROM stream"
                    )
                }
        return {
            (streams[row_id >> 40 & 0x3FFFFF][row_id >> 62], row_id & 0xFFFFFFFFFF)
            for (row_id,) in rows
        }
