"""The engine of the demonstration: `backstory run` as a child."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from engine.cli.mllp_client import Address
from engine.errors import BackstoryError, ConfigError

_START = 30.0  # seconds until every listener must answer
_STOP = 20.0
_POLL = 0.05


class DemoEngine:
    """Starts the engine of a site, waits until it listens, stops it in order."""

    def __init__(self, site: Path, listeners: list[Address]) -> None:
        self._site = site
        self._listeners = listeners
        self._said = site / "engine.out"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises BackstoryError with what the engine said when it ends instead of listening."""
        command = [sys.executable, "-m", "engine.cli", "run", "--site", str(self._site)]
        with self._said.open("wb") as said:
            # a session of its own: Ctrl-C reaches the demonstration, which then stops the feeds before the engine
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        deadline = time.monotonic() + _START
        for address in self._listeners:
            while not _listens(address):
                self.check()
                if time.monotonic() > deadline:
                    raise ConfigError(f"the engine did not open {address} within {_START:g} s; see {self._said}")
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


def _listens(address: Address) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True
