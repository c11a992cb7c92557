"""The sender: one message in flight, its answer matched by MSA-2, the connection closed when in doubt."""

from errno import ENETUNREACH

import pytest
from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,  # noqa: A004
    DNSLookupError,
    NoRouteError,
    TimeoutError,  # noqa: A004
)
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from engine.mllp.answer import NoAnswer
from engine.mllp.awaited import awaited
from engine.mllp.framing import frame
from engine.mllp.sender import MllpSender, Target
from engine.mllp.sender_wire import REMEMBERED
from tests.mllp.wire import Wire


def ack(control_id, code="AA", error=""):
    err = f"ERR|||{error}^x^HL70357|E\r" if error else ""
    return f"MSH|^~\\&|PACS||BST||20260819||ACK|1|P|2.5\rMSA|{code}|{control_id}\r{err}".encode()


class Lane:
    """A sender on a reactor of the test, and what it reported."""

    def __init__(self, ack_timeout=30.0):
        self.reactor = MemoryReactorClock()
        self.results = []
        self.seconds = []  # further answers
        target = Target("pacs", 2580, ack_timeout)
        self.sender = MllpSender(target, self.results.append, self.reactor, on_second=self.seconds.append)

    def accept(self):
        """The destination accepts the connection that is being made."""
        factory = self.reactor.tcpClients[-1][2]
        protocol = factory.buildProtocol(None)
        wire = Wire()
        protocol.makeConnection(wire)
        return protocol, wire

    def refuse(self, error):
        """The connection that is being made fails."""
        host, port, factory, *_ = self.reactor.tcpClients[-1]
        factory.clientConnectionFailed(self.reactor.connectors[-1], Failure(error))
        return host, port


@pytest.fixture
def lane():
    return Lane()


def test_it_connects_when_there_is_something_to_send_and_stays_connected(lane):
    """No connection before the first message; one connection for all of them, with TCP_NODELAY."""
    assert lane.reactor.tcpClients == []
    lane.sender.send(b"MSH|1", "B1")
    protocol, wire = lane.accept()
    assert lane.reactor.tcpClients[0][:2] == ("pacs", 2580)
    assert (wire.take(), wire.no_delay, lane.sender.in_flight) == (frame(b"MSH|1"), True, True)
    protocol.dataReceived(frame(ack("B1")))
    assert [(r.code, r.control_id) for r in lane.results] == [("AA", "B1")]
    lane.sender.send(b"MSH|2", "B2")
    assert (wire.take(), len(lane.reactor.tcpClients), lane.sender.connected) == (frame(b"MSH|2"), 1, True)


def test_only_one_message_is_in_flight(lane):
    """A second message before the first one's answer is a mistake of the caller."""
    lane.sender.send(b"MSH|1", "B1")
    with pytest.raises(RuntimeError):
        lane.sender.send(b"MSH|2", "B2")


def test_a_rejection_is_an_answer(lane):
    """AE with its code is handed on; what it means is the lane's business."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, wire = lane.accept()
    protocol.dataReceived(frame(ack("B1", "AE", "204")))
    assert [(r.code, r.error_code) for r in lane.results] == [("AE", "204")]
    assert not wire.aborted


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (frame(ack("B0")), "answer for another message"),
        (frame(ack("")), "answer for another message"),
        (frame(b"MSH|^~\\&|PACS||BST||20260819||ADT^A01|1|P|2.5\r"), "answer is no HL7 acknowledgement"),
        (frame(b"hello"), "answer is no HL7 acknowledgement"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", "answer is no HL7 message"),
        (frame(b""), "answer is empty"),
        (b"\x0bMSH|" + b"x" * 70_000, "answer longer than 64 KB"),
    ],
)
def test_a_doubtful_answer_closes_the_connection(lane, answer, reason):
    """Row 63: not delivered, closed; the next message goes over a new connection."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, wire = lane.accept()
    protocol.dataReceived(answer)
    assert (lane.results, wire.aborted) == ([NoAnswer(reason)], True)
    lane.sender.send(b"MSH|1", "B1")
    assert len(lane.reactor.tcpClients) == 2


def order(control_id, accept="", application=""):
    """A message that leaves; MSH-15 and 16 as `acknowledgement: keep` passes them on."""
    head = f"MSH|^~\\&|RIS|HOSP|PACS|HOSP|2026||ORM^O01|{control_id}|P|2.5|||{accept}|{application}\rPID|1\r"
    return head.encode()


def test_a_second_answer_is_never_taken_for_the_next_message(lane):
    """AA twice, or CA and later AA: the second one, come before or after the next has left, is nobody's; nothing is closed."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, wire = lane.accept()
    protocol.dataReceived(frame(ack("B1", "CA")) + frame(ack("B1")))
    lane.sender.send(b"MSH|2", "B2")
    protocol.dataReceived(frame(ack("B1")))
    assert (lane.sender.in_flight, [r.control_id for r in lane.results]) == (True, ["B1"])
    protocol.dataReceived(frame(ack("B2", "AE", "204")) + frame(ack("B1")))
    assert [(r.control_id, r.code) for r in lane.results] == [("B1", "CA"), ("B2", "AE")]
    assert not wire.aborted
    assert [(r.control_id, r.code) for r in lane.seconds] == [("B1", "AA"), ("B1", "AA"), ("B1", "AA")]


def test_an_answer_nobody_waits_for_closes_the_connection(lane):
    """It is for a message that this connection never carried."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, wire = lane.accept()
    protocol.dataReceived(frame(ack("B1")) + frame(ack("B7")))
    assert (wire.aborted, len(lane.results), lane.seconds) == (True, 1, [])


def test_what_has_the_msh_10_of_an_answered_message_goes_over_a_new_connection(lane):
    """`control_id: keep` and a sender that begins at 1 again: the answer of the first is never credited to the second."""
    lane.sender.send(order("7"), "7")
    old, wire = lane.accept()
    old.dataReceived(frame(ack("7")))
    lane.sender.send(order("8"), "8")
    old.dataReceived(frame(ack("8")))
    lane.sender.send(order("7"), "7")
    assert wire.aborted
    old.dataReceived(frame(ack("7")))
    new, wire = lane.accept()
    old.dataReceived(frame(ack("7")))
    old.connectionLost(Failure(ConnectionDone()))
    assert (len(lane.results), lane.sender.in_flight, wire.take()) == (2, True, frame(order("7")))
    new.dataReceived(frame(ack("7", "AE", "204")))
    assert [r.code for r in lane.results] == ["AA", "AA", "AE"]


def test_what_a_connection_remembers_is_bounded(lane):
    """The oldest is forgotten: an answer to it closes the connection, as for any other message."""
    lane.sender.send(b"MSH|1", "B0")
    protocol, wire = lane.accept()
    protocol.dataReceived(frame(ack("B0")))
    for number in range(1, REMEMBERED + 1):
        lane.sender.send(b"MSH|1", f"B{number}")
        protocol.dataReceived(frame(ack(f"B{number}")))
    protocol.dataReceived(frame(ack("B1")))
    assert not wire.aborted
    protocol.dataReceived(frame(ack("B0")))
    assert wire.aborted


@pytest.mark.parametrize("control_id", ["A\\T\\B", "a\\X41\\b", " X1", "X2 ", "C^D", "\u0141 7"])
def test_msa_2_is_compared_byte_for_byte(lane, control_id):
    """MSH-10 with an escape, a blank or a letter is what leaves, not what it means: else it would go for ever."""
    lane.sender.send(order(control_id), "as the row names it")
    protocol, wire = lane.accept()
    protocol.dataReceived(frame(ack(control_id)))
    assert ([r.code for r in lane.results], wire.aborted) == (["AA"], False)


def test_what_is_awaited_shows_no_control_id():
    """Some senders put a record number into MSH-10."""
    assert repr(awaited(order("MRN 4711", "NE"), "")) == "<Awaited NE>"


@pytest.mark.parametrize("application", ["", "NE"])
def test_what_wants_no_answer_counts_when_its_connection_lives_on(lane, application):
    """MSH-15 NE: nothing will come; a connection that breaks within a second is told, and the message goes again."""
    lane.sender.send(order("B0"), "B0")
    protocol, wire = lane.accept()
    protocol.dataReceived(frame(ack("B0")))
    lane.sender.send(order("B1", "NE", application), "B1")
    lane.reactor.advance(0.9)
    assert len(lane.results) == 1
    lane.reactor.advance(0.1)
    assert lane.results[1:] == [NoAnswer("not answered, as MSH-15 NE asks", taken=True)]
    protocol.dataReceived(frame(ack("B1")))  # it answers all the same
    lane.sender.send(order("B2", "NE"), "B2")
    protocol.connectionLost(Failure(ConnectionLost()))
    assert (lane.results[2:], wire.aborted) == ([NoAnswer("connection reset")], False)


@pytest.mark.parametrize("accept", ["NE", "ER"])
def test_what_the_peer_does_not_read_is_not_sent(lane, accept):
    """The message is still in our own buffer: nothing came of it in `ack_timeout`, so it goes again."""
    lane.sender.send(order("B1", accept), "B1")
    _, wire = lane.accept()
    wire.producer.pauseProducing()
    lane.reactor.pump([0.5] * 59)
    assert lane.results == []
    lane.reactor.advance(0.5)
    assert (lane.results, wire.aborted) == ([NoAnswer("no answer for 30 s")], True)
    wire.producer.stopProducing()


def test_what_the_peer_reads_at_last_is_sent_soon(lane):
    """Also the second message of a connection, and without waiting for the whole of `ack_timeout`."""
    for name in ("B1", "B2"):
        lane.sender.send(order(name, "NE"), name)
        if name == "B1":
            _, wire = lane.accept()
        wire.producer.pauseProducing()
        lane.reactor.pump([0.5] * 10)
        wire.producer.resumeProducing()
        lane.reactor.advance(1)
    assert lane.results == [NoAnswer("not answered, as MSH-15 NE asks", taken=True)] * 2


def test_an_answer_that_was_not_asked_for_counts(lane):
    """MSH-15 NE, and a receiver that knows the original mode only: its answer decides, at once."""
    lane.sender.send(order("B1", "NE"), "B1")
    protocol, _ = lane.accept()
    protocol.dataReceived(frame(ack("B1", "AE", "204")))
    lane.reactor.advance(30)
    assert [r.code for r in lane.results] == ["AE"]


@pytest.mark.parametrize(("accept", "application"), [("ER", ""), ("ER", "NE"), ("ER", "ER"), ("NE", "ER")])
def test_what_wants_refusals_only_is_taken_by_silence(lane, accept, application):
    """MSH-15 ER: a refusal decides; silence for `ack_timeout` means taken."""
    lane.sender.send(order("B1", accept, application), "B1")
    protocol, wire = lane.accept()
    lane.reactor.advance(29)
    assert lane.results == []
    lane.reactor.advance(1)
    assert lane.results == [NoAnswer("not refused for 30 s, as MSH-15 ER means", taken=True)]
    lane.sender.send(order("B2", accept, application), "B2")
    protocol.dataReceived(frame(ack("B2", "CE", "204")))
    assert ([r.code for r in lane.results[1:]], wire.aborted) == (["CE"], False)


@pytest.mark.parametrize(
    ("accept", "application"), [("AL", "NE"), ("SU", ""), ("NE", "AL"), ("NE", "SU"), ("ER", "AL"), ("", "NE")]
)
def test_what_is_answered_when_taken_waits_for_it(lane, accept, application):
    """By whoever answers first, receiver or application; silence is what it always is."""
    lane.sender.send(order("B1", accept, application), "B1")
    _, wire = lane.accept()
    lane.reactor.advance(30)
    assert (lane.results, wire.aborted) == ([NoAnswer("no answer for 30 s")], True)


def test_silence_closes_and_a_late_answer_is_not_heard(lane):
    """No answer in time: closed; what the old connection says later belongs to nothing."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, wire = lane.accept()
    lane.reactor.advance(29)
    assert lane.results == []
    lane.reactor.advance(1)
    assert (lane.results, wire.aborted) == ([NoAnswer("no answer for 30 s")], True)
    lane.sender.send(b"MSH|1", "B1")
    protocol.dataReceived(frame(ack("B1")))
    assert len(lane.results) == 1


def test_the_timeout_counts_from_each_message(lane):
    """One timer serves all messages, and each of them has its whole time."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, _ = lane.accept()
    lane.reactor.advance(20)
    protocol.dataReceived(frame(ack("B1")))
    lane.sender.send(b"MSH|2", "B2")
    lane.reactor.advance(29)
    assert len(lane.results) == 1
    lane.reactor.advance(1)
    assert lane.results[1:] == [NoAnswer("no answer for 30 s")]


def test_an_idle_sender_leaves_no_timer(lane):
    """After the last answer the timer runs out once and is not set again."""
    lane.sender.send(b"MSH|1", "B1")
    lane.accept()[0].dataReceived(frame(ack("B1")))
    lane.reactor.advance(60)
    assert lane.reactor.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(), "connection refused by pacs:2580"),
        (NoRouteError(), "no route to host"),
        (DNSLookupError(), "host name not found"),
        (ConnectError(ENETUNREACH), "network unreachable"),
        (TimeoutError(), "no connection within 10 s"),
        (ConnectError(), "no connection"),
    ],
)
def test_a_connection_that_cannot_be_made_is_told(lane, error, reason):
    """Fixed words, without the address that failed to resolve."""
    lane.sender.send(b"MSH|1", "B1")
    lane.refuse(error)
    assert lane.results == [NoAnswer(reason)]
    lane.sender.send(b"MSH|1", "B1")
    assert len(lane.reactor.tcpClients) == 2


def test_the_answers_time_begins_when_the_message_is_written():
    """Connecting has limits of its own: a host that never completes TCP or TLS is not told as connected and silent."""
    quick = Lane(ack_timeout=3.0)
    quick.sender.send(b"MSH|1", "B1")
    quick.reactor.advance(9)
    assert quick.results == []
    quick.refuse(TimeoutError())
    assert quick.results == [NoAnswer("no connection within 10 s")]
    quick.sender.send(b"MSH|1", "B1")
    quick.reactor.advance(9)
    _, wire = quick.accept()
    quick.reactor.advance(2)
    assert (len(quick.results), wire.aborted) == (1, False)
    quick.reactor.advance(1)
    assert (quick.results[1:], wire.aborted) == ([NoAnswer("no answer for 3 s")], True)


def test_a_timer_of_the_message_before_is_not_the_next_ones(lane):
    """It runs out while the next connection is being made: that has its own limit."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, _ = lane.accept()
    protocol.dataReceived(frame(ack("B1")))
    protocol.connectionLost(Failure(ConnectionDone()))
    lane.reactor.advance(25)
    lane.sender.send(b"MSH|2", "B2")
    lane.reactor.advance(9)
    assert len(lane.results) == 1
    lane.accept()
    lane.reactor.advance(29)
    assert len(lane.results) == 1


def test_a_connection_that_comes_after_the_end_is_dropped(lane):
    """Closed while connecting: what is made all the same carries nothing."""
    lane.sender.send(b"MSH|1", "B1")
    lane.sender.close()
    _, wire = lane.accept()
    assert (wire.aborted, wire.value(), lane.sender.connected) == (True, b"", False)
    lane.refuse(TimeoutError())
    assert lane.results == []


def test_a_lost_connection_is_told_when_a_message_waits(lane):
    """Lost in flight: told; lost while idle: the next message just connects again."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, _ = lane.accept()
    protocol.connectionLost(Failure(ConnectionDone()))
    assert (lane.results, lane.sender.connected) == ([NoAnswer("connection closed before the answer")], False)
    lane.sender.send(b"MSH|1", "B1")
    protocol, _ = lane.accept()
    protocol.dataReceived(frame(ack("B1")))
    protocol.connectionLost(Failure(ConnectionDone()))
    assert len(lane.results) == 2


def test_an_answer_without_cr_is_heard_after_silence_or_at_the_end(lane):
    """FS without CR ends the answer after a second, or when the destination closes."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, _ = lane.accept()
    protocol.dataReceived(frame(ack("B1"))[:-1])
    lane.reactor.advance(1)
    assert [r.code for r in lane.results] == ["AA"]
    lane.sender.send(b"MSH|2", "B2")
    protocol.dataReceived(frame(ack("B2"))[:-1])
    protocol.connectionLost(Failure(ConnectionDone()))
    assert [r.code for r in lane.results] == ["AA", "AA"]


def test_close_reports_nothing(lane):
    """Stopping: what was in flight has no result, and no timer stays."""
    lane.sender.send(b"MSH|1", "B1")
    _, wire = lane.accept()
    lane.sender.close()
    assert (lane.results, wire.aborted, lane.reactor.getDelayedCalls()) == ([], True, [])


def test_the_end_of_a_connection_that_was_given_up_is_no_news(lane):
    """The result was told when it was given up; the next message has a connection of its own."""
    lane.sender.send(b"MSH|1", "B1")
    old, _ = lane.accept()
    old.dataReceived(frame(ack("B0")))
    lane.sender.send(b"MSH|2", "B2")
    lane.accept()
    old.connectionLost()
    assert [r.reason for r in lane.results] == ["answer for another message"]
    assert lane.sender.in_flight


def test_a_reset_is_told_as_such(lane):
    """The network or the receiver's end broke the connection: other words than for a clean close."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, _ = lane.accept()
    protocol.connectionLost(Failure(ConnectionLost()))
    assert lane.results == [NoAnswer("connection reset")]


def test_half_an_answer_is_none(lane):
    """The peer closed inside of its answer: lost, and never taken for one."""
    lane.sender.send(b"MSH|1", "B1")
    protocol, _ = lane.accept()
    protocol.dataReceived(frame(ack("B1"))[:-8])
    protocol.connectionLost()
    assert [r.reason for r in lane.results] == ["connection closed before the answer"]


def test_closing_what_never_connected(lane):
    """Nothing was sent yet: there is nothing to close, and no timer is left."""
    lane.sender.close()
    assert (lane.results, lane.reactor.getDelayedCalls()) == ([], [])
