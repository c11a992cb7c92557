"""Lanes with a PACS in memory: senders, lanes, commands, outbox and journal are the engine's own, the threads the test's hand.

`Rig.pump` writes what was decided, one commit after the other; `Rig.crash` forgets everything but the files.
"""

from collections import deque

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from engine.app.control import Command
from engine.app.delivering import Delivering, DeliveryPorts
from engine.app.journal_items import Opened
from engine.app.lane_commands import LaneCommands
from engine.app.network_plan import DestinationPlan
from engine.app.outbox_reader import OutboxReader
from engine.channel.deliver import deliver
from engine.channel.ports import Commit, Outgoing
from engine.mllp.framing import END, VT, frame
from engine.mllp.sender import Target
from engine.store.memory import MemoryJournal, MemoryStore
from tests.mllp.wire import Wire

NOW = 1_787_131_860_000_000


class CrashError(Exception):
    """The process is killed."""


def ack(control_id, code="AA", error=""):
    """An answer in its frame."""
    err = f"ERR|||{error}^x^HL70357|E\r" if error else ""
    return frame(f"MSH|^~\\&|PACS||BST||20260819||ACK|1|P|2.5\rMSA|{code}|{control_id}\r{err}".encode())


class Line(Wire):
    """A connection's transport: what is written goes to the PACS."""

    def __init__(self, pacs, protocol):
        super().__init__()
        self.pacs = pacs
        self.protocol = protocol
        self.rest = b""
        self.over = False
        self.said = b""  # everything the PACS wrote here

    def write(self, data):
        super().write(data)
        self.rest += data
        while END in self.rest:
            body, _, self.rest = self.rest.partition(END)
            self.pacs.message(self, body.removeprefix(VT))

    def answer(self, data):
        """The PACS writes to the engine."""
        if not self.over:
            self.pacs.tap(self, data)
            self.protocol.dataReceived(data)

    def close(self, error=None):
        """The PACS closes."""
        if not self.over:
            self.over = True
            self.protocol.connectionLost(Failure(error or ConnectionDone()))

    def abortConnection(self):  # noqa: N802
        self.over = True
        super().abortConnection()


class Pacs:
    """Keeps what comes, in order, as (control id, connection); `answer(line, control_id)` says what it does."""

    def __init__(self, reactor):
        self.reactor = reactor
        self.received = []
        self.answer = lambda line, control_id: line.answer(ack(control_id))
        self.tap = lambda _line, _data: None  # sees what is written to the engine
        self.refuses = None  # error with which connecting fails

    def message(self, line, body):
        control_id = body.split(b"|")[9].decode()
        self.received.append((control_id, line))
        self.reactor.callLater(0, self.answer, line, control_id)

    @property
    def ids(self):
        return [control_id for control_id, _ in self.received]


class Reactor(MemoryReactorClock):
    """Connects to the PACS in memory."""

    pacs = None

    def connectTCP(self, _host, _port, factory, _timeout=30, **_words):  # noqa: N802
        connector = type("Connector", (), {"disconnect": lambda _self: None})()
        self.callLater(0, self._connected, factory, connector)
        return connector

    def _connected(self, factory, connector):
        if self.pacs.refuses is not None:
            factory.clientConnectionFailed(connector, Failure(self.pacs.refuses))
            return
        protocol = factory.buildProtocol(IPv4Address("TCP", "10.0.0.5", 104))
        line = Line(self.pacs, protocol)
        protocol.makeConnection(line)

    def callFromThread(self, function, *args):  # noqa: N802
        function(*args)


class Rig:
    """One destination `pacs`, and everything that delivers to it."""

    def __init__(self, tmp_path, **plan):
        self.path = tmp_path
        (tmp_path / "store.db").touch()
        self.plan = DestinationPlan("pacs", Target("10.0.0.5", 104), **plan)
        self.store = MemoryStore()
        self.journal = MemoryJournal()
        self.reactor = Reactor()
        self.reactor.pacs = self.pacs = Pacs(self.reactor)
        self.events = []
        self.commits = 0
        self.crash_at = 0  # before this commit the process is killed
        self.count = 0
        self.start()

    def start(self):
        """Start, from what the files say."""
        self.waiting = deque()
        self.commanding = False
        ports = DeliveryPorts(self._put, self.reactor, self.wall, self.events.append)
        self.delivering = Delivering((self.plan,), ports)
        self.commands = LaneCommands(self.delivering, ports, self.path, _Files(self))
        self.reader = OutboxReader(
            self.path / "store.db", lambda _path: self.store, self.delivering, self.events.append, lambda: None
        )
        self.delivering.open(
            Opened(self.journal.lanes(), self.journal.parked(), self.journal.skips(), self.journal.approvals()),
            self.reader,
        )
        self.reader._done = {lane[:2]: lane.done for lane in self.journal.lanes()}
        for runner in self.delivering.runners.values():
            self.reader._new.put(runner)

    def crash(self):
        """Kill the process and start it again: timers and connections of the old one are gone."""
        for call in list(self.reactor.getDelayedCalls()):
            call.cancel()
        self.crash_at = 0
        self.start()

    # the test's verbs

    def wall(self):
        return NOW + int(self.reactor.seconds() * 1_000_000)

    def queue(self, *keys, lane=0, hold="", behind=(), named="", accept=""):
        """Queue messages B1, B2 ... of these patients, or all with one control id; MSH-15 as `accept` says."""
        rows = []
        for key in keys:
            self.count += 1
            name = named or f"B{self.count}"
            body = f"MSH|^~\\&|RIS||PACS||2026||ORM^O01|{name}|P|2.5|||{accept}\r".encode()
            rows.append(
                Outgoing(
                    "pacs", lane, key, body, name, self.count, "orders", 1, "", 0, "", NOW + self.count, hold, behind
                )
            )
        self.store.commit(Commit(cursors=(), outgoing=rows))

    def pump(self, seconds=0.0):
        """Let everything happen that can, and then time pass."""
        quiet = 0
        for _ in range(1000):
            before = (len(self.pacs.received), self.commits, len(self.events))
            self.reader._looked = 0.0
            self.reader._turn()
            self.flush()
            self.reactor.advance(0)
            self.flush()
            idle = not self.waiting and not self.reader._asked.qsize()
            quiet = quiet + 1 if idle and before == (len(self.pacs.received), self.commits, len(self.events)) else 0
            if quiet == 3:  # a turn finds a lane, the next one its rows
                break
        if seconds:
            self.reactor.advance(seconds)
            self.pump()

    def flush(self):
        """Write what was decided, one commit each."""
        while self.waiting:
            if self.crash_at and self.commits + 1 >= self.crash_at:
                raise CrashError
            settle = self.waiting.popleft()
            with self.journal.transaction() as tx:
                deliver(tx, [settle.decided])
            self.commits += 1
            settle.waiting.committed()

    def ask(self, act, command_id="", **args):
        """A command, as the control socket hands it on; settled at once."""
        self.commanding = True
        try:
            name = command_id or f"c{self.commits}-{act}"
            return self.commands(Command(name, "anna", "lane", {"act": act, "destination": "pacs", **args}))
        finally:
            self.commanding = False

    def _put(self, item):
        self.waiting.append(item)
        if self.commanding:
            self.flush()

    @property
    def lane(self):
        return self.journal.lane("pacs", 0)

    def decisions(self, seq, lane=0):
        return [attempt.decision.name for attempt in self.journal.attempts("pacs", lane, [seq])]


class _Open:
    """A file that is closed after use; memory stays."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def close(self):
        """Nothing to close."""


class _Files:
    """What commands open."""

    def __init__(self, rig):
        self._rig = rig

    def journal_reader(self, _path):
        return _Open(self._rig.journal)

    def store(self, _path):
        return _Open(self._rig.store)


def refuse(rig, *control_ids, code="AE"):
    """From now on these messages are refused, and all others taken."""
    rig.pacs.answer = lambda line, name: line.answer(ack(name, code if name in control_ids else "AA"))


def parked(rig):
    """(lane, seq, released) of what is set aside."""
    return [(row.lane, row.seq, row.released) for row in rig.journal.parked()]
