"""More lanes, fewer lanes, a lane for STAT orders: no patient's messages change their order over the change (D7)."""

from types import SimpleNamespace

import pytest

from engine.channel.lane_layout import STAT, Layout, layouts, relaid
from engine.channel.ports import LaneState
from engine.errors import Rejected
from tests.app.pacs_rig import Rig, ack

KEY = "HOSP|MR|1"


def rules(lanes=1, stat=False):  # noqa: FBT002
    return {"pacs": SimpleNamespace(lanes=lanes, stat_lane=stat)}


def lay(rig, lanes, stat=False):  # noqa: FBT002
    commit = relaid(rules(lanes, stat), rig.store)
    if commit is not None:
        rig.store.commit(commit)
    rig.plan = rig.plan._replace(lanes=lanes, stat_lane=stat)
    return commit is not None


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@pytest.mark.parametrize(("before", "after"), [((4, 3), (2, 1)), ((2, 1), (4, 3))])
def test_what_was_queued_before_the_change_goes_first(rig, before, after):
    """Fewer lanes or more: the patient's lane is another one now, and the old one is emptied before."""
    lay(rig, before[0])
    rig.crash()
    rig.pacs.answer = lambda _line, _name: None
    rig.queue(KEY, KEY, KEY, lane=before[1])
    rig.pump(31)
    rig.pacs.received.clear()
    assert lay(rig, after[0])
    rig.queue(KEY, KEY, lane=after[1])
    rig.crash()
    rig.pump()
    assert rig.pacs.ids == []
    rig.pacs.answer = lambda line, name: line.answer(ack(name))
    rig.pump(400)
    assert rig.pacs.ids == ["B1", "B2", "B3", "B4", "B5"]
    assert not lay(rig, after[0])


def test_a_held_old_lane_keeps_the_new_ones_waiting(rig):
    """Until it is released: a person sees it, nothing overtakes."""
    lay(rig, 4)
    rig.crash()
    rig.ask("hold", lane=3)
    rig.queue(KEY, lane=3)
    lay(rig, 1)
    rig.queue("HOSP|MR|2", lane=0)
    rig.crash()
    rig.pump(10)
    assert rig.pacs.ids == []
    with pytest.raises(Rejected, match="pacs has no lane 4; it has 0, 1, 2, 3"):
        rig.ask("release", lane=4)
    rig.ask("release", lane=3)
    rig.pump()
    assert rig.pacs.ids == ["B1", "B2"]


def test_there_and_back_while_nothing_was_delivered(rig):
    """2, 4, 2 lanes with messages queued under each: three stretches, one after the other."""
    rig.ask("hold")
    lay(rig, 2)
    rig.queue(KEY, lane=1)
    lay(rig, 4)
    rig.queue(KEY, lane=3)
    lay(rig, 2)
    rig.queue(KEY, lane=1)
    rig.crash()
    rig.pump(10)
    assert {lane.state for lane in [runner.newest for runner in rig.delivering.lanes_of("pacs")]} == {LaneState.STOPPED}
    rig.ask("release")
    rig.pump()
    rig.pump()
    assert rig.pacs.ids == ["B1", "B2", "B3"]


def test_parked_rows_of_a_lane_that_is_gone_keep_their_patient_back(rig):
    """Parked in lane 3 of 4; now 2 lanes: newer ones of the patient are set aside, and go after it at release."""
    lay(rig, 4)
    rig.crash()
    rig.pacs.answer = lambda line, name: line.answer(ack(name, "AE"))
    rig.queue(KEY, KEY, lane=3)
    rig.pump()
    lay(rig, 2)
    rig.crash()
    rig.queue(KEY, lane=1)
    rig.pacs.answer = lambda line, name: line.answer(ack(name))
    rig.pump()
    assert rig.pacs.ids == ["B1"]
    assert [(row.lane, row.seq) for row in rig.journal.parked()] == [(1, 1), (3, 1), (3, 2)]
    rig.ask("release", parked=True)
    rig.queue(KEY, lane=1)
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B2", "B3", "B4"]
    assert rig.journal.parked() == []


def test_a_worker_with_a_newer_configuration_is_served(rig):
    """The worker was restarted alone and queues in a lane that the network process does not know."""
    lay(rig, 1)
    rig.queue(KEY)
    rig.pump()
    lay(rig, 2)
    rig.queue(KEY, lane=1)
    rig.pump()
    assert rig.pacs.ids == ["B1", "B2"]


def test_order_is_by_entry_and_not_by_the_clock(rig):
    """The clock was set back between two parked messages of one patient in two lanes: the earlier entry goes first."""
    lay(rig, 4)
    rig.crash()
    rig.pacs.answer = lambda line, name: line.answer(ack(name, "AE"))
    rig.queue(KEY, lane=3)
    rig.pump()
    lay(rig, 1)
    rig.crash()
    later = rig.store._outbox["pacs", 3][1]
    rig.store._outbox["pacs", 3][1] = later._replace(created=later.created + 3_600_000_000)
    rig.queue(KEY, lane=0)
    rig.pump()
    rig.pacs.answer = lambda line, name: line.answer(ack(name))
    rig.ask("release", parked=True)
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B2"]


def test_stat_orders_do_not_wait_behind_routine(rig):
    """Another connection: routine retries, STAT is through."""
    lay(rig, 1, stat=True)
    rig.crash()
    rig.pacs.answer = lambda line, name: None if name == "B1" else line.answer(ack(name))
    rig.queue(KEY)
    rig.queue("HOSP|MR|2", lane=STAT)
    rig.pump()
    assert (rig.pacs.ids, rig.journal.lane("pacs", STAT).done, rig.lane.done) == (["B1", "B2"], 1, 0)


def test_a_message_about_orders_of_two_lanes_overtakes_neither(rig):
    """It waits in its lane until the STAT lane is beyond its other order, also over a restart; what is behind it waits."""
    lay(rig, 1, stat=True)
    rig.crash()
    rig.pacs.answer = lambda line, name: line.answer(ack(name, "AR", "207") if name == "B1" else ack(name))
    rig.queue(KEY, lane=STAT)
    rig.queue(KEY)
    rig.queue(KEY, behind=(STAT,))
    rig.queue(KEY)
    rig.queue(KEY, lane=STAT)
    rig.pump()
    rig.crash()
    rig.pump(10)
    assert set(rig.pacs.ids) == {"B1", "B2"}
    rig.pacs.answer = lambda line, name: line.answer(ack(name))
    rig.pump(300)
    rig.pump()
    assert list(dict.fromkeys(rig.pacs.ids))[2:] in (["B5", "B3", "B4"], ["B3", "B5", "B4"], ["B3", "B4", "B5"])


def test_it_stays_behind_an_order_that_is_refused(rig):
    """The STAT order is parked: the message about it and a routine one is set aside with the patient."""
    lay(rig, 1, stat=True)
    rig.crash()
    rig.pacs.answer = lambda line, name: line.answer(ack(name, "AE"))
    rig.queue(KEY, lane=STAT)
    rig.queue(KEY, behind=(STAT,))
    rig.pump()
    assert rig.pacs.ids == ["B1"]
    rig.pacs.answer = lambda line, name: line.answer(ack(name))
    rig.ask("release", parked=True)
    rig.pump()
    assert rig.pacs.ids == ["B1", "B1", "B2"]


def test_layouts_are_read_back():
    """Kept as a switch of the store, one for each destination."""
    kept = Layout("2 stat", ({0: 3, STAT: 1}, {1: 2}))
    found = layouts({"enrichment": "off", "lanes pacs": kept.dumped()})
    assert found == {"pacs": kept}
    assert kept.unpassed(lambda _lane: 1) == {0: 3, STAT: 1}
    assert kept.unpassed({0: 3, STAT: 1, 1: 1}.__getitem__) == {1: 2}
    assert kept.unpassed(lambda _lane: 9) is None
