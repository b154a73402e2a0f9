"""What a fleet may set in ``DIR/cloud.toml``. Without the file everything runs on this machine."""

import os
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cloud.foundation.errors import Invalid
from cloud.foundation.known_secrets import require_unknown_in

URL_VARIABLE: Final = "ROUNDSMAN_DATABASE_URL"

type Port = Annotated[int, Meta(ge=1, le=65_535)]


class OwnBroker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[broker]``: the fleet's own MQTT 3.1.1 broker; with it none is started.

    Attributes:
        username, password: what ingest and web sign in with.
        ca_file: certificate authority to trust; None trusts the system's.
    """

    host: Annotated[str, Meta(min_length=1)]
    port: Port = 1883
    username: str
    password: str
    tls: bool = False
    ca_file: str | None = None


class EmbeddedBroker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[embedded_broker]``: where the broker that comes along listens for vans.

    Attributes:
        listen: address to bind; loopback unless told otherwise.
        advertised_host: what gateways are told to connect to; None tells them ``listen``.
        tls: every client shows a certificate of our own authority; otherwise all have passwords,
            on loopback only. None means yes, but for loopback.
        certificate_days: how long a gateway's certificate lasts; it is renewed when two thirds
            are over. A van that is off for longer than the last third may be enrolled again.
    """

    listen: Annotated[str, Meta(pattern=r"^[0-9A-Za-z.:-]+$(?!\n)")] = "127.0.0.1"
    advertised_host: str | None = None
    tls: bool | None = None
    certificate_days: Annotated[float, Meta(gt=0, le=1_000)] = 90.0

    @property
    def is_encrypted(self) -> bool:
        """Whether the lane is TLS with certificates on both sides."""
        return not _is_loopback(self.listen) if self.tls is None else self.tls


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[ingest]``: how what vans say is read.

    Attributes:
        inbox: ``mqtt`` works with every broker; ``jetstream`` reads batches and events from a
            bounded stream of the broker that comes along.
    """

    inbox: Literal["mqtt", "jetstream"] = "mqtt"


class RoadsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[roads]``: where travel times are asked for.

    Attributes:
        url: an ``osrm-routed`` elsewhere, such as ``http://10.1.2.3:5000``; with it none is
            started here, and learned or drawn speeds are its keeper's to load. None means ours.
    """

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/]+(?:/[^\s]*)?$(?!\n)")] | None = None


class VanMeasures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[van]``: the largest van that has to get through; where a sign forbids it none is led.

    A city is imported for it, so a change asks for `roundsman city import` again.

    Attributes:
        weight_kg: the highest permitted of van and load. top_kmh: what it drives at most.
    """

    height_m: Annotated[float, Meta(gt=0.5, le=5)] = 2.75
    width_m: Annotated[float, Meta(gt=0.3, le=3)] = 2.05
    length_m: Annotated[float, Meta(gt=0.5, le=20)] = 6.0
    weight_kg: Annotated[float, Meta(gt=50, le=44_000)] = 3_500.0
    top_kmh: Annotated[float, Meta(ge=20, le=130)] = 110.0


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[webhooks]``: where events may be posted, beside public addresses.

    Attributes:
        allowed_networks: addresses in your own house, such as ``10.1.2.0/24`` or ``127.0.0.1``.
            Every tenant may have events posted there.
    """

    allowed_networks: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The same, read."""
        return tuple(ip_network(one, strict=False) for one in self.allowed_networks)


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[database]``: a PostgreSQL of the fleet's own; without it SQLite in the data folder.

    Attributes:
        url: ``postgresql://user:password@host/name``; the environment's
            ``ROUNDSMAN_DATABASE_URL`` goes before it, so that the password can stay out of files.
    """

    url: Annotated[str, Meta(pattern=r"^postgres(?:ql)?://\S+$(?!\n)")] | None = None


type Days = Annotated[float, Meta(gt=0, le=36_525)]


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[retention]``: how many days each kind of data is kept.

    Attributes:
        positions_days: tracks of the vans. events_days: trips, arrivals, driving.
        answers_days: answers to commands. set_aside_days: messages that could not be read.
        audit_days: who did what. deliveries_days: what was delivered to webhooks, or given up.
        plans_days: planning jobs, proposals, lifted rules, and the sequences of revisions.
    """

    positions_days: Days = 92.0
    events_days: Days = 400.0
    answers_days: Days = 31.0
    set_aside_days: Days = 31.0
    audit_days: Days = 731.0
    deliveries_days: Days = 30.0
    plans_days: Days = 92.0


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    broker: OwnBroker | None = None
    embedded_broker: EmbeddedBroker = EmbeddedBroker()
    ingest: IngestSettings = IngestSettings()
    database: DatabaseSettings = DatabaseSettings()
    retention: RetentionSettings = RetentionSettings()
    webhooks: WebhookSettings = WebhookSettings()
    roads: RoadsSettings = RoadsSettings()
    van: VanMeasures = VanMeasures()


def load(path: Path) -> Settings:
    """The settings in the TOML file ``path``; those of an empty one when it does not exist.

    Raises:
        Invalid: the file cannot be read, a field is unknown or wrong, or a secret is one that
            anybody tries first; names it.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        text = b""
    except OSError as error:
        raise Invalid.field(str(path), str(error), "make the file readable") from error
    try:
        settings = msgspec.toml.decode(text, type=Settings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid.field(str(path), str(error), "correct or remove that field") from error
    url = os.environ.get(URL_VARIABLE)
    if url:
        database = msgspec.structs.replace(settings.database, url=_url(url))
        settings = msgspec.structs.replace(settings, database=database)
    require_unknown_in(f"{path}: ", settings)
    _require_safe(path, settings.embedded_broker)
    try:
        _ = settings.webhooks.networks
    except ValueError as error:
        raise Invalid.field(
            f"{path}: webhooks.allowed_networks", str(error), "give networks such as 10.1.2.0/24"
        ) from error
    return settings


def _url(told: str) -> str:
    try:
        return msgspec.convert({"url": told}, DatabaseSettings).url or ""
    except msgspec.ValidationError as error:
        raise Invalid.field(
            URL_VARIABLE, "is no address of PostgreSQL", "use postgresql://user:password@host/name"
        ) from error


def _require_safe(path: Path, broker: EmbeddedBroker) -> None:
    if not broker.is_encrypted and not _is_loopback(broker.listen):
        raise Invalid.field(
            f"{path}: embedded_broker.tls",
            f"is off while the broker listens on {broker.listen}, where others can read the lane",
            "remove it, or listen on 127.0.0.1",
        )
    if broker.is_encrypted and broker.advertised_host is None and _is_any(broker.listen):
        raise Invalid.field(
            f"{path}: embedded_broker.advertised_host",
            f"is missing, and no van can connect to {broker.listen}",
            "give the name or address by which vans reach this machine",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
