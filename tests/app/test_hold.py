"""A message that must be looked at before it leaves (`unencodable: hold`): it never leaves unseen, and nothing overtakes it."""

import pytest

from engine.app.delivery_events import DeliveryHeld
from engine.channel.ports import LaneState
from engine.errors import Rejected
from tests.app.pacs_rig import CrashError, Rig, parked, refuse

A, B = "HOSP|MR|1", "HOSP|MR|2"
WHY = "character set 8859/1 cannot carry a character of OBR-13"


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def approved(rig):
    return [(row.lane, row.seq) for row in rig.journal.approvals()]


def queue(rig, *rows, lane=0):
    """Rows of (patient, whether somebody must look)."""
    for key, hold in rows:
        rig.queue(key, lane=lane, hold=WHY if hold else "")


def test_each_such_message_needs_a_look_of_its_own(rig):
    """Three of one patient and one of another: every release lets one go, in the order of the lane."""
    queue(rig, (A, True), (A, True), (A, True), (B, False))
    rig.pump()
    for seq in (1, 2, 3):
        assert (rig.lane.state, rig.lane.done, rig.lane.reason) == (LaneState.HELD, seq - 1, WHY)
        rig.ask("release")
        rig.pump()
    assert (rig.pacs.ids, parked(rig), approved(rig)) == (["B1", "B2", "B3", "B4"], [], [])


def test_what_was_let_go_is_sent_in_its_place(rig):
    """Rows of other patients that are at hand stay behind it: the lane is strict."""
    queue(rig, (A, True), *[(f"HOSP|MR|{n}", False) for n in range(2, 6)])
    rig.pump()
    rig.ask("release")
    rig.pump()
    assert rig.pacs.ids == ["B1", "B2", "B3", "B4", "B5"]


@pytest.mark.parametrize("crash_at", range(1, 6))
def test_a_release_survives_a_kill(rig, crash_at):
    """Killed between any two commits: what was let go goes without a second look, what was not never does."""
    queue(rig, (A, True), (B, False), (A, True))
    rig.pump()
    rig.crash_at = rig.commits + crash_at
    try:
        rig.ask("release", command_id="r1")
        rig.pump()
    except CrashError:
        rig.crash()
        rig.ask("release", command_id="r1")
        rig.pump()
    assert list(dict.fromkeys(rig.pacs.ids)) == ["B1", "B2"]
    assert (rig.lane.state, rig.lane.done, approved(rig)) == (LaneState.HELD, 2, [])


def test_a_person_who_stopped_the_lane_has_not_looked(rig):
    """Held for its charset, then stopped: the first release opens, and the lane is held for the message again."""
    queue(rig, (A, True))
    rig.pump()
    rig.ask("hold")
    rig.ask("release")
    rig.pump()
    assert (rig.pacs.ids, rig.lane.state, rig.lane.reason) == ([], LaneState.HELD, WHY)
    rig.ask("release")
    rig.pump()
    assert rig.pacs.ids == ["B1"]


def test_a_parked_one_stops_its_patient_at_release(rig):
    """Behind a refused one: released with its patient it is not sent, says why, and goes when it is named."""
    refuse(rig, "B1")
    queue(rig, (A, False), (A, True), (A, False), (B, False))
    rig.pump()
    assert rig.journal.attempts("pacs", 0, [2])[-1].answer == WHY
    refuse(rig)
    for again in (False, True):
        rig.ask("release", **({"keys": [A]} if again else {"rows": [[0, 1]]}))
        rig.pump()
        assert (rig.pacs.ids, parked(rig)) == (["B1", "B4", "B1"], [(0, 2, False), (0, 3, False)])
        assert rig.events[-1] == DeliveryHeld("pacs", 0, 2, 2, WHY)
    assert (rig.lane.state, rig.journal.attempts("pacs", 0, [2])[-1].answer) == (LaneState.OPEN, WHY)
    rig.ask("release", rows=[[0, 2]])
    rig.pump()
    assert (rig.pacs.ids[3:], parked(rig), approved(rig)) == (["B2", "B3"], [], [])


def test_a_parked_one_without_a_patient(rig):
    """Alone; refused after a person let it go it needs no second look."""
    queue(rig, ("", True))
    rig.pump()
    refuse(rig, "B1")
    rig.ask("release")
    rig.pump()
    assert (rig.pacs.ids, parked(rig), approved(rig)) == (["B1"], [(0, 1, False)], [(0, 1)])
    rig.crash()
    refuse(rig)
    rig.ask("release", parked=True)
    rig.pump()
    assert (rig.pacs.ids, parked(rig), approved(rig)) == (["B1", "B1"], [], [])


def test_it_is_let_go_while_its_patient_is_under_release(rig):
    """The destination is silent, the group was released already: naming the message is a look at it, and not an error."""
    refuse(rig, "B1")
    queue(rig, (A, False), (A, True))
    rig.pump()
    rig.pacs.answer = lambda _line, _name: None
    rig.ask("release", keys=[A])
    rig.pump()
    assert rig.ask("release", rows=[[0, 2]])["rows"] == 1
    with pytest.raises(Rejected, match="nothing is parked that was not released already"):
        rig.ask("release", rows=[[0, 2]])
    refuse(rig)
    rig.pump(32)
    rig.pump(2)
    assert (rig.pacs.ids[-1], parked(rig)) == ("B2", [])


def test_a_later_one_of_a_patient_under_release_is_not_sent(rig):
    """Behind the released one that waits; when that is through, the lane is held for it."""
    refuse(rig, "B1")
    queue(rig, (A, False))
    rig.pump()
    rig.pacs.answer = lambda _line, _name: None
    rig.ask("release", keys=[A])
    queue(rig, (A, True))
    rig.pump(31)
    refuse(rig)
    rig.pump(2)
    assert (rig.pacs.ids, parked(rig), rig.lane.state) == (["B1", "B1", "B1"], [], LaneState.HELD)


def test_one_of_another_lane_joins_its_patient_under_release_and_is_not_sent(tmp_path):
    """Set aside behind the released one that waits; when that is through, the patient stops there."""
    rig = Rig(tmp_path, lanes=2)
    refuse(rig, "B1")
    queue(rig, (A, False))
    rig.pump()
    rig.pacs.answer = lambda _line, _name: None
    rig.ask("release", keys=[A])
    queue(rig, (A, True), lane=1)
    rig.pump(31)
    assert parked(rig) == [(0, 1, True), (1, 1, True)]
    refuse(rig)
    rig.pump(2)
    assert (rig.pacs.ids, parked(rig)) == (["B1", "B1", "B1"], [(1, 1, False)])


def test_a_stat_order_is_not_released_with_the_routine_one(tmp_path):
    """R holds lane 0, the same patient's S was refused in lane 1000: releasing lane 0 sends R, and S stays."""
    rig = Rig(tmp_path, stat_lane=True)
    queue(rig, (A, True))
    rig.pump()
    refuse(rig, "B2")
    queue(rig, (A, False), lane=1000)
    rig.pump()
    refuse(rig)
    rig.ask("release", lane=0)
    rig.pump()
    assert (rig.pacs.ids, parked(rig)) == (["B2", "B1"], [(1000, 1, False)])


def test_nothing_leaves_while_a_released_row_is_fetched(rig):
    """The lane is strict: newer rows at hand wait until the outbox's thread has read the released one."""
    refuse(rig, "B1")
    queue(rig, (A, False))
    rig.pump()
    refuse(rig)
    rig.ask("hold")
    queue(rig, (B, False))
    rig.pump()
    rig.ask("release", keys=[A])
    rig.ask("release")
    rig.reactor.advance(0)
    assert rig.pacs.ids == ["B1"]
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B2"]


def released_under_hold(tmp_path, *, lane=0):
    """A patient's two rows parked, then `on_reject: hold`, then a release at which the first is refused again."""
    rig = Rig(tmp_path, lanes=2)
    refuse(rig, "B1")
    queue(rig, (A, False))
    rig.pump()
    queue(rig, (A, False), lane=lane)
    rig.pump()
    rig.plan = rig.plan._replace(on_reject="hold")
    rig.crash()
    rig.ask("release", keys=[A])
    queue(rig, (B, False))
    rig.pump()
    assert (rig.lane.state, rig.lane.reason, rig.pacs.ids) == (LaneState.HELD, "AE", ["B1", "B1"])
    return rig


def test_hold_holds_for_released_rows(tmp_path):
    """Refused again under `on_reject: hold`: the lane is HELD there, also after a restart; release sends it again."""
    rig = released_under_hold(tmp_path)
    rig.crash()
    rig.pump(600)
    assert len(rig.pacs.ids) == 2
    refuse(rig)
    rig.ask("release")
    rig.pump()
    assert (rig.pacs.ids[2:], parked(rig)) == (["B1", "B2", "B3"], [])


@pytest.mark.parametrize("lane", [0, 1])
def test_what_a_lane_is_held_for_is_skipped(tmp_path, lane):
    """The released row is out of the way, and the lane goes on by itself; skipping another one does not open it."""
    rig = released_under_hold(tmp_path, lane=lane)
    rig.crash()
    refuse(rig)
    other = rig.journal.parked()[-1]
    rig.ask("skip", rows=[other[1:3]], because="x")
    rig.pump()
    assert rig.lane.state is LaneState.HELD
    rig.ask("skip", rows=[[0, 1]], because="x")
    rig.pump()
    assert (rig.pacs.ids[2:], rig.lane.state, parked(rig)) == (["B3"], LaneState.OPEN, [])
