"""What is left after a storm of kills, and what is wrong with it: `problems` is pure and can be given anything."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from witness import Message

from engine.channel.outcome import Status
from engine.channel.ports import Attempt, Decision, Entry, OutcomeRow, Queued
from engine.patient.fact import Fact

CHANNELS = {"adt": "adt", "lab": "results", "ris": "orders_to_pacs"}  # what the shipped site does with each listener
STATED = ("lab", "allergy")  # kinds of facts whose values a witness knows


class Evidence(NamedTuple):
    """Both ends of the engine and both of its files, after everything drained."""

    sent: Sequence[Sequence[Message]]  # by connection, in order, each message once
    acked: Sequence[Sequence[str]]  # control ids by connection, in order of the answers
    refused: Sequence[str]
    entries: Sequence[Entry]  # in order of their positions
    outcomes: Sequence[OutcomeRow]
    facts: Sequence[Fact]
    queued: Sequence[Queued]  # the outbox of the one lane, in order
    attempts: Sequence[Attempt]  # in order of their commits
    received: Sequence[bytes]  # by the PACS, in order
    counts: Mapping[str, int]  # what the store counted while it committed
    resent: int  # messages that a witness sent again
    known: int  # ... and that the journal had already
    kills: int  # of the process that delivers

    def summary(self) -> str:
        """How much there was to get wrong."""
        return (
            f"{sum(map(len, self.acked))} acknowledged, {self.resent} sent again ({self.known} known), {len(self.entries)} entries, "
            f"{len(self.facts)} facts, {len(self.queued)} orders, "
            f"{len(self.received) - len(self.queued)} delivered again, {self.kills} kills of the network process"
        )


class Problem(NamedTuple):
    """A promise that was broken, and where."""

    kind: str
    where: str


def problems(evidence: Evidence) -> list[Problem]:
    """Every broken promise; an empty list is what the storm must leave."""
    checks = (_received, _journal, _connections, _outcomes, _facts, _outbox, _lane, _attempts, _counts)
    return [problem for check in checks for problem in check(evidence)]


def _received(evidence: Evidence) -> Iterator[Problem]:
    """Every answer is AA, for the oldest message without one."""
    for said in evidence.refused:
        yield Problem("refused", said)
    for sent, acked in zip(evidence.sent, evidence.acked, strict=True):
        if list(acked) != [message.control_id for message in sent[: len(acked)]]:
            yield Problem("answers out of order", sent[0].control_id)


def _journal(evidence: Evidence) -> Iterator[Problem]:
    """An acknowledged message is there once, a message without an answer once or never, and nothing else is."""
    kept = Counter((entry.listener, entry.body) for entry in evidence.entries)
    acked = {control_id for connection in evidence.acked for control_id in connection}
    for message in _sent(evidence):
        copies = kept.pop((message.listener, message.body), 0)
        if copies > 1:
            yield Problem("in the journal twice", message.control_id)
        if not copies and message.control_id in acked:
            yield Problem("acknowledged and missing", message.control_id)
    for entry in evidence.entries:
        if (entry.listener, entry.body) in kept:
            yield Problem("in the journal and never sent", f"entry {entry.position}")


def _connections(evidence: Evidence) -> Iterator[Problem]:
    """The journal has the messages of a connection in the order in which it sent them."""
    by_body = {message.body: message for message in _sent(evidence)}
    last: dict[int, int] = {}
    for entry in evidence.entries:
        message = by_body.get(entry.body)
        if message is None:
            continue
        if message.number < last.get(message.connection, 0):
            yield Problem("connection out of order", message.control_id)
        last[message.connection] = message.number


def _outcomes(evidence: Evidence) -> Iterator[Problem]:
    """Every entry went through its listener's channel, once."""
    found: dict[int, list[OutcomeRow]] = defaultdict(list)
    for row in evidence.outcomes:
        found[row.entry].append(row)
    for entry in evidence.entries:
        rows = found.pop(entry.position, [])
        wanted = (CHANNELS.get(entry.listener, ""), 1, Status.TRANSFORMED)
        if not rows:
            yield Problem("without outcome", f"entry {entry.position}")
        elif len(rows) > 1:
            yield Problem("two outcomes", f"entry {entry.position}")
        elif (rows[0].channel, rows[0].run, rows[0].status) != wanted:
            yield Problem("not transformed", f"entry {entry.position}: {rows[0].reason or rows[0].channel}")
    for position in found:
        yield Problem("outcome without entry", f"entry {position}")


def _facts(evidence: Evidence) -> Iterator[Problem]:
    """Every result and allergy of every entry is a fact of its patient, once, under the entry that said it."""
    for place, copies in Counter((fact.entry, fact.run, fact.ordinal, fact.kind) for fact in evidence.facts).items():
        if copies > 1:
            yield Problem("fact twice", str(place))
    said = Counter((fact.patient, fact.entry, fact.value_text) for fact in evidence.facts if fact.kind in STATED)
    by_body = {message.body: message for message in _sent(evidence)}
    for entry in evidence.entries:
        message = by_body.get(entry.body)
        for value in message.values if message is not None else ():
            if said.pop((message.patient, entry.position, value), 0) != 1:
                yield Problem("not a fact once", f"{message.control_id}: {value}")
    for _, position, value in said:
        yield Problem("fact of nothing", f"entry {position}: {value}")


def _outbox(evidence: Evidence) -> Iterator[Problem]:
    """Every order in the journal was queued once, and nothing else was; numbers have no gap."""
    queued: dict[int, list[str]] = defaultdict(list)
    for row in evidence.queued:
        queued[row.entry].append(row.order if row.order.encode() in row.body else "another order")
    by_body = {message.body: message for message in _sent(evidence)}
    for entry in evidence.entries:
        message = by_body.get(entry.body)
        wanted = [message.order] if message is not None and message.order else []
        if queued.pop(entry.position, []) != wanted:
            yield Problem("not queued once", f"entry {entry.position}")
    for position in queued:
        yield Problem("queued without entry", f"entry {position}")
    if [row.seq for row in evidence.queued] != list(range(1, len(evidence.queued) + 1)):
        yield Problem("gap in the lane", "outbox")
    if any(one.entry > other.entry for one, other in pairwise(evidence.queued)):
        yield Problem("queued out of order", "outbox")


def _lane(evidence: Evidence) -> Iterator[Problem]:
    """The PACS got the rows of the outbox, byte for byte and in order; again only what a kill left in doubt, at once."""
    rows = {row.control_id: row for row in evidence.queued}
    done = repeats = 0
    for message in evidence.received:
        name = message.split(b"\r", 1)[0].split(b"|")[9].decode()
        row = rows.get(name)
        if row is None or row.body != message:
            yield Problem("delivered and not in the outbox", name)
            continue
        if row.seq == done:
            repeats += 1
        elif row.seq == done + 1:
            done = row.seq
        else:
            yield Problem("lane out of order", f"{row.seq} after {done}")
            done = max(done, row.seq)
    delivered = set(evidence.received)
    for row in evidence.queued:
        if row.body not in delivered:
            yield Problem("not delivered", f"seq {row.seq}")
    if repeats > evidence.kills:
        yield Problem("too many repeats", f"{repeats} for {evidence.kills} kills")


def _attempts(evidence: Evidence) -> Iterator[Problem]:
    """Every row was decided once, as sent, in order."""
    decided = [one for one in evidence.attempts if one.decision is not Decision.RETRY]
    if [one.seq for one in decided] != [row.seq for row in evidence.queued]:
        yield Problem("decided out of order", f"{len(decided)} attempts for {len(evidence.queued)} rows")
    for one in decided:
        if one.decision is not Decision.SENT:
            yield Problem("not sent", f"seq {one.seq}: {one.answer}")


def _counts(evidence: Evidence) -> Iterator[Problem]:
    """What the commits added up is what is there."""
    there = {
        "facts": len(evidence.facts),
        "outbox": len(evidence.queued),
        "orders": len({row.order for row in evidence.queued}),
        "transformed": len(evidence.outcomes)
        + evidence.counts.get("notes", 0),  # a note is an entry of the engine's own
    }
    for name, number in there.items():
        if evidence.counts.get(name, 0) != number:
            yield Problem("counted wrong", f"{name}: {evidence.counts.get(name, 0)}, there are {number}")


def _sent(evidence: Evidence) -> Iterator[Message]:
    for connection in evidence.sent:
        yield from connection
