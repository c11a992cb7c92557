"""mappings/exams.yaml and mappings/tables/exams.csv as they are written, checked field by field."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from engine.source import compiled_pattern, meant

Contrast = Literal["IOD", "GAD", "GADHEP", "IOD_POSSIBLE", "GAD_POSSIBLE", "WO"]
_INTERVENTIONS = frozenset({"IR", "IR_HIGH", "IR_LOW", "LP"})
_NONE = "-"


def _pattern(value: object) -> object:
    if not isinstance(value, str) or not value:
        raise ValueError("a pattern is wanted")
    return compiled_pattern(value)


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

    @model_validator(mode="after")
    def _modalities_are_known(self) -> "ExamsModel":
        for stated, modality in self.obr24.items():
            if modality not in self.modality:
                raise ValueError(f"obr24: {stated} is {modality!r}, which is not under `modality`")
        return self

    @property
    def words(self) -> Mapping[str, frozenset[str]]:
        """What an exam can be, by slot: the names that the patterns are under, and those of interventions."""
        return {
            "modality": frozenset(self.modality) | {"IR"},
            "region": frozenset(self.region) | frozenset(self.region_masked),
            "contrast": frozenset(get_args(Contrast)),
            "special": frozenset(self.special) | _INTERVENTIONS,
        }


class ExamRow(_Model):
    """One row of exams.csv: the site's code and what it means; values joined by `+`.

    An empty cell leaves the slot to the text of the order, `-` says there is none.
    """

    code: str
    modality: str = ""
    region: str = ""
    contrast: str = ""
    special: str = ""


def unknown_words(row: Mapping[str, str], words: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """A sentence for each word of a row that no exam is told by: no rule would ever be for it."""
    for slot, known in words.items():
        for word in row[slot].split("+") if row[slot] not in {"", _NONE} else ():
            if word not in known:
                yield f"{slot}: there is no {word!r}{meant(word, known) or '; there are ' + ', '.join(sorted(known))}"
