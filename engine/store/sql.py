"""Statements that SQLAlchemy compiles once, and that run as text with flat tuples on the driver's own connection.

SQLAlchemy's way of running a statement costs more than the small statements of the hot transactions themselves, so
`run` and `fetch` go past it; what the driver raises is named by `engine.store.sqlite.named_errors`. A multi-row INSERT is
one call into SQLite for many rows, because each call gives up the interpreter's lock and has to win it back from the
thread that serves the network.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, Table, bindparam, literal_column
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.dialects.sqlite.dml import Insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.sql.expression import ClauseElement

from engine.store.tables import JOURNAL, STORE

Row = tuple[Any, ...]

_CHUNKS = (1024, 256, 64, 32, 16, 8, 4, 2, 1)
_DIALECT = SQLiteDialect_pysqlite(paramstyle="qmark")
_DIALECT.default_schema_name = "main"  # what a schema translated to none is called, as on a live connection
_WRITER = {JOURNAL: None, STORE: None}
_READER = {JOURNAL: JOURNAL, STORE: STORE}


ZERO: ColumnElement[int] = literal_column("0")  # a plain 0 would become a parameter


def text_of(statement: ClauseElement, *, attached: bool = False) -> str:
    """The statement as SQLite reads it; `attached` keeps the schema's name, under which readers attach the file.

    Raises ValueError for a statement with a value in it: its parameters come with each call, in order of appearance.
    """
    compiled = _compiled(statement, attached=attached)
    if any(value is not None for value in compiled.params.values()):
        raise ValueError("a value instead of a placeholder in a compiled statement")
    return str(compiled)


def _compiled(statement: ClauseElement, *, attached: bool = False) -> Compiled:
    return statement.compile(
        dialect=_DIALECT, schema_translate_map=_READER if attached else _WRITER, render_schema_translate=True
    )


def many(name: str, count: int) -> list[BindParameter[Any]]:
    """Placeholders for `column.in_(...)` with a fixed number of values."""
    return [bindparam(f"{name}{n}") for n in range(count)]


def limited(statement: Select[Any]) -> Select[Any]:
    """The statement with a placeholder for its LIMIT as the last parameter."""
    return statement.limit(bindparam("limit")).offset(ZERO)


class Inserts:
    """One INSERT of a table for as many rows as there are, in few statements.

    Args:
        table: where to.
        columns: in the order of the rows' values, which must be the table's.
        conflict: adds ON CONFLICT ... to the statement, if given.
        largest: rows of one statement at most; one for a thousand rows is kept, and takes a megabyte.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        conflict: Callable[[Insert], Insert] | None = None,
        largest: int = 64,
    ) -> None:
        self._table = table
        # SQLAlchemy writes the columns in the table's order, whatever the order of the values' names
        self._columns = tuple(column.name for column in table.columns if column.name in columns)
        self._order = None if self._columns == tuple(columns) else itemgetter(*map(columns.index, self._columns))
        self._conflict = conflict
        self._chunks = _up_to(largest)
        self._texts: dict[int, str] = {}

    def _text(self, rows: int) -> str:
        text = self._texts.get(rows)
        if text is None:
            statement = insert(self._table).values(dict.fromkeys(self._columns, 0))
            if self._conflict is not None:
                statement = self._conflict(statement)
            before, row, after = str(_compiled(statement)).partition(f"({', '.join('?' * len(self._columns))})")
            text = self._texts[rows] = f"{before}{', '.join([row] * rows)}{after}"  # compiling them all takes 50 ms
        return text

    def run(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> int:
        """Insert the rows in order; returns how many were changed."""
        changed = 0
        for size, start in chunks(len(rows), self._chunks):
            chunk = rows[start : start + size]
            ordered = chunk if self._order is None else map(self._order, chunk)
            flat = tuple([value for row in ordered for value in row])
            changed += run(connection, self._text(size), flat)
        return changed


def ignore(statement: Insert) -> Insert:
    """Storing it again changes nothing."""
    return statement.on_conflict_do_nothing()


def replace(*key: str) -> Callable[[Insert], Insert]:
    """The newer row takes the place of the one with the same key."""

    def conflict(statement: Insert) -> Insert:
        others = {c.name: c for c in statement.excluded if c.name not in key}
        return statement.on_conflict_do_update(index_elements=list(key), set_=others)

    return conflict


def _up_to(largest: int) -> tuple[int, ...]:
    return tuple(size for size in _CHUNKS if size <= largest)


def chunks(count: int, sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(size, start) of pieces that make up `count`, the largest first."""
    start = 0
    for size in sizes:
        while count - start >= size:
            yield size, start
            start += size


def run(connection: Connection, text: str, parameters: Sequence[Any] = ()) -> int:
    """Run a statement that returns no rows; returns how many rows it changed."""
    changed: int = driver(connection).execute(text, parameters).rowcount
    return changed


def fetch(connection: Connection, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """All rows as plain tuples."""
    return cast("list[Row]", driver(connection).execute(text, parameters).fetchall())


def driver(connection: Connection) -> Any:
    """The driver's connection under SQLAlchemy's."""
    return connection.connection.driver_connection


class Lookups:
    """A SELECT ... WHERE column IN (values), for any number of values in few statements of fixed sizes.

    Args:
        build: makes the statement for a list of placeholders.
        attached: see `text_of`.
        largest: values of one statement at most.
    """

    def __init__(
        self, build: Callable[[list[BindParameter[Any]]], Select[Any]], *, attached: bool, largest: int = 64
    ) -> None:
        self._text = cache(lambda size: text_of(build(many("v", size)), attached=attached))
        self._chunks = _up_to(largest)

    def rows(self, connection: Connection, values: Sequence[Any]) -> list[Row]:
        """Rows of all values, piece by piece in the order of the values given."""
        found: list[Row] = []
        for size, start in chunks(len(values), self._chunks):
            found += fetch(connection, self._text(size), values[start : start + size])
        return found
