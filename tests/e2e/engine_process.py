"""A running engine for tests: the shipped site with free ports and a data folder of its own, as real processes.

    with Engine(tmp_path) as engine:
        engine.send("lab", message)          # one message over MLLP, its answer
        engine.wait_processed(1)
        engine.stop()

Ports are asked of the system once and kept over restarts (SO_REUSEADDR on both sides).
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Self

from engine.app.control import call
from engine.errors import BackstoryError
from engine.store import read_journal, read_store
from tests.site_copy import copied

ROOT = Path(__file__).parents[2]
START, END = b"\x0b", b"\x1c\r"
PATIENCE = 30.0  # seconds; a bound for slow machines, not an expectation


def hooks(*words: str) -> dict[str, str]:
    """The environment that puts faults into an engine: see hooks/sitecustomize.py."""
    places = [str(Path(__file__).parent / "hooks"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(places), "BACKSTORY_TEST_HOOKS": " ".join(words)}


def free_ports(count: int) -> list[int]:
    """Ports nobody uses now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wire(text: bytes) -> bytes:
    """A file's lines with the line ends of the wire."""
    return text.replace(b"\r\n", b"\r").replace(b"\n", b"\r")


def sample(name: str) -> bytes:
    """A sample of the shipped site."""
    return wire((ROOT / "channels" / "samples" / name).read_bytes())


def wait_for(condition: Callable[[], Any], what: str, timeout: float = PATIENCE) -> Any:
    """Look until the condition holds; fail with `what` after the timeout."""
    until = time.monotonic() + timeout
    pause = Event()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        pause.wait(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie has ended, and who started it has not looked yet."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not re.search(r"^State:\s+Z", status, re.MULTILINE)


class Connection:
    """A sender's connection: one message, its answer, the next."""

    def __init__(self, port: int, timeout: float = PATIENCE) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, message: bytes) -> bytes:
        """The answer without its frame; raises OSError when the connection is gone."""
        self.write(message)
        return self.answer()

    def write(self, message: bytes) -> None:
        """Send without waiting for the answer."""
        self._socket.sendall(START + message + END)

    def answer(self) -> bytes:
        """The next answer without its frame."""
        while END not in self._rest:
            found = self._socket.recv(65536)
            if not found:
                raise ConnectionResetError("closed before the answer")
            self._rest += found
        answer, _, self._rest = self._rest.partition(END)
        return answer.removeprefix(START)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Engine:
    """`backstory run` on a copy of the shipped site.

    Args:
        folder: an empty folder of the test; the site goes into folder/site, its data into folder/site/data.
        edit: may change the copy before the engine starts: gets the site's folder.
        pacs: port of the destination; by default one that nobody listens on.
        environment: variables for the engine, on top of this process's.
        command: what runs the engine, by default `python -m engine.cli`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        edit: Callable[[Path], None] | None = None,
        pacs: int = 0,
        environment: Mapping[str, str] | None = None,
        command: tuple[str, ...] = ("-m", "engine.cli"),
    ) -> None:
        self.site = folder / "site"
        self.data = self.site / "data"
        self.stderr = folder / "stderr.txt"
        self.stdout = folder / "stdout.txt"
        self.ports = copy_site(self.site, pacs)
        if edit is not None:
            edit(self.site)
        self._command = command
        self.use(environment=environment)
        self._process: subprocess.Popen[bytes] | None = None

    def use(self, *, environment: Mapping[str, str] | None = None, under: tuple[str, ...] = ()) -> None:
        """From the next start on: variables on top of this process's, and a command under which it runs (strace)."""
        self._environment = {**os.environ, **(environment or {})}
        self._under = under

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until both processes are ready."""
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self._process = subprocess.Popen(
                [*self._under, sys.executable, *self._command, "run", "--site", str(self.site)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self._environment,
            )
        if wait:
            wait_for(self.is_ready, f"the engine is ready; it said {self.stderr.read_text()!r}")

    def is_ready(self) -> bool:
        """Whether the processes that run now all are ready."""
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"the engine ended with {self._process.returncode}: {self.stderr.read_text()!r}")
        processes = self.status().get("processes", {})
        return bool(processes) and all(one["ready"] and "error" not in one for one in processes.values())

    def status(self) -> dict[str, Any]:
        """What the supervisor says, empty while it does not answer."""
        try:
            return call(self.data / "run" / "supervisor.sock", "status", timeout=5)
        except BackstoryError:
            return {}

    def command(self, process: str, verb: str, **args: Any) -> dict[str, Any]:
        """A command to one of the processes."""
        return call(self.data / "run" / f"{process}.sock", verb, args)

    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that run."""
        found = {name: words["pid"] for name, words in self.status().get("processes", {}).items() if words["pid"]}
        return {**found, "supervisor": self.pid}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it in order; returns the exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Kill -9 the supervisor; the others end when its end of their line closes."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def connect(self, listener: str) -> Connection:
        return Connection(self.ports[listener])

    def send(self, listener: str, message: bytes) -> bytes:
        """One message over a connection of its own; its answer."""
        with self.connect(listener) as connection:
            return connection.send(message)

    @contextmanager
    def store(self) -> Iterator[Any]:
        """store.db, read-only."""
        store = read_store(self.data / "store.db")
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def journal(self) -> Iterator[Any]:
        """journal.db, read-only."""
        journal = read_journal(self.data / "journal.db")
        try:
            yield journal
        finally:
            journal.close()

    def wait_processed(self, position: int = 0) -> None:
        """Wait until the worker has seen this position, or all there are now."""
        with self.journal() as journal:
            wanted = position or max(journal.tails().values(), default=0)
        with self.store() as store:
            wait_for(
                lambda: any(cursor.name == "live" and cursor.position >= wanted for cursor in store.cursors()),
                f"entry {wanted} is processed",
            )

    def logs(self) -> str:
        """Everything all log files say, rotated ones included."""
        return "\n".join(file.read_text() for file in sorted((self.data / "logs").iterdir()))

    def installation(self) -> str:
        return (self.data / "installation").read_text().strip()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()


def copy_site(site: Path, pacs: int = 0) -> dict[str, int]:
    """The shipped site in another folder with ports of its own; returns the ports by listener, and of `pacs`."""
    site.mkdir(parents=True)
    copied(site)
    config = (site / "config.yaml").read_text()
    names = re.findall(r"^  (\w+):[^\n]*\n(?=(?:    .*\n)*?    port:)", config, re.MULTILINE)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    if pacs:
        ports["pacs"] = pacs
    numbers = iter(ports.values())
    config = re.sub(r"(?<=port: )\d+", lambda _: str(next(numbers)), config)
    (site / "config.yaml").write_text(config)
    return ports
