"""What is known about a patient now, or was at a time: a fold over append-only facts.

Of all rows that speak of one thing (`Fact.key`) the newest holds; a withdrawal is a newest row that says so; a snapshot
marker ends the older rows of its set. Nothing is ever changed, so "as it was at 09:12" is the same fold over fewer rows.
"""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from engine.patient.coverage import Coverage
from engine.patient.fact import Demographics, Fact, seen

__all__ = ["PatientContext", "retracts"]

# of rows of one version the stricter status holds (rules.md 3.0.25)
_RANKS = {"S": 0, "I": 1, "R": 2, "P": 2, "F": 3, "": 3, "U": 3, "C": 4, "X": 5, "D": 6, "W": 7}
_RETRACTED = frozenset("DWX")
_SETS = frozenset({"allergy", "problem", "demographics"})  # each identifier's own list: another's cannot replace it

_Slot = tuple[str, ...]


class _Mark(NamedTuple):
    """The newest snapshot marker of a set."""

    version: int
    entry: int


class _Fold:
    """Rows by the thing they speak of, and the newest markers; grows by adding rows in any order."""

    __slots__ = ("held", "marks", "named", "people")

    def __init__(
        self,
        held: dict[_Slot, Fact] | None = None,
        marks: dict[_Slot, _Mark] | None = None,
        people: list[Fact] | None = None,
        named: list[Fact] | None = None,
    ) -> None:
        self.held = held if held is not None else {}
        self.marks = marks if marks is not None else {}
        self.people = people if people is not None else []
        self.named = named if named is not None else []

    def copy(self) -> "_Fold":
        return _Fold(self.held.copy(), self.marks.copy(), self.people.copy(), self.named.copy())

    def add(self, facts: Iterable[Fact]) -> None:
        held = self.held
        for fact in facts:
            kind = fact.kind
            if kind == "demographics":
                self.people.append(fact)
            elif kind == "snapshot":
                self._mark(fact)
            elif kind == "person":
                self.named.append(fact)
            else:
                slot = (kind, fact.key, fact.patient) if kind in _SETS else (kind, fact.key)
                before = held.get(slot)
                if before is None or _supersedes(fact, before):
                    held[slot] = fact

    def _mark(self, fact: Fact) -> None:
        slot = (fact.patient, fact.text, fact.path[:3], fact.visit)
        mark = _Mark(fact.version, fact.entry)
        if mark > self.marks.get(slot, _Mark(-1, 0)):
            self.marks[slot] = mark

    def ended(self, fact: Fact) -> bool:
        """Whether a newer list of the same set, which had to name the fact, does not; diagnoses are lists of a visit."""
        scope = fact.visit if fact.kind == "problem" else ""
        mark = self.marks.get((fact.patient, fact.kind, fact.path[:3], scope))
        return mark is not None and fact.entry != mark.entry and (fact.version, fact.entry) < mark


class PatientContext:
    """Everything the feeds said about one patient, under any of the identifiers; immutable. Made by `of`."""

    __slots__ = ("_by_concept", "_current", "_demographics", "_fold", "coverage", "identifiers", "rows")

    def __init__(self, identifiers: frozenset[str], fold: _Fold, coverage: Coverage, rows: tuple[Fact, ...]) -> None:
        self.identifiers = identifiers
        self.rows = rows  # all of them, as they came
        self.coverage = coverage
        self._fold = fold
        self._current: tuple[Fact, ...] | None = None
        self._by_concept: dict[str, tuple[Fact, ...]] | None = None
        self._demographics: tuple[Demographics | None] | None = None

    def __repr__(self) -> str:
        return f"<PatientContext of {len(self.identifiers)} identifiers, {len(self._fold.held)} facts>"

    @classmethod
    def of(
        cls, identifiers: frozenset[str], facts: Iterable[Fact], coverage: Coverage, as_of: int = 0
    ) -> "PatientContext":
        """Fold the rows of these identifiers, in any order; `as_of` (UTC microseconds) leaves out what came later."""
        rows = tuple(facts if not as_of else (fact for fact in facts if fact.received <= as_of))
        fold = _Fold()
        fold.add(rows)
        return cls(identifiers, fold, coverage, rows)

    @property
    def people(self) -> tuple[Fact, ...]:
        """Every row of kind `demographics`: whom registrations (ADT) called by these identifiers, and when."""
        return tuple(self._fold.people)

    @property
    def named(self) -> tuple[Fact, ...]:
        """Every row of kind `person`: whom the other feeds called so, one where a listener began to name somebody else."""
        return tuple(self._fold.named)

    def only(self, kept: Callable[[Fact], bool], silent: Collection[str] = ()) -> "PatientContext":
        """The context of the rows that are `kept`; of kinds in `silent` nothing is claimed to be absent (D13)."""
        spans = {kind: span for kind, span in self.coverage.spans.items() if kind not in silent}
        coverage = self.coverage._replace(spans=spans)
        return PatientContext.of(self.identifiers, filter(kept, self.rows), coverage)

    def with_facts(self, facts: Iterable[Fact]) -> "PatientContext":
        """The context with these rows as well: the overlay of a batch. Facts of other identifiers must not be given."""
        fold, more = self._fold.copy(), tuple(facts)
        fold.add(more)
        return PatientContext(self.identifiers, fold, self.coverage, (*self.rows, *more))

    def current(self, kind: str | None = None, concept: str | None = None) -> tuple[Fact, ...]:
        """What holds, newest observed first; withdrawn facts and those a newer list left out are gone."""
        found = self._all() if concept is None else self._concepts().get(concept, ())
        return found if kind is None else tuple(fact for fact in found if fact.kind == kind)

    def history(self, concept: str) -> tuple[Fact, ...]:
        """The values of a concept over time, newest first; a corrected value counts once, as corrected."""
        return self._concepts().get(concept, ())

    @property
    def demographics(self) -> Demographics | None:
        """Who the patient is by the newest rows; a place left empty says nothing, a deleted one (`""`) empties it."""
        if self._demographics is None:
            self._demographics = (_demographics(self._fold.people),)
        return self._demographics[0]

    def _all(self) -> tuple[Fact, ...]:
        if self._current is None:
            fold = self._fold
            found = [
                fact
                for fact in fold.held.values()
                if not retracts(fact) and not (fold.marks and fact.kind in _SETS and fold.ended(fact))
            ]
            found.sort(key=_when, reverse=True)
            self._current = tuple(found)
        return self._current

    def _concepts(self) -> dict[str, tuple[Fact, ...]]:
        if self._by_concept is None:
            grouped: dict[str, list[Fact]] = {}
            for fact in self._all():
                if fact.concept:
                    grouped.setdefault(fact.concept, []).append(fact)
            self._by_concept = {concept: tuple(facts) for concept, facts in grouped.items()}
        return self._by_concept


def retracts(fact: Fact) -> bool:
    """Whether the row takes its fact back: deleted, posted to the wrong patient, not obtainable (table 0085).

    A medication with `D` was discontinued, which is news about its use, no withdrawal.
    """
    return fact.status in _RETRACTED and fact.kind != "medication"


def _supersedes(fact: Fact, before: Fact) -> bool:
    if fact.version != before.version:
        return fact.version > before.version
    return _standing(fact) >= _standing(before)


def _standing(fact: Fact) -> tuple[int, int, int, int]:
    return _RANKS.get(fact.status, 3), fact.entry, fact.run, fact.ordinal


def _when(fact: Fact) -> tuple[int, int, int, int]:
    return seen(fact), fact.version, fact.entry, fact.ordinal


def _demographics(rows: list[Fact]) -> Demographics | None:
    """Fact.text is the family name, value_text the given name, code the birth date, flag the sex."""
    if not rows:
        return None
    newest = sorted(rows, key=lambda fact: (fact.version, fact.entry, fact.run), reverse=True)
    return Demographics(
        family=_first(fact.text for fact in newest),
        given=_first(fact.value_text for fact in newest),
        birth_date=_first(fact.code for fact in newest),
        sex=_first(fact.flag for fact in newest),
    )


def _first(values: Iterable[str]) -> str:
    value = next((value for value in values if value), "")
    return "" if value == '""' else value
