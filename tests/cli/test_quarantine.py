"""What was refused, in words: every quarantined entry of the rows in tests/wire is explained."""

import re
from contextlib import nullcontext

import pytest

from engine.app.control import ControlServer
from engine.channel.operator_acts import dismiss_body, processed_body
from engine.channel.ports import Entry, Kind, OutcomeNote, Received
from engine.channel.release import releases
from engine.cli.health import LATELY, look, needs
from engine.cli.quarantine import act_lines, explanation, known_as, released_before, shown, state
from engine.cli.search import Criteria, search
from tests.cli.conftest import START, run_worker, sample
from tests.wire.driver import run
from tests.wire.rows import Row, all_rows

REFUSED = [
    (row, strict)
    for row in all_rows()
    for strict in (False, True)
    if (not strict or row.strict) and any("QUARANTINED" in text for text in row.expected(strict=strict).kept)
]


def entry(body: bytes, answer: str, flags: str = "") -> Entry:
    return Entry(7, 0, "ris", "10.0.0.7:1", 1, body, "", Kind.QUARANTINED, answer, flags, b"")


@pytest.mark.parametrize(("row", "strict"), REFUSED, ids=[f"{row.case} {strict}" for row, strict in REFUSED])
def test_every_refusal_is_explained(row: Row, *, strict: bool) -> None:
    """A cause of its own, what the sender was told, and at least one thing to do."""
    for kept in run(row, strict=strict, packet=0).entries:
        if kept.kind is Kind.QUARANTINED:
            text = "\n".join(explanation(kept))
            assert "it was refused" not in text
            assert re.search(r"  why +[A-Za-z]", text)
            assert re.search(r"  told +(nothing|[AC][ER] \d{3} [A-Z])", text)
            assert f"backstory messages dismiss {kept.position}" in text
            assert ("messages release" not in text) or releases(kept, "8859/1", "ann")
            assert ("  where" in text) == (kept.answer.count("^") > 1)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (
            entry(sample("orm_ct_abdomen"), "AR|202|MSH^1^11"),
            ["MSH-11 Processing ID", "processing_ids on listener ris", "release 7"],
        ),
        (entry(sample("orm_ct_abdomen"), "AR|103|MSH^1^18"), ["MSH-18 Character Set", "--charset"]),
        (entry(b"MSH", "AE|102|OBX^2^5", "vt_inside"), ["OBX[2]-5 Observation Value", "VT byte"]),
        (entry(b"MSH", "AE|102|ZDS^1^1"), ["  where     ZDS-1\n"]),
        (entry(b"BHS|^~\\&\rBTS|0\r", "AE|100|"), ["the batch holds no message"]),
        (entry(b"\nMSH|", "AR|100|"), ["strict: no on listener ris"]),
        (entry(b"BHS|^~\\&\nMSH|^~\\&|\n", "AE|100|"), ["strict: no on listener ris"]),
        (entry(b"MSH", "", "refused_AR_202"), ["nothing: MSH-15 wanted no answer", "processing id"]),
        (entry(b"MSH", "AR|999|"), ["it was refused", "AR 999"]),
    ],
)
def test_what_is_said(kept: Entry, words: list[str]) -> None:
    """Places are named, and the option that would let it in."""
    text = "\n".join(explanation(kept))
    for word in words:
        assert word in text


def test_a_state_in_a_word() -> None:
    """The answer, or why there was none; and what a person did."""
    notes = [OutcomeNote(7, "", 1, 9, "released", "message 1 of 1"), OutcomeNote(7, "a", 1, 8, "validate", "x")]
    assert state(entry(b"MSH", "AR|202|MSH^1^11"), notes) == "QUARANTINED AR 202, released by entry 9"
    assert state(entry(b"MSH", "", "refused_AR_202"), []) == "QUARANTINED silently 202"
    assert state(entry(b"MSH", "", "cut_off"), []) == "QUARANTINED cut_off"
    notes = [OutcomeNote(7, "", 1, 9, "released", "message 1 of 1, processed as entry 8")]
    assert state(entry(b"MSH", "AR|202|MSH^1^11"), notes) == "QUARANTINED AR 202, processed as entry 8"


def test_an_act_that_is_no_release_is_shown_as_it_is() -> None:
    """Who dismissed what and why; a note says nothing of its own."""
    act = entry(dismiss_body(3, "a\x07test", "ann"), "")._replace(kind=Kind.OPERATOR)
    assert shown(act) is act
    assert list(act_lines(act)) == ["  dismisses entry 3, by ann", "  because   a\\x07test"]
    assert list(act_lines(act._replace(body=b"{}"))) == []
    (release,) = releases(entry(sample("orm_ct_abdomen"), "AR|202|"), "", "ann", again=True)
    assert list(act_lines(act._replace(body=release))) == ["  releases  entry 7, message 1 of 1, again, by ann"]
    settled = act._replace(body=processed_body(release, 8))
    assert shown(settled) is settled
    assert list(act_lines(settled)) == [
        "  settles   entry 7, message 1 of 1, by ann",
        "  because   it was processed as entry 8",
    ]


def test_how_a_message_was_settled_before() -> None:
    """By its note; a release `again` is one of its own."""
    notes = [
        OutcomeNote(7, "", 1, 9, "released", "message 1 of 12"),
        OutcomeNote(7, "", 1, 10, "released", "message 2 of 12, processed as entry 8"),
        OutcomeNote(7, "", 1, 11, "released", "message 3 of 12, again"),
        OutcomeNote(7, "", 1, 12, "dismissed", "message 4 of 12"),
    ]
    told = [[released_before(notes, number, 12, again=again) for number in range(1, 5)] for again in (False, True)]
    assert told == [
        ["was released before as entry 9", "was processed as entry 8", "", ""],
        ["", "", "was released before as entry 11", ""],
    ]


def test_what_the_journal_knew_instead_of_a_release() -> None:
    """This very release, that of another one with the same bytes, or the message itself."""
    original = entry(sample("orm_ct_abdomen"), "AR|202|")
    (body,) = releases(original, "", "ann")
    act = original._replace(position=9, kind=Kind.OPERATOR, body=body)
    processed = "was processed as entry 9 (--again processes it once more)"
    assert known_as(9, act, 7, 1) == known_as(9, None, 7, 1) == "was released before as entry 9"
    assert known_as(9, act, 7, 2) == known_as(9, act, 6, 1) == processed
    assert known_as(9, original._replace(position=9, kind=Kind.MESSAGE), 7, 1) == processed


def received(body: bytes, answer: str, flags: str = "") -> Received:
    return Received("ris", "127.0.0.1:1", START + 50, body, "", Kind.QUARANTINED, answer, flags, b"")


def test_quarantined_entries_are_listed_before_and_after_the_worker_saw_them(readers, shipped) -> None:
    """Newest first; not under another status, nor under a channel."""
    with readers.journal.transaction() as tx:
        tx.log.append([received(sample("orm_ct_abdomen"), "AR|202|MSH^1^11")])
    for _ in range(2):
        found = search(readers, Criteria(status="QUARANTINED")).rows
        assert [(row[0], row[5]) for row in found] == [("10", "QUARANTINED AR 202"), ("8", "QUARANTINED AR 100")]
        assert [row[0] for row in search(readers, Criteria(status="QUARANTINED", before=10)).rows] == ["8"]
        assert search(readers, Criteria(status="QUARANTINED", channel="adt")).rows == []
        run_worker(shipped, readers.store, readers.journal)


def test_status_calls_for_what_was_refused_and_not_for_what_was_cut_off(readers, shipped) -> None:
    """An answer of AE or AR, or none because MSH-15 wanted none; for a day, or until it is seen to."""
    with readers.journal.transaction() as tx:
        order = sample("orm_ct_abdomen")
        tx.log.append([received(order, "", "refused_AR_202"), received(order[:50], "", "cut_off")])
        tx.log.append([received(b"\0M", "", "utf_16")])
    run_worker(shipped, readers.store, readers.journal)

    def called(now: int) -> list[str]:
        found = look(readers, [], {}, (True, {"processes": {}}), now)
        return [sentence for sentence in needs(found) if "refused in the last day" in sentence]

    committed = max(row.committed for row in readers.store.outcomes([10]))
    assert called(committed + 1)[0].startswith("2 messages refused")
    assert called(committed + LATELY + 1) == []
    with readers.journal.transaction() as tx:
        act = received(dismiss_body(8, "a test", "ann"), "")._replace(listener="backstory", kind=Kind.OPERATOR)
        tx.log.append([act])
    run_worker(shipped, readers.store, readers.journal)
    assert called(committed + 1)[0].startswith("1 message refused")


def test_release_and_dismiss_need_a_running_engine(backstory, site_folder, monkeypatch, readers) -> None:
    """One sentence that says so; and an entry that is there."""
    monkeypatch.setattr("engine.cli.messages.open_readers", lambda _site: nullcontext(readers))
    with readers.journal.transaction() as tx:
        tx.log.append([received(sample("orm_ct_abdomen"), "AR|202|MSH^1^11")])
    status, _, err = backstory("messages", "release", 10, "--site", site_folder)
    assert (status, "start it first (backstory run)" in err) == (1, True)
    status, _, err = backstory("messages", "dismiss", 10, "--because", "a test", "--site", site_folder)
    assert (status, "start it first (backstory run)" in err) == (1, True)
    assert "no entry 99" in backstory("messages", "release", 99, "--site", site_folder)[2]
    assert "not quarantined" in backstory("messages", "release", 7, "--site", site_folder)[2]


def test_release_hands_the_message_to_the_engine(backstory, site_folder, monkeypatch, readers) -> None:
    """Under a command id of the entry's own, so that twice is once."""
    monkeypatch.setattr("engine.cli.messages.open_readers", lambda _site: nullcontext(readers))
    with readers.journal.transaction() as tx:
        tx.log.append([received(sample("orm_ct_abdomen"), "AR|202|MSH^1^11")])
    (site_folder / "data" / "run").mkdir()
    commands = []

    def carry_out(command):
        commands.append((command.verb, command.id))
        return {"position": 11, "duplicate": len(commands) == 3}

    server = ControlServer(site_folder / "data" / "run" / "supervisor.sock", carry_out)
    server.start()
    try:
        told = backstory("messages", "release", 10, "--site", site_folder)[1]
        dismissed = backstory("messages", "dismiss", 10, "--because", "a test", "--site", site_folder)[1]
        again = backstory("messages", "release", 10, "--site", site_folder)[1]
        once_more = backstory("messages", "release", 10, "--again", "--site", site_folder)[1]
    finally:
        server.close()
    assert again == "entry 10 was released before as entry 11\n"
    assert (told, dismissed) == ("entry 10 is released as entry 11\n", "entry 10 is dismissed\n")
    assert once_more == "entry 10 is released as entry 11\n"
    assert commands == [
        *[("append", "release:10:1"), ("append", "dismiss:10"), ("append", "release:10:1")],
        ("append", "release:10:1:again"),
    ]
