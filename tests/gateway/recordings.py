"""The recordings of real receivers, and what gpsd itself made of each."""

import json
import re
from pathlib import Path

from gateway.fixes.epochs import EpochAssembler

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "nmea"
TOLERANCE_DEG = 2e-6

type Position = tuple[float, float]

_TIME_OF_DAY = re.compile(rb"\$..(?:RMC|GGA),(\d\d)(\d\d)(\d\d)")
_PAUSE_S = 300

ON_PURPOSE: dict[str, tuple[int, str]] = {
    "GPSmap-76S.log": (
        1,
        "GGA quality 8, mode S and status V: the receiver says that it simulates",
    ),
    "myguide-3100.log": (
        3,
        (
            "two GGA with an empty quality and RMC status V: the receiver denies a fix; "
            "the last epoch is cut off after its first sentence"
        ),
    ),
    "tr737A+.log": (
        2,
        (
            "one GGA of quality 0 and RMC status V: the receiver denies a fix; "
            "the last epoch is cut off before its RMC"
        ),
    ),
    "iTrek.log": (1, "the last epoch is cut off in the middle"),
}
"""Positions that gpsd reports and this gateway does not, and why."""


def recordings() -> list[Path]:
    return sorted(FOLDER.glob("*.log")) if FOLDER.is_dir() else []


def pieces(recording: Path) -> list[bytes]:
    """A recording, cut where minutes were cut out of it or it goes on at an earlier time.

    On a living line those minutes would have to pass, too: no receiver is believed to be far ahead
    of a clock that it has proved a moment ago.
    """
    data = recording.read_bytes()
    cuts, before_s = [0], None
    for told in _TIME_OF_DAY.finditer(data):
        hours, minutes, seconds = map(int, told.groups())
        now_s = hours * 3600 + minutes * 60 + seconds
        if before_s is not None and not 0 <= (now_s - before_s + 60) % 86_400 <= _PAUSE_S + 60:
            cuts.append(told.start())
        before_s = now_s
    return [data[begin:end] for begin, end in zip(cuts, [*cuts[1:], len(data)], strict=True)]


def gpsd_positions(recording: Path) -> set[Position]:
    """Every position that gpsd reported with mode 2 or 3."""
    found: set[Position] = set()
    for line in Path(f"{recording}.chk").read_bytes().splitlines():
        if line.startswith(b'{"class":"TPV"'):
            report = json.loads(line)
            if report.get("mode", 0) >= 2 and "lat" in report and "lon" in report:
                found.add((report["lat"], report["lon"]))
    return found


def cut_off(recording: Path) -> set[Position]:
    """What the last epoch of a recording says when the file ends in the middle of it.

    gpsd waits for the rest; on a serial line the silence that follows ends the epoch.
    """
    assembler = EpochAssembler()
    for _ in assembler.feed(recording.read_bytes()):
        pass
    return {epoch.position for epoch in assembler.flush() if epoch.position is not None}


def is_same(one: Position, other: Position) -> bool:
    return all(abs(a - b) <= TOLERANCE_DEG for a, b in zip(one, other, strict=True))


def without_counterpart(positions: set[Position], others: set[Position]) -> set[Position]:
    return {p for p in positions if not any(is_same(p, other) for other in others)}
