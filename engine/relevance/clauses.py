"""The clauses of a rule file that say for whom and when: exams, known facts, and the closed set of conditions."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from engine.order.exam_file import Contrast
from engine.relevance.compiled import ExamMatch, Known
from engine.relevance.conditions import Active, Positive, Present, Rise, Value
from engine.relevance.durations import microseconds


def _duration(value: object) -> object:
    return microseconds(value) if isinstance(value, str) else value


Length = Annotated[int, BeforeValidator(_duration)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Clause(BaseModel):
    """A part of a rule file: frozen, and a field it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class SlotsModel(Clause):
    """Values of an exam, any of each named slot."""

    modality: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    contrast: tuple[Contrast, ...] = ()
    special: tuple[str, ...] = ()


class ExamModel(SlotsModel):
    """One kind of exam that a rule is for: any value of each named slot, all named slots, none of `without`."""

    without: SlotsModel = SlotsModel()
    below_age: int | None = None

    def compiled(self) -> ExamMatch:
        slots = (self.modality, self.region, self.contrast, self.special)
        barred = (self.without.modality, self.without.region, self.without.contrast, self.without.special)
        return ExamMatch(tuple(map(frozenset, slots)), tuple(map(frozenset, barred)), self.below_age)


class KnownModel(Clause):
    """A fact that is known about the patient, used as a condition."""

    concepts: Names
    state: Literal["active", "ever"] = "active"
    without: tuple[str, ...] = ()  # ...unless one of these is known as well
    from_age: int = 0

    def compiled(self) -> Known:
        return Known(self.concepts, self.state == "active", frozenset(self.without), self.from_age)


class ValueModel(Clause):
    """The newest number lies in a range; a comparator counts as all values it allows."""

    op: Literal["value"]
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    units: tuple[str, ...] = ()  # a value in another unit is not judged

    @model_validator(mode="after")
    def _has_a_bound(self) -> "ValueModel":
        if all(bound is None for bound in (self.above, self.at_least, self.below, self.at_most)):
            raise ValueError("give a bound: above, at_least, below or at_most")
        return self

    def compiled(self) -> Value:
        return Value(self.above, self.at_least, self.below, self.at_most, self.units)


class RiseModel(Clause):
    """The newest number has risen over an earlier one, by an amount or by a ratio."""

    op: Literal["rise"]
    by: dict[str, float]  # unit -> amount
    within: Length
    ratio: float
    ratio_within: Length

    def compiled(self) -> Rise:
        return Rise(self.by, self.within, self.ratio, self.ratio_within)


class PositiveModel(Clause):
    """The newest result is positive, in words or as a number above a bound."""

    op: Literal["positive"]
    above: float

    def compiled(self) -> Positive:
        return Positive(self.above)


class PresentModel(Clause):
    """Such a fact is known, one finding for each concept; reactions tell an intolerance from an allergy (T32)."""

    op: Literal["present"]
    state: Literal["active", "ever"] = "active"
    only_reactions: tuple[str, ...] = ()
    not_only_reactions: tuple[str, ...] = ()

    def compiled(self) -> Present:
        only, other = (
            frozenset(word.lower() for word in words) for words in (self.only_reactions, self.not_only_reactions)
        )
        return Present(self.state == "active", only, other)


class ActiveModel(Clause):
    """The period of use overlaps the rule's window (3.0.15), one finding for each concept."""

    op: Literal["active"]

    def compiled(self) -> Active:
        return Active()


WhenModel = Annotated[ValueModel | RiseModel | PositiveModel | PresentModel | ActiveModel, Field(discriminator="op")]
