"""The thread that reads the worker's outbox (mode=ro) for the lanes, when a hint wakes it or every 250 ms (D7)."""

import os
import select
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple, Protocol

from engine.app.hints import HintReceiver
from engine.app.lanes import LOW, LaneRunner
from engine.app.parking import Place
from engine.channel.lane_layout import layouts
from engine.channel.ports import Queued
from engine.errors import Retryable

AHEAD = 128  # rows of a lane between `done` and the last one fetched
POLL = 0.25  # seconds
LOOK = 1.0  # seconds between two looks for lanes that nobody serves


class Outbox(Protocol):
    """What this thread needs of store.db."""

    def outbox(self, destination: str, lane: int, after: int, limit: int) -> list[Queued]: ...
    def outbox_rows(self, destination: str, lane: int, seqs: Collection[int]) -> list[Queued]: ...
    def outbox_tails(self) -> dict[tuple[str, int], int]: ...
    def switches(self) -> dict[str, str]: ...
    def close(self) -> None: ...


class Fetched(NamedTuple):
    """Rows for one lane, in order."""

    runner: LaneRunner
    rows: Sequence[Queued]


class Outside(Protocol):
    """The reactor's side; every call comes from the reading thread and must only pass things on."""

    @property
    def destinations(self) -> Collection[str]: ...
    def offer(self, found: Sequence[Fetched]) -> None: ...
    def offer_aside(self, runner: LaneRunner, places: Sequence[Place], rows: Sequence[Queued]) -> None: ...
    def discovered(self, place: tuple[str, int]) -> None:
        """Messages are queued in a lane that nobody serves: one of an earlier configuration, or of a newer one."""


class OutboxReader:
    """Keeps each lane a few rows ahead of what it has sent.

    Args:
        path: store.db, which the worker may not have made yet.
        open_store: opens it read-only; raises Retryable while it cannot be read.
        outside: takes rows to the reactor, and says whose lanes are served.
        fatal: told when the file can never be read; the thread has ended.
        idle: called once a turn, at least every 250 ms.
    """

    def __init__(
        self,
        path: Path,
        open_store: Callable[[Path], Outbox],
        outside: Outside,
        fatal: Callable[[Exception], None],
        idle: Callable[[], None],
    ) -> None:
        self._path = path
        self._open = open_store
        self._outside = outside
        self._fatal = fatal
        self._idle = idle
        self._store: Outbox | None = None
        self._fetched: dict[LaneRunner, int] = {}  # seq of the last row handed out
        self._runners: dict[tuple[str, int], LaneRunner] = {}
        self._new: SimpleQueue[LaneRunner] = SimpleQueue()
        self._asked: SimpleQueue[tuple[LaneRunner, Sequence[Place]]] = SimpleQueue()
        self._done: Mapping[tuple[str, int], int] = {}
        self._looked = 0.0
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._thread = Thread(target=self._run, name="outbox", daemon=True)

    def start(
        self, hints: HintReceiver, runners: Sequence[LaneRunner], done: Mapping[tuple[str, int], int] | None = None
    ) -> None:
        """Begin where the lanes are decided; `done` is that of lanes which nobody serves."""
        self._hints = hints
        self._done = done or {}
        for runner in runners:
            self._new.put(runner)
        self._thread.start()

    def add(self, runner: LaneRunner) -> None:
        """Serve another lane; from any thread."""
        self._new.put(runner)
        self.wake()

    def ask(self, runner: LaneRunner, places: Sequence[Place]) -> None:
        """Fetch rows that are set aside; from any thread."""
        self._asked.put((runner, places))
        self.wake()

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
        self._take_new()
        self._fetch_aside(store)
        found = []
        for runner, after in self._fetched.items():
            lane = runner.lane
            room = AHEAD - (after - lane.done)
            if room < LOW:
                continue
            rows = store.outbox(lane.destination, lane.lane, after, room)
            if rows:
                found.append(Fetched(runner, rows))
        found = self._before_the_fence(store, found) if found else found
        for fetched in found:
            self._fetched[fetched.runner] = fetched.rows[-1].seq
        if found:
            self._outside.offer(found)
        self._look_around(store)

    def _take_new(self) -> None:
        while not self._new.empty():
            runner = self._new.get()
            self._runners[runner.lane.destination, runner.lane.lane] = runner
            self._fetched[runner] = runner.lane.done

    def _fetch_aside(self, store: Outbox) -> None:
        while not self._asked.empty():
            runner, places = self._asked.get()
            try:
                rows = [row for lane, seq in places for row in store.outbox_rows(runner.lane.destination, lane, [seq])]
            except Retryable:
                self._asked.put((runner, places))
                raise
            self._outside.offer_aside(runner, places, rows)

    def _before_the_fence(self, store: Outbox, found: Sequence[Fetched]) -> list[Fetched]:
        """Without what must wait for other lanes: those of an earlier layout, or those that hold earlier messages of an order.

        The layouts are read after the rows, which they were written before.
        """
        laid = layouts(store.switches())
        kept = []
        for runner, rows in found:
            layout = laid.get(runner.lane.destination)
            done = self._done_of(runner.lane.destination)
            fence = layout.unpassed(done) if layout and layout.fences else None
            allowed = rows if fence is None else [row for row in rows if row.seq <= fence.get(row.lane, 0)]
            allowed = _passed(allowed, done)
            if allowed:
                kept.append(Fetched(runner, allowed))
        return kept

    def _done_of(self, destination: str) -> Callable[[int], int]:
        def done(lane: int) -> int:
            runner = self._runners.get((destination, lane))
            return runner.lane.done if runner else self._done.get((destination, lane), 0)

        return done

    def _look_around(self, store: Outbox) -> None:
        """Find lanes with messages that nobody serves."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        for place, tail in store.outbox_tails().items():
            served = place in self._runners or place[0] not in self._outside.destinations
            if not served and tail > self._done.get(place, 0):
                self._outside.discovered(place)


def _passed(rows: Sequence[Queued], done: Callable[[int], int]) -> list[Queued]:
    """Up to the first row that must wait for other lanes."""
    return list(takewhile(lambda row: row.passed(done), rows))
