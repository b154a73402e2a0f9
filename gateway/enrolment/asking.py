"""The one HTTPS request a gateway ever makes, to enrol. No redirect and no proxy is followed.

Trust comes from the system's authorities, from a file, or from the fingerprint of the server's own
certificate; without one of them nothing is sent, as the token is worth a van.
"""

import hashlib
import hmac
import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.errors import GatewayError, SettingsError
from wire.enrolment import PATH, Enrolment, EnrolmentRequest

_TIMEOUT_S: Final = 30.0
_MOST_BYTES: Final = 65_536
_LATER: Final = frozenset({429, 500, 502, 503, 504})
_ELSEWHERE: Final = frozenset({301, 302, 303, 307, 308})
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST"})
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


_CLOCK: Final = "set the clock of this box"
_OTHER_NAME: Final = (
    "give in --url the name that the certificate is made for, or --fingerprint SHA256"
)
_UNTRUSTED: Final = "give --ca FILE with its authority, or --fingerprint SHA256 of the certificate"
_INCOMPLETE: Final = (
    "have the certificate, or its authority's, made anew with what it lacks (RFC 5280), or give "
    "--fingerprint SHA256"
)
_REMEDIES: Final = {
    **dict.fromkeys(range(79, 95), _INCOMPLETE),
    9: _CLOCK,
    10: f"have the server's certificate renewed; if this box's clock is wrong, {_CLOCK}",
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}
"""By OpenSSL's code (x509_vfy.h): not yet valid, expired, another name, another address; from
79 on what only a strict look refuses, as Python does since 3.13."""


class Unreachable(GatewayError):
    """The cloud does not answer now; trying again later may help."""


class _Problem(msgspec.Struct, frozen=True):
    """RFC 9457, as much of it as is shown."""

    detail: str = ""


class Cloud:
    """Where a gateway enrols.

    Args:
        url: of the cloud's web, such as ``https://fleet.example``.
        ca_file: authority of the server's certificate; None trusts the system's.
        fingerprint: SHA-256 of the server's certificate, hexadecimal; trusts exactly that one.
        timeout_s: for each step of connecting, then for the whole answer.

    Raises:
        SettingsError: a value cannot be used, or the token would travel in the clear.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        fingerprint: str | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise SettingsError(
                f"--url: {error}; give https://HOST or https://HOST:PORT"
            ) from error
        self._is_plain = parts.scheme == "http"
        self._path = parts.path.rstrip("/") + PATH
        if parts.scheme not in {"http", "https"} or not self._host:
            raise SettingsError(
                f"--url: {url!r} is no address; give https://HOST or https://HOST:PORT"
            )
        if self._is_plain and not _is_loopback(self._host):
            raise SettingsError("--url: http would send the token in the clear; give https://HOST")
        self._fingerprint = _require_digest(fingerprint)
        self._ca_file = ca_file
        self._timeout_s = timeout_s

    def enrol(self, asked: EnrolmentRequest) -> Enrolment:
        """Spend the token.

        Raises:
            SettingsError: the cloud refuses; says why and what to do.
            Unreachable: it does not answer now; nothing is lost by asking again.
        """
        status, body = self._post(msgspec.json.encode(asked))
        if status == 201:
            try:
                return msgspec.json.decode(body, type=Enrolment)
            except msgspec.DecodeError as error:
                raise SettingsError(f"--url: its answer is not of this version: {error}") from error
        told = _detail(body) or f"status {status}"
        if status in _LATER:
            raise Unreachable(f"the cloud cannot answer now: {told}; try again")
        raise SettingsError(f"the cloud refuses: {told}")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.connect()
            self._require_pinned(connection)
            return self._ask(connection, body)
        except ssl.SSLCertVerificationError as error:
            remedy = _REMEDIES.get(error.verify_code, _UNTRUSTED)
            raise SettingsError(
                f"--url: its certificate is not trusted: {error.verify_message}; {remedy}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
                raise SettingsError(
                    f"--url: {self._host} answers without TLS there; give the port of its https"
                ) from error
            raise Unreachable(
                f"--url: {self._host} does not answer: {error}; check it and try again"
            ) from error
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
        """Send it, and take an answer of a bounded size within a bounded time."""
        with _cut_after(connection.sock, self._timeout_s):
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", self._path, body, headers)
            with connection.getresponse() as answer:
                told, left = answer.read(_MOST_BYTES + 1), answer.length
        if left and len(told) <= _MOST_BYTES:
            raise http.client.IncompleteRead(told, left)
        if len(told) > _MOST_BYTES:
            raise SettingsError(
                f"--url: its answer is longer than {_MOST_BYTES} bytes; give the cloud's address"
            )
        if answer.status in _ELSEWHERE:
            place = _shown(answer.headers.get("Location", "nowhere"))
            raise SettingsError(
                f"--url: answers with a redirect to {place}, which is not followed; give the "
                "cloud's own address"
            )
        return answer.status, told

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_plain:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            context = ssl.create_default_context(
                cafile=None if self._ca_file is None else str(self._ca_file)
            )
        except (OSError, ValueError) as error:
            raise SettingsError(f"--ca: {self._ca_file}: {error}; give a PEM file") from error
        if self._fingerprint is not None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # compared below, before anything is sent
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout_s, context=context
        )

    def _require_pinned(self, connection: http.client.HTTPConnection) -> None:
        if self._fingerprint is None or not isinstance(connection.sock, ssl.SSLSocket):
            return
        shown = hashlib.sha256(connection.sock.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(shown, self._fingerprint):
            raise SettingsError(
                f"--fingerprint: the server shows {shown}; if that is right, give it, "
                "else somebody stands between"
            )


def _require_digest(text: str | None) -> str | None:
    if text is None:
        return None
    digest = text.replace(":", "").strip().lower()
    if _DIGEST.fullmatch(digest) is None:
        raise SettingsError("--fingerprint: is no SHA-256; give its 64 hexadecimal digits")
    return digest


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _detail(body: bytes) -> str:
    try:
        told = msgspec.json.decode(body, type=_Problem).detail
    except msgspec.DecodeError:
        return ""
    return _shown(told)


def _shown(told: str) -> str:
    """What a server says, fit for a terminal."""
    return "".join(mark if mark.isprintable() else " " for mark in told[:500])


@contextmanager
def _cut_after(sock: socket.socket, within_s: float) -> Iterator[None]:
    """End whatever waits for the socket, under TLS too, when its time is over.

    Raises:
        TimeoutError: it was.
    """
    is_late = threading.Event()
    guard = threading.Timer(within_s, _cut, (sock, is_late))
    guard.daemon = True
    guard.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not is_late.is_set():
            raise
    finally:
        guard.cancel()
    if is_late.is_set():
        raise TimeoutError(f"no whole answer within {within_s:g} s")


def _cut(sock: socket.socket, is_late: threading.Event) -> None:
    is_late.set()
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
