"""What an order says about itself: the exam over all its OBR, when, for whom, and in which words."""

from collections.abc import Sequence

from engine.hl7.groups import OrderGroup
from engine.hl7.message import Message
from engine.order.exam import ExamTable, classify
from engine.order.order import Exam
from engine.order.reading import exam_time, modality
from engine.patient.context import PatientContext
from engine.patient.fact import Demographics, Fact
from engine.patient.identity import said
from engine.relevance.case import Subject
from engine.relevance.ownwords import split_relevant

_WORDS = (4, 12, 13, 31, 44)  # OBR fields in which an order says what it is about
_INPATIENT = frozenset({"I", "E"})  # PV1-2: inpatient, emergency


def subject_of(
    message: Message, groups: Sequence[OrderGroup], context: PatientContext, exams: ExamTable, *, now: int, zone: str
) -> Subject:
    """The order as the rules see it; of several OBR the exam is the union (T38) and the time the earliest."""
    times = [time for group in groups if (time := exam_time(group, zone))]
    pid, visit = message.first("PID"), message.first("PV1")
    stored = context.demographics or Demographics("", "", "", "")
    return Subject(
        exam=_union([classify(group.detail, exams, modality(group)) for group in groups if group.detail is not None]),
        scheduled=min(times, default=0),
        now=now,
        zone=zone,
        inpatient=said(visit.get(2, 1) if visit else None).upper() in _INPATIENT,
        text=_words(groups),
        sex=said(pid.get(8, 1) if pid else None).upper() or stored.sex.upper(),
        birth_date=said(pid.get(7, 1) if pid else None) or stored.birth_date,
    )


def _union(exams: Sequence[Exam]) -> Exam:
    if len(exams) == 1:
        return exams[0]
    slots = [frozenset().union(*(exam[slot] for exam in exams)) for slot in range(4)]
    return Exam(slots[0], slots[1], slots[2], slots[3], "+".join(dict.fromkeys(exam.source for exam in exams)))


def _words(groups: Sequence[OrderGroup]) -> str:
    said = []
    for group in groups:
        for number in _WORDS:
            text = group.detail.get(number) if group.detail else None
            said.append(split_relevant(text).original if text and number == 13 else text or "")
    return " ".join(said).upper()


def facts_of_order(message: Message, entry: int, now: int, source: str) -> tuple[Fact, ...]:
    """What the order itself states about the patient in coded form: PV1-15 B6, pregnant (table 0009)."""
    visit = message.first("PV1")
    statuses = visit.repetitions(15) if visit else []
    if not any((status.get(1) or "") == "B6" for status in statuses):
        return ()
    text = "ambulatory status B6 of the order"
    return (
        Fact(
            patient="",
            entry=entry,
            run=0,
            ordinal=0,
            kind="pregnancy",
            concept="pregnancy",
            code="B6",
            system="HL70009",
            text=text,
            value=None,
            comparator="",
            value_text="",
            unit="",
            reference="",
            flag="",
            status="",
            certainty="",
            observed=now,
            ended=0,
            version=now,
            received=now,
            visit="",
            key=f"PV1-15:{entry}",
            path="PV1-15",
            source=source,
            quote=text,
        ),
    )
