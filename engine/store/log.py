"""The Log of journal.db: entries appended in order, resends recognised, and both read back."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select

from engine.channel.ports import Appended, Entry, Kind, LetThrough, Received
from engine.errors import StoreRefused
from engine.store.bodies import Packer
from engine.store.dedupe import Dedupe, identified
from engine.store.resends import Resends, Same, hash_of_many, is_one_of_many, note, resend_of
from engine.store.rules import answer_of_released, answers_for
from engine.store.sql import ZERO, Inserts, Row, driver, fetch, limited, text_of
from engine.store.tables import entries
from engine.store.words import WordReader, WordWriter

_COLUMNS = (
    *("position", "received", "partition", "listener", "peer", "port", "charset", "kind", "answer", "flags"),
    *("encoding", "h", "sha256", "body"),
)
_INSERT = Inserts(entries, _COLUMNS, largest=1024)
_READ = tuple(entries.c[name] for name in _COLUMNS if name != "h")
_LAST = text_of(select(func.coalesce(func.max(entries.c.position), ZERO)))
_SCANNED = 4_096  # positions looked through by one statement of `find`

Words = tuple[str, str, str, str, str]  # listener, peer, charset, answer, flags
Numbers = tuple[int, int, int, int, int, int]  # of listener, host, port, charset, answer, flags
Kept = tuple[Received, int | None, bytes]  # with what it is found by (None: by nothing), and its sha256


class LogWriterSql:
    """Appends inside the transaction of its journal."""

    def __init__(self, connection: Connection, words: WordWriter, reader: WordReader, partitions: int) -> None:
        self._connection = connection
        self._words = words
        self._partitions = partitions
        self._packer = Packer()
        self.heavy = 0  # bytes of large bodies since somebody looked at the length of the log
        self.dedupe = Dedupe(connection)
        self._resends = Resends(connection, reader, self.dedupe)
        ((self._last,),) = fetch(connection, _LAST)
        self._committed = self._last

    def committed(self) -> None:
        self._committed = self._last
        self.dedupe.committed()

    def rolled_back(self) -> None:
        self._last = self._committed
        self.dedupe.rolled_back()

    def append(self, batch: Sequence[Received]) -> list[Appended]:
        """Append in order; of two equal ones in a batch the second is a duplicate as well."""
        hashes = [identified(r) if r.prepared is None else r.prepared.h for r in batch]
        digests = [hashlib.sha256(r.body).digest() if r.prepared is None else r.prepared.sha256 for r in batch]
        known = [h for h in hashes if h is not None]
        same = self._resends.earlier(known)
        if self._resends.releases and batch:
            self._resends.forget_releases(batch[0].received)
        if same or self._resends.releases or not _distinct(batch, hashes):
            kept, appended = self._sift(zip(batch, hashes, digests, strict=True), same)
        else:  # nothing is asked of each: thousands may come at once, and everybody else waits for them
            kept = list(zip(batch, hashes, digests, strict=True))
            self.dedupe.add(known, self._last + 1)
            appended = [Appended(n, duplicate=False, answer=r.answer) for n, r in enumerate(batch, self._last + 1)]
        _INSERT.run(self._connection, self._rows(kept))
        self._last += len(kept)
        return appended

    def processed(self, message: LetThrough, act: Received) -> int:
        """See engine.channel.ports.LogWriter."""
        return self._resends.processed(message, act)

    def _sift(self, batch: Iterable[Kept], same: dict[int, Same]) -> tuple[list[Kept], list[Appended]]:
        """What was not there before, and where each went."""
        resends = self._resends
        kept: list[Kept] = []
        appended = []
        for received, h, digest in batch:
            earlier = None if h is None else same.get(h)
            first, reused = resend_of(earlier, digest, received.received) if earlier else (None, False)
            place = received.listener, received.identity, digest
            if earlier and (first is None or first[3] == Kind.QUARANTINED):
                first = resends.among_many(*place, received.received) or first
            refused = first is not None and first[3] == Kind.QUARANTINED
            if resends.releases and (first is None or refused) and received.kind is not Kind.OPERATOR:
                release = resends.release(received, digest, refused=refused)
                if release:
                    appended.append(Appended(release, duplicate=True, answer=answer_of_released(received)))
                    continue
            if first is not None and answers_for(first[3], received):
                appended.append(Appended(first[0], duplicate=True, answer=first[2]))
                continue
            key = hash_of_many(*place) if earlier and is_one_of_many(earlier, received.received) else h
            kept.append((received, key, digest))
            position = self._last + len(kept)
            if h is not None and key is not None:
                note(same.setdefault(h, {}), digest, (position, received.received, received.answer, int(received.kind)))
                self.dedupe.add((key,), position)
                if received.kind is Kind.OPERATOR:
                    resends.note_release(h, received)
            reused = reused and first is None
            appended.append(Appended(position, duplicate=False, answer=received.answer, control_id_reused=reused))
        return kept, appended

    def _rows(self, kept: Sequence[Kept]) -> list[tuple[Any, ...]]:
        """The values of `_COLUMNS`."""
        known: dict[Words, Numbers] = {}  # of rows before, which in a batch are all the same
        rows = []
        for position, (r, h, digest) in enumerate(kept, self._last + 1):
            if not 0 <= r.partition < self._partitions:
                raise StoreRefused(f"partition {r.partition} of a journal that has {self._partitions}")
            words = (r.listener, r.peer, r.charset, r.answer, r.flags)
            numbers = known.get(words)
            if numbers is None:
                numbers = known[words] = self._numbers(*words)
            listener, host, port, charset, answer, flags = numbers
            if r.prepared is None:
                encoding, body = self._packer.pack(r.body)
            else:
                encoding, body, _, _ = r.prepared
                self.heavy += len(body)
            where = position, r.received, r.partition, listener, host, port
            rows.append((*where, charset, int(r.kind), answer, flags, encoding, h, digest, body))
        return rows

    def _numbers(self, listener: str, peer: str, charset: str, answer: str, flags: str) -> Numbers:
        word = self._words.number
        host, port = split_peer(peer)
        return word(listener), word(host), port, word(charset), word(answer), word(flags)


class LogReaderSql:
    """Reads entries, each method in statements of its own."""

    def __init__(self, connection: Connection, words: WordReader, partitions: int, *, attached: bool) -> None:
        self._connection = connection
        self._words = words
        self.partitions = partitions
        self._packer = Packer()
        after = select(*_READ).where(entries.c.position > bindparam("after")).order_by(entries.c.position)
        only = entries.c.partition == bindparam("partition")
        beyond_zero = entries.c.partition > ZERO  # what the index of partitions is made of
        self._all = text_of(limited(after), attached=attached)
        self._zero = text_of(limited(after.where(only)), attached=attached)
        self._other = text_of(limited(after.where(only, beyond_zero)), attached=attached)
        self._one = text_of(select(*_READ).where(entries.c.position == bindparam("position")), attached=attached)
        tail = select(func.coalesce(func.max(entries.c.position), ZERO))
        self._tail = text_of(tail, attached=attached)
        self._tail_zero = text_of(tail.where(only), attached=attached)
        self._tail_other = text_of(tail.where(only, beyond_zero), attached=attached)
        window = select(*_READ).where(
            entries.c.position > bindparam("after"),
            entries.c.position <= bindparam("upto"),
            or_(entries.c.encoding != ZERO, func.instr(entries.c.body, bindparam("text")) > ZERO),
        )
        self._window = text_of(limited(window.order_by(entries.c.position.desc())), attached=attached)

    def read(self, partition: int, after: int, limit: int, max_bytes: int) -> list[Entry]:
        parameters = (after, limit) if self.partitions == 1 else (after, partition, limit)
        statement = self._all if self.partitions == 1 else self._other if partition else self._zero
        cursor = driver(self._connection).execute(statement, parameters)
        found: list[Entry] = []
        size = 0
        for row in cursor:
            found.append(self._entry(row))
            size += len(found[-1].body)
            if size >= max_bytes:
                break
        cursor.close()
        return found

    def entry(self, position: int) -> Entry | None:
        found = fetch(self._connection, self._one, (position,))
        return self._entry(found[0]) if found else None

    def tails(self) -> dict[int, int]:
        if self.partitions == 1:
            ((tail,),) = fetch(self._connection, self._tail)
            return {0: tail}
        tails = {}
        for partition in range(self.partitions):
            statement = self._tail_other if partition else self._tail_zero
            ((tails[partition],),) = fetch(self._connection, statement, (partition,))
        return tails

    def find(self, after: int, text: bytes, limit: int) -> list[Entry]:
        ((upto,),) = fetch(self._connection, self._tail)
        found: list[Entry] = []
        while upto > after and len(found) < limit:
            below = max(after, upto - _SCANNED)
            rows = fetch(self._connection, self._window, (below, upto, text, _SCANNED))
            found += [entry for entry in map(self._entry, rows) if text in entry.body]
            upto = below
        return found[:limit]

    def _entry(self, row: Row) -> Entry:
        """A row of _READ as an entry."""
        position, received, partition, listener, host, port, charset, kind, answer, flags, encoding, digest, body = row
        word = self._words.word
        body = self._packer.unpack(encoding, body)
        peer = join_peer(word(host), port)
        flag_words = word(flags)
        return Entry(
            position,
            partition,
            word(listener),
            peer,
            received,
            body,
            word(charset),
            Kind(kind),
            word(answer),
            flag_words,
            digest,
        )


def _distinct(batch: Sequence[Received], hashes: Sequence[int | None]) -> bool:
    """Whether none of them can be a duplicate of another, and none is an act."""
    different = set(hashes)
    return None not in different and len(different) == len(hashes) and all(r.kind is not Kind.OPERATOR for r in batch)


def split_peer(peer: str) -> tuple[str, int]:
    """Host and port of `10.0.0.7:40312`, so that the host is one word whatever port it calls from; 0 = no port."""
    host, _, port = peer.rpartition(":")
    if port.isdecimal() and port.isascii() and port[0] != "0" and len(port) < 6:
        return host, int(port)
    return peer, 0


def join_peer(host: str, port: int) -> str:
    """The peer as it was before `split_peer`."""
    return f"{host}:{port}" if port else host
