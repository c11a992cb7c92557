"""Commands that touch several rows or lanes, and commands whose effect can never be written."""

from itertools import permutations

import pytest

from engine.channel.ports import Attempt, LaneState
from engine.errors import Rejected, StoreRefused
from tests.app.pacs_rig import Rig, ack, parked, refuse

A, B = "HOSP|MR|1", "HOSP|MR|2"


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@pytest.mark.parametrize("rows", [*permutations([[0, 1], [0, 2], [0, 4]]), ([0, 2], [0, 1], [0, 2])])
def test_several_rows_of_a_lane_are_skipped_at_once(rig, rows):
    """An entry with two deliveries to one destination, in any order: the lane moves over both, and never back."""
    rig.ask("hold")
    rig.queue(A, A, B, B)
    rig.ask("skip", rows=list(rows), because="x")
    assert rig.lane.done == 2
    rig.ask("release")
    rig.pump()
    assert rig.pacs.ids == [f"B{n}" for n in range(1, 5) if [0, n] not in rows]
    assert (rig.lane.done, rig.journal.skips()) == (4, [])


def test_what_is_skipped_before_it_was_read_never_leaves(rig):
    """The outbox's thread reads the head after its skip is on disk, because it was queued a moment ago or waited behind a fence."""
    rig.pump()
    rig.queue(A, B)
    rig.ask("skip", rows=[[0, 1]], because="x")
    rig.pump()
    assert (rig.pacs.ids, rig.decisions(1), rig.lane.done) == (["B2"], ["SKIPPED"], 2)


def test_a_held_head_and_what_is_behind_it_are_skipped_at_once(tmp_path):
    """The lane that was held for the first of them is open, and beyond both."""
    rig = Rig(tmp_path, on_reject="hold")
    refuse(rig, "B1")
    rig.queue(A, A, B)
    rig.pump()
    rig.ask("skip", rows=[[0, 2], [0, 1]], because="x")
    rig.pump()
    assert (rig.pacs.ids, rig.lane.state, rig.lane.done) == (["B1", "B3"], LaneState.OPEN, 3)


def test_a_message_whose_answer_is_being_written_cannot_be_skipped(rig):
    """The destination took the released row; until that is on disk the row is parked still, but not to be skipped."""
    refuse(rig, "B1")
    rig.queue(A)
    rig.pump()
    refuse(rig)
    rig.ask("release", keys=[A])
    flush, rig.flush = rig.flush, lambda: None
    for _ in range(4):
        rig.reader._turn()
        rig.reactor.advance(0)
    assert (rig.pacs.ids, parked(rig)) == (["B1", "B1"], [(0, 1, True)])
    with pytest.raises(Rejected, match="was decided already"):
        rig.ask("skip", rows=[[0, 1]], because="x")
    rig.flush = flush
    rig.pump()
    assert rig.decisions(1) == ["PARKED", "SENT"]


def test_a_parked_row_is_skipped_once(rig):
    """Two persons at the same time: the second is told."""
    refuse(rig, "B1")
    rig.queue(A)
    rig.pump()
    flush, rig.flush = rig.flush, lambda: None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.app.lane_commands.TIMEOUT", 0.01)
        with pytest.raises(Exception, match="did not commit in time"):
            rig.ask("skip", rows=[[0, 1]], because="x", command_id="s1")
    with pytest.raises(Rejected, match="was decided already"):
        rig.ask("skip", rows=[[0, 1]], because="x", command_id="s2")
    rig.flush = flush
    rig.pump()
    assert rig.decisions(1) == ["PARKED", "SKIPPED"]


def cannot_be_written(rig):
    """The next command's effect is refused by the store; returns what makes the journal work again."""
    flush = rig.flush

    def refuse_it():
        rig.flush = flush
        settle = rig.waiting.pop()
        rig.flush()
        settle.refused(StoreRefused("journal.db: no"))

    rig.flush = refuse_it


def test_a_command_that_can_never_be_written_changes_nothing(rig):
    """Who asked gets the reason; lanes, parked rows and approvals are as before, and the same may be asked again."""
    refuse(rig, "B1")
    rig.queue(A, A)
    rig.queue(B, hold="x")
    rig.pump()
    runner = rig.delivering.runners["pacs", 0]
    for args in (
        {"act": "release"},
        {"act": "hold"},
        {"act": "release", "keys": [A]},
        {"act": "skip", "rows": [[0, 1]], "because": "x"},
        {"act": "skip", "rows": [[0, 3]], "because": "x"},
    ):
        cannot_be_written(rig)
        with pytest.raises(StoreRefused, match=r"journal\.db: no"):
            rig.ask(**args)
        rig.pump()
        assert (rig.pacs.ids, runner.newest, runner.idle) == (["B1"], rig.lane, True)
        assert (parked(rig), rig.journal.approvals(), rig.journal.skips()) == ([(0, 1, False), (0, 2, False)], [], [])
    refuse(rig)
    rig.ask("release", keys=[A])
    rig.ask("release")
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B2", "B3"]


def test_what_a_sender_decided_meanwhile_stands(rig):
    """A hold that could not be written, and an answer that came behind it: the answer counts."""
    rig.pacs.answer = lambda _line, _name: None
    rig.queue(A, B)
    rig.pump()
    runner = rig.delivering.runners["pacs", 0]
    flush, rig.flush = rig.flush, lambda: None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.app.lane_commands.TIMEOUT", 0.01)
        with pytest.raises(Exception, match="did not commit in time"):
            rig.ask("hold")
    refuse(rig)
    rig.pacs.received[0][1].answer(ack("B1"))
    rig.waiting.popleft().refused(StoreRefused("journal.db: no"))
    assert [(type(one), one.seq) for decided in runner._pending for one in decided.attempts] == [(Attempt, 1)]
    rig.flush = flush
    rig.flush()
    assert (rig.decisions(1), rig.lane.done) == (["SENT"], 1)


@pytest.mark.parametrize("lanes", [1, 4])
def test_hold_is_kept_by_lanes_that_are_new(tmp_path, lanes):
    """More lanes and one for STAT while the destination is held: each is a row, says why, and needs its own release."""
    rig = Rig(tmp_path)
    rig.queue(A)
    rig.pump()
    rig.ask("hold", because="upgrade")
    rig.plan = rig.plan._replace(lanes=lanes, stat_lane=True)
    rig.crash()
    rig.pump()
    new = [*range(1, lanes), 1000]
    for number in new:
        rig.queue(B, lane=number)
        assert rig.journal.lane("pacs", number)[4:6] == (LaneState.STOPPED, "held by anna: upgrade")
    rig.ask("release", lane=0)
    rig.pump()
    rig.crash()
    rig.pump()
    assert rig.pacs.ids == ["B1"]
    rig.ask("release")
    rig.pump()
    assert len(rig.pacs.ids) == 1 + len(new)


@pytest.mark.parametrize("number", [1, 3, 1000])
def test_a_lane_that_comes_back_is_held_and_released_with_the_others(tmp_path, number):
    """config.yaml had more lanes once, and has them again: what was said to the destination meanwhile counts for them."""
    rig = Rig(tmp_path, lanes=4, stat_lane=True)
    rig.queue(A, B)
    rig.queue(A, lane=number)
    rig.pump()
    wide, narrow = rig.plan, rig.plan._replace(lanes=1, stat_lane=False)
    rig.plan = narrow
    rig.crash()
    rig.ask("hold", because="upgrade")
    rig.plan = wide
    rig.crash()
    rig.queue(B, lane=number)
    rig.pump()
    assert sorted(rig.pacs.ids) == ["B1", "B2", "B3"]
    assert rig.journal.lane("pacs", number)[4:6] == (LaneState.STOPPED, "held by anna: upgrade")
    rig.plan = narrow
    rig.crash()
    rig.ask("release")
    rig.plan = wide
    rig.crash()
    rig.pump()
    assert sorted(rig.pacs.ids) == ["B1", "B2", "B3", "B4"]


def test_skipping_another_message_does_not_release_what_the_lane_is_held_for(tmp_path):
    """A released message was refused again and holds the lane; the one at the lane's head is skipped, and nothing else goes."""
    rig = Rig(tmp_path)
    refuse(rig, "B1")
    rig.queue(A)
    rig.pump()
    rig.plan = rig.plan._replace(on_reject="hold")
    rig.crash()
    refuse(rig, "B1")
    rig.ask("release", keys=[A])
    rig.pump()
    assert rig.lane.state is LaneState.HELD
    rig.queue(B, B)
    rig.pump()
    rig.ask("skip", rows=[[0, 2]], because="x")
    rig.pump()
    assert (rig.pacs.ids, rig.lane.state, rig.lane.done) == (["B1", "B1"], LaneState.HELD, 2)
    refuse(rig)
    rig.ask("release")
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B1", "B3"]
