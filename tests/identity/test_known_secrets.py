"""Mistake 3 of the peers: nobody is let in, and nothing starts, with what anybody tries first."""

import secrets

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.foundation.errors import Invalid
from cloud.foundation.known_secrets import (
    is_known,
    require_password,
    require_unknown,
    require_unknown_in,
)

KNOWN = [
    "", " ", "!!!!", "admin", "Admin123", "password", "P@ssw0rd", "P@ssw0rd-2026!", "Password1234",
    "changeme", "change-me", "CHANGE_ME", "secret", "s3cr3t", "qwerty12345", "1234567890",
    "0987654321", "aaaaaaaaaaaa", "abababababab", "abcdefghij", "letmein!!", "roundsman2026",
    "adminadmin", "test-test", "mosquitto", "1q2w3e4r5t", "correct horse battery staple",
    "Welcome2026",
]  # fmt: skip


@pytest.mark.parametrize("secret", KNOWN)
def test_what_anybody_tries_first_is_known_in_each_of_its_dresses(secret: str) -> None:
    assert is_known(secret)
    with pytest.raises(Invalid, match=r"^broker\.password: is .*; give the other side a secret"):
        require_unknown("broker.password", secret)
    with pytest.raises(Invalid, match=r"^password: "):
        require_password(secret, ())


@given(st.binary(min_size=16, max_size=32))
def test_drawn_secrets_are_not_refused(drawn: bytes) -> None:
    if len(set(drawn)) > 8:
        require_unknown("password", drawn.hex())
        require_password(drawn.hex(), ("ana",))


def test_a_secret_may_not_be_the_user_s_name() -> None:
    with pytest.raises(Invalid, match="default"):
        require_unknown("broker.password", "fleet-cloud-7", "Fleet-Cloud-7")
    with pytest.raises(Invalid, match="holds the user's name"):
        require_password("anabel-drives-far", ("Anabel",))


def test_a_good_password_is_long_and_may_be_words() -> None:
    require_password("lantern orbit cactus sled", ("ana",))
    require_password(secrets.token_urlsafe(15), ("ana",))
    with pytest.raises(Invalid, match="has 9 characters; use 10 to 200"):
        require_password("kX9#mQ2!v", ("ana",))
    with pytest.raises(Invalid, match="has 201 characters"):
        require_password("kX9#mQ2!v" * 22 + "abc", ("ana",))


class Store(msgspec.Struct):
    url: str
    signing_key: str = "9f2c71aa04be6d53"


class All(msgspec.Struct):
    store: Store


@pytest.mark.parametrize(
    ("store", "field"),
    [
        (Store("postgresql://roundsman:postgres@db/fleet"), r"store\.url \(its password\)"),
        (Store("postgresql://fleet:fleet@db/fleet"), r"store\.url \(its password\)"),
        (Store("sqlite://", signing_key="supersecret"), r"store\.signing_key"),
    ],
)
def test_every_secret_of_the_settings_is_looked_at(store: Store, field: str) -> None:
    with pytest.raises(Invalid, match=f"^{field}: is a default"):
        require_unknown_in("", All(store))
    require_unknown_in("", All(Store("postgresql://fleet:x8dk2%21mmqs1@db/fleet")))
