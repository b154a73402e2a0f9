"""Why a connection failed, and what somebody can do about it."""

import socket
import ssl
from typing import Final, Literal

type Cause = Literal["name", "unreachable", "tls", "refused", "silent", "lost"]

_REMEDIES: Final[dict[Cause, str]] = {
    "name": "check broker.host and the name server; it is tried again",
    "unreachable": "check the network, broker.host and broker.port; it is tried again",
    "tls": "check broker.ca_file, the certificate and the clock; it is tried again",
    "refused": "the broker does not let this van in; enrol it again, or see whether it was revoked",
    "silent": "no MQTT broker answers there, or it is overloaded; check broker.port and broker.tls",
    "lost": "a new connection is made",
}


def remedy(cause: Cause) -> str:
    """What somebody can do about it."""
    return _REMEDIES[cause]


def cause_of(error: Exception) -> Cause:
    """Why no connection could be made."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return "name"
    if isinstance(error, ssl.SSLError) and not isinstance(error, TimeoutError):
        return "tls"
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError | PermissionError):
        return "unreachable"
    return "tls"  # a file of ours that cannot be used
