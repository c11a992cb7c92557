"""The Wire of journal.db: lanes, attempts and what is set aside, written with the receives of the same commit."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from engine.channel.ports import Approval, Attempt, Decision, Lane, LaneState, Parked, Skip
from engine.errors import StoreRefused
from engine.store.sql import Inserts, Row, fetch, ignore, limited, many, replace, run, text_of
from engine.store.tables import approvals, attempts, journal_commands, lanes, parked, skips
from engine.store.words import WordReader, WordWriter

LOOKED_BACK = 200_000  # newest attempts among which those with a decision are looked for
_LANE = ("destination", "lane", "done", "epoch", "state", "reason", "tries", "next_try", "since")
_LANE_COLUMNS = tuple(lanes.c[name] for name in _LANE)
_LANES = Inserts(lanes, ("id", *_LANE), replace("id"))
_ATTEMPTS = Inserts(attempts, ("lane", "seq", "at", "decision", "answer"))
_PARK = Inserts(parked, ("lane", "seq", "key", "at", "released"), replace("lane", "seq"))
_SKIPS = Inserts(skips, ("lane", "seq"), ignore)
_APPROVALS = Inserts(approvals, ("lane", "seq"), ignore)
_COMMANDS = Inserts(journal_commands, ("id",), ignore)
_KNOWN_LANES = text_of(select(lanes.c.id, *_LANE_COLUMNS))
_UNPARK = text_of(
    update(parked)
    .values(released=bindparam("yes"))
    .where(
        parked.c.key == bindparam("of"),
        parked.c.lane.in_(select(lanes.c.id).where(lanes.c.destination == bindparam("destination"))),
    )
)
_UNPARK_ROW = text_of(
    update(parked)
    .values(released=bindparam("yes"))
    .where(parked.c.lane == bindparam("at"), parked.c.seq == bindparam("row"))
)
_PASSED = text_of(delete(skips).where(skips.c.lane == bindparam("at"), skips.c.seq <= bindparam("done")))
_SKIPPED = text_of(select(skips.c.lane).distinct())
_APPROVED = text_of(select(approvals.c.lane, approvals.c.seq))
_USED = text_of(delete(approvals).where(approvals.c.lane == bindparam("at"), approvals.c.seq == bindparam("row")))
_TAKE = text_of(delete(parked).where(parked.c.lane == bindparam("at"), parked.c.seq == bindparam("row")))


class WireWriterSql:
    """Collects what the transaction decides and writes it in few statements before the commit, or before it is read."""

    def __init__(self, connection: Connection, words: WordWriter) -> None:
        self._connection = connection
        self._words = words
        self._ids: dict[tuple[str, int], int] = {}
        self._done: dict[tuple[str, int], int] = {}
        self._attempts: list[tuple[Any, ...]] = []
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._skipped: set[int] = set()  # lanes with rows skipped ahead
        self._approved: set[tuple[int, int]] = set()
        self.rolled_back()

    def rolled_back(self) -> None:
        """Go back to what the file says."""
        self._attempts.clear()
        self._lanes.clear()
        self._ids.clear()
        for number, *row in fetch(self._connection, _KNOWN_LANES):
            lane = lane_of(tuple(row))
            self._ids[lane[:2]] = number
            self._done[lane[:2]] = lane.done
        self._skipped = {number for (number,) in fetch(self._connection, _SKIPPED)}
        self._approved = {(number, seq) for number, seq in fetch(self._connection, _APPROVED)}

    def record(self, attempt: Attempt, lane: Lane) -> None:
        self.set_lane(lane)
        self._note(attempt)
        if attempt.decision is Decision.PARKED:
            self._set_aside(attempt)

    def set_lane(self, lane: Lane) -> None:
        place = lane[:2]
        if lane.done < self._done.get(place, 0):
            raise StoreRefused(f"lane {lane.destination}/{lane.lane}: done would move back")
        self._done[place] = lane.done
        self._lanes[place] = lane

    def unpark(self, destination: str, key: str) -> None:
        self.flush()
        run(self._connection, _UNPARK, (1, key, destination))

    def unpark_row(self, destination: str, lane: int, seq: int) -> None:
        run(self._connection, _UNPARK_ROW, (1, self._id((destination, lane)), seq))

    def repark(self, destination: str, key: str) -> None:
        self.flush()
        run(self._connection, _UNPARK, (0, key, destination))

    def skip(self, attempt: Attempt, lane: Lane) -> None:
        self.set_lane(lane)
        self._note(attempt)
        number = self._id(attempt[:2])
        run(self._connection, _TAKE, (number, attempt.seq))
        if attempt.seq > lane.done:
            _SKIPS.run(self._connection, [(number, attempt.seq)])
            self._skipped.add(number)

    def approve(self, destination: str, lane: int, seq: int) -> None:
        place = self._id((destination, lane)), seq
        _APPROVALS.run(self._connection, [place])
        self._approved.add(place)

    def parked_decided(self, attempt: Attempt) -> None:
        self._note(attempt)
        if attempt.decision is Decision.PARKED:
            self._set_aside(attempt)
        elif attempt.decision is not Decision.RETRY:
            run(self._connection, _TAKE, (self._id(attempt[:2]), attempt.seq))

    def command(self, command_id: str) -> None:
        _COMMANDS.run(self._connection, [(command_id,)])

    def flush(self) -> None:
        """Write what was collected."""
        if self._lanes:
            rows = [(self._id(place), *lane[:4], int(lane.state), *lane[5:]) for place, lane in self._lanes.items()]
            self._lanes.clear()
            _LANES.run(self._connection, rows)
            for number, _, _, done, *_ in rows if self._skipped else ():
                if number in self._skipped:
                    self._pass(number, done)
        if self._attempts:
            _ATTEMPTS.run(self._connection, self._attempts)
            self._attempts.clear()

    def _pass(self, number: int, done: int) -> None:
        """The lane is beyond rows that were skipped ahead of it."""
        run(self._connection, _PASSED, (number, done))
        if (number,) not in fetch(self._connection, _SKIPPED):
            self._skipped.discard(number)

    def _note(self, attempt: Attempt) -> None:
        number = self._id(attempt[:2])
        answer = self._words.number(attempt.answer)
        self._attempts.append((number, attempt.seq, attempt.at, int(attempt.decision), answer))
        if (number, attempt.seq) in self._approved and attempt.decision.is_final:
            self._approved.discard((number, attempt.seq))
            run(self._connection, _USED, (number, attempt.seq))

    def _set_aside(self, attempt: Attempt) -> None:
        _PARK.run(self._connection, [(self._id(attempt[:2]), attempt.seq, attempt.key, attempt.at, 0)])

    def _id(self, place: tuple[str, int]) -> int:
        """The lane's number, under which attempts name it; its row is made with the first use."""
        if place not in self._ids:
            self._ids[place] = max(self._ids.values(), default=0) + 1
            self._lanes.setdefault(place, Lane(*place))
        return self._ids[place]


class WireReaderSql:
    """Reads lanes and attempts, each method in statements of its own."""

    def __init__(self, connection: Connection, words: WordReader, *, attached: bool) -> None:
        self._connection = connection
        self._words = words
        self._attached = attached
        every = select(*_LANE_COLUMNS).order_by(lanes.c.destination, lanes.c.lane)
        one = every.where(lanes.c.destination == bindparam("destination"), lanes.c.lane == bindparam("number"))
        self._lanes = text_of(every, attached=attached)
        self._lane = text_of(one, attached=attached)
        rows = (
            select(lanes.c.destination, lanes.c.lane, parked.c.seq, parked.c.key, parked.c.at, parked.c.released)
            .join(lanes, lanes.c.id == parked.c.lane)
            .order_by(lanes.c.destination, lanes.c.lane, parked.c.seq)
        )
        self._parked = text_of(rows, attached=attached)
        self._parked_for = text_of(rows.where(lanes.c.destination == bindparam("destination")), attached=attached)
        ahead = (
            select(lanes.c.destination, lanes.c.lane, skips.c.seq)
            .join(lanes, lanes.c.id == skips.c.lane)
            .order_by(lanes.c.destination, lanes.c.lane, skips.c.seq)
        )
        self._skips = text_of(ahead, attached=attached)
        approved = (
            select(lanes.c.destination, lanes.c.lane, approvals.c.seq)
            .join(lanes, lanes.c.id == approvals.c.lane)
            .order_by(lanes.c.destination, lanes.c.lane, approvals.c.seq)
        )
        self._approvals = text_of(approved, attached=attached)
        self._attempt = select(
            *(attempts.c.id, lanes.c.destination, lanes.c.lane, attempts.c.seq, attempts.c.at, attempts.c.decision),
            attempts.c.answer,
        ).join(lanes, lanes.c.id == attempts.c.lane)
        later = self._attempt.where(attempts.c.id > bindparam("after")).order_by(attempts.c.id)
        self._after = text_of(limited(later), attached=attached)
        newest = select(func.max(attempts.c.id) - bindparam("back")).scalar_subquery()
        decided = self._attempt.where(
            attempts.c.id > newest, attempts.c.decision == bindparam("decision"), attempts.c.at >= bindparam("since")
        ).order_by(attempts.c.id.desc())
        self._latest = text_of(limited(decided), attached=attached)

    def lanes(self) -> list[Lane]:
        return [lane_of(row) for row in fetch(self._connection, self._lanes)]

    def lane(self, destination: str, lane: int) -> Lane:
        found = fetch(self._connection, self._lane, (destination, lane))
        return lane_of(found[0]) if found else Lane(destination, lane)

    def parked(self, destination: str | None = None) -> list[Parked]:
        if destination is None:
            rows = fetch(self._connection, self._parked)
        else:
            rows = fetch(self._connection, self._parked_for, (destination,))
        return [Parked(*row)._replace(released=bool(row[5])) for row in rows]

    def skips(self) -> list[Skip]:
        return [Skip(*row) for row in fetch(self._connection, self._skips)]

    def approvals(self) -> list[Approval]:
        return [Approval(*row) for row in fetch(self._connection, self._approvals)]

    def attempts(self, destination: str, lane: int, seqs: Collection[int]) -> list[Attempt]:
        """Attempts of these rows, in order of (seq, time of recording)."""
        statement = self._attempt.where(
            lanes.c.destination == bindparam("destination"),
            lanes.c.lane == bindparam("number"),
            attempts.c.seq.in_(many("v", len(seqs))),
        ).order_by(attempts.c.seq, attempts.c.id)
        rows = fetch(self._connection, text_of(statement, attached=self._attached), (destination, lane, *seqs))
        return [self._attempt_of(row) for row in rows]

    def latest_attempts(self, decision: Decision, since: int, limit: int) -> list[Attempt]:
        """Newest first; no index helps, so no more than `LOOKED_BACK` attempts are looked at."""
        rows = fetch(self._connection, self._latest, (LOOKED_BACK, int(decision), since, limit))
        return [self._attempt_of(row) for row in rows]

    def attempts_after(self, cursor: int, limit: int) -> list[tuple[int, Attempt]]:
        return [(row[0], self._attempt_of(row)) for row in fetch(self._connection, self._after, (cursor, limit))]

    def _attempt_of(self, row: Row) -> Attempt:
        _, destination, lane, seq, at, decision, answer = row
        return Attempt(destination, lane, seq, at, Decision(decision), self._words.word(answer))


def lane_of(row: Row) -> Lane:
    """A row of _LANE_COLUMNS."""
    lane = Lane(*row)
    return lane._replace(state=LaneState(lane.state))
