"""A backup: every row of every table in one file, restored and counted before it is called good.

The file is a ZIP (its members carry checksums): ``manifest.json``, and for each table a member of
blocks of rows. Rows stand as values and not as a store's own pages, so what one store has written
another can take. Secrets are not part of it: see `cloud.foundation.layout.DataFolder.secrets`.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final

import msgspec
from sqlalchemy import JSON, Connection, MetaData, Table, delete, func, insert, select

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.database import (
    Database,
    last_numbers,
    require_sound,
    set_last_numbers,
    table_names,
)
from cloud.foundation.errors import Invalid
from cloud.foundation.files import sync_folder
from cloud.foundation.migrations import revision_of, upgrade

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_ROWS_IN_BLOCK: Final = 500
_MAX_BLOCK_BYTES: Final = 1_000_000_000
_LENGTH: Final = struct.Struct(">I")
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    msgspec.DecodeError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What `zipfile` raises for an archive whose bytes were changed, and what stands in them."""
_OWN: Final = "alembic_version"
"""The tables in which migrations note how far they are; a restored database has its own."""


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """One database in a backup.

    Attributes:
        revision: the form its rows are in. rows: how many each table has.
        last_numbers: the last number that was given in each table that counts its rows itself.
    """

    revision: str
    rows: dict[str, int]
    last_numbers: dict[str, int]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself. ``made_at``: RFC 3339, by the system's clock."""

    format: int
    version: str
    made_at: str
    trees: dict[str, Tree]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(sum(tree.rows.values()) for tree in self.trees.values())


def write(file: Path, databases: Mapping[str, Database], *, version: str, now_s: float) -> Manifest:
    """Write a backup of migrated databases, by the name of their tree; they may be in use.

    Each is read in one transaction. ``file`` appears when it is whole and on the disk.

    Raises:
        OSError: it cannot be written; nothing is left of it then.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as whole:
            with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                trees = {name: _write_tree(archive, name, one) for name, one in databases.items()}
                manifest = Manifest(
                    format=FORMAT, version=version, made_at=to_rfc3339(now_s), trees=trees
                )
                archive.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
            whole.flush()
            os.fsync(whole.fileno())
        part.replace(file)
        sync_folder(file.parent)
    finally:
        part.unlink(missing_ok=True)
    return manifest


def read_manifest(file: Path) -> Manifest:
    """What a backup says of itself.

    Raises:
        Invalid: it is no backup, is cut or damaged, or was written by a newer release.
    """
    with _opened(file) as archive:
        return _manifest(archive, file)


def restore(file: Path, databases: Mapping[str, Database]) -> Manifest:
    """Fill empty databases from a backup, count them, and bring them to this release's form.

    Raises:
        Invalid: the backup is damaged, or a count differs; what is in the databases then is of no
            use.
    """
    with _opened(file) as archive:
        manifest = _manifest(archive, file)
        for name, database in databases.items():
            if name not in manifest.trees:
                raise _damaged(file, f"holds no {name}")
            try:
                _restore_tree(archive, name, manifest.trees[name], database)
            except _UNREADABLE as error:
                raise _damaged(file, str(error)) from error
    return manifest


def check(file: Path, folder: Path) -> Manifest:
    """Restore a backup into scratch databases below ``folder`` and throw them away.

    Raises:
        Invalid: it cannot be restored.
    """
    with TemporaryDirectory(dir=folder, prefix="backup-check-") as scratch:
        manifest = read_manifest(file)
        databases = {name: Database(Path(scratch) / f"{name}.db") for name in manifest.trees}
        try:
            return restore(file, databases)
        finally:
            for database in databases.values():
                database.close()


def _write_tree(archive: zipfile.ZipFile, name: str, database: Database) -> Tree:
    with database.reading() as connection:
        rows: dict[str, int] = {}
        for table in _tables(connection):
            with archive.open(f"{name}/{table.name}", "w", force_zip64=True) as member:
                rows[table.name] = _write_rows(connection, table, member)
        return Tree(
            revision=revision_of(connection, name),
            rows=rows,
            last_numbers=last_numbers(connection),
        )


def _write_rows(connection: Connection, table: Table, member: IO[bytes]) -> int:
    count = 0
    found = connection.execution_options(yield_per=_ROWS_IN_BLOCK).execute(select(table))
    for block in found.partitions():
        told = msgspec.msgpack.encode([tuple(row) for row in block])
        member.write(_LENGTH.pack(len(told)) + told)
        count += len(block)
    return count


def _restore_tree(archive: zipfile.ZipFile, name: str, tree: Tree, database: Database) -> None:
    upgrade(database, name, tree.revision)
    with database.writing() as connection:
        tables = {table.name: table for table in _tables(connection)}
        for table in reversed(tables.values()):
            connection.execute(delete(table))  # what a migration has put there
        for table_name, expected in tree.rows.items():
            table = tables[table_name]
            with archive.open(f"{name}/{table_name}") as member:
                for block in _blocks(member):
                    columns = table.c.keys()
                    connection.execute(
                        insert(table), [dict(zip(columns, row, strict=True)) for row in block]
                    )
            found = connection.scalar(select(func.count()).select_from(table))
            if found != expected:
                raise _miscounted(f"{name}.{table_name}", expected, found)
        set_last_numbers(connection, tree.last_numbers)
    require_sound(database)
    upgrade(database, name)


def _blocks(member: IO[bytes]) -> Iterator[list[list[Any]]]:
    while head := member.read(_LENGTH.size):
        (length,) = _LENGTH.unpack(head)
        if length > _MAX_BLOCK_BYTES:
            raise EOFError(f"a block of {length} bytes")
        told = member.read(length)
        yield msgspec.msgpack.decode(told, type=list[list[Any]])


def _tables(connection: Connection) -> list[Table]:
    """The tables as they are in the database, whatever this release would make of them."""
    known = MetaData()
    known.reflect(connection, only=table_names(connection))
    for table in known.tables.values():
        for column in table.c:
            if isinstance(column.type, JSON):
                column.type.none_as_null = True  # nothing is not the JSON word for it
    return [table for table in known.sorted_tables if not table.name.startswith(_OWN)]


def _opened(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except _UNREADABLE as error:
        raise _damaged(file, str(error)) from error


def _manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    try:
        told = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
    except _UNREADABLE as error:
        raise _damaged(file, str(error)) from error
    if told.format != FORMAT:
        raise Invalid.field(
            str(file),
            f"is of form {told.format}, written by release {told.version}",
            "restore it with that release or a newer one",
        )
    return told


def _damaged(file: Path, problem: str) -> Invalid:
    return Invalid.field(str(file), f"is no whole backup: {problem}", "use an older one")


def _miscounted(table: str, expected: int, found: int | None) -> Invalid:
    return Invalid.field(
        table, f"has {found} rows and should have {expected}", "use an older backup"
    )
