"""What the steps look things up in: the site's tables, concepts, exams, rules, policy and receivers, one immutable value."""

from collections.abc import Mapping
from typing import NamedTuple

from engine.order.exam import ExamTable
from engine.patient.concept import Concepts
from engine.relevance.compiled import RuleSet
from engine.relevance.policy import Policy
from engine.relevance.profiles import Profile


class Mappings(NamedTuple):
    """`tables` are mappings/tables/*.csv by name, each from a code to what stands for it."""

    tables: Mapping[str, Mapping[str, str]]
    concepts: Concepts
    exams: ExamTable
    rules: RuleSet
    policy: Policy
    profiles: Mapping[str, Profile]
