"""The patients of a batch: identity, facts and coverage, loaded in one query each, with the batch's own effects on top (D5)."""

from collections.abc import Collection, Iterable, Mapping

from engine.channel.ports import StoreReader
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage, Span
from engine.patient.fact import Fact
from engine.patient.identity import Clusters, IdentityEvent

Spans = dict[tuple[str, str], Span]  # (kind, authority of the patient's identifier)


class Patients:
    """What is known of the patients of a batch: as stored, and as the batch has changed it so far.

    Args:
        store: read at most once for the whole batch, and again only for a patient that a merge brings in.
        spans: since when, and until when, each kind of fact has been heard; changed by `heard`.
        delayed_since: received time of the oldest entry that a stopped context channel has not seen, or 0.
    """

    def __init__(self, store: StoreReader, spans: Spans, delayed_since: int = 0) -> None:
        self._store = store
        self._spans = spans
        self.delayed_since = delayed_since
        self._events: dict[tuple[int, int, int], IdentityEvent] = {}
        self._clusters: Clusters | None = None
        self._asked: set[str] = set()  # keys whose identity is loaded
        self._stored: dict[str, list[Fact]] = {}
        self._added: dict[str, list[Fact]] = {}
        self._contexts: dict[frozenset[str], PatientContext] = {}
        self._member_of: dict[str, frozenset[str]] = {}  # by identifier: the cluster its context was made for

    def __repr__(self) -> str:
        return f"<Patients: {len(self._stored)} loaded>"

    def load_identity(self, keys: Collection[str]) -> None:
        """Load the clusters of these identifiers in one query."""
        missing = [key for key in keys if key not in self._asked]
        if not missing:
            return
        self._asked.update(missing)
        for event in self._store.identity(missing):
            self._events[event[:3]] = event
            self._asked.update((event.a, event.b))
        self._clusters = None

    def load_facts(self, keys: Collection[str]) -> None:
        """Load the facts of these identifiers and of all that are the same patient, in one query."""
        wanted = {member for key in keys for member in self.cluster(key)} - self._stored.keys()
        if wanted:
            found = self._store.facts(wanted)
            for key in wanted:
                self._stored[key] = found.get(key, [])

    def cluster(self, key: str) -> frozenset[str]:
        """Every identifier of the same patient, with the identity events of this batch."""
        self.load_identity((key,))
        if self._clusters is None:
            self._clusters = Clusters.of(self._events.values())
        return self._clusters.cluster(key)

    def context(self, key: str) -> PatientContext:
        """The context of the patient with this identifier, effects of earlier entries included."""
        cluster = self.cluster(key)
        context = self._contexts.get(cluster)
        if context is None:
            self.load_facts((key,))
            rows = [fact for member in cluster for fact in (*self._stored[member], *self._added.get(member, ()))]
            context = PatientContext.of(cluster, rows, self._coverage(cluster))
            self._contexts[cluster] = context
            self._member_of.update(dict.fromkeys(cluster, cluster))
        return context

    def add_facts(self, patient: str, facts: Iterable[Fact]) -> None:
        """Let later entries of the batch see these facts."""
        self._added.setdefault(patient, []).extend(facts)
        self._contexts.pop(self._member_of.get(patient, frozenset()), None)

    def add_identity(self, events: Iterable[IdentityEvent]) -> list[IdentityEvent]:
        """Let later entries see these events; returns those that are news: a link that holds already is none."""
        kept = []
        for event in events:
            if event.event == "link" and event.b in self.cluster(event.a):
                continue
            self.load_identity((event.a, event.b))
            self._events[event[:3]] = event
            self._clusters = None
            kept.append(event)
        return kept

    def heard(self, patient: str, kinds: Iterable[str], received: int, history_from: int = 0) -> None:
        """Note that a feed spoke of these kinds of facts; a declared history counts as heard (D13)."""
        authority = patient.split("|", 1)[0]
        for kind in kinds:
            known = self._spans.get((kind, authority))
            first = min(received, history_from) if history_from else received
            if known is not None and known.first <= first and known.last >= received:
                continue
            if known is not None:
                first, received = min(known.first, first), max(known.last, received)
            self._spans[kind, authority] = Span(first, received)

    def delay(self, received: int) -> None:
        """A context channel stopped at an entry of that time: from here on nothing later is known of its feed (D13)."""
        if not self.delayed_since or received < self.delayed_since:
            self.delayed_since = received
            self._contexts.clear()

    def _coverage(self, cluster: frozenset[str]) -> Coverage:
        authorities = {key.split("|", 1)[0] for key in cluster}
        spans: dict[str, Span] = {}
        for (kind, authority), span in self._spans.items():
            if authority in authorities:
                known = spans.get(kind, span)
                spans[kind] = Span(min(known.first, span.first), max(known.last, span.last))
        return Coverage(spans, self.delayed_since)


def changed(before: Mapping[tuple[str, str], Span], after: Spans) -> Spans:
    """The spans that a batch moved."""
    return {place: span for place, span in after.items() if before.get(place) != span}
