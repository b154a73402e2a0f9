"""Users, API tokens and the audit log over HTTP."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import Name
from cloud.foundation.identity.audit import Entry
from cloud.foundation.identity.gate import Gate
from cloud.foundation.identity.model import Caller, Role, Token, User, typed_name
from cloud.foundation.identity.people import NewUser, People
from cloud.foundation.identity.reach import EVERYTHING, MOST_DEPOTS, Reach

_TAG: Final = "people"
_YEAR_DAYS: Final = 365.0
_LONGEST_DAYS: Final = 3650.0

type Password = Annotated[str, Field(max_length=1000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReachBody(_Body):
    """What a grant is limited to: some depots, or one carrier; everything when both are null."""

    depot_ids: Annotated[list[Name], Field(min_length=1, max_length=MOST_DEPOTS)] | None = None
    carrier_id: Name | None = None

    def reach(self) -> Reach:
        """As a value."""
        depots = None if self.depot_ids is None else frozenset(self.depot_ids)
        return Reach(depot_ids=depots, carrier_id=self.carrier_id)


class NewUserBody(_Body):
    """Somebody to let in. Without a password the user has API tokens only."""

    name: Name
    role: Role
    reach: ReachBody | None = None
    password: Password | None = None


class UserChange(_Body):
    """What is to change of a user; what is left out stays."""

    role: Role | None = None
    reach: ReachBody | None = None
    disabled: bool | None = None


class UserBody(BaseModel):
    """Somebody who may call; ``sign_in_name`` is what is typed at the sign-in."""

    id: str
    name: str
    sign_in_name: str
    role: Role
    reach: ReachBody
    driver_id: str | None
    has_password: bool
    created_at: str
    disabled_at: str | None


class Users(BaseModel):
    """Some users by name, and the cursor of the next page when there are more."""

    items: list[UserBody]
    next_cursor: str | None


class NewPassword(_Body):
    """A password for a user; every session of the user ends."""

    password: Password


class OwnPassword(_Body):
    """One's own password, changed; every session ends."""

    old: Password
    new: Password


class Me(BaseModel):
    """Who asks. ``scopes`` null means all that the role may."""

    user_id: str
    tenant: str
    name: str
    role: Role
    reach: ReachBody
    driver_id: str | None
    scopes: list[str] | None


class NewToken(_Body):
    """An API token; for another user by an administrator. ``scopes`` null: all the role may."""

    name: Name
    scopes: Annotated[list[Name], Field(max_length=100)] | None = None
    expires_in_days: Annotated[float, Field(gt=0, le=_LONGEST_DAYS, allow_inf_nan=False)] = (
        _YEAR_DAYS
    )
    user_id: Name | None = None


class TokenBody(BaseModel):
    """An API token without its secret; ``last_used_at`` to within five minutes."""

    id: str
    user_id: str
    name: str
    scopes: list[str] | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class MadeToken(TokenBody):
    """A new token with its secret, shown this once."""

    token: str


class Tokens(BaseModel):
    """API tokens, the newest first."""

    items: list[TokenBody]


class EntryBody(BaseModel):
    """Who did what to what, when and from where; ``detail`` holds ids and what was changed."""

    number: int
    at: str
    user_id: str | None
    user_name: str
    role: str
    token_id: str | None
    action: str
    subject: str
    detail: dict[str, Any]
    address: str


class AuditLog(BaseModel):
    """Some lines, the newest first, and the cursor of the next page when there are more."""

    items: list[EntryBody]
    next_cursor: int | None


def routes(people: People, gate: Gate) -> APIRouter:
    """Let people in, limit them, let them go; tokens; the audit log."""
    router = APIRouter(tags=[_TAG])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    office = Annotated[Caller, Depends(gate.roles("dispatcher", "carrier", "viewer", "integrator"))]
    anybody = Annotated[
        Caller, Depends(gate.roles("dispatcher", "driver", "carrier", "viewer", "integrator"))
    ]

    @router.get("/me")
    def me(caller: anybody) -> Me:
        """Who I am and what I may."""
        return Me(
            user_id=caller.user_id,
            tenant=caller.tenant,
            name=caller.name,
            role=caller.role,
            reach=_reach(caller.reach),
            driver_id=caller.driver_id,
            scopes=None if caller.scopes is None else sorted(caller.scopes),
        )

    @router.put("/me/password", status_code=204)
    def change_own_password(body: OwnPassword, caller: office) -> Response:
        """Change my own password."""
        people.change_own_password(caller, body.old, body.new)
        return Response(status_code=204)

    @router.post("/users", status_code=201)
    def add(body: NewUserBody, caller: admin) -> UserBody:
        """Let somebody in."""
        new = NewUser(
            name=body.name,
            role=body.role,
            reach=EVERYTHING if body.reach is None else body.reach.reach(),
            password=body.password,
        )
        return _user(people.add(caller.tenant, new))

    @router.get("/users")
    def users(
        caller: admin,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str, Query(max_length=200)] = "",
    ) -> Users:
        """Everybody who may call, by name, a page at a time."""
        found, following = people.users(caller.tenant, cursor, limit)
        return Users(items=[_user(one) for one in found], next_cursor=following)

    @router.get("/users/{user_id}")
    def user(user_id: str, caller: admin) -> UserBody:
        """One user."""
        return _user(people.user(caller.tenant, user_id))

    @router.patch("/users/{user_id}")
    def change(user_id: str, body: UserChange, caller: admin) -> UserBody:
        """Another role or reach, disable or enable again; it holds from the next request."""
        reach = body.reach or (ReachBody() if "reach" in body.model_fields_set else None)
        changed = people.change(
            caller.tenant,
            user_id,
            role=body.role,
            reach=None if reach is None else reach.reach(),
            is_disabled=body.disabled,
        )
        return _user(changed)

    @router.put("/users/{user_id}/password", status_code=204)
    def set_password(user_id: str, body: NewPassword, caller: admin) -> Response:
        """Give a user another password."""
        people.set_password(caller.tenant, user_id, body.password)
        return Response(status_code=204)

    @router.delete("/users/{user_id}", status_code=204)
    def delete(user_id: str, caller: admin) -> Response:
        """Forget a user; tokens and sessions end at once."""
        people.delete(caller.tenant, user_id)
        return Response(status_code=204)

    @router.post("/tokens", status_code=201)
    def make_token(body: NewToken, caller: office, request: Request) -> MadeToken:
        """Make an API token."""
        made, secret = people.make_token(
            caller,
            name=body.name,
            user_id=body.user_id or caller.user_id,
            scopes=body.scopes,
            known_tags=_tags(request),
            days=body.expires_in_days,
        )
        return MadeToken(token=secret, **_token(made).model_dump())

    @router.get("/tokens")
    def tokens(caller: office) -> Tokens:
        """My API tokens; an administrator sees everybody's."""
        return Tokens(items=[_token(one) for one in people.tokens(caller)])

    @router.delete("/tokens/{token_id}", status_code=204)
    def revoke_token(token_id: str, caller: office) -> Response:
        """End an API token at once."""
        people.revoke_token(caller, token_id)
        return Response(status_code=204)

    @router.get("/audit")
    def audit_log(
        caller: admin,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    ) -> AuditLog:
        """Who did what to what, when and from where; the newest first."""
        found, following = people.audit_page(caller.tenant, cursor, limit)
        return AuditLog(items=[_entry(one) for one in found], next_cursor=following)

    return router


def _tags(request: Request) -> set[str]:
    """The parts of the interface, as its document names them."""
    document: dict[str, Any] = request.app.openapi()
    return {
        str(told["tags"][0])
        for methods in document["paths"].values()
        for told in methods.values()
        if told.get("tags") and told.get("security")
    }


def _maybe(instant: float | None) -> str | None:
    return None if instant is None else to_rfc3339(instant)


def _reach(reach: Reach) -> ReachBody:
    depots = None if reach.depot_ids is None else sorted(reach.depot_ids)
    return ReachBody(depot_ids=depots, carrier_id=reach.carrier_id)


def _user(one: User) -> UserBody:
    return UserBody(
        id=one.id,
        name=one.name,
        sign_in_name=typed_name(one.tenant, one.name),
        role=one.role,
        reach=_reach(one.reach),
        driver_id=one.driver_id,
        has_password=one.has_password,
        created_at=to_rfc3339(one.created_at),
        disabled_at=_maybe(one.disabled_at),
    )


def _token(one: Token) -> TokenBody:
    return TokenBody(
        id=one.id,
        user_id=one.user_id,
        name=one.name,
        scopes=None if one.scopes is None else sorted(one.scopes),
        created_at=to_rfc3339(one.created_at),
        expires_at=_maybe(one.expires_at),
        last_used_at=_maybe(one.last_used_at),
    )


def _entry(one: Entry) -> EntryBody:
    return EntryBody(
        number=one.number,
        at=to_rfc3339(one.at),
        user_id=one.user_id,
        user_name=one.user_name,
        role=one.role,
        token_id=one.token_id,
        action=one.action,
        subject=one.subject,
        detail=one.detail,
        address=one.address,
    )
