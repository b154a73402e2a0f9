"""A van's spool at work, for `bench.power_cut` to watch: says on standard output what is promised.

``ADD n`` before fixes up to seq n are committed, ``ACK n m`` after fixes up to n and events up to m
are, ``REL n`` when the cloud has told that it has all fixes up to n. Nothing else is written there.
"""

import os
import random
import sys
from pathlib import Path

from bench.wire_size import drive
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from wire.events import IgnitionSwitched
from wire.messages import Ack

GROUP = 10


def say(*words: object) -> None:
    """One line at once, so that it stands in the trace where it belongs."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def main(path: Path, synchronous: str, seed: int, groups: int) -> None:
    """Fill, acknowledge, refuse and overfill a spool."""
    chance = random.Random(seed)
    fixes = drive(seed, groups * GROUP)
    now_ms = fixes[0].recorded_at_ms
    spool = Spool(path, 300_000, keep_acknowledged_ms=1_200_000)
    spool.connection.execute(f"PRAGMA synchronous = {synchronous}")
    spool.connection.execute("PRAGMA wal_autocheckpoint = 100").fetchone()
    spool.begin(fixes=100, events=101, version="bench", stamp=Stamp(now_ms, "gnss"))
    say("ACK", -1, 0)
    seq = event = -1
    for group in range(groups):
        for fix in fixes[group * GROUP : (group + 1) * GROUP]:
            seq = spool.add_fix(fix)
            now_ms = fix.recorded_at_ms
        stamp = Stamp(now_ms, "gnss")
        if chance.random() < 0.1:
            event = spool.add_event(IgnitionSwitched(is_on=True, at_ms=now_ms), stamp)
        spool.remember("clock", b"%d" % now_ms, every_ms=60_000)
        # Offline for long, so that the spool overflows, then the cloud takes it all, and again.
        if (group // 300) % 2 and chance.random() < 0.3:
            upto = chance.randrange(seq - GROUP + 1)
            say("REL", upto)
            spool.release(Ack(stream="100", upto=upto))
        say("ADD", seq)
        if chance.random() < 0.02 and (rows := spool.rows_after("fix", -1, 5)):
            spool.refuse(rows[0].id, rows[-1].id, stamp)
        else:
            spool.commit(stamp)
        say("ACK", seq, event)
    os._exit(0)


main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
