"""`make bench`: every figure of the goals in one table, against files that hold a million entries.

Everything is measured in one run on one machine, load generator and PACS beside the engine: the figures are those of a
small server, and comparable only within a run. Takes about ten minutes.
"""

import argparse
import json
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from tests.bench import goals, measures, peers, profiling
from tests.bench.goals import Figure
from tests.bench.measures import CONNECTIONS, Plan, Turns
from tests.bench.pacs import Pacs
from tests.bench.site import CACHE, Bench, Running, filled, scratch
from tests.bench.traffic import Traffic, framed, mean_bytes

PARTS = ("start", "process", "deliver", "through", "identity", "receive", "peers", "tls", "fsyncs")

REUSED = 50  # numbers that are given to another person


def main() -> int:
    options = _options()
    console = Console() if sys.stdout.isatty() else Console(width=130)
    began = time.monotonic()
    with scratch() as folder, Pacs() as pacs:
        bench = Bench(folder, filled(options.entries, options.patients), pacs.port)
        run = Run(options, bench, pacs, folder, console)
        figures = run.all()
        goals.show(figures, console)
        asked = {one.profile for one in figures if options.profile == "always" or not one.met}
        if options.profile != "never":
            run.profiles(asked - {""})
    result = {"figures": [{**one._asdict(), "met": one.met} for one in figures], "options": vars(options)}
    file = CACHE / "bench.json"
    file.write_text(json.dumps(result, indent=2))
    console.print(f"{time.monotonic() - began:.0f} s; as JSON in {file.name} of {CACHE.name}/")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries the files hold before (1000000)")
    parser.add_argument("--patients", type=int, default=3_000, help="patients they are about (3000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of one turn (5)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each kind, alternating (3)")
    parser.add_argument("--waiting", type=int, default=30_000, help="entries that wait for the worker (30000)")
    parser.add_argument("--queued", type=int, default=10_000, help="orders that wait for the PACS (10000)")
    parser.add_argument("--slow", type=int, default=5_000, help="connections that send a byte a second (5000)")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="some of the measures")
    words = ("missed", "always", "never")
    parser.add_argument("--profile", choices=words, default="missed", help="print where the time goes (missed)")
    return parser.parse_args()


class Run:
    """One bench: the measures in order, and what they found."""

    def __init__(self, options: argparse.Namespace, bench: Bench, pacs: Pacs, folder: Path, console: Console) -> None:
        self._options = options
        self._bench = bench
        self._pacs = pacs
        self._folder = folder
        self._console = console
        self._traffic = Traffic(options.patients)
        self._figures: list[Figure] = []

    def all(self) -> list[Figure]:
        """Run what was asked for, each group on fresh files, so that histories stay as long as they were."""
        wanted = self._options.only
        if "start" in wanted:
            self._bench.fresh()
            self._start()
        if "process" in wanted:
            with self._fresh() as running:
                self._process(running)
        if "deliver" in wanted:
            for lanes in (1, 4):
                self._bench.lanes(lanes)
                with self._fresh() as running:
                    self._deliver(running, lanes)
            self._bench.lanes(1)
        if "through" in wanted:
            with self._fresh() as running:
                self._through(running)
        if "identity" in wanted:
            with self._fresh() as running:
                self._identity(running)
        self._receiving(wanted)
        if "fsyncs" in wanted:
            self._bench.fresh()
            self._fsyncs()
        return self._figures

    def _receiving(self, wanted: list[str]) -> None:
        if "receive" in wanted:
            for connections in CONNECTIONS:
                with self._fresh() as running:
                    before = self._bench.sizes()
                    messages = self._receive(running, connections)
            self._sizes(before, messages)
        self._hard_ones(wanted)
        return self._figures

    def _hard_ones(self, wanted: list[str]) -> None:
        if "peers" in wanted:
            with self._fresh() as running:
                self._peers(running)
                self._large(running)
        if "tls" in wanted:
            secure = self._bench.secure()
            for connections in CONNECTIONS[1:]:
                with self._fresh() as running:
                    self._tls(running, connections, secure)
        if "fsyncs" in wanted:
            self._bench.fresh()
            self._fsyncs()

    @contextmanager
    def _fresh(self) -> Iterator[Running]:
        self._bench.fresh()
        with self._bench.running() as running:
            yield running

    def profiles(self, wanted: set[str]) -> None:
        """Where the time goes, for what missed its goal."""
        if not wanted:
            return
        for name in sorted(wanted):
            with self._fresh() as running:
                self._profile(running, name)

    def _say(self, what: str) -> None:
        self._console.print(f"[dim]{time.strftime('%H:%M:%S')} {what}[/dim]", highlight=False)

    def _add(self, *words: Any, **named: Any) -> None:
        figure = Figure(*words, **named)
        self._figures.append(figure)
        self._say(f"  {figure.name}: {goals.number(figure.value)} {figure.unit}")

    def _start(self) -> None:
        self._say("start to first acknowledgement")
        took = [self._bench.start_to_first_ack(framed(one)[1:-2]) for one in self._traffic.take(3)]
        self._add("start to first ACK", median(took), "s", 1.5, more=False)

    def _receive(self, running: Running, connections: int) -> int:
        plan = Plan(self._options.seconds, self._options.rounds)
        turns = measures.receive(running, self._traffic, connections, plan, self._say)
        self._turns(connections, turns)
        if connections == max(CONNECTIONS):
            self._memory(running)
        return turns.messages

    def _tls(self, running: Running, connections: int, secure: ssl.SSLContext) -> None:
        self._say(f"{connections} connections, in plain text and over TLS")
        plan = Plan(self._options.seconds, self._options.rounds)
        loads = measures.over_tls(running, self._traffic, connections, plan, secure)
        for kind, turns in loads.items():
            self._add(
                f"{connections} connections, {kind}, no channel: durable acked/s", median(load.rate for load in turns)
            )
        pairs = zip(loads["TLS"], loads["plain"], strict=True)
        self._add(
            f"{connections} connections: TLS, times plain", median(one.rate / two.rate for one, two in pairs), "x"
        )

    def _sizes(self, before: dict[str, int], messages: int) -> None:
        """What the last engine's messages have added to the files, measured after its end, when the logs are in them."""
        after = self._bench.sizes()
        self._add("bytes of a message", mean_bytes([framed(one) for one in self._traffic.take(1000)]), "B")
        for name, goal in (("journal.db", 1024.0), ("store.db", 0.0)):
            self._add(f"{name} bytes per message", (after[name] - before[name]) / messages, "B", goal, more=False)

    def _turns(self, connections: int, turns: Turns) -> None:
        name = f"{connections} connection{'s' if connections > 1 else ''}"
        theirs = median(load.rate for load in turns.theirs)
        self._add(f"{name}: durable acked/s", turns.rate)
        self._add(f"{name}: python-hl7 server/s", theirs)
        goal = {8: 5.0, 64: 12.0}.get(connections, 0.0)
        self._add(f"{name}: times python-hl7", turns.factor, "x", goal, profile="receive")
        for share, label in ((0.5, "p50"), (0.99, "p99")):
            self._add(f"{name}: ACK {label}", median(load.percentile(share) for load in turns.ours) * 1000, "ms")
        shares = ", ".join(f"{process} {ms:.2f}" for process, ms in turns.cpu_of.items())
        self._add(f"{name}: CPU per message ({shares})", median(turns.cpu_ms), "ms", 0.5, more=False, profile="receive")

    def _process(self, running: Running) -> None:
        rates = []
        for number in range(self._options.rounds):
            self._say(f"process, turn {number + 1}: {self._options.waiting:,} entries wait")
            rates.append(measures.process(running, self._traffic, self._options.waiting))
        self._add("entries processed/s", median(rates), goal=3000.0, profile="process")

    def _deliver(self, running: Running, lanes: int) -> None:
        rates = []
        for number in range(self._options.rounds):
            self._say(
                f"deliver over {lanes} lane{'s' if lanes > 1 else ''}, turn {number + 1}: {self._options.queued:,} orders wait"
            )
            rates.append(measures.deliver(running, self._traffic, self._pacs, self._options.queued))
        name = "delivered/s in one strict lane" if lanes == 1 else f"delivered/s over {lanes} lanes"
        self._add(name, median(rates), goal={1: 1200.0, 4: 3500.0}[lanes], profile="deliver")

    def _through(self, running: Running) -> None:
        self._say("orders at 200 a second, from the RIS to the PACS")
        p50, p99, count = measures.through(running, self._traffic, self._pacs, self._options.seconds * 4)
        self._add(f"ORM in to ORM out at 200/s ({count:,} orders), p50", p50, "ms", 10.0, more=False, profile="deliver")
        self._add("ORM in to ORM out at 200/s, p99", p99, "ms", 50.0, more=False, profile="deliver")

    def _identity(self, running: Running) -> None:
        self._say(f"orders under {REUSED} numbers that were given to somebody else")
        known, wrong = measures.strangers(running, self._traffic, self._pacs, REUSED)
        self._add(f"facts shown in {REUSED} orders of the numbers' own patients", known)
        self._add(f"facts shown in {2 * REUSED} orders after the numbers were given away (D13b)", wrong)
        if wrong or not known:
            raise RuntimeError(f"facts of somebody else: {wrong}, of the patients themselves: {known}")

    def _memory(self, running: Running) -> None:
        pss = running.pss()
        shares = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in pss.items())
        self._add(f"PSS after the load ({shares})", sum(pss.values()), "MB", 150.0, more=False)

    def _large(self, running: Running) -> None:
        for name, make in (("message of 200 KB", peers.letter), ("batch of 970 KB", peers.batch)):
            took = [peers.answered(running, make(number)) for number in range(5 * self._options.rounds)]
            self._add(f"{name} answered, the slowest of {len(took)}", max(took), "s", 0.25, more=False)

    def _peers(self, running: Running) -> None:
        found: dict[str, list[peers.Turn]] = {kind: [] for kind in peers.CONNECTIONS}
        for number in range(self._options.rounds):
            for kind, turns in found.items():
                count = self._options.slow if kind == "slow" else peers.CONNECTIONS[kind]
                self._say(f"a good sender alone, then beside {count:,} {peers.WORDS[kind]}, turn {number + 1}")
                turns.append(peers.turn(running, (kind, count), self._options.seconds))
        for kind, turns in found.items():
            alone = median(one.alone.percentile(0.99) for one in turns) * 1000
            beside = median(one.beside.percentile(0.99) for one in turns) * 1000
            longest = max(max(one.beside.latencies) for one in turns) * 1000
            said = f"alone {alone:.1f}, longest {longest:.0f}"
            self._add(f"beside {peers.WORDS[kind]}: ACK p99 ({said})", beside, "ms", 50.0, more=False)
        self._add(
            f"RSS of network with {self._options.slow:,} slow connections",
            found["slow"][0].memory,
            "MB",
            100.0,
            more=False,
        )

    def _fsyncs(self) -> None:
        for connections in CONNECTIONS:
            self._say(f"fsyncs at {connections} connections, under strace")
            found = measures.fsyncs(self._bench, self._traffic, connections, self._options.seconds, self._folder)
            if found is None:
                self._say("strace is not there: no figure")
                return
            goal = 0.2 if connections == 64 else 0.0
            name = f"{connections} connection{'s' if connections > 1 else ''}: fsyncs of"
            journal, store = "journal.db", "store.db"
            self._add(f"{name} {journal} per message", found.receiving[journal], "", goal, more=False)
            self._add(f"{name} {store} per message", found.receiving[store])
            self._add(f"{name} {journal} per message, with all its deliveries in one lane", found.settled[journal])

    def _profile(self, running: Running, name: str) -> None:
        self._say(f"where the time goes: {name}")
        pids = {process: running.pids[process] for process in ("network", "worker")}
        if name == "process":
            del pids["network"]
        if name == "deliver":
            del pids["worker"]
        with profiling.sampled(pids, self._folder, 6.0) as result:
            if name == "receive":
                measures.receive(running, self._traffic, 64, Plan(5.0, 1), lambda _: None)
            elif name == "process":
                measures.process(running, self._traffic, self._options.waiting)
            else:
                measures.deliver(running, self._traffic, self._pacs, self._options.queued)
            for process, profile in result().items():
                profiling.show(f"{name}, {process}", profile, self._console)


if __name__ == "__main__":
    sys.exit(main())
