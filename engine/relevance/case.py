"""One order as the rules see it: the exam, its time, the patient's facts by concept, and what was heard of whom."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from engine.order.order import Exam
from engine.patient.concept_measures import folded_unit
from engine.patient.context import PatientContext
from engine.patient.fact import Fact, latest, seen

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATES = frozenset({"pregnancy"})  # kinds of which the newest statement holds, whichever result it came with
_NOT_STATED = frozenset({"refuted", "family", "none_known"})  # never shown as present (rules.md 3.4, suppress)


class Subject(NamedTuple):
    """What the order says about itself, next to the exam; times are UTC microseconds."""

    exam: Exam
    scheduled: int  # exam time, 0 = not known
    now: int  # when the order arrived
    zone: str
    inpatient: bool
    text: str  # the order's own words, in capitals
    sex: str  # as sent; "" = not sent
    birth_date: str  # YYYYMMDD as far as sent

    def __repr__(self) -> str:
        return f"Subject({self.exam.source}, inpatient={self.inpatient})"


class Hit(NamedTuple):
    """A fact that a check selected, with what its line says beside it."""

    fact: Fact
    others: tuple[Fact, ...] = ()  # further facts of the same concept, worst and newest first
    series: tuple[Fact, ...] = ()  # earlier values of the same measure, newest first
    stale: bool = False
    formula: str = ""
    reason: Fact | None = None

    def __repr__(self) -> str:
        return f"Hit({self.fact!r}, {len(self.others)} others, {len(self.series)} earlier)"


class Case:
    """An order and its patient, prepared once for all rules.

    `concepts` are those that any rule asks for; `hides` is the site's confidentiality policy (D23); `may_be` says whether
    a result without a concept, by its code and name, may be of one.
    """

    __slots__ = (
        "_context",
        "_hides",
        "_may_be",
        "_unnamed",
        "age",
        "anchor",
        "by_concept",
        "coverage",
        "kinds",
        "none_known",
        "subject",
        "year",
        "zone",
    )

    def __init__(
        self,
        subject: Subject,
        context: PatientContext,
        concepts: frozenset[str],
        hides: Callable[[Fact], bool],
        may_be: Callable[[str, str, str], bool],
    ) -> None:
        self.subject = subject
        self.anchor = max(subject.scheduled, subject.now)  # windows anchor at the exam while it is ahead (D10)
        self.zone = zone_of(subject.zone)
        exam_day = local(self.anchor, self.zone)
        self.year = exam_day.year
        self.age = _age(subject.birth_date, exam_day)
        self.coverage = context.coverage
        self._context = context
        self._hides = hides
        self._may_be = may_be
        self._unnamed: list[Fact] = []
        self.by_concept: dict[str, list[Fact]] = {}
        self.none_known: list[Fact] = []
        self.kinds: set[str] = set()  # of all facts stated, so that "none known" is not claimed beside a hidden one
        self._sort_out(context.current(), concepts)

    def __repr__(self) -> str:
        return f"Case({self.subject!r}, {len(self.by_concept)} concepts)"

    def facts(self, concepts: Sequence[str], kinds: Sequence[str]) -> list[Fact]:
        """Stated facts of these concepts and kinds, newest first."""
        found = [fact for name in concepts for fact in self.by_concept.get(name, ()) if fact.kind in kinds]
        if len(concepts) > 1:
            found.sort(key=seen, reverse=True)
        return found

    def earlier(self, fact: Fact) -> tuple[Fact, ...]:
        """Older plain numbers of the same measure (concept, code, unit), newest first, one of each result."""
        keys, unit = {fact.key}, folded_unit(fact.unit)
        older = []
        for past in self._context.history(fact.concept):
            same = folded_unit(past.unit) == unit and past.code == fact.code and past.certainty not in _NOT_STATED
            if same and past.key not in keys and past.value is not None and not past.comparator:
                keys.add(past.key)
                if seen(past) < seen(fact) and not self._hides(past):
                    older.append(past)
        return tuple(older)

    def unread(self, concepts: Sequence[str], kinds: Sequence[str], window: int) -> list[Fact]:
        """The results of the window under one of these names, newest first, understood or not.

        Asked where no rule can use one: what came and was not understood is not absent (D13).
        """
        named = (
            fact
            for fact in self._unnamed
            if fact.kind in kinds
            and any(self._may_be(concept, fact.code, fact.text) for concept in concepts)
            and not self._hides(fact)
        )
        found = [fact for fact in (*self.facts(concepts, kinds), *named) if self.within(fact, window)]
        return sorted((fact for fact in found if fact.value_text), key=seen, reverse=True)

    def within(self, fact: Fact, window: int) -> bool:
        """Whether the fact was seen in the window before the exam."""
        return window == 0 or latest(seen(fact)) >= self.anchor - window

    def _sort_out(self, facts: Sequence[Fact], concepts: frozenset[str]) -> None:
        over: set[str] = set()  # states of which a newer fact says that they are over
        for fact in facts:
            if fact.certainty in _NOT_STATED:
                if fact.certainty == "none_known":
                    self.none_known.append(fact)
                elif fact.kind in _STATES:
                    over.add(fact.kind)
                continue
            if fact.kind in over:
                continue
            self.kinds.add(fact.kind)
            if not fact.concept:
                self._unnamed.append(fact)
            elif fact.concept in concepts and not self._hides(fact):
                self.by_concept.setdefault(fact.concept, []).append(fact)


def ended(fact: Fact, at: int) -> bool:
    """Whether the problem or use was over at this time."""
    return 0 < latest(fact.ended) <= at or (fact.kind == "medication" and fact.status in {"I", "D"} and not fact.ended)


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name; raises KeyError (ZoneInfoNotFoundError) for no such zone."""
    return ZoneInfo(name)


def local(at: int, zone: tzinfo) -> datetime:
    """The wall clock of a zone at a time in UTC microseconds."""
    return (_EPOCH + timedelta(microseconds=at)).astimezone(zone)


def _age(birth_date: str, at: datetime) -> int | None:
    digits = birth_date[:8]
    if len(digits) < 4 or not (digits.isascii() and digits.isdigit()):
        return None
    before_birthday = len(digits) == 8 and (at.month, at.day) < (int(digits[4:6]), int(digits[6:8]))
    return at.year - int(digits[:4]) - before_birthday
