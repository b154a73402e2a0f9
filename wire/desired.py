"""What ``dn/desired`` may ask of a van; a gateway refuses what is not listed here."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wire.refusal import in_words
from wire.values import EpochMs, Name


class DesiredError(ValueError):
    """A value cannot be desired; names the field and the remedy."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}; {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A key that is not known here is a mistake of the writer."""


class Keeping(_Part, frozen=True, kw_only=True):
    """Which fixes are kept; each bound is one that the kept track holds against the full one.

    Attributes:
        is_all: keep every fix; the rest is then without meaning.
        error_m: the full track lies nowhere further from the kept one.
        turn_deg, speed_cmps: a change of course or speed that is always kept.
        every_m, heartbeat_s: no longer without a fix than so far, or so long.
    """

    is_all: bool = False
    error_m: Annotated[float, Meta(ge=0.5, le=1000)] = 5.0
    turn_deg: Annotated[float, Meta(ge=1, le=180)] = 20.0
    speed_cmps: Annotated[int, Meta(ge=10, le=10_000)] = 300
    every_m: Annotated[float, Meta(ge=1, le=100_000)] = 250.0
    heartbeat_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0


class Shift(_Part, frozen=True, kw_only=True):
    """From when to when the van is on duty, both UTC; outside no coordinate leaves it."""

    from_ms: EpochMs
    to_ms: EpochMs


class Geofence(_Part, frozen=True, kw_only=True):
    """A circle around one point, a corridor along two or more, or a polygon of three or more.

    Attributes:
        points: (lat_e7, lon_e7) pairs. radius_m: of the circle, and of nothing else.
        width_m: of the corridor from edge to edge, and of nothing else.
    """

    geofence: Name
    points: Annotated[tuple[tuple[int, int], ...], Meta(min_length=1, max_length=200)]
    radius_m: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    width_m: Annotated[float, Meta(gt=0, le=100_000)] | None = None


class BrokerPlace(_Part, frozen=True, kw_only=True):
    """Where to connect from now on, with the credentials the van has."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65_535)]


class DesiredValues(_Part, frozen=True, kw_only=True):
    """All that can be desired; what is left out is as the van's own file says.

    Attributes:
        live_every_s: pace of the live lane. batch_wait_s: how long a short batch waits for more.
        is_metered: data is dear: larger batches, rarer live fixes.
        history_bytes_a_second: budget of the history lane.
        shifts: None is always on duty; an empty list never.
    """

    live_every_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    batch_wait_s: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    is_metered: bool | None = None
    history_bytes_a_second: Annotated[int, Meta(ge=100, le=100_000_000)] | None = None
    keeping: Keeping | None = None
    shifts: Annotated[tuple[Shift, ...], Meta(max_length=100)] | None = None
    geofences: Annotated[tuple[Geofence, ...], Meta(max_length=500)] = ()
    broker: BrokerPlace | None = None


def read_values(values: dict[str, Any]) -> DesiredValues:
    """The values of ``dn/desired``, checked as a whole: all of them hold, or none is taken.

    Raises:
        DesiredError: names the first field at fault.
    """
    try:
        told = msgspec.convert(values, DesiredValues)
    except msgspec.ValidationError as error:
        raise DesiredError(*in_words(str(error))) from error
    for index, shift in enumerate(told.shifts or ()):
        if shift.from_ms >= shift.to_ms:
            raise DesiredError(f"shifts[{index}]", "does not end after it begins", "swap its times")
    names = [fence.geofence for fence in told.geofences]
    if len(set(names)) != len(names):
        raise DesiredError("geofences", "two of them have the same name", "name each differently")
    for index, fence in enumerate(told.geofences):
        require_shape(f"geofences[{index}]", fence)
    host = "" if told.broker is None else told.broker.host
    if any(one.isspace() or not one.isprintable() for one in host):
        raise DesiredError("broker.host", "has a blank in it", "give a name or an address")
    return told


def require_shape(field: str, fence: Geofence) -> None:
    """Check that a geofence is an area; ``field`` is where it stands.

    Raises:
        DesiredError: it is none.
    """
    if any(abs(lat) > 900_000_000 or abs(lon) > 1_800_000_000 for lat, lon in fence.points):
        raise DesiredError(
            f"{field}.points", "one is not on the earth", "give latitude, longitude in 1e-7 degrees"
        )
    corners = len(fence.points)
    if (corners == 1) != (fence.radius_m is not None):
        raise DesiredError(
            f"{field}.radius_m", "belongs to one point and to it only", "set or remove it"
        )
    if corners == 1 and fence.width_m is not None:
        raise DesiredError(f"{field}.width_m", "belongs to a line", "remove it")
    if corners == 2 and fence.width_m is None:
        raise DesiredError(
            f"{field}.points", "two make no area", "give one, three and more, or a width_m"
        )
