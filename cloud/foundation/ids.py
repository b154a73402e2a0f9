"""Identifiers and secrets, drawn in one place and handed to the use cases as arguments."""

import secrets
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"

type NewId = Callable[[str], str]
"""Gives a new opaque id that begins with the given word, such as ``ord-4k2m…``."""


def random_id(kind: str) -> str:
    """A new id of 80 random bits; fit to stand in a topic and a URL, never guessable."""
    return f"{kind}-" + "".join(_ALPHABET[byte & 31] for byte in secrets.token_bytes(16))


def random_secret() -> str:
    """A new secret of 256 bits, fit for a header and a cookie."""
    return secrets.token_urlsafe(32)
