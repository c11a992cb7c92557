"""What a batch has caused so far: the rows of its one commit, visible to its later entries (D5)."""

import json
from collections.abc import Iterable
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING

from engine.channel.contexts import Patients
from engine.channel.outcome import Outcome
from engine.channel.ports import Deferred, Entry, OutcomeNote, OutcomeRow, Outgoing, SearchKey, StoreReader
from engine.patient.fact import BESIDE, Fact
from engine.steps.draft import Identify, KeepOrder, KeepSynopsis, StoreFacts, Synopsis

if TYPE_CHECKING:
    from engine.order.order import Order
    from engine.patient.identity import IdentityEvent

Snapshot = tuple[str, str, str]  # (patient, kind, scope)

# where a fact stands and when it came; the rest of it is its content
_PLACE = frozenset(("entry", "run", "ordinal", "version", "received", "path", "source"))
_content = itemgetter(*(n for n, name in enumerate(Fact._fields) if name not in _PLACE))
_NAMING = frozenset({"demographics", "person"})


class Overlay:
    """Rows for the commit, in the order in which they were caused."""

    def __init__(self, patients: Patients, store: StoreReader) -> None:
        self.patients = patients
        self._store = store
        self._digests: dict[Snapshot, bytes] = {}
        self._asked: set[str] = set()
        self.facts: list[Fact] = []
        self.snapshots: dict[Snapshot, bytes] = {}
        self.identity: list[IdentityEvent] = []
        self.orders: list[Order] = []
        self.outcomes: list[OutcomeRow] = []
        self.keys: list[SearchKey] = []
        self.outgoing: list[Outgoing] = []
        self.synopses: list[tuple[int, Synopsis]] = []
        self.deferred: list[Deferred] = []
        self.notes: list[OutcomeNote] = []

    def load_digests(self, patients: Iterable[str]) -> None:
        """Load what the last snapshots of these patients were, in one query."""
        missing = set(patients) - self._asked
        if missing:
            self._asked |= missing
            self._digests.update(self._store.snapshots(missing))

    def take(self, entry: Entry, outcome: Outcome, history_from: int) -> None:
        """Add the effects of an outcome."""
        for effect in outcome.effects:
            if isinstance(effect, StoreFacts):
                self._store_facts(entry, effect, history_from)
            elif isinstance(effect, KeepOrder):
                self.orders.append(effect.order)
            elif isinstance(effect, Identify):
                self.identity.extend(self.patients.add_identity(effect.events))
            elif isinstance(effect, KeepSynopsis):
                self.synopses.append((entry.position, effect.synopsis))
            else:
                options = json.dumps(dict(effect.options), sort_keys=True)
                self.deferred.append(
                    Deferred(0, entry.position, outcome.channel, effect.job, effect.message, effect.charset, options)
                )

    def _store_facts(self, entry: Entry, effect: StoreFacts, history_from: int) -> None:
        kinds = {fact.kind for fact in effect.facts} | {kind for kind, _ in effect.snapshots}
        self.patients.heard(effect.patient, kinds - BESIDE, entry.received, history_from)
        facts = self._without_repeats(effect)
        if facts:
            self.facts.extend(facts)
            self.patients.add_facts(effect.patient, facts)

    def _without_repeats(self, effect: StoreFacts) -> tuple[Fact, ...]:
        """The facts but those of snapshots that say what the last one said."""
        self.load_digests((effect.patient,))
        facts = effect.facts
        # a list belongs to whom its message names (ADR 10): under another name it is said anew
        who = next(((fact.text, fact.value_text, fact.code) for fact in facts if fact.kind in _NAMING), ())
        for kind, scope in effect.snapshots:
            content = [fact for fact in facts if _belongs(fact, kind, scope)]
            place = (effect.patient, kind, scope)
            digest = _digest(() if kind in _NAMING else who, content)
            if self._digests.get(place) == digest:
                facts = tuple(fact for fact in facts if not _belongs(fact, kind, scope))
            else:
                self._digests[place] = self.snapshots[place] = digest
        return facts


def _belongs(fact: Fact, kind: str, scope: str) -> bool:
    if fact.kind == "snapshot":
        return fact.text == kind and fact.visit == scope
    return fact.kind == kind and fact.visit in ("", scope)


def _digest(who: tuple[str, ...], facts: Iterable[Fact]) -> bytes:
    return sha256(repr((who, *map(_content, facts))).encode("utf-8", "surrogatepass")).digest()
