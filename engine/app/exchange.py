"""What passes between the listeners, the journal, the outbox and the lanes of the network process.

Three threads: the reactor moves bytes and never runs SQL; one thread writes journal.db (`journal_thread`); one reads the
worker's outbox (`outbox_reader`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from engine.app.clock import Clock, SystemClock
from engine.app.events import Event, Listening, ReceivePaused, ReceiveResumed, surprise
from engine.app.hints import HintReceiver, HintSender
from engine.app.intake import Listeners
from engine.app.journal_items import Intake, Opened, Settle, Settled, Unjudged, told
from engine.app.journal_thread import JournalThread
from engine.app.lanes import LanePorts, LaneRunner
from engine.app.network_plan import DestinationPlan, ListenerPlan, NetworkPlan
from engine.app.outbox_reader import Fetched, Outbox, OutboxReader
from engine.channel.deliver import Decided
from engine.channel.ports import Journal, Lane
from engine.mllp.sender import MllpSender

if TYPE_CHECKING:
    from engine.app.certificates import Certificates

PAUSE = 1.0  # seconds for which nobody is read after the journal refused a commit
BEAT = 1.0  # seconds between beats to the supervisor
STUCK = 30.0  # seconds of one commit after which the process no longer counts as making progress
BACKLOG = 512
DRAIN = 5.0  # seconds that a stop waits for answers and commits under way
DRAIN_LOOK = 0.02


class Files:
    """Opens the two databases; tests hand in others."""

    def journal(self, path: Path) -> Journal:
        """journal.db for writing; called in the thread that writes."""
        from engine.store.journal import open_journal  # noqa: PLC0415 - slow to import, needed in its thread only

        return open_journal(path)

    def store(self, path: Path) -> Outbox:
        """store.db for reading; called in the thread that reads."""
        from engine.store.store import read_store  # noqa: PLC0415 - as above

        return read_store(path)


class Exchange:
    """The parts of the process and what passes between them. Methods called by other threads say so."""

    def __init__(
        self, plan: NetworkPlan, reactor: Any, emit: Callable[[Event], None], files: Files, clock: Clock | None = None
    ) -> None:
        self.plan = plan
        self.failure = ""  # one line, when the process cannot go on
        self._reactor = reactor
        self._emit = emit
        self._files = files
        self._clock = clock or SystemClock()
        self._started = self._clock.wall()
        self.thread = JournalThread(lambda: files.journal(plan.data / "journal.db"), self)
        self.listeners = Listeners(self.thread, emit, self._clock.wall, reactor)
        self.runners: dict[tuple[str, int], LaneRunner] = {}
        self._hint = HintSender(plan.data / "run" / "worker.hint")
        self._hints = HintReceiver(plan.data / "run" / "network.hint")
        self._ports: list[Any] = []
        self._flush: Callable[[], None] = lambda: None
        self._reader: OutboxReader | None = None
        self.certificates: Certificates | None = None  # where the site has TLS

    # start and stop, in the reactor

    def open(self, flush: Callable[[], None]) -> Mapping[str, int]:
        """Open the journal, then the ports, then the lanes; returns the ports by listener.

        Raises what opening the journal raises, ConfigError for certificates that cannot be used, and twisted's
        CannotListenError for a port that is taken.
        """
        self._flush = flush
        if self.plan.has_tls:
            from engine.app.certificates import Certificates  # noqa: PLC0415 - OpenSSL, which a plain site does without

            self.certificates = Certificates(self.plan, self._emit, self._clock.wall)
            self.certificates.start()
        self.thread.start()
        opened = self.thread.opened.result()
        ports = {plan.rules.name: self._listen(plan) for plan in self.plan.listeners}
        self._reader = OutboxReader(
            self.plan.data / "store.db", self._files.store, self._offer, self.fatal, self._flush
        )
        for destination in self.plan.destinations:
            self._deliver_to(destination, opened)
        self._reader.start(self._hints, list(self.runners.values()))
        return ports

    def drain(self) -> Deferred[None]:
        """Take nothing new; fires when what is under way is settled, or after five seconds."""
        for port in self._ports:
            port.stopListening()
        for intake in self.listeners.ports.values():
            intake.factory.close()
        for runner in self.runners.values():
            runner.stop()
        drained: Deferred[None] = Deferred()
        self._drained(drained, self._reactor.seconds() + DRAIN)
        return drained

    def _drained(self, drained: Deferred[None], deadline: float) -> None:
        idle = self.listeners.idle and all(runner.idle for runner in self.runners.values())
        if idle or self._reactor.seconds() >= deadline:
            for runner in self.runners.values():
                runner.close()
            drained.callback(None)
        else:
            self._reactor.callLater(DRAIN_LOOK, self._drained, drained, deadline)

    def finish(self) -> None:
        """After the reactor has ended: end the threads."""
        if self.certificates is not None:
            self.certificates.stop()
        if self._reader is not None:
            self._reader.stop()
        if not self.failure and not self.thread.stop():
            self.failure = "journal.db: the last commit did not end in time"
        self._hints.close()
        self._hint.close()

    def progressing(self) -> bool:
        """Whether the journal's thread makes progress: not whether it lives (D18)."""
        busy = self.thread.busy_since
        return busy == 0.0 or time.monotonic() - busy < STUCK

    def status(self) -> dict[str, Any]:
        """What `status` shows; from any thread."""
        return {
            "started": self._started,
            "commits": self.thread.commits,
            "listeners": {name: port.status() for name, port in self.listeners.ports.items()},
            "lanes": [runner.status() for runner in list(self.runners.values())],
            "certificates": self.certificates.status() if self.certificates is not None else [],
        }

    # called by the journal's thread

    def settled(self, settled: Settled) -> None:
        """A commit is on disk: wake the worker, answer, go on."""
        if settled.intakes or settled.acts:
            self._hint.send()
        if settled.intakes or settled.lanes:
            self._reactor.callFromThread(self._settle, settled)

    def refused(self, intakes: Sequence[Intake], why: str) -> None:
        """A commit was refused for now: AR 207, read nobody for a moment."""
        self._reactor.callFromThread(self._refuse, intakes, why)

    def unjudged(self, item: Unjudged, error: Exception) -> None:
        """A large frame could not be judged."""
        self._emit(surprise(error))
        self._reactor.callFromThread(self.listeners.drop, item)

    def recovered(self) -> None:
        """The journal commits again."""
        self._emit(ReceiveResumed())

    def fatal(self, error: Exception) -> None:
        """A file cannot be used any more: acknowledge nothing, end with one line; an fsync is never tried again."""
        self.failure = self.failure or f"the network process cannot go on: {told(error)}"
        self._emit(surprise(error))
        self._reactor.callFromThread(self._reactor.crash)

    # in the reactor

    def _settle(self, settled: Settled) -> None:
        for settle in settled.lanes:
            settle.waiting.committed()
        if settled.intakes:
            self.listeners.settle(settled.intakes, settled.answers)

    def _refuse(self, intakes: Sequence[Intake], why: str) -> None:
        if "journal" not in self.listeners.paused:
            self._emit(ReceivePaused(why))
            self._reactor.callLater(PAUSE, self.listeners.resume, "journal")
        self.listeners.pause("journal")
        self.listeners.refuse(intakes)

    def _listen(self, plan: ListenerPlan) -> int:
        port = self.listeners.add(plan.rules, plan.limits, plan.log_control_id)
        factory: Any = port.factory
        if self.certificates is not None:
            factory = self.certificates.around_listener(plan.rules.name, factory, self._reactor)
        listening = self._reactor.listenTCP(plan.port, factory, backlog=BACKLOG, interface=plan.host)
        self._ports.append(listening)
        port.address = (plan.host, listening.getHost().port)
        self._emit(Listening(plan.rules.name, *port.address))
        return port.address[1]

    def _deliver_to(self, plan: DestinationPlan, opened: Opened) -> None:
        rows = {(lane.destination, lane.lane): lane for lane in opened.lanes}
        parked = {row.key for row in opened.parked if row.destination == plan.name and row.key}
        ports = LanePorts(self._submit, self._wake_reader, self._clock.wall, self._reactor, self._emit)
        certificates = self.certificates
        secure = certificates.around_sender(plan.name, self._reactor) if certificates is not None else None
        for number in range(plan.lanes):
            place = plan.name, number
            runner = LaneRunner(rows.get(place, Lane(*place)), parked, plan.on_reject, ports)
            runner.attach(MllpSender(plan.target, runner.result, self._reactor, secure))
            self.runners[place] = runner

    def _submit(self, runner: LaneRunner, decided: Decided) -> None:
        self.thread.put(Settle(runner, decided))

    def _wake_reader(self) -> None:
        if self._reader is not None:
            self._reader.wake()

    def _offer(self, found: Sequence[Fetched]) -> None:
        """From the outbox's thread."""
        self._reactor.callFromThread(self._offered, found)

    def _offered(self, found: Sequence[Fetched]) -> None:
        for runner, rows in found:
            runner.offer(rows)
