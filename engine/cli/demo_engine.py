"""The engine of the demonstration: `backstory run` as a child."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.cli.health import ask_processes
from engine.errors import BackstoryError, ConfigError

_START = 30.0  # seconds until every listener must answer
_STOP = 20.0
_POLL = 0.05


class DemoEngine:
    """Starts the engine of a site, waits until all of it is ready, stops it in order."""

    def __init__(self, site: Path) -> None:
        self._site = site
        self._said = site / "engine.out"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises BackstoryError with what the engine said when it ends instead."""
        command = [sys.executable, "-m", "engine.cli", "run", "--site", str(self._site)]
        with self._said.open("wb") as said:
            # a session of its own: Ctrl-C reaches the demonstration, which then stops the feeds before the engine
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        deadline = time.monotonic() + _START
        while not self._ready():
            self.check()
            if time.monotonic() > deadline:
                raise ConfigError(f"the engine was not ready within {_START:g} s; see {self._said}")
            time.sleep(_POLL)

    def check(self) -> None:
        """Raises BackstoryError when the engine has ended."""
        if self._process is not None and self._process.poll() is not None:
            last = self._said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise BackstoryError(f"the engine ended with status {self._process.returncode}; it said: {last[0]}")

    def stop(self) -> int:
        """Stop it in order and return its exit status; kill it when it does not stop."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _ready(self) -> bool:
        """Whether every process of it is."""
        running, words = ask_processes(self._site)
        return running and all(process.get("ready") for process in words.get("processes", {}).values())
