"""The thread that reads the outbox for the lanes."""

from queue import SimpleQueue

import pytest

from engine.app.hints import HintReceiver, HintSender
from engine.app.lanes import LOW
from engine.app.outbox_reader import AHEAD, OutboxReader
from engine.channel.ports import Lane, Queued
from engine.errors import Retryable, StoreBroken

SOON = 10.0


def row(seq):
    return Queued("pacs", 0, seq, "", b"MSH|", f"B{seq}", seq, "orders", 1, "", 0, "", 1)


class Store:
    """An outbox in a list; `trouble` is raised by the next read."""

    def __init__(self, rows=0):
        self.rows = [row(n) for n in range(1, rows + 1)]
        self.trouble = None
        self.closed = 0

    def outbox(self, _destination, _lane, after, limit):
        if self.trouble:
            trouble, self.trouble = self.trouble, None
            raise trouble
        return self.rows[after : after + limit]

    def switches(self):
        return {}

    def outbox_tails(self):
        return {}

    def close(self):
        self.closed += 1


class Runner:
    """Of a lane, only how far it is decided."""

    def __init__(self, lane):
        self.lane = lane


class Rig:
    def __init__(self, tmp_path, store, *, done=0, there=True):
        self.path = tmp_path / "store.db"
        if there:
            self.path.touch()
        self.offers = SimpleQueue()
        self.turns = SimpleQueue()
        self.errors = SimpleQueue()
        self.runner = Runner(Lane("pacs", 0, done=done))
        self.hints = HintReceiver(tmp_path / "run" / "network.hint")
        self.hint = HintSender(tmp_path / "run" / "network.hint")
        self.reader = OutboxReader(self.path, lambda _path: store, self, self.errors.put, lambda: self.turns.put(1))
        self.reader.start(self.hints, [self.runner])

    destinations = ("pacs",)

    def offer(self, found):
        self.offers.put(found)

    def offered(self):
        ((_, rows),) = self.offers.get(timeout=SOON)
        return [queued.seq for queued in rows]

    def turn(self):
        """Wait until the thread has looked once more, from now on."""
        while not self.turns.empty():
            self.turns.get()
        self.reader.wake()
        self.turns.get(timeout=SOON)

    def close(self):
        self.reader.stop()
        self.hints.close()
        self.hint.close()


@pytest.fixture
def rig(tmp_path):
    rigs = []

    def make(*args, **words):
        rigs.append(Rig(tmp_path, *args, **words))
        return rigs[-1]

    yield make
    for made in rigs:
        made.close()


def test_it_stays_a_few_rows_ahead_and_goes_on_where_it_was(rig):
    """At most AHEAD rows after `done`, each row once, more when the lane has moved on."""
    found = rig(Store(500))
    assert found.offered() == list(range(1, AHEAD + 1))
    found.turn()
    assert found.offers.empty()
    found.runner.lane = Lane("pacs", 0, done=LOW)
    found.reader.wake()
    assert found.offered() == list(range(AHEAD + 1, AHEAD + LOW + 1))


def test_it_begins_after_what_is_decided(rig):
    """After a restart nothing decided is read."""
    assert rig(Store(5), done=3).offered() == [4, 5]


def test_a_hint_wakes_it(rig):
    """The worker's hint after its commit."""
    store = Store()
    found = rig(store)
    found.turn()
    store.rows = [row(1)]
    found.hint.send()
    assert found.offered() == [1]


def test_without_a_hint_it_looks_by_itself(rig):
    """A lost hint costs 250 ms, never a message."""
    store = Store()
    found = rig(store)
    found.turn()
    store.rows = [row(1)]
    assert found.offered() == [1]


def test_the_store_may_come_later(rig):
    """The worker makes store.db; until then there is nothing to send."""
    found = rig(Store(1), there=False)
    found.turn()
    assert found.offers.empty()
    found.path.touch()
    assert found.offered() == [1]


def test_a_store_that_cannot_be_read_now_is_opened_again(rig):
    """Being migrated or busy: tried again at the next look, no row is lost."""
    store = Store(2)
    store.trouble = Retryable("store.db: the file is busy")
    assert rig(store).offered() == [1, 2]
    assert store.closed == 1


def test_a_broken_store_is_told(rig):
    """The thread ends and says why."""
    store = Store(1)
    store.trouble = StoreBroken("store.db: DatabaseError SQLITE_CORRUPT")
    assert str(rig(store).errors.get(timeout=SOON)) == "store.db: DatabaseError SQLITE_CORRUPT"


def test_stop_closes_the_store(rig):
    """The connection is closed in its own thread."""
    store = Store(1)
    found = rig(store)
    found.offered()
    found.reader.stop()
    assert store.closed == 1
