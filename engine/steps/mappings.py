"""What the steps look things up in: the site's tables, concepts, exams, rules, policy and receivers, one immutable value."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from engine.order.exam import ExamTable
from engine.patient.concept import Concepts
from engine.relevance.compiled import RuleSet
from engine.relevance.policy import Policy
from engine.relevance.profiles import Profile

PythonStep = Callable[[Any], Mapping[str, str | None]]
"""An instance of a site's class: given a python-hl7 message, it returns what to write by path (`run_python`)."""


class Mappings(NamedTuple):
    """`tables` are mappings/tables/*.csv by name, each from a code to what stands for it.

    `plugins` are the instances that the channels' `run_python` steps call, by (name, options).
    """

    tables: Mapping[str, Mapping[str, str]]
    concepts: Concepts
    exams: ExamTable
    rules: RuleSet
    policy: Policy
    profiles: Mapping[str, Profile]
    plugins: Mapping[tuple[str, tuple[tuple[str, str], ...]], PythonStep] = {}
