"""The worker's transaction: everything that a batch of entries caused, and the cursor, in one commit (D5)."""

from collections.abc import Mapping, Sequence
from operator import itemgetter

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite.dml import Insert

from engine.channel.outcome import Status
from engine.channel.ports import Commit, Cursor, Deferred
from engine.errors import StoreBroken, StoreRefused
from engine.order.order import Order
from engine.patient.fact import Fact
from engine.store.outbox import OutboxWriter
from engine.store.outcomes import OutcomeWriter
from engine.store.sql import Inserts, Lookups, fetch, ignore, replace, run, text_of
from engine.store.tables import (
    coverage,
    cursors,
    deferred,
    facts,
    identity,
    order_lanes,
    orders,
    snapshots,
    store_commands,
    switches,
    totals,
)
from engine.store.words import WordWriter


def _widen(statement: Insert) -> Insert:
    seen = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["kind", "authority"],
        set_={"first": func.min(coverage.c.first, seen.first), "last": func.max(coverage.c.last, seen.last)},
    )


def _add_up(statement: Insert) -> Insert:
    return statement.on_conflict_do_update(
        index_elements=["name"], set_={"value": totals.c.value + statement.excluded.value}
    )


_FACTS = Inserts(facts, Fact._fields, ignore)
_FACT_PLACE = itemgetter(0, 1, 2, 3, 4)
_SNAPSHOTS = Inserts(snapshots, ("patient", "kind", "scope", "digest"), replace("patient", "kind", "scope"))
_IDENTITY = Inserts(identity, ("entry", "run", "ordinal", "event", "a", "b", "received"), ignore)
_ORDERS = Inserts(orders, Order._fields, replace("number"))
_KNOWN_ORDERS = Lookups(lambda values: select(orders.c.number).where(orders.c.number.in_(values)), attached=False)
_COVERAGE = Inserts(coverage, ("kind", "authority", "first", "last"), _widen)
_ORDER_LANES = Inserts(order_lanes, ("destination", "number", "lane"), replace("number", "destination"))
_TOTALS = Inserts(totals, ("name", "value"), _add_up)
_SWITCHES = Inserts(switches, ("name", "value"), replace("name"))
_COMMANDS = Inserts(store_commands, ("id",), ignore)
_JOBS = Inserts(deferred, ("entry", "channel", "job", "body", "charset", "options", "tries"))
_JOB_TRIED = text_of(update(deferred).values(tries=bindparam("now")).where(deferred.c.id == bindparam("job_id")))
_JOB_DONE = text_of(delete(deferred).where(deferred.c.id == bindparam("job_id")))
_CURSOR = ("name", "partition", "position", "state", "reason", "failures")
_NEW_CURSORS = Inserts(cursors, _CURSOR)
_CURSORS = text_of(select(*(cursors.c[name] for name in _CURSOR)).order_by(cursors.c.name, cursors.c.partition))
_MOVE = text_of(
    update(cursors)
    .values({name: bindparam(f"new_{name}") for name in _CURSOR[2:]})
    .where(
        cursors.c.name == bindparam("of"),
        cursors.c.partition == bindparam("number"),
        cursors.c.position == bindparam("known"),
    )
)


class CommitWriter:
    """Writes a Commit inside a transaction; knows where it left the cursors, and notices when somebody else moved one."""

    def __init__(self, connection: Connection, words: WordWriter) -> None:
        self._connection = connection
        self._outcomes = OutcomeWriter(connection, words)
        self._outbox = OutboxWriter(connection, words)
        self._positions = {(name, part): place for name, part, place, *_ in fetch(connection, _CURSORS)}

    def write(self, batch: Commit) -> None:
        """TRANSACTION: process. Everything here, or nothing."""
        self._move(batch.cursors)
        stored = self._patients(batch)
        stored["orders"] = self._orders(batch.orders)
        self._outcomes.outcomes(batch.outcomes)
        self._outcomes.notes(batch.notes)
        self._outcomes.keys(batch.keys)
        self._outcomes.synopses(batch.synopses)
        self._outbox.queue(batch.outgoing)
        _ORDER_LANES.run(self._connection, sorted(batch.order_lanes))
        self._jobs(batch.deferred, batch.deferred_done)
        _SWITCHES.run(self._connection, list(batch.switches.items()))
        _COMMANDS.run(self._connection, [(command,) for command in batch.commands])
        for outcome in batch.outcomes:
            name = Status(outcome.status).name.lower()
            stored[name] = stored.get(name, 0) + 1
        stored["outbox"] = len(batch.outgoing)
        stored["notes"] = len(batch.notes)
        self.count(stored)

    def committed(self, batch: Commit) -> None:
        """The transaction has ended well: this is where the cursors stand."""
        self._positions.update({(c.name, c.partition): c.position for c in batch.cursors})

    def trim(self, destination: str, lane: int, upto: int, limit: int) -> int:
        """Delete decided rows of a lane, inside a transaction."""
        gone = self._outbox.trim(destination, lane, upto, limit)
        self.count({"outbox": -gone})
        return gone

    def count(self, stored: Mapping[str, int]) -> None:
        _TOTALS.run(self._connection, [(name, value) for name, value in stored.items() if value])

    def _move(self, moved: Sequence[Cursor]) -> None:
        """Compare and set: a commit on top of another writer's is refused, whatever it holds."""
        for c in moved:
            known = self._positions.get((c.name, c.partition))
            if known is None:
                _NEW_CURSORS.run(self._connection, [c])
                continue
            if c.position < known:
                raise StoreRefused(f"cursor {c.name}/{c.partition} would move back")
            parameters = (c.position, c.state, c.reason, c.failures, c.name, c.partition, known)
            if run(self._connection, _MOVE, parameters) != 1:
                raise StoreBroken(f"cursor {c.name}/{c.partition} was moved by another writer")

    def _patients(self, batch: Commit) -> dict[str, int]:
        new = _FACTS.run(self._connection, sorted(batch.facts, key=_FACT_PLACE))
        _SNAPSHOTS.run(self._connection, [(*place, digest) for place, digest in batch.snapshots.items()])
        _IDENTITY.run(self._connection, batch.identity)
        _COVERAGE.run(self._connection, [(*place, *span) for place, span in batch.coverage.items()])
        return {"facts": new}

    def _orders(self, latest: Sequence[Order]) -> int:
        """Store the last state of each order; returns how many are new."""
        by_number = {order.number: order for order in latest}
        known = _KNOWN_ORDERS.rows(self._connection, list(by_number))
        _ORDERS.run(self._connection, [by_number[number] for number in sorted(by_number)])
        return len(by_number) - len(known)

    def _jobs(self, jobs: Sequence[Deferred], done: Sequence[int]) -> None:
        _JOBS.run(self._connection, [job[1:] for job in jobs if not job.id])
        for job in jobs:
            if job.id:
                run(self._connection, _JOB_TRIED, (job.tries, job.id))
        for number in done:
            run(self._connection, _JOB_DONE, (number,))
