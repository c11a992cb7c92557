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
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from engine.mllp.tls_wire import Connection, TlsWire
from engine.tls.credential import Credential
from engine.tls.meeting import is_address
from engine.tls.plan import ClientTls

HANDSHAKE = 10.0  # seconds

Refused = Callable[[str, str, str], None]  # (peer, why in words, why without names that the peer may choose)


class TlsFactory(TLSMemoryBIOFactory):
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


class TlsListening(TlsFactory):
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
        return _TlsAttempt(self._credential, attempt, self._clock, lambda _peer, _why, _kind: None, client=True)


class _TlsAttempt(TlsFactory):
    plain = "the peer does not speak TLS"
    left = "the peer closed the connection during the handshake; it may not speak TLS"


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class _Connections:
    """Makes OpenSSL's side of a connection from the context of this moment."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def serverConnectionForTLS(self, _wire: Any) -> SSL.Connection:  # noqa: N802 - Twisted's name
        return Connection(self._credential.context, None)

    def clientConnectionForTLS(self, _wire: Any) -> SSL.Connection:  # noqa: N802 - Twisted's name
        connection = Connection(self._credential.context, None)
        plan = self._credential.plan
        if isinstance(plan, ClientTls) and not is_address(plan.server_name):  # RFC 6066: no address in SNI
            connection.set_tlsext_host_name(plan.server_name.encode("idna"))
        return connection
