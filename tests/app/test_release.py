"""Parked rows go first and in order, whatever happens between; hold, release, skip and retry now (D7, D8, D17)."""

from concurrent.futures import Future
from itertools import pairwise

import pytest

from engine.app.control import Command
from engine.app.delivery_events import DeliveryLate, DeliveryReleased, DeliverySkipped
from engine.app.events import LaneChanged
from engine.app.lane_commands import _Asked
from engine.channel.ports import Decision, LaneState, Queued, Skip
from engine.errors import Rejected, Retryable
from tests.app.pacs_rig import CrashError, Rig, ack, parked, refuse

KEY_A, KEY_B = "HOSP|MR|1", "HOSP|MR|2"


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_released_rows_go_first_and_in_order(rig):
    """Two parked of A, one of B passed; at release A's go before A's newer one."""
    refuse(rig, "B1")
    rig.queue(KEY_A, KEY_B, KEY_A)
    rig.pump()
    assert (rig.pacs.ids, parked(rig)) == (["B1", "B2"], [(0, 1, False), (0, 3, False)])
    refuse(rig)
    assert rig.ask("release", keys=[KEY_A]) == {"lanes": [0], "patients": 1, "rows": 2}
    assert parked(rig) == [(0, 1, True), (0, 3, True)]
    rig.queue(KEY_A)
    rig.pump()
    assert rig.pacs.ids == ["B1", "B2", "B1", "B3", "B4"]
    assert (parked(rig), rig.lane.done) == ([], 4)
    assert DeliveryReleased("pacs", 1, 2, "anna") in rig.events


def test_a_release_says_that_its_lane_is_held_or_waits(rig):
    """What is released goes no sooner than its lane."""
    refuse(rig, "B1", "B2")
    rig.queue(KEY_A, KEY_B)
    rig.pump()
    rig.ask("hold")
    assert rig.ask("release", keys=[KEY_A]) == {"lanes": [0], "patients": 1, "rows": 1, "held": 1}
    rig.ask("release")
    rig.pacs.refuses = ConnectionRefusedError()
    for _, line in rig.pacs.received:
        line.close()
    rig.pump()
    assert rig.lane.tries == 1
    assert rig.ask("release", keys=[KEY_B]) == {"lanes": [0], "patients": 1, "rows": 1, "retrying": 1}


def test_refused_again_it_and_those_behind_stay(rig):
    """The second of three is refused at release: the first is gone, the others wait for the next release."""
    refuse(rig, "B1")
    rig.queue(KEY_A, KEY_A, KEY_A)
    rig.pump()
    refuse(rig, "B2")
    rig.ask("release", parked=True)
    rig.pump()
    assert (rig.pacs.ids, parked(rig)) == (["B1", "B1", "B2"], [(0, 2, False), (0, 3, False)])
    rig.queue(KEY_A)
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B2"]
    refuse(rig)
    rig.ask("release", rows=[[0, 4]])
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B2", "B2", "B3", "B4"]


def test_silence_at_release_is_no_refusal(rig):
    """The lane waits, the same row goes again, others behind it."""
    refuse(rig, "B1")
    rig.queue(KEY_A)
    rig.pump()
    rig.pacs.answer = lambda _line, _name: None
    rig.ask("release", keys=[KEY_A])
    rig.pump(31)
    assert (rig.lane.tries, rig.lane.reason, parked(rig)) == (1, "no answer for 30 s", [(0, 1, True)])
    refuse(rig)
    rig.pump(2)
    assert (rig.pacs.ids, parked(rig), rig.lane.tries) == (["B1", "B1", "B1"], [], 0)


@pytest.mark.parametrize("policy", ["skip", "retry", "hold"])
def test_a_released_row_follows_the_policy_of_now(tmp_path, policy):
    """Parked under `park`; the destination says something else today."""
    rig = Rig(tmp_path)
    refuse(rig, "B1")
    rig.queue(KEY_A)
    rig.pump()
    rig.plan = rig.plan._replace(on_reject=policy)
    rig.crash()
    rig.ask("release", keys=[KEY_A])
    rig.pump()
    last = {"skip": "FAILED", "retry": "RETRY", "hold": "RETRY"}[policy]
    assert rig.decisions(1) == ["PARKED", last]
    assert parked(rig) == ([] if policy == "skip" else [(0, 1, True)])
    assert rig.lane.state is (LaneState.HELD if policy == "hold" else LaneState.OPEN)


def orderly(ids):
    """Each of A's messages once, or twice for the one in flight when the process died; never one before an earlier one."""
    of_a = [int(name[1:]) for name in ids]
    firsts = list(dict.fromkeys(of_a))
    repeats = len(of_a) - len(firsts)
    return firsts == sorted(firsts) and repeats <= 1 and all(b - a in {0, 1} for a, b in pairwise(of_a))


@pytest.mark.parametrize("crash_at", range(1, 14))
def test_killed_between_any_two_commits(tmp_path, crash_at):
    """Release of five rows with newer ones coming in: killed before each commit, started again; order kept, nothing lost."""
    rig = Rig(tmp_path)
    refuse(rig, "B1")
    rig.queue(*[KEY_A] * 5)
    rig.pump()
    refuse(rig)
    rig.pacs.received.clear()
    start = rig.commits
    rig.crash_at = start + crash_at
    crashed = False
    try:
        rig.ask("release", keys=[KEY_A], command_id="r1")
        rig.queue(KEY_A, KEY_A)
        rig.pump()
    except CrashError:
        crashed = True
        rig.crash()
        rig.queue(*[KEY_A] * (7 - rig.count))
        again = rig.ask("release", keys=[KEY_A], command_id="r1")
        assert ("again" in again) == (crash_at > 1)
        rig.pump()
    assert crashed == (crash_at <= rig.commits - start)
    assert orderly(rig.pacs.ids)
    assert sorted(set(rig.pacs.ids)) == [f"B{n}" for n in range(1, 8)]
    assert (parked(rig), rig.lane.done) == ([], 7)


def test_a_row_without_a_patient_is_released_alone(rig):
    """Nobody is behind it, and nobody goes with it."""
    refuse(rig, "B1", "B2")
    rig.queue("", "")
    rig.pump()
    refuse(rig)
    rig.ask("release", rows=[[0, 2]])
    rig.pump()
    assert (rig.pacs.ids, parked(rig)) == (["B1", "B2", "B2"], [(0, 1, False)])
    rig.ask("release", parked=True)
    rig.pump()
    assert parked(rig) == []


def test_a_parked_row_the_outbox_lost_is_failed_visibly(rig):
    """Nothing waits for ever for what is not there."""
    refuse(rig, "B1")
    rig.queue(KEY_A, KEY_A)
    rig.pump()
    refuse(rig)
    rig.store.trim_outbox("pacs", 0, 1, 10)
    rig.ask("release", keys=[KEY_A])
    rig.pump()
    assert (rig.decisions(1), rig.decisions(2), parked(rig)) == (["PARKED", "FAILED"], ["PARKED", "SENT"], [])


def test_hold_survives_a_restart_and_release_goes_on_at_once(rig):
    """STOPPED by a person with the reason; a second hold is refused in words; the same command again does nothing."""
    assert rig.ask("hold", because="upgrade", command_id="h1") == {"lanes": [0]}
    rig.queue(KEY_A)
    rig.pump(600)
    rig.crash()
    rig.pump(600)
    assert (rig.pacs.ids, rig.lane.state, rig.lane.reason) == ([], LaneState.STOPPED, "held by anna: upgrade")
    with pytest.raises(Rejected, match="pacs is held already"):
        rig.ask("hold")
    assert rig.ask("release", command_id="r1") == {"lanes": [0]}
    rig.pump()
    assert (rig.pacs.ids, rig.lane.state) == (["B1"], LaneState.OPEN)
    assert LaneChanged("pacs", 0, "OPEN", "by anna") in rig.events
    rig.ask("hold")
    assert rig.ask("release", command_id="r1") == {"again": True}
    assert rig.lane.state is LaneState.STOPPED


def test_hold_while_a_message_is_on_its_way(rig):
    """It is still decided, and nothing follows; its failure does not open the lane."""
    rig.pacs.answer = lambda _line, _name: None
    rig.queue(KEY_A, KEY_B)
    rig.pump()
    rig.ask("hold")
    rig.pump(31)
    assert (rig.lane.state, rig.lane.reason, rig.decisions(1)) == (LaneState.STOPPED, "held by anna", ["RETRY"])
    refuse(rig)
    rig.ask("release")
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B2"]


def test_a_held_head_goes_again_or_is_skipped(tmp_path):
    """on_reject: hold; release sends the head again, skip passes it and opens the lane."""
    rig = Rig(tmp_path, on_reject="hold")
    refuse(rig, "B1")
    rig.queue(KEY_A, KEY_A)
    rig.pump()
    assert rig.lane.state is LaneState.HELD
    rig.ask("release")
    rig.pump()
    assert (rig.pacs.ids, rig.lane.state) == (["B1", "B1"], LaneState.HELD)
    rig.ask("skip", rows=[[0, 1]], because="by hand")
    rig.pump()
    assert (rig.pacs.ids, rig.lane.done, rig.decisions(1)[-1]) == (["B1", "B1", "B2"], 2, "SKIPPED")
    answers = [attempt.answer for attempt in rig.journal.attempts("pacs", 0, [1])]
    assert answers[-1] == "skipped by anna: by hand"
    assert DeliverySkipped("pacs", 0, 1, 1, "anna") in rig.events


def test_rows_are_skipped_ahead_parked_and_not_yet_fetched(rig):
    """A row far behind the head is passed over when the lane comes to it, also after a restart; a parked one is gone."""
    rig.ask("hold")
    rig.queue(KEY_A, KEY_B, KEY_A)
    rig.ask("skip", rows=[[0, 3]], because="x")
    assert (rig.journal.skips(), rig.decisions(3)) == ([Skip("pacs", 0, 3)], ["SKIPPED"])
    rig.crash()
    refuse(rig, "B1")
    rig.ask("release")
    rig.pump()
    assert (rig.pacs.ids, rig.lane.done, rig.journal.skips(), parked(rig)) == (["B1", "B2"], 3, [], [(0, 1, False)])
    rig.ask("skip", rows=[[0, 1]], because="x")
    rig.queue(KEY_A)
    rig.pump()
    assert (rig.pacs.ids, parked(rig)) == (["B1", "B2", "B4"], [])


def test_what_cannot_be_skipped_is_refused_in_words(rig):
    """Sent already, on its way this moment, not there, without a reason."""
    rig.queue(KEY_A)
    rig.pump()
    rig.pacs.answer = lambda _line, _name: None
    rig.queue(KEY_A)
    rig.pump()
    for row, words in ((1, "is SENT already"), (2, "on its way this moment"), (9, "has no message 9")):
        with pytest.raises(Rejected, match=words):
            rig.ask("skip", rows=[[0, row]], because="x")
    with pytest.raises(Rejected, match="say why"):
        rig.ask("skip", rows=[[0, 2]])
    with pytest.raises(Rejected, match="name a message"):
        rig.ask("skip", because="x")


def test_retry_now(rig):
    """A lane that waits tries at once; one that does not is told so."""
    with pytest.raises(Rejected, match="pacs does not wait for a next try: it is open"):
        rig.ask("retry")
    rig.pacs.answer = lambda line, name: line.answer(ack(name, "CR"))
    rig.queue(KEY_A)
    for _ in range(9):
        rig.pump(400)
    assert rig.lane.next_try - rig.wall() > 0
    refuse(rig)
    rig.pacs.received.clear()
    rig.ask("retry", lane=0)
    rig.pump()
    assert (rig.pacs.ids, rig.lane.tries) == (["B1"], 0)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"act": "release"}, "pacs is not held: it is open"),
        ({"act": "release", "lane": 7}, "pacs has no lane 7; it has 0"),
        ({"act": "release", "keys": ["X"]}, "nothing of this patient is parked"),
        ({"act": "release", "parked": True}, "nothing is parked"),
        ({"act": "release", "rows": [[0, 1]]}, "message 1 of lane 0 is not parked"),
        ({"act": "release", "rows": [[0]]}, "pairs of lane and number"),
        ({"act": "release", "rows": [[0, -1]]}, "pairs of lane and number"),
        ({"act": "hold", "lane": "x"}, "a lane is a number"),
        ({"act": "burn"}, "act is one of hold, release, retry, skip"),
        ({"act": "hold", "destination": "nix\n"}, r"no destination 'nix\\\\x0a'; it has pacs"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(rig, args, words):
    """And nothing is written."""
    rig.queue(KEY_A)
    rig.pump()
    before = rig.commits
    with pytest.raises(Rejected, match=words):
        rig.ask(**args)
    assert rig.commits == before


def test_release_without_anything_held_says_what_is_parked(rig):
    """A hint to the other form of release."""
    refuse(rig, "B1")
    rig.queue(KEY_A)
    rig.pump()
    with pytest.raises(Rejected, match="of 1 patients messages are parked: release them by --entry or --all-parked"):
        rig.ask("release")


def test_a_message_that_must_not_leave_yet_holds_its_lane(rig):
    """`hold` of a row: HELD with the reason; release sends it in its place, also over a kill; skip passes it."""
    rig.queue(KEY_A, hold="ISO 8859-1 cannot carry it")
    rig.queue(KEY_A, KEY_B)
    rig.pump()
    assert (rig.pacs.ids, rig.lane.state, rig.lane.reason) == ([], LaneState.HELD, "ISO 8859-1 cannot carry it")
    rig.ask("release")
    rig.crash()
    rig.pump()
    assert (rig.pacs.ids, rig.lane.done, parked(rig)) == (["B1", "B2", "B3"], 3, [])
    rig.queue("", hold="x")
    rig.pump()
    rig.ask("skip", rows=[[0, 4]], because="x")
    rig.queue(KEY_A)
    rig.pump()
    assert (rig.pacs.ids[-1], rig.lane.state, rig.decisions(4)) == ("B5", LaneState.OPEN, ["SKIPPED"])


def test_waiting_is_told_once_an_hour(rig):
    """Retrying or held: one event for each hour, none while nothing waits."""
    rig.pacs.answer = lambda line, name: line.answer(ack(name, "AR", "207"))
    rig.queue(KEY_A)
    for _ in range(130):
        rig.pump(60)
    late = [event for event in rig.events if isinstance(event, DeliveryLate)]
    assert [event.hours for event in late] == [1, 2]
    assert late[0].why == "AR 207 (application internal error)"
    refuse(rig)
    rig.ask("retry")
    rig.pump()
    rig.ask("hold")
    for _ in range(70):
        rig.pump(60)
    assert sum(isinstance(event, DeliveryLate) for event in rig.events) == 2
    rig.queue(KEY_A)
    rig.pump(60)
    assert sum(isinstance(event, DeliveryLate) for event in rig.events) == 3


def test_every_attempt_of_a_release_is_kept(rig):
    """Parked, sent: two rows of the attempt table."""
    refuse(rig, "B1")
    rig.queue(KEY_A)
    rig.pump()
    refuse(rig)
    rig.ask("release", keys=[KEY_A])
    rig.pump()
    found = rig.journal.attempts("pacs", 0, [1])
    assert [(a.decision, a.answer) for a in found] == [(Decision.PARKED, "AE"), (Decision.SENT, "AA")]


def test_rows_of_two_lanes_are_released_at_once(tmp_path):
    """Each group by the lane that sends it, also where that one is idle."""
    rig = Rig(tmp_path, lanes=2)
    refuse(rig, "B1", "B2")
    rig.queue(KEY_A)
    rig.queue(KEY_B, lane=1)
    rig.pump()
    refuse(rig)
    rig.ask("release", parked=True)
    rig.pump()
    assert sorted(rig.pacs.ids) == ["B1", "B1", "B2", "B2"]
    assert parked(rig) == []


def test_a_skipped_row_is_not_sent_by_another_lane(tmp_path):
    """Released and fetched by the lane that sends the group, but that waits; then skipped: it does not go."""
    rig = Rig(tmp_path, lanes=2)
    refuse(rig, "B1")
    rig.queue(KEY_A)
    rig.pump()
    rig.queue(KEY_A, lane=1)
    rig.pump()
    assert parked(rig) == [(0, 1, False), (1, 1, False)]
    rig.pacs.answer = lambda _line, _name: None
    rig.ask("release", keys=[KEY_A])
    rig.pump(31)
    rig.ask("skip", rows=[[0, 1]], because="x")
    refuse(rig)
    rig.ask("skip", rows=[[1, 1]], because="x")
    rig.queue(KEY_A)
    rig.pump(10)
    assert (rig.pacs.ids, parked(rig)) == (["B1", "B1", "B3"], [])


def test_what_was_fetched_for_a_release_that_ended_meanwhile_is_dropped(rig):
    """A row that is not the next one any more is never sent."""
    refuse(rig, "B1")
    rig.queue(KEY_A, KEY_A)
    rig.pump()
    runner = rig.delivering.runners["pacs", 0]
    stale = rig.store.outbox_rows("pacs", 0, [2])
    runner.offer_aside([(0, 2)], stale)
    rig.pump()
    assert (rig.pacs.ids, parked(rig)) == (["B1"], [(0, 1, False), (0, 2, False)])


def test_a_command_whose_commit_does_not_come_says_so(rig, monkeypatch):
    """The same command may be given again; nothing tells content."""
    monkeypatch.setattr("engine.app.lane_commands.TIMEOUT", 0.01)
    monkeypatch.setattr(rig, "flush", lambda: None)
    with pytest.raises(Retryable, match="did not commit in time"):
        rig.ask("hold")


def test_nothing_was_ever_queued(rig):
    """Before the worker has made its file."""
    (rig.path / "store.db").unlink()
    with pytest.raises(Rejected, match="nothing was ever queued"):
        rig.ask("skip", rows=[[0, 1]], because="x")


def test_a_message_decided_this_moment_is_refused(rig, monkeypatch):
    """The file does not say it yet, the lane does."""
    rig.queue(KEY_A)
    rig.pump()
    monkeypatch.setattr(rig.journal, "attempts", lambda *_: [])
    with pytest.raises(Rejected, match="was decided already"):
        rig.ask("skip", rows=[[0, 1]], because="x")


def test_a_file_that_is_busy_is_asked_again(rig, monkeypatch):
    """A released row that could not be read this moment is fetched at the next look."""
    refuse(rig, "B1")
    rig.queue(KEY_A)
    rig.pump()
    refuse(rig)
    real, troubles = rig.store.outbox_rows, [Retryable("store.db: busy")]

    def outbox_rows(*place):
        if troubles:
            raise troubles.pop()
        return real(*place)

    rig.ask("release", keys=[KEY_A])
    monkeypatch.setattr(rig.store, "outbox_rows", outbox_rows)
    rig.pump()
    assert (rig.pacs.ids, troubles) == (["B1", "B1"], [])


def test_what_is_asked_shows_no_patient():
    """Keys stand in the arguments, and not in any repr."""
    command = Command("c1", "anna", "lane", {"keys": [KEY_A]})
    row = Queued("pacs", 0, 1, KEY_A, b"MSH|", "B1", 1, "orders", 1, "", 0, "", 1)
    assert "HOSP" not in repr(_Asked(command, "pacs", None, [row], Future()))
