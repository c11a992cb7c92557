"""The rows that cross the seams of storage: what is received, delivered, committed and read back.

Positions are integers > 0, times UTC microseconds, bodies bytes. Their reprs name places and sizes, never content.
Long because the rows of the three seams are one contract.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from engine.order.order import Order
from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent
from engine.steps.draft import Synopsis


class Kind(IntEnum):
    """What an entry is."""

    MESSAGE = 0  # accepted; the worker runs channels over it
    QUARANTINED = 1  # refused; kept to be found, explained, released
    OPERATOR = 2  # an operator's act or a deferred result, through the internal listener `backstory` (D12b)


BATCH = "batch"  # flag of an entry that came with others in one frame


class Prepared(NamedTuple):
    """A body as the journal keeps it: `sha256` is of the body as it came, `h` of its identity, None without one."""

    encoding: int
    kept: bytes
    sha256: bytes
    h: int | None = None

    def __repr__(self) -> str:
        return f"Prepared({len(self.kept)} bytes)"


class Received(NamedTuple):
    """A frame that receive judged, on its way into the journal."""

    listener: str
    peer: str  # "10.0.0.7:40312"
    received: int
    body: bytes
    charset: str  # Python codec that decodes the body; "" where it is not known
    kind: Kind
    answer: str  # "AA", "AE|102|OBX^1^5", "AR|101|MSH^1^10", "CA"; "" = none was asked for
    flags: str  # fixed words joined by blanks: "charset_assumed lf_line_ends"
    identity: bytes  # MSH-3, MSH-4, MSH-10 joined by NUL: what the dedupe key is made of; b"" = never a duplicate
    partition: int = 0
    prepared: "Prepared | None" = None  # what the journal would work out from the body, done beforehand for a large one

    def __repr__(self) -> str:
        return f"Received({self.listener}, {self.kind.name}, {len(self.body)} bytes, {self.answer!r})"


class Appended(NamedTuple):
    """Where a frame went. A duplicate has the first one's position and its answer."""

    position: int
    duplicate: bool
    answer: str
    control_id_reused: bool = False


class LetThrough(NamedTuple):
    """A message that a person lets through, as the journal would know it if it came by itself."""

    listener: str
    identities: tuple[bytes, ...]  # what Received.identity may be of it: its header as bytes, and in its character set
    sha256: bytes

    def __repr__(self) -> str:
        return f"LetThrough({self.listener})"


class Entry(NamedTuple):
    """One message of the journal."""

    position: int
    partition: int
    listener: str
    peer: str
    received: int
    body: bytes
    charset: str
    kind: Kind
    answer: str
    flags: str
    sha256: bytes

    def __repr__(self) -> str:
        return f"Entry({self.position}, {self.listener}, {self.kind.name}, {len(self.body)} bytes, {self.answer!r})"


class LaneState(IntEnum):
    """A lane's state: a row, so that stop and hold survive restarts."""

    OPEN = 0
    HELD = 1  # by a rejection under on_reject: hold, or by a restore
    STOPPED = 2  # by a person


class Lane(NamedTuple):
    """(destination, lane) and how far it is decided: rows up to `done` were sent, failed, skipped or parked."""

    destination: str
    lane: int
    done: int = 0
    epoch: int = 0
    state: LaneState = LaneState.OPEN
    reason: str = ""  # fixed words: "no answer for 30 s", "AE 207"
    tries: int = 0
    next_try: int = 0
    since: int = 0  # when this state or this row of failures began


class Decision(IntEnum):
    """What became of an attempt."""

    SENT = 1
    FAILED = 2  # decided: skipped by policy, visible
    SKIPPED = 3
    PARKED = 4  # set aside with its patient's key; decided for the lane, not for the message
    RETRY = 5  # not decided: the lane waits

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of the message."""
        return self not in {Decision.PARKED, Decision.RETRY}


class Attempt(NamedTuple):
    """One delivery attempt and its result, the row of the attempt table."""

    destination: str
    lane: int
    seq: int
    at: int
    decision: Decision
    answer: str  # "AA", "AE 207", "no answer", "connection refused": fixed words and codes
    key: str = ""  # patient key, needed for PARKED; kept in the parked table only, "" when read back

    def __repr__(self) -> str:
        return f"Attempt({self.destination}/{self.lane} {self.seq}, {self.decision.name}, {self.answer!r})"


class Parked(NamedTuple):
    """A delivery set aside with its patient's key."""

    destination: str
    lane: int
    seq: int
    key: str
    at: int
    released: bool

    def __repr__(self) -> str:
        return f"Parked({self.destination}/{self.lane} {self.seq}, released={self.released})"


class Skip(NamedTuple):
    """A row that a person skipped before its lane came to it."""

    destination: str
    lane: int
    seq: int


class Approval(NamedTuple):
    """A row that must be looked at before it leaves (`hold`), and that a person let go."""

    destination: str
    lane: int
    seq: int


LIVE = "live"  # the cursor of all channels that run, and the state of a channel that runs with it
STOPPED, CATCHING_UP = "stopped", "catching_up"


class Cursor(NamedTuple):
    """A place in the journal: `live` for all running channels, or a channel of its own while it catches up."""

    name: str
    partition: int
    position: int
    state: str = LIVE  # live | stopped | catching_up | retired
    reason: str = ""
    failures: int = 0  # FAILED in a row


class OutcomeRow(NamedTuple):
    """An outcome as stored; `channel` is "" for an entry that no channel accepts or that was quarantined."""

    entry: int
    channel: str
    run: int
    status: int  # Status
    step: str
    path: str
    reason: str
    enrichment: str
    flags: str
    alerts: str  # kinds joined by blanks
    configuration: str  # hash of the snapshot
    committed: int


class Outgoing(NamedTuple):
    """A delivery to be queued; the store gives it the next seq of its lane in the same commit."""

    destination: str
    lane: int
    key: str  # what is parked together: the patient key, else "order ACC1", else ""
    body: bytes
    control_id: str  # MSH-10 as stamped (D9)
    entry: int  # cause: the entry, ...
    channel: str
    run: int
    order: str = ""  # Order.number, where it is one
    supersedes: int = 0  # seq of an older refresh; 0 until the orders' life is built
    configuration: str = ""
    created: int = 0
    hold: str = ""  # why a person must look before it is sent; "" = nobody needs to
    behind: tuple[int, ...] = ()  # other lanes of the destination: what is queued there now goes first

    def __repr__(self) -> str:
        return f"Outgoing({self.destination}/{self.lane}, entry {self.entry}, {self.channel}, {len(self.body)} bytes)"


class Queued(NamedTuple):
    """An outbox row."""

    destination: str
    lane: int
    seq: int
    key: str
    body: bytes
    control_id: str
    entry: int
    channel: str
    run: int
    order: str
    supersedes: int
    configuration: str
    created: int
    hold: str = ""  # as in Outgoing
    behind: tuple[tuple[int, int], ...] = ()  # (lane, seq) of other lanes that must be decided up to there first

    def passed(self, done: Callable[[int], int]) -> bool:
        """Whether the other lanes, of which `done` says how far they are decided, are beyond what goes first."""
        return not self.behind or all(done(lane) >= seq for lane, seq in self.behind)

    def __repr__(self) -> str:
        return f"Queued({self.destination}/{self.lane} {self.seq}, entry {self.entry}, {len(self.body)} bytes)"


class OrderLane(NamedTuple):
    """The lane in which the first message of an order went, under one of the order's numbers; the later ones follow."""

    destination: str
    number: str  # "accession ACC1", "filler F1", "placer P1"
    lane: int

    def __repr__(self) -> str:
        return f"OrderLane({self.destination}/{self.lane})"


class SearchKey(NamedTuple):
    """A way to find an entry: kind is patient, control_id, accession, placer, filler or visit."""

    kind: str
    value: str
    entry: int

    def __repr__(self) -> str:
        return f"SearchKey({self.kind}, entry {self.entry})"


class Deferred(NamedTuple):
    """A job for the worker's child (D15)."""

    id: int  # 0 before it is stored
    entry: int
    channel: str
    job: str
    body: bytes
    charset: str
    options: str  # JSON
    tries: int = 0

    def __repr__(self) -> str:
        return f"Deferred({self.id}, {self.job}, entry {self.entry}, {len(self.body)} bytes)"


class OutcomeNote(NamedTuple):
    """What deferred work found about an outcome (D15), attached by the entry that carried it (D12b)."""

    entry: int  # the entry whose outcome it belongs to
    channel: str
    run: int
    cause: int  # the entry that brought the note
    kind: str  # "validate"
    text: str  # fixed sentences and paths, never content


class Commit(NamedTuple):
    """Everything a batch of entries caused, with the cursor: one transaction (D5)."""

    cursors: tuple[Cursor, ...]
    facts: Sequence[Fact] = ()
    snapshots: Mapping[tuple[str, str, str], bytes] = {}  # (patient, kind, scope) -> digest
    identity: Sequence[IdentityEvent] = ()
    orders: Sequence[Order] = ()
    outcomes: Sequence[OutcomeRow] = ()
    keys: Sequence[SearchKey] = ()
    outgoing: Sequence[Outgoing] = ()
    synopses: Sequence[tuple[int, Synopsis]] = ()  # (entry, synopsis)
    deferred: Sequence[Deferred] = ()
    deferred_done: Sequence[int] = ()
    coverage: Mapping[tuple[str, str], Span] = {}  # (kind, authority) -> span seen in this batch
    notes: Sequence[OutcomeNote] = ()
    commands: Sequence[str] = ()  # ids of operator commands this commit carries out (D17)
    switches: Mapping[str, str] = {}  # site switches as rows: {"enrichment": "off"}
    order_lanes: Sequence[OrderLane] = ()  # of destinations with a lane for STAT orders

    def __repr__(self) -> str:
        places = ", ".join(f"{cursor.name}/{cursor.partition} at {cursor.position}" for cursor in self.cursors)
        return (
            f"Commit({places}: {len(self.outcomes)} outcomes, {len(self.facts)} facts, {len(self.outgoing)} outgoing)"
        )
