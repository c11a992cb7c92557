"""The measures of `make bench`: each takes a running engine, drives it, and returns plain numbers.

Timings are of whole turns against files that hold a week; medians over the turns, since machines are noisy.
"""

import os
import re
import shutil
import signal
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.loadgen import Load, Messages, run
from tests.bench.measure import percentile
from tests.bench.pacs import Pacs, accession
from tests.bench.site import FILES, PLAIN, SECURE, Bench, Running
from tests.bench.traffic import Traffic, body_of, dealt, framed
from tests.bench.yardstick import Yardstick

CONNECTIONS = (1, 8, 64)
MOST = {1: 4_000, 8: 12_000, 64: 30_000}  # messages made beforehand for a second of a turn
YARDSTICK_FASTEST = 4_000
ORM_RATE = 200.0
_PERSON = re.compile(rb"(\^\^\^ENT\^PI\|\|)[^|]*\|\|\d{8}")  # PID-5 to PID-7 of a bench's message
_FSYNC = re.compile(r"(?:fsync|fdatasync)\(\d+<([^>]*)>")


class Turns(NamedTuple):
    """Turns at one number of connections: ours, python-hl7's, and what ours cost until everything was delivered."""

    ours: list[Load]
    theirs: list[Load]
    cpu_ms: list[float]  # per message, over the three processes
    cpu_of: dict[str, float]  # ms per message by process, median
    messages: int

    @property
    def rate(self) -> float:
        return median(load.rate for load in self.ours)

    @property
    def factor(self) -> float:
        """Median of the pairs' ratios."""
        return median(one.rate / other.rate for one, other in zip(self.ours, self.theirs, strict=True))


class Plan(NamedTuple):
    """How much of each is measured."""

    seconds: float  # of a turn
    rounds: int  # turns of each kind, alternating


Progress = Callable[[str], None]


def receive(running: Running, traffic: Traffic, connections: int, plan: Plan, say: Progress) -> Turns:
    """Closed loop, alternating with python-hl7's server, never at the same time."""
    seconds = plan.seconds
    ours: list[Load] = []
    theirs: list[Load] = []
    cpu: list[dict[str, float]] = []
    for number in range(plan.rounds):
        say(f"{connections} connections, turn {number + 1}: backstory")
        frames = [framed(one) for one in traffic.take(int(seconds * MOST[connections]))]
        before = running.cpu()
        load = run(running.address, connections, seconds, dealt(frames, connections))
        running.settle()
        _whole(load)
        after = running.cpu()
        cpu.append({name: (after[name] - before[name]) * 1000 / load.acked for name in before})
        ours.append(load)
        say(f"{connections} connections, turn {number + 1}: python-hl7")
        with Yardstick() as yardstick:
            frames = [framed(one) for one in traffic.take(int(seconds * YARDSTICK_FASTEST))]
            other = run(yardstick.address, connections, seconds, dealt(frames, connections))
        _whole(other)
        theirs.append(other)
    shares = {name: median(one[name] for one in cpu) for name in cpu[0]}
    return Turns(ours, theirs, [sum(one.values()) for one in cpu], shares, sum(load.acked for load in ours))


def over_tls(
    running: Running, traffic: Traffic, connections: int, plan: Plan, secure: ssl.SSLContext
) -> dict[str, list[Load]]:
    """Closed loops in plain text and over TLS, alternating, over kept connections, to listeners that no channel is from."""
    found: dict[str, list[Load]] = {"plain": [], "TLS": []}
    for _ in range(plan.rounds):
        for kind, listener in (("plain", PLAIN), ("TLS", SECURE)):
            frames = [framed(one) for one in traffic.take(int(plan.seconds * MOST[connections]))]
            address = "127.0.0.1", running.engine.ports[listener]
            context = secure if kind == "TLS" else None
            load = run(address, connections, plan.seconds, dealt(frames, connections), secure=context)
            running.settle()
            _whole(load)
            found[kind].append(load)
    return found


def _whole(load: Load) -> None:
    if load.refused or not load.acked:
        raise RuntimeError(f"a bench counts acknowledged messages only; {load.refused} were refused")


def process(running: Running, traffic: Traffic, count: int) -> float:
    """Entries processed a second: `count` wait while the worker is stopped, then it goes on, deliveries beside it."""
    running.settle()
    os.kill(running.pids["worker"], signal.SIGSTOP)
    try:
        frames = [framed(one) for one in traffic.take(count)]
        _whole(run(running.address, 64, 60, dealt(frames, 64), limit=count))
        waiting = running.behind()
    finally:
        began = time.perf_counter()
        os.kill(running.pids["worker"], signal.SIGCONT)
    running.wait_processed()
    seconds = time.perf_counter() - began
    running.settle()
    return waiting / seconds


def deliver(running: Running, traffic: Traffic, pacs: Pacs, count: int) -> float:
    """Orders delivered a second: all of them wait in the outbox, then the PACS answers."""
    running.settle()
    pacs.tell("forget")
    pacs.tell("hold")
    frames = [framed(one) for one in traffic.take(count, feed="ORM")]
    _whole(run(running.address, 64, 60, dealt(frames, 64), limit=count))
    running.wait_processed()
    began = time.perf_counter()
    pacs.tell("open")
    running.settle()
    arrived = pacs.times().values()
    if len(arrived) < count:
        raise RuntimeError(f"{count - len(arrived)} orders did not arrive")
    return count / (max(arrived) - began)


def through(running: Running, traffic: Traffic, pacs: Pacs, seconds: float) -> tuple[float, float, int]:
    """Orders at 200 a second: milliseconds from the first byte sent to the message at the PACS, p50 and p99; and how many."""
    running.settle()
    pacs.tell("forget")
    ones = traffic.take(int(seconds * ORM_RATE), feed="ORM")
    sent: dict[str, float] = {}
    frames = [(accession(body_of(one)), framed(one)) for one in ones]

    def messages(connection: int) -> Messages:
        return _timed(frames[connection::8], sent)

    _whole(run(running.address, 8, seconds * 2, messages, limit=len(ones), rate=ORM_RATE))
    running.settle()
    arrived = pacs.times()
    took = [(arrived[number] - at) * 1000 for number, at in sent.items()]
    return percentile(took, 0.5), percentile(took, 0.99), len(took)


def strangers(running: Running, traffic: Traffic, pacs: Pacs, count: int) -> tuple[int, int]:
    """(facts in the orders of so many patients, facts in them after their numbers were given to somebody else) (D13b).

    Then both persons have an order under the number: neither may show what was known of the first one.
    """
    orders = traffic.take(3 * count, feed="ORM")
    before, after = orders[:count], orders[count:]
    after = [one._replace(patient=before[n % count].patient) for n, one in enumerate(after)]
    known = _facts_of(running, pacs, [body_of(one) for one in before])
    admissions = [
        one._replace(patient=old.patient) for one, old in zip(traffic.take(count, feed="ADT"), before, strict=True)
    ]
    _send(running, [_renamed(body_of(one)) for one in admissions])
    others = [_renamed(body_of(one)) if n < count else body_of(one) for n, one in enumerate(after)]
    return known, _facts_of(running, pacs, others)


def _renamed(body: bytes) -> bytes:
    """The message about another person with this number, of whom nothing else is said."""
    lines = [line for line in body.split(b"\r") if not line.startswith((b"AL1", b"DG1"))]
    return _PERSON.sub(rb"\1NEWCOMER^ANNA||20010101", b"\r".join(lines))


def _facts_of(running: Running, pacs: Pacs, bodies: list[bytes]) -> int:
    pacs.tell("forget")
    _send(running, bodies)
    arrived = pacs.facts()
    if len(arrived) != len(bodies):
        raise RuntimeError(f"{len(bodies) - len(arrived)} orders did not arrive")
    return sum(arrived.values())


def _send(running: Running, bodies: list[bytes]) -> None:
    frames = [b"\x0b" + body + b"\x1c\r" for body in bodies]
    _whole(run(running.address, 8, 60, dealt(frames, 8), limit=len(frames)))
    running.settle()


def _timed(frames: list[tuple[str, bytes]], sent: dict[str, float]) -> Iterator[bytes]:
    for number, frame in frames:
        sent[number] = time.perf_counter()
        yield frame


class Fsyncs(NamedTuple):
    """How often each file asked the disk, for each acknowledged message."""

    receiving: dict[str, float]  # by file, until the last acknowledgement, deliveries beside it
    settled: dict[str, float]  # by file, until everything was processed and delivered, in one strict lane


def fsyncs(bench: Bench, traffic: Traffic, connections: int, seconds: float, folder: Path) -> Fsyncs | None:
    """Count them as strace sees them; None where there is no strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    log = folder / "strace.txt"
    words = (strace, "-D", "-f", "--seccomp-bpf", "-y", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(log))
    with bench.running(under=words) as running:
        running.settle()
        frames = [framed(one) for one in traffic.take(int(seconds * MOST[connections]))]
        before = len(_calls(log))
        load = run(running.address, connections, seconds, dealt(frames, connections))
        during = len(_calls(log))
        running.settle()
        _whole(load)
        calls = _calls(log)
    counted = Counter(calls[before:during]), Counter(calls[before:])
    return Fsyncs(*({name: count[name] / load.acked for name in FILES} for count in counted))


def _calls(log: Path) -> list[str]:
    """The database that each fsync was for, its log counted as the file itself."""
    names = (Path(path).name.removesuffix("-wal") for path in _FSYNC.findall(log.read_text()))
    return [name for name in names if name in FILES]
