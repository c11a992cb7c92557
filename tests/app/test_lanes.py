"""A lane in the reactor: one message between send and commit, retries, parking, holding (D7, D8)."""

import pytest
from twisted.internet.task import Clock

from engine.app.events import DeliveryRefused, DeliveryWaits, LaneChanged
from engine.app.lanes import ASIDE, LOW, LanePorts, LaneRunner
from engine.app.parking import Parking
from engine.channel.ports import Decision, Lane, LaneState, Parked, Queued
from engine.hl7.acknowledge import Ack
from engine.mllp.answer import NoAnswer

NOW = 1_787_131_860_000_000


def row(seq, key=""):
    return Queued("pacs", 0, seq, key, b"MSH|%d" % seq, f"B{seq}", seq, "orders", 1, "", 0, "", NOW)


class Rig:
    """A lane with the sender, the journal thread and the clock in the test's hand."""

    connected = True

    def __init__(self, lane=None, on_reject="park", parked=()):
        self.clock = Clock()
        self.sent = []
        self.submitted = []
        self.fetches = 0
        self.events = []
        self.closed = False
        self.parked = Parking([Parked("pacs", 0, n, key, NOW, released=False) for n, key in enumerate(parked)])
        ports = LanePorts(self._submit, self._fetch, self._wall, self.clock, self.events.append)
        self.runner = LaneRunner(lane or Lane("pacs", 0), self.parked, on_reject, ports)
        self.runner.attach(self)

    def _submit(self, _runner, decided):
        self.submitted.append(decided)

    def _fetch(self):
        self.fetches += 1

    def _wall(self):
        return NOW + int(self.clock.seconds() * 1_000_000)

    def send(self, _body, control_id):
        self.sent.append(control_id)

    def close(self):
        self.closed = True

    def answer(self, code, error=""):
        """The destination answers what was sent last, and the decision is committed."""
        self.runner.result(Ack(code, self.sent[-1], error, ""))
        self.runner.committed()


def test_the_next_message_waits_for_the_commit():
    """An answer alone sends nothing: only the committed decision does (D7)."""
    rig = Rig()
    rig.runner.offer([row(1), row(2)])
    rig.runner.offer([row(3)])
    assert rig.sent == ["B1"]
    rig.runner.result(Ack("AA", "B1", "", ""))
    assert (rig.sent, rig.runner.lane.done) == (["B1"], 0)
    rig.runner.committed()
    assert (rig.sent, rig.runner.lane.done, rig.runner.sent) == (["B1", "B2"], 1, 1)
    assert [attempt.decision for attempt in rig.submitted[0].attempts] == [Decision.SENT]


def test_a_failure_waits_and_the_same_message_goes_again():
    """Backoff, the lane waits, order stays; told as an event without content."""
    rig = Rig()
    rig.runner.offer([row(1), row(2)])
    rig.runner.result(NoAnswer("connection refused"))
    rig.runner.committed()
    assert rig.events == [DeliveryWaits("pacs", 0, 1, 1, "connection refused")]
    rig.clock.advance(0.99)
    assert rig.sent == ["B1"]
    rig.clock.advance(0.01)
    rig.answer("AR", "207")
    assert rig.closed
    rig.clock.advance(2)
    rig.answer("AA")
    assert rig.sent == ["B1", "B1", "B1", "B2"]
    assert (rig.runner.lane.tries, rig.runner.lane.reason) == (0, "")


def test_a_restart_keeps_the_wait():
    """`next_try` is a row: a lane that comes up waits for it, but never longer than five minutes (D19)."""
    rig = Rig(Lane("pacs", 0, tries=3, next_try=NOW + 8_000_000))
    rig.runner.offer([row(1)])
    rig.clock.advance(7.9)
    assert rig.sent == []
    rig.clock.advance(0.1)
    assert rig.sent == ["B1"]
    far = Rig(Lane("pacs", 0, tries=3, next_try=NOW + 10**12))
    far.runner.offer([row(1)])
    assert far.clock.getDelayedCalls()[0].getTime() == 300
    far.clock.advance(300)
    assert far.sent == ["B1"]


def test_a_rejected_message_parks_its_patient_only():
    """Later rows of the key are set aside without being sent, in one commit; others go on."""
    rig = Rig()
    rig.runner.offer([row(1, "A"), row(2, "A"), row(3, "A"), row(4, "B"), row(5, "A")])
    rig.answer("AE", "204")
    assert rig.sent == ["B1"]
    assert [(a.seq, a.decision) for a in rig.submitted[1].attempts] == [(2, Decision.PARKED), (3, Decision.PARKED)]
    assert rig.submitted[1].lane.done == 3
    rig.runner.committed()
    assert rig.sent == ["B1", "B4"]
    rig.answer("AA")
    assert [a.seq for a in rig.submitted[3].attempts] == [5]
    assert rig.events == [DeliveryRefused("pacs", 0, 1, 1, "B1", "AE 204 (unknown key identifier)", "PARKED")]


def test_parked_keys_survive_a_restart_and_hold_for_all_lanes():
    """The keys come from the journal and are shared by the lanes of a destination."""
    rig = Rig(parked={"A"})
    rig.runner.offer([row(1, "A"), row(2, "")])
    rig.runner.committed()
    assert rig.sent == ["B2"]


def test_a_rejected_message_without_a_patient_parks_nobody():
    """No key, no order to keep."""
    rig = Rig()
    rig.runner.offer([row(1), row(2)])
    rig.answer("AE")
    assert (rig.sent, "" in rig.parked) == (["B1", "B2"], False)


def test_setting_aside_is_bounded():
    """A long row of parked messages is set aside in several commits."""
    rig = Rig(parked={"A"})
    rig.runner.offer([row(n, "A") for n in range(1, ASIDE + 6)])
    rig.runner.committed()
    assert [len(decided.attempts) for decided in rig.submitted] == [ASIDE, 5]


def test_hold_stops_the_lane():
    """The rejected message stays at the head, nothing more is sent, the state is told."""
    rig = Rig(on_reject="hold")
    rig.runner.offer([row(1), row(2)])
    rig.answer("AE", "204")
    rig.clock.advance(1000)
    assert (rig.sent, rig.runner.lane.state, rig.runner.lane.done) == (["B1"], LaneState.HELD, 0)
    assert rig.events == [LaneChanged("pacs", 0, "HELD", "AE 204 (unknown key identifier)")]
    assert rig.runner.status()["reason"] == "AE 204"


def test_a_lane_that_comes_up_held_sends_nothing():
    """States are rows."""
    rig = Rig(Lane("pacs", 0, state=LaneState.HELD))
    rig.runner.offer([row(1)])
    assert rig.sent == []


def test_skip_goes_on():
    """The message is FAILED, visible, and the next one goes."""
    rig = Rig(on_reject="skip")
    rig.runner.offer([row(1), row(2)])
    rig.answer("AE")
    assert rig.sent == ["B1", "B2"]
    assert rig.events == [DeliveryRefused("pacs", 0, 1, 1, "B1", "AE", "FAILED")]


def test_rows_are_fetched_before_they_run_out():
    """Crossing the low mark asks for more once, also when many rows leave at once."""
    rig = Rig()
    rig.runner.offer([row(n) for n in range(1, LOW + 2)])
    rig.answer("AA")
    assert rig.fetches == 0
    rig.answer("AA")
    assert rig.fetches == 1
    rig.answer("AA")
    assert rig.fetches == 1
    aside = Rig(parked={"A"})
    aside.runner.offer([row(n, "A") for n in range(1, LOW + 20)])
    aside.runner.committed()
    assert aside.fetches == 1


def test_stop_lets_what_is_in_flight_finish():
    """No message begins; the one in flight is still decided; then the lane is idle."""
    rig = Rig()
    rig.runner.offer([row(1), row(2)])
    rig.runner.stop()
    assert not rig.runner.idle
    rig.answer("AA")
    assert (rig.sent, rig.runner.idle, rig.runner.lane.done) == (["B1"], True, 1)
    rig.runner.close()
    assert rig.closed


def test_stop_ends_a_wait():
    """A lane that waits for its next try leaves no timer behind."""
    rig = Rig()
    rig.runner.offer([row(1)])
    rig.runner.result(NoAnswer("connection refused"))
    rig.runner.committed()
    rig.runner.close()
    assert rig.clock.getDelayedCalls() == []


def test_committed_without_a_decision_is_a_mistake():
    """The journal thread reports each decision once."""
    with pytest.raises(RuntimeError):
        Rig().runner.committed()


def test_an_answer_to_nothing_is_a_mistake():
    """The sender reports each message once."""
    with pytest.raises(RuntimeError):
        Rig().runner.result(NoAnswer("x"))


def test_answers_for_another_message_are_counted():
    """Row 63: `status` shows how many."""
    rig = Rig()
    rig.runner.offer([row(1)])
    rig.runner.result(NoAnswer("answer for another message"))
    rig.runner.committed()
    assert rig.runner.status()["mismatched"] == 1
