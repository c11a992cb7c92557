"""What store.db knows of patients: facts, snapshots, identity events and coverage, read in few statements."""

from collections.abc import Collection
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, select

from engine.order.order import Order
from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent
from engine.store.sql import Lookups, fetch, text_of
from engine.store.tables import coverage, facts, identity, orders, snapshots

_BY_PATIENT = itemgetter(0)


class PatientReader:
    """Reads on one connection; each method in statements of its own."""

    def __init__(self, connection: Connection, *, attached: bool) -> None:
        self._connection = connection
        self._facts = Lookups(
            # the order is the primary key's, so SQLite reads neighbouring pages and sorts nothing
            lambda values: (
                select(*facts.c)
                .where(facts.c.patient.in_(values))
                .order_by(facts.c.patient, facts.c.entry, facts.c.run, facts.c.ordinal, facts.c.kind)
            ),
            attached=attached,
        )
        self._snapshots = Lookups(
            lambda values: select(*snapshots.c).where(snapshots.c.patient.in_(values)), attached=attached
        )
        self._events_a = Lookups(lambda values: select(*identity.c).where(identity.c.a.in_(values)), attached=attached)
        self._events_b = Lookups(lambda values: select(*identity.c).where(identity.c.b.in_(values)), attached=attached)
        self._orders = Lookups(lambda values: select(*orders.c).where(orders.c.number.in_(values)), attached=attached)
        self._coverage = text_of(select(*coverage.c), attached=attached)

    def facts(self, patients: Collection[str]) -> dict[str, list[Fact]]:
        rows = self._facts.rows(self._connection, sorted(set(patients)))
        return {patient: list(map(Fact._make, mine)) for patient, mine in groupby(rows, _BY_PATIENT)}

    def snapshots(self, patients: Collection[str]) -> dict[tuple[str, str, str], bytes]:
        rows = self._snapshots.rows(self._connection, list(set(patients)))
        return {(patient, kind, scope): digest for patient, kind, scope, digest in rows}

    def identity(self, keys: Collection[str]) -> list[IdentityEvent]:
        """Follow the events from identifier to identifier until nothing new is reached."""
        reached: set[str] = set()
        frontier = set(keys)
        events: dict[tuple[int, int, int], IdentityEvent] = {}
        while frontier:
            reached |= frontier
            wanted = list(frontier)
            rows = self._events_a.rows(self._connection, wanted) + self._events_b.rows(self._connection, wanted)
            found = [IdentityEvent._make(row) for row in rows]
            events.update((event[:3], event) for event in found)
            frontier = {key for event in found for key in (event.a, event.b)} - reached
        return [events[place] for place in sorted(events)]

    def orders(self, numbers: Collection[str]) -> dict[str, Order]:
        return {row[0]: Order._make(row) for row in self._orders.rows(self._connection, list(set(numbers)))}

    def coverage(self) -> dict[tuple[str, str], Span]:
        return {
            (kind, authority): Span(first, last)
            for kind, authority, first, last in fetch(self._connection, self._coverage)
        }
