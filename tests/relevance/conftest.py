"""Facts, exams and the shipped rules for the tests of this folder."""

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
import yaml

from engine.order.order import Exam
from engine.patient.concept import Concepts, parse_concepts
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage, Span
from engine.patient.fact import Fact
from engine.relevance.case import Case, Subject
from engine.relevance.evaluate import evaluate, rank
from engine.relevance.policy import Policy
from engine.relevance.rules import RuleSet, parse_rule_files
from engine.relevance.synopsis import Item, items

MAPPINGS = Path(__file__).parents[2] / "mappings"
ZONE = "America/Chicago"


def at(text: str) -> int:
    """UTC microseconds of a wall clock time in Chicago."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp()) * 1_000_000


def read(text: str) -> Any:
    """A document of the site as the engine reads it: every scalar is text."""
    return yaml.load(text, yaml.BaseLoader)  # noqa: S506 # makes texts, lists and maps only


class Story:
    """Builds facts and asks the shipped rules about them; the order arrives on 2026-08-20 at 09:12."""

    now = at("2026-08-20 09:12")
    at = staticmethod(at)
    read = staticmethod(read)
    mappings = MAPPINGS

    def __init__(self, rules: RuleSet, policy: Policy, concepts: Concepts) -> None:
        self.rules = rules
        self.concepts = concepts
        self.policy = policy
        self._entry = 0

    def fact(self, kind: str, concept: str, **more: Any) -> Fact:
        self._entry += 1
        base = dict.fromkeys(Fact._fields, "") | {"value": None, "kind": kind, "concept": concept}
        base |= dict.fromkeys(("run", "ordinal", "observed", "ended", "version"), 0)
        base |= {"entry": self._entry, "key": f"{concept}:{self._entry}", "received": at("2026-08-19 06:20")}
        base |= {"patient": "HOSP|MR|1", "source": "lab", "path": "OBX[1]-5"} | more
        return Fact(**base)

    def lab(self, concept: str, value: str, observed: str, **more: Any) -> Fact:
        """A result; `value` with its comparator, as a feed sends it."""
        sign = value[: len(value) - len(value.lstrip("<>="))]
        digits = value[len(sign) :]
        number = float(digits) if digits.replace(".", "", 1).isdigit() else None
        base = {"value": number, "comparator": sign, "value_text": value, "observed": at(observed), "status": "F"}
        return self.fact("lab", concept, **(base | {"code": concept, "system": "L"} | more))

    def egfr(self, value: str, observed: str = "2026-08-19 06:10", **more: Any) -> Fact:
        return self.lab("egfr", value, observed, **({"unit": "mL/min/{1.73_m2}", "code": "98979-8"} | more))

    def contrast(self, **more: Any) -> Fact:
        base = {"text": "Omnipaque", "flag": "SV", "value_text": "HIVES", "path": "AL1[1]-3", "source": "adt"}
        return self.fact("allergy", "iodinated_contrast", **(base | {"observed": at("2021-03-12")} | more))

    def drug(self, concept: str, since: str = "2024-06-05", **more: Any) -> Fact:
        base = {"text": concept, "status": "A", "observed": at(since), "path": "RXE-2", "source": "pharmacy"}
        return self.fact("medication", concept, **(base | more))

    def problem(self, concept: str, **more: Any) -> Fact:
        base = {"code": "X1", "system": "I10", "observed": at("2023-05-17"), "path": "DG1-3", "source": "adt"}
        return self.fact("problem", concept, **(base | {"text": concept} | more))

    def items(self, exam: Exam, facts: Iterable[Fact], **more: Any) -> tuple[Item, ...]:
        """The ranked findings in words."""
        facts = tuple(facts)
        coverage = more.pop("coverage", Coverage({}))
        subject = Subject(
            exam=exam,
            scheduled=more.pop("scheduled", 0),
            now=self.now,
            zone=ZONE,
            inpatient=more.pop("inpatient", False),
            text=more.pop("text", ""),
            sex=more.pop("sex", "F"),
            birth_date=more.pop("born", "19600101"),
        )
        context = PatientContext.of(frozenset({"HOSP|MR|1"}), facts, coverage)
        case = Case(subject, context, self.rules.concepts, self.policy.hides, self.concepts.may_be)
        self.case = case
        return items(rank(evaluate(self.rules, case, self.policy.silence), subject.text), case)

    def lines(self, exam: Exam, facts: Iterable[Fact], **more: Any) -> list[str]:
        """`S R01 line` of each finding, ranked."""
        return [
            f"{item.finding.severity} {item.finding.rule.id} {item.line.rpartition(' [')[0]}"
            for item in self.items(exam, facts, **more)
        ]

    def rules_of(self, exam: Exam, facts: Iterable[Fact], **more: Any) -> list[str]:
        return [item.finding.rule.id for item in self.items(exam, facts, **more)]

    def heard(self, since: str = "2026-01-01 00:00", last: str = "2026-08-20 09:10", delayed: str = "") -> Coverage:
        """The laboratory feed has been heard from `since` to `last`."""
        return Coverage({"lab": Span(at(since), at(last))}, at(delayed) if delayed else 0)


def exam(modality: str = "", region: str = "", contrast: str = "", special: str = "") -> Exam:
    slots = [frozenset(filter(None, text.split("+"))) for text in (modality, region, contrast, special)]
    return Exam(slots[0], slots[1], slots[2], slots[3], "text" if modality else "unknown")


class Exams(NamedTuple):
    """Exams by what they are."""

    ct: Exam = exam("CT", "ABD+PELVIS", "IOD")
    ct_maybe: Exam = exam("CT", "ABD", "IOD_POSSIBLE")
    ct_plain: Exam = exam("CT", "HEAD", "WO")
    mr: Exam = exam("MR", "HEAD", "GAD")
    mr_plain: Exam = exam("MR", "MSK")
    biopsy: Exam = exam("IR+CT", "ABD", "", "IR+IR_HIGH")
    us_biopsy: Exam = exam("IR+US", "BREAST", "", "IR+IR_LOW")
    puncture: Exam = exam("IR", "SPINE", "", "IR+IR_LOW+LP")
    unknown: Exam = exam()


@pytest.fixture(scope="session")
def shipped_rules() -> RuleSet:
    files = sorted((MAPPINGS / "relevance").glob("*.yaml"))
    return parse_rule_files([read(file.read_text("utf-8")) for file in files])


@pytest.fixture(scope="session")
def shipped_policy() -> Policy:
    return Policy.model_validate(read((MAPPINGS / "policy.yaml").read_text("utf-8")))


@pytest.fixture(scope="session")
def shipped_concepts() -> Concepts:
    return parse_concepts(read((MAPPINGS / "concepts.yaml").read_text("utf-8")))


@pytest.fixture
def story(shipped_rules: RuleSet, shipped_policy: Policy, shipped_concepts: Concepts) -> Story:
    return Story(shipped_rules, shipped_policy, shipped_concepts)


@pytest.fixture(scope="session")
def exams() -> Exams:
    return Exams()


@pytest.fixture(scope="session")
def exam_of() -> Callable[..., Exam]:
    return exam
