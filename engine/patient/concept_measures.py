"""Laboratory results and vital signs by name: LOINC code, name and unit must agree (rules.md 3.2, C25)."""

from functools import lru_cache
from typing import Any, NamedTuple

import re2

from engine.patient.concept_file import BlankUnit, ConceptsModel, MeasureModel

_WORDS = {c: " " for c in range(128) if not chr(c).isalnum()}
_UNIT = str.maketrans({"{": "", "}": "", "[": "", "]": "", "_": "", " ": "", "µ": "u", "μ": "u", "²": "2", "³": "3"})
_NUMBERS = re2.compile(r"\d+(?:\.\d+)?")
_LOINC = re2.compile(r"\d{1,7}-\d")


class Blank(NamedTuple):
    """A unit that an absent unit may stand for: value and reference limits inside the bounds speak for it."""

    unit: str
    value: tuple[float, float]
    reference: tuple[float, float]


class Measured(NamedTuple):
    """What a result is: `lab` or `vital`, its concept, and how to read an absent unit (concept is "" until that is done)."""

    kind: str
    concept: str
    asks: str = ""  # the concept, once value and reference range have told the unit
    blanks: tuple[Blank, ...] = ()

    def unit_by(self, value: float | None, reference: str) -> str:
        """The unit that value and reference range both speak for, or "" (T1, C25)."""
        limits = [float(number) for number in _NUMBERS.findall(reference)] if value is not None else []
        fitting = [
            blank.unit
            for blank in self.blanks
            if value is not None
            and limits
            and blank.value[0] <= value <= blank.value[1]
            and all(blank.reference[0] <= limit <= blank.reference[1] for limit in limits)
        ]
        return fitting[0] if len(fitting) == 1 else ""


NOT_MEASURED = Measured("lab", "")


class _Measure(NamedTuple):
    kind: str
    file: MeasureModel
    units: frozenset[str]
    specimen: Any  # pattern of another specimen's words, or None
    blanks: tuple[Blank, ...]

    def barred(self, name: str) -> bool:
        """Whether the name says that it is something else, or of another specimen."""
        if self.specimen is not None and self.specimen.search(name):
            return True
        if self.file.never is None:
            return False
        rest = self.file.never_mask.sub(" ", name) if self.file.never_mask is not None else name
        return self.file.never.search(rest) is not None

    def named(self, name: str) -> bool:
        return self.file.names.fullmatch(name) is not None and not self.barred(name)

    def answer(self, unit: str) -> Measured:
        concept = self.file.concept
        if not self.units or (unit and folded_unit(unit) in self.units):
            return Measured(self.kind, concept)
        if unit:
            return Measured(self.kind, "")
        if self.file.blank_unit == "accept":
            return Measured(self.kind, concept)
        return Measured(self.kind, "", concept if self.blanks else "", self.blanks)


class Measures:
    """The `labs` and `vitals` of the file."""

    __slots__ = ("_all", "_by_concept", "_by_loinc", "_something_else")

    def __init__(self, file: ConceptsModel) -> None:
        sections = (("lab", file.labs), ("vital", file.vitals))
        self._all = tuple(_compiled(kind, model, file) for kind, models in sections for model in models)
        self._by_loinc = {code: measure for measure in self._all for code in measure.file.loinc}
        self._something_else = file.something_else
        self._by_concept = {measure.file.concept: measure for measure in self._all}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._by_concept)

    def kind_of(self, concept: str) -> str:
        """`lab` or `vital`; "" for a concept that is not measured."""
        measure = self._by_concept.get(concept)
        return measure.kind if measure is not None else ""

    def find(self, family: str, code: str, text: str, unit: str) -> Measured:
        """What the result is; a LOINC code that is not listed is nothing we know, whatever its name says."""
        measure = self._find(family, code, text)
        return measure.answer(unit) if measure is not None else NOT_MEASURED

    def may_be(self, concept: str, code: str, text: str) -> bool:
        """Whether a result that no concept was found for has a code or a name that is about this one."""
        measure = self._by_concept.get(concept)
        if measure is None:
            return False
        if self._by_loinc.get(code) is measure:
            return True  # code and name disagree, and nobody here knows which is right
        names = [folded(word) for word in (text, code) if word]
        other = self._something_else
        if any(measure.barred(name) or (other is not None and other.search(name)) for name in names):
            return False
        return any(measure.file.about.search(name) for name in names)

    def _find(self, family: str, code: str, text: str) -> _Measure | None:
        name, coded = folded(text), folded(code)
        if family == "loinc" or (not family and code in self._by_loinc and _LOINC.fullmatch(code)):
            measure = self._by_loinc.get(code)
            agrees = measure is not None and (name in {"", coded} or bool(measure.file.about.search(name)))
        else:
            measure = self._local(coded, name)
            agrees = True
        return measure if measure is not None and agrees and not measure.barred(name) else None

    def _local(self, coded: str, name: str) -> _Measure | None:
        by_code = self._named(coded)
        if name in {"", coded}:
            return by_code
        by_text = self._named(name)
        if by_code is None or by_code is by_text:
            return by_text
        return by_code if by_text is None and by_code.file.about.search(name) else None

    def _named(self, name: str) -> _Measure | None:
        return next((measure for measure in self._all if measure.named(name)), None) if name else None

    def wrong_specimen(self, concept: str, specimen: str) -> bool:
        """Whether these words say that the specimen is another one than the concept's."""
        measure = self._by_concept.get(concept)
        return measure is not None and measure.specimen is not None and bool(measure.specimen.search(folded(specimen)))


def _compiled(kind: str, model: MeasureModel, file: ConceptsModel) -> _Measure:
    units = frozenset(folded_unit(spelling) for unit in model.units for spelling in (unit, *file.units[unit]))
    blanks: dict[str, BlankUnit] = model.blank_unit if isinstance(model.blank_unit, dict) else {}
    asked = tuple(Blank(unit, bound.value, bound.reference) for unit, bound in blanks.items())
    return _Measure(kind, model, units, file.specimens.get(model.specimen), asked)


def folded(text: str) -> str:
    """Capitals, with punctuation as single blanks."""
    return " ".join(text.upper().translate(_WORDS).split())


@lru_cache(maxsize=4096)
def folded_unit(unit: str) -> str:
    """A unit without case, blanks, braces and a leading x: `x10^3/uL` and `10^3/ul` are one."""
    plain = unit.lower().translate(_UNIT)
    return plain[1:] if plain.startswith("x1") else plain
