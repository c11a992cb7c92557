"""Every form of storage, each with one partition and with four, for the one conformance suite."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.channel.ports import Appended, Journal, JournalTransaction, Kind, Received, Store, StoreReader
from engine.store import MemoryJournal, MemoryStore, open_journal, open_store, read_journal, read_store

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND


class _InTheMiddleError(Exception):
    """What ends a failing transaction."""


class JournalForm:
    """A journal, how others read it, and how it comes back after its process ended."""

    def __init__(self, form: str, partitions: int, folder: Path) -> None:
        self.partitions = partitions
        self._path = folder / "journal.db" if form == "sqlite" else None
        self.journal: Journal = open_journal(self._path, partitions) if self._path else MemoryJournal(partitions)
        self.reader: Any = read_journal(self._path) if self._path else self.journal

    def append(self, *received: Received) -> list[Appended]:
        """Append in a transaction of its own."""
        with self.journal.transaction() as tx:
            return tx.log.append(received)

    @contextmanager
    def failing(self) -> Iterator[JournalTransaction]:
        """A transaction that ends by an exception after what is done in it."""
        with suppress(_InTheMiddleError), self.journal.transaction() as tx:
            yield tx
            raise _InTheMiddleError

    def reopen(self) -> Journal:
        """Close and open again; memory stays as it is."""
        if self._path:
            self.journal.close()
            self.journal = open_journal(self._path, self.partitions)
        return self.journal

    def close(self) -> None:
        self.reader.close()
        self.journal.close()


class StoreForm:
    """A store, how others read it, and how it comes back after its process ended."""

    def __init__(self, form: str, partitions: int, folder: Path) -> None:
        self.partitions = partitions
        self._path = folder / "store.db" if form == "sqlite" else None
        self.store: Store = open_store(self._path) if self._path else MemoryStore()
        self.reader: StoreReader = read_store(self._path) if self._path else self.store

    def reopen(self) -> Store:
        if self._path:
            self.store.close()
            self.store = open_store(self._path)
        return self.store

    def close(self) -> None:
        self.reader.close()
        self.store.close()


FORMS = [("memory", 1), ("memory", 4), ("sqlite", 1), ("sqlite", 4)]
NAMED = "{0[0]}-P{0[1]}".format


@pytest.fixture(params=FORMS, ids=NAMED)
def journals(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = JournalForm(*request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=FORMS, ids=NAMED)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = StoreForm(*request.param, tmp_path)
    yield made
    made.close()


def _received(number: int = 1, **changes: Any) -> Received:
    made = Received(
        listener="adt",
        peer="10.0.0.7:40312",
        received=NOW + number * 10 * SECOND,
        body=b"MSH|^~\\&|EMR|HOSP|||||ADT^A08|C%d|P|2.5\rPID|||%d\r" % (number, number),
        charset="utf-8",
        kind=Kind.MESSAGE,
        answer="AA",
        flags="",
        identity=b"EMR\0HOSP\0C%d" % number,
    )
    return made._replace(**changes)


@pytest.fixture
def received() -> Callable[..., Received]:
    """Makes the n-th message of a feed, 10 seconds after the one before it; keywords change its fields."""
    return _received
