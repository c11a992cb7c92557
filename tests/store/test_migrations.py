"""A file that was made and a file that was brought up to date are the same, and Alembic is imported only for the latter."""

import re
import subprocess
import sys

import pytest
from pysqlite3 import dbapi2

from engine.errors import ConfigError
from engine.store import open_journal, open_store, read_journal, read_store
from engine.store.files import JOURNAL, STORE

OPEN = {"journal": open_journal, "store": open_store}
READ = {"journal": read_journal, "store": read_store}
KIND = {"journal": JOURNAL, "store": STORE}


def schema(path):
    """Every table and index of a file, and its settings."""
    connection = dbapi2.connect(str(path))
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    pragmas = ("user_version", "application_id", "auto_vacuum", "page_size", "journal_mode")
    settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}
    stamp = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    return [(*row[:3], plain(row[3] or "")) for row in rows], settings, stamp


def plain(sql):
    """A statement without its layout."""
    return re.sub(r" ?([(),]) ?", r"\1", " ".join(sql.split()))


def older(path, kind):
    """A file as it was before the first revision: ours, with version 0 and without any of today's tables."""
    connection = dbapi2.connect(str(path), isolation_level=None)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA application_id = {KIND[kind].mark}")
    connection.execute(
        "CREATE TABLE alembic_version (version_num TEXT NOT NULL, PRIMARY KEY (version_num)) WITHOUT ROWID, STRICT"
    )
    connection.close()


@pytest.mark.parametrize("kind", ["journal", "store"])
def test_made_new_equals_brought_up_to_date(tmp_path, kind):
    """create_all and the revisions give the same tables, indexes, settings and stamp."""
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    older(old, kind)
    for path in (new, old):
        OPEN[kind](path).close()
    assert schema(old) == schema(new)
    assert schema(new)[1]["auto_vacuum"] == 2
    assert schema(new)[1]["user_version"] == KIND[kind].version
    assert schema(new)[2] == [(KIND[kind].revision,)]


@pytest.mark.parametrize("kind", ["journal", "store"])
def test_the_revision_of_a_new_file_is_the_newest_one(kind):
    """What create_all stamps is the head of the branch, so that the next revision applies to it."""
    from alembic.script import ScriptDirectory

    from engine.store.migrations import configuration

    heads = ScriptDirectory.from_config(configuration(None)).get_revisions(f"{kind}@head")
    assert [head.revision for head in heads if head] == [KIND[kind].revision]


def test_alembic_is_not_imported_for_a_file_that_is_up_to_date(tmp_path):
    """Starting costs no Alembic; and storage in memory costs no SQLAlchemy."""
    code = (
        "import sys; from pathlib import Path; import engine.store; engine.store.MemoryJournal(); engine.store.MemoryStore()\n"
        "assert 'sqlalchemy' not in sys.modules\n"
        f"engine.store.open_journal(Path({str(tmp_path / 'j.db')!r})).close()\n"
        f"engine.store.open_journal(Path({str(tmp_path / 'j.db')!r})).close()\n"
        "assert 'sqlalchemy' in sys.modules and 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("kind", ["journal", "store"])
def test_a_failing_revision_leaves_the_file_as_it_was(tmp_path, kind):
    """All revisions of a file are one transaction: a name that is taken undoes what came before it."""
    path = tmp_path / "old.db"
    older(path, kind)
    connection = dbapi2.connect(str(path), isolation_level=None)
    connection.execute("CREATE TABLE words (x)")
    before = connection.execute("SELECT name FROM sqlite_schema").fetchall()
    with pytest.raises(Exception, match="SQLITE_ERROR"):
        OPEN[kind](path)
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == before
    assert connection.execute("PRAGMA user_version").fetchone() == (0,)
    connection.close()


def test_a_newer_or_foreign_file_is_refused_in_one_line(tmp_path):
    """A newer version, the other kind of file, somebody else's database: ConfigError, and the file is untouched."""
    journal = tmp_path / "journal.db"
    open_journal(journal).close()
    with pytest.raises(ConfigError, match=r"journal\.db is no store of this engine$"):
        open_store(journal)
    connection = dbapi2.connect(str(journal))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigError, match=r"written by a newer version of the engine \(99, this one knows 4\)$"):
        open_journal(journal)
    foreign = tmp_path / "foreign.db"
    connection = dbapi2.connect(str(foreign))
    connection.execute("CREATE TABLE a (b)")
    connection.close()
    with pytest.raises(ConfigError, match=r"foreign\.db is no journal of this engine$"):
        open_journal(foreign)
