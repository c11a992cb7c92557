"""What of a destination is set aside, patient by patient, and what of it was released (D8); shared by its lanes.

Rows of one patient are a group; a row without a patient is a group of its own. A released group is sent row by row by one
lane, whatever lanes its rows had; within a lane they go by number.
"""

from bisect import insort
from collections.abc import Collection

from engine.channel.ports import Approval, Parked

Place = tuple[int, int]  # (lane, seq)
Group = str | Place


def group_of(key: str, place: Place) -> Group:
    """The patient, or the row itself."""
    return key or place


class Parking:
    """The parked rows of one destination, and those that a person let go although they say `hold`."""

    def __init__(self, rows: Collection[Parked] = (), approvals: Collection[Approval] = ()) -> None:
        self.approved: set[Place] = {(row.lane, row.seq) for row in approvals}  # parked, or at the head of their lane
        self._rows: dict[Group, dict[int, list[int]]] = {}
        self._sender: dict[Group, int] = {}  # the lane that sends a released group
        self._released: dict[int, dict[Group, None]] = {}  # the same by lane, in order of release
        self._skipped: set[Place] = set()  # of which the skip is on its way to disk
        for row in rows:
            self.add(row.key, (row.lane, row.seq))
        for row in rows:
            if row.released:
                self.release(group_of(row.key, (row.lane, row.seq)))

    def __contains__(self, group: Group) -> bool:
        """Whether something of the patient is parked: later rows must stay behind."""
        return group in self._rows

    def holds(self, group: Group, place: Place) -> bool:
        """Whether this row is parked."""
        return place[1] in self._rows.get(group, {}).get(place[0], ())

    @property
    def lanes(self) -> set[int]:
        """Lanes of which something is parked."""
        return {lane for lanes in self._rows.values() for lane in lanes}

    @property
    def waiting(self) -> list[Group]:
        """Groups that nobody has released."""
        return [group for group in self._rows if group not in self._sender]

    def key_of(self, place: Place) -> str:
        """The patient key of a parked row; "" where it has none."""
        return next((group for group in self._rows if isinstance(group, str) and self.holds(group, place)), "")

    def count(self, group: Group) -> int:
        """How many rows of the group are parked."""
        return sum(map(len, self._rows.get(group, {}).values()))

    def is_released(self, group: Group) -> bool:
        return group in self._sender

    def sender(self, group: Group) -> int | None:
        """The lane that sends the group; None where nobody released it."""
        return self._sender.get(group)

    def add(self, key: str, place: Place) -> None:
        """A row is set aside; that of a group under release goes with it."""
        seqs = self._rows.setdefault(group_of(key, place), {}).setdefault(place[0], [])
        if place[1] not in seqs:
            insort(seqs, place[1])

    def release(self, group: Group) -> int:
        """Let the group go; returns the lane that sends it."""
        lane = self._sender.setdefault(group, min(self._rows[group]))
        self._released.setdefault(lane, {})[group] = None
        return lane

    def refused(self, group: Group) -> None:
        """One of the group was refused again: it and those behind it stay."""
        lane = self._sender.pop(group, None)
        if lane is not None:
            del self._released[lane][group]

    def skip(self, place: Place) -> None:
        """A person skips the row: it must not be sent any more, and goes when that is on disk."""
        self._skipped.add(place)

    def unskip(self, place: Place) -> None:
        """The skip could not be written."""
        self._skipped.discard(place)

    def is_skipping(self, places: Collection[Place]) -> bool:
        """Whether the skip of one of these is on its way to disk."""
        return not self._skipped.isdisjoint(places)

    def may_go(self, key: str, place: Place) -> bool:
        """Whether the row is parked, released, and nobody skips it."""
        group = group_of(key, place)
        return self.holds(group, place) and group in self._sender and place not in self._skipped

    def gone(self, group: Group, place: Place) -> None:
        """A row was sent, failed or skipped, and that is on disk."""
        self._skipped.discard(place)
        lanes = self._rows[group]
        lanes[place[0]].remove(place[1])
        if not lanes[place[0]]:
            del lanes[place[0]]
        if not lanes:
            self.refused(group)
            del self._rows[group]

    def heads(self, lane: int) -> list[Place]:
        """Of the next group that this lane sends, the first row of each lane; empty where nothing was released."""
        group = next(iter(self._released.get(lane, ())), None)
        return [(number, seqs[0]) for number, seqs in self._rows[group].items()] if group is not None else []
