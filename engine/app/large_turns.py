"""When large frames have their turn at the journal: after the others, and seldom enough not to hold them up."""

import time
from collections import deque
from collections.abc import Callable

from engine.app.journal_items import Intake

MAX_BATCH = 512  # frames, decisions and acts of one commit
APART_BYTES = 2 * 1024 * 1024  # of large frames that share a commit
NOTICED = 0.01  # seconds; a commit that took less held nobody up
REST = 4  # times as long as such a commit took, the journal belongs to the others
QUIET = 0.05  # seconds without any of them, after which nobody is waited for


class LargeTurns:
    """Large frames in the order they came; used by the journal's thread.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[Intake] = deque()
        self._rest_until = 0.0
        self._others_at = -QUIET  # when the last commit of others ended

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, item: Intake) -> None:
        self._waiting.append(item)

    def wait(self) -> float:
        """Seconds until the next ones may be written; 0 at once."""
        now = self._clock()
        return max(min(self._rest_until - now, self._others_at + QUIET - now), 0.0)

    def next(self) -> list[Intake]:
        """Frames of one commit: as many as keep others waiting no longer than one of them would."""
        batch: list[Intake] = []
        size = 0
        while self._waiting and len(batch) < MAX_BATCH and (not batch or size + self._waiting[0].size <= APART_BYTES):
            item = self._waiting.popleft()
            size += item.size
            batch.append(item)
        return batch

    def others(self) -> None:
        """Others were written just now."""
        self._others_at = self._clock()

    def took(self, seconds: float) -> None:
        """A commit of large ones has ended, and took so long with everything that follows it."""
        if seconds >= NOTICED:
            self._rest_until = self._clock() + REST * seconds
