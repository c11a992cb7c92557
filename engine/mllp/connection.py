"""One connection of an MLLP listener: frames out of it, answers into it in order, and when it is closed.

Long because it is one state: what is under way, and why it is read, not read or closed.
"""

from collections import deque
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from zope.interface import implementer

from engine.mllp.admission import peer_group
from engine.mllp.framing import Framed, FrameEvent, Framer
from engine.mllp.keepalive import keep_alive
from engine.mllp.room import SMALL
from engine.mllp.writer import Writer

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from engine.mllp.listener import MllpListener

CUTS = 100  # frames cut off one after the other, with no whole one between, after which it is of no use to go on


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class MllpConnection(Protocol):
    """A sender's connection. Every frame handed out is settled once, in order, by `answer`.

    It is read while the listener says so, the room has space for its frames, and the peer takes its answers.
    """

    def __init__(self, listener: "MllpListener") -> None:
        self.listener = listener
        self.peer = self.host = self.group = ""
        self._room = listener.room
        self._framer = Framer(listener.rules.max_bytes, most=1, strict=listener.rules.strict)
        self._sizes: deque[int] = deque()  # of the frames handed out and not answered
        self._bytes = 0
        self._ended = False  # the peer sends no more
        self._closing = False  # no more frames are taken; closed when the last answer is out
        self._gone = False
        self._paused = False
        self._framed_before = False
        self._cuts = 0  # frames cut off since the last whole one
        self._heard = 0.0
        self._frame_began = 0.0
        self._since = 0.0  # when it was paused, or began to close
        self._holds = False  # whether the room counts bytes of ours
        self._crowded = False  # the room, and nothing else, keeps it from being read
        self._unread: float | None = None  # since when the peer takes no answers

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this when a sender has connected."""
        wire = self._wire
        peer = cast("Any", wire.getPeer())
        self.host = peer.host
        self.group = peer_group(peer.host)
        self.peer = f"{peer.host}:{peer.port}"
        wire.setTcpNoDelay(True)
        keep_alive(wire, self.listener.rules.idle)
        wire.registerProducer(_Answers(self), True)
        self._write = Writer(wire)
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
        if not framer.inside:
            self._frame_began = now
        if self._may_take():
            self._take(framer.feed(data, now))
        else:
            framer.keep(data, now)
            self.look()

    def answer(self, reply: bytes) -> None:
        """Settle the oldest frame; `reply` is framed, or empty when the sender wants none."""
        self._settle()
        counters = self.listener.counters
        if self._gone:
            counters.unanswered += bool(reply)
        elif reply:
            counters.answered += 1
            self._write(reply)
        if self._closing:
            self._close_when_settled()
        elif self._paused or self._ended:
            self.look()

    def tick(self, now: float) -> None:
        """Four times a second: a second of silence, and whatever takes too long."""
        rules = self.listener.rules
        if self._closing:
            if not self._sizes and now - self._since >= rules.frame_time:
                self._wire.abortConnection()
        elif self._unread is not None and now - self._unread >= rules.frame_time:
            self.fault("answers_not_taken", [])
            self._wire.abortConnection()
        elif not self._paused:
            self._tick_reading(now)
        elif self._crowded:
            self._tick_frame(now)

    def _tick_reading(self, now: float) -> None:
        framer = self._framer
        if framer.waits_for_silence:
            self._take(framer.silent(now))
            if self._closing:
                return
        if not self._tick_frame(now) and not self._sizes and now - self._heard >= self.listener.rules.idle:
            self.fault("idle", framer.end())

    def _tick_frame(self, now: float) -> bool:
        """Whether a frame takes too long; that it waits for room is no excuse, since it may be what takes the room."""
        late = self._framer.inside and now - self._frame_began >= self.listener.rules.frame_time
        if late:
            self.fault("frame_time", self._framer.end())
        return late

    def fault(self, reason: str, rest: list[FrameEvent]) -> None:
        """Close what cannot be answered: count it, keep what was cut off, send the answers that are still due."""
        self.listener.faulted(self, reason)
        self._close()
        for event in rest:
            if event.body:
                self._hand_out(event)
        self._close_when_settled()

    def stop(self) -> None:
        """Take no more frames, and close when the answers that are due are out; a half frame will be sent again."""
        if not self._closing:
            self._close()
            self._close_when_settled()

    def readConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        """The sender sends no more but may still read: answer what is whole, then close."""
        self._ended = True
        self.look()

    def writeConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        """Nobody reads our answers any more: there is nothing left to talk about."""
        self._wire.loseConnection()

    def connectionLost(self, reason: "Failure" = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's name
        """Twisted calls this once, when the connection is gone; what came whole is still handed out, and kept."""
        self._ended = self._gone = True
        self.listener.closed(self)
        self.look()
        self._close_when_settled()

    def look(self) -> None:
        """Take what waits here, and read on or stop reading, as everything allows; called when something has changed."""
        if self._framer.more and not self._closing and self._may_take():
            self._take(self._framer.feed(b"", self.listener.seconds()))
            return
        if self._ended and not self._closing and not self._framer.more:
            self._finish()
        if self._gone or self._closing:
            return
        crowded = self._crowded
        may_read = self._may_read()
        if self._paused and (may_read or crowded is not self._crowded):
            self._set_clocks(crowded)
        if may_read and self._paused:
            self._paused = False
            self._wire.resumeProducing()
        elif not may_read and not self._paused:
            self._paused = True
            self._since = self.listener.seconds()
            self._wire.pauseProducing()

    def room_again(self) -> None:
        """The room has bytes to give."""
        self.look()

    def crowded_out(self) -> None:
        """The room gives up the frame that comes here."""
        self.fault("no_room", self._framer.end())

    def answers_wait(self, waiting: bool) -> None:  # noqa: FBT001 - a state
        """The peer does not take its answers, or does so again."""
        self._unread = self.listener.seconds() if waiting else None
        self.look()

    @property
    def _wire(self) -> Any:
        """The TCP transport; Twisted types it as a bare ITransport."""
        return self.transport

    def _may_take(self) -> bool:
        return (self._gone or self.listener.may_read) and self._room.another(len(self._sizes), self._bytes)

    def _may_read(self) -> bool:
        self._crowded = False
        if self._ended or self._unread is not None or self._framer.more or not self.listener.may_read:
            return False
        self._crowded = self._framer.size > SMALL and not self._room.may_grow(self, self.group)
        return not self._crowded

    def _take(self, events: list[FrameEvent]) -> None:
        """Act on events, and on those behind them as long as there is room."""
        framer = self._framer
        while events:
            event = events[0]
            self._frame_began = self._heard  # of the one behind it
            if event.kind is Framed.FRAME:
                self._framed_before = True
                self._cuts = 0
                self._hand_out(event)
            elif self._refuse(event):
                return
            if not framer.more or not self._may_take():
                break
            events = framer.feed(b"", self._heard)
        self._hold()
        if self._paused or self._ended or not self._may_read():
            self.look()

    def _refuse(self, event: FrameEvent) -> bool:
        """Act on everything that is no frame; returns whether the connection is on its way out."""
        counters, closes = self.listener.counters, self.listener.rules.strict
        if event.kind is Framed.CUT:
            counters.cut += 1
            self._cuts += bool(event.body)
            closes = closes or self._cuts > CUTS
            if event.body and not closes:
                self._hand_out(event)
        elif event.kind is Framed.JUNK and self._framed_before:
            counters.junk += 1
        else:
            closes = True
        if not closes:
            return False
        self.fault(event.kind.name.lower(), [event])
        return True

    def _hand_out(self, event: FrameEvent) -> None:
        size = len(event.body)
        self._sizes.append(size)
        self._bytes += size
        self._room.frames += 1
        self.listener.frame(self, event)

    def _settle(self) -> None:
        self._bytes -= self._sizes.popleft()
        self._room.frames -= 1
        self._hold()

    def _hold(self) -> None:
        """Tell the room what larger frames take here: the one that comes, and those that are not answered."""
        growing, under_way = self._framer.size, self._bytes
        holds = growing + under_way > SMALL
        if holds or self._holds:
            self._holds = holds
            self._room.hold(self, self.group, growing * holds, under_way * holds)

    def _finish(self) -> None:
        """What never ended is cut off."""
        self._closing = True
        self._since = self.listener.seconds()
        for event in self._framer.end():
            self.listener.counters.cut += event.kind is Framed.CUT
            if event.body:
                self._hand_out(event)
        self._close_when_settled()

    def _close(self) -> None:
        self._closing = True
        self._since = self.listener.seconds()
        self._framer.forget()
        self._hold()
        self._wire.pauseProducing()

    def _close_when_settled(self) -> None:
        if self._sizes:
            return
        if self._gone:
            self._room.leave(self, self.group)
        else:
            self._wire.unregisterProducer()
            self._wire.loseConnection()

    def _set_clocks(self, crowded: bool) -> None:  # noqa: FBT001 - a state
        """Time in which it was not read is not its own, but for a frame that waited for room."""
        now = self.listener.seconds()
        away, self._since = now - self._since, now
        self._heard += away
        if not crowded:
            self._frame_began += away


class _Answers:
    """Tells a connection when its answers pile up; Twisted's name for that is a producer that is paused."""

    def __init__(self, connection: MllpConnection) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._connection.answers_wait(True)

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._connection.answers_wait(False)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The connection is lost, which it is told itself."""
