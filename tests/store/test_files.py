"""What becomes of a file that is full, busy, locked, damaged, half made, or written by somebody else."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pysqlite3 import dbapi2
from sqlalchemy import literal, select
from sqlalchemy.exc import StatementError

from engine.channel.ports import Commit, Cursor, Kind, OutcomeNote, OutcomeRow, Received
from engine.errors import ConfigError, Retryable, StoreBroken, StoreRefused
from engine.store import MemoryJournal, open_journal, open_store, read_journal, read_store, sqlite, words
from engine.store.files import JOURNAL, STORE
from engine.store.sql import text_of

OPEN: dict[str, Callable[[Path], Any]] = {"journal": open_journal, "store": open_store}
READ: dict[str, Callable[[Path], Any]] = {"journal": read_journal, "store": read_store}
KIND = {"journal": JOURNAL, "store": STORE}


@pytest.fixture(params=["journal", "store"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(kind: str, tmp_path: Path) -> Path:
    return tmp_path / f"{kind}.db"


@pytest.fixture
def file(kind: str, path: Path) -> Iterator[Any]:
    opened = OPEN[kind](path)
    yield opened
    opened.close()


def received(number: int, size: int = 20) -> Received:
    body = b"MSH|%d|" % number + Random(number).randbytes(size)
    return Received("lab", "p:1", number, body, "utf-8", Kind.MESSAGE, "AA", "", b"%d" % number)


def note(number: int, size: int = 20) -> Commit:
    text = Random(number).randbytes(size).hex()
    return Commit((), notes=[OutcomeNote(number, "adt", 1, number, "validate", text)])


def write(opened: Any, number: int, size: int = 20) -> None:
    """One transaction of about this size."""
    if hasattr(opened, "transaction"):
        with opened.transaction() as tx:
            tx.log.append([received(number, size)])
    else:
        opened.commit(note(number, size))


def kept(opened: Any, numbers: range) -> list[int]:
    """Which of them are there."""
    if hasattr(opened, "entry"):
        return [number for number in numbers if (entry := opened.entry(number)) and entry.received == number]
    return sorted({found.entry for found in opened.notes(list(numbers))})


# one writer


def test_a_second_writer_is_refused_and_told_by_whom(file: Any, kind: str, path: Path) -> None:
    """By its process id, here and in another process; the first one goes on."""
    with pytest.raises(Retryable, match=rf"{kind}\.db is being written by process \d+; only one engine may use"):
        OPEN[kind](path)
    code = f"from pathlib import Path; from engine.store import open_{kind} as o; o(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "only one engine may use a data folder" in done.stderr
    write(file, 1)
    assert kept(file, range(1, 3)) == [1]


def test_a_lock_that_names_nobody_is_still_a_lock(file: Any, kind: str, path: Path) -> None:
    """Its text is for people; the system holds the lock."""
    Path(f"{path}.lock").write_text("half")
    with pytest.raises(Retryable, match="is being written by another process;"):
        OPEN[kind](path)


def test_the_lock_ends_with_its_writer(kind: str, path: Path) -> None:
    """The next one opens the file and finds what was written."""
    file = OPEN[kind](path)
    write(file, 1)
    file.close()
    again = OPEN[kind](path)
    assert kept(again, range(1, 3)) == [1]
    again.close()


# full and busy


def test_a_full_disk_is_tried_again_and_keeps_nothing_of_the_transaction(file: Any, kind: str) -> None:
    """Retryable by name; what was there stays, and when there is room the same transaction goes through."""
    write(file, 1)
    connection = file._writer.connection

    def limit(pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").fetchall()

    ((pages,),) = connection.exec_driver_sql("PRAGMA page_count").fetchall()
    limit(pages + 2)
    with pytest.raises(Retryable, match=rf"^{kind}\.db: the disk is full \(SQLITE_FULL\)$"):
        write(file, 2, 60_000)
    assert kept(file, range(1, 3)) == [1]
    limit(1_000_000)
    write(file, 2, 60_000)
    assert kept(file, range(1, 3)) == [1, 2]


def test_a_busy_file_is_tried_again(kind: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's transaction holds it (a backup of files, a curious shell)."""
    monkeypatch.setattr(sqlite, "_BUSY", 10)
    file = OPEN[kind](path)
    other = dbapi2.connect(str(path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retryable, match=rf"^{kind}\.db: the file is busy \(SQLITE_BUSY\)$"):
        write(file, 1)
    other.execute("ROLLBACK")
    other.close()
    write(file, 1)
    assert kept(file, range(1, 2)) == [1]
    file.close()


def test_readers_can_only_read(file: Any, kind: str, path: Path) -> None:
    """Whatever is asked of a reader's connection, the file is not written."""
    write(file, 1)
    reader = READ[kind](path)
    with pytest.raises(StoreBroken, match="SQLITE_READONLY"), sqlite.named_errors(path.name):
        reader._file.connection.exec_driver_sql(f"CREATE TABLE {kind}.mine (x)")
    assert kept(reader, range(1, 3)) == [1]
    reader.close()


# what is no file of ours, or not yet


def test_a_reader_says_that_nothing_is_there(kind: str, path: Path) -> None:
    """The engine has not run with this data folder."""
    with pytest.raises(ConfigError, match=rf"{kind}\.db is not there; has the engine run with this data folder\?$"):
        READ[kind](path)


def stamped(path: Path, kind: str) -> None:
    """A file with our mark and version, and none of our tables."""
    connection = dbapi2.connect(str(path))
    connection.execute(f"PRAGMA application_id = {KIND[kind].mark}")
    connection.execute(f"PRAGMA user_version = {KIND[kind].version}")
    connection.close()


def test_a_reader_waits_for_a_file_that_is_being_made(kind: str, path: Path) -> None:
    """Empty, or no database, or a folder where it will be: the same again later."""
    path.touch()
    with pytest.raises(
        Retryable, match=rf"^{kind}\.db has version 0 and waits for its writer to make it {KIND[kind].version}$"
    ):
        READ[kind](path)
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(Retryable, match="SQLITE_NOTADB"):
        READ[kind](path)
    path.unlink()
    path.mkdir()
    with pytest.raises(Retryable, match="SQLITE_"):
        READ[kind](path)


def test_a_file_without_its_tables_is_broken_and_let_go(kind: str, path: Path) -> None:
    """For readers and the writer; the lock and the file are free afterwards."""
    stamped(path, kind)
    for _ in range(2):
        with pytest.raises(StoreBroken, match=rf"^{kind}\.db: OperationalError SQLITE_ERROR$"):
            OPEN[kind](path)
    with suppress(StoreBroken):
        READ[kind](path).close()
    assert not {link for link in open_files() if link.startswith(str(path))}


def open_files() -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(link.readlink()))
    return found


def test_a_damaged_file_is_broken(kind: str, path: Path) -> None:
    """Pages of nonsense: StoreBroken, which ends the process, and never a wrong answer."""
    file = OPEN[kind](path)
    for number in range(1, 60):
        write(file, number, 2_000)
    file.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    with pytest.raises(StoreBroken, match="SQLITE_"):
        kept(OPEN[kind](path), range(1, 60))


def test_partitions_are_for_ever(tmp_path: Path) -> None:
    """A journal is read and written with as many as it was made with, and has one at least."""
    path = tmp_path / "journal.db"
    open_journal(path, 4).close()
    with pytest.raises(ConfigError, match=r"was made with 4 partitions, not 1$"):
        open_journal(path)
    reader = read_journal(path)
    assert reader.partitions == 4
    reader.close()
    for make in (MemoryJournal, lambda count: open_journal(tmp_path / "other.db", count)):
        with pytest.raises(ConfigError, match="a journal has at least one partition, not 0"):
            make(0)


# somebody else's hand


def test_a_cursor_that_somebody_else_moved_ends_the_worker(tmp_path: Path) -> None:
    """Compare and set: nothing of the commit is kept, whatever it holds (D2, fencing)."""
    path = tmp_path / "store.db"
    store = open_store(path)
    store.commit(Commit((Cursor("live", 0, 5),)))
    other = dbapi2.connect(str(path), isolation_level=None)
    other.execute("UPDATE cursors SET position = 9 WHERE name = 'live'")
    row = OutcomeRow(6, "adt", 1, 2, "", "", "", "", "", "", "hash", 0)
    with pytest.raises(StoreBroken, match="cursor live/0 was moved by another writer"):
        store.commit(Commit((Cursor("live", 0, 6),), outcomes=[row]))
    assert store.outcomes([6]) == []
    assert other.execute("SELECT position FROM cursors").fetchall() == [(9,)]
    other.close()
    store.close()


# errors by name


@pytest.mark.parametrize(
    ("error", "named", "said"),
    [
        (OverflowError("SECRET"), StoreRefused, "store refused: OverflowError"),
        (UnicodeEncodeError("utf-8", "SECRET", 0, 1, "x"), StoreRefused, "store refused: UnicodeEncodeError"),
        (StatementError("SECRET", None, None, TypeError("SECRET")), StoreRefused, "store refused: TypeError"),
        (dbapi2.DataError("SECRET"), StoreRefused, "store refused: DataError DataError"),
        (dbapi2.OperationalError("SECRET"), StoreBroken, "a.db: OperationalError OperationalError"),
        (Retryable("a.db: as it was"), Retryable, "a.db: as it was"),
    ],
)
def test_what_a_database_raises_is_named_without_its_words(error: Exception, named: type, said: str) -> None:
    """Consequence and kind; what it says itself may quote a value."""
    with pytest.raises(named) as caught, sqlite.named_errors("a.db"):
        raise error
    assert str(caught.value) == said
    assert caught.value is error or caught.value.__cause__ is None


def test_a_statement_with_a_value_in_it_is_a_mistake_of_ours() -> None:
    """Values come with each call: a compiled one would be the same for ever."""
    with pytest.raises(ValueError, match="a value instead of a placeholder"):
        text_of(select(literal(4711)))


def test_more_words_than_are_remembered_are_looked_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers of a busy network: each comes back as it was, from the writer and from readers."""
    monkeypatch.setattr(words, "_REMEMBERED", 3)
    journal = open_journal(tmp_path / "journal.db")
    for number in range(1, 21):
        with journal.transaction() as tx:
            tx.log.append([received(number)._replace(listener=f"l{number % 7}", flags=f"f{number % 5}")])
    reader = read_journal(tmp_path / "journal.db")
    for opened in (journal, reader):
        entries = opened.read(0, 0, 100, 10**6)
        assert [(e.listener, e.flags) for e in entries] == [(f"l{n % 7}", f"f{n % 5}") for n in range(1, 21)]
        opened.close()


def test_a_lane_that_nothing_was_sent_over_is_empty(tmp_path: Path) -> None:
    """A destination that is new, asked for by name or by number."""
    store = open_store(tmp_path / "store.db")
    assert (store.outbox("pacs", 0, 0, 10), store.outbox_rows("pacs", 0, [1])) == ([], [])
    store.close()
