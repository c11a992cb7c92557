"""A batch in memory: every entry through its channels in order, effects of the earlier visible to the later (D5).

Running channels is pure, so a batch can be run again: that is how an order whose accession turns out to belong to
another patient is taken out. Long because the ways an entry can go stand side by side.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.channel import operator_acts
from engine.channel.contexts import Patients, changed
from engine.channel.control_ids import SENT, may_be_ours
from engine.channel.lane_choice import LaneChoice, parking_key
from engine.channel.outcome import Outcome, Status
from engine.channel.outgoing import Cause, outgoing
from engine.channel.overlay import Overlay
from engine.channel.ports import (
    LIVE,
    STOPPED,
    Commit,
    Cursor,
    Entry,
    Kind,
    OutcomeNote,
    OutcomeRow,
    SearchKey,
    StoreReader,
)
from engine.channel.read_entry import ReadEntry, read_entry
from engine.channel.routes import Route
from engine.channel.run import run
from engine.hl7.message import Message
from engine.order.lifecycle import settle
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage
from engine.steps.draft import Alert, KeepOrder

if TYPE_CHECKING:
    from engine.channel.process import State
    from engine.order.order import Order

NOBODY = PatientContext.of(frozenset(), (), Coverage({}))
REFUSED = "store_refused"  # the alert of an entry whose effects the store did not take
NO_CHANNEL = "no channel accepts it"
NOT_SENT = Alert("not_sent", "a message for a destination failed in its channel, and does not leave")
OTHER_PATIENT = "the accession belongs to an order of another patient"


class Done(NamedTuple):
    """An outcome, and what a log line says about it beside the row."""

    row: OutcomeRow
    listener: str
    control_id: bytes  # as it stands in MSH-10
    alerts: tuple[Alert, ...]

    def __repr__(self) -> str:
        return f"Done({self.row.entry}, {self.row.channel!r}, {self.row.status})"


class Batch:
    """The rows that a batch of entries caused, and what became of its channels."""

    def __init__(
        self,
        state: "State",
        store: StoreReader,
        now: int,
        elapsed: Callable[[], float],
        partition: int,
        *,
        enrich: bool,
        lead: str,
    ) -> None:
        self._state = state
        self._store = store
        self._now = now
        self._elapsed = elapsed
        self._enrich = enrich and state.enrich
        self._spans = dict(state.spans)
        self._patients = Patients(store, self._spans, state.delayed_since)
        self._lead = lead
        self._stopped = {cursor.name for cursor in state.behind() if cursor.partition == partition} - {lead}
        self._overlay = Overlay(self._patients, store)
        self._lanes = LaneChoice(store)
        self._settled: dict[str, Order] = {}  # what to keep of each order, given what is stored of it
        self.failures = dict(state.failures)
        self.done: list[Done] = []
        self.stopped: tuple[Cursor, ...] = ()

    @classmethod
    def run(
        cls,
        state: "State",
        store: StoreReader,
        entries: Sequence[Entry],
        now: int,
        elapsed: Callable[[], float],
        *,
        enrich: bool = True,
        lead: str = LIVE,
    ) -> "Batch":
        """Run the channels over the entries; again without the orders that belong to somebody else.

        `lead` is the channel that runs alone to catch up, or the live cursor, with which all others run.
        """
        foreign: frozenset[int] = frozenset()
        while True:
            batch = cls(state, store, now, elapsed, entries[0].partition, enrich=enrich, lead=lead)
            batch._run(entries, foreign)
            found = batch._foreign_orders() - foreign
            if not found:
                return batch
            foreign |= found

    def commit(self, cursors: tuple[Cursor, ...]) -> Commit:
        """Everything as one commit."""
        overlay = self._overlay
        return Commit(
            cursors=cursors,
            facts=overlay.facts,
            snapshots=overlay.snapshots,
            identity=overlay.identity,
            orders=tuple(self._settled.values()),
            outcomes=[done.row for done in self.done],
            keys=overlay.keys,
            outgoing=overlay.outgoing,
            synopses=overlay.synopses,
            deferred=overlay.deferred,
            coverage=changed(self._state.spans, self._spans),
            notes=overlay.notes,
            order_lanes=self._lanes.rows,
        )

    def only_what_leaves(self, cursor: Cursor, reason: str) -> Commit | None:
        """The deliveries and outcomes without anything to keep, as an alert with its reason; None where nothing leaves."""
        if not self._overlay.outgoing:
            return None
        rows = [
            done.row._replace(reason=reason, alerts=f"{done.row.alerts} {REFUSED}".strip(), enrichment="failed")
            for done in self.done
        ]
        kept = self._overlay
        # a note says that a release is done: without it the order could be released again
        return Commit(
            cursors=(cursor,),
            outcomes=rows,
            outgoing=kept.outgoing,
            notes=kept.notes,
            order_lanes=self._lanes.rows,
        )

    def _run(self, entries: Sequence[Entry], foreign: Collection[int]) -> None:
        prepared = [read_entry(self._state.routes, entry) for entry in entries]
        self._load(prepared)
        for one in prepared:
            if self._lead == LIVE:
                self._overlay.keys += one.keys
            self._entry(one, one.entry.position in foreign)

    def _load(self, prepared: Iterable[ReadEntry]) -> None:
        asked: set[str] = set()
        wanted: set[str] = set()
        patients: set[str] = set()
        for one in prepared:
            asked.update(key for pair in one.who.linked for key in pair)
            if one.who.key and one.routes:
                patients.add(one.who.key)
                if any(route.needs_context for route in one.routes):
                    wanted.add(one.who.key)
        self._patients.load_identity(asked | wanted)
        self._patients.load_facts(wanted)
        self._overlay.load_digests(patients)

    def _entry(self, one: ReadEntry, foreign: bool) -> None:  # noqa: FBT001 - whether this entry's order is another patient's
        entry = one.entry
        if self._lead != LIVE and (one.message is None or not one.routes):
            return  # the live cursor has said what became of it
        if one.act is not None and not self._acted(one, one.act):
            return
        if entry.kind is Kind.OPERATOR:
            self._row(one, _nowhere(Status.TRANSFORMED, "note"))
        elif one.message is None:
            self._row(one, _nowhere(Status.FAILED, one.problem))
        elif not one.routes:
            self._row(one, _nowhere(Status.FILTERED, NO_CHANNEL))
        else:
            for route in one.routes:
                if self._lead in {LIVE, route.name} and route.name not in self._stopped:
                    self._channel(one, one.message, route, foreign)

    def _acted(self, one: ReadEntry, act: OutcomeNote | str) -> bool:
        """Keep the note of an operator's act; returns whether there is an act that was not done before."""
        live = self._lead == LIVE
        if isinstance(act, str):
            self._row(one, _nowhere(Status.FAILED, act))
            return False
        if act.kind in operator_acts.ONCE and self._done_before(act):
            if live:
                self._row(one, _nowhere(Status.FILTERED, f"entry {act.entry} was {act.kind} before"))
            return False
        if live:
            self._overlay.notes.append(act)
        return True

    def _done_before(self, act: OutcomeNote) -> bool:
        earlier = [*self._store.notes([act.entry]), *self._overlay.notes]
        same = (act.entry, act.kind, act.text)
        return any((note.entry, note.kind, note.text) == same and note.cause < act.cause for note in earlier)

    def _context(self, key: str) -> PatientContext:
        """What is known of the patient; a message that names nobody has a context without a fact."""
        return self._patients.context(key) if key else NOBODY

    def _channel(self, one: ReadEntry, message: Message, route: Route, foreign: bool) -> None:  # noqa: FBT001 - as above
        context = self._context(one.who.key) if route.needs_context else None
        origin = one.feed.origin._replace(
            position=one.entry.position, received=one.entry.received, own=self._is_own(one.control_id)
        )
        outcome = run(
            *(route.channel, message, context, self._state.routes.site.mappings, origin),
            elapsed=self._elapsed,
            enrich=self._enrich,
            acceptable=route.acceptable,
        )
        if foreign and any(isinstance(effect, KeepOrder) for effect in outcome.effects):
            outcome = _refused(outcome)
        if route.to and outcome.status is Status.FAILED and not outcome.alerts:
            outcome = outcome._replace(alerts=(NOT_SENT,))
        if outcome.message is not None and not one.feed.backfill:
            outcome = self._queue(one, outcome, outcome.message)
        self._overlay.take(one.entry, outcome, one.feed.history_from)
        self._row(one, outcome)
        self._count(one.entry, route, outcome.status)

    def _is_own(self, control_id: bytes) -> bool:
        """Whether the message is one that we sent, come back (D13c)."""
        return may_be_ours(control_id) and bool(self._store.find(control_id.decode("ascii"), kind=SENT, limit=1))

    def _queue(self, one: ReadEntry, outcome: Outcome, message: Message) -> Outcome:
        """The outcome, with what its destinations cannot carry as flags, and an alert where one may not take it (D1)."""
        site = self._state.routes.site
        order = next((effect.order.number for effect in outcome.effects if isinstance(effect, KeepOrder)), "")
        cause = Cause(
            *(self._state.installation, one.entry.position, outcome.channel, 1),
            *(parking_key(one.who.key, message), order),
            *(site.hash, self._now),
        )
        for name in outcome.destinations:
            self._state.going_on()
            rules = site.config.destinations[name]
            lane, behind = self._lanes.choose(name, rules, one.who.key, message)
            row, flags, problem = outgoing(message, name, rules, cause, lane)
            self._overlay.outgoing.append(row._replace(behind=behind) if behind else row)
            if rules.control_id == "own":
                self._overlay.keys.append(SearchKey(SENT, row.control_id, one.entry.position))
            if flags:
                outcome = outcome._replace(flags=outcome.flags + flags)
            if problem:
                outcome = outcome._replace(alerts=(*outcome.alerts, Alert("destination", problem)))
        return outcome

    def _row(self, one: ReadEntry, outcome: Outcome) -> None:
        o = outcome
        row = OutcomeRow(
            *(one.entry.position, o.channel, 1, int(o.status), o.step, o.path, o.reason, o.enrichment),
            *(" ".join(o.flags), " ".join(dict.fromkeys(alert.kind for alert in o.alerts))),
            *(self._state.routes.site.hash, self._now),
        )
        self.done.append(Done(row, one.entry.listener, one.control_id, o.alerts))

    def _count(self, entry: Entry, route: Route, status: Status) -> None:
        if status is not Status.FAILED:
            self.failures.pop(route.name, None)
            return
        failures = self.failures.get(route.name, 0) + 1
        self.failures[route.name] = failures
        if route.channel.stop_after and failures >= route.channel.stop_after:
            self._stop(entry, route, failures)

    def _stop(self, entry: Entry, route: Route, failures: int) -> None:
        self._stopped.add(route.name)
        self.failures.pop(route.name, None)
        reason = f"{failures} messages failed in a row"
        places = {partition: self._state.position(partition) for partition in range(self._state.partitions)}
        places |= {own.partition: own.position for own in self._state.behind() if own.name == route.name}
        places[entry.partition] = entry.position
        self.stopped += tuple(
            Cursor(route.name, partition, position, STOPPED, reason, failures) for partition, position in places.items()
        )
        if not route.to:
            self._patients.delay(entry.received)

    def _foreign_orders(self) -> set[int]:
        """Entries whose order has an accession that an order of another patient holds; the others are settled."""
        kept = self._overlay.orders
        known = self._store.orders({order.number for order in kept}) if kept else {}
        found = set()
        for order in kept:
            before = known.get(order.number)
            same = before is not None and before.patient in self._patients.cluster(order.patient)
            if before is not None and not same and order.accession and before.accession == order.accession:
                found.add(order.entry)
            else:
                known[order.number] = settle(before if same else None, order)
        self._settled = {order.number: known[order.number] for order in kept}
        return found


def _nowhere(status: Status, reason: str) -> Outcome:
    """The outcome of an entry that no channel saw."""
    return Outcome("", status, None, (), (), reason=reason)


def _refused(outcome: Outcome) -> Outcome:
    alert = Alert("accession", OTHER_PATIENT)
    return Outcome(
        outcome.channel,
        Status.FAILED,
        None,
        (),
        (),
        step="track_order",
        path="OBR-18",
        reason=OTHER_PATIENT,
        alerts=(alert,),
    )
