"""How a gateway gets its certificate, the first by HTTPS with a claim token, the next ones by MQTT.

Only the key comes from the van. Whose van it is comes from the token, later from the topic, on
which the broker lets nobody else write.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from wire.messages import VERSION, Version
from wire.values import EpochMs, Name

PATH: Final = "/api/v1/enrol"
TOKEN_PATTERN: Final = r"^rmc-[A-Za-z0-9_-]{43}$"  # noqa: S105 - how one looks, not one
"""A claim token: 256 random bits behind a mark by which a leaked one is found."""

type Pem = Annotated[str, Meta(min_length=1, max_length=8_192)]
type Serial = Annotated[str, Meta(pattern=r"^[0-9a-f]{1,40}$(?!\n)")]
type ClientId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
type Purpose = Literal["gateway", "backlog"]
"""``backlog``: only to hand in what a box recorded before it left the van."""


class Previous(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A certificate that the box has had until now, and the proof that it holds its key.

    Attributes:
        signature: ECDSA with SHA-256 over `proof_of_previous`, DER, hexadecimal.
    """

    serial: Serial
    signature: Annotated[str, Meta(pattern=r"^([0-9a-f]{2}){8,150}$(?!\n)")]


class EnrolmentRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /api/v1/enrol``: a claim token, and a certificate signing request in PEM.

    Attributes:
        purpose, van: what the box expects the claim to be for (None: any van); a token for
            anything else is refused unspent, as spending it may shut another box out.
        previous: keeps for the box the right to hand in what it recorded for another van.
    """

    token: Annotated[str, Meta(max_length=100)]
    csr: Pem
    purpose: Purpose = "gateway"
    van: Annotated[str, Meta(max_length=128)] | None = None
    previous: Previous | None = None


def proof_of_previous(serial: str, csr: str) -> bytes:
    """What the holder of the certificate ``serial`` signs to take it along into an enrolment."""
    return f"roundsman previous certificate\n{serial}\n{csr}".encode()


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """``dn/certificate``: what was issued for a key. The broker has taken it when this is told.

    Attributes:
        pem: the certificate. authority: of the authority that signed it, which signed the broker's.
    """

    serial: Serial
    pem: Pem
    authority: Pem
    issued_at_ms: EpochMs
    expires_at_ms: EpochMs
    v: Version = VERSION


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an `EnrolmentRequest`: all that a gateway needs; nothing of it was asked for.

    Attributes:
        client_id: a secret; who knows it can take over the session.
    """

    tenant: Name
    van: Name
    purpose: Purpose
    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65_535)]
    client_id: ClientId
    certificate: Certificate


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    """``up/renew``: what the van has in use, and the request for the next key if it wants one.

    Attributes:
        in_use: serial of the certificate that has connected; the cloud retires the older ones.
    """

    in_use: Serial
    csr: Pem | None = None
    v: Version = VERSION
