"""R01, R02, R03, R05, R06: kidney function before iodinated contrast."""

import pytest


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        *(("24", "R01"), ("29.9", "R01"), ("30", "R02"), ("44", "R02"), ("45", None), ("60", None)),
        *((">60", None), (">=30", None), ("<5", "R01"), ("<30", "R01"), ("<=29", "R01"), ("<60", None), (">29", None)),
        *(("HEMOLYZED", None), ("", None)),
    ],
)
def test_limits_and_comparators(story, exams, value, rule) -> None:
    """Below 30 is safety, 30 to below 45 changes the reading; a comparator counts as all values it allows (T2)."""
    assert story.rules_of(exams.ct, [story.egfr(value)]) == ([rule] if rule else [])


@pytest.mark.parametrize("exam", ["ct", "ct_maybe"])
def test_contrast_that_is_only_possible_counts(story, exams, exam) -> None:
    """A CT of the abdomen whose contrast is not stated is treated as one with contrast."""
    assert story.rules_of(getattr(exams, exam), [story.egfr("24")]) == ["R01"]


def test_no_contrast_no_rule(story, exams) -> None:
    """Kidney function does not matter for a CT without contrast."""
    assert story.rules_of(exams.ct_plain, [story.egfr("24"), story.drug("metformin"), story.contrast()]) == []


def test_the_newest_value_counts_and_the_trend_is_shown(story, exams) -> None:
    """A normal newest value silences an older low one; a low one names the value before and the direction."""
    low, high = story.egfr("24", "2026-08-10 06:10"), story.egfr("61", "2026-08-19 06:10")
    assert story.rules_of(exams.ct, [low, high]) == []
    falling = story.lines(exams.ct, [story.egfr("31", "2026-07-30 08:00"), story.egfr("24")])
    assert falling == ["S R01 eGFR 24 mL/min/1.73m2 (19Aug 06:10; final; 31 on 30Jul; falling); below 30"]


@pytest.mark.parametrize(
    ("past", "trend"),
    [
        ({"value": "24.5"}, "; 24.5 on 30Jul; stable"),
        ({"value": "20"}, "; 20 on 30Jul; rising"),
        ({"value": ">60"}, ""),
        ({"value": "31", "unit": "mL/min"}, ""),
        ({"value": "31", "code": "33914-3"}, ""),
        ({"value": "31", "observed": "2025-12-30 08:00"}, ""),
    ],
)
def test_a_trend_compares_like_with_like(story, exams, past, trend) -> None:
    """Same unit and formula, plain numbers, 180 days; a change below 5 % has no direction (T2)."""
    before = story.egfr(**({"observed": "2026-07-30 08:00"} | past))
    (line,) = story.lines(exams.ct, [before, story.egfr("24")])
    assert line == f"S R01 eGFR 24 mL/min/1.73m2 (19Aug 06:10; final{trend}); below 30"


def test_the_window_ends_after_90_days(story, exams) -> None:
    """The value of 91 days ago is not the state of today."""
    assert story.rules_of(exams.ct, [story.egfr("24", "2026-05-23 09:12")]) == ["R01"]
    assert story.rules_of(exams.ct, [story.egfr("24", "2026-05-21 09:12")]) == []


def test_windows_anchor_at_the_exam_while_it_is_ahead(story, exams) -> None:
    """An exam in four weeks looks back from there (D10)."""
    value = story.egfr("24", "2026-05-30 09:12")
    assert story.rules_of(exams.ct, [value]) == ["R01"]
    assert story.rules_of(exams.ct, [value], scheduled=story.at("2026-09-17 09:00")) == []


def test_an_inpatients_older_value_is_shown_as_stale(story, exams) -> None:
    """The short window never hides the newest value (rules.md 3.0.5)."""
    (line,) = story.lines(exams.ct, [story.egfr("24", "2026-08-10 06:10")], inpatient=True)
    assert "(10Aug 06:10; final; older than 48 h)" in line


def test_a_race_specific_twin_counts_only_alone(story, exams) -> None:
    """The value labelled non-Black is used, and its formula said, when it is the only one (rules.md 3.0.8)."""
    twin = story.egfr("24", code="48642-3")
    (line,) = story.lines(exams.ct, [twin])
    assert line.startswith("S R01 eGFR 24 mL/min/1.73m2, MDRD non-Black formula (19Aug 06:10")
    assert story.rules_of(exams.ct, [twin, story.egfr("52", "2026-08-18 06:10")]) == []


def test_of_one_draw_the_newer_formula_counts(story, exams) -> None:
    """98979-8 before 62238-1 before MDRD (T3)."""
    values = [story.egfr("31", code="33914-3"), story.egfr("24", code="98979-8"), story.egfr("27", code="62238-1")]
    (line,) = story.lines(exams.ct, values)
    assert "eGFR 24 " in line


def test_a_preliminary_value_says_so(story, exams) -> None:
    """The status is a word on the line."""
    (line,) = story.lines(exams.ct, [story.egfr("24", status="P")])
    assert "; preliminary)" in line


def test_dialysis_silences_the_egfr_but_not_after_a_transplant(story, exams) -> None:
    """R05 stands instead of R01 for current dialysis only (rules.md 3.0.7)."""
    dialysis = story.problem("dialysis", code="N18.6")
    facts = [story.egfr("9"), dialysis]
    assert story.rules_of(exams.ct, facts) == ["R05"]
    assert story.rules_of(exams.ct, [*facts, story.problem("kidney_transplant")]) == ["R01", "R05"]
    over = story.problem("dialysis", code="Z99.2", ended=story.at("2025-01-10"))
    assert story.rules_of(exams.ct, [story.egfr("9"), over]) == ["R01", "R05"]


def creatinines(story, *values, unit="mg/dL"):
    return [story.lab("creatinine", value, when, unit=unit) for value, when in values]


@pytest.mark.parametrize(
    ("values", "unit", "found"),
    [
        ((("1.0", "2026-08-18 06:00"), ("1.3", "2026-08-19 06:00")), "mg/dL", True),
        ((("1.0", "2026-08-18 06:00"), ("1.29", "2026-08-19 06:00")), "mg/dL", False),
        ((("1.0", "2026-08-16 06:00"), ("1.3", "2026-08-19 06:00")), "mg/dL", False),
        ((("1.0", "2026-08-14 06:00"), ("1.5", "2026-08-19 06:00")), "mg/dL", True),
        ((("1.0", "2026-08-10 06:00"), ("1.5", "2026-08-19 06:00")), "mg/dL", False),
        ((("80", "2026-08-18 06:00"), ("107", "2026-08-19 06:00")), "umol/L", True),
        ((("80", "2026-08-18 06:00"), ("100", "2026-08-19 06:00")), "umol/L", False),
        ((("126", "2026-08-18 06:00"), ("153", "2026-08-19 06:00")), "UMOLL", True),
        ((("126", "2026-08-18 06:00"), ("153", "2026-08-19 06:00")), "\u03bcmol/L", True),
        ((("1.0", "2026-08-18 06:00"), (">1.3", "2026-08-19 06:00")), "mg/dL", False),
        ((("1.5", "2026-08-18 06:00"), ("1.0", "2026-08-19 06:00")), "mg/dL", False),
    ],
)
def test_acute_kidney_injury_by_its_rise(story, exams, values, unit, found) -> None:
    """0.3 mg/dL (26.5 umol/L) in 48 h, or 1.5 times in 7 days (R03)."""
    rules = story.rules_of(exams.ct, creatinines(story, *values, unit=unit))
    assert rules == (["R03"] if found else [])


def test_acute_kidney_injury_shows_three_values(story, exams) -> None:
    """A single eGFR is unreliable then, so the values stand there."""
    facts = creatinines(story, ("1.0", "2026-08-17 06:00"), ("1.2", "2026-08-18 06:00"), ("1.7", "2026-08-19 06:00"))
    (line,) = story.lines(exams.ct, facts)
    assert line == (
        "S R03 AKI: creatinine 1.0 (17Aug), 1.2 (18Aug), 1.7 (19Aug) mg/dL; final; "
        "risen 0.3 mg/dL or 26.5 umol/L in 48 h or 1.5 times in 7 d"
    )


def test_a_rise_is_known_in_every_unit_in_which_creatinine_is(story, exams) -> None:
    """A unit that the concept takes and the rule does not know would be a kidney injury that nobody sees."""
    document = story.read((story.mappings / "concepts.yaml").read_text(encoding="utf-8"))
    (creatinine,) = (lab for lab in document["labs"] if lab["concept"] == "creatinine")
    for name, less, enough in (("mg/dL", "100.2", "100.3"), ("umol/L", "126", "126.5")):
        for unit in (name, *document["units"][name]):
            for value, found in ((less, []), (enough, ["R03"])):
                facts = creatinines(story, ("100", "2026-08-18 06:00"), (value, "2026-08-19 06:00"), unit=unit)
                assert story.rules_of(exams.ct, facts) == found, (unit, value)
    assert creatinine["units"] == ["mg/dL", "umol/L"]


def test_the_spelling_of_a_unit_may_change(story, exams) -> None:
    """A laboratory that writes mg/dL one day and MG/DL the next has not changed its unit."""
    facts = creatinines(story, ("1.0", "2026-08-18 06:00"), unit="MG/DL")
    facts += creatinines(story, ("1.4", "2026-08-19 06:00"))
    assert story.rules_of(exams.ct, facts) == ["R03"]


def test_values_of_different_units_are_not_compared(story, exams) -> None:
    """1.2 mg/dL and 106 umol/L are the same value, not a rise."""
    facts = [*creatinines(story, ("1.2", "2026-08-18 06:00"))]
    facts += creatinines(story, ("106", "2026-08-19 06:00"), unit="umol/L")
    assert story.rules_of(exams.ct, facts) == []


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (lambda s: [s.egfr("24")], True),
        (lambda s: [s.egfr("38")], False),
        (lambda _: [], False),
        (lambda s: creatinines(s, ("1.0", "2026-08-18 06:00"), ("1.9", "2026-08-19 06:00")), True),
        (lambda s: [s.egfr("9"), s.problem("dialysis")], True),
    ],
)
def test_metformin_needs_a_reason(story, exams, facts, found) -> None:
    """R06 shows metformin beside an eGFR below 30 or AKI, also where dialysis silences the eGFR."""
    assert ("R06" in story.rules_of(exams.ct, [*facts(story), story.drug("metformin")])) is found


@pytest.mark.parametrize(
    ("use", "found"),
    [
        ({}, True),
        ({"ended": "2026-08-01 00:00"}, True),
        ({"ended": "2026-06-01 00:00"}, False),
        ({"status": "D"}, False),
        ({"since": "2026-09-01"}, False),
    ],
)
def test_active_means_the_use_overlaps_the_window(story, exams, use, found) -> None:
    """A drug without an end is in use however long ago it began; one that ended before the window is not (3.0.15)."""
    if "ended" in use:
        use = use | {"ended": story.at(use["ended"])}
    assert ("R06" in story.rules_of(exams.ct, [story.egfr("24"), story.drug("metformin", **use)])) is found
