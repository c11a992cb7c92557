"""The exchange in the reactor: refusals pause reading and recover, broken files end the process, stopping drains."""

import time
from contextlib import contextmanager
from queue import Empty, SimpleQueue

import pytest
from twisted.internet.testing import MemoryReactorClock

from engine.app.events import ReceivePaused, ReceiveResumed, Surprise
from engine.app.exchange import DRAIN, PAUSE, STUCK, Exchange
from engine.app.network_plan import DestinationPlan, ListenerPlan, NetworkPlan
from engine.channel.ports import Queued
from engine.channel.receive import ListenerRules
from engine.errors import Retryable, StoreBroken, StoreRefused
from engine.hl7.acknowledge import read_ack
from engine.mllp.framing import frame
from engine.mllp.listener import ConnectionRules
from engine.mllp.sender import Target
from engine.store.memory import MemoryJournal
from tests.mllp.wire import Wire

SOON = 10.0


def message(control_id="C1"):
    return f"MSH|^~\\&|LAB|HOSP|||20260819||ADT^A01|{control_id}|P|2.5\r".encode()


class Reactor(MemoryReactorClock):
    """A reactor whose calls from threads are run by the test."""

    def __init__(self):
        super().__init__()
        self.threaded = SimpleQueue()
        self.crashed = False

    def callFromThread(self, function, *args):  # noqa: N802
        self.threaded.put((function, args))

    def crash(self):
        self.crashed = True

    def turn(self):
        """Run the next call from a thread, and all that wait behind it."""
        function, args = self.threaded.get(timeout=SOON)
        function(*args)
        while True:
            try:
                function, args = self.threaded.get_nowait()
            except Empty:
                return
            function(*args)


class Journal(MemoryJournal):
    """Raises what the test wants from the next commits."""

    def __init__(self):
        super().__init__()
        self.troubles = []

    @contextmanager
    def transaction(self):
        with super().transaction() as tx:
            yield tx
            if self.troubles:
                raise self.troubles.pop(0)


class Files:
    def __init__(self):
        self.memory = Journal()
        self.rows = []

    def journal(self, _path):
        return self.memory

    def preparing(self):
        return lambda received: received

    def store(self, _path):
        return self

    def outbox(self, _destination, _lane, after, limit):
        return self.rows[after : after + limit]

    def outbox_tails(self):
        return {}

    def switches(self):
        return {}

    def close(self):
        """Nothing to close."""


class Rig:
    def __init__(self, data, destinations=()):
        self.reactor = Reactor()
        self.files = Files()
        self.events = []
        listener = ListenerPlan("127.0.0.1", 0, ListenerRules("lab"), ConnectionRules())
        self.exchange = Exchange(
            NetworkPlan(data, (listener,), destinations), self.reactor, self.events.append, self.files
        )
        self.exchange.open(lambda: None)

    def connect(self, port=1):
        wire = Wire("127.0.0.1", port)
        connection = self.exchange.listeners.ports["lab"].factory.buildProtocol(wire.getPeer())
        connection.makeConnection(wire)
        return connection, wire


@pytest.fixture
def rig(tmp_path):
    rigs = []

    def make(**words):
        rigs.append(Rig(tmp_path, **words))
        return rigs[-1]

    yield make
    for made in rigs:
        made.exchange.finish()


def codes(wire):
    return [read_ack(part.strip(b"\x0b")).code for part in wire.take().split(b"\x1c\r") if part]


def test_a_full_disk_answers_207_pauses_and_recovers_by_itself(rig):
    """D16: AR 207 while the commit fails, nobody is read for a second, then all is as before; nothing was kept."""
    found = rig()
    connection, wire = found.connect()
    _, other = found.connect(2)
    found.files.memory.troubles = [Retryable("journal.db: the disk is full")]
    connection.dataReceived(frame(message()))
    found.reactor.turn()
    assert (codes(wire), wire.reading, other.reading) == (["AR"], False, False)
    assert ReceivePaused("journal.db: the disk is full") in found.events
    found.reactor.advance(PAUSE)
    assert (wire.reading, other.reading) == (True, True)
    connection.dataReceived(frame(message()))
    found.reactor.turn()
    assert codes(wire) == ["AA"]
    assert found.files.memory.tails() == {0: 1}
    found.exchange.finish()
    assert ReceiveResumed() in found.events


def test_refusals_in_a_row_do_not_lengthen_the_pause(rig):
    """The breaker's own refusals must not renew its timer, or it never closes again."""
    found = rig()
    first, wire = found.connect()
    second, _ = found.connect(2)
    found.files.memory.troubles = [Retryable("full")] * 2
    first.dataReceived(frame(message("C1")))
    refuse, args = found.reactor.threaded.get(timeout=SOON)
    second.dataReceived(frame(message("C2")))  # before the reactor hears of the refusal
    refuse(*args)
    found.reactor.advance(PAUSE * 0.9)
    found.reactor.turn()
    found.reactor.advance(PAUSE * 0.1)
    assert wire.reading


def test_a_broken_file_answers_nobody_and_ends(rig):
    """EIO: no answer, the loop is left at once, one line without content."""
    found = rig()
    connection, wire = found.connect()
    found.files.memory.troubles = [StoreBroken("journal.db: OperationalError SQLITE_IOERR_FSYNC")]
    connection.dataReceived(frame(message()))
    found.reactor.turn()
    assert (wire.value(), found.reactor.crashed) == (b"", True)
    assert found.exchange.failure == "the network process cannot go on: journal.db: OperationalError SQLITE_IOERR_FSYNC"
    assert any(isinstance(event, Surprise) for event in found.events)


def test_a_command_that_can_never_be_written_is_told(rig):
    """Who asked hears it in the reactor; the process goes on."""
    rig = rig()
    heard = []
    error = StoreRefused("journal.db: no")
    rig.exchange.unsettled(heard.append, error)
    rig.reactor.turn()
    assert (heard, rig.exchange.failure) == ([error], "")
    assert any(isinstance(event, Surprise) for event in rig.events)


def test_stopping_waits_for_what_is_under_way(rig):
    """The ports close, the frame under way is answered after its commit, then the drain fires."""
    found = rig()
    connection, wire = found.connect()
    connection.dataReceived(frame(message()))
    drained = found.exchange.drain()
    found.reactor.advance(0.1)
    assert not drained.called
    found.reactor.turn()
    found.reactor.advance(0.1)
    assert (codes(wire), wire.closing, drained.called) == (["AA"], True, True)


def test_stopping_does_not_wait_for_ever(rig, tmp_path):
    """A destination that does not answer is given up after some seconds; its message goes again after the start."""
    (tmp_path / "store.db").touch()
    found = rig(destinations=(DestinationPlan("pacs", Target("pacs", 104)),))
    found.files.rows = [Queued("pacs", 0, 1, "", b"MSH|", "B1", 1, "orders", 1, "", 0, "", 1)]
    found.exchange.delivering._wake()
    found.reactor.turn()
    assert found.exchange.status()["lanes"][0]["connected"] is False
    drained = found.exchange.drain()
    found.reactor.advance(DRAIN / 2)
    assert not drained.called
    found.reactor.pump([0.05] * 100)
    assert drained.called
    assert found.files.memory.lane("pacs", 0).done == 0


def test_progress_is_told_by_the_journals_thread(rig):
    """A commit that hangs stops the beats, a thread that waits for work does not."""
    found = rig()
    assert found.exchange.progressing()
    found.exchange.thread.busy_since = time.monotonic() - STUCK
    assert not found.exchange.progressing()
