"""The check behind the kill test can fail: every broken promise is planted, and found by its name."""

from collections.abc import Callable
from itertools import islice

import pytest
from evidence import CHANNELS, Evidence, problems
from witness import Message, messages

from engine.channel.outcome import Status
from engine.channel.ports import Attempt, Decision, Entry, Kind, OutcomeRow, Queued
from engine.patient.fact import Fact

EACH = 3  # messages of each connection
LISTENERS = ("adt", "lab", "ris", "ris")


def entry(position: int, message: Message) -> Entry:
    return Entry(position, 0, message.listener, "h:1", 1, message.body, "utf-8", Kind.MESSAGE, "AA", "", b"")


def outcome(one: Entry) -> OutcomeRow:
    return OutcomeRow(one.position, CHANNELS[one.listener], 1, Status.TRANSFORMED, *[""] * 6, "hash", 1)


def facts(position: int, message: Message) -> list[Fact]:
    kind = "lab" if message.listener == "lab" else "allergy"
    return [
        Fact(
            *(message.patient, position, 1, ordinal, kind, "", "", "", "", None, "", value),
            *([""] * 5),
            *(0, 0, 0, 0),
            *([""] * 5),
        )
        for ordinal, value in enumerate(message.values)
    ]


def queued(seq: int, position: int, message: Message) -> Queued:
    body = message.body.replace(message.control_id.encode(), f"B{seq}".encode(), 1)
    return Queued("pacs", 0, seq, "K", body, f"B{seq}", position, "orders_to_pacs", 1, message.order, 0, "hash", 1)


@pytest.fixture
def whole() -> Evidence:
    """Four connections, three messages each, received in turns; one order went to the PACS twice because of a kill."""
    sent = [list(islice(messages(number, listener), EACH)) for number, listener in enumerate(LISTENERS, 1)]
    in_turns = [connection[number] for number in range(EACH) for connection in sent]
    entries = [entry(position, message) for position, message in enumerate(in_turns, 1)]
    orders = [(position, message) for position, message in enumerate(in_turns, 1) if message.order]
    rows = [queued(seq, *order) for seq, order in enumerate(orders, 1)]
    kept = [fact for position, message in enumerate(in_turns, 1) for fact in facts(position, message)]
    return Evidence(
        sent=sent,
        acked=[[message.control_id for message in connection] for connection in sent],
        refused=[],
        entries=entries,
        outcomes=[outcome(one) for one in entries],
        facts=kept,
        queued=rows,
        attempts=[Attempt("pacs", 0, row.seq, 1, Decision.SENT, "AA") for row in rows],
        received=[row.body for row in (*rows[:2], *rows[1:])],
        counts={"facts": len(kept), "outbox": len(rows), "orders": len(rows), "transformed": len(entries)},
        resent=2,
        known=1,
        kills=1,
    )


def test_what_is_whole_has_no_problem(whole: Evidence) -> None:
    """Nor has a message that was kept and whose answer was lost, or that was neither kept nor answered."""
    assert problems(whole) == []
    assert problems(whole._replace(acked=[connection[:-1] for connection in whole.acked])) == []
    never = next(islice(messages(1, "adt"), EACH, None))
    assert problems(whole._replace(sent=[[*whole.sent[0], never], *whole.sent[1:]])) == []


def without(rows, *places):
    """The rows but those at these places."""
    return [row for place, row in enumerate(rows) if place not in places]


def swapped(rows, one, other):
    rows = list(rows)
    rows[one], rows[other] = rows[other], rows[one]
    return rows


def changed(rows, place, **values):
    rows = list(rows)
    rows[place] = rows[place]._replace(**values)
    return rows


def moved(rows, one, other):
    """Two entries with each other's position, as the journal would give them back."""
    there = {rows[one].position: rows[other].position, rows[other].position: rows[one].position}
    rows = [row._replace(position=there.get(row.position, row.position)) for row in rows]
    return sorted(rows, key=lambda row: row.position)


def repeated(whole: Evidence) -> Evidence:
    """A journal that did not know a message that was sent again, and all that follows from it."""
    again = whole.entries[0]._replace(position=len(whole.entries) + 1)
    return whole._replace(
        entries=[*whole.entries, again],
        outcomes=[*whole.outcomes, outcome(again)],
        facts=[*whole.facts, *facts(again.position, whole.sent[0][0])],
        counts={**whole.counts, "facts": len(whole.facts) + 1, "transformed": len(whole.entries) + 1},
    )


def requeued(whole: Evidence) -> Evidence:
    """A worker that queued the first two orders in another order than they came in."""
    rows = [row._replace(seq=seq) for seq, row in enumerate(swapped(whole.queued, 0, 1), 1)]
    return whole._replace(queued=rows, received=[row.body for row in rows])


# with four connections in turns, entry 1 to 4 hold the first message of each: adt, lab, ris, ris
PLANTED: dict[str, tuple[set[str], Callable[[Evidence], Evidence]]] = {
    "an answer that is not AA": ({"refused"}, lambda e: e._replace(refused=["W1N000001 was answered AR"])),
    "answers in another order": (
        {"answers out of order"},
        lambda e: e._replace(acked=[swapped(e.acked[0], 0, 1), *e.acked[1:]]),
    ),
    "a message that is not in the journal": (
        {"acknowledged and missing", "outcome without entry", "fact of nothing"},
        lambda e: e._replace(entries=without(e.entries, 0)),
    ),
    "a message that is in the journal twice": ({"in the journal twice", "connection out of order"}, repeated),
    "a message with another byte": (
        {"acknowledged and missing", "in the journal and never sent", "fact of nothing"},
        lambda e: e._replace(entries=changed(e.entries, 0, body=e.entries[0].body + b"\r")),
    ),
    "a message at another listener": (
        {"acknowledged and missing", "in the journal and never sent", "not transformed"},
        lambda e: e._replace(entries=changed(e.entries, 0, listener="lab")),
    ),
    "two messages of a connection exchanged": (
        {"connection out of order", "not a fact once", "fact of nothing"},
        lambda e: e._replace(entries=moved(e.entries, 0, 4)),
    ),
    "an entry without outcome": (
        {"without outcome", "counted wrong"},
        lambda e: e._replace(outcomes=without(e.outcomes, 0)),
    ),
    "an entry with two outcomes": (
        {"two outcomes", "counted wrong"},
        lambda e: e._replace(outcomes=[*e.outcomes, e.outcomes[0]._replace(run=2)]),
    ),
    "an entry that failed": (
        {"not transformed"},
        lambda e: e._replace(outcomes=changed(e.outcomes, 0, status=Status.FAILED)),
    ),
    "an entry in a second run": ({"not transformed"}, lambda e: e._replace(outcomes=changed(e.outcomes, 0, run=2))),
    "a fact twice under one name": (
        {"fact twice", "not a fact once", "counted wrong"},
        lambda e: e._replace(facts=[*e.facts, e.facts[0]]),
    ),
    "a fact twice under another name": (
        {"not a fact once"},
        lambda e: e._replace(
            facts=[*e.facts, e.facts[0]._replace(ordinal=7)], counts={**e.counts, "facts": len(e.facts) + 1}
        ),
    ),
    "a result that is no fact": (
        {"not a fact once", "counted wrong"},
        lambda e: e._replace(facts=without(e.facts, 1)),
    ),
    "a result of somebody else": (
        {"not a fact once", "fact of nothing"},
        lambda e: e._replace(facts=changed(e.facts, 1, patient="HOSP|MR|9999")),
    ),
    "an order that was not queued": (
        {"not queued once", "decided out of order", "delivered and not in the outbox", "counted wrong"},
        lambda e: e._replace(queued=without(e.queued, len(e.queued) - 1)),
    ),
    "an order that was queued twice": (
        {"not queued once", "not delivered", "decided out of order", "counted wrong", "queued out of order"},
        lambda e: e._replace(
            queued=[*e.queued, e.queued[0]._replace(seq=len(e.queued) + 1, control_id="B99", body=b"MSH|again")]
        ),
    ),
    "a gap in the lane": (
        {"gap in the lane", "lane out of order", "decided out of order"},
        lambda e: e._replace(queued=changed(e.queued, len(e.queued) - 1, seq=99)),
    ),
    "orders queued in another order": ({"queued out of order"}, requeued),
    "a row with another order's bytes": (
        {"not queued once", "delivered and not in the outbox", "lane out of order"},
        lambda e: e._replace(queued=changed(e.queued, 0, body=e.queued[1].body)),
    ),
    "an order that never came": (
        {"not delivered", "lane out of order"},
        lambda e: e._replace(received=without(e.received, 3)),
    ),
    "orders that came in another order": (
        {"lane out of order"},
        lambda e: e._replace(received=swapped(e.received, 3, 4)),
    ),
    "an order that came again later": (
        {"lane out of order"},
        lambda e: e._replace(received=[*e.received, e.received[0]]),
    ),
    "an order that came again with other bytes": (
        {"delivered and not in the outbox"},
        lambda e: e._replace(received=[*e.received[:2], e.received[2] + b"NTE|1\r", *e.received[3:]]),
    ),
    "an order that came again with another MSH-10": (
        {"delivered and not in the outbox"},
        lambda e: e._replace(received=[*e.received, e.received[-1].replace(b"|B6|", b"|B7|")]),
    ),
    "more repeats than kills": (
        {"too many repeats"},
        lambda e: e._replace(received=[e.received[0], *e.received]),
    ),
    "a row that was decided twice": (
        {"decided out of order"},
        lambda e: e._replace(attempts=[*e.attempts, e.attempts[-1]]),
    ),
    "a row that nobody decided": ({"decided out of order"}, lambda e: e._replace(attempts=e.attempts[:-1])),
    "a row that was set aside": (
        {"not sent"},
        lambda e: e._replace(attempts=changed(e.attempts, 0, decision=Decision.PARKED)),
    ),
    "an effect that was counted twice": (
        {"counted wrong"},
        lambda e: e._replace(counts={**e.counts, "orders": len(e.queued) + 1}),
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found(whole: Evidence, what: str) -> None:
    """By the names of the promises that are broken with it, and no other."""
    kinds, plant = PLANTED[what]
    assert {problem.kind for problem in problems(plant(whole))} == kinds


def test_an_attempt_that_waits_decides_nothing(whole: Evidence) -> None:
    """A PACS that was away: tried again, decided once."""
    waited = Attempt("pacs", 0, 1, 1, Decision.RETRY, "connection lost")
    assert problems(whole._replace(attempts=[waited, *whole.attempts])) == []
