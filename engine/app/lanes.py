"""The lanes of destinations in the reactor: one row at a time, sent, decided, and committed before the next (D7, D8)."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from engine.app.events import DeliveryRefused, DeliveryWaits, Event, LaneChanged, control_id
from engine.channel.deliver import LAST_RETRY, Decided, OnReject, decide, held, set_aside
from engine.channel.ports import Attempt, Decision, Lane, LaneState, Queued
from engine.hl7.acknowledge import Ack
from engine.mllp.answer import NoAnswer

LOW = 64  # rows at hand below which more are fetched
ASIDE = 64  # rows behind a parked message that one commit sets aside


class Sender(Protocol):
    """What sends: MllpSender, or a test."""

    @property
    def connected(self) -> bool: ...
    def send(self, body: bytes, control_id: str) -> None: ...
    def close(self) -> None: ...


class LanePorts(NamedTuple):
    """What a lane needs of its process."""

    submit: Callable[["LaneRunner", Decided], None]  # to the journal thread; `committed` is called back
    fetch: Callable[[], None]  # wake the outbox reader
    wall: Callable[[], int]
    reactor: Any  # callLater
    emit: Callable[[Event], None]


class LaneRunner:
    """One lane: at most one message between send and commit; stopping drops nothing, since the rows stay in the outbox."""

    def __init__(self, lane: Lane, parked: set[str], on_reject: OnReject, ports: LanePorts) -> None:
        self.lane = lane
        self.sent = 0
        self._parked = parked  # keys set aside at this destination, shared by its lanes
        self._on_reject = on_reject
        self._ports = ports
        self._rows: deque[Queued] = deque()
        self._sender: Sender | None = None
        self._deciding: Decided | None = None
        self._busy = False
        self._timer: Any = None
        self._stopped = False

    def attach(self, sender: Sender) -> None:
        """Give the lane its connection."""
        self._sender = sender
        self._next()

    def offer(self, rows: Sequence[Queued]) -> None:
        """Rows of the outbox in order, each of them once."""
        self._rows.extend(rows)
        self._next()

    def result(self, result: Ack | NoAnswer) -> None:
        """The sender calls this once for each message."""
        row = self._rows[0]
        attempt, lane = decide(self.lane, row, result, self._on_reject, self._ports.wall())
        self._tell(row, attempt, lane)
        self._submit(Decided((attempt,), lane))

    def committed(self) -> None:
        """The decision is on disk: only now may the next message go."""
        decided = self._deciding
        if decided is None:
            raise RuntimeError("nothing was being decided")
        self._deciding = None
        self.lane = decided.lane
        before = len(self._rows)
        for attempt in decided.attempts:
            if attempt.decision is Decision.RETRY:
                continue
            self._rows.popleft()
            self.sent += attempt.decision is Decision.SENT
            if attempt.decision is Decision.PARKED and attempt.key:
                self._parked.add(attempt.key)
        self._busy = False
        if before >= LOW > len(self._rows):
            self._ports.fetch()
        self._next()

    @property
    def idle(self) -> bool:
        """Whether no message is between send and commit."""
        return not self._busy

    def stop(self) -> None:
        """Begin no message any more; one in flight may still be answered."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Close the connection; what is still in flight goes again after the next start, same bytes, same MSH-10."""
        self.stop()
        if self._sender is not None:
            self._sender.close()

    def status(self) -> dict[str, Any]:
        """The lane as `status` shows it."""
        lane = self.lane
        return {
            "destination": lane.destination,
            "lane": lane.lane,
            "state": lane.state.name,
            "reason": lane.reason,
            "done": lane.done,
            "tries": lane.tries,
            "next_try": lane.next_try,
            "since": lane.since,
            "sent": self.sent,
            "connected": self._sender is not None and self._sender.connected,
        }

    def _next(self) -> None:
        if self._busy or self._stopped or self._sender is None or not self._rows or self._timer is not None:
            return
        if self.lane.state is not LaneState.OPEN:
            return
        wait = self.lane.next_try - self._ports.wall() if self.lane.next_try else 0
        if wait > 0:
            wait = min(wait, LAST_RETRY)  # somebody set the clock back (D19)
            self._timer = self._ports.reactor.callLater(wait / 1_000_000, self._try_again)
            return
        self._busy = True
        row = self._rows[0]
        if row.key and row.key in self._parked:
            self._set_aside()
        elif lane := held(self.lane, row, self._ports.wall()):
            self._ports.emit(LaneChanged(row.destination, row.lane, lane.state.name, lane.reason))
            self._submit(Decided((), lane))
        else:
            self._sender.send(row.body, row.control_id)

    def _try_again(self) -> None:
        self._timer = None
        self._next()

    def _set_aside(self) -> None:
        attempts: list[Attempt] = []
        lane, now = self.lane, self._ports.wall()
        for row in self._rows:
            if not row.key or row.key not in self._parked or len(attempts) == ASIDE:
                break
            attempt, lane = set_aside(lane, row, now)
            attempts.append(attempt)
        self._submit(Decided(tuple(attempts), lane))

    def _submit(self, decided: Decided) -> None:
        self._deciding = decided
        self._ports.submit(self, decided)

    def _tell(self, row: Queued, attempt: Attempt, lane: Lane) -> None:
        if attempt.decision is Decision.SENT:
            return
        emit, place = self._ports.emit, (row.destination, row.lane, row.seq)
        if lane.state is not self.lane.state:
            emit(LaneChanged(row.destination, row.lane, lane.state.name, attempt.answer))
        elif attempt.decision is Decision.RETRY:
            emit(DeliveryWaits(*place, lane.tries, attempt.answer))
        if attempt.decision in {Decision.PARKED, Decision.FAILED}:
            name = attempt.decision.name
            emit(DeliveryRefused(*place, row.entry, control_id(row.control_id), attempt.answer, name))
