"""The lanes of destinations in the reactor: one row at a time, sent, decided, and committed before the next (D7, D8).

Long because everything that may change a lane between two rows must be seen together.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from engine.app.delivery_events import DeliveryHeld, DeliveryLate
from engine.app.events import DeliveryRefused, DeliveryWaits, Event, LaneChanged, control_id
from engine.app.parking import Parking, Place, group_of
from engine.channel.answer_words import told
from engine.channel.deliver import (
    BEHIND,
    LAST_RETRY,
    LOST,
    Decided,
    OnReject,
    decide,
    decide_released,
    held,
    is_accepted,
    is_rejection,
    passed,
    set_aside,
)
from engine.channel.ports import Attempt, Decision, Lane, LaneState, Queued
from engine.hl7.acknowledge import Ack
from engine.mllp.answer import MISMATCH, NoAnswer

LOW = 64  # rows at hand below which more are fetched
ASIDE = 64  # rows behind a parked message that one commit sets aside
HOUR = 3_600_000_000  # microseconds of waiting for which a person is told once


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
    # ask for rows that are set aside; `offer_aside` is called back
    fetch_aside: Callable[["LaneRunner", Sequence[Place]], None] = lambda _runner, _places: None


class LaneRunner:
    """One lane: at most one message between send and commit; stopping drops nothing, since the rows stay in the outbox."""

    def __init__(
        self, lane: Lane, parking: Parking, on_reject: OnReject, ports: LanePorts, skips: Sequence[int] = ()
    ) -> None:
        self.lane = lane  # as it is on disk
        self.newest = lane  # as it will be, when what was submitted is on disk
        self.parking = parking
        self.sent = 0
        self.mismatched = 0  # answers for another message
        self._skips = set(skips)  # rows ahead that a person skipped
        self._on_reject = on_reject
        self._ports = ports
        self._rows: deque[Queued] = deque()
        self._released: Queued | None = None  # goes before the others
        self._asked = False  # a released row is being fetched
        self._sender: Sender | None = None
        self._in_flight: Queued | None = None
        self._pending: deque[Decided] = deque()
        self._timer: Any = None
        self._stopped = False
        self._hours = 0  # of waiting that were told

    def attach(self, sender: Sender) -> None:
        """Give the lane its connection."""
        self._sender = sender
        self.go()

    def offer(self, rows: Sequence[Queued]) -> None:
        """Rows of the outbox in order, each of them once; one may have been skipped before it was read."""
        self._rows.extend(row for row in rows if row.seq > self.lane.done)
        self.go()

    def offer_aside(self, places: Sequence[Place], rows: Sequence[Queued]) -> None:
        """The released rows that were asked for: the one that was queued first goes next."""
        self._asked = False
        if sorted(self.parking.heads(self.lane.lane)) != sorted(places):
            self.go()  # refused, skipped or joined by another meanwhile: asked for again
            return
        missing = set(places) - {(row.lane, row.seq) for row in rows}
        if missing:
            self._lost(sorted(missing))
        else:
            self._released = min(rows, key=lambda row: (row.entry, row.lane))  # never by the clock (D19)
            self.go()

    def result(self, result: Ack | NoAnswer) -> None:
        """The sender calls this once for each message."""
        row = self._in_flight
        if row is None:
            raise RuntimeError("nothing was sent")
        self._in_flight = None
        self.mismatched += result == MISMATCH
        aside = row is self._released
        attempt, lane = (decide_released if aside else decide)(
            self.newest, row, result, self._on_reject, self._ports.wall()
        )
        if self._sender is not None and not is_accepted(result) and not is_rejection(result):
            self._sender.close()  # what comes next on this connection is not to be trusted (D8)
        self._tell(row, attempt, lane)
        if attempt.decision is Decision.PARKED:
            self._parked(attempt)
        if not aside:
            self.submit(Decided((attempt,), lane))
            return
        if attempt.decision is not Decision.RETRY:
            self._released = None
        again = (row.key,) if attempt.decision is Decision.PARKED and row.key else ()
        self.submit(Decided((), lane, aside=(attempt,), repark=again))

    def submit(self, decided: Decided) -> None:
        """Hand a decision to the journal."""
        self.expect(decided)
        self._ports.submit(self, decided)

    def expect(self, decided: Decided) -> None:
        """A decision of this lane is on its way to disk."""
        self.newest = decided.lane
        self._pending.append(decided)
        self._stop_waiting()

    def committed(self) -> None:
        """A decision is on disk: only now may the next message go."""
        if not self._pending:
            raise RuntimeError("nothing was being decided")
        decided = self._pending.popleft()
        self.lane = decided.lane
        before = len(self._rows)
        while self._rows and self._rows[0].seq <= self.lane.done:
            self._rows.popleft()
        for attempt in decided.attempts:
            self.sent += attempt.decision is Decision.SENT
        if decided.aside or decided.skipped or self.parking.approved:
            for attempt in (*decided.aside, *decided.skipped):
                self.sent += attempt.decision is Decision.SENT
                self._gone(attempt)
            for attempt in _final(decided):
                self.parking.approved.discard((attempt.lane, attempt.seq))
        if not self.lane.tries:
            self._hours = 0
        if before >= LOW > len(self._rows):
            self._ports.fetch()
        self.go()

    @property
    def idle(self) -> bool:
        """Whether no message is between send and commit."""
        return self._in_flight is None and not self._pending

    def is_in_flight(self, place: Place) -> bool:
        """Whether this row was sent and its answer is not here yet."""
        row = self._in_flight
        return row is not None and (row.lane, row.seq) == place

    def is_decided(self, place: Place) -> bool:
        """Whether it is on its way to disk that this row was sent, failed or skipped."""
        return any((a.lane, a.seq) == place for decided in self._pending for a in _final(decided))

    def skip(self, seq: int) -> None:
        """A person skipped a row ahead of the lane."""
        self._skips.add(seq)

    def unskip(self, seq: int) -> None:
        """That could not be written."""
        self._skips.discard(seq)

    def withdraw(self, decided: Decided) -> None:
        """A command's decision could not be written: the lane is as it was before."""
        self._pending = deque(one for one in self._pending if one is not decided)
        self.newest = self._pending[-1].lane if self._pending else self.lane

    def stop(self) -> None:
        """Begin no message any more; one in flight may still be answered."""
        self._stopped = True
        self._stop_waiting()

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
            "mismatched": self.mismatched,
            "connected": self._sender is not None and self._sender.connected,
        }

    def look_at_age(self) -> None:
        """Tell once an hour that messages wait here; called every minute or so."""
        lane, now = self.lane, self._ports.wall()
        waits = lane.state is not LaneState.OPEN or lane.tries > 0
        if not waits or not lane.since or not (self._rows or self.parking.heads(lane.lane)):
            self._hours = 0
            return
        hours = (now - lane.since) // HOUR
        if hours > self._hours:
            self._hours = hours
            self._ports.emit(DeliveryLate(lane.destination, lane.lane, lane.state.name, hours, told(lane.reason)))

    def go(self, *, waited: bool = False) -> None:
        """Begin what comes next, if it may; `waited`: the time until the next try is over, whatever the clock says."""
        if self._in_flight or self._pending or self._stopped or self._sender is None or self._timer is not None:
            return
        if self.newest.state is not LaneState.OPEN:
            return
        heads = self.parking.heads(self.lane.lane)
        if heads:
            self._fetch_released(heads)
        if not (self._released if heads else self._rows):
            return  # nothing leaves before a released row that is being fetched
        wait = self.lane.next_try - self._ports.wall() if self.lane.next_try and not waited else 0
        if wait > 0:
            wait = min(wait, LAST_RETRY)  # somebody set the clock back (D19)
            self._timer = self._ports.reactor.callLater(wait / 1_000_000, self._try_again)
        elif heads and self._released:
            self._begin_released(self._sender, self._released)
        else:
            self._begin(self._sender, self._rows[0])

    def _fetch_released(self, heads: Sequence[Place]) -> None:
        """Ask for the next released row, where it is not at hand."""
        row = self._released
        if row is not None and not self.parking.may_go(row.key, (row.lane, row.seq)):
            self._released = row = None
        if row is None and not self._asked and not self.parking.is_skipping(heads):
            self._asked = True
            self._ports.fetch_aside(self, heads)

    def _begin_released(self, sender: Sender, row: Queued) -> None:
        """The next released row: sent, or parked again with those behind it where nobody has looked at it."""
        if self._may_leave(row):
            self._send(sender, row)
            return
        attempt, _ = set_aside(self.newest, row, self._ports.wall(), row.hold)
        self._released = None
        self._parked(attempt)
        self._ports.emit(DeliveryHeld(row.destination, row.lane, row.seq, row.entry, row.hold))
        again = (row.key,) if row.key else ()
        self.submit(Decided((), passed(self.newest, self.newest.done), aside=(attempt,), repark=again))

    def _begin(self, sender: Sender, row: Queued) -> None:
        """The lane's next row: passed over, set aside, held or sent."""
        if self._skips and row.seq in self._skips:
            self._skips.discard(row.seq)
            self.submit(Decided((), passed(self.newest, row.seq)))
        elif self._stays_behind(row):
            self._set_aside()
        elif not self._may_leave(row):
            lane = held(self.newest, row.hold, self._ports.wall())._replace(tries=0)
            self._ports.emit(LaneChanged(lane.destination, lane.lane, lane.state.name, row.hold))
            self.submit(Decided((), lane))
        else:
            self._send(sender, row)

    def _may_leave(self, row: Queued) -> bool:
        """Whether nobody needs to look at it, or a person has."""
        return not row.hold or (row.lane, row.seq) in self.parking.approved

    def _stays_behind(self, row: Queued) -> bool:
        """Whether something of its patient is parked; a head that a person let go is first of its lane."""
        return bool(row.key) and row.key in self.parking and (row.lane, row.seq) not in self.parking.approved

    def _send(self, sender: Sender, row: Queued) -> None:
        self._in_flight = row
        sender.send(row.body, row.control_id)

    def _try_again(self) -> None:
        self._timer = None
        self.go(waited=True)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_aside(self) -> None:
        """Rows of parked patients, in one commit; those of a patient under release join it."""
        attempts: list[Attempt] = []
        lane, now = self.newest, self._ports.wall()
        for row in self._rows:
            if not self._stays_behind(row) or row.seq in self._skips or len(attempts) == ASIDE:
                break
            attempt, lane = set_aside(lane, row, now, row.hold or BEHIND)
            attempts.append(attempt)
            self._parked(attempt)
        join = tuple(sorted({a.key for a in attempts if self.parking.is_released(a.key)}))
        self.submit(Decided(tuple(attempts), lane, unpark=join))

    def _lost(self, places: Sequence[Place]) -> None:
        """Released rows that the outbox does not hold any more: FAILED, visible."""
        lane, now = self.newest, self._ports.wall()
        key = next(iter(self.parking.key_of(place) for place in places))
        attempts = [Attempt(lane.destination, *place, now, Decision.FAILED, LOST, key) for place in places]
        self.submit(Decided((), lane, aside=tuple(attempts)))

    def _parked(self, attempt: Attempt) -> None:
        place = attempt.lane, attempt.seq
        if self.parking.holds(group_of(attempt.key, place), place):
            self.parking.refused(group_of(attempt.key, place))
        self.parking.add(attempt.key, place)

    def _gone(self, attempt: Attempt) -> None:
        """A parked row is parked no more."""
        place = attempt.lane, attempt.seq
        group = group_of(attempt.key, place)
        if attempt.decision.is_final and self.parking.holds(group, place):
            self.parking.gone(group, place)

    def _tell(self, row: Queued, attempt: Attempt, lane: Lane) -> None:
        if attempt.decision is Decision.SENT:
            return
        emit, place = self._ports.emit, (row.destination, row.lane, row.seq)
        answer = told(attempt.answer)
        if lane.state is not self.newest.state:
            emit(LaneChanged(row.destination, lane.lane, lane.state.name, answer))
        elif attempt.decision is Decision.RETRY:
            emit(DeliveryWaits(*place, lane.tries, answer))
        if attempt.decision in {Decision.PARKED, Decision.FAILED}:
            name = attempt.decision.name
            emit(DeliveryRefused(*place, row.entry, control_id(row.control_id), answer, name))


def _final(decided: Decided) -> list[Attempt]:
    """What was decided for good."""
    return [a for a in (*decided.attempts, *decided.aside, *decided.skipped) if a.decision.is_final]
