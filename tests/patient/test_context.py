"""The fold of facts: corrections, withdrawals, snapshots, and the same over fewer rows (T13 to T16, T25, T26)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage, Span
from engine.patient.fact import Demographics, Fact

COVERAGE = Coverage({"lab": Span(1, 2)})
KEYS = frozenset({"H|MR|1"})


def fact(entry: int, **changes: Any) -> Fact:
    """A laboratory value of one key; `entry` is also when it arrived, was observed, and its version."""
    row = Fact(
        *("H|MR|1", entry, 1, 100, "lab", "egfr", "98979-8", "LN", "eGFR", 24.0, "", "24", "mL/min", "", "L", "F", ""),
        *(entry, 0, entry, entry, "", "F1|98979-8||20260819", "OBX[1]-5", "lab", "eGFR 24"),
    )
    return row._replace(**changes)


def allergy(entry: int, name: str, **changes: Any) -> Fact:
    return fact(entry, kind="allergy", concept=name, key=name, path="AL1[1]-3", status="", value=None, **changes)


def mark(entry: int, kind: str = "allergy", segment: str = "AL1", **changes: Any) -> Fact:
    return fact(entry, kind="snapshot", concept="", text=kind, key=kind, path=segment, status="", **changes)


def context(*facts: Fact, as_of: int = 0) -> PatientContext:
    return PatientContext.of(KEYS, facts, COVERAGE, as_of)


def entries(found: tuple[Fact, ...]) -> list[int]:
    return [row.entry for row in found]


def test_the_newest_version_holds_whatever_arrived_first() -> None:
    """Supersession is by version, not by receipt (T16, C44)."""
    old, new = fact(5, version=1), fact(2, version=9, status="C")
    assert context(old, new).current() == (new,)
    assert context(new, old).current() == (new,)


@pytest.mark.parametrize(
    ("loser", "winner"), [("P", "F"), ("F", "C"), ("I", "P"), ("S", "R"), ("P", ""), ("U", "C"), ("C", "W")]
)
def test_of_one_version_the_stricter_status_holds(loser: str, winner: str) -> None:
    """W, D, X, C, F, P and R, I, S (rules.md 3.0.25), whichever entry came later; then the entry."""
    weak, strict = fact(2, version=1, status=loser), fact(1, version=1, status=winner)
    held = context(weak, strict).current()
    assert held == (() if winner == "W" else (strict,))
    assert context(fact(1, version=1), fact(2, version=1)).current() == (fact(2, version=1),)


@pytest.mark.parametrize("status", ["D", "W", "X"])
def test_a_withdrawal_takes_back_and_a_correction_brings_back(status: str) -> None:
    """D/W/X leave nothing of the key; a newer value holds again."""
    assert context(fact(1), fact(2, status=status)).current() == ()
    assert context(fact(1), fact(2, status=status)).history("egfr") == ()
    assert entries(context(fact(1), fact(2, status=status), fact(3)).current()) == [3]
    assert entries(context(fact(3), fact(2, status=status)).current()) == [3]


def test_a_discontinued_medication_is_no_withdrawal() -> None:
    """Its D says that its use ended, which rules about the last days ask for."""
    rows = [fact(n, kind="medication", status=status) for n, status in ((1, "A"), (2, "D"))]
    assert entries(context(*rows).current("medication")) == [2]


def test_keys_and_kinds_are_apart_and_newest_observed_comes_first() -> None:
    """A vital sign with the key of a result is another thing."""
    rows = [fact(1, observed=50), fact(2, key="b", observed=90), fact(3, kind="vital", concept="weight", observed=70)]
    assert entries(context(*rows).current()) == [2, 3, 1]
    assert entries(context(*rows).current("vital")) == [3]
    assert entries(context(*rows).current(concept="egfr")) == [2, 1]
    assert entries(context(*rows).history("egfr")) == [2, 1]
    assert context(*rows).current("vital", "egfr") == ()


def test_what_was_not_observed_stands_where_it_arrived() -> None:
    """Observed 0 is ordered by received."""
    assert entries(context(fact(5, observed=0), fact(9, key="b", observed=4)).current()) == [5, 9]


def test_a_cluster_shares_results_and_keeps_lists_apart() -> None:
    """A correction under the surviving number corrects; an allergy under both numbers stands under each (D4)."""
    other = "H|MR|2"
    assert entries(context(fact(1), fact(2, patient=other, status="C")).current()) == [2]
    rows = [allergy(1, "latex"), allergy(2, "latex", patient=other)]
    assert entries(context(*rows).current()) == [2, 1]


def test_a_list_ends_what_it_does_not_name() -> None:
    """T34: the row that is missing in the next list is gone; rows of the marker's own message stay."""
    rows = [allergy(1, "latex"), allergy(1, "iodine"), mark(1), allergy(2, "latex"), mark(2)]
    assert entries(context(*rows).current()) == [2]
    assert context(allergy(1, "latex"), mark(1), mark(2)).current() == ()  # AL1-3 was deleted


def test_no_list_says_nothing() -> None:
    """T26: a message without AL1 brings no marker and wipes nothing."""
    assert entries(context(allergy(1, "latex"), mark(1), fact(2)).current("allergy")) == [1]


def test_a_late_list_does_not_end_newer_facts() -> None:
    """Markers and facts are compared by version: an old list that arrives late ends only what is older."""
    rows = [allergy(5, "latex", version=50), mark(5, version=50), mark(6, version=40), allergy(6, "iodine", version=40)]
    assert entries(context(*rows).current()) == [5]


def test_a_list_ends_only_its_own_kind_patient_and_place() -> None:
    """Another number's list, other kinds, and allergies that stood elsewhere than in AL1 stay."""
    rows = [
        allergy(1, "latex", patient="H|MR|2"),
        fact(1, kind="problem", key="p", path="DG1[1]-3"),
        allergy(1, "iodine")._replace(path="TXT-1"),
        fact(1),
        mark(9),
    ]
    assert len(context(*rows).current()) == 4


def test_diagnoses_are_lists_of_a_visit() -> None:
    """3.0.24: an update of an old encounter never erases current problems."""
    old = fact(1, kind="problem", key="V1|a", visit="V1", path="DG1[1]-3")
    now = fact(2, kind="problem", key="V2|b", visit="V2", path="DG1[1]-3")
    assert entries(context(old, now, mark(3, "problem", "DG1", visit="V1")).current()) == [2]


def test_as_it_was() -> None:
    """as_of leaves out what arrived later, markers and withdrawals included."""
    rows = [fact(1), allergy(2, "latex"), mark(2), fact(5, status="W"), mark(6)]
    assert entries(context(*rows, as_of=4).current()) == [2, 1]
    assert context(*rows).current() == ()


def test_demographics_are_merged_place_by_place() -> None:
    """An empty place says nothing, a deleted one empties it, the newest version wins (T27)."""

    def person(entry: int, family: str, given: str, birth_date: str, sex: str) -> Fact:
        return fact(entry, kind="demographics", text=family, value_text=given, code=birth_date, flag=sex, key="PID")

    rows = [person(1, "DOE", "JANE", "19600101", "F"), person(2, "SMITH", "", "", '""')]
    found = context(*rows[::-1], mark(2, "demographics", "PID"))
    assert found.demographics == Demographics("SMITH", "JANE", "19600101", "")
    assert found.current() == ()
    assert context(fact(1)).demographics is None


def test_the_overlay_leaves_the_context_as_it_was() -> None:
    """with_facts returns a new context; coverage and identifiers are kept."""
    before = context(fact(1), allergy(1, "latex"), mark(1))
    assert entries(before.current("allergy")) == [1]
    after = before.with_facts([fact(2), mark(2)])
    assert entries(before.current()) == [1, 1]
    assert entries(after.current()) == [2]
    assert after.coverage is COVERAGE
    assert after.identifiers == KEYS


def test_a_context_shows_no_content_in_its_repr() -> None:
    """PHI never reaches a log."""
    assert repr(context(fact(1))) == "<PatientContext of 1 identifiers, 1 facts>"


ROWS = st.lists(
    st.builds(
        lambda entry, version, status, key, kind: (
            mark(entry, version=version)
            if kind == "mark"
            else (allergy if kind == "allergy" else lambda e, _k, **c: fact(e, key=_k, **c))(
                entry, key, version=version, **({} if kind == "allergy" else {"status": status})
            )
        ),
        st.integers(1, 6),
        st.integers(1, 4),
        st.sampled_from(["F", "P", "C", "W", "D"]),
        st.sampled_from("abc"),
        st.sampled_from(["lab", "allergy", "mark"]),
    ),
    max_size=12,
    unique_by=lambda row: (row.entry, row.kind, row.key),
)


@given(ROWS, st.integers(0, 12), st.randoms(use_true_random=False))
def test_the_fold_does_not_depend_on_order_or_batches(rows: list[Fact], cut: int, random: Any) -> None:
    """In any order, at once or as an overlay, the same facts hold."""
    shuffled = rows[:]
    random.shuffle(shuffled)
    at_once = context(*rows).current()
    assert sorted(context(*shuffled).current()) == sorted(at_once)
    overlaid = context(*shuffled[:cut]).with_facts(shuffled[cut:]).current()
    assert sorted(overlaid) == sorted(at_once)


@given(ROWS)
def test_the_fold_equals_the_plain_model(rows: list[Fact]) -> None:
    """Group by what is spoken of, take the newest, drop withdrawals, drop what a newer list left out."""
    rank = {"P": 2, "F": 3, "": 3, "C": 4, "D": 6, "W": 7}
    newest: dict[tuple[str, str], Fact] = {}
    for row in sorted(rows, key=lambda row: (row.version, rank[row.status], row.entry)):
        if row.kind != "snapshot":
            newest[row.kind, row.key] = row
    marks = [row for row in rows if row.kind == "snapshot"]
    last = max(((row.version, row.entry) for row in marks), default=(0, 0))
    held = {
        row
        for row in newest.values()
        if row.status not in {"D", "W", "X"}
        and not (row.kind == "allergy" and row.entry != last[1] and (row.version, row.entry) < last)
    }
    assert set(context(*rows).current()) == held
