"""``gateway enrol``: a key made here, a token spent, and a configuration that names the result.

Every step may be the last one before a power cut: what was begun is found again, and the same token
with the same key is given the same certificate, until the configuration names it. Run by root, it
touches the data folder as the folder's owner, and only the configuration as root.
"""

import hashlib
import json
import os
import shutil
import stat
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.durable import put_private
from gateway.enrolment import keys
from gateway.enrolment.asking import Cloud
from gateway.enrolment.broker_table import with_broker
from gateway.enrolment.credentials import (
    AUTHORITY,
    CERTIFICATE,
    KEY,
    REQUEST,
    Credentials,
    Held,
    held_of,
)
from gateway.enrolment.ownership import as_owner_of
from gateway.errors import SettingsError
from wire.enrolment import Enrolment, EnrolmentRequest, Previous, proof_of_previous

_TOKEN_SHAPE: Final = "a claim token begins with rmc-; let an administrator make one for the van"  # noqa: S105 - what to say of one
_MOST_CONFIG_BYTES: Final = 1_000_000


def enrol(config: Path, cloud: Cloud, token: str) -> Held:
    """Make this box the gateway of the van that ``token`` was made for.

    Raises:
        SettingsError: configuration, token or answer cannot be used; says which and what to do.
        GatewayError: the cloud cannot be reached now; running it again goes on from here.
    """
    text = _read(config)
    data_dir = _data_dir(config, text)
    token = _require_token(token)
    credentials = Credentials(data_dir)
    with as_owner_of(data_dir):
        pending = _pending(credentials, token)
        csr = (pending / REQUEST).read_text()
        asked = EnrolmentRequest(token=token, csr=csr, previous=_previous(credentials, csr))
    with_broker(text, {"tenant": "", "van": ""}, {})  # refused before the token is spent
    enrolled = cloud.enrol(asked)
    with as_owner_of(data_dir):
        held = _keep(credentials, pending, enrolled)
        credentials.use(held.serial)
    _write(config, with_broker(text, *_told(credentials, held)))
    with as_owner_of(data_dir):
        shutil.rmtree(pending)
    return held


def enrol_sealed(config: Path, cloud: Cloud, token: str, van: str) -> Held:
    """Let the box hand in what it recorded for ``van``, whose gateway it was.

    Raises:
        SettingsError: as `enrol`; or the token is for another van.
    """
    data_dir = _data_dir(config, _read(config))
    token = _require_token(token)
    credentials = Credentials(data_dir)
    with as_owner_of(data_dir):
        pending = _pending(credentials, token)
        csr = (pending / REQUEST).read_text()
    enrolled = cloud.enrol(EnrolmentRequest(token=token, csr=csr, purpose="backlog", van=van))
    with as_owner_of(data_dir):
        held = _keep(credentials, pending, enrolled)
        shutil.rmtree(pending)
    return held


def _pending(credentials: Credentials, token: str) -> Path:
    """The key for this token, kept from an earlier try or made now."""
    folder = credentials.folder / "pending"
    mark = hashlib.sha256(token.encode()).hexdigest()
    known = folder / "token.sha256"
    try:
        is_known = known.read_text() == mark and (folder / REQUEST).exists()
    except OSError:
        is_known = False
    if not is_known:
        try:
            shutil.rmtree(folder, ignore_errors=True)
            keys.make_key(folder)
            put_private(known, mark.encode())
        except OSError as error:
            raise SettingsError(
                f"data_dir: {folder}: {error.strerror}; give a writable folder"
            ) from error
    return folder


def _previous(credentials: Credentials, csr: str) -> Previous | None:
    held = credentials.held()
    if held is None:
        return None
    message = proof_of_previous(held.serial, csr)
    return Previous(serial=held.serial, signature=keys.sign(credentials.current / KEY, message))


def _keep(credentials: Credentials, pending: Path, enrolled: Enrolment) -> Held:
    held = held_of(enrolled)
    credentials.add(held, enrolled.certificate, pending / KEY)
    return held


def _told(credentials: Credentials, held: Held) -> tuple[dict[str, str], dict[str, Any]]:
    current = credentials.current.absolute()
    return {"tenant": held.tenant, "van": held.van}, {
        "host": held.host,
        "port": held.port,
        "client_id": held.client_id,
        "tls": True,
        "ca_file": str(current / AUTHORITY),
        "cert_file": str(current / CERTIFICATE),
        "key_file": str(current / KEY),
    }


def _read(config: Path) -> str:
    try:
        content = config.read_bytes()[:_MOST_CONFIG_BYTES]
        text = content.decode()
        tomllib.loads(text)
    except FileNotFoundError as error:
        raise SettingsError(
            f"{config}: is not there; write data_dir and [[receivers]] into it first"
        ) from error
    except OSError as error:
        raise SettingsError(f"{config}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{config}: not TOML: {error}") from error
    return text


def _data_dir(config: Path, text: str) -> Path:
    found = tomllib.loads(text).get("data_dir")
    if not isinstance(found, str) or not found:
        raise SettingsError(f'{config}: data_dir: is missing; add data_dir = "/var/lib/roundsman"')
    return Path(found)


def _require_token(token: str) -> str:
    token = token.strip()
    if not token.startswith("rmc-") or len(token) > 100 or not token.isascii():
        raise SettingsError(f"token: is none; {_TOKEN_SHAPE}")
    return token


def _write(config: Path, text: str) -> None:
    before = config.stat()
    try:
        put_private(config, text.encode())
        config.chmod(stat.S_IMODE(before.st_mode))
        if os.geteuid() == 0:
            os.chown(config, before.st_uid, before.st_gid)
    except OSError as error:
        raise SettingsError(f"{config}: cannot be written: {error.strerror}") from error


def as_json(held: Held) -> str:
    """What a person is told of an enrolment; nothing of it is secret."""
    told = {key: value for key, value in msgspec.to_builtins(held).items() if key != "client_id"}
    return json.dumps(told)
