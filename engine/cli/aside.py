"""What is parked, patient by patient, as the files say: which goes first, behind which the others stay, which lane sends them.

The same rules as in engine.app.parking, which is the running engine's own memory of it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.channel.ports import Approval, Parked
from engine.cli.site import Readers

_AT_ONCE = 500  # rows that one statement asks for
_Group = tuple[str, str | tuple[int, int]]  # destination, and the patient or a row without one


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


class Aside:
    """The parked rows of all destinations."""

    def __init__(self, parked: Sequence[Parked]) -> None:
        self.rows = {(row.destination, row.lane, row.seq): row for row in parked}
        self._groups: dict[_Group, list[Parked]] = {}
        for row in parked:
            self._groups.setdefault(_group(row), []).append(row)
        self._first: dict[_Group, int] = {}
        self.parked = Counter((row.destination, row.lane) for row in parked if not row.released)
        self.released: dict[tuple[str, int], list[Parked]] = {}  # by the lane that sends them
        for rows in self._groups.values():
            going = [row for row in rows if row.released]
            if going:
                self.released.setdefault(self.sender(going[0]), []).extend(going)

    def sender(self, row: Parked) -> tuple[str, int]:
        """The lane that sends the row's group when it is released."""
        return row.destination, min(one.lane for one in self._groups[_group(row)])

    def first_entry(self, readers: Readers, row: Parked) -> int:
        """The entry whose delivery goes first of the row's group; 0 where the outbox has none of them any more."""
        group = _group(row)
        if group not in self._first:
            lowest: dict[int, int] = {}
            for one in self._groups[group]:
                lowest[one.lane] = min(one.seq, lowest.get(one.lane, one.seq))
            heads = (readers.store.outbox_rows(row.destination, lane, [seq]) for lane, seq in lowest.items())
            self._first[group] = min((head.entry for found in heads for head in found), default=0)
        return self._first[group]


def _group(row: Parked) -> _Group:
    return row.destination, row.key or (row.lane, row.seq)


def parked_rows(readers: Readers, destination: str = "") -> list[ParkedRow]:
    """What is parked, by destination and patient, in the order in which it goes."""
    rows: list[ParkedRow] = []
    approved = set(readers.journal.approvals())
    for lane in _by_lane(readers.journal.parked(destination or None)):
        place = lane[0].destination, lane[0].lane
        seqs = [row.seq for row in lane]
        queued = {found.seq: found for found in readers.store.outbox_rows(*place, seqs)}
        told = {found.seq: found.answer for found in readers.journal.attempts(*place, seqs)}  # the last one stays
        for one in lane:
            entry, hold = (queued[one.seq].entry, queued[one.seq].hold) if one.seq in queued else (0, "")
            where = (one.destination, one.key, entry, one.lane, one.seq, one.at, one.released)
            hold = "" if Approval(*one[:3]) in approved else hold
            rows.append(ParkedRow(*where, told.get(one.seq, ""), hold))
    rows.sort(key=lambda row: (row.destination, row.patient, row.entry, row.lane, row.number))
    first: dict[tuple[str, str], int] = {}
    shown = []
    for row in rows:
        head = first.setdefault((row.destination, row.patient), row.entry)
        behind = row.patient and head != row.entry
        why = f"behind entry {head}" + (f"; {row.hold}" if row.hold else "")
        shown.append(row._replace(why=why) if behind else row)
    return shown


def _by_lane(rows: Sequence[Parked]) -> Iterator[Sequence[Parked]]:
    """Pieces of one lane each, as large as one statement may ask for."""
    lanes: dict[tuple[str, int], list[Parked]] = {}
    for row in rows:
        lanes.setdefault((row.destination, row.lane), []).append(row)
    for lane in lanes.values():
        yield from (lane[start : start + _AT_ONCE] for start in range(0, len(lane), _AT_ONCE))
