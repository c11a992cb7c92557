"""What a coded statement is about: the canonical name of its concept, or none where code, name and unit disagree.

Wrong codes are common in feeds (rules.md 3.2), and a rule that fires on a wrong code harms; so a statement that does not
agree with itself keeps its text and gets no concept. Every question is asked once per spelling: answers are cached.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from engine.patient.concept_coded import CodedConcepts
from engine.patient.concept_file import ConceptsModel
from engine.patient.concept_measures import NOT_MEASURED, Measured, Measures

__all__ = ["Concepts", "Statement", "parse_concepts"]

_CACHE = 32_768  # spellings of one site


class Statement(NamedTuple):
    """Of a coded statement that is no measurement: its concept and how sure it is (Fact.certainty)."""

    concept: str
    certainty: str


class Concepts:
    """The site's concepts; made by `parse_concepts`."""

    __slots__ = ("_coded", "_families", "_measures", "may_be", "measured", "statement")

    def __init__(self, file: ConceptsModel) -> None:
        self._families = {name.upper(): family for family, names in file.systems.items() for name in names}
        self._measures = Measures(file)
        self._coded = CodedConcepts(file)
        self.measured = lru_cache(_CACHE)(self._measured)
        self.may_be = lru_cache(_CACHE)(self._measures.may_be)
        self.statement = lru_cache(_CACHE)(self._statement)

    def __repr__(self) -> str:
        return f"<Concepts {len(self.names())}>"

    def names(self) -> frozenset[str]:
        """Every concept of the file: what a rule may ask for."""
        return self._measures.names | self._coded.names

    def kind_of(self, concept: str) -> str:
        """`lab` or `vital` for what is measured, "" for any other concept and for a name that is none."""
        return self._measures.kind_of(concept)

    def family(self, system: str) -> str:
        """`loinc icd10 icd9 snomed rxnorm atc`, or "" for a local or unknown coding system."""
        return self._families.get(system, "") or self._families.get(system.upper(), "")

    def concept_of(self, kind: str, code: str, system: str, text: str, unit: str = "") -> str:
        """The concept, or "" where it is unknown or code, name and unit do not agree (C25, C26)."""
        if kind in {"lab", "vital"}:
            return self.measured(code, system, text, unit).concept
        return self.statement(kind, code, system, text).concept

    def _measured(self, code: str, system: str, text: str, unit: str) -> Measured:
        family = self.family(system)
        if family not in {"", "loinc"}:
            return NOT_MEASURED
        return self._measures.find(family, code, text, unit)

    def _statement(self, kind: str, code: str, system: str, text: str) -> Statement:
        family = self.family(system)
        certainty = self._coded.certainty(kind, family, code, text)
        if certainty == "none_known":
            return Statement("", certainty)
        return Statement(self._coded.find(kind, family, code, text), certainty)

    def wrong_specimen(self, concept: str, specimen: str) -> bool:
        """Whether the words for the specimen (OBR-15, SPM-4) say it is not the one this concept is measured in."""
        return self._measures.wrong_specimen(concept, specimen)


def parse_concepts(document: Mapping[str, Any]) -> Concepts:
    """The concepts of mappings/concepts.yaml, read with all scalars as text; raises pydantic's ValidationError."""
    return Concepts(ConceptsModel.model_validate(document))
