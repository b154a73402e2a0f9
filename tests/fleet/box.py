"""Keys, requests and sessions of a box, honest or not, made without the gateway's own code."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from paho.mqtt.enums import CallbackAPIVersion

from wire.enrolment import Previous, proof_of_previous


@dataclass
class Box:
    """A key, and what was issued for it."""

    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    client_id: str = field(default_factory=lambda: secrets.token_hex(16))

    def request(self, *, names: tuple[x509.GeneralName, ...] = (), subject: str = "box") -> str:
        """A signing request, perhaps one that asks for more than is its due."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        made = x509.CertificateSigningRequestBuilder().subject_name(name)
        if names:
            made = (
                made.add_extension(x509.SubjectAlternativeName(names), critical=False)
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .add_extension(
                    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
                )
            )
        return made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def proof(self, serial: str, csr: str) -> Previous:
        """That it holds the key of an earlier certificate."""
        message = proof_of_previous(serial, csr)
        signature = self.key.sign(message, ec.ECDSA(hashes.SHA256())).hex()
        return Previous(serial=serial, signature=signature)

    def session(self, folder: Path, pem: str, authority: str, port: int) -> "Session":
        """A session with a certificate, not connected yet."""
        folder.mkdir(parents=True, exist_ok=True)
        own = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key").write_bytes(own)
        (folder / "cert").write_text(pem)
        (folder / "ca").write_text(authority)
        return Session(folder, port, self.client_id)


class Session:
    """An MQTT session that remembers what befell it."""

    def __init__(self, folder: Path, port: int, client_id: str) -> None:
        self.events: list[str] = []
        self.heard: list[tuple[str, bytes]] = []
        self._port = port
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False
        )
        self.client.tls_set(str(folder / "ca"), str(folder / "cert"), str(folder / "key"))
        self.client.on_connect = lambda _c, _d, _f, reason, _p: self.events.append(
            "refused" if reason.is_failure else "connected"
        )
        self.client.on_connect_fail = lambda *_: self.events.append("refused")
        self.client.on_disconnect = lambda *_: self.events.append("disconnected")
        self.client.on_subscribe = lambda _c, _d, _m, reasons, _p: self.events.extend(
            "denied" if reason.is_failure else "subscribed" for reason in reasons
        )
        self.client.on_message = lambda _c, _d, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self.client.reconnect_delay_set(1, 1)

    def __enter__(self) -> "Session":
        self.client.connect_async("127.0.0.1", self._port)
        self.client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def saw(self, event: str) -> Callable[[], bool]:
        """Whether that has happened."""
        return lambda: event in self.events
