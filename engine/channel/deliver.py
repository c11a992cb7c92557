"""The third transaction: one attempt at the head of a lane, and what became of it (D7, D8)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from engine.channel.ports import Attempt, Decision, JournalTransaction, Lane, LaneState, Queued
from engine.hl7.acknowledge import Ack
from engine.mllp.answer import NoAnswer

FIRST_RETRY = 1_000_000  # microseconds
LAST_RETRY = 300_000_000
ACCEPTED = frozenset({"AA", "CA"})
REJECTED = frozenset({"AE", "AR", "CE", "CR"})
TRY_AGAIN = frozenset({"206", "207"})  # record locked, internal error: the receiver's trouble, not the message's (D8)
BEHIND = "behind a parked message"
LOST = "no longer in the outbox"

OnReject = Literal["park", "hold", "retry", "skip"]


class Decided(NamedTuple):
    """What is decided of a lane, and the lane after it: one commit with everything `also` says."""

    attempts: tuple[Attempt, ...]  # of rows at the head, in order
    lane: Lane
    aside: tuple[Attempt, ...] = ()  # of parked rows that were released
    skipped: tuple[Attempt, ...] = ()  # rows that a person skips
    unpark: tuple[str, ...] = ()  # keys whose parked rows go now
    unpark_rows: tuple[tuple[int, int], ...] = ()  # (lane, seq) of single rows that go now
    repark: tuple[str, ...] = ()  # keys of which a row was refused again
    approve: tuple[tuple[int, int], ...] = ()  # (lane, seq) of rows that a person let go although they say `hold`
    command: str = ""  # id of the command that this carries out
    also: "tuple[Decided, ...]" = ()  # other lanes


_NOTHING = Decided((), Lane("", 0))[2:]


def decide(lane: Lane, row: Queued, result: Ack | NoAnswer, on_reject: OnReject, now: int) -> tuple[Attempt, Lane]:
    """Decide what an answer, or none, means for the row and its lane; pure; `now` in UTC microseconds."""
    answer = spelled(result)
    if is_accepted(result):
        return _attempt(row, now, Decision.SENT, answer), passed(lane, row.seq)
    if not is_rejection(result) or on_reject == "retry":
        return _attempt(row, now, Decision.RETRY, answer), _waiting(lane, answer, now)
    if on_reject == "hold":
        return _attempt(row, now, Decision.RETRY, answer), held(lane, answer, now)
    decision = Decision.PARKED if on_reject == "park" else Decision.FAILED
    return _attempt(row, now, decision, answer), passed(lane, row.seq)


def decide_released(
    lane: Lane, row: Queued, result: Ack | NoAnswer, on_reject: OnReject, now: int
) -> tuple[Attempt, Lane]:
    """The same for a parked row that was released; the lane's `done` is beyond it.

    Refused again it stays parked, or with `hold` released at the head of its lane, which is HELD.
    """
    answer = spelled(result)
    if is_accepted(result):
        decision = Decision.SENT
    elif not is_rejection(result) or on_reject == "retry":
        return _attempt(row, now, Decision.RETRY, answer), _waiting(lane, answer, now)
    elif on_reject == "hold":
        return _attempt(row, now, Decision.RETRY, answer), held(lane, answer, now)
    else:
        decision = Decision.FAILED if on_reject == "skip" else Decision.PARKED
    return _attempt(row, now, decision, answer), passed(lane, lane.done)


def set_aside(lane: Lane, row: Queued, now: int, why: str = BEHIND) -> tuple[Attempt, Lane]:
    """Set a row aside without sending it, because an earlier one of its patient is parked and order must stay."""
    return _attempt(row, now, Decision.PARKED, why), passed(lane, row.seq)


def held(lane: Lane, reason: str, now: int) -> Lane:
    """The lane that waits for a person; one that a person stopped stays so."""
    if lane.state is not LaneState.OPEN:
        return lane
    return lane._replace(state=LaneState.HELD, reason=reason, tries=lane.tries + 1, next_try=0, since=now)


def opened(lane: Lane) -> Lane:
    """The lane as a person lets it go on: at once, its failures forgotten."""
    return Lane(lane.destination, lane.lane, lane.done, lane.epoch)


def passed(lane: Lane, done: int) -> Lane:
    """The lane beyond a row: its failures are forgotten, but not that a person stopped it."""
    if lane.state is LaneState.OPEN:
        return Lane(lane.destination, lane.lane, done, lane.epoch)
    return lane._replace(done=done, tries=0, next_try=0)


def deliver(tx: JournalTransaction, decided: Sequence[Decided]) -> None:
    """Write attempts and lanes; only after the transaction has ended may these lanes send again."""
    for one in decided:
        attempts, lane = one[:2]
        for attempt in attempts:
            tx.wire.record(attempt, lane if attempt is attempts[-1] else lane._replace(done=attempt.seq))
        if not attempts:
            tx.wire.set_lane(lane)
        if one[2:] != _NOTHING:
            _aside(tx, one)


def _aside(tx: JournalTransaction, one: Decided) -> None:
    """What is parked, released and skipped, and what belongs to the same command."""
    destination = one.lane.destination
    for attempt in one.aside:
        tx.wire.parked_decided(attempt)
    for attempt in one.skipped:
        tx.wire.skip(attempt, one.lane)
    for key in one.unpark:
        tx.wire.unpark(destination, key)
    for lane, seq in one.unpark_rows:
        tx.wire.unpark_row(destination, lane, seq)
    for key in one.repark:
        tx.wire.repark(destination, key)
    for lane, seq in one.approve:
        tx.wire.approve(destination, lane, seq)
    if one.command:
        tx.wire.command(one.command)
    deliver(tx, one.also)


def is_accepted(result: Ack | NoAnswer) -> bool:
    """AA or CA; or silence after a message that asked for none (MSH-15)."""
    return result.taken if isinstance(result, NoAnswer) else result.code in ACCEPTED


def is_rejection(result: Ack | NoAnswer) -> bool:
    """AE, CE or an AR that is the message's own fault; everything else may pass when tried again."""
    if isinstance(result, NoAnswer):
        return False
    return result.code in {"AE", "CE"} or (result.code == "AR" and result.error_code not in TRY_AGAIN)


def spelled(result: Ack | NoAnswer) -> str:
    """Fixed words and codes: what a foreign system writes as text is never kept here."""
    if isinstance(result, NoAnswer):
        return result.reason
    if result.code not in ACCEPTED | REJECTED:
        return "answer with an unknown code"
    number = result.error_code if result.error_code.isascii() and result.error_code.isdigit() else ""
    return f"{result.code} {number[:5]}".strip()


def _attempt(row: Queued, now: int, decision: Decision, answer: str) -> Attempt:
    return Attempt(row.destination, row.lane, row.seq, now, decision, answer, row.key)


def _waiting(lane: Lane, answer: str, now: int) -> Lane:
    if lane.state is not LaneState.OPEN:
        return lane  # a person stopped it while the message was on its way
    delay = min(FIRST_RETRY << min(lane.tries, 20), LAST_RETRY)
    since = lane.since if lane.tries else now
    return lane._replace(reason=answer, tries=lane.tries + 1, next_try=now + delay, since=since)
