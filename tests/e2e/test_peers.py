"""Bad peers beside a good sender: it is answered in time, nothing acknowledged is lost, the engine stays up and small."""

import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bad_peers import KINDS
from engine_process import Engine, wait_for

from tests.bench.loadgen import ORU, Load, numbered, run

BAD = Path(__file__).with_name("bad_peers.py")
SLOW = 5_000
BOUND = 0.5  # seconds; ten times the goal, which the bench measures
CONNECTIONS = {
    "tiny": 32,
    "never_reads": 16,
    "never_ends": 16,
    "storm": 32,
    "large": 2,
    "segments": 2,
    "batches": 2,
    "full_batches": 2,
}
MEMORY = {"slow": 200, "large": 500, "segments": 500, "batches": 500, "full_batches": 500}  # MB; others 200


def wide(site: Path) -> None:
    """A listener that takes as many connections as the test makes."""
    config = site / "config.yaml"
    text = config.read_text().replace("  lab:\n", "  lab:\n    connections: 6000\n    max_connections: 6000\n", 1)
    config.write_text(text)


def rss(pid: int) -> float:
    """Resident memory in MB."""
    found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


class Bad:
    """A bad peer at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.acked = 0

    def stop(self) -> None:
        said, _ = self._process.communicate(timeout=60)
        self.acked = int(said.split()[-1])


@contextmanager
def bad(kind: str, port: int, count: int) -> Iterator[Bad]:
    words = [sys.executable, str(BAD), kind, str(port), str(count)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Bad(process)
    finally:
        process.kill()
        process.wait()


def good(engine: Engine, seconds: float) -> Load:
    """A sender at fifty messages a second, from another address."""
    messages = numbered(ORU, f"G{time.time_ns():x}.")
    return run(("127.0.0.1", engine.ports["lab"]), 2, seconds, messages, rate=50)


def listener(engine: Engine) -> dict[str, int]:
    return engine.command("network", "status")["listeners"]["lab"]


def kept(engine: Engine, name: bytes) -> int:
    """Messages of this sender in the journal."""
    with engine.journal() as journal:
        entries, after = 0, 0
        while found := journal.read(0, after, 1_000, 1 << 26):
            entries += sum(name in entry.body[:40] for entry in found)
            after = found[-1].position
    return entries


@pytest.mark.parametrize("kind", sorted(CONNECTIONS))
def test_a_bad_peer_delays_no_other(tmp_path: Path, kind: str) -> None:
    """Of the good sender's messages 99 in 100 are answered in time, and what either was told AA is kept."""
    with Engine(tmp_path, edit=wide) as engine:
        pid = engine.pids()["network"]
        assert good(engine, 0.5).refused == 0
        with bad(kind, engine.ports["lab"], CONNECTIONS[kind]) as peer:
            load = good(engine, 3.0)
            memory = rss(pid)
            peer.stop()
        assert load.refused == 0
        assert load.acked >= 100
        assert load.percentile(0.99) <= BOUND
        assert memory <= MEMORY.get(kind, 200)
        wait_for(lambda: listener(engine)["connections"] == 0, "everybody has left")
        assert engine.pids()["network"] == pid
        assert kept(engine, b"|LAB|") >= load.acked
        assert kept(engine, b"|BAD|") >= peer.acked
        assert (kind not in {"tiny", "large", "full_batches"}) or peer.acked > 0


def test_every_kind_of_peer_is_tried() -> None:
    assert set(KINDS) == {*CONNECTIONS, "slow"}


def test_five_thousand_slow_connections_delay_no_other(tmp_path: Path) -> None:
    """All are accepted, and the process stays small."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < SLOW + 1_000:
        pytest.skip(f"this system allows a process {hard} open files, and {SLOW} connections need more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, SLOW + 1_000), hard), hard))
    with Engine(tmp_path, edit=wide) as engine, bad("slow", engine.ports["lab"], SLOW) as peer:
        wait_for(lambda: listener(engine)["connections"] == SLOW, "all are accepted")
        load = good(engine, 4.0)
        assert rss(engine.pids()["network"]) <= MEMORY["slow"]
        assert listener(engine)["refused"] == 0
        peer.stop()
        assert load.refused == 0
        assert load.acked >= 100
        assert load.percentile(0.99) <= BOUND


def test_answers_keep_their_order_among_small_large_and_refused(tmp_path: Path) -> None:
    """Twelve frames without waiting: each answer names the message whose turn it is; a resent one is kept once."""
    tails = [b"", b"NTE|1||" + b"x" * 200_000 + b"\r", b"OBX|1|NM\r" * 20_000, b"NTE|1||short\r"]
    bodies = [b"MSH|^~\\&|LAB|HOSP|||20260819||ORU^R01|C%d|P|2.5\rPID|1||1\r%b" % (n, tails[n % 4]) for n in range(12)]
    with Engine(tmp_path) as engine, engine.connect("lab") as connection:
        for body in [*bodies, bodies[1]]:
            connection.write(body)
        answers = [connection.answer() for _ in range(13)]
        found = [re.search(rb"MSA\|(..)\|C(\d+)", answer).groups() for answer in answers]
        assert [int(number) for _, number in found] == [*range(12), 1]
        assert [code for code, _ in found] == [b"AR" if n % 4 == 2 else b"AA" for n in [*range(12), 1]]
        assert listener(engine)["duplicates"] == 1
        assert kept(engine, b"|LAB|") == 12


def test_who_is_not_listed_gets_no_byte(tmp_path: Path) -> None:
    """Closed at accept, counted, and one line in the log however often it tries."""

    def closed(site: Path) -> None:
        config = site / "config.yaml"
        config.write_text(config.read_text().replace("  lab:\n", "  lab:\n    allow: [10.0.0.0/8]\n", 1))

    with Engine(tmp_path, edit=closed) as engine:
        for _ in range(50):
            with engine.connect("lab") as connection, pytest.raises(ConnectionError):
                connection.send(b"MSH|^~\\&|LAB|HOSP|||20260819||ORU^R01|C1|P|2.5\r")
        assert (listener(engine)["not_allowed"], listener(engine)["opened"]) == (50, 0)
        engine.stop()
        assert engine.logs().count("not_allowed") == 1
