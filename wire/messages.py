"""Every message of the wire as a frozen value. Units stand in the names; instants are UTC.

Each message carries its schema version in ``v``. A reader refuses a version it does not know.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from wire.events import Antenna, EventBody, Jamming, Spoofing
from wire.values import ClockQuality, EpochMs, FixSource, Name, Seq, StreamId, StreamText

VERSION: Final = 1

type Version = Literal[1]
type Revision = Annotated[int, Meta(ge=0, le=2**53)]
type ReceiverState = Literal["ok", "no_fix", "silent", "unreadable", "lost"]
type LatE7 = Annotated[int, Meta(ge=-900_000_000, le=900_000_000)]
type LonE7 = Annotated[int, Meta(ge=-1_800_000_000, le=1_800_000_000)]

MAX_BATCH_FIXES: Final = 1000
MAX_ACK_RANGES: Final = 32
MAX_RESULT_BYTES: Final = 100_000


class Fix(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One kept receiver solution, in the wire's whole numbers, so that nothing is lost on the way.

    Attributes:
        recorded_at_ms: when the gateway took it, by its own clock of quality ``quality``.
        fix_time_ms: the GNSS time of the solution; None when the receiver told none.
        lat_e7: latitude in 1e-7 degrees. lon_e7: longitude in 1e-7 degrees.
        mode: 2 (position) or 3 (position and altitude).
        speed_cmps: speed over ground, 0.01 m/s. course_ddeg: course over ground, 0.1 degree.
        altitude_dm: above mean sea level, 0.1 m. hdop_d: dilution of precision, 0.1.
        satellites: used in the solution.
        source: what kind of receiver it came from. quality: of the clock behind recorded_at_ms.
    """

    recorded_at_ms: EpochMs
    lat_e7: LatE7
    lon_e7: LonE7
    mode: Literal[2, 3]
    fix_time_ms: EpochMs | None = None
    speed_cmps: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    course_ddeg: Annotated[int, Meta(ge=0, lt=3600)] | None = None
    altitude_dm: Annotated[int, Meta(ge=-20_000, le=500_000)] | None = None
    hdop_d: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    satellites: Annotated[int, Meta(ge=0, le=255)] | None = None
    source: FixSource = "serial"
    quality: ClockQuality = "none"


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """``up/live``: the newest fix, at once. Moves live state only and never becomes history."""

    fix: Fix
    v: Version = VERSION


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """``up/batch``: kept fixes of one stream, oldest first, without a hole or thinned evenly.

    The fix at index ``i`` is known everywhere by (van, stream, first + i * step).

    Attributes:
        step: 1, or 2, 4 or 8 where the gateway has thinned; ``first`` is a multiple of it, and the
            seqs between the fixes, before the first and after the last do not exist any more.
    """

    stream: StreamId
    first: Seq
    fixes: tuple[Fix, ...]
    step: Literal[1, 2, 4, 8] = 1

    @property
    def seqs(self) -> range:
        """The seq of each fix."""
        return range(self.first, self.first + len(self.fixes) * self.step, self.step)

    @property
    def covered(self) -> tuple[int, int]:
        """The inclusive range of seqs that is complete with this batch."""
        return covered(self.first, len(self.fixes), self.step)


class BatchEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What can be told of a batch without its payload: enough to acknowledge or set it aside."""

    stream: StreamId
    first: Seq
    count: int
    step: Literal[1, 2, 4, 8] = 1

    @property
    def covered(self) -> tuple[int, int]:
        """The inclusive range of seqs that is complete with this batch."""
        return covered(self.first, self.count, self.step)


def covered(first: int, count: int, step: int) -> tuple[int, int]:
    """The inclusive range of seqs of ``count`` fixes, with what was thinned around them."""
    return max(0, first - step + 1), first + count * step - 1


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """``up/event``: something that happened in the van, known by (van, stream, seq)."""

    stream: StreamText
    seq: Seq
    recorded_at_ms: EpochMs
    body: EventBody
    quality: ClockQuality = "none"
    v: Version = VERSION


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """``up/resume``: sent on each connect; asks what is committed of these streams."""

    streams: Annotated[tuple[StreamText, ...], Meta(max_length=64)]
    v: Version = VERSION


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """``dn/ack``: what the cloud has committed of one stream; only this frees rows in the van.

    Attributes:
        upto: every seq up to and including it is committed, but for ``missing``; -1 when none is.
        missing: inclusive ranges below ``upto`` that are not committed, ascending, at most 32.
    """

    stream: StreamText
    upto: Annotated[int, Meta(ge=-1)]
    missing: Annotated[tuple[tuple[Seq, Seq], ...], Meta(max_length=MAX_ACK_RANGES)] = ()
    v: Version = VERSION


class State(msgspec.Struct, frozen=True, kw_only=True):
    """``up/state``, retained: what the gateway is and how it does.

    Attributes:
        receiver: ``ok``, ``no_fix`` (it speaks, without a position), ``silent`` (open, without a
            byte), ``unreadable`` (bytes that are no sentences) or ``lost``.
        spooled: rows waiting for an acknowledgement.
        settings: version of the desired settings in force; 0 when none was ever told.
        refused: version of the desired settings that were refused or rolled back, and why.
        chosen: name of the receiver that fixes come from. clock: how far the time is trusted.
        spool: ``degraded`` while the medium takes nothing and fixes are held in memory.
        sent_bytes, heard_bytes: on the socket since the gateway's start.
        processor_celsius: temperature of the board.
    """

    version: Annotated[str, Meta(max_length=64)]
    boot: int
    receiver: ReceiverState
    spooled: Annotated[int, Meta(ge=0)]
    settings: Annotated[int, Meta(ge=0)] = 0
    route_revision: Revision | None = None
    refused: tuple[int, str] | None = None
    chosen: Name | None = None
    jamming: Jamming = "unknown"
    spoofing: Spoofing = "unknown"
    antenna: Antenna = "unknown"
    clock: ClockQuality = "none"
    spool: Literal["ok", "degraded"] = "ok"
    is_on_duty: bool = True
    sent_bytes: Annotated[int, Meta(ge=0)] = 0
    heard_bytes: Annotated[int, Meta(ge=0)] = 0
    processor_celsius: float | None = None
    v: Version = VERSION


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """``up/presence``, retained and last will: whether the gateway is connected."""

    online: bool
    v: Version = VERSION


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """``up/result``: the outcome of one command.

    Attributes:
        data: what was asked for, at most `MAX_RESULT_BYTES` with all the rest.
    """

    command: Name
    status: Literal["done", "refused", "failed", "expired"]
    detail: Annotated[str, Meta(max_length=2000)] = ""
    v: Version = VERSION
    data: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """``dn/desired``, retained: the settings the van should take; ``settings`` counts up."""

    settings: Annotated[int, Meta(ge=1, le=2**53)]
    values: dict[str, Any]
    v: Version = VERSION


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """``dn/command``: one thing to do once, even over a restart, unless it has expired."""

    id: Name
    expires_at_ms: EpochMs
    name: Name
    arguments: dict[str, Any] = {}
    v: Version = VERSION


class RouteStop(msgspec.Struct, frozen=True, kw_only=True):
    """One halt of a route: where and when, and nothing about whom."""

    stop: Name
    kind: Literal["pickup", "delivery"]
    lat_e7: LatE7
    lon_e7: LonE7
    planned_arrival_ms: EpochMs
    window_from_ms: EpochMs | None = None
    window_to_ms: EpochMs | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """``dn/route``, retained: the van's current route, its open stops in order.

    Attributes:
        route: the route's id. revision: of the day's plan; of one route, a lower one than known is
            ignored.
        path: geometry from the van through its stops, as (lat_e7, lon_e7) pairs.
    """

    route: Name
    revision: Revision
    stops: tuple[RouteStop, ...]
    path: tuple[tuple[LatE7, LonE7], ...] = ()
    v: Version = VERSION


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """``feed/…/position``, retained: a van's newest position, for third parties.

    Attributes:
        fix_time: RFC 3339 with milliseconds, UTC. received_at: when the cloud got it.
    """

    van: Name
    lat: float
    lon: float
    fix_time: str
    received_at: str
    speed_mps: float | None = None
    course_deg: float | None = None
    v: Version = VERSION


class OrderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``feed/…/order/{id}/status``: the order's new state; never a name, phone, note or code."""

    order: Name
    state: str
    at: str
    v: Version = VERSION


class RouteRevised(msgspec.Struct, frozen=True, kw_only=True):
    """``feed/…/route/{id}/revision``: a route has changed, why, and what is still to do."""

    route: Name
    van: Name
    revision: Revision
    trigger: str
    stops: tuple[Name, ...]
    at: str
    v: Version = VERSION
