"""``gateway enrol`` against real HTTPS servers: who is trusted, and what is said of the others."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from click.testing import CliRunner
from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from cloud.fleet.enrolment import api as enrolment_api
from cloud.foundation.http import answer_problems
from cloud.foundation.identity import Gate, Identity
from cloud.foundation.ids import random_id
from gateway.cli import main
from gateway.enrolment.asking import Cloud, Unreachable
from gateway.enrolment.credentials import Credentials
from tests.fleet.box import Box as Keys
from tests.fleet.test_enrolment import Office, open_office
from tests.gateway.rig import wait_until
from tests.parts.ports import free_port
from tests.parts.private_authority import PrivateAuthority, Shown
from wire.enrolment import EnrolmentRequest


@contextmanager
def serving(app: FastAPI, shown: Shown | None = None) -> Iterator[int]:
    """Serve ``app`` on a port of 127.0.0.1; over HTTPS when a certificate is shown."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
        ssl_certfile=None if shown is None else shown.file,
        ssl_keyfile=None if shown is None else shown.key_file,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="https")
    thread.start()
    wait_until(lambda: server.started, "the server listens")
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> PrivateAuthority:
    return PrivateAuthority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("office") / "data") as made:
        yield made


@pytest.fixture(scope="module")
def cloud(office: Office) -> FastAPI:
    """The routes of the cloud that a box meets."""
    app = FastAPI()
    answer_problems(app)
    gate = Gate(Identity(office.database, office.clock, random_id))
    routes = enrolment_api.routes(office.enrolments, office.clock, gate)
    app.include_router(routes, prefix="/api/v1")
    return app


@dataclass(frozen=True)
class Enrolled:
    """What came of it, and what the box holds now."""

    code: int
    told: str
    van: str | None


class Box:
    """A box that was never enrolled."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._config = folder / "gateway.toml"
        self._before = (
            f'data_dir = "{self.data}"\n[[receivers]]\nkind = "serial"\ndevice = "/dev/null"\n'
        )
        self._config.write_text(self._before)

    def enrol(self, token: str, url: str, *options: object) -> Enrolled:
        words = ["enrol", "--config", self._config, "--url", url, *options]
        done = CliRunner().invoke(main, [str(word) for word in words], input=token)
        held = Credentials(self.data).held()
        assert (held is None) == (self._config.read_text() == self._before)
        assert "Traceback" not in done.output
        return Enrolled(done.exit_code, done.output, None if held is None else held.van)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_private_authority_is_refused_until_it_is_given(
    cloud: FastAPI, office: Office, authority: PrivateAuthority, box: Box
) -> None:
    token = office.token()
    with serving(cloud, authority.certify("localhost")) as port:
        url = f"https://localhost:{port}"
        refused = box.enrol(token, url)
        assert (refused.code, refused.van) == (78, None)
        assert "--url: its certificate is not trusted" in refused.told
        assert "give --ca FILE with its authority, or --fingerprint SHA256" in refused.told
        accepted = box.enrol(token, url, "--ca", authority.file)
    assert (accepted.code, accepted.van) == (0, "van-1"), accepted.told


def test_the_systems_authorities_are_trusted_unasked(
    cloud: FastAPI,
    office: Office,
    authority: PrivateAuthority,
    box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with serving(cloud, authority.certify("localhost")) as port:
        accepted = box.enrol(office.token(), f"https://localhost:{port}")
    assert (accepted.code, accepted.van) == (0, "van-1"), accepted.told


def test_another_authority_does_not_stand_for_this_one(
    cloud: FastAPI, office: Office, authority: PrivateAuthority, box: Box, tmp_path: Path
) -> None:
    other = PrivateAuthority(tmp_path / "other")
    with serving(cloud, authority.certify("localhost")) as port:
        refused = box.enrol(office.token(), f"https://localhost:{port}", "--ca", other.file)
    assert (refused.code, refused.van) == (78, None)
    assert "--ca FILE" in refused.told


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_named(
    office: Office, box: Box, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    refused = box.enrol(office.token(), "https://localhost:1", "--ca", file)
    assert (refused.code, refused.van) == (78, None)
    assert f"--ca: {file}: " in refused.told
    assert "give a PEM file" in refused.told


@pytest.mark.parametrize("is_written_in_pairs", [False, True])
def test_a_fingerprint_is_enough_whatever_the_name_and_the_date(
    cloud: FastAPI,
    office: Office,
    authority: PrivateAuthority,
    box: Box,
    *,
    is_written_in_pairs: bool,
) -> None:
    shown = authority.certify("elsewhere.example", from_days=-9, to_days=-8)
    given = shown.fingerprint
    if is_written_in_pairs:
        given = ":".join(given[at : at + 2] for at in range(0, 64, 2)).upper()
    with serving(cloud, shown) as port:
        url = f"https://127.0.0.1:{port}"
        accepted = box.enrol(office.token(), url, "--fingerprint", given)
    assert (accepted.code, accepted.van) == (0, "van-1"), accepted.told


def test_another_fingerprint_is_refused_before_the_token_is_told(
    office: Office, authority: PrivateAuthority, box: Box
) -> None:
    asked: list[str] = []
    app = FastAPI()
    app.add_api_route("/api/v1/enrol", lambda: asked.append("asked"), methods=["POST"])
    shown = authority.certify("localhost")
    with serving(app, shown) as port:
        url = f"https://localhost:{port}"
        options = ("--ca", authority.file, "--fingerprint", "0" * 64)
        refused = box.enrol(office.token(), url, *options)
    assert (refused.code, refused.van, asked) == (78, None, [])
    assert f"--fingerprint: the server shows {shown.fingerprint}" in refused.told
    assert "somebody stands between" in refused.told


@pytest.mark.parametrize(
    ("from_days", "to_days", "why", "remedy"),
    [
        (-9, -8, "certificate has expired", "have the server's certificate renewed"),
        (8, 9, "certificate is not yet valid", "set the clock of this box"),
    ],
)
def test_a_certificate_of_another_time_is_refused(
    cloud: FastAPI,
    office: Office,
    authority: PrivateAuthority,
    box: Box,
    *,
    from_days: float,
    to_days: float,
    why: str,
    remedy: str,
) -> None:
    shown = authority.certify("localhost", from_days=from_days, to_days=to_days)
    with serving(cloud, shown) as port:
        refused = box.enrol(office.token(), f"https://localhost:{port}", "--ca", authority.file)
    assert (refused.code, refused.van) == (78, None)
    assert why in refused.told
    assert remedy in refused.told


@pytest.mark.parametrize(
    ("certified", "asked"),
    [
        ("fleet.example", "localhost"),
        ("fleet.example", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
    ],
)
def test_a_certificate_of_another_name_is_refused(
    cloud: FastAPI,
    office: Office,
    authority: PrivateAuthority,
    box: Box,
    *,
    certified: str,
    asked: str,
) -> None:
    with serving(cloud, authority.certify(certified)) as port:
        refused = box.enrol(office.token(), f"https://{asked}:{port}", "--ca", authority.file)
    assert (refused.code, refused.van) == (78, None)
    assert "mismatch" in refused.told
    assert "give in --url the name that the certificate is made for" in refused.told


@pytest.mark.skipif(
    not ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT,
    reason="this Python does not look so strictly",
)
def test_a_certificate_that_lacks_what_it_must_have_is_refused_with_another_remedy(
    cloud: FastAPI, office: Office, authority: PrivateAuthority, box: Box
) -> None:
    with serving(cloud, authority.certify("localhost", names_its_authority=False)) as port:
        refused = box.enrol(office.token(), f"https://localhost:{port}", "--ca", authority.file)
    assert (refused.code, refused.van) == (78, None)
    assert "Missing Authority Key Identifier; have the certificate" in refused.told


def test_an_address_may_be_certified_too(
    cloud: FastAPI, office: Office, authority: PrivateAuthority, box: Box
) -> None:
    with serving(cloud, authority.certify("127.0.0.1")) as port:
        url = f"https://127.0.0.1:{port}"
        accepted = box.enrol(office.token(), url, "--ca", authority.file)
    assert (accepted.code, accepted.van) == (0, "van-1"), accepted.told


def test_what_the_cloud_says_against_it_is_told(
    cloud: FastAPI, authority: PrivateAuthority, box: Box
) -> None:
    with serving(cloud, authority.certify("localhost")) as port:
        url = f"https://localhost:{port}"
        refused = box.enrol("rmc-" + "x" * 43, url, "--ca", authority.file)
    assert (refused.code, refused.van) == (78, None)
    assert "the cloud refuses: the token is unknown; let an administrator" in refused.told


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    cloud: FastAPI, office: Office, authority: PrivateAuthority, box: Box, status: int
) -> None:
    shown = authority.certify("localhost")
    with serving(cloud, shown) as behind:
        place = f"https://localhost:{behind}/api/v1/enrol"
        app = FastAPI()
        app.add_api_route(
            "/api/v1/enrol", lambda: RedirectResponse(place, status), methods=["POST"]
        )
        with serving(app, shown) as port:
            url = f"https://localhost:{port}"
            refused = box.enrol(office.token(), url, "--ca", authority.file)
    assert (refused.code, refused.van) == (78, None)
    assert f"--url: answers with a redirect to {place}" in refused.told
    assert "give the cloud's own address" in refused.told


def answering(content: bytes, status: int = 201) -> FastAPI:
    """A server that says the same to everybody."""
    app = FastAPI()
    app.add_api_route("/api/v1/enrol", lambda: Response(content, status), methods=["POST"])
    return app


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'"' + b"x" * 70_000 + b'"', "--url: its answer is longer than 65536 bytes"),
        (b"x" * 65_536, "its answer is not of this version"),
        (b"{}", "its answer is not of this version"),
    ],
)
def test_an_answer_that_is_too_long_or_of_another_kind_is_refused(
    office: Office, authority: PrivateAuthority, box: Box, content: bytes, told: str
) -> None:
    with serving(answering(content), authority.certify("localhost")) as port:
        url = f"https://localhost:{port}"
        refused = box.enrol(office.token(), url, "--ca", authority.file)
    assert (refused.code, refused.van) == (78, None)
    assert told in refused.told


def test_a_server_that_is_overloaded_is_asked_again_later(
    office: Office, authority: PrivateAuthority, box: Box
) -> None:
    with serving(answering(b"", 503), authority.certify("localhost")) as port:
        url = f"https://localhost:{port}"
        refused = box.enrol(office.token(), url, "--ca", authority.file)
    assert (refused.code, refused.van) == (75, None)
    assert "try again" in refused.told


REQUEST = EnrolmentRequest(token="rmc-x", csr="csr")


@pytest.mark.alone
@pytest.mark.parametrize("lull_s", [5.0, 0.1], ids=["silent", "one byte at a time"])
def test_a_slow_answer_is_given_up_in_time(authority: PrivateAuthority, lull_s: float) -> None:
    async def drops() -> AsyncIterator[bytes]:
        for _ in range(round(5 / lull_s)):
            await asyncio.sleep(lull_s)
            yield b"x"

    app = FastAPI()
    app.add_api_route("/api/v1/enrol", lambda: StreamingResponse(drops()), methods=["POST"])
    with serving(app, authority.certify("localhost")) as port:
        cloud = Cloud(f"https://localhost:{port}", ca_file=authority.file, timeout_s=1.0)
        began_s = time.monotonic()
        with pytest.raises(Unreachable, match=r"no whole answer within 1 s; check it and try"):
            cloud.enrol(REQUEST)
        assert 0.9 < time.monotonic() - began_s < 3.0


@contextmanager
def raw_server(authority: PrivateAuthority, answer: bytes) -> Iterator[int]:
    """Says ``answer`` under TLS, bit by bit, and closes."""
    shown = authority.certify("localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown.file, shown.key_file)

    def serve(listening: socket.socket) -> None:
        plain, _ = listening.accept()
        with context.wrap_socket(plain, server_side=True) as asking:
            asking.recv(65_536)
            for at in range(len(answer)):
                try:
                    asking.sendall(answer[at : at + 1])
                except OSError:
                    return
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_a_head_that_trickles_is_given_up_in_time(authority: PrivateAuthority) -> None:
    with raw_server(authority, b"HTTP/1.1 201 Created\r\n" + b"a: b\r\n" * 60) as port:
        cloud = Cloud(f"https://localhost:{port}", ca_file=authority.file, timeout_s=1.0)
        with pytest.raises(Unreachable, match="no whole answer within 1 s"):
            cloud.enrol(REQUEST)


def test_an_answer_that_breaks_off_is_asked_for_again(authority: PrivateAuthority) -> None:
    with raw_server(authority, b'HTTP/1.1 201 Created\r\ncontent-length: 90\r\n\r\n{"te') as port:
        cloud = Cloud(f"https://localhost:{port}", ca_file=authority.file)
        with pytest.raises(Unreachable, match="does not answer"):
            cloud.enrol(REQUEST)


def test_a_port_without_tls_is_told(cloud: FastAPI, office: Office, box: Box) -> None:
    with serving(cloud) as port:
        plain = box.enrol(office.token(), f"https://localhost:{port}")
        assert (plain.code, plain.van) == (78, None)
        assert "--url: localhost answers without TLS there" in plain.told
        accepted = box.enrol(office.token(), f"http://127.0.0.1:{port}")
        assert (accepted.code, accepted.van) == (0, "van-1"), accepted.told


def test_a_port_where_nobody_listens_is_tried_again(office: Office, box: Box) -> None:
    closed = box.enrol(office.token(), f"https://localhost:{free_port()}")
    assert (closed.code, closed.van) == (75, None)
    assert "--url: localhost does not answer" in closed.told


@pytest.mark.parametrize("host", ["fleet.example", "192.0.2.1", "0.0.0.0", "[2001:db8::1]"])  # noqa: S104 - none is bound
def test_nothing_goes_in_the_clear_beyond_this_computer(
    office: Office, box: Box, host: str
) -> None:
    refused = box.enrol(office.token(), f"http://{host}:1")
    assert (refused.code, refused.van) == (78, None)
    assert "--url: http would send the token in the clear; give https://HOST" in refused.told


def test_a_key_that_is_damaged_is_left_behind_by_what_the_line_says(
    cloud: FastAPI, office: Office, box: Box
) -> None:
    with serving(cloud) as port:
        url = f"http://127.0.0.1:{port}"
        assert box.enrol(office.token(), url).code == 0
        current = box.data / "credentials" / "current"
        (current / "key.pem").write_text("worn flash")
        refused = box.enrol(office.token(), url)
        assert refused.code == 78
        assert f"remove {current} and try again" in refused.told
        current.unlink()
        accepted = box.enrol(office.token(), url)
        assert (accepted.code, accepted.van) == (0, "van-1"), accepted.told


def test_a_token_of_the_other_purpose_leaves_vans_and_box_as_they_are(
    cloud: FastAPI, office: Office, box: Box
) -> None:
    office.enrol(Keys(), "van-2")
    before = office.states("van-2")
    with serving(cloud) as port:
        url = f"http://127.0.0.1:{port}"
        whole = office.token("van-2")
        refused = box.enrol(whole, url, "--sealed", "van-2")
        assert (refused.code, refused.van) == (78, None)
        assert "make a claim of purpose backlog for --sealed" in refused.told
        backlog = office.token("van-2", "backlog")
        other = box.enrol(backlog, url, "--sealed", "van-1")
        assert (other.code, other.van) == (78, None)
        assert "is for van-2 and not for van-1" in other.told
        alone = box.enrol(backlog, url)
        assert (alone.code, alone.van) == (78, None)
        assert "run it again with --sealed van-2" in alone.told
        assert office.states("van-2") == before
        done = box.enrol(backlog, url, "--sealed", "van-2")
        assert (done.code, done.van) == (0, None), done.told
    assert sorted(office.states("van-2")) == sorted(["backlog", *before])
