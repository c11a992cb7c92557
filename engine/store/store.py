"""store.db: the worker's store, and everybody else's view of it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, bindparam, select

from engine.channel.outcome import Status
from engine.channel.ports import Commit, Cursor, Deferred, OutcomeNote, OutcomeRow, Queued
from engine.order.order import Order
from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent
from engine.steps.draft import Synopsis
from engine.store.commit import CommitWriter
from engine.store.files import STORE
from engine.store.outbox import OutboxReader
from engine.store.outcomes import OutcomeReader
from engine.store.patients import PatientReader
from engine.store.sql import fetch, limited, text_of
from engine.store.sqlite import ReaderFile, WriterFile, named_errors
from engine.store.tables import cursors, deferred, store_commands, store_words, switches, totals
from engine.store.words import WordReader, WordWriter

_COUNTED = ("facts", "orders", "outbox", "notes", *(status.name.lower() for status in Status if status))


class SqlStoreReader:
    """store.db as others read it: each method in statements of its own, used by one thread at a time.

    Raises Retryable while the file is busy, StoreBroken when it cannot be read.
    """

    def __init__(self, file: WriterFile | ReaderFile, *, attached: bool) -> None:
        self._file = file
        connection = self._connection = file.connection
        words = WordReader(connection, store_words, attached=attached)
        self._patients = PatientReader(connection, attached=attached)
        self._outbox = OutboxReader(connection, words, attached=attached)
        self._outcomes = OutcomeReader(connection, words, attached=attached)
        in_order = select(*cursors.c).order_by(cursors.c.name, cursors.c.partition)
        self._cursors = text_of(in_order, attached=attached)
        self._switches = text_of(select(*switches.c), attached=attached)
        self._totals = text_of(select(*totals.c), attached=attached)
        self._jobs = text_of(limited(select(*deferred.c).order_by(deferred.c.id)), attached=attached)
        done = select(store_commands.c.id).where(store_commands.c.id == bindparam("command"))
        self._command = text_of(done, attached=attached)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with named_errors(self._file.what):
            yield self._connection

    def cursors(self) -> list[Cursor]:
        with self._reading() as connection:
            return [Cursor._make(row) for row in fetch(connection, self._cursors)]

    def facts(self, patients: Collection[str]) -> dict[str, list[Fact]]:
        with self._reading():
            return self._patients.facts(patients)

    def identity(self, keys: Collection[str]) -> list[IdentityEvent]:
        with self._reading():
            return self._patients.identity(keys)

    def snapshots(self, patients: Collection[str]) -> dict[tuple[str, str, str], bytes]:
        with self._reading():
            return self._patients.snapshots(patients)

    def orders(self, numbers: Collection[str]) -> dict[str, Order]:
        with self._reading():
            return self._patients.orders(numbers)

    def coverage(self) -> dict[tuple[str, str], Span]:
        with self._reading():
            return self._patients.coverage()

    def switches(self) -> dict[str, str]:
        with self._reading() as connection:
            return dict(fetch(connection, self._switches))

    def outbox(self, destination: str, lane: int, after: int, limit: int) -> list[Queued]:
        with self._reading():
            return self._outbox.outbox(destination, lane, after, limit)

    def outbox_rows(self, destination: str, lane: int, seqs: Collection[int]) -> list[Queued]:
        with self._reading():
            return self._outbox.outbox_rows(destination, lane, seqs)

    def outbox_tails(self) -> dict[tuple[str, int], int]:
        with self._reading():
            return self._outbox.outbox_tails()

    def queued_for(self, entries: Collection[int]) -> list[Queued]:
        with self._reading():
            return self._outbox.queued_for(entries)

    def order_lanes(self, numbers: Collection[str]) -> dict[tuple[str, str], int]:
        with self._reading():
            return self._outbox.order_lanes(numbers)

    def outcomes(self, entries: Collection[int]) -> list[OutcomeRow]:
        with self._reading():
            return self._outcomes.outcomes(entries)

    def latest(self, *, before: int, limit: int, status: int | None = None) -> list[OutcomeRow]:
        with self._reading():
            return self._outcomes.latest(before=before, limit=limit, status=status)

    def notes(self, entries: Collection[int]) -> list[OutcomeNote]:
        with self._reading():
            return self._outcomes.notes(entries)

    def find(self, value: str, *, kind: str | None = None, limit: int = 100) -> list[int]:
        with self._reading():
            return self._outcomes.find(value, kind=kind, limit=limit)

    def synopses(self, order: str) -> list[tuple[int, Synopsis]]:
        with self._reading():
            return self._outcomes.synopses(order)

    def deferred(self, limit: int) -> list[Deferred]:
        with self._reading() as connection:
            return [Deferred._make(row) for row in fetch(connection, self._jobs, (limit,))]

    def counts(self) -> dict[str, int]:
        with self._reading() as connection:
            return dict.fromkeys(_COUNTED, 0) | dict(fetch(connection, self._totals))

    def command_done(self, command_id: str) -> bool:
        with self._reading() as connection:
            return bool(fetch(connection, self._command, (command_id,)))

    def close(self) -> None:
        self._file.close()


class SqlStore(SqlStoreReader):
    """store.db for its one writer."""

    def __init__(self, file: WriterFile) -> None:
        super().__init__(file, attached=False)
        self._writer = file
        self._words = WordWriter(file.connection, store_words)
        self._commit = CommitWriter(file.connection, self._words)

    def commit(self, batch: Commit) -> None:
        """Everything or nothing; see engine.channel.ports.Store."""
        try:
            with self._writer.immediate():
                self._commit.write(batch)
        except BaseException:
            self._words.rolled_back()
            raise
        self._words.committed()
        self._commit.committed(batch)

    def trim_outbox(self, destination: str, lane: int, upto: int, limit: int) -> int:
        with self._writer.immediate():
            return self._commit.trim(destination, lane, upto, limit)

    def checkpoint(self) -> None:
        self._writer.checkpoint()


def open_store(path: Path) -> SqlStore:
    """Open store.db to write it; it is made when it is not there.

    Raises Retryable while another process writes it, ConfigError when it is no store of this engine.
    """
    file = WriterFile(path, STORE)
    try:
        with named_errors(file.what):
            return SqlStore(file)
    except BaseException:
        file.close()
        raise


def read_store(path: Path) -> SqlStoreReader:
    """Open store.db to read it only.

    Raises ConfigError when it is not there, Retryable while its writer is making it.
    """
    file = ReaderFile(path, STORE)
    try:
        with named_errors(file.what):
            return SqlStoreReader(file, attached=True)
    except BaseException:
        file.close()
        raise
