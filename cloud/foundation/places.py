"""Where a database lies: a file of SQLite, or a schema of PostgreSQL."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import Settings

type Tree = Literal["business", "telemetry"]


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """One tree of tables in PostgreSQL. ``url``: ``postgresql://user@host/name``."""

    url: str
    schema: str


type Place = Path | PostgresPlace


def place_of(tree: Tree, data: DataFolder, settings: Settings) -> Place:
    """Where a tree of tables lies: in the data folder, or in the database that the fleet names."""
    if settings.database.url is not None:
        return PostgresPlace(url=settings.database.url, schema=tree)
    return data.business if tree == "business" else data.telemetry
