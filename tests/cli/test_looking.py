"""messages, messages show, explain: what a person finds out about a message and an order."""

from contextlib import contextmanager

import pytest

from engine.channel.ports import Attempt, Commit, Decision, Lane, LaneState, OutcomeNote
from engine.channel.site import Site
from engine.cli.deliveries import delivered_words
from engine.cli.explain import NOTHING_SHOWN, explanation
from engine.cli.field_diff import field_changes
from engine.cli.message_page import message_page
from engine.cli.search import Criteria, search
from engine.cli.site import Readers
from engine.errors import ConfigError
from engine.hl7.message import Message
from tests.cli.conftest import START, received, run_worker, sample

ORDER = 7  # position of the order among the samples
QUARANTINED = 8
UNREACHED = 9


def positions(readers: Readers, **criteria: object) -> list[int]:
    """Positions of a search."""
    return [int(row[0]) for row in search(readers, Criteria(**criteria)).rows]


def page(readers: Readers, position: int, *, raw: bool = False) -> str:
    """The page of one message."""
    entry = readers.journal.entry(position)
    assert entry is not None
    return "\n".join(message_page(readers, entry, raw=raw))


# messages


def test_everything_is_listed_newest_first(readers: Readers) -> None:
    """Also what was refused, and what the worker has not reached."""
    assert positions(readers) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_pages_follow_each_other(readers: Readers) -> None:
    """--before the last position of a page gives the next, until there is no more."""
    found, before, pages = [], 0, 0
    while pages < 10:
        part = search(readers, Criteria(limit=4, before=before))
        found += [int(row[0]) for row in part.rows]
        before, pages = part.reached, pages + 1
        if not part.more:
            break
    assert (found, pages) == ([9, 8, 7, 6, 5, 4, 3, 2, 1], 3)


def test_by_patient_and_type(readers: Readers) -> None:
    """All messages of the patient, processed or not."""
    found = positions(readers, patient="12345")
    assert {ORDER, UNREACHED} <= set(found)
    assert QUARANTINED not in found


def test_by_accession_filler_or_placer(readers: Readers) -> None:
    """Whichever number the caller has at hand."""
    assert positions(readers, accession="ACC1") == [ORDER]
    assert positions(readers, accession="F1") == [ORDER]
    assert positions(readers, accession="P1") == [ORDER]


def test_by_control_id_also_before_it_is_processed(readers: Readers) -> None:
    """The journal between cursor and tail is searched as well."""
    (position,) = positions(readers, control_id="LATE0003")
    assert position == UNREACHED


def test_text_that_only_stands_somewhere_is_no_key(readers: Readers) -> None:
    """`24` stands in OBX-5 of the unprocessed result, and is nobody's patient id."""
    assert positions(readers, patient="24") == []


def test_criteria_are_joined_by_and(readers: Readers) -> None:
    """A patient's messages that one channel took."""
    assert positions(readers, patient="12345", channel="orders_to_pacs") == [ORDER]
    assert positions(readers, patient="12345", accession="other") == []


def test_by_status(readers: Readers) -> None:
    """RECEIVED is what has no outcome; the others are the outcomes' own."""
    assert positions(readers, status="RECEIVED") == [UNREACHED]
    assert positions(readers, status="TRANSFORMED", limit=3) == [7, 6, 5]
    assert QUARANTINED not in positions(readers, status="TRANSFORMED")


def test_by_what_waits_to_be_delivered(readers: Readers, another_order) -> None:
    """QUEUED and HELD as their lane is; PARKED as its patient's are; what was sent is none of them."""
    another_order("ACC4")
    another_order("ACC5")
    assert positions(readers, status="QUEUED") == [11, 10]
    assert positions(readers, status="QUEUED", accession="ACC4") == [10]
    assert positions(readers, status="QUEUED", channel="adt") == []
    assert positions(readers, status="HELD") == positions(readers, status="PARKED") == []
    with readers.journal.transaction() as tx:
        parked = Attempt("pacs", 0, 2, 0, Decision.PARKED, "AE 207", "HOSP|MR|12345")
        tx.wire.record(parked, Lane("pacs", 0, done=2, state=LaneState.HELD))
    assert positions(readers, status="PARKED") == [10]
    assert positions(readers, status="HELD") == [11]
    assert positions(readers, status="QUEUED") == []


def test_by_what_became_of_a_delivery(readers: Readers, another_order) -> None:
    """SENT, SKIPPED and FAILED are searched in deliveries as well, FAILED also in outcomes; the row says why."""
    for accession in ("ACC4", "ACC5"):
        another_order(accession)
    assert (positions(readers, status="SENT"), positions(readers, status="SKIPPED")) == ([ORDER], [])
    assert positions(readers, status="FAILED") == [QUARANTINED]
    with readers.journal.transaction() as tx:
        tx.wire.record(Attempt("pacs", 0, 2, 0, Decision.FAILED, "AE 204"), Lane("pacs", 0, done=2))
        tx.wire.skip(
            Attempt("pacs", 0, 3, 0, Decision.SKIPPED, "skipped by anna: entered by hand"), Lane("pacs", 0, done=3)
        )
    assert positions(readers, status="FAILED") == [10, QUARANTINED]
    assert positions(readers, status="FAILED", before=10) == [QUARANTINED]
    assert positions(readers, status="FAILED", channel="orders_to_pacs") == [10]
    assert positions(readers, status="FAILED", channel="adt") == []
    assert (
        positions(readers, status="SKIPPED") == positions(readers, status="SKIPPED", channel="orders_to_pacs") == [11]
    )
    assert positions(readers, status="SENT") == [ORDER]
    skipped, failed = (search(readers, Criteria(status=status)).rows[0][-1] for status in ("SKIPPED", "FAILED"))
    assert skipped == "pacs SKIPPED (skipped by anna: entered by hand)"
    assert failed == "pacs FAILED (AE 204 (unknown key identifier))"


def test_what_was_recorded_last_counts_and_not_what_the_clock_said(readers: Readers, another_order) -> None:
    """PARKED, the wall clock set back an hour, SENT: it is sent."""
    another_order("ACC4")
    hour = 3_600_000_000
    with readers.journal.transaction() as tx:
        tx.wire.record(Attempt("pacs", 0, 2, hour, Decision.PARKED, "AE 204", "HOSP|MR|12345"), Lane("pacs", 0, done=2))
    with readers.journal.transaction() as tx:
        tx.wire.unpark("pacs", "HOSP|MR|12345")
    with readers.journal.transaction() as tx:
        tx.wire.parked_decided(Attempt("pacs", 0, 2, 0, Decision.SENT, "AA"))
    assert positions(readers, status="PARKED") == []
    assert search(readers, Criteria(accession="ACC4")).rows[0][-1] == "pacs SENT"


def test_an_unknown_status_is_said(readers: Readers) -> None:
    """With those there are."""
    with pytest.raises(
        ConfigError, match="RECEIVED, FILTERED, TRANSFORMED, FAILED, QUARANTINED, QUEUED, HELD, PARKED, "
    ):
        search(readers, Criteria(status="DONE"))


def test_a_row_says_what_became_of_it(readers: Readers) -> None:
    """Channel and status, destination and status of the delivery."""
    (row,) = search(readers, Criteria(accession="ACC1")).rows
    assert row[2:] == ["ris", "ORM^O01", "SYN0006", "orders_to_pacs TRANSFORMED", "pacs SENT"]


def test_searching_shows_no_content_in_reprs() -> None:
    """What was asked for may be a patient."""
    assert "12345" not in repr(Criteria(patient="12345", accession="ACC1", control_id="C"))


# messages show


def test_an_order_with_its_attempts_and_changes(readers: Readers) -> None:
    """Outcome, both attempts, each field in and out with the standard's name, each segment that was added."""
    text = page(readers, ORDER)
    assert "orders_to_pacs: TRANSFORMED" in text
    assert "RETRY  no answer for 30 s" in text
    assert "SENT  AA" in text
    assert "~ OBR-13     Relevant Clinical Info" in text
    assert "before  (empty)" in text
    assert "after   !eGFR 24 (19Aug)" in text
    assert "~ MSH-10     Message Control ID" in text
    assert "+ AL1        Patient Allergy: AL1|1|" in text
    assert "ZDS" not in text  # untouched


def test_a_refused_message(readers: Readers) -> None:
    """What was answered and why stands there; nothing was delivered."""
    text = page(readers, QUARANTINED)
    assert "QUARANTINED" in text
    assert "AR|100" in text
    assert "deliveries\n  none" in text


def test_a_message_the_worker_has_not_reached(readers: Readers) -> None:
    """It is there, and it says so."""
    assert "RECEIVED: not processed yet" in page(readers, UNREACHED)


def test_the_message_as_it_came(readers: Readers) -> None:
    """--raw, one segment a line; without it only what changed is shown."""
    assert "\n  PID|1||12345^^^HOSP^MR" in page(readers, ORDER, raw=True)
    assert "DOE^JANE" not in page(readers, ORDER)


def test_what_deferred_work_found_stands_below_its_outcome(readers: Readers) -> None:
    """One line for each finding, each below the first; another channel's stands below that channel's outcome."""
    found = "PV1[1] stands where ORM_O01 of 2.3.1 has NTE, PID, ORC\nOBX-11 is required and missing"
    notes = [
        OutcomeNote(ORDER, "orders_to_pacs", 1, 99, "validate", found),
        OutcomeNote(1, "adt", 1, 99, "validate", "x"),
    ]
    readers.store.commit(Commit(cursors=(), notes=notes))
    lines = page(readers, ORDER).split("\n")
    at = lines.index("  orders_to_pacs: TRANSFORMED")
    assert lines[at + 2 : at + 4] == [
        "    validate    PV1[1] stands where ORM_O01 of 2.3.1 has NTE, PID, ORC",
        "                OBX-11 is required and missing",
    ]
    assert "    validate    x" not in lines


# field by field


def diff(before: str, after: str) -> list[tuple[str, str | None, str | None]]:
    """Changes between two bodies below the same header."""
    head = "MSH|^~\\&|A|B|C|D|20260820||ORM^O01|1|P|2.5.1\r"
    changes = field_changes(Message.parse((head + before).encode()), Message.parse((head + after).encode()))
    return [(change.path, change.before, change.after) for change in changes]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("OBR|1|a", "OBR|1|a", []),
        ("OBR|1|a", "OBR|1|b", [("OBR-2", "a", "b")]),
        ("OBR|1", "OBR|1|b", [("OBR-2", "", "b")]),
        ("OBR|1|a~b", "OBR|1|a", [("OBR-2", "a~b", "a")]),
        ("OBR|1|a", "OBR|1|a\rNTE|1", [("NTE", None, "NTE|1")]),
        ("OBR|1|a\rNTE|1", "OBR|1|a", [("NTE", "NTE|1", None)]),
        ("OBX|1\rOBX|2|x", "OBX|1\rOBX|2|y", [("OBX[2]-2", "x", "y")]),
        ("NTE|1\rOBR|1", "OBR|2", [("OBR-1", "1", "2"), ("NTE", "NTE|1", None)]),
    ],
)
def test_differences(before: str, after: str, changes: list[tuple[str, str | None, str | None]]) -> None:
    """Fields of segments that stayed, segments that came, segments that went."""
    assert diff(before, after) == changes


def test_differences_are_shown_in_the_messages_own_sets() -> None:
    """A segment that went is read as what it was, the same letter in another set is no difference, and U+FFFD is never written."""
    head = "MSH|^~\\&|A|B|C|D|20260820||ORM^O01|1|P|2.5.1\r"
    before = Message.parse(f"{head}PID|1||Jürgen\rNTE|1||Müller\r".encode("latin-1"), "iso8859_1")
    after = Message.parse(f"{head}PID|1||Jürgen\r".encode())
    assert [(change.path, change.before, change.after) for change in field_changes(before, after)] == [
        ("NTE", "NTE|1||Müller", None)
    ]
    broken = Message.parse(head.encode() + b"PID|1||J\xfcrgen\rNTE|M\xfc\r")
    assert [change.after for change in field_changes(Message.parse(head.encode()), broken)] == [
        "PID|1||J\\xfcrgen",
        "NTE|M\\xfc",
    ]


# explain


def test_each_finding_with_rule_threshold_source_and_origin(readers: Readers) -> None:
    """And the headline, when it left and what the PACS said."""
    text = "\n".join(explanation(readers, "ACC1"))
    assert "order ACC1: CT ABD PELVIS W IV CONTRAST" in text
    assert "headline    !eGFR 24 (19Aug)" in text
    assert "to pacs: SENT (AA)" in text
    assert "rule      R01 (safety)" in text
    assert "threshold egfr below 30, 90 d before the exam" in text
    assert "source    ACR-NKF consensus 2020" in text
    assert "origin    lab entry 3 OBX[1]-5" in text


def test_an_order_is_found_by_its_other_numbers(readers: Readers) -> None:
    """Filler and placer lead to the same order."""
    assert explanation(readers, "F1") == explanation(readers, "P1") == explanation(readers, "ACC1")


def test_an_unknown_order_is_said(readers: Readers) -> None:
    """One line that says where it was looked for."""
    with pytest.raises(ConfigError, match="no order 'X' is known"):
        explanation(readers, "X")


def test_nothing_shown_says_why(readers: Readers, another_order) -> None:
    """With the switch off the order left as it came, and that is what is said."""
    readers.store.commit(Commit(cursors=(), switches={"enrichment": "off"}))
    another_order("ACC2")
    text = "\n".join(explanation(readers, "ACC2"))
    assert "nothing was shown:" in text
    assert NOTHING_SHOWN["off"] in text


# deliveries


def test_a_delivery_is_held_while_its_lane_is(readers: Readers, another_order) -> None:
    """D7: an undecided row is QUEUED in an open lane and HELD in any other."""
    another_order("ACC3")
    assert delivered_words(readers, 10)[0].startswith("pacs: QUEUED as ")
    with readers.journal.transaction() as tx:
        tx.wire.set_lane(Lane("pacs", 0, done=1, state=LaneState.HELD, reason="AE 207"))
    assert delivered_words(readers, 10)[0].startswith("pacs: HELD as ")


# the verbs, over a site


@pytest.fixture
def opened(monkeypatch, readers: Readers) -> Readers:
    """The verbs read these instead of files."""

    @contextmanager
    def open_readers(_site):
        yield readers

    monkeypatch.setattr("engine.cli.messages.open_readers", open_readers)
    monkeypatch.setattr("engine.cli.explain.open_readers", open_readers)
    return readers


@pytest.mark.usefixtures("opened")
def test_messages_prints_a_table_and_the_next_page(backstory) -> None:
    """Head, rows, and how to go on."""
    status, out, _ = backstory("messages", "--limit", 2)
    assert status == 0
    assert out.splitlines()[0].startswith("POSITION")
    assert out.splitlines()[-1] == "more: --before 8"


@pytest.mark.usefixtures("opened")
def test_messages_without_a_match_says_so(backstory) -> None:
    """Nothing found is no error."""
    assert backstory("messages", "--patient", "nobody")[:2] == (0, "no message matches\n")


@pytest.mark.usefixtures("opened")
def test_show_and_explain(backstory) -> None:
    """The pages as printed; what is not there is one line."""
    assert "orders_to_pacs: TRANSFORMED" in backstory("messages", "show", 7)[1]
    assert backstory("messages", "show", 700) == (
        *(1, "", "backstory: the journal has no entry 700; it was trimmed, or never was\n"),
    )
    assert "rule      R01" in backstory("explain", "--order", "ACC1")[1]


def test_before_the_engine_ran_there_is_nothing_to_read(site_folder, backstory) -> None:
    """One line that says what to do."""
    status, _, err = backstory("messages", "--site", site_folder)
    assert (status, err.count("\n")) == (1, 1)
    assert "has not run yet (backstory run)" in err


def test_an_explanation_says_that_something_was_left_out(readers: Readers, shipped: Site) -> None:
    """The same result under another name, before an order like the first: shown without it, and said so (D13b)."""
    other = sample("oru_egfr_24").replace(b"DOE^JANE||19600101", b"SMITH^BOB||19700202").replace(b"SYN0003", b"SYN0903")
    order = sample("orm_ct_abdomen").replace(b"SYN0006", b"SYN0906")
    with readers.journal.transaction() as tx:
        tx.log.append([received("lab", other, START + 50), received("ris", order, START + 51)])
    run_worker(shipped, readers.store, readers.journal)
    text = "\n".join(explanation(readers, "ACC1"))
    assert "alert       facts were left out, since they are of somebody else under this number" in text
    assert "no eGFR" not in text
