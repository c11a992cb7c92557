"""From a listener's frames to the journal thread and back: judging, back-pressure, counting."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from engine.app.cut_frames import CutFrames
from engine.app.events import ConnectionClosed, DuplicateReceived, Event, MessageRefused, control_id, surprise
from engine.app.journal_items import Asker, Intake, Unjudged
from engine.app.journal_thread import JournalThread
from engine.app.large_frames import LargeFrames
from engine.app.repeats import Repeats
from engine.channel.ports import Kind, Received
from engine.channel.receive import Answer, Judged, ListenerRules, judge
from engine.hl7.batch import is_batch
from engine.mllp.admission import REFUSALS, peer_group
from engine.mllp.connection import MllpConnection
from engine.mllp.framing import Framed, FrameEvent
from engine.mllp.listener import ConnectionRules, MllpListener
from engine.mllp.room import Room

LARGE = 16 * 1024  # bytes; above, a thread of its own judges, so that the reactor never stalls
BATCH = 4 * 1024  # bytes; the same for a batch, whose messages are judged one by one, and for text with many shifts
CUT_AGAIN = 0.1  # seconds until what was cut off before is settled: of a flood of them 160 a second are taken
SHIFTS = 100  # ESC characters, each of which costs microseconds


class Port:
    """One listener: its rules, its factory and what became of its frames."""

    def __init__(self, rules: ListenerRules, limits: ConnectionRules, intake: "Listeners", log_control_id: str) -> None:
        self.rules = rules
        self.log_control_id = log_control_id
        # accepted, quarantined, duplicates, control_ids_reused, not_kept, cut_again
        self.outcome: Counter[str] = Counter()
        self._intake = intake
        self.cuts = CutFrames()
        self._repeats = Repeats()
        self.factory = MllpListener(limits, self._frame, self._fault, intake.reactor, intake.room)
        self.address = ("", 0)

    def status(self) -> dict[str, Any]:
        """The listener as `status` shows it."""
        host, port = self.address
        return {"host": host, "port": port, **self.factory.status(), **self.outcome}

    def _frame(self, connection: MllpConnection, event: FrameEvent) -> None:
        now, size = self._intake.wall(), len(event.body)
        if event.kind is Framed.CUT and self.cuts.knows(connection.group, event.body, self._intake.reactor.seconds()):
            self.outcome["cut_again"] += 1
            # it has no answer that could overtake another, and a peer that has nothing better to send waits for its turn
            self._intake.reactor.callLater(CUT_AGAIN, connection.answer, b"")
            return
        if size <= BATCH or (size <= LARGE and not _costs(event.body)):
            try:
                judged = judge(event, self.rules, connection.peer, now)
            except Exception as error:  # noqa: BLE001 - process loop: one frame must not stay under way for ever
                self._intake.emit(surprise(error))
                _unanswered(connection)
            else:
                self._intake.take(Intake(connection, judged, size))
        else:
            late = partial(judge, event, self.rules, connection.peer, now, self._intake.between)
            self._intake.take_large(Unjudged(connection, late, size))

    def _fault(self, peer: str, reason: str) -> None:
        host = peer_group(peer if reason in REFUSALS else peer.rpartition(":")[0])
        times = self._repeats.told(host, reason, self._intake.reactor.seconds())
        if times:
            self._intake.emit(ConnectionClosed(self.rules.name, peer, reason, times))


class Listeners:
    """All ports of the site, and what they have under way."""

    def __init__(
        self,
        thread: JournalThread,
        large: LargeFrames,
        emit: Callable[[Event], None],
        wall: Callable[[], int],
        reactor: Any,
    ) -> None:
        self.ports: dict[str, Port] = {}
        self.emit = emit
        self.wall = wall
        self.reactor = reactor
        self.room = Room(reactor.seconds)
        self._put = thread.put
        self.between = thread.give_way  # between two messages of a batch
        self._large = large
        self._behind: Counter[Asker] = Counter()  # frames of a connection that went by the thread for large ones
        self.paused: set[str] = set()  # why nobody is read: "journal"

    def add(self, rules: ListenerRules, limits: ConnectionRules, log_control_id: str = "plain") -> Port:
        """Prepare a listener; open it with `reactor.listenTCP(port, port.factory)`."""
        port = self.ports[rules.name] = Port(rules, limits, self, log_control_id)
        return port

    def take(self, item: Intake) -> None:
        """Hand a frame to the journal; behind the large ones of its connection, so that answers keep their order."""
        if self._behind and item.asker in self._behind:
            self.take_large(item)
        else:
            self._put(item)

    def take_large(self, item: Intake | Unjudged) -> None:
        """Hand a frame to the thread that judges large ones."""
        self._behind[item.asker] += 1
        self._large.put(item)

    @property
    def idle(self) -> bool:
        """Whether nothing waits for the journal."""
        return self.room.frames == 0

    def settle(self, intakes: Sequence[Intake], answers: Sequence[Answer]) -> None:
        """What a commit has kept is answered."""
        for intake, answer in zip(intakes, answers, strict=True):
            self._count(intake.judged, answer)  # first: who has its answer may ask for the counts
            if intake.apart:
                self._passed(intake.asker)
            intake.asker.answer(answer.reply)

    def refuse(self, intakes: Sequence[Intake]) -> None:
        """What a commit could not keep is answered AR 207 or CR: the sender keeps it and sends it again."""
        for asker, judged, _, apart in intakes:
            if apart:
                self._passed(asker)
            asker.answer(judged.refusal())
            self.ports[judged.received[0].listener].outcome["not_kept"] += 1

    def drop(self, item: Unjudged) -> None:
        """A frame that could not be judged: its connection is closed, since it cannot be answered."""
        self._passed(item.asker)
        _unanswered(item.asker)

    def _passed(self, asker: Asker) -> None:
        self._behind[asker] -= 1
        if not self._behind[asker]:
            del self._behind[asker]

    def pause(self, why: str) -> None:
        """Read from nobody while any reason to pause stands."""
        if not self.paused:
            for port in self.ports.values():
                port.factory.pause()
        self.paused.add(why)

    def resume(self, why: str) -> None:
        """This reason to pause is gone."""
        if why in self.paused:
            self.paused.remove(why)
            if not self.paused:
                for port in self.ports.values():
                    port.factory.resume()

    def _count(self, judged: Judged, answer: Answer) -> None:
        received = judged.received[0]
        outcome = self.ports[received.listener].outcome
        if answer.duplicate:
            outcome["duplicates"] += 1
            self._told(judged, answer)
        elif received.kind is Kind.MESSAGE:
            outcome["accepted"] += len(judged.received)
            outcome["control_ids_reused"] += answer.control_id_reused
        else:
            outcome["quarantined"] += 1
            if received.flags == "cut_off":
                self._note_cut(received)
            self._told(judged, answer)

    def _note_cut(self, received: Received) -> None:
        who = peer_group(received.peer.rpartition(":")[0])
        self.ports[received.listener].cuts.kept(who, received.body, self.reactor.seconds())

    def _told(self, judged: Judged, answer: Answer) -> None:
        received = judged.received[0]
        port = self.ports[received.listener]
        name = control_id(judged.msh.control_id if judged.msh is not None else b"", port.log_control_id)
        if answer.duplicate:
            self.emit(DuplicateReceived(received.listener, answer.entry, name, received.peer))
            return
        why = received.answer or received.flags
        size = len(received.body)
        self.emit(MessageRefused(received.listener, answer.entry, name, size, received.peer, why))


def _costs(body: bytes) -> bool:
    """Whether judging a frame of some KB would stall the reactor."""
    return is_batch(body) or body.count(b"\x1b") > SHIFTS


def _unanswered(asker: Asker) -> None:
    """Close the connection of a frame that could not be judged: its sender keeps the message."""
    asker.fault("surprise", [])
    asker.answer(b"")
