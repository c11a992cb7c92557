"""Between listeners and the journal thread: judged, handed on, answered, counted, and held back when too much waits."""

from twisted.internet.task import Clock

from engine.app import intake
from engine.app.events import ConnectionClosed, DuplicateReceived, MessageRefused
from engine.app.intake import Listeners
from engine.app.journal_items import Intake, Unjudged
from engine.channel.receive import ListenerRules, receive
from engine.hl7.acknowledge import read_ack
from engine.mllp.framing import frame
from engine.mllp.listener import ConnectionRules
from engine.store.memory import MemoryJournal
from tests.mllp.wire import Wire

NOW = 1_787_131_860_000_000


def message(control_id="C1", kind="ADT^A01", tail=b""):
    return f"MSH|^~\\&|LAB|HOSP|||20260819||{kind}|{control_id}|P|2.5\rPID|1||1||DOE^JANE\r".encode() + tail


class Desk:
    """Listeners whose journal thread is the test."""

    def __init__(self, log_control_id="plain"):
        self.put_items = []
        self.events = []
        self.journal = MemoryJournal()
        self.listeners = Listeners(self, self.events.append, lambda: NOW, Clock())
        self.port = self.listeners.add(ListenerRules("lab"), ConnectionRules(), log_control_id)

    def put(self, item):
        self.put_items.append(item)

    def connect(self, port=1):
        wire = Wire(port=port)
        connection = self.port.factory.buildProtocol(wire.getPeer())
        connection.makeConnection(wire)
        return connection, wire

    def commit(self):
        """What the journal thread does."""
        taken = [i if isinstance(i, Intake) else Intake(i.asker, i.judge(), i.size) for i in self.put_items]
        self.put_items.clear()
        with self.journal.transaction() as tx:
            answers = receive(tx, [item.judged for item in taken])
        self.listeners.settle(taken, answers)

    def refuse(self):
        taken, self.put_items = self.put_items, []
        self.listeners.refuse(taken)


def codes(wire):
    return [read_ack(part.strip(b"\x0b")).code for part in wire.take().split(b"\x1c\r") if part]


def test_a_frame_is_judged_and_answered_after_the_commit():
    """Nothing is written before; then the answers of all connections go out, and the counters say what they were."""
    desk = Desk()
    connection, wire = desk.connect()
    other, other_wire = desk.connect(2)
    connection.dataReceived(frame(message("C1")) + frame(message("C2", "ZZZ^Z99")))
    other.dataReceived(frame(message("C3")))
    assert (wire.value(), desk.listeners.idle) == (b"", False)
    desk.commit()
    assert (codes(wire), codes(other_wire), desk.listeners.idle) == (["AA", "AR"], ["AA"], True)
    status = desk.port.status()
    assert (status["accepted"], status["quarantined"], status["frames"]) == (2, 1, 3)


def test_refusals_and_duplicates_are_told_without_content():
    """Events name listener, entry, control id, size, peer and the answer; nothing else of the message."""
    desk = Desk()
    connection, _ = desk.connect()
    bad = message("C2", "ZZZ^Z99")
    connection.dataReceived(frame(bad) + frame(message()) + frame(message()))
    desk.commit()
    assert desk.events == [
        MessageRefused("lab", 1, "C2", len(bad), "10.0.0.7:1", "AR|200|MSH^1^9"),
        DuplicateReceived("lab", 2, "C1", "10.0.0.7:1"),
    ]
    assert desk.port.status()["duplicates"] == 1


def test_control_ids_can_be_hashed_and_may_be_missing():
    """D22: `log_control_id: hash`."""
    desk = Desk("hash")
    connection, _ = desk.connect()
    connection.dataReceived(frame(message("123-45-6789", "ZZZ^Z99")) + frame(b"hello"))
    desk.commit()
    assert "6789" not in repr(desk.events)
    assert [event.control_id[:1] for event in desk.events] == ["#", "#"]


def test_a_reused_control_id_is_counted():
    """Same MSH-10, other body."""
    desk = Desk()
    connection, _ = desk.connect()
    connection.dataReceived(frame(message()) + frame(message(tail=b"NTE|1\r")))
    desk.commit()
    assert desk.port.status()["control_ids_reused"] == 1


def test_what_the_journal_cannot_keep_is_refused_with_207():
    """AR 207 for each frame; counted; the sender has it still."""
    desk = Desk()
    connection, wire = desk.connect()
    connection.dataReceived(frame(message()))
    desk.refuse()
    ack = read_ack(wire.take()[1:-2])
    assert (ack.code, ack.error_code) == ("AR", "207")
    assert (desk.port.status()["not_kept"], desk.listeners.idle) == (1, True)


def test_a_large_frame_is_judged_by_the_journal_thread():
    """In the reactor nothing is counted in it."""
    desk = Desk()
    connection, wire = desk.connect()
    connection.dataReceived(frame(message(tail=b"NTE|1||" + b"x" * intake.LARGE)))
    assert isinstance(desk.put_items[0], Unjudged)
    desk.commit()
    assert codes(wire) == ["AA"]


def test_a_frame_that_could_not_be_judged_closes_its_connection():
    """It cannot be answered, and it is not counted as waiting any more."""
    desk = Desk()
    connection, wire = desk.connect()
    connection.dataReceived(frame(message(tail=b"NTE|1||" + b"x" * intake.LARGE)))
    desk.listeners.drop(desk.put_items[0])
    assert (wire.closing, wire.value(), desk.listeners.idle) == (True, b"", True)


def test_a_long_queue_pauses_everybody_until_half_of_it_is_gone(monkeypatch):
    """Back-pressure: nobody is read while too many frames wait, and reading goes on by itself."""
    monkeypatch.setattr(intake, "HIGH_FRAMES", 4)
    desk = Desk()
    connection, wire = desk.connect()
    _, other = desk.connect(2)
    connection.dataReceived(b"".join(frame(message(f"C{n}")) for n in range(5)))
    assert (wire.reading, other.reading) == (False, False)
    rest, desk.put_items = desk.put_items[2:], desk.put_items[:2]
    desk.commit()
    assert not other.reading
    desk.put_items = rest
    desk.commit()
    assert (wire.reading, other.reading) == (True, True)


def test_many_bytes_pause_as_well(monkeypatch):
    """The queue is bounded in bytes too."""
    monkeypatch.setattr(intake, "HIGH_BYTES", 100)
    desk = Desk()
    connection, wire = desk.connect()
    connection.dataReceived(frame(message()) + frame(message("C2")))
    assert not wire.reading
    desk.commit()
    assert wire.reading


def test_reasons_to_pause_add_up():
    """A queue that is short again does not end the pause that the disk asked for."""
    desk = Desk()
    _, wire = desk.connect()
    desk.listeners.pause("journal")
    desk.listeners.pause("queue")
    desk.listeners.resume("queue")
    assert not wire.reading
    desk.listeners.resume("journal")
    assert wire.reading
    desk.listeners.resume("journal")


def test_a_fault_is_told():
    """What closed the connection, in a fixed word."""
    desk = Desk()
    connection, _ = desk.connect()
    connection.dataReceived(b"GET / HTTP/1.1\r\n")
    assert desk.events == [ConnectionClosed("lab", "10.0.0.7:1", "junk")]
