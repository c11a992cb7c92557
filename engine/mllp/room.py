"""How much all connections together may have under way, so that memory is bounded and nobody waits behind a flood (R6).

Frames: while many wait for the journal, each connection may have one there; while few do, sixteen. So whoever waits for his
answer is behind at most one frame of each other connection, and a sender that pipelines loses nothing that could be had.

Bytes: a frame that outgrows a packet is held here until it is answered. Above the limits the connections that need more are
read in turns: one of each address, until its frame is whole or it sends next to nothing. Above the ceiling the largest
frame that stands still is given up.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Protocol

FEW = 64  # frames under way, below which a connection may have several
WINDOW = 16  # frames of one connection
WINDOW_BYTES = 1024 * 1024  # of one connection, or one frame
SMALL = 8 * 1024  # bytes of an unfinished frame that are not counted
MOST = 64 * 1024 * 1024  # bytes of larger frames, over all connections
SHARE = MOST // 2  # of one address, so that it never takes the room of all others
CEILING = 2 * MOST
TURNS = 4  # connections that are read above the limits
PATIENCE = 0.25  # seconds in which a connection that has its turn must have sent
ENOUGH = 32 * 1024  # bytes, if others wait
MOMENT = 0.05  # seconds without a byte, after which it gives way to who comes
STILL = 1.0  # seconds without a byte, after which a frame stands still


class Guest(Hashable, Protocol):
    """A connection that waits for room."""

    def room_again(self) -> None:
        """There is room, or it is its turn: look again."""

    def crowded_out(self) -> None:
        """There is no room for its unfinished frame: give it up."""


class _Stay:
    """What a connection holds."""

    __slots__ = ("came", "growing", "had_turn", "host", "moved", "size")

    def __init__(self, host: str) -> None:
        self.host = host
        self.size = 0  # bytes in all
        self.growing = 0  # bytes of the frame that is not whole
        self.moved = 0.0  # when the last of them came
        self.came = 0  # of them since its turn began, or was looked at
        self.had_turn = False


class Room:
    """Shared by all listeners of a process; used in the reactor only. A host is an address, or a network of one peer."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self.frames = 0  # handed out and not answered
        self.held = 0  # bytes of larger frames
        self._seconds = seconds
        self._stays: dict[Guest, _Stay] = {}
        self._of_host: Counter[str] = Counter()
        self._turns: dict[str, tuple[Guest, float]] = {}  # who may be read above the limits, and since when
        self._waiting: dict[Guest, str] = {}  # in the order they came
        self._picked = 0

    def another(self, frames: int, size: int) -> bool:
        """Whether a connection with so many frames and bytes under way may hand out one more."""
        return not frames or (self.frames < FEW and frames < WINDOW and size < WINDOW_BYTES)

    def hold(self, guest: Guest, host: str, growing: int, under_way: int) -> None:
        """Count what a connection holds, in place of what it held: of the frame that comes, of those not answered."""
        stay = self._stays.get(guest) or _Stay(host)
        size, shrinks = growing + under_way - stay.size, growing < stay.growing
        if growing > stay.growing:
            stay.moved = self._seconds()
            stay.came += growing - stay.growing
        if shrinks:
            stay.had_turn = False
            self._end_turn(guest, host)
        self._stays[guest] = stay
        stay.growing, stay.size = growing, growing + under_way
        if not stay.size:
            del self._stays[guest]
            self._waiting.pop(guest, None)
        self.held += size
        self._of_host[host] += size
        if not self._of_host[host]:
            del self._of_host[host]
        if shrinks or size < 0:
            self._go_on()
        elif self.held > CEILING:
            self._make_room()

    def may_grow(self, guest: Guest, host: str) -> bool:
        """Whether this connection may hold more; if not, it is told when to look again."""
        if not self._is_over(host):
            return True
        if self.held > CEILING:
            self._end_turn(guest, host)
        elif self._turns.get(host, (None,))[0] is guest:
            return True
        elif self._gives_way(guest, host) if host in self._turns else len(self._turns) < TURNS:
            self._begin_turn(guest, host)
            return True
        self._waiting.setdefault(guest, host)
        return False

    def look(self) -> None:
        """Now and then: a turn ends where next to nothing comes, if others wait."""
        if not self._waiting:
            return
        now = self._seconds()
        for host, (guest, since) in list(self._turns.items()):
            if now - since >= PATIENCE:
                if self._stays[guest].came < ENOUGH:
                    self._end_turn(guest, host)
                else:
                    self._begin_turn(guest, host)
        self._go_on()

    def leave(self, guest: Guest, host: str) -> None:
        """The connection is gone and has nothing under way."""
        self.hold(guest, host, 0, 0)

    def _is_over(self, host: str) -> bool:
        return self.held > MOST or self._of_host.get(host, 0) > SHARE

    def _begin_turn(self, guest: Guest, host: str) -> None:
        self._turns[host] = guest, self._seconds()
        self._stays[guest].came, self._stays[guest].had_turn = 0, True

    def _gives_way(self, guest: Guest, host: str) -> bool:
        """Whether who has the turn has sent nothing for a moment, and this one comes for the first time."""
        holder, since = self._turns[host]
        quiet = self._seconds() - max(since, self._stays[holder].moved) >= MOMENT
        return quiet and not self._stays[guest].had_turn

    def _end_turn(self, guest: Guest, host: str) -> None:
        if self._turns.get(host, (None,))[0] is guest:
            del self._turns[host]

    def _go_on(self) -> None:
        """Tell those who wait and for whom there is room, or whose turn it is."""
        for guest, host in list(self._waiting.items()):
            if not self._is_over(host):
                self._tell(guest)
        while self.held <= CEILING and len(self._turns) < TURNS and (found := self._next()) is not None:
            self._begin_turn(found, self._waiting[found])
            self._tell(found)

    def _tell(self, guest: Guest) -> None:
        if self._waiting.pop(guest, None) is not None:
            self._stays[guest].moved = self._seconds()  # until now it could not
            guest.room_again()

    def _next(self) -> Guest | None:
        """Whose turn it is: in turn who came last, who came first, and who had one already, longest ago.

        So neither those who stand still nor those who keep coming shut anybody out.
        """
        able = [guest for guest, host in self._waiting.items() if host not in self._turns]
        new, had = ([guest for guest in able if self._stays[guest].had_turn is it] for it in (False, True))
        choices = new[-1:], new[:1], had[:1]
        for _ in choices:
            self._picked = (self._picked + 1) % len(choices)
            if choices[self._picked]:
                return choices[self._picked][0]
        return None

    def _make_room(self) -> None:
        """Give up the largest frame that stands still; without one, the largest, if it is not answers that are due."""
        while self.held > CEILING:
            growing = {guest: stay.growing for guest, stay in self._stays.items() if stay.growing}
            still = [guest for guest in growing if self._stands_still(guest)]
            if not still and sum(growing.values()) <= MOST:
                return
            max(still or growing, key=growing.__getitem__).crowded_out()

    def _stands_still(self, guest: Guest) -> bool:
        return guest not in self._waiting and self._seconds() - self._stays[guest].moved >= STILL
