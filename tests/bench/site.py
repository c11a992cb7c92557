"""Engines for benches: the shipped site on a data folder that already holds a hospital's week.

The filled folder is made once and kept in bench-data/ until the store's code or the filler changes.
"""

import hashlib
import os
import shutil
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import fill
from tests.bench.measure import cpu_seconds, file_bytes, pss_megabytes
from tests.e2e.engine_process import Engine, wait_for
from tests.tls.authority import root

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "bench-data"
PROCESSES = ("network", "worker", "supervisor")
FILES = ("journal.db", "store.db")
PLAIN, SECURE = "pharmacy", "lab"  # of which no channel is: what TLS costs is the receive
LISTENER = "ris"  # carries all three feeds, as an interface engine in front of us would send them


def filled(entries: int, patients: int) -> Path:
    """A folder with journal.db and store.db of a week; made when it is not there."""
    folder = CACHE / f"week-{entries}-{patients}-{_digest()}"
    if not (folder / "done").exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        print(f"filling {folder.name} with {entries:,} entries (once, about a minute)", file=sys.stderr)
        fill.fill(folder, entries=entries, patients=patients)
        (folder / "done").touch()
    return folder


def _digest() -> str:
    """Of everything that decides what the filled files hold."""
    digest = hashlib.sha256(Path(fill.__file__).read_bytes())
    for file in sorted((ROOT / "engine" / "store").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


class Bench:
    """A site on a copy of the filled files; `running` starts an engine on it, again and again."""

    def __init__(self, folder: Path, week: Path, pacs: int) -> None:
        self._pacs = pacs
        self._week = week
        self._engine = self._site(folder, lanes=1)
        self.data = self._engine.data

    def fresh(self) -> None:
        """Begin again with the filled files."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        for name in FILES:
            shutil.copy(self._week / name, self.data / name)
        os.sync()  # or the first measure pays for the copy

    def _site(self, folder: Path, lanes: int) -> Engine:
        def edit(site: Path) -> None:
            config = (site / "config.yaml").read_text().replace("America/Chicago", "UTC")
            pacs = f"    profile: dcm4chee\n    lanes: {lanes}\n    ack_timeout: 300\n"
            config = config.replace("    profile: dcm4chee", f"{pacs}    # was:", 1)
            config = config.replace("  ris:", "  ris:\n    connections: 6000\n    max_connections: 6000\n    #", 1)
            (site / "config.yaml").write_text(config)
            for channel in (site / "channels").glob("*.yaml"):
                text = channel.read_text()
                for name in ("adt", "lab", "pharmacy", "documents"):
                    text = text.replace(f"\nfrom: {name}\n", f"\nfrom: {LISTENER}\n")
                channel.write_text(text)

        return Engine(folder, edit=edit, pacs=self._pacs)

    def secure(self) -> ssl.SSLContext:
        """Give the listener SECURE TLS from the next start on; returns what senders need."""
        site = self._engine.site
        ca = root()
        ca.write(site, "ca")
        ca.issue("localhost").write(site, "engine")
        config = site / "config.yaml"
        port = f"    port: {self._engine.ports[SECURE]}\n"
        tls = f"{port}    tls: {{certificate: engine.pem, key: engine.key}}\n"
        config.write_text(config.read_text().replace(port, tls))
        return ssl.create_default_context(cafile=str(site / "ca.pem"))

    def lanes(self, count: int) -> None:
        """Give the destination another number of lanes, from the next start on."""
        config = self._engine.site / "config.yaml"
        text = config.read_text()
        before = text.split("    lanes: ", 1)[1].split("\n", 1)[0]
        config.write_text(text.replace(f"    lanes: {before}\n", f"    lanes: {count}\n"))

    @contextmanager
    def running(self, *, environment: dict[str, str] | None = None, under: tuple[str, ...] = ()) -> Iterator["Running"]:
        """An engine that is ready."""
        self._engine.use(environment=environment or {}, under=under)
        with self._engine:
            yield Running(self._engine)

    def start_to_first_ack(self, message: bytes) -> float:
        """Seconds from the command to the first acknowledgement."""
        self._engine.use()
        began = time.perf_counter()
        self._engine.start(wait=False)
        try:
            wait_for(lambda: self._acked(message), "the first acknowledgement")
            return time.perf_counter() - began
        finally:
            wait_for(self._engine.is_ready, "the engine is ready")
            self._engine.stop()

    def _acked(self, message: bytes) -> bool:
        try:
            return b"MSA|AA|" in self._engine.send(LISTENER, message)
        except OSError:
            return False

    def sizes(self) -> dict[str, int]:
        """Bytes of each file with its log."""
        return {name: file_bytes(self.data, name) for name in FILES}


class Running:
    """What a bench asks of an engine that runs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.pids = engine.pids()
        self.address = "127.0.0.1", engine.ports[LISTENER]

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each process so far."""
        return {name: cpu_seconds(self.pids[name]) for name in PROCESSES}

    def pss(self) -> dict[str, float]:
        """MB of each process."""
        return {name: pss_megabytes(self.pids[name]) for name in PROCESSES}

    def commits(self) -> int:
        """Commits of journal.db since the start."""
        return int(self.engine.command("network", "status")["commits"])

    def processed(self) -> int:
        """Entries that the worker has processed since its start."""
        return int(self.engine.command("worker", "status")["processed"])

    def settle(self, seconds: float = 300.0) -> None:
        """Wait until everything is processed and delivered."""
        with self.engine.journal() as journal, self.engine.store() as store:
            wait_for(lambda: _settled(journal, store), "everything is processed and delivered", seconds)

    def wait_processed(self, seconds: float = 300.0) -> None:
        """Wait until the worker has seen everything."""
        with self.engine.journal() as journal, self.engine.store() as store:
            wait_for(lambda: _behind(journal, store) == 0, "everything is processed", seconds)

    def behind(self) -> int:
        """Entries that wait for the worker."""
        with self.engine.journal() as journal, self.engine.store() as store:
            return _behind(journal, store)


def _behind(journal, store) -> int:
    cursor = next(cursor.position for cursor in store.cursors() if cursor.name == "live")
    return max(journal.tails().values()) - cursor


def _settled(journal, store) -> bool:
    if _behind(journal, store):
        return False
    done = {(lane.destination, lane.lane): lane.done for lane in journal.lanes()}
    return all(done.get(place, 0) >= tail for place, tail in store.outbox_tails().items())


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder beside the filled files, so that a copy stays on one disk; gone afterwards."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        yield Path(folder)
