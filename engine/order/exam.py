"""What kind of exam an order asks for: modality, regions, contrast and special kind (rules.md 3.0, 3.1).

In order of precedence: the site's table of codes, the LOINC name, OBR-24 where it holds a modality, the words of OBR-4.
What cannot be told stays unknown, and then every safety rule applies: nothing is guessed away.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.hl7.message import Segment
from engine.order.exam_file import ExamRow, ExamsModel
from engine.order.exam_text import ExamText, wording
from engine.order.order import Exam

__all__ = ["LOINC", "UNKNOWN", "ExamTable", "classify", "parse_exams"]

UNKNOWN = Exam(frozenset(), frozenset(), frozenset(), frozenset(), "unknown")
LOINC = frozenset({"LN", "LOINC", "LNC", "2.16.840.1.113883.6.1"})
_SLOTS = ("modality", "region", "contrast", "special")
_CACHE = 16_384  # spellings of one site


class ExamTable:
    """The site's exams; made by `parse_exams`."""

    __slots__ = ("_loinc", "_modalities", "_rows", "_text", "known", "words")

    def __init__(self, file: ExamsModel, rows: Iterable[ExamRow]) -> None:
        self.words = file.words  # what an exam can be, by slot
        self._rows = {row.code: row for row in rows}
        self._loinc = dict(file.loinc)
        self._modalities = dict(file.obr24)
        self._text = ExamText(file)
        self.known: dict[tuple[object, ...], Exam] = {}  # by what an OBR holds where an exam is named

    def __repr__(self) -> str:
        return f"<ExamTable of {len(self._rows)} codes>"

    def exam_of(self, codes: tuple[str, ...], system: str, texts: tuple[str, ...], modality: str) -> Exam:
        """The exam of OBR-4.1 and OBR-44.1, OBR-4.3, the texts in order of trust, and OBR-24."""
        row = next((self._rows[code] for code in codes if code in self._rows), None)
        by_loinc = system.upper() in LOINC
        if by_loinc and codes and not any(texts):
            texts = (self._loinc.get(codes[0], ""),)
        stated = self._modalities.get(modality.upper(), "")
        exam = self._worded(texts, stated, "LOINC" if by_loinc else "text")
        return exam if row is None else _ruled(row, exam, self._text)

    def _worded(self, texts: tuple[str, ...], stated: str, source: str) -> Exam:
        for text in texts:
            exam = self._text.exam(wording(text), stated, source) if text else UNKNOWN
            if exam.modality or exam.special:
                return exam
        return self._text.exam("", stated, source) if stated else self._region_only(texts)

    def _region_only(self, texts: tuple[str, ...]) -> Exam:
        regions = (self._text.regions(wording(text)) for text in texts)
        return UNKNOWN._replace(region=next((found for found in regions if found), frozenset()))


def classify(obr: Segment, exams: ExamTable, modality: str = "") -> Exam:
    """The exam of an OBR; `modality` (IPC-5 of an OMI^O23) stands in where OBR-24 is empty. Unknown: `UNKNOWN`."""
    fields = obr.raw_field(4), obr.raw_field(44), obr.raw_field(24), modality, obr.charset, obr.delimiters
    exam = exams.known.get(fields)
    if exam is None:
        exam = _classified(obr, exams, modality)
        if len(exams.known) < _CACHE:
            exams.known[fields] = exam
    return exam


def _classified(obr: Segment, exams: ExamTable, modality: str) -> Exam:
    codes = (obr.get(4, 1), obr.get(44, 1), obr.get(4, 4))
    texts = (obr.get(4, 2), obr.get(4, 5), obr.get(44, 2))
    return exams.exam_of(
        tuple(code for code in codes if code and code != '""'),
        obr.get(4, 3) or "",
        tuple(text for text in texts if text and text != '""'),
        obr.get(24) or modality,
    )


def parse_exams(document: Mapping[str, Any], rows: Iterable[Mapping[str, str]] = ()) -> ExamTable:
    """The table of mappings/exams.yaml and the rows of exams.csv; raises pydantic's ValidationError."""
    return ExamTable(ExamsModel.model_validate(document), [ExamRow.model_validate(row) for row in rows])


def _ruled(row: ExamRow, exam: Exam, words: ExamText) -> Exam:
    """The site's row; its empty cells are filled from the text, `-` stands for none."""
    slots = {name: _values(getattr(row, name), getattr(exam, name)) for name in _SLOTS}
    ruled = Exam(slots["modality"], slots["region"], slots["contrast"], slots["special"], "table")
    return ruled if row.contrast or exam.contrast else ruled._replace(contrast=words.unstated(ruled))


def _values(cell: str, otherwise: frozenset[str]) -> frozenset[str]:
    if not cell:
        return otherwise
    return frozenset() if cell == "-" else frozenset(cell.split("+"))
