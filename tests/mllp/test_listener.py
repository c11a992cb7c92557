"""The listener: frames out, answers back in order, and what closes a connection."""

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from engine.mllp.connection import CUTS
from engine.mllp.framing import Framed, frame
from engine.mllp.room import WINDOW
from tests.mllp.wire import Ward

A = b"MSH|^~\\&|A\rPID|1\r"
B = b"MSH|^~\\&|B\r"


def lose(connection):
    connection.connectionLost(Failure(ConnectionDone()))


def test_a_frame_is_handed_out_and_answered():
    """One frame, one call; the answer is written as it is given, with TCP_NODELAY."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A))
    assert ward.bodies == [A]
    assert wire.value() == b""
    connection.answer(frame(b"ACK"))
    assert wire.value() == frame(b"ACK")
    assert wire.no_delay
    assert (connection.peer, ward.listener.counters.answered) == ("10.0.0.7:40312", 1)


def test_pipelined_frames_are_handed_out_at_once_and_answered_in_order():
    """A sender that does not wait gets its answers in the order of its messages."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A) + frame(B) + frame(A))
    assert ward.bodies == [A, B, A]
    for reply in (b"1", b"2", b"3"):
        connection.answer(frame(reply))
    assert wire.value() == frame(b"1") + frame(b"2") + frame(b"3")


def test_a_frame_without_a_wanted_answer_writes_nothing():
    """An empty answer settles the frame and leaves the connection open."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A))
    connection.answer(b"")
    assert (wire.value(), wire.closing, ward.listener.counters.answered) == (b"", False, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "junk"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "junk"),
        (b"\x1c\r", "junk"),
        (A, "junk"),
        (frame(b""), "empty"),
    ],
)
def test_what_cannot_be_answered_closes(data, reason):
    """No VT before MSH, HTTP, TLS, FS CR alone, an empty frame: closed, counted, nothing kept."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(data)
    assert (ward.frames, wire.closing, wire.value()) == ([], True, b"")
    assert ward.faults == [("10.0.0.7:40312", reason)]
    assert ward.listener.counters.faults == 1


def test_junk_between_frames_is_skipped_and_counted():
    """Row 8: both frames are handed out, the junk is counted once, the connection stays."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A) + b"junk" + frame(B))
    assert (ward.bodies, ward.listener.counters.junk, wire.closing) == ([A, B], 1, False)


def test_a_cut_off_frame_is_handed_out_for_the_quarantine():
    """Row 7: what stood before a new VT MSH is kept, and gets no answer."""
    ward = Ward()
    connection, _ = ward.connect()
    connection.dataReceived(b"\x0b" + A + frame(B))
    assert [event.kind for _, event in ward.frames] == [Framed.CUT, Framed.FRAME]
    assert ward.listener.counters.cut == 1


def test_who_only_ever_begins_is_closed():
    """A hundred beginnings with no whole message between them; one between them is enough to go on."""
    ward = Ward()
    connection, wire = ward.connect()

    def cut(times):
        for _ in range(times):
            connection.dataReceived(b"\x0b" + A)
            while len(ward.frames) > settled[0]:
                settled[0] += 1
                connection.answer(b"")

    settled = [0]
    cut(CUTS)
    connection.dataReceived(frame(B))
    cut(CUTS + 1)
    assert not wire.closing
    cut(1)
    assert wire.closing
    assert ward.faults == [("10.0.0.7:40312", "cut")]
    assert [event.kind for _, event in ward.frames].count(Framed.CUT) == 2 * CUTS + 1


def test_a_nested_start_is_counted_and_not_kept():
    """Row 6: VT VT MSH resynchronises on the last VT."""
    ward = Ward()
    connection, _ = ward.connect()
    connection.dataReceived(b"\x0b" + frame(A))
    assert (ward.bodies, ward.listener.counters.cut) == ([A], 1)


def test_a_frame_that_is_too_long_is_answered_and_then_the_connection_closes():
    """Row 12: the head is handed out, no byte after it is read, and the close waits for the answer."""
    ward = Ward(max_bytes=1000)
    connection, wire = ward.connect()
    connection.dataReceived(frame(B))
    connection.dataReceived(b"\x0bMSH|" + b"x" * 2000)
    connection.dataReceived(b"\x1c\r" + frame(B))
    assert [event.kind for _, event in ward.frames] == [Framed.FRAME, Framed.TOO_LONG]
    connection.answer(frame(b"AA"))
    assert not wire.closing
    connection.answer(frame(b"AR"))
    assert wire.closing
    assert wire.value() == frame(b"AA") + frame(b"AR")


def test_a_frame_before_a_fault_still_gets_its_answer():
    """A good frame followed by an empty one is answered, then the connection closes."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A) + frame(b"") + frame(B))
    assert (ward.bodies, wire.closing, wire.reading) == ([A], False, False)
    connection.answer(frame(b"AA"))
    assert (wire.value(), wire.closing) == (frame(b"AA"), True)


def test_a_half_close_is_answered():
    """A sender that shuts its sending side, as nc does, still gets the answers, then the connection closes."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A) + b"\x0b" + B + b"\x1c")
    connection.readConnectionLost()
    assert ward.bodies == [A, B]
    connection.answer(frame(b"1"))
    assert not wire.closing
    connection.answer(frame(b"2"))
    assert wire.closing


def test_a_peer_that_leaves_in_a_frame_leaves_a_quarantined_part():
    """Row 3: the part is handed out; its answer and those that were due go nowhere."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A) + b"\x0b" + B)
    lose(connection)
    assert [(event.kind, event.body) for _, event in ward.frames] == [(Framed.FRAME, A), (Framed.CUT, B)]
    connection.answer(frame(b"AA"))
    connection.answer(b"")
    counters = ward.listener.counters
    assert (wire.value(), counters.unanswered, counters.connections, counters.cut) == (b"", 1, 0, 1)


def test_a_second_of_silence_after_fs_ends_the_frame():
    """FS without CR: the frame is handed out after a second, flagged."""
    ward = Ward()
    connection, _ = ward.connect()
    connection.dataReceived(b"\x0b" + A + b"\x1c")
    ward.advance(0.75)
    assert ward.frames == []
    ward.advance(0.5)
    assert [(event.body, event.flags) for _, event in ward.frames] == [(A, "end_without_cr")]


def test_a_frame_that_takes_too_long_closes():
    """Row 11: a byte a second is closed at the frame time, what came is kept."""
    ward = Ward(frame_time=30)
    connection, wire = ward.connect()
    connection.dataReceived(b"\x0bMSH|")
    for _ in range(29):
        ward.advance(1)
        connection.dataReceived(b"x")
    assert not wire.closing
    ward.advance(1.25)
    assert ward.faults == [("10.0.0.7:40312", "frame_time")]
    assert [event.kind for _, event in ward.frames] == [Framed.CUT]
    connection.answer(b"")
    assert wire.closing


def test_the_frame_time_begins_with_each_frame():
    """Frames cut anywhere by the network, for longer than the frame time, are no slow frame."""
    ward = Ward(frame_time=30)
    connection, wire = ward.connect()
    stream = frame(A) * 50
    for at in range(0, len(stream), 7):
        ward.advance(1)
        connection.dataReceived(stream[at : at + 7])
        while ward.answered < len(ward.frames):
            ward.answered += 1
            connection.answer(b"")
    assert (len(ward.frames), wire.closing) == (50, False)


def test_an_idle_connection_closes_and_a_waiting_one_does_not():
    """R5: 300 s of silence close; a sender that waits for our answer is not idle."""
    ward = Ward(idle=300)
    connection, wire = ward.connect()
    other, waiting = ward.connect(port=1)
    other.dataReceived(frame(A))
    ward.advance(300)
    assert (wire.closing, waiting.closing) == (True, False)
    assert ward.faults == [(connection.peer, "idle")]


def test_more_connections_than_a_peer_may_have_are_refused():
    """R5: the 33rd connection of an address is refused, another address and this machine are not."""
    ward = Ward(per_peer=2)
    connections = [ward.connect(port=port)[0] for port in (1, 2)]
    assert ward.connect(port=3) == (None, None)
    assert ward.connect("10.0.0.8")[0] is not None
    assert all(ward.connect("127.0.0.1", port)[0] is not None for port in (1, 2, 3))
    assert ward.listener.counters.refused == 1
    lose(connections[0])
    assert ward.connect(port=3)[0] is not None


def test_a_connection_with_too_many_frames_under_way_is_not_read():
    """A flood in one packet is handed out a window at a time, the next as soon as one is answered."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(B) * (WINDOW + 3))
    for answered in range(1, 4):
        assert (len(ward.frames), wire.reading) == (WINDOW + answered - 1, False)
        connection.answer(b"")
    assert (len(ward.frames), wire.reading) == (WINDOW + 3, True)


def test_pause_and_resume_hold_for_all_connections():
    """While the listener is paused nobody is read, also not who connects meanwhile, and nobody is idle."""
    ward = Ward(idle=10)
    _, wire = ward.connect()
    ward.listener.pause()
    _, late = ward.connect(port=1)
    ward.advance(20)
    assert (wire.reading, late.reading, wire.closing) == (False, False, False)
    ward.listener.resume()
    assert (wire.reading, late.reading) == (True, True)


def test_answers_do_not_end_a_pause():
    """A paused connection whose answers come is still not read: the journal said so."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A))
    ward.listener.pause()
    connection.answer(frame(b"AR"))
    assert not wire.reading


def test_close_lets_the_due_answers_out():
    """Stopping: no new frame is taken, the answer that is due goes out, a half frame is forgotten."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A) + b"\x0bMSH")
    ward.listener.close()
    connection.dataReceived(frame(B))
    assert (ward.bodies, wire.closing) == ([A], False)
    connection.answer(frame(b"AA"))
    assert (wire.value(), wire.closing) == (frame(b"AA"), True)


def test_status_counts():
    """The counters are plain numbers by name."""
    ward = Ward()
    connection, _ = ward.connect()
    connection.dataReceived(frame(A))
    connection.answer(frame(b"AA"))
    status = ward.listener.status()
    assert (status["connections"], status["opened"], status["frames"], status["bytes"]) == (1, 1, 1, len(A))


def test_the_tick_stops_with_the_port():
    """A closed listener leaves no timer behind."""
    ward = Ward()
    ward.listener.doStop()
    assert ward.clock.getDelayedCalls() == []


def test_a_frame_without_a_message_that_ends_in_silence_closes():
    """VT FS and a second of silence: an empty frame like any other, and no idle fault after it."""
    ward = Ward(idle=2)
    connection, wire = ward.connect()
    connection.dataReceived(b"\x0b\x1c")
    ward.advance(5)
    assert (ward.frames, ward.faults, wire.closing) == ([], [("10.0.0.7:40312", "empty")], True)


def test_a_peer_that_hears_no_more_is_left():
    """It closed its reading half: answers would go nowhere."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(A))
    connection.writeConnectionLost()
    assert wire.closing


def test_a_peer_that_leaves_behind_a_start_leaves_nothing():
    """A VT and no byte of a message: counted, and nothing for the quarantine."""
    ward = Ward()
    connection, _ = ward.connect()
    connection.dataReceived(b"\x0b")
    lose(connection)
    assert (ward.frames, ward.listener.counters.cut) == ([], 1)


def test_looking_twice_is_once():
    """The wire is told once, and a connection that is closing is not read again."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.look()
    assert wire.reading
    ward.listener.pause()
    ward.listener.pause()
    assert not wire.reading
    ward.listener.resume()
    assert wire.reading
    connection.stop()
    ward.listener.pause()
    ward.listener.resume()
    assert (wire.reading, wire.closing) == (False, True)


def test_a_peer_whose_address_is_no_number_counts_as_foreign():
    """Only addresses of this machine are not counted."""
    ward = Ward(per_peer=1)
    assert ward.connect("gateway", 1)[0] is not None
    assert ward.connect("gateway", 2) == (None, None)
    assert ward.listener.counters.refused == 1


def test_stopping_twice_and_losing_what_is_stopped_is_once():
    """What stopped already hands out nothing more when it is gone."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(b"\x0b" + A)
    connection.stop()
    connection.stop()
    lose(connection)
    assert (ward.frames, wire.closing, ward.listener.counters.connections) == ([], True, 0)
