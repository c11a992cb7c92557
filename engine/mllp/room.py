"""How much all connections together may have under way, so that memory is bounded and nobody waits behind a flood (R6).

Frames: while many wait for the journal, each connection may have one there; while few do, sixteen. So whoever waits for his
answer is behind at most one frame of each other connection, and a sender that pipelines loses nothing that could be had.

Bytes: a frame that outgrows a packet is held here until it is answered. Above the limits the connections that need more are
not read, except the one of each address that has been at it for longest: it ends, or its frame time does.
"""

from collections.abc import Hashable
from typing import Protocol

FEW = 64  # frames under way, below which a connection may have several
WINDOW = 16  # frames of one connection
WINDOW_BYTES = 1024 * 1024  # of one connection, or one frame
SMALL = 8 * 1024  # bytes of an unfinished frame that are not counted
MOST = 64 * 1024 * 1024  # bytes of larger frames, over all connections
SHARE = MOST // 2  # of one address, so that it never takes the room of all others


class Guest(Hashable, Protocol):
    """A connection that waits for room."""

    def room_again(self) -> None:
        """Some bytes are free: look again."""


class Room:
    """Shared by all listeners of a process; used in the reactor only."""

    def __init__(self) -> None:
        self.frames = 0  # handed out and not answered
        self.held = 0  # bytes of larger frames
        self._held: dict[Guest, tuple[str, int]] = {}  # (address, bytes), in the order in which the frames began
        self._of_host: dict[str, int] = {}
        self._waiting: dict[Guest, None] = {}

    def another(self, frames: int, size: int) -> bool:
        """Whether a connection with so many frames and bytes under way may hand out one more."""
        return not frames or (self.frames < FEW and frames < WINDOW and size < WINDOW_BYTES)

    def hold(self, guest: Guest, host: str, size: int) -> None:
        """Count so many bytes for a connection, in place of those before; who waits for room is told when it got less."""
        before = self._held.get(guest, (host, 0))[1]
        if size == before:
            return
        if size < before:
            del self._held[guest]  # what it holds from now on began later than what others hold
        if size:
            self._held[guest] = host, size
        self.held += size - before
        self._of_host[host] = self._of_host.get(host, 0) + size - before
        if not self._of_host[host]:
            del self._of_host[host]
        if size < before:
            waiting, self._waiting = self._waiting, {}
            for other in waiting:
                other.room_again()

    def may_grow(self, guest: Guest, host: str) -> bool:
        """Whether this connection may hold more; if not, it is told when to look again."""
        if self.held <= MOST and self._of_host.get(host, 0) <= SHARE:
            return True
        if guest is next((one for one, (whose, _) in self._held.items() if whose == host), guest):
            return True
        self._waiting[guest] = None
        return False

    def leave(self, guest: Guest, host: str) -> None:
        """The connection is gone and has nothing under way."""
        self._waiting.pop(guest, None)
        self.hold(guest, host, 0)
