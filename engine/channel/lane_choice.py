"""Which lane a message goes in: its patient's, or the one for STAT orders (D7; the STAT lane is beyond D8).

An order's later messages go in the lane of its first one, also when its priority changes, so that nothing overtakes its order.
The lane is kept under each number of the order, since a later message may name another of them.
"""

from collections.abc import Collection, Iterable, Iterator
from zlib import crc32

from engine.channel.lane_layout import STAT, Lanes
from engine.channel.ports import OrderLane, StoreReader
from engine.hl7.groups import OrderGroup, order_groups
from engine.hl7.message import Message
from engine.order.reading import accession, filler, is_stat, placer


class LaneChoice:
    """The lanes of a batch; `rows` are those to be kept in its commit."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store
        self._known: dict[tuple[str, str], int] = {}
        self.rows: list[OrderLane] = []

    def lane(self, destination: str, rules: Lanes, patient: str, message: Message) -> int:
        """The lane of a message to a destination."""
        usual = crc32(patient.encode("utf-8", "surrogatepass")) % rules.lanes if rules.lanes > 1 else 0
        if not rules.stat_lane:
            return usual
        groups = order_groups(message)
        numbers = list(dict.fromkeys(number for group in groups for number in _numbers(group)))
        if not numbers:
            return usual  # without a number nothing says which messages belong to the same order
        known = {place: lane for place, lane in self._store.order_lanes(numbers).items() if place[0] == destination}
        known |= {place: self._known[place] for n in numbers if (place := (destination, n)) in self._known}
        lane = STAT if _goes_as_stat(known.values(), groups) else usual
        self._keep([place for n in numbers if (place := (destination, n)) not in known], lane)
        return lane

    def _keep(self, places: Iterable[tuple[str, str]], lane: int) -> None:
        for destination, number in places:
            self._known[destination, number] = lane
            self.rows.append(OrderLane(destination, number, lane))


def _goes_as_stat(went: Collection[int], groups: Iterable[OrderGroup]) -> bool:
    """As its orders went before, by the usual lane where they went differently; what is new by its priority."""
    return all(lane == STAT for lane in went) if went else any(map(is_stat, groups))


def _numbers(group: OrderGroup) -> Iterator[str]:
    for name, number in (("accession", accession(group)), ("filler", filler(group)), ("placer", placer(group))):
        if number:
            yield f"{name} {number}"
