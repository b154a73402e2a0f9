"""Adaptive keeping and arrivals, on a simulated day of deliveries in the demo city.

Vans drive between doors of real streets with the simulation's receiver noise, red lights and
service times, at 1 Hz; what is kept is compared with a fixed interval and with a minimum distance,
and arrivals with when each van truly came to stand at its stop.
"""

import os
import statistics
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from math import hypot
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from bench.figure import Figure, median_s
from gateway.fixes.adaptive import Keeper
from gateway.fixes.epochs import EpochAssembler
from gateway.fixes.logbook import Entries, Logbook, LogbookRules
from gateway.stamp import Stamp
from sim import city
from sim.drivers import service_s
from sim.driving import Drive
from sim.opening import DEPOT
from sim.orders import orders_of_day
from sim.receiver import Receiver
from sim.streets import Streets
from wire.desired import Keeping
from wire.events import StopArrived, StopDeparted
from wire.messages import Fix, Route, RouteStop
from wire.track import at_ms, distance_m, offset_m

NAME: Final = "keeping"
_VANS: Final = int(os.environ.get("ROUNDSMAN_BENCH_VANS", "4"))
_STOPS: Final = int(os.environ.get("ROUNDSMAN_BENCH_STOPS", "40"))
_BEGIN_S: Final = 1_795_345_200
_NEAR_S: Final = 60
_RECORDINGS: Final = Path(__file__).parents[2] / "shared" / "data" / "nmea"


class Visit(NamedTuple):
    """The truth of one stop: when the van came to stand and when it drove on."""

    stop: str
    begin_s: float
    end_s: float


class Round(NamedTuple):
    """One van's day: what its receiver told, its route and the truth."""

    epochs: list[tuple[int, bytes]]
    route: Route
    visits: list[Visit]


def run() -> Iterator[Figure]:
    """Measure."""
    streets = Streets.read(Path(city.__file__).with_name("coquimbo.osm.pbf"))
    rounds = [_drive(streets, Random(f"keeping {van}")) for van in range(_VANS)]
    told = [_live(one) for one in rounds]
    tracks = [[entry.live for entry in one if entry.live is not None] for one in told]
    yield from _keeping("city, ", tracks)
    recorded = [track for file in sorted(_RECORDINGS.glob("*.log")) if (track := _read(file))]
    if recorded:
        yield from _keeping("recordings, ", recorded)
    yield from _arrivals(rounds, told)
    one = tracks[0]
    took_s = median_s(lambda: _adaptive(one), runs=3) / len(one)
    yield Figure(bench=NAME, figure="to decide on a fix", value=round(took_s * 1e6, 1), unit="µs")
    whole_s = median_s(lambda: _live(rounds[0]), runs=1) / len(rounds[0].epochs)
    yield Figure(
        bench=NAME, figure="from bytes to all decisions, an epoch",
        value=round(whole_s * 1e6, 1), unit="µs",
    )  # fmt: skip


def _drive(streets: Streets, rng: Random) -> Round:
    orders = orders_of_day(
        streets=streets, depot=DEPOT, day=date(2026, 11, 22), count=_STOPS, vans=1, rng=rng
    )
    receiver = Receiver(rng=rng, started_s=_BEGIN_S - 120)
    now_s, here = float(_BEGIN_S), streets.nearest(DEPOT)
    epochs: list[tuple[int, bytes]] = []
    stops, visits = [], []
    for number, order in enumerate(orders):
        there = streets.nearest(order.door.point)
        drive = Drive(streets.path(here, there), rng=rng)
        dwell_s = service_s(order.service_min * 60, rng)
        epochs.extend(
            (second, receiver.epoch(second, drive.at(second - now_s)))
            for second in range(int(now_s) + 1, int(now_s + drive.lasts_s + dwell_s) + 1)
        )
        lat, lon = order.door.point
        stops.append(
            RouteStop(
                stop=f"s{number}", kind="delivery", planned_arrival_ms=0,
                lat_e7=round(lat * 1e7), lon_e7=round(lon * 1e7),
            )
        )  # fmt: skip
        arrived_s = now_s + drive.lasts_s
        now_s = arrived_s + dwell_s
        visits.append(Visit(f"s{number}", arrived_s, now_s))
        here = there
    return Round(epochs, Route(route="r", revision=1, stops=tuple(stops)), visits)


def _live(one: Round) -> list[Entries]:
    logbook, assembler = Logbook(LogbookRules()), EpochAssembler()
    logbook.follow(one.route)
    return [
        logbook.take(epoch, Stamp(second * 1000, "gnss"), "serial")
        for second, sentences in one.epochs
        for epoch in assembler.feed(sentences)
    ]


def _read(file: Path) -> list[Fix]:
    logbook, assembler = Logbook(LogbookRules()), EpochAssembler()
    epochs = [*assembler.feed(file.read_bytes()), *assembler.finish()]
    taken = [
        logbook.take(epoch, Stamp((_BEGIN_S + at) * 1000, "gnss"), "replay").live
        for at, epoch in enumerate(epochs)
    ]
    track = [fix for fix in taken if fix is not None]
    return track if all(at_ms(a) < at_ms(b) for a, b in pairwise(track)) else []


def _adaptive(track: list[Fix]) -> list[Fix]:
    keeper = Keeper(Keeping())
    return [*(kept for fix in track for kept in keeper.take(fix)), *keeper.flush()]


def _settled(track: list[Fix]) -> list[Fix]:
    """As the service keeps them: what a group commit each 10 s must not leave out is kept too."""
    keeper, commit_ms = Keeper(Keeping()), 0
    kept: list[Fix] = []
    for fix in track:
        if at_ms(fix) >= commit_ms:
            kept += keeper.settle()
            commit_ms = at_ms(fix) + 10_000
        kept += keeper.take(fix)
    return [*kept, *keeper.flush()]


def _every(seconds: float) -> Callable[[list[Fix]], list[Fix]]:
    return _filtered(lambda last, fix: at_ms(fix) - at_ms(last) >= seconds * 1000)


def _each(metres: float) -> Callable[[list[Fix]], list[Fix]]:
    return _filtered(lambda last, fix: distance_m(last, fix) >= metres)


def _filtered(is_new: Callable[[Fix, Fix], bool]) -> Callable[[list[Fix]], list[Fix]]:
    def keep(track: list[Fix]) -> list[Fix]:
        kept = track[:1]
        for fix in track[1:]:
            if is_new(kept[-1], fix):
                kept.append(fix)
        return kept if kept[-1] is track[-1] else [*kept, track[-1]]

    return keep


def _keeping(where: str, tracks: list[list[Fix]]) -> Iterator[Figure]:
    full = sum(map(len, tracks))
    ways: list[tuple[str, Callable[[list[Fix]], list[Fix]]]] = [
        ("adaptive, 5 m", _settled),
        ("without group commits", _adaptive),
        ("each 10 s", _every(10)),
        ("each 5 s", _every(5)),
        ("each 10 m", _each(10)),
        ("each 50 m", _each(50)),
    ]
    kept = {name: [way(track) for track in tracks] for name, way in ways}
    errors = {
        name: [
            metres
            for track, some in zip(tracks, tracks_kept, strict=True)
            for metres in _errors_m(track, some)
        ]
        for name, tracks_kept in kept.items()
    }
    mine = ways[0][0]
    for name, _ in ways[1:]:
        share = 100 * sum(map(len, kept[name])) / full
        yield Figure(
            bench=NAME, figure=f"{where}kept, {mine}", unit="%",
            value=round(100 * sum(map(len, kept[mine])) / full, 1),
            peer=name, peer_value=round(share, 1),
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure=f"{where}largest error, {mine}", unit="m",
            value=round(max(errors[mine]), 2), goal=5.0,
            peer=f"{name}, of {full} fixes", peer_value=round(max(errors[name]), 1),
        )  # fmt: skip


def _errors_m(track: list[Fix], kept: list[Fix]) -> Iterator[float]:
    """How far each fix is from the kept track, interpolated to its time."""
    following = iter(kept)
    one = other = next(following)
    for fix in track:
        while at_ms(other) < at_ms(fix):
            one, other = other, next(following)
        lasted_ms = at_ms(other) - at_ms(one)
        share = (at_ms(fix) - at_ms(one)) / lasted_ms if lasted_ms else 0.0
        east_m, north_m = offset_m(one, fix)
        to_east_m, to_north_m = offset_m(one, other)
        yield hypot(east_m - share * to_east_m, north_m - share * to_north_m)


def _arrivals(rounds: list[Round], told: list[list[Entries]]) -> Iterator[Figure]:
    late: list[float] = []
    decided: list[float] = []
    departed: list[float] = []
    true = false = missed = 0
    for one, entries in zip(rounds, told, strict=True):
        truth = {visit.stop: visit for visit in one.visits}
        found: set[str] = set()
        for entry in entries:
            for event in entry.events:
                if isinstance(event, StopDeparted) and event.stop in found:
                    departed.append(abs(event.at_ms / 1000 - truth[event.stop].end_s))
                if not isinstance(event, StopArrived):
                    continue
                visit = truth[event.stop]
                is_true = visit.begin_s - _NEAR_S <= event.at_ms / 1000 <= visit.end_s
                if is_true and event.stop not in found:
                    found.add(event.stop)
                    true += 1
                    late.append(abs(event.at_ms / 1000 - visit.begin_s))
                    at = entry.live.recorded_at_ms if entry.live else event.at_ms
                    decided.append(at / 1000 - visit.begin_s)
                else:
                    false += 1
        missed += len(truth) - len(found)
    total = true + missed
    yield Figure(
        bench=NAME, figure=f"arrivals found, of {total}", value=round(100 * true / total, 1),
        unit="%", better="more",
    )  # fmt: skip
    yield Figure(bench=NAME, figure="arrivals that were none", value=false, unit="")
    yield Figure(
        bench=NAME, figure="arrival told wrong by, median",
        value=round(statistics.median(late), 1), unit="s",
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="arrival told wrong by, p95",
        value=round(sorted(late)[int(len(late) * 0.95)], 1), unit="s",
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="arrival decided after, median",
        value=round(statistics.median(decided), 1), unit="s",
    )  # fmt: skip
    if departed:
        yield Figure(
            bench=NAME, figure="departure told wrong by, median",
            value=round(statistics.median(departed), 1), unit="s",
        )  # fmt: skip
