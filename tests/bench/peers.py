"""Bad peers beside a good sender (R6), and how long what is large takes to be answered."""

import base64
import os
import subprocess
import sys
import time
from typing import NamedTuple

from tests.bench.loadgen import ORU, Load, numbered, run
from tests.bench.measure import rss_megabytes
from tests.bench.site import ROOT, Running

BAD = ROOT / "tests" / "e2e" / "bad_peers.py"
RATE = 100.0  # messages a second of the good sender, over four connections
# the slow first: their memory is measured before large frames have left theirs
CONNECTIONS = {
    "slow": 5_000,
    "tiny": 32,
    "never_reads": 16,
    "storm": 32,
    "large": 2,
    "segments": 2,
    "batches": 2,
    "full_batches": 2,
}
WORDS = {
    "tiny": "that flood tiny messages",
    "never_reads": "that never read their answers",
    "never_ends": "that send beginnings of messages only",
    "storm": "that connect and leave",
    "large": "that send 16 MiB back to back",
    "segments": "that send a million segments back to back",
    "batches": "that send batches of 200,000 back to back",
    "full_batches": "that send batches of 9,990 back to back",
    "slow": "that send a byte a second",
}


class Turn(NamedTuple):
    """The good sender alone, then beside a bad peer; MB of the network process then."""

    alone: Load
    beside: Load
    memory: float


def turn(running: Running, bad: tuple[str, int], seconds: float) -> Turn:
    """One turn of each; the bad peer is (kind, connections)."""
    alone = _good(running, seconds)
    words = [sys.executable, str(BAD), bad[0], str(running.address[1]), str(bad[1])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the bad peer {bad[0]} could not begin")
        beside = _good(running, seconds)
        memory = rss_megabytes(running.pids["network"])
        process.communicate()
    if not alone.acked or not beside.acked or alone.refused or beside.refused:
        raise RuntimeError(f"the good sender was refused beside {bad[0]}")
    running.wait_processed()
    return Turn(alone, beside, memory)


def _good(running: Running, seconds: float) -> Load:
    messages = numbered(ORU, f"G{time.time_ns():x}.")
    return run(running.address, 4, seconds, messages, rate=RATE)


def answered(running: Running, body: bytes) -> float:
    """Seconds from the first byte sent to the answer, on a connection that is open."""
    with running.engine.connect("ris") as connection:
        began = time.perf_counter()
        answer = connection.send(body)
        took = time.perf_counter() - began
    if b"|AA|" not in answer:
        raise RuntimeError("a bench counts acknowledged messages only")
    return took


def _head(name: str) -> bytes:
    return b"MSH|^~\\&|LAB|HOSP|BST|HOSP|20260819093100||ORU^R01^ORU_R01|%b|P|2.5.1\r" % name.encode()


def letter(number: int) -> bytes:
    """A message of 200 KB: a scanned letter."""
    text = base64.b64encode(os.urandom(150_000))
    return _head(f"D{time.time_ns():x}.{number}") + b"PID|1||1\rOBX|1|ED|PDF||^AP^^Base64^" + text + b"\r"


def batch(number: int) -> bytes:
    """A batch of 970 KB: a night's results, 1,700 messages."""
    name = f"N{time.time_ns():x}.{number}"
    own = (ORU.replace(b"@@", f"{name}.{n}".encode()) for n in range(10_000))
    messages: list[bytes] = []
    size = 0
    while size < 970_000:
        messages.append(next(own))
        size += len(messages[-1])
    return b"BHS|^~\\&|LAB|HOSP|||||||%b\r" % name.encode() + b"".join(messages) + b"BTS|%d\r" % len(messages)
