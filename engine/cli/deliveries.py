"""What became of a message's deliveries: their status is derived, never stored (D7)."""

from typing import Any, NamedTuple

from engine.channel.answer_words import told
from engine.channel.ports import Attempt, Decision, LaneState, Queued
from engine.cli.console import moment, printable
from engine.cli.site import Readers
from engine.cli.waiting import Waits

WAITING = ("QUEUED", "HELD", "PARKED")


class Delivery(NamedTuple):
    """One message on its way to one destination."""

    row: Queued
    status: str  # QUEUED SENT HELD FAILED SKIPPED PARKED
    attempts: list[Attempt]
    waits: str = ""  # what it waits for, of one that was not delivered yet

    def __repr__(self) -> str:
        return f"Delivery({self.row!r}, {self.status}, {len(self.attempts)} attempts)"


def deliveries(readers: Readers, entries: list[int]) -> dict[int, list[Delivery]]:
    """The deliveries that each entry caused."""
    found: dict[int, list[Delivery]] = {entry: [] for entry in entries}
    lanes: dict[tuple[str, int], list[Queued]] = {}
    waiting = Waits(readers)
    for row in readers.store.queued_for(entries):
        lanes.setdefault((row.destination, row.lane), []).append(row)
    for (destination, lane), rows in lanes.items():
        attempts: dict[int, list[Attempt]] = {}
        for attempt in readers.journal.attempts(destination, lane, [row.seq for row in rows]):
            attempts.setdefault(attempt.seq, []).append(attempt)
        state = readers.journal.lane(destination, lane).state
        for row in rows:
            tried = attempts.get(row.seq, [])  # as they were recorded: the wall clock may have been set back
            became = status(tried, state)
            waits = waiting.told(row, became) if became in WAITING else ""
            found[row.entry].append(Delivery(row, became, tried, waits))
    return found


def status(attempts: list[Attempt], lane: LaneState) -> str:
    """The last decided attempt; else the lane, where it does not move; else QUEUED."""
    decided = [attempt.decision for attempt in attempts if attempt.decision is not Decision.RETRY]
    if decided:
        return decided[-1].name
    return "QUEUED" if lane is LaneState.OPEN else "HELD"


def delivered_words(readers: Readers, entry: int) -> list[str]:
    """`pacs: SENT AA at 2026-08-20 09:31:07.250 +0200 as B7Q...` for each delivery of an entry."""
    return [delivery_words(delivery) for delivery in deliveries(readers, [entry])[entry]]


def delivery_words(delivery: Delivery) -> str:
    """One line about a delivery."""
    row = delivery.row
    words = f"{row.destination}: {delivery.status}"
    if delivery.attempts:
        last = delivery.attempts[-1]
        words += f" ({printable(told(last.answer))}) at {moment(last.at)}"
    return f"{words} as {row.control_id}" + (f"; {printable(delivery.waits)}" if delivery.waits else "")


def delivery_record(delivery: Delivery) -> dict[str, Any]:
    """The same for programs; times are UTC microseconds."""
    row = delivery.row
    return {
        "destination": row.destination,
        "lane": row.lane,
        "number": row.seq,
        "control_id": row.control_id,
        "status": delivery.status,
        "waits": delivery.waits,
        "attempts": [
            {"at": one.at, "decision": one.decision.name, "answer": one.answer, "told": told(one.answer)}
            for one in delivery.attempts
        ],
    }
