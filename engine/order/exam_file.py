"""mappings/exams.yaml and mappings/tables/exams.csv as they are written, checked field by field."""

from collections.abc import Mapping
from typing import Annotated, Any

import re2
from pydantic import BaseModel, BeforeValidator, ConfigDict


def _pattern(value: object) -> object:
    if not isinstance(value, str) or not value:
        raise ValueError("a pattern is wanted")
    try:
        return re2.compile(value)
    except re2.error as problem:
        raise ValueError(f"no google-re2 pattern: {problem.args[0]!r}") from None


Pattern = Annotated[Any, BeforeValidator(_pattern)]
Patterns = Mapping[str, Pattern]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class ContrastModel(_Model):
    """Words about contrast; `without` is taken out of the text before `with` is looked for."""

    mask: Pattern
    both: Pattern
    without: Pattern
    with_: Pattern
    iodine: Pattern
    iodine_usual: Pattern
    hepatobiliary: Pattern
    possible: frozenset[str]
    never_gadolinium: Pattern
    no_gadolinium_alone: frozenset[str]

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, alias_generator=lambda name: name.rstrip("_")
    )


class InterventionModel(_Model):
    """Words that make an exam an intervention, and of which risk."""

    mask: Pattern
    any: Pattern
    not_with: frozenset[str]
    generic: Pattern
    exchange: Pattern
    high: Pattern
    low: Pattern
    low_site: Pattern
    puncture: Pattern
    vascular: Pattern


class ExamsModel(_Model):
    """The whole of exams.yaml."""

    obr24: Mapping[str, str]
    modality: Patterns
    plain: Pattern
    region: Patterns
    region_mask: Pattern
    region_masked: Patterns
    contrast: ContrastModel
    special: Patterns
    intervention: InterventionModel
    loinc: Mapping[str, str]


class ExamRow(_Model):
    """One row of exams.csv: the site's code and what it means; values joined by `+`.

    An empty cell leaves the slot to the text of the order, `-` says there is none.
    """

    code: str
    modality: str = ""
    region: str = ""
    contrast: str = ""
    special: str = ""
