"""Where an order says its numbers and its time, in ORM^O01, OMI^O23 and OMG^O19 (carriers.md 2.2, 2.5)."""

from functools import lru_cache

from engine.hl7.datatypes import Dtm
from engine.hl7.groups import OrderGroup
from engine.hl7.message import Segment
from engine.hl7.printable import printable

__all__ = [
    "accession",
    "control",
    "exam_time",
    "filler",
    "instant",
    "is_stat",
    "modality",
    "order_number",
    "placer",
]


_STAT = frozenset({"S", "STAT"})


def order_number(group: OrderGroup) -> str:
    """The number an order is kept under: accession, else filler, else placer number; "" where it has none."""
    return accession(group) or filler(group) or placer(group)


def accession(group: OrderGroup) -> str:
    """OBR-18 (the use of IHE), else IPC-1."""
    return _number(group.detail, 18) or _number(_other(group, "IPC"), 1)


def filler(group: OrderGroup) -> str:
    """The filler's order number: OBR-3, else ORC-3."""
    return _number(group.detail, 3) or _number(control(group), 3)


def placer(group: OrderGroup) -> str:
    """The placer's order number: OBR-2, else ORC-2."""
    return _number(group.detail, 2) or _number(control(group), 2)


def control(group: OrderGroup) -> Segment | None:
    """The ORC that governs the group: its own, or the one it shares with the OBR before it."""
    return group.orc if group.orc is not None else group.shared_orc


def modality(group: OrderGroup) -> str:
    """The modality of an OMI^O23: IPC-5."""
    return _said(_other(group, "IPC"), 5)


def exam_time(group: OrderGroup, zone: str) -> int:
    """When the exam is scheduled, UTC microseconds: TQ1-7, else ORC-7.4, OBR-27.4, OBR-36; 0 = not said or unreadable."""
    timing, order, detail = _other(group, "TQ1"), control(group), group.detail
    for segment, field, component in ((timing, 7, 1), (order, 7, 4), (detail, 27, 4), (detail, 36, 1)):
        text = _said(segment, field, component)
        time = instant(text, zone) if text else 0
        if time:
            return time
    return 0


def is_stat(group: OrderGroup) -> bool:
    """Whether the order is to be done at once: S (tables 0485, 0027) or the word STAT in TQ1-9, ORC-7.6, OBR-27.6 or OBR-5.

    One repetition that says so is enough. A (ASAP), P (preoperative), C (callback) and T (timing critical) are not STAT:
    where everything is urgent nothing is.
    """
    order, detail = control(group), group.detail
    timings = [segment for segment in group.others if segment.name == "TQ1"]
    places = [*((timing, 9, 1) for timing in timings), (order, 7, 6), (detail, 27, 6), (detail, 5, 1)]
    return any(word.upper() in _STAT for place in places for word in _each(*place))


@lru_cache(maxsize=4096)
def instant(text: str, zone: str) -> int:
    """The start of a DTM in UTC microseconds, or 0 where it is none."""
    time = Dtm.parse(text, zone)
    return time.instant if time is not None else 0


def _other(group: OrderGroup, name: str) -> Segment | None:
    return next((segment for segment in group.others if segment.name == name), None)


def _number(segment: Segment | None, field: int) -> str:
    return printable(_said(segment, field))


def _each(segment: Segment | None, field: int, component: int) -> list[str]:
    """The component of every repetition."""
    found = segment.repetitions(field) if segment is not None else []
    return [(one.get(component) or "").strip() for one in found]


def _said(segment: Segment | None, field: int, component: int = 1) -> str:
    text = segment.get(field, component) if segment is not None else None
    return "" if text is None or text == '""' else text.strip()
