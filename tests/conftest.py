"""What tests of every room may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.foundation.settings import DatabaseSettings, Settings
from tests.parts.postgres import Postgres, postgres


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
