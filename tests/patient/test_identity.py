"""Identifiers, the listener's choice, and clusters that nothing moves for (D3, D4, T21 to T24)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.message import Message, Segment
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage, Span
from engine.patient.fact import Demographics, Fact
from engine.patient.guard import demographics, doubted, in_doubt, only_own
from engine.patient.identity import Clusters, Identifier, IdentityEvent, identifiers, linked, pick_identifier

PREFER = ("MR", "PI")


def pid(text: str, legacy: str = "") -> Segment:
    segment = Message.parse(f"MSH|^~\\&|A\rPID|1|{legacy}|{text}".encode()).first("PID")
    assert segment is not None
    return segment


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("12345^^^HOSP^MR", "HOSP|MR|12345"),
        ("12345", "MAIN||12345"),
        ("12345^^^^MR", "MAIN|MR|12345"),
        ("12345^^^&1.2.3&ISO^MR", "1.2.3|MR|12345"),
        ("12345^7^M10^HOSP^MR", "HOSP|MR|12345"),
        (" 12345 ^^^HOSP^MR", "HOSP|MR|12345"),
        ("99^^^ENT^PI~12345^^^HOSP^MR", "HOSP|MR|12345"),
        ("078051120^^^SSA^SS~99^^^ENT^PI", "ENT|PI|99"),
        ("1^^^CLINIC^MR~2^^^MAIN^MR", "MAIN|MR|2"),
        ("1^^^CLINIC^MR~2^^^OTHER^MR", "CLINIC|MR|1"),
        ("078051120^^^SSA^SS~77", "MAIN||77"),
        ("078051120^^^SSA^SS", "SSA|SS|078051120"),
        ('""^^^HOSP^MR~99^^^ENT^PI', "ENT|PI|99"),
        ("^^^HOSP^MR~99^^^ENT^PI", "ENT|PI|99"),
    ],
)
def test_the_listener_picks_one_identifier(field: str, key: str) -> None:
    """Type by preference, its own authority first, then the order sent; the check digit is no part of it."""
    found = pick_identifier(pid(field), "MAIN", PREFER)
    assert found is not None
    assert found.key == key


def test_nobody_is_named() -> None:
    """No PID, an empty PID-3, a deleted one: None, never an empty identifier."""
    assert pick_identifier(None, "MAIN", PREFER) is None
    for field in ("", '""', "^^^HOSP^MR", "~"):
        assert pick_identifier(pid(field), "MAIN", PREFER) is None


def test_pid_2_stands_in_for_an_empty_pid_3() -> None:
    """A legacy of 2.2, and only where PID-3 names nobody."""
    assert identifiers(pid("", legacy="55"), "MAIN") == (Identifier("MAIN", "55", ""),)
    assert identifiers(pid("1", legacy="55"), "MAIN") == (Identifier("MAIN", "1", ""),)


def test_pid_4_stands_in_where_it_says_whose_number_it_is() -> None:
    """An alternate number without an authority may be that of another hospital, and then of another patient (T21, T22)."""
    alternate = "|55^^^LAB^MR~66"
    assert identifiers(pid(alternate), "MAIN") == (Identifier("LAB", "55", "MR"),)
    assert identifiers(pid(f"1{alternate}"), "MAIN") == (Identifier("MAIN", "1", ""),)
    assert identifiers(pid(alternate, legacy="2"), "MAIN") == (Identifier("MAIN", "2", ""),)
    assert identifiers(pid("|66"), "MAIN") == ()


def test_zeros_are_stripped_only_where_the_listener_says_so() -> None:
    """0012 and 12 are two patients, unless the site says that they are one; zero itself stays."""
    assert identifiers(pid("0012"), "M")[0].id == "0012"
    assert identifiers(pid("0012"), "M", strip_zeros=True)[0].id == "12"
    assert identifiers(pid("000"), "M", strip_zeros=True)[0].id == "0"


def test_the_same_identifier_twice_is_one() -> None:
    """Repetitions are told apart by their meaning."""
    assert len(identifiers(pid("1^^^H^MR~1^^^H^MR~2^^^H^PI"), "H")) == 2


def test_keys_are_printable_and_never_shared() -> None:
    """Controls are written out, and a bar inside an authority does not make two identifiers one key (D6)."""
    assert Identifier("HOSP", "1\x00\r2", "MR").key == "HOSP|MR|1\\x00\\x0d2"
    assert Identifier("A|MR", "1", "").key != Identifier("A", "1", "MR").key
    assert Identifier("A", "x\\x0d", "").key != Identifier("A", "x\r", "").key


@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_two_identifiers_never_share_a_key(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """The key is injective and printable in UTF-8."""
    a, b = Identifier(*one), Identifier(*other)
    assert (a.key == b.key) == (a == b)
    assert a.key.encode()


def event(kind: str, a: str, b: str, entry: int) -> IdentityEvent:
    return IdentityEvent(entry, 1, 0, kind, a, b, entry)


def test_what_a_pid_lists_together_is_linked() -> None:
    """Identifiers of preferred types; a social security number joins nobody, nor do two numbers of one kind."""
    mr, pi, ss = Identifier("H", "1", "MR"), Identifier("E", "9", "PI"), Identifier("SSA", "7", "SS")
    assert linked((mr, ss, pi), PREFER) == ((mr.key, pi.key),)
    assert linked((mr, ss), PREFER) == ()
    assert linked((mr, Identifier("H", "2", "MR"), pi), PREFER) == ()
    assert linked((mr, Identifier("CLINIC", "2", "MR")), PREFER) == ((mr.key, "CLINIC|MR|2"),)
    assert linked((mr, Identifier("", "9", "PI")), PREFER) == ()


def test_chained_merges_make_one_cluster() -> None:
    """A into B, B into C (T24); who was never named is a cluster of one."""
    clusters = Clusters.of([event("merge", "A", "B", 1), event("merge", "B", "C", 2)])
    assert clusters.cluster("A") == clusters.cluster("C") == {"A", "B", "C"}
    assert clusters.cluster("Z") == {"Z"}
    assert Clusters.of([]).cluster("Z") == {"Z"}


def test_an_unlink_reverses_and_the_log_order_decides() -> None:
    """The reverse row takes back link and merge of its two; what others say stays; a later link holds again."""
    merged = [event("merge", "A", "B", 1), event("link", "B", "C", 2)]
    undone = [*merged, event("unlink", "B", "A", 3)]
    assert Clusters.of(undone).cluster("A") == {"A"}
    assert Clusters.of(undone).cluster("B") == {"B", "C"}
    assert Clusters.of(reversed(undone)).cluster("A") == {"A"}
    assert Clusters.of([*undone, event("link", "A", "B", 4)]).cluster("A") == {"A", "B", "C"}


@given(st.lists(st.tuples(st.sampled_from(["link", "merge", "unlink"]), *[st.sampled_from("ABCDEF")] * 2), max_size=20))
def test_clusters_are_a_partition_equal_to_the_plain_model(log: list[tuple[str, str, str]]) -> None:
    """Every member of a cluster has the same cluster, as a search over the standing pairs finds it."""
    events = [event(kind, a, b, number) for number, (kind, a, b) in enumerate(log)]
    standing: set[frozenset[str]] = set()
    for kind, a, b in log:
        (standing.discard if kind == "unlink" else standing.add)(frozenset((a, b)))
    clusters = Clusters.of(events)
    for start in "ABCDEF":
        reached = {start}
        while more := {name for pair in standing if pair & reached for name in pair} - reached:
            reached |= more
        assert clusters.cluster(start) == reached


STORED = Demographics("DOE", "JANE", "19600101", "F")


@pytest.mark.parametrize(
    ("family", "birth_date", "doubt"),
    [
        ("DOE", "19600101", False),
        ("SMITH", "19600101", False),  # a marriage
        ("DOE", "19700202", False),  # a correction
        ("SMITH", "19700202", True),
        ("", "19700202", True),  # all that was sent contradicts
        ("SMITH", "", True),
        ("DOE JANE", "", False),
        ("", "", False),
        ("doe", "19700202", False),
        ("SMITH", "1960", False),  # as far as sent
        ("SMITH", "1970", True),
        ("SMITH", "196001010830", False),
    ],
)
def test_identity_is_in_doubt_when_name_and_birth_date_both_differ(
    family: str, birth_date: str, *, doubt: bool
) -> None:
    """D13b; where one of them was not sent, and the given name neither, the other decides (ADR 10)."""
    assert in_doubt(Demographics(family, "", birth_date, ""), STORED) is doubt


@pytest.mark.parametrize(("given", "doubt"), [("JANE", False), ("BOB", True)])
def test_the_given_name_stands_in_for_what_was_not_sent(given: str, *, doubt: bool) -> None:
    """Another family name under one given name is a marriage; with both it is somebody else."""
    assert in_doubt(Demographics("SMITH", given, "", ""), STORED) is doubt
    assert in_doubt(Demographics("", given, "19700202", ""), STORED) is doubt
    assert in_doubt(Demographics("SMITH", given, "19700202", ""), STORED)
    assert not in_doubt(Demographics("SMITH", given, "19600101", ""), STORED)


def test_there_is_no_doubt_about_who_is_unknown() -> None:
    """A first order, and a stored patient without name or birth date."""
    order = Demographics("SMITH", "", "19700202", "")
    assert not in_doubt(order, None)
    assert not in_doubt(order, Demographics("", "", "", "F"))
    assert not in_doubt(Demographics("", "BOB", "", ""), STORED)


def test_names_are_compared_without_punctuation() -> None:
    """O'Brien and OBRIEN are one name."""
    assert not in_doubt(Demographics("O'Brien-Lee", "", "1", ""), Demographics("OBRIEN LEE", "", "2", ""))


def row(entry: int, family: str, born: str, patient: str = "H|MR|1", kind: str = "demographics") -> Fact:
    """What a registration says, or a fact of the same shape."""
    return Fact(
        *(patient, entry, 1, 100, kind, "egfr", born, "", family, None, "", "", "", "", "", "", ""),
        *(entry, 0, entry, entry, "", f"{kind}{entry}", "PID", "adt", ""),
    )


JANE, BOB = ("DOE", "19600101"), ("SMITH", "19700202")


def shown(order: tuple[str, str], *rows: Fact, also: frozenset[str] = frozenset()) -> list[int]:
    """Entries of the facts that the order's person is shown."""
    known = PatientContext.of(frozenset({row.patient for row in rows}) | also, rows, Coverage({}))
    person = Demographics(order[0], "", order[1], "")
    return sorted(fact.entry for fact in only_own(person, known)[0].current())


def test_a_number_begins_anew_with_the_next_person() -> None:
    """Jane's facts are nobody's once Bob is registered under her number; what comes after is his."""
    rows = (row(1, *JANE), row(2, "", "", kind="lab"), row(5, *BOB), row(6, "", "", kind="lab"))
    assert shown(BOB, *rows) == [6]
    assert shown(("", ""), *rows) == [6]  # an order that says nothing of its patient is for whom the number is now
    assert shown((BOB[0], ""), *rows) == [6]
    assert shown(("", BOB[1]), *rows) == [6]
    assert shown(JANE, *rows[:2]) == [2]  # the control: before Bob came


def test_a_number_that_changed_hands_and_back_shows_what_came_in_each_ones_time() -> None:
    rows = (row(1, *JANE), row(2, "", "", kind="lab"), row(3, *BOB), row(4, "", "", kind="lab"), row(5, *JANE))
    assert shown(JANE, *rows, row(7, "", "", kind="lab")) == [2, 7]


def test_a_late_registration_of_the_former_patient_takes_nothing_from_the_present_one() -> None:
    """It is older than what is known; the lists that it brings are the former one's."""
    late = row(8, *JANE)._replace(version=3)
    rows = (row(1, *JANE), row(5, *BOB), row(6, "", "", kind="lab"), row(6, "", "", kind="allergy"), late)
    after = (row(8, "", "", kind="allergy"), row(9, "", "", kind="lab"))
    assert shown(BOB, *rows, *after) == [6, 6, 9]
    marker = row(8, "", "", kind="snapshot")._replace(text="allergy")  # nor does his list end hers
    assert shown(BOB, *rows, *after, marker) == [6, 6, 9]
    assert shown(BOB, *rows, *after, marker._replace(entry=7, version=7)) == [6, 9]  # the control: a list of her own


def test_a_number_that_changed_hands_and_had_nothing_raises_no_alert() -> None:
    """Nothing is left out, so nothing is said."""
    rows = (row(1, *JANE), row(5, *BOB), row(6, "", "", kind="lab"))
    known = PatientContext.of(frozenset({rows[0].patient}), rows, Coverage({}))
    own, left_out = only_own(Demographics(BOB[0], "", BOB[1], ""), known)
    assert ([fact.entry for fact in own.current()], left_out) == ([6], "")


def test_a_result_under_the_patients_own_name_is_theirs_before_the_registration() -> None:
    """The laboratory names Bob under Jane's number, then the EMR registers him."""
    rows = (
        row(1, *JANE),
        from_lab(3, *BOB),
        from_lab(4, "", "", kind="lab"),
        row(2, "", "", kind="vital"),
        row(5, *BOB),
    )
    assert shown(BOB, *rows) == [4]


def test_a_message_that_names_somebody_else_withdraws_nothing() -> None:
    """A retraction or a correction of one result, under another name: the patient's own result stands."""
    own = from_lab(2, "", "", kind="lab")._replace(key="F1", status="F")
    gone = from_lab(4, "", "", kind="lab")._replace(key="F1", status="W", version=9)
    assert shown(JANE, row(1, *JANE), from_lab(2, *JANE), own, from_lab(4, *BOB), gone) == [2]
    assert shown(JANE, row(1, *JANE), from_lab(2, *JANE), own, from_lab(4, *JANE), gone) == []


def test_where_something_was_left_out_no_absence_of_its_kind_is_claimed() -> None:
    """Results of an unidentified patient who was named later may be the patient's (D13)."""
    zulu = ("ZULU", "19000101")
    rows = (row(1, *zulu), row(2, "", "", kind="lab"), row(3, "", "", kind="medication"), row(5, *JANE))
    known = PatientContext.of(frozenset({rows[0].patient}), rows, Coverage(dict.fromkeys(("lab", "vital"), Span(1, 9))))
    own, left_out = only_own(Demographics(JANE[0], "", JANE[1], ""), known)
    assert (own.current(), set(own.coverage.spans)) == ((), {"vital"})
    assert left_out == "this number was somebody else's before; what was known then is left out of the order"


def test_another_number_of_the_patient_is_judged_by_its_own_registrations() -> None:
    """One that was always hers keeps its facts; one of which nobody ever said whose it is begins with the last."""
    reused = (row(1, *BOB), row(5, *JANE), row(6, "", "", kind="lab"))
    hers = (row(2, *JANE, patient="H|PI|7"), row(3, "", "", patient="H|PI|7", kind="lab"))
    unnamed = (row(4, "", "", patient="H|PI|9", kind="lab"), row(8, "", "", patient="H|PI|9", kind="lab"))
    assert shown(JANE, *reused, *hers, *unnamed) == [3, 6, 8]
    assert shown(JANE, *hers, *unnamed) == [3, 4, 8]  # the control: no number was ever somebody else's


def test_of_two_patients_in_one_message_each_has_their_own() -> None:
    """Two PIDs under one number: what follows the first is hers alone."""
    rows = (
        from_lab(4, *BOB)._replace(ordinal=100),
        from_lab(4, "", "", kind="lab")._replace(ordinal=300, key="a"),
        from_lab(4, *JANE)._replace(ordinal=400),
        from_lab(4, "", "", kind="lab")._replace(ordinal=600, key="b"),
    )
    known = PatientContext.of(frozenset({rows[0].patient}), rows, Coverage({}))
    for person, ordinal in ((BOB, 300), (JANE, 600)):
        own = only_own(Demographics(person[0], "", person[1], ""), known)[0]
        assert [fact.ordinal for fact in own.current()] == [ordinal]


def test_a_message_that_names_nobody_is_of_whom_the_number_was_registered_for() -> None:
    """And not of whom its listener named before; where nobody was registered, of whom it named before."""
    registered = (row(1, *JANE), row(4, *BOB), row(6, *JANE))
    lab = (from_lab(2, *JANE), from_lab(5, "", ""), from_lab(5, "", "", kind="lab")._replace(ordinal=500))
    assert shown(JANE, *registered, *lab) == []
    assert shown(BOB, row(1, *JANE), row(4, *BOB), *lab) == [5]
    assert shown(BOB, *lab) == []
    assert shown(JANE, *lab) == [5]


def test_the_family_name_of_a_number_s_other_owner_tells() -> None:
    """A late result of ROE^JANE without a birth date, under a number that is DOE^JANE's now."""
    roe = row(1, "ROE", "19900303")._replace(value_text="JANE")
    doe = row(5, *JANE)._replace(value_text="JANE")
    late = from_lab(6, "ROE", "")._replace(value_text="JANE")
    known = [roe, doe, late, from_lab(7, "", "", kind="lab")]
    assert shown(JANE, *known) == []
    assert shown(JANE, doe, late, known[3]) == [7]  # the control: her maiden name, for all that anybody said


def test_a_vip_mark_stays_whoever_it_named() -> None:
    """What is confidential under an alias is confidential (D23)."""
    rows = (row(1, "ALIAS", "19500505"), row(1, "", "", kind="vip"), row(5, *JANE))
    assert shown(JANE, *rows) == [1]


@pytest.mark.parametrize(
    ("one", "other", "doubt"),
    [
        (("MÜLLER", "ANNA MARIA", "19600101"), ("MUELLER", "ANNA", ""), False),
        (("SMITH", "JANE", "19600101"), ("DOE", "JANE M", ""), False),
        (("SMITH", "JANE", "19600102"), ("DOE", "JANE", "1960-01-02"), False),
        (("SMITH", "JANE", "19600102"), ("DOE", "JANE", "19000101"), False),  # a date that stands for an unknown one
        (("SMITH", "JANE", "19600102"), ("DOE", "BOB", "19000101"), True),
    ],
)
def test_spellings_of_one_person(one: tuple[str, str, str], other: tuple[str, str, str], *, doubt: bool) -> None:
    """Umlauts, middle names, dashes, dates that say nothing."""
    assert in_doubt(Demographics(*one, ""), Demographics(*other, "")) is doubt
    assert in_doubt(Demographics(*other, ""), Demographics(*one, "")) is doubt


def test_what_says_little_ends_no_doubt() -> None:
    """A number that is Bob's stays his until a message names Jane, by her name or her birth date."""
    lab = row(9, "", "", kind="lab")
    for said, kept in ((("", ""), []), (("SMITH", ""), []), (("", "19600101"), [9]), (("DOE", ""), [9])):
        assert shown(JANE, row(1, *BOB), row(2, *said), lab) == kept
        by_lab = [from_lab(1, *BOB), from_lab(2, *said), lab._replace(source="lab")]
        assert shown(JANE, *by_lab) == kept


def test_one_difference_alone_begins_nothing_anew() -> None:
    """A marriage, a corrected birth date, a registration that leaves one of them out."""
    rows = (row(1, "SMITH", "19600101"), row(2, "DOE", "19700202"), row(3, "", ""), row(4, "", "", kind="lab"))
    assert shown(JANE, *rows, row(5, *JANE)) == [4]


def from_lab(entry: int, family: str, born: str, kind: str = "person") -> Fact:
    return row(entry, family, born, kind=kind)._replace(source="lab")


def test_results_that_name_somebody_else_are_nobodys() -> None:
    """From the message that begins to name another person up to the one that names the patient again; others stay."""
    hers, again = from_lab(1, *JANE), from_lab(7, *JANE)
    wrong = (from_lab(3, *BOB), from_lab(4, "", "", kind="lab"), from_lab(5, "", "", kind="document"))
    right = (from_lab(2, "", "", kind="lab"), from_lab(8, "", "", kind="lab"))
    ward = row(4, "", "", kind="vital")  # of another feed
    allergy = from_lab(5, "", "", kind="allergy")  # from a registration that this listener takes as well
    rows = (hers, *wrong, again, *right, ward, allergy)
    assert shown(JANE, *rows) == [2, 4, 5, 8]
    assert shown(JANE, row(0, *JANE), *rows) == [2, 4, 5, 8]
    assert shown(BOB, *wrong) == [4, 5]
    known = PatientContext.of(frozenset({hers.patient}), rows, Coverage({"lab": Span(1, 9), "vital": Span(1, 9)}))
    own, left_out = only_own(Demographics(JANE[0], "", JANE[1], ""), known)
    assert left_out == "messages under this number name somebody else; what they say is left out of the order"
    assert set(own.coverage.spans) == {"vital"}  # a laboratory that was not believed is not called silent
    assert only_own(Demographics("", "", "", ""), known) == (known, "")


def test_a_late_result_of_a_numbers_former_patient_is_left_out() -> None:
    """The laboratory still names Jane after the number was given to Bob."""
    rows = (row(1, *JANE), from_lab(2, *JANE), row(5, *BOB), from_lab(6, "", "", kind="lab"))
    assert shown(BOB, *rows) == []
    assert shown(BOB, *rows, from_lab(7, *BOB), from_lab(7, "", "", kind="lab")) == [7]


def test_where_nobody_is_registered_the_other_feeds_say_whose_the_number_is() -> None:
    """All of them name somebody else: in doubt. One that does not, or any registration that agrees: no doubt."""
    jane = Demographics(JANE[0], "", JANE[1], "")

    def doubt(*rows: Fact) -> bool:
        return doubted(jane, PatientContext.of(frozenset({rows[0].patient}), rows, Coverage({})))

    pharmacy = from_lab(2, *JANE)._replace(source="pharmacy")
    assert doubt(from_lab(1, *BOB))
    assert doubt(from_lab(1, *JANE), from_lab(3, *BOB))
    assert not doubt(from_lab(1, *BOB), from_lab(3, *JANE))
    assert not doubt(from_lab(1, *BOB), pharmacy)
    assert not doubt(from_lab(1, *BOB), row(2, *JANE))
    assert doubt(from_lab(1, *JANE), row(2, *BOB))
    assert not doubt(row(2, "", "", kind="lab"))


def test_demographics_of_a_pid() -> None:
    """PID-5.1 (its first subcomponent), 5.2, 7, 8; a deleted place says nothing."""
    segment = pid("1||DE LA CRUZ&DE LA&CRUZ^ANA||19600101120000|F")
    assert demographics(segment) == Demographics("DE LA CRUZ", "ANA", "19600101120000", "F")
    assert demographics(pid('1||""^ANA||""|')) == Demographics("", "ANA", "", "")
    assert demographics(None) == Demographics("", "", "", "")
