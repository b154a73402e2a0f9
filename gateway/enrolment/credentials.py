"""Keys and certificates of this box, each in a folder of its own below ``data_dir/credentials``.

``current`` is a link to the one in use, so that key and certificate change together, in one rename,
and the configuration names files that stay. A certificate that was replaced keeps its folder: with
it the box hands in what it recorded for an earlier van.
"""

import shutil
import ssl
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.durable import put_private, sync_folder
from gateway.errors import SettingsError
from wire.enrolment import Certificate, ClientId, Enrolment, Purpose, Serial
from wire.values import EpochMs, Name

CURRENT: Final = "current"
KEY: Final = "key.pem"
CERTIFICATE: Final = "cert.pem"
AUTHORITY: Final = "ca.pem"
REQUEST: Final = "request.pem"
_HELD: Final = "certificate.json"
_RENEWED_WITH: Final = 1 / 3
"""Part of a certificate's life that is left when the next one is asked for."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """``certificate.json``: what a certificate says, for readers without a library for them.

    Attributes:
        host, port: of the broker when it was issued, which may have moved since.
    """

    tenant: Name
    van: Name
    purpose: Purpose
    host: str
    port: int
    client_id: ClientId
    serial: Serial
    issued_at_ms: EpochMs
    expires_at_ms: EpochMs

    @property
    def renews_at_ms(self) -> int:
        """From when on the next one is asked for."""
        life_ms = self.expires_at_ms - self.issued_at_ms
        return self.expires_at_ms - round(life_ms * _RENEWED_WITH)


class Trouble(NamedTuple):
    """Why there is no next certificate, and what to do about it."""

    told: str
    remedy: str


class Credentials:
    """The folder of one box. Names of files in it never come from outside but as serial numbers."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "credentials"

    @property
    def current(self) -> Path:
        """The folder of the certificate in use."""
        return self.folder / CURRENT

    def held(self) -> Held | None:
        """What the certificate in use says; None before the first enrolment."""
        return read_held(self.current)

    def of_van(self, tenant: str, van: str) -> Path | None:
        """The folder of the newest certificate for an earlier van that is still here.

        Of either purpose: with one of a gateway that has moved the broker still lets the box hand
        in, and one for the backlog alone is asked for where there is none.
        """
        known = self._known()
        mine = [(held.issued_at_ms, folder) for held, folder in known if _is_of(held, tenant, van)]
        return max(mine)[1] if mine else None

    def before(self, tenant: str, van: str) -> Held | None:
        """What the box was last the gateway of, before it was this van's, as far as it shows."""
        earlier = [
            held
            for held, _ in self._known()
            if held.purpose == "gateway" and not _is_of(held, tenant, van)
        ]
        return max(earlier, key=lambda held: held.issued_at_ms, default=None)

    def _known(self) -> list[tuple[Held, Path]]:
        every = self.folder.glob("[0-9a-f]*")
        return [(held, folder) for folder in every if (held := read_held(folder)) is not None]

    def add(self, held: Held, certificate: Certificate, key_file: Path) -> Path:
        """Lay down a certificate with its key; it is not in use yet. Doing it twice is no harm.

        Raises:
            SettingsError: the certificate is not of this key, or the medium takes nothing.
        """
        target = self.folder / held.serial
        if read_held(target) is not None:
            return target
        new = self.folder / f".{held.serial}.new"
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True, mode=0o700)
            put_private(new / KEY, key_file.read_bytes())
            put_private(new / CERTIFICATE, certificate.pem.encode())
            put_private(new / AUTHORITY, certificate.authority.encode())
            put_private(new / _HELD, msgspec.json.encode(held))
            require_pair(new)
            # One that does not say whose it is was damaged; nothing goes by it.
            shutil.rmtree(target, ignore_errors=True)
            new.rename(target)
            sync_folder(self.folder)
        except OSError as error:
            raise SettingsError(
                f"data_dir: {self.folder}: {error.strerror or error}; give a writable folder"
            ) from error
        return target

    def use(self, serial: str) -> None:
        """Have the next connection made with this certificate."""
        new = self.folder / ".current.new"
        new.unlink(missing_ok=True)
        new.symlink_to(serial)
        new.rename(self.current)
        sync_folder(self.folder)

    def forget_older(self, held: Held) -> None:
        """Remove what the same van's newer certificate has replaced."""
        for folder in self.folder.glob("[0-9a-f]*"):
            other = read_held(folder)
            if other is None or other.serial == held.serial:
                continue
            if _is_of(other, held.tenant, held.van) and other.issued_at_ms < held.issued_at_ms:
                shutil.rmtree(folder, ignore_errors=True)


def held_of(enrolled: Enrolment) -> Held:
    """What to write down of an enrolment."""
    return Held(
        tenant=enrolled.tenant,
        van=enrolled.van,
        purpose=enrolled.purpose,
        host=enrolled.host,
        port=enrolled.port,
        client_id=enrolled.client_id,
        serial=enrolled.certificate.serial,
        issued_at_ms=enrolled.certificate.issued_at_ms,
        expires_at_ms=enrolled.certificate.expires_at_ms,
    )


def read_held(folder: Path) -> Held | None:
    """What the certificate in a folder says; None when there is none."""
    try:
        return msgspec.json.decode((folder / _HELD).read_bytes(), type=Held)
    except (OSError, msgspec.DecodeError):
        return None


def require_pair(folder: Path) -> None:
    """Return when certificate, key and authority can be used together.

    Raises:
        SettingsError: they cannot.
    """
    try:
        context = ssl.create_default_context(cafile=str(folder / AUTHORITY))
        context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the cloud's certificate does not fit the key made here: {error}; enrol again "
            "with a new token"
        ) from error


def _is_of(held: Held, tenant: str, van: str) -> bool:
    return (held.tenant, held.van) == (tenant, van)
