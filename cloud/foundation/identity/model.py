"""Who may call, and as what. Pure."""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, get_args

from cloud.foundation.identity.reach import EVERYTHING, Reach

type Role = Literal["admin", "dispatcher", "driver", "carrier", "viewer", "integrator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role.__value__)

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
    """

    tenant: str
    user_id: str
    name: str
    role: Role
    driver_id: str | None = None
    reach: Reach = EVERYTHING


def fingerprint(secret: str) -> str:
    """What is stored of a token: SHA-256 is enough for 256 random bits, and cannot be replayed."""
    return hashlib.sha256(secret.encode()).hexdigest()
