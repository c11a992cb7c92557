"""The destinations of the network process: their lanes, connections and parked rows, in the reactor.

Lanes are those that config.yaml names, and every other one of these destinations that has ever sent or been held, or in which
messages are queued: one that the configuration has no more is served until it is empty, and held and released with the others.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from engine.app.delivery_events import RefusedAfterwards
from engine.app.events import Event, control_id
from engine.app.journal_items import Item, Opened, Settle
from engine.app.lanes import LanePorts, LaneRunner
from engine.app.network_plan import DestinationPlan
from engine.app.outbox_reader import Fetched, OutboxReader
from engine.app.parking import Parking, Place
from engine.channel.answer_words import told
from engine.channel.deliver import Decided, is_accepted, spelled
from engine.channel.lane_layout import STAT
from engine.channel.ports import Lane, LaneState, Queued
from engine.hl7.acknowledge import Ack
from engine.mllp.sender import MllpSender

AGE = 60.0  # seconds between two looks at how long lanes wait


class DeliveryPorts(NamedTuple):
    """What delivering needs of its process."""

    put: Callable[[Item], None]  # to the journal's thread
    reactor: Any
    wall: Callable[[], int]
    emit: Callable[[Event], None]


def _plain(_destination: str, _reactor: Any) -> None:
    """No TLS."""


class Delivering:
    """All lanes, by (destination, lane)."""

    def __init__(self, destinations: Sequence[DestinationPlan], ports: DeliveryPorts) -> None:
        self.destinations = {plan.name: plan for plan in destinations}
        self.runners: dict[tuple[str, int], LaneRunner] = {}
        self.parkings: dict[str, Parking] = {}
        self.reader: OutboxReader | None = None
        self.secure: Callable[[str, Any], Any] = _plain  # what puts TLS around a destination's connections
        self._ports = ports
        self._opened = Opened([], [], [], [])
        self._aging: Any = None

    def open(self, opened: Opened, reader: OutboxReader) -> None:
        """Begin where the journal says the lanes are."""
        self._opened = opened
        self.reader = reader
        for name, plan in self.destinations.items():
            self.parkings[name] = Parking(
                [row for row in opened.parked if row.destination == name],
                [row for row in opened.approvals if row.destination == name],
            )
            numbers = {*range(plan.lanes), *([STAT] if plan.stat_lane else []), *self.parkings[name].lanes}
            # also of earlier layouts, or a hold would not reach them
            numbers |= {lane.lane for lane in opened.lanes if lane.destination == name}
            for number in sorted(numbers):
                self._make(name, number)
        self._look_at_ages()

    def runner_for(self, place: tuple[str, int]) -> LaneRunner:
        """The lane's runner, made where it has none yet; raises KeyError for a destination that config.yaml lacks."""
        if place not in self.runners and self.reader is not None:
            self.reader.add(self._make(*place))
        return self.runners[place]

    def lanes_of(self, destination: str) -> list[LaneRunner]:
        """The runners of a destination, by lane."""
        return [self.runners[place] for place in sorted(self.runners) if place[0] == destination]

    @property
    def idle(self) -> bool:
        """Whether no message is between send and commit."""
        return all(runner.idle for runner in self.runners.values())

    def stop(self) -> None:
        """Begin no message any more."""
        if self._aging is not None:
            self._aging.cancel()
            self._aging = None
        for runner in self.runners.values():
            runner.stop()

    def close(self) -> None:
        """Close all connections."""
        for runner in self.runners.values():
            runner.close()

    def status(self) -> list[dict[str, Any]]:
        """What `status` shows; from any thread."""
        return [runner.status() for runner in list(self.runners.values())]

    # called by the outbox's thread

    def offer(self, found: Sequence[Fetched]) -> None:
        """Rows for lanes."""
        self._ports.reactor.callFromThread(self._offered, found)

    def offer_aside(self, runner: LaneRunner, places: Sequence[Place], rows: Sequence[Queued]) -> None:
        """Parked rows that a lane asked for."""
        self._ports.reactor.callFromThread(runner.offer_aside, places, rows)

    def discovered(self, place: tuple[str, int]) -> None:
        """A lane with messages that nobody serves."""
        self._ports.reactor.callFromThread(self.runner_for, place)

    # in the reactor

    def _offered(self, found: Sequence[Fetched]) -> None:
        for runner, rows in found:
            runner.offer(rows)

    def _make(self, name: str, number: int) -> LaneRunner:
        plan = self.destinations[name]
        ports = LanePorts(
            self._submit, self._wake, self._ports.wall, self._ports.reactor, self._ports.emit, self._fetch_aside
        )
        skips = [skip.seq for skip in self._opened.skips if skip[:2] == (name, number)]
        lane, is_new = self._lane(name, number)
        runner = LaneRunner(lane, self.parkings[name], plan.on_reject, ports, skips)
        if is_new and lane.state is LaneState.STOPPED:
            runner.submit(Decided((), lane))  # a row, so that it is seen, and stays so when others are released
        self.runners[name, number] = runner
        secure = self.secure(name, self._ports.reactor)
        second = partial(self._answered_again, name, number)
        runner.attach(MllpSender(plan.target, runner.result, self._ports.reactor, secure, second))
        return runner

    def _answered_again(self, name: str, number: int, ack: Ack) -> None:
        """CA and later AA is how the enhanced mode works; a refusal after the answer that counted is told."""
        if not is_accepted(ack):
            answer = told(spelled(ack))
            self._ports.emit(RefusedAfterwards(name, number, control_id(ack.echoed), answer))

    def _lane(self, name: str, number: int) -> tuple[Lane, bool]:
        """The lane's row, and whether it is a new one; of a destination that a person has stopped whole it is stopped."""
        known = {lane.lane: lane for lane in self._opened.lanes if lane.destination == name}
        known |= {runner.lane.lane: runner.newest for runner in self.lanes_of(name)}
        if number in known:
            return known[number], False
        if known and all(lane.state is LaneState.STOPPED for lane in known.values()):
            stopped = min(known.values())
            return Lane(name, number, state=stopped.state, reason=stopped.reason, since=stopped.since), True
        return Lane(name, number), True

    def _submit(self, runner: LaneRunner, decided: Decided) -> None:
        self._ports.put(Settle(runner, decided))

    def _wake(self) -> None:
        if self.reader is not None:
            self.reader.wake()

    def _fetch_aside(self, runner: LaneRunner, places: Sequence[Place]) -> None:
        if self.reader is not None:
            self.reader.ask(runner, places)

    def _look_at_ages(self) -> None:
        for runner in self.runners.values():
            runner.look_at_age()
        self._aging = self._ports.reactor.callLater(AGE, self._look_at_ages)
