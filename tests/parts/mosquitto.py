"""A real mosquitto for a test: the broker that a fleet may bring of its own."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


class Mosquitto:
    """A broker on loopback, with users by name and password, and an access list."""

    def __init__(self, folder: Path, port: int, users: dict[str, str], rules: str) -> None:
        """It keeps what it holds over a kill, as a broker that is to be relied on must."""
        folder.mkdir(parents=True)
        self.port = port
        access, passwords = folder / "access", folder / "passwords"
        self._passwords = passwords
        access.write_text(rules)
        passwords.write_text("".join(f"{name}:{word}\n" for name, word in users.items()))
        for path in (access, passwords):
            path.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"""listener {port} 127.0.0.1
allow_anonymous false
password_file {passwords}
acl_file {access}
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
user root
"""
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert _PROGRAM is not None
        self._process = subprocess.Popen(
            [_PROGRAM, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end_s = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < end_s, "mosquitto does not answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def take_away(self, user: str) -> None:
        """Let a user in no more, by hand, as whoever keeps the broker does."""
        assert self._process is not None
        subprocess.run(["mosquitto_passwd", "-D", self._passwords, user], check=True)
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def mosquitto(folder: Path, port: int, users: dict[str, str], rules: str) -> Iterator[Mosquitto]:
    """A running one, or the test that asks for it is skipped by name."""
    if _PROGRAM is None:
        pytest.skip("SKIPPED: mosquitto (Debian package mosquitto) is not installed")
    broker = Mosquitto(folder, port, users, rules)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
