"""The second transaction: a batch of entries through the channels, all effects and the cursor in one commit (D5).

TRANSACTION: `process` reads up to 256 entries after the live cursor, runs the channels over them in memory, and commits
facts, identity, orders, outcomes, search keys, outbox rows and cursors once. A crash repeats work, never its effect.
A commit that the store refuses is made again entry by entry, and the one that fails alone becomes FAILED (D6).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.channel.batch import REFUSED, Batch, Done
from engine.channel.outcome import Status
from engine.channel.ports import Commit, Cursor, Entry, LogReader, OutcomeRow, Store, StoreReader
from engine.channel.routes import Routes
from engine.channel.site import Site
from engine.errors import Retryable, StoreBroken, StoreRefused

if TYPE_CHECKING:
    from engine.channel.contexts import Spans

ENTRIES = 256
BYTES = 2 * 1024 * 1024
LIVE = "live"


class Processed(NamedTuple):
    """What a call did; empty when there was nothing after the cursor."""

    entries: int
    first: int
    last: int
    done: tuple[Done, ...]
    stopped: tuple[Cursor, ...]  # channels that stopped in this batch
    refused: tuple[tuple[int, str], ...]  # (entry, type of exception) that the store refused alone
    queued: int  # outbox rows
    deferred: int  # jobs


NOTHING = Processed(0, 0, 0, (), (), (), 0, 0)


class State:
    """What the worker keeps between batches: rows of the store, of which it is the only writer."""

    def __init__(self, routes: Routes, store: StoreReader, log: LogReader, installation: str) -> None:
        self.routes = routes
        self.installation = installation
        self.cursors = {(cursor.name, cursor.partition): cursor for cursor in store.cursors()}
        self.switches = store.switches()
        self.spans: Spans = dict(store.coverage())
        self.failures: dict[str, int] = {}  # FAILED in a row, by channel
        self.partitions = log.partitions
        self.delayed_since = 0
        for cursor in self.stopped():
            route = routes.channels.get(cursor.name)
            if route is not None and not route.to:
                waiting = log.read(cursor.partition, cursor.position, 1, 1)
                self.delay(waiting[0].received if waiting else 0)

    def position(self, partition: int) -> int:
        """The live cursor."""
        cursor = self.cursors.get((LIVE, partition))
        return cursor.position if cursor else 0

    def stopped(self) -> list[Cursor]:
        """The rows of channels that do not run."""
        return [cursor for (name, _), cursor in self.cursors.items() if name != LIVE and cursor.state == "stopped"]

    def delay(self, received: int) -> None:
        """A context channel has not seen an entry of that time (D13)."""
        if received and (not self.delayed_since or received < self.delayed_since):
            self.delayed_since = received

    @property
    def enrich(self) -> bool:
        """The switch of D25."""
        return self.switches.get("enrichment") != "off"

    def committed(self, commit: Commit) -> None:
        """Take over what a commit of this worker wrote."""
        self.cursors.update({(cursor.name, cursor.partition): cursor for cursor in commit.cursors})
        self.switches.update(commit.switches)
        self.spans.update(commit.coverage)


def load(site: Site, store: StoreReader, log: LogReader, installation: str) -> State:
    """The state after a start, from the store's rows."""
    return State(Routes(site), store, log, installation)


def process(
    state: State,
    log: LogReader,
    store: Store,
    *,
    now: Callable[[], int],
    elapsed: Callable[[], float],
    partition: int = 0,
) -> Processed:
    """Process the next batch of a partition, in one commit.

    Args:
        state: from `load`; brought up to date by the commit.
        log: the journal, read only.
        store: the worker's store.
        now: UTC microseconds, for `committed`; the channels' now is each entry's received time.
        partition: 0 on SQLite in production.
        elapsed: seconds that only grow, for the 250 ms of best-effort steps (D1).

    Raises:
        Retryable: the disk is full or the file busy; nothing was committed, call again later.
        StoreBroken: the file cannot be relied on; the process must end.
    """
    entries = log.read(partition, state.position(partition), ENTRIES, BYTES)
    if not entries:
        return NOTHING
    try:
        return _commit(state, store, entries, now, elapsed)
    except (Retryable, StoreBroken):
        raise
    except Exception:  # noqa: BLE001 - the process loop: whatever it was, the entries are tried one by one (D6)
        return _one_by_one(state, store, entries, now, elapsed)


def _commit(
    state: State,
    store: Store,
    entries: Sequence[Entry],
    now: Callable[[], int],
    elapsed: Callable[[], float],
) -> Processed:
    batch = Batch.run(state, store, entries, now(), elapsed)
    last = entries[-1]
    cursors = (Cursor(LIVE, last.partition, last.position), *batch.stopped)
    commit = batch.commit(cursors)
    store.commit(commit)
    state.committed(commit)
    state.failures = batch.failures
    state.delayed_since = batch.delayed_since
    return Processed(
        *(len(entries), entries[0].position, last.position, tuple(batch.done), batch.stopped, ()),
        *(len(commit.outgoing), len(commit.deferred)),
    )


def _one_by_one(
    state: State,
    store: Store,
    entries: Sequence[Entry],
    now: Callable[[], int],
    elapsed: Callable[[], float],
) -> Processed:
    parts = []
    for entry in entries:
        try:
            parts.append(_alone(state, store, entry, now, elapsed))
        except (Retryable, StoreBroken):
            if parts:
                break  # what is committed is told; the rest comes again
            raise
    return _joined(parts)


def _alone(state: State, store: Store, entry: Entry, now: Callable[[], int], elapsed: Callable[[], float]) -> Processed:
    try:
        return _commit(state, store, [entry], now, elapsed)
    except (Retryable, StoreBroken):
        raise
    except Exception as error:  # noqa: BLE001 - the process loop (D6): this entry alone is kept out
        return _sent_bare(state, store, entry, now, elapsed, _told(error))


def _told(error: Exception) -> str:
    """The kind of refusal: StoreRefused names it itself; any other text may quote the message."""
    return str(error) if isinstance(error, StoreRefused) else f"store refused: {type(error).__name__}"


def _sent_bare(  # noqa: PLR0917 - what _commit takes, and why
    state: State,
    store: Store,
    entry: Entry,
    now: Callable[[], int],
    elapsed: Callable[[], float],
    reason: str,
) -> Processed:
    """Let an order leave without enrichment, keeping nothing of what the store refused (D1); else FAILED."""
    cursor = Cursor(LIVE, entry.partition, entry.position)
    try:
        batch = Batch.run(state, store, [entry], now(), elapsed, enrich=False)
        commit = batch.only_what_leaves(cursor, reason)
        if commit is None:
            return _refused(state, store, entry, now(), reason)
        store.commit(commit)
    except (Retryable, StoreBroken):
        raise
    except Exception:  # noqa: BLE001 - the process loop (D6): not even the bare message can be queued
        return _refused(state, store, entry, now(), reason)
    state.committed(commit)
    done = tuple(done._replace(row=row) for done, row in zip(batch.done, commit.outcomes, strict=True))
    refused = ((entry.position, reason),)
    return Processed(1, entry.position, entry.position, done, (), refused, len(commit.outgoing), 0)


def _refused(state: State, store: Store, entry: Entry, now: int, reason: str) -> Processed:
    """Commit nothing of an entry but that the store refused it."""
    row = OutcomeRow(
        *(entry.position, "", 1, Status.FAILED, "", "", reason, "", "", REFUSED),
        *(state.routes.site.hash, now),
    )
    commit = Commit(cursors=(Cursor(LIVE, entry.partition, entry.position),), outcomes=(row,))
    store.commit(commit)
    state.committed(commit)
    done = Done(row, entry.listener, b"", ())
    return Processed(1, entry.position, entry.position, (done,), (), ((entry.position, reason),), 0, 0)


def _joined(parts: Sequence[Processed]) -> Processed:
    return Processed(
        entries=sum(part.entries for part in parts),
        first=parts[0].first,
        last=parts[-1].last,
        done=tuple(done for part in parts for done in part.done),
        stopped=tuple(cursor for part in parts for cursor in part.stopped),
        refused=tuple(refused for part in parts for refused in part.refused),
        queued=sum(part.queued for part in parts),
        deferred=sum(part.deferred for part in parts),
    )
