"""What tests of every room may ask for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from cloud.foundation.settings import DatabaseSettings, Settings
from tests.parts.once import run_folder
from tests.parts.postgres import Postgres, postgres
from tests.units import put_longest_first

# A machine that is busy for a moment says nothing about what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    run_folder()  # here, before workers start, so that all have the same one


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    from tests.sharing import ByFile

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_longest_first(items)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for the whole run; each test gets databases of its own in it."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def kept_in(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The settings of a cloud on each store in turn, its databases new or migrated already."""
    if request.param == "sqlite":
        return Settings()
    server: Postgres = request.getfixturevalue("postgres_server")
    return Settings(database=DatabaseSettings(url=server.make_migrated(tmp_path)))
