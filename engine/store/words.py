"""Words that repeat, stored once and named by number; 0 is the empty word and has no row."""

from sqlalchemy import Connection, Table, bindparam, func, select

from engine.store.sql import ZERO, Inserts, fetch, text_of

_REMEMBERED = 20_000  # words kept in memory; beyond it they are looked up again


class WordReader:
    """Numbers back to words. A word is committed with or before the first row that names it."""

    def __init__(self, connection: Connection, table: Table, *, attached: bool) -> None:
        self._connection = connection
        self._words: dict[int, str] = {0: ""}
        self._one = text_of(select(table.c.text).where(table.c.id == bindparam("id")), attached=attached)

    def word(self, number: int) -> str:
        """The word of a number that a row names."""
        word = self._words.get(number)
        return word if word is not None else self._look_up(number)

    def _look_up(self, number: int) -> str:
        if len(self._words) > _REMEMBERED:
            self._words = {0: ""}
        ((word,),) = fetch(self._connection, self._one, (number,))
        self._words[number] = str(word)
        return str(word)


class WordWriter:
    """Words to numbers, inside a transaction; new words become rows of it."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {"": 0}
        self._new: list[str] = []
        self._id = text_of(select(table.c.id).where(table.c.text == bindparam("text")))
        self._highest = text_of(select(func.coalesce(func.max(table.c.id), ZERO)))
        self._insert = Inserts(table, ("id", "text"))

    def number(self, word: str) -> int:
        """The number under which rows of this transaction name the word."""
        known = self._numbers.get(word)
        return known if known is not None else self._look_up(word)

    def _look_up(self, word: str) -> int:
        found = fetch(self._connection, self._id, (word,))
        if found:
            number: int = found[0][0]
        else:
            ((highest,),) = fetch(self._connection, self._highest)
            number = highest + 1
            self._insert.run(self._connection, [(number, word)])
        self._numbers[word] = number
        self._new.append(word)
        return number

    def committed(self) -> None:
        """The transaction has ended well: its words are known from now on."""
        self._new.clear()
        if len(self._numbers) > _REMEMBERED:
            self._numbers = {"": 0}

    def rolled_back(self) -> None:
        """The transaction left nothing: neither did its words."""
        for word in self._new:
            self._numbers.pop(word, None)
        self._new.clear()
