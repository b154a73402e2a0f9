"""What an administrator runs touches the service's folder with the service's rights."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi import FastAPI

from gateway.cli import main
from gateway.configuration import load
from gateway.enrolment.credentials import Credentials
from gateway.enrolment.ownership import as_owner_of
from gateway.enrolment.sealing import given_up_folders
from tests.fleet.test_enrolment import Office, open_office
from tests.gateway.test_belonging import everything
from tests.gateway.test_enrol_over_https import cloud, serving
from tests.gateway.test_giving_up import config, seal

__all__ = ["cloud", "config"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: needs the rights of root")

SERVICE = 65534
"""The user nobody, in the place of the service's."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("office") / "data") as made:
        yield made


def let_through(folder: Path) -> None:
    """Everybody may enter a folder below the one for temporary files."""
    top = Path(tempfile.gettempdir())
    for path in (folder, *folder.parents):
        if path != top and path.is_relative_to(top):
            path.chmod(0o755)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The service's data folder, which it can reach."""
    let_through(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, SERVICE, SERVICE)
    return folder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of root's, of which the service may read the names."""
    folder = tmp_path / "victim"
    for name in ("pending", "main.van-2.1"):
        (folder / name).mkdir(parents=True)
        (folder / name / "kept").write_text("root's")
    (folder / "shadow").write_text("root's")
    return folder


def owners(tree: Path) -> set[tuple[int, int]]:
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in (tree, *tree.rglob("*"))}


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert (os.geteuid(), os.getegid()) == (0, 0)
    return done.exit_code, done.output


def enrol(office: Office, data: Path, port: int) -> tuple[int, str]:
    file, token = data.with_name("gateway.toml"), data.with_name("token")
    file.write_text(f'data_dir = "{data}"\n[[receivers]]\nkind = "serial"\ndevice = "/dev/null"\n')
    token.write_text(office.token())
    url = f"http://127.0.0.1:{port}"
    return run("enrol", "--config", file, "--url", url, "--token-file", token)


def plant(data: Path, place: str, victim: Path) -> None:
    """A link to root's folder, as the service's user would make it."""
    with as_owner_of(data):
        (data / place).parent.mkdir(parents=True, exist_ok=True)
        (data / place).symlink_to(victim)


@pytest.mark.parametrize("place", ["credentials", "credentials/pending"])
def test_enrolling_as_root_follows_no_link_to_where_the_service_may_not_write(
    cloud: FastAPI, office: Office, data: Path, victim: Path, place: str
) -> None:
    plant(data, place, victim)
    before, certified = everything(victim), len(office.states("van-1"))
    with serving(cloud) as port:
        code, told = enrol(office, data, port)
    assert code == 78, told
    assert "data_dir: " in told
    assert everything(victim) == before
    assert owners(victim) == {(0, 0)}
    assert len(office.states("van-1")) == certified, "the token was not spent"


def test_what_root_enrols_is_the_services_and_the_configuration_stays_roots(
    cloud: FastAPI, office: Office, data: Path
) -> None:
    with serving(cloud) as port:
        code, told = enrol(office, data, port)
    assert code == 0, told
    assert Credentials(data).held() is not None
    assert owners(data) == {(SERVICE, SERVICE)}
    keys = [file for file in data.rglob("key.pem") if not file.is_symlink()]
    assert {file.stat().st_mode & 0o777 for file in keys} == {0o600}
    assert owners(data.with_name("gateway.toml")) == {(0, 0)}


@pytest.fixture
def moved(config: Path) -> Path:
    """The configuration of a box that is van-1's, with a backlog of van-2; the service's folder."""
    let_through(config.parent)
    data = load(config).folder
    for path in (data, *data.rglob("*")):
        os.chown(path, SERVICE, SERVICE)
    return config


def test_what_root_gives_up_is_told_in_a_file_of_the_services(moved: Path) -> None:
    data = load(moved).folder
    assert run("give-up-sealed", "van-2", "--yes", "--config", moved)[0] == 0
    assert len(given_up_folders(data)) == 1
    assert owners(data) == {(SERVICE, SERVICE)}


def test_giving_up_as_root_follows_no_link_either(
    moved: Path, tmp_path: Path, victim: Path
) -> None:
    data = load(moved).folder
    seal(tmp_path / "roots")
    roots = tmp_path / "roots" / "sealed"
    with as_owner_of(data):
        (data / "sealed").rename(data / "before")
        (data / "sealed").symlink_to(roots)
    before = everything(roots)
    code, told = run("give-up-sealed", "van-2", "--yes", "--config", moved)
    assert code == 75, told
    assert everything(roots) == before
    assert owners(roots) == {(0, 0)}


def test_without_a_folder_or_in_ones_own_nothing_changes(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with as_owner_of(folder):
            assert (os.geteuid(), os.getegid()) == (0, 0)


def test_an_error_gives_the_rights_back(data: Path) -> None:
    groups, seen = os.getgroups(), []

    def write_beside_it() -> None:
        with as_owner_of(data):
            seen.append((os.geteuid(), os.getegid(), os.getgroups()))
            (data.parent / "new").touch()

    with pytest.raises(PermissionError):
        write_beside_it()
    assert seen == [(SERVICE, SERVICE, [])]
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)
