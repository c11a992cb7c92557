"""A process of the engine as the supervisor sees it: started, ready, beating, silent, dead, started again (D18)."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

FIRST_WAIT = 0.1  # seconds before a process that died is started again; doubled each time
LONGEST_WAIT = 10.0
SETTLED = 60.0  # seconds of life after which the waiting starts from the beginning
SILENT = 60.0  # seconds without a beat after which it is killed
STARTING = 300.0  # seconds it may take to be ready: a migration of a large file does not beat


class Child:
    """One process: `python -m engine.app.<name> --site DIR --parent-fd N`.

    The line to it is a socket pair: it writes `ready {...}` once and `beat` every second, and ends when our end closes,
    which the system does for us even when we are killed.
    """

    def __init__(self, name: str, site: Path) -> None:
        self.name = name
        self.ready: dict[str, Any] | None = None  # what it said when it was ready, None before
        self.was_ready = False  # ever
        self.restarts = 0
        self.started = 0.0  # mono
        self.heard = 0.0  # mono of its last line
        self.start_at: float | None = 0.0  # mono at which it is to be started, None while it runs
        self._site = site
        self._wait = FIRST_WAIT
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._rest = b""

    @property
    def pid(self) -> int:
        """Its process id, 0 while it does not run."""
        return self._process.pid if self._process else 0

    @property
    def line(self) -> socket.socket | None:
        """Our end, for a selector; None while it does not run."""
        return self._line

    def start(self, now: float) -> None:
        """Start it; its stderr is ours, since it writes there one line at most."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        module = f"engine.app.{self.name}"
        words = [sys.executable, "-m", module, "--site", str(self._site), "--parent-fd", str(theirs.fileno())]
        try:
            # a group of its own: Ctrl-C is for the supervisor, which stops the others in order
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, process_group=0
            )
        finally:
            theirs.close()
        self._line, self._rest, self.ready = ours, b"", None
        self.started = self.heard = now
        self.start_at = None

    def read(self, now: float) -> bool:
        """Take the lines that wait; returns whether it became ready just now."""
        if self._line is None:
            return False
        try:
            found = self._line.recv(65536)
        except (BlockingIOError, ConnectionResetError):
            return False
        self.heard = now
        *lines, self._rest = (self._rest + found).split(b"\n")
        for line in lines:
            word, _, words = line.partition(b" ")
            if word == b"ready":
                self.ready = json.loads(words or b"{}")
                self.was_ready = True
                return True
        return False

    def ended(self) -> int | None:
        """Its exit status (negative: the signal) once it has ended, else None."""
        return self._process.poll() if self._process else None

    def bury(self, now: float) -> float:
        """After its end: close the line and say in how many seconds it is to be started again."""
        if self._line is not None:
            self._line.close()
        self._line = self._process = self.ready = None
        if now - self.started > SETTLED:
            self._wait = FIRST_WAIT
        wait, self._wait = self._wait, min(self._wait * 2, LONGEST_WAIT)
        self.start_at = now + wait
        self.restarts += 1
        return wait

    def silent(self, now: float) -> float:
        """Seconds for which it has been silent too long, or 0."""
        silence = now - self.heard
        limit = STARTING if self.ready is None else SILENT
        return silence if self._process is not None and silence > limit else 0.0

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def close(self) -> None:
        """Close our end: it stops of itself."""
        if self._line is not None:
            self._line.close()
            self._line = None
