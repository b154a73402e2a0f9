"""Sign in, sign out, know a caller, and make the first administrator."""

from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import NotSignedIn
from cloud.foundation.identity import store
from cloud.foundation.identity.model import SESSION_S, TENANT, Caller, fingerprint
from cloud.foundation.ids import NewId, random_secret

_HASHER: Final = PasswordHasher()


@cache
def _nobody() -> str:
    """Checked when a name is unknown, so that the answer takes as long as for a known one."""
    return _HASHER.hash(random_secret())


class Identity:
    """Who may call. Sessions and tokens live in real time, as browsers and clients do."""

    def __init__(self, database: Database, real_time: Clock, new_id: NewId) -> None:
        self._database = database
        self._real_time = real_time
        self._new_id = new_id

    def first_login(self, name: str) -> dict[str, str] | None:
        """Make the first administrator with a generated password and token.

        Returns:
            ``name``, ``password`` and ``api_token``, told this once; None when users exist.
        """
        password, api_token = random_secret()[:20], random_secret()
        with self._database.writing() as connection:
            if store.has_users(connection):
                return None
            caller = Caller(tenant=TENANT, user_id=self._new_id("user"), name=name, role="admin")
            now = self._real_time.now_s()
            store.add_user(connection, caller, _HASHER.hash(password), now)
            self._grant(connection, caller, api_token, "api", expires_at=None)
        return {"name": name, "password": password, "api_token": api_token}

    def sign_in(self, name: str, password: str) -> str:
        """A new session's secret.

        Raises:
            NotSignedIn: the name or the password is wrong; never says which.
        """
        with self._database.reading() as connection:
            found = store.caller_by_name(connection, name)
        caller, hashed = found if found is not None else (None, None)
        try:
            _HASHER.verify(hashed or _nobody(), password)
        except (Argon2Error, InvalidHashError):
            caller = None
        if caller is None:
            raise NotSignedIn("name or password is wrong; check both and try again")
        secret = random_secret()
        now = self._real_time.now_s()
        with self._database.writing() as connection:
            store.drop_expired_tokens(connection, now)
            self._grant(connection, caller, secret, "session", expires_at=now + SESSION_S)
        return secret

    def sign_out(self, secret: str) -> None:
        """End a session; ending it twice is no error."""
        with self._database.writing() as connection:
            store.drop_token(connection, fingerprint(secret))

    def caller(self, secret: str) -> Caller:
        """Who holds this token or session.

        Raises:
            NotSignedIn: it is unknown or over.
        """
        with self._database.reading() as connection:
            found = store.caller_by_token(connection, fingerprint(secret), self._real_time.now_s())
        if found is None:
            raise NotSignedIn("the token or session is unknown or over; sign in again")
        return found

    def add_driver_login(self, connection: Connection, tenant: str, driver_id: str) -> str:
        """Make the user of a driver, inside the caller's transaction; returns the token."""
        secret = random_secret()
        caller = Caller(
            tenant=tenant,
            user_id=self._new_id("user"),
            name=f"driver:{tenant}:{driver_id}",
            role="driver",
            driver_id=driver_id,
        )
        store.add_user(connection, caller, None, self._real_time.now_s())
        self._grant(connection, caller, secret, "api", expires_at=None)
        return secret

    def _grant(
        self,
        connection: Connection,
        caller: Caller,
        secret: str,
        kind: str,
        *,
        expires_at: float | None,
    ) -> None:
        store.add_token(
            connection,
            fingerprint=fingerprint(secret),
            caller=caller,
            kind=kind,
            created_at=self._real_time.now_s(),
            expires_at=expires_at,
        )
