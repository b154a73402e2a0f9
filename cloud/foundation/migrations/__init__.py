"""The databases' history of forms, a folder of Alembic revisions for each, run as one transaction.

SQLAlchemy's default leaves half of a failed migration behind on SQLite; here all revisions run
inside the one transaction that `Database.writing` begins, so a kill in the middle leaves the old
form whole.
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.foundation.errors import NotFound

_HERE: Final = Path(__file__).parent
NAMES: Final = ("business", "telemetry")


def _config(name: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("version_locations", str(_HERE / name / "versions").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config


def revision_of(connection: Connection, name: str) -> str:
    """The form a migrated database of the tree ``name`` is in.

    Raises:
        NotFound: it was never migrated.
    """
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        raise NotFound(f"{name}: holds nothing yet; start the cloud once")
    return found


def upgrade(database: Database, name: str, revision: str = "head") -> None:
    """Bring ``database`` to ``revision`` of the tree ``name``, one of `NAMES`."""
    config = _config(name)
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def downgrade(database: Database, name: str, revision: str = "base") -> None:
    """Take ``database`` back to ``revision`` of the tree ``name``."""
    config = _config(name)
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
