"""Who may call, and as what: users, tokens, sessions and the gate before every route."""

from cloud.foundation.identity.api import Gate
from cloud.foundation.identity.model import TENANT, Caller, Role
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.identity.service import Identity

__all__ = ["EVERYTHING", "TENANT", "Caller", "Gate", "Identity", "Reach", "Role"]
