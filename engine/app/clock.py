"""The one clock of the engine: wall for what must survive a restart, mono for waits inside a process (D19)."""

import time
from typing import Protocol

SECOND = 1_000_000  # microseconds
JUMP = 60 * SECOND


class Clock(Protocol):
    """What reads the time; tests pass one that they advance."""

    def wall(self) -> int:
        """UTC microseconds since 1970."""
        ...

    def mono(self) -> float:
        """Seconds that only ever grow, without a meaning outside this process."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> int:
        return time.time_ns() // 1000

    def mono(self) -> float:
        return time.monotonic()


class Drift:
    """Notices that wall and mono parted by more than 60 s since they last agreed: somebody set the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._reading()

    def jumped(self) -> int:
        """Microseconds by which wall jumped since the last agreement, 0 while they agree; a jump is told once."""
        offset = self._reading()
        jump = offset - self._offset
        if abs(jump) <= JUMP:
            return 0
        self._offset = offset
        return jump

    def _reading(self) -> int:
        return self._clock.wall() - int(self._clock.mono() * SECOND)
