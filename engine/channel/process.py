"""The second transaction: a batch of entries through the channels, all effects and the cursor in one commit (D5).

TRANSACTION: `process` reads up to 256 entries after the live cursor, runs the channels over them in memory, and commits
facts, identity, orders, outcomes, search keys, outbox rows and cursors once. A crash repeats work, never its effect.
A channel that stopped and was started again does the same alone, from its own cursor, until it has caught up.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.channel.attempt import NOTHING, Attempt, Processed
from engine.channel.ports import CATCHING_UP, LIVE, STOPPED, Commit, Cursor, Entry, LogReader, Store, StoreReader
from engine.channel.routes import Routes
from engine.channel.site import Site

if TYPE_CHECKING:
    from engine.channel.contexts import Spans

__all__ = ["NOTHING", "Processed", "State", "catch_up", "load", "process"]

ENTRIES = 256
BYTES = 2 * 1024 * 1024


class State:
    """What the worker keeps between batches: rows of the store, of which it is the only writer."""

    def __init__(
        self,
        routes: Routes,
        store: StoreReader,
        log: LogReader,
        installation: str,
        going_on: Callable[[], None] = lambda: None,
    ) -> None:
        self.routes = routes
        self.going_on = going_on  # called before each destination of a message: work is done, however long it takes
        self.installation = installation
        self._log = log
        self.cursors = {(cursor.name, cursor.partition): cursor for cursor in store.cursors()}
        self.switches = store.switches()
        self.spans: Spans = dict(store.coverage())
        self.failures: dict[str, int] = {}  # FAILED in a row, by channel
        self.partitions = log.partitions
        self._delayed_since: int | None = None  # worked out when it is asked for

    def position(self, partition: int) -> int:
        """The live cursor."""
        cursor = self.cursors.get((LIVE, partition))
        return cursor.position if cursor else 0

    def behind(self, *states: str) -> list[Cursor]:
        """The rows of channels that are not where the live cursor is: stopped, or started again and catching up."""
        wanted = states or (STOPPED, CATCHING_UP)
        return [cursor for (name, _), cursor in self.cursors.items() if name != LIVE and cursor.state in wanted]

    @property
    def delayed_since(self) -> int:
        """When the oldest entry came that a context channel has not seen (D13); 0 where they have seen all.

        Reads the journal where a cursor has moved, so it is asked before a commit: what raises after one would have the
        batch made again.
        """
        if self._delayed_since is None:
            self._delayed_since = self._delay()
        return self._delayed_since

    def _delay(self) -> int:
        found = []
        for cursor in self.behind():
            route = self.routes.channels.get(cursor.name)
            if route is not None and not route.to:
                waiting = self._log.read(cursor.partition, cursor.position, 1, 1)
                # where nothing waits, what failed last is what it has not understood
                waiting = waiting or self._log.read(cursor.partition, cursor.position - 1, 1, 1)
                found += [entry.received for entry in waiting]
        return min(found, default=0)

    @property
    def enrich(self) -> bool:
        """The switch of D25."""
        return self.switches.get("enrichment") != "off"

    def committed(self, commit: Commit) -> None:
        """Take over what a commit of this worker wrote."""
        self.cursors.update({(cursor.name, cursor.partition): cursor for cursor in commit.cursors})
        self.switches.update(commit.switches)
        self.spans.update(commit.coverage)
        if any(cursor.name != LIVE for cursor in commit.cursors):
            self._delayed_since = None

    def moved(self, lead: str, last: Entry) -> Cursor:
        """The cursor of `lead` at an entry; a channel that has caught up joins the live cursor (D15b)."""
        joined = lead == LIVE or last.position >= self.position(last.partition)
        return Cursor(lead, last.partition, last.position, LIVE if joined else CATCHING_UP)


def load(
    site: Site, store: StoreReader, log: LogReader, installation: str, going_on: Callable[[], None] = lambda: None
) -> State:
    """The state after a start, from the store's rows; `going_on` is called while a message is queued, often."""
    return State(Routes(site), store, log, installation, going_on)


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
    return Attempt(state, store, now, elapsed, LIVE).all_or_one_by_one(entries)


def catch_up(
    state: State,
    log: LogReader,
    store: Store,
    *,
    now: Callable[[], int],
    elapsed: Callable[[], float],
    partition: int = 0,
) -> Processed:
    """The next batch of a channel that was started again, alone, up to where the live cursor is (D15b).

    Arguments and errors are those of `process`. NOTHING where no channel has to catch up.
    """
    waiting = [cursor for cursor in state.behind(CATCHING_UP) if cursor.partition == partition]
    if not waiting:
        return NOTHING
    cursor, live = waiting[0], state.position(partition)
    entries = [entry for entry in log.read(partition, cursor.position, ENTRIES, BYTES) if entry.position <= live]
    if not entries:
        joined = Commit(cursors=(cursor._replace(state=LIVE),))
        store.commit(joined)
        state.committed(joined)
        return NOTHING
    return Attempt(state, store, now, elapsed, cursor.name).all_or_one_by_one(entries)
