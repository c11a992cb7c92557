"""The thread that writes journal.db: what waits shares a commit, and nothing is answered before it."""

import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue

import pytest

from engine.app import journal_thread
from engine.app.journal_items import Act, Intake, Settle, told
from engine.app.journal_thread import APART_BYTES, JournalThread
from engine.channel.deliver import Decided
from engine.channel.let_through import let_through
from engine.channel.operator_acts import identity_of, read
from engine.channel.ports import Appended, Attempt, Decision, Kind, Lane, Received
from engine.channel.receive import ListenerRules, judge
from engine.channel.release import releases
from engine.errors import Retryable, StoreBroken, StoreRefused
from engine.mllp.framing import Framed, FrameEvent
from engine.store.memory import MemoryJournal

NOW = 1_787_131_860_000_000
SOON = 10.0  # seconds that a thread may take on a busy machine


def judged(control_id: str):
    raw = f"MSH|^~\\&|LAB|HOSP|||20260819||ADT^A01|{control_id}|P|2.5\r".encode()
    return judge(FrameEvent(Framed.FRAME, raw), ListenerRules("lab"), "10.0.0.7:1", NOW)


def intake(asker, control_id: str):
    return Intake(asker, judged(control_id), 60)


def settle(seq: int) -> Settle:
    attempt = Attempt("pacs", 0, seq, NOW, Decision.SENT, "AA")
    return Settle(None, Decided((attempt,), Lane("pacs", 0, done=seq)))


def act(command: str) -> Act:
    received = Received("backstory", "control", NOW, b"{}", "utf-8", Kind.OPERATOR, "", "", command.encode())
    return Act(received, Future(), command)


def wait_until(condition):
    until = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


class Journal(MemoryJournal):
    """A journal whose commits the test slows down or breaks."""

    def __init__(self):
        super().__init__()
        self.troubles: list[Exception] = []  # raised by the next commits
        self.gate = threading.Event()
        self.gate.set()
        self.commits = 0
        self.closed = False
        self.unstorable = b""  # a body that no commit takes
        self.steps = 0  # of upkeep that are due
        self.upkeep: SimpleQueue[int] = SimpleQueue()  # entries that there were at each step
        self.full = False  # the disk, as far as upkeep goes

    @contextmanager
    def transaction(self):
        with super().transaction() as tx:
            yield tx
            assert self.gate.wait(SOON)
            if self.unstorable and any(entry.body == self.unstorable for entry in self._entries):
                raise StoreRefused("store refused: OverflowError")
            if self.troubles:
                raise self.troubles.pop(0)
        self.commits += 1

    def checkpoint(self):
        if self.full:
            raise Retryable("journal.db: the disk is full (SQLITE_FULL)")
        if self.steps:
            self.upkeep.put(len(self._entries))
            self.steps -= 1

    @property
    def behind(self):
        return self.steps > 1

    def close(self):
        self.closed = True


class Outside:
    """Collects what the thread reports."""

    def __init__(self):
        self.events: SimpleQueue = SimpleQueue()

    def settled(self, settled):
        self.events.put(("settled", settled))

    def refused(self, intakes, why):
        self.events.put(("refused", intakes, why))

    def unsettled(self, refused, error):
        self.events.put(("unsettled", refused, error))

    def unjudged(self, item, error):
        self.events.put(("unjudged", item, error))

    def recovered(self):
        self.events.put(("recovered",))

    def fatal(self, error):
        self.events.put(("fatal", error))

    def next(self):
        return self.events.get(timeout=SOON)


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def outside():
    return Outside()


@pytest.fixture
def thread(journal, outside):
    thread = JournalThread(lambda: journal, outside)
    yield thread
    journal.gate.set()
    thread.stop(SOON)


def test_what_waits_shares_one_commit(journal, outside, thread):
    """Receives, lane decisions and acts that wait together are one transaction, in the order they came."""
    wanted = act("c1")
    for item in (intake("a", "C1"), settle(1), intake("b", "C2"), wanted):
        thread.put(item)
    thread.start()
    kind, settled = outside.next()
    assert (kind, journal.commits) == ("settled", 1)
    assert [taken.asker for taken in settled.intakes] == ["a", "b"]
    assert [answer.entry for answer in settled.answers] == [1, 2]
    assert (len(settled.lanes), settled.acts) == (1, 1)
    assert wanted.done.result(SOON).position == 3
    assert journal.lanes() == [Lane("pacs", 0, done=1)]
    assert journal.command_done("c1")


def test_a_release_of_what_comes_in_the_same_commit_only_settles_it(journal, outside, thread):
    """Nothing slips in between the look and the release; the command given twice settles it once."""
    message = judged("C1").received[0]
    original = message._replace(kind=Kind.QUARANTINED, answer="AR|202|")
    with journal.transaction() as tx:
        tx.log.append([original])
    (body,) = releases(journal.entry(1), "", "anna")
    acts = []
    for _ in range(2):
        received = Received("backstory", "control", NOW, body, "utf-8", Kind.OPERATOR, "", "", identity_of(body))
        acts.append(Act(received, Future(), "release:1:1", let_through(body)))
    for item in (intake("a", "C1"), *acts):
        thread.put(item)
    thread.start()
    assert outside.next()[1].answers[0].entry == 2
    assert [one.done.result(SOON) for one in acts] == [Appended(2, duplicate=True, answer="")] * 2
    assert journal.tails() == {0: 3}
    note = read(journal.entry(3))
    assert (note.entry, note.kind, note.text) == (1, "released", "message 1 of 1, processed as entry 2")
    assert journal.command_done("release:1:1")


def test_nothing_is_answered_before_the_commit(journal, outside, thread):
    """While the commit is slow nothing is reported; what comes meanwhile waits for the next commit."""
    journal.gate.clear()
    thread.put(intake("a", "C1"))
    thread.start()
    while not thread.busy_since:
        threading.Event().wait(0.001)
    thread.put(intake("b", "C2"))
    thread.put(intake("c", "C3"))
    assert outside.events.empty()
    journal.gate.set()
    assert [taken.asker for taken in outside.next()[1].intakes] == ["a"]
    assert [taken.asker for taken in outside.next()[1].intakes] == ["b", "c"]
    assert journal.commits == 2


def test_who_was_answered_together_shares_the_next_commit(journal, outside, thread, monkeypatch):
    """The second of two senders is waited for, a moment only; a lone sender is never made to wait for anybody."""
    monkeypatch.setattr(journal_thread, "TURNAROUND", SOON)
    pauses = []
    late = [intake("b", "C4")]

    def sleep(seconds):
        pauses.append(seconds)
        if late:
            thread.put(late.pop())

    thread.put(intake("a", "C1"))
    thread.put(intake("b", "C2"))
    thread.start()
    assert len(outside.next()[1].intakes) == 2
    monkeypatch.setattr(journal_thread.time, "sleep", sleep)
    thread.put(intake("a", "C3"))
    assert [taken.asker for taken in outside.next()[1].intakes] == ["a", "b"]
    assert len(pauses) == 1
    thread.put(intake("a", "C5"))
    assert [taken.asker for taken in outside.next()[1].intakes] == ["a"]
    assert len(pauses) == 1 + len(journal_thread.GATHER)
    thread.put(intake("a", "C6"))
    assert [taken.asker for taken in outside.next()[1].intakes] == ["a"]
    assert len(pauses) == 1 + len(journal_thread.GATHER)


def test_the_start_says_what_was_left(outside):
    """Lanes and parked rows as the last process left them."""
    journal = Journal()
    with journal.transaction() as tx:
        tx.wire.record(Attempt("pacs", 0, 1, NOW, Decision.PARKED, "AE", "K"), Lane("pacs", 0, done=1))
    thread = JournalThread(lambda: journal, outside)
    thread.start()
    opened = thread.opened.result(SOON)
    assert (opened.lanes[0].done, opened.parked[0].key) == (1, "K")
    assert thread.stop(SOON)


def test_a_journal_that_does_not_open_is_told(outside):
    """Whoever waits for the journal gets the reason."""

    def refuse():
        raise StoreBroken("journal.db: NotADb")

    thread = JournalThread(refuse, outside)
    thread.start()
    with pytest.raises(StoreBroken):
        thread.opened.result(SOON)


def test_a_journal_that_is_taken_is_waited_for(outside, monkeypatch):
    """The process before us may not have ended yet; after a while whoever waits gets the reason."""
    answers = [Retryable("journal.db is being written")] * 3 + [Journal()]

    def taken():
        answer = answers.pop(0)
        if isinstance(answer, Retryable):
            raise answer
        return answer

    thread = JournalThread(taken, outside)
    thread.start()
    assert thread.opened.result(SOON) == ([], [], [], [])
    assert thread.stop(SOON)
    monkeypatch.setattr(journal_thread, "OPENING", 0.0)
    answers.extend([Retryable("journal.db is being written")] * 2)
    thread = JournalThread(taken, outside)
    thread.start()
    with pytest.raises(Retryable):
        thread.opened.result(SOON)
    assert len(answers) == 1


def test_a_full_disk_refuses_frames_and_keeps_decisions(journal, outside, thread):
    """Frames are refused, nothing of the commit is kept; the lane's decision is written as soon as that works again."""
    journal.troubles = [Retryable("journal.db: the disk is full")] * 2
    wanted = act("c1")
    for item in (intake("a", "C1"), settle(1), wanted):
        thread.put(item)
    thread.start()
    kind, intakes, why = outside.next()
    assert (kind, [taken.asker for taken in intakes], why) == ("refused", ["a"], "journal.db: the disk is full")
    with pytest.raises(Retryable):
        wanted.done.result(SOON)
    assert outside.next()[:2] == ("refused", [])
    kind, settled = outside.next()
    assert (kind, settled.intakes, len(settled.lanes)) == ("settled", [], 1)
    assert outside.next() == ("recovered",)
    assert (journal.tails(), journal.lanes()) == ({0: 0}, [Lane("pacs", 0, done=1)])


def test_it_recovers_with_the_next_frame(journal, outside, thread):
    """A refusal has no memory: the next commit that works ends the trouble."""
    journal.troubles = [Retryable("busy")]
    thread.put(intake("a", "C1"))
    thread.start()
    assert outside.next()[0] == "refused"
    thread.put(intake("a", "C1"))
    assert [outside.next()[0], outside.next()[0]] == ["settled", "recovered"]


def test_a_broken_file_ends_the_thread(journal, outside, thread):
    """EIO and the like: told once, nothing is acknowledged, nothing is tried again."""
    journal.troubles = [StoreBroken("journal.db: OperationalError SQLITE_IOERR_FSYNC")]
    thread.put(intake("a", "C1"))
    thread.put(intake("b", "C2"))
    thread.start()
    kind, error = outside.next()
    assert (kind, told(error)) == ("fatal", "journal.db: OperationalError SQLITE_IOERR_FSYNC")
    assert thread.stop(SOON)
    assert (journal.commits, outside.events.empty()) == (0, True)


def test_a_row_that_can_never_be_stored_does_not_take_the_others_with_it(journal, outside, thread):
    """D6 at receive: the others are kept, each alone; that one is refused."""
    bad = intake("bad", "C2")
    journal.unstorable = bad.judged.received[0].body
    for item in (intake("a", "C1"), bad, intake("c", "C3")):
        thread.put(item)
    thread.start()
    events = [outside.next() for _ in range(3)]
    assert [(event[0], (event[1].intakes if event[0] == "settled" else event[1])[0].asker) for event in events] == [
        ("settled", "a"),
        ("refused", "bad"),
        ("settled", "c"),
    ]


def test_an_act_that_can_never_be_stored_is_told(journal, outside, thread):
    """Who asked gets the reason."""
    wanted = act("c1")
    journal.unstorable = b"{}"
    thread.put(wanted)
    thread.start()
    with pytest.raises(StoreRefused):
        wanted.done.result(SOON)


def test_a_decision_that_can_never_be_stored_ends_the_thread(journal, outside, thread):
    """Going on would send that lane's messages again and again."""
    with journal.transaction() as tx:
        tx.wire.set_lane(Lane("pacs", 0, done=5))
    thread.put(settle(1))
    thread.start()
    assert outside.next()[0] == "fatal"


def test_a_command_that_can_never_be_stored_is_told_and_others_go_on(journal, outside, thread):
    """A person's mistake ends nobody's process; also where it was owed since the disk was full."""
    with journal.transaction() as tx:
        tx.wire.set_lane(Lane("pacs", 0, done=5))
    told_to = []
    bad, good = settle(1)._replace(refused=told_to.append), Settle(None, Decided((), Lane("pacs", 1, done=3)))
    for owed, waiting in (([], [bad, good]), ([bad], [good]), ([good], [bad])):
        thread._owed = list(owed)
        for item in waiting:
            thread.put(item)
        if not owed:
            thread.start()
        events = {name: more for name, *more in (outside.next(), outside.next())}
        assert set(events) == {"settled", "unsettled"}
        refused, error = events["unsettled"]
        refused(error)
    assert [type(error) for error in told_to] == [StoreRefused] * 3
    assert journal.lanes() == [Lane("pacs", 0, done=5), Lane("pacs", 1, done=3)]


def test_large_frames_come_after_the_others_in_commits_of_their_own(journal, outside, thread):
    """Two megabytes of them a time, in their order; nobody who waits is behind them."""
    for n in range(3):
        thread.put(Intake(f"large {n}", judged(f"L{n}"), APART_BYTES // 2, apart=True))
    thread.put(intake("small", "C1"))
    thread.start()
    commits = [[taken.asker for taken in outside.next()[1].intakes] for _ in range(3)]
    assert commits == [["small"], ["large 0", "large 1"], ["large 2"]]
    assert journal.commits == 3


def test_what_comes_meanwhile_goes_before_the_next_large_frame(journal, outside, thread):
    """A flood of large frames does not fill the queue of the others."""
    journal.gate.clear()
    for n in range(3):
        thread.put(Intake(f"large {n}", judged(f"L{n}"), APART_BYTES, apart=True))
    thread.start()
    thread.put(intake("small", "C1"))
    journal.gate.set()
    commits = [[taken.asker for taken in outside.next()[1].intakes] for _ in range(4)]
    assert commits.index(["small"]) <= 1
    assert [one for one in commits if one != ["small"]] == [["large 0"], ["large 1"], ["large 2"]]


def test_thousands_of_entries_are_a_commit_of_their_own(journal, outside, thread):
    """Two frames that are few bytes and many messages would keep others waiting for both."""
    many = judged("B1")
    many = many._replace(received=many.received * 600)
    for n in range(3):
        thread.put(Intake(f"batch {n}", many, 100, apart=True))
    thread.put(Intake("large", judged("L1"), 100, apart=True))
    thread.start()
    commits = [[taken.asker for taken in outside.next()[1].intakes] for _ in range(3)]
    assert commits == [["batch 0"], ["batch 1"], ["batch 2", "large"]]


def test_who_judges_thousands_waits_for_a_commit_of_thousands(journal, outside, thread):
    """Way is given while large frames are written, and to nobody else."""
    given = threading.Event()
    journal.gate.clear()
    thread.put(Intake("large", judged("L1"), 100, apart=True))
    thread.start()
    wait_until(lambda: not thread._alone.is_set())
    threading.Thread(target=lambda: (thread.give_way(), given.set()), daemon=True).start()
    assert not given.wait(0.05)
    journal.gate.set()
    assert given.wait(SOON)
    assert outside.next()[0] == "settled"
    journal.gate.clear()
    thread.put(intake("small", "C1"))
    thread.give_way()
    journal.gate.set()
    assert outside.next()[0] == "settled"


def test_large_frames_wait_where_upkeep_is_late(journal, outside, thread):
    """Steps of it are taken first, and small ones go on meanwhile; what is not late does not keep them waiting."""
    journal.steps = 4
    thread.put(intake("small", "C1"))
    thread.start()
    assert [taken.asker for taken in outside.next()[1].intakes] == ["small"]
    steps = [journal.upkeep.get(timeout=SOON)]
    thread.put(Intake("large", judged("L1"), 100, apart=True))
    assert [taken.asker for taken in outside.next()[1].intakes] == ["large"]
    assert thread.stop(SOON)
    steps += [journal.upkeep.get_nowait() for _ in range(3)]
    assert steps == [1, 1, 1, 2]


def test_a_full_disk_refuses_upkeep_and_keeps_nobody_waiting(journal, outside, thread):
    """It is taken again with the next round; who comes is told by its own commit what there is to tell."""
    journal.steps, journal.full = 9, True
    thread.start()
    for n in range(2):
        thread.put(Intake(f"large {n}", judged(f"L{n}"), 100, apart=True))
        assert [taken.asker for taken in outside.next()[1].intakes] == [f"large {n}"]
    journal.full = False
    thread.put(intake("small", "C1"))
    assert outside.next()[0] == "settled"
    assert journal.upkeep.get(timeout=SOON) in {2, 3}


def test_stopping_writes_the_large_frames_too(journal, outside, thread):
    """What was handed in before the end is on disk."""
    for n in range(3):
        thread.put(Intake(f"large {n}", judged(f"L{n}"), APART_BYTES, apart=True))
    thread.start()
    assert thread.stop(SOON)
    assert journal.tails() == {0: 3}


def test_stop_writes_what_was_handed_in(journal, outside, thread):
    """The last commit holds it, then the file is closed."""
    thread.start()
    thread.put(intake("a", "C1"))
    assert thread.stop(SOON)
    assert (journal.tails(), journal.closed, outside.next()[0]) == ({0: 1}, True, "settled")


def test_an_error_is_told_without_its_text():
    """Only our own errors speak; a foreign one may quote a row."""
    assert told(ValueError("DOE^JANE")) == "ValueError"
    error = RuntimeError("DOE^JANE")
    error.orig = OSError()
    error.orig.sqlite_errorname = "SQLITE_IOERR"
    assert told(error) == "RuntimeError SQLITE_IOERR"
