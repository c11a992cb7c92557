"""Allergies, problems, medications and documents by name: a code, or words where there is none."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import re2

from engine.patient.concept_file import CertaintyModel, CodedModel, ConceptsModel

_ICD10 = re2.compile(r"[A-TV-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?")
_PREFIXED = frozenset({"icd10", "icd9", "atc"})
_FAMILIES = ("loinc", "icd10", "icd9", "snomed", "rxnorm", "atc")


class _Worded(NamedTuple):
    concept: str
    text: Any
    mask: Any

    def says(self, text: str) -> bool:
        """Whether the text, without what the mask takes out, names the concept."""
        if self.mask is not None:
            text = self.mask.sub(" ", text)
        return self.text.search(text) is not None


class _Kind:
    """The concepts of one kind of fact."""

    __slots__ = ("codes", "words")

    def __init__(self) -> None:
        self.codes: dict[tuple[str, str], str] = {}
        self.words: dict[str, _Worded] = {}

    def add(self, model: CodedModel) -> None:
        for family in _FAMILIES:
            for code in getattr(model, family):
                self.codes[family, _plain(family, code)] = model.concept
        for code in model.codes:
            self.codes["", code.upper()] = model.concept
        if model.text is not None:
            self.words[model.concept] = _Worded(model.concept, model.text, model.mask)

    def by_code(self, family: str, code: str) -> str:
        plain = _plain(family, code)
        if family not in _PREFIXED:
            return self.codes.get((family, plain), "")
        found = (self.codes.get((family, plain[:length]), "") for length in range(len(plain), 0, -1))
        return next((concept for concept in found if concept), "")

    def by_text(self, text: str) -> str:
        return next((words.concept for words in self.words.values() if words.says(text)), "")


class CodedConcepts:
    """Everything of the file that is not measured."""

    __slots__ = ("_certainty", "_kinds", "_none_codes", "_none_text")

    def __init__(self, file: ConceptsModel) -> None:
        self._kinds: dict[str, _Kind] = {}
        self._add("allergy", file.allergies)
        self._add("problem", file.problems)
        self._add("medication", file.medications)
        self._add("document", file.documents)
        self._none_codes = frozenset(code.upper() for code in file.none_known.codes)
        self._none_text = file.none_known.text
        self._certainty: CertaintyModel = file.certainty

    def _add(self, section: str, models: Iterable[CodedModel]) -> None:
        for model in models:
            for kind in model.kinds or (section,):
                self._kinds.setdefault(kind, _Kind()).add(model)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(concept for kind in self._kinds.values() for concept in (*kind.codes.values(), *kind.words))

    def find(self, kind: str, family: str, code: str, text: str) -> str:
        """The concept of code and text; "" where neither names one, or where they name two."""
        known = self._kinds.get(kind)
        if known is None:
            return ""
        if not family and kind == "problem" and _ICD10.fullmatch(code.upper()):
            family = "icd10"
        words = " ".join(text.upper().split())
        by_code = known.by_code(family, code) if code else ""
        by_text = known.by_text(words) if words else ""
        if not by_code or not by_text or by_code == by_text:
            return by_code or by_text
        own = known.words.get(by_code)
        return by_code if own is not None and own.says(words) else ""

    def certainty(self, kind: str, family: str, code: str, text: str) -> str:
        """How sure the statement is, by its own words: none_known, refuted, family, possible, or "" for stated."""
        if kind not in {"allergy", "problem", "device", "procedure"}:
            return ""
        words = " ".join(text.upper().split())
        if kind == "allergy" and self._none(code, words):
            return "none_known"
        rules = self._certainty
        if family in {"", "icd10"} and kind == "problem" and _plain("icd10", code).startswith(rules.family_icd10):
            return "family"
        for name, pattern in (("refuted", rules.refuted), ("family", rules.family), ("possible", rules.possible)):
            if words and pattern.search(words):
                return name
        return ""

    def _none(self, code: str, words: str) -> bool:
        if code.isdigit() and code in self._none_codes:  # a SNOMED concept is no local abbreviation
            return True
        said = words.strip(" .-*")
        if said:
            return said in self._none_codes or self._none_text.fullmatch(said) is not None
        return code.upper() in self._none_codes


def _plain(family: str, code: str) -> str:
    upper = code.upper().strip()
    return upper.replace(".", "") if family in {"icd10", "icd9"} else upper
