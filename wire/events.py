"""What happens in a van, as the bodies of ``up/event``. Units stand in the names; instants are UTC.

``where`` is left out while no position is known, and outside the shift: there none leaves the van.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wire.values import ClockQuality, EpochMs, Name, Seq, StreamText

type Jamming = Literal["unknown", "ok", "warning", "critical"]
type Spoofing = Literal["unknown", "none", "indicated", "multiple"]
type Antenna = Literal["unknown", "ok", "short", "open"]
type Manoeuvre = Literal["braking", "acceleration", "cornering"]
type Metres = Annotated[int, Meta(ge=0, le=2**40)]
type WholeSeconds = Annotated[int, Meta(ge=0, le=2**40)]


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """A position in 1e-7 degrees."""

    lat_e7: Annotated[int, Meta(ge=-900_000_000, le=900_000_000)]
    lon_e7: Annotated[int, Meta(ge=-1_800_000_000, le=1_800_000_000)]


class Gap(msgspec.Struct, frozen=True, kw_only=True, tag="gap"):
    """A range of a stream that will never be complete, told so that it can be acknowledged.

    Attributes:
        stream: the stream it speaks of, of fixes or of events.
        first: first missing seq. last: last missing seq, inclusive.
        kept: how many of the range were kept after all.
        reason: why they were given up; ``sealed``: their box was moved to another van, and its
            owner decided that they are not handed in.
    """

    stream: StreamText
    first: Seq
    last: Seq
    kept: Annotated[int, Meta(ge=0)] = 0
    reason: Literal["spool_full", "thinned", "damaged", "refused", "sealed"]


class GatewayStarted(msgspec.Struct, frozen=True, kw_only=True, tag="gateway_started"):
    """The gateway opened new streams: ``boot`` is its ordinal, ``fixes`` its stream of fixes."""

    boot: Annotated[int, Meta(ge=0)]
    fixes: StreamText
    version: Annotated[str, Meta(max_length=64)]


class TripStarted(msgspec.Struct, frozen=True, kw_only=True, tag="trip_started"):
    """The van has set off at ``at_ms``, known by ``by``."""

    at_ms: EpochMs
    where: Where | None = None
    odometer_m: Metres
    by: Literal["motion", "ignition"]


class TripEnded(msgspec.Struct, frozen=True, kw_only=True, tag="trip_ended"):
    """The van has come to rest at ``at_ms``; ``distance_m`` is along the accepted fixes."""

    started_at_ms: EpochMs
    at_ms: EpochMs
    where: Where | None = None
    odometer_m: Metres
    distance_m: Metres
    moving_s: WholeSeconds
    idling_s: WholeSeconds
    top_speed_cmps: Annotated[int, Meta(ge=0, le=65_535)]


class StopArrived(msgspec.Struct, frozen=True, kw_only=True, tag="stop_arrived"):
    """The van stands at a stop of its route since ``at_ms``; decided by `wire.arrival`."""

    route: Name
    revision: int
    stop: Name
    at_ms: EpochMs
    where: Where | None = None


class StopDeparted(msgspec.Struct, frozen=True, kw_only=True, tag="stop_departed"):
    """The van has left a stop at ``at_ms`` after ``dwell_s``."""

    route: Name
    revision: int
    stop: Name
    at_ms: EpochMs
    dwell_s: WholeSeconds
    where: Where | None = None


class GeofenceEntered(msgspec.Struct, frozen=True, kw_only=True, tag="geofence_entered"):
    """The van came into a geofence of its desired settings."""

    geofence: Name
    at_ms: EpochMs
    where: Where | None = None


class GeofenceLeft(msgspec.Struct, frozen=True, kw_only=True, tag="geofence_left"):
    """The van left a geofence in which it had been for ``dwell_s``."""

    geofence: Name
    at_ms: EpochMs
    dwell_s: WholeSeconds
    where: Where | None = None


class HarshDriving(msgspec.Struct, frozen=True, kw_only=True, tag="harsh_driving"):
    """A hard manoeuvre, from changes of speed and course between fixes.

    Attributes:
        peak_cmps2: largest acceleration of the manoeuvre, 0.01 m/s², always positive.
        is_estimate: fewer than 4 fixes a second, so that the true peak was higher.
    """

    manoeuvre: Manoeuvre
    at_ms: EpochMs
    peak_cmps2: Annotated[int, Meta(ge=0, le=65_535)]
    lasted_ms: Annotated[int, Meta(ge=0)]
    speed_cmps: Annotated[int, Meta(ge=0, le=65_535)]
    is_estimate: bool
    where: Where | None = None


class Idled(msgspec.Struct, frozen=True, kw_only=True, tag="idled"):
    """The van stood with its engine on from ``at_ms`` for ``lasted_s``."""

    at_ms: EpochMs
    lasted_s: WholeSeconds
    where: Where | None = None


class IgnitionSwitched(msgspec.Struct, frozen=True, kw_only=True, tag="ignition_switched"):
    """The ignition was switched."""

    is_on: bool
    at_ms: EpochMs


class DoorMoved(msgspec.Struct, frozen=True, kw_only=True, tag="door_moved"):
    """A door was opened or closed."""

    door: Name
    is_open: bool
    at_ms: EpochMs
    where: Where | None = None


class TemperatureTold(msgspec.Struct, frozen=True, kw_only=True, tag="temperature_told"):
    """What a sensor in the van measures, 0.1 °C."""

    sensor: Name
    at_ms: EpochMs
    celsius_d: Annotated[int, Meta(ge=-2731, le=20_000)]


class DutyChanged(msgspec.Struct, frozen=True, kw_only=True, tag="duty_changed"):
    """A shift began or ended; outside it no coordinate leaves the van."""

    is_on_duty: bool
    at_ms: EpochMs


class ReceptionChanged(msgspec.Struct, frozen=True, kw_only=True, tag="reception_changed"):
    """What the receiver in use says of its reception: trust in the fixes since ``at_ms``."""

    receiver: Name
    at_ms: EpochMs
    jamming: Jamming = "unknown"
    spoofing: Spoofing = "unknown"
    antenna: Antenna = "unknown"


class ReceiverChosen(msgspec.Struct, frozen=True, kw_only=True, tag="receiver_chosen"):
    """Fixes come from another receiver of this van now; None when none gives any."""

    receiver: Name | None
    before: Name | None
    reason: Annotated[str, Meta(max_length=200)]


class ClockCorrected(msgspec.Struct, frozen=True, kw_only=True, tag="clock_corrected"):
    """The van's clock was set: what was recorded before with ``before`` was off by ``by_ms``."""

    by_ms: EpochMs
    before: ClockQuality
    quality: ClockQuality


class SpoolRepaired(msgspec.Struct, frozen=True, kw_only=True, tag="spool_repaired"):
    """A damaged spool was set aside; ``salvaged`` of its rows could be read and follow."""

    salvaged: Annotated[int, Meta(ge=0)]
    problem: Annotated[str, Meta(max_length=500)]


class SealedGivenUp(msgspec.Struct, frozen=True, kw_only=True, tag="sealed_given_up"):
    """What this box recorded for an earlier van was given up by its owner, and never comes.

    Told by the present van, as the box may not speak for the earlier one any more. What the cloud
    had acknowledged before is not counted.

    Attributes:
        tenant: of the earlier van. earlier_van: its name.
        from_ms: when the first of it was recorded. to_ms: the last; None without any.
    """

    tenant: Name
    earlier_van: Name
    fixes: Annotated[int, Meta(ge=0)]
    events: Annotated[int, Meta(ge=0)]
    from_ms: EpochMs | None = None
    to_ms: EpochMs | None = None


class PowerFailing(msgspec.Struct, frozen=True, kw_only=True, tag="power_failing"):
    """The supply has told that it is about to fail; all that was recorded is committed."""

    at_ms: EpochMs


type EventBody = (
    Gap
    | GatewayStarted
    | TripStarted
    | TripEnded
    | StopArrived
    | StopDeparted
    | GeofenceEntered
    | GeofenceLeft
    | HarshDriving
    | Idled
    | IgnitionSwitched
    | DoorMoved
    | TemperatureTold
    | DutyChanged
    | ReceptionChanged
    | ReceiverChosen
    | ClockCorrected
    | SpoolRepaired
    | SealedGivenUp
    | PowerFailing
)
