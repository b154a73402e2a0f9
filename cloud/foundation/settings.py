"""What a fleet may set in ``DIR/cloud.toml``. Without the file everything runs on this machine."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from cloud.foundation.errors import Invalid

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
        listen: address to bind; loopback unless told otherwise, as the lane is not encrypted.
        advertised_host: what gateways are told to connect to; None tells them ``listen``.
    """

    listen: Annotated[str, Meta(pattern=r"^[0-9A-Za-z.:-]+$(?!\n)")] = "127.0.0.1"
    advertised_host: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    broker: OwnBroker | None = None
    embedded_broker: EmbeddedBroker = EmbeddedBroker()


def load(path: Path) -> Settings:
    """The settings in the TOML file ``path``; those of an empty one when it does not exist.

    Raises:
        Invalid: the file cannot be read, or a field is unknown or wrong; names it.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise Invalid.field(str(path), str(error), "make the file readable") from error
    try:
        return msgspec.toml.decode(text, type=Settings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid.field(str(path), str(error), "correct or remove that field") from error
