"""One message as a page of text: where it came from, what became of it, what changed between in and out."""

from collections.abc import Iterator
from typing import Any

from engine.channel.answer_words import meaning, told
from engine.channel.deliver import ACCEPTED
from engine.channel.outcome import Status
from engine.channel.ports import Decision, Entry, Kind, OutcomeRow
from engine.cli.console import moment, printable
from engine.cli.deliveries import Delivery, deliveries, delivery_record, delivery_words
from engine.cli.field_diff import Change, field_changes
from engine.cli.quarantine import act_lines, explanation, shown, state
from engine.cli.search import named
from engine.cli.site import Readers
from engine.errors import Unreadable
from engine.hl7.charset import decode
from engine.hl7.received import delivered, message_of


def message_page(readers: Readers, kept: Entry, *, raw: bool = False) -> list[str]:
    """The lines of the page; of a release, about the message released."""
    entry = shown(kept)
    sent = deliveries(readers, [entry.position])[entry.position]
    lines = [*_entry_lines(entry), *act_lines(kept)]
    if entry.kind is Kind.QUARANTINED:
        lines += ["", state(entry, readers.store.notes([entry.position])), *explanation(entry)]
    lines += ["", "outcomes", *_outcome_lines(readers, entry)]
    lines += ["", "deliveries", *_delivery_lines(sent)]
    for delivery in sent:
        lines += ["", f"changes on the way to {delivery.row.destination}", *_change_lines(entry, delivery)]
    if raw:
        lines += ["", "as it came", *(f"  {line}" for line in _segments(entry))]
    return lines


def message_words(readers: Readers, entry: Entry) -> dict[str, Any]:
    """The page for programs, without content but the control ids; times are UTC microseconds."""
    return {
        "entry": entry.position,
        "received": entry.received,
        "listener": entry.listener,
        "kind": entry.kind.name,
        "answer": entry.answer,
        "outcomes": [
            {**row._asdict(), "status": Status(row.status).name} for row in readers.store.outcomes([entry.position])
        ],
        "deliveries": [delivery_record(one) for one in deliveries(readers, [entry.position])[entry.position]],
    }


def _entry_lines(entry: Entry) -> list[str]:
    kind, control_id = named(entry)
    pairs = [
        ("received", f"{moment(entry.received)} by listener {entry.listener} from {entry.peer}"),
        ("kept as", f"{entry.kind.name}, {len(entry.body)} bytes, {entry.charset or 'charset not known'}"),
        ("answered", entry.answer or "no answer was asked for"),
        ("flags", entry.flags),
    ]
    return [
        f"entry {entry.position}: {kind}, control id {control_id}",
        *(f"  {name:<10}{printable(value)}" for name, value in pairs if value),
    ]


def _outcome_lines(readers: Readers, entry: Entry) -> Iterator[str]:
    rows = readers.store.outcomes([entry.position])
    notes = readers.store.notes([entry.position])
    if not rows:
        yield "  RECEIVED: not processed yet"
    for row in rows:
        yield f"  {row.channel or '(no channel)'}: {Status(row.status).name}{_because(row)}"
        for name, value in (("enrichment", row.enrichment), ("flags", row.flags), ("alerts", row.alerts)):
            if value:
                yield f"    {name:<12}{printable(value)}"
        if row.run > 1:
            yield f"    {'run':<12}{row.run}"
        for note in notes:
            if note.channel == row.channel and note.run == row.run:
                first, *others = note.text.split("\n")
                yield f"    {note.kind:<12}{printable(first)}"
                yield from (f"{'':<16}{printable(other)}" for other in others)


def _because(row: OutcomeRow) -> str:
    place = " ".join(part for part in (row.step, row.path) if part)
    reason = printable(row.reason)
    return f" by {place}: {reason}" if place and reason else f": {place or reason}" if place or reason else ""


def _delivery_lines(sent: list[Delivery]) -> Iterator[str]:
    if not sent:
        yield "  none"
    for delivery in sent:
        row = delivery.row
        yield f"  {delivery_words(delivery)} (lane {row.lane}, number {row.seq})"
        for attempt in delivery.attempts:
            taken = attempt.decision is Decision.SENT and attempt.answer[:2] in ACCEPTED
            means = "" if taken else meaning(attempt.answer)
            answer = printable(told(attempt.answer)) + (f": {means}" if means else "")
            yield f"    {moment(attempt.at)}  {attempt.decision.name}  {answer}"


def _change_lines(entry: Entry, delivery: Delivery) -> Iterator[str]:
    try:
        changes = field_changes(message_of(entry.body, entry.charset), delivered(delivery.row.body))
    except Unreadable:
        yield "  cannot be compared: one of them is no HL7 message"
        return
    if not changes:
        yield "  none"
    for change in changes:
        yield from _lines_of(change)


def _lines_of(change: Change) -> Iterator[str]:
    if change.before is None:
        yield f"  + {change.path:<10} {change.name}: {printable(change.after or '')}"
    elif change.after is None:
        yield f"  - {change.path:<10} {change.name}: {printable(change.before)}"
    else:
        yield f"  ~ {change.path:<10} {change.name}"
        yield f"      before  {printable(change.before) or '(empty)'}"
        yield f"      after   {printable(change.after) or '(empty)'}"


def _segments(entry: Entry) -> list[str]:
    try:
        text = decode(entry.body, entry.charset or "latin-1")
    except UnicodeDecodeError:
        text = entry.body.decode("latin-1")
    return [printable(line) for line in text.replace("\r\n", "\r").replace("\n", "\r").split("\r") if line]
