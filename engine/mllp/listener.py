"""A port that receives MLLP: every frame goes out by one call and comes back by one answer, in order (HL7 transport, MLLP R1)."""

import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall

from engine.mllp.connection import MllpConnection
from engine.mllp.framing import MAX_BYTES, FrameEvent

TICK = 0.25  # seconds between looks at silent connections


class ConnectionRules(NamedTuple):
    """Limits of a connection (R5): bytes of a frame, seconds of silence, seconds of one frame, connections of one peer.

    `strict`: a frame ends by FS CR alone, and what cannot be framed closes the connection instead of being passed over.
    """

    max_bytes: int = MAX_BYTES
    idle: float = 300.0
    frame_time: float = 30.0
    per_peer: int = 32  # addresses of this machine are not counted: a proxy or a test stands there
    strict: bool = False


@dataclass(slots=True)
class Counters:
    """What a listener has seen since it started."""

    connections: int = 0  # open now
    opened: int = 0
    refused: int = 0  # over `per_peer`
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
    """A listener: give it to `reactor.listenTCP`; it calls `on_frame` with whole frames and with what is to be kept."""

    noisy = False

    def __init__(self, rules: ConnectionRules, on_frame: OnFrame, on_fault: OnFault, clock: Any) -> None:
        self.rules = rules
        self.counters = Counters()
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
        """Accept a connection, or refuse it when its peer has too many."""
        host = getattr(addr, "host", "")
        if self._per_peer[host] >= self.rules.per_peer and not _is_local(host):
            self.counters.refused += 1
            self._on_fault(host, "too_many_connections")
            return None
        return MllpConnection(self)

    def pause(self) -> None:
        """Read nothing from anybody until `resume`."""
        self.may_read = False
        for connection in self._connections:
            connection.pause()

    def resume(self) -> None:
        """Read again."""
        self.may_read = True
        for connection in list(self._connections):
            connection.resume()

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
        host = connection.peer.rpartition(":")[0]
        self._connections[connection] = host
        self._per_peer[host] += 1
        self.counters.opened += 1
        self.counters.connections += 1
        if not self.may_read:
            connection.pause()

    def closed(self, connection: MllpConnection) -> None:
        """A connection is gone."""
        host = self._connections.pop(connection)
        self._per_peer[host] -= 1
        if not self._per_peer[host]:
            del self._per_peer[host]
        self.counters.connections -= 1

    def faulted(self, connection: MllpConnection, reason: str) -> None:
        """A connection is closed for this reason."""
        self.counters.faults += 1
        self._on_fault(connection.peer, reason)

    def _tick(self) -> None:
        now = self.seconds()
        for connection in list(self._connections):
            connection.tick(now)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
