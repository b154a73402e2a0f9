"""``gateway decode``: what this gateway makes of a recording, as JSON lines."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gateway.fixes.epochs import Epoch
from gateway.fixes.keeping import is_fix
from gateway.receivers.replay import recorded_epochs


class Refusals:
    """Sentences that were not read: the first ones whole, and how many in all."""

    SHOWN: Final = 20

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def __call__(self, sentence: str, reason: str) -> None:
        """Take note of one."""
        self.count += 1
        if self.count <= self.SHOWN:
            self.lines.append(f"refused {sentence[:90]!r}: {reason}")


def decoded_lines(path: Path, refusals: Refusals) -> Iterator[bytes]:
    """One JSON object for each epoch with a position; nothing is thinned or corrected."""
    for epoch in recorded_epochs(path, refusals):
        if is_fix(epoch):
            yield msgspec.json.encode(_shown(epoch))


def _shown(epoch: Epoch) -> dict[str, object]:
    assert epoch.position is not None  # noqa: S101 - is_fix has looked
    lat, lon = epoch.position
    return {
        "time": None if epoch.utc_ms is None else rfc3339(epoch.utc_ms),
        "lat": round(lat, 9),
        "lon": round(lon, 9),
        "mode": epoch.mode,
        "speed_mps": _rounded(epoch.speed_mps, 3),
        "track_deg": epoch.course_deg,
        "altitude_m": epoch.altitude_m,
        "satellites": epoch.satellites,
        "hdop": epoch.hdop,
    }


def rfc3339(utc_ms: int) -> str:
    """An instant as RFC 3339 in UTC with milliseconds."""
    instant = datetime.fromtimestamp(utc_ms // 1000, UTC).replace(microsecond=utc_ms % 1000 * 1000)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
