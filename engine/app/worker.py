"""The worker process: `python -m engine.app.worker --site DIR --parent-fd N`, a child of the supervisor.

One thread takes batches of the journal through the channels and commits them to store.db, of which it is the only
writer; a second one tends deferred jobs. It says `ready {}` and then `beat` every second while it makes progress, and ends
when the line to its parent closes (D18). Long because the start, the loop and the end of the process read as one story.
"""

import argparse
import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine import __version__
from engine.app.clock import Drift, SystemClock
from engine.app.control import ControlServer
from engine.app.events import ClockJumped, ProcessStarted, ProcessStopping, StoreWaits, surprise
from engine.app.hints import HintReceiver, HintSender
from engine.app.installation import installation_id
from engine.app.jobs import Jobs
from engine.app.log_files import Logs
from engine.app.telling import Telling
from engine.app.worker_commands import WorkerCommands
from engine.channel.lane_layout import relaid
from engine.channel.ports import LIVE, Commit, Deferred, LogReader, Store
from engine.channel.process import Processed, State, catch_up, load, process
from engine.channel.site import Site, load_site
from engine.errors import BackstoryError, ConfigError, Retryable

NAME = "worker"
POLL = 0.25  # seconds
PACE = 0.004  # seconds between the beginnings of two small batches: a commit for each message costs more than its work
SMALL = 16  # entries
BEAT = 1.0
OPENING = 15.0  # seconds for which opening is tried: the process before us may not have ended yet (D18)
LOOK = 0.02  # seconds between two looks at a file that cannot be opened yet
AGAIN = 1.0  # seconds before a commit that the disk refused is tried again
JOBS = 16  # deferred jobs fetched at a time
NICENESS = 5  # the network process answers senders, and goes first
GARBAGE = 20_000  # objects made before the youngest are looked through: a batch makes many and keeps few


class Worker:
    """The loop over hints, commands, results and time."""

    def __init__(self, site: Site, data: Path, parent: socket.socket) -> None:
        self.stopping = ""  # why
        self._site = site
        self._data = data
        self._parent = parent
        self._clock = SystemClock()
        self._drift = Drift(self._clock)
        self._logs = Logs(data / "logs", NAME, self._clock)
        self._hints = HintReceiver(data / "run" / f"{NAME}.hint")
        self._network = HintSender(data / "run" / "network.hint")
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        for fd in (self._hints.fileno(), self._wakeup, parent.fileno()):
            self._poll.register(fd, select.POLLIN)
        self._beaten = 0.0
        self._jobs_out: set[int] = set()  # ids that the jobs' thread has
        self._jobs_wait = True  # the store may hold jobs
        self._done = 0
        self._telling = Telling(self._logs.emit, site)

    def run(self) -> None:
        """Open the files, and work until told to stop. Raises what makes that impossible."""
        store: Any = None
        log: Any = None
        try:
            store = self._open_store()
            log = self._open_log()
            if not self.stopping:
                self._work(log, store)
        finally:
            for file in (log, store):
                if file is not None:
                    file.close()
            self._logs.emit(ProcessStopping(NAME, self.stopping or "it cannot go on"))
            self._hints.close()
            self._network.close()
            self._logs.close()

    def wake(self) -> None:
        """Make the loop look; from any thread and from signal handlers."""
        os.eventfd_write(self._wakeup, 1)

    def _open_store(self) -> Any:
        """store.db; None when told to stop before it could be opened."""
        from engine.store import open_store  # noqa: PLC0415 - after the hints are there to be sent to

        until, told = self._clock.mono() + OPENING, False
        while not self.stopping:
            try:
                return open_store(self._data / "store.db")
            except Retryable as error:
                if self._clock.mono() >= until:
                    raise
                if not told:
                    self._logs.emit(StoreWaits(str(error)))
                    self._logs.flush()
                    told = True
            self._wait(LOOK)
        return None

    def _open_log(self) -> Any:
        """journal.db, which the network process makes; None when told to stop before it is there."""
        from engine.store import read_journal  # noqa: PLC0415 - as above

        path = self._data / "journal.db"
        while not self.stopping:
            try:
                if path.exists():
                    return read_journal(path)
            except Retryable:
                pass  # being made this moment
            self._wait(LOOK)
        return None

    def _work(self, log: LogReader, store: Store) -> None:
        installation = installation_id(self._data)
        if not self._lay_lanes(store):
            return
        state = load(self._site, store, log, installation, self._beat)
        jobs = Jobs(self._data / "run" / "network.sock", installation, self._logs.emit, self.wake)
        commands = WorkerCommands(self.wake, lambda: self._status(state), self._logs.emit)
        control = ControlServer(self._data / "run" / f"{NAME}.sock", commands)
        jobs.start()
        control.start()
        self._logs.emit(ProcessStarted(NAME, os.getpid(), __version__))
        self._say(b"ready {}\n")
        gc.collect()
        gc.freeze()  # what the start made lives as long as the process
        gc.set_threshold(GARBAGE, 20, 20)
        try:
            while not self.stopping:
                self._turn(log, store, state, commands, jobs)
        finally:
            control.close()
            jobs.stop()

    def _lay_lanes(self, store: Store) -> bool:
        """Note a destination's new number of lanes before anything is queued in them; False when told to stop.

        TRANSACTION: the layouts.
        """
        while not self.stopping:
            try:
                commit = relaid(self._site.config.destinations, store)
                if commit is not None:
                    store.commit(commit)
            except Retryable as error:
                self._logs.emit(StoreWaits(str(error)))
                self._wait(AGAIN)
            else:
                return True
        return False

    def _turn(self, log: LogReader, store: Store, state: State, commands: WorkerCommands, jobs: Jobs) -> None:
        """Commands, one batch of each partition, jobs; then wait unless there was work."""
        began, entries = self._clock.mono(), 0
        try:
            commands.carry_out(state, store)
            for partition in range(log.partitions):
                entries += self._batch(log, store, state, partition)
            self._tend(store, jobs)
            store.checkpoint()
        except Retryable as error:
            self._logs.emit(StoreWaits(str(error)))
            self._wait(AGAIN)
            return
        self._logs.flush()
        if 0 < entries < SMALL:
            time.sleep(max(0.0, began + PACE - self._clock.mono()))
        self._wait(0.0 if entries else POLL)

    def _batch(self, log: LogReader, store: Store, state: State, partition: int) -> int:
        """Process the next batch, and the next of a channel that catches up; returns how many entries they had."""
        entries = 0
        for step in (process, catch_up):
            began = self._clock.mono()
            done = step(state, log, store, now=self._clock.wall, elapsed=time.perf_counter, partition=partition)
            entries += self._told(done, began)
        return entries

    def _told(self, done: Processed, began: float) -> int:
        if not done.entries:
            return 0
        if done.queued:
            self._network.send()
        self._done += done.entries
        self._jobs_wait |= bool(done.deferred)
        self._telling.batch(done, self._clock.mono() - began)
        return done.entries

    def _tend(self, store: Store, jobs: Jobs) -> None:
        """Take results in, hand jobs out. TRANSACTION: what is done goes, what failed keeps its count."""
        done: list[int] = []
        again: list[Deferred] = []
        while not jobs.results.empty():
            result = jobs.results.get()
            self._jobs_out.discard(result.job.id)
            if result.done:
                done.append(result.job.id)
            else:
                again.append(result.job)
        if done or again:
            store.commit(Commit(cursors=(), deferred=again, deferred_done=done))
            self._jobs_wait = True
        if self._jobs_wait and not self._jobs_out:
            waiting = store.deferred(JOBS)
            self._jobs_wait = bool(waiting)
            for job in waiting:
                self._jobs_out.add(job.id)
                jobs.put(job)

    def _status(self, state: State) -> dict[str, Any]:
        return {
            "processed": self._done,
            "cursors": {str(c.partition): c.position for c in list(state.cursors.values()) if c.name == LIVE},
            "enrichment": "on" if state.enrich else "off",
            "configuration": self._site.hash,
            "log_lines_lost": self._logs.lost,
        }

    def _wait(self, seconds: float) -> None:
        """Wait for a hint, a result, a command, the parent's end or time; beat where it is due."""
        self._beat()
        for fd, _ in self._poll.poll(seconds * 1000):
            if fd == self._parent.fileno():
                self._listen()
            elif fd == self._wakeup:
                with suppress(BlockingIOError):
                    os.eventfd_read(fd)
            else:
                self._hints.drain()

    def _listen(self) -> None:
        """The parent never writes: what can be read is its end."""
        with suppress(BlockingIOError):
            if not self._parent.recv(4096):
                self.stopping = self.stopping or "the supervisor is gone"

    def _beat(self) -> None:
        now = self._clock.mono()
        if now - self._beaten < BEAT:
            return
        self._beaten = now
        self._say(b"beat\n")
        jump = self._drift.jumped()
        if jump:
            self._logs.emit(ClockJumped(jump / 1_000_000))

    def _say(self, line: bytes) -> None:
        with suppress(OSError):  # a parent that is gone is noticed by reading, one that does not read loses beats
            self._parent.send(line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until the parent is gone, a signal comes, or a file breaks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="engine.app.worker")
    parser.add_argument("--site", type=Path, required=True, help="folder with config.yaml, channels/ and mappings/")
    parser.add_argument("--parent-fd", type=int, required=True, help="this end of the line to the supervisor")
    options = parser.parse_args(arguments)
    parent = socket.socket(fileno=options.parent_fd)
    parent.setblocking(False)
    try:
        site = _site(options.site)
        os.nice(NICENESS)
        worker = Worker(site, options.site / site.config.data, parent)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: _stop(worker, number))
        worker.run()
    except BackstoryError as error:
        return _failed(str(error))
    except Exception as error:  # noqa: BLE001 - the end of the process: its type and place, never its text
        told = surprise(error)
        return _failed(f"unexpected {told.error} at {told.place}")
    return 0


def _site(folder: Path) -> Site:
    loaded = load_site(folder)
    if loaded.site is None:
        more = f" (and {len(loaded.findings) - 1} more; see backstory check)" if len(loaded.findings) > 1 else ""
        raise ConfigError(f"{loaded.findings[0]}{more}")
    return loaded.site


def _stop(worker: Worker, number: int) -> None:
    worker.stopping = signal.Signals(number).name
    worker.wake()


def _failed(line: str) -> int:
    print(f"backstory worker: {line}", file=sys.stderr)  # noqa: T201 - the one line a person reads
    return 1


if __name__ == "__main__":
    sys.exit(main())
