"""Records of TLS are taken in turns, and many without a byte of a message end the connection."""

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from engine.mllp.framing import frame
from engine.mllp.records import Records
from engine.mllp.tls_wire import A_TURN, IDLE_RECORDS
from tests.mllp.test_tls import Socket, connect, credential, listening  # noqa: F401 - fixtures
from tests.mllp.updating import Updating

MESSAGE = b"MSH|^~\\&|A|B|C|D|20260801||ACK|1|P|2.3\r"


def record(size, kind=b"\x17"):
    return kind + b"\x03\x03" + size.to_bytes(2, "big") + b"x" * size


@pytest.mark.parametrize(
    ("pieces", "most", "found"),
    [
        ([record(3) * 5], 9, [(40, 5)]),
        ([record(3) * 5], 2, [(16, 2)]),
        ([record(3)[:4], record(3)], 9, [(0, 0), (8, 1)]),  # the header comes again
        ([record(3)[:7], record(3)[7:] + record(0)], 9, [(7, 1), (6, 1)]),
        ([record(300)[:7], b"x" * 100, b"x" * 198 + record(2)], 1, [(7, 1), (100, 0), (205, 1)]),
        ([b""], 9, [(0, 0)]),
    ],
)
def test_records_are_counted_where_they_begin(pieces, most, found):
    """Whatever the network cuts them into."""
    records = Records()
    assert [records.take(piece, most) for piece in pieces] == found


class Client:
    """Python's OpenSSL without a socket."""

    def __init__(self, factory, version=SSL.TLS1_3_VERSION):
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_max_proto_version(version)
        self._ssl = SSL.Connection(context, None)
        self._ssl.set_connect_state()
        self.wire, self.socket = connect(factory)
        meet(self, self.wire, self.socket)

    def connect(self):
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def write(self, data):
        self._ssl.send(data)

    def take(self):
        try:
            return self._ssl.bio_read(1 << 20)
        except SSL.WantReadError:
            return b""

    def give(self, data):
        self._ssl.bio_write(data)


def meet(client, wire, socket):
    """The handshake."""
    while not client.connect():
        wire.dataReceived(client.take())
        if sent := written(socket):
            client.give(sent)
    if rest := client.take():
        wire.dataReceived(rest)
    assert wire._secured


def written(socket):
    sent, socket.at_once = socket.at_once, b""
    return sent


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_many_small_records_are_taken_in_turns(listening, version):  # noqa: F811
    """As many as one turn may; nothing more is read before the rest is taken, and none of it is lost."""
    ward, factory, refused = listening
    client = Client(factory, version)
    for _ in range(3 * A_TURN):
        client.write(frame(MESSAGE))
    client.wire.dataReceived(client.take())
    counts = [len(ward.frames)]
    while not client.socket.reading:
        for connection, _ in ward.frames[ward.answered :]:
            ward.answered += 1
            connection.answer(b"")
        ward.clock.advance(0)
        counts.append(len(ward.frames))
        assert len(counts) < 1000
    assert max(after - before for before, after in zip([0, *counts], counts, strict=False)) <= A_TURN
    assert ward.bodies == [MESSAGE] * 3 * A_TURN
    assert refused == []


def test_who_is_not_read_waits_in_between(listening):  # noqa: F811
    """The listener pauses: what is left of a read stays here until it goes on, also where more turns were due."""
    ward, factory, _ = listening
    client = Client(factory)
    for _ in range(2 * A_TURN):
        client.write(b"\x0b")
    for _ in range(A_TURN):
        client.write(frame(MESSAGE))
    client.wire.dataReceived(client.take())
    ward.listener.pause()
    ward.clock.advance(1)
    assert (ward.frames, client.socket.reading) == ([], False)
    ward.listener.resume()
    ward.listener.pause()
    ward.listener.resume()
    for _ in range(9):
        ward.clock.advance(0)
    assert (len(ward.frames) > 0, client.socket.reading) == (True, len(ward.frames) == A_TURN)


def test_what_waits_is_taken_when_the_peer_leaves(listening):  # noqa: F811
    """What came whole is handed over."""
    ward, factory, _ = listening
    client = Client(factory)
    for number in range(2 * A_TURN):
        client.write(frame(MESSAGE) if number == 2 * A_TURN - 1 else b"\r")
    client.wire.dataReceived(client.take())
    assert ward.frames == []
    client.wire.connectionLost(Failure(ConnectionDone()))
    assert ward.bodies == [MESSAGE]
    ward.clock.advance(1)


def updating(factory):
    client = Updating()
    wire, socket = connect(factory)
    meet(client, wire, socket)
    return client, wire, socket


def test_a_flood_of_key_updates_ends_the_connection(listening):  # noqa: F811
    """Told in words; of the rest nothing is looked at."""
    ward, factory, refused = listening
    client, wire, socket = updating(factory)
    client.update(3000)
    wire.dataReceived(client.take())
    assert len(written(socket)) <= 2 * A_TURN * 27  # an answer to each that was taken
    assert socket.aborted
    ward.clock.advance(1)
    wire.connectionLost(Failure(ConnectionDone()))
    assert [why for _, why, _ in refused] == [f"{IDLE_RECORDS} records in a row without a byte of a message"]
    assert ward.listener.counters.connections == 0


def test_new_keys_now_and_then_are_everybodys_right(listening):  # noqa: F811
    """Between messages, as a peer that follows the limits of its cipher does."""
    ward, factory, refused = listening
    client, wire, socket = updating(factory)
    for _ in range(IDLE_RECORDS):
        client.update(IDLE_RECORDS - 1)
        client.write(frame(MESSAGE))
        wire.dataReceived(client.take())
        ward.clock.advance(0)
        ward.frames[-1][0].answer(b"")
    assert (len(ward.frames), refused, socket.aborted) == (IDLE_RECORDS, [], False)


def test_after_a_broken_record_nothing_more_is_taken(listening):  # noqa: F811
    """What stands behind it in the same read is not OpenSSL's to see."""
    ward, factory, refused = listening
    client = Client(factory)
    client.write(b"x")
    client.wire.dataReceived(record(40) + client.take() * A_TURN + record(40))
    assert client.socket.closing
    ward.clock.advance(1)
    client.wire.connectionLost(Failure(ConnectionDone()))
    assert len(refused) == 1


def test_a_record_may_come_byte_by_byte(listening):  # noqa: F811
    """Also its header."""
    ward, factory, _ = listening
    client = Client(factory)
    client.write(frame(MESSAGE))
    for byte in client.take():
        client.wire.dataReceived(bytes([byte]))
    assert ward.bodies == [MESSAGE]


def test_what_comes_while_a_turn_is_due_waits_behind_it(listening):  # noqa: F811
    """A transport that is paused may still have a read to hand over."""
    ward, factory, _ = listening
    client = Client(factory)
    for _ in range(A_TURN + 1):
        client.write(b"\r")
    client.wire.dataReceived(client.take())
    client.write(frame(MESSAGE))
    client.wire.dataReceived(client.take())
    assert ward.frames == []
    ward.clock.advance(0)
    assert ward.bodies == [MESSAGE]
    assert client.socket.reading
