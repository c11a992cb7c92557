"""Absent is not "none" (D13): a missing result is stated only where its feed was heard over the window."""

import pytest

from engine.patient.extract import instant


def absent(story, exam, **more):
    return [(i.finding.severity, i.short, i.line) for i in story.items(exam, more.pop("facts", []), **more)]


def test_missing_where_the_feed_was_heard(story, exams) -> None:
    """Both values are named, in the headline as well."""
    assert absent(story, exams.biopsy, coverage=story.heard(), sex="M") == [
        ("S", "!no INR 30 d", "no INR in 30 d (laboratory feed heard 09:10) [R32]"),
        ("S", "!no platelets 30 d", "no platelets in 30 d (laboratory feed heard 09:10) [R32]"),
    ]


@pytest.mark.parametrize(
    ("heard", "line"),
    [
        ({"since": "2026-08-01 07:00"}, "no INR received (laboratory feed since 01Aug) [R32]"),
        ({"delayed": "2026-08-20 09:02"}, "INR not known; results delayed since 09:02 [R32]"),
        ({"delayed": "2026-08-19 22:02"}, "INR not known; results delayed since 19Aug 22:02 [R32]"),
        ({"last": "2026-08-18 06:02"}, "INR not known; laboratory silent since 18Aug 06:02 [R32]"),
    ],
)
def test_otherwise_it_is_said_why_nothing_is_claimed(story, exams, heard, line) -> None:
    """Never safety by itself, and never in the headline."""
    found = absent(story, exams.biopsy, coverage=story.heard(**heard), sex="M")
    assert found[0] == ("I", "", line)
    assert all(severity == "I" and not short for severity, short, _ in found)


@pytest.mark.parametrize(
    ("heard", "line"),
    [
        (
            {},
            "no INR value in 30 d, last 1.4 (02Jun), received as HEMOLYZED (19Aug) (laboratory feed heard 09:10) [R32]",
        ),
        (
            {"since": "2026-08-01 07:00"},
            "no recent INR value received, last 1.4 (02Jun), received as HEMOLYZED (19Aug) (laboratory feed since 01Aug) [R32]",
        ),
        (
            {"delayed": "2026-08-20 09:02"},
            "INR value not known, last 1.4 (02Jun), received as HEMOLYZED (19Aug); results delayed since 09:02 [R32]",
        ),
        (
            {"last": "2026-08-18 06:02"},
            "INR value not known, last 1.4 (02Jun), received as HEMOLYZED (19Aug); laboratory silent since 18Aug 06:02 [R32]",
        ),
    ],
)
def test_a_value_before_the_window_is_told(story, exams, heard, line) -> None:
    """`No INR received` would be false where there is one: its value and its day stand beside."""
    old = [story.lab("inr", "1.4", "2026-06-02 06:10"), story.lab("inr", "HEMOLYZED", "2026-08-19 06:10")]
    found = absent(story, exams.biopsy, facts=old, coverage=story.heard(**heard), sex="M")
    assert line in [text for *_, text in found]


def test_a_feed_never_heard_says_nothing(story, exams) -> None:
    """Where no laboratory is connected, no line is added to any order."""
    assert absent(story, exams.biopsy) == []


def test_a_value_that_cannot_be_judged_is_no_value(story, exams) -> None:
    """HEMOLYZED is a result and no INR; an INR inside the limit is one (T10)."""
    clotted = [story.lab("inr", "HEMOLYZED", "2026-08-19 06:10"), story.lab("platelets", "210", "2026-08-19 06:10")]
    found = absent(story, exams.biopsy, facts=clotted, coverage=story.heard(), sex="M")
    line = "no INR value in 30 d, received as HEMOLYZED (19Aug) (laboratory feed heard 09:10) [R32]"
    assert found == [("S", "!no INR 30 d", line)]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"concept": "", "value": "45000", "unit": "/uL"}, "Platelets 45000 /uL"),  # a unit that is no unit of it
        ({"concept": "platelets", "value": "45 to 60", "unit": "10*3/uL"}, "45 to 60 10*3/uL"),
        ({"concept": "", "value": "45", "unit": "10*3/quux"}, "Platelets 45 10*3/quux"),
        ({"concept": "", "value": "45", "unit": "", "code": "99999-9", "text": "Plt Bld Ql"}, "Plt Bld Ql 45"),
    ],
)
def test_what_came_and_is_not_understood_is_not_called_missing(story, exams, sent, words) -> None:
    """It is told as it was sent, and not in the headline; a result of another name or of long ago changes nothing."""
    code = {"code": "777-3", "system": "LN", "text": "Platelets"} | sent
    count = story.lab(code.pop("concept"), code.pop("value"), "2026-08-19 06:10", **code)
    inr = story.lab("inr", "1.0", "2026-08-19 06:10")
    found = absent(story, exams.biopsy, facts=[inr, count], coverage=story.heard(), sex="M")
    assert found == [("I", "", f"platelets not judged, received as {words} (19Aug) [R32]")]
    other = count._replace(concept="", code="718-7", text="Hemoglobin")
    old = count._replace(observed=story.at("2026-06-01 06:10"))
    for fact in (other, old):
        stated = absent(story, exams.biopsy, facts=[inr, fact], coverage=story.heard(), sex="M")
        assert [short for _, short, _ in stated] == ["!no platelets 30 d"]


def test_a_pregnancy_test_in_other_words_is_not_called_missing(story, exams) -> None:
    """`NOT POSITIVE` is no word of ours, and no reason to say that there was no test."""
    test = story.lab("hcg_urine", "NOT POSITIVE", "2026-08-19 06:10")
    told = absent(story, exams.ct, facts=[test], coverage=story.heard(), born="19950101")
    assert ("I", "", "hCG not judged, received as NOT POSITIVE (19Aug) [R40]") in told
    assert not [line for *_, line in told if "no hCG" in line]


def test_hits_stand_before_what_is_missing(story, exams) -> None:
    """Platelets of 20 are worse than an INR nobody measured."""
    low = [story.lab("platelets", "20", "2026-08-19 06:10")]
    found = absent(story, exams.biopsy, facts=low, coverage=story.heard(), sex="M")
    assert [short for _, short, _ in found] == ["!platelets 20 (19Aug)", "!no INR 30 d"]


def test_a_missing_egfr_is_no_safety_finding(story, exams) -> None:
    """Without a risk it only changes the reading (R04 is another rule)."""
    found = absent(story, exams.ct, coverage=story.heard())
    assert found == [("I", "", "no eGFR in 90 d (laboratory feed heard 09:10) [R01]")]
    assert absent(story, exams.ct, coverage=story.heard(), facts=[story.problem("dialysis")])[0][0] == "S"


@pytest.mark.parametrize(
    ("facts", "born", "found"),
    [
        (lambda _: [], "20000101", True),
        (lambda s: [s.lab("hcg_urine", "NEGATIVE", "2026-08-19 06:10")], "20000101", False),
        (lambda s: [s.lab("hcg_urine", "NEGATIVE", "2026-08-10 06:10")], "20000101", True),
        (lambda s: [s.problem("hysterectomy", code="Z90.710")], "19800101", False),
        (lambda s: [s.problem("menopause")], "19800101", True),
        (lambda s: [s.problem("menopause")], "19730101", False),
        (lambda _: [], "", False),
    ],
)
def test_a_missing_pregnancy_test(story, exams, facts, born, found) -> None:
    """72 h, unless uterus or age exclude it; menopause counts from 50 (rules.md 3.0.12)."""
    shorts = [short for _, short, _ in absent(story, exams.ct, facts=facts(story), born=born, coverage=story.heard())]
    assert ("!no hCG 72 h" in shorts) is found


def test_no_pregnancy_test_is_missed_for_ultrasound_and_mr(story, exams) -> None:
    """Neither guidance by ultrasound nor gadolinium asks for one (rules.md 3.0.13)."""
    for exam in (exams.us_biopsy, exams.mr):
        lines = [line for *_, line in absent(story, exam, born="20000101", coverage=story.heard())]
        assert not any("hCG" in line for line in lines)


def test_an_older_positive_test_is_shown_instead(story, exams) -> None:
    """Its age beside it; it is not called missing."""
    old = [story.lab("hcg_quant", "250", "2026-08-10 06:10", unit="mIU/mL")]
    found = absent(story, exams.ct, facts=old, born="20000101", coverage=story.heard())
    assert [short for *_, short, _ in found if "hCG" in short] == ["!hCG 250 (10Aug)"]


def test_a_hidden_kind_is_never_missing(story, exams) -> None:
    """What the policy hides may exist: nothing is claimed about it."""
    hidden = type(story.policy)(hide={"kinds": ("lab",)})
    assert absent(type(story)(story.rules, hidden, story.concepts), exams.biopsy, coverage=story.heard(), sex="M") == []


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [
        ("INR1", "Intl Normalized Ratio", "3.4"),
        ("X", "I.N.R.", "3.4"),
        ("38875-1", "INR Plt Pwd", "2.4"),
        ("6301-6", "Prothrombin activity", "2.4"),  # code and name disagree
    ],
)
def test_a_name_that_may_be_the_one_asked_for_is_told(story, exams, code, name, value) -> None:
    """An unusual name, an unlisted code, a code that its name contradicts."""
    system = "LN" if "-" in code else "L"
    count = story.lab("platelets", "210", "2026-08-19 06:10")
    came = story.lab("", value, "2026-08-19 06:10", code=code, text=name, system=system)
    found = absent(story, exams.biopsy, facts=[count, came], coverage=story.heard(), sex="M")
    assert found == [("I", "", f"INR not judged, received as {name} {value} (19Aug) [R32]")]


@pytest.mark.parametrize(
    "name", ["INR goal", "INR Therapeutic range", "Giant Platelets", "Platelet transfusion units", "Platelet antibody"]
)
def test_what_merely_holds_the_word_hides_no_absence(story, exams, name) -> None:
    """A goal, an antibody, a transfusion is no such result."""
    came = story.lab("", "2", "2026-08-19 06:10", code="X1", text=name)
    found = absent(story, exams.biopsy, facts=[came], coverage=story.heard(), sex="M")
    assert [short for _, short, _ in found] == ["!no INR 30 d", "!no platelets 30 d"]


def test_an_older_result_that_may_tell_counts_before_a_newer_that_cannot(story, exams) -> None:
    """`3.4 H` of the 17th is in the window, whatever note came after it."""
    facts = [
        story.lab("inr", "3.4 H", "2026-08-17 06:10"),
        story.lab("inr", "SEE NOTE", "2026-08-19 06:10"),
    ]
    facts.append(story.lab("platelets", "210", "2026-08-19 06:10"))
    found = absent(story, exams.biopsy, facts=facts, coverage=story.heard(), sex="M")
    assert found == [("I", "", "INR not judged, received as 3.4 H (17Aug) [R32]")]


def test_an_older_answer_in_words_is_told(story, exams) -> None:
    """`No hCG received` would be false where one came before the window."""
    test = story.lab("hcg_urine", "Negative", "2026-08-06 06:10")
    told = absent(story, exams.ct, facts=[test], coverage=story.heard(since="2026-08-18 07:00"), born="19950101")
    assert ("I", "", "no recent hCG received, last Negative (06Aug) (laboratory feed since 18Aug) [R40]") in told
    serum = story.lab("", "Positive", "2026-08-19 06:10", code="2106-3", system="LN", text="HCG Serum")
    told = absent(story, exams.ct, facts=[serum], coverage=story.heard(), born="19950101")
    assert ("I", "", "hCG not judged, received as HCG Serum Positive (19Aug) [R40]") in told


@pytest.mark.parametrize(
    ("sent", "missing"), [("2026", False), ("202608", False), ("202607", False), ("202606", True), ("2025", True)]
)
def test_a_coarse_time_may_lie_in_the_window(story, exams, sent, missing) -> None:
    """Of a month or a year that reaches into the window nothing is called missing (T47)."""
    inr = story.lab("inr", "1.0", "2026-08-19 06:10")._replace(observed=instant(sent, "America/Chicago"))
    count = story.lab("platelets", "210", "2026-08-19 06:10")
    found = absent(story, exams.biopsy, facts=[inr, count], coverage=story.heard(), sex="M")
    assert [short for _, short, _ in found] == (["!no INR 30 d"] if missing else [])
