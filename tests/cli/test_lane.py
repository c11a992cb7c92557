"""`backstory lane`: lanes and parked rows as the files say, and the commands that go to the engine."""

import json
from contextlib import contextmanager

import pytest

from engine.app.control import ControlServer, NotAnswered
from engine.channel.lane_layout import Layout
from engine.channel.ports import Attempt, Commit, Decision, Lane, LaneState
from engine.cli.aside import parked_rows
from engine.cli.waiting import Waits, lane_rows, places_of
from engine.errors import Rejected
from tests.cli.conftest import START

KEY = "HOSP|MR|12345"


@pytest.fixture
def opened(monkeypatch, readers):
    """The command reads these files."""

    @contextmanager
    def open_readers(_site):
        yield readers

    monkeypatch.setattr("engine.cli.lane.open_readers", open_readers)
    monkeypatch.setattr("engine.cli.messages.open_readers", open_readers)
    return readers


@pytest.fixture
def engine(site_folder):
    """A supervisor that answers as the test wants; `asked` is what it was asked."""

    class Engine:
        asked: list[tuple[str, dict[str, object]]] = []  # noqa: RUF012 - one engine for each test
        answer: dict[str, object] = {}  # noqa: RUF012 - as above
        error = ""

        def __call__(self, command):
            self.asked.append((command.verb, dict(command.args)))
            if self.error:
                raise Rejected(self.error)
            return self.answer

    found = Engine()
    found.asked, found.answer = [], {}
    (site_folder / "data" / "run").mkdir()
    server = ControlServer(site_folder / "data" / "run" / "supervisor.sock", found)
    server.start()
    yield found
    server.close()


def park(readers, *seqs, done, answer="AE 204"):
    with readers.journal.transaction() as tx:
        for seq in seqs:
            words = answer if seq == seqs[0] else "behind a parked message"
            tx.wire.record(
                Attempt("pacs", 0, seq, START + seq, Decision.PARKED, words, KEY), Lane("pacs", 0, done=done)
            )


def test_lanes_are_listed_with_reasons(opened, another_order, backstory):
    """State, what waits, the next try and what the reason means."""
    another_order("ACC2")
    lane = Lane("pacs", 0, done=1, tries=3, next_try=START + 9, since=START, reason="connection refused by pacs:104")
    with opened.journal.transaction() as tx:
        tx.wire.set_lane(lane)
    status, out, _ = backstory("lane")
    assert status == 0
    assert "pacs/0" in out
    assert "retrying" in out
    assert "connection refused by pacs:104: nobody listens there" in out
    (row,) = json.loads(backstory("lane", "--json")[1])
    assert (row["state"], row["waiting"], row["parked"], row["next_try"]) == ("retrying", 1, 0, START + 9)
    listed = backstory("messages", "--status", "QUEUED")[1]
    assert "pacs QUEUED (next in its lane: connection refused by pacs:104, next try at " in listed


def test_nothing_was_ever_queued(opened, backstory, monkeypatch):
    """A site without deliveries."""
    monkeypatch.setattr("engine.cli.lane.lane_rows", lambda _readers: [])
    assert backstory("lane")[:2] == (0, "nothing was ever queued for a destination\n")
    assert backstory("lane", "parked")[:2] == (0, "nothing is parked\n")


def test_parked_rows_are_listed_by_patient(opened, another_order, backstory):
    """The first with its answer, the others behind its entry; released ones say so; also as JSON and in `messages`."""
    for accession in ("ACC2", "ACC3"):
        another_order(accession)
    park(opened, 2, 3, done=3)
    first, second = parked_rows(opened, "pacs")
    assert (first.patient, first.number, first.why) == (KEY, 2, "AE 204")
    assert second.why == f"behind entry {first.entry}"
    assert KEY not in repr(first)
    out = backstory("lane", "parked", "pacs")[1]
    assert "AE 204 (unknown key identifier)" in out
    words = json.loads(backstory("lane", "parked", "--json")[1])
    assert [row["released"] for row in words] == [False, False]
    listed = backstory("messages", "--status", "PARKED")[1]
    assert "pacs PARKED (refused with AE 204 (unknown key identifier))" in listed
    assert f"pacs PARKED (behind entry {first.entry})" in listed
    with opened.journal.transaction() as tx:
        tx.wire.unpark("pacs", KEY)
    assert "released, goes next" in backstory("messages", "show", first.entry)[1]
    shown = json.loads(backstory("messages", "show", first.entry, "--json")[1])
    assert (shown["deliveries"][0]["status"], shown["deliveries"][0]["waits"]) == ("PARKED", "released, goes next")
    found = json.loads(backstory("messages", "--status", "PARKED", "--json")[1])
    assert [one["deliveries"][0]["number"] for one in found["messages"]] == [3, 2]
    assert places_of(opened, "pacs", first.entry) == [(0, 2)]


def test_what_must_be_looked_at_says_so(opened, another_order, backstory):
    """Behind a parked one or the first: with the reason, until a person lets it go."""
    for accession in ("ACC2", "ACC3"):
        another_order(accession)
    reason = "character set 8859/1 cannot carry a character of PID-5"
    for seq in (2, 3):
        row = opened.store._outbox["pacs", 0][seq]
        opened.store._outbox["pacs", 0][seq] = row._replace(hold=reason)
    park(opened, 2, 3, done=3, answer=reason)
    first, second = parked_rows(opened, "pacs")
    assert (first.why, second.why) == (reason, f"behind entry {first.entry}; {reason}")
    assert f"pacs PARKED (a person must look first: {reason})" in backstory("messages", "--status", "PARKED")[1]
    with opened.journal.transaction() as tx:
        tx.wire.approve("pacs", 0, 3)
    words = json.loads(backstory("lane", "parked", "--json")[1])
    assert [(row["hold"], row["why"]) for row in words] == [(reason, reason), ("", f"behind entry {first.entry}")]


def test_what_was_released_says_why_it_waits(opened, another_order, backstory):
    """Reason and next try of the lane that sends it, in `messages` as in `lane`; parked is only what nobody released."""
    for accession in ("ACC2", "ACC3"):
        another_order(accession)
    park(opened, 2, 3, done=3)
    with opened.journal.transaction() as tx:
        tx.wire.unpark("pacs", KEY)
        tx.wire.set_lane(Lane("pacs", 0, 3, reason="connection refused by pacs:104", tries=2, next_try=START, since=1))
    (row,) = lane_rows(opened)
    assert (row.waiting, row.parked, row.released) == (2, 0, 2)
    out = backstory("messages", "--status", "PARKED")[1]
    assert out.count("PARKED (released, goes next: connection refused by pacs:104, next try at ") == 2
    stopped = Lane("pacs", 0, 3, state=LaneState.STOPPED, reason="held by anna", since=START)
    with opened.journal.transaction() as tx:
        tx.wire.set_lane(stopped)
    assert "pacs PARKED (released, but pacs/0 is stopped since 2026-08-20 " in backstory("messages")[1]
    assert ": held by anna)" in backstory("messages")[1]


def test_what_was_sent_without_an_answer_says_what_that_means(opened, another_order, backstory):
    """Nothing proves that it arrived; an AA needs no words."""
    another_order("ACC2")
    with opened.journal.transaction() as tx:
        answer = "not answered, as MSH-15 NE asks"
        tx.wire.record(Attempt("pacs", 0, 2, START, Decision.SENT, answer), Lane("pacs", 0, done=2))
    entry = opened.store.outbox("pacs", 0, 1, 1)[0].entry
    assert (
        f"SENT  {answer}: the message asks for no answer: it was written, and nothing proves"
        in backstory("messages", "show", entry)[1]
    )
    assert backstory("messages", "show", 7)[1].count("SENT  AA\n") == 1


def test_many_parked_rows_are_read_in_few_statements(opened, another_order, monkeypatch):
    """One row's words look at the heads of its patient, not at all of them; the list asks for hundreds at once."""
    for accession in ("ACC2", "ACC3", "ACC4"):
        another_order(accession)
    park(opened, 2, 3, 4, done=4)
    asked = []
    for file, name in ((opened.store, "outbox_rows"), (opened.journal, "attempts")):
        found = getattr(file, name)
        monkeypatch.setattr(file, name, lambda *args, found=found, name=name: (asked.append(name), found(*args))[1])
    waits, rows = Waits(opened), opened.store.outbox("pacs", 0, 1, 3)
    assert [waits.told(row, "PARKED") for row in rows] == [
        "refused with AE 204 (unknown key identifier)",
        *[f"behind entry {rows[0].entry}"] * 2,
    ]
    assert asked == ["outbox_rows", "attempts"]
    asked.clear()
    assert len(parked_rows(opened)) == 3
    assert asked == ["outbox_rows", "attempts"]


def test_a_destination_that_is_none_is_said(opened, backstory):
    """Of one that is known, nothing is parked."""
    assert backstory("lane", "parked", "pacs")[:2] == (0, "nothing is parked\n")
    status, _, err = backstory("lane", "parked", "nope")
    assert status == 1
    assert err.startswith("backstory: there is no destination 'nope'; there are ")
    assert "pacs" in err


def test_json_is_for_the_lists(opened, backstory):
    """`lane --json parked` is the list as JSON; an act has none."""
    assert json.loads(backstory("lane", "--json", "parked")[1]) == []
    status, _, err = backstory("lane", "--json", "hold", "pacs")
    assert (status, err.count("--json is for the lists")) == (1, 1)


def test_what_a_delivery_waits_for(opened, another_order):
    """Its place, and whether the lane is held, fenced or open."""
    for accession in ("ACC2", "ACC3"):
        another_order(accession)
    row = opened.store.outbox("pacs", 0, 2, 1)[0]
    assert Waits(opened).told(row, "QUEUED") == "number 2 in its lane"
    fence = Layout("2", ({1: 5, 0: 1},)).dumped()
    opened.store.commit(Commit(cursors=(), switches={"lanes pacs": fence}))
    assert "which waits for pacs/1: queued before the number of lanes" in Waits(opened).told(row, "QUEUED")
    (listed,) = [one for one in lane_rows(opened) if one.lane.lane == 0]
    assert "pacs/1" in listed.cells()[-1]
    with opened.journal.transaction() as tx:
        tx.wire.set_lane(Lane("pacs", 0, done=1, state=LaneState.STOPPED, reason="held by anna", since=START))
    assert "number 2 in its lane, which is stopped since 2026-" in Waits(opened).told(row, "QUEUED")
    assert Waits(opened).told(row, "PARKED") == ""


def test_a_message_that_waits_for_another_lane_says_so(opened, another_order):
    """It is about orders in two lanes; the other one is not beyond its order yet."""
    another_order("ACC2")
    queued = opened.store._outbox["pacs", 0]
    row = queued[2] = queued[2]._replace(behind=((1000, 2), (3, 1)))
    with opened.journal.transaction() as tx:
        tx.wire.set_lane(Lane("pacs", 3, done=1))
        tx.wire.set_lane(Lane("pacs", 1000, done=1))
    reason = "next in its lane, which waits for pacs/1000: earlier messages of the same order"
    assert Waits(opened).told(row, "QUEUED") == reason
    with opened.journal.transaction() as tx:
        tx.wire.set_lane(Lane("pacs", 1000, done=2))
    assert Waits(opened).told(row, "QUEUED") == "next in its lane"


@pytest.mark.parametrize(
    ("words", "asked", "answer"),
    [
        (
            ("hold", "pacs", "--because", "x"),
            {"act": "hold", "destination": "pacs", "lane": None, "because": "x"},
            "pacs is held; messages queue up, none is lost (backstory lane release)",
        ),
        (
            ("release", "pacs", "--lane", "2"),
            {"act": "release", "destination": "pacs", "lane": 2, "parked": False},
            "lane pacs/2 goes on",
        ),
        (
            ("release", "pacs", "--all-parked"),
            {"act": "release", "destination": "pacs", "lane": None, "parked": True},
            "pacs: 3 parked messages of 2 patients go now, in order",
        ),
        (
            ("release", "pacs", "--key", KEY),
            {"act": "release", "destination": "pacs", "lane": None, "parked": False, "keys": [KEY]},
            "pacs: 3 parked messages of 2 patients go now, in order",
        ),
        (
            ("skip", "pacs", "17", "--because", "x"),
            {"act": "skip", "destination": "pacs", "rows": [[0, 17]], "because": "x"},
            "pacs: message skipped",
        ),
        (("retry-now", "pacs"), {"act": "retry", "destination": "pacs", "lane": None}, "pacs is tried now"),
    ],
)
def test_commands_go_to_the_engine(engine, site_folder, backstory, words, asked, answer):  # noqa: PLR0917 - a table
    """And are answered in a sentence."""
    engine.answer = {"patients": 2, "rows": 3}
    status, out, err = backstory("lane", *words, "--site", site_folder)
    assert (status, out, err) == (0, answer + "\n", "")
    assert engine.asked == [("lane", asked)]


def test_an_entry_is_looked_up(engine, opened, another_order, site_folder, backstory):
    """Its undecided deliveries to that destination; one that was sent has none."""
    another_order("ACC2")
    entry = opened.store.outbox("pacs", 0, 1, 1)[0].entry
    engine.answer = {"patients": 1, "rows": 1}
    assert backstory("lane", "release", "pacs", "--entry", entry, "--site", site_folder)[0] == 0
    assert engine.asked[0][1]["rows"] == [[0, 2]]
    status, _, err = backstory("lane", "skip", "pacs", "--entry", 7, "--because", "x", "--site", site_folder)
    assert (status, err) == (1, "backstory: entry 7 has no delivery to pacs that could still change\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("release", "pacs", "--all-parked", "--lane", "1"), "release: one of --lane, --entry, --key and --all-parked"),
        (("skip", "pacs", "--because", "x"), "skip: name the message by NUMBER or by --entry"),
        (
            ("release", "pacs", "--key", ""),
            "release: --key names a patient, as `backstory lane parked` lists it; this one is empty",
        ),
        (("skip", "pacs", "3"), "skip: say why, with --because TEXT; it is kept with the message"),
    ],
)
def test_what_is_not_clear_is_refused(site_folder, backstory, words, error):
    """Before anything is asked of the engine."""
    assert backstory("lane", *words, "--site", site_folder)[::2] == (1, f"backstory: {error}\n")


@pytest.mark.parametrize(
    "words",
    [
        ("release", "pacs", "--entry", "0"),
        ("release", "pacs", "--entry", "99999999999999999999"),
        ("skip", "pacs", "--entry", "0", "--because", "x"),
        ("skip", "pacs", "0", "--because", "x"),
        ("skip", "pacs", "99999999999999", "--because", "x"),
        ("hold", "pacs", "--lane", "99999999999"),
        ("retry-now", "pacs", "--lane", "-1"),
    ],
)
def test_a_number_that_can_be_none_is_refused_at_the_argument(engine, site_folder, backstory, words):
    """And never taken for "no number": a destination that a person held stays held."""
    status, _, err = backstory("lane", *words, "--site", site_folder)
    assert (status, engine.asked) == (2, [])
    assert "Invalid value for" in err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"held": 1}, "are released; their lane is held, and nothing goes before that is released as well"),
        ({"retrying": 1}, "are released, and go in order at the lane's next try (backstory lane retry-now pacs)"),
    ],
)
def test_a_release_says_when_its_lane_does_not_go(engine, site_folder, backstory, more, words):
    """Held by a person, or waiting for its next try."""
    engine.answer = {"patients": 1, "rows": 2, **more}
    out = backstory("lane", "release", "pacs", "--all-parked", "--site", site_folder)[1]
    assert out.startswith(f"pacs: 2 parked messages of 1 patients {words}")


def test_no_answer_in_time_may_still_be_done(site_folder, backstory, monkeypatch):
    """The engine does run: what was asked may be carried out when it goes on."""
    error = NotAnswered("supervisor: no answer within 40 s; what was asked may still be done")

    def never(*_args, **_words):
        raise error

    monkeypatch.setattr("engine.app.control.call", never)
    status, _, err = backstory("lane", "hold", "pacs", "--site", site_folder)
    assert (status, err) == (1, f"backstory: {error}\n")


def test_without_an_engine_it_says_how_to_start_one(site_folder, backstory):
    """Lanes are changed in the running engine."""
    status, _, err = backstory("lane", "hold", "pacs", "--site", site_folder)
    assert status == 1
    assert "start that first (backstory run)" in err


def test_a_refusal_is_the_engines_sentence(engine, site_folder, backstory):
    """In words."""
    engine.error = "pacs is not held: it is open"
    assert backstory("lane", "release", "pacs", "--site", site_folder)[::2] == (1, f"backstory: {engine.error}\n")
