"""A port that receives MLLP: every frame goes out by one call and comes back by one answer, in order (HL7 transport, MLLP R1)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall

from engine.mllp.admission import NOT_ALLOWED, Admission, peer_group
from engine.mllp.connection import MllpConnection
from engine.mllp.framing import FrameEvent
from engine.mllp.room import Room
from engine.mllp.rules import ConnectionRules

__all__ = ["ConnectionRules", "Counters", "MllpListener"]

TICK = 0.25  # seconds between looks at silent connections


@dataclass(slots=True)
class Counters:
    """What a listener has seen since it started."""

    connections: int = 0  # open now
    opened: int = 0
    refused: int = 0  # over `per_peer` or `max_connections`
    not_allowed: int = 0  # not in the allow-list
    frames: int = 0
    bytes: int = 0
    answered: int = 0
    unanswered: int = 0  # the sender left before its answer
    cut: int = 0
    junk: int = 0
    faults: int = 0  # connections closed by us


OnFrame = Callable[[MllpConnection, FrameEvent], None]
OnFault = Callable[[str, str], None]  # (peer, reason): fixed words


class MllpListener(Factory):
    """A listener: give it to `reactor.listenTCP`; it calls `on_frame` with whole frames and with what is to be kept.

    Args:
        rules: what its peers may do.
        on_frame: gets each frame; its connection's `answer` must be called once for each, in order.
        on_fault: is told of each connection that is refused or closed by us.
        clock: the reactor.
        room: shared with other listeners, whose frames wait for the same journal.
    """

    noisy = False

    def __init__(
        self, rules: ConnectionRules, on_frame: OnFrame, on_fault: OnFault, clock: Any, room: Room | None = None
    ) -> None:
        self.rules = rules
        self.room = room or Room(clock.seconds)
        self.counters = Counters()
        self._admission = Admission(rules)
        self.may_read = True
        self.seconds: Callable[[], float] = clock.seconds
        self._on_frame = on_frame
        self._on_fault = on_fault
        self._connections: dict[MllpConnection, str] = {}
        self._per_peer: Counter[str] = Counter()
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock

    def startFactory(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this when the first port opens."""
        self._ticking.start(TICK, now=False)

    def stopFactory(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this when the last port is closed."""
        self._ticking.stop()

    def buildProtocol(self, addr: IAddress | None) -> MllpConnection | None:  # noqa: N802 - Twisted's name
        """Accept a connection, or refuse it: None closes it at once."""
        host = getattr(addr, "host", "")
        refusal = self._admission.refusal(host, self._per_peer.get(peer_group(host), 0), len(self._connections))
        if not refusal:
            return MllpConnection(self)
        if refusal == NOT_ALLOWED:
            self.counters.not_allowed += 1
        else:
            self.counters.refused += 1
        self._on_fault(host, refusal)
        return None

    def pause(self) -> None:
        """Read nothing from anybody until `resume`."""
        self.may_read = False
        for connection in self._connections:
            connection.look()

    def resume(self) -> None:
        """Read again."""
        self.may_read = True
        for connection in list(self._connections):
            connection.look()

    def close(self) -> None:
        """Take no more frames; each connection closes when its last answer is out."""
        for connection in list(self._connections):
            connection.stop()

    def status(self) -> dict[str, int]:
        """The counters as plain numbers."""
        return asdict(self.counters)

    def frame(self, connection: MllpConnection, event: FrameEvent) -> None:
        """A connection hands out a frame."""
        self.counters.frames += 1
        self.counters.bytes += len(event.body)
        self._on_frame(connection, event)

    def opened(self, connection: MllpConnection) -> None:
        """A connection is there."""
        group = self._connections[connection] = connection.group
        self._per_peer[group] += 1
        self.counters.opened += 1
        self.counters.connections += 1
        connection.look()

    def closed(self, connection: MllpConnection) -> None:
        """A connection is gone."""
        group = self._connections.pop(connection)
        self._per_peer[group] -= 1
        if not self._per_peer[group]:
            del self._per_peer[group]
        self.counters.connections -= 1

    def faulted(self, connection: MllpConnection, reason: str) -> None:
        """A connection is closed for this reason."""
        self.counters.faults += 1
        self._on_fault(connection.peer, reason)

    def _tick(self) -> None:
        now = self.seconds()
        for connection in list(self._connections):
            connection.tick(now)
        self.room.look()
