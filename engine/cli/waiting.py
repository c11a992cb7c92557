"""What waits for destinations, and for what: read from the files, so that it is told also while the engine stands still."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from engine.channel.answer_words import meaning, told
from engine.channel.lane_layout import Layout, layouts
from engine.channel.ports import Approval, Attempt, Decision, Lane, LaneState, Parked, Queued
from engine.cli.console import moment, printable
from engine.cli.site import Readers


class LaneRow(NamedTuple):
    """A lane as it is listed."""

    lane: Lane
    waiting: int
    parked: int
    behind: str  # what of an earlier layout it waits for

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


class ParkedRow(NamedTuple):
    """A parked delivery as it is listed."""

    destination: str
    patient: str  # "HOSP|MR|1", "" where the message names nobody
    entry: int
    lane: int
    number: int
    since: int
    released: bool
    why: str  # "AE 204", "behind entry 4711"
    hold: str = ""  # why a person must look before it leaves, and nobody has let it go

    def __repr__(self) -> str:
        return f"ParkedRow({self.destination}/{self.lane} {self.number}, {self.why!r})"


def lane_state(lane: Lane) -> str:
    """open, retrying, held or stopped."""
    return "retrying" if lane.state is LaneState.OPEN and lane.tries > 0 else lane.state.name.lower()


def lane_rows(readers: Readers) -> list[LaneRow]:
    """All lanes with what waits in them, by destination and number."""
    tails, known = readers.store.outbox_tails(), {lane[:2]: lane for lane in readers.journal.lanes()}
    skips = Counter((skip.destination, skip.lane) for skip in readers.journal.skips())
    parked = Counter((row.destination, row.lane) for row in readers.journal.parked())
    laid = layouts(readers.store.switches())
    rows = []
    for place in sorted({*tails, *known}):
        lane = known.get(place) or Lane(*place)
        waiting = max(tails.get(place, 0) - lane.done, 0) - skips[place]
        behind = _behind(lane, known, laid.get(lane.destination)) if waiting else ""
        if waiting and not behind and (head := readers.store.outbox(*place, lane.done, 1)):
            behind = _behind_order(head[0], known)
        rows.append(LaneRow(lane, waiting, parked[place], behind))
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


def parked_rows(readers: Readers, destination: str = "") -> list[ParkedRow]:
    """What is parked, by destination and patient, in the order in which it goes."""
    rows: list[ParkedRow] = []
    approved = set(readers.journal.approvals())
    for parked in readers.journal.parked(destination or None):
        found = readers.store.outbox_rows(parked.destination, parked.lane, [parked.seq])
        row = _parked_row(readers, parked, found[0] if found else None)
        rows.append(row._replace(hold="") if Approval(*parked[:3]) in approved else row)
    rows.sort(key=lambda row: (row.destination, row.patient, row.entry, row.lane, row.number))
    first: dict[tuple[str, str], int] = {}
    shown = []
    for row in rows:
        head = first.setdefault((row.destination, row.patient), row.entry)
        behind = row.patient and head != row.entry
        why = f"behind entry {head}" + (f"; {row.hold}" if row.hold else "")
        shown.append(row._replace(why=why) if behind else row)
    return shown


def _parked_row(readers: Readers, parked: Parked, queued: Queued | None) -> ParkedRow:
    attempts = readers.journal.attempts(parked.destination, parked.lane, [parked.seq])
    why = attempts[-1].answer if attempts else ""
    entry, hold = (queued.entry, queued.hold) if queued else (0, "")
    place = parked.destination, parked.key, entry, parked.lane, parked.seq
    return ParkedRow(*place, parked.at, parked.released, why, hold)


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
    def _parked(self) -> dict[tuple[str, int, int], ParkedRow]:
        return {(row.destination, row.lane, row.number): row for row in parked_rows(self._readers)}

    def told(self, row: Queued, status: str) -> str:
        """Its place, why the lane does not move, when it goes again; of a parked one, behind which."""
        if status == "PARKED":
            parked = self._parked.get((row.destination, row.lane, row.seq))
            return _parked_words(parked) if parked else ""
        lane = self._lanes[row.destination, row.lane]
        return _queue_words(lane, row.seq - lane.lane.done)


def _parked_words(row: ParkedRow) -> str:
    if row.released:
        return "released, goes next"
    if row.why.startswith("behind"):
        return row.why
    return f"a person must look first: {row.hold}" if row.hold else f"refused with {told(row.why)}"


def _queue_words(row: LaneRow, position: int) -> str:
    lane = row.lane
    where = "next in its lane" if position <= 1 else f"number {position} in its lane"
    if lane.state is not LaneState.OPEN:
        return f"{where}, which is {lane_state(lane)} since {moment(lane.since)[:19]}: {told(lane.reason)}"
    if lane.tries:
        return f"{where}: {told(lane.reason)}, next try at {moment(lane.next_try)[11:19]}"
    return f"{where}, which {row.behind}" if row.behind else where
