"""Who may call, and as what. Pure."""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, get_args

from cloud.foundation.errors import Invalid
from cloud.foundation.identity.reach import EVERYTHING, Reach

type Role = Literal["admin", "dispatcher", "driver", "carrier", "viewer", "integrator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role.__value__)
READERS: Final[tuple[Role, ...]] = ("dispatcher", "viewer", "carrier", "integrator")
"""Who may look at vans, orders and plans, each as far as their reach goes."""

TENANT: Final = "main"
"""The tenant of an installation that serves one company."""

SESSION_S: Final = 12 * 3600.0
"""How long a session lives after its last sign-in, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever sent a request, known by a token or a session.

    Attributes:
        driver_id: the driver this user is, or None for office users.
        reach: the part of the tenant's business this user may see and touch.
        scopes: what the token is good for, such as ``orders:read``; None for all the role may.
        token_id: the API token that came with the request; None for a session.
    """

    tenant: str
    user_id: str
    name: str
    role: Role
    driver_id: str | None = None
    reach: Reach = EVERYTHING
    scopes: frozenset[str] | None = None
    token_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may call. Instants are seconds since 1970, real time.

    Attributes:
        has_password: whether the user can sign in; one who cannot has tokens only.
        disabled_at: since when nothing of the user's is let in; None for an active user.
    """

    tenant: str
    id: str
    name: str
    role: Role
    reach: Reach
    driver_id: str | None
    has_password: bool
    created_at: float
    disabled_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token, without its secret. Instants are seconds since 1970, real time.

    Attributes:
        last_used_at: to within some minutes; None when it was never used.
    """

    tenant: str
    id: str
    user_id: str
    name: str
    scopes: frozenset[str] | None
    created_at: float
    expires_at: float | None
    last_used_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One company on this installation; ``id`` stands in topics and before its sign-in names."""

    id: str
    name: str
    created_at: float


def require_grant(role: Role, reach: Reach) -> None:
    """A role and a reach that fit together.

    Raises:
        Invalid: they do not; names the field.
    """
    if role == "admin" and not reach.is_everything:
        raise Invalid.field(
            "reach",
            "limits an administrator, who could lift the limit",
            "leave it out, or give the role dispatcher",
        )
    if role == "carrier" and reach.carrier_id is None:
        raise Invalid.field("reach.carrier_id", "is missing", "name the carrier this user is of")
    if role == "driver":
        raise Invalid.field(
            "role", "a driver's login comes with the driver", "POST /api/v1/drivers makes both"
        )


def split_name(given: str) -> tuple[str, str]:
    """Tenant and name of a name as it is typed: ``tenant/name``, or a name of the tenant `TENANT`.

    Names are unique within a tenant, so that no company learns of the other's people by trying.
    """
    tenant, slash, name = given.partition("/")
    return (tenant, name) if slash else (TENANT, given)


def typed_name(tenant: str, name: str) -> str:
    """What a user types to sign in."""
    return name if tenant == TENANT else f"{tenant}/{name}"


def fingerprint(secret: str) -> str:
    """What is stored of a token: SHA-256 is enough for 256 random bits, and cannot be replayed."""
    return hashlib.sha256(secret.encode()).hexdigest()
