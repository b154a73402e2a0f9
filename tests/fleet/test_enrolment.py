"""Who is let in: what a token says, once, and nothing that the box says of itself."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from fastapi import FastAPI
from sqlalchemy import select

from cloud.fleet.enrolment.api import routes
from cloud.fleet.enrolment.model import CLAIM_S
from cloud.fleet.enrolment.service import Enrolments
from cloud.fleet.gateway_access import GatewayAccess
from cloud.fleet.model import Depot, Vehicle
from cloud.fleet.service import Fleet
from cloud.foundation.authority import Authority, gateway_identity, read_request
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound, NotSignedIn
from cloud.foundation.http import answer_problems
from cloud.foundation.identity import TENANT, Caller, Gate, Identity
from cloud.foundation.ids import random_id, random_secret
from cloud.foundation.layout import DataFolder
from cloud.foundation.mqtt import make_client
from cloud.foundation.outbox import DomainEvent, outbox
from cloud.foundation.settings import EmbeddedBroker as Lane
from cloud.foundation.settings import Settings, load
from cloud.geofences import store as geofence_store
from tests.fleet.box import Box
from tests.parts.broker import EmbeddedBroker, wait_for
from tests.parts.migrated import migrate
from wire import topics
from wire.enrolment import Enrolment, EnrolmentRequest, Purpose, Renewal

DAY_S = 86_400.0
ADMIN = Caller(tenant=TENANT, user_id="user-1", name="admin", role="admin")


class SetClock(RealClock):
    """Real time, and what a test adds to it."""

    ahead_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.ahead_s


@dataclass
class Office:
    """Enrolment over a real broker and database."""

    enrolments: Enrolments
    broker: EmbeddedBroker
    database: Database
    clock: SetClock

    def token(self, van: str = "van-1", purpose: Purpose = "gateway") -> str:
        token = f"rmc-{random_secret()}"
        self.enrolments.make_claim(ADMIN, van, purpose, token)
        return token

    def enrol(self, box: Box, van: str = "van-1", purpose: Purpose = "gateway") -> Enrolment:
        token = self.token(van, purpose)
        asked = EnrolmentRequest(token=token, csr=box.request(), purpose=purpose)
        given = self.enrolments.enrol(asked)
        box.client_id = given.client_id
        return given

    def states(self, van: str) -> list[str]:
        return [one.state for one in self.enrolments.certificates(TENANT, van)]

    def suspected(self) -> list[DomainEvent]:
        """The complaints of copies so far."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(outbox).where(outbox.c.kind == "CopySuspected").order_by(outbox.c.position)
            ).mappings()
            return [DomainEvent(**row) for row in rows]

    def heard(self) -> list[tuple[str, bytes]]:
        """What ingest hears from now on."""
        heard: list[tuple[str, bytes]] = []
        access = self.broker.access
        login = access.login("ingest")
        client = make_client(access.address(), login, is_lasting=False)
        client.on_connect = lambda client, *_: client.subscribe(
            [(topics.every_up(kind), 1) for kind in topics.UP_KINDS]
        )
        ready: list[bool] = []
        client.on_subscribe = lambda *_: ready.append(True)
        client.on_message = lambda _c, _d, message: heard.append(
            (message.topic, bytes(message.payload))
        )
        client.connect("127.0.0.1", access.address().port)
        client.loop_start()
        wait_for(lambda: bool(ready), "ingest to listen")
        self.listeners.append(client)
        return heard

    def __post_init__(self) -> None:
        from paho.mqtt.client import Client

        self.listeners: list[Client] = []


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path / "data") as made:
        yield made


@contextmanager
def open_office(folder: Path) -> Iterator[Office]:
    """With the vans van-1 and van-2, in a data folder of its own."""
    broker = EmbeddedBroker(DataFolder(folder))
    broker.settings = Settings(embedded_broker=Lane(tls=True))
    broker.access = BrokerAccess(broker.data, broker.settings)
    migrate(broker.data, "business")
    database, clock = Database(broker.data.business), SetClock()
    identity = Identity(database, clock, random_id)
    access = GatewayAccess(database, clock, broker.access, random_id)
    fleet = Fleet(database, clock, identity, access, geofence_store.ids)
    fleet.add_depot(
        Depot(
            tenant=TENANT,
            id="d",
            name="D",
            zone="UTC",
            lat=0,
            lon=0,
            shift_start="08:00",
            shift_end="18:00",
        )
    )
    for van in ("van-1", "van-2"):
        fleet.add_vehicle(
            Vehicle(tenant=TENANT, id=van, name=van, depot_id="d", capacity_parcels=1)
        )
    enrolments = Enrolments(database, clock, broker.access, access, random_id, secrets.token_hex)
    broker.start()
    made = Office(enrolments, broker, database, clock)
    yield made
    for client in made.listeners:
        client.disconnect()
        client.loop_stop()
    broker.stop()
    database.close()


def test_of_a_request_only_the_key_is_taken(office: Office) -> None:
    box = Box()
    names = (
        x509.UniformResourceIdentifier(gateway_identity(TENANT, "van-2", 1)),
        x509.UniformResourceIdentifier("urn:roundsman:cloud:ingest"),
        x509.RFC822Name("urn:roundsman:cloud:web"),
        x509.DNSName("127.0.0.1"),
    )
    csr = box.request(names=names, subject="main.van-2")
    given = office.enrolments.enrol(EnrolmentRequest(token=office.token("van-1"), csr=csr))
    made = x509.load_pem_x509_certificate(given.certificate.pem.encode())
    told = made.extensions
    assert (given.van, made.subject.rfc4514_string()) == ("van-1", "CN=main.van-1")
    assert [
        one.value for one in told.get_extension_for_class(x509.SubjectAlternativeName).value
    ] == [gateway_identity(TENANT, "van-1", made.serial_number)]
    assert not told.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(told.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]


def test_a_token_is_good_once_but_for_the_same_key(office: Office) -> None:
    token, box = office.token(), Box()
    first = office.enrolments.enrol(EnrolmentRequest(token=token, csr=box.request()))
    again = office.enrolments.enrol(EnrolmentRequest(token=token, csr=box.request()))
    assert again == first
    with pytest.raises(Conflict, match="the token is used; let an administrator"):
        office.enrolments.enrol(EnrolmentRequest(token=token, csr=Box().request()))
    assert office.states("van-1") == ["active"]
    office.clock.ahead_s = CLAIM_S + 1
    with pytest.raises(Conflict, match="used"):
        office.enrolments.enrol(EnrolmentRequest(token=token, csr=box.request()))


def test_a_token_that_is_forged_over_or_revoked_is_worth_nothing(office: Office) -> None:
    csr = Box().request()
    with pytest.raises(NotSignedIn, match="make a claim"):
        office.enrolments.enrol(EnrolmentRequest(token=f"rmc-{random_secret()}", csr=csr))
    replaced, newest = office.token(), office.token()
    with pytest.raises(Conflict, match="revoked"):
        office.enrolments.enrol(EnrolmentRequest(token=replaced, csr=csr))
    (open_claim, state), _ = office.enrolments.claims(TENANT, "van-1")
    assert state == "open"
    with pytest.raises(NotFound):
        office.enrolments.revoke_claim(TENANT, "van-2", open_claim.id)
    office.clock.ahead_s = CLAIM_S + 1
    with pytest.raises(Conflict, match="expired"):
        office.enrolments.enrol(EnrolmentRequest(token=newest, csr=csr))
    assert office.states("van-1") == []


@pytest.mark.parametrize(
    ("claimed", "purpose", "van", "told"),
    [
        ("gateway", "backlog", "van-1", "would make this box the gateway of van-1 and shut out"),
        ("gateway", "backlog", None, "make a claim of purpose backlog for --sealed"),
        ("backlog", "gateway", None, "run it again with --sealed van-1"),
        ("backlog", "backlog", "van-2", "is for van-1 and not for van-2; make a claim for van-2"),
        ("gateway", "gateway", "van-2", "is for van-1 and not for van-2"),
    ],
)
def test_a_token_for_something_else_is_not_spent_and_shuts_nobody_out(
    office: Office, claimed: Purpose, purpose: Purpose, van: str | None, told: str
) -> None:
    office.enrol(Box())
    token, csr = office.token(purpose=claimed), Box().request()
    with pytest.raises(Conflict, match=told):
        office.enrolments.enrol(EnrolmentRequest(token=token, csr=csr, purpose=purpose, van=van))
    assert office.states("van-1") == ["active"]
    asked = EnrolmentRequest(token=token, csr=csr, purpose=claimed, van="van-1")
    assert office.enrolments.enrol(asked).purpose == claimed


def test_the_token_itself_is_nowhere(office: Office) -> None:
    token = office.token()
    office.enrolments.enrol(EnrolmentRequest(token=token, csr=Box().request()))
    for file in office.broker.data.root.rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file
    key = office.broker.data.authority / "ca.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    assert b"PRIVATE" not in office.broker.data.business.read_bytes()


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256K1()),
    ],
    ids=["rsa-2048", "secp256k1"],
)
def test_a_weak_or_odd_key_is_refused(key: object) -> None:
    with pytest.raises(Invalid, match="csr: has a key that is not taken; make a new P-256 key"):
        read_request(Box(key=key).request())


@pytest.mark.parametrize(
    "change", ["", "no pem", "-----BEGIN CERTIFICATE REQUEST-----\n", "x" * 9_000]
)
def test_what_is_no_request_is_refused(change: str) -> None:
    with pytest.raises(Invalid, match="csr: "):
        read_request(change)


def test_a_request_that_another_key_signed_is_refused() -> None:
    mine, theirs = Box().request(), Box().request()
    body, other = (x509.load_pem_x509_csr(one.encode()) for one in (mine, theirs))
    from cryptography.hazmat.primitives.serialization import Encoding

    forged = body.public_bytes(Encoding.DER).replace(body.signature[-16:], other.signature[-16:])
    import base64

    pem = "-----BEGIN CERTIFICATE REQUEST-----\n"
    pem += base64.encodebytes(forged).decode() + "-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(Invalid, match="csr: is"):
        read_request(pem)


def test_a_key_is_certified_once(office: Office) -> None:
    box = Box()
    office.enrol(box)
    for van in ("van-1", "van-2"):
        with pytest.raises(Invalid, match="certified before"):
            office.enrol(box, van=van)


def test_a_van_says_nothing_for_another_and_hears_nothing_of_it(
    office: Office, tmp_path: Path
) -> None:
    box, other = Box(), Box()
    mine = office.enrol(box).certificate
    office.enrol(other, "van-2")
    heard = office.heard()
    port = office.broker.port
    with box.session(tmp_path / "box", mine.pem, mine.authority, port) as session:
        wait_for(session.saw("connected"), "the van to connect")
        for place in ("fleet/v1/main/van-2/dn/+", "#", "fleet/v1/main/+/up/+", "$MQTT/sess/#"):
            session.client.subscribe(place, 1)
        wait_for(lambda: session.events.count("denied") == 4, "all of them to be denied")
        session.client.publish("fleet/v1/main/van-2/up/batch", b"theirs", 1)
        session.client.publish("fleet/v1/main/van-1/dn/ack", b"forged", 1)
        session.client.publish("feed/v1/main/own/vehicle/van-2/position", b"forged", 1)
        session.client.publish("fleet/v1/main/van-1/up/batch", b"mine", 1)
        wait_for(lambda: bool(heard), "ingest to hear the van")
        assert heard == [("fleet/v1/main/van-1/up/batch", b"mine")]
        assert "subscribed" not in session.events


@pytest.mark.parametrize("whose", ["another authority's", "one that has run out", "the broker's"])
def test_a_certificate_that_is_not_in_force_opens_nothing(
    office: Office, tmp_path: Path, whose: str
) -> None:
    box, access = Box(), office.broker.access
    office.enrol(Box())
    key = read_request(box.request())
    if whose == "the broker's":
        pair = access.authority.server_pair(office.broker.data.certificates, ["127.0.0.1"])
        pem, box.key = pair.cert_file.read_text(), _key_of(pair.key_file)
    else:
        ours = whose == "one that has run out"
        signer = (
            Authority(office.broker.data.authority, lambda: RealClock().now_s() - 7_200)
            if ours
            else Authority(tmp_path / "theirs", RealClock().now_s)
        )
        pem = signer.sign_gateway(TENANT, "van-1", key, timedelta(seconds=60)).pem
    trusted = access.authority.certificate_pem()
    with box.session(tmp_path / "box", pem, trusted, office.broker.port) as session:
        wait_for(lambda: len(session.events) > 0, "it to be refused")
        assert "connected" not in session.events


def test_a_certificate_of_ours_that_is_not_on_record_opens_nothing(
    office: Office, tmp_path: Path
) -> None:
    box, authority = Box(), office.broker.access.authority
    stray = authority.sign_gateway(TENANT, "van-1", read_request(box.request()), timedelta(days=1))
    session = box.session(
        tmp_path / "box", stray.pem, authority.certificate_pem(), office.broker.port
    )
    with session:
        wait_for(session.saw("refused"), "it to be refused")


def test_another_box_takes_the_van_over_and_the_one_before_ends(
    office: Office, tmp_path: Path
) -> None:
    old, port = Box(), office.broker.port
    first = office.enrol(old)
    session = old.session(
        tmp_path / "old", first.certificate.pem, first.certificate.authority, port
    )
    with session:
        wait_for(session.saw("connected"), "the old box")
        second = office.enrol(Box())
        wait_for(session.saw("refused"), "the old box to be kept out")
    assert second.client_id != first.client_id
    assert office.states("van-1") == ["active", "replaced"]


def test_a_box_that_moves_hands_in_as_the_old_van_and_nothing_else(
    office: Office, tmp_path: Path
) -> None:
    old, new, heard = Box(), Box(), office.heard()
    first = office.enrol(old)
    office.enrol(Box())  # another box has taken van-1 over meanwhile
    csr = new.request()
    proof = old.proof(first.certificate.serial, csr)
    asked = EnrolmentRequest(token=office.token("van-2"), csr=csr, previous=proof)
    office.enrolments.enrol(asked)
    assert office.states("van-1") == ["active", "backlog"]
    told, port = first.certificate, office.broker.port
    with old.session(tmp_path / "old", told.pem, told.authority, port) as session:
        wait_for(session.saw("connected"), "the box to connect as the old van")
        session.client.subscribe("fleet/v1/main/van-1/dn/ack", 1)
        session.client.subscribe("fleet/v1/main/van-1/dn/command", 1)
        wait_for(session.saw("denied"), "commands to be denied")
        for kind in ("live", "state", "presence", "result", "renew", "batch"):
            session.client.publish(f"fleet/v1/main/van-1/up/{kind}", kind.encode(), 1)
        session.client.publish("fleet/v1/main/van-2/up/batch", b"as the new van", 1)
        session.client.publish("fleet/v1/main/van-1/up/event", b"last", 1)
        wait_for(lambda: len(heard) >= 2, "ingest to hear it")
        assert sorted(payload for _, payload in heard) == [b"batch", b"last"]


def test_a_box_that_is_enrolled_anew_for_its_van_leaves_no_right_to_its_old_key(
    office: Office, tmp_path: Path
) -> None:
    old, new, next_van = Box(), Box(), Box()
    told = office.enrol(old).certificate
    csr = new.request()
    asked = EnrolmentRequest(
        token=office.token(), csr=csr, previous=old.proof(told.serial, csr), van="van-1"
    )
    given = office.enrolments.enrol(asked)
    assert office.enrolments.enrol(asked) == given, "the answer may not have arrived"
    assert office.states("van-1") == ["active", "retired"]
    with old.session(tmp_path / "old", told.pem, told.authority, office.broker.port) as session:
        wait_for(session.saw("refused"), "the old key to be refused")
        assert "connected" not in session.events
    csr = next_van.request()
    proof = old.proof(told.serial, csr)
    office.enrolments.enrol(EnrolmentRequest(token=office.token("van-2"), csr=csr, previous=proof))
    assert office.states("van-1") == ["active", "retired"], "nor does it take it along"


def test_an_enrolment_that_is_run_again_after_its_last_step_ends_nothing(office: Office) -> None:
    box, token = Box(), office.token()
    csr = box.request()
    first = office.enrolments.enrol(EnrolmentRequest(token=token, csr=csr))
    proof = box.proof(first.certificate.serial, csr)
    again = office.enrolments.enrol(EnrolmentRequest(token=token, csr=csr, previous=proof))
    assert again == first
    assert office.states("van-1") == ["active"]


def test_nobody_keeps_a_right_without_its_key_or_after_its_revocation(office: Office) -> None:
    old, thief, new = Box(), Box(), Box()
    serial = office.enrol(old).certificate.serial
    csr = new.request()
    for forged in (thief.proof(serial, csr), old.proof(serial, thief.request())):
        asked = EnrolmentRequest(token=office.token("van-2"), csr=csr, previous=forged)
        with pytest.raises(Invalid, match=r"not proved.*remove data_dir/credentials/current"):
            office.enrolments.enrol(asked)
    office.enrolments.revoke_certificate(TENANT, "van-1", serial)
    asked = EnrolmentRequest(token=office.token("van-2"), csr=csr, previous=old.proof(serial, csr))
    office.enrolments.enrol(asked)
    assert office.states("van-1") == ["revoked"]


def test_a_certificate_of_another_cloud_keeps_nobody_out(office: Office) -> None:
    old, new = Box(), Box()
    csr = new.request()
    asked = EnrolmentRequest(
        token=office.token("van-2"), csr=csr, previous=old.proof("5ad1a" * 8, csr)
    )
    assert office.enrolments.enrol(asked).van == "van-2"
    assert office.states("van-2") == ["active"]


@pytest.mark.parametrize("signature", ["a" * 17, "a" * 14, "g" * 16, "A" * 16, "aa" * 150 + "\n"])
def test_a_proof_that_is_not_hexadecimal_is_refused_before_the_token_is_spent(
    office: Office, signature: str
) -> None:
    serial = office.enrol(Box()).certificate.serial
    previous = {"serial": serial, "signature": signature}
    asked = {"token": office.token("van-2"), "csr": Box().request(), "previous": previous}
    refused = post(office, asked)
    assert refused.status_code == 422, refused.text
    assert "previous" in refused.text
    assert office.states("van-2") == []
    del asked["previous"]
    assert post(office, asked).status_code == 201


def post(office: Office, asked: Mapping[str, object]) -> httpx.Response:
    """Ask the cloud over HTTP, as a box does."""
    app = FastAPI()
    answer_problems(app)
    gate = Gate(Identity(office.database, office.clock, random_id))
    app.include_router(routes(office.enrolments, office.clock, gate))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as client:
            return await client.post("/enrol", json=asked)

    return asyncio.run(ask())


def test_a_renewal_is_for_the_van_that_asks_and_ends_the_one_before(office: Office) -> None:
    first, second = Box(), Box()
    given = office.enrol(first)
    serial = given.certificate.serial
    asked = Renewal(in_use=serial, csr=second.request(subject="main.van-2"))
    assert office.enrolments.renew(TENANT, "van-2", asked) is None
    assert office.enrolments.renew(TENANT, "van-1", asked) is None  # it is new
    office.clock.ahead_s = 44 * DAY_S
    assert office.enrolments.renew(TENANT, "van-1", asked) is None  # not even half of it is over
    office.clock.ahead_s = 46 * DAY_S
    renewed = office.enrolments.renew(TENANT, "van-1", asked)
    assert renewed is not None
    assert office.enrolments.renew(TENANT, "van-1", asked) == renewed
    assert office.states("van-1") == ["active", "active"]
    assert office.enrolments.renew(TENANT, "van-1", Renewal(in_use=renewed.serial)) is None
    assert sorted(office.states("van-1")) == ["active", "retired"]
    late = Renewal(in_use=serial, csr=Box().request())
    assert office.enrolments.renew(TENANT, "van-1", late) is None


def test_a_sweep_that_finds_nothing_new_writes_nothing(office: Office) -> None:
    office.enrol(Box())
    access = office.broker.access
    files = (access.config_file, office.broker.data.secrets / "broker.json")
    before = [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files]
    office.enrolments.let_in()
    assert [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files] == before
    office.enrolments.revoke_gateway(TENANT, "van-1")
    now = [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files]
    assert all(one != other for one, other in zip(now, before, strict=True))


def test_a_broker_beyond_this_machine_is_encrypted_or_not_started(tmp_path: Path) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text('[embedded_broker]\nlisten = "0.0.0.0"\ntls = false\n')
    with pytest.raises(Invalid, match="tls: is off while the broker listens"):
        load(file)
    file.write_text('[embedded_broker]\nlisten = "0.0.0.0"\n')
    with pytest.raises(Invalid, match="advertised_host: is missing"):
        load(file)
    file.write_text('[embedded_broker]\nlisten = "0.0.0.0"\nadvertised_host = "fleet.example"\n')
    assert load(file).embedded_broker.is_encrypted
    assert not Settings().embedded_broker.is_encrypted


def _key_of(file: Path) -> object:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(file.read_bytes(), None)
