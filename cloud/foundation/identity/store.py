"""Users, and the fingerprints of their tokens and sessions."""

from sqlalchemy import Column, Connection, Float, Row, String, Table, delete, insert, select

from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.model import Caller

user = Table(
    "user",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("driver_id", String),
    Column("password_hash", String),
    Column("created_at", Float, nullable=False),
)
token = Table(
    "token",
    BUSINESS,
    Column("fingerprint", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
)


def add_user(
    connection: Connection, caller: Caller, password_hash: str | None, created_at: float
) -> None:
    """Store a new user."""
    connection.execute(
        insert(user).values(
            tenant=caller.tenant,
            id=caller.user_id,
            name=caller.name,
            role=caller.role,
            driver_id=caller.driver_id,
            password_hash=password_hash,
            created_at=created_at,
        )
    )


def has_users(connection: Connection) -> bool:
    """Whether anybody was ever let in."""
    return connection.execute(select(user.c.id).limit(1)).first() is not None


def add_token(
    connection: Connection,
    *,
    fingerprint: str,
    caller: Caller,
    kind: str,
    created_at: float,
    expires_at: float | None,
) -> None:
    """Store what is needed to know a token again."""
    connection.execute(
        insert(token).values(
            fingerprint=fingerprint,
            tenant=caller.tenant,
            user_id=caller.user_id,
            kind=kind,
            created_at=created_at,
            expires_at=expires_at,
        )
    )


def drop_token(connection: Connection, fingerprint: str) -> None:
    """Forget a token."""
    connection.execute(delete(token).where(token.c.fingerprint == fingerprint))


def drop_expired_tokens(connection: Connection, now: float) -> None:
    """Forget every token whose time is over."""
    connection.execute(delete(token).where(token.c.expires_at < now))


def caller_by_token(connection: Connection, fingerprint: str, now: float) -> Caller | None:
    """Who holds a token, unless it is unknown or over."""
    found = connection.execute(
        select(user, token.c.expires_at)
        .join(token, (token.c.tenant == user.c.tenant) & (token.c.user_id == user.c.id))
        .where(token.c.fingerprint == fingerprint)
    ).first()
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        return None
    return _caller(found)


def caller_by_name(connection: Connection, name: str) -> tuple[Caller, str | None] | None:
    """A user and the hash of the password, by the name of sign-in."""
    found = connection.execute(select(user).where(user.c.name == name)).first()
    return None if found is None else (_caller(found), found.password_hash)


def _caller(row: Row[tuple[object, ...]]) -> Caller:
    return Caller(
        tenant=row.tenant, user_id=row.id, name=row.name, role=row.role, driver_id=row.driver_id
    )
