"""What a rule can ask of a patient's facts: a number in a range, a rise, a positive result, presence, use.

A closed set, so that a rule file cannot run code; each condition says in words what it asks, since thresholds are shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.patient.concept_measures import folded_unit
from engine.patient.fact import Fact, latest, seen
from engine.relevance.allergy import reactions, severity
from engine.relevance.case import Case, Hit, ended
from engine.relevance.compiled import Check
from engine.relevance.durations import spoken

_POSITIVE = frozenset({"POS", "POSITIVE", "DETECTED", "REACTIVE", "PRESENT", "+", "PREGNANT", "YES"})
_NEGATIVE = frozenset({"NEG", "NEGATIVE", "NOT DETECTED", "NON REACTIVE", "NONREACTIVE", "ABSENT", "-", "NO"})
_WORST = ("severe", "moderate", "", "mild")  # unknown is worse than mild
_TINY = 1e-9  # 1.3 - 1.0 is 0.30000000000000004


class Value(NamedTuple):
    """The newest number lies in a range. A comparator stands for all values it allows: `>60` is not below 30 (T2)."""

    above: float | None
    at_least: float | None
    below: float | None
    at_most: float | None
    units: tuple[str, ...]

    def hits(self, case: Case, check: Check) -> list[Hit]:
        found = _newest(case, check, check.window, self.units)
        if found is None or not self._holds(found):
            return []
        return [_measured(case, check, found)]

    def usable(self, case: Case, check: Check, window: int) -> bool:
        return _newest(case, check, window, self.units) is not None

    def limit(self) -> str:
        said = (("above", self.above), ("", self.at_least), ("below", self.below), ("up to", self.at_most))
        parts = [f"{word} {bound:g}".strip() for word, bound in said if bound is not None]
        if len(parts) == 1 and self.at_least is not None:
            return f"{parts[0]} or more"
        return ", ".join(parts)

    def _holds(self, fact: Fact) -> bool:
        value, sign = fact.value, fact.comparator
        if value is None:
            return False
        low = sign in {"", ">", ">="} or (self.above is None and self.at_least is None)
        high = sign in {"", "<", "<="} or (self.below is None and self.at_most is None)
        return (
            low
            and high
            and (self.above is None or value > self.above or (sign == ">" and value == self.above))
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below or (sign == "<" and value == self.below))
            and (self.at_most is None or value <= self.at_most)
        )


class Rise(NamedTuple):
    """The newest number has risen over one of the earlier, by an amount within a time or by a ratio within another."""

    by: Mapping[str, float]  # unit -> amount
    within: int
    ratio: float
    ratio_within: int

    def hits(self, case: Case, check: Check) -> list[Hit]:
        latest = _newest(case, check, check.window, tuple(self.by))
        if latest is None or latest.comparator:
            return []
        earlier = case.earlier(latest)
        risen = any(self._risen(latest, past) for past in earlier)
        return [Hit(latest, series=earlier)] if risen else []

    def usable(self, case: Case, check: Check, window: int) -> bool:
        return _newest(case, check, window, tuple(self.by)) is not None

    def limit(self) -> str:
        first = {amount: unit for unit, amount in reversed(list(self.by.items()))}  # one spelling of a unit is enough
        amounts = " or ".join(f"{amount:g} {unit}" for amount, unit in sorted(first.items()))
        return f"risen {amounts} in {spoken(self.within)} or {self.ratio:g} times in {spoken(self.ratio_within)}"

    def _risen(self, latest: Fact, past: Fact) -> bool:
        if latest.value is None or past.value is None:
            return False
        apart = seen(latest) - seen(past)
        amount = next((by for unit, by in self.by.items() if folded_unit(unit) == folded_unit(latest.unit)), None)
        if amount is not None and apart <= self.within and latest.value - past.value >= amount - _TINY:
            return True
        return apart <= self.ratio_within and past.value > 0 and latest.value / past.value >= self.ratio - _TINY


class Positive(NamedTuple):
    """The newest result that says yes or no says yes, in words or as a number above a bound."""

    above: float

    def hits(self, case: Case, check: Check) -> list[Hit]:
        for fact in case.facts(check.concepts, check.kinds):
            said = self._says(fact)
            if said is not None and case.within(fact, check.window):
                return [Hit(fact)] if said else []
        return []

    def usable(self, case: Case, check: Check, window: int) -> bool:
        return any(
            self._says(fact) is not None and case.within(fact, window)
            for fact in case.facts(check.concepts, check.kinds)
        )

    def limit(self) -> str:
        return f"positive or above {self.above:g}"

    def _says(self, fact: Fact) -> bool | None:
        if fact.value is None:
            said = fact.value_text.strip().upper()
            word = said if len(said) == 1 else " ".join(said.replace("-", " ").split())
            return True if word in _POSITIVE else False if word in _NEGATIVE else None
        if fact.comparator.startswith("<"):
            return False if fact.value <= self.above else None
        if fact.comparator:
            return True if fact.value >= self.above else None
        return fact.value > self.above


class Present(NamedTuple):
    """Such a fact is known: one finding for each concept, its worst or newest fact in front (T31)."""

    active: bool
    only_reactions: frozenset[str]
    not_only_reactions: frozenset[str]

    def hits(self, case: Case, check: Check) -> list[Hit]:
        if check.certainty == "none_known":
            return self._none_known(case, check)
        found = [
            fact
            for fact in case.facts(check.concepts, check.kinds)
            if case.within(fact, check.window) and not (self.active and ended(fact, case.anchor))
        ]
        hits = [_one_of(group) for group in _by_concept(found)]
        return [hit for hit in hits if self._reacted((hit.fact, *hit.others))]

    def usable(self, case: Case, check: Check, window: int) -> bool:
        return any(case.within(fact, window) for fact in case.facts(check.concepts, check.kinds))

    def limit(self) -> str:
        return "on record"

    def _none_known(self, case: Case, check: Check) -> list[Hit]:
        stated = [fact for fact in case.none_known if fact.kind in check.kinds]
        others = check.alone and not case.kinds.isdisjoint(check.kinds)
        return [Hit(max(stated, key=seen))] if stated and not others else []

    def _reacted(self, facts: Sequence[Fact]) -> bool:
        if not (self.only_reactions or self.not_only_reactions):
            return True
        mild = self.only_reactions or self.not_only_reactions
        only_mild = all(
            severity(fact) in {"", "mild"} and (words := reactions(fact)) and mild.issuperset(words) for fact in facts
        )
        return only_mild if self.only_reactions else not only_mild


class Active(NamedTuple):
    """The period of use overlaps the window: long-term warfarin without an end is in use (rules.md 3.0.15)."""

    def hits(self, case: Case, check: Check) -> list[Hit]:
        used = [fact for fact in case.facts(check.concepts, check.kinds) if _overlaps(case, fact, check.window)]
        return [_one_of(group) for group in _by_concept(used)]

    def usable(self, case: Case, check: Check, window: int) -> bool:
        return any(_overlaps(case, fact, window) for fact in case.facts(check.concepts, check.kinds))

    def limit(self) -> str:
        return "in use"


def _overlaps(case: Case, fact: Fact, window: int) -> bool:
    if seen(fact) > case.anchor:
        return False
    if fact.ended:
        return window == 0 or latest(fact.ended) >= case.anchor - window
    return not ended(fact, case.anchor)


def _newest(case: Case, check: Check, window: int, units: tuple[str, ...]) -> Fact | None:
    """The newest judgeable number of the window; of one moment the preferred code, a last resort only when alone."""
    found = [
        fact
        for fact in case.facts(check.concepts, check.kinds)
        if fact.value is not None and case.within(fact, window) and _in_unit(fact, units)
    ]
    found = [fact for fact in found if fact.code not in check.last_resort] or found
    if not found:
        return None
    moment = [fact for fact in found if seen(fact) == seen(found[0])]
    return min(
        moment, key=lambda fact: check.prefer.index(fact.code) if fact.code in check.prefer else len(check.prefer)
    )


def _measured(case: Case, check: Check, fact: Fact) -> Hit:
    stale = bool(check.stale_after and case.subject.inpatient and not case.within(fact, check.stale_after))
    earlier = () if fact.comparator else case.earlier(fact)
    return Hit(fact, series=earlier, stale=stale, formula=check.last_resort.get(fact.code, ""))


def _by_concept(facts: Iterable[Fact]) -> list[list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.concept, []).append(fact)
    return list(groups.values())


def _one_of(group: list[Fact]) -> Hit:
    if len(group) > 1 and group[0].kind == "allergy":
        group = sorted(group, key=lambda fact: (_WORST.index(severity(fact)), not fact.value_text))
    return Hit(group[0], tuple(group[1:]))


def _in_unit(fact: Fact, units: tuple[str, ...]) -> bool:
    return not units or not fact.unit or folded_unit(fact.unit) in {folded_unit(unit) for unit in units}
