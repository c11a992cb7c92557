"""TLS around a listener's connections: time limits, caps, and plain text that has no way out."""

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol

from engine.mllp.tls import HANDSHAKE, TlsListening
from engine.mllp.writer import Writer
from engine.tls.credential import Credential
from engine.tls.plan import ServerTls
from tests.mllp.wire import Ward, Wire
from tests.tls.authority import make

PEER = IPv4Address("TCP", "10.0.0.7", 40312)


class Socket(Wire):
    """A transport that, like a socket of Twisted's, can write at once."""

    def __init__(self):
        super().__init__()
        self.at_once = b""

    def writeSomeData(self, data):  # noqa: N802
        self.at_once += data
        return len(data)


@pytest.fixture
def credential(tmp_path):
    return Credential("listener lab", ServerTls(*make("engine").write(tmp_path, "engine")))


@pytest.fixture
def listening(credential):
    """A ward, its port, and what was refused there."""
    ward = Ward(per_peer=2)
    refused = []
    factory = TlsListening(credential, ward.listener, ward.clock, lambda *words: refused.append(words))
    return ward, factory, refused


def connect(factory):
    wire, socket = factory.buildProtocol(PEER), Socket()
    if wire is not None:
        wire.makeConnection(socket)
    return wire, socket


def test_a_writer_never_finds_the_socket_below_tls(listening):
    """The wire hands on what it does not know, `writeSomeData` as well; the writer looks at its class only."""
    _, factory, _ = listening
    wire, socket = connect(factory)
    assert wire.writeSomeData.__self__ is socket  # the trap is there
    Writer(wire)(b"MSH|CANARY")
    assert b"CANARY" not in socket.at_once + socket.value()


def test_a_transport_that_began_tls_is_written_to_its_own_way():
    """Twisted's startTLS turns a socket into TLS in place; it says so."""
    socket = Socket()
    socket.TLS = True
    Writer(socket)(b"x")
    assert (socket.at_once, socket.value()) == (b"", b"x")


def test_a_handshake_has_ten_seconds(listening):
    """Counted as a connection meanwhile; closed and told then."""
    ward, factory, refused = listening
    wire, socket = connect(factory)
    wire.dataReceived(b"\x16\x03\x01\x02\x00\x01")
    assert ward.listener.counters.connections == 1
    ward.clock.advance(HANDSHAKE - 0.1)
    assert not socket.aborted
    ward.clock.advance(0.2)
    assert socket.aborted
    wire.connectionLost()
    assert refused == [("10.0.0.7:40312", *["no handshake within 10 s"] * 2)]
    assert ward.listener.counters.connections == 0


def test_who_is_not_read_is_not_too_slow(listening):
    """While the journal refuses, nobody is read: the time begins again."""
    ward, factory, _ = listening
    _, socket = connect(factory)
    ward.listener.pause()
    ward.clock.advance(HANDSHAKE)
    assert not socket.aborted
    ward.listener.resume()
    ward.clock.advance(HANDSHAKE)
    assert socket.aborted


def test_the_cap_counts_handshakes(listening):
    """The third connection of a peer is refused before a byte of TLS."""
    _, factory, _ = listening
    assert [connect(factory)[0] is not None for _ in range(3)] == [True, True, False]


def test_plain_text_gets_an_alert_and_its_rest_is_not_looked_at(listening):
    ward, factory, refused = listening
    wire, socket = connect(factory)
    wire.dataReceived(b"\x0bMSH|")
    wire.dataReceived(b"\x16more")
    assert (socket.at_once, socket.closing, ward.frames) == (b"\x15\x03\x03\x00\x02\x02\x0a", True, [])
    socket.connected = False
    wire.connectionLost()
    assert refused == [("10.0.0.7:40312", *["plain text where TLS is wanted"] * 2)]


def test_what_a_factory_does_not_say_about_reading_is_yes(credential):
    """Only listeners pause."""
    assert TlsListening(credential, Factory.forProtocol(Protocol), None, lambda *_: None).reads
