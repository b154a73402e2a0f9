"""The learned pattern as a file below the roads' folder; made anew when lost.

The learner writes it and web reads it, so that a start of either begins with what is known.
"""

from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from cloud.foundation.files import put
from cloud.roads.learning import BUCKETS, Pattern

_FILE: Final = "pattern.bin"
_WHOLE: Final = {"band_of": "<i1", "place": "<i8", "bucket": "<i1"}
_PARTS: Final = {"by_band": "<f8", "by_segment": "<f4", "unlearned": "<f4", "own": "<f4"}


class Kept(NamedTuple):
    """A pattern and what it belongs to.

    Attributes:
        city: the stamp of the import whose segments it tells of. zone: of its hours.
        version: differs from that of any other.
    """

    city: str
    zone: str
    version: int
    pattern: Pattern


class _File(msgspec.Struct, frozen=True, kw_only=True):
    city: str
    zone: str
    columns: dict[str, bytes]


def write_pattern(folder: Path, pattern: Pattern, *, city: str, zone: str) -> None:
    """Put it in the place of the one before."""
    columns = {
        name: np.ascontiguousarray(getattr(pattern, name), dtype=kind).tobytes()
        for name, kind in (_WHOLE | _PARTS).items()
    }
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = _File(city=city, zone=zone, columns=columns)
    put(folder / _FILE, msgspec.msgpack.encode(file), is_durable=False)


def version_of(folder: Path) -> int:
    """Of the pattern in the file; 0 without one."""
    try:
        return (folder / _FILE).stat().st_mtime_ns
    except OSError:
        return 0


def read_pattern(folder: Path) -> Kept | None:
    """The pattern; None when there is none, or it cannot be read."""
    version = version_of(folder)
    try:
        file = msgspec.msgpack.decode((folder / _FILE).read_bytes(), type=_File)
        whole = {
            name: np.frombuffer(file.columns[name], dtype=kind).astype(np.intp)
            for name, kind in _WHOLE.items()
        }
        parts = {
            name: np.frombuffer(file.columns[name], dtype=kind).astype(np.float64)
            for name, kind in _PARTS.items()
        }
        pattern = Pattern(
            band_of=whole["band_of"],
            by_band=parts["by_band"].reshape(-1, BUCKETS),
            by_segment=parts["by_segment"],
            unlearned=parts["unlearned"],
            place=whole["place"],
            bucket=whole["bucket"],
            own=parts["own"],
        )
    except (OSError, msgspec.DecodeError, KeyError, ValueError):
        return None
    return Kept(file.city, file.zone, version, pattern)
