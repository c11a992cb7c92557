"""The outbox of store.db: rows of a lane side by side, numbered without gaps in the commit that makes them (D7)."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, select

from engine.channel.ports import Outgoing, Queued
from engine.store.bodies import Packer
from engine.store.sql import Inserts, Lookups, Row, fetch, limited, replace, run, text_of
from engine.store.tables import SEQ_BITS, order_lanes, outbox, outbox_tail
from engine.store.words import WordReader, WordWriter

_COLUMNS = (
    *("place", "entry", "channel", "run", "supersedes", "configuration", "created", "encoding"),
    *("key", "control_id", "order_number", "body", "hold", "behind"),
)
_READ = tuple(outbox.c[name] for name in _COLUMNS)
_INSERT = Inserts(outbox, _COLUMNS)
_TAILS = Inserts(outbox_tail, ("id", "destination", "lane", "tail"), replace("id"))
_SEQ = (1 << SEQ_BITS) - 1
_KNOWN = text_of(select(outbox_tail.c.destination, outbox_tail.c.lane, outbox_tail.c.id, outbox_tail.c.tail))
_OLDEST = text_of(
    limited(
        select(outbox.c.place)
        .where(outbox.c.place > bindparam("first"), outbox.c.place <= bindparam("upto"))
        .order_by(outbox.c.place)
    )
)
_TRIM = text_of(delete(outbox).where(outbox.c.place > bindparam("first"), outbox.c.place <= bindparam("upto")))


class OutboxWriter:
    """Gives each delivery the next number of its lane, inside the transaction of the commit."""

    def __init__(self, connection: Connection, words: WordWriter) -> None:
        self._connection = connection
        self._words = words
        self._packer = Packer()

    def queue(self, outgoing: Sequence[Outgoing]) -> None:
        if not outgoing:
            return
        tails = {(destination, lane): [number, tail] for destination, lane, number, tail in self._tails()}
        rows = []
        word = self._words.number
        for o in outgoing:
            lane = tails.setdefault((o.destination, o.lane), [len(tails) + 1, 0])
            lane[1] += 1
            encoding, body = self._packer.pack(o.body)
            rows.append(
                (
                    *(
                        lane[0] << SEQ_BITS | lane[1],
                        o.entry,
                        word(o.channel),
                        o.run,
                        o.supersedes,
                        word(o.configuration),
                    ),
                    *(o.created, encoding, o.key, o.control_id, o.order, body, o.hold),
                    _behind(o, tails) if o.behind else "",
                )
            )
        used = {(o.destination, o.lane) for o in outgoing}
        _INSERT.run(self._connection, rows)
        _TAILS.run(self._connection, [(tails[place][0], *place, tails[place][1]) for place in sorted(used)])

    def trim(self, destination: str, lane: int, upto: int, limit: int) -> int:
        """Delete the oldest rows up to a number; returns how many."""
        number = {(d, n): i for d, n, i, _ in self._tails()}.get((destination, lane))
        if number is None:
            return 0
        first = number << SEQ_BITS
        places = fetch(self._connection, _OLDEST, (first, first | min(upto, _SEQ), limit))
        if places:
            run(self._connection, _TRIM, (first, places[-1][0]))
        return len(places)

    def _tails(self) -> list[Row]:
        return fetch(self._connection, _KNOWN)


class OutboxReader:
    """Reads deliveries; each method in statements of its own."""

    def __init__(self, connection: Connection, words: WordReader, *, attached: bool) -> None:
        self._connection = connection
        self._words = words
        self._packer = Packer()
        self._numbers: dict[tuple[str, int], int] = {}
        self._places: dict[int, tuple[str, int]] = {}
        self._tails = text_of(
            select(outbox_tail.c.destination, outbox_tail.c.lane, outbox_tail.c.id, outbox_tail.c.tail),
            attached=attached,
        )
        after = select(*_READ).where(outbox.c.place > bindparam("after"), outbox.c.place <= bindparam("end"))
        self._after = text_of(limited(after.order_by(outbox.c.place)), attached=attached)
        self._rows = Lookups(
            lambda values: select(*_READ).where(outbox.c.place.in_(values)).order_by(outbox.c.place), attached=attached
        )
        where = select(order_lanes.c.destination, order_lanes.c.number, order_lanes.c.lane)
        self._order_lanes = Lookups(lambda values: where.where(order_lanes.c.number.in_(values)), attached=attached)
        self._caused = Lookups(lambda values: select(*_READ).where(outbox.c.entry.in_(values)), attached=attached)

    def outbox(self, destination: str, lane: int, after: int, limit: int) -> list[Queued]:
        number = self._number((destination, lane))
        if number is None:
            return []
        first = number << SEQ_BITS
        rows = fetch(self._connection, self._after, (first | min(max(after, 0), _SEQ), first | _SEQ, limit))
        return [self._queued(row) for row in rows]

    def outbox_rows(self, destination: str, lane: int, seqs: Collection[int]) -> list[Queued]:
        number = self._number((destination, lane))
        if number is None:
            return []
        places = [number << SEQ_BITS | seq for seq in sorted(set(seqs)) if 0 < seq <= _SEQ]
        return [self._queued(row) for row in self._rows.rows(self._connection, places)]

    def outbox_tails(self) -> dict[tuple[str, int], int]:
        tails = {}
        for destination, lane, number, tail in fetch(self._connection, self._tails):
            place = destination, lane
            self._numbers[place] = number
            self._places[number] = place
            tails[place] = tail
        return tails

    def queued_for(self, entries: Collection[int]) -> list[Queued]:
        """Deliveries that these entries caused, by destination, lane and number."""
        return sorted(self._queued(row) for row in self._caused.rows(self._connection, sorted(set(entries))))

    def order_lanes(self, numbers: Collection[str]) -> dict[tuple[str, str], int]:
        rows = self._order_lanes.rows(self._connection, sorted(set(numbers)))
        return {(destination, number): lane for destination, number, lane in rows}

    def _number(self, place: tuple[str, int]) -> int | None:
        if place not in self._numbers:
            self.outbox_tails()
        return self._numbers.get(place)

    def _queued(self, row: Row) -> Queued:
        (
            place,
            entry,
            channel,
            run,
            supersedes,
            configuration,
            created,
            encoding,
            key,
            control_id,
            order,
            body,
            hold,
            behind,
        ) = row
        if place >> SEQ_BITS not in self._places:
            self.outbox_tails()
        destination, lane = self._places[place >> SEQ_BITS]
        seq = place & _SEQ
        body = self._packer.unpack(encoding, body)
        words = self._words.word(channel), self._words.word(configuration)
        return Queued(
            *(
                destination,
                lane,
                seq,
                key,
                body,
                control_id,
                entry,
                words[0],
                run,
                order,
                supersedes,
                words[1],
                created,
            ),
            hold,
            _places(behind) if behind else (),
        )


def _behind(outgoing: Outgoing, tails: Mapping[tuple[str, int], Sequence[int]]) -> str:
    """Where the other lanes end now; tails are (id, tail)."""
    ends = ((lane, tails.get((outgoing.destination, lane), (0, 0))[1]) for lane in outgoing.behind)
    return " ".join(f"{lane}:{tail}" for lane, tail in ends if tail)


def _places(text: str) -> tuple[tuple[int, int], ...]:
    places = (place.split(":") for place in text.split(" "))
    return tuple((int(lane), int(seq)) for lane, seq in places)
