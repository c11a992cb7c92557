"""The three seams of storage: Log and Wire (the network process, journal.db) and Store (the worker, store.db).

Implementations: `engine.store.memory` (shipped, used by channel tests and dry runs) and `engine.store.sqlite`; one
conformance suite (tests/contracts) holds for both. Everything here is synchronous and called from one writing thread.
Positions are integers > 0, times UTC microseconds, bodies bytes. Long because the three seams and their rows are one contract.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import NamedTuple, Protocol

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

    def __repr__(self) -> str:
        return f"Received({self.listener}, {self.kind.name}, {len(self.body)} bytes, {self.answer!r})"


class Appended(NamedTuple):
    """Where a frame went. A duplicate has the first one's position and its answer."""

    position: int
    duplicate: bool
    answer: str
    control_id_reused: bool = False


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


class LogWriter(Protocol):
    """The journal's end, inside a transaction."""

    def append(self, batch: Sequence[Received]) -> list[Appended]:
        """Append in order. G1: durable once the transaction has ended. G3: same listener, identity and body: the first."""
        ...


class LogReader(Protocol):
    """The journal read by others: never more than a second in a transaction."""

    partitions: int

    def read(self, partition: int, after: int, limit: int, max_bytes: int) -> list[Entry]:
        """At most `limit` entries with position > after, and about `max_bytes` of bodies (at least one entry)."""
        ...

    def entry(self, position: int) -> Entry | None: ...
    def tails(self) -> dict[int, int]:
        """Highest position of each partition, 0 where empty."""
        ...

    def find(self, after: int, text: bytes, limit: int) -> list[Entry]:
        """Entries with position > after whose body holds `text`, newest first: what the search keys do not cover yet."""
        ...


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


class WireWriter(Protocol):
    """Lanes and attempts, inside a transaction of the journal."""

    def record(self, attempt: Attempt, lane: Lane) -> None:
        """Write the attempt and the lane as it is after it (done moves up for everything but RETRY)."""
        ...

    def set_lane(self, lane: Lane) -> None:
        """Write a lane's row: hold, release, stop, start."""
        ...

    def unpark(self, destination: str, key: str) -> None:
        """Mark the parked rows of a key for sending (they go first, in order)."""
        ...

    def parked_decided(self, attempt: Attempt) -> None:
        """A released parked row was attempted: record it; it stays for RETRY, is set aside again for PARKED, else goes."""
        ...

    def command(self, command_id: str) -> None:
        """Note the operator's command that this transaction carries out (D17); a repeat changes nothing."""
        ...


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


class WireReader(Protocol):
    """Lanes and attempts read by others."""

    def lanes(self) -> list[Lane]: ...
    def lane(self, destination: str, lane: int) -> Lane:
        """The row, or a fresh OPEN lane with done = 0."""
        ...

    def parked(self, destination: str | None = None) -> list[Parked]: ...
    def attempts(self, destination: str, lane: int, seqs: Collection[int]) -> list[Attempt]: ...
    def attempts_after(self, cursor: int, limit: int) -> list[tuple[int, Attempt]]:
        """The second log of D10: attempts in order of their rowid."""
        ...


class JournalTransaction(NamedTuple):
    """Receives and lane results of one group commit."""

    log: LogWriter
    wire: WireWriter


class Journal(LogReader, WireReader, Protocol):
    """journal.db for its one writer: reads, and transactions in which both writers work."""

    def transaction(self) -> AbstractContextManager[JournalTransaction]:
        """BEGIN IMMEDIATE ... COMMIT; on return everything is on stable storage, on an exception nothing is.

        Raises Retryable when the disk is full or the file busy; any other database error is fatal for the process.
        """
        ...

    def command_done(self, command_id: str) -> bool: ...
    def close(self) -> None: ...
    def checkpoint(self) -> None:
        """Between batches, after the answers went out: upkeep of the file when it is due; cheap when it is not."""
        ...


class Cursor(NamedTuple):
    """A place in the journal: `live` for all running channels, or a channel of its own while it catches up."""

    name: str
    partition: int
    position: int
    state: str = "live"  # live | stopped | catching_up | retired
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
    key: str  # patient key
    body: bytes
    control_id: str  # MSH-10 as stamped (D9)
    entry: int  # cause: the entry, ...
    channel: str
    run: int
    order: str = ""  # Order.number, where it is one
    supersedes: int = 0  # seq of an older refresh; 0 until the orders' life is built
    configuration: str = ""
    created: int = 0

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

    def __repr__(self) -> str:
        return f"Queued({self.destination}/{self.lane} {self.seq}, entry {self.entry}, {len(self.body)} bytes)"


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

    def __repr__(self) -> str:
        places = ", ".join(f"{cursor.name}/{cursor.partition} at {cursor.position}" for cursor in self.cursors)
        return (
            f"Commit({places}: {len(self.outcomes)} outcomes, {len(self.facts)} facts, {len(self.outgoing)} outgoing)"
        )


class StoreReader(Protocol):
    """store.db read by anybody: the worker, the sender (outbox), the command line."""

    def cursors(self) -> list[Cursor]: ...
    def facts(self, patients: Collection[str]) -> dict[str, list[Fact]]:
        """All fact rows of these identifiers, in order of (entry, run, ordinal)."""
        ...

    def identity(self, keys: Collection[str]) -> list[IdentityEvent]:
        """All identity events of the clusters that these identifiers belong to (closed over links), in order."""
        ...

    def snapshots(self, patients: Collection[str]) -> dict[tuple[str, str, str], bytes]: ...
    def orders(self, numbers: Collection[str]) -> dict[str, Order]: ...
    def coverage(self) -> dict[tuple[str, str], Span]: ...
    def switches(self) -> dict[str, str]: ...
    def outbox(self, destination: str, lane: int, after: int, limit: int) -> list[Queued]: ...
    def outbox_rows(self, destination: str, lane: int, seqs: Collection[int]) -> list[Queued]: ...
    def outbox_tails(self) -> dict[tuple[str, int], int]: ...
    def queued_for(self, entries: Collection[int]) -> list[Queued]:
        """Deliveries that these entries caused."""
        ...

    def outcomes(self, entries: Collection[int]) -> list[OutcomeRow]: ...
    def latest(self, *, before: int, limit: int, status: int | None = None) -> list[OutcomeRow]:
        """Outcomes with entry < before (0 = from the end), newest first."""
        ...

    def notes(self, entries: Collection[int]) -> list[OutcomeNote]: ...
    def find(self, value: str, *, kind: str | None = None, limit: int = 100) -> list[int]:
        """Entries with this search key, newest first."""
        ...

    def synopses(self, order: str) -> list[tuple[int, Synopsis]]:
        """(entry, synopsis) of an order, oldest first."""
        ...

    def deferred(self, limit: int) -> list[Deferred]: ...
    def counts(self) -> dict[str, int]:
        """Cheap totals for status and the live view: facts, orders, outcomes by status, outbox rows (estimates allowed)."""
        ...

    def command_done(self, command_id: str) -> bool: ...


class Store(StoreReader, Protocol):
    """store.db for its one writer."""

    def commit(self, batch: Commit) -> None:
        """Everything or nothing; the cursors must stand where this writer left them.

        Raises Retryable for a full disk or a busy file, StoreRefused for values that can never be stored (the caller
        goes one by one, D6), StoreBroken when the file is damaged or a cursor was moved by somebody else.
        """
        ...

    def trim_outbox(self, destination: str, lane: int, upto: int, limit: int) -> int:
        """Delete the oldest rows with seq <= upto, at most `limit`; the caller has read `done` from the journal."""
        ...

    def close(self) -> None: ...
    def checkpoint(self) -> None:
        """Between batches: upkeep of the file when it is due; cheap when it is not."""
        ...
