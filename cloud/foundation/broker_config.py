"""What the embedded MQTT broker is told: its settings, its users, and who may say what. Pure.

A van may write below its own ``up/`` and read below its own ``dn/``; ingest reads every ``up/`` and
answers on ``dn/ack``; web writes the other ``dn/`` topics and reads ``up/renew``, takes away what
is retained of a van that was shut out, and hands in the batches of phones. A third party reads the
public feed of its tenant, or of one carrier in it, and writes nothing. The server speaks MQTT
3.1.1 and turns topics into subjects: ``/`` becomes ``.``, ``+`` becomes ``*``, ``#`` becomes ``>``.
A publish that is not permitted is acknowledged and dropped in silence, a subscription is refused.
"""

import json
from collections.abc import Callable, Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cloud.foundation.errors import Invalid
from wire import topics

MAX_PAYLOAD_BYTES: Final = 1_048_576
MAX_CONNECTIONS: Final = 10_000
MAX_UNACKNOWLEDGED: Final = 2_000
"""Messages that ingest may hold before it has committed them, of all kinds together: the server
counts them by session."""
ACK_WAIT_S: Final = 60
STREAM: Final = "FLEET_UP"
"""The JetStream stream of what vans keep until it is committed; see `cloud.tracking.jetstream`."""
STREAM_CONSUMER: Final = "ingest"
STREAM_INBOX: Final = "_INBOX_ingest"
_HANDSHAKE_S: Final = 10
"""A van at the edge of coverage needs more than the server's usual two seconds."""
_STORE_BYTES: Final = 4 * 1024**3
_NOTHING: Final = {"deny": ">"}
"""An empty list would permit everything."""

type ClientId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
type Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{1,128}$(?!\n)")]
"""Nothing that would leave its place between quotes, or look like a bcrypt hash."""

type Identity = Annotated[str, Meta(pattern=r"^urn:roundsman:[a-z0-9:_-]{1,220}$(?!\n)")]
"""The one URI in the subject alternative name of a client's certificate."""


class BrokerLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What one client signs in with. The client id is a secret too: who has it has the session.

    On the encrypted lane certificate and key take the place of name and password.
    """

    client_id: ClientId
    username: Word
    password: Word
    cert_file: str | None = None
    key_file: str | None = None


class GatewayCredential(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway of one van signs in with."""

    tenant: str
    van: str
    client_id: ClientId
    username: Word
    password: Word


class CertifiedGateway(msgspec.Struct, frozen=True, kw_only=True):
    """A van's certificate that is in force: who shows it is known by ``identity``.

    Attributes:
        is_backlog: may only hand in fixes and events that were recorded earlier.
    """

    tenant: str
    van: str
    identity: Identity
    is_backlog: bool = False


class FeedReader(msgspec.Struct, frozen=True, kw_only=True):
    """A third party that hears the public feed and says nothing.

    Attributes:
        id: by which it is listed and revoked.
        carrier: the only one whose topics it may read; None reads all of the tenant.
        password: what it signs in with on a lane that is not encrypted.
        identity: who it is by its certificate on the lane that is.
        expires_at: when the certificate ends, seconds since 1970.
    """

    id: str
    tenant: str
    carrier: str | None
    client_id: ClientId
    username: Word
    password: Word | None = None
    identity: Identity | None = None
    expires_at: float | None = None


class BrokerSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """``secrets/broker.json``: every user of the embedded broker.

    ``gateways`` are let in by password, ``certified`` by certificate; never both. ``readers`` are
    third parties, by either.
    """

    ingest: BrokerLogin
    web: BrokerLogin
    gateways: tuple[GatewayCredential, ...] = ()
    certified: tuple[CertifiedGateway, ...] = ()
    readers: tuple[FeedReader, ...] = ()


class BrokerTls(msgspec.Struct, frozen=True, kw_only=True):
    """What the server shows, and whom it trusts; and who ingest and web are then."""

    cert_file: str
    key_file: str
    ca_file: str
    ingest: Identity
    web: Identity


class BrokerPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the embedded broker listens and keeps its store."""

    listen: str
    mqtt_port: int
    nats_port: int
    monitor_port: int
    folder: str
    tls: BrokerTls | None = None


type NewHex = Callable[[int], str]
"""Gives so many random bytes as hexadecimal digits, as `secrets.token_hex` does."""


def new_login(username: str, new_hex: NewHex) -> BrokerLogin:
    """A new client id of 128 bits and a new password of 256."""
    return BrokerLogin(client_id=new_hex(16), username=username, password=new_hex(32))


def new_gateway_credential(tenant: str, van: str, new_hex: NewHex) -> GatewayCredential:
    """New credentials for the gateway of ``van``; the ones before stop to work when they are set.

    Raises:
        TopicError: ``tenant`` or ``van`` cannot stand in a topic.
    """
    topics.up_all(tenant, van)
    return GatewayCredential(
        tenant=tenant,
        van=van,
        client_id=new_hex(16),
        username=f"{tenant}.{van}.{new_hex(4)}",
        password=new_hex(32),
    )


def to_subject(topic: str) -> str:
    """The server's subject for an MQTT topic or filter whose levels are names or wildcards."""
    return topic.translate(str.maketrans("/+#", ".*>"))


def render_config(place: BrokerPlace, users: BrokerSecrets) -> str:
    """The server's whole settings file.

    Raises:
        Invalid: a credential holds a character that the file could misread; names the field.
    """
    tls = place.tls
    rows = _password_users(users) if tls is None else _certified_users(users, tls)
    listed = "\n".join(f"        {row}" for row in rows)
    quoted = json.dumps
    return f"""\
server_name: "roundsman"
host: "127.0.0.1"
port: {place.nats_port}
http: "127.0.0.1:{place.monitor_port}"
log_file: {quoted(f"{place.folder}/broker.log")}
logfile_size_limit: 10MB
logfile_max_num: 3
max_payload: {MAX_PAYLOAD_BYTES}
max_connections: {MAX_CONNECTIONS}
max_subscriptions: 64
jetstream {{
    store_dir: {quoted(f"{place.folder}/store")}
    max_memory_store: {64 * 1024**2}
    max_file_store: {_STORE_BYTES}
}}
mqtt {{
    host: {quoted(place.listen)}
    port: {place.mqtt_port}
    ack_wait: "{ACK_WAIT_S}s"
    max_ack_pending: {MAX_UNACKNOWLEDGED}
{"" if tls is None else _tls(tls)}}}
accounts {{
    FLEET {{
        jetstream: enabled
        users: [
{listed}
        ]
    }}
}}
"""


def _tls(tls: BrokerTls) -> str:
    """TLS 1.2 and 1.3 with certificates of both sides; a client's names its user."""
    quoted = json.dumps
    return f"""\
    tls {{
        cert_file: {quoted(tls.cert_file)}
        key_file: {quoted(tls.key_file)}
        ca_file: {quoted(tls.ca_file)}
        verify_and_map: true
        timeout: {_HANDSHAKE_S}
    }}
"""


def _password_users(users: BrokerSecrets) -> list[str]:
    rows = [
        _user(users.ingest, *_ingest_permissions()),
        _stream_user(users.ingest),
        _user(users.web, *_web_permissions()),
    ]
    rows += [_gateway_user(gateway) for gateway in users.gateways]
    return rows + [_reader_user(one) for one in users.readers if one.password is not None]


def _certified_users(users: BrokerSecrets, tls: BrokerTls) -> list[str]:
    rows = [
        _certified(tls.ingest, *_ingest_permissions()),
        _stream_user(users.ingest),
        _certified(tls.web, *_web_permissions()),
    ]
    for one in users.certified:
        kinds = topics.BACKLOG_KINDS if one.is_backlog else (*topics.UP_KINDS, topics.RENEW)
        said = [to_subject(topics.up(one.tenant, one.van, kind)) for kind in kinds]
        heard = topics.down(one.tenant, one.van, "ack")
        if not one.is_backlog:
            heard = topics.down_all(one.tenant, one.van)
        rows.append(_certified(one.identity, said, [to_subject(heard)]))
    return rows + [
        _certified(one.identity, _NOTHING, _heard_by(one))
        for one in users.readers
        if one.identity is not None
    ]


def _certified(identity: str, publish: list[str] | dict[str, str], subscribe: list[str]) -> str:
    try:
        msgspec.convert(identity, Identity)
    except msgspec.ValidationError as error:
        raise Invalid.field(f"broker user {identity!r}", str(error), "enrol again") from error
    permissions = json.dumps({"publish": publish, "subscribe": subscribe})
    return f'{{user: "{identity}", allowed_connection_types: ["MQTT"], permissions: {permissions}}}'


def _ingest_permissions() -> tuple[list[str], list[str]]:
    heard = [to_subject(topics.every_up(kind)) for kind in topics.UP_KINDS]
    return [_every_down("ack"), _feed()], heard


def _web_permissions() -> tuple[list[str], list[str]]:
    told = [_every_down(kind) for kind in topics.DOWN_KINDS if kind != "ack"]
    cleared = [to_subject(topics.every_up(kind)) for kind in topics.RETAINED_UP]
    of_phones = to_subject(topics.every_up("batch"))
    heard = [_feed(), to_subject(topics.every_up(topics.RENEW))]
    return [*told, *cleared, of_phones, _feed()], heard


def _every_down(kind: str) -> str:
    return f"fleet.{topics.VERSION}.*.*.dn.{kind}"


def _feed() -> str:
    return f"feed.{topics.VERSION}.>"


def _gateway_user(gateway: GatewayCredential) -> str:
    login = BrokerLogin(
        client_id=gateway.client_id, username=gateway.username, password=gateway.password
    )
    return _user(
        login,
        [to_subject(topics.up_all(gateway.tenant, gateway.van))],
        [to_subject(topics.down_all(gateway.tenant, gateway.van))],
    )


def _reader_user(reader: FeedReader) -> str:
    login = BrokerLogin(
        client_id=reader.client_id, username=reader.username, password=reader.password or ""
    )
    return _user(login, _NOTHING, _heard_by(reader))


def _heard_by(reader: FeedReader) -> list[str]:
    """The subjects of `topics.feed_all`; its ``#`` also asks for the level above."""
    below = to_subject(topics.feed_all(reader.tenant, reader.carrier))
    return [below, below.removesuffix(".>")]


def stream_username(ingest: BrokerLogin) -> str:
    """The user as whom ingest reads the stream, with the same password."""
    return f"{ingest.username}-stream"


def _stream_user(ingest: BrokerLogin) -> str:
    """Reads one stream on the server's own port, which listens on loopback only."""
    login = msgspec.structs.replace(ingest, username=stream_username(ingest))
    api = "$JS.API"
    publish = [
        *(f"{api}.STREAM.{verb}.{STREAM}" for verb in ("CREATE", "UPDATE", "DELETE", "INFO")),
        f"{api}.CONSUMER.CREATE.{STREAM}.{STREAM_CONSUMER}",
        f"{api}.CONSUMER.DURABLE.CREATE.{STREAM}.{STREAM_CONSUMER}",
        f"{api}.CONSUMER.INFO.{STREAM}.{STREAM_CONSUMER}",
        f"{api}.CONSUMER.MSG.NEXT.{STREAM}.{STREAM_CONSUMER}",
        f"$JS.ACK.{STREAM}.{STREAM_CONSUMER}.>",
    ]
    return _user(login, publish, [f"{STREAM_INBOX}.>"], way="STANDARD")


def _user(
    login: BrokerLogin,
    publish: list[str] | dict[str, str],
    subscribe: list[str],
    *,
    way: Literal["MQTT", "STANDARD"] = "MQTT",
) -> str:
    try:
        msgspec.convert(msgspec.structs.asdict(login), BrokerLogin)
    except msgspec.ValidationError as error:
        raise Invalid.field(
            f"broker user {login.username!r}", str(error), "make new credentials"
        ) from error
    permissions = json.dumps({"publish": publish, "subscribe": subscribe})
    return (
        f'{{user: "{login.username}", password: "{login.password}", '
        f'allowed_connection_types: ["{way}"], permissions: {permissions}}}'
    )


def users_of(
    gateways: Iterable[GatewayCredential],
    logins: BrokerSecrets,
    certified: Iterable[CertifiedGateway] = (),
) -> BrokerSecrets:
    """``logins`` with these gateways in the place of those before, in a fixed order."""
    ordered = sorted(gateways, key=lambda one: (one.tenant, one.van, one.username))
    shown = sorted(certified, key=lambda one: one.identity)
    return msgspec.structs.replace(logins, gateways=tuple(ordered), certified=tuple(shown))
