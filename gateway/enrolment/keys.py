"""Keys made in the van, which they never leave, and what is signed with them.

The one file of the gateway that loads the library for it (22 MB): only short-lived processes do,
the running service never.
"""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from gateway.durable import put_private
from gateway.enrolment.credentials import KEY, REQUEST
from gateway.errors import SettingsError


def make_key(folder: Path) -> None:
    """Make a new P-256 key and the request to have it certified (RFC 2986), in ``folder``.

    The request names nobody: whose certificate it becomes is not the van's to say. It is written
    last, so that it is there only with its key.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / REQUEST).unlink(missing_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    put_private(folder / KEY, pem)
    put_private(folder / REQUEST, request.public_bytes(Encoding.PEM))


def sign(key_file: Path, message: bytes) -> str:
    """ECDSA with SHA-256 over ``message``, DER, hexadecimal.

    Raises:
        SettingsError: the key cannot be used.
    """
    try:
        key = load_pem_private_key(key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{key_file}: cannot be used: {error}; remove {key_file.parent} and try again"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SettingsError(f"{key_file}: is no P-256 key; remove {key_file.parent} and try again")
    return key.sign(message, ec.ECDSA(hashes.SHA256())).hex()
