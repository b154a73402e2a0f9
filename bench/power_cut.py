"""Simulated power cuts: what is left of the spool when the medium forgets what was not synced.

The system calls of a real spool at work are recorded by strace. For each cut, what came before the
last sync of a file is durable; of what came after it nothing, all, or any part is kept, and some of
it torn at a sector. The real spool is then opened on what is left, and every row that was promised
must be there, be acknowledged, or be told as a gap. Faults of an SD card's controller, which may
lose what it has confirmed, are not modelled.
"""

import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from bench.figure import Figure
from gateway.spool import schema
from gateway.spool.rows import SEQS
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from wire import codec
from wire.events import Gap
from wire.messages import Ack, Event

NAME: Final = "powercut"
CUTS: Final = 2_000
GROUPS: Final = 1_500
_SEED: Final = 20261124
_SECTOR: Final = 512
_ROOT: Final = Path(__file__).parent.parent
_NAMES: Final = ("spool.db", "spool.db-wal")
_CALL: Final = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)")
_BYTES: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Op(NamedTuple):
    """One call: ``write`` (offset, data), ``cut`` (size), ``sync``, or ``say`` (data)."""

    kind: str
    name: str
    at: int = 0
    data: bytes = b""


class Promise(NamedTuple):
    """What the writer had said when the power was cut."""

    added: int
    fixes: int
    events: int
    released: int


class Found(NamedTuple):
    """What was left: committed rows that are gone untold, whether it was damaged, fixes lost."""

    lost: int
    is_corrupt: bool
    unsaved: int


def is_possible() -> bool:
    """Whether strace is here and may be used."""
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], check=False, capture_output=True)
    return done.returncode == 0


def record(folder: Path, synchronous: str, seed: int, groups: int) -> list[Op]:
    """The calls of a spool at work; ``folder`` is left as it was before them."""
    path = folder / "spool.db"
    schema.prepare(path)
    with tempfile.TemporaryDirectory() as elsewhere:
        work = Path(elsewhere) / "spool.db"
        log = Path(elsewhere) / "log"
        shutil.copy(path, work)
        traced = "trace=openat,close,pwrite64,fsync,fdatasync,ftruncate,write"
        subprocess.run(
            [
                "strace", "-xx", "-s", "10000000", "-e", traced, "-e", "signal=none", "-o", log,
                sys.executable, "-m", "bench.power_cut_writer", work, synchronous, str(seed),
                str(groups),
            ],
            cwd=_ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return list(_ops(log))


def _ops(log: Path) -> Iterator[Op]:
    names: dict[str, str] = {"1": "stdout"}
    with log.open(encoding="ascii") as lines:
        for line in lines:
            found = _CALL.match(line)
            if found is None or found[3].startswith("-"):
                continue
            call, arguments, result = found.groups()
            if call == "openat":
                names[result] = Path(_text(arguments).decode(errors="replace")).name
                continue
            descriptor = arguments.partition(",")[0]
            name = names.get(descriptor, "")
            if call == "close":
                names.pop(descriptor, None)
            elif name in _NAMES or (name == "stdout" and call == "write"):
                yield _op(call, name, arguments)


def _op(call: str, name: str, arguments: str) -> Op:
    last = arguments.rpartition(",")[2].strip()
    match call:
        case "pwrite64":
            return Op("write", name, int(last), _text(arguments))
        case "ftruncate":
            return Op("cut", name, int(last))
        case "write":
            return Op("say", name, 0, _text(arguments))
        case _:
            return Op("sync", name)


def _text(arguments: str) -> bytes:
    found = _BYTES.search(arguments)
    return b"" if found is None else bytes.fromhex(found[1].replace("\\x", ""))


class Disk:
    """What is durable of each file, and what is not yet."""

    def __init__(self, folder: Path) -> None:
        self.promise = Promise(-1, -1, -1, -1)
        self._durable = {
            name: bytearray((folder / name).read_bytes() if (folder / name).exists() else b"")
            for name in _NAMES
        }
        self._pending: dict[str, list[Op]] = {name: [] for name in _NAMES}

    def do(self, op: Op) -> None:
        """One more call has returned."""
        match op.kind:
            case "say":
                self._hear(op.data.decode().split())
            case "sync":
                for pending in self._pending[op.name]:
                    _apply(self._durable[op.name], pending)
                self._pending[op.name].clear()
            case _:
                self._pending[op.name].append(op)

    def _hear(self, words: list[str]) -> None:
        match words:
            case ["ADD", seq]:
                self.promise = self.promise._replace(added=int(seq))
            case ["ACK", fixes, events]:
                newest = max(int(events), self.promise.events)
                self.promise = self.promise._replace(fixes=int(fixes), events=newest)
            case ["REL", seq]:
                newest = max(int(seq), self.promise.released)
                self.promise = self.promise._replace(released=newest)
            case _:
                raise ValueError(f"the writer said {words}")

    def cut(self, chance: random.Random, folder: Path) -> None:
        """Put into ``folder`` what a power cut now may leave."""
        for name, durable in self._durable.items():
            left = bytearray(durable)
            share = chance.choice([0.0, 0.0, 0.5, 0.5, 1.0])
            for op in self._pending[name]:
                if chance.random() < share:
                    _apply(left, _torn(op, chance) if chance.random() < 0.1 else op)
            (folder / name).write_bytes(left)


def _torn(op: Op, chance: random.Random) -> Op:
    return op._replace(data=op.data[: _SECTOR * chance.randrange(1 + len(op.data) // _SECTOR)])


def _apply(content: bytearray, op: Op) -> None:
    if op.kind == "cut":
        del content[op.at :]
    content.extend(bytes(max(0, op.at - len(content))))
    if op.kind == "write":
        content[op.at : op.at + len(op.data)] = op.data


def examine(folder: Path, promise: Promise) -> Found:
    """Open what is left as the next start of the van does, and look for what was promised."""
    stamp = Stamp(2_000_000_000_000, "none")
    with closing(Spool(folder / "spool.db", 300_000, keep_acknowledged_ms=10**12)) as spool:
        spool.begin(fixes=200, events=201, version="bench", stamp=stamp)
        is_corrupt = any(folder.glob("*damaged*"))
        rows = spool.connection.execute("SELECT id, body FROM row").fetchall()
        there = {spool.stream_of(row_id).id: set[int]() for row_id, _ in rows}
        for row_id, _ in rows:
            there[spool.stream_of(row_id).id].add(row_id % SEQS)
        fixes = there.get(100, set()) | set(range(promise.released + 1)) | _told(spool, stamp)
    lost = len(set(range(promise.fixes + 1)) - fixes)
    lost += len(set(range(promise.events + 1)) - there.get(101, set()))
    return Found(lost, is_corrupt, len(set(range(promise.added + 1)) - fixes))


def _told(spool: Spool, stamp: Stamp) -> set[int]:
    """The fixes that gaps speak of, those that are told one after another too."""
    told: set[int] = set()
    while rows := spool.rows_after("event", -1, 1000):
        for event in (codec.decode(row.body, Event) for row in rows):
            if isinstance(event.body, Gap) and event.body.stream == "100":
                told.update(range(event.body.first, event.body.last + 1))
            spool.release(Ack(stream=event.stream, upto=event.seq))
        spool.commit(stamp)
    return told


def cuts(synchronous: str, count: int, seed: int, groups: int) -> list[Found]:
    """What is left after each of ``count`` power cuts at random moments of one recording."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory(dir=_memory()) as at:
        ops = record(Path(before), synchronous, seed, groups)
        ready = next(index for index, op in enumerate(ops) if op.kind == "say")
        moments = sorted(chance.randrange(ready, len(ops)) for _ in range(count))
        disk, done, found = Disk(Path(before)), 0, []
        for moment in moments:
            for op in ops[done : moment + 1]:
                disk.do(op)
            done = moment + 1
            shutil.rmtree(at)
            Path(at).mkdir()
            disk.cut(chance, Path(at))
            found.append(examine(Path(at), disk.promise))
        return found


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - faster, and ours


def run() -> Iterator[Figure]:
    """Measure."""
    if not is_possible():
        print("powercut: strace is not here or may not be used; nothing is measured")
        return
    full = cuts("FULL", CUTS, _SEED, GROUPS)
    normal = cuts("NORMAL", CUTS, _SEED, GROUPS)
    peer = "WAL with synchronous=NORMAL"
    yield Figure(
        bench=NAME, figure=f"of {CUTS} cuts, losing committed rows", unit="cuts",
        value=sum(found.lost > 0 for found in full), goal=0,
        peer=peer, peer_value=sum(found.lost > 0 for found in normal),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="most committed rows lost in one cut", unit="rows",
        value=max(found.lost for found in full), goal=0,
        peer=peer, peer_value=max(found.lost for found in normal),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure=f"of {CUTS} cuts, leaving a damaged file", unit="cuts",
        value=sum(found.is_corrupt for found in full), goal=0,
        peer=peer, peer_value=sum(found.is_corrupt for found in normal),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="most fixes lost in one cut, a group is 10", unit="fixes",
        value=max(found.unsaved for found in full), goal=10,
        peer=peer, peer_value=max(found.unsaved for found in normal),
    )  # fmt: skip
