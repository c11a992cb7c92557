"""What every Wire promises: a lane and its attempts move in one commit, and never back."""

import pytest

from engine.channel.ports import Approval, Attempt, Decision, Lane, LaneState, Parked, Skip
from engine.errors import StoreRefused


def attempt(seq, decision=Decision.SENT, *, lane=0, answer="AA", key="HOSP|MR|1", destination="pacs"):
    return Attempt(destination, lane, seq, 1_000 + seq, decision, answer, key)


def set_lanes(journal, lanes):
    with journal.transaction() as tx:
        for lane in lanes:
            tx.wire.set_lane(lane)


def test_a_lane_nobody_wrote_is_open_at_the_start(journals):
    """Rows up to 0 are decided; nothing is stored by asking."""
    assert journals.reader.lane("pacs", 0) == Lane("pacs", 0, 0, 0, LaneState.OPEN, "", 0, 0, 0)
    assert journals.reader.lanes() == []
    assert journals.reader.attempts("pacs", 0, [1, 2]) == []
    assert journals.reader.attempts_after(0, 10) == []


def test_an_attempt_and_its_lane_are_written_together(journals):
    """Both are there after the commit; the patient key stays out of the attempts."""
    with journals.journal.transaction() as tx:
        tx.wire.record(attempt(1), Lane("pacs", 0, done=1))
        tx.wire.record(attempt(2), Lane("pacs", 0, done=2))
        tx.wire.record(
            attempt(1, lane=1, answer="AE 207", decision=Decision.RETRY), Lane("pacs", 1, tries=1, next_try=9)
        )
    lanes = [Lane("pacs", 0, done=2), Lane("pacs", 1, tries=1, next_try=9)]
    for journal in (journals.reader, journals.reopen()):
        assert journal.lanes() == lanes
        assert journal.lane("pacs", 1) == lanes[1]
        assert isinstance(journal.lane("pacs", 0).state, LaneState)
        assert journal.attempts("pacs", 0, {2, 1, 7}) == [attempt(1, key=""), attempt(2, key="")]
        assert journal.attempts("pacs", 1, [1]) == [
            attempt(1, lane=1, answer="AE 207", decision=Decision.RETRY, key="")
        ]


def test_attempts_with_a_decision_are_found_newest_first(journals):
    """Since a time, at most so many; none where nothing was attempted."""
    assert journals.reader.latest_attempts(Decision.FAILED, 0, 10) == []
    for seq, decision in ((1, Decision.FAILED), (2, Decision.SENT), (3, Decision.FAILED), (4, Decision.FAILED)):
        with journals.journal.transaction() as tx:
            tx.wire.record(attempt(seq, decision)._replace(at=seq), Lane("pacs", 0, done=seq))

    def found(since, limit):
        return [one.seq for one in journals.reader.latest_attempts(Decision.FAILED, since, limit)]

    assert (found(0, 10), found(3, 10), found(4, 10), found(5, 10), found(0, 2)) == ([4, 3, 1], [4, 3], [4], [], [4, 3])


def test_every_attempt_of_a_row_is_kept_in_order(journals):
    """Two retries and a success are three rows, also over several commits, and among those of other rows."""
    for seq, decision in ((1, Decision.RETRY), (1, Decision.RETRY), (2, Decision.SENT), (1, Decision.SENT)):
        with journals.journal.transaction() as tx:
            tx.wire.record(attempt(seq, decision), Lane("pacs", 0))
    decisions = [a.decision for a in journals.reader.attempts("pacs", 0, [1])]
    assert decisions == [Decision.RETRY, Decision.RETRY, Decision.SENT]
    log = journals.reader.attempts_after(0, 10)
    assert [(number, a.seq) for number, a in log] == [(1, 1), (2, 1), (3, 2), (4, 1)]
    assert journals.reader.attempts_after(2, 1) == log[2:3]
    assert isinstance(log[0][1].decision, Decision)


def test_nothing_of_a_failed_transaction_is_kept(journals):
    """Neither the lane nor attempts nor what was set aside, and the next transaction starts from the file."""
    with journals.journal.transaction() as tx:
        tx.wire.record(attempt(1), Lane("pacs", 0, done=1))
    with journals.failing() as tx:
        tx.wire.record(attempt(2, Decision.PARKED), Lane("pacs", 0, done=2))
        tx.wire.record(attempt(1, destination="new"), Lane("new", 0, done=1))
    assert journals.reader.lanes() == [Lane("pacs", 0, done=1)]
    assert journals.reader.parked() == []
    assert len(journals.reader.attempts_after(0, 10)) == 1
    with journals.journal.transaction() as tx:
        tx.wire.record(attempt(1, destination="new"), Lane("new", 0, done=1))
        tx.wire.record(attempt(2), Lane("pacs", 0, done=2))
    assert journals.reader.lanes() == [Lane("new", 0, done=1), Lane("pacs", 0, done=2)]


def test_stop_and_hold_survive(journals):
    """A lane's state is a row."""
    held = Lane("pacs", 3, 7, 2, LaneState.HELD, "AE 204", 4, 99, 55)
    with journals.journal.transaction() as tx:
        tx.wire.set_lane(held)
    assert journals.reopen().lane("pacs", 3) == held


def test_done_never_moves_back(journals):
    """Rows that were decided are not decided again: the transaction is refused whole."""
    with journals.journal.transaction() as tx:
        tx.wire.set_lane(Lane("pacs", 0, done=5))
    back = [Lane("other", 0, done=5), Lane("pacs", 0, done=4)]
    with pytest.raises(StoreRefused, match="lane pacs/0: done would move back"):
        set_lanes(journals.journal, back)
    assert journals.reader.lanes() == [Lane("pacs", 0, done=5)]


def test_parked_rows_wait_for_their_release(journals):
    """Set aside by patient key; released by destination and key; in order of lane and number."""
    with journals.journal.transaction() as tx:
        for seq, lane, key in ((3, 0, "A"), (4, 0, "B"), (5, 0, "A"), (2, 1, "A")):
            tx.wire.record(attempt(seq, Decision.PARKED, lane=lane, key=key), Lane("pacs", lane, done=seq))
        tx.wire.record(attempt(1, Decision.PARKED, destination="ris", key="A"), Lane("ris", 0, done=1))
    rows = [
        Parked("pacs", 0, 3, "A", 1_003, released=False),
        Parked("pacs", 0, 4, "B", 1_004, released=False),
        Parked("pacs", 0, 5, "A", 1_005, released=False),
        Parked("pacs", 1, 2, "A", 1_002, released=False),
    ]
    assert journals.reader.parked("pacs") == rows
    assert len(journals.reader.parked()) == 5
    with journals.journal.transaction() as tx:
        tx.wire.unpark("pacs", "A")
    assert [(row.seq, row.released) for row in journals.reopen().parked()] == [
        *((3, True), (4, False), (5, True), (2, True), (1, False))
    ]


def test_a_released_row_is_decided_like_any_other(journals):
    """Sent: gone; retry: still released; parked again: set aside again. Each leaves an attempt; the lane stays."""
    with journals.journal.transaction() as tx:
        for seq in (1, 2, 3):
            tx.wire.record(attempt(seq, Decision.PARKED, key="A"), Lane("pacs", 0, done=seq))
        tx.wire.unpark("pacs", "A")
    with journals.journal.transaction() as tx:
        tx.wire.parked_decided(attempt(1, Decision.SENT, key="A"))
        tx.wire.parked_decided(attempt(2, Decision.RETRY, key="A"))
        tx.wire.parked_decided(attempt(3, Decision.PARKED, key="A"))
    assert [(row.seq, row.released) for row in journals.reader.parked()] == [(2, True), (3, False)]
    assert [a.decision for a in journals.reader.attempts("pacs", 0, [1])] == [Decision.PARKED, Decision.SENT]
    assert journals.reader.lane("pacs", 0).done == 3


def test_rows_set_aside_and_released_in_one_transaction(journals):
    """The order of calls inside a transaction is the order in which they count."""
    with journals.journal.transaction() as tx:
        tx.wire.record(attempt(1, Decision.PARKED, key="A"), Lane("pacs", 0, done=1))
        tx.wire.unpark("pacs", "A")
        tx.wire.record(attempt(2, Decision.PARKED, key="A"), Lane("pacs", 0, done=2))
    assert [(row.seq, row.released) for row in journals.reader.parked()] == [(1, True), (2, False)]


def test_receives_and_lanes_share_a_commit(journals, received):
    """What a destination answered and what came in meanwhile are kept or lost together."""
    with journals.failing() as tx:
        tx.log.append([received(1)])
        tx.wire.record(attempt(1), Lane("pacs", 0, done=1))
    assert journals.reader.tails()[0] == 0
    assert journals.reader.lanes() == []


def test_rows_that_hold_content_do_not_show_it(received):
    """The repr of what passes the seams names places and sizes only."""
    shown = repr([received(1), attempt(1, key="HOSP|MR|4711"), Parked("pacs", 0, 3, "HOSP|MR|4711", 1, released=False)])
    assert "4711" not in shown
    assert "PID" not in shown


def test_one_row_is_released_and_a_key_is_taken_back(journals):
    """A row without a patient alone; a key's release is undone when one of its rows was refused again."""
    with journals.journal.transaction() as tx:
        for seq, key in ((1, ""), (2, ""), (3, "A"), (4, "A"), (5, "B")):
            tx.wire.record(attempt(seq, Decision.PARKED, key=key), Lane("pacs", 0, done=seq))
        tx.wire.unpark_row("pacs", 0, 2)
        tx.wire.unpark_row("pacs", 0, 99)
        tx.wire.unpark("pacs", "A")
        tx.wire.unpark("pacs", "B")
    with journals.journal.transaction() as tx:
        tx.wire.parked_decided(attempt(3, Decision.PARKED, key="A"))
        tx.wire.repark("pacs", "A")
    assert [(row.seq, row.released) for row in journals.reader.parked()] == [
        *((1, False), (2, True), (3, False), (4, False), (5, True))
    ]


def test_skipped_rows_are_remembered_until_the_lane_has_passed_them(journals):
    """Ahead of the lane: a mark until `done` is there. Parked or at the head: none. Each leaves its attempt."""
    with journals.journal.transaction() as tx:
        tx.wire.record(attempt(1, Decision.PARKED, key="A"), Lane("pacs", 0, done=1))
    with journals.journal.transaction() as tx:
        tx.wire.skip(attempt(1, Decision.SKIPPED, key="A"), Lane("pacs", 0, done=1))
        tx.wire.skip(attempt(2, Decision.SKIPPED), Lane("pacs", 0, done=2))
        tx.wire.skip(attempt(5, Decision.SKIPPED), Lane("pacs", 0, done=2))
        tx.wire.skip(attempt(7, Decision.SKIPPED), Lane("pacs", 0, done=2))
        tx.wire.skip(attempt(3, Decision.SKIPPED, lane=1), Lane("pacs", 1))
    assert journals.reader.parked() == []
    assert journals.reader.skips() == [Skip("pacs", 0, 5), Skip("pacs", 0, 7), Skip("pacs", 1, 3)]
    assert [a.decision for a in journals.reader.attempts("pacs", 0, [1])] == [Decision.PARKED, Decision.SKIPPED]
    with journals.failing() as tx:
        tx.wire.skip(attempt(6, Decision.SKIPPED), Lane("pacs", 0, done=2))
    for done, left in ((4, [5, 7]), (5, [7]), (8, [])):
        with journals.journal.transaction() as tx:
            tx.wire.set_lane(Lane("pacs", 0, done=done))
        assert [skip.seq for skip in journals.reopen().skips() if skip.lane == 0] == left


def test_an_approval_is_known_until_its_row_is_decided(journals):
    """Retried, parked, parked again: still let go. Sent, failed or skipped: gone. Twice is once."""
    with journals.journal.transaction() as tx:
        for lane, seq in ((1, 4), (0, 1), (0, 2), (0, 3), (0, 1)):
            tx.wire.approve("pacs", lane, seq)
    everything = [Approval("pacs", 0, 1), Approval("pacs", 0, 2), Approval("pacs", 0, 3), Approval("pacs", 1, 4)]
    assert journals.reader.approvals() == everything
    with journals.journal.transaction() as tx:
        tx.wire.record(attempt(1, Decision.RETRY), Lane("pacs", 0))
        tx.wire.record(attempt(1, Decision.PARKED), Lane("pacs", 0, done=1))
        tx.wire.parked_decided(attempt(1, Decision.PARKED))
    with journals.failing() as tx:
        tx.wire.record(attempt(2), Lane("pacs", 0, done=2))
        tx.wire.approve("pacs", 0, 9)
    assert journals.reopen().approvals() == everything
    with journals.journal.transaction() as tx:
        tx.wire.parked_decided(attempt(1))
        tx.wire.record(attempt(2, Decision.FAILED), Lane("pacs", 0, done=2))
        tx.wire.skip(attempt(3, Decision.SKIPPED), Lane("pacs", 0, done=3))
    assert journals.reader.approvals() == everything[3:]
