"""What rules of a site may ask: each condition in words, when it holds, and when what it asks for is missing."""

from typing import Any

import pytest

from engine.relevance.rules import parse_rule_files
from engine.relevance.synopsis import threshold

RULE: dict[str, Any] = {
    "id": "R90",
    "title": "one",
    "exams": [{"modality": ["CT"]}],
    "window": {"outpatient": "90d"},
    "severity": "I",
    "source": "test",
    "evidence": "K",
}
SHOWN = {"render": {"line": "Lactate {value} ({when}); {limit}"}}


def story_of(story, check: dict[str, Any]):
    """A story whose only rule has this check."""
    rules = parse_rule_files([{"rules": [{**RULE, "checks": [{**SHOWN, **check}]}]}])
    return type(story)(rules, story.policy, story.concepts)


LACTATE = {"kinds": ["lab"], "concepts": ["lactate"]}


@pytest.mark.parametrize(
    ("bounds", "limit", "values"),
    [
        ({"at_least": "2"}, "2 or more", {"2": True, "1.9": False, ">1": False, ">=2": True, "<2": False, "": False}),
        ({"at_most": "2"}, "up to 2", {"2": True, "2.1": False, "<3": False, "<=2": True}),
        ({"above": "1", "below": "4"}, "above 1, below 4", {"1": False, "1.1": True, "4": False, ">1": False, "<4": False}),
        ({"above": "1"}, "above 1", {">1": True, "<9": False}),
    ],
)  # fmt: skip
def test_a_number_in_a_range(story, exams, bounds, limit, values) -> None:
    """A comparator stands for all values that it allows; the limit is said as it is asked."""
    own = story_of(story, {"facts": LACTATE, "when": {"op": "value", **bounds}})
    for value, holds in values.items():
        found = own.items(exams.ct, [own.lab("lactate", value, "2026-08-19 06:10", unit="mmol/L")])
        assert [item.line for item in found] == (
            [f"Lactate {value} (19Aug 06:10); {limit} [lab OBX, R90]"] if holds else []
        ), value
        assert [threshold(item.finding) for item in found] == [f"lactate {limit}, 90 d before the exam"] * holds


RISE = {"op": "rise", "by": {"mg/dL": "0.3"}, "within": "48h", "ratio": "1.5", "ratio_within": "7d"}


@pytest.mark.parametrize(
    ("before", "after", "unit", "holds"),
    [
        ("1.0", "1.3", "mg/dL", True),
        ("1.0", "1.2", "mg/dL", False),
        ("1.0", "1.4", "", False),
        ("1.0", "1.5", "", True),
        ("0", "5", "", False),
        ("1.0", "9.0", "nmol/L", False),
    ],
)
def test_a_rise_by_an_amount_or_by_a_ratio(  # noqa: PLR0917 - two values and their unit
    story, exams, before, after, unit, holds
) -> None:
    """The amount belongs to its unit; a ratio needs none, but something to grow from; other units are not judged."""
    own = story_of(story, {"facts": {"kinds": ["lab"], "concepts": ["creatinine"]}, "when": RISE})
    facts = [
        own.lab("creatinine", value, day, unit=unit) for value, day in ((before, "2026-08-18 06:00"), (after, "2026-08-19 06:00"))
    ]  # fmt: skip
    assert bool(own.items(exams.ct, facts)) is holds


MISSING = {"name": "what is asked for", "severity": "I"}
KNOWN = {
    "value": ({"op": "value", "above": "1"}, LACTATE, lambda own: own.lab("lactate", "0.5", "2026-08-19 06:00")),
    "rise": (RISE, LACTATE, lambda own: own.lab("lactate", "0.5", "2026-08-19 06:00")),
    "present": ({"op": "present"}, LACTATE, lambda own: own.lab("lactate", "x", "2026-08-19 06:00")),
    "active": ({"op": "active"}, {"kinds": ["medication"], "concepts": ["metformin"]}, lambda own: own.drug("metformin", "2026-08-19")),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_asked_for_is_missing_only_where_nothing_could_be_judged(story, exams, name) -> None:
    """Each condition says itself what it can judge (D13); the feed was heard over the whole window."""
    when, facts, known = KNOWN[name]
    own = story_of(story, {"facts": facts, "when": when, "missing": MISSING})
    kind = facts["kinds"][0]
    heard = own.heard("2026-01-01 00:00")
    heard = heard._replace(spans={kind: next(iter(heard.spans.values()))})
    lines = [item.line for item in own.items(exams.ct, [], coverage=heard)]
    (line,) = lines
    assert line.startswith("no what is asked for in 90 d (")
    assert [item.line for item in own.items(exams.ct, [known(own)], coverage=heard) if "asked for" in item.line] == []


def test_a_newer_statement_that_she_is_not_pregnant_ends_an_older_one(story, exams) -> None:
    """Two results of two orders: the newest holds (82810-3), whichever way round they came."""

    def status(day: str, certainty: str):
        return story.fact("pregnancy", "pregnancy", code="82810-3", observed=story.at(day), certainty=certainty)

    was, is_not, again = status("2026-04-01", ""), status("2026-08-10", "refuted"), status("2026-08-15", "")

    def shorts(*facts):
        return [item.short for item in story.items(exams.ct, facts, born="19960101") if "pregnancy" in item.short]

    assert shorts(was) == ["!pregnancy 01Apr"]
    assert shorts(was, is_not) == shorts(is_not, was) == []
    assert shorts(was, is_not, again) == ["!pregnancy 15Aug"]
