"""What the reader's and the connection's threads tell the one thread that decides."""

import queue
from typing import Final, Literal

import msgspec

from gateway.fixes.epochs import Epoch

INBOX_SIZE: Final = 5_000


class Taken(msgspec.Struct, frozen=True, gc=False):
    """The receiver of this name has completed an epoch.

    Attributes:
        at_s: when it was read, by the monotonic clock; the inbox may hold it for long.
    """

    receiver: str
    epoch: Epoch
    at_s: float


type ReceiverStatus = Literal["ok", "speaks", "silent", "unreadable", "lost"]


class ReceiverChanged(msgspec.Struct, frozen=True):
    """The receiver of this name was opened (``ok``), lost, or is heard otherwise than before.

    Attributes:
        detail: why it was lost, or what to look at.
    """

    receiver: str
    status: ReceiverStatus
    detail: str


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A message below ``dn/`` has come.

    Attributes:
        mid: what the broker knows it by; 0 when it expects no receipt.
        connection: number of the connection it came on, as `Link.connection`.
    """

    kind: str
    payload: bytes
    mid: int = 0
    connection: int | None = None


class Delivered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The broker has a message (at QoS 0 the socket has it); says nothing of the cloud.

    Attributes:
        mid: as `Link.publish` gave it. at_s: when, by the monotonic clock.
    """

    mid: int
    at_s: float = 0.0


type InputKind = Literal["ignition", "door", "power_fail"]


class Switched(msgspec.Struct, frozen=True, kw_only=True):
    """A wire of the board has this level now; its first one is told too."""

    kind: InputKind
    name: str
    is_on: bool


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A thermometer has something to tell, 0.1 °C."""

    sensor: str
    celsius_d: int


type News = Taken | ReceiverChanged | Heard | Delivered | Switched | Measured
type Inbox = queue.Queue[News]
"""Bounded by `INBOX_SIZE`; a reader waits when it is full, the connection drops."""
