"""How findings are ranked and written at 64, 300 and 10,240 characters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.patient.extract import instant
from engine.relevance.dates import day, dtm, iso, moment
from engine.relevance.ownwords import cut_at_word, is_own_note, join_relevant, split_relevant
from engine.relevance.phrases import ascii_only, bare
from engine.relevance.synopsis import headline, note
from engine.relevance.templates import refused_words

ZONE = "America/Chicago"


def many(story):
    facts = [story.egfr("24"), story.contrast(), story.drug("metformin")]
    facts += [story.problem("dialysis", code="N18.6"), story.problem("kidney_transplant")]
    facts += [story.problem("pregnancy", observed=story.at("2026-06-02"))]
    facts += [story.lab("creatinine", "1.0", "2026-08-18 06:00", unit="mg/dL")]
    return [*facts, story.lab("creatinine", "2.0", "2026-08-19 06:00", unit="mg/dL")]


def test_the_headline_holds_whole_items_and_counts_the_rest(story, exams) -> None:
    """What does not fit is counted as safety; nothing is cut inside and nothing pads it (C19, C22)."""
    items = story.items(exams.ct, many(story), born="20000101")
    assert [item.short for item in items] == [
        *("!eGFR 24 (19Aug)", "!AKI creat 2.0 (19Aug)", "!CT-contrast rxn SEVERE 2021"),
        *("!pregnancy 02Jun", "metformin", "!dialysis"),
    ]
    assert headline(items, 64).text == "!eGFR 24 (19Aug); +5 more safety, see note"
    assert headline(items, 70).text == "!eGFR 24 (19Aug); !AKI creat 2.0 (19Aug); +4 more safety, see note"
    assert headline(items, 300).text == "; ".join(item.short for item in items)


@pytest.mark.parametrize("width", range(26, 200))
def test_a_headline_is_never_longer_than_its_width(story, exams, width) -> None:
    """Every item of it is whole, and shown and counted make all."""
    items = story.items(exams.ct, many(story), born="20000101")
    text, shown = headline(items, width)
    assert len(text) <= width
    parts = text.split("; ")
    more = int(parts[-1].split()[0]) if parts[-1].startswith("+") else 0
    assert parts[: len(shown)] == [item.short for item in shown]
    assert len(shown) + more == len(items)


def test_what_is_no_safety_is_counted_without_the_word(story, exams) -> None:
    """`+1` for a finding that only changes the reading (rules.md 3.0.17)."""
    facts = [story.egfr("24"), story.contrast(), story.fact("allergy", "iodine", text="iodine")]
    items = story.items(exams.ct, facts)
    assert headline(items, 64).text == "!eGFR 24 (19Aug); !CT-contrast rxn SEVERE 2021; +1"


def test_the_note_never_leaves_out_safety(story, exams) -> None:
    """Others go from the least important up, counted at the end; safety stays whatever the length (C22)."""
    facts = [*many(story), story.fact("allergy", "seafood", text="Shrimp"), story.lab("weight", "82", "2026-08-18")]
    items = story.items(exams.ct, facts, born="20000101")
    whole = note(items, story.case, "", 10240)
    assert whole.endswith("8 findings shown, 6 safety.")
    assert "CONTEXT: " in whole
    short = note(items, story.case, "", len(whole) - 1)
    assert short.endswith("7 findings shown, 6 safety, +1 more.")
    least = note(items, story.case, "", 10)
    assert least.endswith("6 findings shown, 6 safety, +2 more.")
    assert all(item.line in least for item in items if item.finding.severity == "S")


def test_results_on_their_way_are_said(story, exams) -> None:
    """A lagging channel is named in the note, next to what is known."""
    items = story.items(exams.ct, [story.egfr("24")], coverage=story.heard(delayed="2026-08-20 09:02"))
    assert "Results delayed since 09:02. 1 finding shown, 1 safety." in note(items, story.case, "", 10240)


def test_every_line_names_source_and_rule(story, exams) -> None:
    """`[lab OBX, R01]` at the end of each."""
    for item in story.items(exams.ct, many(story), born="20000101"):
        assert item.line.endswith(f", {item.finding.rule.id}]")


def test_what_the_order_says_itself_ranks_lower_but_not_safety(story, exams) -> None:
    """For I and C only (rules.md 3.0.18)."""
    iodine = story.fact("allergy", "iodine", text="iodine", observed=story.at("2020-05-05"))
    facts = [story.egfr("38"), iodine]
    assert story.rules_of(exams.ct, facts) == ["R02", "R08"]
    assert story.rules_of(exams.ct, facts, text="KNOWN GFR 38") == ["R08", "R02"]
    safety = [story.egfr("24"), story.contrast()]
    assert story.rules_of(exams.ct, safety, text="KNOWN GFR 24") == ["R01", "R07"]


def test_ranking_is_safety_abnormal_recent_coded(story, exams) -> None:
    """In that order, whatever the order the facts came in."""
    facts = [
        story.lab("weight", "82", "2026-08-18"),
        story.drug("metformin"),
        story.contrast(observed=story.at("2021-03-12")),
        story.egfr("24"),
    ]
    assert story.rules_of(exams.ct, facts) == ["R01", "R07", "R06", "R88"]
    assert story.rules_of(exams.ct, facts[::-1]) == ["R01", "R07", "R06", "R88"]


def test_dates_have_the_year_when_it_is_not_the_exams(story, exams) -> None:
    """`19Aug`, `19Aug2025`; a mere year or month is not made a day; a date without a time has none (C20, P5)."""
    story.items(exams.ct, [])
    case = story.case
    assert day(story.at("2026-08-19 06:10"), case) == "19Aug"
    assert day(story.at("2025-08-19 06:10"), case) == "19Aug2025"
    assert day(story.at("2026-03-01"), case) == "01Mar"
    assert day(story.at("2016-01-01"), case) == "01Jan2016"
    assert moment(story.at("2026-08-19"), case) == "19Aug"
    assert dtm(story.at("2026-08-19"), case) == "20260819"
    assert dtm(story.at("2026-08-19 06:10"), case) == "20260819061000"


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("2026", ("2026", "2026", "2026")),
        ("202608", ("Aug2026", "2026-08", "202608")),
        ("2021+0000", ("2021", "2021", "2021")),  # the year that was said, not the evening before it
        ("202101+1000", ("Jan2021", "2021-01", "202101")),
        ("20260801", ("01Aug", "2026-08-01", "20260801")),
        ("20160101", ("01Jan2016", "2016-01-01", "20160101")),
        ("202608010000", ("01Aug", "2026-08-01", "20260801")),
        ("20260801061012.3456", ("01Aug 06:10", "2026-08-01 06:10", "20260801061012")),
    ],
)
def test_no_day_is_shown_that_nobody_said(story, exams, sent, written) -> None:
    """A time is shown, and sent on, as exact as it came (T47)."""
    story.items(exams.ct, [])
    at = instant(sent, ZONE)
    assert (moment(at, story.case), iso(at, story.case), dtm(at, story.case)) == written


def test_a_clocks_time_is_no_coarse_one(story, exams) -> None:
    """Times of arrival have microseconds of any value."""
    story.items(exams.ct, [])
    for odd in (1, 2, 7, 999_999):
        assert day(story.at("2026-08-19 06:10") + odd, story.case) == "19Aug"
        assert dtm(story.at("2026-08-19 06:10") + odd, story.case) == "20260819061000"
    undated = story.egfr("24", "2026-08-19 06:10")._replace(observed=0, received=story.at("2026-08-19 06:20") + 2)
    (item,) = [one for one in story.items(exams.ct, [undated]) if one.finding.rule.id == "R01"]
    assert item.short == "!eGFR 24 (19Aug)"


def test_a_drug_until_a_month_is_in_use_to_its_end(story, exams) -> None:
    """Until 202608 is no end on the first of August (T47)."""

    def lines(until: str) -> list[str]:
        drug = story.drug("metformin", ended=instant(until, ZONE))
        return [item.line for item in story.items(exams.ct, [story.egfr("24"), drug]) if "etformin" in item.line]

    assert ["active since" in line for line in lines("202608")] == [True]
    assert ["active since" in line for line in lines("2026")] == [True]
    assert lines("202606") == []


def test_a_result_of_the_future_says_so_and_stands_as_of_its_arrival(story, exams) -> None:
    """A year too many must not stand above every result of that year (T50)."""
    ahead = story.egfr("24", "2027-08-19 06:10")
    (item,) = [one for one in story.items(exams.ct, [ahead]) if one.finding.rule.id == "R01"]
    assert item.short == "!eGFR 24 (19Aug2027?)"
    assert "(19Aug2027? date in the future; final" in item.line
    newer = story.egfr("25", "2026-08-19 08:10", received=story.at("2026-08-19 08:20"))
    (item,) = [one for one in story.items(exams.ct, [ahead, newer]) if one.finding.rule.id == "R01"]
    assert item.short == "!eGFR 25 (19Aug)"


def test_the_headline_says_what_is_not_certain(story, exams) -> None:
    """A result that is not final, and a diagnosis that is only possible, are marked where 64 characters are all one sees."""
    facts = [story.egfr("24", status="P"), story.problem("dialysis", certainty="possible")]
    shorts = {item.finding.rule.id: item.short for item in story.items(exams.ct, facts)}
    assert shorts["R01"] == "!eGFR 24 (19Aug) prelim"
    assert shorts["R05"] == "!poss. dialysis"
    assert "R01" not in story.rules_of(exams.ct, [facts[0], story.problem("dialysis")])  # the control: certain dialysis
    (final,) = (item.short for item in story.items(exams.ct, [story.egfr("24")]) if item.finding.rule.id == "R01")
    assert final == "!eGFR 24 (19Aug)"


@given(st.text())
@settings(max_examples=200)
def test_bare_text_holds_nothing_that_travels_as_an_escape(text) -> None:
    """Whatever a feed sends, a note needs no escape."""
    assert not set(bare(text)) & set("|^~\\&\r\n")
    assert ascii_only(text).isascii()


def test_foreign_letters_become_ascii_in_the_headline() -> None:
    """Accents go, other scripts become question marks."""
    assert ascii_only("Müller é \u9020") == "Muller e ?"


@given(st.text(alphabet=st.characters(exclude_characters="<>")), st.booleans())
def test_the_two_parts_of_obr_13_come_apart_again(original, first) -> None:
    """Ours and the clinician's are told by the mark, in both orders."""
    original = original.strip()
    joined = join_relevant("!eGFR 24 (19Aug)", original, original_first=first)
    assert split_relevant(joined) == ("!eGFR 24 (19Aug)", original)
    assert "EMR>" in joined


@given(st.text(alphabet="ab ", max_size=400), st.integers(20, 300))
def test_a_cut_never_exceeds_its_width(text, width) -> None:
    """Whole words and the sign that there is more."""
    cut = cut_at_word(text, width)
    assert len(cut) <= width
    assert cut.endswith("(cut, see NTE)")


def test_our_note_is_known_by_its_beginning() -> None:
    """So that it is never taken for evidence (D13c)."""
    assert is_own_note("EMR CONTEXT 20Aug2026 09:12. SAFETY: x.")
    assert not is_own_note("Patient says EMR CONTEXT is wrong")


@pytest.mark.parametrize("exam", ["ct", "mr", "biopsy", "puncture", "unknown"])
def test_no_rendered_text_advises(story, exams, exam) -> None:
    """Fact, limit and source only (C21): no refused word in any headline or line."""
    facts = [*many(story), story.drug("doac"), story.fact("device", "cied", text="ICD")]
    facts += [
        story.lab("inr", "3", "2026-08-19"),
        story.problem("cirrhosis"),
        story.fact("allergy", "iodine", text="iodine"),
    ]
    for item in story.items(getattr(exams, exam), facts, born="20000101", coverage=story.heard()):
        assert refused_words(item.short) == refused_words(item.line) == ()
