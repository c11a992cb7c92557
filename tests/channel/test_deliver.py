"""What a destination's answer means for a row and its lane (D7, D8), and the transaction."""

import pytest

from engine.channel.deliver import FIRST_RETRY, LAST_RETRY, Decided, decide, decide_released, deliver, set_aside
from engine.channel.ports import Attempt, Decision, Lane, LaneState, Queued
from engine.hl7.acknowledge import Ack
from engine.mllp.answer import NoAnswer
from engine.store.memory import MemoryJournal

NOW = 1_787_131_860_000_000


def row(seq=7, key="HOSP|MR|1"):
    return Queued("pacs", 0, seq, key, b"MSH|", "B1", 1, "orders", 1, "O1", 0, "", NOW)


def ack(code, error=""):
    return Ack(code, "B1", error, "JANE DOE is unknown")


LANE = Lane("pacs", 0, done=6)


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_accepted_is_sent(code):
    """AA and CA move the lane on and forget its failures."""
    attempt, lane = decide(
        LANE._replace(tries=3, next_try=9, since=5, reason="no answer"), row(), ack(code), "park", NOW
    )
    assert attempt == Attempt("pacs", 0, 7, NOW, Decision.SENT, code, "HOSP|MR|1")
    assert lane == Lane("pacs", 0, done=7)


AGAIN = [ack("AR", "206"), ack("AR", "207"), ack("CR"), ack("CR", "200"), ack("XX"), NoAnswer("no answer for 30 s")]


@pytest.mark.parametrize("result", AGAIN)
@pytest.mark.parametrize("on_reject", ["park", "hold", "retry", "skip"])
def test_what_may_pass_later_is_tried_again_for_ever(result, on_reject):
    """AR 206/207, CR, an unknown code, silence: not decided, whatever `on_reject` says."""
    attempt, lane = decide(LANE, row(), result, on_reject, NOW)
    assert attempt.decision is Decision.RETRY
    assert (lane.done, lane.state, lane.tries, lane.next_try, lane.since) == (
        6,
        LaneState.OPEN,
        1,
        NOW + FIRST_RETRY,
        NOW,
    )
    assert lane.reason == attempt.answer


def test_the_wait_doubles_from_1_s_to_5_min():
    """Backoff: 1, 2, 4 ... 256, 300, 300 s; `since` is the first failure of the row."""
    lane, waits, now = LANE, [], NOW
    for _ in range(12):
        _, lane = decide(lane, row(), NoAnswer("connection refused"), "park", now)
        waits.append((lane.next_try - now) // 1_000_000)
        now = lane.next_try
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert (lane.since, lane.tries) == (NOW, 12)
    assert decide(lane._replace(tries=10_000), row(), NoAnswer("x"), "park", now)[1].next_try == now + LAST_RETRY


REJECTED = [("AE", ""), ("AE", "204"), ("CE", "102"), ("AR", ""), ("AR", "200"), ("AE", "207")]


@pytest.mark.parametrize(("code", "error"), REJECTED)
def test_a_rejection_follows_on_reject(code, error):
    """AE, CE and another AR: parked, held, retried or failed, as the destination says."""
    answer = f"{code} {error}".strip()
    found = {policy: decide(LANE, row(), ack(code, error), policy, NOW) for policy in ("park", "hold", "retry", "skip")}
    assert {policy: (attempt.decision, lane.done) for policy, (attempt, lane) in found.items()} == {
        "park": (Decision.PARKED, 7),
        "hold": (Decision.RETRY, 6),
        "retry": (Decision.RETRY, 6),
        "skip": (Decision.FAILED, 7),
    }
    assert found["hold"][1] == LANE._replace(state=LaneState.HELD, reason=answer, tries=1, since=NOW)
    assert found["retry"][1].next_try == NOW + FIRST_RETRY
    assert {attempt.answer for attempt, _ in found.values()} == {answer}


def test_nothing_that_a_receiver_writes_is_kept_but_codes():
    """A foreign text or a code that is none never reaches the attempt."""
    for result in (ack("AE", "DOE^JANE"), ack("DOE JANE"), ack("AE", "\u0663")):
        attempt, lane = decide(LANE, row(), result, "retry", NOW)
        assert attempt.answer in {"AE", "answer with an unknown code"}
        assert lane.reason == attempt.answer


def test_a_row_behind_a_parked_one_is_set_aside():
    """The order of the patient stays: not sent, parked with its key, the lane goes on."""
    attempt, lane = set_aside(LANE, row(), NOW)
    assert (attempt.decision, attempt.key, attempt.answer) == (Decision.PARKED, "HOSP|MR|1", "behind a parked message")
    assert lane.done == 7


def test_deliver_writes_attempts_and_lane_in_one_transaction():
    """The attempts, the parked rows and `done` are there together."""
    journal = MemoryJournal()
    first, lane = decide(Lane("pacs", 0), row(1), ack("AE", "204"), "park", NOW)
    second, lane = set_aside(lane, row(2), NOW)
    with journal.transaction() as tx:
        deliver(
            tx,
            [
                Decided((first, second), lane),
                Decided((Attempt("pacs", 1, 1, NOW, Decision.SENT, "AA"),), Lane("pacs", 1, 1)),
            ],
        )
    assert [lane.done for lane in journal.lanes()] == [2, 1]
    assert [(parked.seq, parked.key) for parked in journal.parked("pacs")] == [(1, "HOSP|MR|1"), (2, "HOSP|MR|1")]
    assert [attempt.decision for attempt in journal.attempts("pacs", 0, [1, 2])] == [Decision.PARKED, Decision.PARKED]


def test_reprs_show_no_key():
    """Attempts are told by their place."""
    attempt, _ = set_aside(LANE, row(), NOW)
    assert "HOSP" not in repr(Decided((attempt,), LANE))


STOPPED = LANE._replace(state=LaneState.STOPPED, reason="held by anna", since=5)


@pytest.mark.parametrize("policy", ["park", "hold", "retry", "skip"])
@pytest.mark.parametrize("result", [ack("AA"), ack("AE"), NoAnswer("connection reset")])
def test_a_lane_that_a_person_stopped_stays_so(result, policy):
    """What was on its way is decided; state, reason and since stay."""
    for decided in (decide, decide_released):
        _, lane = decided(STOPPED, row(), result, policy, NOW)
        assert (lane.state, lane.reason, lane.since, lane.next_try) == (LaneState.STOPPED, "held by anna", 5, 0)


@pytest.mark.parametrize(
    ("result", "policy", "decision"),
    [
        (ack("AA"), "park", Decision.SENT),
        (ack("AE"), "park", Decision.PARKED),
        (ack("AE"), "hold", Decision.RETRY),
        (ack("AE"), "skip", Decision.FAILED),
        (ack("AE"), "retry", Decision.RETRY),
        (NoAnswer("connection reset"), "park", Decision.RETRY),
    ],
)
def test_a_released_row_never_moves_its_lane(result, policy, decision):
    """`done` is beyond it already; `hold` keeps it at the head of its lane."""
    attempt, lane = decide_released(LANE._replace(tries=2), row(3), result, policy, NOW)
    assert (attempt.decision, lane.done, lane.tries) == (decision, 6, 3 if decision is Decision.RETRY else 0)
    assert lane.state is (LaneState.HELD if policy == "hold" else LaneState.OPEN)


def test_one_commit_holds_all_that_a_command_does():
    """Several lanes, what is released, skipped and taken back, and the id of the command."""
    journal = MemoryJournal()
    first, lane = decide(Lane("pacs", 0), row(1), ack("AE"), "park", NOW)
    second, lane = decide(lane, row(2, ""), ack("AE"), "park", NOW)
    with journal.transaction() as tx:
        deliver(tx, [Decided((first, second), lane)])
    skipped = Attempt("pacs", 1, 4, NOW, Decision.SKIPPED, "skipped by anna: x")
    also = Decided((), Lane("pacs", 1), skipped=(skipped,))
    with journal.transaction() as tx:
        deliver(tx, [Decided((), lane, unpark=("HOSP|MR|1",), unpark_rows=((0, 2),), command="c1", also=(also,))])
    assert [parked.released for parked in journal.parked()] == [True, True]
    assert journal.skips() == [("pacs", 1, 4)]
    assert journal.command_done("c1")
    again = Attempt("pacs", 0, 2, NOW, Decision.SENT, "AA", "")
    with journal.transaction() as tx:
        deliver(tx, [Decided((), lane, aside=(again,), repark=("HOSP|MR|1",))])
    assert [(parked.seq, parked.released) for parked in journal.parked()] == [(1, False)]
