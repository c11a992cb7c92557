"""One connection's TLS: its records in turns, its time limits, and what went wrong in words."""

from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from engine.mllp.answer import TlsFailed
from engine.mllp.records import HEADER, Records
from engine.mllp.writer import Writer
from engine.tls.context import ssl_words
from engine.tls.meeting import Meeting

if TYPE_CHECKING:
    from engine.mllp.tls import TlsFactory

A_TURN = 32  # records of one connection in a turn of the reactor: each can cost a new key and an answer, and no message
IDLE_RECORDS = 32  # in a row without a byte of data, as BoringSSL has it for KeyUpdate (RFC 8446, 4.6.3)
_RECORD = b"\x16"  # a handshake record, the first of every TLS connection
_ALERT = b"\x15"
_NOT_TLS = b"\x15\x03\x03\x00\x02\x02\x0a"  # fatal alert unexpected_message; OpenSSL says nothing to plain text


class Connection(SSL.Connection):
    """Knows whether it has given data."""

    heard = False

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:
        """As everywhere; raises SSL.Error where there is nothing."""
        data = super().recv(bufsiz, flags)
        self.heard = True
        return data


class _AtOnce:
    """The socket below TLS: what is encrypted leaves at once, everything else is the socket's own."""

    def __init__(self, tcp: Any) -> None:
        self._tcp = tcp
        self._write = Writer(tcp)

    def write(self, data: bytes) -> None:
        """Write encrypted bytes; after the end of the connection TLS may still have an alert to send, which nobody hears."""
        if self._tcp.connected:
            self._write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tcp, name)


class TlsWire(TLSMemoryBIOProtocol):
    """One connection's TLS; what it carries knows it as its transport."""

    factory: "TlsFactory"
    _tlsConnection: Connection  # noqa: N815 - Twisted's name

    def makeConnection(self, transport: Any) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this when the TCP connection is there."""
        self.meeting = Meeting()
        self._begun = self._secured = self._held = False
        self._records = Records()
        self._waiting = b""  # what came and is not OpenSSL's yet
        self._idle = 0  # records since the last byte of data
        self._next: Any = None  # the turn that takes more of it
        self._limit: Any = self.factory.clock.callLater(self.factory.limit, self._too_slow)
        super().makeConnection(_AtOnce(transport))  # type: ignore[no-untyped-call] # Twisted leaves it untyped

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this with the next bytes of the network."""
        if not self._begun:
            self._begun = True
            if data[:1] not in {_RECORD, _ALERT}:
                self._not_tls()
        if not self.meeting.problem or self._secured:
            self._waiting = self._waiting + data if self._waiting else data
            if self._next is None:
                self._take()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """What is carried wants nothing just now."""
        self._held = True
        self._tcp.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """What is carried takes bytes again: those that wait here first."""
        self._held = False
        if not self._more:
            self._tcp.resumeProducing()
        else:
            self._later()

    def secured(self) -> None:
        """The protocol says that the handshake is complete."""
        self._secured = True
        self._end_limit()
        self.factory.credential.met(self.meeting.peer)

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Send what waits and close_notify, then close; the peer's close_notify is not waited for (RFC 8446, 6.1)."""
        super().loseConnection()  # type: ignore[no-untyped-call] # as above
        self._tcp.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this once; what went wrong is told in words, here and to the protocol."""
        self._end_limit()
        if self._next is not None:
            self._next.cancel()
        while self._more:  # what came whole is handed over
            self._take_some()
        why = self._why((self._reason or reason).value)
        if why and not self.disconnecting:
            peer: Any = self._tcp.getPeer()
            self.factory.refused(f"{peer.host}:{peer.port}", why, self.meeting.kind or why)
        if why:
            self._reason = Failure(TlsFailed(f"TLS: {why}"))  # type: ignore[no-untyped-call] # as above
        super().connectionLost(reason)  # type: ignore[no-untyped-call] # as above

    @property
    def _tcp(self) -> Any:
        """The TCP transport; Twisted types it as a bare ITransport."""
        return self.transport

    @property
    def _more(self) -> bool:
        """Whether a record waits that anybody wants."""
        over = self.meeting.problem or self.disconnecting or self._lostTLSConnection
        return len(self._waiting) >= HEADER and not over

    def _take(self) -> None:
        """Take what one turn may, and read no more until the rest is taken as well."""
        self._take_some()
        if self._more and not self._held:
            self._tcp.pauseProducing()
            self._later()

    def _later(self) -> None:
        if self._next is None:
            self._next = self.factory.clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._next = None
        if not self._held:
            self._take()
            if not self._more and not self._held:
                self._tcp.resumeProducing()

    def _take_some(self) -> None:
        data, wire = self._waiting, self._tlsConnection
        size, count = self._records.take(data, A_TURN)
        self._waiting = data[size:]
        if not size:
            return
        wire.heard = False
        super().dataReceived(data[:size])  # type: ignore[no-untyped-call] # Twisted leaves it untyped
        if wire.heard or not self._secured:
            self._idle = 0
            return
        self._idle += count
        if self._idle >= IDLE_RECORDS:
            self.meeting.problem = f"{IDLE_RECORDS} records in a row without a byte of a message"
            self._tcp.abortConnection()

    def _why(self, error: BaseException | None) -> str:
        if self.meeting.problem:
            return self.meeting.problem
        if isinstance(error, SSL.Error):
            return ssl_words(error)
        return "" if self._secured else self.factory.left

    def _not_tls(self) -> None:
        self.meeting.problem = self.factory.plain
        self._tcp.write(_NOT_TLS)
        self._tcp.loseConnection()

    def _too_slow(self) -> None:
        self._limit = None
        if not self.factory.reads:  # it is not read just now: not its fault
            self._limit = self.factory.clock.callLater(self.factory.limit, self._too_slow)
            return
        self.meeting.problem = f"no handshake within {self.factory.limit:g} s"
        self._tcp.abortConnection()

    def _end_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
