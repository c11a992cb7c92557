"""What every Store promises: a commit is whole, a repeat changes nothing, and everything comes back as it was given."""

import pytest

from engine.channel.ports import (
    Commit,
    Cursor,
    Deferred,
    OrderLane,
    OutcomeNote,
    OutcomeRow,
    Outgoing,
    Queued,
    SearchKey,
)
from engine.errors import StoreRefused
from engine.order.order import Order
from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent
from engine.steps.draft import Shown, Synopsis

NOW = 1_790_000_000_000_000


def fact(entry=1, ordinal=100, patient="HOSP|MR|1", **changes):
    made = Fact(
        *(
            patient,
            entry,
            1,
            ordinal,
            "lab",
            "egfr",
            "48642-3",
            "LN",
            "GFR ä",
            24.5,
            "<",
            "<24.5",
            "mL/min",
            ">60",
            "L",
        ),
        *("F", "", NOW, 0, NOW + 1, NOW + 2, "V1", "egfr|mL/min", "OBX[1]-5", "lab", "eGFR <24.5"),
    )
    return made._replace(**changes)


def outcome(entry=1, channel="adt", **changes):
    made = OutcomeRow(entry, channel, 1, 2, "", "", "", "", "", "", "c0ffee", NOW)
    return made._replace(**changes)


def order(number="A1", **changes):
    texts = ("HOSP|MR|1", "ACC1", "P1", "F1", "V1", "NW", "SC", "OPEN", "CTABD", "CT ABDOMEN", "CT", "ABD", "IOD")
    return Order(number, *texts, NOW + 5, 1, NOW, "ris")._replace(**changes)


def outgoing(entry=1, body=b"MSH|out", **changes):
    made = Outgoing("pacs", 0, "HOSP|MR|1", body, f"B{entry}", entry, "orders_to_pacs", 1, "A1", 0, "c0ffee", NOW)
    return made._replace(**changes)


def at(position, partition=0, **changes):
    return (Cursor("live", partition, position, **changes),)


def event(entry, kind, a, b):
    return IdentityEvent(entry, 1, 0, kind, a, b, NOW)


def synopsis(number="A1", lines=1):
    shown = tuple(
        Shown("R01", "S", "1:1:100:lab", "24", "F", "", "OBR-13+NTE", f"eGFR 24 ä {n}", "egfr < 30", "ACR", "results")
        for n in range(lines)
    )
    return Synopsis(number, shown, "!eGFR 24", NOW)


def full(position=1):
    """One of everything, caused by one entry."""
    return Commit(
        cursors=at(position),
        facts=[fact(position)],
        snapshots={("HOSP|MR|1", "allergy", ""): b"digest"},
        identity=[event(position, "link", "HOSP|MR|1", "HOSP|PI|9")],
        orders=[order(f"A{position}")],
        outcomes=[outcome(position), outcome(position, "orders_to_pacs")],
        keys=[SearchKey("patient", "HOSP|MR|1", position), SearchKey("accession", f"ACC{position}", position)],
        outgoing=[outgoing(position)],
        synopses=[(position, synopsis(f"A{position}"))],
        deferred=[Deferred(0, position, "adt", "validate", b"MSH", "utf-8", "{}")],
        coverage={("lab", "HOSP"): Span(NOW, NOW)},
        notes=[OutcomeNote(position, "adt", 1, position, "validate", "PID-8: not in table 0001")],
        commands=[f"c-{position}"],
        switches={"enrichment": f"off {position}"},
    )


def everything(reader, entries=(1, 2, 3, 4)):
    """All that can be read of the entries the tests make."""
    return {
        "cursors": reader.cursors(),
        "facts": reader.facts(["HOSP|MR|1"]),
        "snapshots": reader.snapshots(["HOSP|MR|1"]),
        "identity": reader.identity(["HOSP|PI|9"]),
        "orders": reader.orders([f"A{n}" for n in entries]),
        "outcomes": reader.outcomes(entries),
        "patient": reader.find("HOSP|MR|1"),
        "accession": [reader.find(f"ACC{n}", kind="accession") for n in entries],
        "outbox": reader.outbox("pacs", 0, 0, 100),
        "tails": reader.outbox_tails(),
        "synopses": [reader.synopses(f"A{n}") for n in entries],
        "deferred": reader.deferred(10),
        "coverage": reader.coverage(),
        "notes": reader.notes(entries),
        "commands": [reader.command_done(f"c-{n}") for n in entries],
        "switches": reader.switches(),
        "counts": reader.counts(),
    }


def test_a_commit_is_read_back_as_it_was_given(stores):
    """Every part, by this process and by others, and after the file was opened again."""
    given = full()
    stores.store.commit(given)
    wanted = {
        "cursors": list(given.cursors),
        "facts": {"HOSP|MR|1": [fact(1)]},
        "snapshots": given.snapshots,
        "identity": list(given.identity),
        "orders": {"A1": order("A1")},
        "outcomes": list(given.outcomes),
        "patient": [1],
        "accession": [[1], [], [], []],
        "outbox": [
            Queued(*("pacs", 0, 1, "HOSP|MR|1", b"MSH|out", "B1", 1, "orders_to_pacs", 1, "A1", 0, "c0ffee", NOW))
        ],
        "tails": {("pacs", 0): 1},
        "synopses": [[(1, synopsis("A1"))], [], [], []],
        "deferred": [Deferred(1, 1, "adt", "validate", b"MSH", "utf-8", "{}", 0)],
        "coverage": {("lab", "HOSP"): Span(NOW, NOW)},
        "notes": list(given.notes),
        "commands": [True, False, False, False],
        "switches": {"enrichment": "off 1"},
        "counts": {"filtered": 0, "transformed": 2, "failed": 0, "facts": 1, "orders": 1, "outbox": 1, "notes": 1},
    }
    assert everything(stores.store) == wanted
    assert everything(stores.reader) == wanted
    assert everything(stores.reopen()) == wanted
    (read,) = stores.reader.facts(["HOSP|MR|1"])["HOSP|MR|1"]
    assert type(read) is Fact
    assert type(read.value) is float


@pytest.mark.parametrize(
    "poison",
    [
        {"facts": [fact(2), fact(2, 200, observed=2**70)]},
        {"facts": [fact(2), fact(2, 200, quote="\ud800")]},
        {"orders": [order("A2", scheduled=-(2**64))]},
        {"orders": [order("A2", text="\udcff")]},
        {"outcomes": [outcome(2, reason="\udcff")]},
        {"outcomes": [outcome(2), outcome(2)]},
        {"outcomes": [outcome(1)]},
        {"keys": [SearchKey("visit", "\udcff", 2)]},
        {"keys": [SearchKey("shoe size", "44", 2)]},
        {"outgoing": [outgoing(2), outgoing(2, key="\udcff")]},
        {"identity": [event(2**64, "link", "a", "b")]},
        {"synopses": [(2, synopsis()._replace(headline="\udcff"))]},
        {"deferred": [Deferred(0, 2**64, "adt", "validate", b"", "", "{}")]},
        {"notes": [OutcomeNote(2, "adt", 1, 2, "validate", "\udcff")]},
        {"switches": {"enrichment": "\udcff"}},
        {"coverage": {("lab", "HOSP"): Span(0, 2**64)}},
        {"cursors": at(0)},
    ],
    ids="-".join,
)
def test_one_value_that_cannot_be_stored_refuses_the_whole_commit(stores, poison):
    """The error names the kind of refusal and no value; nothing is kept, and the next commit goes on from there (D6)."""
    stores.store.commit(full(1))
    before = everything(stores.reader)
    with pytest.raises(StoreRefused) as refused:
        stores.store.commit(full(2)._replace(**poison))
    assert str(refused.value).startswith(("store refused: ", "cursor live/0 would move back"))
    assert refused.value.__cause__ is None
    assert everything(stores.reader) == before
    stores.store.commit(full(2))
    assert stores.reader.outbox_tails() == {("pacs", 0): 2}
    assert stores.reader.find("HOSP|MR|1") == [2, 1]
    assert len(stores.reader.notes([2])) == 1


def test_the_same_facts_and_events_again_change_nothing(stores):
    """The identity of a fact is (entry, run, ordinal, kind): the first one stays."""
    stores.store.commit(
        Commit(at(1), facts=[fact(1)], identity=[event(1, "link", "a", "b")], keys=[SearchKey("visit", "V", 1)])
    )
    again = Commit(
        at(2),
        facts=[fact(1, value=99.0), fact(1, kind="vital")],
        identity=[event(1, "merge", "x", "y")],
        keys=[SearchKey("visit", "V", 1)] * 2,
    )
    stores.store.commit(again)
    assert stores.reader.facts(["HOSP|MR|1"]) == {"HOSP|MR|1": [fact(1), fact(1, kind="vital")]}
    assert stores.reader.identity(["a"]) == [event(1, "link", "a", "b")]
    assert stores.reader.identity(["x"]) == []
    assert stores.reader.find("V") == [1]
    assert stores.reader.counts()["facts"] == 2


def test_facts_come_in_order_for_the_patients_asked_for(stores):
    """By (entry, run, ordinal); patients nobody knows have no key; what was not said stays not said."""
    said = [fact(e, o, patient=p) for p in ("A", "B", "C") for e in (3, 1, 2) for o in (300, 100)]
    said.append(fact(9, patient="A", run=2, value=None, text='""', concept="", observed=0))
    stores.store.commit(Commit(at(9), facts=said))
    read = stores.reader.facts(["C", "A", "nobody", "A"])
    assert set(read) == {"A", "C"}
    assert [(f.entry, f.ordinal) for f in read["C"]] == [(e, o) for e in (1, 2, 3) for o in (100, 300)]
    assert read["A"][-1] == said[-1]
    many = {f"P{n}" for n in range(300)}
    stores.store.commit(Commit(at(10), facts=[fact(10, patient=p) for p in many]))
    assert set(stores.reader.facts(many)) == many
    assert stores.reader.facts([]) == {}


def test_identity_is_closed_over_every_event(stores):
    """Whoever is reached by links, merges and unlinks from one identifier belongs to the answer; others do not."""
    chain = [
        event(n, kind, f"K{n}", f"K{n + 1}") for n, kind in enumerate(("link", "merge", "unlink", "link"), start=1)
    ]
    apart = event(9, "link", "X", "Y")
    stores.store.commit(Commit(at(9), identity=[*reversed(chain), apart]))
    for key in ("K1", "K3", "K5"):
        assert stores.reader.identity([key]) == chain
    assert stores.reader.identity(["X", "K1"]) == [*chain, apart]
    assert stores.reader.identity(["nobody"]) == []


def test_orders_and_snapshots_hold_their_latest_state(stores):
    """The last one said holds, also within a commit; counting counts orders, not states."""
    stores.store.commit(
        Commit(at(1), orders=[order("A1"), order("A1", control="XO")], snapshots={("p", "k", "s"): b"1"})
    )
    assert stores.reader.orders(["A1", "A2"]) == {"A1": order("A1", control="XO")}
    later = order("A1", control="CA", state="CANCELLED", entry=2)
    stores.store.commit(
        Commit(at(2), orders=[later, order("A2")], snapshots={("p", "k", "s"): b"2", ("q", "k", ""): b""})
    )
    assert stores.reader.orders(["A1", "A2"]) == {"A1": later, "A2": order("A2")}
    assert stores.reader.snapshots(["p"]) == {("p", "k", "s"): b"2"}
    assert stores.reader.counts()["orders"] == 2


def test_deliveries_are_numbered_without_gaps_in_their_lane(stores):
    """1, 2, 3... for each (destination, lane), also over a refused commit and after opening again (D7)."""
    places = [("pacs", 0), ("pacs", 1), ("pacs", 0), ("ris", 0)]
    stores.store.commit(Commit(at(1), outgoing=[outgoing(n, destination=d, lane=k) for n, (d, k) in enumerate(places)]))
    with pytest.raises(StoreRefused):
        stores.store.commit(Commit(at(2), outgoing=[outgoing(5)], outcomes=[outcome(1), outcome(1)]))
    stores.reopen().commit(Commit(at(3), outgoing=[outgoing(6), outgoing(7, destination="new")]))
    assert stores.reader.outbox_tails() == {("pacs", 0): 3, ("pacs", 1): 1, ("ris", 0): 1, ("new", 0): 1}
    assert [(q.seq, q.entry) for q in stores.reader.outbox("pacs", 0, 0, 10)] == [(1, 0), (2, 2), (3, 6)]
    assert [q.seq for q in stores.reader.outbox("pacs", 0, 1, 1)] == [2]
    assert stores.reader.outbox("pacs", 0, 3, 10) == []
    assert [q.entry for q in stores.reader.outbox("new", 0, 0, 10)] == [7]
    assert stores.reader.outbox("nobody", 0, 0, 10) == []
    assert [q.seq for q in stores.reader.outbox_rows("pacs", 0, [3, 1, 9])] == [1, 3]
    caused = stores.reader.queued_for([7, 6, 1, 1])
    assert [(q.destination, q.lane, q.seq) for q in caused] == [("new", 0, 1), ("pacs", 0, 3), ("pacs", 1, 1)]


def test_a_delivery_waits_for_what_other_lanes_hold(stores):
    """Where they ended in that commit, before it; a lane that holds nothing is not waited for."""
    first = [outgoing(n, lane=1000) for n in range(3)]
    stores.store.commit(Commit(at(1), outgoing=first))
    rows = [outgoing(4, lane=1000), outgoing(5)._replace(behind=(7, 1000)), outgoing(6, lane=1000)]
    stores.store.commit(Commit(at(2), outgoing=[*rows, outgoing(7, lane=3)._replace(behind=(0, 1000))]))
    for store in (stores.reader, stores.reopen()):
        assert [row.behind for row in store.outbox("pacs", 0, 0, 9)] == [((1000, 4),)]
        assert [row.behind for row in store.outbox("pacs", 3, 0, 9)] == [((0, 1), (1000, 5))]
        assert {row.behind for row in store.outbox("pacs", 1000, 0, 9)} == {()}


def test_a_long_delivery_comes_back(stores):
    """The bytes that leave are the bytes that were queued, however they are kept."""
    body = b"MSH|" + b"NTE|1||text\r" * 3_000
    stores.store.commit(Commit(at(1), outgoing=[outgoing(1, body)]))
    assert stores.reader.outbox("pacs", 0, 0, 1)[0].body == body


def test_decided_deliveries_are_trimmed_and_their_numbers_never_used_again(stores):
    """At most `limit` rows, the oldest first, none above the number; the tail stays."""
    stores.store.commit(Commit(at(1), outgoing=[outgoing(n) for n in range(1, 6)] + [outgoing(9, lane=1)]))
    assert stores.store.trim_outbox("pacs", 0, 4, 3) == 3
    assert stores.store.trim_outbox("pacs", 0, 4, 3) == 1
    assert stores.store.trim_outbox("pacs", 0, 4, 3) == 0
    assert stores.store.trim_outbox("nobody", 0, 4, 3) == 0
    assert [q.seq for q in stores.reader.outbox("pacs", 0, 0, 10)] == [5]
    assert stores.reader.counts()["outbox"] == 2
    stores.store.trim_outbox("pacs", 0, 5, 3)
    stores.store.commit(Commit(at(2), outgoing=[outgoing(7)]))
    assert [(q.seq, q.entry) for q in stores.reader.outbox("pacs", 0, 0, 10)] == [(6, 7)]
    assert len(stores.reader.outbox("pacs", 1, 0, 10)) == 1


def test_outcomes_are_found_newest_first(stores):
    """All, those before an entry, those of one status; fixed words come back whole."""
    spelled = outcome(
        3,
        "orders_to_pacs",
        status=3,
        step="translate",
        path="OBR-4.1",
        reason="code 'X' is not in procedure_codes",
        enrichment="failed",
        flags="a b",
        alerts="c",
    )
    rows = [outcome(1), outcome(2, "", status=1), outcome(2, "adt"), spelled, outcome(3, "adt", run=2), outcome(4)]
    stores.store.commit(Commit(at(4), outcomes=rows))
    assert stores.reader.outcomes([3, 2, 3]) == [rows[1], rows[2], rows[4], rows[3]]
    newest = [rows[5], rows[4], rows[3], rows[1], rows[2], rows[0]]
    assert stores.reader.latest(before=0, limit=10) == newest
    assert stores.reader.latest(before=4, limit=2) == newest[1:3]
    assert stores.reader.latest(before=0, limit=10, status=3) == [spelled]
    assert stores.reader.latest(before=3, limit=10, status=3) == []
    assert stores.reader.latest(before=0, limit=10, status=1) == [rows[1]]
    assert {name: stores.reader.counts()[name] for name in ("filtered", "transformed", "failed")} == {
        "filtered": 1,
        "transformed": 4,
        "failed": 1,
    }


def test_notes_are_found_by_their_outcome_and_counted(stores):
    """In the order in which they came; each is an entry of the engine's own, and so is their number."""
    notes = [OutcomeNote(1, "adt", 1, cause, "validate", "PID of ADT_A01 is required and missing") for cause in (3, 4)]
    stores.store.commit(Commit(at(4), notes=[*notes, OutcomeNote(2, "adt", 1, 4, "validate", "x")]))
    assert stores.reader.notes([1]) == notes
    assert stores.reader.counts()["notes"] == 3


def test_entries_are_found_by_their_keys(stores):
    """By value, or by kind and value; each entry once; newest first; at most `limit`."""
    keys = [SearchKey("patient", "1", n) for n in range(1, 6)] + [
        SearchKey("accession", "1", 3),
        SearchKey("visit", "1x", 4),
    ]
    stores.store.commit(Commit(at(1), keys=keys))
    assert stores.reader.find("1") == [5, 4, 3, 2, 1]
    assert stores.reader.find("1", kind="accession") == [3]
    assert stores.reader.find("1", kind="patient", limit=2) == [5, 4]
    assert stores.reader.find("1", kind="shoe size") == []
    assert stores.reader.find("2") == []


def test_synopses_of_an_order_are_kept_in_order(stores):
    """One for each entry that let the order leave; the same entry again replaces its own; long ones come back whole."""
    long = synopsis(lines=60)
    stores.store.commit(Commit(at(1), synopses=[(7, synopsis()), (2, long), (3, synopsis("A2"))]))
    stores.store.commit(Commit(at(2), synopses=[(7, synopsis(lines=2))]))
    assert stores.reader.synopses("A1") == [(2, long), (7, synopsis(lines=2))]


def test_deferred_jobs_wait_until_they_are_done(stores):
    """Oldest first, with a number of their own that is never given again; tries are counted by the caller."""
    jobs = [Deferred(0, n, "adt", "validate", b"%d" % n, "utf-8", "{}") for n in (1, 2, 3)]
    stores.store.commit(Commit(at(1), deferred=jobs))
    first, second, third = stores.reader.deferred(10)
    assert [(job.id, job.body) for job in (first, second, third)] == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert stores.reader.deferred(2) == [first, second]
    stores.store.commit(Commit(at(2), deferred=[second._replace(tries=1)], deferred_done=[1, 3, 77]))
    stores.store.commit(Commit(at(2), deferred=[first._replace(tries=2)]))  # done meanwhile: it does not come back
    assert stores.reader.deferred(10) == [second._replace(tries=1)]
    stores.reopen().commit(Commit(at(3), deferred=jobs[:1], deferred_done=[3]))
    assert [job.id for job in stores.reader.deferred(10)] == [2, 4]


def test_coverage_only_widens(stores):
    """The first and the last time a kind was heard, over all batches (D13)."""
    stores.store.commit(Commit(at(1), coverage={("lab", "HOSP"): Span(50, 60), ("allergy", ""): Span(1, 2)}))
    stores.store.commit(Commit(at(2), coverage={("lab", "HOSP"): Span(55, 58)}))
    stores.store.commit(Commit(at(3), coverage={("lab", "HOSP"): Span(40, 70)}))
    assert stores.reader.coverage() == {("lab", "HOSP"): Span(40, 70), ("allergy", ""): Span(1, 2)}


def test_cursors_stand_where_they_were_left(stores):
    """One for each name and partition; a repeat of a place is allowed, a step back is not."""
    cursors = tuple(Cursor("live", p, 10 * p) for p in range(stores.partitions))
    stopped = Cursor("adt", 0, 5, "stopped", "stop_after", 10)
    stores.store.commit(Commit((*cursors, stopped)))
    assert stores.reader.cursors() == [stopped, *cursors]
    stores.reopen().commit(Commit((stopped._replace(state="retired"),)))
    with pytest.raises(StoreRefused, match="cursor adt/0 would move back"):
        stores.store.commit(Commit((stopped._replace(position=4),)))
    assert stores.reader.cursors() == [stopped._replace(state="retired"), *cursors]


def test_an_empty_commit_is_no_error(stores):
    """Nothing in, nothing out."""
    stores.store.commit(Commit(()))
    assert stores.reader.cursors() == []
    assert stores.reader.counts() == dict.fromkeys(
        ("filtered", "transformed", "failed", "facts", "orders", "outbox", "notes"), 0
    )


def test_rows_that_hold_content_do_not_show_it():
    """The repr of everything in a commit names places and sizes only."""
    content = [
        full(),
        fact(),
        order(),
        outgoing(),
        synopsis(),
        SearchKey("patient", "HOSP|MR|1", 1),
        event(1, "link", "HOSP", "b"),
    ]
    shown = repr([*content, Deferred(0, 1, "adt", "validate", b"MSH|x", "utf-8", "{}"), synopsis().shown[0]])
    for secret in ("HOSP", "MSH", "egfr", "eGFR", "24", "ABDOMEN", "ACC1"):
        assert secret not in shown


def test_the_lanes_of_orders_are_kept(stores):
    """Under each number, for each destination; the last one said counts."""
    rows = [OrderLane("pacs", "placer P1", 0), OrderLane("pacs", "filler F1", 1000), OrderLane("ris", "placer P1", 2)]
    stores.store.commit(Commit(cursors=at(1), order_lanes=rows))
    stores.store.commit(Commit(cursors=at(2), order_lanes=[OrderLane("pacs", "placer P1", 3)]))
    for store in (stores.reader, stores.reopen()):
        assert store.order_lanes(["placer P1", "x"]) == {("pacs", "placer P1"): 3, ("ris", "placer P1"): 2}
        assert store.order_lanes([]) == {}
