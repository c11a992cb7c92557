"""Room for larger frames: in turns above the limits, so that nobody stands in the way, and never above the ceiling."""

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from engine.mllp import room as rooms
from engine.mllp.framing import Framed, frame
from engine.mllp.room import Room
from tests.mllp.wire import Ward

B = b"MSH|^~\\&|B\r"
BEGIN = b"\x0b" + B
LARGE = 30_000


@pytest.fixture
def ward(monkeypatch) -> Ward:
    """100 KB for all, half of it for one address, and never more than twice as much."""
    for name, value in (("MOST", 100_000), ("SHARE", 50_000), ("CEILING", 200_000), ("ENOUGH", 10_000)):
        monkeypatch.setattr(rooms, name, value)
    return Ward(max_bytes=10**6, per_peer=64)


def begun(ward, host="10.0.0.7", port=1, size=LARGE):
    """A connection with a frame that has begun."""
    connection, wire = ward.connect(host, port)
    connection.dataReceived(BEGIN + b"x" * size)
    return connection, wire


def lose(connection):
    connection.connectionLost(Failure(ConnectionDone()))


def test_above_the_limits_one_of_each_address_is_read_and_small_ones_always(ward):
    """Whose turn it is goes on while it sends; everybody else waits until there is room."""
    first, first_wire = begun(ward, port=1)
    second, second_wire = begun(ward, port=2)
    third, third_wire = begun(ward, port=3)
    assert (first_wire.reading, second_wire.reading, third_wire.reading) == (True, True, False)
    small, small_wire = ward.connect(port=4)
    small.dataReceived(frame(B))
    small.answer(b"")
    assert small_wire.reading
    other, other_wire = begun(ward, "10.0.0.8")
    assert other_wire.reading
    for _ in range(4):
        second.dataReceived(b"x" * 10_000)
        ward.advance(0.25)
        ward.listener.room.look()  # of another listener
    assert (second_wire.reading, third_wire.reading) == (True, False)
    second.dataReceived(b"\x1c\r")
    assert third_wire.reading  # its turn, since the other frame is whole
    second.answer(b"")
    third.dataReceived(b"\x1c\r")
    third.answer(b"")
    first.dataReceived(b"x")
    assert first_wire.reading
    for connection in (first, other):
        lose(connection)
        connection.answer(b"")
    assert (ward.listener.room.held, ward.faults) == (0, [])


def test_forty_that_stand_still_hold_up_nobody_of_their_address_and_end_together(ward, monkeypatch):
    """Each sends a part of a large frame and nothing more; a proxy may stand there, and others send through it."""
    monkeypatch.setattr(rooms, "CEILING", 10**7)
    for port in range(40):
        begun(ward, port=port)
    ward.clock.advance(0.2)
    good, wire = begun(ward, port=99)
    assert wire.reading  # at once, since nobody else sends
    ward.advance(1)
    good.dataReceived(b"x" * LARGE + b"\x1c\r")
    assert ward.bodies[-1] == B + b"x" * 2 * LARGE
    good.answer(b"")
    ward.advance(29)
    assert [reason for _, reason in ward.faults] == ["frame_time"] * 40
    for connection, event in ward.frames[1:]:
        assert event.kind is Framed.CUT
        connection.answer(b"")
    assert ward.listener.room.held == 0


def test_those_that_keep_coming_shut_nobody_out(ward, monkeypatch):
    """A new one every half second, and each of them sends a little now and then."""
    monkeypatch.setattr(rooms, "CEILING", 10**7)
    bad = [begun(ward, port=port)[0] for port in range(10)]
    good, wire = begun(ward, port=1_000)
    for port in range(100, 120):
        bad.append(begun(ward, port=port)[0])
        for connection in bad:
            if connection.transport.reading:
                connection.dataReceived(b"x")
        ward.advance(0.5)
        if wire.reading:
            good.dataReceived(b"x" * LARGE + b"\x1c\r")
            break
    assert B + b"x" * 2 * LARGE in ward.bodies


def test_a_slow_sender_gets_its_turn_again(ward):
    begun(ward, port=1)
    slow, wire = begun(ward, port=2)
    begun(ward, port=3)
    ward.advance(1)
    slow.dataReceived(b"x")
    assert not wire.reading
    ward.advance(2)
    assert wire.reading


def test_above_the_ceiling_the_largest_frame_that_stands_still_is_given_up(ward):
    """From however many addresses they come."""
    connections = [begun(ward, f"10.0.0.{n}", n, LARGE - n)[0] for n in range(1, 7)]
    ward.advance(1)
    going_on, wire = begun(ward, "10.0.1.1", size=45_000)
    assert ward.faults == [("10.0.0.1:1", "no_room")]
    assert ward.listener.room.held < 200_000
    assert wire.reading
    lose(connections[0])
    assert [event.flags for _, event in ward.frames] == ["cut_off"]
    lose(going_on)


def test_above_the_ceiling_the_largest_goes_where_none_stands_still(ward):
    """It may be the one that has just sent; who sends slowly is not told from who sends on purpose."""
    for n in range(1, 7):
        begun(ward, f"10.0.0.{n}", n)
    begun(ward, "10.0.1.1", 1, 45_000)
    assert ward.faults == [("10.0.1.1:1", "no_room")]


def test_above_the_ceiling_nobody_is_read_until_answers_that_are_due_are_out(ward):
    """Whole frames are not given up: they are answered soon."""
    connections = [ward.connect(f"10.0.0.{n}", n)[0] for n in range(1, 9)]
    for connection in connections:
        connection.dataReceived(frame(B + b"x" * LARGE))
    late, wire = begun(ward, "10.0.1.1")
    assert (wire.reading, ward.faults) == (False, [])
    ward.advance(2)
    assert not wire.reading
    for connection in connections[:3]:
        connection.answer(b"")
    assert wire.reading
    connections[3].dataReceived(frame(B + b"x" * 2 * LARGE))  # behind the one that is not answered
    late.dataReceived(b"x")
    assert (wire.reading, ward.faults) == (False, [])
    connections[4].answer(b"")
    connections[5].answer(b"")
    assert wire.reading


def test_time_in_which_nobody_is_read_is_not_the_time_of_a_frame(ward):
    """A frame that waits for room takes its time; while the journal pauses, it does not."""
    for port in range(3):
        begun(ward, port=port)
    ward.advance(10)
    ward.listener.pause()
    ward.advance(25)
    assert ward.faults == []
    ward.listener.resume()
    ward.advance(19)
    assert ward.faults == []
    ward.advance(2)
    assert [reason for _, reason in ward.faults] == ["frame_time"] * 3


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("2001:db8::5", "2001:db8::1:2:3:4", True),
        ("2001:db8::5", "2001:db8:0:1::5", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.8", False),
        ("::1", "::2", False),
        ("unix", "unix", True),
    ],
)
def test_a_network_of_64_bits_is_one_peer(first, second, one):
    """One machine has all addresses of it; over IPv4 an address is one."""
    ward = Ward(per_peer=1, count_local=True)
    assert ward.connect(first)[0] is not None
    assert (ward.connect(second)[0] is None) is one


def test_who_leaves_while_others_are_told_is_not_told(ward):
    """What one does with its room may end another."""
    room = Room()
    told = []

    class Guest:
        def room_again(self):
            told.append(self)
            room.leave(guests[1 - guests.index(self)], "a")

    guests = [Guest(), Guest()]
    first = Guest()
    room.hold(first, "a", 90_000, 0)
    assert room.may_grow(first, "a")
    for guest in guests:
        room.hold(guest, "a", 9_000, 0)
        assert not room.may_grow(guest, "a")
    room.leave(first, "a")
    assert told == guests[:1]
    assert room.held == 9_000
