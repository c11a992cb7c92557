"""Rules as the engine runs them: immutable, cross-checked, and looked up by the exam."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, Protocol

from engine.errors import ConfigError
from engine.order.order import Exam
from engine.patient.fact import Fact
from engine.relevance.case import Case, Hit, ended
from engine.relevance.templates import Template

Agents = dict[str, tuple[str, ...]]  # group -> names in capitals
_MAX_EXAMS = 4096  # exams differ by a few hundred sets; a feed of nonsense must not grow the index for ever


class Condition(Protocol):
    """What `when:` compiles to."""

    def hits(self, case: Case, check: "Check") -> list[Hit]:
        """The facts that meet the condition."""
        ...

    def usable(self, case: Case, check: "Check", window: int) -> bool:
        """Whether any value that could be judged is known in the window; where not, it is missing."""
        ...

    def limit(self) -> str:
        """The condition in words, `below 30`."""
        ...


class ExamMatch(NamedTuple):
    """Values of (modality, region, contrast, special): any of each slot that is not empty, none of `barred`."""

    slots: tuple[frozenset[str], ...]
    barred: tuple[frozenset[str], ...]
    below_age: int | None

    def fits(self, exam: Exam) -> bool:
        """Whether the exam itself fits, whatever the age."""
        actual = (exam.modality, exam.region, exam.contrast, exam.special)
        return all(not wanted or wanted & has for wanted, has in zip(self.slots, actual, strict=True)) and not any(
            barred & has for barred, has in zip(self.barred, actual, strict=True)
        )

    def fits_age(self, age: int | None) -> bool:
        return self.below_age is None or (age is not None and age < self.below_age)


class Known(NamedTuple):
    """A condition that some fact is known, active at the exam or ever."""

    concepts: tuple[str, ...]
    active: bool
    without: frozenset[str]
    from_age: int

    def holds(self, case: Case) -> bool:
        """Whether it is sure: what is only possible silences nothing."""
        return self.fact(case, sure=True) is not None

    def fact(self, case: Case, *, sure: bool = False) -> Fact | None:
        """The newest such Fact, or None; with `sure` one that is not merely possible."""
        if any(concept in case.by_concept for concept in self.without) or (
            self.from_age and (case.age is None or case.age < self.from_age)
        ):
            return None
        for concept in self.concepts:
            for fact in case.by_concept.get(concept, ()):
                if not (self.active and ended(fact, case.anchor)) and not (sure and fact.certainty == "possible"):
                    return fact
        return None


class Missing(NamedTuple):
    """What a check says where nothing usable is known (D13)."""

    name: str
    severity: str
    window: int
    h64: Template | None
    exams: tuple[ExamMatch, ...]
    unless: tuple[Known, ...]


class Check(NamedTuple):
    """One thing a rule looks for; windows are microseconds, 0 = ever."""

    kinds: tuple[str, ...]
    concepts: tuple[str, ...]
    certainty: str
    alone: bool
    names: Mapping[str, str]
    prefer: tuple[str, ...]
    last_resort: Mapping[str, str]
    when: Condition
    window: int
    stale_after: int
    severity: str
    with_any: tuple[str, ...]
    needs: Known | None
    unless: tuple[Known, ...]
    mention: tuple[str, ...]
    h64: Template | None
    line: Template
    missing: Missing | None


class Rule(NamedTuple):
    """A relevance rule. `order` is its place in the files, which settles ties."""

    id: str
    title: str
    exams: tuple[ExamMatch, ...]
    by_age: bool  # whether any of them asks for the age
    sexes: frozenset[str]
    ages: tuple[int, int]
    agents: tuple[str, ...]
    unless: tuple[Known, ...]
    severity: str
    checks: tuple[Check, ...]
    source: str
    evidence: str
    reviewed: str | None
    order: int


class RuleSet:
    """All rules of a site, in the order in which they are evaluated; asked by exam."""

    __slots__ = ("_by_exam", "agents", "concepts", "rules")

    def __init__(self, rules: Sequence[Rule], agents: Mapping[str, tuple[str, ...]]) -> None:
        self.rules = tuple(rules)
        self.agents = dict(agents)
        self.concepts = frozenset(_concepts(self.rules))  # what mappings/concepts.yaml must know
        self._by_exam: dict[Exam, tuple[Rule, ...]] = {}

    def __repr__(self) -> str:
        return f"RuleSet({len(self.rules)} rules)"

    def for_exam(self, exam: Exam) -> tuple[Rule, ...]:
        """The rules whose exams include this one; for an exam of unknown kind every safety rule (rules.md 3.1.5)."""
        found = self._by_exam.get(exam)
        if found is None:
            if len(self._by_exam) >= _MAX_EXAMS:
                self._by_exam.clear()
            found = tuple(rule for rule in self.rules if _meant(rule, exam))
            self._by_exam[exam] = found
        return found


def unknown_kind(exam: Exam) -> bool:
    """Whether nothing could be told about the exam; the rules of safety apply then, and nothing is called missing."""
    return not (exam.modality or exam.contrast or exam.special)


class RuleError(ConfigError):
    """A rule that does not go with the others; `rule` is its id."""

    def __init__(self, rule: str, problem: str) -> None:
        super().__init__(problem)
        self.rule = rule


def compile_rules(rules: Sequence[Rule], agents: Agents) -> RuleSet:
    """Check the rules against each other and order them; raises RuleError."""
    by_id = {rule.id: rule for rule in rules}
    for rule in rules:
        if by_id[rule.id] is not rule:
            raise RuleError(rule.id, f"rule {rule.id} is there twice")
        _known(rule, "rule", (other for check in rule.checks for other in check.with_any), by_id)
        _known(rule, "agent group", rule.agents, agents)
    graph = {rule.id: [other for check in rule.checks for other in check.with_any] for rule in rules}
    try:
        ordered = list(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        raise RuleError(cycle.args[1][0], f"rules wait for each other: {' -> '.join(cycle.args[1])}") from None
    return RuleSet([by_id[name] for name in ordered], agents)


def _known(rule: Rule, what: str, names: Iterable[str], there: Mapping[str, object]) -> None:
    for name in names:
        if name not in there:
            near = difflib.get_close_matches(name, there, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise RuleError(rule.id, f"rule {rule.id}: no {what} {name}{hint}")


def _meant(rule: Rule, exam: Exam) -> bool:
    if unknown_kind(exam):
        return any(check.severity == "S" for check in rule.checks)
    return any(match.fits(exam) for match in rule.exams)


def _concepts(rules: Sequence[Rule]) -> set[str]:
    found: set[str] = set()
    for rule in rules:
        known = [*rule.unless]
        for check in rule.checks:
            found.update(check.concepts)
            known += [*check.unless, *([check.needs] if check.needs else [])]
            known += check.missing.unless if check.missing else ()
        for condition in known:
            found.update(condition.concepts, condition.without)
    return found
