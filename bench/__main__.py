"""``./run bench [NAME…] [--json FILE] [--list]``."""

import argparse
import importlib
from pathlib import Path
from typing import Final

import msgspec

from bench.figure import Figure

BENCHES: Final = {
    "api": ("bench.api_fuzz", "5,000 made-up requests to every operation; up to ten minutes"),
    "cells": (
        "bench.cells",
        "10,000 stops, 20 depots, 1,000 vans in cells; runs five minutes, ROUNDSMAN_STOPS less",
    ),
    "closures": (
        "bench.closures",
        "streets closed in two hours: plans that know beside plans that do not; two minutes",
    ),
    "drain": ("bench.drain", "eight hours of backlog over 150 ms, to the cloud's acknowledgement"),
    "eta": ("bench.arrivals", "arrivals forecast on held-out simulated days; runs five minutes"),
    "hours": ("bench.hours", "promises a plan breaks when driven by the hour; runs three minutes"),
    "keeping": ("bench.keeping", "fixes kept of a day's drive against their error; arrivals found"),
    "loss": ("bench.loss", "100,000 fixes over 60 random faults: lost, doubled; runs 15 minutes"),
    "matching": ("bench.matching", "drives in a street canyon: metres on the right street"),
    "memory": ("bench.memory", "resident memory over three days offline; runs twenty minutes"),
    "fuzz": ("bench.fuzz", "a million hostile inputs to each decoder; runs ten minutes"),
    "ingest": ("bench.ingest", "fixes stored a second through the broker, on disk, read back"),
    "kill": ("bench.kill", "100,000 messages while the cloud is killed three times; both inboxes"),
    "malformed": ("bench.malformed", "100,000 mutated messages on every topic; a neighbour's wait"),
    "nmea": ("bench.nmea", "sentences a second against pynmea2; the service's share of a core"),
    "unplug": ("bench.unplug", "200 times unplugged and back; runs ten minutes"),
    "insertion": ("bench.insertion", "where an urgent order goes: decision over 50 and 1,000 vans"),
    "vrptw": (
        "bench.vrptw",
        "Solomon and Homberger beside PyVRP and OR-Tools alone; ROUNDSMAN_SEEDS=1 runs 6 minutes",
    ),
    "live": ("bench.live", "the newest of 1,000 vans in the server, and as frames"),
    "month": ("bench.month", "data of one van a month, counted on the socket; runs ten minutes"),
    "slowlink": ("bench.slow_link", "how old live fixes are while a backlog drains at 64 kbit/s"),
    "flood": ("bench.flood", "one van at hundreds of times the others: how long these wait"),
    "flash": ("bench.flash", "bytes an hour of driving writes to the medium"),
    "pghistory": (
        "bench.postgres_history",
        "100 million fixes on PostgreSQL: bytes, a van's day, a week dropped; runs minutes",
    ),
    "plans": (
        "bench.plans",
        "200 stops, morning and noon, beside PyVRP, OR-Tools, VROOM; an hour, see its first lines",
    ),
    "recordings": (
        "bench.recordings",
        "recordings of real receivers through the whole service, against gpsd; runs ten minutes",
    ),
    "powercut": ("bench.power_cut", "2,000 simulated power cuts over the spool's own writes"),
    "roads": ("bench.roads", "matrix, row and column, path and snap on the demo city"),
    "stability": ("bench.stability", "one urgent order on a day of 200 stops: what else moves"),
    "start": ("bench.start", "from a gateway's start to its first published fix; the help text"),
    "track": ("bench.track", "a van's day as GeoJSON, whole and simplified, from the database"),
    "steady": (
        "bench.steady",
        "1,000 vans at 1 Hz through the whole cloud, then 200 clients of which 100 stall",
    ),
    "traffic": (
        "bench.traffic",
        "arrival error before and after learning speeds; how soon they hold",
    ),
    "week": (
        "bench.week",
        "a simulated week under four ways of planning; runs 15 minutes, ROUNDSMAN_SEEDS=1 five",
    ),
    "urgent": ("bench.urgent", "an urgent order by the API to its revision, beside bulk matrices"),
    "calm": ("bench.calm", "/vehicles while the planner searches, beside idle; two minutes"),
    "wire": ("bench.wire_size", "bytes and time of a batch on the wire"),
}


def main() -> int:
    """Run the wanted benchmarks; exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="run bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all when none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and stop")
    wanted = parser.parse_args()
    if wanted.list:
        for name, (_, told) in BENCHES.items():
            print(f"{name:10} {told}")
        return 0
    unknown = [name for name in wanted.names if name not in BENCHES]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHES)}")
    figures: list[Figure] = []
    for name in wanted.names or BENCHES:
        for figure in importlib.import_module(BENCHES[name][0]).run():
            print(_line(figure), flush=True)
            figures.append(figure)
    if wanted.json:
        wanted.json.write_bytes(msgspec.json.encode([figure.as_row() for figure in figures]))
    return int(any(figure.holds is False for figure in figures))


def _line(figure: Figure) -> str:
    goal = "" if figure.goal is None else f"  goal {figure.goal:g} {figure.unit}"
    verdict = {None: "", True: "  holds", False: "  MISSED"}[figure.holds]
    peer = "" if figure.peer is None else f"  ({figure.peer}: {figure.peer_value:g})"
    measured = f"{figure.value:>10g} {figure.unit:6}"
    return f"{figure.bench:8} {figure.figure:45} {measured}{goal}{verdict}{peer}"


if __name__ == "__main__":
    raise SystemExit(main())
