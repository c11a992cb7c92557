"""What waits for destinations, and for what: read from the files, so that it is told also while the engine stands still."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from engine.channel.answer_words import meaning, told
from engine.channel.lane_layout import Layout, layouts
from engine.channel.ports import Approval, Attempt, Decision, Lane, LaneState, Queued
from engine.cli.aside import Aside
from engine.cli.console import moment, printable
from engine.cli.site import Readers


class LaneRow(NamedTuple):
    """A lane as it is listed."""

    lane: Lane
    waiting: int  # in its queue, and parked rows that were released and that it sends
    parked: int  # what nobody has released
    behind: str  # what of an earlier layout it waits for
    released: int = 0  # of those that wait: parked rows that go first
    oldest: int = 0  # since when the first of those that wait does, UTC microseconds; 0 = nothing waits

    def cells(self) -> list[str]:
        lane = self.lane
        state = lane_state(lane)
        return [
            *(f"{lane.destination}/{lane.lane}", state, str(self.waiting), str(self.parked), str(lane.tries)),
            moment(lane.next_try)[11:19] if state == "retrying" else "-",
            moment(lane.since)[:19] if state != "open" else "-",
            printable(self.reason) or "-",
        ]

    @property
    def reason(self) -> str:
        """What it waits for, with what that means."""
        if not self.lane.reason:
            return self.behind
        means = meaning(self.lane.reason)
        return told(self.lane.reason) + (f": {means}" if means else "")

    def as_words(self) -> dict[str, Any]:
        """For programs; times are UTC microseconds."""
        state = lane_state(self.lane)
        words = {**self.lane._asdict(), "state": state, "told": self.reason}
        return {**words, "waiting": self.waiting, "parked": self.parked}


def lane_state(lane: Lane) -> str:
    """open, retrying, held or stopped."""
    return "retrying" if lane.state is LaneState.OPEN and lane.tries > 0 else lane.state.name.lower()


def lane_rows(readers: Readers) -> list[LaneRow]:
    """All lanes with what waits in them, by destination and number."""
    tails, known = readers.store.outbox_tails(), {lane[:2]: lane for lane in readers.journal.lanes()}
    skips = Counter((skip.destination, skip.lane) for skip in readers.journal.skips())
    aside = Aside(readers.journal.parked())
    laid = layouts(readers.store.switches())
    rows = []
    for place in sorted({*tails, *known}):
        lane = known.get(place) or Lane(*place)
        queued = max(tails.get(place, 0) - lane.done, 0) - skips[place]
        behind = _behind(lane, known, laid.get(lane.destination)) if queued else ""
        head = readers.store.outbox(*place, lane.done, 1) if queued else []
        if head and not behind:
            behind = _behind_order(head[0], known)
        released = aside.released.get(place, [])
        oldest = min([*(row.at for row in released), *(row.created for row in head)], default=0)
        rows.append(LaneRow(lane, queued + len(released), aside.parked[place], behind, len(released), oldest))
    return rows


def _behind(lane: Lane, known: dict[tuple[str, int], Lane], layout: Layout | None) -> str:
    """The lanes of an earlier layout that must be empty before this lane goes on."""

    def done(number: int) -> int:
        row = known.get((lane.destination, number))
        return row.done if row else 0

    fence = layout.unpassed(done) if layout else None
    if fence is None or lane.done < fence.get(lane.lane, 0):
        return ""
    others = ", ".join(f"{lane.destination}/{number}" for number, tail in sorted(fence.items()) if done(number) < tail)
    return f"waits for {others}: queued before the number of lanes was changed"


def _behind_order(head: Queued, known: dict[tuple[str, int], Lane]) -> str:
    """The lanes that hold earlier messages of the orders that the head of a lane is about."""
    waits = [
        f"{head.destination}/{number}"
        for number, seq in head.behind
        if known.get((head.destination, number), Lane(head.destination, number)).done < seq
    ]
    return f"waits for {', '.join(waits)}: earlier messages of the same order" if waits else ""


def places_of(readers: Readers, destination: str, entry: int) -> list[tuple[int, int]]:
    """(lane, number) of an entry's deliveries to a destination that are not decided for good."""
    open_rows = []
    for row in readers.store.queued_for([entry]):
        if row.destination == destination:
            decided = decisions(readers.journal.attempts(destination, row.lane, [row.seq]))
            if not decided or decided[-1] is Decision.PARKED:
                open_rows.append((row.lane, row.seq))
    return open_rows


def decisions(attempts: Sequence[Attempt]) -> list[Decision]:
    """What was decided of a row, oldest first."""
    return [attempt.decision for attempt in attempts if attempt.decision is not Decision.RETRY]


class Waits:
    """Says of undelivered rows what they wait for; reads lanes and parked rows once, where one is asked for."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    @cached_property
    def _lanes(self) -> dict[tuple[str, int], LaneRow]:
        return {(row.lane.destination, row.lane.lane): row for row in lane_rows(self._readers)}

    @cached_property
    def _aside(self) -> Aside:
        return Aside(self._readers.journal.parked())

    @cached_property
    def _approved(self) -> set[Approval]:
        return set(self._readers.journal.approvals())

    def told(self, row: Queued, status: str) -> str:
        """Its place, why the lane does not move, when it goes again; of a parked one, behind which."""
        if status == "PARKED":
            return self._parked_words(row)
        lane = self._lanes[row.destination, row.lane]
        return _queue_words(lane, row.seq - lane.lane.done)

    def _parked_words(self, row: Queued) -> str:
        parked = self._aside.rows.get((row.destination, row.lane, row.seq))
        if parked is None:
            return ""
        if parked.released:
            return _released_words(self._lanes[self._aside.sender(parked)])
        hold = row.hold if Approval(*parked[:3]) not in self._approved else ""
        first = self._aside.first_entry(self._readers, parked)
        if first and first != row.entry:
            return f"behind entry {first}" + (f"; {hold}" if hold else "")
        if hold:
            return f"a person must look first: {hold}"
        attempts = self._readers.journal.attempts(row.destination, row.lane, [row.seq])
        return f"refused with {told(attempts[-1].answer if attempts else '')}"


def _released_words(row: LaneRow) -> str:
    lane = row.lane
    if lane.state is not LaneState.OPEN:
        return f"released, but {lane.destination}/{lane.lane}{_stands(lane)}"
    return f"released, goes next{_tries(lane)}"


def _queue_words(row: LaneRow, position: int) -> str:
    lane = row.lane
    where = "next in its lane" if position <= 1 else f"number {position} in its lane"
    if lane.state is not LaneState.OPEN:
        return f"{where}, which{_stands(lane)}"
    if lane.tries:
        return f"{where}{_tries(lane)}"
    return f"{where}, which {row.behind}" if row.behind else where


def _stands(lane: Lane) -> str:
    return f" is {lane_state(lane)} since {moment(lane.since)[:19]}: {told(lane.reason)}"


def _tries(lane: Lane) -> str:
    return f": {told(lane.reason)}, next try at {moment(lane.next_try)[11:19]}" if lane.tries else ""
