"""What travels through the steps of a channel: the message on its way, the patient's context, and effects as data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.hl7.message import Message
from engine.order.order import Order
from engine.patient.context import PatientContext
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent


class StoreFacts(NamedTuple):
    """Keep these facts of one patient; `snapshots` are (kind, scope) whose set is complete in this message (T25).

    The commit drops facts of a snapshot whose content equals the last stored snapshot of (patient, kind, scope).
    A snapshot's facts include its marker row (kind `snapshot`, text = the kind, visit = the scope).
    """

    patient: str
    facts: tuple[Fact, ...]
    snapshots: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"StoreFacts({len(self.facts)} facts, {len(self.snapshots)} snapshots)"


class Identify(NamedTuple):
    """Append to the identity log."""

    events: tuple[IdentityEvent, ...]


class KeepOrder(NamedTuple):
    """Store the latest state of an order."""

    order: Order


class Defer(NamedTuple):
    """Run this job in a child after the commit (D15); its result is attached to the outcome as an entry (D12b)."""

    job: str  # "validate"
    message: bytes
    charset: str
    options: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Defer({self.job}, {len(self.message)} bytes)"


class Alert(NamedTuple):
    """Something a person should look at; `kind` is a fixed word, `text` a fixed sentence, never content."""

    kind: str
    text: str


class Shown(NamedTuple):
    """One finding of an order as it was queued: the set that D10's hash is over, and what `explain` prints."""

    rule: str
    severity: str  # S I C
    fact: str  # "entry:run:ordinal:kind" of the fact, or "" for a missing one
    value: str
    status: str
    certainty: str
    place: str  # carriers it is shown in, joined by "+"
    line: str  # as written in the NTE
    threshold: str  # "egfr < 30 mL/min/{1.73_m2}, 90 d before the exam"
    source: str  # the rule's literature
    origin: str  # "results entry 4711 OBX[3]-5, final, observed 2026-08-19 06:10"

    def __repr__(self) -> str:
        return f"Shown({self.rule}, {self.severity})"


class Synopsis(NamedTuple):
    """What an order left with."""

    order: str  # Order.number
    shown: tuple[Shown, ...]
    headline: str
    as_of: int

    def __repr__(self) -> str:
        return f"Synopsis({len(self.shown)} findings)"


class KeepSynopsis(NamedTuple):
    """Store what an order leaves with, so that `explain` and the refresh know it."""

    synopsis: Synopsis


Effect = StoreFacts | Identify | KeepOrder | Defer | KeepSynopsis


class Origin(NamedTuple):
    """Where the message came from: the entry, its listener's rules. `now` of every run is the entry's received time."""

    position: int
    run: int
    listener: str
    received: int
    authority: str  # the listener's default assigning authority
    prefer: tuple[str, ...]  # identifier types in order of preference, ("MR", "PI")
    strip_zeros: bool
    zone: str  # IANA zone of times without an offset
    own: bool = False  # the message carries an MSH-10 under which we sent it: no evidence of anything (D13c)


class Draft(NamedTuple):
    """A message inside a channel. Steps return `draft._replace(...)`; nothing is changed in place."""

    message: Message
    origin: Origin
    context: PatientContext | None  # of the patient's cluster; None where no step of the channel asked for it
    enrich: bool = True  # the site's switch (D25) and the policy: False leaves the order as it came
    effects: tuple[Effect, ...] = ()
    flags: tuple[str, ...] = ()  # fixed words about odd input: "date_unreadable OBX[2]-14"
    alerts: tuple[Alert, ...] = ()
    enrichment: str = ""  # "" no enrich step ran | done | nothing | off | failed | doubt
    owned: tuple[str, ...] = ()  # paths that enrichment wrote, for unchanged_except and D13c
