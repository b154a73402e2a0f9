"""Our own certificate authority: one key, outside every database and backup, signing directly.

It says who may speak on the broker's encrypted lane (RFC 5280, mutual TLS). Nothing that asks for a
certificate has a say in what stands in it: of a request only the key is taken, and only when the
request proves that its sender holds it (RFC 2986).
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud.foundation.errors import Invalid
from cloud.foundation.files import private_folder, put

MAX_REQUEST_CHARS: Final = 8_192
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
_HASHES: Final = ("sha256", "sha384", "sha512")
_YEAR: Final = timedelta(days=365)
_OWN_LIFE: Final = 2 * _YEAR
_AUTHORITY_LIFE: Final = 30 * _YEAR
_BACKDATED: Final = timedelta(days=1)
"""A clock that is behind by so much still takes a new certificate."""

type NewSerial = Callable[[], int]
"""Gives a serial number, as `new_serial` does."""


class RequestedKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key of a certificate signing request, proved to be held by its sender.

    Attributes:
        public: SubjectPublicKeyInfo, DER. fingerprint: SHA-256 of that, hexadecimal.
    """

    public: bytes
    fingerprint: str


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate and what it says. Instants are seconds since 1970.

    Attributes:
        serial: hexadecimal. identity: the URI by which the broker knows its holder.
    """

    serial: str
    identity: str
    pem: str
    issued_at: float
    expires_at: float


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """Where a certificate of our own and its key lie."""

    cert_file: Path
    key_file: Path


def new_serial() -> int:
    """159 random bits, the most a serial number may have."""
    return x509.random_serial_number()


def gateway_identity(tenant: str, van: str, serial: int) -> str:
    """Who holds a van's certificate; another for each, so that each can be shut out alone."""
    return f"urn:roundsman:gateway:{tenant}:{van}:{serial:x}"


def reader_identity(tenant: str, reader: str) -> str:
    """Who holds the certificate of a third party that reads the feed."""
    return f"urn:roundsman:reader:{tenant}:{reader}"


def new_key() -> tuple[str, RequestedKey]:
    """A new P-256 key as PEM, and as what is to be certified of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = hashlib.sha256(public).hexdigest()
    return _key_pem(key).decode(), RequestedKey(public=public, fingerprint=fingerprint)


def part_identity(part: str) -> str:
    """Who ingest and web are on the encrypted lane."""
    return f"urn:roundsman:cloud:{part}"


def read_request(pem: str) -> RequestedKey:
    """The key that a PEM certificate signing request asks to have certified; all else is ignored.

    Raises:
        Invalid: it cannot be read, does not prove that the key is held, or the key is weak.
    """
    if len(pem) > MAX_REQUEST_CHARS:
        raise _bad_request("is too long")
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key = request.public_key()
        is_proved = request.is_signature_valid
        hashed = request.signature_hash_algorithm
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise _bad_request("is no PEM certificate signing request") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise _bad_request("has a key that is not taken")
    if not is_proved or hashed is None or hashed.name not in _HASHES:
        raise _bad_request("is not signed by its key")
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return RequestedKey(public=public, fingerprint=hashlib.sha256(public).hexdigest())


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of the key ``public``, DER, has signed ``message``: ECDSA, SHA-256."""
    key = load_der_public_key(public)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _bad_request(problem: str) -> Invalid:
    return Invalid.field(
        "csr", problem, "make a new P-256 key and request, as roundsman gateway enrol does"
    )


class Authority:
    """The authority of one data folder; its key is made when it is first needed.

    Args:
        folder: private, below the secrets and in no backup.
        now_s: the real time, seconds since 1970.
        serials: gives serial numbers.
    """

    def __init__(
        self, folder: Path, now_s: Callable[[], float], serials: NewSerial = new_serial
    ) -> None:
        self._folder = folder
        self._now_s = now_s
        self._serials = serials

    @property
    def certificate_file(self) -> Path:
        """What clients trust; public."""
        return self._folder / "ca.pem"

    def certificate_pem(self) -> str:
        """The authority's own certificate."""
        return self._certificate().public_bytes(Encoding.PEM).decode()

    def sign_gateway(self, tenant: str, van: str, key: RequestedKey, lifetime: timedelta) -> Issued:
        """Certify a van's key, for signing in and nothing else."""
        serial = self._serials()
        identity = gateway_identity(tenant, van, serial)
        return self._sign_client(serial, identity, f"{tenant}.{van}", key, lifetime)

    def sign_reader(
        self, tenant: str, reader: str, key: RequestedKey, lifetime: timedelta
    ) -> Issued:
        """Certify the key of a third party that reads the feed."""
        identity = reader_identity(tenant, reader)
        return self._sign_client(self._serials(), identity, f"{tenant}.{reader}", key, lifetime)

    def _sign_client(
        self, serial: int, identity: str, name: str, key: RequestedKey, lifetime: timedelta
    ) -> Issued:
        begin = self._now()
        end = begin + lifetime
        pem = self._sign(
            key.public,
            serial=serial,
            name=name,
            usage=ExtendedKeyUsageOID.CLIENT_AUTH,
            names=[x509.UniformResourceIdentifier(identity)],
            span=(begin - _BACKDATED, end),
        )
        return Issued(
            serial=f"{serial:x}",
            identity=identity,
            pem=pem.decode(),
            issued_at=begin.timestamp(),
            expires_at=end.timestamp(),
        )

    def part_pair(self, folder: Path, part: str) -> KeyPair:
        """Key and certificate by which ``part`` of the cloud signs in; renewed when half over."""
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(part_identity(part))]
        return self._own_pair(folder, part, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def server_pair(self, folder: Path, hosts: Iterable[str]) -> KeyPair:
        """Key and certificate of the broker at ``hosts``; renewed when half over or they change.

        Raises:
            Invalid: a host is neither an address nor a name.
        """
        names = [_host(host) for host in dict.fromkeys(hosts)]
        return self._own_pair(folder, "broker", names, ExtendedKeyUsageOID.SERVER_AUTH)

    def _own_pair(
        self,
        folder: Path,
        name: str,
        names: list[x509.GeneralName],
        usage: x509.ObjectIdentifier,
    ) -> KeyPair:
        pair = KeyPair(cert_file=folder / f"{name}.pem", key_file=folder / f"{name}.key")
        with self._alone():
            issuer = self._certificate()
            if self._is_good(pair, names, issuer):
                return pair
            private_folder(folder)
            key = ec.generate_private_key(ec.SECP256R1())
            public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            # Valid from the authority's first day: a van whose clock is months behind takes it.
            span = (issuer.not_valid_before_utc, self._now() + _OWN_LIFE)
            pem = self._sign(
                public, serial=self._serials(), name=name, usage=usage, names=names, span=span
            )
            put(pair.key_file, _key_pem(key))
            put(pair.cert_file, pem)
        return pair

    def _is_good(
        self, pair: KeyPair, names: list[x509.GeneralName], issuer: x509.Certificate
    ) -> bool:
        try:
            found = x509.load_pem_x509_certificate(pair.cert_file.read_bytes())
            key = load_pem_private_key(pair.key_file.read_bytes(), None)
            found.verify_directly_issued_by(issuer)
            told = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        is_young = found.not_valid_after_utc - self._now() > _OWN_LIFE / 2
        is_its_key = found.public_key() == key.public_key()
        return is_young and is_its_key and list(told.value) == names

    def _sign(
        self,
        public: bytes,
        *,
        serial: int,
        name: str,
        usage: x509.ObjectIdentifier,
        names: list[x509.GeneralName],
        span: tuple[datetime, datetime],
    ) -> bytes:
        key = load_der_public_key(public)
        assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101 - `read_request` has looked
        own, issuer = self._key(), self._certificate()
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
            .issuer_name(issuer.subject)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(span[0])
            .not_valid_after(span[1])
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .sign(own, hashes.SHA256())
        )
        return made.public_bytes(Encoding.PEM)

    def _key(self) -> ec.EllipticCurvePrivateKey:
        """The authority's key; made, with its certificate, when there is none.

        Raises:
            Invalid: the file is damaged.
        """
        file = self._folder / "ca.key"
        if not file.exists():
            self._make()
        try:
            key = load_pem_private_key(file.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise _damaged(file) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _damaged(file)
        return key

    def _certificate(self) -> x509.Certificate:
        self._key()
        try:
            return x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        except (OSError, ValueError) as error:
            raise _damaged(self.certificate_file) from error

    def _make(self) -> None:
        private_folder(self._folder)
        with (self._folder / ".making").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (self._folder / "ca.key").exists():
                return
            key = ec.generate_private_key(ec.SECP256R1())
            put(self.certificate_file, self._self_signed(key))
            put(self._folder / "ca.key", _key_pem(key))

    def _self_signed(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Roundsman vans")])
        begin = self._now() - _BACKDATED
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(self._serials())
            .not_valid_before(begin)
            .not_valid_after(begin + _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(is_authority=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return made.public_bytes(Encoding.PEM)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        private_folder(self._folder)
        descriptor = os.open(self._folder / ".signing", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._now_s()), UTC)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise Invalid.field(
            "embedded_broker.advertised_host",
            f"{host[:80]!r} is no host name",
            "use an address, or a name in ASCII",
        ) from error


def _damaged(file: Path) -> Invalid:
    return Invalid.field(
        str(file),
        "is damaged",
        "restore the folder secrets/ca, or remove it and enrol every gateway again",
    )


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
