"""store.db in memory: facts, identity, orders, outcomes, outbox and cursors, committed whole or not at all."""

from collections.abc import Collection, Iterable, Iterator

from engine.channel.outcome import Status
from engine.channel.ports import (
    Commit,
    Cursor,
    Deferred,
    OutcomeNote,
    OutcomeRow,
    Outgoing,
    Queued,
)
from engine.errors import StoreRefused
from engine.order.order import Order
from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent
from engine.steps.draft import Synopsis
from engine.store.rules import SEARCH_KINDS, refuse_unstorable


class MemoryStore:
    """Everything that `open_store` gives, without a file; one object is both the writer and the reader."""

    def __init__(self) -> None:
        self._cursors: dict[tuple[str, int], Cursor] = {}
        self._facts: dict[str, dict[tuple[int, int, int, str], Fact]] = {}
        self._snapshots: dict[tuple[str, str, str], bytes] = {}
        self._identity: dict[tuple[int, int, int], IdentityEvent] = {}
        self._orders: dict[str, Order] = {}
        self._outcomes: dict[tuple[int, str, int], OutcomeRow] = {}
        self._notes: list[OutcomeNote] = []
        self._keys: dict[str, dict[tuple[str, int], None]] = {}  # by value: (kind, entry)
        self._outbox: dict[tuple[str, int], dict[int, Queued]] = {}
        self._tails: dict[tuple[str, int], int] = {}
        self._synopses: dict[str, dict[int, Synopsis]] = {}
        self._deferred: dict[int, Deferred] = {}
        self._last_job = 0
        self._coverage: dict[tuple[str, str], Span] = {}
        self._switches: dict[str, str] = {}
        self._commands: set[str] = set()
        self._order_lanes: dict[tuple[str, str], int] = {}

    # writer

    def commit(self, batch: Commit) -> None:
        """Keep everything or nothing: what could fail is looked at first."""
        refuse_unstorable(_rows(batch))
        self._refuse_moved(batch.cursors)
        outcomes = {(row.entry, row.channel, row.run): row for row in batch.outcomes}
        if len(outcomes) < len(batch.outcomes) or not self._outcomes.keys().isdisjoint(outcomes):
            raise StoreRefused("store refused: an outcome of this entry, channel and run is there already")
        if not SEARCH_KINDS.keys() >= {key.kind for key in batch.keys}:
            raise StoreRefused("store refused: unknown kind of search key")
        self._keep_patients(batch)
        self._outcomes.update(outcomes)
        self._notes.extend(batch.notes)
        for key in batch.keys:
            self._keys.setdefault(key.value, {})[key.kind, key.entry] = None
        for outgoing in batch.outgoing:
            self._queue(outgoing)
        self._order_lanes.update(((row.destination, row.number), row.lane) for row in batch.order_lanes)
        self._keep_jobs(batch)
        self._switches.update(batch.switches)
        self._commands.update(batch.commands)
        self._cursors.update({(cursor.name, cursor.partition): cursor for cursor in batch.cursors})

    def _refuse_moved(self, cursors: Iterable[Cursor]) -> None:
        for cursor in cursors:
            known = self._cursors.get((cursor.name, cursor.partition))
            if known is not None and cursor.position < known.position:
                raise StoreRefused(f"cursor {cursor.name}/{cursor.partition} would move back")

    def _keep_patients(self, batch: Commit) -> None:
        for fact in batch.facts:
            self._facts.setdefault(fact.patient, {}).setdefault(fact[1:5], fact)
        self._snapshots.update(batch.snapshots)
        for event in batch.identity:
            self._identity.setdefault(event[:3], event)
        self._orders.update((order.number, order) for order in batch.orders)
        for entry, synopsis in batch.synopses:
            self._synopses.setdefault(synopsis.order, {})[entry] = synopsis
        for place, span in batch.coverage.items():
            known = self._coverage.get(place, span)
            self._coverage[place] = Span(min(known.first, span.first), max(known.last, span.last))

    def _queue(self, outgoing: Outgoing) -> None:
        o = outgoing
        seq = self._tails.get((o.destination, o.lane), 0) + 1
        self._tails[o.destination, o.lane] = seq
        self._outbox.setdefault((o.destination, o.lane), {})[seq] = Queued(
            *(o.destination, o.lane, seq, o.key, o.body, o.control_id, o.entry, o.channel, o.run),
            *(o.order, o.supersedes, o.configuration, o.created, o.hold),
            tuple((lane, tail) for lane in o.behind if (tail := self._tails.get((o.destination, lane), 0))),
        )

    def _keep_jobs(self, batch: Commit) -> None:
        for job in batch.deferred:
            if job.id:
                if job.id in self._deferred:
                    self._deferred[job.id] = self._deferred[job.id]._replace(tries=job.tries)
            else:
                self._last_job += 1
                self._deferred[self._last_job] = job._replace(id=self._last_job)
        for done in batch.deferred_done:
            self._deferred.pop(done, None)

    def trim_outbox(self, destination: str, lane: int, upto: int, limit: int) -> int:
        rows = self._outbox.get((destination, lane), {})
        gone = [seq for seq in sorted(rows) if seq <= upto][:limit]
        for seq in gone:
            del rows[seq]
        return len(gone)

    # reader

    def cursors(self) -> list[Cursor]:
        return [self._cursors[place] for place in sorted(self._cursors)]

    def facts(self, patients: Collection[str]) -> dict[str, list[Fact]]:
        return {p: [self._facts[p][place] for place in sorted(self._facts[p])] for p in patients if p in self._facts}

    def identity(self, keys: Collection[str]) -> list[IdentityEvent]:
        reached = set(keys)
        known = -1
        while len(reached) > known:
            known = len(reached)
            for event in self._identity.values():
                if event.a in reached or event.b in reached:
                    reached.update((event.a, event.b))
        return [e for _, e in sorted(self._identity.items()) if e.a in reached or e.b in reached]

    def snapshots(self, patients: Collection[str]) -> dict[tuple[str, str, str], bytes]:
        wanted = set(patients)
        return {place: digest for place, digest in self._snapshots.items() if place[0] in wanted}

    def orders(self, numbers: Collection[str]) -> dict[str, Order]:
        return {number: self._orders[number] for number in numbers if number in self._orders}

    def coverage(self) -> dict[tuple[str, str], Span]:
        return dict(self._coverage)

    def switches(self) -> dict[str, str]:
        return dict(self._switches)

    def outbox(self, destination: str, lane: int, after: int, limit: int) -> list[Queued]:
        rows = self._outbox.get((destination, lane), {})
        return [rows[seq] for seq in sorted(rows) if seq > after][:limit]

    def outbox_rows(self, destination: str, lane: int, seqs: Collection[int]) -> list[Queued]:
        rows = self._outbox.get((destination, lane), {})
        return [rows[seq] for seq in sorted(set(seqs)) if seq in rows]

    def outbox_tails(self) -> dict[tuple[str, int], int]:
        return dict(self._tails)

    def queued_for(self, entries: Collection[int]) -> list[Queued]:
        wanted = set(entries)
        lanes = (self._outbox[place] for place in sorted(self._outbox))
        return [rows[seq] for rows in lanes for seq in sorted(rows) if rows[seq].entry in wanted]

    def order_lanes(self, numbers: Collection[str]) -> dict[tuple[str, str], int]:
        wanted = set(numbers)
        return {place: lane for place, lane in self._order_lanes.items() if place[1] in wanted}

    def outcomes(self, entries: Collection[int]) -> list[OutcomeRow]:
        wanted = set(entries)
        return [row for place, row in sorted(self._outcomes.items()) if place[0] in wanted]

    def latest(self, *, before: int, limit: int, status: int | None = None) -> list[OutcomeRow]:
        newest = sorted(self._outcomes.values(), key=lambda row: (-row.entry, row.channel, row.run))
        return [r for r in newest if (not before or r.entry < before) and status in (None, r.status)][:limit]

    def notes(self, entries: Collection[int]) -> list[OutcomeNote]:
        wanted = set(entries)
        return [note for note in self._notes if note.entry in wanted]

    def find(self, value: str, *, kind: str | None = None, limit: int = 100) -> list[int]:
        found = {entry for known, entry in self._keys.get(value, {}) if kind in (None, known)}
        return sorted(found, reverse=True)[:limit]

    def synopses(self, order: str) -> list[tuple[int, Synopsis]]:
        return sorted(self._synopses.get(order, {}).items())

    def deferred(self, limit: int) -> list[Deferred]:
        return [self._deferred[job] for job in sorted(self._deferred)][:limit]

    def counts(self) -> dict[str, int]:
        counts = {status.name.lower(): 0 for status in Status if status}
        for row in self._outcomes.values():
            counts[Status(row.status).name.lower()] += 1
        counts["facts"] = sum(map(len, self._facts.values()))
        counts["orders"] = len(self._orders)
        counts["outbox"] = sum(map(len, self._outbox.values()))
        counts["notes"] = len(self._notes)
        return counts

    # both

    def command_done(self, command_id: str) -> bool:
        return command_id in self._commands

    def close(self) -> None:
        """Nothing to close."""

    def checkpoint(self) -> None:
        """Nothing to keep up."""


def _rows(batch: Commit) -> Iterator[Iterable[object]]:
    """Every row of a commit as values, for the look at what cannot be stored."""
    for part in (batch.cursors, batch.facts, batch.identity, batch.orders, batch.outcomes, batch.keys, batch.outgoing):
        yield from part
    yield from batch.order_lanes
    yield from batch.deferred
    yield from batch.notes
    yield from batch.snapshots
    yield from batch.coverage
    yield from batch.coverage.values()
    yield from batch.switches.items()
    yield batch.commands
    for entry, synopsis in batch.synopses:
        yield entry, synopsis.order, synopsis.headline, synopsis.as_of
        yield from synopsis.shown
