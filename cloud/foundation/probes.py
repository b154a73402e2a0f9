"""Whether a part of this machine answers now. None raises; each asks once and briefly."""

import http.client
import socket
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 2.0
_MOST_BYTES: Final = 1_000_000


def http_get(host: str, port: int, path: str) -> tuple[int, bytes] | None:
    """Status and body of a plain GET, past any proxy; None when nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def tcp_answers(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S):
            return True
    except OSError:
        return False


def socket_answers(path: Path) -> bool:
    """Whether something listens on the Unix socket ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
