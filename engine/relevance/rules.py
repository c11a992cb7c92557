"""A relevance rule as its YAML file writes it, checked field by field.

A file of mappings/relevance/ holds `rules:` (a list) and may hold `agents:` (names of contrast agents by group). Values
arrive as text, as all YAML of a site does; each mistake is a pydantic error with its place, which `backstory check` turns
into line and column. What the engine runs is the `RuleSet` that `engine.relevance.compiled` makes of them.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from engine.relevance.clauses import Clause, ExamModel, KnownModel, Length, WhenModel
from engine.relevance.compiled import Agents, Check, Missing, Rule, RuleError, RuleSet, compile_rules
from engine.relevance.durations import EVER
from engine.relevance.templates import REFUSED_WORDS, Template, parse_template, refused_words

__all__ = ["REFUSED_WORDS", "RuleError", "RuleFile", "RuleModel", "RuleSet", "parse_rule_files", "refused_words"]

Severity = Literal["S", "I", "C"]  # safety, changes the interpretation, context
Kind = Literal["allergy", "problem", "lab", "vital", "medication", "procedure", "device", "pregnancy"]


def _template(value: object) -> object:
    return parse_template(value) if isinstance(value, str) else value


def _nothing(value: object) -> object:
    return None if value in {"", "null", "~"} else value


Text = Annotated[Template, BeforeValidator(_template)]


class WindowModel(Clause):
    """How far to look back from the exam; `stale` marks what is older than an inpatient's shorter window (3.0.5)."""

    outpatient: Length
    inpatient: Length | None = None


class PersonModel(Clause):
    """Whom the rule is for; who cannot be told (sex or birth date not sent) is included, yet nothing is missed of them."""

    sex: tuple[str, ...] = ()
    from_age: int = 0
    to_age: int = 150


class FactsModel(Clause):
    """Which facts a check looks at."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)]
    concepts: tuple[str, ...] = ()
    certainty: Literal["stated", "none_known"] = "stated"
    alone: bool = False  # only where no other fact of these kinds is held
    names: dict[str, str] = Field(default_factory=dict)  # concept -> the word for it in {name}
    prefer: tuple[str, ...] = ()  # codes, best first, among values of one moment (T3)
    last_resort: dict[str, str] = Field(
        default_factory=dict
    )  # codes used only where they are the only ones -> their {formula}

    @model_validator(mode="after")
    def _says_what(self) -> "FactsModel":
        if not self.concepts and self.certainty == "stated":
            raise ValueError("name the concepts")
        return self


class RenderModel(Clause):
    """How a finding reads: `h64` in the headline (none: not there), `line` in the note."""

    h64: Text | None = None
    line: Text


class MissingModel(Clause):
    """What is said where no usable value is known in the window and its feed was heard over all of it (D13)."""

    name: str
    severity: Severity
    window: Length | None = None  # else the rule's
    h64: Text | None = None
    exams: tuple[ExamModel, ...] = ()  # else the rule's
    unless: tuple[KnownModel, ...] = ()

    @field_validator("h64")
    @classmethod
    def _names_no_fact(cls, template: Template | None) -> Template | None:
        if template and any(name not in {"", "window"} for _, name in template.parts):
            raise ValueError("what is missing has no fact: {window} is the only name here")
        return template

    def compiled(self, window: int) -> Missing:
        exams = tuple(exam.compiled() for exam in self.exams)
        unless = tuple(known.compiled() for known in self.unless)
        return Missing(
            self.name, self.severity, window if self.window is None else self.window, self.h64, exams, unless
        )


class CheckModel(Clause):
    """One thing a rule looks for."""

    facts: FactsModel
    when: WhenModel
    render: RenderModel
    severity: Severity | None = None  # else the rule's
    window: WindowModel | None = None  # else the rule's
    with_any: tuple[str, ...] = ()  # ids of rules of which one must hold as well, silenced or not
    needs: KnownModel | None = None  # a fact that must be known; {reason} names it
    unless: tuple[KnownModel, ...] = ()  # facts that silence this check
    mention: tuple[str, ...] = ()  # words that show that the order says it itself
    missing: MissingModel | None = None


class RuleModel(Clause):
    """A rule: for which exams, what it looks for, how it reads, and on whose word."""

    id: Annotated[str, Field(pattern=r"^R[0-9]{2,3}$")]
    title: Annotated[str, Field(min_length=1)]
    exams: Annotated[tuple[ExamModel, ...], Field(min_length=1)]
    person: PersonModel = PersonModel()
    agents: tuple[str, ...] = ()  # silent where the order names an agent of these groups
    window: WindowModel = WindowModel(outpatient=EVER)
    unless: tuple[KnownModel, ...] = ()
    severity: Severity
    checks: Annotated[tuple[CheckModel, ...], Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    evidence: Literal["V", "S", "M", "K"]
    reviewed: Annotated[str | None, BeforeValidator(_nothing)] = None

    @model_validator(mode="after")
    def _safety_has_a_headline(self) -> "RuleModel":
        for check in self.checks:
            if (check.severity or self.severity) == "S" and check.render.h64 is None:
                raise ValueError("a safety finding stands in the headline: give its render an h64")
        return self

    def compiled(self, order: int) -> Rule:
        checks = tuple(self._check(check) for check in self.checks)
        return Rule(
            id=self.id,
            title=self.title,
            exams=tuple(exam.compiled() for exam in self.exams),
            by_age=any(exam.below_age is not None for exam in self.exams),
            sexes=frozenset(self.person.sex),
            ages=(self.person.from_age, self.person.to_age),
            agents=self.agents,
            unless=tuple(known.compiled() for known in self.unless),
            severity=self.severity,
            checks=checks,
            source=self.source,
            evidence=self.evidence,
            reviewed=self.reviewed,
            order=order,
        )

    def _check(self, check: CheckModel) -> Check:
        window = check.window or self.window
        facts = check.facts
        return Check(
            kinds=facts.kinds,
            concepts=facts.concepts,
            certainty=facts.certainty,
            alone=facts.alone,
            names=facts.names,
            prefer=facts.prefer,
            last_resort=facts.last_resort,
            when=check.when.compiled(),
            window=window.outpatient,
            stale_after=window.inpatient or 0,
            severity=check.severity or self.severity,
            with_any=check.with_any,
            needs=check.needs.compiled() if check.needs else None,
            unless=tuple(known.compiled() for known in check.unless),
            mention=tuple(word.upper() for word in check.mention),
            h64=check.render.h64,
            line=check.render.line,
            missing=check.missing.compiled(window.outpatient) if check.missing else None,
        )


class RuleFile(Clause):
    """One file of mappings/relevance/."""

    rules: tuple[RuleModel, ...] = ()
    agents: dict[str, tuple[str, ...]] = Field(default_factory=dict)


def parse_rule_files(files: list[Any]) -> RuleSet:
    """The rule set of plain dicts or RuleFiles, in the files' order.

    Raises pydantic's ValidationError for a wrong field and RuleError for what only all files together show: an id
    given twice, a rule or group that is not there, rules that wait for each other.
    """
    parsed = [RuleFile.model_validate(file) for file in files]
    models = [model for file in parsed for model in file.rules]
    agents: Agents = {}
    for file in parsed:
        for group, words in file.agents.items():
            agents[group] = (*agents.get(group, ()), *(word.upper() for word in words))
    return compile_rules([model.compiled(order) for order, model in enumerate(models)], agents)
