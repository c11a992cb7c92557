"""Finding entries by keys, status and channel, newest first, also those the worker has not reached (D5)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from engine.channel.answer_words import told
from engine.channel.control_ids import SENT
from engine.channel.outcome import Status
from engine.channel.ports import LIVE, Decision, Entry, Kind, OutcomeNote, OutcomeRow, SearchKey
from engine.channel.refused import read_refused, refused_keys
from engine.channel.search_keys import search_keys
from engine.cli.console import moment, printable
from engine.cli.deliveries import Delivery, deliveries, delivery_record
from engine.cli.quarantine import shown, state
from engine.cli.site import Readers
from engine.errors import ConfigError, Unreadable
from engine.hl7.printable import printable as as_key
from engine.hl7.received import message_of

_Row = TypeVar("_Row", OutcomeRow, OutcomeNote)
_WINDOW = 100  # entries looked at together
_LOOKED_AT = 20_000  # entries looked at for one page
_FOUND = 1000  # entries of one key
_WAITING = ("QUEUED", "HELD", "PARKED")  # of deliveries
_DECIDED = ("SENT", "FAILED", "SKIPPED")  # of deliveries as well; FAILED is one of outcomes, too
_QUARANTINED = Kind.QUARANTINED.name


class Criteria(NamedTuple):
    """What is looked for; "" is anything."""

    patient: str = ""
    accession: str = ""
    control_id: str = ""
    status: str = ""
    channel: str = ""
    before: int = 0  # positions below this; 0 = from the newest
    limit: int = 20

    def __repr__(self) -> str:
        return f"Criteria(status={self.status!r}, channel={self.channel!r}, before={self.before}, limit={self.limit})"

    @property
    def keys(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(value, kinds of search key it may have) for each identifier asked for."""
        pairs = (
            (self.patient, ("patient",)),
            (self.accession, ("accession", "filler", "placer")),
            (self.control_id, ("control_id", SENT)),
        )
        return tuple(pair for pair in pairs if pair[0])


class Found(NamedTuple):
    """A page: rows for the table, whether there is more, and the position to go on below."""

    rows: list[list[str]]
    more: bool
    reached: int
    deliveries: Sequence[list[dict[str, Any]]] = ()  # of each row, for programs

    def __repr__(self) -> str:
        return f"Found({len(self.rows)} rows, more={self.more}, reached={self.reached})"


def search(readers: Readers, criteria: Criteria) -> Found:
    """One page of entries that meet all criteria; raises ConfigError for a status that is none."""
    known = tuple(dict.fromkeys((*Status.__members__, _QUARANTINED, *_WAITING, *_DECIDED)))
    if criteria.status and criteria.status not in known:
        raise ConfigError(f"{criteria.status!r} is no status; there are {', '.join(known)}")
    rows: list[list[str]] = []
    records: list[list[dict[str, Any]]] = []
    looked_at, reached = 0, criteria.before
    for window in _windows(_positions(readers, criteria)):
        entries = {position: readers.journal.entry(position) for position in window}
        outcomes = _by_entry(readers.store.outcomes(window))
        notes = _by_entry(readers.store.notes(window))
        sent = deliveries(readers, window)
        for position in window:
            reached, looked_at = position, looked_at + 1
            entry = entries[position]
            if entry is not None and _admits(criteria, entry, outcomes.get(position, []), sent[position]):
                row = _row(shown(entry), outcomes.get(position, []), sent[position], notes.get(position, []))
                rows.append(row)
                records.append([delivery_record(one) for one in sent[position]])
            if len(rows) >= criteria.limit or looked_at >= _LOOKED_AT:
                return Found(rows, position > 1, reached, records)
    return Found(rows, more=False, reached=reached, deliveries=records)


def _positions(readers: Readers, criteria: Criteria) -> Iterator[int]:
    """Positions that may meet the criteria, newest first."""
    if criteria.keys:
        found = [_with_key(readers, value, kinds) for value, kinds in criteria.keys]
        hits = set.intersection(*found)
        yield from sorted((hit for hit in hits if not criteria.before or hit < criteria.before), reverse=True)
        return
    newest = max(readers.journal.tails().values(), default=0)
    top = min(newest, criteria.before - 1) if criteria.before else newest
    if criteria.status in _WAITING:
        waiting = _undelivered(readers, parked=criteria.status == "PARKED")
        yield from sorted((entry for entry in waiting if entry <= top), reverse=True)
    elif criteria.status in {"FAILED", "SKIPPED"}:
        yield from _failed_or_skipped(readers, top, criteria.status)
    elif criteria.status in {"", "RECEIVED", "SENT"}:
        lowest = _processed(readers) if criteria.status == "RECEIVED" else 0
        yield from range(top, lowest, -1)
    elif criteria.status == _QUARANTINED:
        processed = _processed(readers)
        yield from range(top, processed, -1)
        yield from _with_status(readers, min(top, processed) + 1, Status.FAILED)
    else:
        yield from _with_status(readers, top + 1, Status[criteria.status])


def _with_status(readers: Readers, before: int, status: Status) -> Iterator[int]:
    """Entries with an outcome of this status; a page of rows may end inside an entry, so it is asked for again."""
    last = 0
    while rows := readers.store.latest(before=before, limit=_WINDOW, status=status):
        for row in rows:
            if row.entry != last:
                last = row.entry
                yield last
        before = last


def _failed_or_skipped(readers: Readers, top: int, status: str) -> list[int]:
    """Entries with such a delivery, or such an outcome."""
    wanted: dict[tuple[str, int], list[int]] = {}
    for one in readers.journal.latest_attempts(Decision[status], 0, _LOOKED_AT):
        wanted.setdefault((one.destination, one.lane), []).append(one.seq)
    delivered = {row.entry for place, seqs in wanted.items() for row in readers.store.outbox_rows(*place, seqs)}
    found = {entry for entry in delivered if entry <= top}
    if status in Status.__members__:
        found.update(islice(_with_status(readers, top + 1, Status[status]), _LOOKED_AT))
    return sorted(found, reverse=True)


def _undelivered(readers: Readers, *, parked: bool) -> set[int]:
    """Entries with a delivery that is set aside, or of those that wait in a lane the newest."""
    wanted: dict[tuple[str, int], list[int]] = {}
    if parked:
        for row in readers.journal.parked():
            wanted.setdefault((row.destination, row.lane), []).append(row.seq)
    else:
        done = {(lane.destination, lane.lane): lane.done for lane in readers.journal.lanes()}
        for place, tail in readers.store.outbox_tails().items():
            wanted[place] = list(range(max(done.get(place, 0), tail - _LOOKED_AT) + 1, tail + 1))
    return {row.entry for place, seqs in wanted.items() for row in readers.store.outbox_rows(*place, seqs)}


def _with_key(readers: Readers, value: str, kinds: tuple[str, ...]) -> set[int]:
    """Entries with the key: from the store what is processed, from the journal what is not."""
    key_value = as_key(value)
    hits = {entry for kind in kinds for entry in readers.store.find(key_value, kind=kind, limit=_FOUND)}
    for entry in readers.journal.find(_processed(readers), value.encode(), _FOUND):
        if any(key.kind in kinds and key.value == key_value for key in _keys_of(entry)):
            hits.add(entry.position)
    return hits


def _keys_of(entry: Entry) -> list[SearchKey]:
    try:
        if entry.kind is Kind.QUARANTINED:
            return list(refused_keys(read_refused(entry.body, entry.charset), entry.position))
        return search_keys(message_of(entry.body, entry.charset), entry.position)
    except Unreadable:
        return []


def _processed(readers: Readers) -> int:
    """Position up to which the worker has seen everything."""
    return min((cursor.position for cursor in readers.store.cursors() if cursor.name == LIVE), default=0)


def _windows(positions: Iterator[int]) -> Iterator[list[int]]:
    while window := list(islice(positions, _WINDOW)):
        yield window


def _by_entry(rows: Iterable[_Row]) -> dict[int, list[_Row]]:
    grouped: dict[int, list[_Row]] = {}
    for row in rows:
        grouped.setdefault(row.entry, []).append(row)
    return grouped


def _admits(criteria: Criteria, entry: Entry, outcomes: list[OutcomeRow], sent: list[Delivery]) -> bool:
    if criteria.status == "RECEIVED":
        return not outcomes
    if criteria.status == _QUARANTINED:
        return entry.kind is Kind.QUARANTINED and not criteria.channel
    status = criteria.status
    if status in {*_WAITING, *_DECIDED}:
        named = criteria.channel
        if any(one.status == status and (not named or one.row.channel == named) for one in sent):
            return True
        if status not in Status.__members__:
            return False
    return not (status or criteria.channel) or any(
        (not status or row.status == Status[status]) and (not criteria.channel or row.channel == criteria.channel)
        for row in outcomes
    )


def _row(entry: Entry, outcomes: list[OutcomeRow], sent: list[Delivery], notes: list[OutcomeNote]) -> list[str]:
    kind, control_id = named(entry)
    words = [f"{row.channel or '(no channel)'} {Status(row.status).name}" for row in outcomes] or ["RECEIVED"]
    if entry.kind is Kind.QUARANTINED:
        words = [state(entry, notes)]
    return [
        str(entry.position),
        moment(entry.received)[:23],
        entry.listener,
        kind,
        control_id,
        ", ".join(words),
        ", ".join(map(_delivered, sent)) or "-",
    ]


def _delivered(delivery: Delivery) -> str:
    why = delivery.waits
    if delivery.status in {"FAILED", "SKIPPED"}:
        why = told(delivery.attempts[-1].answer)
    return f"{delivery.row.destination} {delivery.status}" + (f" ({printable(why)})" if why else "")


def named(entry: Entry) -> tuple[str, str]:
    """MSH-9 and MSH-10 of an entry, fit for a terminal; of what cannot be read, `unreadable`."""
    try:
        if entry.kind is Kind.QUARANTINED:
            refused = read_refused(entry.body, entry.charset)
            own = refused.control_id.decode("utf-8", "backslashreplace")
            return printable(refused.type[:15]) or "damaged", printable(own)[:50] or "-"
        header = message_of(entry.body, entry.charset).segments[0]
        kind, control_id = header.get(9) or "", header.get(10) or ""
    except Unreadable:
        return "unreadable", "-"
    return printable(kind[:15]) or "-", printable(control_id)[:50] or "-"
