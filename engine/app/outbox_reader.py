"""The thread that reads the worker's outbox (mode=ro) for the lanes, when a hint wakes it or every 250 ms (D7)."""

import os
import select
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import NamedTuple, Protocol

from engine.app.hints import HintReceiver
from engine.app.lanes import LOW, LaneRunner
from engine.channel.ports import Queued
from engine.errors import Retryable

AHEAD = 128  # rows of a lane between `done` and the last one fetched
POLL = 0.25  # seconds


class Outbox(Protocol):
    """What this thread needs of store.db."""

    def outbox(self, destination: str, lane: int, after: int, limit: int) -> list[Queued]: ...
    def close(self) -> None: ...


class Fetched(NamedTuple):
    """Rows for one lane, in order."""

    runner: LaneRunner
    rows: Sequence[Queued]


class OutboxReader:
    """Keeps each lane a few rows ahead of what it has sent.

    Args:
        path: store.db, which the worker may not have made yet.
        open_store: opens it read-only; raises Retryable while it cannot be read.
        offer: passes rows on to the reactor; called from this thread.
        fatal: told when the file can never be read; the thread has ended.
        idle: called once a turn, at least every 250 ms.
    """

    def __init__(
        self,
        path: Path,
        open_store: Callable[[Path], Outbox],
        offer: Callable[[Sequence[Fetched]], None],
        fatal: Callable[[Exception], None],
        idle: Callable[[], None],
    ) -> None:
        self._path = path
        self._open = open_store
        self._offer = offer
        self._fatal = fatal
        self._idle = idle
        self._store: Outbox | None = None
        self._fetched: dict[LaneRunner, int] = {}  # seq of the last row handed out
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._thread = Thread(target=self._run, name="outbox", daemon=True)

    def start(self, hints: HintReceiver, runners: Sequence[LaneRunner]) -> None:
        """Begin where the lanes are decided."""
        self._hints = hints
        self._fetched = {runner: runner.lane.done for runner in runners}
        self._thread.start()

    def wake(self) -> None:
        """Look now; from any thread."""
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        self._stopping = True
        self.wake()
        self._thread.join(5)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(self._hints.fileno(), select.POLLIN)
        try:
            while not self._stopping:
                self._turn()
                self._idle()
                for fd, _ in poll.poll(POLL * 1000):
                    if fd == self._wake:
                        os.eventfd_read(fd)
                    else:
                        self._hints.drain()
        except Exception as error:  # noqa: BLE001 - process loop: the process ends, with one line that names it
            self._fatal(error)
        self._close()

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _turn(self) -> None:
        try:
            if self._store is None and self._path.exists():
                self._store = self._open(self._path)
            if self._store is not None:
                self._fetch(self._store)
        except Retryable:
            self._close()  # being made, migrated or checkpointed: opened again at the next look

    def _fetch(self, store: Outbox) -> None:
        found = []
        for runner, after in self._fetched.items():
            lane = runner.lane
            room = AHEAD - (after - lane.done)
            if room < LOW:
                continue
            rows = store.outbox(lane.destination, lane.lane, after, room)
            if rows:
                found.append(Fetched(runner, rows))
        for fetched in found:
            self._fetched[fetched.runner] = fetched.rows[-1].seq
        if found:
            self._offer(found)
