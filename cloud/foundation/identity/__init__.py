"""Who may call, and as what: users, tokens, sessions and the gate before every route."""

from cloud.foundation.identity.gate import Gate
from cloud.foundation.identity.model import READERS, TENANT, Caller, Role
from cloud.foundation.identity.people import People
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.identity.service import Identity

__all__ = [
    "EVERYTHING",
    "READERS",
    "TENANT",
    "Caller",
    "Gate",
    "Identity",
    "People",
    "Reach",
    "Role",
]
