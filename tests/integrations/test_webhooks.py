"""Webhooks over real sockets: signed, at least once, in order, and never where they may not go."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError

from cloud.foundation.authority import Authority
from cloud.foundation.errors import Conflict, Invalid, NotAllowed, NotFound
from cloud.foundation.identity import Caller, Reach
from cloud.foundation.sealing import Vault
from cloud.integrations.webhooks import service, store
from cloud.integrations.webhooks.addresses import parse_address
from cloud.integrations.webhooks.model import (
    GIVEN_UP_AFTER_S,
    Outcome,
    next_try_s,
    require_url,
    sign,
)
from cloud.integrations.webhooks.sending import Sender
from tests.integrations.office import ADMIN, Office, loopback, until
from tests.integrations.receiver import Answer, receiver

LOOPBACK = (ip_network("127.0.0.0/8"),)
DAY_S = 86_400.0


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path, LOOPBACK, loopback)
    yield made
    made.database.close()


def test_what_is_sent_is_a_signed_cloud_event_and_nothing_else_passes(office: Office) -> None:
    office.clock.at_s = datetime.now(UTC).timestamp()  # noqa: TID251 - the library looks at it

    async def send() -> None:
        with receiver() as erp:
            _, secret = office.hook(erp.url)
            async with office.delivering():
                office.order_moves("ord-1")
                await until(lambda: len(erp.heard) == 1, "the order")
            (posted,) = erp.heard
            told = Standard(secret).verify(posted.body, posted.headers)
            assert told["type"] == "roundsman.order.status.v1"
            assert told["data"] == {
                "order": "ord-1",
                "state": "loaded",
                "at": told["time"],
                "v": 1,
            }
            assert posted.headers["content-type"] == "application/cloudevents+json"
            assert posted.headers["webhook-id"] == told["id"]
            with pytest.raises(WebhookVerificationError):
                Standard(secret).verify(posted.body + b" ", posted.headers)

    asyncio.run(send())


def test_a_receiver_that_was_away_gets_all_in_order_and_under_the_same_ids(
    office: Office,
) -> None:
    async def send() -> None:
        with receiver(Answer(500), Answer(503), Answer()) as erp:
            hook, _ = office.hook(erp.url)
            async with office.delivering() as running:
                for number in range(3):
                    office.order_moves(f"ord-{number}")
                await until(lambda: len(erp.heard) == 1, "the first try")
                await until(lambda: office.log(hook)[0].tries == 1, "its note")
                assert [one.tries for one in office.log(hook)] == [1, 0, 0], "the others wait"
                for tries in (2, 3):
                    office.clock.at_s = office.log(hook)[0].due_at
                    running.wake()
                    await until(lambda n=tries: len(erp.heard) >= n, "the next try")  # type: ignore[misc]
                    await until(lambda n=tries: office.log(hook)[0].tries == n, "its note")  # type: ignore[misc]
                await until(
                    lambda: all(one.state == "delivered" for one in office.log(hook)), "the rest"
                )
            orders = [msgspec.json.decode(one.body)["data"]["order"] for one in erp.heard]
            assert orders == ["ord-0", "ord-0", "ord-0", "ord-1", "ord-2"]
            assert len({one.headers["webhook-id"] for one in erp.heard}) == 3

    asyncio.run(send())


def test_a_message_that_alone_is_refused_holds_up_no_other(office: Office) -> None:
    async def send() -> None:
        with receiver(Answer(422), Answer()) as erp:
            hook, _ = office.hook(erp.url)
            async with office.delivering():
                office.order_moves("ord-bad")
                office.order_moves("ord-good")
                await until(lambda: office.log(hook)[1].state == "delivered", "the second")
            assert office.log(hook)[0].state == "waiting"

    asyncio.run(send())


def test_one_that_hangs_holds_up_no_other(office: Office) -> None:
    async def send() -> None:
        with receiver(Answer(after_s=1.5)) as slow, receiver() as quick:
            office.hook(slow.url)
            hook, _ = office.hook(quick.url)
            async with office.delivering():
                for number in range(5):
                    office.order_moves(f"ord-{number}")
                await until(lambda: len(quick.heard) == 5, "all to the quick one")
                assert len(slow.heard) <= 1
            assert all(one.error is None for one in office.log(hook))

    asyncio.run(send())


def test_an_endless_answer_and_one_that_never_comes_end(office: Office) -> None:
    async def send() -> None:
        with (
            receiver(Answer(200, endless_body=True)) as endless,
            receiver(Answer(after_s=30)) as silent,
        ):
            first, _ = office.hook(endless.url)
            second, _ = office.hook(silent.url)
            async with office.delivering():
                office.order_moves("ord-1")
                await until(lambda: office.log(first)[0].state == "delivered", "the endless")
                await until(lambda: office.log(second)[0].tries == 1, "the silent")
            assert "within 2 s" in (office.log(second)[0].error or "")

    asyncio.run(send())


def test_410_disables_at_once_and_tells(office: Office) -> None:
    async def send() -> None:
        with receiver(Answer(410)) as gone:
            hook, _ = office.hook(gone.url)
            async with office.delivering():
                office.order_moves("ord-1")
                await until(lambda: bool(office.told("WebhookDisabled")), "the word")
            assert "410" in (office.hooks.one(ADMIN, hook.id).disabled or "")
            office.order_moves("ord-2")
            assert len(office.log(hook)) == 1, "nothing more is queued"
            with pytest.raises(Conflict, match="disabled"):
                office.hooks.try_out(ADMIN, hook.id)

    asyncio.run(send())


def test_days_of_failure_disable_and_tell_and_enabling_sends_what_waits(office: Office) -> None:
    async def send() -> None:
        with receiver(*[Answer(500)] * 2, Answer()) as erp:
            hook, _ = office.hook(erp.url)
            async with office.delivering() as running:
                office.order_moves("ord-1")
                office.order_moves("ord-2")
                await until(lambda: office.log(hook)[0].tries == 1, "the first try")
                office.clock.at_s += 5 * DAY_S
                running.wake()
                await until(lambda: bool(office.told("WebhookDisabled")), "the word")
                assert office.log(hook)[0].state == "failed", "three days are over"
                office.hooks.change(ADMIN, hook.id, is_enabled=True)
                await until(lambda: office.log(hook)[1].state == "delivered", "what waited")

    asyncio.run(send())


def test_redirects_are_not_followed(office: Office) -> None:
    async def send() -> None:
        with receiver() as inner, receiver(Answer(307, {"Location": inner.url})) as outer:
            hook, _ = office.hook(outer.url)
            async with office.delivering():
                office.order_moves("ord-1")
                await until(lambda: office.log(hook)[0].tries == 1, "the try")
            assert inner.heard == []
            assert "redirects are not followed" in (office.log(hook)[0].error or "")

    asyncio.run(send())


REFUSED = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",  # noqa: S104 - refused
    "224.0.0.1",
    "255.255.255.255",
    "192.0.0.192",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
]


@pytest.mark.parametrize("address", REFUSED)
def test_no_private_address_is_taken_by_itself_or_behind_a_name(address: str) -> None:
    found = parse_address(address)
    assert found is not None
    assert found.problem(()) is not None
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Invalid, match="url"):
        require_url(f"https://{host}/x", ())

    async def leading(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14", address]

    outcome = asyncio.run(_post(leading, "https://hooks.example/x"))
    assert outcome.status is None
    assert "not a public address" in (outcome.error or "")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::6810:84e5", "::ffff:8.8.8.8"])
def test_a_public_address_is_taken(address: str) -> None:
    found = parse_address(address)
    assert found is not None
    assert found.problem(()) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:word@example.com/",
        "https:///x",
        "https://example.com/#here",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://[::1/",
        "file:///etc/passwd",
        "https://ex\u00e4mple.com/",
        "https://example.com/" + "x" * 2_000,
    ],
)
def test_a_url_that_is_none_names_the_field(url: str) -> None:
    with pytest.raises(Invalid, match="url"):
        require_url(url, ())


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "localhost"])
def test_what_a_resolver_takes_for_this_machine_is_refused_when_it_is_sent(host: str) -> None:
    from cloud.integrations.webhooks.sending import SystemResolver

    resolver = SystemResolver()
    with receiver() as inner:
        outcome = asyncio.run(_post(resolver, f"https://{host}:{inner.port}/"))
        assert inner.heard == []
    assert "not a public address" in (outcome.error or ""), outcome
    resolver.close()


def test_a_name_is_asked_for_once_and_the_connection_goes_where_was_looked() -> None:
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async def send() -> Outcome:
        with receiver() as inner:
            allowed = (ip_network("127.0.0.1/32"),)
            sender = Sender(rebinding, allowed)
            url = f"http://hooks.example:{inner.port}/x"
            first = await sender.post(url, {}, b"{}")
            second = await sender.post(url, {}, b"{}")
            await sender.close()
            assert [one.headers["host"] for one in inner.heard] == [f"hooks.example:{inner.port}"]
            assert second.error is not None
            return first

    assert asyncio.run(send()).is_delivered
    assert asked == ["hooks.example"] * 2


def test_nothing_goes_unencrypted_to_an_address_that_is_not_allowed() -> None:
    async def public(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14"]

    outcome = asyncio.run(_post(public, "http://hooks.example/x", *LOOPBACK))
    assert "not encrypted" in (outcome.error or "")


def test_host_and_sni_stay_as_the_url_says_and_the_certificate_counts(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", lambda: datetime.now(UTC).timestamp())  # noqa: TID251 - TLS lives in real time
    pair = authority.server_pair(tmp_path / "tls", ["hooks.example"])
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(pair.cert_file, pair.key_file)
    trust = ssl.create_default_context(cafile=str(authority.certificate_file))

    async def send() -> None:
        with receiver(trust=served) as erp:
            sender = Sender(loopback, LOOPBACK, trust=trust)
            good = await sender.post(f"https://hooks.example:{erp.port}/a", {}, b"{}")
            assert good.is_delivered, good
            other = await sender.post(f"https://other.example:{erp.port}/a", {}, b"{}")
            assert "certificate" in (other.error or "").lower(), other
            await sender.close()
            assert erp.heard[0].headers["host"] == f"hooks.example:{erp.port}"
            assert erp.server_names[0] == "hooks.example"

    asyncio.run(send())


async def _post(resolve: Any, url: str, *allowed: Any) -> Outcome:
    sender = Sender(resolve, allowed, within_s=2.0)
    outcome = await sender.post(url, {}, b"{}")
    await sender.close()
    return outcome


def test_an_event_that_comes_again_is_queued_once_and_others_by_kind_not_at_all(
    office: Office,
) -> None:
    hook, _ = office.hook("https://erp.example/", kinds=["order.status"])
    other, _ = office.hook("https://erp.example/", kinds=["trip"])
    for _ in range(3):
        office.order_moves("ord-1", position=7)
    assert len(office.log(hook)) == 1
    assert office.log(other) == []


def test_a_full_queue_drops_its_oldest_counts_it_and_keeps_it_in_the_log(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_WAITING", 3)
    hook, _ = office.hook("https://erp.example/")
    for number in range(5):
        office.order_moves(f"ord-{number}")
    assert [one.state for one in office.log(hook)] == ["dropped"] * 2 + ["waiting"] * 3
    assert office.hooks.one(ADMIN, hook.id).dropped == 2


def test_the_log_has_pages_and_what_it_holds_can_be_sent_again(office: Office) -> None:
    async def send() -> None:
        with receiver() as erp:
            hook, _ = office.hook(erp.url)
            async with office.delivering():
                for number in range(5):
                    office.order_moves(f"ord-{number}")
                await until(lambda: len(erp.heard) == 5, "all")
                await until(lambda: office.log(hook)[4].state == "delivered", "their notes")
                first, more = office.hooks.deliveries(
                    ADMIN, hook.id, cursor=None, states=("delivered",), limit=3
                )
                rest, end = office.hooks.deliveries(
                    ADMIN, hook.id, cursor=more, states=("delivered",), limit=3
                )
                assert [one.position for one in (*first, *rest)] == [5, 4, 3, 2, 1]
                assert end is None
                again = office.hooks.resend(ADMIN, hook.id, "dlv-2")
                assert (again.event_id, again.resend) == (rest[0].event_id, 1)
                await until(lambda: len(erp.heard) == 6, "the second sending")
                for wrong in ("dlv-99", "dlv-", "2", "dlv-\u0662", "dlv-" + "9" * 99):
                    with pytest.raises(NotFound):
                        office.hooks.resend(ADMIN, hook.id, wrong)
            ids = [one.headers["webhook-id"] for one in erp.heard]
            assert ids[5] == ids[1]

    asyncio.run(send())


def test_both_secrets_sign_for_a_day_after_a_new_one(office: Office) -> None:
    office.clock.at_s = datetime.now(UTC).timestamp()  # noqa: TID251 - the library looks at it

    async def send() -> None:
        with receiver() as erp:
            hook, old = office.hook(erp.url)
            new = office.hooks.new_secret(ADMIN, hook.id)
            async with office.delivering():
                office.hooks.try_out(ADMIN, hook.id)
                await until(lambda: len(erp.heard) == 1, "the ping")
                for secret in (old, new):
                    Standard(secret).verify(erp.heard[0].body, erp.heard[0].headers)
                office.clock.at_s += DAY_S + 1
                office.hooks.try_out(ADMIN, hook.id)
                await until(lambda: len(erp.heard) == 2, "the second ping")
            assert len(erp.heard[1].headers["webhook-signature"].split(" ")) == 1

    asyncio.run(send())


def test_what_waits_when_the_process_ends_is_sent_by_the_next(
    office: Office, tmp_path: Path
) -> None:
    async def send() -> None:
        with receiver() as erp:
            hook, _ = office.hook(erp.url)
            office.order_moves("ord-1")
            office.database.close()
            again = Office(tmp_path, LOOPBACK, loopback)
            async with again.delivering():
                await until(lambda: again.log(hook)[0].state == "delivered", "what waited")
            again.database.close()

    asyncio.run(send())


def test_a_secret_lies_sealed_and_without_the_key_says_what_to_do(
    office: Office, tmp_path: Path
) -> None:
    _, secret = office.hook("https://erp.example/")
    other, _ = office.hook("https://erp.example/")
    with office.database.reading() as connection:
        rows = connection.execute(select(store.webhook)).all()
    raw = msgspec.json.decode(b'"' + secret.removeprefix("whsec_").encode() + b'"', type=bytes)
    for row in rows:
        assert raw not in row.secret
    first, second = rows[0], rows[1]
    with pytest.raises(Conflict, match="make a new one"):
        office.vault.open(first.secret, f"webhook {second.id}")
    office.key_file.unlink()
    with pytest.raises(Conflict, match="make a new one"):
        office.vault.open(first.secret, f"webhook {first.id}")
    fresh = Vault(tmp_path / "other.key")
    fresh.seal(b"x", "y")
    with pytest.raises(Conflict, match="make a new one"):
        fresh.open(first.secret, f"webhook {first.id}")
    assert other.id in {row.id for row in rows}


def test_nobody_else_sees_or_touches_a_webhook(office: Office) -> None:
    hook, _ = office.hook("https://erp.example/")
    stranger = Caller(tenant="other", user_id="user-2", name="eve", role="admin")
    carrier = Caller(
        tenant="main",
        user_id="user-3",
        name="cal",
        role="integrator",
        reach=Reach(carrier_id="sub"),
    )
    depot = Caller(
        tenant="main",
        user_id="user-4",
        name="dot",
        role="integrator",
        reach=Reach(depot_ids=frozenset({"d-1"})),
    )
    for other in (stranger, carrier, depot):
        assert office.hooks.of(other) == []
        for act in (
            lambda c: office.hooks.one(c, hook.id),
            lambda c: office.hooks.remove(c, hook.id),
            lambda c: office.hooks.new_secret(c, hook.id),
            lambda c: office.hooks.try_out(c, hook.id),
            lambda c: office.hooks.change(c, hook.id, url="https://evil.example/"),
            lambda c: office.hooks.deliveries(c, hook.id, cursor=None, states=(), limit=9),
        ):
            with pytest.raises(NotFound):
                act(other)
    for limited, asked in ((carrier, "own"), (depot, None)):
        with pytest.raises(NotAllowed):
            office.hooks.make(
                limited, name="x", url="https://e.example/", kinds=["trip"], carrier=asked
            )


@settings(deadline=None)
@given(
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=12, max_size=12),
    retry_after_s=st.none() | st.floats(0, 1e9),
)
def test_tries_come_later_and_later_and_end_within_three_days(
    draws: list[float], retry_after_s: float | None
) -> None:
    outcome = Outcome(status=503, retry_after_s=retry_after_s)
    now_s, tries, left = 0.0, 1, iter(draws)
    while (due_s := next_try_s(tries, 0.0, now_s, outcome, lambda: next(left))) is not None:
        assert due_s > now_s
        assert due_s <= GIVEN_UP_AFTER_S
        now_s, tries = due_s, tries + 1
    assert tries <= 11
    if retry_after_s is None:
        assert now_s > 2 * DAY_S, "it is tried for days"


@settings(deadline=None)
@given(secret=st.binary(min_size=24, max_size=64), body=st.text().map(str.encode))
def test_our_signature_is_the_librarys(secret: bytes, body: bytes) -> None:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    theirs = Standard(secret).sign("evt-1", at, body.decode())
    assert sign(secret, "evt-1", int(at.timestamp()), body) == theirs
