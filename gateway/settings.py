"""The gateway's settings, each with its bounds; configuration.py reads them from a file."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from wire.desired import Keeping
from wire.messages import MAX_BATCH_FIXES
from wire.values import Name

type Port = Annotated[int, Meta(ge=1, le=65_535)]
type Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; a key it does not know is a mistake of the writer."""


class BrokerSettings(_Table, frozen=True, kw_only=True):
    """Where to publish, and as whom: by certificate, or by name and password.

    Attributes:
        client_id: who knows it can take over the session.
        keepalive_s: a link that brings nothing for ten seconds longer is taken for dead.
    """

    host: Annotated[str, Meta(min_length=1)]
    port: Port
    client_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
    username: str = ""
    password: str = ""
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 45


class SerialSettings(_Table, frozen=True, kw_only=True, tag_field="kind", tag="serial"):
    """A receiver that writes NMEA; best named by ``/dev/serial/by-id``.

    Attributes:
        baud: speed of the line; None has it found by trying.
    """

    device: Annotated[str, Meta(min_length=1)]
    baud: Annotated[int, Meta(ge=300, le=4_000_000)] | None = None
    name: Name = "serial"


class GpsdSettings(_Table, frozen=True, kw_only=True, tag_field="kind", tag="gpsd"):
    """A gpsd that owns the receiver.

    Attributes:
        device: whose reports count; None is the first that gives a fix.
        timeout_s: silence after which gpsd is asked whether it lives, and then given up.
    """

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 2947
    device: Annotated[str, Meta(min_length=1)] | None = None
    timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 5.0
    name: Name = "gpsd"


class ReplaySettings(_Table, frozen=True, kw_only=True, tag_field="kind", tag="replay"):
    """A recording of NMEA, once through, at ``rate_hz`` epochs a real second."""

    file: Annotated[str, Meta(min_length=1)]
    rate_hz: Annotated[float, Meta(gt=0, le=10_000)] = 1.0
    name: Name = "replay"


type ReceiverSettings = SerialSettings | GpsdSettings | ReplaySettings


class SpoolSettings(_Table, frozen=True, kw_only=True):
    """How often fixes are committed (a power cut takes no more) and how many are held.

    Attributes:
        max_bytes: bound of the file. keep_free_bytes: what the medium keeps for others; with less
            free the file grows no further, but 4 MB are always its own.
        keep_acknowledged_h: how long the cloud may ask again for what it has acknowledged.
    """

    commit_every_s: Seconds = 10.0
    max_bytes: Annotated[int, Meta(ge=200_000, le=10**13)] = 200_000_000
    keep_free_bytes: Annotated[int, Meta(ge=0, le=10**13)] = 100_000_000
    keep_acknowledged_h: Annotated[float, Meta(ge=0, le=10_000)] = 48.0


class UplinkSettings(_Table, frozen=True, kw_only=True):
    """Pace of delivery, in real seconds.

    Attributes:
        batch_fixes: fixes in one history message. batch_wait_s: how long fewer wait for more.
        window: messages in flight without the cloud's acknowledgement, history and events each.
        live_every_s: least time between two live fixes; 4 s keep a position below 5 s of age.
        resend_after_s: what stays unacknowledged so long is sent again, then ever more rarely.
        is_metered: data is dear: live fixes 30 s apart at least, short batches wait 15 minutes.
        history_bytes_a_second: budget of the history lane; without it the link decides.
        clock_wait_s: how long after a start events wait for a clock that is proved, so that they
            are told with their true times.
    """

    batch_fixes: Annotated[int, Meta(ge=1, le=MAX_BATCH_FIXES)] = 300
    batch_wait_s: Annotated[float, Meta(ge=0, le=86_400)] = 300.0
    window: Annotated[int, Meta(ge=1, le=1000)] = 20
    live_every_s: Annotated[float, Meta(ge=0, le=3600)] = 4.0
    resend_after_s: Seconds = 60.0
    is_metered: bool = False
    history_bytes_a_second: Annotated[int, Meta(ge=100, le=100_000_000)] | None = None
    clock_wait_s: Annotated[float, Meta(ge=0, le=3600)] = 60.0


class ControlSettings(_Table, frozen=True, kw_only=True):
    """What the cloud may change from afar.

    Attributes:
        rollback_after_s: settings under which nobody has answered for so long are taken back.
    """

    rollback_after_s: Annotated[float, Meta(ge=1, le=86_400)] = 300.0


class WatchSettings(_Table, frozen=True, kw_only=True):
    """How long a part may take for one turn before it is stuck and the watchdog starves.

    Attributes:
        reader_s: to look for a line's speed, or to wait for a gpsd.
        link_s: for one attempt to connect: name servers, every address, TLS, an answer.
        spool_s: from when a commit is due until it was tried.
    """

    reader_s: Seconds = 90.0
    link_s: Seconds = 180.0
    spool_s: Seconds = 60.0


class DrivingSettings(_Table, frozen=True, kw_only=True):
    """From which acceleration on, in m/s², a manoeuvre counts as harsh; and when idling does."""

    braking_mps2: Annotated[float, Meta(gt=0, le=20)] = 3.5
    acceleration_mps2: Annotated[float, Meta(gt=0, le=20)] = 3.0
    cornering_mps2: Annotated[float, Meta(gt=0, le=20)] = 4.0
    idling_after_s: Seconds = 120.0


class PinSettings(_Table, frozen=True, kw_only=True):
    """One input of the board: which line of which chip, and which level means yes."""

    line: Annotated[int, Meta(ge=0, le=1023)]
    chip: Annotated[str, Meta(min_length=1)] = "/dev/gpiochip0"
    is_active_low: bool = False


class DoorSettings(PinSettings, frozen=True, kw_only=True):
    """The contact of a door; its events tell it by name."""

    name: Name = "door"


class InputSettings(_Table, frozen=True, kw_only=True):
    """What is wired to the board beside the receiver; all of it may be missing.

    Attributes:
        ignition: whether the engine is on. doors: each by name; yes means open.
        power_fail: the supply says that it is about to fail.
        temperatures: 1-Wire sensors, name to id such as ``28-00000a1b2c3d``.
    """

    ignition: PinSettings | None = None
    doors: Annotated[tuple[DoorSettings, ...], Meta(max_length=8)] = ()
    power_fail: PinSettings | None = None
    temperatures: Annotated[dict[Name, str], Meta(max_length=8)] = {}


class DemoSettings(_Table, frozen=True, kw_only=True):
    """Simulated time, only for demo data."""

    clock_file: str


class Settings(_Table, frozen=True, kw_only=True):
    """The whole file."""

    tenant: Name
    van: Name
    data_dir: Annotated[str, Meta(min_length=1)]
    broker: BrokerSettings
    receivers: Annotated[tuple[ReceiverSettings, ...], Meta(min_length=1, max_length=4)]
    spool: SpoolSettings = SpoolSettings()
    uplink: UplinkSettings = UplinkSettings()
    keeping: Keeping = Keeping()
    driving: DrivingSettings = DrivingSettings()
    control: ControlSettings = ControlSettings()
    watch: WatchSettings = WatchSettings()
    inputs: InputSettings = InputSettings()
    demo: DemoSettings | None = None

    @property
    def folder(self) -> Path:
        """Where the gateway keeps what must survive."""
        return Path(self.data_dir)

    @property
    def spool_file(self) -> Path:
        """The SQLite file of fixes and events."""
        return self.folder / "spool.db"
