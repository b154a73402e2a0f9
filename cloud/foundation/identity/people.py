"""Use cases of users, their tokens and tenants, one transaction each."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity import audit, store
from cloud.foundation.identity.model import (
    Caller,
    Role,
    Tenant,
    Token,
    User,
    fingerprint,
    require_grant,
    typed_name,
)
from cloud.foundation.identity.reach import Reach
from cloud.foundation.identity.scopes import require_scopes
from cloud.foundation.identity.service import Identity, hashed, is_password
from cloud.foundation.ids import NewId, random_secret
from cloud.foundation.known_secrets import require_password

MAX_USERS: Final = 10_000
"""Of one tenant, drivers not counted."""
MAX_TOKENS: Final = 100
"""Of one user."""
_DAY_S: Final = 86_400.0

type RequireReach = Callable[[Connection, str, Reach], None]
"""Raises `Invalid` when a tenant has not all that a reach names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """Somebody to let in; without a password by tokens only."""

    name: str
    role: Role
    reach: Reach
    password: str | None


class People:
    """Users of a tenant, what they may do, and their tokens."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        real_time: Clock,
        new_id: NewId,
        require_reach: RequireReach,
    ) -> None:
        self._database = database
        self._identity = identity
        self._real_time = real_time
        self._new_id = new_id
        self._require_reach = require_reach

    def add_tenant(self, tenant: str, name: str, admin: str) -> dict[str, str]:
        """Take a further company in, with an administrator of its own.

        Returns:
            ``name`` to type at the sign-in, ``password`` and ``api_token``, told this once.

        Raises:
            Invalid: the administrator's name cannot be one. Conflict: there is such a tenant.
        """
        _require_name(admin)
        password = random_secret()[:20]
        password_hash = hashed(password)
        with self._database.writing() as connection:
            if store.has_tenant(connection, tenant):
                raise Conflict(f"there is a tenant {tenant!r} already; choose another id")
            now = self._real_time.now_s()
            store.add_tenant(connection, Tenant(id=tenant, name=name, created_at=now))
            token = self._identity.add_admin(connection, tenant, admin, password_hash)
        return {"name": typed_name(tenant, admin), "password": password, "api_token": token}

    def tenants(self) -> list[Tenant]:
        """Every tenant; for who runs the installation only."""
        with self._database.reading() as connection:
            return store.tenants(connection)

    def require_tenant(self, tenant: str) -> None:
        """Go on for a known tenant.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            if not store.has_tenant(connection, tenant):
                raise NotFound(f"tenant {tenant!r} is not known; `cloud tenant list` lists them")

    def add(self, tenant: str, new: NewUser) -> User:
        """Let somebody in.

        Raises:
            Invalid: name, role, reach or password is not acceptable. Conflict: the name is taken,
                or the tenant has too many users.
        """
        _require_name(new.name)
        require_grant(new.role, new.reach)
        if new.password is not None:
            require_password(new.password, (new.name,))
        password_hash = None if new.password is None else hashed(new.password)
        user = User(
            tenant=tenant,
            id=self._new_id("user"),
            name=new.name,
            role=new.role,
            reach=new.reach,
            driver_id=None,
            has_password=new.password is not None,
            created_at=self._real_time.now_s(),
            disabled_at=None,
        )
        with self._database.writing() as connection:
            if store.count_users(connection, tenant) >= MAX_USERS:
                raise Conflict(f"there are {MAX_USERS} users already; delete some first")
            self._require_reach(connection, tenant, new.reach)
            try:
                store.add_user(connection, user, password_hash)
            except IntegrityError as error:
                raise Conflict(f"name: {new.name!r} is taken; choose another") from error
            audit.tells(user_id=user.id, name=user.name, **_told(user.role, user.reach))
        return user

    def users(self, tenant: str, after: str, limit: int) -> tuple[list[User], str | None]:
        """Some users by name, and the name after which the next page begins."""
        with self._database.reading() as connection:
            found = store.users(connection, tenant, after, limit + 1)
        more = len(found) > limit
        return found[:limit], found[limit - 1].name if more else None

    def by_name(self, tenant: str, name: str) -> User | None:
        """One user by the name of sign-in, without the tenant's."""
        with self._database.reading() as connection:
            return store.find_user_by_name(connection, tenant, name)

    def user(self, tenant: str, user_id: str) -> User:
        """One user.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            return _require_user(connection, tenant, user_id)

    def change(
        self,
        tenant: str,
        user_id: str,
        *,
        role: Role | None = None,
        reach: Reach | None = None,
        is_disabled: bool | None = None,
    ) -> User:
        """Give a user another role or reach, or disable and enable again; None leaves as it is.

        It holds from the next request; who is disabled is signed out.

        Raises:
            NotFound: no such user. Invalid: role and reach do not fit.
            Conflict: nobody would be left to let others in.
        """
        with self._database.writing() as connection:
            before = _require_user(connection, tenant, user_id)
            if role is not None or reach is not None:
                _require_office(before)
            wanted = (role or before.role, before.reach if reach is None else reach)
            if before.driver_id is None:
                require_grant(*wanted)
                self._require_reach(connection, tenant, wanted[1])
            values: dict[str, Any] = {"role": wanted[0], **store.reach_values(wanted[1])}
            if is_disabled is not None:
                since = before.disabled_at or self._real_time.now_s()
                values["disabled_at"] = since if is_disabled else None
            store.change_user(connection, tenant, user_id, **values)
            if is_disabled:
                store.drop_tokens_of(connection, tenant, user_id, "session")
            _require_admin_left(connection, tenant, before)
            audit.tells(
                **_told(*wanted), was=_told(before.role, before.reach), is_disabled=is_disabled
            )
            return _require_user(connection, tenant, user_id)

    def set_password(self, tenant: str, user_id: str, password: str) -> None:
        """Give a user another password; every session of the user ends.

        Raises:
            NotFound: no such user. Invalid: the password is not acceptable, or it is a driver.
        """
        user = self.user(tenant, user_id)
        _require_office(user)
        require_password(password, (user.name,))
        password_hash = hashed(password)
        with self._database.writing() as connection:
            _require_user(connection, tenant, user_id)
            store.change_user(connection, tenant, user_id, password_hash=password_hash)
            store.drop_tokens_of(connection, tenant, user_id, "session")

    def change_own_password(self, caller: Caller, old: str, new: str) -> None:
        """Change one's own password, knowing the one before.

        Raises:
            Invalid: the one before is wrong, or the new one is not acceptable.
        """
        with self._database.reading() as connection:
            known = store.password_hash(connection, caller.tenant, caller.user_id)
        if not is_password(known, old):
            raise Invalid.field("old", "is not your password", "type the one you signed in with")
        self.set_password(caller.tenant, caller.user_id, new)

    def delete(self, tenant: str, user_id: str) -> None:
        """Forget a user, who is let in no more; the audit log keeps the name.

        Raises:
            NotFound: no such user. Conflict: nobody would be left to let others in.
        """
        with self._database.writing() as connection:
            before = _require_user(connection, tenant, user_id)
            store.drop_user(connection, tenant, user_id)
            _require_admin_left(connection, tenant, before)
            audit.tells(name=before.name, was=_told(before.role, before.reach))

    def make_token(
        self,
        caller: Caller,
        *,
        name: str,
        user_id: str,
        scopes: Collection[str] | None,
        known_tags: Collection[str],
        days: float,
    ) -> tuple[Token, str]:
        """Make an API token for oneself, or as administrator for a user; and its secret.

        Raises:
            NotFound: no such user. Invalid: there is no such scope, or one's own token lacks it.
            Conflict: the user has too many.
        """
        chosen = require_scopes(scopes, known_tags=known_tags, maker=caller.scopes)
        now, secret = self._real_time.now_s(), f"rmt-{random_secret()}"
        made = Token(
            tenant=caller.tenant,
            id=self._new_id("token"),
            user_id=user_id,
            name=name,
            scopes=chosen,
            created_at=now,
            expires_at=now + days * _DAY_S,
            last_used_at=None,
        )
        with self._database.writing() as connection:
            if caller.role != "admin" and user_id != caller.user_id:
                raise NotFound(f"user {user_id[:80]!r} is not known")
            _require_user(connection, caller.tenant, user_id)
            store.drop_expired_tokens(connection, now)
            if store.count_tokens(connection, caller.tenant, user_id) >= MAX_TOKENS:
                raise Conflict(f"there are {MAX_TOKENS} tokens already; revoke one first")
            store.add_token(connection, made, fingerprint=fingerprint(secret), kind="api")
            audit.tells(token_id=made.id, scopes=None if chosen is None else sorted(chosen))
        return made, secret

    def tokens(self, caller: Caller) -> list[Token]:
        """One's own API tokens; an administrator sees everybody's."""
        with self._database.reading() as connection:
            return store.tokens(connection, caller.tenant, _own(caller))

    def revoke_token(self, caller: Caller, token_id: str) -> None:
        """End a token at once.

        Raises:
            NotFound: there is none of that id, or it is not one's own.
        """
        with self._database.writing() as connection:
            if not store.drop_token_by_id(connection, caller.tenant, token_id, _own(caller)):
                raise NotFound(f"token {token_id[:80]!r} is not known; GET /api/v1/tokens")

    def audit_page(
        self, tenant: str, before: int | None, limit: int
    ) -> tuple[list[audit.Entry], int | None]:
        """Some lines of the audit log, the newest first, and where the next page begins."""
        with self._database.reading() as connection:
            found = audit.page(connection, tenant, before, limit + 1)
        return found[:limit], found[limit - 1].number if len(found) > limit else None


def _own(caller: Caller) -> str | None:
    return None if caller.role == "admin" else caller.user_id


def _told(role: Role, reach: Reach) -> dict[str, Any]:
    return {"role": role, **store.reach_values(reach)}


def _require_user(connection: Connection, tenant: str, user_id: str) -> User:
    found = store.find_user(connection, tenant, user_id)
    if found is None:
        raise NotFound(f"user {user_id[:80]!r} is not known; GET /api/v1/users lists them")
    return found


def _require_office(user: User) -> None:
    if user.driver_id is not None:
        raise Invalid.field(
            "user_id", "is a driver's login", "disable it, or make a user for the office"
        )


def _require_name(name: str) -> None:
    if "/" in name or name.startswith("driver:"):
        raise Invalid.field(
            "name",
            "holds / or begins with driver:",
            "leave it out; / stands between tenant and name",
        )


def _require_admin_left(connection: Connection, tenant: str, before: User) -> None:
    if before.role == "admin" and store.count_active_admins(connection, tenant) == 0:
        raise Conflict("this is the last administrator; make another one first")
