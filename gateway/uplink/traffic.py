"""What a connection has cost, as the kernel counts it: TLS, repeats and bare receipts included."""

import contextlib
import socket
import struct
from typing import Any, Final

import msgspec

_HEADER_BYTES: Final = 40
"""IPv4 20, TCP 20: of each segment; 20 more with IPv6."""
_TIMESTAMPS_BYTES: Final = 12
"""On each segment where both ends have agreed on them (RFC 7323)."""
_OPTIONS_AT: Final = 5
_HAS_TIMESTAMPS: Final = 1

_LAST_HEARD_AT: Final = 52
_BYTES_HEARD_AT: Final = 128
_SEGMENTS_AT: Final = 136
_BYTES_SENT_AT: Final = 200
_INFO_BYTES: Final = 208
"""Places in Linux's ``struct tcp_info`` (include/uapi/linux/tcp.h, 4.19 and later)."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes and segments of TCP in both directions.

    Attributes:
        sent_bytes, heard_bytes: what TCP carried, with TLS, and what it had to send again.
        sent_segments, heard_segments: all of them, those that only acknowledge too.
        header_bytes: of IP and TCP on all of these segments, without IPv6.
    """

    sent_bytes: int = 0
    heard_bytes: int = 0
    sent_segments: int = 0
    heard_segments: int = 0
    header_bytes: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            sent_bytes=self.sent_bytes + other.sent_bytes,
            heard_bytes=self.heard_bytes + other.heard_bytes,
            sent_segments=self.sent_segments + other.sent_segments,
            heard_segments=self.heard_segments + other.heard_segments,
            header_bytes=self.header_bytes + other.header_bytes,
        )

    @property
    def billed_bytes(self) -> int:
        """All of it with the headers of IP and TCP: what a contract for data counts."""
        return self.sent_bytes + self.heard_bytes + self.header_bytes


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel says of one connection now; ``silent_s``: since it last brought a byte."""

    traffic: Traffic
    silent_s: float


def read(sock: Any) -> Reading | None:
    """Ask the kernel; None where it does not tell, or when the connection is closed already."""
    option = getattr(socket, "TCP_INFO", None)
    info = b""
    if option is not None and sock is not None:
        with contextlib.suppress(OSError, AttributeError):
            info = sock.getsockopt(socket.IPPROTO_TCP, option, 256)
    if len(info) < _INFO_BYTES:
        return None
    (heard,) = struct.unpack_from("=Q", info, _BYTES_HEARD_AT)
    segments_out, segments_in = struct.unpack_from("=II", info, _SEGMENTS_AT)
    (sent,) = struct.unpack_from("=Q", info, _BYTES_SENT_AT)
    has_timestamps = bool(info[_OPTIONS_AT] & _HAS_TIMESTAMPS)
    a_segment = _HEADER_BYTES + _TIMESTAMPS_BYTES * has_timestamps
    (silent_ms,) = struct.unpack_from("=I", info, _LAST_HEARD_AT)
    return Reading(
        traffic=Traffic(
            sent_bytes=sent,
            heard_bytes=heard,
            sent_segments=segments_out,
            heard_segments=segments_in,
            header_bytes=(segments_out + segments_in) * a_segment,
        ),
        silent_s=silent_ms / 1000,
    )


def tune(sock: Any) -> None:
    """Keep little of ours in the kernel, send it at once, and give up a path that takes nothing.

    The bound is on what is not yet sent, not on the send buffer: that would bound what is under way
    too, and with it the speed of a long link.
    """
    options = (
        ("TCP_NODELAY", 1),
        ("TCP_NOTSENT_LOWAT", 4_096),
        ("TCP_USER_TIMEOUT", 45_000),
    )
    for name, value in options:
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError, AttributeError):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
