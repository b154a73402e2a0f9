"""Where a sealed backlog is handed in: where the broker is now, not where it was at enrolment."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.configuration import load
from gateway.control.desired import DESIRED_FILE, Standing, Trial
from gateway.control.kept import KeptFile
from gateway.enrolment.credentials import AUTHORITY, CERTIFICATE, KEY
from gateway.enrolment.delivery import NotLetIn, NotNow, lane_as
from gateway.settings import Settings
from tests.gateway.test_giving_up import certified_for_van_2
from tests.gateway.test_settings import GOOD, written
from tests.parts.private_authority import PrivateAuthority
from wire.desired import BrokerPlace, DesiredValues


class Place:
    """A port with TLS that tells whether anybody came."""

    def __init__(self, server: socket.socket) -> None:
        self.port: int = server.getsockname()[1]
        self.visits = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server = server

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                came, _ = self._server.accept()
                self.visits += 1
                with came, suppress(OSError):
                    self.context.wrap_socket(came, server_side=True).close()


@contextmanager
def listening() -> Iterator[Place]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = Place(server)
        thread = threading.Thread(target=place.serve)
        thread.start()
        try:
            yield place
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def old() -> Iterator[Place]:
    with listening() as place:
        yield place


@pytest.fixture
def new() -> Iterator[Place]:
    with listening() as place:
        yield place


class Box:
    """Was van-2's, with a certificate that names the old place; is van-1's."""

    def __init__(self, folder: Path, old: Place, new: Place) -> None:
        self._folder = folder
        self.data = folder / "data"
        certified_for_van_2(self.data, old.port)
        self._own = self.data / "credentials" / "77"
        self.authority = self._own / AUTHORITY
        for place in (old, new):
            place.context.load_cert_chain(self._own / CERTIFICATE, self._own / KEY)

    def configured(self, place: Place) -> Settings:
        text = GOOD.replace("/tmp/roundsman-none", str(self.data))  # noqa: S108
        table = f'port = {place.port}\ntls = true\nca_file = "{self.authority}"'
        return load(written(self._folder, text.replace("port = 1883", table)))

    def told(self, standing: Standing) -> None:
        KeptFile(self.data / DESIRED_FILE, Standing).write(standing)

    def speaks_as_van_2(self, settings: Settings) -> None:
        with (
            pytest.raises((NotNow, NotLetIn)),
            lane_as(settings, "main", "van-2", within_s=0.3),
        ):
            pass


@pytest.fixture
def box(tmp_path: Path, old: Place, new: Place) -> Box:
    return Box(tmp_path, old, new)


def values(place: Place) -> DesiredValues:
    return DesiredValues(broker=BrokerPlace(host="127.0.0.1", port=place.port))


def test_it_goes_where_the_configuration_says(box: Box, old: Place, new: Place) -> None:
    box.speaks_as_van_2(box.configured(new))
    assert (old.visits, new.visits > 0) == (0, True)


def test_it_goes_where_the_cloud_has_moved_the_broker(box: Box, old: Place, new: Place) -> None:
    box.told(Standing(settings=3, values=values(new)))
    box.speaks_as_van_2(box.configured(old))
    assert (old.visits, new.visits > 0) == (0, True)


def test_a_move_on_trial_is_not_followed(box: Box, old: Place, new: Place) -> None:
    box.told(Standing(trial=Trial(settings=3, values=values(new))))
    box.speaks_as_van_2(box.configured(old))
    assert (old.visits > 0, new.visits) == (True, 0)


def test_a_backlog_of_another_cloud_goes_to_that_one(
    box: Box, old: Place, new: Place, tmp_path: Path
) -> None:
    box.authority = PrivateAuthority(tmp_path / "ours").file
    box.speaks_as_van_2(box.configured(new))
    assert (old.visits > 0, new.visits) == (True, 0)
