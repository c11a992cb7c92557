"""Peers that may not connect, that are too many, too large, too slow, or do not take their answers."""

import socket

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from engine.mllp.framing import Framed, frame
from engine.mllp.keepalive import keep_alive
from engine.mllp.room import SMALL, WINDOW, WINDOW_BYTES, Room
from tests.mllp.wire import Ward, Wire

B = b"MSH|^~\\&|B\r"


def lose(connection):
    connection.connectionLost(Failure(ConnectionDone()))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.168.1.7", True),
        ("192.168.1.8", False),
        ("::ffff:192.168.1.8", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("fe80::1%eth0", False),
        ("gateway", False),
        ("127.0.0.1", False),
    ],
)
def test_who_is_not_listed_is_closed_at_accept(host, allowed):
    """Networks of both kinds; an IPv4 address may come over an IPv6 socket; this machine is no exception."""
    ward = Ward(allow=("10.0.0.0/8", "192.168.1.7/32", "2001:db8::/32"))
    assert (ward.connect(host)[0] is not None) == allowed
    assert ward.faults == ([] if allowed else [(host, "not_allowed")])
    counters = ward.listener.counters
    assert (counters.not_allowed, counters.refused) == (not allowed, 0)


def test_a_listener_has_so_many_connections():
    """Whoever they come from; a free place is given again."""
    ward = Ward(max_connections=2)
    first = ward.connect("127.0.0.1", 1)[0]
    assert ward.connect("10.0.0.1")[0] is not None
    assert ward.connect("10.0.0.2") == (None, None)
    assert (ward.faults, ward.listener.counters.refused) == ([("10.0.0.2", "listener_full")], 1)
    lose(first)
    assert ward.connect("10.0.0.2")[0] is not None


def test_connections_of_this_machine_are_counted_where_asked():
    ward = Ward(per_peer=1, count_local=True)
    assert ward.connect("127.0.0.1", 1)[0] is not None
    assert ward.connect("127.0.0.1", 2) == (None, None)


def test_answers_that_are_not_taken_stop_the_reading_and_then_the_connection():
    """Memory is bounded by what one connection may have under way; after the frame time it is cut."""
    ward = Ward(frame_time=30)
    connection, wire = ward.connect()
    connection.dataReceived(frame(B) * 2)
    connection.answer(frame(b"ACK"))
    wire.producer.pauseProducing()
    assert not wire.reading
    ward.advance(20)
    wire.producer.resumeProducing()
    assert wire.reading
    wire.producer.pauseProducing()
    ward.advance(29)
    assert not wire.aborted
    ward.advance(1.25)
    assert (wire.aborted, ward.faults) == (True, [("10.0.0.7:40312", "answers_not_taken")])
    wire.producer = None
    lose(connection)
    connection.answer(frame(b"ACK"))
    assert ward.listener.counters.unanswered == 1


def test_a_connection_that_does_not_close_is_cut():
    """Its last answers are not taken, so that it never empties."""
    ward = Ward(frame_time=5)
    connection, wire = ward.connect()
    connection.dataReceived(b"GET / HTTP/1.1")
    assert (wire.closing, wire.aborted) == (True, False)
    ward.advance(5.25)
    assert wire.aborted


def test_the_end_of_a_transport_is_told_to_the_protocol_only():
    _, wire = Ward().connect()
    assert wire.producer.stopProducing() is None


def test_a_flood_is_taken_whole_after_its_peer_is_gone():
    """Every frame that came is handed out once, a window at a time, also after the connection is lost."""
    ward = Ward()
    connection, _ = ward.connect()
    connection.dataReceived(frame(B) * 50 + b"\x0bMSH|cut")
    lose(connection)
    assert len(ward.frames) == WINDOW
    for _ in range(51):
        connection.answer(b"")
    assert [event.kind for _, event in ward.frames] == [Framed.FRAME] * 50 + [Framed.CUT]
    assert ward.listener.room.frames == 0


def test_a_half_close_behind_a_flood_closes_after_the_last_answer():
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(B) * 20)
    connection.readConnectionLost()
    for answered in range(20):
        assert not wire.closing, answered
        connection.answer(frame(b"ACK"))
    assert (wire.closing, len(ward.frames), wire.value().count(b"ACK")) == (True, 20, 20)


def test_while_the_journal_pauses_nothing_is_taken_that_waits_here():
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(B) * 20)
    ward.listener.pause()
    for _ in range(WINDOW):
        connection.answer(b"")
    assert len(ward.frames) == WINDOW
    ward.listener.resume()
    assert (len(ward.frames), wire.reading) == (20, True)


def test_bytes_that_come_while_nothing_may_be_taken_wait():
    """A packet that was on its way when the window closed is kept, and the next is not read."""
    ward = Ward()
    connection, wire = ward.connect()
    connection.dataReceived(frame(B) * WINDOW)
    assert wire.reading
    connection.dataReceived(frame(B) + frame(B)[:5])
    assert (len(ward.frames), wire.reading) == (WINDOW, False)
    connection.answer(b"")
    assert (len(ward.frames), wire.reading) == (WINDOW + 1, False)
    connection.answer(b"")
    assert wire.reading
    connection.dataReceived(frame(B)[5:])
    connection.answer(b"")
    assert ward.bodies == [B] * (WINDOW + 2)


def test_bytes_under_way_are_bounded_too():
    """A megabyte of one connection, or one frame."""
    ward = Ward()
    connection, _ = ward.connect()
    large = B + b"x" * WINDOW_BYTES
    connection.dataReceived(frame(large) + frame(B))
    assert len(ward.frames) == 1
    connection.answer(b"")
    assert len(ward.frames) == 2


def test_the_room_is_empty_when_everybody_has_left():
    ward = Ward()
    connection, _ = ward.connect()
    connection.dataReceived(b"\x0bMSH|" + b"x" * (SMALL + 1))
    assert ward.listener.room.held > SMALL
    lose(connection)
    connection.answer(b"")
    assert (ward.listener.room.held, ward.listener.room.frames) == (0, 0)


def test_rooms_are_shared_between_listeners():
    room = Room()
    wards = [Ward(room=room), Ward(room=room)]
    for ward in wards:
        ward.connect()[0].dataReceived(frame(B))
    assert room.frames == 2


def test_a_peer_that_vanished_is_found_by_tcp():
    """Half of the time until the first question, three questions; nothing that is sent waits for longer."""
    with socket.socket() as real:
        wire = Wire()
        wire.socket = real
        keep_alive(wire, 300)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert [real.getsockopt(socket.IPPROTO_TCP, one) for one in options] == [150, 38, 3, 300_000]
        keep_alive(wire, 10**6)
        assert real.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 32_767
    assert wire.keep_alive
