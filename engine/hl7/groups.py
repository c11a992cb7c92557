"""Order groups: which ORC and which detail segment belong together, and what follows them (chapters 4 and 7)."""

from typing import NamedTuple

from engine.hl7.message import Message, Segment

# a later one of a pharmacy chain says more of the same order: requested, encoded, dispensed or given (chapter 4.13)
_RANK = {"RXO": 1, "RXE": 2, "RXD": 3, "RXG": 3, "RXA": 3}
_DETAIL = frozenset({"OBR", "RQD", "ODS", "ODT", *_RANK})
# the segments that end the last order: another patient, a document, the next message of a frame, a continuation
_ENDS = frozenset({"PID", "TXA", "MSH", "DSC"})


class OrderGroup(NamedTuple):
    """One order: segments `start` to `end` (exclusive) of the message.

    `orc` is the group's own; where one ORC stands over several details (ORC, OBR, OBR), the groups after the first have
    none and name it as `shared_orc`. `detail` is the OBR, RXO, RXE, RXD, RXG, RXA, RQD, ODS or ODT; of a pharmacy chain
    (RXO, RXE) the last. `others` are the remaining segments in order.
    """

    orc: Segment | None
    detail: Segment | None
    others: tuple[Segment, ...]
    start: int
    end: int
    shared_orc: Segment | None = None


def order_groups(message: Message) -> tuple[OrderGroup, ...]:
    """The orders of a message in order; empty where it holds neither ORC nor a detail segment."""
    spans: list[list[Segment]] = []
    inside = False
    for segment in message.segments:
        name = segment.name
        if name == "ORC" or (name in _DETAIL and not (inside and _continues(spans[-1], name))):
            spans.append([segment])
            inside = True
        elif name in _ENDS:
            inside = False
        elif inside:
            spans[-1].append(segment)
    return _groups(spans)


def _continues(span: list[Segment], name: str) -> bool:
    """Whether a detail segment belongs to the order that is open: its first one, or the next of a pharmacy chain."""
    details = [segment.name for segment in span if segment.name in _DETAIL]
    if not details:
        return span[0].name == "ORC"
    return _RANK.get(details[-1], 9) < _RANK.get(name, 0)


def _groups(spans: list[list[Segment]]) -> tuple[OrderGroup, ...]:
    groups: list[OrderGroup] = []
    above: Segment | None = None  # the ORC that later details share
    for span in spans:
        first = span[0]
        orc = first if first.name == "ORC" else None
        adjoins = bool(groups) and groups[-1].end == first.index
        shared = None if orc else above if adjoins else None
        above = orc or shared
        details = [segment for segment in span if segment.name in _DETAIL]
        detail = details[-1] if details else None
        others = tuple(segment for segment in span if segment is not orc and segment is not detail)
        groups.append(OrderGroup(orc, detail, others, first.index, first.index + len(span), shared))
    return tuple(groups)
