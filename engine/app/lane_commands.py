"""What a person does to lanes: hold, release, skip, retry now (D8, D17).

The control socket's thread reads what the files say; the reactor, which alone knows what is in flight, decides; the journal
writes the effect with the command's id in one transaction. Long because the acts share what they look at.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.app.control import Command
from engine.app.delivering import Delivering, DeliveryPorts
from engine.app.delivery_events import DeliveryReleased, DeliverySkipped
from engine.app.events import Event, LaneChanged
from engine.app.journal_items import Settle
from engine.app.lanes import LaneRunner
from engine.app.parking import Group, Place, group_of
from engine.channel.deliver import Decided, opened, passed
from engine.channel.ports import Attempt, Decision, Lane, LaneState, Queued
from engine.errors import Rejected, Retryable
from engine.hl7.printable import printable

if TYPE_CHECKING:
    from engine.app.outbox_reader import Outbox
    from engine.store.journal import JournalReader

TIMEOUT = 30.0  # seconds that a commit may take
LONGEST = 200  # characters of a reason


class Files(Protocol):
    """Opens the two databases for reading."""

    def store(self, path: Path) -> "Outbox": ...
    def journal_reader(self, path: Path) -> "JournalReader": ...


class _Asked(NamedTuple):
    """A command with what the files say about its rows."""

    command: Command
    destination: str
    lane: int | None
    rows: Sequence[Queued]
    done: "Future[dict[str, Any]]"
    # of rows to be skipped: what the destination answered last, where it will go again
    failed: Mapping[Place, str] = {}

    def __repr__(self) -> str:
        return f"_Asked({self.command!r}, {len(self.rows)} rows)"


class LaneCommands:
    """The verb `lane` of the control socket."""

    def __init__(self, delivering: Delivering, ports: DeliveryPorts, data: Path, files: Files) -> None:
        self._delivering = delivering
        self._ports = ports
        self._data = data
        self._files = files
        self._acts: dict[str, Callable[[_Asked], None]] = {
            "hold": self._hold,
            "release": self._release,
            "skip": self._skip,
            "retry": self._retry,
        }

    def __call__(self, command: Command) -> dict[str, Any]:
        """Carry a command out; called in the socket's thread.

        Raises Rejected, in words, for what cannot be done; Retryable when the journal cannot commit now.
        """
        args = command.args
        destination, lane = str(args.get("destination", "")), args.get("lane")
        if args.get("act") not in self._acts:
            raise Rejected(f"lane: act is one of {', '.join(sorted(self._acts))}")
        if destination not in self._delivering.destinations:
            known = ", ".join(sorted(self._delivering.destinations)) or "none"
            raise Rejected(f"the running engine has no destination {printable(destination)!r}; it has {known}")
        if not isinstance(lane, int | None) or isinstance(lane, bool):
            raise Rejected("lane: a lane is a number")
        with closing(self._files.journal_reader(self._data / "journal.db")) as journal:
            if journal.command_done(command.id):
                return {"again": True}
            rows = self._named_rows(destination, args, journal)
            failed = _refuse_decided(journal, rows) if args["act"] == "skip" else {}
        asked = _Asked(command, destination, lane, rows, Future(), failed)
        self._ports.reactor.callFromThread(self._carry_out, asked)
        try:
            return asked.done.result(TIMEOUT)
        except TimeoutError:
            raise Retryable("the journal did not commit in time; the same command may be given again") from None

    # in the socket's thread

    def _named_rows(self, destination: str, args: Any, journal: "JournalReader") -> list[Queued]:
        """The outbox rows that the command names, and the heads of held lanes where it releases them."""
        places = _places(args.get("rows", []))
        releases = args.get("act") == "release" and not places and not args.get("keys") and not args.get("parked")
        if not places and not releases:
            return []
        path = self._data / "store.db"
        if not path.exists():
            raise Rejected(f"{destination}: nothing was ever queued")
        rows: list[Queued] = []
        with closing(self._files.store(path)) as store:
            if releases:
                held = [x for x in journal.lanes() if x.destination == destination and x.state is LaneState.HELD]
                return [row for x in held for row in store.outbox(destination, x.lane, x.done, 1)]
            for lane, seq in places:
                found = store.outbox_rows(destination, lane, [seq])
                if not found:
                    raise Rejected(f"{destination}: lane {lane} has no message {seq}")
                rows += found
        return rows

    # in the reactor

    def _carry_out(self, asked: _Asked) -> None:
        try:
            self._acts[asked.command.args["act"]](asked)
        except Rejected as error:
            asked.done.set_exception(error)

    def _runners(self, asked: _Asked) -> list[LaneRunner]:
        found = self._delivering.lanes_of(asked.destination)
        if asked.lane is None:
            return found
        chosen = [runner for runner in found if runner.lane.lane == asked.lane]
        if not chosen:
            numbers = ", ".join(str(runner.lane.lane) for runner in found)
            raise Rejected(f"{asked.destination} has no lane {asked.lane}; it has {numbers}")
        return chosen

    def _hold(self, asked: _Asked) -> None:
        now, reason = self._ports.wall(), f"held by {_name(asked.command.who)}"
        because = _text(asked.command.args.get("because", ""))
        reason += f": {because}" if because else ""
        runners = [one for one in self._runners(asked) if one.newest.state is not LaneState.STOPPED]
        if not runners:
            raise Rejected(f"{_where(asked)} is held already")
        changed = [
            one.newest._replace(state=LaneState.STOPPED, reason=reason, next_try=0, since=now) for one in runners
        ]
        events = [LaneChanged(x.destination, x.lane, x.state.name, f"by {_name(asked.command.who)}") for x in changed]
        work = [(one, Decided((), x)) for one, x in zip(runners, changed, strict=True)]
        # the others get a row as well: a destination whose lanes are all stopped is one that was held whole
        others = [one for one in self._delivering.lanes_of(asked.destination) if one not in runners]
        self._submit(asked, work + [(one, Decided((), one.newest)) for one in others], events)

    def _retry(self, asked: _Asked) -> None:
        runners = [one for one in self._runners(asked) if one.newest.state is LaneState.OPEN and one.newest.next_try]
        if not runners:
            raise Rejected(f"{_where(asked)} does not wait for a next try{_states(self._runners(asked))}")
        self._submit(asked, [(one, Decided((), one.newest._replace(next_try=0))) for one in runners], [])

    def _release(self, asked: _Asked) -> None:
        args = asked.command.args
        if args.get("keys") or args.get("rows") or args.get("parked"):
            self._release_parked(asked)
            return
        runners = [one for one in self._runners(asked) if one.newest.state is not LaneState.OPEN]
        if not runners:
            waiting = len(self._delivering.parkings[asked.destination].waiting)
            hint = f"; of {waiting} patients messages are parked: release them by --entry or --all-parked" * bool(
                waiting
            )
            raise Rejected(f"{_where(asked)} is not held{_states(self._runners(asked))}{hint}")
        heads = {row.lane: row for row in asked.rows}
        events = [LaneChanged(x.destination, x.lane, "OPEN", f"by {_name(asked.command.who)}") for x in _lanes(runners)]
        work = [(one, _opened(one.newest, heads.get(one.lane.lane))) for one in runners]
        undo = self._approve(asked.destination, [place for _, decided in work for place in decided.approve])
        self._submit(asked, work, events, undo)

    def _approve(self, destination: str, places: Sequence[Place]) -> Callable[[], None]:
        """Rows that a person lets go although they say `hold`; returns what takes it back."""
        approved = self._delivering.parkings[destination].approved
        approved.update(places)
        return lambda: approved.difference_update(places)

    def _release_parked(self, asked: _Asked) -> None:
        parking = self._delivering.parkings[asked.destination]
        groups = self._groups(asked)
        held = [(row.lane, row.seq) for row in asked.rows if row.hold]
        approve = tuple(place for place in held if place not in parking.approved)
        if not groups and not approve:
            raise Rejected(f"{asked.destination}: nothing is parked that was not released already")
        rows = sum(map(parking.count, groups))
        runners = [self._delivering.runner_for((asked.destination, parking.release(group))) for group in groups]
        runner = (runners or self._delivering.lanes_of(asked.destination))[0]
        keys = tuple(group for group in groups if isinstance(group, str))
        places = tuple(group for group in groups if not isinstance(group, str))
        decided = Decided((), runner.newest, unpark=keys, unpark_rows=places, approve=approve)
        told = DeliveryReleased(asked.destination, len(groups), rows, asked.command.who)
        disapprove = self._approve(asked.destination, approve)

        def undo() -> None:
            disapprove()
            for group in groups:
                parking.refused(group)

        senders = _lanes(runners)
        held_lanes = sum(lane.state is not LaneState.OPEN for lane in senders)
        retrying = sum(bool(lane.next_try) for lane in senders)
        words = {
            "patients": max(len(groups), 1),
            "rows": max(rows, len(approve)),
            "held": held_lanes,
            "retrying": retrying,
        }
        counts = {name: count for name, count in words.items() if count}
        self._submit(asked, [(runner, decided)], [told], undo, **counts)

    def _groups(self, asked: _Asked) -> list[Group]:
        """The parked groups that the command names; raises Rejected where one of them is not parked."""
        args, parking = asked.command.args, self._delivering.parkings[asked.destination]
        if args.get("parked"):
            return parking.waiting
        groups: list[Group] = [str(key) for key in args.get("keys", [])]
        for row in asked.rows:
            place = row.lane, row.seq
            group = group_of(row.key, place)
            if not parking.holds(group, place):
                raise Rejected(f"{asked.destination}: message {row.seq} of lane {row.lane} is not parked")
            groups.append(group)
        if any(group not in parking for group in groups):
            raise Rejected(f"{asked.destination}: nothing of this patient is parked")
        return [group for group in dict.fromkeys(groups) if not parking.is_released(group)]

    def _skip(self, asked: _Asked) -> None:
        because = _text(asked.command.args.get("because", ""))
        if not because:
            raise Rejected("skip: say why, with --because TEXT")
        if not asked.rows:
            raise Rejected("skip: name a message")
        who, answer = asked.command.who, f"skipped by {_name(asked.command.who)}: {because}"
        rows = sorted({(row.lane, row.seq): row for row in asked.rows}.values())
        for row in rows:
            self._refuse_unskippable(row)
        # as they will be: one row after the other, each from where the last one left it
        lanes: dict[LaneRunner, Lane] = {}
        work: list[tuple[LaneRunner, Decided]] = []
        freed = self._freed(asked, rows)
        for row in rows:
            runner = self._delivering.runner_for((row.destination, row.lane))
            lane = lanes.get(runner, runner.newest)
            if row.seq == lane.done + 1 and _stands_for(runner, lane, row, asked.failed.get((row.lane, row.seq), "")):
                lane = opened(lane)
            work.append((runner, self._skipped(runner, lane, row, answer)))
            lanes[runner] = work[-1][1].lane
        work += [(runner, Decided((), opened(lanes.get(runner, runner.newest)))) for runner in freed]
        events = [DeliverySkipped(row.destination, row.lane, row.seq, row.entry, _name(who)) for row in rows]
        places = [(row.lane, row.seq) for row in rows]
        self._submit(asked, work, events, lambda: self._unskipped(asked.destination, places))

    def _freed(self, asked: _Asked, rows: Sequence[Queued]) -> list[LaneRunner]:
        """Lanes that are HELD because one of these rows, released, was refused again."""
        freed = []
        for row in rows:
            place, parking = (row.lane, row.seq), self._delivering.parkings[row.destination]
            sender = (
                parking.sender(group_of(row.key, place)) if parking.holds(group_of(row.key, place), place) else None
            )
            if sender is not None:
                runner = self._delivering.runner_for((row.destination, sender))
                if runner.newest.state is LaneState.HELD and runner.newest.reason == asked.failed.get(place):
                    freed.append(runner)
        return freed

    def _unskipped(self, destination: str, places: Sequence[Place]) -> None:
        """A skip could not be written."""
        for lane, seq in places:
            self._delivering.parkings[destination].unskip((lane, seq))
            self._delivering.runner_for((destination, lane)).unskip(seq)

    def _refuse_unskippable(self, row: Queued) -> None:
        runner, place = self._delivering.runner_for((row.destination, row.lane)), (row.lane, row.seq)
        name = f"{row.destination}: message {row.seq} of lane {row.lane}"
        if any(one.is_in_flight(place) for one in self._delivering.lanes_of(row.destination)):
            raise Rejected(f"{name} is on its way this moment; the destination may have it already")
        decided = any(one.is_decided(place) for one in self._delivering.lanes_of(row.destination))
        if decided or (row.seq <= runner.newest.done and not runner.parking.holds(group_of(row.key, place), place)):
            raise Rejected(f"{name} was decided already")

    def _skipped(self, runner: LaneRunner, lane: Lane, row: Queued, answer: str) -> Decided:
        attempt = Attempt(row.destination, row.lane, row.seq, self._ports.wall(), Decision.SKIPPED, answer, row.key)
        if row.seq == lane.done + 1:
            lane = passed(lane, row.seq)
        elif row.seq > lane.done:
            runner.skip(row.seq)
        else:
            runner.parking.skip((row.lane, row.seq))
        return Decided((), lane, skipped=(attempt,))

    def _submit(
        self,
        asked: _Asked,
        work: Sequence[tuple[LaneRunner, Decided]],
        events: Sequence[Event],
        undo: Callable[[], None] = lambda: None,
        **answer: int,
    ) -> None:
        """Hand everything to the journal as one item: one transaction, with the command's id; `undo` where it is refused."""
        for runner, decided in work:
            runner.expect(decided)
        first, *others = [decided for _, decided in work]
        whole = first._replace(command=asked.command.id, also=tuple(others))
        words = {"lanes": [decided.lane.lane for decided in (first, *others)], **answer}
        everybody = self._delivering.lanes_of(asked.destination)
        waiting = _Together(work, everybody, self._ports.emit, events, undo, asked.done, words)
        self._ports.put(Settle(waiting, whole, waiting.refused))


class _Together(NamedTuple):
    """Lanes that wait for one commit, and who asked for it."""

    work: Sequence[tuple[LaneRunner, Decided]]
    everybody: Sequence[LaneRunner]  # of the destination: what was released or skipped may be another one's to send
    emit: Callable[[Event], None]
    events: Sequence[Event]
    undo: Callable[[], None]
    done: "Future[dict[str, Any]]"
    words: dict[str, Any]

    def committed(self) -> None:
        for event in self.events:
            self.emit(event)
        for runner, _ in self.work:
            runner.committed()
        for runner in self.everybody:
            runner.go()
        self.done.set_result(self.words)

    def refused(self, error: Exception) -> None:
        """It can never be written: everything is as before, and who asked is told."""
        for runner, decided in self.work:
            runner.withdraw(decided)
        self.undo()
        for runner in self.everybody:
            runner.go()
        self.done.set_exception(error)


def _places(rows: Any) -> list[Place]:
    try:
        places = [(int(lane), int(seq)) for lane, seq in rows]
    except (TypeError, ValueError):
        raise Rejected("lane: rows are pairs of lane and number") from None
    if any(not 0 <= lane < 2**31 or not 0 < seq < 2**40 for lane, seq in places):
        raise Rejected("lane: rows are pairs of lane and number")
    return places


def _refuse_decided(journal: "JournalReader", rows: Sequence[Queued]) -> dict[Place, str]:
    """What the destination answered last to rows that go again; raises Rejected where one was decided."""
    failed = {}
    for row in rows:
        last = next(reversed(journal.attempts(row.destination, row.lane, [row.seq])), None)
        if last is not None and last.decision.is_final:
            raise Rejected(f"{row.destination}: message {row.seq} of lane {row.lane} is {last.decision.name} already")
        if last is not None and last.decision is Decision.RETRY:
            failed[row.lane, row.seq] = last.answer
    return failed


def _opened(lane: Lane, head: Queued | None) -> Decided:
    """The lane goes on; a head that it was held for (`hold`) is let go, and sent in its place."""
    looked_at = head is not None and head.hold and head.seq == lane.done + 1 and lane.reason == head.hold
    return Decided((), opened(lane), approve=((head.lane, head.seq),) if head and looked_at else ())


def _stands_for(runner: LaneRunner, lane: Lane, head: Queued, failed: str) -> bool:
    """Whether the lane does not go on because of its head; `failed` is what the destination answered last to that."""
    if lane.state is LaneState.HELD:  # or for a released row, which goes first, or by a restore
        return not runner.parking.heads(lane.lane) and lane.reason in {failed, head.hold} - {""}
    return lane.state is LaneState.OPEN


def _lanes(runners: Sequence[LaneRunner]) -> list[Lane]:
    return [runner.newest for runner in runners]


def _states(runners: Sequence[LaneRunner]) -> str:
    states = sorted({"held" if one.newest.state is not LaneState.OPEN else "open" for one in runners})
    return f": it is {' and '.join(states)}"


def _where(asked: _Asked) -> str:
    return asked.destination if asked.lane is None else f"lane {asked.destination}/{asked.lane}"


def _name(who: str) -> str:
    return printable(who)[:50] or "somebody"


def _text(text: object) -> str:
    return printable(" ".join(str(text).split()))[:LONGEST]
