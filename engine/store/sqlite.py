"""Connections to SQLite files: one writer per file behind an OS lock, readers that can only read.

SQLite is the one bundled with pysqlite3: it has no WAL-reset bug, and nothing else may open the files (D2). The writer
commits with synchronous=FULL, so a commit that returned survives a power cut; the write-ahead log is moved into the file
between batches, never inside a commit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pysqlite3 import dbapi2
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.pool import StaticPool

from engine.errors import BackstoryError, ConfigError, Retryable, StoreBroken, StoreRefused
from engine.store.files import FileKind, FileLock, prepare
from engine.store.sql import driver, fetch
from engine.store.tables import JOURNAL, STORE

_BUSY = 2_000  # milliseconds a statement waits for a lock
_WAL_LIMIT = 16 * 2**20  # bytes to which the log is cut back after a checkpoint
_CHECKPOINT_PAGES = 1_000  # of the log, from which on it is moved into the file between batches
_CHECKPOINT_AT_ONCE = 8_000  # ... and from which on a transaction moves it before it begins
_LOOK_EVERY = 16  # commits between two looks at the length of the log

_FULL, _BUSY_CODES = dbapi2.SQLITE_FULL, {dbapi2.SQLITE_BUSY, dbapi2.SQLITE_LOCKED}
_VALUES = {dbapi2.SQLITE_CONSTRAINT, dbapi2.SQLITE_MISMATCH, dbapi2.SQLITE_TOOBIG, dbapi2.SQLITE_RANGE}


@contextmanager
def named_errors(what: str) -> Iterator[None]:
    """Turn what SQLite raises into errors named by their consequence; their texts and causes hold no value.

    Raises Retryable (disk full, file busy), StoreRefused (values it cannot hold), StoreBroken (everything else).
    """
    try:
        yield
    except BackstoryError:
        raise
    except DBAPIError as error:
        raise _named(what, error.orig) from None
    except StatementError as error:
        raise StoreRefused(f"store refused: {type(error.orig).__name__}") from None
    except dbapi2.Error as error:
        raise _named(what, error) from None
    except (OverflowError, UnicodeError, TypeError, ValueError) as error:
        raise StoreRefused(f"store refused: {type(error).__name__}") from None


def _named(what: str, error: BaseException | None) -> BackstoryError:
    code = getattr(error, "sqlite_errorcode", -1)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    primary = code & 0xFF if code > 0 else code
    if primary == _FULL:
        return Retryable(f"{what}: the disk is full ({name})")
    if primary in _BUSY_CODES:
        return Retryable(f"{what}: the file is busy ({name})")
    if primary in _VALUES or (code <= 0 and isinstance(error, dbapi2.DataError | dbapi2.InterfaceError)):
        return StoreRefused(f"store refused: {type(error).__name__} {name}")
    return StoreBroken(f"{what}: {type(error).__name__} {name}")


class WriterFile:
    """The one writing connection of a file; used by one thread at a time.

    Args:
        path: the database; made when it is not there.
        kind: which of the two files it is.

    Raises ConfigError when the file is foreign or newer, Retryable while another process writes it; Retryable and
    StoreBroken as `named_errors`.
    """

    def __init__(self, path: Path, kind: FileKind) -> None:
        self.what = path.name
        self._commits = 0
        self._lock = FileLock(path)
        try:
            with named_errors(self.what):
                self._engine = _engine(lambda: _connect_writer(path, kind), {JOURNAL: None, STORE: None})
                self.connection: Connection = self._engine.connect()
                prepare(self.connection, kind, path)
        except BaseException:
            self._lock.release()
            raise

    @contextmanager
    def immediate(self) -> Iterator[Connection]:
        """BEGIN IMMEDIATE ... COMMIT; on an exception ROLLBACK."""
        with named_errors(self.what):
            if self._commits % _LOOK_EVERY == 0:
                self._checkpoint(_CHECKPOINT_AT_ONCE)
            self._commits += 1
            raw = driver(self.connection)
            try:
                raw.execute("BEGIN IMMEDIATE")
                yield self.connection
                raw.commit()
            except BaseException:
                raw.rollback()
                raise

    def checkpoint(self, *, at_once: bool = False) -> None:
        """Move the log into the file when it is long; a reader at work is not waited for.

        How long it is, is looked at every few commits, or at once.
        """
        if at_once or self._commits % _LOOK_EVERY == 0:
            with named_errors(self.what):
                self._checkpoint(_CHECKPOINT_PAGES)

    def _checkpoint(self, pages: int) -> None:
        ((_, length, moved),) = fetch(self.connection, "PRAGMA wal_checkpoint(NOOP)")
        if length - moved >= pages:
            fetch(self.connection, "PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Move the log into the file, and let the next writer in."""
        self.connection.close()
        self._engine.dispose()
        self._lock.release()


class ReaderFile:
    """A connection that can only read, in single statements; used by one thread at a time.

    Raises ConfigError when the file is not there, Retryable while its writer is still making it.
    """

    def __init__(self, path: Path, kind: FileKind) -> None:
        if not path.exists():
            raise ConfigError(f"{path} is not there; has the engine run with this data folder?")
        self.what = path.name
        try:
            with named_errors(self.what):
                self._engine = _engine(lambda: _connect_reader(path, kind), {})
                self.connection: Connection = self._engine.connect()
                ((version,),) = fetch(self.connection, f"PRAGMA {kind.name}.user_version")
        except StoreBroken as error:
            raise Retryable(str(error)) from None
        if version != kind.version:
            self.close()
            raise Retryable(f"{path.name} has version {version} and waits for its writer to make it {kind.version}")

    def close(self) -> None:
        self.connection.close()
        self._engine.dispose()


def _engine(connect: Callable[[], Any], schemas: dict[str, str | None]) -> Engine:
    engine = create_engine(
        "sqlite://",
        module=dbapi2,
        creator=connect,
        poolclass=StaticPool,
        hide_parameters=True,
        execution_options={"schema_translate_map": schemas},
    )
    event.listen(engine, "connect", _without_implicit_begin)
    return engine


def _without_implicit_begin(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # every BEGIN is written out


def _connect_writer(path: Path, kind: FileKind) -> Any:
    connection = dbapi2.connect(str(path), timeout=_BUSY / 1000, isolation_level=None, check_same_thread=False)
    for pragma in (
        "auto_vacuum = INCREMENTAL",  # only before the first table, so first of all (D14)
        "journal_mode = WAL",
        "synchronous = FULL",
        f"journal_size_limit = {_WAL_LIMIT}",
        "wal_autocheckpoint = 0",
        f"cache_size = -{kind.cache}",
        "temp_store = MEMORY",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _connect_reader(path: Path, kind: FileKind) -> Any:
    """Attach the file under its schema's name to an empty database in memory, as D20 says."""
    connection = dbapi2.connect(
        ":memory:", uri=True, timeout=_BUSY / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"ATTACH ? AS {kind.name}", (f"file:{quote(str(path.absolute()))}?mode=ro",))
        for pragma in ("query_only = ON", f"{kind.name}.cache_size = -1024", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
