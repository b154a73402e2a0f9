"""Tenants, users, and the fingerprints of their tokens and sessions."""

from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    RowMapping,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.model import Caller, Tenant, Token, User
from cloud.foundation.identity.reach import Reach

tenant_row = Table(
    "tenant",
    BUSINESS,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("created_at", Float, nullable=False),
)
user = Table(
    "user",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("driver_id", String),
    Column("depot_ids", JSON(none_as_null=True)),
    Column("carrier_id", String),
    Column("password_hash", String),
    Column("created_at", Float, nullable=False),
    Column("disabled_at", Float),
    UniqueConstraint("tenant", "name"),
)
token = Table(
    "token",
    BUSINESS,
    Column("fingerprint", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("id", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("scopes", JSON(none_as_null=True)),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("last_used_at", Float),
    UniqueConstraint("tenant", "id"),
)


def add_tenant(connection: Connection, one: Tenant) -> None:
    """Store a new tenant."""
    connection.execute(
        insert(tenant_row).values(id=one.id, name=one.name, created_at=one.created_at)
    )


def tenants(connection: Connection) -> list[Tenant]:
    """Every tenant of the installation, by id."""
    rows = connection.execute(select(tenant_row).order_by(tenant_row.c.id)).mappings()
    return [Tenant(**row) for row in rows]


def has_tenant(connection: Connection, tenant: str) -> bool:
    """Whether there is such a tenant."""
    found = connection.execute(select(tenant_row.c.id).where(tenant_row.c.id == tenant))
    return found.first() is not None


def add_user(connection: Connection, one: User, password_hash: str | None) -> None:
    """Store a new user."""
    connection.execute(
        insert(user).values(
            tenant=one.tenant,
            id=one.id,
            name=one.name,
            role=one.role,
            driver_id=one.driver_id,
            password_hash=password_hash,
            created_at=one.created_at,
            disabled_at=one.disabled_at,
            **reach_values(one.reach),
        )
    )


def reach_values(reach: Reach) -> dict[str, Any]:
    """A reach as columns."""
    depots = None if reach.depot_ids is None else sorted(reach.depot_ids)
    return {"depot_ids": depots, "carrier_id": reach.carrier_id}


def change_user(connection: Connection, tenant: str, user_id: str, **values: Any) -> None:
    """Write new values of a user's columns."""
    connection.execute(
        update(user).where(user.c.tenant == tenant, user.c.id == user_id).values(**values)
    )


def drop_user(connection: Connection, tenant: str, user_id: str) -> None:
    """Forget a user with every token and session."""
    drop_tokens_of(connection, tenant, user_id)
    connection.execute(delete(user).where(user.c.tenant == tenant, user.c.id == user_id))


def find_user(connection: Connection, tenant: str, user_id: str) -> User | None:
    """One user."""
    found = connection.execute(select(user).where(user.c.tenant == tenant, user.c.id == user_id))
    row = found.mappings().first()
    return None if row is None else _user(row)


def find_user_by_name(connection: Connection, tenant: str, name: str) -> User | None:
    """One user by the name of sign-in."""
    found = connection.execute(select(user).where(user.c.tenant == tenant, user.c.name == name))
    row = found.mappings().first()
    return None if row is None else _user(row)


def users(connection: Connection, tenant: str, after: str, limit: int) -> list[User]:
    """Some users by name, from the one that follows ``after``."""
    rows = connection.execute(
        select(user)
        .where(user.c.tenant == tenant, user.c.name > after)
        .order_by(user.c.name)
        .limit(limit)
    ).mappings()
    return [_user(row) for row in rows]


def count_users(connection: Connection, tenant: str) -> int:
    """How many users a tenant has, but for drivers."""
    counted = select(func.count()).where(user.c.tenant == tenant, user.c.driver_id.is_(None))
    return connection.execute(counted).scalar_one()


def count_active_admins(connection: Connection, tenant: str) -> int:
    """How many could still let others in."""
    counted = select(func.count()).where(
        user.c.tenant == tenant, user.c.role == "admin", user.c.disabled_at.is_(None)
    )
    return connection.execute(counted).scalar_one()


def has_users(connection: Connection) -> bool:
    """Whether anybody was ever let in."""
    return connection.execute(select(user.c.id).limit(1)).first() is not None


def password_hash(connection: Connection, tenant: str, user_id: str) -> str | None:
    """The hash of a user's password."""
    wanted = (user.c.tenant == tenant) & (user.c.id == user_id)
    return connection.execute(select(user.c.password_hash).where(wanted)).scalar()


def add_token(connection: Connection, one: Token, *, fingerprint: str, kind: str) -> None:
    """Store what is needed to know a token again."""
    connection.execute(
        insert(token).values(
            fingerprint=fingerprint,
            tenant=one.tenant,
            id=one.id,
            user_id=one.user_id,
            kind=kind,
            name=one.name,
            scopes=None if one.scopes is None else sorted(one.scopes),
            created_at=one.created_at,
            expires_at=one.expires_at,
        )
    )


def tokens(connection: Connection, tenant: str, user_id: str | None) -> list[Token]:
    """The API tokens of a user, or of all; the newest first."""
    wanted = [token.c.tenant == tenant, token.c.kind == "api"]
    if user_id is not None:
        wanted.append(token.c.user_id == user_id)
    rows = connection.execute(
        select(token).where(*wanted).order_by(token.c.created_at.desc(), token.c.id)
    ).mappings()
    return [_token(row) for row in rows]


def drop_token(connection: Connection, fingerprint: str) -> None:
    """Forget a token or session by its secret's fingerprint."""
    connection.execute(delete(token).where(token.c.fingerprint == fingerprint))


def drop_token_by_id(
    connection: Connection, tenant: str, token_id: str, user_id: str | None
) -> bool:
    """Forget an API token, of this user when one is named; tells whether there was one."""
    wanted = [token.c.tenant == tenant, token.c.id == token_id, token.c.kind == "api"]
    if user_id is not None:
        wanted.append(token.c.user_id == user_id)
    return connection.execute(delete(token).where(*wanted)).rowcount > 0


def drop_tokens_of(
    connection: Connection, tenant: str, user_id: str, kind: str | None = None
) -> None:
    """Forget a user's tokens, or those of one kind."""
    wanted = [token.c.tenant == tenant, token.c.user_id == user_id]
    if kind is not None:
        wanted.append(token.c.kind == kind)
    connection.execute(delete(token).where(*wanted))


def drop_expired_tokens(connection: Connection, now: float) -> None:
    """Forget every session and token whose time is over."""
    connection.execute(delete(token).where(token.c.expires_at < now))


def count_tokens(connection: Connection, tenant: str, user_id: str) -> int:
    """How many API tokens a user has."""
    counted = select(func.count()).where(
        token.c.tenant == tenant, token.c.user_id == user_id, token.c.kind == "api"
    )
    return connection.execute(counted).scalar_one()


def mark_used(connection: Connection, fingerprint: str, at: float) -> None:
    """A token was used."""
    connection.execute(
        update(token).where(token.c.fingerprint == fingerprint).values(last_used_at=at)
    )


def caller_by_token(
    connection: Connection, fingerprint: str, now: float
) -> tuple[Caller, float | None] | None:
    """Who holds a token and when it was last used; None when it or its user is not let in."""
    row = (
        connection.execute(
            select(
                user,
                token.c.id.label("token_id"),
                token.c.kind,
                token.c.scopes,
                token.c.expires_at,
                token.c.last_used_at,
            )
            .join(token, (token.c.tenant == user.c.tenant) & (token.c.user_id == user.c.id))
            .where(token.c.fingerprint == fingerprint, user.c.disabled_at.is_(None))
        )
        .mappings()
        .first()
    )
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= now):
        return None
    is_api = row["kind"] == "api"
    caller = _caller(row, row["scopes"], row["token_id"] if is_api else None)
    return caller, row["last_used_at"] if is_api else now


def caller_by_name(
    connection: Connection, tenant: str, name: str
) -> tuple[Caller, str | None] | None:
    """An active user and the hash of the password, by the name of sign-in."""
    row = (
        connection.execute(
            select(user).where(
                user.c.tenant == tenant, user.c.name == name, user.c.disabled_at.is_(None)
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else (_caller(row), row["password_hash"])


def _caller(
    row: RowMapping, scopes: list[str] | None = None, token_id: str | None = None
) -> Caller:
    return Caller(
        tenant=row["tenant"],
        user_id=row["id"],
        name=row["name"],
        role=row["role"],
        driver_id=row["driver_id"],
        reach=_reach(row),
        scopes=None if scopes is None else frozenset(scopes),
        token_id=token_id,
    )


def _reach(row: RowMapping) -> Reach:
    depots = row["depot_ids"]
    return Reach(
        depot_ids=None if depots is None else frozenset(depots), carrier_id=row["carrier_id"]
    )


def _user(row: RowMapping) -> User:
    return User(
        tenant=row["tenant"],
        id=row["id"],
        name=row["name"],
        role=row["role"],
        reach=_reach(row),
        driver_id=row["driver_id"],
        has_password=row["password_hash"] is not None,
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )


def _token(row: RowMapping) -> Token:
    return Token(
        tenant=row["tenant"],
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        scopes=None if row["scopes"] is None else frozenset(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )
