"""What ingest says of itself in ``run/ingest_status.json``, for the supervisor and for health."""

from pathlib import Path
from typing import Final

import msgspec

from cloud.foundation.files import put
from cloud.foundation.layout import DataFolder

STALE_AFTER_S: Final = 10.0
LISTENED_S: Final = 2.0
"""It says so every second; one that has not for so long may hear nobody."""


class Complained(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that ingest has against a van; ``at_s`` by the system's clock, no two alike."""

    at_s: float
    tenant: str
    van: str
    sentence: str
    detail: str


class IngestStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Written about once a second.

    Attributes:
        state: ``ok``, or what is wrong. at_s: when, by the system's clock, seconds since 1970.
        fixes: rows written since its start. set_aside: messages set aside since its start.
        complaints: the last that it has against vans, oldest first.
    """

    state: str
    at_s: float
    fixes: int
    set_aside: int
    complaints: tuple[Complained, ...] = ()


def write_status(data: DataFolder, status: IngestStatus) -> None:
    """Put ``status`` in the place of the one before."""
    put(_file(data), msgspec.json.encode(status), is_durable=False)


def read_status(data: DataFolder) -> IngestStatus | None:
    """The last word of ingest; None when it has said nothing yet."""
    try:
        return msgspec.json.decode(_file(data).read_bytes(), type=IngestStatus)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def forget_status(data: DataFolder) -> None:
    """Whatever was said before is not of this run."""
    _file(data).unlink(missing_ok=True)


def ingest_health(data: DataFolder, real_now_s: float) -> str:
    """``ok``, or what is wrong with ingest, for a person. ``real_now_s``: the system's clock."""
    status = read_status(data)
    if status is None:
        return "not started yet"
    age_s = real_now_s - status.at_s
    if age_s > STALE_AFTER_S:
        return f"silent for {age_s:.0f} s; last it said: {status.state}"
    return status.state


def is_ingest_listening(data: DataFolder, real_now_s: float) -> bool:
    """Whether ingest takes what vans say just now. ``real_now_s``: the system's clock."""
    status = read_status(data)
    return status is not None and status.state == "ok" and real_now_s - status.at_s < LISTENED_S


def _file(data: DataFolder) -> Path:
    return data.running / "ingest_status.json"
