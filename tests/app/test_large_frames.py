"""The thread for large frames: judged, prepared, and passed on in order."""

from queue import SimpleQueue
from threading import Event

from engine.app.journal_items import Intake, Unjudged
from engine.app.large_frames import LargeFrames
from engine.channel.receive import ListenerRules, judge
from engine.mllp.framing import Framed, FrameEvent
from engine.store.bodies import Packer, prepare

SOON = 10.0


def judged(control_id: str):
    raw = f"MSH|^~\\&|LAB|HOSP|||20260819||ADT^A01|{control_id}|P|2.5\rNTE|1||{'x' * 5000}\r".encode()
    return judge(FrameEvent(Framed.FRAME, raw), ListenerRules("lab"), "10.0.0.7:1", 1_787_131_860_000_000)


def test_frames_are_judged_prepared_and_passed_on_in_order() -> None:
    """What the journal would do in its commit is done; a small frame between two large ones stays between them."""
    put: SimpleQueue = SimpleQueue()
    packer = Packer()
    frames = LargeFrames(lambda: lambda one: prepare(one, packer), put.put, lambda *_: None)
    frames.put(Unjudged("a", lambda: judged("C1"), 5_000))
    frames.put(Intake("a", judged("C2"), 60))
    frames.put(Unjudged("a", lambda: judged("C3"), 5_000))
    assert frames.stop(SOON)
    found = [put.get(timeout=SOON) for _ in range(3)]
    assert [(one.judged.msh.control_id, one.apart) for one in found] == [(b"C1", True), (b"C2", True), (b"C3", True)]
    prepared = found[0].judged.received[0].prepared
    assert packer.unpack(prepared.encoding, prepared.kept) == found[0].judged.received[0].body
    assert found[1].judged.received[0].prepared is None


def test_a_frame_that_cannot_be_judged_holds_nobody_up() -> None:
    """It is reported, and the next one is passed on."""

    def fail():
        raise KeyError("x")

    put: SimpleQueue = SimpleQueue()
    failed: SimpleQueue = SimpleQueue()
    frames = LargeFrames(lambda: lambda one: one, put.put, lambda *found: failed.put(found))
    bad = Unjudged("a", fail, 10**6)
    frames.put(bad)
    frames.put(Unjudged("b", lambda: judged("C1"), 10**6))
    assert frames.stop(SOON)
    item, error = failed.get(timeout=SOON)
    assert (item, type(error)) == (bad, KeyError)
    assert put.get(timeout=SOON).asker == "b"


def test_without_a_large_frame_there_is_no_thread() -> None:
    """Stopping what never ran is nothing."""
    assert LargeFrames(lambda: lambda one: one, print, print).stop()


def test_connections_have_their_turns() -> None:
    """Who sends many waits behind himself; the frames of each stay in order."""
    put: SimpleQueue = SimpleQueue()
    begin = Event()

    def make():
        begin.wait(SOON)
        return lambda one: one

    frames = LargeFrames(make, put.put, lambda *_: None)
    for number in range(3):
        frames.put(Unjudged("a", lambda number=number: judged(f"A{number}"), 10**6))
    frames.put(Unjudged("b", lambda: judged("B0"), 10**6))
    frames.put(Intake("b", judged("B1"), 60))
    begin.set()
    assert frames.stop(SOON)
    found = [put.get(timeout=SOON).judged.msh.control_id for _ in range(5)]
    assert found == [b"A0", b"B0", b"A1", b"B1", b"A2"]
