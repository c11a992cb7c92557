"""The second transaction: a batch through the shipped channels, with both stores, one partition and four."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.channel.control_ids import control_id
from engine.channel.lane_layout import STAT
from engine.channel.model import Channel
from engine.channel.operator_acts import note_body
from engine.channel.outcome import Status
from engine.channel.ports import CATCHING_UP, STOPPED, Commit, Journal, Kind, Received, Store
from engine.channel.process import NOTHING, Processed, State, catch_up, load, process
from engine.channel.site import Site, load_site
from engine.errors import Retryable, StoreBroken, StoreRefused
from engine.hl7.message import Message
from engine.steps.draft import Alert, Draft
from engine.store import MemoryJournal, MemoryStore, open_journal, open_store

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "channels" / "samples"
INSTALLATION = "0" * 32
DAY = 86_400_000_000
NOW = 1_787_234_400_000_000  # 2026-08-20 14:00 UTC


def shipped() -> Site:
    loaded = load_site(ROOT)
    assert loaded.site is not None, loaded.findings
    return loaded.site


SITE = shipped()


def sample(name: str) -> bytes:
    """A shipped sample with the line ends of the wire."""
    return (SAMPLES / name).read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r")


ADT, ORU31, ORU24 = (sample(name) for name in ("adt_a01_doe.hl7", "oru_egfr_31.hl7", "oru_egfr_24.hl7"))
WEIGHT, RDE, ORM = (sample(name) for name in ("oru_weight.hl7", "rde_metformin.hl7", "orm_ct_abdomen.hl7"))


class Bench:
    """A journal, a store and the live cursor over the shipped site."""

    def __init__(self, journal: Journal, store: Store, site: Site = SITE) -> None:
        self.journal = journal
        self.store = store
        self.site = site
        self.state: State = load(site, store, journal, INSTALLATION)
        self._numbers = count(1)

    def receive(
        self,
        *messages: tuple[str, bytes],
        partition: int = 0,
        kind: Kind = Kind.MESSAGE,
        answer="AA",
        charset: str = "utf-8",
        flags="",
    ) -> None:
        with self.journal.transaction() as tx:
            tx.log.append(
                [
                    Received(
                        listener,
                        "peer:1",
                        NOW + n,
                        body,
                        charset,
                        kind,
                        answer,
                        flags,
                        b"%d" % next(self._numbers),
                        partition,
                    )
                    for n, (listener, body) in enumerate(messages)
                ]
            )

    def process(self, partition: int = 0) -> Processed:
        return process(self.state, self.journal, self.store, now=lambda: NOW, elapsed=lambda: 0.0, partition=partition)

    def catch_up(self, partition: int = 0) -> Processed:
        return catch_up(self.state, self.journal, self.store, now=lambda: NOW, elapsed=lambda: 0.0, partition=partition)

    def start(self, name: str) -> None:
        """What a person does with a channel that stopped."""
        cursors = tuple(
            cursor._replace(state=CATCHING_UP) for cursor in self.state.behind(STOPPED) if cursor.name == name
        )
        assert cursors
        commit = Commit(cursors=cursors)
        self.store.commit(commit)
        self.state.committed(commit)

    def restart(self) -> None:
        self.state = load(self.site, self.store, self.journal, INSTALLATION)

    def sent(self) -> list[bytes]:
        return [row.body for row in self.store.outbox("pacs", 0, 0, 10_000)]


@pytest.fixture(params=["memory-1", "memory-4", "sqlite-1", "sqlite-4"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    kind, partitions = request.param.split("-")
    if kind == "memory":
        yield Bench(MemoryJournal(int(partitions)), MemoryStore())
        return
    journal, store = open_journal(tmp_path / "journal.db", int(partitions)), open_store(tmp_path / "store.db")
    yield Bench(journal, store)
    store.close()
    journal.close()


@pytest.fixture
def memory() -> Bench:
    return Bench(MemoryJournal(), MemoryStore())


def statuses(processed: Processed) -> list[tuple[str, Status]]:
    return [(done.row.channel, Status(done.row.status)) for done in processed.done]


def field(message: bytes, path: str) -> str:
    return Message.parse(message).get(path) or ""


def test_an_order_sees_the_result_before_it_in_the_same_batch(bench: Bench) -> None:
    """ORU and ORM of one patient in one batch: the order leaves with the eGFR (D5)."""
    bench.receive(("lab", ORU24), ("ris", ORM))
    done = bench.process()
    assert statuses(done) == [("results", Status.TRANSFORMED), ("orders_to_pacs", Status.TRANSFORMED)]
    assert "eGFR 24" in field(bench.sent()[0], "OBR-13")


def test_an_order_does_not_see_the_result_behind_it(bench: Bench) -> None:
    """Negative control of the test above: order decides, not the batch."""
    bench.receive(("ris", ORM), ("lab", ORU24))
    bench.process()
    assert "eGFR 24" not in field(bench.sent()[0], "OBR-13")


def test_one_batch_and_many_give_the_same(bench: Bench) -> None:
    """What leaves does not depend on where batches end."""
    messages = [("adt", ADT), ("lab", ORU31), ("lab", ORU24), ("lab", WEIGHT), ("pharmacy", RDE), ("ris", ORM)]
    for message in messages:
        bench.receive(message)
        bench.process()
    other = Bench(MemoryJournal(), MemoryStore())
    other.receive(*messages)
    other.process()
    assert [drop_control_id(body) for body in bench.sent()] == [drop_control_id(body) for body in other.sent()]
    assert counts_of(bench.store) == counts_of(other.store)


def drop_control_id(body: bytes) -> bytes:
    return Message.parse(body).with_value("MSH-10", "X").to_er7()


def counts_of(store: Store) -> int:
    return sum(len(facts) for facts in store.facts(["HOSP|MR|12345"]).values())


def test_the_cursor_moves_with_the_effects(bench: Bench) -> None:
    """After a restart nothing is processed twice."""
    bench.receive(("lab", ORU24))
    assert bench.process().last == 1
    bench.restart()
    assert bench.process() is NOTHING
    assert [c.position for c in bench.store.cursors() if c.name == "live"] == [1]


def test_a_commit_that_did_not_happen_is_repeated_with_the_same_effects(memory: Bench) -> None:
    """A full disk: nothing is kept, and the second time gives the same rows and the same MSH-10."""
    memory.receive(("lab", ORU24), ("ris", ORM))
    refusing = Refusing(memory.store, Retryable("store.db: the disk is full"), times=1)
    memory.store = refusing
    with pytest.raises(Retryable):
        memory.process()
    assert memory.sent() == []
    memory.process()
    expected = control_id(INSTALLATION, "pacs", (2, "orders_to_pacs", 1))
    assert field(memory.sent()[0], "MSH-10") == expected
    assert [row.control_id for row in memory.store.outbox("pacs", 0, 0, 10)] == [expected]


class Refusing:
    """A store whose commits fail as told, for batches that `bad` picks."""

    def __init__(
        self, store: Store, error: Exception, times: int = 10_000, bad: Callable[[Commit], bool] = lambda _: True
    ) -> None:
        self._store = store
        self._error = error
        self._times = times
        self._bad = bad

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def commit(self, batch: Commit) -> None:
        if self._times and self._bad(batch):
            self._times -= 1
            raise self._error
        self._store.commit(batch)


def test_an_entry_that_the_store_refuses_becomes_failed_alone(memory: Bench) -> None:
    """One poisoned entry never aborts the others of its batch (D6)."""
    memory.receive(("lab", ORU31), ("lab", ORU24), ("ris", ORM))
    memory.store = Refusing(
        memory.store,
        OverflowError("SECRET"),
        bad=lambda batch: any(fact.entry == 2 for fact in batch.facts),
    )
    done = memory.process()
    assert statuses(done) == [("results", 2), ("", 3), ("orders_to_pacs", 2)]
    assert done.refused == ((2, "store refused: OverflowError"),)
    assert memory.store.outcomes([2])[0].reason == "store refused: OverflowError"
    assert "eGFR 31" in field(memory.sent()[0], "OBR-13")


def test_an_order_whose_effects_the_store_refuses_leaves_as_it_came(memory: Bench) -> None:
    """The order always leaves (D1): without enrichment, with an alert, and with nothing of it kept."""
    memory.receive(("lab", ORU24), ("ris", ORM), ("lab", ORU31))
    memory.store = Refusing(
        memory.store, OverflowError("SECRET"), bad=lambda batch: bool(batch.synopses or batch.orders)
    )
    done = memory.process()
    assert done.refused == ((2, "store refused: OverflowError"),)
    assert [row[:2] for row in statuses(done)] == [("results", 2), ("orders_to_pacs", 2), ("results", 2)]
    (row,) = memory.store.outcomes([2])
    assert (row.reason, row.enrichment, "store_refused" in row.alerts) == (
        "store refused: OverflowError",
        "failed",
        True,
    )
    (sent,) = memory.sent()
    assert field(sent, "OBR-13") == field(ORM, "OBR-13")
    assert field(sent, "MSH-5") == "PACS"
    assert memory.store.orders(["ACC1"]) == {}


def test_an_order_that_cannot_even_be_queued_fails_alone(memory: Bench) -> None:
    """The negative control: where the delivery itself is refused, the entry is FAILED and named, and the rest goes on."""
    memory.receive(("lab", ORU24), ("ris", ORM))
    memory.store = Refusing(memory.store, OverflowError("SECRET"), bad=lambda batch: bool(batch.outgoing))
    done = memory.process()
    assert statuses(done) == [("results", 2), ("", 3)]
    assert memory.sent() == []
    assert memory.store.outcomes([2])[0].reason == "store refused: OverflowError"


def test_the_text_of_a_refusal_is_kept_where_it_is_ours(bench: Bench) -> None:
    """A real refusal of the real store: an outcome that is there already."""
    bench.receive(("lab", ORU24), ("lab", ORU31))
    bench.process()
    bench.receive(("lab", WEIGHT))
    row = bench.store.outcomes([1])[0]._replace(entry=3)
    bench.store.commit(Commit(cursors=(), outcomes=(row,)))
    done = bench.process()
    assert [number for number, _ in done.refused] == [3]
    assert done.refused[0][1].startswith("store refused: ")


def test_a_broken_store_ends_the_worker(memory: Bench) -> None:
    """StoreBroken is for the process, not for the entry: nothing becomes FAILED."""
    memory.receive(("lab", ORU24))
    memory.store = Refusing(memory.store, StoreBroken("store.db: OperationalError SQLITE_IOERR"))
    with pytest.raises(StoreBroken):
        memory.process()
    assert memory.store.outcomes([1]) == []


def test_a_disk_that_fills_while_entries_go_one_by_one_loses_nothing(memory: Bench) -> None:
    """What was committed before it is told; the rest comes again."""
    memory.receive(("lab", ORU31), ("lab", ORU24))

    class Filling(Refusing):
        def commit(self, batch: Commit) -> None:
            if len(batch.outcomes) > 1:
                raise StoreRefused("store refused: OverflowError")
            if batch.cursors[0].position == 2:
                raise Retryable("store.db: the disk is full")
            self._store.commit(batch)

    real, memory.store = memory.store, Filling(memory.store, Retryable(""))
    assert memory.process().last == 1
    memory.store = real
    assert memory.process().first == 2


def test_a_disk_that_fills_at_the_first_of_them_is_told(memory: Bench) -> None:
    """Nothing was committed: the worker waits, and both come again."""
    memory.receive(("lab", ORU31), ("lab", ORU24))

    class Full(Refusing):
        def commit(self, batch: Commit) -> None:
            raise StoreRefused("store refused") if len(batch.outcomes) > 1 else Retryable("store.db: the disk is full")

    real, memory.store = memory.store, Full(memory.store, Retryable(""))
    with pytest.raises(Retryable, match="the disk is full"):
        memory.process()
    memory.store = real
    assert memory.process().entries == 2


def test_a_disk_that_fills_while_an_order_leaves_bare_is_told(memory: Bench) -> None:
    """The bare order was not queued: it is neither FAILED nor lost, and leaves enriched when there is room."""
    memory.receive(("lab", ORU24), ("ris", ORM))

    class Full(Refusing):
        def commit(self, batch: Commit) -> None:
            if batch.orders:
                raise StoreRefused("store refused: OverflowError")
            if batch.outgoing:
                raise Retryable("store.db: the disk is full")
            self._store.commit(batch)

    real, memory.store = memory.store, Full(memory.store, Retryable(""))
    assert memory.process().last == 1
    with pytest.raises(Retryable):
        memory.process()
    memory.store = real
    memory.process()
    assert "eGFR 24" in field(memory.sent()[0], "OBR-13")


def test_every_entry_is_found_by_its_keys(bench: Bench) -> None:
    """Patient, control id, accession, placer, filler and visit."""
    bench.receive(("ris", ORM))
    bench.process()
    for value, kind in [
        ("12345", "patient"),
        ("SYN0006", "control_id"),
        ("ACC1", "accession"),
        ("P1", "placer"),
        ("F1", "filler"),
        ("V1", "visit"),
    ]:
        assert bench.store.find(value, kind=kind) == [1], kind


@pytest.mark.parametrize("pid", [b"PID|1|77||78^^^LAB^MR", b"PID|1|||77^^^LAB^MR", b"PID|1|78|77^^^HOSP^MR"])
def test_a_message_is_found_by_the_number_it_has(bench: Bench, pid: bytes) -> None:
    """PID-3, else PID-2, else PID-4."""
    bench.receive(("lab", ADT.replace(b"PID|1||12345^^^HOSP^MR", pid)))
    bench.process()
    assert bench.store.find("77", kind="patient") == [1]
    assert bench.store.find("78", kind="patient") == []


def test_an_order_is_found_by_the_control_id_it_left_with(bench: Bench) -> None:
    """What the PACS's side quotes is our MSH-10."""
    bench.receive(("ris", ORM))
    bench.process()
    assert bench.store.find(field(bench.sent()[0], "MSH-10"), kind="sent") == [1]


def test_what_carries_our_control_id_is_no_evidence(bench: Bench) -> None:
    """A result that comes with the MSH-10 of an order we sent is our order come back (D13c)."""
    bench.receive(("ris", ORM))
    bench.process()
    ours = field(bench.sent()[0], "MSH-10").encode()
    bench.receive(("lab", ORU24.replace(b"SYN0003", ours)))
    (done,) = bench.process().done
    assert done.row.flags == "own_words MSH-10"
    assert bench.store.counts()["facts"] == 0


def test_a_control_id_of_our_form_that_we_never_sent_is_evidence(bench: Bench) -> None:
    """Control of the test above: the form alone decides nothing."""
    bench.receive(("lab", ORU24.replace(b"SYN0003", b"B234567ABCDEFGHIJKLM")))
    (done,) = bench.process().done
    assert done.row.flags == ""
    assert bench.store.counts()["facts"] == 2  # the result, and whom its message names


def test_what_nobody_accepts_is_filtered_once(bench: Bench) -> None:
    """One row with channel "" and the reason; and it can be found."""
    bench.receive(("lab", ADT))
    done = bench.process()
    assert statuses(done) == [("", Status.FILTERED)]
    assert bench.store.find("12345", kind="patient") == [1]


def test_what_was_quarantined_says_why(bench: Bench) -> None:
    """FAILED with the answer as its reason, unreadable bytes too; channels never see it."""
    bench.receive(
        ("lab", ORU24.replace(b"F|||", b"\xff|||")), ("lab", b"no message"), kind=Kind.QUARANTINED, answer="AE|102|"
    )
    done = bench.process()
    assert statuses(done) == [("", Status.FAILED)] * 2
    assert {row.reason for row in bench.store.outcomes([1, 2])} == {"AE|102|"}
    assert bench.store.find("12345", kind="patient") == [1]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [("lf_line_ends refused_AR_202", "refused_AR_202"), ("cut_off", "cut_off"), ("", "unreadable")],
)
def test_what_was_refused_without_an_answer_says_why_as_well(bench: Bench, flags: str, reason: str) -> None:
    """A sender that wants no answer (MSH-15 NE), or that hung up, gets none; who looks for its message gets a reason."""
    bench.receive(("lab", ORU24), ("lab", b"no message"), kind=Kind.QUARANTINED, answer="", flags=flags)
    assert statuses(bench.process()) == [("", Status.FAILED)] * 2
    assert {row.reason for row in bench.store.outcomes([1, 2])} == {reason}


def test_a_listener_that_the_site_no_longer_has_is_filtered(memory: Bench) -> None:
    """Its entries stay and are found; no channel is asked."""
    memory.receive(("gone", ADT))
    assert statuses(memory.process()) == [("", Status.FILTERED)]


def test_a_snapshot_that_says_the_same_is_not_kept_again(bench: Bench) -> None:
    """An ADT repeated with another time and control id adds no fact; a changed one adds its set."""
    again = ADT.replace(b"SYN0001", b"SYN0099").replace(b"20260701080000-0500||ADT", b"20260702080000-0500||ADT")
    bench.receive(("adt", ADT))
    bench.process()
    before = counts_of(bench.store)
    bench.receive(("adt", again), ("adt", again.replace(b"SYN0099", b"SYN0100")))
    bench.process()
    assert counts_of(bench.store) == before
    bench.receive(("adt", again.replace(b"HIVES~HYPOTENSION", b"HIVES")))
    bench.process()
    added = [fact for fact in bench.store.facts(["HOSP|MR|12345"])["HOSP|MR|12345"] if fact.entry == 4]
    assert {fact.kind for fact in added} == {"allergy", "snapshot"}


def test_coverage_spans_the_entries_that_fed_a_kind(bench: Bench) -> None:
    """First and last received time by kind and authority, unchanged snapshots included (D13)."""
    bench.receive(("adt", ADT), ("lab", ORU31), ("lab", ORU24), ("adt", ADT + b"ZZZ|1\r"))
    bench.process()
    spans = bench.store.coverage()
    assert spans["lab", "HOSP"] == (NOW + 1, NOW + 2)
    assert spans["allergy", "HOSP"] == (NOW, NOW + 3)
    assert not any(kind == "snapshot" for kind, _ in spans)


def test_the_switch_lets_orders_through_as_they_came(bench: Bench) -> None:
    """Enrichment off (D25): nothing is added, and that survives a restart."""
    bench.store.commit(Commit(cursors=(), switches={"enrichment": "off"}))
    bench.restart()
    bench.receive(("lab", ORU24), ("ris", ORM))
    done = bench.process()
    assert done.done[1].row.enrichment == "off"
    assert unstamped(bench.sent()[0]) == ORM


def unstamped(body: bytes) -> bytes:
    """What left, with what the channel sets on purpose set back."""
    message = Message.parse(body).with_value("MSH-10", "SYN0006").with_value("MSH-5", "BACKSTORY")
    return message.with_value("OBR-4.1", "CTAP").to_er7()


def test_a_number_that_is_given_to_somebody_else_shows_nothing_of_the_former_patient(bench: Bench) -> None:
    """The EMR registers Bob under Jane's number: his order leaves without her facts, with an alert, and hers too (D13b)."""
    bob = (
        ORM.replace(b"DOE^JANE||19600101|F", b"SMITH^BOB||19700202|M")
        .replace(b"ACC1", b"ACC2")
        .replace(b"|P1^", b"|P2^")
    )
    bob = bob.replace(b"|F1^", b"|F2^")
    registered = ADT.replace(b"DOE^JANE||19600101|F", b"SMITH^BOB||19700202|M")
    registered = b"\r".join(line for line in registered.split(b"\r") if not line.startswith((b"AL1", b"DG1")))
    assert b"SMITH" in bob
    assert b"SMITH" in registered
    bench.receive(("adt", ADT), ("lab", ORU24), ("ris", ORM))
    bench.process()
    assert "eGFR 24" in field(bench.sent()[0], "OBR-13")  # the control: hers while the number is hers
    bench.receive(("adt", registered), ("ris", bob), ("ris", ORM.replace(b"SYN0006", b"SYN0206")))
    done = bench.process().done
    for row, body in zip(
        [one.row for one in done if one.row.channel == "orders_to_pacs"], bench.sent()[1:], strict=True
    ):
        assert row.alerts == "identity_in_doubt"
        assert b"eGFR 24" not in body
        assert b"contrast media" not in body


SMITH = (b"DOE^JANE||19600101", b"SMITH^BOB||19700202")


@pytest.mark.parametrize("registered", [True, False])
def test_a_result_under_the_name_of_somebody_else_is_not_shown(bench: Bench, registered: bool) -> None:  # noqa: FBT001
    """With a registration that agrees with the order, and where only the laboratory ever spoke (D13b)."""
    wrong = ORU24.replace(*SMITH)
    assert wrong != ORU24
    bench.receive(*[("adt", ADT)] * registered, ("lab", wrong), ("ris", ORM))
    first = next(one.row for one in bench.process().done if one.row.channel == "orders_to_pacs")
    assert (first.alerts, first.enrichment) == ("identity_in_doubt", "done" if registered else "doubt")
    assert b"eGFR" not in bench.sent()[0]
    assert (b"contrast media" in bench.sent()[0]) is registered
    right = ORU24.replace(b"|L2^", b"|L3^").replace(b"SYN0003", b"SYN0303")
    bench.receive(("lab", right), ("ris", ORM.replace(b"SYN0006", b"SYN0206")))
    second = next(one.row for one in bench.process().done if one.row.channel == "orders_to_pacs")
    assert "eGFR 24" in field(bench.sent()[1], "OBR-13")  # the control: the same result under her own name
    assert second.enrichment == "done"


def test_a_list_that_is_said_again_under_another_name_is_theirs(bench: Bench) -> None:
    """An unidentified patient, or the number's next one, with the same allergy: the registration that names them says it."""
    unknown = ADT.replace(b"DOE^JANE||19600101", b"UNKNOWN^X||19550505").replace(b"SYN0001", b"SYN0701")
    bench.receive(("adt", unknown), ("adt", ADT), ("ris", ORM))
    bench.process()
    assert "!CT-contrast rxn SEVERE 2021" in field(bench.sent()[0], "OBR-13")
    married = ADT.replace(b"DOE^JANE", b"SMITH^JANE").replace(b"SYN0001", b"SYN0702")
    corrected = married.replace(b"19600101", b"19610101").replace(b"SYN0702", b"SYN0703")
    order = ORM.replace(b"DOE^JANE||19600101", b"SMITH^JANE||19610101").replace(b"SYN0006", b"SYN0706")
    bench.receive(("adt", married), ("adt", corrected), ("ris", order))
    bench.process()
    assert "!CT-contrast rxn SEVERE 2021" in field(bench.sent()[1], "OBR-13")


def test_what_a_late_registration_of_somebody_else_observed_is_theirs(bench: Bench) -> None:
    """An OBX in an ADT that names the number's former patient, older than the registration of the present one."""
    status = b"\rOBX|1|CWE|82810-3^Pregnancy status^LN||LA15173-0^Pregnant^LN||||||F|||20260819061000"
    rita = ADT.replace(b"DOE^JANE||19600101", b"ROE^RITA||19900505").replace(b"SYN0001", b"SYN0801").rstrip(b"\r")
    jane = ADT.replace(b"19600101", b"19920202").replace(b"|20260701080000-0500|", b"|20260801080000-0500|")
    order = ORM.replace(b"19600101", b"19920202")
    bench.receive(("adt", rita), ("adt", jane), ("adt", rita.replace(b"SYN0801", b"SYN0802") + status), ("ris", order))
    bench.process()
    assert b"regnan" not in bench.sent()[0]
    bench.receive(
        ("adt", jane.rstrip(b"\r").replace(b"SYN0001", b"SYN0803") + status),
        ("ris", order.replace(b"SYN0006", b"SYN0806")),
    )
    bench.process()
    assert b"regnan" in bench.sent()[1]  # the control: her own


def test_a_person_that_a_registration_marks_is_withheld(bench: Bench) -> None:
    """PV1-16 of the ADT counts for an order that does not repeat it, until an ADT takes it back (D23)."""
    (pv1,) = [line for line in ADT.split(b"\r") if line.startswith(b"PV1")]

    def registered(vip: bytes, number: bytes) -> tuple[str, bytes]:
        fields = [*pv1.split(b"|"), *[b""] * 20]
        fields[16] = vip
        return "adt", ADT.replace(pv1, b"|".join(fields)).replace(b"SYN0001", b"SYN" + number)

    def order(number: bytes) -> tuple[str, bytes]:
        return "ris", ORM.replace(b"SYN0006", b"SYN" + number)

    bench.receive(("lab", ORU24), registered(b"VIP", b"0401"), registered(b"", b"0402"), order(b"0403"))
    bench.receive(registered(b'""', b"0404"), order(b"0405"))
    rows = [one.row for one in bench.process().done if one.row.channel == "orders_to_pacs"]
    assert [row.enrichment for row in rows] == ["withheld", "done"]
    assert b"eGFR" not in bench.sent()[0]
    assert b"eGFR 24" in bench.sent()[1]


def test_an_accession_of_another_patient_fails_and_is_never_enriched(bench: Bench) -> None:
    """Engine rules, end of section 1; in one batch and across batches, and the first order stays."""
    foreign = ORM.replace(b"12345", b"99999").replace(b"SYN0006", b"SYN0106")
    bench.receive(("lab", ORU24), ("ris", ORM), ("ris", foreign))
    done = bench.process()
    bench.receive(("ris", foreign.replace(b"SYN0106", b"SYN0107")))
    later = bench.process()
    assert statuses(done)[1:] == [("orders_to_pacs", Status.TRANSFORMED), ("orders_to_pacs", Status.FAILED)]
    assert statuses(later) == [("orders_to_pacs", Status.FAILED)]
    assert [alert.kind for alert in later.done[0].alerts] == ["accession"]
    assert len(bench.sent()) == 1
    assert bench.store.orders(["ACC1"])["ACC1"].patient == "HOSP|MR|12345"


def test_an_update_of_the_same_order_is_no_conflict(bench: Bench) -> None:
    """Negative control: the same patient may send its accession again, also under a linked identifier."""
    bench.receive(("ris", ORM), ("ris", ORM.replace(b"SYN0006", b"SYN0106")))
    done = bench.process()
    assert statuses(done) == [("orders_to_pacs", Status.TRANSFORMED)] * 2
    assert len(bench.sent()) == 2


def test_a_finished_order_is_not_reopened_by_what_comes_late(bench: Bench) -> None:
    """A cancellation before its order, in one batch and across batches: the order stays cancelled, its exam is known."""
    cancelled = ORM.replace(b"ORC|NW|", b"ORC|CA|").replace(b"SYN0006", b"SYN0105")
    assert cancelled.count(b"ORC|CA|") == 1
    bench.receive(("ris", cancelled), ("ris", ORM))
    bench.process()
    assert bench.store.orders(["ACC1"])["ACC1"].state == "CANCELLED"
    bench.receive(("ris", ORM.replace(b"SYN0006", b"SYN0107")))
    bench.process()
    kept = bench.store.orders(["ACC1"])["ACC1"]
    assert (kept.state, kept.control, kept.contrast) == ("CANCELLED", "NW", "IOD")


def failing(number: int) -> tuple[str, bytes]:
    """An order that track_order cannot keep: no number at all."""
    body = (
        ORM.replace(b"P1^EMR", b"").replace(b"F1^RIS", b"").replace(b"ACC1", b"").replace(b"SYN0006", b"BAD%d" % number)
    )
    return "ris", body


def test_ten_failures_in_a_row_stop_a_channel_and_no_other(bench: Bench) -> None:
    """The channel keeps its place in a row of its own; what it has not seen has no outcome yet."""
    bench.receive(*[failing(n) for n in range(12)], ("lab", ORU24), ("ris", ORM))
    done = bench.process()
    assert statuses(done) == [("orders_to_pacs", Status.FAILED)] * 10 + [("results", Status.TRANSFORMED)]
    rows = [cursor for cursor in bench.store.cursors() if cursor.name == "orders_to_pacs"]
    assert {(row.partition, row.position, row.state) for row in rows} == {
        (partition, 10 if partition == 0 else 0, "stopped") for partition in range(bench.journal.partitions)
    }
    assert done.stopped[0].reason == "10 messages failed in a row"
    assert bench.store.outcomes([14]) == []
    bench.restart()
    bench.receive(("ris", ORM.replace(b"SYN0006", b"SYN0200")), ("lab", ORU31))
    assert statuses(bench.process()) == [("results", Status.TRANSFORMED)]


def test_a_channel_that_is_started_again_catches_up_alone_and_joins(bench: Bench) -> None:
    """What came meanwhile runs through it in order, each once, while the live cursor goes on (D15b)."""
    later = [("ris", ORM.replace(b"SYN0006", b"SYN%04d" % number)) for number in range(300, 303)]
    bench.receive(*[failing(n) for n in range(11)], ("lab", ORU24), *later)
    bench.process()
    assert bench.sent() == []
    assert bench.catch_up().entries == 0  # the control: a channel that is stopped does not run
    bench.start("orders_to_pacs")
    bench.restart()
    bench.receive(("ris", ORM.replace(b"SYN0006", b"SYN0303")))
    assert statuses(bench.process()) == []  # not yet with the live cursor
    done = bench.catch_up()
    assert statuses(done) == [("orders_to_pacs", Status.FAILED)] + [("orders_to_pacs", Status.TRANSFORMED)] * 4
    assert (done.first, done.last) == (11, 16)
    assert [field(body, "OBR-13")[:8] for body in bench.sent()] == ["!eGFR 24"] * 4
    assert [row.channel for row in bench.store.outcomes([12])] == ["results"]
    assert bench.catch_up().entries == 0
    for partition in range(1, bench.journal.partitions):
        assert bench.catch_up(partition).entries == 0
    assert bench.state.behind() == []
    bench.restart()
    bench.receive(("ris", ORM.replace(b"SYN0006", b"SYN0304")))
    assert statuses(bench.process()) == [("orders_to_pacs", Status.TRANSFORMED)]
    assert len(bench.sent()) == 5


def test_a_channel_that_fails_on_while_it_catches_up_stops_again(bench: Bench) -> None:
    """Where it stopped for the second time, and what came before is not repeated."""
    bench.receive(*[failing(n) for n in range(25)])
    bench.process()
    bench.start("orders_to_pacs")
    done = bench.catch_up()
    assert len(done.done) == 10
    (cursor,) = (one for one in bench.state.behind(STOPPED) if one.partition == 0)
    assert (cursor.position, cursor.reason) == (20, "10 messages failed in a row")
    bench.start("orders_to_pacs")
    assert len(bench.catch_up().done) == 5
    assert [one for one in bench.state.behind() if one.partition == 0] == []


def test_what_the_store_refuses_of_a_channel_that_catches_up_is_its_own_failure(bench: Bench) -> None:
    """The entry is FAILED in that channel, and the others of the batch are kept (D6)."""
    refusable = ORU24.replace(b"SYN0003", b"SYN0500")
    nobody = ORU24.replace(b"12345^^^HOSP^MR", b"")
    bench.receive(
        *[("lab", nobody.replace(b"SYN0003", b"N%d" % n)) for n in range(10)], ("lab", refusable), ("lab", ORU31)
    )
    bench.process()
    bench.start("results")
    commit, refused = bench.store.commit, []

    def refuse(batch: Commit) -> None:
        if any(row.entry == 11 for row in batch.outcomes) and batch.facts:
            refused.append(batch)
            raise OverflowError
        commit(batch)

    bench.store.commit = refuse  # type: ignore[method-assign]
    done = bench.catch_up()
    assert len(refused) == 2
    assert [(one.row.entry, one.row.channel, one.row.status) for one in done.done] == [
        (11, "results", Status.FAILED),
        (12, "results", Status.TRANSFORMED),
    ]
    assert bench.state.behind(STOPPED) == []


def test_a_channel_that_catches_up_entry_by_entry_stops_again_as_well(bench: Bench) -> None:
    """What came after the tenth failure waits; an entry that no channel takes is no news to it."""
    nobody = [("lab", ORU24.replace(b"12345^^^HOSP^MR", b"").replace(b"SYN0003", b"N%d" % n)) for n in range(20)]
    bench.receive(*nobody[:10])
    bench.process()
    bench.receive(("lab", b"no message"), kind=Kind.QUARANTINED)
    bench.receive(("lab", ORU24), *nobody[10:], ("lab", ORU31))
    bench.process()
    bench.start("results")
    commit = bench.store.commit

    def refuse(batch: Commit) -> None:
        if any(row.entry == 12 for row in batch.outcomes) and batch.facts:
            raise OverflowError
        commit(batch)

    bench.store.commit = refuse  # type: ignore[method-assign]
    done = bench.catch_up()
    assert [one.row.entry for one in done.done] == list(range(12, 23))
    (cursor,) = (one for one in bench.state.behind(STOPPED) if one.partition == 0)
    assert (cursor.position, bench.store.outcomes([23])) == (22, [])


def test_a_context_channel_that_has_caught_up_delays_nothing(memory: Bench) -> None:
    """What is said of absence is delayed until then, and no longer (D13)."""
    nobody = ORU24.replace(b"12345^^^HOSP^MR", b"")
    memory.receive(*[("lab", nobody.replace(b"SYN0003", b"N%d" % n)) for n in range(10)])
    memory.process()
    assert memory.state.delayed_since == NOW + 9  # nothing waits, but what failed last was not understood
    memory.receive(("lab", ORU24))
    memory.process()
    memory.start("results")
    assert memory.state.delayed_since > 0
    memory.catch_up()
    assert memory.state.delayed_since == 0


def test_a_journal_that_cannot_be_read_after_a_commit_repeats_nothing(bench: Bench) -> None:
    """The batch in which a channel stopped is committed and told; the next one waits for the journal."""
    nobody = ORU24.replace(b"12345^^^HOSP^MR", b"")
    bench.receive(*[("lab", nobody.replace(b"SYN0003", b"N%d" % n)) for n in range(10)])
    assert bench.state.delayed_since == 0
    read = bench.journal.read

    def once(partition: int, after: int, count: int, size: int) -> Any:
        if after:
            raise Retryable("journal.db is busy")
        return read(partition, after, count, size)

    bench.journal.read = once  # type: ignore[method-assign]
    done = bench.process()
    assert [one.row.status for one in done.done] == [Status.FAILED] * 10
    assert [cursor.name for cursor in done.stopped][:1] == ["results"]
    bench.receive(("adt", ADT))
    with pytest.raises(Retryable):
        bench.process()
    bench.journal.read = read  # type: ignore[method-assign]
    assert statuses(bench.process()) == [("adt", Status.TRANSFORMED)]
    assert bench.state.delayed_since == NOW  # when the entry came that waits for it
    assert len(bench.store.outcomes(list(range(1, 11)))) == 10


def test_a_success_between_failures_starts_the_count_again(memory: Bench) -> None:
    """Nine, one good, nine: the channel runs on."""
    memory.receive(*[failing(n) for n in range(9)], ("ris", ORM), *[failing(n) for n in range(20, 29)])
    done = memory.process()
    assert done.stopped == ()
    assert len(done.done) == 19


def test_a_stopped_context_channel_delays_what_is_said_of_absence(memory: Bench) -> None:
    """Coverage names the oldest entry that the channel has not seen (D13), also after a restart."""
    nobody = ORU24.replace(b"12345^^^HOSP^MR", b"")
    memory.receive(*[("lab", nobody.replace(b"SYN0003", b"N%d" % n)) for n in range(11)])
    assert statuses(memory.process())[-1] == ("results", Status.FAILED)
    assert memory.state.delayed_since > 0
    memory.restart()
    assert memory.state.delayed_since == NOW + 10


def test_of_two_stopped_context_channels_the_older_delay_counts(memory: Bench) -> None:
    """Also where both stop in one batch, and after a restart."""
    adt, oru = ADT.replace(b"12345^^^HOSP^MR", b""), ORU24.replace(b"12345^^^HOSP^MR", b"")
    first = [("adt", adt.replace(b"SYN0001", b"A%d" % n)) for n in range(11)]
    memory.receive(*first, *[("lab", oru.replace(b"SYN0003", b"N%d" % n)) for n in range(11)])
    assert [cursor.name for cursor in memory.process().stopped] == ["adt", "results"]
    since = memory.state.delayed_since
    assert NOW < since <= NOW + 10
    memory.restart()
    assert memory.state.delayed_since == NOW + 10


BOTH = ADT.replace(b"12345^^^HOSP^MR", b"12345^^^HOSP^MR~E77^^^ENT^PI")


def test_identifiers_that_one_message_links_are_one_patient(bench: Bench) -> None:
    """A result under one number is shown on the order under the other, in the same batch and in later ones."""
    result = ORU24.replace(b"12345^^^HOSP^MR", b"E77^^^ENT^PI")
    bench.receive(("lab", result), ("ris", ORM), ("adt", BOTH), ("ris", ORM.replace(b"SYN0006", b"SYN0106")))
    bench.process()
    bench.receive(("ris", ORM.replace(b"SYN0006", b"SYN0206")))
    bench.process()
    shown = ["eGFR 24" in field(body, "OBR-13") for body in bench.sent()]
    assert shown == [False, True, True]


def test_a_link_that_is_known_is_no_news(bench: Bench) -> None:
    """The same registration again, in one batch and in the next: one row of the identity log."""
    bench.receive(("adt", BOTH), ("adt", BOTH.replace(b"SYN0001", b"SYN0101")))
    bench.process()
    bench.receive(("adt", BOTH.replace(b"SYN0001", b"SYN0201")))
    bench.process()
    assert [event.event for event in bench.store.identity(["HOSP|MR|12345"])] == ["link"]


def test_what_is_empty_or_deleted_is_no_key(bench: Bench) -> None:
    """A message is not found by `""`, and a visit that is not there by nothing."""
    bench.receive(
        ("ris", ORM.replace(b"ACC1", b'""').replace(b"V1^^^HOSP", b"").replace(b"12345", b'12345^^^HOSP^MR~""'))
    )
    bench.process()
    assert [bench.store.find(value) for value in ('""', "", "P1")] == [[], [], [1]]


def test_an_operators_note_is_attached(bench: Bench) -> None:
    """A deferred result is an entry, and becomes a note of the outcome it belongs to (D12b)."""
    bench.receive(("lab", ORU24))
    bench.receive(("backstory", note_body(1, "results", 1, "validate", "PID-3 is missing")), kind=Kind.OPERATOR)
    assert statuses(bench.process())[1] == ("", Status.TRANSFORMED)
    notes = bench.store.notes([1])
    assert [(note.channel, note.cause, note.text) for note in notes] == [("results", 2, "PID-3 is missing")]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"act": "unmerge"}',
        note_body(0, "results", 1, "validate", "x"),
        note_body(1, "results", 1, "gossip", "x"),
        json.dumps({"act": "note", "entry": "1", "run": 1, "channel": "a", "kind": "validate", "text": "x"}).encode(),
        json.dumps({"act": "note", "entry": 1, "run": 1, "channel": 5, "kind": "validate", "text": "x"}).encode(),
    ],
)
def test_an_act_that_is_none_fails_with_its_reason(memory: Bench, body: bytes) -> None:
    """Nothing is guessed from an operator's entry."""
    memory.receive(("backstory", body), kind=Kind.OPERATOR)
    done = memory.process()
    assert statuses(done) == [("", Status.FAILED)]
    assert done.done[0].row.reason
    assert memory.store.notes([1]) == []


def with_destination(**changes: object) -> Site:
    destination = SITE.config.destinations["pacs"].model_copy(update=changes)
    return SITE._replace(config=SITE.config.model_copy(update={"destinations": {"pacs": destination}}))


def test_control_id_keep_sends_the_originals() -> None:
    """`control_id: keep` (D9)."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(control_id="keep"))
    bench.receive(("ris", ORM))
    bench.process()
    row = bench.store.outbox("pacs", 0, 0, 10)[0]
    assert (row.control_id, field(row.body, "MSH-10")) == ("SYN0006", "SYN0006")


@pytest.mark.parametrize("control_id", ["own", "keep"])
def test_acknowledgement_is_asked_for_in_the_original_mode(control_id: str) -> None:
    """MSH-15 and 16 are the sender's wish of us: emptied (2.9.2), all else as it is; `acknowledgement: keep` passes them on."""
    order = ORM.replace(b"|P|2.3.1", b"|P|2.3.1|||NE|AL", 1)
    assert order != ORM
    for mode, found in (("original", ("", "")), ("keep", ("NE", "AL"))):
        changes = {"control_id": control_id, "acknowledgement": mode}
        bench = Bench(MemoryJournal(), MemoryStore(), with_destination(**changes))
        bench.receive(("ris", order))
        bench.process()
        body = bench.store.outbox("pacs", 0, 0, 10)[0].body
        assert (field(body, "MSH-15"), field(body, "MSH-16")) == found
        plain = Bench(MemoryJournal(), MemoryStore(), with_destination(**changes))
        plain.receive(("ris", ORM))
        plain.process()
        bare = plain.store.outbox("pacs", 0, 0, 10)[0].body
        assert body.split(b"\r")[1:] == bare.split(b"\r")[1:]


def test_a_control_id_that_was_passed_on_is_not_ours() -> None:
    """Under `control_id: keep` the id is its sender's, whatever its form: what comes with it again is evidence."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(control_id="keep"))
    theirs = b"B234567ABCDEFGHIJKLM"
    bench.receive(("ris", ORM.replace(b"SYN0006", theirs)))
    bench.process()
    bench.receive(("lab", ORU24.replace(b"SYN0003", theirs)))
    (done,) = bench.process().done
    assert (done.row.flags, bench.store.counts()["facts"]) == ("", 2)


def test_a_patient_stays_in_one_lane() -> None:
    """Lane = crc32(key) mod lanes, for two orders of one patient and others spread over the lanes."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(lanes=4))
    for patient in range(40):
        for copy in (b"A", b"B"):
            number = b"%d%s" % (patient, copy)
            body = ORM.replace(b"12345", b"%d" % patient).replace(b"ACC1", b"AC" + number).replace(b"SYN0006", number)
            bench.receive(("ris", body))
    bench.process()
    lanes = [{row.key for row in bench.store.outbox("pacs", lane, 0, 100)} for lane in range(4)]
    assert all(lanes)
    assert sum(len(keys) for keys in lanes) == 40


def test_what_the_destinations_charset_lacks_is_transliterated_and_said() -> None:
    """The order is in UTF-8 and the PACS wants Latin 1: what fits is transcoded, what does not is written as near as can be."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(charset="iso8859_1"))
    french = ORM.replace(b"DOE^JANE", "DOÉ^JANE".encode())
    greek = french.replace("É".encode(), "Ω".encode()).replace(b"ACC1", b"ACC2").replace(b"SYN0006", b"SYN0106")
    bench.receive(("ris", french), ("ris", greek))
    done = bench.process()
    first, second = bench.sent()
    assert "DOÉ".encode("latin-1") in first
    assert Message.parse(first, "iso8859_1").get("MSH-18") == "8859/1"
    assert b"|DOO^JANE" in second
    assert Message.parse(second, "iso8859_1").get("MSH-18") == "8859/1"
    assert [one.row.flags for one in done.done] == ["", "transliterated PID-5"]
    assert [one.row.alerts for one in done.done] == ["", ""]


@pytest.mark.parametrize(
    ("unencodable", "flags", "hold"),
    [
        ("question", "question_marks PID-5", ""),
        ("hold", "question_marks PID-5", "character set 8859/1 cannot carry a character of PID-5"),
    ],
)
def test_what_the_destinations_charset_lacks_by_policy(unencodable: str, flags: str, hold: str) -> None:
    """`question` writes a question mark; `hold` does too, and the row says why a person must look."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(charset="iso8859_1", unencodable=unencodable))
    bench.receive(("ris", ORM.replace(b"DOE^JANE", "DOΩ^JANÉ".encode())))
    done = bench.process()
    (row,) = bench.store.outbox("pacs", 0, 0, 9)
    assert "DO?^JANÉ".encode("latin-1") in row.body
    assert (done.done[0].row.flags, row.hold) == (flags, hold)


@pytest.mark.parametrize(("own", "added", "enrichment"), [("Ω", "", "done"), ("", "Ω", "failed"), ("Ω", "Ω", "failed")])
def test_enrichment_is_left_out_for_what_it_adds_only(own: str, added: str, enrichment: str) -> None:
    """A letter that the PACS lacks in the sender's name costs no enrichment; one in what we add does (D1)."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(charset="iso8859_1"))
    agent = b"Iodinated contrast media"
    feed = ADT.replace(agent, agent + f" {added}".encode())
    bench.receive(("adt", feed), ("lab", ORU24), ("ris", ORM.replace(b"JANE", f"JANE{own}".encode())))
    row = bench.process().done[2].row
    assert (row.enrichment, row.flags) == (enrichment, "transliterated PID-5" if own else "")
    assert (b"!eGFR 24" in bench.sent()[0]) == (enrichment == "done")


@pytest.mark.parametrize(
    ("charset", "name", "codec"),
    [("iso8859_2", "8859/2", "iso8859_2"), ("utf-8", "UNICODE UTF-8", "utf-8"), ("cp1252", "CP1252", "cp1252")],
)
def test_the_charset_it_leaves_in_is_said(charset: str, name: str, codec: str) -> None:
    """An order in Latin 1 for receivers of other sets: MSH-18 as table 0211 spells it, or as the codec is called."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(charset=charset))
    order = ORM.replace(b"|P|2.3.1", b"|P|2.3.1||||||8859/1").replace(b"DOE^JANE", "DOÉ^JANE".encode("latin-1"))
    bench.receive(("ris", order), charset="iso8859_1")
    bench.process()
    (sent,) = bench.sent()
    assert Message.parse(sent, codec).get("PID-5.1") == "DOÉ"
    assert Message.parse(sent, codec).get("MSH-18") == name


def test_an_enriched_order_that_is_too_long_leaves_as_it_came() -> None:
    """Length is D1's business as well: the order leaves without what does not fit, with an alert."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(max_bytes=len(ORM) + 40))
    bench.receive(("lab", ORU24), ("ris", ORM))
    done = bench.process()
    assert done.done[1].row.enrichment == "failed"
    assert unstamped(bench.sent()[0]) == ORM


def test_an_order_that_is_too_long_as_it_came_leaves_with_an_alert() -> None:
    """The order always leaves; the alert says which limit it is over."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(max_bytes=len(ORM) - 1))
    bench.receive(("ris", ORM))
    (done,) = bench.process().done
    assert done.alerts[-1] == Alert("destination", f"longer than the destination's max_bytes {len(ORM) - 1}")
    assert unstamped(bench.sent()[0]) == ORM


def test_a_hexadecimal_escape_that_is_no_text_is_told() -> None:
    """It leaves as it came, in whatever set."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(charset="iso8859_1"))
    bench.receive(("ris", ORM.replace(b"DOE^JANE", "DOÉ^JANE\\XFF\\".encode())))
    assert bench.process().done[0].row.flags == "hex_escape_kept PID-5"
    assert b"^JANE\\XFF\\|" in bench.sent()[0]


@pytest.mark.parametrize("zone", [UTC, None])
def test_a_declared_history_counts_as_heard(zone: tzinfo | None) -> None:
    """`history_from` (D13), in UTC where it names no zone: the feed is known since then, not since its first message."""
    since = datetime(2026, 1, 1, tzinfo=zone)
    listeners = dict(SITE.config.listeners)
    listeners["lab"] = listeners["lab"].model_copy(update={"history_from": since})
    bench = Bench(
        MemoryJournal(), MemoryStore(), SITE._replace(config=SITE.config.model_copy(update={"listeners": listeners}))
    )
    bench.receive(("lab", ORU24))
    bench.process()
    assert bench.store.coverage()["lab", "HOSP"] == (int(since.replace(tzinfo=UTC).timestamp()) * 1_000_000, NOW)


def test_a_backfill_stores_and_sends_nothing() -> None:
    """`backfill: true` (D13); the declared history counts as heard."""
    listeners = dict(SITE.config.listeners)
    listeners["ris"] = listeners["ris"].model_copy(update={"backfill": True})
    site = SITE._replace(config=SITE.config.model_copy(update={"listeners": listeners}))
    bench = Bench(MemoryJournal(), MemoryStore(), site)
    bench.receive(("ris", ORM))
    bench.process()
    assert bench.sent() == []
    assert "ACC1" in bench.store.orders(["ACC1"])


def test_a_throwing_best_effort_step_lets_the_order_leave(monkeypatch: pytest.MonkeyPatch, memory: Bench) -> None:
    """D1, through the whole transaction: as it came, `failed`, and an alert."""
    enrich = next(step for step in memory.site.channels[-1].steps if step.step == "enrich")

    def broken(self: object, draft: Draft, mappings: object) -> Draft:
        raise ZeroDivisionError("DOE^JANE")

    monkeypatch.setattr(type(enrich), "apply", broken)
    memory.receive(("lab", ORU24), ("ris", ORM))
    done = memory.process()
    assert done.done[1].row.enrichment == "failed"
    assert done.done[1].alerts[0].kind == "enrichment_failed"
    assert "DOE" not in repr(done.done[1].alerts)
    assert unstamped(memory.sent()[0]) == ORM


def test_reprs_hold_no_content(memory: Bench) -> None:
    """What a traceback or a debugger could print of a batch names places only (D22)."""
    memory.receive(("adt", ADT), ("ris", ORM))
    done = memory.process()
    text = repr(done) + repr(memory.store.outbox("pacs", 0, 0, 10)) + repr(done.done[0])
    assert not any(word in text for word in ("DOE", "JANE", "12345", "HIVES", "SYN0006"))


@given(st.binary(max_size=200))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_entry_stops_the_cursor(tail: bytes) -> None:
    """Whatever stands in an entry, it gets an outcome and the next one is reached."""
    bench = Bench(MemoryJournal(), MemoryStore())
    bench.receive(("ris", ORM[:200] + tail), ("adt", ADT[:120] + tail), ("lab", ORU24[:240] + tail), ("lab", ORU31))
    done = bench.process()
    assert done.last == 4
    assert {row.entry for row in bench.store.outcomes([1, 2, 3, 4])} == {1, 2, 3, 4}


def test_control_ids_differ_by_every_part_of_the_cause() -> None:
    """20 characters, the same for the same cause, others for another installation, destination, entry, channel, run, ordinal."""
    causes = [
        control_id("a", "pacs", (1, "c", 1)),
        control_id("b", "pacs", (1, "c", 1)),
        control_id("a", "vna", (1, "c", 1)),
        control_id("a", "pacs", (2, "c", 1)),
        control_id("a", "pacs", (1, "d", 1)),
        control_id("a", "pacs", (1, "c", 2)),
        control_id("a", "pacs", (1, "c", 1), 1),
    ]
    assert len(set(causes)) == len(causes)
    assert all(len(one) == 20 and one[0] == "B" and one.isalnum() for one in causes)
    assert control_id("a", "pacs", (1, "c", 1)) == causes[0]


def test_a_message_about_a_stat_and_a_routine_order_waits_for_both_lanes():
    """It is queued the usual way behind what the STAT lane holds, and so is what comes later of either order."""
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(stat_lane=True))
    stat = ORM.replace(b"^^R|", b"^^S|")
    other = ORM.replace(b"P1^EMR", b"P2^EMR").replace(b"F1^RIS", b"F2^RIS").replace(b"ACC1", b"ACC2")
    both = ORM[: ORM.index(b"ZDS|")] + other[other.index(b"ORC|") :]
    bench.receive(*(("ris", body) for body in (stat, other, both.replace(b"ORC|NW", b"ORC|CA"), stat)))
    assert bench.process().entries == 4
    assert [(row.entry, row.behind) for row in bench.store.outbox("pacs", STAT, 0, 9)] == [(1, ())]
    assert [(row.entry, row.behind) for row in bench.store.outbox("pacs", 0, 0, 9)] == [
        *((2, ()), (3, ((STAT, 1),)), (4, ()))
    ]


def test_an_order_without_a_patient_is_parked_by_its_number():
    """In a channel that passes it on: so its cancel stays behind it. With a patient, by the patient."""
    steps = [{"step": "set_field", "path": "MSH-5", "value": "PACS"}]
    words = {"channel": "plain", "from": "ris", "accept": {"MSH-9": ["ORM^O01"]}, "steps": steps, "to": ["pacs"]}
    bench = Bench(MemoryJournal(), MemoryStore(), SITE._replace(channels=(Channel.model_validate(words),)))
    nobody = ORM.replace(b"12345^^^HOSP^MR", b"").replace(b"ACC1", b"ACC9")
    bench.receive(*(("ris", body) for body in (nobody, nobody.replace(b"ORC|NW", b"ORC|CA"), ORM)))
    bench.process()
    keys = [row.key for row in bench.store.outbox("pacs", 0, 0, 9)]
    assert keys == ["order ACC9", "order ACC9", "HOSP|MR|12345"]
