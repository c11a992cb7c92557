"""The three seams of storage: Log and Wire (the network process, journal.db) and Store (the worker, store.db).

Implementations: `engine.store.memory` (shipped, used by channel tests and dry runs) and `engine.store.sqlite`; one
conformance suite (tests/contracts) holds for both. Everything here is synchronous and called from one writing thread.
The rows themselves stand in `engine.channel.rows` and are named here as well. Long because the seams are one contract.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from engine.channel.rows import (
    BATCH,
    CATCHING_UP,
    LIVE,
    STOPPED,
    Appended,
    Approval,
    Attempt,
    Commit,
    Cursor,
    Decision,
    Deferred,
    Entry,
    Kind,
    Lane,
    LaneState,
    LetThrough,
    OrderLane,
    OutcomeNote,
    OutcomeRow,
    Outgoing,
    Parked,
    Prepared,
    Queued,
    Received,
    SearchKey,
    Skip,
)
from engine.order.order import Order
from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent
from engine.steps.draft import Synopsis

__all__ = [
    "BATCH",
    "CATCHING_UP",
    "LIVE",
    "STOPPED",
    "Appended",
    "Approval",
    "Attempt",
    "Commit",
    "Cursor",
    "Decision",
    "Deferred",
    "Entry",
    "Journal",
    "JournalTransaction",
    "Kind",
    "Lane",
    "LaneState",
    "LetThrough",
    "LogReader",
    "LogWriter",
    "OrderLane",
    "OutcomeNote",
    "OutcomeRow",
    "Outgoing",
    "Parked",
    "Prepared",
    "Queued",
    "Received",
    "SearchKey",
    "Skip",
    "Store",
    "StoreReader",
    "WireReader",
    "WireWriter",
]


class LogWriter(Protocol):
    """The journal's end, inside a transaction."""

    def append(self, batch: Sequence[Received]) -> list[Appended]:
        """Append in order. G1: durable once the transaction has ended. G3: same listener, identity and body: the first."""
        ...

    def processed(self, message: LetThrough, act: Received) -> int:
        """The entry that the message was accepted as, or that let it through, in the 7 days before this act; 0: none.

        Also 0 where this very act is kept already: it is a duplicate, and `append` says of what.
        """
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

    def unpark_row(self, destination: str, lane: int, seq: int) -> None:
        """Mark one parked row for sending: one without a patient."""
        ...

    def repark(self, destination: str, key: str) -> None:
        """Take the release of a key back: one of its rows was refused again, and those behind it stay."""
        ...

    def skip(self, attempt: Attempt, lane: Lane) -> None:
        """A person skips a row: record it; a parked one goes, one that the lane has not reached is passed over then."""
        ...

    def approve(self, destination: str, lane: int, seq: int) -> None:
        """A person let a row go that must be looked at first; known until the row is SENT, FAILED or SKIPPED."""
        ...

    def parked_decided(self, attempt: Attempt) -> None:
        """A released parked row was attempted: record it; it stays for RETRY, is set aside again for PARKED, else goes."""
        ...

    def command(self, command_id: str) -> None:
        """Note the operator's command that this transaction carries out (D17); a repeat changes nothing."""
        ...


class WireReader(Protocol):
    """Lanes and attempts read by others."""

    def lanes(self) -> list[Lane]: ...
    def lane(self, destination: str, lane: int) -> Lane:
        """The row, or a fresh OPEN lane with done = 0."""
        ...

    def parked(self, destination: str | None = None) -> list[Parked]: ...
    def skips(self) -> list[Skip]:
        """Rows that were skipped before their lane came to them (seq > done), in order."""
        ...

    def approvals(self) -> list[Approval]:
        """Rows that a person let go and that are not decided yet, in order."""
        ...

    def attempts(self, destination: str, lane: int, seqs: Collection[int]) -> list[Attempt]: ...
    def latest_attempts(self, decision: Decision, since: int, limit: int) -> list[Attempt]:
        """Attempts with this decision, recorded at `since` (UTC microseconds) or later, newest first: of the last 200,000."""
        ...

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
        """Between batches, after the answers went out: a step of the file's upkeep when it is due; cheap when it is not."""
        ...

    @property
    def behind(self) -> bool:
        """Whether upkeep is so late that large batches should wait for a few steps of it."""
        ...


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

    def order_lanes(self, numbers: Collection[str]) -> dict[tuple[str, str], int]:
        """(destination, number) -> lane, of these numbers."""
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
        """Cheap totals for status and the live view: facts, orders, outcomes by status, outbox rows, notes (estimates allowed)."""
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
