"""Facts of pharmacy orders: what the patient takes (RDE with RXE, ORM and OMP with RXO), since when, and until when."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.hl7.datatypes import number
from engine.hl7.message import Segment
from engine.patient.extract import Source, coded, instant, named, quoted, said, text_of
from engine.patient.fact import Fact

_DISCONTINUED = frozenset({"CA", "CR", "DC", "DR", "OC", "OD", "RP", "RQ", "RU", "UA"})  # ORC-1, table 0119
_STOPPED = {"CM": "I", "DC": "D", "CA": "D"}  # ORC-5, table 0038
_HELD = frozenset({"HD", "HR"})


class _Prescription(NamedTuple):
    orc: Segment | None
    detail: Segment  # RXE, else RXO
    timing: Segment | None  # TQ1
    number: int  # of the detail among those of its name


class _Fields(NamedTuple):
    code: int
    amount: int
    unit: int
    timing: int  # TQ with start and end, 0 = none
    order: int  # prescription number, 0 = none


_FIELDS = {"RXE": _Fields(2, 3, 5, 1, 15), "RXO": _Fields(1, 2, 4, 0, 0)}


def medications(source: Source, segments: Sequence[Segment]) -> list[Fact]:
    """One fact for each drug ordered; RXE, what the pharmacy gives, stands above the RXO of the same order."""
    return [fact for found in _prescriptions(segments) if (fact := _fact(source, found)) is not None]


def _prescriptions(segments: Sequence[Segment]) -> Iterator[_Prescription]:
    orc: Segment | None = None
    detail: Segment | None = None
    timing: Segment | None = None
    numbers = {"RXE": 0, "RXO": 0}
    for segment in segments:
        name = segment.name
        if name == "ORC" or (name in numbers and detail is not None and name == detail.name):
            if detail is not None:
                yield _Prescription(orc, detail, timing, numbers[detail.name])
            detail = timing = None
        if name == "ORC":
            orc = segment
        elif name == "TQ1" and timing is None:
            timing = segment
        elif name in numbers:
            numbers[name] += 1
            detail = segment
    if detail is not None:
        yield _Prescription(orc, detail, timing, numbers[detail.name])


def _fact(source: Source, found: _Prescription) -> Fact | None:
    detail, fields = found.detail, _FIELDS[found.detail.name]
    code = coded(detail, fields.code, source.concepts)
    if not text_of(code):
        return None
    status = _status(found.orc)
    start, end = _period(source, found, fields, status)
    amount, unit = said(detail, fields.amount), said(detail, fields.unit) or said(detail, fields.unit, 2)
    dose = number(amount)
    concept, certainty = named(source, "medication", code)
    path = f"{detail.name}[{found.number}]-{fields.code}"
    return Fact._make(
        (
            *(*source[:3], detail.index * 100),
            *("medication", concept, code.code, code.system, code.text),
            *(dose.value if dose else None, dose.comparator if dose else ""),
            *(f"{amount} {unit}".strip(), unit, "", "", status, certainty),
            *(
                start,
                end,
                source.sent,
                source.received,
                source.visit,
                _key(found, fields, code.code or code.text.upper()),
            ),
            *(path, source.listener, quoted(text_of(code), amount, unit)),
        )
    )


def _status(orc: Segment | None) -> str:
    """A active, I held or completed, D discontinued."""
    control, status = said(orc, 1).upper(), said(orc, 5).upper()
    if status in _STOPPED:
        return _STOPPED[status]
    return "D" if control in _DISCONTINUED else "I" if control in _HELD or status == "HD" else "A"


def _period(source: Source, found: _Prescription, fields: _Fields, status: str) -> tuple[int, int]:
    """Start and end of use; a discontinued order ends when it says so: ORC-15, ORC-9, else MSH-7."""
    zone, orc, detail, timing = source.zone, found.orc, found.detail, found.timing
    starts = [said(timing, 7), said(detail, fields.timing, 4) if fields.timing else "", said(orc, 7, 4)]
    ends = [said(timing, 8), said(detail, fields.timing, 5) if fields.timing else "", said(orc, 7, 5)]
    told = (said(orc, 15), said(orc, 9))
    start = _first(starts if status != "A" else (*starts, *told), zone)
    if status == "A":
        return start or source.sent, _first(ends, zone)
    stopped = _first(told, zone) or source.sent
    planned = _first(ends, zone)
    return start, min(planned, stopped) if planned else stopped


def _first(texts: Sequence[str], zone: str) -> int:
    return next((time for text in texts if (time := instant(text, zone))), 0)


def _key(found: _Prescription, fields: _Fields, drug: str) -> str:
    """The order's number, so that its discontinuation ends it: placer, filler, prescription; else the drug."""
    own = (said(found.orc, 2), said(found.orc, 3), said(found.detail, fields.order) if fields.order else "")
    return next((text for text in own if text), "") or drug
