"""What passes between the listeners, the journal, the outbox and the lanes of the network process.

Three threads: the reactor moves bytes and never runs SQL; one thread writes journal.db (`journal_thread`); one reads the
worker's outbox (`outbox_reader`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from engine.app.clock import Clock, SystemClock
from engine.app.delivering import Delivering, DeliveryPorts
from engine.app.events import Event, Listening, ReceivePaused, ReceiveResumed, surprise
from engine.app.hints import HintReceiver, HintSender
from engine.app.intake import Listeners
from engine.app.journal_items import Intake, Settled, Unjudged, told
from engine.app.journal_thread import JournalThread
from engine.app.lane_commands import LaneCommands
from engine.app.large_frames import LargeFrames, Prepare
from engine.app.network_plan import ListenerPlan, NetworkPlan
from engine.app.outbox_reader import Outbox, OutboxReader
from engine.channel.ports import Journal

if TYPE_CHECKING:
    from engine.app.certificates import Certificates
    from engine.store.journal import JournalReader

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

    def preparing(self) -> Prepare:
        """What prepares large frames for the journal; called in the thread that does so."""
        from engine.store.bodies import Packer, prepare  # noqa: PLC0415 - as above

        return partial(prepare, packer=Packer())

    def store(self, path: Path) -> Outbox:
        """store.db for reading; called in the thread that reads."""
        from engine.store.store import read_store  # noqa: PLC0415 - as above

        return read_store(path)

    def journal_reader(self, path: Path) -> "JournalReader":
        """journal.db for reading; called in the thread that reads."""
        from engine.store.journal import read_journal  # noqa: PLC0415 - as above

        return read_journal(path)


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
        self._large = LargeFrames(files.preparing, self.thread.put, self.unjudged)
        self.listeners = Listeners(self.thread, self._large, emit, self._clock.wall, reactor)
        ports = DeliveryPorts(self.thread.put, reactor, self._clock.wall, emit)
        self.delivering = Delivering(plan.destinations, ports)
        self.lane_command = LaneCommands(self.delivering, ports, plan.data, files)
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
            self.delivering.secure = self.certificates.around_sender
        self.thread.start()
        opened = self.thread.opened.result()
        ports = {plan.rules.name: self._listen(plan) for plan in self.plan.listeners}
        delivering = self.delivering
        store = self.plan.data / "store.db"
        self._reader = OutboxReader(store, self._files.store, delivering, self.fatal, self._flush)
        delivering.open(opened, self._reader)
        done = {(lane.destination, lane.lane): lane.done for lane in opened.lanes}
        self._reader.start(self._hints, list(delivering.runners.values()), done)
        return ports

    def drain(self) -> Deferred[None]:
        """Take nothing new; fires when what is under way is settled, or after five seconds."""
        for port in self._ports:
            port.stopListening()
        for intake in self.listeners.ports.values():
            intake.factory.close()
        self.delivering.stop()
        drained: Deferred[None] = Deferred()
        self._drained(drained, self._reactor.seconds() + DRAIN)
        return drained

    def _drained(self, drained: Deferred[None], deadline: float) -> None:
        idle = self.listeners.idle and self.delivering.idle
        if idle or self._reactor.seconds() >= deadline:
            self.delivering.close()
            drained.callback(None)
        else:
            self._reactor.callLater(DRAIN_LOOK, self._drained, drained, deadline)

    def finish(self) -> None:
        """After the reactor has ended: end the threads."""
        if self.certificates is not None:
            self.certificates.stop()
        if self._reader is not None:
            self._reader.stop()
        if not self.failure and not (self._large.stop() and self.thread.stop()):
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
            "lanes": self.delivering.status(),
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

    def unsettled(self, refused: Callable[[Exception], None], error: Exception) -> None:
        """A command's decision can never be written: who asked is told."""
        self._emit(surprise(error))
        self._reactor.callFromThread(refused, error)

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
