"""Rule files: what is refused, with its place, and what the shipped ones hold."""

import copy

import pytest
from pydantic import ValidationError

from engine.errors import ConfigError
from engine.patient.concept import parse_concepts
from engine.relevance.durations import microseconds, spoken
from engine.relevance.profiles import ProfilesFile
from engine.relevance.rules import REFUSED_WORDS, RuleFile, parse_rule_files, refused_words
from engine.relevance.templates import NAMES, parse_template

RULE = {
    "id": "R01",
    "title": "eGFR below 30",
    "exams": [{"contrast": ["IOD"]}],
    "window": {"outpatient": "90d", "inpatient": "48h"},
    "severity": "S",
    "checks": [
        {
            "facts": {"kinds": ["lab"], "concepts": ["egfr"]},
            "when": {"op": "value", "below": "30"},
            "render": {"h64": "!eGFR {value} ({date})", "line": "eGFR {value} ({when}); {limit}"},
        }
    ],
    "source": "ACR",
    "evidence": "S",
    "reviewed": "null",
}


def changed(*path, value):
    rule = copy.deepcopy(RULE)
    place = rule
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return {"rules": [rule]}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("severity",), "X", "Input should be 'S', 'I' or 'C'"),
        (("id",), "1", "String should match pattern"),
        (("colour",), "red", "Extra inputs are not permitted"),
        (("exams", 0, "contrast"), ["IODINE"], "Input should be"),
        (("window", "outpatient"), "90", "a length of time is a number and min, h, d or w"),
        (("checks", 0, "when"), {"op": "under", "value": "30"}, "does not match any of the expected tags"),
        (("checks", 0, "when"), {"op": "value"}, "give a bound"),
        (("checks", 0, "when", "below"), "thirty", "valid number"),
        (("checks", 0, "facts", "kinds"), ["labs"], "Input should be"),
        (("checks", 0, "facts"), {"kinds": ["lab"]}, "name the concepts"),
        (("checks", 0, "render", "line"), "eGFR {vaule}", "unknown name {vaule}; did you mean {value}?"),
        (("checks", 0, "render", "line"), "eGFR {value:d}", "unknown name"),
        (("checks", 0, "render", "line"), "eGFR {value", "a brace is opened and not closed"),
        (("checks", 0, "render", "line"), "Hold metformin, eGFR {value}", "`Hold` is advice"),
        (("checks", 0, "render", "line"), "eGFR {value}; premedicate", "`premedicate` is advice"),
        (("checks", 0, "render", "h64"), "eGFR {value} | x", "plain ASCII without"),
        (("checks", 0, "render", "h64"), "eGFR {value} \u2193", "plain ASCII without"),
        (("checks", 0, "render"), {"line": "eGFR {value}"}, "give its render an h64"),
        (
            ("checks", 0, "missing"),
            {"name": "eGFR", "severity": "S", "h64": "!no eGFR {value}"},
            "{window} is the only name",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_place(path, value, says) -> None:
    """Each field has its error, whose location `backstory check` turns into line and column."""
    with pytest.raises(ValidationError) as caught:
        RuleFile.model_validate(changed(*path, value=value))
    errors = caught.value.errors()
    assert any(says in error["msg"] for error in errors)
    assert all(error["loc"][:2] == ("rules", 0) for error in errors)


def test_the_rule_itself_is_accepted() -> None:
    """The control: unchanged, it loads; `null` is not reviewed."""
    rules = parse_rule_files([{"rules": [RULE]}])
    assert rules.rules[0].reviewed is None
    assert rules.concepts == {"egfr"}


def test_what_only_all_files_together_show() -> None:
    """A rule twice, an unknown rule, an unknown group, rules that wait for each other."""
    with pytest.raises(ConfigError, match="rule R01 is there twice"):
        parse_rule_files([{"rules": [RULE]}, {"rules": [RULE]}])
    with pytest.raises(ConfigError, match="rule R01: no rule R99"):
        parse_rule_files([changed("checks", 0, "with_any", value=["R99"])])
    with pytest.raises(ConfigError, match="no agent group group_2; did you mean group_3"):
        parse_rule_files([changed("agents", value=["group_2"]), {"agents": {"group_3": ["x"]}}])
    with pytest.raises(ConfigError, match="wait for each other: R01 -> R01"):
        parse_rule_files([changed("checks", 0, "with_any", value=["R01"])])


def test_the_shipped_rules_are_the_first_set(shipped_rules) -> None:
    """Thirteen rules, each with a source, and none called reviewed by a site."""
    assert {rule.id for rule in shipped_rules.rules} == {
        *("R01", "R02", "R03", "R05", "R06", "R07", "R08", "R18", "R23", "R32", "R34", "R40", "R88"),
    }
    assert all(rule.source and rule.evidence in "VSMK" for rule in shipped_rules.rules)
    assert all(rule.reviewed is None for rule in shipped_rules.rules)


def test_the_shipped_rules_ask_for_known_concepts_only(shipped_rules, story) -> None:
    """A concept that mappings/concepts.yaml does not know would never be found."""
    concepts = parse_concepts(story.read((story.mappings / "concepts.yaml").read_text("utf-8")))
    assert shipped_rules.concepts <= concepts.names()


def test_every_template_name_is_said(story, exams, shipped_rules) -> None:
    """Each documented name has its words, and the shipped rules use no other."""
    used = {name for r in shipped_rules.rules for c in r.checks for _, name in c.line.parts if name}
    assert used <= set(NAMES)
    every = parse_template(" ".join(f"{{{name}}}" for name in NAMES))
    from engine.relevance.phrases import Phrases

    (item,) = story.items(exams.ct, [story.egfr("24")])
    assert every.render(Phrases(story.case, item.finding.check, item.finding.hit)).startswith("24 mL/min")


@pytest.mark.parametrize(
    ("text", "words"), [("90d", "90 d"), ("48h", "48 h"), ("72h", "72 h"), ("7d", "7 d"), ("30min", "30 min")]
)
def test_lengths_of_time(text, words) -> None:
    """As written and as spoken."""
    assert spoken(microseconds(text)) == words


@pytest.mark.parametrize("text", ["", "d", "0d", "-1d", "1y", "90 days", "1.5h", "999999d"])
def test_other_lengths_are_refused(text) -> None:
    """Named by what is wanted."""
    with pytest.raises(ValueError, match="a length of time"):
        microseconds(text)


@pytest.mark.parametrize(
    "word", ["hold", "give", "premed", "transfuse", "correct", "avoid", "switch", "hydrate", "reduce"]
)
def test_words_of_advice_are_known(word) -> None:
    """Those of settled question C21, in any form and case."""
    assert refused_words(f"please {word.upper()} it")
    assert any(word.startswith(stem) for stem in REFUSED_WORDS)
    assert not refused_words("threshold of the household; preliminary")


def test_the_shipped_profile(story) -> None:
    """dcm4chee takes all four carriers; one that cannot be taken back is never sent (D11)."""
    file = ProfilesFile.model_validate(story.read((story.mappings / "profiles.yaml").read_text("utf-8")))
    profile = file.profiles["dcm4chee"]
    assert all(profile.takes(carrier) for carrier in ("OBR-13", "NTE", "OBX", "AL1"))
    stuck = profile.carriers["AL1"].model_copy(update={"clear": "never"})
    assert not profile.model_copy(update={"carriers": {"AL1": stuck}}).takes("AL1")
    assert not profile.model_copy(update={"carriers": {}}).takes("NTE")


def test_the_index_of_exams_does_not_grow_for_ever(shipped_rules, exam_of) -> None:
    """A feed of nonsense empties it and goes on."""
    for number in range(5000):
        shipped_rules.for_exam(exam_of("CT", f"R{number}", "IOD"))
    assert [rule.id for rule in shipped_rules.for_exam(exam_of("CT", "ABD", "IOD"))][:1]
    assert len(shipped_rules._by_exam) <= 4096
