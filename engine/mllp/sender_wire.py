"""A sender's connections: framing, what was answered on each of them, and how one is made and lost."""

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress, IHandshakeListener, IPushProducer
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from engine.mllp.framing import SILENCE, Framed, Framer, frame
from engine.mllp.keepalive import keep_alive
from engine.mllp.writer import Writer

if TYPE_CHECKING:
    from engine.mllp.sender import MllpSender

MAX_ANSWER = 64 * 1024
VANISHED = 30.0  # seconds in which TCP finds out that the destination is gone; ack_timeout where that is longer
REMEMBERED = 256  # control ids of messages that a connection has answered


@implementer(IPushProducer)
class _Outlet:
    """Told by the transport when what was written stays in its buffer, and when that is empty again."""

    clogged = False

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.clogged = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.clogged = False

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The connection is lost, which the protocol is told as well."""


class SenderFactory(ClientFactory):
    """One attempt to connect."""

    noisy = False

    def __init__(self, sender: "MllpSender") -> None:
        self._sender = sender

    def buildProtocol(self, addr: IAddress | None) -> "SenderWire":  # noqa: ARG002, N802 - Twisted's name
        return SenderWire(self._sender, self)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:  # noqa: ARG002, N802 - Twisted's name
        self._sender.failed(self, reason)


@implementer(IHandshakeListener)
class SenderWire(Protocol):
    """One TCP connection of a sender; with TLS it counts as made when the destination is known to be the right one."""

    def __init__(self, sender: "MllpSender", attempt: SenderFactory) -> None:
        self._sender = sender
        self._attempt = attempt
        self.reactor = sender.reactor
        self._framer = Framer(MAX_ANSWER)
        self._silence: Any = None
        self._answered: dict[bytes, None] = {}
        self._outlet: _Outlet | None = None

    @property
    def _wire(self) -> Any:
        """The TCP transport; Twisted types it as a bare ITransport."""
        return self.transport

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        self._wire.setTcpNoDelay(True)
        keep_alive(self._wire, max(self._sender.target.ack_timeout, VANISHED))
        self._write = Writer(self._wire)
        if self._sender.secure is None:
            self._sender.made(self._attempt, self)

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        self._wire.secured()
        self._sender.made(self._attempt, self)

    def has_answered(self, control_id: bytes) -> bool:
        """Whether a message with this MSH-10 was answered here, among the latest."""
        return control_id in self._answered

    def answered(self, control_id: bytes) -> None:
        """Remember the message: further answers to it belong to no other."""
        self._answered[control_id] = None
        if len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]

    def watch_writing(self) -> None:
        """Begin to know whether the peer takes what is written; for messages whose silence is good news."""
        if self._outlet is None:
            self._outlet = _Outlet()
            self._wire.registerProducer(self._outlet, True)

    @property
    def clogged(self) -> bool:
        """Whether the peer has left more than Twisted's buffer (64 KB) unread."""
        return self._outlet is not None and self._outlet.clogged

    def write(self, body: bytes) -> None:
        self._write(frame(body))

    def abort(self) -> None:
        self._wire.abortConnection()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        for event in self._framer.feed(data, self.reactor.seconds()):
            self._sender.received(self, event)
        self._watch()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        for event in self._framer.end():
            if event.kind is Framed.FRAME:  # FS, then the peer closed: a whole answer
                self._sender.received(self, event)
        self._sender.failed(self._attempt, reason)  # where it was never made
        self._sender.lost(self, reason)

    def _watch(self) -> None:
        if self._framer.waits_for_silence and self._silence is None:
            self._silence = self.reactor.callLater(SILENCE, self._silent)

    def _silent(self) -> None:
        self._silence = None
        for event in self._framer.silent(self.reactor.seconds()):
            self._sender.received(self, event)
        self._watch()
