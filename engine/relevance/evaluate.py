"""Run the rules of an exam over a patient's facts: which fact matters, and what ought to be known and is not. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.errors import StepError
from engine.patient.fact import Fact, seen
from engine.relevance.absence import Heard, Silence, heard
from engine.relevance.case import Case, Hit
from engine.relevance.compiled import Check, ExamMatch, Missing, Rule, RuleSet, unknown_kind
from engine.relevance.conditions import Active, Positive, Present

# what a rule's code can run into with facts nobody foresaw; anything else stops at the channel boundary
_THROWN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Finding(NamedTuple):
    """One fact, or one missing fact, that a rule selected for an order.

    `kind`: `hit`; `missing` (its feed was heard over the window); `unknown` (it was not, or what came was not understood,
    so nothing is claimed).
    """

    rule: Rule
    check: Check
    severity: str
    kind: str
    hit: Hit | None
    missing: Missing | None = None
    heard: Heard | None = None

    def __repr__(self) -> str:
        return f"Finding({self.rule.id}, {self.severity}, {self.kind})"

    @property
    def abnormal(self) -> bool:
        """A measure outside its limit or flagged, or a reaction; presence and use are not."""
        if self.hit is None or self.hit.fact.certainty == "none_known":
            return False
        fact = self.hit.fact
        measured = not isinstance(self.check.when, Present | Active)
        return measured or fact.kind == "allergy" or fact.flag not in {"", "N"}


def evaluate(rules: RuleSet, case: Case, silence: Silence) -> tuple[Finding, ...]:
    """Every finding of the exam's rules, unranked.

    A rule that throws raises StepError with the rule's id: then no finding is shown and the order leaves as it came
    (D1), since what a broken rule would have said cannot be known.
    """
    found: list[Finding] = []
    held: set[str] = set()
    for rule in rules.for_exam(case.subject.exam):
        try:
            hits, absent = _apply(rule, rules, case, silence, held)
        except _THROWN as problem:
            raise StepError("enrich", "", f"rule {rule.id} threw {type(problem).__name__}") from None
        if hits:
            held.add(rule.id)
        if not any(known.holds(case) for known in rule.unless):
            found += hits
            found += absent
    return tuple(found)


def _apply(
    rule: Rule, rules: RuleSet, case: Case, silence: Silence, held: set[str]
) -> tuple[list[Finding], list[Finding]]:
    unknown = unknown_kind(case.subject.exam)
    wrong_age = rule.by_age and not unknown and not _fits(rule.exams, case)
    if wrong_age or not _person(rule, case) or _named(rule, rules, case):
        return [], []
    hits: list[Finding] = []
    absent: list[Finding] = []
    for check in rule.checks:
        if unknown and check.severity != "S":
            continue
        reason = check.needs.fact(case) if check.needs else None
        if (check.needs and reason is None) or any(known.holds(case) for known in check.unless):
            continue
        mine = check.when.hits(case, check) if not check.with_any or held.intersection(check.with_any) else []
        hits += [Finding(rule, check, check.severity, "hit", hit._replace(reason=reason)) for hit in mine]
        if check.missing and not mine and not unknown:
            absent += _absent(rule, check, check.missing, case, silence)
    return hits, absent


def _absent(rule: Rule, check: Check, missing: Missing, case: Case, silence: Silence) -> list[Finding]:
    if (missing.exams and not _fits(missing.exams, case)) or not _person_known(rule, case):
        return []
    if check.when.usable(case, check, missing.window) or any(known.holds(case) for known in missing.unless):
        return []
    said = heard(case, check.kinds[0], missing.window, silence)
    if said is None:
        return []
    found = case.unread(check.concepts, check.kinds, missing.window)
    telling = [fact for fact in found if _may_tell(fact, check)]
    unread, may_tell = next(iter(telling or found), None), bool(telling)
    said = said._replace(last=_before(check, case, missing.window), unread=unread, may_tell=may_tell)
    if said.covers and not may_tell:
        return [Finding(rule, check, missing.severity, "missing", None, missing, said)]
    severity = "I" if missing.severity == "S" else missing.severity  # never safety by itself (D13)
    return [Finding(rule, check, severity, "unknown", None, missing, said)]


def _may_tell(unread: Fact, check: Check) -> bool:
    """Whether a result that the check cannot use may say what it asks: a number in another unit, words for yes or no.

    Words where a number is asked (HEMOLYZED, SEE NOTE) are no value, so that its absence can be stated (T10).
    """
    return isinstance(check.when, Positive) or any(map(str.isdigit, unread.value_text))


def _before(check: Check, case: Case, window: int) -> Fact | None:
    """The newest result of the check's concepts before the window: a number, or words where yes or no is asked."""
    words = isinstance(check.when, Positive)
    told = (f for f in case.facts(check.concepts, check.kinds) if f.value is not None or (words and f.value_text))
    return next((fact for fact in told if not case.within(fact, window)), None)


def rank(findings: Iterable[Finding], order_text: str) -> tuple[Finding, ...]:
    """Most important first: S, I, C; inside: abnormal, recent, coded; the same fact once.

    What the order's own text says already ranks lower inside I and C, never inside S (rules.md 3.0.18).
    """
    ranked = sorted(findings, key=lambda finding: _place(finding, order_text))
    shown: set[tuple[int, int, int, str]] = set()
    kept = []
    for finding in ranked:
        if finding.hit is not None:
            fact = finding.hit.fact
            identity = (fact.entry, fact.run, fact.ordinal, fact.kind)
            if identity in shown:
                continue
            shown.add(identity)
        kept.append(finding)
    return tuple(kept)


def _place(finding: Finding, order_text: str) -> tuple[int, int, bool, bool, int, bool, int]:
    tier = "SIC".index(finding.severity)
    absent = ("hit", "missing", "unknown").index(finding.kind)
    said = tier > 0 and any(word in order_text for word in finding.check.mention)
    fact = finding.hit.fact if finding.hit else None
    recent = seen(fact) if fact else 0
    return tier, absent, said, not finding.abnormal, -recent, not (fact and fact.code), finding.rule.order


def _fits(exams: Sequence[ExamMatch], case: Case) -> bool:
    return any(match.fits_age(case.age) and match.fits(case.subject.exam) for match in exams)


def _person(rule: Rule, case: Case) -> bool:
    sex = case.subject.sex
    if rule.sexes and sex in {"M", "F"} and sex not in rule.sexes:
        return False
    return case.age is None or rule.ages[0] <= case.age <= rule.ages[1]


def _person_known(rule: Rule, case: Case) -> bool:
    everybody = not rule.sexes and rule.ages == (0, 150)
    return everybody or (case.subject.sex in rule.sexes and case.age is not None)


def _named(rule: Rule, rules: RuleSet, case: Case) -> bool:
    return any(word in case.subject.text for group in rule.agents for word in rules.agents[group])
