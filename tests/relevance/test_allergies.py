"""R07 and R08: reactions to contrast, and what is taken for one."""

import pytest

from engine.patient.extract import instant

ZONE = "America/Chicago"


def test_duplicates_are_one_finding_with_the_worst_severity(story, exams) -> None:
    """Three spellings of one allergy are one line that lists the others (T31)."""
    facts = [
        story.contrast(text="IV CONTRAST", flag="MI", value_text="RASH"),
        story.contrast(text="Omnipaque", flag="SV", value_text="ANAPHYLAXIS"),
        story.contrast(text="contrast dye", flag="U", value_text=""),
    ]
    (item,) = story.items(exams.ct, facts)
    assert item.short == "!CT-contrast rxn SEVERE 2021"
    assert item.line == (
        "Iodinated contrast: severe reaction 12Mar2021 (anaphylaxis, rash); also listed: contrast dye, IV CONTRAST [adt AL1, R07]"
    )


def test_without_severity_and_date_nothing_is_made_up(story, exams) -> None:
    """What the feed did not say is not written."""
    (item,) = story.items(exams.ct, [story.contrast(flag="", value_text="", observed=0)])
    assert item.short == "!CT-contrast rxn"
    assert item.line == "Iodinated contrast: reaction date not sent [adt AL1, R07]"


@pytest.mark.parametrize(
    ("reaction", "flag", "severity"),
    [
        *(("NAUSEA", "MI", "I"), ("nausea~WARMTH", "", "I"), ("NAUSEA", "SV", "S"), ("NAUSEA~HIVES", "MI", "S")),
        ("", "", "S"),
    ],
)
def test_an_intolerance_is_no_allergy(story, exams, reaction, flag, severity) -> None:
    """Nausea or warmth alone is named an intolerance and is no safety finding (T32)."""
    (item,) = story.items(exams.ct, [story.contrast(value_text=reaction, flag=flag)])
    assert item.finding.severity == severity
    assert ("intolerance" in item.line) is (severity == "I")


@pytest.mark.parametrize("certainty", ["refuted", "family"])
def test_negated_and_family_statements_are_not_shown(story, exams, certainty) -> None:
    """Suppressed, whatever the concept (rules.md 3.4)."""
    assert story.rules_of(exams.ct, [story.contrast(certainty=certainty)]) == []


def test_possible_is_said(story, exams) -> None:
    """A statement that is not sure is shown with that word."""
    (item,) = story.items(exams.ct, [story.contrast(certainty="possible")])
    assert item.line.startswith("possible Iodinated contrast: severe reaction")


def test_no_known_allergies_is_a_dated_statement(story, exams) -> None:
    """It is context with its date, never an allergen (T30)."""
    none = story.fact(
        "allergy", "", certainty="none_known", text="NKDA", observed=story.at("2026-08-12"), path="AL1[1]-3"
    )
    assert story.lines(exams.ct, [none]) == ["C R07 No known allergies stated (12Aug)"]
    penicillin = story.fact("allergy", "penicillin", text="Penicillin")
    assert story.lines(exams.ct, [none, penicillin]) == []


def test_a_positive_row_wins_over_no_known_allergies(story, exams) -> None:
    """And the contradiction is said (T30)."""
    none = story.fact("allergy", "", certainty="none_known", text="NKDA", observed=story.at("2026-08-12"))
    (item,) = story.items(exams.ct, [none, story.contrast()])
    assert "; the list also says no known allergies" in item.line


@pytest.mark.parametrize(
    ("concept", "severity", "words"),
    [
        ("iodine", "I", "Iodine, kind not stated: may mean contrast"),
        ("povidone_iodine", "C", "not an allergy to contrast"),
        ("seafood", "C", "not an allergy to contrast"),
    ],
)
def test_iodine_and_seafood_are_apart(story, exams, concept, severity, words) -> None:
    """Iodine alone may mean contrast; povidone and seafood do not and are demoted (rules.md 3.0.9, T33)."""
    fact = story.fact("allergy", concept, text=concept, observed=instant("2020", ZONE), path="AL1[1]-3", source="adt")
    (item,) = story.items(exams.ct, [fact])
    assert item.finding.rule.id == "R08"
    assert item.finding.severity == severity
    assert words in item.line
    assert "2020" in item.line
    assert "01Jan" not in item.line
