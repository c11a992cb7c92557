"""TLS under a listener's or a destination's connections; imported only where a site has it.

A connection is counted from its first byte, has ten seconds for its handshake, and hands over nothing before the peer
is known. There is no way from here to plain text: `Writer` writes through the wire, never past it.
"""

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocol,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from engine.mllp.answer import TlsFailed
from engine.mllp.writer import Writer
from engine.tls.context import ssl_words
from engine.tls.credential import Credential
from engine.tls.meeting import Meeting, is_address
from engine.tls.plan import ClientTls

HANDSHAKE = 10.0  # seconds
_RECORD = b"\x16"  # a handshake record, the first of every TLS connection
_ALERT = b"\x15"
_NOT_TLS = b"\x15\x03\x03\x00\x02\x02\x0a"  # fatal alert unexpected_message; OpenSSL says nothing to plain text

Refused = Callable[[str, str], None]  # (peer, why in words)


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

    factory: "_TlsFactory"

    def makeConnection(self, transport: Any) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this when the TCP connection is there."""
        self.meeting = Meeting()
        self._begun = self._secured = False
        self._limit: Any = self.factory.clock.callLater(self.factory.limit, self._too_slow)
        super().makeConnection(_AtOnce(transport))  # type: ignore[no-untyped-call] # Twisted leaves it untyped

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this with the next bytes of the network."""
        if not self._begun:
            self._begun = True
            if data[:1] not in {_RECORD, _ALERT}:
                self._not_tls()
        if not self.meeting.problem or self._secured:
            super().dataReceived(data)  # type: ignore[no-untyped-call] # as above

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
        why = self._why((self._reason or reason).value)
        if why and not self.disconnecting:
            peer: Any = self._tcp.getPeer()
            self.factory.refused(f"{peer.host}:{peer.port}", why)
        if why:
            self._reason = Failure(TlsFailed(f"TLS: {why}"))  # type: ignore[no-untyped-call] # as above
        super().connectionLost(reason)  # type: ignore[no-untyped-call] # as above

    @property
    def _tcp(self) -> Any:
        """The TCP transport; Twisted types it as a bare ITransport."""
        return self.transport

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


class _TlsFactory(TLSMemoryBIOFactory):
    """Puts TLS around the connections of a factory."""

    protocol = TlsWire
    plain = left = ""

    def __init__(self, credential: Credential, factory: Any, clock: Any, refused: Refused, *, client: bool) -> None:
        self.credential = credential
        self.clock = clock
        self.refused = refused
        self.limit = HANDSHAKE
        connections: Any = _Connections(credential)
        super().__init__(connections, client, factory, clock)

    @property
    def reads(self) -> bool:
        """Whether the wrapped factory lets its connections be read."""
        return getattr(self.wrappedFactory, "may_read", True)

    def buildProtocol(self, addr: IAddress) -> TlsWire | None:  # type: ignore[override] # noqa: N802 - Twisted's name
        """A wire around the wrapped factory's protocol, or None where that refuses the connection."""
        inner: IProtocol | None = self.wrappedFactory.buildProtocol(addr)
        return TlsWire(self, inner) if inner is not None else None  # type: ignore[no-untyped-call] # as above


class TlsListening(_TlsFactory):
    """Give it to `reactor.listenTCP` in place of the listener."""

    plain = "plain text where TLS is wanted"
    left = "the client left during the handshake"

    def __init__(self, credential: Credential, listener: Any, clock: Any, refused: Refused) -> None:
        super().__init__(credential, listener, clock, refused, client=False)


class TlsDialling:
    """What a sender puts around each of its attempts to connect."""

    def __init__(self, credential: Credential, clock: Any) -> None:
        self._credential = credential
        self._clock = clock

    def __call__(self, attempt: Any) -> TLSMemoryBIOFactory:
        """The factory for `reactor.connectTCP`."""
        return _TlsAttempt(self._credential, attempt, self._clock, lambda _peer, _why: None, client=True)


class _TlsAttempt(_TlsFactory):
    plain = "the peer does not speak TLS"
    left = "the peer closed the connection during the handshake; it may not speak TLS"


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class _Connections:
    """Makes OpenSSL's side of a connection from the context of this moment."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def serverConnectionForTLS(self, _wire: Any) -> SSL.Connection:  # noqa: N802 - Twisted's name
        return SSL.Connection(self._credential.context, None)

    def clientConnectionForTLS(self, _wire: Any) -> SSL.Connection:  # noqa: N802 - Twisted's name
        connection = SSL.Connection(self._credential.context, None)
        plan = self._credential.plan
        if isinstance(plan, ClientTls) and not is_address(plan.server_name):  # RFC 6066: no address in SNI
            connection.set_tlsext_host_name(plan.server_name.encode("idna"))
        return connection
