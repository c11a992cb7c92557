"""One lane's connection to a destination: one message in flight, its answer matched by MSA-2, closed when in doubt.

An answer for another message, or silence, closes the connection, so that no answer is ever taken for the next message's
(HL7 2.9.2: MSA-2 echoes MSH-10, byte for byte). A second answer to a message that this connection has answered is let
pass; what has the same MSH-10 as one of these goes over a new connection. When to try again is the lane's decision, not ours.
"""

from collections.abc import Callable
from errno import ENETUNREACH
from typing import Any, NamedTuple

from twisted.internet.error import ConnectionDone, DNSLookupError, NoRouteError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as TimedOut
from twisted.python.failure import Failure

from engine.errors import Unreadable
from engine.hl7.acknowledge import Ack, read_ack
from engine.mllp.answer import MISMATCH, NoAnswer, TlsFailed
from engine.mllp.awaited import NEVER, Awaited, awaited
from engine.mllp.framing import Framed, FrameEvent
from engine.mllp.sender_wire import MAX_ANSWER, SenderFactory, SenderWire

CONNECT_TIMEOUT = 10.0  # seconds
NOT_ANSWERED = 1.0  # seconds that a connection must live on after a message that nobody answers


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
OnSecond = Callable[[Ack], None]
Secure = Callable[[Any], Any]  # puts TLS around an attempt to connect: engine.mllp.tls.TlsDialling


class MllpSender:
    """Sends one message at a time; connects when there is something to send and keeps the connection.

    Args:
        target: where to.
        on_result: called once for each message, with its answer or why there is none.
        reactor: Twisted's.
        secure: puts TLS around each connection.
        on_second: told of a further answer to a message that was answered before.
    """

    def __init__(
        self,
        target: Target,
        on_result: OnResult,
        reactor: Any,
        secure: Secure | None = None,
        on_second: OnSecond = lambda _ack: None,
    ) -> None:
        self.target = target
        self.secure = secure
        self._on_result = on_result
        self._on_second = on_second
        self.reactor = reactor
        self._wire: SenderWire | None = None
        self._attempt: SenderFactory | None = None  # the connection being made
        self._connector: Any = None
        self._body = b""
        self._awaited = Awaited(b"")
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
        self._body, self._awaited = body, awaited(body, control_id)
        if self._wire is not None and self._wire.has_answered(self._awaited.control_id):
            self._drop()  # an answer to the one before could come again, and nothing would tell them apart
        if self._wire is not None:
            self._write(self._wire)
        else:
            self._connect()

    def close(self) -> None:
        """Close the connection; a message in flight gets no result any more."""
        self._in_flight = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._drop()

    def made(self, attempt: SenderFactory, wire: SenderWire) -> None:
        """The connection is there: the waiting message goes."""
        if attempt is not self._attempt:
            wire.abort()
            return
        self._attempt = None
        self._wire = wire
        self._write(wire)

    def failed(self, attempt: SenderFactory, reason: Failure) -> None:
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

    def lost(self, wire: SenderWire, reason: Failure) -> None:
        """The connection is gone; a peer that refuses our certificate says so only after the handshake (TLS 1.3)."""
        if self._wire is wire:
            self._wire = self._connector = None
            self._fail(_why_lost(reason.value))

    def received(self, wire: SenderWire, event: FrameEvent) -> None:
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
        if self._in_flight and ack.echoed == self._awaited.control_id:
            self._end(ack)
        elif wire.has_answered(ack.echoed):
            self._on_second(ack)
        else:
            self._doubt(MISMATCH.reason)

    def _doubt(self, reason: str) -> None:
        """What comes next on this connection could belong to anything: close it."""
        self._drop()
        self._fail(reason)

    def _connect(self) -> None:
        self._attempt = SenderFactory(self)
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
            self._end(NoAnswer(reason))

    def _end(self, result: Ack | NoAnswer) -> None:
        if self._wire is not None:
            self._wire.answered(self._awaited.control_id)
        self._in_flight = False
        self._body = b""
        self._on_result(result)

    @property
    def _patience(self) -> float:
        """Seconds of silence after which the message in flight is decided."""
        timeout = self.target.ack_timeout
        return min(NOT_ANSWERED, timeout) if self._awaited.silence == NEVER and not self._is_clogged else timeout

    @property
    def _is_clogged(self) -> bool:
        """Whether the message is still here, since the destination does not read."""
        return self._wire is not None and self._wire.clogged

    def _write(self, wire: SenderWire) -> None:
        """The answer's time begins only here: connecting has limits of its own."""
        self._sent_at = self.reactor.seconds()
        if self._timer is None:
            self._watch(self._patience)
        elif self._awaited.silence == NEVER:
            self._timer.reset(self._patience)
        if self._awaited.silence:
            wire.watch_writing()
        wire.write(self._body)

    def _watch(self, seconds: float) -> None:
        """One timer, moved lazily: setting and cancelling one for each message costs more than sending it."""
        self._timer = self.reactor.callLater(seconds, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        if not self._in_flight or self._wire is None:
            return
        left = self._sent_at + self._patience - self.reactor.seconds()
        if left > 0:
            self._watch(min(left, NOT_ANSWERED) if self._is_clogged else left)
        elif not self._awaited.silence or self._is_clogged:
            self._doubt(f"no answer for {self.target.ack_timeout:g} s")
        elif self._awaited.silence == NEVER:
            self._end(NoAnswer("not answered, as MSH-15 NE asks", taken=True))
        else:
            self._end(NoAnswer(f"not refused for {self.target.ack_timeout:g} s, as MSH-15 ER means", taken=True))


def _why_lost(error: BaseException | None) -> str:
    if isinstance(error, TlsFailed):
        return str(error)
    return "connection closed before the answer" if isinstance(error, ConnectionDone) else "connection reset"
