"""Users, sessions, tokens and the audit log, over HTTP as everybody meets them."""

import json
from typing import Any

import pytest

from tests.identity.company import GOOD_PASSWORD, MAIN, OTHER, Answer, Company, hire

ADMIN = (MAIN, "admin")


def sign_in(company: Company, name: str, password: str = GOOD_PASSWORD, **headers: str) -> Answer:
    return company.ask(
        "POST", "/api/v1/session", None, {"name": name, "password": password}, **headers
    )


def session(company: Company, name: str) -> str:
    """The cookie of somebody who has signed in."""
    answer = sign_in(company, name)
    assert answer.status == 204, answer
    return answer.headers["set-cookie"].split(";")[0]


def with_cookie(
    company: Company, cookie: str, method: str, path: str, body: Any = None, **headers: str
) -> Answer:
    return company.ask(method, f"/api/v1{path}", None, body, cookie=cookie, **headers)


@pytest.fixture(scope="module")
def ana(company: Company) -> str:
    """A dispatcher with a password; the user's id."""
    new = {"name": "ana", "role": "dispatcher", "password": GOOD_PASSWORD}
    return str(company.made("/users", new)["id"])


def test_a_session_is_a_cookie_that_no_script_and_no_other_site_gets(
    company: Company, ana: str
) -> None:
    told = sign_in(company, "ana").headers["set-cookie"].lower()
    assert "httponly" in told
    assert "samesite=strict" in told
    assert "secure" not in told  # this is plain http on the machine itself
    cookie = session(company, "ana")
    assert with_cookie(company, cookie, "GET", "/me").json["user_id"] == ana


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"sec_fetch_site": "same-origin"}, 404),
        ({"origin": "http://office"}, 404),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://office.evil.example"}, 403),
    ],
)
def test_another_site_s_page_cannot_write_with_a_session(
    company: Company, ana: str, headers: dict[str, str], status: int
) -> None:
    cookie = session(company, "ana")
    cancel = "/orders/none/cancel"
    told = with_cookie(company, cookie, "POST", cancel, {"reason": "x"}, **headers)
    assert told.status == status
    if status == 403:
        assert sign_in(company, "ana", **headers).status == 403
        assert with_cookie(company, cookie, "DELETE", "/session", **headers).status == 403
    assert with_cookie(company, cookie, "GET", "/me", **headers).status == 200


def test_names_are_of_a_tenant_and_say_so_when_they_are_typed(company: Company, ana: str) -> None:
    hire(company, OTHER, "viewer", "ana")  # the same name, and no conflict to learn from
    new = {"name": "bob", "role": "viewer", "password": GOOD_PASSWORD}
    made = company.made("/users", new, OTHER)
    assert made["sign_in_name"] == "other/bob"
    assert sign_in(company, "other/bob").status == 204
    assert sign_in(company, "bob").status == 401
    assert sign_in(company, "nowhere/bob").status == 401
    taken = company.as_(ADMIN, "POST", "/users", {**new, "name": "ana"})
    assert (taken.status, "ana" in taken.json["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "Password123456"}, "password"),
        ({"password": "carla-carla-x"}, "password"),
        ({"role": "king"}, "role"),
        ({"role": "driver"}, "role"),
        ({"role": "carrier"}, "reach.carrier_id"),
        ({"role": "admin", "reach": {"depot_ids": ["depot-north"]}}, "reach"),
        ({"reach": {"depot_ids": ["nowhere"]}}, "reach.depot_ids"),
        ({"reach": {"depot_ids": []}}, "reach.depot_ids"),
        ({"reach": {"carrier_id": "nobody"}}, "reach.carrier_id"),
        ({"reach": {"depot_ids": ["depot-north"], "carrier_id": "swift"}}, "reach"),
        ({"name": "other/carla"}, "name"),
        ({"name": "driver:carla"}, "name"),
        ({"tenant": OTHER}, "tenant"),
        ({"driver_id": "dora"}, "driver_id"),
    ],
)
def test_a_bad_user_is_refused_by_its_field(
    company: Company, change: dict[str, Any], field: str
) -> None:
    new = {"name": "carla", "role": "viewer", **change}
    told = company.as_(ADMIN, "POST", "/users", new)
    assert told.status == 422, told
    assert field in [one["field"] for one in told.json["errors"]]


def test_who_is_disabled_is_out_at_once_and_may_come_back(company: Company) -> None:
    user_id = hire(company, MAIN, "viewer", "gone")
    path = f"/users/{user_id}"
    assert company.as_((MAIN, "gone"), "GET", "/me").status == 200
    assert company.as_(ADMIN, "PATCH", path, {"disabled": True}).json["disabled_at"] is not None
    assert company.as_((MAIN, "gone"), "GET", "/me").status == 401
    assert company.as_(ADMIN, "PATCH", path, {"disabled": False}).status == 200
    assert company.as_((MAIN, "gone"), "GET", "/me").status == 200
    assert company.as_(ADMIN, "DELETE", path).status == 204
    assert company.as_((MAIN, "gone"), "GET", "/me").status == 401
    assert company.as_(ADMIN, "GET", path).status == 404


def test_another_role_or_reach_holds_from_the_next_request(company: Company) -> None:
    user_id = hire(company, MAIN, "viewer", "mover")
    mover = (MAIN, "mover")
    assert len(company.as_(mover, "GET", "/depots").json["items"]) == 2
    path, north = f"/users/{user_id}", {"depot_ids": ["depot-north"], "carrier_id": None}
    changed = company.as_(ADMIN, "PATCH", path, {"role": "dispatcher", "reach": north})
    assert (changed.json["role"], changed.json["reach"]) == ("dispatcher", north)
    assert len(company.as_(mover, "GET", "/depots").json["items"]) == 1
    assert company.as_(ADMIN, "PATCH", path, {"role": "admin"}).status == 422
    assert company.as_(ADMIN, "PATCH", path, {"role": "admin", "reach": None}).status == 200
    assert len(company.as_(mover, "GET", "/depots").json["items"]) == 2
    assert company.as_(ADMIN, "DELETE", path).status == 204


def test_the_last_administrator_stays(company: Company) -> None:
    listed = company.as_((OTHER, "admin"), "GET", "/users?limit=500").json["items"]
    (admin,) = [one for one in listed if one["role"] == "admin"]
    path = f"/users/{admin['id']}"
    for method, body in (
        ("PATCH", {"disabled": True}),
        ("PATCH", {"role": "viewer"}),
        ("DELETE", None),
    ):
        told = company.as_((OTHER, "admin"), method, path, body)
        assert (told.status, "last administrator" in told.json["detail"]) == (409, True)
    assert company.as_((OTHER, "admin"), "GET", "/me").status == 200


def test_a_new_password_ends_every_session(company: Company) -> None:
    new = {"name": "eve", "role": "viewer", "password": GOOD_PASSWORD}
    user_id = company.made("/users", new)["id"]
    cookie = session(company, "eve")
    own = {"old": "not it at all", "new": "copper violin tundra"}
    assert with_cookie(company, cookie, "PUT", "/me/password", own).status == 422
    assert with_cookie(company, cookie, "GET", "/me").status == 200
    own["old"] = GOOD_PASSWORD
    assert with_cookie(company, cookie, "PUT", "/me/password", own).status == 204
    assert with_cookie(company, cookie, "GET", "/me").status == 401
    assert sign_in(company, "eve").status == 401
    assert sign_in(company, "eve", own["new"]).status == 204
    path = f"/users/{user_id}/password"
    assert company.as_(ADMIN, "PUT", path, {"password": "eve-eve-eve-1"}).status == 422
    assert company.as_(ADMIN, "PUT", path, {"password": GOOD_PASSWORD}).status == 204
    assert sign_in(company, "eve").status == 204


def test_a_token_is_good_for_its_scopes_only(company: Company, ana: str) -> None:
    made = company.made(
        "/tokens", {"name": "shop", "user_id": ana, "scopes": ["orders:write", "fleet:read"]}
    )
    company.tokens[MAIN, "shop"] = made["token"]
    shop = (MAIN, "shop")
    assert company.as_(shop, "GET", "/orders").status == 200  # to write includes to read
    assert company.as_(shop, "POST", "/orders/none/cancel", {"reason": "x"}).status == 404
    assert company.as_(shop, "GET", "/vehicles").status == 200
    assert company.as_(shop, "POST", "/shifts", {}).status == 403
    refused = company.as_(shop, "GET", "/routes/none")
    assert (refused.status, "planning:read" in refused.json["detail"]) == (403, True)
    assert company.as_(shop, "POST", "/tokens", {"name": "more"}).status == 403  # people:write


def test_a_limited_token_makes_no_wider_one(company: Company, ana: str) -> None:
    made = company.made(
        "/tokens", {"name": "x", "user_id": ana, "scopes": ["people:write", "orders:read"]}
    )
    company.tokens[MAIN, "maker"] = made["token"]
    maker = (MAIN, "maker")
    for scopes in (None, ["orders:write"], ["planning:read"], [], ["nothing:read"]):
        told = company.as_(maker, "POST", "/tokens", {"name": "y", "scopes": scopes})
        assert (told.status, told.json["errors"][0]["field"]) == (422, "scopes"), scopes
    narrow = company.as_(maker, "POST", "/tokens", {"name": "y", "scopes": ["orders:read"]})
    assert narrow.status == 201
    other = {"name": "z", "scopes": ["orders:read"], "user_id": "user-of-somebody"}
    assert company.as_(maker, "POST", "/tokens", other).status == 404


def test_a_token_is_shown_once_ends_and_is_revoked(company: Company) -> None:
    viewer, dispatcher = (MAIN, "viewer"), (MAIN, "dispatcher")
    made = company.as_(viewer, "POST", "/tokens", {"name": "mine", "expires_in_days": 1}).json
    company.tokens[MAIN, "mine"] = made["token"]
    assert company.as_((MAIN, "mine"), "GET", "/me").status == 200
    listed = company.as_(viewer, "GET", "/tokens")
    assert made["token"].encode() not in listed.content
    (mine,) = [one for one in listed.json["items"] if one["id"] == made["id"]]
    assert mine["expires_at"] is not None
    assert mine["last_used_at"] is not None
    seen = {one["user_id"] for one in listed.json["items"]}
    assert len(seen) == 1
    assert len({one["user_id"] for one in company.as_(ADMIN, "GET", "/tokens").json["items"]}) > 1
    path = f"/tokens/{made['id']}"
    assert company.as_(dispatcher, "DELETE", path).status == 404  # not one's own
    assert company.as_((OTHER, "admin"), "DELETE", path).status == 404
    assert company.as_(viewer, "DELETE", path).status == 204
    assert company.as_((MAIN, "mine"), "GET", "/me").status == 401
    brief = company.made("/tokens", {"name": "brief", "expires_in_days": 1e-9})
    assert company.ask("GET", "/api/v1/me", brief["token"]).status == 401


def entries(company: Company, who: tuple[str, str] = ADMIN) -> list[dict[str, Any]]:
    """The whole audit log, the newest first, read page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = company.as_(who, "GET", f"/audit?limit=7{cursor}").json
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_the_log_says_who_did_what_to_what_and_from_where(company: Company) -> None:
    user_id = hire(company, MAIN, "viewer", "logged")
    assert company.as_(ADMIN, "PATCH", f"/users/{user_id}", {"role": "dispatcher"}).status == 200
    order = company.ids["north"]["order_id"]
    dispatcher = (MAIN, "dispatcher")
    assert company.as_(dispatcher, "PATCH", f"/orders/{order}", {"note": "ring"}).status == 200
    note, role, *_ = entries(company)
    assert (note["action"], note["subject"]) == (
        "PATCH /orders/{order_id}",
        f"/api/v1/orders/{order}",
    )
    assert (note["user_name"], note["role"], note["address"]) == (
        "dispatcher",
        "dispatcher",
        "192.0.2.7",
    )
    assert note["token_id"].startswith("token-")
    assert (role["action"], role["detail"]["role"]) == ("PATCH /users/{user_id}", "dispatcher")
    assert role["detail"]["was"]["role"] == "viewer"
    company.made("/depots", {**DEPOT, "id": "depot-new"})
    assert entries(company)[0]["detail"] == {"id": "depot-new"}


DEPOT = {"name": "New", "zone": "UTC", "lat": 1.0, "lon": 1.0}


def test_what_was_refused_or_only_read_is_no_change(company: Company) -> None:
    before = len(entries(company))
    assert company.as_(ADMIN, "POST", "/depots", {**DEPOT, "id": "A b"}).status == 422
    assert company.as_(ADMIN, "POST", "/depots", {**DEPOT, "id": "depot-north"}).status == 409
    assert company.as_((MAIN, "viewer"), "POST", "/depots", DEPOT).status == 403
    assert company.as_(ADMIN, "GET", "/depots").status == 200
    assert len(entries(company)) == before


def test_sign_ins_are_logged_right_and_wrong_ones_and_no_secret_ever(
    company: Company, ana: str
) -> None:
    cookie = session(company, "ana")
    for _ in range(3):  # logged once: guesses from everywhere must not fill the log
        assert sign_in(company, "ana", "pelican-crossing-9").status == 401
    assert with_cookie(company, cookie, "DELETE", "/session").status == 204
    out, wrong, right, *_ = entries(company)
    assert [out["action"], wrong["action"], right["action"]] == [
        "sign-out",
        "sign-in refused",
        "sign-in",
    ]
    assert {one["user_name"] for one in (out, wrong, right)} == {"ana"}
    made = company.made("/tokens", {"name": "t", "user_id": ana})
    path = f"/users/{ana}/password"
    assert company.as_(ADMIN, "PUT", path, {"password": GOOD_PASSWORD}).status == 204
    everything = json.dumps(entries(company))
    for secret in (GOOD_PASSWORD, "pelican", made["token"], cookie.split("=")[1]):
        assert secret not in everything


def test_each_tenant_has_a_log_of_its_own(company: Company) -> None:
    named = {one["user_id"] for one in entries(company)}
    others = {one["user_id"] for one in entries(company, (OTHER, "admin"))}
    assert others
    assert not named & others


def test_authority_comes_from_the_token_and_from_nothing_a_client_says(company: Company) -> None:
    """Mistake 4 of the peers (ThingsBoard, CVE-2022-45608): authority that the client supplies."""
    viewer = company.tokens[MAIN, "viewer"]
    claims = {"role": "admin", "tenant": OTHER, "x_role": "admin", "x_tenant": OTHER}
    told = company.ask("GET", "/api/v1/me?role=admin&tenant=other", viewer, None, **claims)
    assert (told.json["role"], told.json["tenant"]) == ("viewer", MAIN)
    assert company.ask("GET", "/api/v1/users?role=admin", viewer, None, **claims).status == 403
    me = told.json["user_id"]
    change = {"role": "admin"}
    assert company.as_((MAIN, "viewer"), "PATCH", f"/users/{me}", change).status == 403
    for field in ("tenant", "user_id", "id"):
        new = {"name": "mallory", "role": "viewer", field: "x"}
        assert company.as_(ADMIN, "POST", "/users", new).status == 422


def test_no_two_installations_or_users_share_a_secret(
    company: Company, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Mistake 5 of the peers (MiCODUS): one master password, ids that can be guessed."""
    from tests.identity.company import open_company

    (another,) = open_company(tmp_path_factory.mktemp("another"))
    ours, theirs = set(company.tokens.values()), set(another.tokens.values())
    assert len(ours) == len(company.tokens)
    assert not ours & theirs
    for token in theirs:
        assert company.ask("GET", "/api/v1/me", token).status == 401
    ids = [one["id"] for one in company.as_(ADMIN, "GET", "/users?limit=500").json["items"]]
    assert all(len(one.split("-")[1]) >= 16 for one in ids)
    assert len({one.split("-")[1][:6] for one in ids}) == len(ids)
