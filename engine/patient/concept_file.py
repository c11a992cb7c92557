"""mappings/concepts.yaml as it is written, checked field by field.

Values arrive as text, as all YAML of a site does; each mistake is a pydantic error with its place, which `backstory check`
turns into line and column. What the engine asks is the `Concepts` that `engine.patient.concept` makes of it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from engine.source import compiled_pattern

Family = Literal["loinc", "icd10", "icd9", "snomed", "rxnorm", "atc"]
Specimen = Literal["blood", "urine", "any"]
CodedKind = Literal["allergy", "problem", "medication", "document", "device", "procedure"]


def _pattern(value: object) -> object:
    if not isinstance(value, str):
        return value
    return compiled_pattern(value) if value else None


Pattern = Annotated[Any, BeforeValidator(_pattern)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Range = tuple[float, float]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class BlankUnit(_Model):
    """The values, and the limits of the reference range, that speak for a unit which was not sent."""

    value: Range
    reference: Range


class MeasureModel(_Model):
    """A laboratory result or vital sign."""

    concept: str
    loinc: tuple[str, ...] = ()
    about: Pattern
    names: Pattern
    never: Pattern = None
    never_mask: Pattern = None
    specimen: Specimen = "blood"
    units: tuple[str, ...] = ()
    blank_unit: Literal["accept", "raw"] | dict[str, BlankUnit] = "raw"


class CodedModel(_Model):
    """Something that is named by a code or in words."""

    concept: str
    kinds: tuple[CodedKind, ...] = ()  # where it is found in more kinds than its section's
    loinc: tuple[str, ...] = ()
    icd10: tuple[str, ...] = ()
    icd9: tuple[str, ...] = ()
    snomed: tuple[str, ...] = ()
    rxnorm: tuple[str, ...] = ()
    atc: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()  # codes sent without a system or in a local one
    text: Pattern = None
    mask: Pattern = None


class NoneKnownModel(_Model):
    """How an allergy row says that there is no allergy (T30)."""

    codes: Names
    text: Pattern


class CertaintyModel(_Model):
    """Words that deny, doubt or move a statement to the family."""

    family_icd10: tuple[str, ...] = ()
    refuted: Pattern
    family: Pattern
    possible: Pattern


class ConceptsModel(_Model):
    """The whole file."""

    systems: dict[Family, Names]
    specimens: dict[Specimen, Pattern]
    something_else: Pattern = None
    units: dict[str, Names]
    labs: tuple[MeasureModel, ...] = ()
    vitals: tuple[MeasureModel, ...] = ()
    allergies: tuple[CodedModel, ...] = ()
    problems: tuple[CodedModel, ...] = ()
    medications: tuple[CodedModel, ...] = ()
    documents: tuple[CodedModel, ...] = ()
    none_known: NoneKnownModel
    certainty: CertaintyModel

    @model_validator(mode="after")
    def _units_are_defined(self) -> "ConceptsModel":
        for measure in (*self.labs, *self.vitals):
            blank = measure.blank_unit if isinstance(measure.blank_unit, dict) else {}
            unknown = [unit for unit in (*measure.units, *blank) if unit not in self.units]
            if unknown:
                raise ValueError(f"{measure.concept}: unit {unknown[0]!r} is not under `units`")
        return self

    @model_validator(mode="after")
    def _a_code_has_one_meaning(self) -> "ConceptsModel":
        owners: dict[str, str] = {}
        for measure in (*self.labs, *self.vitals):
            for code in measure.loinc:
                if owners.setdefault(code, measure.concept) != measure.concept:
                    raise ValueError(f"LOINC {code} is listed for {owners[code]} and {measure.concept}")
        return self
