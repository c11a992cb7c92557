"""What is kept off the worklist (D23)."""

import pytest

from engine.relevance.policy import Policy


@pytest.mark.parametrize(
    ("fact", "hidden"),
    [
        ({"kind": "problem", "code": "B20", "system": "I10"}, True),
        ({"kind": "problem", "code": "F10.20", "system": "ICD-10-CM"}, True),
        ({"kind": "problem", "code": "F10.20", "system": "i10"}, True),
        ({"kind": "problem", "code": "F10.20", "system": ""}, True),
        ({"kind": "problem", "code": "F10.20", "system": "L"}, False),
        ({"kind": "problem", "code": "K74.60", "system": "I10"}, False),
        ({"kind": "problem", "code": "303.90", "system": "I9"}, True),
        ({"kind": "lab", "code": "56888-1", "system": "LN"}, True),
        ({"kind": "lab", "code": "29463-7", "system": ""}, False),
        ({"kind": "lab", "code": "29463-7", "system": "LN"}, False),
        ({"kind": "lab", "concept": "cd4"}, True),
        ({"kind": "problem", "text": "Asymptomatic HIV infection"}, True),
        ({"kind": "device", "text": "Hearing aids"}, True),
        ({"kind": "problem", "text": "SHIVERING"}, False),
    ],
)
def test_hidden_facts(story, fact, hidden) -> None:
    """By code in its system, by concept, by whole words; a code without its system counts in its kind."""
    made = story.fact(fact.pop("kind"), fact.pop("concept", ""), **fact)
    assert story.policy.hides(made) is hidden


@pytest.mark.parametrize(
    ("processing", "vip", "confidentiality", "path"),
    [
        *(
            ("P", "", "", ""),
            ("", "", "", ""),
            ("T", "", "", "MSH-11"),
            ("D", "", "", "MSH-11"),
            ("N", "", "", "MSH-11"),
            ("P", "Y", "", "PV1-16"),
        ),
        *(("P", "N", "", ""), ("P", "0", "", ""), ("P", '""', "", ""), ("P", "", "V", "ORC-28"), ("P", "", "U", "")),
    ],
)
def test_orders_that_are_withheld(story, processing, vip, confidentiality, path) -> None:
    """Test and training, marked persons, restricted orders; the reason names the field and no content."""
    assert story.policy.withholds(processing, ["", vip], confidentiality)[: len(path) or None] == path


def test_a_site_may_list_its_marks() -> None:
    """`listed` withholds only these, `never` none."""
    listed = Policy.model_validate({"withhold": {"vip": "listed", "vip_listed": ["V1"]}})
    assert listed.withholds("P", ["V1"], "")
    assert not listed.withholds("P", ["V2"], "")
    assert not Policy.model_validate({"withhold": {"vip": "never"}}).withholds("P", ["V1"], "")


def test_hidden_facts_are_no_absence(story, exams) -> None:
    """A hidden allergy is not shown, and "no known allergies" is not claimed beside it."""
    none = story.fact("allergy", "", certainty="none_known", text="NKDA", observed=story.at("2026-08-12"))
    hidden = story.contrast(code="F10", system="I10")
    assert story.items(exams.ct, [none, hidden]) == ()
