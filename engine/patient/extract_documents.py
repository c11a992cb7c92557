"""Facts that are documents: reports in the text OBX of an ORU, and documents of MDM^T02 to T11 (T19, T20).

The lines of a report come one per OBX, or as repetitions of one; they are joined in order. What a foreign parser would have
to read (PDF, RTF) is kept as a document without text and flagged.
"""

import binascii
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from engine.hl7.message import Segment
from engine.patient.extract import NOT_CODED, Coded, Extracted, Source, coded, instant, quoted, said, text_of
from engine.patient.extract_results import Group, order_of, stricter
from engine.patient.fact import Fact

__all__ = ["document", "is_own_line", "report", "split"]

_TEXTS = frozenset({"TX", "FT"})
_ENCAPSULATED = frozenset({"ED", "RP"})
_SECTIONS = frozenset({"GDT", "IMP", "REC", "ANT", "ADT", "CNP", "DEV", "TCM", "TXT"})  # OBX-3 suffixes, chapter 7
_RETRACTED = frozenset("DWX")
_SHORT = 80  # characters of a text that is a value rather than a line of a report
_LONGEST = 200_000  # characters kept of one document
_ENCODED = 262_144  # bytes of base64 that are read here (D15)
_OURS = ("EMR>", "EMR CONTEXT")
_UNAVAILABLE = frozenset({"CA", "OB", "UN"})  # TXA-19, table 0273
_PRELIMINARY = frozenset({"DI", "DO", "IN", "IP", "PA"})  # TXA-17, table 0271


class _Text(NamedTuple):
    text: str
    flags: list[str]
    status: str  # strictest of the lines that count; of all where every one was taken back

    def __repr__(self) -> str:
        return f"_Text({len(self.text)} characters)"


def split(source: Source, group: Group) -> tuple[list[tuple[int, Segment]], list[tuple[int, Segment]]]:
    """The OBX of a group that are values, and those that are lines of a report."""
    kinds = {said(obx, 2).upper() for _, obx in group.observations}
    if kinds.isdisjoint(_TEXTS | _ENCAPSULATED | {"ST"}):
        return group.observations, []
    repeated = Counter(obx.raw_field(3) for _, obx in group.observations)
    mixed = not kinds <= _TEXTS | _ENCAPSULATED
    values: list[tuple[int, Segment]] = []
    lines: list[tuple[int, Segment]] = []
    for place in group.observations:
        is_line = _is_line(source, place[1], repeated[place[1].raw_field(3)], mixed=mixed)
        (lines if is_line else values).append(place)
    return values, lines


def _is_line(source: Source, obx: Segment, times: int, *, mixed: bool) -> bool:
    kind = said(obx, 2).upper()
    if kind in _ENCAPSULATED:
        return True
    if kind == "ST":
        return (obx.get(3, 1, 2) or "") in _SECTIONS or (times > 2 and not said(obx, 6))
    if kind not in _TEXTS:
        return False
    code = coded(obx, 3, source.concepts)
    if source.concepts.measured(code.code, code.system, code.text, said(obx, 6)).concept:
        return False
    return not (mixed and times == 1 and len(obx.raw_field(5) or b"") <= _SHORT)


def report(source: Source, group: Group, lines: Sequence[tuple[int, Segment]]) -> Extracted:
    """The report of an OBR: its text lines in order, named by OBR-4, else by OBX-3."""
    order = order_of(source, group.obr)
    position, first = lines[0]
    body = _joined(lines, order.status)
    if not body.text and not body.flags and body.status not in _RETRACTED:
        return Extracted([], [], [])
    code = coded(group.obr, 4, source.concepts) if group.obr is not None else NOT_CODED
    code = code if text_of(code) else coded(first, 3, source.concepts)
    time = order.time or said(first, 14)
    key = f"{order.number}|{code.code or code.text}" + ("" if order.number else f"|{time}")
    fact = _fact(source, first, code, body, path=f"OBX[{position}]-5", key=key)
    observed = instant(time, source.zone) or source.sent
    return Extracted([fact._replace(observed=observed, version=order.version)], [], body.flags)


def document(source: Source, event: str, txa: Segment, lines: Sequence[tuple[int, Segment]]) -> Extracted:
    """The document of an MDM; T11 and an availability of cancelled, obsolete or deleted withdraw it.

    A replacement (T09, T10) also withdraws its parent. An edit or a status without content (T03, T07) changes no text and
    is no fact.
    """
    own, parent = said(txa, 12), said(txa, 13)
    body = _joined(lines, "") if lines else _Text("", [], "")
    withdrawn = event == "T11" or said(txa, 19).upper() in _UNAVAILABLE
    if not withdrawn and not body.text and not body.flags:
        return Extracted([], [], [])
    kind = coded(txa, 2, source.concepts)
    named = coded(lines[0][1], 3, source.concepts) if lines else kind
    code = named if source.concepts.family(named.system) or not text_of(kind) else kind
    times = (said(txa, field) for field in (4, 6, 7))
    observed = next((time for text in times if (time := instant(text, source.zone))), source.sent)
    status = "D" if withdrawn else ("P" if said(txa, 17).upper() in _PRELIMINARY else "F")
    place = f"OBX[{lines[0][0]}]-5" if lines else "TXA-12"
    fact = _fact(source, txa, code, body, path=place, key=own or f"{code.code}|{observed}")
    facts = [fact._replace(observed=observed, status=status)]
    if event in {"T09", "T10"} and parent and parent != own:
        withdrawal = facts[0]._replace(ordinal=txa.index * 100 + 1, status="D", key=parent, value_text="", quote="")
        facts.append(withdrawal._replace(path="TXA-13"))
    return Extracted(facts, [], body.flags)


def _fact(source: Source, segment: Segment, code: Coded, body: _Text, *, path: str, key: str) -> Fact:
    concept = source.concepts.concept_of("document", code.code, code.system, code.text)
    return Fact._make(
        (
            *(*source[:3], segment.index * 100),
            *("document", concept, code.code, code.system, code.text, None, "", body.text, "", "", "", body.status, ""),
            *(source.sent, 0, source.sent, source.received, source.visit, key, path, source.listener),
            quoted(text_of(code)),
        )
    )


def _joined(lines: Sequence[tuple[int, Segment]], obr_status: str) -> _Text:
    texts: list[str] = []
    unread: list[tuple[str, str]] = []
    counted: list[str] = []
    for position, obx in lines:
        status = stricter(obr_status, said(obx, 11).upper())
        counted.append(status)
        if status in _RETRACTED:
            continue
        if said(obx, 2).upper() in _ENCAPSULATED:
            text = _decoded(obx)
            if text is None:
                unread.append((said(obx, 2).upper(), f"document_not_read OBX[{position}]-5"))
            else:
                texts.append(text)
        else:
            texts += [(part.get() or "").rstrip() for part in obx.repetitions(5)]
    text = "\n".join(line for text in texts for line in text.split("\n") if not is_own_line(line))
    # a pointer (RP) beside the report's own words names its images or its source; alone it is all there is
    flags = [flag for kind, flag in unread if kind != "RP" or not text.strip()]
    if len(text) > _LONGEST:
        text, flags = text[:_LONGEST], [*flags, f"document_cut OBX[{lines[0][0]}]-5"]
    return _Text("" if text.strip() in {"", '""'} else text, flags, _status(counted))


def _status(lines: list[str]) -> str:
    standing = [status for status in lines if status not in _RETRACTED] or lines
    strictest = standing[0]
    for status in standing[1:]:
        strictest = stricter(strictest, status)
    return strictest


def is_own_line(line: str) -> bool:
    """Whether a line holds words that we wrote into an order (D13c)."""
    return any(mark in line for mark in _OURS)


def _decoded(obx: Segment) -> str | None:
    """The text of an ED that holds plain text, in base64 or as it is; None for what is no plain text or too long."""
    kind, subtype, encoding = (said(obx, 5, component).upper() for component in (2, 3, 4))
    if kind not in {"TEXT", "TX", "FT"} or subtype not in {"", "PLAIN", "TXT", "TEXT"}:
        return None
    data = obx.get(5, 5) or ""
    if encoding != "BASE64":
        return data
    if len(data) > _ENCODED:
        return None
    try:
        return binascii.a2b_base64(data, strict_mode=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
