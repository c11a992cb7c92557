"""What became of entries: outcomes, notes, search keys and synopses, found again by entry, order or key."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, literal_column, select

from engine.channel.ports import OutcomeNote, OutcomeRow, SearchKey
from engine.errors import StoreRefused
from engine.steps.draft import Shown, Synopsis
from engine.store.bodies import Packer
from engine.store.rules import SEARCH_KINDS
from engine.store.sql import Inserts, Lookups, Row, fetch, ignore, limited, many, replace, text_of
from engine.store.tables import notes, outcomes, search_keys, store_words, synopses
from engine.store.words import WordReader, WordWriter

_OUTCOME = tuple(outcomes.c.keys())
_OUTCOMES = Inserts(outcomes, _OUTCOME)
_NOTES = Inserts(notes, ("entry", "channel", "run", "cause", "kind", "text"))
_KEYS = Inserts(search_keys, ("kind", "value", "entry"), ignore)
_SYNOPSES = Inserts(synopses, ("order_number", "entry", "encoding", "body"), replace("order_number", "entry"))
_SMALL_JSON = 600  # bytes; longer synopses are compressed


class OutcomeWriter:
    """Writes inside the transaction of the commit."""

    def __init__(self, connection: Connection, words: WordWriter) -> None:
        self._connection = connection
        self._words = words
        self._packer = Packer(_SMALL_JSON)

    def outcomes(self, rows: Sequence[OutcomeRow]) -> None:
        word = self._words.number
        _OUTCOMES.run(
            self._connection,
            [
                (entry, word(channel), run, int(status), *map(word, texts), committed)
                for entry, channel, run, status, *texts, committed in rows
            ],
        )

    def notes(self, rows: Sequence[OutcomeNote]) -> None:
        word = self._words.number
        _NOTES.run(self._connection, [(n.entry, word(n.channel), n.run, n.cause, word(n.kind), n.text) for n in rows])

    def keys(self, keys: Sequence[SearchKey]) -> None:
        try:
            rows = sorted({(SEARCH_KINDS[kind], value, entry) for kind, value, entry in keys})
        except KeyError:
            raise StoreRefused("store refused: unknown kind of search key") from None
        _KEYS.run(self._connection, rows)

    def synopses(self, rows: Sequence[tuple[int, Synopsis]]) -> None:
        newest = {(synopsis.order, entry): synopsis for entry, synopsis in rows}
        _SYNOPSES.run(
            self._connection,
            [(*place, *self._packer.pack(_json_of(synopsis))) for place, synopsis in newest.items()],
        )


class OutcomeReader:
    """Reads on one connection; each method in statements of its own."""

    def __init__(self, connection: Connection, words: WordReader, *, attached: bool) -> None:
        self._connection = connection
        self._words = words
        self._attached = attached
        self._packer = Packer()
        self._outcomes = Lookups(
            lambda values: select(*outcomes.c).where(outcomes.c.entry.in_(values)), attached=attached
        )
        self._notes = Lookups(
            lambda values: select(*notes.c).where(notes.c.entry.in_(values)).order_by(notes.c.id), attached=attached
        )
        kept = select(synopses.c.entry, synopses.c.encoding, synopses.c.body).order_by(synopses.c.entry)
        self._synopses = text_of(kept.where(synopses.c.order_number == bindparam("order")), attached=attached)

    def outcomes(self, entries: Collection[int]) -> list[OutcomeRow]:
        """By entry, channel and run."""
        return sorted(map(self._outcome, self._outcomes.rows(self._connection, sorted(set(entries)))))

    def latest(self, *, before: int, limit: int, status: int | None) -> list[OutcomeRow]:
        """Newest first, and within an entry by channel and run; failed ones have an index of their own."""
        newest = (
            select(*outcomes.c)
            .join(store_words, store_words.c.id == outcomes.c.channel, isouter=True)
            .order_by(outcomes.c.entry.desc(), store_words.c.text, outcomes.c.run)
            .limit(limit)
        )
        if before:
            newest = newest.where(outcomes.c.entry < before)
        if status is not None:  # written out, since the index of failed ones holds `status = 3`
            newest = newest.where(outcomes.c.status == literal_column(str(int(status))))
        return [self._outcome(tuple(row)) for row in self._connection.execute(newest)]

    def notes(self, entries: Collection[int]) -> list[OutcomeNote]:
        """In the order in which they were attached."""
        word = self._words.word
        rows = sorted(self._notes.rows(self._connection, sorted(set(entries))))
        return [
            OutcomeNote(entry, word(channel), run, cause, word(kind), text)
            for _, entry, channel, run, cause, kind, text in rows
        ]

    def find(self, value: str, *, kind: str | None, limit: int) -> list[int]:
        kinds = list(SEARCH_KINDS.values()) if kind is None else [SEARCH_KINDS[k] for k in (kind,) if k in SEARCH_KINDS]
        if not kinds:
            return []
        found = (
            select(search_keys.c.entry)
            .where(search_keys.c.kind.in_(many("k", len(kinds))), search_keys.c.value == bindparam("value"))
            .group_by(search_keys.c.entry)
            .order_by(search_keys.c.entry.desc())
        )
        text = text_of(limited(found), attached=self._attached)
        return [entry for (entry,) in fetch(self._connection, text, (*kinds, value, limit))]

    def synopses(self, order: str) -> list[tuple[int, Synopsis]]:
        rows = fetch(self._connection, self._synopses, (order,))
        return [(entry, _synopsis_of(order, self._packer.unpack(encoding, body))) for entry, encoding, body in rows]

    def _outcome(self, row: Row) -> OutcomeRow:
        word = self._words.word
        entry, channel, run, status, *texts, committed = row
        step, path, reason, enrichment, flags, alerts, configuration = map(word, texts)
        return OutcomeRow(
            *(
                entry,
                word(channel),
                run,
                status,
                step,
                path,
                reason,
                enrichment,
                flags,
                alerts,
                configuration,
                committed,
            )
        )


def _json_of(synopsis: Synopsis) -> bytes:
    content: list[Any] = [[list(shown) for shown in synopsis.shown], synopsis.headline, synopsis.as_of]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _synopsis_of(order: str, body: bytes) -> Synopsis:
    shown, headline, as_of = json.loads(body)
    return Synopsis(order, tuple(Shown(*row) for row in shown), headline, as_of)
