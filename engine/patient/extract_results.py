"""Facts of results (ORU, and OBX of an ADT): laboratory values and vital signs, one for each OBX that holds a value."""

from collections.abc import Sequence
from typing import NamedTuple

from engine.hl7.datatypes import number
from engine.hl7.message import Segment
from engine.patient.concept_measures import Measured
from engine.patient.extract import Coded, Source, coded, instant, quoted, said, text_of
from engine.patient.fact import Fact

__all__ = ["Group", "groups", "result", "stricter"]

_STRICT = {code: rank for rank, code in enumerate("SIRPFCXDW")}  # rules.md 3.0.25; P and R are one
_STRICT["R"] = _STRICT["P"]
_REPORT = frozenset("SIRPFCX")  # OBR-25 (table 0123) where it says what OBX-11 (table 0085) says as well
_RETRACTED = frozenset("DWX")
_PREGNANT = frozenset({"LA15173-0", "77386006"})
_CODED_WORDS = (2, 1, 5, 4, 9)  # of a CWE: text, code, alternate text and code, the original text of what has no code
_NOT_PREGNANT = frozenset({"LA26683-5", "60001007"})


class Group(NamedTuple):
    """An OBR (None in an ADT) with its OBX and the notes after each."""

    obr: Segment | None
    observations: list[tuple[int, Segment]]  # number of the OBX in the message, OBX
    notes: dict[int, list[str]]  # index of the OBX -> NTE-3 after it (T18)
    specimen: str  # OBR-15, SPM-4

    def __repr__(self) -> str:
        return f"Group({len(self.observations)} observations)"


def groups(segments: Sequence[Segment], first: int) -> list[Group]:
    """The OBR groups of one person's segments; `first` is the number of OBX in the message before them."""
    found = [Group(None, [], {}, "")]
    after: Segment | None = None
    number_of = first
    for segment in segments:
        name = segment.name
        if name == "OBX":
            number_of += 1
            found[-1].observations.append((number_of, segment))
            after = segment
        elif name == "OBR":
            found.append(Group(segment, [], {}, f"{said(segment, 15)} {said(segment, 15, 2)}".strip()))
            after = None
        elif name == "NTE" and after is not None:
            found[-1].notes.setdefault(after.index, []).append(said(segment, 3, 0))
        elif name == "SPM":
            found[-1] = found[-1]._replace(specimen=f"{found[-1].specimen} {said(segment, 4)} {said(segment, 4, 2)}")
    return [group for group in found if group.observations]


def stricter(obr_status: str, obx_status: str) -> str:
    """The stricter of OBR-25 and OBX-11 (T14); an OBX-11 that is empty takes OBR-25."""
    if obr_status not in _REPORT:
        return obx_status
    if not obx_status:
        return obr_status
    return max(obr_status, obx_status, key=lambda code: _STRICT.get(code, _STRICT["F"]))


class _Order(NamedTuple):
    """What an OBR says for all its OBX, read once."""

    number: str  # OBR-3, else OBR-2
    status: str
    time: str
    version: int

    def __repr__(self) -> str:
        return "_Order(...)"


def order_of(source: Source, obr: Segment | None) -> _Order:
    """Filler number, else placer number; OBR-25; OBR-7; OBR-22 as the version, else MSH-7."""
    if obr is None:
        return _Order("", "", "", source.sent)
    version = instant(said(obr, 22), source.zone)
    believed = 0 < version <= source.received + 86_400_000_000
    return _Order(
        said(obr, 3) or said(obr, 2), said(obr, 25).upper(), said(obr, 7), version if believed else source.sent
    )


def result(
    source: Source, group: Group, order: _Order, place: tuple[int, Segment], seen: dict[str, int]
) -> Fact | None:
    """The fact of an OBX, or None where it holds no value and takes none back."""
    position, obx = place
    status = stricter(order.status, said(obx, 11).upper())
    words, value, comparator = value_of(obx)
    if words == '""':
        words, value, comparator, status = "", None, "", "D"
    if not words and status not in _RETRACTED:
        return None
    code = coded(obx, 3, source.concepts)
    unit, reference = unit_of(obx), said(obx, 7, 0)
    kind, concept, unit, inferred = _named(source, code, unit, value, reference=reference, specimen=group.specimen)
    time = said(obx, 14) or order.time
    pregnant = concept == "preg_status"
    kind, concept, certainty = _pregnancy(obx, words, status) if pregnant else (kind, concept, "")
    notes = "; ".join(group.notes.get(obx.index, ()))
    quote = quoted(text_of(code), words, unit, inferred, f"({notes})" if notes else "")
    return Fact._make(
        (
            *(*source[:3], obx.index * 100, kind, concept, code.code, code.system, code.text),
            *(value, comparator, words, unit, reference, said(obx, 8), status, certainty),
            *(instant(time, source.zone) or source.sent, 0, order.version, source.received, source.visit),
            *(_key(order.number, code, obx, time, seen), f"OBX[{position}]-5", source.listener, quote),
        )
    )


def _named(
    source: Source, code: Coded, unit: str, value: float | None, *, reference: str, specimen: str
) -> tuple[str, str, str, str]:
    """Kind, concept, unit, and a word on a unit that was not sent; codings that disagree name nothing (C25, C26)."""
    found = source.concepts.measured(code.code, code.system, code.text, unit)
    concept, inferred = found.concept, ""
    if found.asks:
        told = found.unit_by(value, reference)
        if told:
            concept, unit, inferred = found.asks, told, "(unit not sent, told by its reference range)"
    if code.other[0] or code.other[1]:
        concept = _agreed(source, code, found, concept, unit)
    if concept and specimen and source.concepts.wrong_specimen(concept, specimen):
        concept = ""
    return found.kind, concept, unit, inferred


def _agreed(source: Source, code: Coded, found: Measured, concept: str, unit: str) -> str:
    second = source.concepts.measured(code.other[0], code.other[2], code.other[1], unit).concept
    standard = bool(source.concepts.family(code.system))
    if not concept:
        return "" if standard or found.asks else second
    return concept if second in {"", concept} else ""


def _key(filler: str, code: Coded, obx: Segment, time: str, seen: dict[str, int]) -> str:
    """Filler order, OBX-3 as sent, OBX-4 and the day (T13); without an order the whole time tells results apart."""
    key = f"{filler}|{code.own}|{said(obx, 4, 0)}|{time[:8] if filler else time}"
    times = seen.get(key, 0) + 1
    seen[key] = times
    return key if times == 1 else f"{key}#{times}"


def value_of(obx: Segment) -> tuple[str, float | None, str]:
    """OBX-5 in words, as a number where it is one, and its comparator; `""` where it is deleted."""
    raw = obx.raw_field(5)
    if not raw:
        return "", None, ""
    if raw == b'""':
        return '""', None, ""
    kind = said(obx, 2).upper()
    if kind in {"CE", "CWE", "CNE", "CF"}:
        parts = (filter(None, map(part.get, _CODED_WORDS)) for part in obx.repetitions(5))
        return ", ".join(filter(None, (next(words, "") for words in parts))), None, ""
    if kind == "SN":
        words = "".join(said(obx, 5, component) for component in range(1, 5))
    elif obx.delimiters.repetition_byte in raw:
        words = ", ".join(filter(None, ((part.get() or "").strip() for part in obx.repetitions(5))))
    else:
        words = said(obx, 5, 0)
    plain = number(words) if kind in {"NM", "SN", "ST", ""} else None
    if plain is None:
        return words, None, ""
    return words, plain.value, plain.comparator


def unit_of(obx: Segment) -> str:
    """OBX-6 as sent; a caret of `10^3/uL` that was not escaped belongs to the unit, not between components."""
    unit = said(obx, 6)
    if not unit:
        return said(obx, 6, 2)
    rest = said(obx, 6, 2)
    return f"{unit}^{rest}" if rest[:1].isdigit() and len(rest) < 8 else unit


def _pregnancy(obx: Segment, words: str, status: str) -> tuple[str, str, str]:
    """Kind, concept and certainty of a pregnancy status; one that is taken back takes back what it said."""
    code, said_words = said(obx, 5), words.upper()
    if status in _RETRACTED or code in _PREGNANT or said_words in {"PREGNANT", "YES", "POSITIVE", "Y"}:
        return "pregnancy", "pregnancy", ""
    if code in _NOT_PREGNANT or said_words in {"NOT PREGNANT", "NO", "NEGATIVE", "N"}:
        return "pregnancy", "pregnancy", "refuted"
    return "lab", "preg_status", ""
