"""Tables of claims and certificates."""

from collections.abc import Collection, Iterable

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    LargeBinary,
    RowMapping,
    String,
    Table,
    insert,
    select,
    update,
)

from cloud.fleet.enrolment.model import IN_FORCE, CertificateState, Claim, GatewayCertificate
from cloud.foundation.database import BUSINESS

claim = Table(
    "gateway_claim",
    BUSINESS,
    Column("fingerprint", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("id", String, nullable=False),
    Column("vehicle_id", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("made_by", String, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
    Column("used_by", String),
    Column("serial", String),
    Column("revoked_at", Float),
)
certificate = Table(
    "gateway_certificate",
    BUSINESS,
    Column("serial", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("vehicle_id", String, nullable=False),
    Column("identity", String, nullable=False),
    Column("state", String, nullable=False),
    Column("key", String, nullable=False),
    Column("public", LargeBinary, nullable=False),
    Column("client_id", String, nullable=False),
    Column("pem", String, nullable=False),
    Column("issued_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("asked_again_at", Float),
)


def add_claim(connection: Connection, made: Claim) -> None:
    """Store a new claim."""
    values = {column.name: getattr(made, column.name) for column in claim.columns}
    connection.execute(insert(claim).values(**values))


def claim_of(connection: Connection, fingerprint: str) -> Claim | None:
    """The claim of a token, by the token's fingerprint."""
    row = connection.execute(select(claim).where(claim.c.fingerprint == fingerprint)).mappings()
    found = row.first()
    return None if found is None else Claim(**found)


def claims(connection: Connection, tenant: str, vehicle_id: str) -> list[Claim]:
    """The claims of a van, the newest first."""
    rows = connection.execute(
        select(claim)
        .where(claim.c.tenant == tenant, claim.c.vehicle_id == vehicle_id)
        .order_by(claim.c.made_at.desc(), claim.c.id)
        .limit(100)
    ).mappings()
    return [Claim(**row) for row in rows]


def use_claim(connection: Connection, used: Claim, key: str, serial: str, now: float) -> None:
    """Write down what a claim was used for."""
    connection.execute(
        update(claim)
        .where(claim.c.fingerprint == used.fingerprint)
        .values(used_at=now, used_by=key, serial=serial)
    )


def revoke_claims(
    connection: Connection, tenant: str, vehicle_id: str, now: float, *wanted: ColumnElement[bool]
) -> int:
    """End the claims of a van that were not used yet; returns how many there were."""
    return connection.execute(
        update(claim)
        .where(
            claim.c.tenant == tenant,
            claim.c.vehicle_id == vehicle_id,
            claim.c.revoked_at.is_(None),
            *wanted,
        )
        .values(revoked_at=now)
    ).rowcount


def add_certificate(connection: Connection, made: GatewayCertificate) -> None:
    """Store what was issued."""
    values = {column.name: getattr(made, column.name) for column in certificate.columns}
    connection.execute(insert(certificate).values(**values))


def find_certificate_of(
    connection: Connection, tenant: str, vehicle_id: str, serial: str
) -> GatewayCertificate | None:
    """One certificate of a van."""
    wanted = (
        certificate.c.tenant == tenant,
        certificate.c.vehicle_id == vehicle_id,
        certificate.c.serial == serial,
    )
    found = connection.execute(select(certificate).where(*wanted)).mappings().first()
    return None if found is None else _certificate(found)


def find_certificate(connection: Connection, serial: str) -> GatewayCertificate | None:
    """One certificate, whosever it is: a box may come from another van or tenant."""
    found = (
        connection.execute(select(certificate).where(certificate.c.serial == serial))
        .mappings()
        .first()
    )
    return None if found is None else _certificate(found)


def is_certified(connection: Connection, key: str) -> bool:
    """Whether the key with this fingerprint has a certificate, of any van of any tenant."""
    known = select(certificate.c.serial).where(certificate.c.key == key).limit(1)
    return connection.execute(known).first() is not None


def certificates(connection: Connection, tenant: str, vehicle_id: str) -> list[GatewayCertificate]:
    """Every certificate of a van that there was, the newest first."""
    rows = connection.execute(
        select(certificate)
        .where(certificate.c.tenant == tenant, certificate.c.vehicle_id == vehicle_id)
        .order_by(certificate.c.issued_at.desc(), certificate.c.serial)
    ).mappings()
    return [_certificate(row) for row in rows]


def in_force(connection: Connection, now: float) -> list[GatewayCertificate]:
    """What the broker must let in, of every tenant."""
    rows = connection.execute(
        select(certificate).where(certificate.c.state.in_(IN_FORCE), certificate.c.expires_at > now)
    ).mappings()
    return [_certificate(row) for row in rows]


def retired(connection: Connection, client_ids: Collection[str]) -> list[GatewayCertificate]:
    """The retired certificates of these MQTT sessions, of every tenant."""
    rows = connection.execute(
        select(certificate).where(
            certificate.c.state == "retired", certificate.c.client_id.in_(client_ids)
        )
    ).mappings()
    return [_certificate(row) for row in rows]


def note_asked_again(connection: Connection, asked: GatewayCertificate, now: float) -> None:
    """Write down that a box asks with a certificate though it is retired."""
    connection.execute(
        update(certificate).where(certificate.c.serial == asked.serial).values(asked_again_at=now)
    )


def move_certificates(
    connection: Connection,
    moved: Iterable[GatewayCertificate],
    state: CertificateState,
    now: float,
) -> None:
    """Give certificates another state."""
    for one in moved:
        connection.execute(
            update(certificate)
            .where(certificate.c.serial == one.serial)
            .values(state=state, ended_at=now)
        )


def _certificate(row: RowMapping) -> GatewayCertificate:
    return GatewayCertificate(**row)
