"""One lane's connection to a destination: one message in flight, its answer matched by MSA-2, closed when in doubt.

A late answer, an answer for another message, two answers or silence close the connection, so that no answer is ever
taken for the next message's (HL7 2.9.2: MSA-2 echoes MSH-10). When to try again is the lane's decision, not ours.
Long because every doubt about an answer is decided in one place.
"""

from collections.abc import Callable
from errno import ENETUNREACH
from typing import Any, NamedTuple

from twisted.internet.error import ConnectionDone, DNSLookupError, NoRouteError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as TimedOut
from twisted.internet.interfaces import IAddress, IHandshakeListener
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from engine.errors import Unreadable
from engine.hl7.acknowledge import Ack, read_ack
from engine.mllp.answer import MISMATCH, NoAnswer, TlsFailed
from engine.mllp.framing import SILENCE, Framed, FrameEvent, Framer, frame
from engine.mllp.keepalive import keep_alive
from engine.mllp.writer import Writer

MAX_ANSWER = 64 * 1024
CONNECT_TIMEOUT = 10.0  # seconds
VANISHED = 30.0  # seconds in which TCP finds out that the destination is gone; ack_timeout where that is longer


class Target(NamedTuple):
    """Where a lane's messages go; the timeout is in seconds."""

    host: str
    port: int
    ack_timeout: float = 30.0


_NO_FRAME = {
    Framed.EMPTY: "answer is empty",
    Framed.TOO_LONG: f"answer longer than {MAX_ANSWER // 1024} KB",
}
OnResult = Callable[[Ack | NoAnswer], None]
Secure = Callable[[Any], Any]  # puts TLS around an attempt to connect: engine.mllp.tls.TlsDialling


class MllpSender:
    """Sends one message at a time; connects when there is something to send and keeps the connection."""

    def __init__(self, target: Target, on_result: OnResult, reactor: Any, secure: Secure | None = None) -> None:
        self.target = target
        self.secure = secure
        self._on_result = on_result
        self.reactor = reactor
        self._wire: _SenderConnection | None = None
        self._attempt: _SenderFactory | None = None  # the connection being made
        self._connector: Any = None
        self._body = b""
        self._control_id = ""
        self._in_flight = False
        self._sent_at = 0.0
        self._timer: Any = None

    @property
    def connected(self) -> bool:
        """Whether the destination's port is open to us now."""
        return self._wire is not None

    @property
    def in_flight(self) -> bool:
        """Whether a message waits for its answer."""
        return self._in_flight

    def send(self, body: bytes, control_id: str) -> None:
        """Send a message; `on_result` is called once, with the answer for this control id or why there is none."""
        if self._in_flight:
            raise RuntimeError("one message at a time")
        self._in_flight = True
        self._body, self._control_id = body, control_id
        self._sent_at = self.reactor.seconds()
        if self._timer is None:
            self._watch(self.target.ack_timeout)
        if self._wire is not None:
            self._wire.write(body)
        else:
            self._connect()

    def close(self) -> None:
        """Close the connection; a message in flight gets no result any more."""
        self._in_flight = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._drop()

    def made(self, attempt: "_SenderFactory", wire: "_SenderConnection") -> None:
        """The connection is there: the waiting message goes."""
        if attempt is not self._attempt:
            wire.abort()
            return
        self._attempt = None
        self._wire = wire
        self._sent_at = self.reactor.seconds()
        wire.write(self._body)

    def failed(self, attempt: "_SenderFactory", reason: Failure) -> None:
        """The connection could not be made."""
        if attempt is not self._attempt:
            return
        self._attempt = self._connector = None
        self._fail(self._why_not(reason.value))

    def _why_not(self, error: BaseException | None) -> str:
        """Why there is no connection, in fixed words and what config.yaml says."""
        if isinstance(error, TlsFailed):
            return str(error)
        if isinstance(error, Refused):
            return f"connection refused by {self.target.host}:{self.target.port}"
        if isinstance(error, TimedOut):
            return f"no connection within {CONNECT_TIMEOUT:g} s"
        if isinstance(error, DNSLookupError):
            return "host name not found"
        if isinstance(error, NoRouteError):
            return "no route to host"
        return "network unreachable" if getattr(error, "osError", None) == ENETUNREACH else "no connection"

    def lost(self, wire: "_SenderConnection", reason: Failure) -> None:
        """The connection is gone; a peer that refuses our certificate says so only after the handshake (TLS 1.3)."""
        if self._wire is wire:
            self._wire = self._connector = None
            self._fail(_why_lost(reason.value))

    def received(self, wire: "_SenderConnection", event: FrameEvent) -> None:
        """A frame came from the destination."""
        if self._wire is not wire:
            return
        if event.kind is not Framed.FRAME:
            self._doubt(_NO_FRAME.get(event.kind, "answer is no HL7 message"))
            return
        try:
            ack = read_ack(event.body)
        except Unreadable:
            self._doubt("answer is no HL7 acknowledgement")
            return
        if not self._in_flight or ack.control_id != self._control_id:
            self._doubt(MISMATCH.reason)
            return
        self._in_flight = False
        self._body = b""
        self._on_result(ack)

    def _doubt(self, reason: str) -> None:
        """What comes next on this connection could belong to anything: close it."""
        self._drop()
        self._fail(reason)

    def _connect(self) -> None:
        self._attempt = _SenderFactory(self)
        target = self.target
        factory = self.secure(self._attempt) if self.secure is not None else self._attempt
        self._connector = self.reactor.connectTCP(target.host, target.port, factory, timeout=CONNECT_TIMEOUT)

    def _drop(self) -> None:
        wire, attempt, connector = self._wire, self._attempt, self._connector
        self._wire = self._attempt = self._connector = None
        if wire is not None:
            wire.abort()
        elif attempt is not None:
            connector.disconnect()

    def _fail(self, reason: str) -> None:
        if self._in_flight:
            self._in_flight = False
            self._body = b""
            self._on_result(NoAnswer(reason))

    def _watch(self, seconds: float) -> None:
        """One timer, moved lazily: setting and cancelling one for each message costs more than sending it."""
        self._timer = self.reactor.callLater(seconds, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        if not self._in_flight:
            return
        left = self._sent_at + self.target.ack_timeout - self.reactor.seconds()
        if left > 0:
            self._watch(left)
            return
        self._doubt(f"no answer for {self.target.ack_timeout:g} s")


def _why_lost(error: BaseException | None) -> str:
    if isinstance(error, TlsFailed):
        return str(error)
    return "connection closed before the answer" if isinstance(error, ConnectionDone) else "connection reset"


class _SenderFactory(ClientFactory):
    """One attempt to connect."""

    noisy = False

    def __init__(self, sender: MllpSender) -> None:
        self._sender = sender

    def buildProtocol(self, addr: IAddress | None) -> "_SenderConnection":  # noqa: ARG002, N802 - Twisted's name
        return _SenderConnection(self._sender, self)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:  # noqa: ARG002, N802 - Twisted's name
        self._sender.failed(self, reason)


@implementer(IHandshakeListener)
class _SenderConnection(Protocol):
    """One TCP connection of a sender; with TLS it counts as made when the destination is known to be the right one."""

    def __init__(self, sender: MllpSender, attempt: _SenderFactory) -> None:
        self._sender = sender
        self._attempt = attempt
        self.reactor = sender.reactor
        self._framer = Framer(MAX_ANSWER)
        self._silence: Any = None

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
