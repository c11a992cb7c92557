"""What the journal is asked about a release, and how the resend of what was released is answered."""

import hashlib
import json

import pytest

from engine.channel.let_through import let_through
from engine.channel.operator_acts import dismiss_body, processed_body, read, release_body
from engine.channel.outcome import Status
from engine.channel.ports import Appended, Entry, Kind, LetThrough
from engine.channel.receive import Judged, judge
from engine.channel.release import releases
from engine.channel.verdict import ListenerRules
from engine.hl7.charset import encode
from engine.mllp.framing import Framed, FrameEvent
from engine.store import MemoryJournal, MemoryStore
from tests.channel.test_process import ORM, Bench
from tests.channel.test_release import kept, operator, quarantined

PLAIN = b"MSH|^~\\&|LAB|HOSP|||20260819093100||ADT^A01|C1|P|2.5.1\rPID|1||1||DOE\r"


def judged(body: bytes, **rules: object) -> Judged:
    return judge(FrameEvent(Framed.FRAME, body), ListenerRules("ris")._replace(**rules), "10.0.0.7:4000", 1)


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        PLAIN.replace(b"|C1|", b"||"),
        b"\r\n" + PLAIN,
        PLAIN.replace(b"|", b"#"),
        encode(PLAIN.decode().replace("LAB", "許功蓋").replace("2.5.1", "2.5.1||||||BIG-5"), "cp950"),
        encode(PLAIN.decode().replace("LAB", "山").replace("2.5.1", "2.5.1||||||~ISO IR87"), "iso2022:ascii,jisx0208"),
    ],
)
def test_it_is_looked_for_as_receive_would_know_it(body: bytes) -> None:
    """The identity of the accepted message is among those asked for, in any set, with and without a control id."""
    (accepted,) = judged(body).received
    assert accepted.kind is Kind.MESSAGE or b"||ADT^A01||" in body
    found = let_through(releases(kept(body), "", "ann")[0])
    assert found is not None
    assert accepted.identity in found.identities
    assert len(found.identities) <= 2
    assert (found.listener, found.sha256) == ("ris", hashlib.sha256(body).digest())
    assert repr(found) == "LetThrough(ris)"


def test_nothing_is_looked_for_where_a_person_says_again() -> None:
    """Which the act keeps; other acts, and what is no message, ask for nothing either."""
    (act,) = releases(kept(PLAIN), "", "ann")
    (again,) = releases(kept(PLAIN), "", "ann", again=True)
    assert (json.loads(again)["again"], "again" in json.loads(act)) == (True, False)
    damaged = [
        json.dumps({**json.loads(act), **words}).encode() for words in ({"body": "%"}, {"body": 5}, {"body": "AAAA"})
    ]
    for other in (again, dismiss_body(7, "why", "ann"), b"", b"[]", b'{"act": "release"}', *damaged):
        assert let_through(other) is None
    assert isinstance(let_through(act), LetThrough)


@pytest.mark.parametrize("wish", ["", "AL", "|AL", "AL|AL", "NE", "ER", "SU", "NE|AL", "|NE", "ER|NE"])
@pytest.mark.parametrize("batch", [False, True])
def test_a_released_message_is_answered_as_if_it_were_accepted(wish: str, *, batch: bool) -> None:
    """In the mode that it asks for, alone or in a batch with headers: as receive answers when the listener takes it."""
    body = PLAIN.replace(b"2.5.1", b"2.5.1|||" + wish.encode())
    body = b"BHS|^~\\&|RIS\r" + body + b"BTS|1\r" if batch else body
    accepted, refused = judged(body), judged(body, processing_ids=frozenset({"T"}))
    assert (accepted.received[0].kind, refused.received[0].kind) == (Kind.MESSAGE, Kind.QUARANTINED)
    assert refused.answer([Appended(1, duplicate=True, answer="AA")]) == accepted.reply


def test_what_was_processed_leaves_a_note_and_is_not_processed_again() -> None:
    """Nobody is called for it any more; asked for again it stays so, and `again` processes it once."""
    bench = Bench(MemoryJournal(), MemoryStore())
    entry = quarantined(bench)
    (body,) = releases(entry, "", "ann")
    note = processed_body(body, 9)
    bench.receive(("backstory", note), ("backstory", note + b" "), kind=Kind.OPERATOR)
    first, second = bench.process().done
    assert (first.row.status, first.row.reason) == (Status.TRANSFORMED, "note")
    assert (second.row.status, second.row.reason) == (Status.FILTERED, "entry 1 was released before")
    assert [(one.kind, one.text) for one in bench.store.notes([1])] == [
        ("released", "message 1 of 1, processed as entry 9")
    ]
    assert bench.store.counts()["outbox"] == 0
    (again,) = releases(entry, "", "ann", again=True)
    bench.receive(("backstory", again), ("backstory", again + b" "), kind=Kind.OPERATOR)
    third, fourth = bench.process().done
    assert (third.row.channel, third.row.status, fourth.row.status) == (
        "orders_to_pacs",
        Status.TRANSFORMED,
        Status.FILTERED,
    )
    assert [row.entry for row in bench.store.outbox("pacs", 0, 0, 10)] == [4]
    assert bench.store.notes([1])[-1].text == "message 1 of 1, again"


@pytest.mark.parametrize("words", [{"entry": 0}, {"number": "1"}, {"of": None}, {"processed": -1}])
def test_a_note_that_is_not_well_formed_fails(words: dict[str, object]) -> None:
    """As every other act."""
    original = Entry(7, 0, "ris", "10.0.0.7:4000", 1, ORM, "", Kind.QUARANTINED, "", "", b"")
    body = json.loads(processed_body(release_body(original, ORM, "utf-8", number=1, of=1, who="ann"), 9))
    assert read(operator(json.dumps({**body, **words}).encode())) == (
        "a message that was processed needs an entry, which of its messages, and as what"
    )
