"""The third transaction: one attempt at the head of a lane, and what became of it (D7, D8)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from engine.channel.ports import RELEASED, Attempt, Decision, JournalTransaction, Lane, LaneState, Queued
from engine.hl7.acknowledge import Ack
from engine.mllp.answer import NoAnswer

FIRST_RETRY = 1_000_000  # microseconds
LAST_RETRY = 300_000_000
ACCEPTED = frozenset({"AA", "CA"})
REJECTED = frozenset({"AE", "AR", "CE", "CR"})
TRY_AGAIN = frozenset({"206", "207"})  # record locked, internal error: the receiver's trouble, not the message's (D8)

OnReject = Literal["park", "hold", "retry", "skip"]


class Decided(NamedTuple):
    """Attempts of a lane in order, and the lane after them: one commit."""

    attempts: tuple[Attempt, ...]
    lane: Lane


def decide(lane: Lane, row: Queued, result: Ack | NoAnswer, on_reject: OnReject, now: int) -> tuple[Attempt, Lane]:
    """Decide what an answer, or none, means for the row and its lane; pure; `now` in UTC microseconds."""
    answer = _spelled(result)
    if isinstance(result, Ack) and result.code in ACCEPTED:
        return _attempt(row, now, Decision.SENT, answer), _passed(lane, row)
    if not _is_rejection(result) or on_reject == "retry":
        return _attempt(row, now, Decision.RETRY, answer), _waiting(lane, answer, now)
    if on_reject == "hold":
        held = lane._replace(state=LaneState.HELD, reason=answer, tries=lane.tries + 1, next_try=0, since=now)
        return _attempt(row, now, Decision.RETRY, answer), held
    decision = Decision.PARKED if on_reject == "park" else Decision.FAILED
    return _attempt(row, now, decision, answer), _passed(lane, row)


def set_aside(lane: Lane, row: Queued, now: int) -> tuple[Attempt, Lane]:
    """Set a row aside without sending it, because an earlier one of its patient is parked and order must stay."""
    return _attempt(row, now, Decision.PARKED, "behind a parked message"), _passed(lane, row)


def held(lane: Lane, row: Queued, now: int) -> Lane | None:
    """The lane HELD before a row that a person must look at; None where the row may go.

    It may where it asks for nobody, was sent before (a try again), or the lane was released for it: OPEN with the reason
    RELEASED, which lasts until the row is decided or tried.
    """
    if not row.hold or lane.tries or lane.reason == RELEASED:
        return None
    return lane._replace(state=LaneState.HELD, reason=row.hold, next_try=0, since=now)


def deliver(tx: JournalTransaction, decided: Sequence[Decided]) -> None:
    """Write attempts and lanes (a lane alone where nothing was attempted); only after the transaction has ended may these lanes send again."""
    for attempts, lane in decided:
        if not attempts:
            tx.wire.set_lane(lane)
        for attempt in attempts:
            at_this_row = lane if attempt is attempts[-1] else lane._replace(done=attempt.seq)
            tx.wire.record(attempt, at_this_row)


def _is_rejection(result: Ack | NoAnswer) -> bool:
    """AE, CE or an AR that is the message's own fault; everything else may pass when tried again."""
    if isinstance(result, NoAnswer):
        return False
    return result.code in {"AE", "CE"} or (result.code == "AR" and result.error_code not in TRY_AGAIN)


def _spelled(result: Ack | NoAnswer) -> str:
    """Fixed words and codes: what a foreign system writes as text is never kept here."""
    if isinstance(result, NoAnswer):
        return result.reason
    if result.code not in ACCEPTED | REJECTED:
        return "answer with an unknown code"
    number = result.error_code if result.error_code.isascii() and result.error_code.isdigit() else ""
    return f"{result.code} {number[:5]}".strip()


def _attempt(row: Queued, now: int, decision: Decision, answer: str) -> Attempt:
    return Attempt(row.destination, row.lane, row.seq, now, decision, answer, row.key)


def _passed(lane: Lane, row: Queued) -> Lane:
    return Lane(lane.destination, lane.lane, row.seq, lane.epoch, lane.state)


def _waiting(lane: Lane, answer: str, now: int) -> Lane:
    delay = min(FIRST_RETRY << min(lane.tries, 20), LAST_RETRY)
    since = lane.since if lane.tries else now
    return lane._replace(reason=answer, tries=lane.tries + 1, next_try=now + delay, since=since)
