"""One connection of an MLLP listener: frames out of it, answers into it in order, and when it is closed."""

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from zope.interface import implementer

from engine.mllp.framing import Framed, FrameEvent, Framer
from engine.mllp.writer import Writer

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from engine.mllp.listener import MllpListener

MAX_WAITING = 128  # frames of one connection whose answers are not decided yet; more, and it is not read


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class MllpConnection(Protocol):
    """A sender's connection. Every frame handed out is settled once, in order, by `answer`."""

    def __init__(self, listener: "MllpListener") -> None:
        self.listener = listener
        self.peer = ""
        self._framer = Framer(listener.rules.max_bytes)
        self._waiting = 0
        self._closing = False  # no more frames are taken; closed when the last answer is out
        self._gone = False
        self._paused = False
        self._framed_before = False
        self._heard = 0.0
        self._frame_began = 0.0

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this when a sender has connected."""
        peer = cast("Any", self._wire.getPeer())
        self.peer = f"{peer.host}:{peer.port}"
        self._wire.setTcpNoDelay(True)
        self._wire.setTcpKeepAlive(True)
        self._write = Writer(self._wire)
        self._heard = self.listener.seconds()
        self.listener.opened(self)

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this when TLS stands, where the connection has it."""
        self._wire.secured()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this with the next bytes."""
        if self._closing:
            return
        framer = self._framer
        now = self._heard = self.listener.seconds()
        was_inside = framer.inside
        events = framer.feed(data, now)
        if framer.inside and (events or not was_inside):
            self._frame_began = now
        self._take(events)

    def answer(self, reply: bytes) -> None:
        """Settle the oldest frame; `reply` is framed, or empty when the sender wants none."""
        self._waiting -= 1
        counters = self.listener.counters
        if self._gone:
            counters.unanswered += bool(reply)
            return
        if reply:
            counters.answered += 1
            self._write(reply)
        if self._closing:
            self._close_when_settled()
        elif self._paused and self._waiting <= MAX_WAITING // 2:
            self._read_on()

    def tick(self, now: float) -> None:
        """Four times a second: a second of silence, a frame that takes too long, a peer that says nothing."""
        if self._gone or self._closing or self._paused:
            return
        if self._framer.inside:
            self._take(self._framer.silent(now))
        if self._closing:
            return
        rules = self.listener.rules
        if self._framer.inside and now - self._frame_began >= rules.frame_time:
            self.fault("frame_time", self._framer.end())
        elif not self._waiting and now - self._heard >= rules.idle:
            self.fault("idle", self._framer.end())

    def fault(self, reason: str, rest: list[FrameEvent]) -> None:
        """Close what cannot be answered: count it, keep what was cut off, send the answers that are still due."""
        self.listener.faulted(self, reason)
        self._closing = True
        for event in rest:
            if event.body:
                self._hand_out(event)
        self._wire.pauseProducing()
        self._close_when_settled()

    def stop(self) -> None:
        """Take no more frames, and close when the answers that are due are out; a half frame will be sent again."""
        if not self._closing:
            self._closing = True
            self._wire.pauseProducing()
            self._close_when_settled()

    def readConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        """The sender sends no more but may still read: answer what is whole, then close."""
        self._finish()
        self._close_when_settled()

    def writeConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        """Nobody reads our answers any more: there is nothing left to talk about."""
        self._wire.loseConnection()

    def connectionLost(self, reason: "Failure" = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's name
        """Twisted calls this once, when the connection is gone."""
        self._finish()
        self._gone = True
        self.listener.closed(self)

    def pause(self) -> None:
        """Read no more until `resume`: the journal's queue is long, or its disk is full."""
        if not (self._gone or self._closing or self._paused):
            self._paused = True
            self._wire.pauseProducing()

    def resume(self) -> None:
        """Read again, if the connection itself has not too much under way."""
        if self._paused and not (self._gone or self._closing) and self._waiting <= MAX_WAITING // 2:
            self._read_on()

    @property
    def _wire(self) -> Any:
        """The TCP transport; Twisted types it as a bare ITransport."""
        return self.transport

    def _take(self, events: list[FrameEvent]) -> None:
        for event in events:
            if event.kind is Framed.FRAME:
                self._framed_before = True
                self._hand_out(event)
            elif self._refuse(event):
                return
        if self._waiting > MAX_WAITING:
            self.pause()

    def _refuse(self, event: FrameEvent) -> bool:
        """Act on everything that is no frame; returns whether the connection is on its way out."""
        counters = self.listener.counters
        if event.kind is Framed.CUT:
            counters.cut += 1
            if event.body:
                self._hand_out(event)
            return False
        if event.kind is Framed.JUNK and self._framed_before:
            counters.junk += 1
            return False
        self.fault(event.kind.name.lower(), [event])
        return True

    def _hand_out(self, event: FrameEvent) -> None:
        self._waiting += 1
        self.listener.frame(self, event)

    def _finish(self) -> None:
        if not self._closing:
            self._closing = True
            for event in self._framer.end():
                self._refuse_rest(event)

    def _refuse_rest(self, event: FrameEvent) -> None:
        self.listener.counters.cut += event.kind is Framed.CUT
        if event.body:
            self._hand_out(event)

    def _close_when_settled(self) -> None:
        if self._waiting == 0 and not self._gone:
            self._wire.loseConnection()

    def _read_on(self) -> None:
        if self.listener.may_read:
            self._paused = False
            self._heard = self._frame_began = self.listener.seconds()
            self._wire.resumeProducing()
