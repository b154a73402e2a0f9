"""An authority of somebody's own, and the certificates that it makes for servers and boxes."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Shown:
    """A certificate that a server shows, and where it lies with its key."""

    file: Path
    key_file: Path

    @property
    def fingerprint(self) -> str:
        held = x509.load_pem_x509_certificate(self.file.read_bytes())
        return hashlib.sha256(held.public_bytes(Encoding.DER)).hexdigest()


class PrivateAuthority:
    """An authority that no system trusts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "depot authority")])
        self.file = folder / "ca.pem"
        now = datetime.now(UTC)  # noqa: TID251 - certificates live in real time
        made = (
            self._builder(self._name, self._key, now - DAY, now + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(made.public_bytes(Encoding.PEM))

    def _builder(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )

    def certify(
        self,
        name: str,
        *,
        from_days: float = -1.0,
        to_days: float = 1.0,
        names_its_authority: bool = True,
    ) -> Shown:
        """A server's certificate for a host name or an address, good between two days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)  # noqa: TID251 - certificates live in real time
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        try:
            told: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            told = x509.DNSName(name)
        builder = self._builder(
            subject, key, now + from_days * DAY, now + to_days * DAY
        ).add_extension(x509.SubjectAlternativeName([told]), critical=False)
        if names_its_authority:
            mark = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(mark, critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        serial = f"{made.serial_number:x}"
        shown = Shown(self._folder / f"{serial}.pem", self._folder / f"{serial}.key")
        shown.file.write_bytes(made.public_bytes(Encoding.PEM))
        shown.key_file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return shown
