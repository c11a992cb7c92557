"""The one thread that writes journal.db: receives, lanes and operator acts that wait together share one commit.

TRANSACTION: everything that waited when the thread came round is one BEGIN IMMEDIATE ... COMMIT, so an fsync is paid per
batch. Large frames come after the others, in commits of their own. Answers and lanes go back to the reactor by one call
after the commit, never before it.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Event, Thread

from engine.app.journal_items import Act, Intake, Item, Opened, Outside, Settle, Settled
from engine.channel.deliver import deliver
from engine.channel.operator_acts import processed_body
from engine.channel.ports import Appended, Journal, JournalTransaction
from engine.channel.receive import Answer, receive
from engine.errors import Retryable, StoreRefused

MAX_BATCH = 512  # frames, decisions and acts of one commit
APART_BYTES = 2 * 1024 * 1024  # of large frames that share a commit
APART_ENTRIES = 1_024  # of them, unless it is one frame
TURNAROUND = 0.001  # seconds in which a peer that was answered usually has sent its next message
GATHER = (0.00008, 0.00008, 0.00008)  # seconds; pauses in which the others of the last commit may come
RETRY = 0.5  # seconds between attempts to write what must not be given up
OPENING = 15.0  # seconds for which opening is tried: the process before us may not have ended yet (D18)
AGAIN = 0.05  # seconds between two attempts to open
GIVEN = 0.25  # seconds for which way is given to a commit at most


class JournalThread:
    """Takes frames, decisions and acts from any thread and writes them in the order they came."""

    def __init__(self, open_journal: Callable[[], Journal], outside: Outside) -> None:
        self.opened: Future[Opened] = Future()
        self.busy_since = 0.0  # monotonic second at which the commit under way began, 0 between commits
        self.commits = 0
        self._open = open_journal
        self._outside = outside
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._owed: list[Settle] = []  # decisions whose commit was refused: the message has left, they must be written
        self._apart: deque[Intake] = deque()  # large ones, in the order they came
        self._troubled = False
        self._late = False  # with upkeep of the file
        self._alone = Event()  # set unless a commit of large frames is under way
        self._alone.set()
        self._expected = 0  # items that will be there soon, if everybody of the last commit goes on at once
        self._settled_at = 0.0
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self.put = self._queue.put  # hand in an item; never blocks

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> bool:
        """Write what was handed in, close the file, and end; returns whether that happened in time."""
        self.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            journal = self._opened()
            self.opened.set_result(Opened(journal.lanes(), journal.parked(), journal.skips(), journal.approvals()))
        except Exception as error:  # noqa: BLE001 - process loop: whoever waits for the journal gets it
            self.opened.set_exception(error)
            return
        try:
            while self._turn(journal):
                self._upkeep(journal)
            journal.close()
        except Exception as error:  # noqa: BLE001 - process loop: the process ends, with one line that names it
            self._outside.fatal(error)

    def _opened(self) -> Journal:
        until = time.monotonic() + OPENING
        while True:
            try:
                return self._open()
            except Retryable:
                if time.monotonic() >= until:
                    raise
            time.sleep(AGAIN)

    def _turn(self, journal: Journal) -> bool:
        """One round: everything that waits, in one commit, then large frames; returns whether to go on.

        Large ones wait for another round where the file's upkeep is late, since a batch of thousands makes it later.
        """
        batch, last = self._batch()
        if batch or self._owed:
            self._timed(journal, batch)
        while self._apart and (last or not self._late):
            self._alone.clear()
            try:
                self._timed(journal, self._next_apart())
            finally:
                self._alone.set()
            if not last:
                break
        return not last

    def give_way(self) -> None:
        """For a thread that judges thousands: let a commit of thousands go first, which keeps everybody waiting."""
        if not self._alone.is_set():
            self._alone.wait(GIVEN)

    def _upkeep(self, journal: Journal) -> None:
        """A step of it; a full disk or a busy file refuses it as it refuses commits, and it is taken again."""
        try:
            journal.checkpoint()
        except Retryable:
            self._late = False  # nobody waits for what cannot be done: who comes now is told by its own commit
        else:
            self._late = journal.behind

    def _timed(self, journal: Journal, batch: Sequence[Item]) -> None:
        self.busy_since = time.monotonic()
        self._commit(journal, batch)
        self.busy_since = 0.0

    def _next_apart(self) -> list[Item]:
        """Large frames of one commit: as many as keep others waiting no longer than one of them would."""
        batch: list[Item] = []
        size = entries = 0
        while self._apart and len(batch) < MAX_BATCH:
            item = self._apart[0]
            size += item.size
            entries += len(item.judged.received)
            if batch and (size > APART_BYTES or entries > APART_ENTRIES):
                break
            batch.append(self._apart.popleft())
        return batch

    def _commit(self, journal: Journal, batch: Sequence[Item]) -> None:
        intakes = [item for item in batch if isinstance(item, Intake)]
        lanes = self._owed + [item for item in batch if isinstance(item, Settle)]
        acts = [item for item in batch if isinstance(item, Act)]
        try:
            with journal.transaction() as tx:
                answers, appended = _write(tx, intakes, lanes, acts)
        except Retryable as error:
            self._refused(intakes, lanes, acts, error)
        except StoreRefused as error:
            self._one_by_one(journal, batch, error)
        else:
            self._settled(Settled(intakes, answers, lanes, len(acts)), acts, appended)

    def _one_by_one(self, journal: Journal, batch: Sequence[Item], error: StoreRefused) -> None:
        """One row that can never be stored must not take the others with it (D6)."""
        owed, self._owed = self._owed, []
        items = [*owed, *batch]
        if len(items) > 1:
            for item in items:
                self._commit(journal, [item])
            return
        for item in items:
            if isinstance(item, Act):
                item.done.set_exception(error)
                return
            if isinstance(item, Intake):
                self._outside.refused([item], str(error))
                return
            if isinstance(item, Settle) and item.refused is not None:
                self._outside.unsettled(item.refused, error)
                return
        raise error  # a lane that cannot be written: going on would send its messages again and again

    def _batch(self) -> tuple[list[Item], bool]:
        """Everything that waits, at least one item unless something is owed; and whether it is the last."""
        batch: list[Item] = []
        try:
            item = self._queue.get_nowait() if self._apart else self._queue.get(timeout=RETRY if self._owed else None)
            self._gather()
            while item is not None:
                if isinstance(item, Intake) and item.apart:
                    self._apart.append(item)
                else:
                    batch.append(item)
                if len(batch) >= MAX_BATCH:
                    return batch, False
                item = self._queue.get_nowait()
        except Empty:
            return batch, False
        return batch, True

    def _gather(self) -> None:
        """Wait a moment for those who were answered just now: one commit for all costs less than one for each."""
        if self._expected > 1 and time.monotonic() - self._settled_at < TURNAROUND:
            for pause in GATHER:
                if self._queue.qsize() + 1 >= self._expected:
                    return
                time.sleep(pause)

    def _settled(self, settled: Settled, acts: Sequence[Act], appended: Sequence[Appended]) -> None:
        self.commits += 1
        self._owed = []
        self._expected = len(settled.intakes) + len(settled.lanes) + self._queue.qsize()
        self._settled_at = time.monotonic()
        self._outside.settled(settled)
        for act, place in zip(acts, appended, strict=True):
            act.done.set_result(place)
        if self._troubled:
            self._troubled = False
            self._outside.recovered()

    def _refused(self, intakes: list[Intake], lanes: list[Settle], acts: Sequence[Act], error: Retryable) -> None:
        self._troubled = True
        self._owed = lanes
        self._outside.refused(intakes, str(error))
        for act in acts:
            act.done.set_exception(error)


def _write(
    tx: JournalTransaction, intakes: list[Intake], lanes: list[Settle], acts: list[Act]
) -> tuple[list[Answer], list[Appended]]:
    answers = receive(tx, [intake.judged for intake in intakes]) if intakes else []
    if lanes:
        deliver(tx, [settle.decided for settle in lanes])
    return answers, [_carry_out(tx, act) for act in acts]


def _carry_out(tx: JournalTransaction, act: Act) -> Appended:
    """Keep the act; of a release of what was processed already only that somebody asked for it, so that it is settled."""
    tx.wire.command(act.command)
    processed = tx.log.processed(act.message, act.received) if act.message else 0
    if not processed:
        return tx.log.append([act.received])[0]
    tx.log.append([act.received._replace(body=processed_body(act.received.body, processed))])
    return Appended(processed, duplicate=True, answer="")
