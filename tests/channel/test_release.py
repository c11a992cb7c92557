"""Letting quarantined entries through: what is refused in words, and what the worker makes of a release."""

import hashlib
import json

import pytest

from engine.channel.limits import Limits
from engine.channel.operator_acts import Release, dismiss_body, identity_of, read, release_body, released_identity
from engine.channel.outcome import Status
from engine.channel.ports import CATCHING_UP, Commit, Entry, Kind
from engine.channel.process import catch_up
from engine.channel.release import dismissal, releases
from engine.channel.verdict import ListenerRules
from engine.errors import Rejected
from engine.hl7.charset import encode
from engine.hl7.received import message_of
from engine.store import MemoryJournal, MemoryStore
from tests.channel.test_process import ADT, ORM, ORU31, SITE, Bench, Refusing

HEADER = b"MSH|^~\\&|LAB|HOSP|||20260819093100||ADT^A01|C1|P|2.5.1"
PLAIN = HEADER + b"\rPID|1||1||M\xfcLLER\r"


def kept(
    body: bytes, answer: str = "AR|202|MSH^1^11", flags: str = "", kind: Kind = Kind.QUARANTINED, charset: str = ""
):
    """An entry of the journal."""
    return Entry(7, 0, "ris", "10.0.0.7:4000", 1, body, charset, kind, answer, flags, b"")


def operator(body: bytes) -> Entry:
    """The entry that carries an act."""
    return Entry(9, 0, "backstory", "control", 5, body, "utf-8", Kind.OPERATOR, "", "", b"")


def released(entry: Entry, charset: str = "") -> list[Release]:
    """The acts of a release as the worker reads them."""
    found = [read(operator(body)) for body in releases(entry, charset, "ann")]
    assert all(isinstance(one, Release) for one in found)
    return found


def test_a_release_is_the_original_at_its_own_place() -> None:
    """Listener, peer and bytes of the original; position and received time of the release; a note for the original."""
    (one,) = released(kept(ORM))
    assert one.entry[:7] == (9, 0, "ris", "10.0.0.7:4000", 5, ORM, "utf-8")
    assert one.entry.kind is Kind.MESSAGE
    assert one.note == (7, "", 1, 9, "released", "message 1 of 1")
    assert "DOE" not in repr(one)


@pytest.mark.parametrize(
    ("header", "charset", "codec"),
    [
        (b"", "8859/1", "iso8859_1"),
        (b"", "iso8859_1", "iso8859_1"),
        (b"", "cp1252", "cp1252"),
        (b"||||||8859/1", "", "iso8859_1"),
        (b"||||||KLINGON", "8859/2", "iso8859_2"),
    ],
)
def test_the_character_set_is_named_or_declared(header: bytes, charset: str, codec: str) -> None:
    """By --charset, else as MSH-18 says."""
    (one,) = released(kept(PLAIN.replace(HEADER, HEADER + header)), charset)
    assert one.entry.charset == codec


@pytest.mark.parametrize(
    ("declared", "name", "codec"),
    [
        ("BIG-5", "許功蓋", "cp950"),
        ("GB 18030-2000", "镕", "gb18030"),
        ("~ISO IR87", "山田", "iso2022:ascii,jisx0208"),
        ("KS X 1001", "김", "euc_kr"),
    ],
)
def test_a_message_in_any_set_is_released_as_it_is_received(declared: str, name: str, codec: str) -> None:
    """Also where a delimiter may be half of a character, and where shifts look like ASCII: the name reads as sent."""
    raw = encode(f"{HEADER.decode()}||||||{declared}\rPID|1||1||{name}\r", codec)
    (one,) = released(kept(raw))
    assert one.entry.charset == codec
    assert message_of(one.entry.body, one.entry.charset).get("PID-5") == name


def test_the_listener_s_override_and_limits_count() -> None:
    """As config.yaml has them now; what is written in no known set is not guessed."""
    entry = kept(encode(f"{HEADER.decode()}\rPID|1||1||镕\r", "gb18030"))
    rules = ListenerRules("ris", override="gb18030")
    (body,) = releases(entry, "", "ann", rules)
    assert read(operator(body)).entry.charset == "gb18030"
    with pytest.raises(Rejected, match="more segments"):
        releases(entry, "", "ann", rules._replace(limits=Limits(segments=1)))
    with pytest.raises(Rejected, match="no text in a character set that is known"):
        releases(kept(HEADER + b"||||||KLINGON\rPID|1\r"), "", "ann")


def test_a_listener_s_own_reading_stands() -> None:
    """What a strict listener refused for its line ends was read in a character set already."""
    (one,) = released(kept(PLAIN, charset="iso8859_1"))
    assert one.entry.charset == "iso8859_1"


def test_a_batch_gives_each_message() -> None:
    """Also one whose count is wrong: a person has seen it."""
    found = released(kept(b"BHS|^~\\&|RIS\r" + ORM + ORU31 + b"BTS|9\r"))
    assert [one.entry.body for one in found] == [ORM, ORU31]
    assert [one.note.text for one in found] == ["message 1 of 2", "message 2 of 2"]


@pytest.mark.parametrize(
    ("entry", "charset", "words"),
    [
        (kept(ORM, kind=Kind.MESSAGE), "", "not quarantined"),
        (kept(ORM, flags="cut_off"), "", "no whole message"),
        (kept(ORM, flags="too_long"), "", "no whole message"),
        (kept(b"\0M\0S", flags="utf_16"), "", "no whole message"),
        (kept(b"hello"), "", "entry 7 has no MSH"),
        (kept(b"BHS|^~\\&\r" + ORM + b"MSH|\r"), "", "message 2 of entry 7 has no MSH"),
        (kept(b"BHS|^~\\&\rBTS|0\r"), "", "without a message"),
        (kept(HEADER + b"\r" + b"NTE|\r" * 10_001), "", "more segments"),
        (kept(PLAIN), "", "no text in utf-8; name its character set"),
        (kept(PLAIN), "UTF-8", "no text in utf-8"),
        (kept(PLAIN), "klingon", "no character set"),
        (kept(PLAIN), "utf-16", "no character set"),
    ],
)
def test_what_cannot_be_released_is_said(entry: Entry, charset: str, words: str) -> None:
    """Never a guess."""
    with pytest.raises(Rejected, match=words):
        releases(entry, charset, "ann")


def test_a_dismissal_needs_a_quarantined_entry_and_a_reason() -> None:
    """Its note does not hold the reason, which is a person's text."""
    note = read(operator(dismissal(kept(ORM), " a test ", "ann")))
    assert note == (7, "", 1, 9, "dismissed", "by a person")
    with pytest.raises(Rejected, match="reason"):
        dismissal(kept(ORM), "  ", "ann")
    with pytest.raises(Rejected, match="not quarantined"):
        dismissal(kept(ORM, kind=Kind.MESSAGE), "a test", "ann")


def changed(**words: object) -> bytes:
    """A release with some words of it changed."""
    body = json.loads(release_body(kept(ORM), ORM, "utf-8", number=1, of=1, who="ann"))
    return json.dumps({**body, **words}).encode()


@pytest.mark.parametrize(
    "body",
    [
        changed(entry=0),
        changed(number="1"),
        changed(listener=None),
        changed(peer=5),
        changed(charset="utf-16"),
        changed(body="%"),
        changed(body=5),
        dismiss_body(0, "a test", "ann"),
    ],
)
def test_an_act_that_is_not_well_formed_fails(body: bytes) -> None:
    """In the worker: FAILED with a reason, nothing else."""
    bench = Bench(MemoryJournal(), MemoryStore())
    bench.receive(("backstory", body), kind=Kind.OPERATOR)
    (done,) = bench.process().done
    assert (done.row.status, bool(done.row.reason)) == (Status.FAILED, True)
    assert bench.store.counts()["outbox"] == 0


def quarantined(bench: Bench, body: bytes = ORM) -> Entry:
    """A refused order, processed; the entry."""
    bench.receive(("ris", body), kind=Kind.QUARANTINED, answer="AR|202|MSH^1^11")
    bench.process()
    entry = bench.journal.entry(bench.journal.tails()[0])
    assert entry is not None
    return entry


def test_a_release_goes_through_the_channels_of_its_listener_once() -> None:
    """One delivery, one note; the second release, in the same batch and in a later one, changes nothing."""
    bench = Bench(MemoryJournal(), MemoryStore())
    bench.receive(("adt", ADT))
    entry = quarantined(bench)
    (body,) = releases(entry, "", "ann")
    bench.receive(("backstory", body), ("backstory", body + b" "), kind=Kind.OPERATOR)
    first, second = bench.process().done
    assert (first.row.channel, first.row.status, first.listener) == ("orders_to_pacs", Status.TRANSFORMED, "ris")
    assert (second.row.status, second.row.reason) == (Status.FILTERED, "entry 2 was released before")
    bench.receive(("backstory", body + b"  "), kind=Kind.OPERATOR)
    (third,) = bench.process().done
    assert third.row.status == Status.FILTERED
    assert [row.entry for row in bench.store.outbox("pacs", 0, 0, 10)] == [3]
    assert [note.cause for note in bench.store.notes([2])] == [3]
    assert bench.store.find("ACC1", kind="accession") == [5, 4, 3, 2]


def test_a_released_order_that_leaves_bare_is_released_all_the_same() -> None:
    """What the store refuses of it is left out (D1); that it was released is kept, so it is never sent twice."""
    bench = Bench(MemoryJournal(), MemoryStore())
    entry = quarantined(bench)
    (body,) = releases(entry, "", "ann")
    real = bench.store
    bench.store = Refusing(real, OverflowError("SECRET"), bad=lambda batch: bool(batch.orders))
    bench.receive(("backstory", body), kind=Kind.OPERATOR)
    assert [row.alerts for row in (done.row for done in bench.process().done)] == ["store_refused"]
    bench.store = real
    assert [note.cause for note in bench.store.notes([1])] == [2]
    bench.receive(("backstory", body + b" "), kind=Kind.OPERATOR)
    bench.process()
    assert [row.entry for row in bench.store.outbox("pacs", 0, 0, 10)] == [2]


def test_a_dismissed_entry_can_still_be_released() -> None:
    """A person may change their mind."""
    bench = Bench(MemoryJournal(), MemoryStore())
    entry = quarantined(bench)
    bench.receive(("backstory", dismissal(entry, "a test", "ann")), kind=Kind.OPERATOR)
    bench.receive(("backstory", releases(entry, "", "ann")[0]), kind=Kind.OPERATOR)
    bench.process()
    assert [note.kind for note in bench.store.notes([1])] == ["dismissed", "released"]
    assert bench.store.counts()["outbox"] == 1


def test_a_release_for_a_listener_that_is_gone_is_filtered() -> None:
    """Nothing takes it, and it says so."""
    bench = Bench(MemoryJournal(), MemoryStore())
    entry = quarantined(bench)._replace(listener="gone")
    bench.receive(("backstory", releases(entry, "", "ann")[0]), kind=Kind.OPERATOR)
    (done,) = bench.process().done
    assert (done.row.status, done.row.channel) == (Status.FILTERED, "")


def test_a_channel_that_catches_up_runs_over_releases_once() -> None:
    """It stopped before the release: alone it does what the live cursor could not, and not what was done before."""
    bench = Bench(MemoryJournal(), MemoryStore(), SITE)
    entry = quarantined(bench)
    place = next(iter(bench.state.cursors.values()))
    stopped = place._replace(name="orders_to_pacs", state="stopped")
    bench.store.commit(Commit(cursors=(stopped,)))
    bench.state.committed(Commit(cursors=(stopped,)))
    (body,) = releases(entry, "", "ann")
    bench.receive(("backstory", body), ("backstory", body + b" "), kind=Kind.OPERATOR)
    bench.process()
    assert bench.store.counts()["outbox"] == 0
    started = stopped._replace(state=CATCHING_UP)
    bench.store.commit(Commit(cursors=(started,)))
    bench.state.committed(Commit(cursors=(started,)))
    done = catch_up(bench.state, bench.journal, bench.store, now=lambda: 1, elapsed=lambda: 0.0)
    assert [(one.row.entry, one.row.status) for one in done.done] == [(2, Status.TRANSFORMED)]
    assert bench.store.counts()["outbox"] == 1
    assert len(bench.store.notes([1])) == 1


def test_a_release_is_known_by_what_it_lets_through():
    """The same bytes of the same listener, whoever released them; other acts have no identity of their own."""
    (act,) = releases(kept(PLAIN), "8859/1", "anna")
    (again,) = releases(kept(PLAIN), "8859/1", "ben")
    assert identity_of(act) == identity_of(again) == released_identity("ris", hashlib.sha256(PLAIN).digest())
    assert identity_of(act) != released_identity("lab", hashlib.sha256(PLAIN).digest())
    for other in (dismissal(kept(PLAIN), "why", "anna"), b"", b"[]", b"\xff", b'{"act": "release"}'):
        assert identity_of(other) == b""
    damaged = json.dumps({"act": "release", "listener": "ris", "body": "%"}).encode()
    assert identity_of(damaged) == b""
