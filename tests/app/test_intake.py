"""Between listeners and the journal thread: judged, handed on, answered, counted, and held back when too much waits."""

from twisted.internet.task import Clock

from engine.app import cut_frames, intake
from engine.app.cut_frames import CutFrames
from engine.app.events import ConnectionClosed, DuplicateReceived, MessageRefused
from engine.app.intake import Listeners
from engine.app.journal_items import Intake, Unjudged
from engine.channel.receive import ListenerRules, receive
from engine.hl7.acknowledge import read_ack
from engine.mllp import room
from engine.mllp.framing import frame
from engine.mllp.listener import ConnectionRules
from engine.store.memory import MemoryJournal
from tests.mllp.wire import Wire

NOW = 1_787_131_860_000_000


def message(control_id="C1", kind="ADT^A01", tail=b""):
    return f"MSH|^~\\&|LAB|HOSP|||20260819||{kind}|{control_id}|P|2.5\rPID|1||1||DOE^JANE\r".encode() + tail


class Way:
    """One of the threads that take frames."""

    def __init__(self, desk, name):
        self._desk = desk
        self._name = name

    def put(self, item):
        apart = self._name == "large" and isinstance(item, Intake)
        self._desk.put_items.append(item._replace(apart=True) if apart else item)
        self._desk.ways.append((self._name, item))

    def give_way(self):
        """What is called between two messages of a batch."""
        self._desk.given += 1


class Desk:
    """Listeners whose journal thread is the test."""

    def __init__(self, log_control_id="plain"):
        self.put_items = []
        self.ways = []
        self.given = 0
        self.events = []
        self.journal = MemoryJournal()
        self.clock = Clock()
        self.listeners = Listeners(
            Way(self, "journal"), Way(self, "large"), self.events.append, lambda: NOW, self.clock
        )
        self.port = self.listeners.add(ListenerRules("lab"), ConnectionRules(), log_control_id)

    def connect(self, port=1):
        wire = Wire(port=port)
        connection = self.port.factory.buildProtocol(wire.getPeer())
        connection.makeConnection(wire)
        return connection, wire

    def commit(self):
        """What the journal thread does."""
        taken = [i if isinstance(i, Intake) else Intake(i.asker, i.judge(), i.size, True) for i in self.put_items]
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


def test_a_frame_that_cannot_be_judged_closes_its_connection_and_is_told(monkeypatch):
    """The one before it is still answered, nothing stays under way, and no word of the message is told."""
    desk = Desk()
    connection, wire = desk.connect()
    connection.dataReceived(frame(message()))

    def fail(*_):
        raise LookupError("DOE^JANE")

    monkeypatch.setattr(intake, "judge", fail)
    connection.dataReceived(frame(message("C2")))
    desk.commit()
    assert codes(wire) == ["AA"]
    assert (wire.disconnecting, desk.listeners.idle, desk.port.status()["faults"]) == (True, True, 1)
    assert "LookupError" in repr(desk.events)
    assert "DOE" not in repr(desk.events)


def test_way_is_given_between_the_messages_of_a_batch():
    """Whoever judges thousands lets a commit of thousands go first."""
    desk = Desk()
    connection, _ = desk.connect()
    batch = b"BHS|^~\\&|LAB\r" + b"".join(message(f"C{n}", tail=b"NTE|1||" + b"x" * 200 + b"\r") for n in range(30))
    connection.dataReceived(frame(batch))
    (item,) = desk.put_items
    assert desk.given == 0
    assert len(item.judge().received) == 30
    assert desk.given == 30


def test_a_large_frame_is_judged_by_a_thread_of_its_own():
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


def test_a_flood_leaves_room_for_others(monkeypatch):
    """While many wait, a connection has one frame under way, and another's frame is not behind its flood."""
    monkeypatch.setattr(room, "FEW", 20)
    desk = Desk()
    for port in range(1, 4):
        connection, _ = desk.connect(port)
        connection.dataReceived(b"".join(frame(message(f"C{port}.{n}")) for n in range(100)))
    assert len(desk.put_items) == 16 + 4 + 1
    other, wire = desk.connect(9)
    other.dataReceived(frame(message("good")))
    assert len(desk.put_items) == 22
    desk.commit()
    assert codes(wire) == ["AA"]
    while desk.put_items:
        desk.commit()
    assert desk.port.status()["accepted"] == 301
    assert desk.listeners.idle


def test_answers_keep_their_order_around_a_large_frame():
    """What comes behind a large frame on its connection goes behind it; other connections do not."""
    desk = Desk()
    connection, wire = desk.connect()
    other, _ = desk.connect(2)
    large = message("C1", tail=b"NTE|1||" + b"x" * intake.LARGE)
    connection.dataReceived(frame(large) + frame(message("C2", "ZZZ^Z9")))
    other.dataReceived(frame(message("C3")))
    assert [way for way, _ in desk.ways] == ["large", "large", "journal"]
    desk.commit()
    assert codes(wire) == ["AA", "AR"]
    connection.dataReceived(frame(message("C4")))
    assert desk.ways[-1][0] == "journal"


def test_a_batch_is_judged_aside():
    """Its messages are judged one by one, so a batch of more than 4 KB is not judged in the reactor."""
    desk = Desk()
    connection, wire = desk.connect()
    connection.dataReceived(frame(b"BHS|^~\\&\r" + message() * 100 + b"BTS|100\r"))
    assert isinstance(desk.put_items[0], Unjudged)
    desk.commit()
    assert codes(wire) == ["AA"]


def test_text_with_many_shifts_is_judged_aside():
    """Each costs microseconds, whatever set they are of."""
    desk = Desk()
    connection, _ = desk.connect()
    connection.dataReceived(frame(message("C1", tail=b"NTE|1||" + b"\x1b(B" * 2_000)))
    connection.dataReceived(frame(message("C2", tail=b"NTE|1||" + b"\x1b(Bxx" * 100 + b"x" * 5_000)))
    assert [way for way, _ in desk.ways] == ["large", "large"]  # the other one stays behind it
    assert [type(item) for item in desk.put_items] == [Unjudged, Intake]


def test_reasons_to_pause_add_up():
    """A queue that is short again does not end the pause that the disk asked for."""
    desk = Desk()
    _, wire = desk.connect()
    desk.listeners.pause("journal")
    desk.listeners.pause("disk")
    desk.listeners.resume("disk")
    assert not wire.reading
    desk.listeners.resume("journal")
    assert wire.reading
    desk.listeners.resume("journal")


def test_a_frame_that_is_cut_off_again_and_again_is_kept_once():
    """By one address within an hour; each is counted, and what follows it is answered."""
    desk = Desk()
    cut = b"\x0bMSH|1"
    first, wire = desk.connect(1)
    first.dataReceived(cut + cut + frame(message("C1")))
    assert len(desk.put_items) == 3  # none of them is on disk yet
    desk.commit()
    assert codes(wire) == ["AA"]
    second, wire = desk.connect(2)
    second.dataReceived(cut * 100 + frame(message("C2")))
    assert desk.put_items == []
    desk.clock.advance(intake.CUT_AGAIN * 5)
    assert desk.put_items == []
    desk.clock.pump([intake.CUT_AGAIN] * 5)
    desk.commit()
    assert codes(wire) == ["AA"]
    status = desk.port.status()
    assert (status["cut"], status["cut_again"], status["quarantined"]) == (102, 100, 2)
    desk.clock.advance(3601)
    second.dataReceived(cut + cut)
    assert len(desk.put_items) == 1
    desk.commit()
    assert desk.listeners.room.frames == 0


def test_frames_that_were_cut_off_are_forgotten_when_they_are_many():
    """The oldest first; one that is kept again is young again."""
    cuts = CutFrames()
    for number in (*range(cut_frames.MOST), 0, cut_frames.MOST):
        cuts.kept("10.0.0.7", b"%d" % number, 1.0)
    assert [cuts.knows("10.0.0.7", b"%d" % number, 2.0) for number in (0, 1, 2, cut_frames.MOST)] == [
        True,
        False,
        True,
        True,
    ]
    assert not cuts.knows("10.0.0.8", b"0", 2.0)


def test_a_fault_is_told():
    """What closed the connection, in a fixed word; of one address once a minute, with how often it was."""
    desk = Desk()
    for port in range(1, 6):
        connection, _ = desk.connect(port)
        connection.dataReceived(b"GET / HTTP/1.1\r\n")
    assert desk.events == [ConnectionClosed("lab", "10.0.0.7:1", "junk")]
    desk.clock.advance(61)
    connection, _ = desk.connect(6)
    connection.dataReceived(b"GET / HTTP/1.1\r\n")
    assert desk.events[1:] == [ConnectionClosed("lab", "10.0.0.7:6", "junk", times=5)]


def test_a_fault_of_an_ipv6_network_is_told_once():
    """One machine has all of its addresses; who is refused has no port."""
    desk = Desk()
    desk.port._fault("2001:db8::5:4", "idle")
    desk.port._fault("2001:db8::6:5", "idle")
    desk.port._fault("2001:db8::5", "not_allowed")
    desk.port._fault("2001:db8::6", "not_allowed")
    assert [event.peer for event in desk.events] == ["2001:db8::5:4", "2001:db8::5"]
