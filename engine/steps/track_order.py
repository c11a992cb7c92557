"""Keep the latest state of an imaging order: its numbers, what it asks for, when, and whether it is over."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from engine.errors import StepError
from engine.hl7.groups import OrderGroup, order_groups
from engine.hl7.message import Message, Segment
from engine.order.exam import LOINC, classify
from engine.order.lifecycle import state_of
from engine.order.order import Exam, Order
from engine.order.reading import accession, control, exam_time, filler, modality, order_number, placer
from engine.patient.identity import pick_identifier, said
from engine.steps.draft import Draft, KeepOrder
from engine.steps.mappings import Mappings
from engine.steps.paths import Because

# sections of table 0074 that are no imaging: an order that names one and no exam we know goes to another department
_ELSEWHERE = frozenset(
    [
        "AU",
        "BG",
        "BLB",
        "CH",
        "CP",
        "CTH",
        "EC",
        "EN",
        "HM",
        "ICU",
        "IMM",
        "LAB",
        "MB",
        "MCB",
        "MYC",
        "NRS",
        "OSL",
        "OTH",
        "PAR",
        "PHR",
        "PUL",
        "SP",
        "SR",
        "TX",
        "VR",
    ]
)
_NO_NUMBER = "an order without accession, filler and placer number; one of OBR-18, IPC-1, OBR-3, OBR-2 is wanted"


class TrackOrder(BaseModel):
    """Keep the order and its life cycle, so that its number finds it and its exam is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: track_order                  # the order and its life cycle enter the store
"""

    step: Literal["track_order"]
    because: Because = ""

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:
        """The draft with one KeepOrder for each number; several OBR of one number are one order (T38).

        Raises StepError for a PID that names nobody and for an imaging order without any number.
        """
        orders: dict[str, Order] = {}
        for group in order_groups(draft.message):
            obr = group.detail
            if obr is None or obr.name != "OBR":
                continue
            exam = classify(obr, mappings.exams, modality(group))
            if not is_imaging(group, exam):
                continue
            order = _order(draft, group, exam)
            before = orders.get(order.number)
            orders[order.number] = order if before is None else _joined(before, order)
        return draft._replace(effects=(*draft.effects, *map(KeepOrder, orders.values()))) if orders else draft


def is_imaging(group: OrderGroup, exam: Exam) -> bool:
    """Whether an order asks for imaging at all: an exam we know, an accession, or no sign of another department.

    Such signs are a section in OBR-24, a specimen (OBR-15, SPM), and a LOINC code, whose names begin with the modality
    where they are imaging.
    """
    if exam.modality or exam.special or accession(group):
        return True
    obr = group.detail
    if obr is None or said(obr.get(24, 1)).upper() in _ELSEWHERE or said(obr.get(15, 1)):
        return False
    return said(obr.get(4, 3)).upper() not in LOINC and not any(other.name == "SPM" for other in group.others)


def _order(draft: Draft, group: OrderGroup, exam: Exam) -> Order:
    number = order_number(group)
    if not number:
        raise StepError("track_order", "OBR-18", _NO_NUMBER)
    origin, message, detail, order = draft.origin, draft.message, group.detail, control(group)
    who = pick_identifier(_last(message, "PID", group), origin.authority, origin.prefer, origin.strip_zeros)
    if who is None:
        raise StepError("track_order", "PID-3", "no identifier of the patient; one is wanted")
    visit = _last(message, "PV1", group)
    wish = said(order.get(1) if order else None)
    status = said(order.get(5, 1) if order else None)
    return Order(
        number=number,
        patient=who.key,
        accession=accession(group),
        placer=placer(group),
        filler=filler(group),
        visit=said(visit.get(19, 1) if visit else None),
        control=wish,
        order_status=status,
        state=state_of(wish, status),
        code=said(detail.get(4, 1) if detail else None),
        text=said(detail.get(4, 2) if detail else None),
        modality=_joint(exam.modality),
        region=_joint(exam.region),
        contrast=_joint(exam.contrast),
        scheduled=exam_time(group, origin.zone),
        entry=origin.position,
        received=origin.received,
        listener=origin.listener,
    )


def _last(message: Message, name: str, group: OrderGroup) -> Segment | None:
    """The segment of this name before the group: what names several patients orders for each of them."""
    before = [segment for segment in message.all(name) if segment.index < group.start]
    return before[-1] if before else message.first(name)


def _joined(one: Order, other: Order) -> Order:
    """One order of two OBR with one number: all that both ask for, at the earlier time, open while one of them is."""
    times = [time for time in (one.scheduled, other.scheduled) if time]
    return one._replace(
        modality=_both(one.modality, other.modality),
        region=_both(one.region, other.region),
        contrast=_both(one.contrast, other.contrast),
        scheduled=min(times, default=0),
        state="OPEN" if "OPEN" in {one.state, other.state} else one.state,
    )


def _both(one: str, other: str) -> str:
    return _joint(frozenset(filter(None, (*one.split("+"), *other.split("+")))))


def _joint(values: frozenset[str]) -> str:
    return "+".join(sorted(values))
