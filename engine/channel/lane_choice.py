"""Which lane a message goes in: its patient's, or the one for STAT orders (D7; the STAT lane is beyond D8).

An order's later messages go in the lane of those before, also when its priority changes, so that nothing overtakes its order.
Where a message is about orders that went in different lanes, it goes in one of them and waits until the others are beyond what
they hold now. The lane is kept under each number of the order, since a later message may name another of them.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

from engine.channel.lane_layout import STAT, Lanes
from engine.channel.ports import OrderLane, StoreReader
from engine.hl7.groups import OrderGroup, order_groups
from engine.hl7.message import Message
from engine.order.reading import accession, filler, is_stat, order_number, placer


class Choice(NamedTuple):
    """A message's lane, and the lanes in which earlier messages of its orders went: it waits for what is in them."""

    lane: int
    behind: tuple[int, ...] = ()


class LaneChoice:
    """The lanes of a batch; `rows` are those to be kept in its commit."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store
        self._known: dict[tuple[str, str], int] = {}
        self.rows: list[OrderLane] = []

    def choose(self, destination: str, rules: Lanes, patient: str, message: Message) -> Choice:
        """The lane of a message to a destination."""
        usual = crc32(patient.encode("utf-8", "surrogatepass")) % rules.lanes if rules.lanes > 1 else 0
        if not rules.stat_lane:
            return Choice(usual)
        groups = order_groups(message)
        numbers = list(dict.fromkeys(number for group in groups for number in _numbers(group)))
        if not numbers:
            return Choice(usual)  # without a number nothing says which messages belong to the same order
        known = {place: lane for place, lane in self._store.order_lanes(numbers).items() if place[0] == destination}
        known |= {place: self._known[place] for n in numbers if (place := (destination, n)) in self._known}
        lane = STAT if _goes_as_stat(known.values(), groups) else usual
        self._keep([place for n in numbers if known.get(place := (destination, n)) != lane], lane)
        return Choice(lane, tuple(sorted({*known.values()} - {lane})))

    def _keep(self, places: Iterable[tuple[str, str]], lane: int) -> None:
        for destination, number in places:
            self._known[destination, number] = lane
            self.rows.append(OrderLane(destination, number, lane))


def parking_key(patient: str, message: Message) -> str:
    """What of a destination's messages is parked together: the patient's; of an order that names nobody, the order's."""
    if patient:
        return patient
    number = next(filter(None, map(order_number, order_groups(message))), "")
    return f"order {number}" if number else ""


def _goes_as_stat(went: Collection[int], groups: Iterable[OrderGroup]) -> bool:
    """As its orders went before, by the usual lane where they went differently; what is new by its priority."""
    return all(lane == STAT for lane in went) if went else any(map(is_stat, groups))


def _numbers(group: OrderGroup) -> Iterator[str]:
    for name, number in (("accession", accession(group)), ("filler", filler(group)), ("placer", placer(group))):
        if number:
            yield f"{name} {number}"
