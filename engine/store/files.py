"""What each database file is: its mark, its version, its tables, and who may write it.

A new file is made whole and stamped with the newest revision; Alembic is imported only when a file is older than that.
"""

import fcntl
import os
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, MetaData, Table

from engine.errors import ConfigError, Retryable
from engine.store import tables
from engine.store.sql import Inserts, fetch


class FileKind(NamedTuple):
    """One of the two database files. `mark` is its PRAGMA application_id, `version` its PRAGMA user_version."""

    name: str  # also the schema's name and the Alembic branch
    metadata: MetaData
    revision_table: Table
    mark: int
    version: int
    revision: str  # newest Alembic revision of the branch
    cache: int  # KiB of page cache of the writer


JOURNAL = FileKind(
    tables.JOURNAL, tables.journal, tables.journal_revision, 0x42534A31, 4, "journal_0004", 1_024
)  # "BSJ1"
STORE = FileKind(tables.STORE, tables.store, tables.store_revision, 0x42535331, 4, "store_0004_behind", 4_096)  # "BSS1"


class FileLock:
    """The one writer's hold on `<file>.lock`; the system drops it when the process ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises Retryable while another process, or another part of this one, has it."""
        self._fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            told = f"process {holder}" if holder.isdigit() else "another process"
            raise Retryable(f"{path} is being written by {told}; only one engine may use a data folder") from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._fd)


def prepare(connection: Connection, kind: FileKind, path: Path) -> None:
    """Make the tables of a new file, or bring an older one up to date.

    Raises ConfigError when the file belongs to something else or to a newer version of the engine.
    """
    version, found = version_of(connection, kind, path)
    if version == kind.version:
        return
    if not found:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        kind.metadata.create_all(connection, checkfirst=False)
        stamp(connection, kind)
        connection.commit()
        return
    migrations = import_module("engine.store.migrations")
    migrations.upgrade(connection, kind)


def version_of(connection: Connection, kind: FileKind, path: Path) -> tuple[int, bool]:
    """(version of the file, whether it holds any table)."""
    ((version,),) = fetch(connection, "PRAGMA user_version")
    ((mark,),) = fetch(connection, "PRAGMA application_id")
    ((count,),) = fetch(connection, "SELECT count(*) FROM sqlite_schema")
    if count and mark != kind.mark:
        raise ConfigError(f"{path} is no {kind.name} of this engine")
    if version > kind.version:
        raise ConfigError(
            f"{path} was written by a newer version of the engine ({version}, this one knows {kind.version})"
        )
    return version, bool(count)


def stamp(connection: Connection, kind: FileKind) -> None:
    """Write what a new file is, inside the transaction that made it."""
    stamp_version(connection, kind)
    Inserts(kind.revision_table, ("version_num",)).run(connection, [(kind.revision,)])


def stamp_version(connection: Connection, kind: FileKind) -> None:
    """Write the mark and the version, inside the transaction that made the file so; Alembic keeps its own table."""
    connection.exec_driver_sql(f"PRAGMA application_id = {kind.mark}")
    connection.exec_driver_sql(f"PRAGMA user_version = {kind.version}")
