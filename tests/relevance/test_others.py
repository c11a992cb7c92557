"""R18, R23, R32, R34, R40, R88, and exams of unknown kind."""

import pytest


def test_gadolinium_of_unknown_group(story, exams) -> None:
    """An eGFR below 30 before MR with contrast says that the agent's group is not stated (rules.md 3.0.11)."""
    assert story.lines(exams.mr, [story.egfr("24")]) == [
        "S R18 eGFR 24 mL/min/1.73m2 (19Aug 06:10; final); below 30; gadolinium agent group not stated"
    ]
    assert story.rules_of(exams.mr, [story.egfr("38")]) == []
    assert story.rules_of(exams.mr_plain, [story.egfr("24")]) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MR BRAIN W DOTAREM", False),
        ("MR BRAIN W GADAVIST", False),
        ("MR BRAIN W OMNISCAN", True),
        ("MR LIVER EOVIST", True),
    ],
)
def test_a_named_agent_of_group_ii_is_another_rule(story, exams, text, found) -> None:
    """R19 is for these; group I and III leave R18 as it is."""
    assert ("R18" in story.rules_of(exams.mr, [story.egfr("24")], text=text)) is found


def test_one_fact_is_shown_once(story, exams) -> None:
    """AKI and dialysis before gadolinium meet two rules; the line that names the agent question is shown."""
    facts = [story.lab("creatinine", "1.0", "2026-08-18 06:00", unit="mg/dL")]
    facts += [story.lab("creatinine", "2.0", "2026-08-19 06:00", unit="mg/dL"), story.problem("dialysis")]
    assert story.rules_of(exams.mr, facts) == ["R18", "R18"]


def test_a_cardiac_device_before_any_mr(story, exams) -> None:
    """However long ago it was implanted, with or without contrast."""
    device = story.fact("device", "cied", text="Dual chamber pacemaker", observed=story.at("2012-04-03"), source="adt")
    for exam in (exams.mr, exams.mr_plain):
        (item,) = story.items(exam, [device])
        assert item.short == "!cardiac device 2012"
        assert item.line == "Cardiac device: Dual chamber pacemaker (03Apr2012) [adt OBX, R23]"
    assert story.items(exams.ct, [device]) == ()


@pytest.mark.parametrize(
    ("concept", "value", "severity"),
    [
        *(("inr", "1.9", "S"), ("inr", "1.8", ""), ("inr", ">8", "S")),
        *(("platelets", "49", "S"), ("platelets", "50", ""), ("platelets", "<20", "S")),
    ],
)
def test_coagulation_before_a_high_risk_intervention(story, exams, concept, value, severity) -> None:
    """INR above 1.8, platelets below 50 (R32)."""
    found = story.items(exams.biopsy, [story.lab(concept, value, "2026-08-18 06:00")])
    assert [item.finding.severity for item in found] == ([severity] if severity else [])
    assert story.items(exams.us_biopsy, [story.lab(concept, value, "2026-08-18 06:00")]) == ()


@pytest.mark.parametrize(
    ("concept", "value", "line"),
    [
        ("inr", "2.6", "S R32 INR 2.6 (18Aug 06:00; final); above 2.5, the limit with cirrhosis K74.60 (17May2023)"),
        ("inr", "2.1", "I R32 INR 2.1 (18Aug 06:00; final); inside the limit 2.5 with cirrhosis K74.60 (17May2023)"),
        (
            "platelets",
            "29",
            "S R32 Platelets 29 (18Aug 06:00; final); below 30, the limit with cirrhosis K74.60 (17May2023)",
        ),
        (
            "platelets",
            "40",
            "I R32 Platelets 40 (18Aug 06:00; final); inside the limit 30 with cirrhosis K74.60 (17May2023)",
        ),
        ("inr", "1.5", None),
    ],
)
def test_with_cirrhosis_other_limits_apply(story, exams, concept, value, line) -> None:
    """One finding, with the limit that applies and the reason (rules.md 3.0.14)."""
    facts = [story.lab(concept, value, "2026-08-18 06:00"), story.problem("cirrhosis", code="K74.60")]
    assert story.lines(exams.biopsy, facts) == ([line] if line else [])


def test_anticoagulants_one_line_each(story, exams) -> None:
    """Two drugs of two kinds are two findings; a use that ended in the window is named with its end (R34)."""
    facts = [
        story.drug("doac", text="Apixaban 5 mg", since="2026-02-03"),
        story.drug("heparins", text="Enoxaparin 40 mg", since="2026-08-10", ended=story.at("2026-08-18 20:00")),
        story.drug("vka", text="Warfarin", since="2020-01-01", ended=story.at("2026-07-01 08:00")),
    ]
    assert story.lines(exams.puncture, facts) == [
        "S R34 Heparin Enoxaparin 40 mg: until 18Aug",
        "S R34 DOAC Apixaban 5 mg: active since 03Feb",
    ]
    assert story.rules_of(exams.ct, facts) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        *(("POSITIVE", True), ("positive", True), ("+", True), ("250", True), (">1000", True), ("6", True)),
        *(
            ("NEGATIVE", False),
            ("Not Detected", False),
            ("<5", False),
            ("2", False),
            ("-", False),
            ("HEMOLYZED", False),
        ),
    ],
)
def test_a_positive_pregnancy_test(story, exams, value, found) -> None:
    """In words or above 5 (R40)."""
    fact = story.lab("hcg_quant", value, "2026-08-19 06:10", unit="mIU/mL")
    assert (story.rules_of(exams.ct, [fact], born="20000101") == ["R40"]) is found


@pytest.mark.parametrize(
    ("person", "found"),
    [
        *(({"sex": "M"}, False), ({"sex": "U"}, True), ({"sex": ""}, True), ({"born": "19600101"}, False)),
        *(({"born": "20200101"}, False), ({"born": ""}, True)),
    ],
)
def test_of_whom_pregnancy_is_asked(story, exams, person, found) -> None:
    """Not of men, nor outside the site's ages; who cannot be told is included."""
    fact = story.lab("hcg_urine", "POSITIVE", "2026-08-19 06:10")
    assert (story.rules_of(exams.ct, [fact], **({"born": "20000101"} | person)) == ["R40"]) is found


def test_a_coded_pregnancy(story, exams) -> None:
    """Before ionising exams and before gadolinium; an old pregnancy is over."""
    fact = story.problem("pregnancy", code="Z33.1", observed=story.at("2026-06-02"))
    assert story.rules_of(exams.ct, [fact], born="20000101") == ["R40"]
    assert story.rules_of(exams.mr, [fact], born="20000101") == ["R40"]
    assert story.rules_of(exams.mr_plain, [fact], born="20000101") == []
    old = story.problem("pregnancy", code="O80", observed=story.at("2019-06-02"))
    assert story.rules_of(exams.ct, [old], born="20000101") == []


def test_weight_for_contrast_and_children(story, exams) -> None:
    """Context for every exam with contrast, and for every exam of a child (R88)."""
    weight = story.lab("weight", "82", "2026-08-18", unit="kg")
    assert story.lines(exams.ct, [weight]) == ["C R88 Weight 82 kg (18Aug; final)"]
    assert story.lines(exams.ct_plain, [weight]) == []
    assert story.rules_of(exams.ct_plain, [weight], born="20150101") == ["R88"]
    assert story.items(exams.ct, [weight])[0].short == ""


def test_an_unknown_exam_shows_all_safety_and_misses_nothing(story, exams) -> None:
    """Safety is never hidden because the class is unknown (rules.md 3.1.5)."""
    device = story.fact("device", "cied", text="ICD")
    facts = [story.egfr("24"), story.contrast(), story.drug("doac"), device, story.lab("weight", "82", "2026-08-18")]
    found = story.items(exams.unknown, facts, coverage=story.heard(), born="20000101")
    assert {item.finding.severity for item in found} == {"S"}
    assert {item.finding.rule.id for item in found} == {"R07", "R18", "R23", "R34"}
    assert {item.finding.kind for item in found} == {"hit"}
