"""The supervisor: starts the network process and the worker, restarts one that dies, stops them in order (D18).

It imports nothing but the standard library and small modules of its own, so that it stays small and starts at once.
"""

import argparse
import fcntl
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine import __version__
from engine.app.child import Child
from engine.app.clock import SystemClock
from engine.app.control import Command, ControlServer, call
from engine.app.events import ProcessDied, ProcessSilent, ProcessStarted, ProcessStopping
from engine.app.log_files import Logs
from engine.errors import BackstoryError, ConfigError, Rejected

NAME = "supervisor"
ORDER = ("network", "worker")  # of starting, and of stopping: nothing comes in any more while the worker ends its batch
DEADLINE = 10.0  # seconds for each process to stop in order
LOOK = 1.0  # seconds between two looks at silent processes
ROUTES = {
    "enrichment": "worker",
    "channel": "worker",
    "append": "network",
    "lane": "network",
    "certificates": "network",
}  # verbs that a process carries out, by name


def run(site: Path) -> int:
    """Run the engine of a site until SIGINT or SIGTERM; returns the exit status, or raises ConfigError.

    The process is replaced by a small one, with the same process id, once the configuration is known to be right.
    """
    from engine.channel.site import load_config  # noqa: PLC0415 - what it imports goes with the process it is in

    data = (site / load_config(site).data).resolve()
    sys.stdout.flush()
    sys.stderr.flush()
    words = [sys.executable, "-m", "engine.app.supervisor", "--site", str(site.resolve()), "--data", str(data)]
    os.execv(sys.executable, words)  # noqa: S606 - our own module


def main(arguments: Sequence[str] | None = None) -> int:
    """Supervise; returns the exit status. What a person must know is one line on stderr."""
    parser = argparse.ArgumentParser(prog="engine.app.supervisor")
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        lock = _lock(options.data)
        try:
            return Supervisor(options.site, options.data).run()
        finally:
            os.close(lock)
    except BackstoryError as error:
        print(f"backstory: {error}", file=sys.stderr)  # noqa: T201 - the one line a person reads
        return 1
    except OSError as error:
        what = error.strerror or type(error).__name__
        print(f"backstory: {error.filename or options.data}: {what}", file=sys.stderr)  # noqa: T201 - as above
        return 1


def _lock(data: Path) -> int:
    """The hold on a data folder: one engine for each."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(data / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ConfigError(
            f"an engine runs on {data} already; stop it first, or give this site another data folder"
        ) from None
    return lock


class Supervisor:
    """The loop over signals, lines of the children and time."""

    def __init__(self, site: Path, data: Path) -> None:
        self.site = site
        self.data = data
        self._clock = SystemClock()
        self._logs = Logs(data / "logs", NAME, self._clock)
        self._children = {name: Child(name, site) for name in ORDER}
        self._selector = selectors.DefaultSelector()
        self._stopping = ""  # why
        self._failed = False
        self._told = False
        self._started = self._clock.wall()

    def run(self) -> int:
        """Run until told to stop, or until a process cannot be started at all."""
        wake, self._wake = socket.socketpair()
        wake.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, self._signalled)
        self._selector.register(wake, selectors.EVENT_READ)
        control = ControlServer(self.data / "run" / f"{NAME}.sock", self._carry_out)
        control.start()
        self._logs.emit(ProcessStarted(NAME, os.getpid(), __version__))
        try:
            while not self._stopping:
                self._turn(wake)
            self._stop()
        finally:
            control.close()
            for child in self._children.values():
                child.close()
            self._logs.close()
        return 1 if self._failed else 0

    def _signalled(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._stopping = signal.Signals(number).name

    def _turn(self, wake: socket.socket) -> None:
        now = self._clock.mono()
        for child in self._children.values():
            if child.start_at is not None and child.start_at <= now:
                self._start(child, now)
        waits = [child.start_at - now for child in self._children.values() if child.start_at is not None]
        for key, _ in self._selector.select(max(0.0, min([LOOK, *waits]))):
            if key.fileobj is wake:
                with suppress(BlockingIOError):
                    wake.recv(4096)
            elif key.data.read(self._clock.mono()):
                self._ready()
        for child in self._children.values():
            self._look_at(child)
        self._logs.flush()

    def _start(self, child: Child, now: float) -> None:
        child.start(now)
        if child.line is not None:
            self._selector.register(child.line, selectors.EVENT_READ, child)

    def _look_at(self, child: Child) -> None:
        now = self._clock.mono()
        status = child.ended()
        if status is not None:
            self._buried(child, status, now)
            return
        seconds = child.silent(now)
        if seconds:
            self._logs.emit(ProcessSilent(child.name, child.pid, round(seconds, 1)))
            child.signal(signal.SIGKILL)

    def _buried(self, child: Child, status: int, now: float) -> None:
        pid = child.pid
        if child.line is not None:
            self._selector.unregister(child.line)
        wait = child.bury(now)
        self._logs.emit(ProcessDied(child.name, pid, status, wait))
        if not child.was_ready and status >= 0:
            # it ended by itself and never ran: its line on stderr says why, and trying again would say the same
            self._failed = True
            self._stopping = self._stopping or f"{child.name} could not start"

    def _ready(self) -> None:
        """Once everybody is ready for the first time, say where we listen."""
        if self._told or any(child.ready is None for child in self._children.values()):
            return
        self._told = True
        ports = (self._children["network"].ready or {}).get("listeners", {})
        where = ", ".join(f"{name} {port}" for name, port in ports.items())
        print(f"backstory {__version__} is running; listening on {where}; data in {self.data}", flush=True)  # noqa: T201 - where a person looks for it

    def _stop(self) -> None:
        """Stop the processes one after the other, each with a deadline."""
        self._logs.emit(ProcessStopping(NAME, self._stopping))
        for name in ORDER:
            child = self._children[name]
            child.signal(signal.SIGTERM)
            until = self._clock.mono() + DEADLINE
            while child.pid and child.ended() is None and self._clock.mono() < until:
                time.sleep(0.01)
            if child.pid and child.ended() is None:
                self._logs.emit(ProcessSilent(name, child.pid, DEADLINE))
                child.signal(signal.SIGKILL)

    # in the control socket's threads

    def _carry_out(self, command: Command) -> Mapping[str, Any]:
        if command.verb == "status":
            return self._status()
        if command.verb == "stop":
            self._stopping = f"asked by {command.who}"
            self._wake.send(b"s")
            return {}
        target = ROUTES.get(command.verb)
        if target is None:
            raise Rejected(
                f"there is no verb {command.verb}; there are {', '.join(sorted([*ROUTES, 'status', 'stop']))}"
            )
        return self._route(target, command)

    def _route(self, name: str, command: Command) -> dict[str, Any]:
        path = self.data / "run" / f"{name}.sock"
        return call(path, command.verb, command.args, command_id=command.id, who=command.who)

    def _status(self) -> dict[str, Any]:
        processes = {}
        for name, child in self._children.items():
            words: dict[str, Any] = {"pid": child.pid, "ready": child.ready is not None, "restarts": child.restarts}
            try:
                words.update(call(self.data / "run" / f"{name}.sock", "status", timeout=2))
            except BackstoryError as error:
                words["error"] = str(error)
            processes[name] = words
        return {
            "version": __version__,
            "started": self._started,
            "site": str(self.site),
            "data": str(self.data),
            "processes": processes,
            "log_lines_lost": self._logs.lost,
        }


if __name__ == "__main__":
    sys.exit(main())
