"""Secrets at rest: sealed with a key that lies outside every database and backup."""

import os
import secrets
from pathlib import Path
from typing import Final

from cloud.foundation.errors import Conflict, Invalid
from cloud.foundation.files import private_folder, put

_FORM: Final = b"\x01"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class Vault:
    """Seals and opens with AES-256-GCM.

    What a secret is about is sealed with it, so that none can be put in another's place.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def seal(self, secret: bytes, about: str) -> bytes:
        """``secret`` as it may lie in a database.

        Raises:
            Invalid: the key's file is damaged.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._key(may_make=True)).encrypt(nonce, secret, about.encode())
        return _FORM + nonce + sealed

    def open(self, sealed: bytes, about: str) -> bytes:
        """What `seal` was given.

        Raises:
            Conflict: it was sealed with another key, as after a restore without ``secrets/``, or
                is about something else. Invalid: the key's file is damaged.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, told = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _FORM:
                raise _unreadable(about)
            return AESGCM(self._key(may_make=False)).decrypt(nonce, told, about.encode())
        except (InvalidTag, FileNotFoundError, ValueError) as error:
            raise _unreadable(about) from error

    def _key(self, *, may_make: bool) -> bytes:
        if may_make and not self._key_file.exists():
            self._make()
        key = self._key_file.read_bytes()
        if len(key) != _KEY_BYTES:
            raise Invalid.field(
                str(self._key_file), "is damaged", "restore it, or remove it and make new secrets"
            )
        return key

    def _make(self) -> None:
        private_folder(self._key_file.parent)
        fresh = self._key_file.with_suffix(f".{secrets.token_hex(4)}")
        put(fresh, secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(fresh, self._key_file)
        except FileExistsError:
            return
        finally:
            fresh.unlink(missing_ok=True)


def _unreadable(about: str) -> Conflict:
    return Conflict(f"the secret of {about} cannot be opened with the key here; make a new one")
