"""The next certificate, asked for over the lane that the present one opened.

The broker lets nobody else write to the van's topic, so the cloud knows who asks. The present
certificate stays in use until a connection with the new one has been tried and taken; only then is
the cloud told, which ends the older one, and the connection is made anew.
"""

import logging
import secrets
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from gateway import children
from gateway.enrolment.credentials import (
    AUTHORITY,
    CERTIFICATE,
    KEY,
    REQUEST,
    Credentials,
    Held,
    Trouble,
)
from gateway.errors import GatewayError
from gateway.inbox import Heard
from wire import codec, topics
from wire.enrolment import Certificate
from wire.enrolment import Renewal as Asked

logger = logging.getLogger(__name__)

_ASK_MIN_S: Final = 2.0
_ASK_MAX_S: Final = 3_600.0
_ASK_EVERY: Final = 0.05
"""Pause between two requests, as a part of the certificate's life."""
_TRIAL_S: Final = 20.0
_UNANSWERED: Final = 3


_SILENT: Final = Trouble(
    "the cloud does not renew it", "look at the cloud's log for this van, or enrol the box again"
)
_NO_KEY: Final = Trouble(
    "no key can be made for the next one",
    "look at the gateway's log, and at room and owner of data_dir/credentials",
)
_NOT_TAKEN: Final = Trouble(
    "the broker does not take the next one",
    "look at the broker's log and at the clocks; the present one stays, another is asked for",
)


class Lane(Protocol):
    """What the renewal needs of the connection."""

    connection: int | None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the broker that it connects to."""
        ...

    def publish(self, kind: str, payload: bytes, qos: int = 1) -> int | None:
        """Hand a message over; None while offline."""
        ...

    def acknowledge(self, heard: Heard) -> None:
        """Give the broker its receipt."""
        ...

    def drop(self, why: str) -> None:
        """Give the present connection up and make another."""
        ...


class Renewal:
    """Keeps the box enrolled; does nothing in one that has never been.

    Args:
        credentials: of this box.
        lane: the connection.
        is_accepted: whether the broker takes the certificate in a folder; may take long.
        make_key: begins to make a key and a request in a folder; see `start_making`.
        wall_s: the system's clock, seconds since 1970; the broker judges by one like it.

    Attributes:
        problem: why there is no next certificate though it is time; else None.
    """

    def __init__(
        self,
        credentials: Credentials,
        lane: Lane,
        *,
        is_accepted: Callable[[Held, Path], bool] | None = None,
        make_key: Callable[[Path], "subprocess.Popen[bytes]"] | None = None,
        wall_s: Callable[[], float] = time.time,  # noqa: TID251 - transport time
    ) -> None:
        self.problem: Trouble | None = None
        self._credentials = credentials
        self._lane = lane
        self._is_accepted = is_accepted or connects
        self._make_key = make_key or start_making
        self._wall_s = wall_s
        self._held = credentials.held()
        self._next = credentials.folder / "next"
        self._maker: subprocess.Popen[bytes] | None = None
        self._trial: _Trial | None = None
        self._told_on: int | None = None
        self._ask_at_s = 0.0
        self._asked = 0

    @property
    def held(self) -> Held | None:
        """What the certificate in use says; None in a box that has never been enrolled."""
        return self._held

    def step(self, now_s: float, now_ms: int) -> None:
        """Do what is due; never waits.

        Args:
            now_s: monotonic.
            now_ms: since 1970, as well as the van knows it.
        """
        if self._held is None or self._lane.connection is None:
            return
        if self._told_on != self._lane.connection and self._tell(None):
            self._told_on = self._lane.connection
        if self._trial is not None:
            self._judge(self._trial, now_s)
        elif now_s >= self._ask_at_s and self._is_due(self._held, now_ms):
            self._ask(now_s)

    def hear(self, heard: Heard) -> None:
        """``dn/certificate``: try what was issued. What does not belong to the key is refused."""
        self._lane.acknowledge(heard)
        if self._held is None or self._trial is not None or not (self._next / REQUEST).exists():
            return
        try:
            issued = codec.decode(heard.payload, Certificate)
            host, port = self._lane.address  # the broker may have moved since the enrolment
            held = msgspec.structs.replace(
                self._held,
                host=host,
                port=port,
                serial=issued.serial,
                issued_at_ms=issued.issued_at_ms,
                expires_at_ms=issued.expires_at_ms,
            )
            folder = self._credentials.add(held, issued, self._next / KEY)
        except (codec.WireError, GatewayError, OSError) as error:
            self._complain(
                Trouble(
                    f"what the cloud has issued cannot be used: {error}",
                    "look at room and owner of data_dir/credentials; it is asked for again",
                )
            )
            return
        self._trial = _Trial(held, folder, self._is_accepted)

    def _is_due(self, held: Held, now_ms: int) -> bool:
        """By the later of both clocks: to ask too early costs a refusal, too late the van."""
        return max(now_ms, round(self._wall_s() * 1000)) > held.renews_at_ms

    def _ask(self, now_s: float) -> None:
        assert self._held is not None  # noqa: S101 - `step` has looked
        request = self._next / REQUEST
        if not request.exists():
            self._make(now_s)
            return
        try:
            csr = request.read_text()
        except OSError as error:
            told = f"the request for the next one cannot be read: {error.strerror}"
            self._complain(Trouble(told, f"remove {self._next}; it is made again"))
            return
        if self._tell(csr):
            life_s = (self._held.expires_at_ms - self._held.issued_at_ms) / 1000
            self._ask_at_s = now_s + min(_ASK_MAX_S, max(_ASK_MIN_S, life_s * _ASK_EVERY))
            self._asked += 1
        if self._asked > _UNANSWERED and self.problem is None:
            self._complain(_SILENT)

    def _make(self, now_s: float) -> None:
        if self._maker is None:
            try:
                self._maker = self._make_key(self._next)
            except OSError:  # no room for another process now
                self._complain(_NO_KEY)
                self._ask_at_s = now_s + _TRIAL_S
        elif self._maker.poll() is not None:
            if self._maker.returncode != 0:
                self._complain(_NO_KEY)
                self._ask_at_s = now_s + _ASK_MAX_S
            self._maker = None

    def _tell(self, csr: str | None) -> bool:
        assert self._held is not None  # noqa: S101 - `step` has looked
        asked = Asked(in_use=self._held.serial, csr=csr)
        return self._lane.publish(topics.RENEW, codec.encode(asked)) is not None

    def _judge(self, trial: "_Trial", now_s: float) -> None:
        if trial.is_accepted is None:
            return
        self._trial = None
        if not trial.is_accepted:
            self._complain(_NOT_TAKEN)
            shutil.rmtree(trial.folder, ignore_errors=True)
            self._ask_at_s = now_s + _TRIAL_S
            return
        try:
            self._credentials.use(trial.held.serial)
        except OSError as error:
            told = f"the next one cannot be put in place: {error.strerror}"
            self._complain(Trouble(told, "look at room and owner of data_dir/credentials"))
            return
        self._held = trial.held
        shutil.rmtree(self._next, ignore_errors=True)
        self._asked, self.problem = 0, None
        logger.info("a new certificate is in use", extra={"serial": trial.held.serial})
        # The cloud hears of it on the next connection, which is the first made with it.
        self._lane.drop("a new certificate is in use")
        self._credentials.forget_older(trial.held)

    def _complain(self, problem: Trouble) -> None:
        if problem != self.problem:
            logger.warning("no new certificate", extra=problem._asdict())
        self.problem = problem


class _Trial:
    """One connection with a certificate that is not in use yet, in a thread that ends by itself."""

    def __init__(self, held: Held, folder: Path, is_accepted: Callable[[Held, Path], bool]) -> None:
        self.held = held
        self.folder = folder
        self.is_accepted: bool | None = None
        self._ask = is_accepted
        threading.Thread(target=self._run, name="certificate-trial", daemon=True).start()

    def _run(self) -> None:
        self.is_accepted = self._ask(self.held, self.folder)


def connects(held: Held, folder: Path) -> bool:
    """Whether the broker accepts a short session with the certificate in ``folder``."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=secrets.token_hex(16),
        clean_session=True,
        protocol=MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    answers: list[bool] = []

    def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _: Any) -> None:
        answers.append(not reason.is_failure)

    client.on_connect = on_connect
    until_s = time.monotonic() + _TRIAL_S
    try:
        client.tls_set(
            str(folder / AUTHORITY),
            str(folder / CERTIFICATE),
            str(folder / KEY),
            cert_reqs=ssl.CERT_REQUIRED,
        )
        client.connect(held.host, held.port)
        while not answers and time.monotonic() < until_s:
            if client.loop(1.0) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
        client.disconnect()
    except (OSError, ValueError):
        return False
    return answers == [True]


def start_making(folder: Path) -> "subprocess.Popen[bytes]":
    """Make a key in a process of its own, whose 22 MB are given back."""
    return children.start("new-key", "--folder", folder)
