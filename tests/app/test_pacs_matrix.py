"""A PACS that answers anything, on a clock in the test's hand: what becomes of the lane and of the message (D8, row 63).

The same on real sockets is in tests/e2e/test_pacs_answers.py. No message is ever credited with another's answer.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import (
    ConnectError,
    ConnectionLost,
    ConnectionRefusedError,  # noqa: A004
    DNSLookupError,
    NoRouteError,
    TimeoutError,  # noqa: A004
)

from engine.app.delivery_events import RefusedAfterwards
from engine.channel.answer_words import meaning
from engine.channel.ports import Decision, LaneState
from engine.mllp.framing import frame
from tests.app.pacs_rig import NOW, Rig, ack

A, B = "HOSP|MR|1", "HOSP|MR|2"
HTML = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html><body>no</body></html>"
NO_MSA = frame(b"MSH|^~\\&|PACS||||20260820||ACK|1|P|2.5\r")


def says(make):
    """An answer made of the control id."""
    return lambda line, name: line.answer(make(name))


def later(seconds, make):
    return lambda line, name: line.pacs.reactor.callLater(seconds, line.answer, make(name))


def pieces(line, name):
    for byte in ack(name):
        line.answer(bytes([byte]))


def closes_before(line, _name):
    line.close()


def closes_after(line, name):
    line.answer(ack(name))
    line.close()


def resets(line, _name):
    line.close(ConnectionLost())


def nothing(_line, _name):
    """Never."""


def as_utf16(name):
    return b"\x0b" + ack(name)[1:-2].decode().encode("utf-16") + b"\x1c\r"


TAKEN = {
    "AA": says(ack),
    "CA": says(lambda name: ack(name, "CA")),
    "in pieces": pieces,
    "LF line ends": says(lambda name: frame(ack(name)[1:-2].replace(b"\r", b"\n"))),
    "two in one packet": says(lambda name: ack(name) + ack(name)),
    "closes after": closes_after,
    "late, but in time": later(29, ack),
    "without CR at the end": says(lambda name: ack(name)[:-1]),
}
REFUSED = {"AE": "AE", "AE 204": "AE 204", "AR": "AR", "AR 200": "AR 200", "CE": "CE", "CE 207": "CE 207"}
AGAIN = {
    "AR 206": (says(lambda name: ack(name, "AR", "206")), "AR 206"),
    "AR 207": (says(lambda name: ack(name, "AR", "207")), "AR 207"),
    "CR": (says(lambda name: ack(name, "CR")), "CR"),
    "CR 200": (says(lambda name: ack(name, "CR", "200")), "CR 200"),
    "unknown code": (says(lambda name: ack(name, "OK")), "answer with an unknown code"),
    "garbage in a frame": (says(lambda _name: frame(b"\xff\x00hello")), "answer is no HL7 acknowledgement"),
    "without a frame": (says(lambda name: ack(name)[1:-2]), "answer is no HL7 message"),
    "empty frame": (says(lambda _name: frame(b"")), "answer is empty"),
    "wrong MSA-2": (says(lambda _name: ack("X1")), "answer for another message"),
    "empty MSA-2": (says(lambda _name: ack("")), "answer for another message"),
    "HTML page": (says(lambda _name: HTML), "answer is no HL7 message"),
    "10 MB": (says(lambda name: b"\x0b" + ack(name)[1:-2] + b"NTE|" * 2_500_000), "answer longer than 64 KB"),
    "no MSA": (says(lambda _name: NO_MSA), "answer is no HL7 acknowledgement"),
    "UTF-16": (says(as_utf16), "answer is no HL7 acknowledgement"),
    "half an answer, then closed": (
        lambda line, name: (line.answer(ack(name)[:-9]), line.close()),
        "connection closed before the answer",
    ),
    "closes before": (closes_before, "connection closed before the answer"),
    "resets": (resets, "connection reset"),
    "never": (nothing, "no answer for 30 s"),
    "too late": (later(31, ack), "no answer for 30 s"),
}


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def misbehave(rig, answer):
    """Do so for the first message, and take all others."""
    rig.pacs.answer = lambda line, name: (answer if name == "B1" else says(ack))(line, name)


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_an_answer_is_taken(rig, name):
    """SENT, at the first try; the next goes."""
    misbehave(rig, TAKEN[name])
    rig.queue(A, B)
    rig.pump(30)
    assert (rig.decisions(1), rig.decisions(2)) == (["SENT"], ["SENT"])
    assert (rig.lane.done, rig.lane.tries, rig.lane.reason, rig.lane.state) == (2, 0, "", LaneState.OPEN)


@pytest.mark.parametrize("policy", ["park", "hold", "retry", "skip"])
@pytest.mark.parametrize("name", AGAIN)
def test_what_is_no_refusal_is_tried_again_whatever_the_policy(tmp_path, name, policy):
    """Closed, the same message again after 1 s, 2 s ... by the same words in the lane; nothing overtakes; then it is taken."""
    answer, reason = AGAIN[name]
    rig = Rig(tmp_path, on_reject=policy)
    misbehave(rig, answer)
    rig.queue(A, B)
    rig.pump()
    rig.pump(30 if reason.startswith("no answer") else 0)
    lane = rig.lane
    assert (lane.state, lane.done, lane.tries, lane.reason) == (LaneState.OPEN, 0, 1, reason)
    assert lane.next_try - rig.wall() == 1_000_000
    assert (rig.pacs.ids, rig.decisions(1), rig.pacs.received[0][1].over) == (["B1"], ["RETRY"], True)
    rig.pump(1)
    rig.pump(30 if reason.startswith("no answer") else 0)
    assert (rig.pacs.ids, rig.lane.tries) == (["B1", "B1"], 2)
    assert rig.lane.next_try - rig.wall() == 2_000_000
    assert rig.lane.since < rig.wall()
    rig.pacs.answer = says(ack)
    rig.pump(2)
    assert rig.pacs.ids == ["B1", "B1", "B1", "B2"]
    assert (rig.decisions(1), rig.decisions(2)) == (["RETRY", "RETRY", "SENT"], ["SENT"])
    assert (rig.lane.done, rig.lane.tries, rig.lane.reason) == (2, 0, "")


@pytest.mark.parametrize("answer", REFUSED)
@pytest.mark.parametrize(
    ("policy", "state", "done", "first", "ids"),
    [
        ("park", LaneState.OPEN, 3, "PARKED", ["B1", "B2"]),
        ("hold", LaneState.HELD, 0, "RETRY", ["B1"]),
        ("retry", LaneState.OPEN, 0, "RETRY", ["B1"]),
        ("skip", LaneState.OPEN, 3, "FAILED", ["B1", "B2", "B3"]),
    ],
)
def test_a_refusal_follows_the_policy(tmp_path, answer, policy, state, done, first, ids):  # noqa: PLR0917 - a table
    """Refused: A's next (B3) is parked with it, stays behind it, or goes; B's goes or waits."""
    rig = Rig(tmp_path, on_reject=policy)
    code, _, error = REFUSED[answer].partition(" ")
    misbehave(rig, says(lambda name: ack(name, code, error)))
    rig.queue(A, B, A)
    rig.pump()
    lane = rig.lane
    assert (lane.state, lane.done, rig.decisions(1), rig.pacs.ids) == (state, done, [first], ids)
    stays = policy in {"hold", "retry"}
    assert (lane.reason, lane.tries) == ((REFUSED[answer], 1) if stays else ("", 0))
    assert lane.next_try == (NOW + 1_000_000 if policy == "retry" else 0)
    assert not rig.pacs.received[0][1].over
    assert [row.seq for row in rig.journal.parked()] == ([1, 3] if policy == "park" else [])


@pytest.mark.parametrize(
    ("error", "reason", "waits"),
    [
        (ConnectionRefusedError(), "connection refused by 10.0.0.5:104", 1),
        (NoRouteError(), "no route to host", 1),
        (DNSLookupError(), "host name not found", 1),
        (TimeoutError(), "no connection within 10 s", 1),
        (ConnectError(), "no connection", 1),
    ],
)
def test_no_connection(rig, error, reason, waits):
    """Told in words; backoff up to five minutes, for ever; nothing is lost."""
    rig.pacs.refuses = error
    rig.queue(A)
    rig.pump()
    assert (rig.lane.reason, rig.lane.tries, rig.pacs.ids) == (reason, 1, [])
    assert rig.lane.next_try - rig.wall() == waits * 1_000_000
    for _ in range(12):
        rig.pump(300)
    assert rig.lane.next_try - rig.wall() == 300_000_000
    rig.pacs.refuses = None
    rig.pump(300)
    assert rig.pacs.ids == ["B1"]


@pytest.mark.parametrize("second", ["AA", "AE"])
def test_a_second_answer_while_the_next_is_on_its_way(rig, second):
    """It belongs to the message before and passes; the next is sent once, and credited with its own answer only."""

    def answer(line, name):
        if name == "B1":
            line.answer(ack("B1", "CA"))
            line.pacs.reactor.callLater(0.5, line.answer, ack("B1", second))
        else:
            line.pacs.reactor.callLater(0.9, line.answer, ack(name))

    rig.pacs.answer = answer
    rig.queue(A, A)
    rig.pump(0.6)
    assert (rig.lane.done, rig.lane.reason, rig.decisions(2)) == (1, "", [])
    rig.pump(1)
    assert (rig.lane.done, rig.pacs.ids, rig.decisions(2)) == (2, ["B1", "B2"], ["SENT"])
    told = [event for event in rig.events if isinstance(event, RefusedAfterwards)]
    assert told == ([RefusedAfterwards("pacs", 0, "B1", "AE")] if second == "AE" else [])


def test_the_enhanced_mode_sends_every_message_once(rig):
    """CA and then AA to each of them."""
    rig.pacs.answer = says(lambda name: ack(name, "CA") + ack(name))
    rig.queue(A, B, A)
    rig.pump()
    assert (rig.lane.done, rig.pacs.ids) == (3, ["B1", "B2", "B3"])


def test_another_order_with_the_same_control_id_waits_for_its_own_answer(rig):
    """The first AA comes again after 0.7 s, the second order is never answered: it is not SENT (`control_id: keep`)."""

    def answer(line, _name):
        if len(rig.pacs.received) == 1:
            line.answer(ack("SAME"))
            line.pacs.reactor.callLater(0.7, line.answer, ack("SAME"))

    rig.pacs.answer = answer
    rig.queue(A, B, named="SAME")
    rig.pump(0.8)
    rig.pump(1)
    assert (rig.pacs.ids, rig.decisions(1), rig.decisions(2)) == (["SAME", "SAME"], ["SENT"], [])
    first, second = [line for _, line in rig.pacs.received]
    assert first is not second


def test_what_asks_for_no_answer_is_sent_without_one(rig):
    """MSH-15 NE passed on (`acknowledgement: keep`): SENT, and the attempt says why; the next goes."""
    rig.pacs.answer = nothing
    rig.queue(A, B, accept="NE")
    for _ in range(3):
        rig.pump(1)
    assert (rig.lane.done, rig.pacs.ids, rig.lane.tries) == (2, ["B1", "B2"], 0)
    (attempt,) = rig.journal.attempts("pacs", 0, [1])
    assert (attempt.decision, attempt.answer) == (Decision.SENT, "not answered, as MSH-15 NE asks")
    assert "nothing proves" in meaning(attempt.answer)


def test_a_late_answer_on_the_old_connection_is_not_heard(rig):
    """The timeout closed it; what it says belongs to nothing, also while the same message is on its way again."""
    rig.pacs.answer = nothing
    rig.queue(A, A)
    rig.pump(30)
    rig.pump(1)
    old, new = [line for _, line in rig.pacs.received]
    old.protocol.dataReceived(ack("B1"))
    rig.pump()
    assert (rig.lane.done, rig.pacs.ids) == (0, ["B1", "B1"])
    new.answer(ack("B1"))
    rig.pump()
    assert (rig.lane.done, rig.pacs.ids) == (1, ["B1", "B1", "B2"])


BEHAVIOURS = [*TAKEN.values(), *(answer for answer, _ in AGAIN.values() if answer is not AGAIN["10 MB"][0])]
BEHAVIOURS += [says(lambda name, code=code: ack(name, *code.split(" "))) for code in REFUSED.values()]
BEHAVIOURS += [
    later(1, lambda name: ack(f"B{max(int(name[1:]) - 1, 1)}")),
    later(40, ack),
    says(lambda _name: ack("B1")),
]


@settings(max_examples=150, deadline=None)
@given(
    script=st.lists(st.integers(0, len(BEHAVIOURS) - 1), min_size=1, max_size=30),
    policy=st.sampled_from(["park", "hold", "retry", "skip"]),
    keys=st.lists(st.sampled_from([A, B, ""]), min_size=1, max_size=6),
)
def test_no_message_is_credited_with_anothers_answer(tmp_path_factory, script, policy, keys):
    """Whatever a PACS does: SENT only after an AA or CA with the own MSH-10, on the connection the message went out on."""
    rig = Rig(tmp_path_factory.mktemp("matrix"), on_reject=policy)
    steps = iter(script)

    def answer(line, name):
        BEHAVIOURS[next(steps, 0)](line, name)

    credited = watch(rig)
    rig.pacs.answer = answer
    rig.queue(*keys)
    for _ in range(12):
        rig.pump(31)
    for seq in range(1, len(keys) + 1):
        if "SENT" in rig.decisions(seq):
            assert f"B{seq}" in credited
    order = [int(name[1:]) for name in rig.pacs.ids]
    for key in {A, B}:
        of_key = [n for n in order if keys[n - 1] == key]
        assert of_key == sorted(of_key)


def watch(rig):
    """Control ids of messages that had an AA or CA of their own, on their connection, after they were sent.

    Looks for the bytes in what the PACS wrote there, not with the engine's own framing.
    """
    credited = set()

    def tap(line, data):
        line.said += data
        text = line.said.replace(b"\n", b"\r")
        for name, where in rig.pacs.received:
            own = (b"\rMSA|%s|%s\r" % (code, name.encode()) for code in (b"AA", b"CA"))
            if where is line and any(found in text for found in own):
                credited.add(name)

    rig.pacs.tap = tap
    return credited
