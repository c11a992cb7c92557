"""journal.db: the one writer's journal, and everybody else's view of it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, bindparam, select

from engine.channel.ports import Approval, Attempt, Decision, Entry, JournalTransaction, Lane, Parked, Skip
from engine.errors import ConfigError
from engine.store.files import JOURNAL
from engine.store.log import LogReaderSql, LogWriterSql
from engine.store.sql import Inserts, fetch, text_of
from engine.store.sqlite import ReaderFile, WriterFile, named_errors
from engine.store.tables import journal_commands, journal_words, marks
from engine.store.wire import WireReaderSql, WireWriterSql
from engine.store.words import WordReader, WordWriter

_MARK = select(marks.c.value).where(marks.c.name == bindparam("of"))
_HEAVY = 4 * 2**20  # bytes of large bodies after which the log is moved at once: later it would take many times as long
_SLACK = 16_384  # dedupe hashes beyond a full run, from which on the journal is behind with writing runs


class JournalReader:
    """journal.db as others read it: each method in statements of its own, used by one thread at a time.

    Raises Retryable while the file is busy, StoreBroken when it cannot be read.
    """

    def __init__(self, file: WriterFile | ReaderFile, partitions: int, *, attached: bool) -> None:
        self._file = file
        self._connection: Connection = file.connection
        self.partitions = partitions
        self._words = WordReader(file.connection, journal_words, attached=attached)
        self._log = LogReaderSql(file.connection, self._words, partitions, attached=attached)
        self._wire_read = WireReaderSql(file.connection, self._words, attached=attached)
        done = select(journal_commands.c.id).where(journal_commands.c.id == bindparam("command"))
        self._command = text_of(done, attached=attached)

    def read(self, partition: int, after: int, limit: int, max_bytes: int) -> list[Entry]:
        with named_errors(self._file.what):
            return self._log.read(partition, after, limit, max_bytes)

    def entry(self, position: int) -> Entry | None:
        with named_errors(self._file.what):
            return self._log.entry(position)

    def tails(self) -> dict[int, int]:
        with named_errors(self._file.what):
            return self._log.tails()

    def find(self, after: int, text: bytes, limit: int) -> list[Entry]:
        with named_errors(self._file.what):
            return self._log.find(after, text, limit)

    def lanes(self) -> list[Lane]:
        with named_errors(self._file.what):
            return self._wire_read.lanes()

    def lane(self, destination: str, lane: int) -> Lane:
        with named_errors(self._file.what):
            return self._wire_read.lane(destination, lane)

    def parked(self, destination: str | None = None) -> list[Parked]:
        with named_errors(self._file.what):
            return self._wire_read.parked(destination)

    def skips(self) -> list[Skip]:
        with named_errors(self._file.what):
            return self._wire_read.skips()

    def approvals(self) -> list[Approval]:
        with named_errors(self._file.what):
            return self._wire_read.approvals()

    def attempts(self, destination: str, lane: int, seqs: Collection[int]) -> list[Attempt]:
        with named_errors(self._file.what):
            return self._wire_read.attempts(destination, lane, seqs)

    def latest_attempts(self, decision: Decision, since: int, limit: int) -> list[Attempt]:
        with named_errors(self._file.what):
            return self._wire_read.latest_attempts(decision, since, limit)

    def attempts_after(self, cursor: int, limit: int) -> list[tuple[int, Attempt]]:
        with named_errors(self._file.what):
            return self._wire_read.attempts_after(cursor, limit)

    def command_done(self, command_id: str) -> bool:
        with named_errors(self._file.what):
            return bool(fetch(self._connection, self._command, (command_id,)))

    def close(self) -> None:
        self._file.close()


class SqlJournal(JournalReader):
    """journal.db for its one writer; everything from the thread that opened it or one that took it over whole."""

    def __init__(self, file: WriterFile, partitions: int) -> None:
        super().__init__(file, partitions, attached=False)
        self._writer = file
        self._new_words = WordWriter(file.connection, journal_words)
        self._append = LogWriterSql(file.connection, self._new_words, self._words, partitions)
        self._wire = WireWriterSql(file.connection, self._new_words)

    @contextmanager
    def transaction(self) -> Iterator[JournalTransaction]:
        """BEGIN IMMEDIATE ... COMMIT; see engine.channel.ports.Journal.

        TRANSACTION: receive and deliver. What is on disk when this returns may be acknowledged.
        """
        try:
            with self._writer.immediate():
                yield JournalTransaction(self._append, self._wire)
                self._wire.flush()
        except BaseException:
            with named_errors(self._writer.what):
                self._undo()
            raise
        self._new_words.committed()
        self._append.committed()

    def _undo(self) -> None:
        self._new_words.rolled_back()
        self._append.rolled_back()
        self._wire.rolled_back()

    @property
    def behind(self) -> bool:
        """Whether upkeep waits for so long that large batches should."""
        return self._append.dedupe.due(_SLACK)

    def checkpoint(self) -> None:
        """Take a step of writing a full run of dedupe hashes, and move the log into the file when it is long."""
        if self._append.dedupe.due():
            self._seal()
        heavy = self._append.heavy >= _HEAVY
        if heavy:
            self._append.heavy = 0
        self._writer.checkpoint(at_once=heavy)

    def _seal(self) -> None:
        with self._writer.immediate():
            step = self._append.dedupe.seal()
        self._append.dedupe.sealed(step)


def open_journal(path: Path, partitions: int = 1) -> SqlJournal:
    """Open journal.db to write it; it is made when it is not there.

    Raises Retryable while another process writes it, ConfigError when it was made with another number of partitions.
    """
    if partitions < 1:
        raise ConfigError(f"a journal has at least one partition, not {partitions}")
    file = WriterFile(path, JOURNAL)
    try:
        with named_errors(file.what):
            _agree_on_partitions(file, path, partitions)
            return SqlJournal(file, partitions)
    except BaseException:
        file.close()
        raise


def _agree_on_partitions(file: WriterFile, path: Path, partitions: int) -> None:
    known = _partitions(file, attached=False)
    if known is None:
        with file.immediate() as connection:
            Inserts(marks, ("name", "value")).run(connection, [("partitions", partitions)])
    elif known != partitions:
        raise ConfigError(f"{path} was made with {known} partitions, not {partitions}")


def read_journal(path: Path) -> JournalReader:
    """Open journal.db to read it only.

    Raises ConfigError when it is not there, Retryable while its writer is making it.
    """
    file = ReaderFile(path, JOURNAL)
    try:
        with named_errors(file.what):
            return JournalReader(file, _partitions(file, attached=True) or 1, attached=True)
    except BaseException:
        file.close()
        raise


def _partitions(file: WriterFile | ReaderFile, *, attached: bool) -> int | None:
    rows = fetch(file.connection, text_of(_MARK, attached=attached), ("partitions",))
    return int(rows[0][0]) if rows else None
