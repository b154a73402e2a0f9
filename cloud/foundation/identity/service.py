"""Sign in, sign out, know a caller, and make the first administrator."""

from collections import OrderedDict
from contextlib import suppress
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import NotSignedIn
from cloud.foundation.identity import audit, store
from cloud.foundation.identity.model import (
    SESSION_S,
    TENANT,
    Caller,
    Tenant,
    Token,
    User,
    fingerprint,
    split_name,
)
from cloud.foundation.identity.reach import EVERYTHING
from cloud.foundation.ids import NewId, random_secret

_HASHER: Final = PasswordHasher()
_REFUSAL_LOGGED_EVERY_S: Final = 10.0
"""Of one user: from many addresses, guesses could fill the log."""
_MOST_REFUSED: Final = 1_000
_USE_NOTED_EVERY_S: Final = 300.0
"""How exact the last use of a token is known; each note is a write."""


@cache
def _nobody() -> str:
    """Checked when a name is unknown, so that the answer takes as long as for a known one."""
    return _HASHER.hash(random_secret())


def hashed(password: str) -> str:
    """What is stored of a password (argon2id). Takes 64 MiB and a core for some 50 ms."""
    return _HASHER.hash(password)


def is_password(hashed_password: str | None, password: str) -> bool:
    """Whether a password is the right one; takes as long when there is none."""
    try:
        _HASHER.verify(hashed_password or _nobody(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return hashed_password is not None


class Identity:
    """Who may call. Sessions and tokens live in real time, as browsers and clients do."""

    def __init__(self, database: Database, real_time: Clock, new_id: NewId) -> None:
        self._database = database
        self._real_time = real_time
        self._new_id = new_id
        self._refused: OrderedDict[str, float] = OrderedDict()

    def first_login(self, name: str) -> dict[str, str] | None:
        """Make the first administrator with a generated password and token.

        Returns:
            ``name``, ``password`` and ``api_token``, told this once; None when users exist.
        """
        with self._database.reading() as connection:
            if store.has_users(connection):
                return None
        password = random_secret()[:20]
        password_hash = hashed(password)
        with self._database.writing() as connection:
            if store.has_users(connection):
                return None
            if not store.has_tenant(connection, TENANT):
                now = self._real_time.now_s()
                store.add_tenant(connection, Tenant(id=TENANT, name=TENANT, created_at=now))
            api_token = self.add_admin(connection, TENANT, name, password_hash)
        return {"name": name, "password": password, "api_token": api_token}

    def add_admin(self, connection: Connection, tenant: str, name: str, password_hash: str) -> str:
        """Make the first administrator of a tenant; returns an API token, told this once."""
        user = self._user(tenant, name)
        store.add_user(connection, user, password_hash)
        return self._grant(connection, tenant, user.id, "api", name="first login")

    def sign_in(self, typed: str, password: str, address: str = "") -> str:
        """A new session's secret; ``typed`` is the name, for tenants but the first with theirs.

        Raises:
            NotSignedIn: the name or the password is wrong; never says which.
        """
        tenant, name = split_name(typed)
        with self._database.reading() as connection:
            found = store.caller_by_name(connection, tenant, name)
        caller, password_hash = found if found is not None else (None, None)
        is_right = is_password(password_hash, password)
        now = self._real_time.now_s()
        if caller is None or not is_right:
            if caller is not None and self._is_to_log(caller.user_id, now):
                with self._database.writing() as connection:
                    _signs(connection, caller, "sign-in refused", now, address)
            raise NotSignedIn("name or password is wrong; check both and try again")
        with self._database.writing() as connection:
            store.drop_expired_tokens(connection, now)
            _signs(connection, caller, "sign-in", now, address)
            return self._grant(
                connection, tenant, caller.user_id, "session", expires_at=now + SESSION_S
            )

    def _is_to_log(self, user_id: str, now: float) -> bool:
        """Whether a refusal of this user's sign-in is logged, or follows one that just was."""
        if now - self._refused.get(user_id, -_REFUSAL_LOGGED_EVERY_S) < _REFUSAL_LOGGED_EVERY_S:
            return False
        self._refused[user_id] = now
        self._refused.move_to_end(user_id)
        while len(self._refused) > _MOST_REFUSED:
            self._refused.popitem(last=False)
        return True

    def sign_out(self, secret: str, address: str = "") -> None:
        """End a session; ending it twice is no error."""
        now = self._real_time.now_s()
        with self._database.writing() as connection:
            found = store.caller_by_token(connection, fingerprint(secret), now)
            if found is not None:
                store.drop_token(connection, fingerprint(secret))
                _signs(connection, found[0], "sign-out", now, address)

    def caller(self, secret: str) -> Caller:
        """Who holds this token or session.

        Raises:
            NotSignedIn: it is unknown or over, or its user is disabled.
        """
        now = self._real_time.now_s()
        with self._database.reading() as connection:
            found = store.caller_by_token(connection, fingerprint(secret), now)
        if found is None:
            raise NotSignedIn("the token or session is unknown or over; sign in again")
        caller, used_at = found
        if used_at is None or now - used_at > _USE_NOTED_EVERY_S:
            with suppress(DBAPIError), self._database.writing() as connection:
                store.mark_used(connection, fingerprint(secret), now)
        return caller

    def add_driver_login(self, connection: Connection, tenant: str, driver_id: str) -> str:
        """Make the user of a driver, inside the caller's transaction; returns the token."""
        user = self._user(tenant, f"driver:{tenant}:{driver_id}", driver_id)
        store.add_user(connection, user, None)
        return self._grant(connection, tenant, user.id, "api", name="driver's app")

    def _user(self, tenant: str, name: str, driver_id: str | None = None) -> User:
        return User(
            tenant=tenant,
            id=self._new_id("user"),
            name=name,
            role="admin" if driver_id is None else "driver",
            reach=EVERYTHING,
            driver_id=driver_id,
            has_password=driver_id is None,
            created_at=self._real_time.now_s(),
            disabled_at=None,
        )

    def _grant(
        self,
        connection: Connection,
        tenant: str,
        user_id: str,
        kind: str,
        *,
        name: str = "",
        expires_at: float | None = None,
    ) -> str:
        secret = random_secret()
        made = Token(
            tenant=tenant,
            id=self._new_id("token"),
            user_id=user_id,
            name=name,
            scopes=None,
            created_at=self._real_time.now_s(),
            expires_at=expires_at,
            last_used_at=None,
        )
        store.add_token(connection, made, fingerprint=fingerprint(secret), kind=kind)
        return secret


def _signs(connection: Connection, caller: Caller, action: str, now: float, address: str) -> None:
    audit.add(
        connection, caller, at=now, action=action, subject="/session", detail={}, address=address
    )
