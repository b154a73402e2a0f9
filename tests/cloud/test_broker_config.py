"""What the embedded broker is told: each user with exactly its topics, and nothing slips in."""

import json
import re
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.foundation.broker_config import (
    BrokerPlace,
    BrokerSecrets,
    GatewayCredential,
    new_gateway_credential,
    new_login,
    render_config,
    to_subject,
    users_of,
)
from cloud.foundation.errors import Invalid
from wire import topics

PLACE = BrokerPlace(
    listen="127.0.0.1", mqtt_port=1883, nats_port=4222, monitor_port=8222, folder="/data/broker"
)


RANDOM = Random(5)


def new_hex(length: int) -> str:
    return RANDOM.randbytes(length).hex()


def users(*gateways: GatewayCredential) -> BrokerSecrets:
    return BrokerSecrets(
        ingest=new_login("ingest", new_hex), web=new_login("web", new_hex), gateways=gateways
    )


def permissions_of(config: str, username: str) -> dict[str, list[str]]:
    line = next(one for one in config.splitlines() if f'user: "{username}"' in one)
    found = re.search(r"permissions: (\{.*\})\}", line)
    assert found is not None
    permissions: dict[str, list[str]] = json.loads(found.group(1))
    return permissions


def test_a_van_may_write_its_own_up_and_read_its_own_down() -> None:
    gateway = new_gateway_credential("main", "van-1", new_hex)
    assert permissions_of(render_config(PLACE, users(gateway)), gateway.username) == {
        "publish": ["fleet.v1.main.van-1.up.*"],
        "subscribe": ["fleet.v1.main.van-1.dn.*"],
    }


def test_ingest_reads_every_up_and_answers_and_web_tells_the_rest() -> None:
    config = render_config(PLACE, users())
    assert permissions_of(config, "ingest") == {
        "publish": ["fleet.v1.*.*.dn.ack", "feed.v1.>"],
        "subscribe": [f"fleet.v1.*.*.up.{kind}" for kind in topics.UP_KINDS],
    }
    assert permissions_of(config, "web") == {
        "publish": [
            *(f"fleet.v1.*.*.dn.{kind}" for kind in ("desired", "command", "route", "certificate")),
            "fleet.v1.*.*.up.state",
            "fleet.v1.*.*.up.presence",
            "fleet.v1.*.*.up.batch",
            "feed.v1.>",
        ],
        "subscribe": ["feed.v1.>", "fleet.v1.*.*.up.renew"],
    }


def test_it_listens_where_it_is_told_and_on_loopback_for_all_else() -> None:
    config = render_config(msgspec.structs.replace(PLACE, listen="10.0.0.5"), users())
    assert 'mqtt {\n    host: "10.0.0.5"\n    port: 1883' in config
    assert 'host: "127.0.0.1"\nport: 4222' in config
    assert 'http: "127.0.0.1:8222"' in config


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", 'x", permissions: {publish: ">"}, x: "'),
        ("password", "line\nbreak"),
        ("password", "$2a$11$looks.like.a.hash"),
        ("password", ""),
        ("client_id", "with.dots"),
        ("client_id", "short"),
    ],
)
def test_a_credential_that_would_leave_its_place_is_refused(field: str, value: str) -> None:
    gateway = msgspec.structs.replace(
        new_gateway_credential("main", "van-1", new_hex), **{field: value}
    )
    with pytest.raises(Invalid, match="make new credentials"):
        render_config(PLACE, users(gateway))


@pytest.mark.parametrize("van", ["*", ">", "+", "#", "a.b", "a/b", "a b", 'a"b', ""])
def test_a_van_whose_name_would_widen_its_topics_is_refused(van: str) -> None:
    gateway = msgspec.structs.replace(new_gateway_credential("main", "van-1", new_hex), van=van)
    with pytest.raises(topics.TopicError):
        render_config(PLACE, users(gateway))
    with pytest.raises(topics.TopicError):
        new_gateway_credential("main", van, new_hex)


def test_new_credentials_are_secret_128_bit_ids_and_differ_each_time() -> None:
    first, second = (new_gateway_credential("main", "van-1", new_hex) for _ in range(2))
    assert re.fullmatch(r"[0-9a-f]{32}", first.client_id)
    assert len({first.client_id, second.client_id, first.password, second.password}) == 4
    assert first.username != second.username


@given(st.permutations(["van-1", "van-2", "van-3"]))
def test_the_order_of_gateways_makes_no_difference(order: list[str]) -> None:
    made = {
        van: GatewayCredential(
            tenant="main", van=van, client_id="0" * 32, username=van, password="p" * 20
        )
        for van in order
    }
    logins = users()
    assert users_of([made[van] for van in order], logins) == users_of(
        [made[van] for van in sorted(order)], logins
    )


def test_topics_become_subjects() -> None:
    assert to_subject("fleet/v1/+/+/up/live") == "fleet.v1.*.*.up.live"
    assert to_subject("feed/v1/#") == "feed.v1.>"
